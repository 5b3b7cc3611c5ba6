/* The loop on libev, with threads. Times are lower bounds only: a busy machine is late, never
 * early. */
#include "base/clock.h"
#include "base/text.h"
#include "loop/loop.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct loop *loop;
static struct loop_timer guard;
static char order[64];

static void too_late(void *argument)
{
    (void)argument;
    cr_assert_fail("nothing stopped the loop");
}

static void setup(void)
{
    struct error error;
    loop = loop_create_real(&error);
    cr_assert_not_null(loop);
    order[0] = 0;
    loop_timer_init(&guard, loop, "guard", too_late, NULL);
    loop_timer_start(&guard, 60 * NS_PER_SECOND);
}

static void teardown(void)
{
    loop_timer_stop(&guard);
    loop_destroy(loop);
}

TestSuite(real_loop, .init = setup, .fini = teardown, .timeout = 60);

static void note(const char *what)
{
    cr_assert_lt(strlen(order) + strlen(what), sizeof order);
    strcat(order, what);
}

static void note_then_stop(void *argument)
{
    note(argument);
    loop_stop(loop);
}

static void note_only(void *argument)
{
    note(argument);
}

Test(real_loop, timers_fire_in_the_order_of_their_deadlines_and_not_early)
{
    struct loop_timer a, b, c;
    uint64_t begun = loop_now_ns(loop);
    loop_timer_init(&a, loop, "a", note_then_stop, "a");
    loop_timer_init(&b, loop, "b", note_only, "b");
    loop_timer_init(&c, loop, "c", note_only, "c");
    loop_timer_start(&a, 30 * NS_PER_MS);
    loop_timer_start(&b, 10 * NS_PER_MS);
    loop_timer_start(&c, 20 * NS_PER_MS);
    cr_assert(loop_timer_armed(&a));
    loop_run(loop);
    loop_refresh_now(loop);
    cr_assert_str_eq(order, "bca");
    cr_assert_not(loop_timer_armed(&a));
    cr_assert_geq(loop_now_ns(loop) - begun, 30 * NS_PER_MS);
}

Test(real_loop, a_timer_started_again_moves_and_a_stopped_one_is_silent)
{
    struct loop_timer moved, stopped, last;
    loop_timer_init(&moved, loop, "moved", note_only, "m");
    loop_timer_init(&stopped, loop, "stopped", note_only, "s");
    loop_timer_init(&last, loop, "last", note_then_stop, "l");
    loop_timer_start(&moved, 60 * NS_PER_SECOND);
    loop_timer_start(&moved, NS_PER_MS);
    loop_timer_start(&stopped, NS_PER_MS);
    loop_timer_stop(&stopped);
    loop_timer_stop(&stopped);
    loop_timer_start(&last, 20 * NS_PER_MS);
    loop_run(loop);
    cr_assert_str_eq(order, "ml");
}

Test(real_loop, a_timer_of_no_delay_fires_in_a_later_turn)
{
    struct loop_timer timer;
    loop_timer_init(&timer, loop, "now", note_then_stop, "n");
    loop_timer_start(&timer, 0);
    cr_assert_str_eq(order, "");
    loop_run(loop);
    cr_assert_str_eq(order, "n");
}

static void readable(void *argument, int fd, unsigned events)
{
    struct loop_io *io = argument;
    char byte;
    cr_assert_eq(events, LOOP_READ);
    cr_assert_eq(read(fd, &byte, 1), 1);
    note((char[]){byte, 0});
    if (byte != 'z')
        return;
    loop_io_set(io, fd, 0);
    loop_stop(loop);
}

Test(real_loop, watches_descriptors_until_told_not_to)
{
    int ends[2];
    struct loop_io io;
    cr_assert_eq(pipe(ends), 0);
    loop_io_init(&io, loop, "pipe", readable, &io);
    loop_io_set(&io, ends[0], LOOP_READ);
    cr_assert_eq(write(ends[1], "abzx", 4), 4);
    loop_run(loop);
    cr_assert_str_eq(order, "abz");
    cr_assert_eq(io.events, 0);
    close(ends[0]);
    close(ends[1]);
}

