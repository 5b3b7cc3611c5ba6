/* What both loops are made of. Private to this folder. */
#ifndef LOOP_IMPL_H
#define LOOP_IMPL_H

#include "base/text.h"
#include "loop/loop.h"

#include <pthread.h>
#include <stdatomic.h>

struct loop_ops {
    bool threads; /* false: everything is simulated on one */
    void (*destroy)(struct loop *loop);
    void (*run)(struct loop *loop);
    void (*wake)(struct loop *loop); /* [any] */
    void (*refresh_now)(struct loop *loop);
    int64_t (*wall_ms)(struct loop *loop);
    void (*timer_start)(struct loop_timer *timer);
    void (*timer_stop)(struct loop_timer *timer);
    void (*io_set)(struct loop_io *io, int fd, unsigned events);
    void (*slices_wanted)(struct loop *loop, bool wanted);
    bool (*offload)(struct loop *loop, struct loop_job *job);
    void (*abandon)(struct loop *loop, const struct loop_job *job); /* NULL: nothing to do */
    void (*end_pool)(struct loop *loop);                            /* NULL: it has no threads */
};

struct loop {
    const struct loop_ops *ops;
    uint64_t now_ns;
    struct random_source random;
    struct random_seeded seeded;
    struct queue posted;      /* of loop_task, unbounded: each task is its poster's memory */
    _Atomic pthread_t thread; /* that runs it; asked for by any */
    atomic_bool running, stop;
    struct loop_slice *slices, *slices_last;
    pthread_mutex_t lag_lock;
    struct loop_lag lag;
    struct {
        uint64_t told_ns, untold, longest_ns; /* untold: callbacks since told_ns that held it */
        char longest_name[48];
    } holds; /* of the loop's thread */
    void (*meter)(void *argument, const char *name, uint64_t wall_ns, uint64_t cpu_ns);
    void *meter_argument;
};
/* When a callback began. */
struct loop_mark {
    uint64_t wall_ns, cpu_ns; /* cpu: only with a meter */
};

void loop_init(struct loop *loop, const struct loop_ops *ops);
void loop_finish(struct loop *loop);
void loop_run_posted(struct loop *loop);
void loop_run_slices(struct loop *loop); /* one step of the first, then it goes to the end */
/* Around each callback. */
struct loop_mark loop_begin(const struct loop *loop);
void loop_account(struct loop *loop, const char *name, struct loop_mark begun);
uint64_t loop_clock_ns(void);

struct pool;
struct pool *pool_create(unsigned threads);
void pool_destroy(struct pool *pool);
bool pool_submit(struct pool *pool, struct loop_job *job);
void pool_abandon(struct pool *pool, const struct loop_job *job);

#endif
