/* What came of the scenario, step by step: filled by the stage and the watch, printed by the
 * reports. Strings live in the outcome's arena or in the scenario. */
#ifndef OUTCOME_H
#define OUTCOME_H

#include "scenario.h"
#include "scheduler/scheduler.h"

/* A container that left one node, and the one that came in its place. */
struct outcome_move {
    const char *deployment, *from, *to;
    const char *why; /* "node lost", "node drained", "new revision", ... */
};
/* Containers that left and were not to be replaced, or came in nobody's place. */
struct outcome_count {
    const char *deployment, *why; /* "placed", "came back"; "scaled down", "deleted" */
    bool came;
    uint64_t count;
};
struct outcome_deployment {
    const char *name, *phase;
    int64_t desired, available;
    int64_t worst;     /* most that were missing at a time, during the step */
    uint64_t short_ns; /* for how long some were missing */
    uint64_t whole_ns; /* since the event: all as declared from then on; UINT64_MAX: it is not */
};
/* How full things are; shares in thousandths. */
enum { OUTCOME_CPU, OUTCOME_MEMORY, OUTCOME_RESOURCES };
struct outcome_packing {
    uint32_t nodes; /* ready and schedulable */
    int64_t containers;
    struct outcome_resource {
        int64_t total, used, free;
        int64_t stranded; /* of what is free: where the largest replica does not fit */
        int64_t share, emptiest, fullest, deviation, fragmented;
    } resources[OUTCOME_RESOURCES];
    const char *largest; /* the deployment whose replica is the largest; NULL: none */
};
/* Why the next replica of a deployment has no place: nodes by the first filter that refuses. */
struct outcome_unfit {
    const char *deployment;
    int64_t missing;
    uint32_t nodes;
    struct outcome_refusal {
        uint32_t count;
        const char *node, *message; /* the nearest miss */
        int64_t short_by;
    } refusals[FILTER_COUNT];
};
struct outcome_node {
    const char *name, *state;
    struct node_amounts total, used;
    int64_t containers;
};
struct outcome_step {
    uint64_t at_ns;
    const char *title;
    const char **refused; /* commands that the orchestrator refused, and why */
    uint32_t refused_count;
    struct outcome_move *moves;
    struct outcome_count *counts;
    uint32_t move_count, count_count;
    struct outcome_deployment *deployments;
    uint32_t deployment_count;
    struct outcome_packing packing;
    struct outcome_unfit *unfit;
    uint32_t unfit_count;
    uint64_t watched_ns, last_change_ns, whole_ns; /* since the event; UINT64_MAX: not whole */
    bool at_rest;
};
struct outcome {
    struct arena arena;
    struct outcome_step *steps;
    uint32_t step_count;
    struct outcome_node *nodes; /* at the end */
    uint32_t node_count;
    uint64_t simulated_ns;
    const char *scheduler; /* at the end */
    uint64_t containers_made;
};

/* Of everything that is there now. */
void packing_measure(struct outcome_packing *out);
void packing_nodes(struct outcome *outcome);
void unfit_measure(struct outcome *outcome, struct outcome_step *step);

void report_text(const struct outcome *outcome, bool all_nodes, struct text *out);
void report_json(const struct outcome *outcome, struct text *out);

#endif
