/* The deployment manager: owns deployments and revisions, and their rules. Commands come from REST;
 * reconciling makes and ends container records so that what runs becomes what is declared.
 *
 * All [loop]. Every command answers by `done` exactly once, later, or returns false with `error`
 * at once (then `done` never runs). */
#ifndef DEPLOYMENT_MANAGER_H
#define DEPLOYMENT_MANAGER_H

#include "deployment/deployment.h"
#include "store/write.h"

struct deployment_manager;
struct container;
struct container_manager;
struct container_mark;
struct node;
struct node_registry;
struct scheduler;
struct service_manager;
struct deployment_manager_config {
    struct loop *loop;
    struct state *state;
    struct container_manager *containers;
    struct node_registry *nodes;
    struct service_manager *services;
    struct scheduler *scheduler;
    uint64_t full_pass_ns; /* how often everything is looked at; 0: 30 s */
    /* Its phase changed without a change of anything counted: time passed, a pass found no room.
     * NULL: nobody wants to know. */
    void (*phase_changed)(void *argument, const char *name);
    void *argument;
};
struct deployment_manager *
deployment_manager_create(const struct deployment_manager_config *config);
void deployment_manager_destroy(struct deployment_manager *manager);
void deployment_manager_start(struct deployment_manager *manager); /* after the state is loaded */

/* `wanted`: as parsed and checked, borrowed. `replicas_given` false: an existing one keeps its
 * number, a new one has 1. */
bool deployment_manager_write(struct deployment_manager *manager, enum write_mode mode,
                              const struct deployment *wanted, bool replicas_given,
                              const struct write_request *request, write_done *done, void *argument,
                              struct error *error);
bool deployment_manager_scale(struct deployment_manager *manager, const char *name,
                              int64_t replicas, const struct write_request *request,
                              write_done *done, void *argument, struct error *error);
bool deployment_manager_restart(struct deployment_manager *manager, const char *name,
                                const struct write_request *request, write_done *done,
                                void *argument, struct error *error);
bool deployment_manager_set_paused(struct deployment_manager *manager, const char *name,
                                   bool paused, const struct write_request *request,
                                   write_done *done, void *argument, struct error *error);
/* `revision` 0: the one before. */
bool deployment_manager_rollback(struct deployment_manager *manager, const char *name,
                                 int64_t revision, const struct write_request *request,
                                 write_done *done, void *argument, struct error *error);
/* Ends the rollout under way: the last complete template is put back. */
bool deployment_manager_abort(struct deployment_manager *manager, const char *name,
                              const struct write_request *request, write_done *done, void *argument,
                              struct error *error);
/* A canary, or a blue-green rollout, goes on to all. */
bool deployment_manager_promote(struct deployment_manager *manager, const char *name,
                                const struct write_request *request, write_done *done,
                                void *argument, struct error *error);
bool deployment_manager_delete(struct deployment_manager *manager, const char *name,
                               const struct write_request *request, write_done *done,
                               void *argument, struct error *error);

/* For plans of what the controller would do. Which of several goes first: unavailable before
 * available, outdated before others, higher slots first, then by id. For qsort. */
struct deployment_victim {
    const struct container *container;
    bool available, ready, outdated;
};
int deployment_compare_victims(const void *a, const void *b);
/* So many more than desired while it is rolled out, and so many fewer available. */
void deployment_rolling_bounds(const struct rollout *rollout, int64_t desired, int64_t *surge,
                               int64_t *unavailable);
/* May it run on that node, by everything but room? */
bool deployment_manager_may_run_on(struct deployment_manager *manager,
                                   const struct deployment *deployment, const struct node *node);

/* Committed, borrowed for this turn; NULL: none. */
const struct deployment *deployment_manager_find(struct deployment_manager *manager,
                                                 const char *name);
/* First deployment whose name comes after `after` (NULL: the first). */
const struct deployment *deployment_manager_next(struct deployment_manager *manager,
                                                 const char *after);
const struct revision *deployment_manager_revision(struct deployment_manager *manager,
                                                   const struct deployment *deployment,
                                                   int64_t number);
/* First revision with a number above `after`. */
const struct revision *deployment_manager_next_revision(struct deployment_manager *manager,
                                                        const struct deployment *deployment,
                                                        int64_t after);
/* The last kept one with a number below `number`; NULL: none. */
const struct revision *deployment_manager_revision_before(struct deployment_manager *manager,
                                                          const struct deployment *deployment,
                                                          int64_t number);
/* Computed from the same commit as the record. */
void deployment_manager_status(struct deployment_manager *manager,
                               const struct deployment *deployment, struct deployment_status *out);
/* What an agent says its images resolved to is kept with the revisions. */
struct report;
void deployment_manager_report(struct deployment_manager *manager, const char *node,
                               const struct report *report);
/* What its status is made of changed (a container, a node): moves its seq, queues reconciling. */
void deployment_manager_touch(struct deployment_manager *manager, const char *name);
struct deployment_figures {
    struct durations looks;
    uint64_t queued;
};
void deployment_manager_read_figures(const struct deployment_manager *manager,
                                     struct deployment_figures *out);
/* Queues reconciling only: something that it waits for may have happened. */
void deployment_manager_look(struct deployment_manager *manager, const char *name);
/* A container of it changed: its record or its soft state; or its record is gone. */
void deployment_manager_container_changed(struct deployment_manager *manager,
                                          const struct container *container);
void deployment_manager_container_removed(struct deployment_manager *manager,
                                          const struct container *container,
                                          const struct container_mark *mark);
/* Whose containers it has must look: it may be draining, or gone. */
void deployment_manager_node_changed(struct deployment_manager *manager, const char *node);
/* Something of that node that could let waiting replicas fit has changed (capacity, labels, a
 * stop). */
void deployment_manager_capacity_changed(struct deployment_manager *manager, const char *node);

#endif
