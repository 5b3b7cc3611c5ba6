/* A batch is one SQLite transaction, so one fsync, in which each of its transactions has a
 * savepoint: those before the first that can't be applied are kept. */
#include "sqlite.h"

#include <stdbool.h>
#include <stdio.h>

static int step(struct store *store, enum statement which)
{
    int code = sqlite3_step(store->statements[which]);
    int reset = sqlite3_reset(store->statements[which]);
    return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK
           : reset != SQLITE_OK                      ? reset
                                                     : code;
}

orch_status store_read_head(struct store *store, struct orch_error *error)
{
    sqlite3_stmt *statement = store->statements[STATEMENT_HEAD];
    int code = sqlite3_step(statement);
    bool sound = code == SQLITE_ROW && sqlite3_column_int(statement, 2);
    if (sound) {
        store->head = (uint64_t)sqlite3_column_int64(statement, 0);
        store->fence = (uint64_t)sqlite3_column_int64(statement, 1);
    }
    sqlite3_reset(statement);
    if (code == SQLITE_ROW && !sound)
        return store_damaged(store, "its head", error);
    return sound ? ORCH_OK : store_fail(store, ORCH_E_IO, "its head cannot be read", error);
}

static int apply_op(struct store *store, const struct orch_store_op *op)
{
    enum statement which = op->kind == ORCH_STORE_PUT ? STATEMENT_PUT : STATEMENT_DELETE;
    sqlite3_stmt *statement = store->statements[which];
    sqlite3_bind_blob64(statement, 1, op->key.ptr, op->key.len, SQLITE_STATIC);
    if (which == STATEMENT_PUT)
        sqlite3_bind_blob64(statement, 2, op->value.ptr ? op->value.ptr : "", op->value.len,
                            SQLITE_STATIC);
    int code = step(store, which);
    sqlite3_clear_bindings(statement);
    return code;
}

static int set_head(struct store *store, uint64_t head, uint64_t fence)
{
    sqlite3_stmt *statement = store->statements[STATEMENT_SET_HEAD];
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)head);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)fence);
    return step(store, STATEMENT_SET_HEAD);
}

static orch_status apply_txn(struct store *store, const struct orch_store_txn *txn,
                             struct orch_error *error)
{
    char message[160];
    if (txn->fence < store->fence) {
        snprintf(message, sizeof message, "a daemon with fence %llu has written; ours is %llu",
                 (unsigned long long)store->fence, (unsigned long long)txn->fence);
        return orch_fail(error, ORCH_E_FENCED, message);
    }
    if (txn->expected_head != store->head) {
        snprintf(message, sizeof message, "the head is %llu, not %llu",
                 (unsigned long long)store->head, (unsigned long long)txn->expected_head);
        return orch_fail(error, ORCH_E_CONFLICT, message);
    }
    int code = sqlite3_exec(store->database, "SAVEPOINT txn", NULL, NULL, NULL);
    for (uint32_t i = 0; code == SQLITE_OK && i < txn->ops.count; i++)
        code = apply_op(store, ORCH_AT(struct orch_store_op, txn->ops, i));
    if (code == SQLITE_OK)
        code = set_head(store, txn->new_head, txn->fence);
    if (code == SQLITE_OK)
        code = sqlite3_exec(store->database, "RELEASE txn", NULL, NULL, NULL);
    if (code == SQLITE_OK) {
        store->head = txn->new_head;
        store->fence = txn->fence;
        return ORCH_OK;
    }
    orch_status status = store_fail(store, store_status(store, code), "a change failed", error);
    sqlite3_exec(store->database, "ROLLBACK TO txn; RELEASE txn", NULL, NULL, NULL);
    return status;
}

/* The commit's own answer decides. When it failed and the transaction is still open, nothing is in;
 * when SQLite has ended it by itself, the head on the disk tells. */
static orch_status commit(struct store *store, uint64_t head_before, uint32_t *applied,
                          struct orch_error *error)
{
    int code = step(store, STATEMENT_COMMIT);
    if (code == SQLITE_OK)
        return ORCH_OK;
    orch_status status = store_fail(store, store_status(store, code), "the commit failed", error);
    *applied = 0;
    if (store->poisoned)
        return ORCH_E_UNKNOWN;
    if (!sqlite3_get_autocommit(store->database))
        step(store, STATEMENT_ROLLBACK);
    struct orch_error ignored = {.size = sizeof ignored};
    if (store_read_head(store, &ignored) != ORCH_OK || store->head != head_before)
        return ORCH_E_UNKNOWN;
    return status;
}

orch_status store_apply(struct store *store, const struct orch_store_batch *batch,
                        uint32_t *applied, struct orch_error *error)
{
    uint64_t head_before = store->head;
    orch_status first_failure = ORCH_OK;
    *applied = 0;
    if (store->poisoned)
        return orch_fail(error, ORCH_E_IO,
                         "an fsync has failed: nothing more is written until the daemon is "
                         "started anew");
    orch_status whole = store_be_whole(store, error);
    if (whole != ORCH_OK)
        return whole;
    int code = step(store, STATEMENT_BEGIN);
    if (code != SQLITE_OK)
        return store_fail(store, store_status(store, code), "no transaction could begin", error);
    while (*applied < batch->txns.count && first_failure == ORCH_OK) {
        struct orch_store_txn txn;
        first_failure = ORCH_TAKE(struct orch_store_txn, &txn,
                                  ORCH_AT(struct orch_store_txn, batch->txns, *applied), error);
        if (first_failure == ORCH_OK)
            first_failure = apply_txn(store, &txn, error);
        if (first_failure == ORCH_OK)
            (*applied)++;
    }
    if (sqlite3_get_autocommit(store->database)) { /* SQLite rolled all of it back: disk full */
        *applied = 0;
        store_read_head(store, error);
        return first_failure;
    }
    orch_status status = commit(store, head_before, applied, error);
    return status == ORCH_OK ? first_failure : status;
}
