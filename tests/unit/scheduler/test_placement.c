/* Which of the nodes that pass is taken. */
#include "bench.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void setup(void)
{
    bench_begin(loop_create_virtual(1, 0), 0);
}

TestSuite(placement, .init = setup, .fini = bench_end, .timeout = 30);

static unsigned on(const char *node)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < bench.plan->count; i++)
        count += text_equal(bench.plan->placements[i].node, node);
    return count;
}

static void three_nodes(void)
{
    bench_node((struct bench_node){.name = "a"});
    bench_node((struct bench_node){.name = "b"});
    bench_node((struct bench_node){.name = "c"});
}

Test(placement, spread_evens_out_replicas)
{
    three_nodes();
    const struct schedule_plan *plan = bench_place(9);
    cr_assert_str_eq(plan->scheduler, "spread");
    cr_assert(on("a") == 3 && on("b") == 3 && on("c") == 3, "%s", bench_nodes());
}

Test(placement, spread_counts_what_is_there_already)
{
    three_nodes();
    bench_load("a", "web", 2, 0, 0);
    bench_load("b", "web", 1, 0, 0);
    bench_load("c", "other", 5, 0, 0);
    bench_place(3);
    cr_assert(on("a") == 0 && on("b") == 1 && on("c") == 2, "%s", bench_nodes());
}

Test(placement, spread_takes_the_least_loaded_of_equals)
{
    three_nodes();
    bench_load("a", "other", 1, 2000, 0);
    bench_load("b", "other", 1, 1000, 0);
    bench_load("c", "other", 1, 3000, 0);
    bench.template.resources.cpu_millis = 100;
    const struct schedule_plan *plan = bench_place(3);
    cr_assert_str_eq(bench_nodes(), "b a c");
    cr_assert_eq(plan->placements[0].best_count, 3);
    cr_assert_str_eq(plan->placements[0].best[1].node, "a");
    cr_assert_gt(plan->placements[0].best[0].score, plan->placements[0].best[1].score);
}

Test(placement, binpack_fills_the_fullest_that_has_room)
{
    three_nodes();
    bench_load("a", "other", 1, 1000, 0);
    bench_load("b", "other", 1, 2900, 0);
    bench.placement.scheduler = "binpack";
    bench.template.resources.cpu_millis = 500;
    const struct schedule_plan *plan = bench_place(9);
    cr_assert_str_eq(plan->scheduler, "binpack");
    cr_assert_str_eq(bench_nodes(), "b b a a a a a a c");
}

Test(placement, binpack_looks_at_the_scarcest_resource)
{
    bench_node((struct bench_node){.name = "a"});
    bench_node((struct bench_node){.name = "b"});
    bench_load("a", "other", 1, 100, INT64_C(6) << 30);
    bench_load("b", "other", 1, 2000, 0);
    bench.placement.scheduler = "binpack";
    bench.template.resources.cpu_millis = 100;
    bench_place(1);
    cr_assert_str_eq(bench_nodes(), "a");
}

Test(placement, at_most_so_many_of_a_pass_on_one_node)
{
    three_nodes();
    bench_load("a", "web", 1, 0, 0);
    bench.placement.max_per_node = 2;
    bench.placement.scheduler = "binpack";
    const struct schedule_plan *plan = bench_place(7);
    cr_assert(on("a") == 1 && on("b") == 2 && on("c") == 2, "%s", bench_nodes());
    for (uint32_t i = 5; i < 7; i++) {
        cr_assert_null(plan->placements[i].node);
        cr_assert_eq(plan->placements[i].refused[FILTER_MAX_PER_NODE], 3);
    }
}

Test(placement, a_pass_counts_what_it_has_placed_itself)
{
    bench_node((struct bench_node){.name = "a", .cpu_millis = 1000});
    bench.template.resources.cpu_millis = 400;
    bench_place(3);
    cr_assert_str_eq(bench_nodes(), "a a -");
    cr_assert_eq(bench.plan->placements[2].refused[FILTER_CPU], 1);
}

