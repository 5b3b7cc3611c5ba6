/* The loop in simulated time: a heap of timers by (deadline, order), posted tasks and slices, one
 * thread. Each pass does what is due, else jumps to the next deadline. */
#include "loop/impl.h"
#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>

struct virtual_loop {
    struct loop loop;
    struct loop_timer **heap;
    size_t count, capacity;
    uint64_t order; /* of the next timer: equal deadlines fire in the order they were started */
    int64_t start_wall_ms;
    uint64_t (*delay_ns)(void *argument, const char *name); /* NULL: drawn here */
    void *delay_argument;
};

struct virtual_job { /* an offloaded job waits for its drawn instant */
    struct loop_timer timer;
    struct loop_job *job;
};

static struct virtual_loop *virtual_of(struct loop *loop)
{
    return CONTAINER_OF(loop, struct virtual_loop, loop);
}

/* impl[0]: position in the heap; impl[1]: order. */
static size_t position(const struct loop_timer *timer)
{
    return (size_t)timer->impl[0];
}

static bool before(const struct loop_timer *a, const struct loop_timer *b)
{
    if (a->deadline_ns != b->deadline_ns)
        return a->deadline_ns < b->deadline_ns;
    return (uintptr_t)a->impl[1] < (uintptr_t)b->impl[1];
}

static void place(struct virtual_loop *loop, size_t at, struct loop_timer *timer)
{
    loop->heap[at] = timer;
    timer->impl[0] = (void *)at;
}

static void sift_up(struct virtual_loop *loop, size_t at)
{
    struct loop_timer *timer = loop->heap[at];
    for (; at && before(timer, loop->heap[(at - 1) / 2]); at = (at - 1) / 2)
        place(loop, at, loop->heap[(at - 1) / 2]);
    place(loop, at, timer);
}