static void writable(void *argument, int fd, unsigned events)
{
    struct loop_io *io = argument;
    cr_assert_eq(events, LOOP_WRITE);
    note("w");
    loop_io_set(io, fd, 0);
    loop_stop(loop);
}

Test(real_loop, changes_what_it_watches_for)
{
    int ends[2];
    struct loop_io io;
    cr_assert_eq(pipe(ends), 0);
    loop_io_init(&io, loop, "pipe", writable, &io);
    loop_io_set(&io, ends[1], LOOP_READ);
    loop_io_set(&io, ends[1], LOOP_WRITE);
    loop_run(loop);
    cr_assert_str_eq(order, "w");
    close(ends[0]);
    close(ends[1]);
}

/* -- from other threads -- */

enum { POSTERS = 4, POSTS = 2000 };
struct post {
    struct loop_task task;
    int poster, number;
};
static struct poster {
    pthread_t thread;
    struct post posts[POSTS];
    int next; /* [loop] */
} posters[POSTERS];
static int received; /* [loop] */

static void posted(struct loop_task *task)
{
    struct post *post = CONTAINER_OF(task, struct post, task);
    cr_assert(loop_is_current(loop));
    cr_assert_eq(post->number, posters[post->poster].next++);
    if (++received == POSTERS * POSTS)
        loop_stop(loop);
}

static void *post_all(void *argument)
{
    struct poster *poster = argument;
    cr_assert_not(loop_is_current(loop));
    for (int i = 0; i < POSTS; i++)
        loop_post(loop, &poster->posts[i].task);
    return NULL;
}

Test(real_loop, runs_what_threads_post_once_and_in_the_order_of_each)
{
    received = 0;
    for (int i = 0; i < POSTERS; i++) {
        posters[i].next = 0;
        for (int j = 0; j < POSTS; j++)
            posters[i].posts[j] =
                (struct post){.task = {.run = posted, .name = "post"}, .poster = i, .number = j};
        cr_assert_eq(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
    }
    loop_run(loop);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(posters[i].thread, NULL);
    cr_assert_eq(received, POSTERS * POSTS);
}

static void *stop_it(void *argument)
{
    loop_stop(argument);
    return NULL;
}

Test(real_loop, another_thread_stops_it_and_it_may_run_again)
{
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        cr_assert_eq(pthread_create(&thread, NULL, stop_it, loop), 0);
        loop_run(loop);
        pthread_join(thread, NULL);
    }
    struct loop_timer timer;
    loop_timer_init(&timer, loop, "again", note_then_stop, "again");
    loop_timer_start(&timer, 0);
    loop_run(loop);
    cr_assert_str_eq(order, "again");
}

static void stopping_task(struct loop_task *task)
{
    (void)task;
    note("t");
    loop_stop(loop);
}

Test(real_loop, what_was_posted_before_it_runs_is_run)
{
    struct loop_task task = {.run = stopping_task, .name = "early"};
    loop_post(loop, &task);
    cr_assert_str_eq(order, "");
    loop_run(loop);
    cr_assert_str_eq(order, "t");
}

/* -- slices -- */

struct steps {
    struct loop_slice slice;
    const char *name;
    int left;
};

static bool one_step(void *argument)
{
    struct steps *steps = argument;
    note(steps->name);
    if (--steps->left > 0)
        return true;
    if (strcmp(steps->name, "b") == 0)
        loop_stop(loop);
    return false;
}

Test(real_loop, slices_take_turns_and_what_is_due_comes_between)
{
    struct steps a = {.name = "a", .left = 2}, b = {.name = "b", .left = 3};
    loop_slice_init(&a.slice, loop, "a", one_step, &a);
    loop_slice_init(&b.slice, loop, "b", one_step, &b);
    loop_slice_start(&a.slice);
    loop_slice_start(&b.slice);
    loop_slice_start(&a.slice);
    loop_run(loop);
    cr_assert_str_eq(order, "ababb");
    cr_assert_not(a.slice.queued);
}

