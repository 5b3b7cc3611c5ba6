/* Passes that take something for granted: what they place, and that nothing real changes. */
#include "bench.h"
#include "scheduler/assumed.h"

#include <criterion/criterion.h>

static struct schedule_assumed *assumed;

static void setup(void)
{
    bench_begin(loop_create_virtual(1, 0), 0);
    bench_node((struct bench_node){.name = "a", .cpu_millis = 1000});
    bench_node((struct bench_node){.name = "b", .cpu_millis = 1000});
    bench.template.resources.cpu_millis = 500;
    assumed = schedule_assumed_create();
    bench.ask.assumed = assumed;
}

static void teardown(void)
{
    schedule_assumed_destroy(assumed);
    bench_end();
}

TestSuite(assumed, .init = setup, .fini = teardown, .timeout = 30);

static void assume(const char *node, const char *deployment, int64_t cpu_millis, int by)
{
    const struct scheduler_share share = {
        .node = node, .deployment = deployment, .cpu_millis = cpu_millis};
    schedule_assumed_share(assumed, &share, by);
}

static unsigned placed(uint32_t count)
{
    unsigned placed = 0;
    const struct schedule_plan *plan = bench_place(count);
    for (uint32_t i = 0; i < count; i++)
        placed += plan->placements[i].node != NULL;
    return placed;
}

Test(assumed, a_node_that_is_taken_out_takes_nothing)
{
    schedule_assumed_close(assumed, "a", FILTER_READY);
    cr_assert_eq(placed(3), 2);
    cr_assert_eq(bench.plan->placements[2].refused[FILTER_READY], 1);
    cr_assert_eq(bench.plan->placements[2].refused[FILTER_CPU], 1);
    schedule_assumed_close(assumed, "a", FILTER_SCHEDULABLE);
    cr_assert_eq(placed(3), 2);
    cr_assert_eq(bench.plan->placements[2].refused[FILTER_SCHEDULABLE], 1);
}

Test(assumed, shares_that_would_come_take_their_room)
{
    assume("a", "other", 600, 1);
    cr_assert_eq(placed(4), 2);
    cr_assert_str_eq(bench_nodes(), "b b - -");
    cr_assert_str_eq(bench.plan->placements[2].nearest_node, "a");
    cr_assert_str_eq(bench.plan->placements[2].nearest_message,
                     "cpu short by 100m: 500m asked, 400m free");
    cr_assert_str_eq(bench.plan->placements[3].nearest_node, "a");
}

Test(assumed, shares_that_would_go_leave_their_room)
{
    bench_load("a", "other", 2, 500, 0);
    bench_load("b", "other", 2, 500, 0);
    cr_assert_eq(placed(1), 0);
    assume("b", "other", 500, -1);
    cr_assert_eq(placed(2), 1);
    cr_assert_str_eq(bench_nodes(), "b -");
}

Test(assumed, replicas_and_host_ports_count_as_if_they_were_there)
{
    bench.placement.max_per_node = 1;
    bench.template.resources.cpu_millis = 0;
    assume("a", "web", 0, 1);
    assume("b", "other", 0, 1);
    cr_assert_eq(placed(2), 1);
    cr_assert_str_eq(bench_nodes(), "b -");
    bench.placement.max_per_node = 0;
    bench_port(80, 8080);
    const struct scheduler_share holds = {
        .node = "b", .deployment = "other", .ports = bench.template.ports};
    schedule_assumed_share(assumed, &holds, 1);
    cr_assert_eq(placed(1), 1);
    cr_assert_str_eq(bench_nodes(), "a");
    schedule_assumed_share(assumed, &holds, -1);
    cr_assert_eq(placed(2), 2);
}

Test(assumed, nothing_real_changes)
{
    schedule_assumed_close(assumed, "a", FILTER_READY);
    assume("b", "web", 1000, 1);
    cr_assert_eq(placed(1), 0);
    bench.ask.assumed = NULL;
    cr_assert_eq(placed(4), 4);
}

Test(assumed, a_node_that_is_gone_is_passed_over)
{
    assume("z", "web", 1000, 1);
    schedule_assumed_close(assumed, "z", FILTER_READY);
    cr_assert_eq(placed(4), 4);
}
