#include "bench.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

void bench_init(struct bench *bench, const struct orch_manifest *manifest, uint64_t seed)
{
    struct orch_balancer_wants wants = {.size = sizeof wants};
    struct orch_error error = {.size = sizeof error};
    *bench = (struct bench){.table = manifest->provides[0].table};
    cr_assert(eq(int,
                 bench->table->create(NULL, NULL, (struct orch_str){"{}", 2}, 1, &bench->policy,
                                      &wants, &error),
                 ORCH_OK));
    cr_assert(eq(int,
                 bench->table->worker_new(bench->policy, 0, 1, seed, sizeof(struct orch_pick), 0,
                                          &bench->worker),
                 ORCH_OK));
}

void bench_finish(struct bench *bench)
{
    bench->table->worker_free(bench->worker);
    bench->table->destroy(bench->policy);
}

void bench_publish(struct bench *bench, struct bench_snapshot *snapshot,
                   const struct bench_endpoint *endpoints)
{
    uint32_t count = 0;
    *snapshot = (struct bench_snapshot){0};
    for (; count < BENCH_ENDPOINTS && endpoints[count].id; count++) {
        snapshot->cells[count].effective_weight = 256;
        snapshot->cells[count].in_flight = endpoints[count].in_flight;
        snapshot->items[count] = (struct orch_endpoint){
            .id = {endpoints[count].id, strlen(endpoints[count].id)},
            .cell = &snapshot->cells[count],
            .weight = endpoints[count].weight ? endpoints[count].weight : 1,
        };
    }
    snapshot->endpoints =
        (struct orch_endpoints){.size = sizeof snapshot->endpoints,
                                .items = {snapshot->items, count, sizeof snapshot->items[0]}};
    bench->table->update(bench->worker, &snapshot->endpoints, NULL);
}

int32_t bench_pick(struct bench *bench)
{
    struct orch_pick pick = {.size = sizeof pick, .tried = bench->tried ? &bench->tried : NULL};
    int32_t index = bench->table->pick(bench->worker, &pick);
    cr_assert(index < 0 || !ORCH_TRIED(&pick, (uint32_t)index));
    return index;
}

void bench_pick_many(struct bench *bench, int count)
{
    memset(bench->picks, 0, sizeof bench->picks);
    for (int i = 0; i < count; i++) {
        int32_t index = bench_pick(bench);
        cr_assert(ge(int, index, 0));
        bench->picks[index]++;
    }
}
