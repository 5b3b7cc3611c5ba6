/* The planner: what changes would do, worked out from the present without touching it. Replicas are
 * placed by the scheduler's own passes, in the steps and in the order that the controller takes;
 * each pass knows what those before it would have changed. What it says holds for this moment: it
 * takes for granted that what is started becomes ready.
 *
 * Works on the loop in slices, and on the pool. Bounded; what was left out is said in a warning.
 * [loop] */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include "store/record.h"
#include "store/state.h"

struct container_manager;
struct deployment_manager;
struct loop;
struct node_registry;
struct scheduler;
struct service_manager;
struct plan_parts { /* all outlive the plans */
    struct loop *loop;
    struct state *state;
    struct container_manager *containers;
    struct deployment_manager *deployments;
    struct node_registry *nodes;
    struct scheduler *scheduler;
    struct service_manager *services;
};

enum {
    PLAN_CONTAINERS = 20000, /* looked at by one plan, and as many placed */
    PLAN_ROWS = 5000,        /* of each list; more are counted */
    PLAN_STEPS = 64          /* of one rollout that are planned one by one */
};
/* One object that would be another. */
struct plan_change {
    const struct record *before, *after; /* counted; NULL: there is, or would be, none */
    bool lost;                           /* a node that would be lost */
};
struct plan_start {
    const char *deployment, *node;
    int64_t slot;
    uint32_t step; /* from 1; of two moves of a deployment the one with the lower number is first */
};
struct plan_stop {
    const char *container, *deployment, *node;
    const char *reason; /* a word, as the event would say it */
    uint32_t step;
};
struct plan_unplaced {
    const char *deployment, *why;
    const char *nearest_node, *nearest; /* NULL: no node is only short of resources */
    int64_t slot;
};
struct plan_service {
    const char *name, *deployment;
    int64_t ready, ready_at_least;
};
struct plan {
    struct arena arena;
    uint64_t seq; /* the state that it is made from holds all changes up to this one */
    struct plan_change *changes;
    uint32_t change_count;
    /* The lists: PLAN_ROWS at most, of so many. */
    struct plan_start *starts;
    struct plan_stop *stops;
    struct plan_unplaced *unplaced;
    struct plan_service *services;
    uint32_t start_count, stop_count, unplaced_count, service_count;
    uint32_t starts_total, stops_total, unplaced_total, services_total;
    const char **warnings;
    uint32_t warning_count;
};
typedef void plan_done(void *argument, struct plan *take_plan);
/* `changes`: of different objects; their references are taken. `done` runs later, once, unless it
 * is given up before. */
struct planner;
struct planner *plan_make(const struct plan_parts *parts, struct plan_change *take_changes,
                          uint32_t count, plan_done *done, void *argument);
/* Nobody wants it any more. Not after `done`, nor after the parts have gone; NULL is fine. */
void plan_give_up(struct planner *planner);
void plan_destroy(struct plan *plan); /* NULL is fine */

#endif
