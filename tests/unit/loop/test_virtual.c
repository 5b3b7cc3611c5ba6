/* The loop in simulated time. */
#include "base/clock.h"
#include "loop/loop.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct loop *loop;
static char order[4096];

static void setup(void)
{
    loop = loop_create_virtual(1, 1000000);
    order[0] = 0;
}

static void teardown(void)
{
    loop_destroy(loop);
}

TestSuite(virtual_loop, .init = setup, .fini = teardown, .timeout = 60);

static void note(const char *what)
{
    cr_assert_lt(strlen(order) + strlen(what), sizeof order);
    strcat(order, what);
}

static void note_only(void *argument)
{
    note(argument);
}

Test(virtual_loop, time_jumps_from_deadline_to_deadline)
{
    struct loop_timer day, second;
    uint64_t begun = loop_now_ns(loop);
    loop_timer_init(&day, loop, "day", note_only, "d");
    loop_timer_init(&second, loop, "second", note_only, "s");
    loop_timer_start(&day, 86400 * NS_PER_SECOND);
    loop_timer_start(&second, NS_PER_SECOND);
    loop_run(loop);
    cr_assert_str_eq(order, "sd");
    cr_assert_eq(loop_now_ns(loop) - begun, 86400 * NS_PER_SECOND);
    cr_assert_eq(loop_wall_ms(loop), 1000000 + 1000 + 86400 * 1000);
}

Test(virtual_loop, equal_deadlines_fire_in_the_order_they_were_started)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    struct loop_timer timers[8];
    for (int i = 0; i < 8; i++) {
        loop_timer_init(&timers[i], loop, names[i], note_only, (void *)names[i]);
        loop_timer_start(&timers[i], NS_PER_SECOND);
    }
    loop_timer_start(&timers[2], NS_PER_SECOND); /* goes to the end */
    loop_timer_stop(&timers[5]);
    loop_run(loop);
    cr_assert_str_eq(order, "abdeghc");
}

Test(virtual_loop, runs_up_to_an_instant_and_says_whether_more_is_there)
{
    struct loop_timer timer;
    loop_timer_init(&timer, loop, "t", note_only, "t");
    loop_timer_start(&timer, 10 * NS_PER_SECOND);
    uint64_t until = loop_now_ns(loop) + 5 * NS_PER_SECOND;
    cr_assert(loop_run_until(loop, until));
    cr_assert_eq(loop_now_ns(loop), until);
    cr_assert_str_eq(order, "");
    cr_assert_not(loop_run_until(loop, until + 5 * NS_PER_SECOND));
    cr_assert_str_eq(order, "t");
}

struct hop {
    struct loop_timer timer;
    int left;
};

static void hop_again(void *argument)
{
    struct hop *hop = argument;
    note(".");
    if (--hop->left)
        loop_timer_start(&hop->timer, loop_random(loop) % NS_PER_SECOND);
}

Test(virtual_loop, a_heap_of_timers_gives_them_back_sorted)
{
    enum { COUNT = 1000 };
    static struct hop hops[COUNT];
    static uint64_t last_ns;
    for (int i = 0; i < COUNT; i++) {
        hops[i].left = 1;
        loop_timer_init(&hops[i].timer, loop, "hop", hop_again, &hops[i]);
        loop_timer_start(&hops[i].timer, 1 + loop_random(loop) % NS_PER_SECOND);
    }
    for (int i = 0; i < COUNT; i += 3)
        loop_timer_stop(&hops[i].timer);
    last_ns = loop_now_ns(loop);
    size_t fired = 0;
    while (loop_run_until(loop, loop_now_ns(loop) + NS_PER_MS)) {
        for (int i = 0; i < COUNT; i++)
            if (loop_timer_armed(&hops[i].timer))
                cr_assert_gt(hops[i].timer.deadline_ns, loop_now_ns(loop), "one was missed");
        cr_assert_geq(loop_now_ns(loop), last_ns);
        last_ns = loop_now_ns(loop);
    }
    fired = strlen(order);
    cr_assert_eq(fired, COUNT - (COUNT + 2) / 3);
}

/* -- jobs -- */

struct work {
    struct loop_job job;
    const char *name;
};

