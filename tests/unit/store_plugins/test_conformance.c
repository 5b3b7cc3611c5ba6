/* What orch.store/1 promises, of every store plugin. */
#include "bench.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct orch_manifest *const plugins[] = {&memory_manifest, &sqlite_manifest};
static struct bench bench;

static void teardown(void)
{
    bench_end(&bench);
}

TestSuite(store_plugin, .timeout = 60);

/* The same test of each plugin, each on an empty store. */
#define EACH_STORE(name)                                                                           \
    static void name(void);                                                                        \
    Test(store_plugin, name)                                                                       \
    {                                                                                              \
        for (size_t i = 0; i < sizeof plugins / sizeof plugins[0]; i++) {                          \
            bench_begin(&bench, plugins[i]);                                                       \
            cr_assert_eq(bench_open(&bench), ORCH_OK, "%s: %s", plugins[i]->id,                    \
                         bench.error.message);                                                     \
            name();                                                                                \
            teardown();                                                                            \
        }                                                                                          \
    }                                                                                              \
    static void name(void)

static void expect_list(const char *prefix, uint64_t limit, const char *wanted)
{
    char *found = bench_list(&bench, prefix, limit);
    cr_assert_str_eq(found, wanted);
    free(found);
}

static void expect_head(uint64_t head, uint64_t fence)
{
    struct orch_store_head found = bench_head(&bench);
    cr_assert_eq(found.head, head);
    cr_assert_eq(found.fence, fence);
}

EACH_STORE(an_empty_store_has_no_head_and_states_its_limits)
{
    expect_head(0, 0);
    expect_list("", 0, "");
    cr_assert_gt(bench.limits.max_operations, 4096);
    cr_assert_gt(bench.limits.max_bytes, 4 << 20);
    cr_assert_gt(bench.limits.max_value_bytes, 1 << 20);
}

EACH_STORE(entries_are_ordered_by_the_bytes_of_their_keys)
{
    cr_assert_eq(bench_write(&bench, 0, 5, 1, "b/2=two b/10=ten a=0 b=- b/1=one \xc3\xa9=e c="),
                 ORCH_OK);
    expect_list("", 0, "a=0 b=- b/1=one b/10=ten b/2=two c= \xc3\xa9=e");
    expect_list("b/", 0, "b/1=one b/10=ten b/2=two");
    expect_list("b/1", 0, "b/1=one b/10=ten");
    expect_list("zzz", 0, "");
    expect_head(5, 1);
}

EACH_STORE(pages_join_to_the_whole_whatever_their_size)
{
    char ops[1024] = "";
    for (int i = 0; i < 25; i++)
        snprintf(ops + strlen(ops), sizeof ops - strlen(ops), "k/%02d=%d ", i, i);
    cr_assert_eq(bench_write(&bench, 0, 1, 1, ops), ORCH_OK);
    cr_assert_eq(bench_write(&bench, 1, 2, 1, "j=x l=y"), ORCH_OK);
    char *whole = bench_list(&bench, "k/", 0);
    for (uint64_t limit = 1; limit < 30; limit++)
        expect_list("k/", limit, whole);
    free(whole);
}

EACH_STORE(values_are_replaced_and_removed)
{
    cr_assert_eq(bench_write(&bench, 0, 1, 1, "a=1 b=2"), ORCH_OK);
    cr_assert_eq(bench_write(&bench, 1, 2, 1, "a=one -b -never c=3 -c c=4"), ORCH_OK);
    expect_list("", 0, "a=one c=4");
    cr_assert_eq(bench_write(&bench, 2, 3, 1, "-a -c"), ORCH_OK);
    expect_list("", 0, "");
    expect_head(3, 1);
}

EACH_STORE(an_empty_transaction_moves_the_head)
{
    cr_assert_eq(bench_write(&bench, 0, 7, 1, ""), ORCH_OK);
    expect_head(7, 1);
}

