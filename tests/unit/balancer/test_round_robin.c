#include "bench.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

extern const struct orch_manifest round_robin_manifest;

static struct bench bench;
static struct bench_snapshot first, second;

static void set_up(void)
{
    bench_init(&bench, &round_robin_manifest, 0);
}

static void tear_down(void)
{
    bench_finish(&bench);
}

TestSuite(round_robin, .init = set_up, .fini = tear_down);

static const struct bench_endpoint three[] = {{.id = "a"}, {.id = "b"}, {.id = "c"}, {.id = NULL}};
static const struct bench_endpoint none[] = {{.id = NULL}};

static void expect_order(const char *order)
{
    char picked[32] = "";
    for (size_t i = 0; order[i]; i++)
        picked[i] = (char)('a' + bench_pick(&bench));
    cr_expect(eq(str, picked, (char *)order));
}

Test(round_robin, answers_none_without_endpoints)
{
    cr_expect(eq(int, bench_pick(&bench), ORCH_PICK_NONE));
    bench_publish(&bench, &first, none);
    cr_expect(eq(int, bench_pick(&bench), ORCH_PICK_NONE));
}

Test(round_robin, gives_every_endpoint_its_turn_in_order)
{
    bench_publish(&bench, &first, three);
    expect_order("abcabcabc");
}

Test(round_robin, begins_where_the_seed_says)
{
    struct bench other;
    bench_init(&other, &round_robin_manifest, UINT64_C(1) << 32);
    bench_publish(&bench, &first, three);
    bench_publish(&other, &second, three);
    cr_expect(eq(int, bench_pick(&bench), 0));
    cr_expect(eq(int, bench_pick(&other), 1));
    bench_finish(&other);
}

Test(round_robin, passes_over_what_was_tried)
{
    bench_publish(&bench, &first, three);
    bench.tried = 1;
    expect_order("bcbc");
    bench.tried = 7;
    cr_expect(eq(int, bench_pick(&bench), ORCH_PICK_NONE));
}

Test(round_robin, shares_by_weight_exactly_and_smoothly)
{
    static const struct bench_endpoint weighted[] = {
        {.id = "a", .weight = 5}, {.id = "b", .weight = 1}, {.id = "c", .weight = 1}, {.id = NULL}};
    bench_publish(&bench, &first, weighted);
    expect_order("aabacaa");
    bench_pick_many(&bench, 700);
    cr_expect(eq(int, bench.picks[0], 500));
    cr_expect(eq(int, bench.picks[1], 100));
    cr_expect(eq(int, bench.picks[2], 100));
}

Test(round_robin, passes_over_what_was_tried_with_weights_too)
{
    static const struct bench_endpoint weighted[] = {
        {.id = "a", .weight = 9}, {.id = "b", .weight = 2}, {.id = "c", .weight = 1}, {.id = NULL}};
    bench_publish(&bench, &first, weighted);
    bench.tried = 1;
    bench_pick_many(&bench, 300);
    cr_expect(eq(int, bench.picks[1], 200));
    cr_expect(eq(int, bench.picks[2], 100));
    bench.tried = 7;
    cr_expect(eq(int, bench_pick(&bench), ORCH_PICK_NONE));
}

Test(round_robin, sees_a_slow_start_begin_and_end)
{
    bench_publish(&bench, &first, three);
    first.cells[2].effective_weight = 64;
    bench_pick_many(&bench, 900);
    cr_expect(eq(int, bench.picks[0], 400));
    cr_expect(eq(int, bench.picks[1], 400));
    cr_expect(eq(int, bench.picks[2], 100));
    first.cells[2].effective_weight = 256;
    bench_pick_many(&bench, 3); /* at most one round later */
    bench_pick_many(&bench, 300);
    cr_expect(eq(int, bench.picks[2], 100));
}

Test(round_robin, uses_an_endpoint_of_no_weight_only_as_the_last)
{
    bench_publish(&bench, &first, three);
    first.cells[0].effective_weight = 0;
    bench_pick_many(&bench, 100);
    cr_expect(eq(int, bench.picks[0], 0));
    bench.tried = 6;
    cr_expect(eq(int, bench_pick(&bench), 0));
}

Test(round_robin, keeps_its_place_when_endpoints_come_and_go)
{
    static const struct bench_endpoint without_c[] = {
        {.id = "a"}, {.id = "b"}, {.id = "d"}, {.id = "e"}, {.id = NULL}};
    bench_publish(&bench, &first, three);
    expect_order("ab"); /* c would be next */
    bench_publish(&bench, &second, without_c);
    cr_expect(eq(int, bench_pick(&bench), 2)); /* d is where c was */
    bench_publish(&bench, &first, three);
    cr_expect(eq(int, bench_pick(&bench), 0)); /* e was next and is gone */
}

Test(round_robin, keeps_what_weighted_endpoints_have_gathered_over_snapshots)
{
    static const struct bench_endpoint weighted[] = {
        {.id = "a", .weight = 3}, {.id = "b", .weight = 1}, {.id = NULL}};
    int picked[2] = {0};
    bench_publish(&bench, &first, weighted);
    for (int i = 0; i < 400; i++) {
        picked[bench_pick(&bench)]++;
        bench_publish(&bench, i % 2 ? &first : &second, weighted);
    }
    cr_expect(eq(int, picked[0], 300));
    cr_expect(eq(int, picked[1], 100));
}

Test(round_robin, gives_a_newcomer_its_share_and_no_more)
{
    static const struct bench_endpoint before[] = {
        {.id = "a", .weight = 3}, {.id = "b", .weight = 1}, {.id = NULL}};
    static const struct bench_endpoint after[] = {
        {.id = "a", .weight = 3}, {.id = "b", .weight = 1}, {.id = "c", .weight = 4}, {.id = NULL}};
    bench_publish(&bench, &first, before);
    bench_pick_many(&bench, 401);
    bench_publish(&bench, &second, after);
    bench_pick_many(&bench, 8);
    cr_expect(eq(int, bench.picks[2], 4));
}
