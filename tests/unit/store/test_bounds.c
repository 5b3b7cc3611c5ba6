/* What waits for the store is bounded, and so is what may be asked of it. */
#include "batches.h"
#include "scripted_store.h"
#include "store/event.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(bounds, .init = batches_setup, .fini = batches_teardown, .timeout = 60);

static void mark(struct loop_task *task)
{
    task->name = "told";
}

Test(bounds, users_are_held_off_at_4096_operations_and_told_when_it_goes_on)
{
    struct loop_task task = {.run = mark, .name = ""};
    struct outcome first = {0};
    struct error why;
    char name[16];
    int count = 0;
    put_one("first", &first);
    send_batch();
    for (; state_ready(state, &why) && count < 10000; count++) {
        struct txn *txn = begin();
        snprintf(name, sizeof name, "n%d", count);
        put(txn, name);
        txn_submit(txn, NULL, NULL);
    }
    cr_assert_eq(count, 4096);
    cr_assert_eq(why.code, ERROR_RATE_LIMITED);
    state_notify_ready(state, &task);
    run_ms(100);
    cr_assert_str_eq(task.name, "told");
    cr_assert(state_ready(state, NULL));
    cr_assert_eq(state_count(state, KIND_NODE), 4097);
    cr_assert_eq(scripted.largest_batch, 4096);
}

Test(bounds, users_are_held_off_at_4_mebibytes)
{
    struct outcome first = {0};
    struct error why;
    static char large[100000];
    char name[16];
    int count = 0;
    memset(large, 'x', sizeof large - 1);
    put_one("first", &first);
    send_batch();
    for (; state_ready(state, &why) && count < 1000; count++) {
        struct node node = {.record = {.uid = "u", .version = 1}, .name = name, .address = large};
        struct txn *txn = begin();
        snprintf(name, sizeof name, "n%d", count);
        txn_put(txn, record_create(&node_kind, &node));
        txn_submit(txn, NULL, NULL);
    }
    cr_assert(count >= 40 && count <= 43, "%d of 100 kB each", count);
    cr_assert_eq(why.code, ERROR_RATE_LIMITED);
    run_ms(100);
    cr_assert(state_ready(state, NULL));
}

static void reopen(uint64_t operations, uint64_t bytes)
{
    close_state();
    scripted.most_operations = operations;
    scripted.most_value_bytes = bytes;
    open_state();
}

static void answer(void *argument, const struct error *error)
{
    *(struct error *)argument = error ? *error : (struct error){0};
}

static void put_with_address(struct txn *txn, const char *name, const char *address)
{
    const struct node node = {
        .record = {.uid = "u", .version = 1}, .name = name, .address = address};
    txn_put(txn, record_create(&node_kind, &node));
}

Test(bounds, a_change_of_more_operations_than_the_store_takes_is_refused_before_it)
{
    struct error error = {0};
    char name[16];
    reopen(64, 0);
    unsigned applies = scripted.applies;
    struct txn *txn = txn_begin(state, (struct origin){.by = "test"});
    for (int i = 0; i < 65; i++) {
        snprintf(name, sizeof name, "n%d", i);
        cr_assert_eq(txn_is_full(txn), i >= 32);
        put_with_address(txn, name, "a");
    }
    txn_submit(txn, answer, &error);
    run_ms(100);
    cr_assert_eq(error.code, ERROR_PAYLOAD_TOO_LARGE);
    cr_assert_eq(error_code_http(error.code), 413);
    cr_assert_str_eq(error.message, "the change takes 65 operations; the store takes 64 in one "
                                    "transaction");
    cr_assert_eq(scripted.applies, applies);
    cr_assert_null(find(STATE_HEAD, "n0"));
}

Test(bounds, a_value_longer_than_the_store_takes_is_refused_before_it)
{
    enum { MOST = 64 * 1024 };
    static char fits[MOST - 200], long_one[MOST + 1];
    struct error error = {0};
    memset(fits, 'a', sizeof fits - 1);
    memset(long_one, 'a', sizeof long_one - 1);
    reopen(0, MOST);
    struct txn *txn = txn_begin(state, (struct origin){.by = "test"});
    put_with_address(txn, "fits", fits);
    txn_submit(txn, answer, &error);
    run_ms(100);
    cr_assert_eq(error.code, ERROR_NONE, "%s", error.message);
    txn = txn_begin(state, (struct origin){.by = "test"});
    put_with_address(txn, "long", long_one);
    txn_submit(txn, answer, &error);
    run_ms(100);
    cr_assert_eq(error.code, ERROR_PAYLOAD_TOO_LARGE);
    cr_assert(strstr(error.message, "node/long would take"), "%s", error.message);
    cr_assert(strstr(error.message, "the store takes 65536 in one value"), "%s", error.message);
    cr_assert_null(find(STATE_HEAD, "long"));
    cr_assert_not_null(find(STATE_COMMITTED, "fits"));
}

Test(bounds, a_store_that_takes_next_to_nothing_is_refused)
{
    reopen(63, 0);
    cr_assert_eq(open_error.code, ERROR_PLUGIN);
    cr_assert(strstr(open_error.message, "the store takes 63 operations"), "%s",
              open_error.message);
}

Test(bounds, controllers_change_no_more_at_once_than_fits_with_its_events)
{
    cr_assert_eq(state_changes_at_once(state), 64);
    reopen(64, 0);
    size_t most = state_changes_at_once(state);
    cr_assert_gt(most, 0);
    struct txn *txn = txn_begin(state, (struct origin){.by = "test"});
    for (size_t i = 0; i < most; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%zu", i);
        put_with_address(txn, name, "a");
        txn_event(txn, EVENT_NORMAL, "Made", "nodes/n", "made");
    }
    txn_event(txn, EVENT_NORMAL, "Made", "nodes/n", "all");
    struct error error = {0};
    txn_submit(txn, answer, &error);
    run_ms(100);
    cr_assert_eq(error.code, ERROR_NONE, "%s", error.message);
}
