/* Private to the sqlite store. */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include <orchestrator/store.h>
#include <sqlite3.h>
#include <stdint.h>

enum { SCHEMA_VERSION = 2 };
enum statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_PUT,
    STATEMENT_DELETE,
    STATEMENT_HEAD,
    STATEMENT_SET_HEAD,
    STATEMENT_LIST,
    STATEMENT_COUNT
};
struct store {
    sqlite3 *database;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    int lock_fd;
    int poisoned; /* an fsync failed: what is on the disk is not known any more */
    uint64_t head, fence;
    char path[1024];
};
orch_status store_open(const struct orch_host *host, struct orch_str config,
                       const struct orch_store_open *request, struct store *store,
                       struct orch_error *error);
void store_finish(struct store *store);
/* Says what SQLite said, behind `what`. */
orch_status store_fail(struct store *store, orch_status status, const char *what,
                       struct orch_error *error);
/* What was read is not what was written. */
orch_status store_damaged(struct store *store, const char *what, struct orch_error *error);
orch_status store_status(struct store *store, int code);
/* The first column of its first row; `code` is SQLite's, SQLITE_ROW when there was one. */
int64_t store_read_number(struct store *store, const char *sql, int *code);
/* To SCHEMA_VERSION; a newer one is refused. */
orch_status store_migrate(struct store *store, struct orch_error *error);
/* Looks through the whole database, after bringing it to SCHEMA_VERSION. */
orch_status store_check(struct store *store, struct orch_error *error);
/* Makes record_sum() known to SQL; answers SQLite's code. */
int store_add_sum(sqlite3 *database);
orch_status store_read_head(struct store *store, struct orch_error *error);
orch_status store_apply(struct store *store, const struct orch_store_batch *batch,
                        uint32_t *applied, struct orch_error *error);

#endif
