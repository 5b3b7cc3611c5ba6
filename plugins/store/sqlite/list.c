/* Listing: a page of rows in the order of their keys, each given only when its sum is right. */
#include "sqlite.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct orch_str column(sqlite3_stmt *statement, int at)
{
    return (struct orch_str){sqlite3_column_blob(statement, at),
                             (size_t)sqlite3_column_bytes(statement, at)};
}

/* `end`: the least key that is greater than all keys with the prefix; they are UTF-8, so never
 * 0xff. One lower bound: of two, SQLite would seek to either and walk all that is before the other.
 */
static void bind(sqlite3_stmt *statement, const struct orch_store_list *request, char *end)
{
    struct orch_str after = request->after, prefix = request->prefix;
    struct orch_str from =
        store_compare(after.ptr, after.len, prefix.ptr, prefix.len) > 0 ? after : prefix;
    if (prefix.len)
        memcpy(end, prefix.ptr, prefix.len);
    end[prefix.len] = (char)0xff;
    sqlite3_bind_blob64(statement, 1, from.ptr ? from.ptr : "", from.len, SQLITE_STATIC);
    sqlite3_bind_blob64(statement, 2, end, prefix.len + 1, SQLITE_STATIC);
    if (after.len)
        sqlite3_bind_blob64(statement, 3, after.ptr, after.len, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 4, request->limit ? (sqlite3_int64)request->limit + 1 : -1);
}

/* False: what was read is not what was written. */
static bool give(struct store *store, struct orch_store_entries out, struct orch_error *error)
{
    sqlite3_stmt *statement = store->statements[STATEMENT_LIST];
    struct orch_str key = column(statement, 0);
    char what[120];
    if (sqlite3_column_int64(statement, 2) == store_row_sum(statement)) {
        out.entry(out.context, key, column(statement, 1));
        return true;
    }
    snprintf(what, sizeof what, "record %.*s", (int)key.len, key.ptr);
    (void)store_damaged(store, what, error);
    return false;
}

/* The row's key, kept for as long as the statement goes on; without one: no memory. */
static struct orch_str keep_key(sqlite3_stmt *statement)
{
    struct orch_str key = column(statement, 0);
    char *copy = key.len ? malloc(key.len) : NULL;
    if (!copy)
        return (struct orch_str){.len = 0};
    return (struct orch_str){memcpy(copy, key.ptr, key.len), key.len};
}

static orch_status give_page(struct store *store, const struct orch_store_list *request,
                             struct orch_store_entries out, struct orch_str *last, uint32_t *more,
                             struct orch_error *error)
{
    sqlite3_stmt *statement = store->statements[STATEMENT_LIST];
    uint64_t given = 0;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (request->limit && given == request->limit) {
            *more = 1;
            return ORCH_OK;
        }
        if (!give(store, out, error))
            return ORCH_E_IO;
        if (++given == request->limit)
            *last = keep_key(statement);
    }
    return code == SQLITE_DONE ? ORCH_OK
                               : store_fail(store, ORCH_E_IO, "it cannot be listed", error);
}

orch_status store_list(struct store *store, const struct orch_store_list *request,
                       struct orch_store_entries out, uint32_t *more, struct orch_error *error)
{
    sqlite3_stmt *statement = store->statements[STATEMENT_LIST];
    struct orch_str last = {.len = 0};
    char *end = malloc(request->prefix.len + 1);
    if (!end)
        return orch_fail(error, ORCH_E_NO_MEMORY, "out of memory");
    *more = 0;
    bind(statement, request, end);
    orch_status status = give_page(store, request, out, &last, more, error);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (status == ORCH_OK)
        store_note_page(store, request, *more ? &last : NULL);
    free((char *)last.ptr);
    free(end);
    return status;
}
