/* orch.host.loop/1: timers, descriptors and posted work, owned per plugin. */
#include "base/text.h"
#include "loop/loop.h"
#include "plugin/handles.h"
#include "plugin/host.h"

#include <stdlib.h>

enum { POST_LIMIT = 4096, TIMER_LIMIT = 65536, WATCH_LIMIT = 4096, JOB_LIMIT = 256 };

/* Outlives its plugin's host while work is under way: `references` counts that. */
struct plugin_loop {
    struct plugin_host *host; /* NULL: detached; nothing of the plugin is called any more */
    struct loop *loop;
    struct handles timers, watches;
    _Atomic uint32_t posts, jobs;
    _Atomic uint32_t references;
};

static struct plugin_loop *state_of(const struct orch_host *orch)
{
    return plugin_host_state(orch, &host_loop_service);
}

static void release(struct plugin_loop *state)
{
    if (atomic_fetch_sub(&state->references, 1) == 1)
        free(state);
}

/* Takes one of a bounded number, from any thread. */
static bool reserve(struct plugin_loop *state, _Atomic uint32_t *count, uint32_t limit)
{
    if (atomic_fetch_add(count, 1) < limit) {
        atomic_fetch_add(&state->references, 1);
        return true;
    }
    atomic_fetch_sub(count, 1);
    return false;
}

/* ---- time and chance ------------------------------------------------------------------------- */

static uint64_t now_ns(const struct orch_host *orch)
{
    (void)plugin_host_on_loop(orch, "orch.host.loop/1 now_ns");
    return loop_now_ns(state_of(orch)->loop);
}

static int64_t wall_ms(const struct orch_host *orch)
{
    (void)plugin_host_on_loop(orch, "orch.host.loop/1 wall_ms");
    return loop_wall_ms(state_of(orch)->loop);
}

static uint64_t random_number(const struct orch_host *orch)
{
    if (!plugin_host_on_loop(orch, "orch.host.loop/1 random"))
        return 0;
    return loop_random(state_of(orch)->loop);
}

/* ---- post ------------------------------------------------------------------------------------ */

struct post {
    struct loop_task task;
    struct plugin_loop *state;
    void (*run)(void *context);
    void *context;
};

static void run_post(struct loop_task *task)
{
    struct post *post = CONTAINER_OF(task, struct post, task);
    struct plugin_loop *state = post->state;
    atomic_fetch_sub(&state->posts, 1);
    if (state->host)
        post->run(post->context);
    release(state);
    free(post);
}

static orch_status post(const struct orch_host *orch, void (*run)(void *context), void *context)
{
    struct plugin_loop *state = state_of(orch);
    if (!run)
        return ORCH_E_INVALID;
    if (!reserve(state, &state->posts, POST_LIMIT))
        return ORCH_E_FULL;
    struct post *made = memory_alloc(sizeof *made);
    *made = (struct post){.task = {.run = run_post, .name = state->host->label},
                          .state = state,
                          .run = run,
                          .context = context};
    loop_post(state->loop, &made->task);
    return ORCH_OK;
}

/* ---- timers ---------------------------------------------------------------------------------- */

struct timer {
    struct loop_timer timer;
    struct plugin_loop *state;
    uint64_t id;
    void (*fire)(void *context);
    void *context;
};

static void fire_timer(void *argument)
{
    struct timer *timer = argument;
    void (*fire)(void *context) = timer->fire;
    void *context = timer->context;
    handles_remove(&timer->state->timers, timer->id);
    free(timer);
    fire(context);
}

static orch_status timer_start(const struct orch_host *orch, uint64_t delay_ns,
                               void (*fire)(void *context), void *context, uint64_t *id)
{
    struct plugin_loop *state = state_of(orch);
    if (!plugin_host_on_loop(orch, "orch.host.loop/1 timer_start"))
        return ORCH_E_WRONG_THREAD;
    if (!fire || !id)
        return ORCH_E_INVALID;
    if (state->timers.used >= TIMER_LIMIT)
        return ORCH_E_FULL;
    struct timer *timer = memory_alloc(sizeof *timer);
    timer->state = state;
    timer->fire = fire;
    timer->context = context;
    *id = timer->id = handles_put(&state->timers, timer);
    loop_timer_init(&timer->timer, state->loop, state->host->label, fire_timer, timer);
    loop_timer_start(&timer->timer, delay_ns);
    return ORCH_OK;
}

static void timer_stop(const struct orch_host *orch, uint64_t id)
{
    struct plugin_loop *state = state_of(orch);
    if (!plugin_host_on_loop(orch, "orch.host.loop/1 timer_stop"))
        return;
    struct timer *timer = handles_get(&state->timers, id);
    if (!timer)
        return;
    handles_remove(&state->timers, id);
    loop_timer_stop(&timer->timer);
    free(timer);
}

/* ---- descriptors ----------------------------------------------------------------------------- */

struct watch {
    struct loop_io io;
    uint64_t id;
    void (*ready)(void *context, int32_t fd, uint32_t events);
    void *context;
    int fd;
};

static void watch_ready(void *argument, int fd, unsigned events)
{
    struct watch *watch = argument;
    uint32_t theirs =
        (events & LOOP_READ ? ORCH_IO_READ : 0u) | (events & LOOP_WRITE ? ORCH_IO_WRITE : 0u);
    watch->ready(watch->context, fd, theirs);
}