Test(real_loop, a_stopped_slice_does_no_more)
{
    struct steps a = {.name = "a", .left = 100}, b = {.name = "b", .left = 1},
                 c = {.name = "c", .left = 100};
    loop_slice_init(&a.slice, loop, "a", one_step, &a);
    loop_slice_init(&b.slice, loop, "b", one_step, &b);
    loop_slice_init(&c.slice, loop, "c", one_step, &c);
    loop_slice_start(&a.slice);
    loop_slice_start(&c.slice);
    loop_slice_stop(&c.slice);
    loop_slice_start(&b.slice);
    loop_slice_stop(&a.slice);
    loop_run(loop);
    cr_assert_str_eq(order, "b");
}

/* -- the pool and lanes -- */

struct work {
    struct loop_job job;
    pthread_t thread;
    int number;
};
static int jobs_done; /* [loop] */
static atomic_int jobs_in_work, most_in_work;

static void work(struct loop_job *job)
{
    struct work *work = CONTAINER_OF(job, struct work, job);
    work->thread = pthread_self();
    cr_assert_not(loop_is_current(loop));
    int now = atomic_fetch_add(&jobs_in_work, 1) + 1, most = atomic_load(&most_in_work);
    while (now > most && !atomic_compare_exchange_weak(&most_in_work, &most, now))
        continue;
    sched_yield();
    atomic_fetch_sub(&jobs_in_work, 1);
}

static void work_done(struct loop_job *job)
{
    struct work *work = CONTAINER_OF(job, struct work, job);
    cr_assert(loop_is_current(loop));
    if (work->number >= 0)
        cr_assert_eq(work->number, jobs_done, "a lane keeps its order");
    if (++jobs_done == 100)
        loop_stop(loop);
}

Test(real_loop, the_pool_works_on_threads_and_answers_on_the_loop)
{
    struct work jobs[100];
    jobs_done = 0;
    for (int i = 0; i < 100; i++) {
        jobs[i] =
            (struct work){.job = {.work = work, .done = work_done, .name = "work"}, .number = -1};
        cr_assert(loop_offload(loop, &jobs[i].job));
    }
    loop_run(loop);
    cr_assert_eq(jobs_done, 100);
    for (int i = 0; i < 100; i++)
        cr_assert_not(pthread_equal(jobs[i].thread, pthread_self()));
}

static void count_done(struct loop_job *job)
{
    (void)job;
    jobs_done++;
}

Test(real_loop, jobs_that_are_under_way_are_done_when_it_has_settled)
{
    struct work jobs[8];
    jobs_done = 0;
    for (int i = 0; i < 8; i++) {
        jobs[i] =
            (struct work){.job = {.work = work, .done = count_done, .name = "work"}, .number = -1};
        cr_assert(loop_offload(loop, &jobs[i].job));
    }
    loop_settle(loop);
    cr_assert_eq(jobs_done, 8);
    cr_assert_not(loop_offload(loop, &jobs[0].job), "no more are taken");
}