Test(placement, refusals_are_counted_by_the_first_filter_and_put_into_words)
{
    char words[256];
    bench_node((struct bench_node){.name = "a", .state = NODE_SUSPECT, .cordoned = true});
    bench_node((struct bench_node){.name = "b", .cordoned = true});
    bench_node((struct bench_node){.name = "c", .cpu_millis = 10});
    bench_node((struct bench_node){.name = "d", .cpu_millis = 10});
    bench.template.resources.cpu_millis = 100;
    const struct schedule_plan *plan = bench_place(1);
    cr_assert_str_eq(bench_nodes(), "-");
    schedule_refusals_text(&plan->placements[0], 4, words, sizeof words);
    cr_assert_str_eq(words,
                     "4 nodes: 1 refused by ready, 1 refused by schedulable, 2 refused by cpu");
    schedule_refusals_text(&plan->placements[0], 1, words, 20);
    cr_assert_str_eq(words, "1 node: 1 refused b");
}

Test(placement, without_nodes_nothing_fits)
{
    char words[64];
    const struct schedule_plan *plan = bench_place(2);
    cr_assert_str_eq(bench_nodes(), "- -");
    schedule_refusals_text(&plan->placements[0], 0, words, sizeof words);
    cr_assert_str_eq(words, "0 nodes");
}

Test(placement, only_the_five_best_are_kept)
{
    for (int i = 0; i < 12; i++) {
        char name[8];
        snprintf(name, sizeof name, "n%02d", i);
        bench_node((struct bench_node){.name = name, .cpu_millis = 1000 * (i + 1)});
    }
    bench.template.resources.cpu_millis = 500;
    const struct schedule_placement *placement = bench_place(1)->placements;
    cr_assert_eq(placement->best_count, SCHEDULE_BEST);
    cr_assert_str_eq(placement->best[0].node, "n11");
    cr_assert_str_eq(placement->best[4].node, "n07");
    for (int i = 1; i < SCHEDULE_BEST; i++)
        cr_assert_leq(placement->best[i].score, placement->best[i - 1].score);
}

Test(placement, ties_go_the_same_way_every_time_and_spread_over_seeds)
{
    char first[1024];
    unsigned a = 0;
    three_nodes();
    snprintf(first, sizeof first, "%s", (bench_place(6), bench_nodes()));
    bench_place(6);
    cr_assert_str_eq(bench_nodes(), first);
    bench_end();
    bench_begin(loop_create_virtual(99, 0), 0); /* another loop, nodes in another order */
    bench_node((struct bench_node){.name = "c"});
    bench_node((struct bench_node){.name = "a"});
    bench_node((struct bench_node){.name = "b"});
    bench_place(6);
    cr_assert_str_eq(bench_nodes(), first);
    for (uint64_t seed = 0; seed < 60; seed++) {
        bench.ask.seed = seed * 1000;
        bench_place(1);
        a += on("a");
    }
    cr_assert(a > 5 && a < 40, "%u of 60", a);
}

Test(placement, a_node_that_goes_is_not_taken_any_more)
{
    three_nodes();
    scheduler_node_remove(bench.scheduler, "b");
    scheduler_node_remove(bench.scheduler, "nobody");
    bench_place(6);
    cr_assert(on("a") == 3 && on("c") == 3, "%s", bench_nodes());
    bench_load("b", "web", 1, 100, 100); /* of a node that is not there */
    int64_t containers = 7;
    cr_assert_eq(scheduler_allocated(bench.scheduler, "b", &containers).cpu_millis, 0);
    cr_assert_eq(containers, 0);
}

Test(placement, what_is_allocated_is_the_sum_of_the_shares)
{
    int64_t containers;
    three_nodes();
    bench_load("a", "web", 3, 250, 64 << 20);
    bench_load("a", "other", 1, 100, 0);
    struct node_amounts amounts = scheduler_allocated(bench.scheduler, "a", &containers);
    cr_assert_eq(amounts.cpu_millis, 850);
    cr_assert_eq(amounts.memory_bytes, 3 * (64 << 20));
    cr_assert_eq(containers, 4);
    bench_node((struct bench_node){.name = "a", .cordoned = true}); /* changed, not new */
    cr_assert_eq(scheduler_allocated(bench.scheduler, "a", &containers).cpu_millis, 850);
}

Test(placement, a_thousand_nodes_and_replicas_are_placed_exactly)
{
    for (int i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "node-%d", i);
        bench_node((struct bench_node){.name = name});
    }
    const struct schedule_plan *plan = bench_place(1000);
    bool taken[1000] = {0};
    for (uint32_t i = 0; i < 1000; i++) {
        int number = atoi(plan->placements[i].node + strlen("node-"));
        cr_assert_not(taken[number]);
        taken[number] = true;
    }
}
