#include "batches.h"
#include "base/clock.h"
#include "base/log.h"
#include "scripted_store.h"
#include "server.h"

#include <criterion/criterion.h>
#include <stdlib.h>

struct loop *loop;
struct state *state;
struct error open_error;
static bool is_open;

void run_ms(uint64_t ms)
{
    (void)loop_run_until(loop, loop_now_ns(loop) + ms * NS_PER_MS);
}

static void opened(void *argument, const struct error *error)
{
    (void)argument;
    open_error = error ? *error : (struct error){0};
    is_open = true;
}

void open_state(void)
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

void close_state(void)
{
    bool done = false;
    state_close(state, closed, &done);
    run_ms(100);
    if (!done)
        abort(); /* an assertion in a teardown is printed and fails nothing */
    state_destroy(state);
}

void batches_setup(void)
{
    log_configure(LOG_LEVEL_ERROR + 1, LOG_FORMAT_JSON, 2);
    scripted_reset();
    loop = loop_create_virtual(3, 1000000);
    open_state();
    cr_assert_eq(open_error.code, ERROR_NONE, "%s", open_error.message);
}

void batches_teardown(void)
{
    close_state();
    loop_destroy(loop);
    scripted_reset();
}
const struct record *find(enum state_view view, const char *name)
{
    const struct node probe = {.record.kind = &node_kind, .name = name};
    return state_find(state, view, &probe.record);
}

struct txn *begin(void)
{
    return txn_begin(state, (struct origin){.by = "test"});
}

void put(struct txn *txn, const char *name)
{
    const struct node node = {.record = {.uid = "u", .version = 1}, .name = name};
    txn_put(txn, record_create(&node_kind, &node));
}

void done(void *argument, const struct error *error)
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

void put_one(const char *name, struct outcome *outcome)
{
    struct txn *txn = begin();
    put(txn, name);
    txn_submit(txn, outcome ? done : NULL, outcome);
}

void delete_one(const char *name)
{
    struct txn *txn = begin();
    txn_delete(txn, find(STATE_HEAD, name));
    txn_submit(txn, NULL, NULL);
}

void send_batch(void)
{
    struct state_figures before, now;
    state_read_figures(state, &before);
    uint64_t at = loop_now_ns(loop);
    (void)loop_run_until(loop, at); /* the turn ends; the store's thread takes a while */
    state_read_figures(state, &now);
    cr_assert_eq(now.commits, before.commits);
}

void refuse(orch_status status, uint32_t prefix)
{
    scripted.status = status;
    scripted.prefix = prefix;
}

void expect_error(const struct outcome *outcome, enum error_code code)
{
    cr_assert_eq(outcome->times, 1, "answered %d times", outcome->times);
    cr_assert_eq(outcome->error.code, code, "%s", outcome->error.message);
}
