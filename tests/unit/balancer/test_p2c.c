#include "bench.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

extern const struct orch_manifest p2c_manifest;

static struct bench bench;
static struct bench_snapshot snapshot;

static void set_up(void)
{
    bench_init(&bench, &p2c_manifest, 42);
}

static void tear_down(void)
{
    bench_finish(&bench);
}

TestSuite(p2c, .init = set_up, .fini = tear_down);

static const struct bench_endpoint none[] = {{.id = NULL}};

Test(p2c, answers_none_without_endpoints)
{
    cr_expect(eq(int, bench_pick(&bench), ORCH_PICK_NONE));
    bench_publish(&bench, &snapshot, none);
    cr_expect(eq(int, bench_pick(&bench), ORCH_PICK_NONE));
}

Test(p2c, shares_evenly_among_equals)
{
    static const struct bench_endpoint four[] = {
        {.id = "a"}, {.id = "b"}, {.id = "c"}, {.id = "d"}, {.id = NULL}};
    bench_publish(&bench, &snapshot, four);
    bench_pick_many(&bench, 4000);
    for (int i = 0; i < 4; i++) {
        cr_expect(ge(int, bench.picks[i], 850));
        cr_expect(le(int, bench.picks[i], 1150));
    }
}

Test(p2c, never_picks_the_busiest_of_several)
{
    static const struct bench_endpoint busy[] = {
        {.id = "a", .in_flight = 9}, {.id = "b"}, {.id = "c"}, {.id = NULL}};
    bench_publish(&bench, &snapshot, busy);
    bench_pick_many(&bench, 300);
    cr_expect(eq(int, bench.picks[0], 0));
}

Test(p2c, counts_what_is_in_flight_by_weight)
{
    static const struct bench_endpoint weighted[] = {
        {.id = "a", .weight = 10, .in_flight = 5}, {.id = "b", .in_flight = 1}, {.id = NULL}};
    bench_publish(&bench, &snapshot, weighted);
    bench_pick_many(&bench, 100);
    cr_expect(eq(int, bench.picks[0], 100));
}

Test(p2c, passes_over_what_was_tried)
{
    static const struct bench_endpoint two[] = {{.id = "a"}, {.id = "b"}, {.id = NULL}};
    bench_publish(&bench, &snapshot, two);
    bench.tried = 1;
    bench_pick_many(&bench, 50);
    cr_expect(eq(int, bench.picks[1], 50));
    bench.tried = 3;
    cr_expect(eq(int, bench_pick(&bench), ORCH_PICK_NONE));
}

Test(p2c, avoids_the_slow_where_latency_is_measured)
{
    static const struct bench_endpoint slow[] = {{.id = "a", .latency_ns = 50000000},
                                                 {.id = "b", .latency_ns = 1000000, .in_flight = 3},
                                                 {.id = NULL}};
    struct bench other;
    bench_publish(&bench, &snapshot, slow);
    bench_pick_many(&bench, 50);
    cr_expect(eq(int, bench.picks[0], 50)); /* by connections, that is the idle one */
    bench_configure(&other, &p2c_manifest, "{\"measure\":\"latency\"}", 42);
    bench_publish(&other, &snapshot, slow);
    bench_pick_many(&other, 50);
    cr_expect(eq(int, other.picks[1], 50));
    bench_finish(&other);
}
