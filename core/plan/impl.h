/* What the planner's files share. Private to this folder. */
#ifndef PLAN_IMPL_H
#define PLAN_IMPL_H

#include "container/manager.h"
#include "deployment/manager.h"
#include "loop/loop.h"
#include "node/registry.h"
#include "plan/plan.h"
#include "scheduler/assumed.h"
#include "service/manager.h"

enum { PLAN_WARNINGS = 100 };
/* A deployment that the changes concern. */
struct plan_job {
    const struct deployment *before, *after; /* counted; before NULL: new */
    int64_t ready, least;                    /* ready now, and at the worst moment */
    bool removed;                            /* a container of it would be taken away by request */
};
struct plan_rollout;
struct planner {
    struct plan_parts parts;
    struct plan *plan;
    struct schedule_assumed *assumed;
    struct loop_slice slice;
    plan_done *done;
    void *argument;
    enum { PLAN_NODES, PLAN_DEPLOYMENTS, PLAN_SERVICES } stage;
    uint32_t at;                   /* of the changes, then of the jobs */
    const struct container *after; /* counted: where the walk over a node's containers goes on */
    char after_service[64];
    struct plan_job *jobs; /* sorted by name */
    uint32_t job_count, job_room;
    uint32_t looked_at, placed;
    bool cut, waiting, given_up;  /* waiting: for a pass of the scheduler */
    struct plan_rollout *rollout; /* of the job that is worked on; NULL: not begun */
};
void plan_warn(struct planner *planner, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const struct plan_change *plan_change_of(const struct planner *planner, enum record_kind_id kind,
                                         const char *name);
/* Is that node lost, or left, in this plan or by now? */
bool plan_node_is_lost(const struct planner *planner, const char *node);
bool plan_node_is_left(const struct planner *planner, const char *node);
bool plan_node_is_closed(const struct planner *planner, const char *node);
void plan_add_start(struct planner *planner, const struct plan_start *start);
void plan_add_stop(struct planner *planner, const struct plan_stop *stop);
void plan_add_unplaced(struct planner *planner, const struct plan_unplaced *unplaced);
void planner_destroy(struct planner *planner);
/* An element more of a growing array. */
void *plan_grow(void *items, uint32_t count, uint32_t *room, size_t size);

/* rollout.c: one deployment, step by step. */
enum plan_progress { PLAN_GOES_ON, PLAN_WAITS, PLAN_OVER }; /* waits: the slice is started again */
enum plan_progress plan_rollout_step(struct planner *planner, struct plan_job *job);
void plan_rollout_destroy(struct plan_rollout *rollout);

#endif
