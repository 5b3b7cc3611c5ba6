#include "loop/impl.h"
#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOLD_NS (50 * NS_PER_MS)
#define HOLD_SILENCE_NS (10 * NS_PER_SECOND)

uint64_t loop_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

void loop_init(struct loop *loop, const struct loop_ops *ops)
{
    loop->ops = ops;
    queue_init(&loop->posted, SIZE_MAX);
    pthread_mutex_init(&loop->lag_lock, NULL);
    atomic_init(&loop->thread, pthread_self());
}

void loop_finish(struct loop *loop)
{
    queue_take_all(&loop->posted); /* tasks are their posters' memory */
    queue_finish(&loop->posted);
    pthread_mutex_destroy(&loop->lag_lock);
}

void loop_destroy(struct loop *loop)
{
    if (loop)
        loop->ops->destroy(loop);
}

void loop_run(struct loop *loop)
{
    atomic_store(&loop->thread, pthread_self());
    atomic_store(&loop->running, true);
    loop->ops->run(loop);
    atomic_store(&loop->running, false);
    atomic_store(&loop->stop, false); /* it has been obeyed; the loop may be run again */
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stop, true);
    loop->ops->wake(loop);
}

uint64_t loop_now_ns(struct loop *loop)
{
    return loop->now_ns;
}

void loop_refresh_now(struct loop *loop)
{
    loop->ops->refresh_now(loop);
}

int64_t loop_wall_ms(struct loop *loop)
{
    return loop->ops->wall_ms(loop);
}

uint64_t loop_random(struct loop *loop)
{
    return loop->random.next(loop->random.context);
}

struct random_source loop_random_source(struct loop *loop)
{
    return loop->random;
}

bool loop_is_current(struct loop *loop)
{
    return pthread_equal(atomic_load(&loop->thread), pthread_self());
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop, const char *name,
                     void (*fire)(void *argument), void *argument)
{
    *timer = (struct loop_timer){.loop = loop, .name = name, .fire = fire, .argument = argument};
}

void loop_timer_start(struct loop_timer *timer, uint64_t delay_ns)
{
    assert(timer->loop);
    loop_timer_stop(timer);
    timer->deadline_ns = timer->loop->now_ns + delay_ns;
    if (!timer->deadline_ns)
        timer->deadline_ns = 1;
    timer->loop->ops->timer_start(timer);
}

void loop_timer_stop(struct loop_timer *timer)
{
    if (!timer->deadline_ns)
        return;
    timer->loop->ops->timer_stop(timer);
    timer->deadline_ns = 0;
}

bool loop_timer_armed(const struct loop_timer *timer)
{
    return timer->deadline_ns != 0;
}

void loop_io_init(struct loop_io *io, struct loop *loop, const char *name,
                  void (*ready)(void *argument, int fd, unsigned events), void *argument)
{
    *io = (struct loop_io){
        .loop = loop, .name = name, .ready = ready, .argument = argument, .fd = -1};
}

void loop_io_set(struct loop_io *io, int fd, unsigned events)
{
    io->loop->ops->io_set(io, fd, events);
    io->fd = fd;
    io->events = events;
}

void loop_post(struct loop *loop, struct loop_task *task)
{
    bool was_empty = false;
    bool accepted = queue_push(&loop->posted, &task->node, &was_empty);
    assert(accepted);
    if (was_empty)
        loop->ops->wake(loop);
}

static uint64_t thread_cpu_ns(void)
{
    struct timespec spent;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    return (uint64_t)spent.tv_sec * NS_PER_SECOND + (uint64_t)spent.tv_nsec;
}

void loop_set_meter(struct loop *loop,
                    void (*ran)(void *argument, const char *name, uint64_t wall_ns,
                                uint64_t cpu_ns),
                    void *argument)
{
    loop->meter_argument = argument;
    loop->meter = ran;
}

struct loop_mark loop_begin(const struct loop *loop)
{
    return (struct loop_mark){.wall_ns = loop_clock_ns(),
                              .cpu_ns = loop->meter ? thread_cpu_ns() : 0};
}

/* The first at once; of those that follow within HOLD_SILENCE the longest, with their number. */
static void note_hold(struct loop *loop, const char *name, uint64_t spent, uint64_t now)
{
    loop->holds.untold++;
    if (spent > loop->holds.longest_ns) {
        loop->holds.longest_ns = spent;
        strncpy(loop->holds.longest_name, name, sizeof loop->holds.longest_name - 1);
    }
    if (loop->holds.told_ns && now - loop->holds.told_ns < HOLD_SILENCE_NS)
        return;
    LOG_WARN("a callback held the loop", LOG_STR("callback", loop->holds.longest_name),
             LOG_INT("microseconds", loop->holds.longest_ns / NS_PER_US),
             LOG_INT("callbacks", loop->holds.untold));
    memset(&loop->holds, 0, sizeof loop->holds);
    loop->holds.told_ns = now;
}

void loop_account(struct loop *loop, const char *name, struct loop_mark begun)
{
    uint64_t now = loop_clock_ns(), spent = now - begun.wall_ns;
    if (loop->meter && begun.cpu_ns)
        loop->meter(loop->meter_argument, name, spent, thread_cpu_ns() - begun.cpu_ns);
    pthread_mutex_lock(&loop->lag_lock);
    loop->lag.total_ns += spent;
    durations_note(&loop->lag.callbacks, spent);
    if (spent > 2 * NS_PER_MS)
        loop->lag.over_2ms++;
    if (spent > loop->lag.longest_ns) {
        loop->lag.longest_ns = spent;
        strncpy(loop->lag.longest_name, name ? name : "?", sizeof loop->lag.longest_name - 1);
    }
    pthread_mutex_unlock(&loop->lag_lock);
    if (spent > HOLD_NS)
        note_hold(loop, name ? name : "?", spent, now);
}

