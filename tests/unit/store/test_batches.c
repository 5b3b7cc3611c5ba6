/* Transactions against a store that answers as it is told. */
#include "base/clock.h"
#include "base/log.h"
#include "scripted_store.h"
#include "server.h"
#include "store/event.h"
#include "store/impl.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct loop *loop;
static struct state *state;
static struct error open_error;
static bool is_open;

static void run_ms(uint64_t ms)
{
    (void)loop_run_until(loop, loop_now_ns(loop) + ms * NS_PER_MS);
}

static void opened(void *argument, const struct error *error)
{
    (void)argument;
    open_error = error ? *error : (struct error){0};
    is_open = true;
}

static void open_state(void)
{
    const struct state_config config = {.loop = loop,
                                        .kinds = server_record_kinds,
                                        .store = &scripted_table,
                                        .config_json = "{}",
                                        .event_limit = 50};
    state = state_create(&config);
    is_open = false;
    state_open(state, opened, NULL);
    run_ms(100);
    cr_assert(is_open);
}

static void closed(void *argument)
{
    *(bool *)argument = true;
}

static void close_state(void)
{
    bool done = false;
    state_close(state, closed, &done);
    run_ms(100);
    if (!done)
        abort(); /* an assertion in a teardown is printed and fails nothing */
    state_destroy(state);
}

static void setup(void)
{
    log_configure(LOG_LEVEL_ERROR + 1, LOG_FORMAT_JSON, 2);
    scripted_reset();
    loop = loop_create_virtual(3, 1000000);
    open_state();
    cr_assert_eq(open_error.code, ERROR_NONE, "%s", open_error.message);
}

static void teardown(void)
{
    close_state();
    loop_destroy(loop);
    scripted_reset();
}

TestSuite(batches, .init = setup, .fini = teardown, .timeout = 60);

static const struct record *find(enum state_view view, const char *name)
{
    const struct node probe = {.record.kind = &node_kind, .name = name};
    return state_find(state, view, &probe.record);
}

static struct txn *begin(void)
{
    return txn_begin(state, (struct origin){.by = "test"});
}

static void put(struct txn *txn, const char *name)
{
    const struct node node = {.record = {.uid = "u", .version = 1}, .name = name};
    txn_put(txn, record_create(&node_kind, &node));
}

/* How a transaction ended. */
struct outcome {
    int times;
    struct error error;
    const char *retry, *gone; /* put again from `done`; must not be in the head view then */
};

static void done(void *argument, const struct error *error)
{
    struct outcome *outcome = argument;
    outcome->times++;
    outcome->error = error ? *error : (struct error){0};
    if (outcome->gone)
        cr_assert_null(find(STATE_HEAD, outcome->gone));
    if (!error || !outcome->retry)
        return;
    const char *name = outcome->retry;
    outcome->retry = NULL;
    struct txn *txn = begin();
    put(txn, name);
    txn_submit(txn, done, outcome);
}

static void put_one(const char *name, struct outcome *outcome)
{
    struct txn *txn = begin();
    put(txn, name);
    txn_submit(txn, outcome ? done : NULL, outcome);
}

static void delete_one(const char *name)
{
    struct txn *txn = begin();
    txn_delete(txn, find(STATE_HEAD, name));
    txn_submit(txn, NULL, NULL);
}

/* Makes the batch of what was submitted go to the store, without its answer. */
static void send(void)
{
    struct state_figures before, now;
    state_read_figures(state, &before);
    uint64_t at = loop_now_ns(loop);
    (void)loop_run_until(loop, at); /* the turn ends; the store's thread takes a while */
    state_read_figures(state, &now);
    cr_assert_eq(now.commits, before.commits);
}

static void refuse(orch_status status, uint32_t prefix)
{
    scripted.status = status;
    scripted.prefix = prefix;
}

static void expect_error(const struct outcome *outcome, enum error_code code)
{
    cr_assert_eq(outcome->times, 1, "answered %d times", outcome->times);
    cr_assert_eq(outcome->error.code, code, "%s", outcome->error.message);
}

Test(batches, what_is_submitted_in_one_turn_is_one_batch)
{
    struct outcome outcomes[10] = {0};
    unsigned before = scripted.applies;
    for (int i = 0; i < 10; i++)
        put_one((char[]){(char)('a' + i), 0}, &outcomes[i]);
    run_ms(50);
    cr_assert_eq(scripted.applies, before + 1);
    for (int i = 0; i < 10; i++)
        expect_error(&outcomes[i], ERROR_NONE);
    cr_assert_eq(scripted_count("node/"), 10);
}

