/* The deployment manager's own data. Private to this folder. */
#ifndef DEPLOYMENT_IMPL_H
#define DEPLOYMENT_IMPL_H

#include "container/manager.h"
#include "deployment/manager.h"
#include "node/registry.h"
#include "scheduler/scheduler.h"
#include "service/manager.h"

#include <uthash.h>

/* What its containers are, kept up to date as they change: counts.c. */
struct counts {
    int64_t current, updated, ready, available, updated_available; /* current: wanted, not lost, not
                                                                      failed, not stopping */
    int64_t stopping, restarts, failed, lost;
    int64_t pulling_failed; /* wait for an image */
    int64_t waiting;        /* are not ready and say why */
    int64_t unproven;       /* of what is in force, not ready for long enough to be relied upon */
    int64_t failing;        /* of what is in force, not ready after several tries */
    int64_t orphans;        /* their node was deleted */
    int64_t held;           /* of those lost: not to be replaced yet */
    int64_t overdue;        /* should have left their node by now */
    uint64_t seq;
};
/* Which slots are taken, by how many. */
struct slots {
    uint8_t *taken;
    int64_t room, none_below; /* none is free below */
};
/* Of a deployment in global mode: homes.c. */
struct homes {
    struct home *by_node;
    struct home *first; /* eligible nodes that lack a replica of what is in force */
    size_t lacking;
    int64_t eligible;      /* nodes */
    bool outdated;         /* all nodes are to be judged again */
    char judged_up_to[64]; /* then: so far */
};
/* The image of the revision in force on one node. */
struct pull {
    UT_hash_handle hh;
    char node[64];
    bool done;
    uint32_t refusals; /* in a row */
    uint64_t again_ns; /* it is asked for again then */
};
/* Soft state of one deployment. */
struct track {
    UT_hash_handle hh;
    char name[64], uid[ID_UID_BYTES];
    struct deployment_manager *manager;
    struct track *next; /* in the queue of what must be looked at */
    bool queued;
    bool busy;             /* a transaction or a scheduling pass of ours is under way */
    bool again;            /* something changed meanwhile */
    bool unplaced;         /* the last pass found no room; waits for capacity */
    bool any_change_helps; /* then: not only room on a node that passes the filters */
    bool stop_first;       /* no place for the next one but those of old ones */
    bool waits_for_port;   /* unplaced, and one that is stopping holds its host port */
    bool listed_unplaced, waits_for_pass;
    bool global; /* one on each eligible node */
    struct track *next_global;
    struct homes homes;
    struct track *next_unplaced, *next_for_pass;
    char why[256]; /* then: the refusals */
    struct counts counts;
    struct slots slots;
    struct pull *pulls; /* of the revision in force, by node */
    uint32_t refusals;  /* the most of any of them */
    char refusal[160];
    bool outdated_counts; /* all containers are to be looked through again */
    bool verifying;       /* nothing is expected to differ */
    uint64_t verified;    /* in which round of the slow pass */
    char counted_up_to[80], waiting_id[80], failing_id[80];
    uint64_t next_change_ns; /* when time alone changes something; 0: never */
    uint64_t next_scan_ns;   /* a large one is not looked through at every event */
    uint8_t phase;
    int64_t phase_since_ms, progressed_at_ms;
    uint64_t progressed_ns; /* one more became available, or the spec changed */
    int64_t best_available; /* of the revision in force */
    int64_t seen_revision, seen_desired;
    int64_t settled_desired; /* how many were available when it was last complete */
    bool deadline_passed;
    uint64_t gate_since_ns;             /* its step's replicas are available; 0: not yet */
    struct service_requests old_before; /* of other revisions, when this one began */
    struct histogram old_latency_before;
    uint64_t seq;            /* of the latest change to anything counted */
    uint64_t cause_event;    /* what its controller acts upon; 0: what it sees itself */
    struct loop_timer timer; /* minReady, deadline, drain deadline: look again */
};
/* Time alone will change something then. */
static inline void track_expect(struct track *track, uint64_t at_ns)
{
    if (!track->next_change_ns || at_ns < track->next_change_ns)
        track->next_change_ns = at_ns;
}
struct freed_node {
    UT_hash_handle hh;
    char name[64];
};
struct deployment_manager {
    struct deployment_manager_config config;
    struct loop *loop;
    struct state *state;
    struct state_subscriber subscriber;
    struct track *tracks;
    struct track *queue, *queue_last;
    struct deployment_figures figures;
    struct loop_slice slice;
    struct loop_timer full_pass;
    uint64_t round;         /* each deployment's counts are verified once in it */
    struct loop_task ready; /* the state takes changes again */
    bool waits_for_state;
    struct placing *placings; /* under way */
    uint32_t placing_count;
    struct track *for_pass, *for_pass_last; /* wait for one of them to end */
    struct track *unplaced;
    struct freed_node *freed; /* something there may help those unplaced */
    struct loop_slice retry;
    struct track *globals; /* deployments of that mode, the latest first */
};

