/* Is what was opened whole? The form of its pages, and the sums of its rows. With millions of rows
 * each is a walk of seconds, so at a start neither is waited for: the pages are walked by a thread
 * and a connection of their own while rows are listed, and list() looks at the sum of each row that
 * it gives. Before the first change is written, both must be over, and what was in no list (a key
 * may have changed as well) is looked at, too. */
#include "sqlite.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct page_check {
    sqlite3 *database; /* its own, or the store's */
    pthread_t thread;
    int good;
    char why[160];
};
/* Keys with this prefix have been listed, the sum of each looked at. */
struct listed {
    struct listed *next; /* by prefix */
    size_t length;
    char prefix[];
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

static orch_status judge_pages(const struct store *store, const struct page_check *check,
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

/* Of the rows from one key to before another; `end` NULL: to the last. */
static orch_status check_sums(struct store *store, const char *from, size_t from_length,
                              const char *end, size_t end_length, struct orch_error *error)
{
    sqlite3_stmt *statement = NULL;
    char what[120] = "its content";
    int code = sqlite3_prepare_v2(store->database,
                                  end ? "SELECT key FROM record WHERE key >= ?1 AND key < ?2"
                                        " AND sum IS NOT record_sum(key, value) LIMIT 1"
                                      : "SELECT key FROM record WHERE key >= ?1"
                                        " AND sum IS NOT record_sum(key, value) LIMIT 1",
                                  -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_bind_blob64(statement, 1, from, from_length, SQLITE_STATIC);
    if (code == SQLITE_OK && end)
        code = sqlite3_bind_blob64(statement, 2, end, end_length, SQLITE_STATIC);
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
    if ((status = judge_pages(store, &check, error)) != ORCH_OK ||
        (status = store_migrate(store, error)) != ORCH_OK)
        return status;
    store->whole = 1;
    return check_sums(store, "", 0, NULL, 0, error);
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

static int begin_beside(struct store *store)
{
    struct page_check *check = calloc(1, sizeof *check);
    if (!check)
        return 0;
    if (open_beside(store, &check->database) == SQLITE_OK &&
        pthread_create(&check->thread, NULL, check_beside, check) == 0) {
        store->check = check;
        return 1;
    }
    sqlite3_close(check->database);
    free(check);
    return 0;
}

orch_status store_check(struct store *store, struct orch_error *error)
{
    int code;
    int64_t version = store_read_number(store, "PRAGMA user_version", &code);
    if (code == SQLITE_ROW && version == SCHEMA_VERSION && begin_beside(store))
        return ORCH_OK;
    return check_in_order(store, error);
}

static orch_status end_beside(struct store *store, struct orch_error *error)
{
    struct page_check *check = store->check;
    if (!check)
        return ORCH_OK;
    pthread_join(check->thread, NULL);
    sqlite3_close(check->database);
    orch_status status = judge_pages(store, check, error);
    store->check = NULL;
    free(check);
    return status;
}

int store_compare(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t shorter = a_length < b_length ? a_length : b_length;
    int order = shorter ? memcmp(a, b, shorter) : 0;
    return order ? order : a_length < b_length ? -1 : a_length > b_length;
}

static void note_listed(struct store *store, struct orch_str prefix)
{
    struct listed **link = &store->listed;
    struct listed *listed = calloc(1, sizeof *listed + prefix.len + 1);
    if (!listed)
        return; /* it is looked at once more */
    listed->length = prefix.len;
    if (prefix.len)
        memcpy(listed->prefix, prefix.ptr, prefix.len);
    listed->prefix[prefix.len] = (char)0xff; /* keys are UTF-8: this is beyond all of them */
    while (*link &&
           store_compare((*link)->prefix, (*link)->length, listed->prefix, listed->length) < 0)
        link = &(*link)->next;
    listed->next = *link;
    *link = listed;
}

/* Does the page go on where the latest one ended? Only then is all before it known as well. */
static int goes_on(const struct page_end *end, const struct orch_store_list *request)
{
    return end->key && end->prefix_length == request->prefix.len &&
           store_compare(end->key, end->length, request->after.ptr, request->after.len) == 0;
}

void store_note_page(struct store *store, const struct orch_store_list *request,
                     const struct orch_str *last)
{
    int whole = !request->after.len || goes_on(&store->page_end, request);
    free(store->page_end.key);
    store->page_end = (struct page_end){.key = NULL};
    if (store->whole || !whole)
        return;
    if (!last) {
        note_listed(store, request->prefix);
        return;
    }
    store->page_end = (struct page_end){.key = last->len ? malloc(last->len) : NULL,
                                        .length = last->len,
                                        .prefix_length = request->prefix.len};
    if (store->page_end.key)
        memcpy(store->page_end.key, last->ptr, last->len);
}

static orch_status check_unlisted(struct store *store, struct orch_error *error)
{
    const char *from = "";
    size_t from_length = 0;
    for (const struct listed *listed = store->listed; listed; listed = listed->next) {
        size_t end_length = listed->length + 1;
        if (store_compare(from, from_length, listed->prefix, listed->length) < 0) {
            orch_status status =
                check_sums(store, from, from_length, listed->prefix, listed->length, error);
            if (status != ORCH_OK)
                return status;
        }
        if (store_compare(from, from_length, listed->prefix, end_length) < 0) {
            from = listed->prefix;
            from_length = end_length;
        }
    }
    return check_sums(store, from, from_length, NULL, 0, error);
}

static void forget_listed(struct store *store)
{
    free(store->page_end.key);
    store->page_end = (struct page_end){.key = NULL};
    while (store->listed) {
        struct listed *next = store->listed->next;
        free(store->listed);
        store->listed = next;
    }
}

orch_status store_be_whole(struct store *store, struct orch_error *error)
{
    orch_status status;
    if (store->whole > 0)
        return ORCH_OK;
    if (store->whole < 0)
        return store_damaged(store, "what it holds", error);
    if ((status = end_beside(store, error)) == ORCH_OK)
        status = check_unlisted(store, error);
    store->whole = status == ORCH_OK ? 1 : -1;
    forget_listed(store);
    return status;
}

void store_check_finish(struct store *store)
{
    struct orch_error ignored = {.size = sizeof ignored};
    (void)end_beside(store, &ignored);
    forget_listed(store);
}
