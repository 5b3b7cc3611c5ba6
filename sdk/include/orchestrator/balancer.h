/* SPDX-License-Identifier: Apache-2.0
 *
 * orch.balancer/1: chooses the endpoint of each connection or request. Runs in the proxy.
 *
 * policy (one per service) -> table (built once per snapshot on the proxy's main thread, shared,
 * read-only) -> worker object (one per thread, so `pick` needs no lock). */
#ifndef ORCHESTRATOR_BALANCER_H
#define ORCHESTRATOR_BALANCER_H

#include <orchestrator/host.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ORCH_BALANCER_1 "orch.balancer/1"

/* Figures of one endpoint, kept by the host and shared by all workers; outlives snapshots. Read it
 * by the functions below only. leaf, 64-byte aligned */
struct orch_endpoint_cell {
    uint32_t in_flight;
    uint32_t effective_weight; /* 0..65535 x 1/256 of the endpoint's weight (slow start) */
    uint64_t latency_ns;       /* moving average; 0: none yet */
    uint64_t reserved[6];
}
#if defined(__GNUC__)
__attribute__((aligned(64)))
#endif
;
static inline uint32_t orch_cell_in_flight(const struct orch_endpoint_cell *cell)
{
    return __atomic_load_n(&cell->in_flight, __ATOMIC_RELAXED);
}
static inline uint32_t orch_cell_weight(const struct orch_endpoint_cell *cell)
{
    return __atomic_load_n(&cell->effective_weight, __ATOMIC_RELAXED);
}
static inline uint64_t orch_cell_latency_ns(const struct orch_endpoint_cell *cell)
{
    return __atomic_load_n(&cell->latency_ns, __ATOMIC_RELAXED);
}

enum { ORCH_ENDPOINT_LOCAL = 1 }; /* on this very node */
/* advisory; read by the array's stride */
struct orch_endpoint {
    struct orch_str id; /* of the container */
    uint64_t id_hash;   /* stable: for hashing rings */
    const struct orch_endpoint_cell *cell;
    uint32_t weight, flags; /* weight 1..1000 */
};
/* Endpoints that may be given new work, ordered by id. Valid until the next `update` returns.
 * advisory */
struct orch_endpoints {
    uint32_t size, reserved;
    uint64_t generation;
    struct orch_array items; /* struct orch_endpoint */
};

enum { ORCH_KEY_SOURCE = 1, ORCH_KEY_HEADER = 2, ORCH_KEY_COOKIE = 3, ORCH_KEY_PATH = 4 };
/* leaf */
struct orch_balancer_key {
    uint32_t kind, reserved;
    struct orch_str name; /* of the header or cookie; lives with the policy */
};
/* What `create` answers; zeroed by the host before. */
struct orch_balancer_wants {
    uint32_t size;
    uint32_t key_count;               /* at most 4 */
    struct orch_balancer_key keys[4]; /* their hashes come with each pick, in this order */
};

/* Input of one pick, made once per worker and used again. */
struct orch_pick {
    uint32_t size, key_count;
    const uint64_t *key_hashes; /* 0: the request has no such key */
    const uint64_t *tried;      /* bit i: endpoint i has been tried for this request; NULL: none */
    uint64_t scratch;           /* out: travels to `report` */
};
#define ORCH_TRIED(pick, index)                                                                    \
    ((pick)->tried && ((pick)->tried[(index) / 64] >> ((index) % 64) & 1))
/* Answers of `pick` that are no index. */
enum { ORCH_PICK_NONE = -1, ORCH_PICK_HOLD = -2, ORCH_PICK_OVERLOADED = -3 };

enum {
    ORCH_OUTCOME_OK = 1,
    ORCH_OUTCOME_CONNECT_FAILED = 2,
    ORCH_OUTCOME_ERROR = 3, /* cut, or a 5xx reply */
    ORCH_OUTCOME_TIMEOUT = 4,
    ORCH_OUTCOME_CLIENT_GONE = 5
};
/* advisory */
struct orch_report {
    uint32_t size, outcome;
    uint32_t index, reserved; /* as picked, in the snapshot of `generation` */
    uint64_t generation, latency_ns, scratch;
};

struct orch_balancer_v1 {
    uint32_t size, reserved;
    /* [proxy] One policy a service. Also called by the daemon to check a configuration: create
     * then destroy. */
    orch_status (*create)(void *module, const struct orch_host *host, struct orch_str config,
                          uint64_t policy_seed, void **policy, struct orch_balancer_wants *wants,
                          struct orch_error *error);
    /* [proxy] After the last worker object is gone. */
    void (*destroy)(void *policy);
    /* [proxy] Optional. What all workers share for a snapshot; same input, same table. */
    orch_status (*build)(void *policy, const struct orch_endpoints *endpoints, void **table,
                         struct orch_error *error);
    /* [proxy] Optional. No worker uses it any more. */
    void (*table_free)(void *policy, void *table);
    /* [worker] `seed` differs from worker to worker, so that not all begin alike. `pick_size` is
     * the size of struct orch_pick that the host will pass. */
    orch_status (*worker_new)(void *policy, uint32_t index, uint32_t count, uint64_t seed,
                              uint32_t pick_size, uint32_t reserved, void **worker);
    /* [worker] */
    void (*worker_free)(void *worker);
    /* [worker] A new snapshot with its table (NULL without `build`). The old ones may be used
     * until this returns. */
    void (*update)(void *worker, const struct orch_endpoints *endpoints, void *table);
    /* [worker] An index or ORCH_PICK_*. No allocation, lock, log or system call. */
    int32_t (*pick)(void *worker, struct orch_pick *pick);
    /* [worker] Optional. Exactly once for each pick that answered an index. */
    void (*report)(void *worker, const struct orch_report *report);
};

#ifdef __cplusplus
}
#endif
#endif
