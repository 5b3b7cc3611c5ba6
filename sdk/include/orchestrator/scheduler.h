/* SPDX-License-Identifier: Apache-2.0
 *
 * orch.scheduler/1: ranks the nodes that a replica fits on.
 *
 * The host has already left out nodes that are not ready, not schedulable, lack resources, miss a
 * constraint or hold a taken port. A plugin only scores the rest: one call for all candidates of an
 * ask. It is a pure function of its arguments: same input, same output, on every host. It runs on a
 * pool thread, over columns that stay as they are for the call. The host places the replica on the
 * highest score (ties by a hash of record and node) and checks the plan again before it commits. */
#ifndef ORCHESTRATOR_SCHEDULER_H
#define ORCHESTRATOR_SCHEDULER_H

#include <orchestrator/host.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ORCH_SCHEDULER_1 "orch.scheduler/1"

/* One resource over all nodes: column[i] belongs to node i. leaf */
struct orch_resource_column {
    struct orch_str name;    /* "cpu" (millis), "memory" (bytes), "containers" */
    const int64_t *free;     /* what is left for new replicas */
    const int64_t *capacity; /* without what is kept for the host */
};
/* One label over all nodes, coded by a dictionary. leaf */
struct orch_label_column {
    struct orch_str key;
    const uint32_t *codes; /* per node: index in `words`; UINT32_MAX: no such label */
    const struct orch_str *words;
    uint32_t word_count, reserved;
};
/* advisory */
struct orch_sched_view {
    uint32_t size, node_count;
    uint64_t revision;           /* of the state that this is a copy of */
    struct orch_array resources; /* struct orch_resource_column */
    struct orch_array labels;    /* struct orch_label_column: those that `create` wanted */
    const uint64_t *node_hashes; /* stable per node */
};
/* leaf */
struct orch_ask_amount {
    uint32_t resource, reserved; /* index in view.resources */
    int64_t amount;
};
/* One replica to place. advisory */
struct orch_sched_ask {
    uint32_t size, reserved;
    struct orch_str deployment;
    uint64_t seed;             /* of the record: for choices of your own */
    struct orch_array amounts; /* struct orch_ask_amount */
    const uint32_t *replicas;  /* per node: replicas of this deployment already there */
};

/* On what a node's score depends: the host scores again only what a placement changed. */
enum {
    ORCH_SCORE_NODE = 1,  /* its own columns only */
    ORCH_SCORE_GROUP = 2, /* also on nodes with the same value of the label `group_label` */
    ORCH_SCORE_ALL = 3    /* on everything */
};
/* What `create` answers; zeroed by the host before. */
struct orch_sched_wants {
    uint32_t size;
    uint32_t score_scope;        /* ORCH_SCORE_* */
    struct orch_array labels;    /* struct orch_str: label columns wanted; lives with the plugin */
    struct orch_str group_label; /* with ORCH_SCORE_GROUP */
};

/* A score that rules the node out; set reasons[i] then. */
#define ORCH_SCORE_VETO INT64_MIN

struct orch_scheduler_v1 {
    uint32_t size, reserved;
    /* [loop] */
    orch_status (*create)(void *module, const struct orch_host *host, struct orch_str config,
                          void **scheduler, struct orch_sched_wants *wants,
                          struct orch_error *error);
    /* [loop] */
    void (*destroy)(void *scheduler);
    /* [pool] scores[i] and reasons[i] belong to candidates[i], an index of a node. Higher is
     * better. Two calls may run at once on two threads. */
    orch_status (*score)(void *scheduler, const struct orch_sched_view *view,
                         const struct orch_sched_ask *ask, const uint32_t *candidates,
                         uint32_t count, uint32_t reserved, int64_t *scores, uint32_t *reasons,
                         struct orch_error *error);
    /* [any] Optional. Puts a veto's reason into words. */
    void (*explain)(void *scheduler, uint32_t reason, uint32_t reserved, struct orch_sink sink);
    /* [pool] Optional, with ORCH_SCORE_GROUP: the part of a score that all nodes of a group share.
     * A node's score is then the sum of both parts, and what `score` answers depends on the node
     * alone, so that a placement costs one node and one group. codes[i] is a code of the group
     * label (UINT32_MAX: nodes without it), replicas[i] what this deployment has on the group's
     * nodes. */
    orch_status (*score_groups)(void *scheduler, const struct orch_sched_view *view,
                                const struct orch_sched_ask *ask, const uint32_t *codes,
                                const uint32_t *replicas, uint32_t count, uint32_t reserved,
                                int64_t *scores, struct orch_error *error);
};

#ifdef __cplusplus
}
#endif
#endif