Test(real_loop, a_lane_is_one_thread_that_keeps_the_order)
{
    struct work jobs[100];
    struct loop_lane *lane = loop_lane_create(loop);
    jobs_done = 0;
    atomic_store(&most_in_work, 0);
    for (int i = 0; i < 100; i++) {
        jobs[i] =
            (struct work){.job = {.work = work, .done = work_done, .name = "lane"}, .number = i};
        cr_assert(loop_lane_offload(lane, &jobs[i].job));
    }
    loop_run(loop);
    cr_assert_eq(jobs_done, 100);
    cr_assert_eq(atomic_load(&most_in_work), 1);
    for (int i = 1; i < 100; i++)
        cr_assert(pthread_equal(jobs[i].thread, jobs[0].thread));
    loop_lane_destroy(lane);
    loop_lane_destroy(NULL);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void wait_at_gate(struct loop_job *job)
{
    (void)job;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
}

static void passed_gate(struct loop_job *job)
{
    (void)job;
    jobs_done++;
}

Test(real_loop, a_full_lane_refuses)
{
    struct loop_lane *lane = loop_lane_create(loop);
    struct loop_job *jobs = memory_alloc((LOOP_POOL_LIMIT + 2) * sizeof *jobs);
    int taken = 0;
    jobs_done = 0;
    pthread_mutex_lock(&gate);
    for (int i = 0; i < LOOP_POOL_LIMIT + 2; i++) {
        jobs[i] = (struct loop_job){.work = wait_at_gate, .done = passed_gate, .name = "gate"};
        taken += loop_lane_offload(lane, &jobs[i]);
    }
    pthread_mutex_unlock(&gate);
    /* One may be in work already; the rest wait. */
    cr_assert(taken == LOOP_POOL_LIMIT || taken == LOOP_POOL_LIMIT + 1, "%d taken", taken);
    loop_lane_destroy(lane); /* ends what it has taken */
    struct loop_task last = {.run = stopping_task, .name = "last"};
    loop_post(loop, &last);
    loop_run(loop);
    cr_assert_eq(jobs_done, taken);
    memory_free_pointer(&jobs);
}

/* -- lag -- */

static void hold(void *argument)
{
    struct timespec wait = {.tv_nsec = 5 * NS_PER_MS};
    (void)argument;
    nanosleep(&wait, NULL);
    loop_stop(loop);
}

Test(real_loop, lag_names_what_held_the_loop)
{
    struct loop_timer timer;
    struct loop_lag lag;
    loop_read_lag(loop, &lag);
    loop_timer_init(&timer, loop, "slow one", hold, NULL);
    loop_timer_start(&timer, 0);
    loop_run(loop);
    loop_read_lag(loop, &lag);
    cr_assert_geq(lag.longest_ns, 5 * NS_PER_MS);
    cr_assert_str_eq(lag.longest_name, "slow one");
    cr_assert_geq(lag.over_2ms, 1);
    cr_assert_geq(lag.total_ns, 5 * NS_PER_MS);
    cr_assert_gt(lag.turns, 0);
    loop_read_lag(loop, &lag);
    cr_assert_eq(lag.longest_ns, 0, "each reading begins anew");
}

struct metered {
    uint64_t calls, wall_ns, cpu_ns;
};

static void meter(void *argument, const char *name, uint64_t wall_ns, uint64_t cpu_ns)
{
    struct metered *metered = argument;
    cr_assert_str_eq(name, "slow one");
    metered->calls++;
    metered->wall_ns += wall_ns;
    metered->cpu_ns += cpu_ns;
}

Test(real_loop, a_meter_tells_time_at_work_from_time_that_passed)
{
    struct loop_timer timer;
    struct metered metered = {0};
    loop_set_meter(loop, meter, &metered);
    loop_timer_init(&timer, loop, "slow one", hold, NULL);
    loop_timer_start(&timer, 0);
    loop_run(loop);
    loop_set_meter(loop, NULL, NULL);
    loop_timer_start(&timer, 0);
    loop_run(loop);
    cr_assert_eq(metered.calls, 1);
    cr_assert_geq(metered.wall_ns, 5 * NS_PER_MS);
    cr_assert_lt(metered.cpu_ns, metered.wall_ns, "it slept");
}

static atomic_bool reading;

static void *read_all_the_time(void *argument)
{
    struct loop_lag lag;
    (void)argument;
    while (atomic_load(&reading))
        loop_read_lag(loop, &lag);
    return NULL;
}

Test(real_loop, lag_is_read_from_any_thread_while_it_runs)
{
    struct steps steps = {.name = "", .left = 2000};
    struct loop_timer timer;
    pthread_t thread;
    atomic_store(&reading, true);
    cr_assert_eq(pthread_create(&thread, NULL, read_all_the_time, NULL), 0);
    loop_slice_init(&steps.slice, loop, "steps", one_step, &steps);
    loop_slice_start(&steps.slice);
    loop_timer_init(&timer, loop, "end", note_then_stop, "end");
    loop_timer_start(&timer, 20 * NS_PER_MS);
    loop_run(loop);
    atomic_store(&reading, false);
    pthread_join(thread, NULL);
    cr_assert_str_eq(order, "end");
}

Test(real_loop, clocks_go_on)
{
    uint64_t before = loop_now_ns(loop);
    int64_t wall = loop_wall_ms(loop);
    cr_assert_gt(wall, INT64_C(1700000000000));
    loop_refresh_now(loop);
    cr_assert_geq(loop_now_ns(loop), before);
    cr_assert_neq(loop_random(loop), loop_random(loop));
}
