/* What subscribers hear of, what audits keep, and the numbers that transactions are given. */
#include "batches.h"
#include "scripted_store.h"
#include "store/event.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(told_of, .init = batches_setup, .fini = batches_teardown, .timeout = 60);

Test(told_of, numbers_are_never_given_again_after_a_crash)
{
    uint64_t most = 0;
    for (int crash = 0; crash < 4; crash++) {
        uint64_t fence = state_fence(state);
        for (int i = 0; i < 40; i++) {
            struct outcome outcome = {0};
            for (int j = 0; j < 50000; j++) {
                uint64_t seq = state_next_seq(state);
                cr_assert_gt(seq, most);
                most = seq;
            }
            put_one("a", &outcome);
            run_ms(20);
            cr_assert_gt(find(STATE_COMMITTED, "a")->seq, most);
            most = state_seq(state);
        }
        state_destroy(state); /* it writes nothing more */
        open_state();
        cr_assert_gt(state_fence(state), fence);
        cr_assert_gt(state_next_seq(state), most);
        most = state_seq(state);
    }
}

Test(told_of, what_is_settled_is_all_of_what_was_given_before)
{
    struct outcome a = {0};
    put_one("a", &a);
    uint64_t seq = find(STATE_HEAD, "a")->seq;
    cr_assert_lt(state_settled_seq(state), seq);
    run_ms(50);
    cr_assert_geq(state_settled_seq(state), seq);
    cr_assert_geq(state_seq(state), seq);
}

static char told[256];

static void tell(void *argument, const struct record *before, const struct record *after)
{
    const struct record *any = after ? after : before;
    if (any->kind->id != KIND_NODE)
        return;
    snprintf(told + strlen(told), sizeof told - strlen(told), "%s%s%s ", (const char *)argument,
             !before  ? "+"
             : !after ? "-"
                      : "~",
             ((const struct node *)any)->name);
    cr_assert_eq(find(STATE_COMMITTED, ((const struct node *)any)->name), after);
}

Test(told_of, subscribers_hear_of_each_change_in_the_order_of_commits)
{
    struct state_subscriber first = {.changed = tell, .argument = "1"},
                            second = {.changed = tell, .argument = "2"};
    state_subscribe(state, &first);
    state_subscribe(state, &second);
    put_one("b", NULL);
    put_one("a", NULL);
    put_one("b", NULL);
    delete_one("a");
    cr_assert_str_eq(told, "");
    run_ms(50);
    cr_assert_str_eq(told, "1+b 2+b 1+a 2+a 1~b 2~b 1-a 2-a ");
    state_unsubscribe(state, &first);
    state_unsubscribe(state, &first);
    told[0] = 0;
    delete_one("b");
    run_ms(50);
    cr_assert_str_eq(told, "2-b ");
    state_unsubscribe(state, &second);
}

Test(told_of, one_transaction_may_change_a_record_twice)
{
    struct outcome outcome = {0};
    struct txn *txn = begin();
    put(txn, "a");
    put(txn, "b");
    txn_delete(txn, find(STATE_HEAD, "a"));
    txn_submit(txn, done, &outcome);
    run_ms(50);
    expect_error(&outcome, ERROR_NONE);
    cr_assert_null(find(STATE_HEAD, "a"));
    cr_assert_null(find(STATE_COMMITTED, "a"));
    cr_assert_eq(state_count(state, KIND_NODE), 1);
    cr_assert_eq(scripted_count("node/"), 1);
}

Test(told_of, an_empty_transaction_is_done_in_a_later_turn_without_the_store)
{
    struct outcome outcome = {0};
    unsigned applies = scripted.applies;
    struct txn *txn = begin();
    cr_assert(txn_is_empty(txn));
    txn_submit(txn, done, &outcome);
    cr_assert_eq(outcome.times, 0);
    run_ms(50);
    expect_error(&outcome, ERROR_NONE);
    cr_assert_eq(scripted.applies, applies);
}

Test(told_of, an_empty_transaction_is_not_answered_before_what_it_saw_is_durable)
{
    struct outcome a = {0}, empty = {0};
    refuse(ORCH_E_FULL, 0);
    put_one("a", &a);
    send_batch();
    txn_submit(begin(), done, &empty);
    run_ms(50);
    expect_error(&empty, ERROR_UNAVAILABLE);
}

Test(told_of, a_user_may_audit_and_the_entries_are_kept_with_the_change)
{
    struct txn *txn = begin();
    put(txn, "a");
    txn_audit(txn, "create", "nodes/a", "declared");
    txn_event(txn, EVENT_NORMAL, "Created", "nodes/a", "a\nb");
    txn_submit(txn, NULL, NULL);
    run_ms(50);
    cr_assert_eq(state_count(state, KIND_AUDIT), 1);
    struct state_cursor cursor;
    state_seek(state, STATE_COMMITTED, KIND_EVENT, NULL, &cursor);
    const struct event *event = (const struct event *)state_next(&cursor);
    cr_assert_str_eq(event->message, "a?b");
    cr_assert_str_eq(event->cause_by, "test");
    cr_assert_null(state_next(&cursor));
}

Test(told_of, a_cursor_begins_at_the_first_not_before_its_probe)
{
    struct state_cursor cursor;
    const struct node probe = {.record.kind = &node_kind, .name = "bb"};
    put_one("a", NULL);
    put_one("b", NULL);
    put_one("c", NULL);
    run_ms(50);
    delete_one("c");
    put_one("d", NULL);
    state_seek(state, STATE_COMMITTED, KIND_NODE, &probe.record, &cursor);
    cr_assert_str_eq(((const struct node *)state_next(&cursor))->name, "c");
    cr_assert_null(state_next(&cursor));
    state_seek(state, STATE_HEAD, KIND_NODE, &probe.record, &cursor);
    cr_assert_str_eq(((const struct node *)state_next(&cursor))->name, "d");
    cr_assert_null(state_next(&cursor));
}
