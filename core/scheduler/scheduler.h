/* The scheduler: filter -> score -> select over a copy of the nodes' columns, on the pool.
 *
 * All nodes are looked at, exactly. Built-in filters (ready, schedulable, resources, constraints,
 * ports, maxPerNode) leave candidates; the deployment's scheduler plugin scores them in one call;
 * select takes the highest, ties by a hash of the ask's seed and the node, then by the node's name.
 * What a placement changed is scored again, as far as the plugin says that scores depend on it. The
 * plan is checked against the present by the caller before it commits. [loop] but where it says
 * [pool]. */
#ifndef SCHEDULER_SCHEDULER_H
#define SCHEDULER_SCHEDULER_H

#include "deployment/deployment.h"
#include "loop/loop.h"
#include "node/node.h"

#include <orchestrator/scheduler.h>

struct scheduler;
struct scheduler_config {
    struct loop *loop;
    const char *default_name, *fallback_name;
    uint64_t budget_ns; /* a score call that takes longer is abandoned with its thread; 0: 5 s */
    /* Named in an event when the fallback takes over. */
    void (*fell_back)(void *argument, const char *scheduler, const char *why);
    void *argument;
};
struct scheduler *scheduler_create(const struct scheduler_config *config);
void scheduler_destroy(struct scheduler *scheduler);
/* A loaded plugin and its instance, by name. The first is needed before any pass. */
bool scheduler_add_plugin(struct scheduler *scheduler, const char *name,
                          const struct orch_scheduler_v1 *table, void *module,
                          const struct orch_host *host, const char *config_json,
                          struct error *error);
bool scheduler_has(const struct scheduler *scheduler, const char *name);

/* The columns, kept up to date as records change. */
void scheduler_node_put(struct scheduler *scheduler, const struct node *node,
                        const struct node_status *status);
void scheduler_node_remove(struct scheduler *scheduler, const char *name);
/* A container record (head view) takes or frees its share of a node. Host ports included. */
struct scheduler_share {
    const char *node, *deployment;
    int64_t cpu_millis, memory_bytes;
    struct list ports; /* struct container_port */
};
void scheduler_share_add(struct scheduler *scheduler, const struct scheduler_share *share);
void scheduler_share_remove(struct scheduler *scheduler, const struct scheduler_share *share);
/* What the committed shares reserve on a node. */
struct node_amounts scheduler_allocated(const struct scheduler *scheduler, const char *node,
                                        int64_t *containers);

enum filter {
    FILTER_READY = 1,
    FILTER_SCHEDULABLE,
    FILTER_FEATURES,
    FILTER_CONSTRAINTS,
    FILTER_MAX_PER_NODE,
    FILTER_PORTS,
    FILTER_CPU,
    FILTER_MEMORY,
    FILTER_PLUGIN,
    FILTER_COUNT
};
const char *filter_name(enum filter filter); /* "memory" */

struct schedule_assumed; /* assumed.h */
/* Replicas of one deployment to place in one pass. */
struct schedule_ask {
    const char *deployment, *deployment_uid;
    const struct placement *placement;
    const struct container_template *template;
    uint32_t count; /* replicas wanted */
    uint64_t seed;  /* of the tie-breaks: one order for all replicas of the ask */
    /* Global mode: these nodes (const char *) and no more than one on each; NULL: any. */
    const struct list *only;
    /* Borrowed until `done`, and not changed before; NULL: things are as they are. */
    const struct schedule_assumed *assumed;
};
enum { SCHEDULE_BEST = 5 };
struct schedule_score {
    const char *node;
    int64_t score;
};
struct schedule_placement {
    const char *node;  /* NULL: it fits nowhere */
    struct list ports; /* struct container_port with host ports chosen */
    struct schedule_score best[SCHEDULE_BEST];
    uint32_t best_count;
    uint32_t refused[FILTER_COUNT]; /* nodes refused, by filter */
    /* Where it fits nowhere: the node that is short of the least, and of what; NULL: none is only
     * short of resources. */
    const char *nearest_node, *nearest_message;
};
struct schedule_plan {                     /* in an arena of its own; free by schedule_plan_free */
    struct schedule_placement *placements; /* `count` of the ask, in order */
    uint32_t count;
    const char *scheduler; /* which ranked: the fallback's name when it took over */
};
/* Runs on the pool; `done` later on the loop, exactly once; with NULL when the scheduler is
 * destroyed meanwhile. What the ask points to is copied. */
bool scheduler_place(struct scheduler *scheduler, const struct schedule_ask *ask,
                     void (*done)(void *argument, struct schedule_plan *take_plan), void *argument,
                     struct error *error);
void schedule_plan_free(struct schedule_plan *plan);
/* So many passes were begun, those of a fallback among them. */
uint64_t scheduler_passes(const struct scheduler *scheduler);
/* Does one replica still fit on that node as things stand? For checking a plan before commit. */
bool scheduler_still_fits(struct scheduler *scheduler, const struct schedule_ask *ask,
                          const char *node, const struct list *ports);

/* May one ever run there, by everything but room, ports and whether the node is ready? */
bool scheduler_may_run(struct scheduler *scheduler, const struct schedule_ask *ask,
                       const char *node);

struct schedule_figures {
    struct durations passes; /* with the wait for a thread */
    uint64_t placed, unplaced, fell_back;
};
void scheduler_read_figures(const struct scheduler *scheduler, struct schedule_figures *out);

/* One node's verdicts, filter by filter, by the same code. */
struct filter_verdict {
    enum filter filter;
    bool ok;
    int64_t asked, free, short_by;
    char message[160];
};
size_t scheduler_explain(struct scheduler *scheduler, const struct schedule_ask *ask,
                         const char *node, struct filter_verdict out[FILTER_COUNT]);
/* "3 nodes: 2 memory short, 1 not ready" */
void schedule_refusals_text(const struct schedule_placement *placement, uint32_t nodes, char *out,
                            size_t bytes);

#endif