static void work(struct loop_job *job)
{
    note(CONTAINER_OF(job, struct work, job)->name);
}

static void work_done(struct loop_job *job)
{
    (void)job;
    note("!");
}

static struct work make_work(const char *name)
{
    return (struct work){.job = {.work = work, .done = work_done, .name = "work"}, .name = name};
}

Test(virtual_loop, a_job_is_done_later_in_simulated_time)
{
    struct work job = make_work("w");
    uint64_t begun = loop_now_ns(loop);
    cr_assert(loop_offload(loop, &job.job));
    cr_assert_str_eq(order, "");
    loop_run(loop);
    cr_assert_str_eq(order, "w!");
    cr_assert_gt(loop_now_ns(loop), begun);
}

Test(virtual_loop, a_lane_keeps_the_order_of_its_jobs)
{
    static const char *const names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    struct work jobs[10];
    struct loop_lane *lane = loop_lane_create(loop);
    for (int i = 0; i < 10; i++) {
        jobs[i] = make_work(names[i]);
        cr_assert(loop_lane_offload(lane, &jobs[i].job));
    }
    loop_run(loop);
    cr_assert_str_eq(order, "0!1!2!3!4!5!6!7!8!9!");
    loop_lane_destroy(lane);
}

Test(virtual_loop, what_never_came_due_is_given_back)
{
    struct work job = make_work("w");
    cr_assert(loop_offload(loop, &job.job)); /* the leak checker tells if it is not */
}

/* -- tasks and slices -- */

static void run_task(struct loop_task *task)
{
    note(task->name);
}

static bool one_step(void *argument)
{
    int *left = argument;
    note("s");
    return --*left > 0;
}

Test(virtual_loop, tasks_come_before_timers_and_slices_last)
{
    struct loop_timer timer;
    struct loop_slice slice;
    struct loop_task a = {.run = run_task, .name = "a"}, b = {.run = run_task, .name = "b"};
    int left = 2;
    loop_slice_init(&slice, loop, "slice", one_step, &left);
    loop_slice_start(&slice);
    loop_timer_init(&timer, loop, "timer", note_only, "t");
    loop_timer_start(&timer, 0);
    loop_post(loop, &a);
    loop_post(loop, &b);
    loop_run(loop);
    cr_assert_str_eq(order, "abtss");
    cr_assert(loop_is_current(loop));
}

static void stop_here(void *argument)
{
    note(argument);
    loop_stop(loop);
}

Test(virtual_loop, stops_where_it_is_told_to_and_goes_on_later)
{
    struct loop_timer first, second;
    loop_timer_init(&first, loop, "first", stop_here, "1");
    loop_timer_init(&second, loop, "second", note_only, "2");
    loop_timer_start(&first, NS_PER_SECOND);
    loop_timer_start(&second, 2 * NS_PER_SECOND);
    loop_run(loop);
    cr_assert_str_eq(order, "1");
    loop_run(loop);
    cr_assert_str_eq(order, "12");
}

/* A made-up story of timers and jobs whose every step is drawn: its whole course is its trace. */
static void tell_story(uint64_t seed, char *trace, size_t bytes)
{
    struct hop hops[10];
    struct work jobs[10];
    loop = loop_create_virtual(seed, 0);
    order[0] = 0;
    for (int i = 0; i < 10; i++) {
        hops[i].left = 5;
        loop_timer_init(&hops[i].timer, loop, "hop", hop_again, &hops[i]);
        loop_timer_start(&hops[i].timer, loop_random(loop) % NS_PER_MS);
        jobs[i] = make_work((const char *[]){"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}[i]);
        loop_offload(loop, &jobs[i].job);
    }
    loop_run(loop);
    snprintf(trace, bytes, "%s %llu", order, (unsigned long long)loop_now_ns(loop));
    loop_destroy(loop);
    loop = NULL;
}

Test(virtual_loop_seed, the_same_seed_tells_the_same_story_and_another_one_another)
{
    char first[512], again[512], other[512];
    tell_story(7, first, sizeof first);
    tell_story(7, again, sizeof again);
    tell_story(8, other, sizeof other);
    cr_assert_str_eq(first, again);
    cr_assert_str_neq(first, other);
}