Test(batches, a_refusal_drops_the_batch_and_all_after_it)
{
    struct outcome a = {.gone = "a"}, b = {.gone = "b"}, c = {.gone = "a"};
    refuse(ORCH_E_FULL, 0);
    put_one("a", &a);
    put_one("b", &b);
    send();
    put_one("c", &c); /* forms while the first is at the store */
    cr_assert_not_null(find(STATE_HEAD, "c"));
    run_ms(50);
    expect_error(&a, ERROR_UNAVAILABLE);
    expect_error(&b, ERROR_UNAVAILABLE);
    expect_error(&c, ERROR_UNAVAILABLE);
    cr_assert_null(find(STATE_HEAD, "c"));
    cr_assert_eq(scripted_count("node/"), 0);
    cr_assert(state_ready(state, NULL), "the next one may have luck");
}

Test(batches, nobody_sees_a_version_that_is_gone)
{
    struct outcome a = {.gone = "b"}, b = {.gone = "c"}, c = {.gone = "a"};
    refuse(ORCH_E_FULL, 0);
    put_one("a", &a);
    put_one("b", &b);
    send();
    put_one("c", &c);
    run_ms(50);
    cr_assert_eq(a.times + b.times + c.times, 3);
}

Test(batches, what_was_refused_may_be_submitted_again_at_once)
{
    struct outcome a = {.retry = "a"}, b = {.retry = "b"}, c = {.retry = "c"};
    refuse(ORCH_E_IO, 0);
    put_one("a", &a);
    put_one("b", &b);
    send();
    put_one("c", &c);
    run_ms(100);
    cr_assert_eq(a.error.code, ERROR_NONE, "%s", a.error.message);
    cr_assert_eq(c.error.code, ERROR_NONE, "%s", c.error.message);
    cr_assert_eq(scripted_count("node/"), 3);
    cr_assert_eq(a.times + b.times + c.times, 6);
    cr_assert(state_ready(state, NULL));
}

Test(batches, the_prefix_that_is_in_is_committed)
{
    struct outcome a = {0}, b = {0}, c = {0};
    refuse(ORCH_E_FULL, 1);
    put_one("a", &a);
    put_one("b", &b);
    put_one("c", &c);
    run_ms(50);
    expect_error(&a, ERROR_NONE);
    expect_error(&b, ERROR_UNAVAILABLE);
    expect_error(&c, ERROR_UNAVAILABLE);
    cr_assert_not_null(find(STATE_COMMITTED, "a"));
    cr_assert_null(find(STATE_HEAD, "b"));
    struct outcome d = {0};
    put_one("d", &d);
    run_ms(50);
    expect_error(&d, ERROR_NONE);
}

Test(batches, an_unknown_outcome_that_did_happen_is_committed)
{
    struct outcome a = {0}, b = {0};
    scripted.status = ORCH_E_UNKNOWN;
    scripted.quietly = true;
    scripted.prefix = 0;
    put_one("a", &a);
    put_one("b", &b);
    run_ms(50);
    expect_error(&a, ERROR_NONE);
    expect_error(&b, ERROR_NONE);
    cr_assert_not_null(find(STATE_COMMITTED, "b"));
    cr_assert(state_ready(state, NULL));
}

Test(batches, an_unknown_outcome_that_did_not_happen_is_refused)
{
    struct outcome a = {0}, b = {0}, c = {0};
    refuse(ORCH_E_UNKNOWN, 1);
    put_one("a", &a);
    put_one("b", &b);
    send();
    put_one("c", &c);
    run_ms(50);
    expect_error(&a, ERROR_NONE);
    expect_error(&b, ERROR_UNAVAILABLE);
    expect_error(&c, ERROR_UNAVAILABLE);
    cr_assert_null(find(STATE_HEAD, "b"));
    cr_assert(state_ready(state, NULL));
}

Test(batches, nothing_is_written_until_the_head_has_been_read_back)
{
    struct outcome a = {0}, b = {0};
    struct error why;
    scripted.status = ORCH_E_UNKNOWN;
    scripted.quietly = true;
    scripted.prefix = 0;
    scripted.blind_heads = 3;
    put_one("a", &a);
    run_ms(50);
    expect_error(&a, ERROR_UNKNOWN_OUTCOME);
    cr_assert_null(find(STATE_COMMITTED, "a"));
    cr_assert_not(state_ready(state, &why));
    cr_assert_not_null(strstr(why.message, "not known"), "%s", why.message);
    unsigned applies = scripted.applies;
    put_one("b", &b);
    run_ms(1500);
    cr_assert_eq(scripted.applies, applies);
    expect_error(&b, ERROR_UNAVAILABLE);
    cr_assert_null(find(STATE_HEAD, "b"));
    run_ms(5000);
    cr_assert_eq(a.times, 1, "told once");
    cr_assert_not_null(find(STATE_COMMITTED, "a"));
    cr_assert(state_ready(state, NULL));
    put_one("b", NULL);
    run_ms(50);
    cr_assert_not_null(find(STATE_COMMITTED, "b"), "on what is in");
}

