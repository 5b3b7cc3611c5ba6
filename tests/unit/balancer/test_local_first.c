#include "bench.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

extern const struct orch_manifest local_first_manifest;

static struct bench bench;
static struct bench_snapshot snapshot;

static void set_up(void)
{
    bench_init(&bench, &local_first_manifest, 0);
}

static void tear_down(void)
{
    bench_finish(&bench);
}

TestSuite(local_first, .init = set_up, .fini = tear_down);

static const struct bench_endpoint mixed[] = {{.id = "a"},
                                              {.id = "b", .flags = ORCH_ENDPOINT_LOCAL},
                                              {.id = "c"},
                                              {.id = "d", .flags = ORCH_ENDPOINT_LOCAL},
                                              {.id = NULL}};

Test(local_first, answers_none_without_endpoints)
{
    cr_expect(eq(int, bench_pick(&bench), ORCH_PICK_NONE));
}

Test(local_first, gives_those_of_this_node_their_turns)
{
    bench_publish(&bench, &snapshot, mixed);
    bench_pick_many(&bench, 100);
    cr_expect(eq(int, bench.picks[1], 50));
    cr_expect(eq(int, bench.picks[3], 50));
}

Test(local_first, goes_elsewhere_only_when_none_of_them_is_left)
{
    bench_publish(&bench, &snapshot, mixed);
    bench.tried = 1 << 1 | 1 << 3;
    bench_pick_many(&bench, 100);
    cr_expect(eq(int, bench.picks[0], 50));
    cr_expect(eq(int, bench.picks[2], 50));
    bench.tried = 15;
    cr_expect(eq(int, bench_pick(&bench), ORCH_PICK_NONE));
}
