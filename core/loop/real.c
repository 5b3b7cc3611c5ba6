/* The loop on libev. Timers are ours to count in nanoseconds of CLOCK_MONOTONIC; libev's are armed
 * relative to its own cached clock, which is refreshed with ours. */
#include "loop/impl.h"
#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct real_loop {
    struct loop loop;
    struct ev_loop *ev;
    ev_async wake;
    ev_check check;
    ev_idle idle;
    struct pool *pool; /* made with the first job: the proxy's workers need none */
    bool settled;      /* none is made any more */
};

static struct real_loop *real_of(struct loop *loop)
{
    return CONTAINER_OF(loop, struct real_loop, loop);
}

static void refresh(struct loop *loop)
{
    ev_now_update(real_of(loop)->ev);
    loop->now_ns = loop_clock_ns();
}

/* Runs first in each turn, before any other callback. */
static void turn_begins(struct ev_loop *ev, ev_check *watcher, int events)
{
    (void)events;
    struct real_loop *real = watcher->data;
    (void)ev;
    real->loop.now_ns = loop_clock_ns();
    pthread_mutex_lock(&real->loop.lag_lock);
    real->loop.lag.turns++;
    pthread_mutex_unlock(&real->loop.lag_lock);
}

static void woken(struct ev_loop *ev, ev_async *watcher, int events)
{
    (void)events;
    struct real_loop *real = watcher->data;
    loop_run_posted(&real->loop);
    if (atomic_load(&real->loop.stop))
        ev_break(ev, EVBREAK_ALL);
}

static void idle(struct ev_loop *ev, ev_idle *watcher, int events)
{
    (void)ev;
    (void)events;
    struct real_loop *real = watcher->data;
    loop_run_slices(&real->loop);
}

static void timer_fired(struct ev_loop *ev, ev_timer *watcher, int events)
{
    (void)ev;
    (void)events;
    struct loop_timer *timer = watcher->data;
    struct loop *loop = timer->loop;
    const char *name = timer->name;
    timer->deadline_ns = 0;
    struct loop_mark begun = loop_begin(loop);
    timer->fire(timer->argument);
    loop_account(loop, name, begun);
}

static void timer_start(struct loop_timer *timer)
{
    struct real_loop *real = real_of(timer->loop);
    ev_timer *watcher = (ev_timer *)(void *)timer->impl;
    uint64_t now = loop_clock_ns();
    double delay = timer->deadline_ns > now ? (double)(timer->deadline_ns - now) / 1e9 : 0.;
    ev_now_update(real->ev);
    ev_timer_init(watcher, timer_fired, delay, 0.);
    watcher->data = timer;
    ev_timer_start(real->ev, watcher);
}

static void timer_stop(struct loop_timer *timer)
{
    ev_timer_stop(real_of(timer->loop)->ev, (ev_timer *)(void *)timer->impl);
}

static void io_ready(struct ev_loop *ev, ev_io *watcher, int events)
{
    (void)ev;
    struct loop_io *io = watcher->data;
    struct loop *loop = io->loop;
    const char *name = io->name;
    unsigned ready = (events & EV_READ ? LOOP_READ : 0u) | (events & EV_WRITE ? LOOP_WRITE : 0u);
    struct loop_mark begun = loop_begin(loop);
    io->ready(io->argument, io->fd, ready);
    loop_account(loop, name, begun);
}

_Static_assert(sizeof(ev_timer) <= sizeof(((struct loop_timer *)0)->impl), "ev_timer fits");
_Static_assert(sizeof(ev_io) <= sizeof(((struct loop_io *)0)->impl), "ev_io fits in place");

static void io_set(struct loop_io *io, int fd, unsigned events)
{
    struct ev_loop *ev = real_of(io->loop)->ev;
    ev_io *watcher = (ev_io *)(void *)io->impl;
    if (io->events)
        ev_io_stop(ev, watcher);
    if (!events)
        return;
    ev_io_init(watcher, io_ready, fd,
               (events & LOOP_READ ? EV_READ : 0) | (events & LOOP_WRITE ? EV_WRITE : 0));
    watcher->data = io;
    ev_io_start(ev, watcher);
}

static void slices_wanted(struct loop *loop, bool wanted)
{
    struct real_loop *real = real_of(loop);
    if (wanted)
        ev_idle_start(real->ev, &real->idle);
    else
        ev_idle_stop(real->ev, &real->idle);
}

static bool offload(struct loop *loop, struct loop_job *job)
{
    struct real_loop *real = real_of(loop);
    if (!real->pool && !real->settled)
        real->pool = pool_create(2);
    return real->pool && pool_submit(real->pool, job);
}

static void abandon(struct loop *loop, const struct loop_job *job)
{
    if (real_of(loop)->pool)
        pool_abandon(real_of(loop)->pool, job);
}

static void end_pool(struct loop *loop)
{
    struct real_loop *real = real_of(loop);
    pool_destroy(real->pool);
    real->pool = NULL;
    real->settled = true;
}

static int64_t wall_ms(struct loop *loop)
{
    (void)loop;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void run(struct loop *loop)
{
    struct real_loop *real = real_of(loop);
    refresh(loop);
    loop_run_posted(loop);
    if (!atomic_load(&loop->stop))
        ev_run(real->ev, 0);
}

static void wake(struct loop *loop)
{
    ev_async_send(real_of(loop)->ev, &real_of(loop)->wake);
}

static void destroy(struct loop *loop)
{
    struct real_loop *real = real_of(loop);
    end_pool(loop);
    ev_async_stop(real->ev, &real->wake);
    ev_check_stop(real->ev, &real->check);
    ev_idle_stop(real->ev, &real->idle);
    ev_loop_destroy(real->ev);
    loop_finish(loop);
    free(real);
}

static const struct loop_ops real_ops = {.threads = true,
                                         .destroy = destroy,
                                         .run = run,
                                         .wake = wake,
                                         .refresh_now = refresh,
                                         .wall_ms = wall_ms,
                                         .timer_start = timer_start,
                                         .timer_stop = timer_stop,
                                         .io_set = io_set,
                                         .slices_wanted = slices_wanted,
                                         .offload = offload,
                                         .abandon = abandon,
                                         .end_pool = end_pool};

struct loop *loop_create_real(struct error *error)
{
    struct ev_loop *ev = ev_loop_new(EVFLAG_NOENV | EVFLAG_NOSIGMASK);
    if (!ev) {
        error_set_errno(error, ERROR_IO, errno, "cannot make an event loop");
        return NULL;
    }
    struct real_loop *real = memory_alloc(sizeof *real);
    real->ev = ev;
    loop_init(&real->loop, &real_ops);
    real->loop.random = random_source_system();
    ev_async_init(&real->wake, woken);
    ev_check_init(&real->check, turn_begins);
    ev_idle_init(&real->idle, idle);
    real->wake.data = real->check.data = real->idle.data = real;
    ev_set_priority(&real->check, EV_MAXPRI);
    ev_set_priority(&real->idle, EV_MINPRI);
    ev_async_start(ev, &real->wake);
    ev_check_start(ev, &real->check);
    refresh(&real->loop);
    return &real->loop;
}