Test(batches, nobody_waits_for_a_store_that_never_answers_again)
{
    struct outcome a = {0}, b = {0};
    scripted.status = ORCH_E_UNKNOWN;
    scripted.prefix = 0;
    scripted.blind_heads = 1000000;
    put_one("a", &a);
    send();
    put_one("b", &b); /* waits for its turn while the store fails */
    run_ms(50);
    expect_error(&a, ERROR_UNKNOWN_OUTCOME);
    expect_error(&b, ERROR_UNAVAILABLE);
    cr_assert_not_null(find(STATE_HEAD, "a"), "it may have happened");
    cr_assert_null(find(STATE_HEAD, "b"));
    scripted.blind_heads = 0;
    run_ms(2000); /* it closes once it knows */
}

Test(batches, a_daemon_that_was_fenced_off_writes_no_more)
{
    struct outcome a = {0}, b = {0};
    struct error why;
    put_one("a", &a);
    run_ms(50);
    scripted.fence += 5;
    put_one("b", &b);
    run_ms(50);
    expect_error(&b, ERROR_UNAVAILABLE);
    cr_assert_not(state_ready(state, &why));
    cr_assert_not_null(strstr(why.message, "another daemon has written"), "%s", why.message);
    cr_assert_eq(scripted_count("node/"), 1);
    cr_assert_null(find(STATE_HEAD, "b"));
}

Test(batches, a_head_that_is_read_back_and_none_of_ours_means_another_daemon)
{
    struct outcome a = {0}, b = {0};
    struct error why;
    refuse(ORCH_E_UNKNOWN, 0);
    scripted.blind_heads = 1;
    put_one("a", &a);
    run_ms(50);
    scripted.head += 1000; /* written by the other one, which has taken over */
    run_ms(1500);
    expect_error(&a, ERROR_UNKNOWN_OUTCOME);
    cr_assert_null(find(STATE_COMMITTED, "a"));
    cr_assert_null(find(STATE_HEAD, "a"));
    cr_assert_not(state_ready(state, &why));
    cr_assert_not_null(strstr(why.message, "another daemon has written"), "%s", why.message);
    put_one("b", &b);
    run_ms(50);
    expect_error(&b, ERROR_UNAVAILABLE);
}

Test(batches, a_head_that_is_another_one_means_another_daemon)
{
    struct outcome a = {0};
    struct error why;
    scripted.head += 7;
    put_one("a", &a);
    run_ms(50);
    expect_error(&a, ERROR_UNAVAILABLE);
    cr_assert_not(state_ready(state, &why));
}

/* -- full -- */

static void mark(struct loop_task *task)
{
    task->name = "told";
}