static unsigned ours(uint32_t events)
{
    return (events & ORCH_IO_READ ? LOOP_READ : 0u) | (events & ORCH_IO_WRITE ? LOOP_WRITE : 0u);
}

static orch_status watch_start(const struct orch_host *orch, int32_t fd, uint32_t events,
                               void (*ready)(void *context, int32_t fd, uint32_t events),
                               void *context, uint64_t *id)
{
    struct plugin_loop *state = state_of(orch);
    if (!plugin_host_on_loop(orch, "orch.host.loop/1 watch"))
        return ORCH_E_WRONG_THREAD;
    if (fd < 0 || !ready || !id || events & ~(uint32_t)(ORCH_IO_READ | ORCH_IO_WRITE))
        return ORCH_E_INVALID;
    if (state->watches.used >= WATCH_LIMIT)
        return ORCH_E_FULL;
    struct watch *watch = memory_alloc(sizeof *watch);
    watch->ready = ready;
    watch->context = context;
    watch->fd = fd;
    *id = watch->id = handles_put(&state->watches, watch);
    loop_io_init(&watch->io, state->loop, state->host->label, watch_ready, watch);
    loop_io_set(&watch->io, fd, ours(events));
    return ORCH_OK;
}

static orch_status watch_change(const struct orch_host *orch, uint64_t id, uint32_t events)
{
    struct plugin_loop *state = state_of(orch);
    if (!plugin_host_on_loop(orch, "orch.host.loop/1 watch_change"))
        return ORCH_E_WRONG_THREAD;
    struct watch *watch = handles_get(&state->watches, id);
    if (!watch)
        return ORCH_E_NOT_FOUND;
    loop_io_set(&watch->io, watch->fd, ours(events));
    return ORCH_OK;
}

static void unwatch(const struct orch_host *orch, uint64_t id)
{
    struct plugin_loop *state = state_of(orch);
    if (!plugin_host_on_loop(orch, "orch.host.loop/1 unwatch"))
        return;
    struct watch *watch = handles_get(&state->watches, id);
    if (!watch)
        return;
    handles_remove(&state->watches, id);
    loop_io_set(&watch->io, watch->fd, 0);
    free(watch);
}

/* ---- offload --------------------------------------------------------------------------------- */

struct job {
    struct loop_job job;
    struct plugin_loop *state;
    void (*work)(void *context);
    void (*done)(void *context);
    void *context;
};

static void job_work(struct loop_job *loop_job)
{
    struct job *job = CONTAINER_OF(loop_job, struct job, job);
    int32_t before = plugin_thread_mark(ORCH_THREAD_POOL);
    job->work(job->context);
    plugin_thread_mark(before);
}

static void job_done(struct loop_job *loop_job)
{
    struct job *job = CONTAINER_OF(loop_job, struct job, job);
    struct plugin_loop *state = job->state;
    atomic_fetch_sub(&state->jobs, 1);
    if (state->host && job->done)
        job->done(job->context);
    release(state);
    free(job);
}

static orch_status offload(const struct orch_host *orch, void (*work)(void *context),
                           void (*done)(void *context), void *context)
{
    struct plugin_loop *state = state_of(orch);
    if (!plugin_host_on_loop(orch, "orch.host.loop/1 offload"))
        return ORCH_E_WRONG_THREAD;
    if (!work)
        return ORCH_E_INVALID;
    if (!reserve(state, &state->jobs, JOB_LIMIT))
        return ORCH_E_FULL;
    struct job *job = memory_alloc(sizeof *job);
    *job = (struct job){.job = {.work = job_work, .done = job_done, .name = state->host->label},
                        .state = state,
                        .work = work,
                        .done = done,
                        .context = context};
    if (loop_offload(state->loop, &job->job))
        return ORCH_OK;
    atomic_fetch_sub(&state->jobs, 1);
    release(state);
    free(job);
    return ORCH_E_FULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void *attach(struct plugin_host *host)
{
    struct plugin_loop *state = memory_alloc(sizeof *state);
    state->host = host;
    state->loop = host->environment->loop;
    state->references = 1;
    return state;
}

static void detach(void *argument)
{
    struct plugin_loop *state = argument;
    for (uint32_t i = 0; i < state->timers.count; i++) {
        struct timer *timer = handles_at(&state->timers, i);
        if (timer)
            loop_timer_stop(&timer->timer);
        free(timer);
    }
    for (uint32_t i = 0; i < state->watches.count; i++) {
        struct watch *watch = handles_at(&state->watches, i);
        if (watch)
            loop_io_set(&watch->io, watch->fd, 0);
        free(watch);
    }
    handles_finish(&state->timers);
    handles_finish(&state->watches);
    state->host = NULL;
    release(state);
}

static const struct orch_host_loop_v1 table = {.size = sizeof table,
                                               .now_ns = now_ns,
                                               .wall_ms = wall_ms,
                                               .random = random_number,
                                               .post = post,
                                               .timer_start = timer_start,
                                               .timer_stop = timer_stop,
                                               .watch = watch_start,
                                               .watch_change = watch_change,
                                               .unwatch = unwatch,
                                               .offload = offload};
const struct plugin_service host_loop_service = {
    .interface_id = ORCH_HOST_LOOP_1, .table = &table, .attach = attach, .detach = detach};
