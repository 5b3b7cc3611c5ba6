/* Balancers: every index is one of the snapshot's and none that was tried, also while snapshots
 * come and go. */
#include "base/hash.h"
#include "check.h"

#include <orchestrator/balancer.h>
#include <stdio.h>
#include <string.h>

enum { ENDPOINTS = 70, PICKS = 2000 };

struct snapshot {
    struct orch_endpoint_cell cells[ENDPOINTS];
    struct orch_endpoint items[ENDPOINTS];
    char ids[ENDPOINTS][8];
    struct orch_endpoints endpoints;
    void *table;
};

static void snapshot_init(struct snapshot *snapshot, uint32_t count, uint64_t generation)
{
    *snapshot = (struct snapshot){0};
    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(snapshot->ids[i], sizeof snapshot->ids[i], "e%02u", i);
        snapshot->cells[i].effective_weight = 256;
        snapshot->items[i] = (struct orch_endpoint){.id = {snapshot->ids[i], 3},
                                                    .id_hash = hash_text(snapshot->ids[i]),
                                                    .cell = &snapshot->cells[i],
                                                    .weight = 1 + i % 3};
    }
    snapshot->endpoints =
        (struct orch_endpoints){.size = sizeof snapshot->endpoints,
                                .generation = generation,
                                .items = {snapshot->items, count, sizeof snapshot->items[0]}};
}

struct bench {
    struct check *check;
    const struct orch_balancer_v1 *table;
    void *policy, *worker;
    uint32_t key_count;
    bool in_bounds, untried;
};

static int32_t pick_once(struct bench *bench, uint32_t count, uint64_t key, const uint64_t *tried)
{
    const uint64_t hashes[4] = {key, key * 3, key * 5, 0};
    struct orch_pick pick = {
        .size = sizeof pick, .key_count = bench->key_count, .key_hashes = hashes, .tried = tried};
    int32_t index = bench->table->pick(bench->worker, &pick);
    if (index >= 0) {
        bench->in_bounds &= (uint32_t)index < count;
        bench->untried &= (uint32_t)index >= count || !ORCH_TRIED(&pick, (uint32_t)index);
    } else {
        bench->in_bounds &= index >= ORCH_PICK_OVERLOADED;
    }
    return index;
}

static void report(struct bench *bench, const struct snapshot *snapshot, int32_t index,
                   uint32_t outcome)
{
    const struct orch_report report = {.size = sizeof report,
                                       .outcome = outcome,
                                       .index = (uint32_t)index,
                                       .generation = snapshot->endpoints.generation,
                                       .latency_ns = 1000000};
    if (bench->table->report)
        bench->table->report(bench->worker, &report);
}

static void pick_many(struct bench *bench, const struct snapshot *snapshot, bool *answered)
{
    uint32_t count = snapshot->endpoints.items.count;
    for (uint64_t i = 0; i < PICKS; i++) {
        uint64_t tried[2] = {i % 3 == 0 ? hash_mix(i) : 0, 0};
        int32_t index = pick_once(bench, count, hash_mix(i + 1), tried);
        *answered |= index >= 0;
        if (index >= 0 && (uint32_t)index < count)
            report(bench, snapshot, index, (uint32_t)(i % 5) + ORCH_OUTCOME_OK);
    }
}

static bool publish(struct bench *bench, struct snapshot *snapshot)
{
    struct orch_error error = {.size = sizeof error};
    if (bench->table->build && !check_ok(bench->check,
                                         bench->table->build(bench->policy, &snapshot->endpoints,
                                                             &snapshot->table, &error),
                                         &error, "build"))
        return false;
    bench->table->update(bench->worker, &snapshot->endpoints, snapshot->table);
    return true;
}

static void retire(struct bench *bench, struct snapshot *snapshot)
{
    if (bench->table->table_free && snapshot->table)
        bench->table->table_free(bench->policy, snapshot->table);
    memset(snapshot, 0xee, sizeof *snapshot); /* whoever still reads it shall stumble */
}

static void check_picks(struct bench *bench)
{
    static const uint32_t counts[] = {0, 1, 2, 5, 70, 3, 0, 70};
    static struct snapshot snapshots[2];
    bool empty = true, answered = true;
    bench->in_bounds = bench->untried = true;
    for (size_t round = 0; round < sizeof counts / sizeof counts[0]; round++) {
        struct snapshot *now = &snapshots[round % 2], *before = &snapshots[(round + 1) % 2];
        bool any = false;
        snapshot_init(now, counts[round], round + 1);
        if (!publish(bench, now))
            return;
        if (round)
            retire(bench, before);
        pick_many(bench, now, &any);
        empty &= counts[round] != 0 || !any;
        answered &= counts[round] == 0 || any;
    }
    check_that(bench->check, bench->in_bounds, "pick: every answer is an index or ORCH_PICK_*");
    check_that(bench->check, bench->untried, "pick: answers none that has been tried");
    check_that(bench->check, empty, "pick: no endpoints, no index");
    check_that(bench->check, answered, "pick: with endpoints there are answers");
}

static void check_worker(struct check *check, const struct orch_balancer_v1 *table, void *policy,
                         uint32_t key_count)
{
    struct bench bench = {.check = check, .table = table, .policy = policy, .key_count = key_count};
    struct orch_pick pick = {.size = sizeof pick};
    int32_t before = plugin_thread_mark(ORCH_THREAD_WORKER);
    orch_status status = table->worker_new(policy, 0, 2, 12345, sizeof pick, 0, &bench.worker);
    if (check_ok(check, status, NULL, "worker_new")) {
        check_that(check, table->pick(bench.worker, &pick) < 0,
                   "pick: no index before the first update");
        check_picks(&bench);
        table->worker_free(bench.worker);
    }
    plugin_thread_mark(before);
}

void check_balancer(struct check *check)
{
    const struct orch_balancer_v1 *table = plugin_get_table(check->plugin);
    struct orch_balancer_wants *wants = guarded_create(sizeof *wants);
    struct orch_error *error = guarded_create(sizeof *error);
    void *policy = NULL;
    orch_status status = table->create(
        plugin_get_module(check->plugin), &plugin_get_host(check->plugin)->orch,
        (struct orch_str){check->config, strlen(check->config)}, 7, &policy, wants, error);
    check_that(check, guarded_intact(wants, sizeof *wants) && guarded_intact(error, sizeof *error),
               "create: writes nothing beyond the size it was given");
    if (check_ok(check, status, error, "create")) {
        if (check_that(check, wants->key_count <= 4, "create: wants at most 4 keys"))
            check_worker(check, table, policy, wants->key_count);
        table->destroy(policy);
    }
    guarded_destroy(wants);
    guarded_destroy(error);
}
