/* Is what is opened whole? The form of its pages and the sums of its rows are two walks over all of
 * it; at a start with millions of rows they go at the same time, the pages on a thread and a
 * connection of their own. Neither is over before the store is open. */
#include "sqlite.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct page_check {
    sqlite3 *database; /* its own, or the store's */
    int good;
    char why[160];
};

static void check_pages(struct page_check *check)
{
    sqlite3_stmt *statement = NULL;
    const char *said = NULL;
    if (sqlite3_prepare_v2(check->database, "PRAGMA quick_check(1)", -1, &statement, NULL) ==
            SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        said = (const char *)sqlite3_column_text(statement, 0);
    check->good = said && strcmp(said, "ok") == 0;
    snprintf(check->why, sizeof check->why, "%s", said ? said : sqlite3_errmsg(check->database));
    sqlite3_finalize(statement);
}

static void *check_beside(void *argument)
{
    check_pages(argument);
    return NULL;
}

static orch_status judge(const struct store *store, const struct page_check *check,
                         struct orch_error *error)
{
    char message[1400];
    if (check->good)
        return ORCH_OK;
    snprintf(message, sizeof message,
             "%s is damaged (%s): put a backup in its place; the containers run on", store->path,
             check->why);
    return orch_fail(error, ORCH_E_IO, message);
}

/* Of every row, since one whose key has changed may be in no list. */
static orch_status check_sums(struct store *store, struct orch_error *error)
{
    sqlite3_stmt *statement = NULL;
    char what[120] = "its content";
    int code = sqlite3_prepare_v2(store->database,
                                  "SELECT key FROM record WHERE sum IS NOT record_sum(key, value)"
                                  " LIMIT 1",
                                  -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        snprintf(what, sizeof what, "record %.*s", sqlite3_column_bytes(statement, 0),
                 (const char *)sqlite3_column_blob(statement, 0));
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? ORCH_OK : store_damaged(store, what, error);
}

/* Nothing is migrated that is not known to be whole. */
static orch_status check_in_order(struct store *store, struct orch_error *error)
{
    struct page_check check = {.database = store->database};
    orch_status status;
    check_pages(&check);
    if ((status = judge(store, &check, error)) != ORCH_OK ||
        (status = store_migrate(store, error)) != ORCH_OK)
        return status;
    return check_sums(store, error);
}

static int open_beside(const struct store *store, sqlite3 **database)
{
    int code =
        sqlite3_open_v2(store->path, database,
                        SQLITE_OPEN_READONLY | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
    if (code != SQLITE_OK)
        return code;
    sqlite3_busy_timeout(*database, 2000);
    return sqlite3_exec(*database, "PRAGMA trusted_schema=OFF;PRAGMA cell_size_check=ON;", NULL,
                        NULL, NULL);
}

orch_status store_check(struct store *store, struct orch_error *error)
{
    struct page_check check = {0};
    pthread_t thread;
    int code;
    int64_t version = store_read_number(store, "PRAGMA user_version", &code);
    if (code != SQLITE_ROW || version != SCHEMA_VERSION ||
        open_beside(store, &check.database) != SQLITE_OK ||
        pthread_create(&thread, NULL, check_beside, &check) != 0) {
        sqlite3_close(check.database);
        return check_in_order(store, error);
    }
    orch_status sums = check_sums(store, error);
    pthread_join(thread, NULL);
    sqlite3_close(check.database);
    orch_status pages = judge(store, &check, error);
    return pages != ORCH_OK ? pages : sums;
}
