/* Opening: one process per database, settings that make a commit durable, migrations. */
#include "sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

orch_status store_status(struct store *store, int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return ORCH_OK;
    case SQLITE_FULL:
        return ORCH_E_FULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ORCH_E_BUSY;
    case SQLITE_NOMEM:
        return ORCH_E_NO_MEMORY;
    case SQLITE_TOOBIG:
        return ORCH_E_TOO_LARGE;
    case SQLITE_IOERR:
        /* After a failed fsync the kernel may have dropped what was to be written, and a second
         * try would succeed without it (Rebello et al., USENIX ATC 2020). */
        if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC)
            store->poisoned = 1;
        return ORCH_E_IO;
    default:
        return ORCH_E_IO;
    }
}

orch_status store_fail(struct store *store, orch_status status, const char *what,
                       struct orch_error *error)
{
    char message[480];
    snprintf(message, sizeof message, "%s: %s: %s", store->path, what,
             store->database ? sqlite3_errmsg(store->database) : "not open");
    return orch_fail(error, status, message);
}

orch_status store_damaged(struct store *store, const char *what, struct orch_error *error)
{
    char message[480];
    snprintf(
        message, sizeof message,
        "%s is damaged (%s is not what was written): put a backup in its place; the containers "
        "run on",
        store->path, what);
    return orch_fail(error, ORCH_E_IO, message);
}

static orch_status say(struct orch_error *error, orch_status status, const char *format,
                       const char *path, const char *more)
{
    char message[480];
    snprintf(message, sizeof message, format, path, more);
    return orch_fail(error, status, message);
}