static void sift_down(struct virtual_loop *loop, size_t at)
{
    struct loop_timer *timer = loop->heap[at];
    for (size_t child; (child = 2 * at + 1) < loop->count; at = child) {
        if (child + 1 < loop->count && before(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (!before(loop->heap[child], timer))
            break;
        place(loop, at, loop->heap[child]);
    }
    place(loop, at, timer);
}

static void timer_start(struct loop_timer *timer)
{
    struct virtual_loop *loop = virtual_of(timer->loop);
    if (loop->count == loop->capacity) {
        loop->capacity = loop->capacity ? 2 * loop->capacity : 64;
        loop->heap = memory_resize(loop->heap, loop->capacity * sizeof *loop->heap);
    }
    timer->impl[1] = (void *)(uintptr_t)loop->order++;
    place(loop, loop->count++, timer);
    sift_up(loop, loop->count - 1);
}

static void timer_stop(struct loop_timer *timer)
{
    struct virtual_loop *loop = virtual_of(timer->loop);
    size_t at = position(timer);
    assert(at < loop->count && loop->heap[at] == timer);
    struct loop_timer *last = loop->heap[--loop->count];
    if (last == timer)
        return;
    place(loop, at, last);
    sift_up(loop, at);
    sift_down(loop, position(last));
}

static void io_set(struct loop_io *io, int fd, unsigned events)
{
    (void)io;
    (void)fd;
    assert(!events && "descriptors belong to the real loop");
}

static void job_due(void *argument)
{
    struct virtual_job *waiting = argument;
    struct loop_job *job = waiting->job;
    free(waiting);
    job->work(job);
    job->done(job);
}

static bool offload(struct loop *loop, struct loop_job *job)
{
    struct virtual_loop *self = virtual_of(loop);
    struct virtual_job *waiting = memory_alloc(sizeof *waiting);
    waiting->job = job;
    loop_timer_init(&waiting->timer, loop, job->name, job_due, waiting);
    loop_timer_start(&waiting->timer, self->delay_ns
                                          ? self->delay_ns(self->delay_argument, job->name)
                                          : NS_PER_US * (50 + loop_random(loop) % 2000));
    return true;
}

static const struct loop_ops virtual_ops;

static bool step(struct virtual_loop *loop, uint64_t deadline_ns)
{
    if (loop->loop.posted.first) {
        loop_run_posted(&loop->loop);
        return true;
    }
    if (loop->count && loop->heap[0]->deadline_ns <= loop->loop.now_ns) {
        struct loop_timer *timer = loop->heap[0];
        loop_timer_stop(timer);
        timer->fire(timer->argument);
        return true;
    }
    if (loop->loop.slices) {
        loop_run_slices(&loop->loop);
        return true;
    }
    if (!loop->count || loop->heap[0]->deadline_ns > deadline_ns)
        return false;
    loop->loop.now_ns = loop->heap[0]->deadline_ns;
    loop->loop.lag.turns++;
    return true;
}

bool loop_run_until(struct loop *loop, uint64_t deadline_ns)
{
    assert(loop->ops == &virtual_ops);
    struct virtual_loop *self = virtual_of(loop);
    loop->thread = pthread_self();
    while (!atomic_load(&loop->stop) && step(self, deadline_ns))
        continue;
    if (!atomic_load(&loop->stop) && deadline_ns != UINT64_MAX && loop->now_ns < deadline_ns)
        loop->now_ns = deadline_ns;
    return self->count || loop->posted.first || loop->slices;
}

uint64_t loop_virtual_next_ns(struct loop *loop)
{
    struct virtual_loop *self = virtual_of(loop);
    assert(loop->ops == &virtual_ops);
    if (loop->posted.first || loop->slices)
        return loop->now_ns;
    return self->count ? self->heap[0]->deadline_ns : UINT64_MAX;
}

void loop_virtual_jump(struct loop *loop, uint64_t now_ns)
{
    assert(loop->ops == &virtual_ops);
    if (now_ns > loop->now_ns)
        loop->now_ns = now_ns;
}

void loop_virtual_step_wall(struct loop *loop, int64_t delta_ms)
{
    assert(loop->ops == &virtual_ops);
    virtual_of(loop)->start_wall_ms += delta_ms;
}

void loop_virtual_set_delays(struct loop *loop,
                             uint64_t (*delay_ns)(void *argument, const char *name), void *argument)
{
    assert(loop->ops == &virtual_ops);
    virtual_of(loop)->delay_ns = delay_ns;
    virtual_of(loop)->delay_argument = argument;
}

static void run(struct loop *loop)
{
    loop_run_until(loop, UINT64_MAX);
}

static void nothing(struct loop *loop)
{
    (void)loop; /* one thread and its own clock: nobody to wake, nothing to refresh */
}

static void slices_wanted(struct loop *loop, bool wanted)
{
    (void)loop;
    (void)wanted; /* step() looks at the list itself */
}

static int64_t wall_ms(struct loop *loop)
{
    return virtual_of(loop)->start_wall_ms + (int64_t)(loop->now_ns / NS_PER_MS);
}

static void destroy(struct loop *loop)
{
    struct virtual_loop *self = virtual_of(loop);
    for (size_t i = 0; i < self->count; i++)
        if (self->heap[i]->fire == job_due)
            free(self->heap[i]->argument);
    free(self->heap);
    loop_finish(loop);
    free(self);
}

static const struct loop_ops virtual_ops = {.destroy = destroy,
                                            .run = run,
                                            .wake = nothing,
                                            .refresh_now = nothing,
                                            .wall_ms = wall_ms,
                                            .timer_start = timer_start,
                                            .timer_stop = timer_stop,
                                            .io_set = io_set,
                                            .slices_wanted = slices_wanted,
                                            .offload = offload};

struct loop *loop_create_virtual(uint64_t seed, int64_t start_wall_ms)
{
    struct virtual_loop *self = memory_alloc(sizeof *self);
    loop_init(&self->loop, &virtual_ops);
    random_seeded_init(&self->loop.seeded, seed);
    self->loop.random = random_seeded_source(&self->loop.seeded);
    self->start_wall_ms = start_wall_ms;
    self->loop.now_ns = NS_PER_SECOND;
    return &self->loop;
}
