/* Many threads complete and emit while the loop cancels, abandons and lets deadlines pass. A
 * program of its own, so that it runs under the thread sanitizer. Exit status 0: every operation
 * that was not abandoned ended exactly once, and the table is empty. */
#include "base/clock.h"
#include "base/log.h"
#include "loop/loop.h"
#include "plugin/host.h"
#include "plugin/ops.h"

#include <orchestrator/runtime.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPERATIONS = 20000, AT_ONCE = 256, THREADS = 3, RING = 1024 };

/* Handles on their way to the threads. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct orch_op ring[RING];
    unsigned first, count;
    bool closed;
} work = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

static struct loop *loop;
static struct op_table *table;
static struct plugin_host host;
static unsigned begun, ended, abandoned, open_now;
static unsigned char ends[OPERATIONS];
static bool failed;

static void *thread(void *argument)
{
    const struct orch_host_ops_v1 *ops = host.orch.get(&host.orch, ORCH_HOST_OPS_1);
    const struct orch_created created = {.size = sizeof created, .runtime_id = {"c1", 2}};
    const struct orch_result result = {.size = sizeof result, .status = ORCH_OK, .value = &created};
    (void)argument;
    for (;;) {
        pthread_mutex_lock(&work.lock);
        while (!work.count && !work.closed)
            pthread_cond_wait(&work.filled, &work.lock);
        if (!work.count) {
            pthread_mutex_unlock(&work.lock);
            return NULL;
        }
        struct orch_op op = work.ring[work.first++ % RING];
        work.count--;
        pthread_mutex_unlock(&work.lock);
        (void)ops->emit(&host.orch, op, ORCH_CHANNEL_STDOUT, 0, (struct orch_str){"x", 1});
        (void)ops->complete(&host.orch, op, &result);
        (void)ops->complete(&host.orch, op, &result);
    }
}

static void begin_some(struct loop_task *task);
static struct loop_task again = {.run = begin_some, .name = "begin"};
static bool posted;

static void want_more(void)
{
    open_now--;
    if (!posted) {
        posted = true;
        loop_post(loop, &again);
    }
}

static size_t on_data(void *argument, uint32_t channel, struct orch_str bytes)
{
    (void)argument, (void)channel;
    return bytes.len;
}

static void on_done(void *argument, const struct op_end *end)
{
    unsigned char *count = argument;
    failed |= ++*count != 1;
    failed |=
        end->status != ORCH_OK && end->status != ORCH_E_TIMEOUT && end->status != ORCH_E_CANCELLED;
    ended++;
    want_more();
}

static void begin_one(unsigned index)
{
    struct op *op =
        op_begin(table, &(struct op_request){.host = &host,
                                             .verb = "create",
                                             .kind = OP_SOURCE,
                                             .shape = &op_shape_created,
                                             .deadline_ns = index % 7 == 0 ? loop_now_ns(loop) : 0,
                                             .data = on_data,
                                             .done = on_done,
                                             .argument = &ends[index]});
    struct orch_op handle = op_handle(op);
    op_settle(op, ORCH_PENDING, NULL);
    open_now++;
    pthread_mutex_lock(&work.lock);
    work.ring[(work.first + work.count++) % RING] = handle;
    pthread_cond_signal(&work.filled);
    pthread_mutex_unlock(&work.lock);
    if (index % 5 == 0) {
        op_abandon(table, handle.id);
        /* Its end may have been queued already; told it was not. */
        abandoned++;
        want_more();
    } else if (index % 5 == 1) {
        op_cancel(table, handle.id);
    }
}

static void begin_some(struct loop_task *task)
{
    (void)task;
    posted = false;
    while (begun < OPERATIONS && open_now < AT_ONCE)
        begin_one(begun++);
    if (begun == OPERATIONS && ended + abandoned == OPERATIONS)
        loop_stop(loop);
}

int main(void)
{
    static const struct plugin_service *const services[] = {&host_ops_service};
    struct error error = {0};
    struct op_counts counts;
    pthread_t threads[THREADS];
    (void)alarm(60);
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_JSON, STDERR_FILENO);
    loop = loop_create_real(&error);
    table = op_table_create(loop);
    const struct plugin_environment environment = {.product = "stress",
                                                   .version = "1",
                                                   .loop = loop,
                                                   .ops = table,
                                                   .services = services,
                                                   .service_count = 1};
    plugin_host_init(&host, &environment, "runtime-stress");
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, thread, NULL) != 0)
            return 2;
    posted = true;
    loop_post(loop, &again);
    loop_run(loop);
    pthread_mutex_lock(&work.lock);
    work.closed = true;
    pthread_cond_broadcast(&work.filled);
    pthread_mutex_unlock(&work.lock);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    op_table_counts(table, &counts);
    printf("%u ended, %u abandoned, %llu completed, %llu late, %llu twice, %llu never ended\n",
           ended, abandoned, (unsigned long long)counts.completed, (unsigned long long)counts.late,
           (unsigned long long)counts.twice, (unsigned long long)counts.never_ended);
    failed |= counts.never_ended != 0 || counts.completed + counts.late != OPERATIONS;
    op_table_destroy(table);
    plugin_host_finish(&host);
    loop_destroy(loop);
    return failed;
}