/* An fcntl lock on a file beside the database: the kernel lets go of it with the process. */
static orch_status lock(struct store *store, struct orch_error *error)
{
    char path[1040], holder[32];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    snprintf(path, sizeof path, "%s.lock", store->path);
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd < 0)
        return say(error, ORCH_E_IO, "%s: cannot be made: %s", path, strerror(errno));
    if (fcntl(store->lock_fd, F_SETLK, &lock) == 0)
        return ORCH_OK;
    snprintf(holder, sizeof holder, "?");
    if (fcntl(store->lock_fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
        snprintf(holder, sizeof holder, "%d", (int)lock.l_pid);
    return say(error, ORCH_E_BUSY,
               "%s is in use by process %s: two daemons can't share one database", store->path,
               holder);
}

/* File systems over a network don't keep SQLite's promises. Magic numbers: statfs(2). */
static orch_status check_file_system(const struct store *store, const char *folder,
                                     struct orch_error *error)
{
    static const long remote[] = {0x6969,     0x517b,     (long)0xfe534d42, (long)0xff534d42,
                                  0x01021997, 0x5346414f, 0x73757245,       0x00c36400};
    struct statfs facts;
    if (statfs(folder, &facts) != 0)
        return say(error, ORCH_E_IO, "%s: %s", folder, strerror(errno));
    for (size_t i = 0; i < sizeof remote / sizeof remote[0]; i++)
        if ((long)facts.f_type == remote[i])
            return say(error, ORCH_E_INVALID,
                       "%s lies on a network file system (%s): keep it on a local disk",
                       store->path, folder);
    return ORCH_OK;
}

static int set_up_connection(struct store *store)
{
    sqlite3_busy_timeout(store->database, 2000);
    sqlite3_db_config(store->database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_extended_result_codes(store->database, 1);
    int code = store_add_sum(store->database);
    if (code != SQLITE_OK)
        return code;
    return sqlite3_exec(store->database,
                        "PRAGMA journal_mode=WAL;"
                        "PRAGMA synchronous=FULL;"
                        "PRAGMA foreign_keys=ON;"
                        "PRAGMA trusted_schema=OFF;"
                        "PRAGMA cell_size_check=ON;"
                        "PRAGMA cache_size=-2048;"
                        "PRAGMA wal_autocheckpoint=1000;",
                        NULL, NULL, NULL);
}

int64_t store_read_number(struct store *store, const char *sql, int *code)
{
    sqlite3_stmt *statement = NULL;
    int64_t number = 0;
    *code = sqlite3_prepare_v2(store->database, sql, -1, &statement, NULL);
    if (*code == SQLITE_OK) {
        *code = sqlite3_step(statement);
        if (*code == SQLITE_ROW)
            number = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return number;
}

/* From each schema to the next: one transaction, so that a cut leaves either nothing or all. */
static const char *const steps[SCHEMA_VERSION] = {
    "CREATE TABLE record (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1),"
    " head INTEGER NOT NULL, fence INTEGER NOT NULL);"
    "INSERT INTO head VALUES (1, 0, 0)",
    "ALTER TABLE record ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE head ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;"
    "UPDATE record SET sum = record_sum(key, value);"
    "UPDATE head SET sum = record_sum(head, fence)"};

orch_status store_migrate(struct store *store, struct orch_error *error)
{
    char sql[640];
    int code;
    int64_t version = store_read_number(store, "PRAGMA user_version", &code);
    if (code != SQLITE_ROW)
        return store_fail(store, ORCH_E_IO, "cannot be read; is it a database?", error);
    if (version > SCHEMA_VERSION) {
        char message[480];
        snprintf(message, sizeof message,
                 "%s has schema %lld, and this plugin knows %d: use the newer version of it",
                 store->path, (long long)version, SCHEMA_VERSION);
        return orch_fail(error, ORCH_E_UNSUPPORTED, message);
    }
    for (; version < SCHEMA_VERSION; version++) {
        snprintf(sql, sizeof sql, "BEGIN IMMEDIATE;%s;PRAGMA user_version=%d;COMMIT;",
                 steps[version], (int)version + 1);
        code = sqlite3_exec(store->database, sql, NULL, NULL, NULL);
        if (code != SQLITE_OK)
            return store_fail(store, store_status(store, code), "its tables could not be made",
                              error);
    }
    return ORCH_OK;
}

static orch_status prepare(struct store *store, struct orch_error *error)
{
    static const char *const sql[STATEMENT_COUNT] = {
        [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
        [STATEMENT_COMMIT] = "COMMIT",
        [STATEMENT_ROLLBACK] = "ROLLBACK",
        [STATEMENT_PUT] = "INSERT INTO record (key, value, sum)"
                          " VALUES (?1, ?2, record_sum(?1, ?2)) ON CONFLICT (key)"
                          " DO UPDATE SET value = excluded.value, sum = excluded.sum",
        [STATEMENT_DELETE] = "DELETE FROM record WHERE key = ?1",
        [STATEMENT_HEAD] = "SELECT head, fence, sum = record_sum(head, fence)"
                           " FROM head WHERE one = 1",
        [STATEMENT_SET_HEAD] = "UPDATE head SET head = ?1, fence = ?2,"
                               " sum = record_sum(?1, ?2) WHERE one = 1",
        [STATEMENT_LIST] = "SELECT key, value, sum FROM record"
                           " WHERE key >= ?1 AND key < ?2 AND key IS NOT ?3"
                           " ORDER BY key LIMIT ?4"};
    for (int i = 0; i < STATEMENT_COUNT; i++)
        if (sqlite3_prepare_v3(store->database, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &store->statements[i], NULL) != SQLITE_OK)
            return store_fail(store, ORCH_E_IO, "a statement could not be prepared", error);
    return ORCH_OK;
}

/* "file" of {"file": "state.db"}; the configuration has been checked against the schema. */
static void file_name(struct orch_str config, char *out, size_t bytes)
{
    static const char key[] = "\"file\"";
    const char *found = config.len ? memmem(config.ptr, config.len, key, sizeof key - 1) : NULL;
    const char *end = config.ptr + config.len;
    snprintf(out, bytes, "state.db");
    const char *open_quote =
        found ? memchr(found + sizeof key - 1, '"', (size_t)(end - found) - (sizeof key - 1))
              : NULL;
    const char *close_quote =
        open_quote ? memchr(open_quote + 1, '"', (size_t)(end - open_quote - 1)) : NULL;
    if (close_quote)
        snprintf(out, bytes, "%.*s", (int)(close_quote - open_quote - 1), open_quote + 1);
}

static orch_status open_database(struct store *store, struct orch_error *error)
{
    mode_t mask = umask(077);
    int code = sqlite3_open_v2(store->path, &store->database,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX |
                                   SQLITE_OPEN_NOFOLLOW,
                               NULL);
    orch_status status = ORCH_OK;
    if (code != SQLITE_OK)
        status = store_fail(store, ORCH_E_IO, "cannot be opened", error);
    else if ((code = set_up_connection(store)) != SQLITE_OK)
        status = store_fail(store, store_status(store, code), "cannot be read; is it a database?",
                            error);
    umask(mask);
    return status;
}

orch_status store_open(const struct orch_host *host, struct orch_str config,
                       const struct orch_store_open *request, struct store *store,
                       struct orch_error *error)
{
    char name[256], folder[1024];
    orch_status status;
    (void)host;
    store->lock_fd = -1;
    file_name(config, name, sizeof name);
    snprintf(folder, sizeof folder, "%.*s", (int)request->state_directory.len,
             request->state_directory.ptr);
    snprintf(store->path, sizeof store->path, "%s/%s", folder, name);
    if ((status = check_file_system(store, folder, error)) != ORCH_OK ||
        (status = lock(store, error)) != ORCH_OK ||
        (status = open_database(store, error)) != ORCH_OK ||
        (status = store_check(store, error)) != ORCH_OK ||
        (status = prepare(store, error)) != ORCH_OK)
        return status;
    return store_read_head(store, error);
}

void store_finish(struct store *store)
{
    store_check_finish(store);
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->database);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
}
