#include "bench.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

extern const struct orch_manifest least_connections_manifest;

static struct bench bench;
static struct bench_snapshot snapshot;

static void set_up(void)
{
    bench_init(&bench, &least_connections_manifest, 0);
}

static void tear_down(void)
{
    bench_finish(&bench);
}

TestSuite(least_connections, .init = set_up, .fini = tear_down);

static const struct bench_endpoint three[] = {{.id = "a"}, {.id = "b"}, {.id = "c"}, {.id = NULL}};

Test(least_connections, answers_none_without_endpoints)
{
    static const struct bench_endpoint none[] = {{.id = NULL}};
    cr_expect(eq(int, bench_pick(&bench), ORCH_PICK_NONE));
    bench_publish(&bench, &snapshot, none);
    cr_expect(eq(int, bench_pick(&bench), ORCH_PICK_NONE));
}

Test(least_connections, takes_the_least_busy)
{
    static const struct bench_endpoint busy[] = {{.id = "a", .in_flight = 4},
                                                 {.id = "b", .in_flight = 2},
                                                 {.id = "c", .in_flight = 3},
                                                 {.id = NULL}};
    bench_publish(&bench, &snapshot, busy);
    for (int i = 0; i < 5; i++)
        cr_expect(eq(int, bench_pick(&bench), 1));
    snapshot.cells[1].in_flight = 9;
    cr_expect(eq(int, bench_pick(&bench), 2));
}

Test(least_connections, takes_turns_among_equals)
{
    bench_publish(&bench, &snapshot, three);
    for (int i = 0; i < 9; i++)
        cr_expect(eq(int, bench_pick(&bench), i % 3));
}

Test(least_connections, begins_where_the_seed_says)
{
    struct bench other;
    bench_init(&other, &least_connections_manifest, UINT64_C(2) << 32);
    bench_publish(&other, &snapshot, three);
    cr_expect(eq(int, bench_pick(&other), 2));
    bench_finish(&other);
}

Test(least_connections, fills_up_by_weight)
{
    static const struct bench_endpoint weighted[] = {
        {.id = "a", .weight = 3}, {.id = "b", .weight = 1}, {.id = "c", .weight = 2}, {.id = NULL}};
    bench_publish(&bench, &snapshot, weighted);
    for (int i = 0; i < 60; i++)
        snapshot.cells[bench_pick(&bench)].in_flight++;
    cr_expect(eq(u32, snapshot.cells[0].in_flight, 30));
    cr_expect(eq(u32, snapshot.cells[1].in_flight, 10));
    cr_expect(eq(u32, snapshot.cells[2].in_flight, 20));
}

Test(least_connections, gives_less_to_a_slow_start)
{
    bench_publish(&bench, &snapshot, three);
    snapshot.cells[0].effective_weight = 128;
    for (int i = 0; i < 50; i++)
        snapshot.cells[bench_pick(&bench)].in_flight++;
    cr_expect(eq(u32, snapshot.cells[0].in_flight, 10));
}

Test(least_connections, uses_an_endpoint_of_no_weight_only_as_the_last)
{
    bench_publish(&bench, &snapshot, three);
    snapshot.cells[0].effective_weight = 0;
    snapshot.cells[1].in_flight = snapshot.cells[2].in_flight = 1000000;
    bench_pick_many(&bench, 10);
    cr_expect(eq(int, bench.picks[0], 0));
    bench.tried = 6;
    cr_expect(eq(int, bench_pick(&bench), 0));
}

Test(least_connections, passes_over_what_was_tried)
{
    bench_publish(&bench, &snapshot, three);
    snapshot.cells[0].in_flight = 5;
    bench.tried = 6;
    cr_expect(eq(int, bench_pick(&bench), 0));
    bench.tried = 7;
    cr_expect(eq(int, bench_pick(&bench), ORCH_PICK_NONE));
}

Test(least_connections, compares_the_largest_figures_without_overflow)
{
    static const struct bench_endpoint heavy[] = {
        {.id = "a", .weight = 1000, .in_flight = UINT32_MAX},
        {.id = "b", .weight = 999, .in_flight = UINT32_MAX},
        {.id = NULL}};
    bench_publish(&bench, &snapshot, heavy);
    snapshot.cells[0].effective_weight = snapshot.cells[1].effective_weight = 65535;
    for (int i = 0; i < 4; i++)
        cr_expect(eq(int, bench_pick(&bench), 0));
}
