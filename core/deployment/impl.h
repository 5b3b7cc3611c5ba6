/* The deployment manager's own data. Private to this folder. */
#ifndef DEPLOYMENT_IMPL_H
#define DEPLOYMENT_IMPL_H

#include "container/manager.h"
#include "deployment/manager.h"
#include "node/registry.h"
#include "scheduler/scheduler.h"
#include "service/manager.h"

#include <uthash.h>

/* Soft state of one deployment. */
struct track {
    UT_hash_handle hh;
    char name[64], uid[ID_UID_BYTES];
    struct deployment_manager *manager;
    struct track *next; /* in the queue of what must be looked at */
    bool queued;
    bool busy;     /* a transaction or a scheduling pass of ours is under way */
    bool again;    /* something changed meanwhile */
    bool unplaced; /* the last pass found no room; waits for capacity */
    char why[256]; /* then: the refusals */
    uint8_t phase;
    int64_t phase_since_ms, progressed_at_ms;
    uint64_t progressed_ns; /* one more became available, or the spec changed */
    int64_t best_available; /* of the revision in force */
    int64_t seen_revision, seen_desired;
    int64_t settled_desired; /* how many were available when it was last complete */
    bool deadline_passed;
    uint64_t seq;            /* of the latest change to anything counted */
    uint64_t cause_event;    /* what its controller acts upon; 0: what it sees itself */
    struct loop_timer timer; /* minReady, deadline, drain deadline: look again */
};
struct deployment_manager {
    struct deployment_manager_config config;
    struct loop *loop;
    struct state *state;
    struct state_subscriber subscriber;
    struct track *tracks;
    struct track *queue, *queue_last;
    struct loop_slice slice;
    struct loop_timer full_pass;
    struct loop_task ready; /* the state takes changes again */
    bool waits_for_state;
};

/* The containers of a deployment sorted into what they are. Arrays live in `arena`. */
struct census {
    const struct deployment *deployment;
    int64_t desired;
    const struct container **live; /* current: wanted, not lost, not failed, not stopping */
    int64_t current, updated, ready, available, stopping, restarts, failed, lost;
    int64_t updated_available, active; /* active: available and published everywhere */
    uint64_t seq;
    uint64_t next_change_ns; /* when minReady is over for the next one; 0: none */
    int64_t pulling_failed;  /* containers that wait for an image */
    int64_t overdue;         /* that should have left their node by now */
    char waiting_reason[48], waiting_message[240];
};
void census_take(struct deployment_manager *manager, const struct deployment *deployment,
                 struct arena *arena, struct census *out);
bool census_is_outdated(struct deployment_manager *manager, const struct deployment *deployment,
                        const struct container *container);
/* What is left of the time in which its node is to be left; INT64_MAX: no end is set. */
int64_t census_drain_left_ms(struct deployment_manager *manager, const struct container *container);
bool census_is_available(struct deployment_manager *manager, const struct deployment *deployment,
                         const struct container *container);
bool census_is_live(struct deployment_manager *manager, const struct container *container);
/* How many containers may be made now. */
int64_t deployment_missing(const struct census *census);
uint8_t census_phase(const struct census *census, const struct track *track);

struct track *deployment_track(struct deployment_manager *manager, const char *name);
void deployment_queue(struct deployment_manager *manager, struct track *track);
/* One look at one deployment; yields actions, none when all is as declared. */
void deployment_reconcile(struct deployment_manager *manager, struct track *track);
/* Asks the scheduler for `count` places and makes the containers. */
void deployment_place(struct deployment_manager *manager, struct track *track,
                      const struct deployment *deployment, uint32_t count, const char *only_node);
/* Submits a transaction of the controller's; the deployment is looked at again after it. */
void deployment_submit(struct deployment_manager *manager, struct track *track, struct txn *txn);
const struct deployment *deployment_head(struct deployment_manager *manager, const char *name);
struct deployment deployment_edit(const struct deployment *deployment);
/* Puts a new revision of `template` and its number into `edited`. */
void deployment_new_revision(struct deployment_manager *manager, struct txn *txn,
                             struct deployment *edited, const char *cause);
/* May it run on that node, by everything but room? */
bool deployment_node_eligible(struct deployment_manager *manager,
                              const struct deployment *deployment, const struct node *node);
struct origin deployment_origin(const struct track *track);

#endif
