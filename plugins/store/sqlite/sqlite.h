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
    int whole; /* 0: not known yet; below: it is not. check.c's, with the next three */
    struct page_check *check;
    struct listed *listed;
    struct page_end {
        char *key; /* NULL: no listing is to go on */
        size_t length, prefix_length;
    } page_end; /* of the latest page, which more come after */
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
/* Begins to look through the whole database; one of an earlier schema is looked through at once,
 * then brought to SCHEMA_VERSION. */
orch_status store_check(struct store *store, struct orch_error *error);
/* A page was given, with sound sums; `last`: its last key, NULL: no more come after it. */
void store_note_page(struct store *store, const struct orch_store_list *request,
                     const struct orch_str *last);
/* Before anything is written: waits for the look, and ends it. */
orch_status store_be_whole(struct store *store, struct orch_error *error);
void store_check_finish(struct store *store);
/* As keys are ordered. */
int store_compare(const char *a, size_t a_length, const char *b, size_t b_length);
/* Of the statement's row: key and value are its first two columns. */
int64_t store_row_sum(sqlite3_stmt *statement);
/* Makes record_sum() known to SQL; answers SQLite's code. */
int store_add_sum(sqlite3 *database);
orch_status store_list(struct store *store, const struct orch_store_list *request,
                       struct orch_store_entries out, uint32_t *more, struct orch_error *error);
orch_status store_read_head(struct store *store, struct orch_error *error);
orch_status store_apply(struct store *store, const struct orch_store_batch *batch,
                        uint32_t *applied, struct orch_error *error);

#endif