/* More of one kind are told by one event. */
enum { SINGLE_EVENTS = 10 };
/* What may be done now: strategy.c. */
struct bounds {
    int64_t surge;       /* so many more than desired */
    int64_t unavailable; /* so many fewer available than desired */
    int64_t draining;    /* so many on their way out */
    int64_t updated;     /* so many are made of what is in force */
    int64_t outdated;    /* so many of the others stay */
    bool may_make;
};
/* What is asked for and what is there, as of now. */
struct census {
    const struct deployment *deployment;
    int64_t desired;
    struct counts counts;
    struct bounds bounds;
    const struct container **live; /* current ones; census_gather */
    int64_t live_count;
    int64_t active; /* available and published everywhere; likewise */
    char waiting_reason[48], waiting_message[240];
    struct stopped { /* by this look */
        const struct container *container;
        const char *reason;
    } first_stopped[SINGLE_EVENTS];
    uint32_t stopped;
};
void census_take(struct deployment_manager *manager, const struct deployment *deployment,
                 struct track *track, struct census *out);
/* All of them, in the arena. */
void census_gather(struct deployment_manager *manager, struct census *census, struct arena *arena);
void slots_change(struct slots *slots, int64_t slot, int by);
int64_t slots_first_free(struct slots *slots);
/* A slot is taken or given back on that node. */
void homes_change(struct homes *homes, const char *node, int by);
/* A node has changed; `node` may be gone. True: the deployment is to be looked at. */
bool homes_judge(struct deployment_manager *manager, struct track *track,
                 const struct deployment *deployment, const char *node);
bool homes_lacks(const struct homes *homes, const char *node);
void homes_look_through(struct homes *homes);
/* False: some nodes are still to be judged, in another turn. */
bool homes_refresh(struct deployment_manager *manager, struct track *track,
                   const struct deployment *deployment);
/* Names of ready nodes that lack one, borrowed for this turn; the list is in the arena. */
struct list homes_lacking(struct deployment_manager *manager, const struct homes *homes,
                          struct arena *arena);
void homes_finish(struct homes *homes);
void counts_change(struct deployment_manager *manager, struct track *track,
                   const struct container *container);
void counts_remove(struct track *track, const struct container *container,
                   const struct container_mark *mark);
bool counts_is_proven(struct deployment_manager *manager, const struct deployment *deployment,
                      const struct container *container);
bool counts_is_waiting(const struct container_mark *mark);
void counts_look_through(struct track *track);
/* False: some are still to be looked through, in another turn. */
bool counts_refresh(struct deployment_manager *manager, struct track *track,
                    const struct deployment *deployment);
bool census_is_outdated(struct deployment_manager *manager, const struct deployment *deployment,
                        const struct container *container);
/* What is left of the time in which its node is to be left; INT64_MAX: no end is set. */
int64_t census_drain_left_ms(struct deployment_manager *manager, const struct container *container);
bool census_is_available(struct deployment_manager *manager, const struct deployment *deployment,
                         const struct container *container);
bool census_is_live(struct deployment_manager *manager, const struct container *container);
/* How many containers may be made now. */
int64_t deployment_missing(const struct census *census);
/* Another one than before counts as a change of the deployment, and is told. */
void deployment_note_phase(struct deployment_manager *manager, struct track *track, uint8_t phase);
uint8_t census_phase(const struct census *census, const struct track *track);

