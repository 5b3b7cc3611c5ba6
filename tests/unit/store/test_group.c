/* Several commands as one transaction. */
#include "batches.h"
#include "scripted_store.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(group, .init = batches_setup, .fini = batches_teardown, .timeout = 60);

static struct txn_group *group;
static struct outcome outcomes[3];

static struct txn *begin_member(bool dry_run)
{
    return txn_begin(state, (struct origin){.by = "test", .dry_run = dry_run, .group = group});
}

/* "a" and "b" are put, and "old" deleted, by three commands. */
static void submit_three(bool dry_run)
{
    struct txn *txn;
    group = txn_group_begin(state);
    for (int i = 0; i < 2; i++) {
        txn = begin_member(dry_run);
        put(txn, i ? "b" : "a");
        txn_submit(txn, done, &outcomes[i]);
        cr_assert_not_null(find(STATE_HEAD, i ? "b" : "a"), "the next is built on it");
    }
    txn = begin_member(dry_run);
    txn_delete(txn, find(STATE_HEAD, "old"));
    txn_submit(txn, done, &outcomes[2]);
    cr_assert_null(find(STATE_HEAD, "old"));
}

static void setup_old(void)
{
    put_one("old", NULL);
    run_ms(50);
    for (int i = 0; i < 3; i++)
        outcomes[i] = (struct outcome){0};
}

static void expect_told(enum error_code code)
{
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(outcomes[i].times, 1, "command %d was told %d times", i, outcomes[i].times);
        cr_assert_eq(outcomes[i].error.code, code, "%s", outcomes[i].error.message);
    }
}

static void expect_as_before(void)
{
    for (enum state_view view = STATE_COMMITTED; view <= STATE_HEAD; view++) {
        cr_assert_null(find(view, "a"));
        cr_assert_null(find(view, "b"));
        cr_assert_not_null(find(view, "old"));
    }
}

static uint64_t transactions(void)
{
    struct state_figures figures;
    state_read_figures(state, &figures);
    return figures.transactions;
}

Test(group, is_one_transaction)
{
    setup_old();
    uint64_t before = transactions();
    submit_three(false);
    txn_group_submit(group);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(outcomes[i].times, 0, "not before it is durable");
    run_ms(50);
    expect_told(ERROR_NONE);
    cr_assert_eq(transactions(), before + 1);
    cr_assert_not_null(find(STATE_COMMITTED, "a"));
    cr_assert_not_null(find(STATE_COMMITTED, "b"));
    cr_assert_null(find(STATE_COMMITTED, "old"));
}

Test(group, is_taken_back_as_a_whole)
{
    struct error why;
    setup_old();
    submit_three(false);
    error_set(&why, ERROR_CONFLICT, "the fourth can't be made");
    txn_group_abort(group, &why);
    expect_as_before();
    run_ms(50);
    expect_told(ERROR_CONFLICT);
    expect_as_before();
    put_one("a", NULL); /* its places are free */
    run_ms(50);
    cr_assert_not_null(find(STATE_COMMITTED, "a"));
}

Test(group, is_refused_as_a_whole_by_the_store)
{
    setup_old();
    refuse(ORCH_E_IO, 0);
    submit_three(false);
    txn_group_submit(group);
    run_ms(50);
    expect_told(ERROR_UNAVAILABLE);
    expect_as_before();
}

Test(group, is_refused_as_a_whole_when_the_store_takes_less)
{
    setup_old();
    close_state();
    scripted.most_operations = 64;
    open_state();
    group = txn_group_begin(state);
    for (int i = 0; i < 70; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        struct txn *txn = begin_member(false);
        put(txn, name);
        txn_submit(txn, i < 3 ? done : NULL, &outcomes[i % 3]);
    }
    txn_group_submit(group);
    run_ms(50);
    expect_told(ERROR_PAYLOAD_TOO_LARGE);
    cr_assert_null(find(STATE_HEAD, "n0"));
}

Test(group, of_dry_runs_changes_nothing)
{
    setup_old();
    uint64_t before = transactions();
    submit_three(true);
    txn_group_submit(group);
    expect_as_before();
    run_ms(50);
    expect_told(ERROR_NONE);
    expect_as_before();
    cr_assert_eq(transactions(), before);
}

Test(group, may_be_empty)
{
    txn_group_submit(txn_group_begin(state));
    txn_group_abort(txn_group_begin(state), &(struct error){.code = ERROR_CONFLICT});
    run_ms(50);
    setup_old();
    group = txn_group_begin(state);
    txn_submit(begin_member(false), done, &outcomes[0]);
    txn_group_submit(group);
    run_ms(50);
    cr_assert_eq(outcomes[0].times, 1);
    cr_assert_eq(outcomes[0].error.code, ERROR_NONE);
}

Test(group, whose_outcome_is_not_known_says_so_once)
{
    setup_old();
    scripted.status = ORCH_E_UNKNOWN;
    scripted.quietly = true;
    scripted.prefix = 0;
    scripted.blind_heads = 3;
    submit_three(false);
    txn_group_submit(group);
    run_ms(5000);
    expect_told(ERROR_UNKNOWN_OUTCOME);
    cr_assert_not_null(find(STATE_COMMITTED, "a"), "it was in");
}
