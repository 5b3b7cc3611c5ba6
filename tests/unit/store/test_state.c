#include "base/clock.h"
#include "container/container.h"
#include "deployment/deployment.h"
#include "node/node.h"
#include "plugin/host.h"
#include "service/service.h"
#include "store/event.h"
#include "store/state.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

extern const struct orch_manifest orch_plugin_manifest_1; /* of the memory store */

static struct loop *loop;
static struct state *state;
static struct plugin_environment environment;
static struct plugin_host host;
static char told[64];

static void opened(void *argument, const struct error *error)
{
    cr_assert_null(error);
    *(bool *)argument = true;
}

static void closed(void *argument)
{
    (void)argument;
}

static void changed(void *argument, const struct record *before, const struct record *after)
{
    const struct record *any = after ? after : before;
    (void)argument;
    if (any->kind->id == KIND_NODE && strlen(told) + 1 < sizeof told)
        strcat(told, !before ? "+" : !after ? "-" : "~");
}

static void run_ms(uint64_t ms)
{
    (void)loop_run_until(loop, loop_now_ns(loop) + ms * NS_PER_MS);
}

static void setup(void)
{
    static const struct record_kind *const kinds[KIND_COUNT] = {
        [KIND_META] = &meta_kind,         [KIND_DEPLOYMENT] = &deployment_kind,
        [KIND_REVISION] = &revision_kind, [KIND_CONTAINER] = &container_kind,
        [KIND_NODE] = &node_kind,         [KIND_SERVICE] = &service_kind,
        [KIND_EVENT] = &event_kind,       [KIND_AUDIT] = &audit_kind};
    static struct state_subscriber subscriber;
    bool done = false;
    loop = loop_create_virtual(9, 1000000);
    environment = (struct plugin_environment){.product = "test", .version = "1", .loop = loop};
    plugin_host_init(&host, &environment, "store-memory");
    const struct state_config config = {.loop = loop,
                                        .kinds = kinds,
                                        .store = orch_plugin_manifest_1.provides[0].table,
                                        .host = &host.orch,
                                        .config_json = "{}",
                                        .state_directory = "/nonexistent",
                                        .event_limit = 50};
    state = state_create(&config);
    subscriber = (struct state_subscriber){.changed = changed};
    state_subscribe(state, &subscriber);
    state_open(state, opened, &done);
    run_ms(100);
    cr_assert(done);
    told[0] = 0;
}

static void teardown(void)
{
    state_close(state, closed, NULL);
    run_ms(1000);
    state_destroy(state);
    plugin_host_finish(&host);
    loop_destroy(loop);
}

TestSuite(state, .init = setup, .fini = teardown, .timeout = 60);

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

static void put_one(const char *name)
{
    struct txn *txn = begin();
    put(txn, name);
    txn_submit(txn, NULL, NULL);
}

static void delete_one(const char *name)
{
    struct txn *txn = begin();
    txn_delete(txn, find(STATE_HEAD, name));
    txn_submit(txn, NULL, NULL);
}

Test(state, what_is_pending_is_head_and_not_yet_committed)
{
    put_one("a");
    cr_assert_not_null(find(STATE_HEAD, "a"));
    cr_assert_null(find(STATE_COMMITTED, "a"));
    run_ms(50);
    cr_assert_not_null(find(STATE_COMMITTED, "a"));
    cr_assert_str_eq(told, "+");
}

Test(state, a_first_start_makes_the_clusters_uid)
{
    cr_assert_eq(strlen(state_cluster_uid(state)), 32, "\"%s\"", state_cluster_uid(state));
    cr_assert_eq(state_fence(state), 1);
}

Test(state, records_go)
{
    put_one("a");
    put_one("b");
    run_ms(50);
    delete_one("a");
    cr_assert_null(find(STATE_HEAD, "a"));
    cr_assert_not_null(find(STATE_COMMITTED, "a"));
    run_ms(50);
    cr_assert_null(find(STATE_COMMITTED, "a"));
    cr_assert_not_null(find(STATE_COMMITTED, "b"));
    cr_assert_eq(state_count(state, KIND_NODE), 1);
}

Test(state, made_and_deleted_and_made_again_before_anything_is_durable)
{
    put_one("a");
    delete_one("a");
    put_one("b");
    cr_assert_null(find(STATE_HEAD, "a"));
    put_one("a");
    delete_one("b");
    cr_assert_not_null(find(STATE_HEAD, "a"));
    run_ms(50);
    cr_assert_not_null(find(STATE_COMMITTED, "a"));
    cr_assert_null(find(STATE_COMMITTED, "b"));
    cr_assert_str_eq(told, "+-++-");
}

Test(state, an_aborted_transaction_leaves_nothing)
{
    put_one("a");
    run_ms(50);
    struct txn *txn = begin();
    put(txn, "b");
    txn_delete(txn, find(STATE_HEAD, "b"));
    txn_delete(txn, find(STATE_HEAD, "a"));
    put(txn, "c");
    txn_abort(txn);
    cr_assert_not_null(find(STATE_HEAD, "a"));
    cr_assert_null(find(STATE_HEAD, "b"));
    cr_assert_null(find(STATE_HEAD, "c"));
    run_ms(50);
    cr_assert_eq(state_count(state, KIND_NODE), 1);
}

Test(state, many_come_and_go_in_any_order)
{
    char name[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "n%d", i * 7919 % 1000);
        put_one(name);
        if (i % 50 == 0)
            run_ms(20);
    }
    run_ms(200);
    cr_assert_eq(state_count(state, KIND_NODE), 1000);
    for (int i = 0; i < 1000; i += 2) {
        snprintf(name, sizeof name, "n%d", i * 7919 % 1000);
        delete_one(name);
        if (i % 64 == 0)
            run_ms(20);
    }
    run_ms(200);
    cr_assert_eq(state_count(state, KIND_NODE), 500);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "n%d", i * 7919 % 1000);
        cr_assert_eq(find(STATE_COMMITTED, name) != NULL, i % 2 == 1);
    }
}

static void refused(void *argument, const struct error *error)
{
    *(bool *)argument = error && error->code == ERROR_UNAVAILABLE;
}

Test(state, nothing_is_accepted_while_it_closes)
{
    bool late = false;
    put_one("a");
    state_close(state, closed, NULL);
    struct txn *txn = begin();
    put(txn, "b");
    txn_submit(txn, refused, &late);
    cr_assert_not(late, "never inside the call");
    run_ms(100);
    cr_assert(late);
    cr_assert_not_null(find(STATE_COMMITTED, "a"));
    cr_assert_null(find(STATE_HEAD, "b"));
    txn = begin();
    put(txn, "c");
    late = false;
    txn_submit(txn, refused, &late);
    run_ms(100);
    cr_assert(late);
}

Test(state, old_events_go)
{
    for (int i = 0; i < 400; i++) {
        struct txn *txn = begin();
        (void)txn_event(txn, EVENT_NORMAL, "Test", "nodes/a", "number %d", i);
        txn_submit(txn, NULL, NULL);
        run_ms(10);
    }
    cr_assert_leq(state_count(state, KIND_EVENT), 52);
}