Test(batches, users_are_held_off_at_4096_operations_and_told_when_it_goes_on)
{
    struct loop_task task = {.run = mark, .name = ""};
    struct outcome first = {0};
    struct error why;
    char name[16];
    int count = 0;
    put_one("first", &first);
    send();
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

Test(batches, users_are_held_off_at_4_mebibytes)
{
    struct outcome first = {0};
    struct error why;
    static char large[100000];
    char name[16];
    int count = 0;
    memset(large, 'x', sizeof large - 1);
    put_one("first", &first);
    send();
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

/* -- numbers -- */

Test(batches, numbers_are_never_given_again_after_a_crash)
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

Test(batches, what_is_settled_is_all_of_what_was_given_before)
{
    struct outcome a = {0};
    put_one("a", &a);
    uint64_t seq = find(STATE_HEAD, "a")->seq;
    cr_assert_lt(state_settled_seq(state), seq);
    run_ms(50);
    cr_assert_geq(state_settled_seq(state), seq);
    cr_assert_geq(state_seq(state), seq);
}

/* -- what is told -- */

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

Test(batches, subscribers_hear_of_each_change_in_the_order_of_commits)
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

Test(batches, one_transaction_may_change_a_record_twice)
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

Test(batches, an_empty_transaction_is_done_in_a_later_turn_without_the_store)
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

Test(batches, an_empty_transaction_is_not_answered_before_what_it_saw_is_durable)
{
    struct outcome a = {0}, empty = {0};
    refuse(ORCH_E_FULL, 0);
    put_one("a", &a);
    send();
    txn_submit(begin(), done, &empty);
    run_ms(50);
    expect_error(&empty, ERROR_UNAVAILABLE);
}

Test(batches, a_user_may_audit_and_the_entries_are_kept_with_the_change)
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

Test(batches, a_cursor_begins_at_the_first_not_before_its_probe)
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

/* -- opening -- */

Test(batches, what_was_written_is_there_when_it_is_opened_again)
{
    char uid[ID_UID_BYTES], name[16];
    for (int i = 0; i < 250; i++) { /* several pages */
        snprintf(name, sizeof name, "n%03d", i);
        put_one(name, NULL);
    }
    run_ms(50);
    snprintf(uid, sizeof uid, "%s", state_cluster_uid(state));
    close_state();
    open_state();
    cr_assert_eq(state_count(state, KIND_NODE), 250);
    cr_assert_str_eq(state_cluster_uid(state), uid);
    cr_assert_eq(find(STATE_HEAD, "n123"), find(STATE_COMMITTED, "n123"));
    cr_assert_not_null(find(STATE_HEAD, "n123"));
}

static void expect_no_opening(const char *message)
{
    close_state();
    open_state();
    cr_assert_eq(open_error.code, ERROR_IO, "code %d", open_error.code);
    cr_assert_not_null(strstr(open_error.message, message), "%s", open_error.message);
}

Test(batches, a_store_that_does_not_open_is_told)
{
    scripted.open_status = ORCH_E_BUSY;
    expect_no_opening("cannot open the store: scripted refusal");
}

Test(batches, a_store_that_does_not_list_is_told)
{
    scripted.list_status = ORCH_E_IO;
    expect_no_opening("cannot list the store: scripted refusal");
}

Test(batches, a_store_without_a_head_is_told)
{
    scripted.blind_heads = 1;
    expect_no_opening("cannot open the store: scripted silence");
}

Test(batches, a_record_that_is_no_record_is_named)
{
    scripted_put("node/bad", "{\"name\":");
    close_state();
    open_state();
    cr_assert_neq(open_error.code, ERROR_NONE);
    cr_assert_not_null(strstr(open_error.message, "the stored record node/bad"), "%s",
                       open_error.message);
}

Test(batches, a_start_that_the_store_refuses_is_told)
{
    close_state();
    refuse(ORCH_E_FULL, 0);
    open_state();
    cr_assert_eq(open_error.code, ERROR_UNAVAILABLE, "%s", open_error.message);
}

/* -- everything at once -- */

static uint64_t draw(uint64_t below)
{
    return loop_random(loop) % below;
}

static void draw_store(void)
{
    static const orch_status faults[] = {ORCH_E_FULL, ORCH_E_IO, ORCH_E_UNKNOWN};
    if (draw(4) != 0)
        return;
    scripted.status = faults[draw(3)];
    scripted.prefix = (uint32_t)draw(3);
    scripted.quietly = scripted.status == ORCH_E_UNKNOWN && draw(2) == 0;
    scripted.blind_heads = (unsigned)draw(3);
}

static void draw_change(struct txn *txn)
{
    char name[8];
    snprintf(name, sizeof name, "n%llu", (unsigned long long)draw(12));
    const struct record *head = find(STATE_HEAD, name);
    if (head && draw(2) == 0)
        txn_delete(txn, head);
    else
        put(txn, name);
}

Test(batches, memory_and_store_agree_after_any_course_of_refusals)
{
    static struct outcome outcomes[3000];
    int answered = 0, submitted = 0;
    for (int step = 0; step < 3000; step++) {
        struct txn *txn = begin();
        for (uint64_t changes = 1 + draw(4); changes; changes--)
            draw_change(txn);
        if (draw(5) == 0)
            txn_abort(txn);
        else
            txn_submit(txn, done, &outcomes[submitted++]);
        if (draw(3) == 0) {
            draw_store();
            (void)loop_run_until(loop, loop_now_ns(loop) + draw(3000) * NS_PER_US);
        }
    }
    scripted.status = ORCH_OK;
    scripted.prefix = SCRIPTED_ALL;
    scripted.quietly = false;
    scripted.blind_heads = 0;
    run_ms(10000);
    for (int i = 0; i < submitted; i++)
        answered += outcomes[i].times == 1;
    cr_assert_eq(answered, submitted, "each is answered once");
    for (int i = 0; i < 12; i++) {
        char name[8], key[16];
        snprintf(name, sizeof name, "n%d", i);
        snprintf(key, sizeof key, "node/%s", name);
        cr_assert_eq(find(STATE_COMMITTED, name) != NULL, scripted_has(key), "%s", name);
        cr_assert_eq(find(STATE_HEAD, name), find(STATE_COMMITTED, name));
    }
    cr_assert_eq(state_count(state, KIND_NODE), scripted_count("node/"));
    cr_assert(state_ready(state, NULL));
}

/* -- limits -- */

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

Test(batches, a_change_of_more_operations_than_the_store_takes_is_refused_before_it)
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

Test(batches, a_value_longer_than_the_store_takes_is_refused_before_it)
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

Test(batches, a_store_that_takes_next_to_nothing_is_refused)
{
    reopen(63, 0);
    cr_assert_eq(open_error.code, ERROR_PLUGIN);
    cr_assert(strstr(open_error.message, "the store takes 63 operations"), "%s",
              open_error.message);
}

Test(batches, controllers_change_no_more_at_once_than_fits_with_its_events)
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
