#include "bench.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

void bench_configure(struct bench *bench, const struct orch_manifest *manifest, const char *config,
                     uint64_t seed)
{
    struct orch_error error = {.size = sizeof error};
    *bench = (struct bench){.table = manifest->provides[0].table,
                            .wants = {.size = sizeof bench->wants}};
    cr_assert(eq(int,
                 bench->table->create(NULL, NULL, (struct orch_str){config, strlen(config)}, 1,
                                      &bench->policy, &bench->wants, &error),
                 ORCH_OK));
    cr_assert(eq(int,
                 bench->table->worker_new(bench->policy, 0, 1, seed, sizeof(struct orch_pick), 0,
                                          &bench->worker),
                 ORCH_OK));
}

void bench_init(struct bench *bench, const struct orch_manifest *manifest, uint64_t seed)
{
    bench_configure(bench, manifest, "{}", seed);
}

static void free_built(struct bench *bench)
{
    if (bench->built)
        bench->table->table_free(bench->policy, bench->built);
    bench->built = NULL;
}

void bench_finish(struct bench *bench)
{
    bench->table->worker_free(bench->worker);
    free_built(bench);
    bench->table->destroy(bench->policy);
}

static uint64_t hash_of(const char *id) /* FNV-1a */
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *id; id++)
        hash = (hash ^ (unsigned char)*id) * UINT64_C(0x100000001b3);
    return hash;
}

static void update(struct bench *bench, const struct orch_endpoints *endpoints)
{
    struct orch_error error = {.size = sizeof error};
    void *built = NULL;
    if (bench->table->build)
        cr_assert(eq(int, bench->table->build(bench->policy, endpoints, &built, &error), ORCH_OK));
    bench->table->update(bench->worker, endpoints, built);
    free_built(bench);
    bench->built = built;
}

void bench_publish(struct bench *bench, struct bench_snapshot *snapshot,
                   const struct bench_endpoint *endpoints)
{
    uint32_t count = 0;
    *snapshot = (struct bench_snapshot){0};
    for (; count < BENCH_ENDPOINTS && endpoints[count].id; count++) {
        snapshot->cells[count].effective_weight = 256;
        snapshot->cells[count].in_flight = endpoints[count].in_flight;
        snapshot->cells[count].latency_ns = endpoints[count].latency_ns;
        snapshot->items[count] = (struct orch_endpoint){
            .id = {endpoints[count].id, strlen(endpoints[count].id)},
            .id_hash = hash_of(endpoints[count].id),
            .cell = &snapshot->cells[count],
            .weight = endpoints[count].weight ? endpoints[count].weight : 1,
            .flags = endpoints[count].flags,
        };
    }
    snapshot->endpoints =
        (struct orch_endpoints){.size = sizeof snapshot->endpoints,
                                .items = {snapshot->items, count, sizeof snapshot->items[0]}};
    update(bench, &snapshot->endpoints);
}

int32_t bench_pick(struct bench *bench)
{
    struct orch_pick pick = {.size = sizeof pick,
                             .key_count = bench->wants.key_count,
                             .key_hashes = &bench->key,
                             .tried = bench->tried ? &bench->tried : NULL};
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
