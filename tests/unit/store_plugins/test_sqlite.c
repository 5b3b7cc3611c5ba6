/* What only a database on a disk can suffer. */
#include "bench.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct bench bench;

static void setup(void)
{
    bench_begin(&bench, &sqlite_manifest);
}

static void teardown(void)
{
    bench_end(&bench);
}

TestSuite(sqlite_store, .init = setup, .fini = teardown, .timeout = 60);

static void open_well(void)
{
    cr_assert_eq(bench_open(&bench), ORCH_OK, "%s", bench.error.message);
}

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", bench.folder, name);
    return path;
}

static void expect_refusal(orch_status status, const char *message)
{
    bench.store = NULL;
    orch_status answer = bench_open(&bench);
    cr_assert_eq(answer, status, "%d: %s", answer, bench.error.message);
    cr_assert_not_null(strstr(bench.error.message, message), "%s", bench.error.message);
    cr_assert_null(bench.store);
}

static void expect_list(const char *wanted)
{
    char *found = bench_list(&bench, "", 0);
    cr_assert_str_eq(found, wanted);
    free(found);
}

static void run_sql(const char *sql)
{
    sqlite3 *database;
    char *message = NULL;
    cr_assert_eq(sqlite3_open(path_of("state.db"), &database), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(database, sql, NULL, NULL, &message), SQLITE_OK, "%s", message);
    sqlite3_close(database);
}

