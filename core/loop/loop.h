/* The event loop behind an interface: time, timers, descriptors, posting from other threads,
 * randomness and a pool for blocking work. `loop_create_real` stands on libev;
 * `loop_create_virtual` runs in simulated time on one thread, deterministically from a seed: there
 * the pool runs its work inline at a drawn later instant, and descriptors are not available.
 *
 * Everything is [loop] (the thread that calls loop_run) unless tagged. Callbacks never run inside
 * the call that arranged them. No callback may block; those over 2 ms are counted,
 * and those over 50 ms logged with their name, once in ten seconds at most. */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include "base/durations.h"
#include "base/error.h"
#include "base/id.h"
#include "base/queue.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;

struct loop *loop_create_real(struct error *error); /* NULL on failure */
struct loop *loop_create_virtual(uint64_t seed, int64_t start_wall_ms);
void loop_destroy(struct loop *loop); /* NULL is fine */

void loop_run(struct loop *loop); /* until loop_stop, may be run again; the thread becomes [loop] */
void loop_stop(struct loop *loop); /* [any] */
/* The end of a real loop, before its users go: waits for the pool's jobs, takes no more, and runs
 * what was posted. */
void loop_settle(struct loop *loop);
/* Virtual only: run what is due up to that instant, or until nothing is left; false: nothing left.
 */
bool loop_run_until(struct loop *loop, uint64_t deadline_ns);
/* For a simulator that drives several virtual loops, one per process: when the next thing of this
 * one is due; UINT64_MAX: nothing is. */
uint64_t loop_virtual_next_ns(struct loop *loop);
/* Time passes without the loop's running, as for a process that was stopped. */
void loop_virtual_jump(struct loop *loop, uint64_t now_ns);
/* Somebody sets the wall clock. */
void loop_virtual_step_wall(struct loop *loop, int64_t delta_ms);
/* How long offloaded jobs of that name take, instead of the loop's own draw. */
void loop_virtual_set_delays(struct loop *loop,
                             uint64_t (*delay_ns)(void *argument, const char *name),
                             void *argument);

uint64_t loop_now_ns(struct loop *loop);  /* monotonic, as of the start of this turn */
void loop_refresh_now(struct loop *loop); /* after long work */
int64_t loop_wall_ms(struct loop *loop);  /* for display only; never for deadlines */
uint64_t loop_random(struct loop *loop);
struct random_source loop_random_source(struct loop *loop);
bool loop_is_current(struct loop *loop); /* [any] is this the loop's thread? */

/* One-shot timers, embedded in their owner. Zeroed then loop_timer_init. Starting again moves it.
 */
struct loop_timer {
    struct loop *loop;
    void (*fire)(void *argument);
    void *argument;
    const char *name; /* static; shown when it runs long */
    void *impl[6];
    uint64_t deadline_ns; /* 0: not armed */
};
void loop_timer_init(struct loop_timer *timer, struct loop *loop, const char *name,
                     void (*fire)(void *argument), void *argument);
void loop_timer_start(struct loop_timer *timer, uint64_t delay_ns);
void loop_timer_stop(struct loop_timer *timer); /* also before its memory goes */
bool loop_timer_armed(const struct loop_timer *timer);

/* Descriptors, level-triggered. Real loop only. */
enum { LOOP_READ = 1, LOOP_WRITE = 2 };
struct loop_io {
    struct loop *loop;
    void (*ready)(void *argument, int fd, unsigned events);
    void *argument;
    const char *name;
    void *impl[6];
    int fd;
    unsigned events; /* what is watched; 0: stopped */
};
void loop_io_init(struct loop_io *io, struct loop *loop, const char *name,
                  void (*ready)(void *argument, int fd, unsigned events), void *argument);
void loop_io_set(struct loop_io *io, int fd, unsigned events); /* 0 stops; do so before close() */

/* Work posted from any thread, run on the loop in order. The task is the poster's until run. */
struct loop_task {
    struct queue_node node;
    void (*run)(struct loop_task *task);
    const char *name;
};
void loop_post(struct loop *loop, struct loop_task *task); /* [any] */

/* Work in slices: `step` is called once a turn, after everything that is due, until it returns
 * false (done). It should do about half a millisecond of work a call. */
struct loop_slice {
    struct loop *loop;
    bool (*step)(void *argument);
    void *argument;
    const char *name;
    struct loop_slice *next;
    bool queued;
};
void loop_slice_init(struct loop_slice *slice, struct loop *loop, const char *name,
                     bool (*step)(void *argument), void *argument);
void loop_slice_start(struct loop_slice *slice); /* no effect when it is under way */
void loop_slice_stop(struct loop_slice *slice);

/* The pool: `work` runs on a pool thread [pool], then `done` on the loop. The job is the caller's
 * until `done`. At most LOOP_POOL_LIMIT jobs wait; more are refused (false). */
enum { LOOP_POOL_LIMIT = 1024 };
struct loop_job {
    void (*work)(struct loop_job *job);
    void (*done)(struct loop_job *job);
    const char *name;
    struct queue_node node;
    struct loop_task completion;
    struct loop *loop;
};
bool loop_offload(struct loop *loop, struct loop_job *job);
/* Its work does not come back: its thread is given up, another takes its place. If it comes back
 * after all, `done` runs then, unless the loop is gone. */
void loop_abandon(struct loop *loop, const struct loop_job *job);

/* A lane: a thread of its own for blocking work that must not wait behind the pool's; one job at a
 * time, in order. On a virtual loop it is like loop_offload, in order. */
struct loop_lane;
struct loop_lane *loop_lane_create(struct loop *loop);
void loop_lane_destroy(struct loop_lane *lane); /* waits for the job under way */
bool loop_lane_offload(struct loop_lane *lane, struct loop_job *job);

/* Lag: how long due work waited for its turn. Read by /metrics. [any] */
struct loop_lag {
    uint64_t turns, over_2ms, longest_ns; /* longest: since the last reading */
    char longest_name[48];                /* what ran in that turn */
    uint64_t total_ns;                    /* busy time */
    struct durations callbacks;
};
void loop_read_lag(struct loop *loop, struct loop_lag *out);
/* Tells of each callback after it ran: `cpu_ns` is this thread's, which a busy machine does not
 * lengthen. Costs two system calls a callback; NULL, as it is made, costs nothing. */
void loop_set_meter(struct loop *loop,
                    void (*ran)(void *argument, const char *name, uint64_t wall_ns,
                                uint64_t cpu_ns),
                    void *argument);

#endif
