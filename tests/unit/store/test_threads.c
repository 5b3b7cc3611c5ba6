/* The state on the real loop: the store works on a thread of its own, and other threads hold and
 * read versions of records while newer ones are committed. */
#include "base/clock.h"
#include "base/log.h"
#include "server.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

extern const struct orch_manifest orch_plugin_manifest_1; /* of the memory store */

static struct loop *loop;
static struct state *state;
static struct loop_timer guard;

static void too_late(void *argument)
{
    (void)argument;
    cr_assert_fail("nothing stopped the loop");
}

static void opened(void *argument, const struct error *error)
{
    (void)argument;
    cr_assert_null(error);
    loop_stop(loop);
}

static void closed(void *argument)
{
    (void)argument;
    loop_stop(loop);
}

static void setup(void)
{
    struct error error;
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_JSON, 2);
    loop = loop_create_real(&error);
    cr_assert_not_null(loop);
    loop_timer_init(&guard, loop, "guard", too_late, NULL);
    loop_timer_start(&guard, 60 * NS_PER_SECOND);
    state = state_create(&(struct state_config){.loop = loop,
                                                .kinds = server_record_kinds,
                                                .store = orch_plugin_manifest_1.provides[0].table,
                                                .config_json = "{}"});
    state_open(state, opened, NULL);
    loop_run(loop);
}

static void teardown(void)
{
    state_close(state, closed, NULL);
    loop_run(loop);
    state_destroy(state);
    loop_timer_stop(&guard);
    loop_destroy(loop);
}

TestSuite(store_threads, .init = setup, .fini = teardown, .timeout = 60);

enum { READERS = 3, COMMITS = 500 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct node *latest; /* counted; under the lock */
static atomic_bool reading;
static int commits; /* [loop] */

static void publish(void *argument, const struct record *before, const struct record *after)
{
    (void)argument, (void)before;
    if (!after || after->kind->id != KIND_NODE)
        return;
    pthread_mutex_lock(&lock);
    const struct node *old = latest;
    latest = (const struct node *)record_take_reference(after);
    pthread_mutex_unlock(&lock);
    if (old)
        record_release(&old->record);
}

static void *read_all_the_time(void *argument)
{
    (void)argument;
    uint64_t seen = 0;
    while (atomic_load(&reading)) {
        pthread_mutex_lock(&lock);
        const struct node *node =
            latest ? (const struct node *)record_take_reference(&latest->record) : NULL;
        pthread_mutex_unlock(&lock);
        if (!node) {
            sched_yield();
            continue;
        }
        char address[32];
        snprintf(address, sizeof address, "10.0.0.%lld", (long long)node->capacity.cpu_millis);
        cr_assert_str_eq(node->address, address, "a version is whole");
        cr_assert_geq(node->record.seq, seen, "versions come in order");
        seen = node->record.seq;
        record_release(&node->record);
    }
    return NULL;
}

static void write_next(void *argument, const struct error *error)
{
    char address[32];
    (void)argument;
    cr_assert_null(error);
    if (commits++ == COMMITS) {
        loop_stop(loop);
        return;
    }
    snprintf(address, sizeof address, "10.0.0.%d", commits);
    const struct node node = {.record = {.uid = "u", .version = 1},
                              .name = "n",
                              .address = address,
                              .capacity.cpu_millis = commits};
    struct txn *txn = txn_begin(state, (struct origin){.by = "test"});
    txn_put(txn, record_create(&node_kind, &node));
    txn_submit(txn, write_next, NULL);
}

Test(store_threads, versions_are_read_while_newer_ones_are_committed)
{
    pthread_t readers[READERS];
    struct state_subscriber subscriber = {.changed = publish};
    state_subscribe(state, &subscriber);
    commits = 0;
    atomic_store(&reading, true);
    for (int i = 0; i < READERS; i++)
        cr_assert_eq(pthread_create(&readers[i], NULL, read_all_the_time, NULL), 0);
    write_next(NULL, NULL);
    loop_run(loop);
    atomic_store(&reading, false);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    cr_assert_eq(latest->capacity.cpu_millis, COMMITS);
    record_release(&latest->record);
    latest = NULL;
    state_unsubscribe(state, &subscriber);
}

static int answers; /* [loop] */

static void answered(void *argument, const struct error *error)
{
    (void)argument;
    cr_assert_null(error);
    if (++answers == 2000)
        loop_stop(loop);
}

Test(store_threads, what_is_submitted_while_the_store_is_busy_joins_the_next_batch)
{
    struct state_figures figures;
    answers = 0;
    for (int i = 0; i < 2000; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        const struct node node = {.record = {.uid = "u", .version = 1}, .name = name};
        struct txn *txn = txn_begin(state, (struct origin){.by = "test"});
        txn_put(txn, record_create(&node_kind, &node));
        txn_submit(txn, answered, NULL);
    }
    loop_run(loop);
    state_read_figures(state, &figures);
    cr_assert_eq(state_count(state, KIND_NODE), 2000);
    cr_assert_geq(figures.transactions, 2000);
    cr_assert_lt(figures.commits, 100);
}
