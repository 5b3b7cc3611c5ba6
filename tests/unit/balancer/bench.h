/* One policy with one worker of a balancer plugin, and snapshots for it. Aborts where the plugin
 * answers what a test did not ask about. */
#ifndef TESTS_BALANCER_BENCH_H
#define TESTS_BALANCER_BENCH_H

#include <orchestrator/balancer.h>

enum { BENCH_ENDPOINTS = 16 };

struct bench_endpoint {
    const char *id;
    uint32_t weight;    /* 0: 1 */
    uint32_t in_flight; /* of the cell, at first */
    uint64_t latency_ns;
    uint32_t flags;
};

struct bench_snapshot {
    struct orch_endpoint_cell cells[BENCH_ENDPOINTS];
    struct orch_endpoint items[BENCH_ENDPOINTS];
    struct orch_endpoints endpoints;
};

struct bench {
    const struct orch_balancer_v1 *table;
    void *policy, *worker, *built; /* built: by its `build`, for the snapshot in force */
    struct orch_balancer_wants wants;
    uint64_t tried; /* of the next pick */
    uint64_t key;   /* the hash that comes with it; 0: none */
    int picks[BENCH_ENDPOINTS];
};

void bench_init(struct bench *bench, const struct orch_manifest *manifest, uint64_t seed);
/* The same with settings. */
void bench_configure(struct bench *bench, const struct orch_manifest *manifest, const char *config,
                     uint64_t seed);
void bench_finish(struct bench *bench);

/* Up to the first without an id. `snapshot` must outlive the next one's publication. */
void bench_publish(struct bench *bench, struct bench_snapshot *snapshot,
                   const struct bench_endpoint *endpoints);
int32_t bench_pick(struct bench *bench);
/* `count` picks, counted by index in `picks`, which is cleared first. */
void bench_pick_many(struct bench *bench, int count);

#endif