/* The plugin keeps its connection first in its own struct; nobody but this test relies on it. */
static int64_t pragma_of_its_connection(const char *sql, char *word, size_t bytes)
{
    sqlite3_stmt *statement;
    sqlite3 *database = *(sqlite3 **)bench.store;
    cr_assert_eq(sqlite3_prepare_v2(database, sql, -1, &statement, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    if (word)
        snprintf(word, bytes, "%s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return number;
}

Test(sqlite_store, each_commit_is_on_the_disk_when_it_is_answered)
{
    char mode[16];
    open_well();
    pragma_of_its_connection("PRAGMA journal_mode", mode, sizeof mode);
    cr_assert_str_eq(mode, "wal");
    cr_assert_eq(pragma_of_its_connection("PRAGMA synchronous", NULL, 0), 2, "FULL");
}

Test(sqlite_store, what_was_written_is_there_when_it_is_opened_again)
{
    open_well();
    cr_assert_eq(bench_write(&bench, 0, 3, 2, "a=1 b=2"), ORCH_OK);
    bench_close(&bench);
    open_well();
    expect_list("a=1 b=2");
    cr_assert_eq(bench_head(&bench).head, 3);
    cr_assert_eq(bench_head(&bench).fence, 2);
    cr_assert_eq(bench_write(&bench, 3, 4, 1, "c=3"), ORCH_E_FENCED, "the fence is kept as well");
}

Test(sqlite_store, its_files_are_its_owners_only)
{
    struct stat facts;
    open_well();
    cr_assert_eq(bench_write(&bench, 0, 1, 1, "a=1"), ORCH_OK);
    static const char *const names[] = {"state.db", "state.db-wal", "state.db-shm",
                                        "state.db.lock"};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(stat(path_of(names[i]), &facts), 0, "%s", names[i]);
        cr_assert_eq(facts.st_mode & 0777, 0600, "%s: %o", names[i], facts.st_mode);
    }
}

Test(sqlite_store, its_file_may_have_another_name)
{
    bench.config = "{\"file\": \"other.sqlite\"}";
    open_well();
    cr_assert_eq(access(path_of("other.sqlite"), F_OK), 0);
    cr_assert_neq(access(path_of("state.db"), F_OK), 0);
}

Test(sqlite_store, a_newer_schema_is_refused_with_both_numbers)
{
    open_well();
    bench_close(&bench);
    run_sql("PRAGMA user_version=7");
    expect_refusal(ORCH_E_UNSUPPORTED, "has schema 7, and this plugin knows 2");
    run_sql("PRAGMA user_version=2");
    open_well();
}

Test(sqlite_store, a_database_of_the_first_schema_is_taken_along)
{
    open_well();
    cr_assert_eq(bench_write(&bench, 0, 3, 2, "a=1 b=2"), ORCH_OK);
    bench_close(&bench);
    run_sql("ALTER TABLE record DROP COLUMN sum; ALTER TABLE head DROP COLUMN sum;"
            "PRAGMA user_version=1");
    open_well();
    expect_list("a=1 b=2");
    cr_assert_eq(bench_head(&bench).head, 3);
    cr_assert_eq(bench_write(&bench, 3, 4, 2, "b=3"), ORCH_OK);
    expect_list("a=1 b=3");
}

Test(sqlite_store, a_head_that_nobody_wrote_is_refused)
{
    open_well();
    cr_assert_eq(bench_write(&bench, 0, 3, 2, "a=1"), ORCH_OK);
    bench_close(&bench);
    run_sql("UPDATE head SET head = 2");
    expect_refusal(ORCH_E_IO, "its head is not what was written");
}

Test(sqlite_store, a_database_of_somebody_else_is_not_taken_over)
{
    run_sql("CREATE TABLE record (something TEXT)");
    expect_refusal(ORCH_E_IO, "state.db");
}

/* -- other processes -- */

/* Runs `work` in a process of its own and answers its exit status. */
static pid_t in_child(int (*work)(void))
{
    fflush(NULL);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0)
        _exit(work());
    return child;
}

static int wait_for(pid_t child)
{
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int open_in_child(void)
{
    struct bench other = bench;
    other.store = NULL;
    if (bench_open(&other) != ORCH_E_BUSY)
        return 1;
    return strstr(other.error.message, "in use by process") ? 0 : 2;
}

Test(sqlite_store, a_second_process_is_refused)
{
    open_well();
    cr_assert_eq(wait_for(in_child(open_in_child)), 0);
    cr_assert_eq(bench_write(&bench, 0, 1, 1, "a=1"), ORCH_OK, "and disturbs nobody");
}

static int acknowledgements[2];

/* Writes until it is killed, and says each head that was answered. */
static int write_for_ever(void)
{
    if (bench_open(&bench) != ORCH_OK)
        return 1;
    uint64_t head = bench_head(&bench).head;
    for (;;) {
        struct bench_txn txns[4] = {{0}};
        char words[3][64];
        for (int i = 0; i < 3; i++, head++) {
            snprintf(words[i], sizeof words[i], "k%03llu=%llu last=%llu",
                     (unsigned long long)(head % 100), (unsigned long long)(head + 1),
                     (unsigned long long)(head + 1));
            txns[i] = (struct bench_txn){head, head + 1, 1, words[i]};
        }
        uint32_t applied;
        if (bench_apply(&bench, txns, &applied) != ORCH_OK ||
            write(acknowledgements[1], &head, sizeof head) != sizeof head)
            return 1;
    }
}

static uint64_t value_of_last(void)
{
    char *all = bench_list(&bench, "last", 0);
    uint64_t value = all[0] ? strtoull(all + strlen("last="), NULL, 10) : 0;
    free(all);
    return value;
}

Test(sqlite_store, killed_in_the_middle_of_writes_it_has_all_that_was_acknowledged)
{
    uint64_t acknowledged = 0, head;
    for (unsigned round = 0; round < 12; round++) {
        cr_assert_eq(pipe(acknowledgements), 0);
        pid_t child = in_child(write_for_ever);
        close(acknowledgements[1]);
        for (unsigned i = 0; i < 3 + 5 * round; i++) {
            cr_assert_eq(read(acknowledgements[0], &head, sizeof head), sizeof head);
            acknowledged = head;
        }
        cr_assert_eq(kill(child, SIGKILL), 0);
        while (read(acknowledgements[0], &head, sizeof head) == sizeof head)
            acknowledged = head; /* what it could still say */
        close(acknowledgements[0]);
        cr_assert_eq(wait_for(child), -SIGKILL);
        open_well();
        head = bench_head(&bench).head;
        cr_assert_geq(head, acknowledged);
        cr_assert_eq(value_of_last(), head, "head and entries are of one transaction");
        bench_close(&bench);
    }
    cr_assert_gt(acknowledged, 100);
}

/* -- damage -- */

static void write_file(const char *name, const void *bytes, size_t length)
{
    FILE *file = fopen(path_of(name), "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

Test(sqlite_store, garbage_is_no_database)
{
    char garbage[8192];
    memset(garbage, 'g', sizeof garbage);
    write_file("state.db", garbage, sizeof garbage);
    expect_refusal(ORCH_E_IO, "is it a database?");
}

static void drop(void *context, struct orch_str key, struct orch_str value)
{
    (void)context;
    (void)key;
    (void)value;
}

static orch_status list_keys(const char *prefix)
{
    struct orch_store_list request = {.size = sizeof request, .prefix = {prefix, strlen(prefix)}};
    uint32_t more;
    bench.error = (struct orch_error){.size = sizeof bench.error};
    return bench.table->list(bench.store, &request, (struct orch_store_entries){.entry = drop},
                             &more, &bench.error);
}

/* At the latest the first change is refused: those of a part that nobody has read as well. */
static void expect_nothing_written(const char *message)
{
    bench.store = NULL;
    if (bench_open(&bench) == ORCH_OK)
        cr_assert_eq(bench_write(&bench, 60, 61, 1, "a=1"), ORCH_E_IO);
    cr_assert_not_null(strstr(bench.error.message, message), "%s", bench.error.message);
}

static void fill(void)
{
    char ops[4096];
    open_well();
    for (uint64_t i = 0; i < 60; i++) {
        ops[0] = 0;
        for (uint64_t j = 0; j < 50; j++)
            snprintf(ops + strlen(ops), sizeof ops - strlen(ops), "key/%llu/%llu=%0*d ",
                     (unsigned long long)i, (unsigned long long)j, 50, 7);
        cr_assert_eq(bench_write(&bench, i, i + 1, 1, ops), ORCH_OK, "%s", bench.error.message);
    }
    bench_close(&bench);
}

static int steps_of_listing(void)
{
    sqlite3 *database = *(sqlite3 **)bench.store;
    sqlite3_stmt *statement = NULL;
    int steps = 0;
    while ((statement = sqlite3_next_stmt(database, statement)))
        if (strstr(sqlite3_sql(statement), "LIMIT ?"))
            steps += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 1);
    return steps;
}

/* A start lists kind by kind: none pays for those whose keys come before. */
Test(sqlite_store, a_listing_walks_only_what_it_gives)
{
    fill();
    open_well();
    cr_assert_eq(bench_write(&bench, 60, 61, 1, "zoo=1"), ORCH_OK);
    char *found = bench_list(&bench, "zoo", 10);
    cr_expect_str_eq(found, "zoo=1");
    free(found);
    cr_expect_lt(steps_of_listing(), 200, "of 3,000 rows before it");
    free(bench_list(&bench, "key/5", 50));
    cr_expect_gt(steps_of_listing(), 500, "its eleven pages are counted");
}

Test(sqlite_store, a_truncated_database_is_refused)
{
    fill();
    struct stat facts;
    cr_assert_eq(stat(path_of("state.db"), &facts), 0);
    cr_assert_gt(facts.st_size, 40000);
    cr_assert_eq(truncate(path_of("state.db"), facts.st_size / 2 / 4096 * 4096), 0);
    expect_nothing_written("state.db");
}

Test(sqlite_store, a_damaged_page_is_found_before_anything_is_written)
{
    char garbage[4096];
    fill();
    memset(garbage, 'g', sizeof garbage);
    FILE *file = fopen(path_of("state.db"), "r+b");
    cr_assert_not_null(file);
    cr_assert_eq(fseek(file, 5 * 4096, SEEK_SET), 0);
    cr_assert_eq(fwrite(garbage, 1, sizeof garbage, file), sizeof garbage);
    fclose(file);
    expect_nothing_written("damaged");
}

/* Its page is in form: only the row's own sum tells. */
Test(sqlite_store, a_changed_value_is_not_listed)
{
    fill();
    run_sql("UPDATE record SET value = x'37' WHERE key = CAST('key/40/7' AS BLOB)");
    open_well();
    cr_assert_eq(list_keys("key/39"), ORCH_OK, "what is sound is given");
    cr_assert_eq(list_keys("key/"), ORCH_E_IO);
    cr_assert_not_null(strstr(bench.error.message, "damaged (record key/40/7"), "%s",
                       bench.error.message);
    bench_close(&bench);
    expect_nothing_written("damaged (record key/40/7");
}

/* All that is listed is sound, and something is missing in it. */
Test(sqlite_store, a_changed_key_is_found_where_nobody_looked)
{
    static const char *const keys[] = {"kex/1", "kez/1", "a", "zz"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char sql[160];
        fill();
        snprintf(sql, sizeof sql,
                 "UPDATE record SET key = CAST('%s' AS BLOB) WHERE key = CAST('key/7/7' AS BLOB)",
                 keys[i]);
        run_sql(sql);
        open_well();
        free(bench_list(&bench, "key/", 100));
        free(bench_list(&bench, "other/", 100));
        snprintf(sql, sizeof sql, "damaged (record %s", keys[i]);
        cr_assert_eq(bench_write(&bench, 60, 61, 1, "a=1"), ORCH_E_IO);
        cr_assert_not_null(strstr(bench.error.message, sql), "%s", bench.error.message);
        cr_assert_eq(bench_write(&bench, 60, 61, 1, "a=1"), ORCH_E_IO, "nor later");
        bench_close(&bench);
        cr_assert_eq(unlink(path_of("state.db")), 0);
    }
}

/* -- the folder -- */

static int open_unprivileged(void)
{
    if (setgid(65534) != 0 || setuid(65534) != 0)
        return 3;
    orch_status status = bench_open(&bench);
    if (status != ORCH_E_IO)
        return 1;
    return strstr(bench.error.message, strerror(EACCES)) ? 0 : 2;
}

Test(sqlite_store, a_folder_that_cannot_be_written_is_told)
{
    if (geteuid() != 0) {
        chmod(bench.folder, 0500);
        expect_refusal(ORCH_E_IO, strerror(EACCES));
        return;
    }
    chmod(bench.folder, 0555); /* root may write everywhere: somebody else tries */
    cr_assert_eq(wait_for(in_child(open_unprivileged)), 0);
}

Test(sqlite_store, a_folder_that_is_missing_is_told)
{
    char there[64];
    strcpy(there, bench.folder);
    strcpy(bench.folder, "/tmp/store-test-not-there");
    expect_refusal(ORCH_E_IO, strerror(ENOENT));
    strcpy(bench.folder, there);
}

Test(sqlite_store, a_link_in_place_of_the_database_is_not_followed)
{
    char elsewhere[128];
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", bench.folder);
    cr_assert_eq(symlink(elsewhere, path_of("state.db")), 0);
    expect_refusal(ORCH_E_IO, "cannot be opened");
    cr_assert_neq(access(elsewhere, F_OK), 0);
}

Test(sqlite_store, a_full_disk_leaves_all_as_it_was)
{
    open_well();
    cr_assert_eq(bench_write(&bench, 0, 1, 1, "a=1"), ORCH_OK);
    sqlite3 *database = *(sqlite3 **)bench.store;
    cr_assert_eq(sqlite3_exec(database, "PRAGMA max_page_count=8", NULL, NULL, NULL), SQLITE_OK);
    char *large = memory_alloc(100000);
    memset(large, 'v', 99999);
    memcpy(large, "b=", 2);
    cr_assert_eq(bench_write(&bench, 1, 2, 1, large), ORCH_E_FULL, "%s", bench.error.message);
    expect_list("a=1");
    cr_assert_eq(bench_head(&bench).head, 1);
    cr_assert_eq(bench_write(&bench, 1, 2, 1, "c=3"), ORCH_OK, "%s", bench.error.message);
    expect_list("a=1 c=3");
    free(large);
}