void loop_read_lag(struct loop *loop, struct loop_lag *out)
{
    pthread_mutex_lock(&loop->lag_lock);
    *out = loop->lag;
    loop->lag.longest_ns = 0;
    loop->lag.longest_name[0] = 0;
    pthread_mutex_unlock(&loop->lag_lock);
}

void loop_run_posted(struct loop *loop)
{
    struct queue_node *node = queue_take_all(&loop->posted);
    while (node) {
        struct loop_task *task = CONTAINER_OF(node, struct loop_task, node);
        node = node->next; /* before run: the task may go away in it */
        const char *name = task->name;
        struct loop_mark begun = loop_begin(loop);
        task->run(task);
        loop_account(loop, name, begun);
    }
}

void loop_slice_init(struct loop_slice *slice, struct loop *loop, const char *name,
                     bool (*step)(void *argument), void *argument)
{
    *slice = (struct loop_slice){.loop = loop, .name = name, .step = step, .argument = argument};
}

void loop_slice_start(struct loop_slice *slice)
{
    struct loop *loop = slice->loop;
    if (slice->queued)
        return;
    slice->queued = true;
    slice->next = NULL;
    if (loop->slices_last)
        loop->slices_last->next = slice;
    else
        loop->slices = slice;
    loop->slices_last = slice;
    loop->ops->slices_wanted(loop, true);
}

void loop_slice_stop(struct loop_slice *slice)
{
    struct loop *loop = slice->loop;
    if (!slice->queued)
        return;
    struct loop_slice **link = &loop->slices, *last = NULL;
    while (*link != slice) {
        last = *link;
        link = &(*link)->next;
    }
    *link = slice->next;
    if (loop->slices_last == slice)
        loop->slices_last = last;
    slice->queued = false;
    if (!loop->slices)
        loop->ops->slices_wanted(loop, false);
}

void loop_run_slices(struct loop *loop)
{
    struct loop_slice *slice = loop->slices;
    if (!slice)
        return;
    loop_slice_stop(slice);
    struct loop_mark begun = loop_begin(loop);
    const char *name = slice->name;
    bool more = slice->step(slice->argument);
    loop_account(loop, name, begun);
    if (more)
        loop_slice_start(slice);
}

bool loop_offload(struct loop *loop, struct loop_job *job)
{
    job->loop = loop;
    return loop->ops->offload(loop, job);
}

void loop_settle(struct loop *loop)
{
    enum { ROUNDS = 16 }; /* whoever answers a refusal with the same again is not waited for */
    if (loop->ops->end_pool)
        loop->ops->end_pool(loop);
    for (int round = 0; round < ROUNDS; round++)
        loop_run_posted(loop);
}

void loop_abandon(struct loop *loop, const struct loop_job *job)
{
    if (loop->ops->abandon)
        loop->ops->abandon(loop, job);
}

struct loop_lane {
    struct loop *loop;
    struct pool *pool; /* NULL on a virtual loop, which has no threads: there */
    struct loop_job turn;
    struct queue_node *first, *last; /* its jobs, the first of them under way */
    bool ended;                      /* goes with its last job */
};

static void start_turn(struct loop_lane *lane);

static struct loop_job *first_job(struct loop_job *turn)
{
    return CONTAINER_OF(CONTAINER_OF(turn, struct loop_lane, turn)->first, struct loop_job, node);
}

static void turn_work(struct loop_job *turn)
{
    struct loop_job *job = first_job(turn);
    job->work(job);
}

static void turn_done(struct loop_job *turn)
{
    struct loop_lane *lane = CONTAINER_OF(turn, struct loop_lane, turn);
    struct loop_job *job = first_job(turn);
    lane->first = lane->first->next;
    if (lane->first)
        start_turn(lane);
    else if (lane->ended)
        free(lane);
    job->done(job); /* last: it may end the lane */
}

static void start_turn(struct loop_lane *lane)
{
    lane->turn = (struct loop_job){.work = turn_work, .done = turn_done, .loop = lane->loop};
    lane->turn.name = first_job(&lane->turn)->name;
    lane->loop->ops->offload(lane->loop, &lane->turn);
}

struct loop_lane *loop_lane_create(struct loop *loop)
{
    struct loop_lane *lane = memory_alloc(sizeof *lane);
    lane->loop = loop;
    if (loop->ops->threads)
        lane->pool = pool_create(1);
    return lane;
}

void loop_lane_destroy(struct loop_lane *lane)
{
    if (!lane)
        return;
    pool_destroy(lane->pool);
    lane->ended = true;
    if (!lane->first)
        free(lane);
}

bool loop_lane_offload(struct loop_lane *lane, struct loop_job *job)
{
    job->loop = lane->loop;
    if (lane->loop->ops->threads)
        return lane->pool && pool_submit(lane->pool, job);
    job->node.next = NULL;
    if (lane->first) {
        lane->last->next = &job->node;
        lane->last = &job->node;
        return true;
    }
    lane->first = lane->last = &job->node;
    start_turn(lane);
    return true;
}