static const struct {
    const char *what;
    struct bench_txn txns[4];
    orch_status status;
    uint32_t applied;
    const char *entries;
    uint64_t head;
} prefixes[] = {
    {"all", {{0, 1, 1, "a=1"}, {1, 2, 1, "b=2"}, {2, 9, 1, "c=3"}}, ORCH_OK, 3, "a=1 b=2 c=3", 9},
    {"none", {{4, 5, 1, "a=1"}, {5, 6, 1, "b=2"}}, ORCH_E_CONFLICT, 0, "", 0},
    {"up to the one that conflicts",
     {{0, 1, 1, "a=1"}, {5, 6, 1, "b=2"}, {1, 2, 1, "c=3"}},
     ORCH_E_CONFLICT,
     1,
     "a=1",
     1},
    {"up to the one that is fenced",
     {{0, 1, 3, "a=1"}, {1, 2, 2, "b=2"}, {1, 3, 3, "c=3"}},
     ORCH_E_FENCED,
     1,
     "a=1",
     1},
    {"a greater fence", {{0, 1, 3, "a=1"}, {1, 2, 4, "b=2"}}, ORCH_OK, 2, "a=1 b=2", 2},
};

EACH_STORE(the_prefix_before_the_first_that_cannot_be_applied_is_in)
{
    const struct orch_manifest *manifest =
        bench.table == memory_manifest.provides[0].table ? &memory_manifest : &sqlite_manifest;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        uint32_t applied;
        bench_end(&bench);
        bench_begin(&bench, manifest);
        cr_assert_eq(bench_open(&bench), ORCH_OK);
        orch_status status = bench_apply(&bench, prefixes[i].txns, &applied);
        cr_assert_eq(status, prefixes[i].status, "%s: %d", prefixes[i].what, status);
        if (status != ORCH_OK)
            cr_assert_gt(strlen(bench.error.message), 0, "%s: no word why", prefixes[i].what);
        cr_assert_eq(applied, prefixes[i].applied, "%s: %u", prefixes[i].what, applied);
        expect_list("", 0, prefixes[i].entries);
        cr_assert_eq(bench_head(&bench).head, prefixes[i].head, "%s", prefixes[i].what);
    }
}

EACH_STORE(after_a_refusal_it_goes_on)
{
    cr_assert_eq(bench_write(&bench, 3, 4, 1, "a=1"), ORCH_E_CONFLICT);
    cr_assert_eq(bench_write(&bench, 0, 4, 1, "a=1"), ORCH_OK);
    cr_assert_eq(bench_write(&bench, 4, 5, 2, "a=2"), ORCH_OK);
    cr_assert_eq(bench_write(&bench, 5, 6, 1, "a=3"), ORCH_E_FENCED);
    expect_list("", 0, "a=2");
    expect_head(5, 2);
}

EACH_STORE(an_empty_batch_is_fine)
{
    const struct bench_txn none = {0};
    uint32_t applied;
    cr_assert_eq(bench_apply(&bench, &none, &applied), ORCH_OK);
    cr_assert_eq(applied, 0);
}

EACH_STORE(large_values_come_back_whole)
{
    enum { LARGE = 3 << 20 };
    char *ops = memory_alloc(LARGE + 10), *found;
    memset(ops, 'v', LARGE);
    memcpy(ops, "a=", 2);
    cr_assert_eq(bench_write(&bench, 0, 1, 1, ops), ORCH_OK, "%s", bench.error.message);
    found = bench_list(&bench, "", 0);
    cr_assert(strcmp(found, ops) == 0);
    free(found);
    free(ops);
}

/* A newer host's longer transaction, with something in it that this plugin does not know. */
EACH_STORE(a_transaction_with_unknown_parts_is_refused)
{
    struct {
        struct orch_store_txn known;
        uint64_t unknown;
    } txn = {.known = {.size = sizeof txn, .new_head = 1, .fence = 1}, .unknown = 0};
    const struct orch_store_batch batch = {.size = sizeof batch, .txns = {&txn, 1, sizeof txn}};
    uint32_t applied;
    struct orch_error error = {.size = sizeof error};
    txn.unknown = 1;
    cr_assert_eq(bench.table->apply(bench.store, &batch, &applied, &error), ORCH_E_UNSUPPORTED);
    cr_assert_eq(applied, 0);
    expect_head(0, 0);
    txn.unknown = 0;
    cr_assert_eq(bench.table->apply(bench.store, &batch, &applied, &error), ORCH_OK);
    expect_head(1, 1);
}