/* strategy.c */
struct bounds strategy_bounds(struct deployment_manager *manager, const struct track *track,
                              const struct census *census);
/* So many of what is in force are made before it waits: for its promotion, or for a resume. */
int64_t strategy_step(const struct census *census);
bool strategy_awaits_promotion(const struct deployment *deployment);
/* A pass found no room because of host ports. The one that an old replica holds; 0: none does. */
int64_t strategy_port_of_old(struct deployment_manager *manager,
                             const struct deployment *deployment);

/* images.c */
/* Have the nodes that old replicas serve from the image of the revision in force? Asks them to pull
 * it. */
bool images_are_there(struct deployment_manager *manager, struct track *track,
                      const struct census *census);
void images_forget(struct track *track);

/* So often may a new replica fail, or a pull be refused, before its rollout has failed. */
enum { ROLLOUT_TRIES = 3 };
/* rollout.c */
void rollout_follow(struct deployment_manager *manager, struct track *track,
                    const struct census *census);
void rollout_note_complete(struct deployment_manager *manager, struct txn *txn,
                           const struct census *census);
/* Puts the last complete template back where the rollout has failed; true when it did. */
bool rollout_roll_back(struct deployment_manager *manager, struct track *track, struct txn *txn,
                       const struct census *census);

/* The next look is no later than that. */
void track_wake(struct track *track, uint64_t at_ns);
struct track *deployment_track(struct deployment_manager *manager, const char *name);
void deployment_queue(struct deployment_manager *manager, struct track *track);
/* Set aside until something that could help changes. */
void deployment_set_unplaced(struct deployment_manager *manager, struct track *track,
                             bool any_change_helps);
/* One look at one deployment; yields actions, none when all is as declared. */
void deployment_reconcile(struct deployment_manager *manager, struct track *track);
/* Asks the scheduler for `count` places and makes the containers. `only`: on these nodes (const
 * char *), one each; NULL: on any. */
void deployment_place(struct deployment_manager *manager, struct track *track,
                      const struct deployment *deployment, uint32_t count, const struct list *only);
/* Passes under way may not know of it. */
void deployment_node_freed(struct deployment_manager *manager, const char *node);
void deployment_resume_placings(struct deployment_manager *manager); /* the state is ready again */
void deployment_wait_for_state(struct deployment_manager *manager);
void deployment_placings_finish(struct deployment_manager *manager);
/* Submits a transaction of the controller's; the deployment is looked at again after it. */
void deployment_submit(struct deployment_manager *manager, struct track *track, struct txn *txn);
const struct deployment *deployment_head(struct deployment_manager *manager, const char *name);
struct deployment deployment_edit(const struct deployment *deployment);
/* Of the rollout under way, where there is one; NULL: the next one replaces it. */
struct rollout_end {
    uint8_t outcome; /* enum rollout_outcome */
    const char *reason, *message;
};
/* Puts the receipt of the rollout of `deployment`'s revision. */
void rollout_end(struct deployment_manager *manager, struct txn *txn,
                 const struct deployment *deployment, const struct rollout_end *end);
/* Takes the step that is due: pauses, or promotes itself. */
bool rollout_step(struct deployment_manager *manager, struct track *track, struct txn *txn,
                  const struct census *census);
void rollout_promote(struct deployment *edited);
struct service_requests rollout_old_requests(struct deployment_manager *manager,
                                             const struct deployment *deployment);
/* Puts a new revision of `template` and its number into `edited`. `same`: an earlier one of that
 * content, whose image stays pinned and whose containers stay; NULL: none. */
void deployment_new_revision(struct deployment_manager *manager, struct txn *txn,
                             struct deployment *edited, const struct revision *same,
                             const struct rollout_end *end, const char *cause);
/* The same with the content of `target`. */
void deployment_put_back(struct deployment_manager *manager, struct txn *txn,
                         struct deployment *edited, const struct revision *target,
                         const struct rollout_end *end, const char *cause);
/* For `count` more of what is in force; borrows from the record. */
struct schedule_ask deployment_ask(const struct deployment *deployment, uint32_t count);
struct origin deployment_origin(const struct track *track);

#endif
