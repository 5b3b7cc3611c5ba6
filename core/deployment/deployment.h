/* Records of deployments and their revisions. */
#ifndef DEPLOYMENT_DEPLOYMENT_H
#define DEPLOYMENT_DEPLOYMENT_H

#include "container/container.h"
#include "store/record.h"

enum deployment_mode { MODE_REPLICATED = 1, MODE_GLOBAL };
enum rollout_strategy {
    STRATEGY_ROLLING = 1,
    STRATEGY_RECREATE,
    STRATEGY_CANARY,
    STRATEGY_BLUE_GREEN
};
enum constraint_op {
    CONSTRAINT_IN = 1,
    CONSTRAINT_NOT_IN,
    CONSTRAINT_EXISTS,
    CONSTRAINT_NOT_EXISTS,
    CONSTRAINT_GREATER,
    CONSTRAINT_LESS
};
struct constraint {
    const char *label;
    uint8_t op;         /* enum constraint_op */
    struct list values; /* of const char * */
};
struct placement {
    const char *scheduler;   /* NULL: the configured default */
    struct list constraints; /* struct constraint */
    int64_t max_per_node;    /* 0: no bound */
};
struct canary {
    struct amount replicas;
    struct amount traffic; /* percent; 0: as their number gives */
};
struct promotion {
    bool automatic;
    uint64_t after_ns; /* the canary, or all of the new ones, were available for so long */
};
struct rollout {
    uint8_t strategy;
    struct amount max_surge, max_unavailable, max_draining;
    struct amount max_error_rate; /* percent points above the old ones' */
    struct amount pause_after;    /* 0: never */
    struct canary canary;
    struct promotion promotion;
    uint64_t min_ready_ns, progress_deadline_ns;
    bool auto_rollback;
};
struct rolled_back {
    int64_t revision; /* that was given up */
    const char *reason, *message;
};
struct deployment {
    struct record record;
    const char *name;
    const char *namespace_name;
    struct list labels, annotations; /* maps */
    uint8_t mode;
    int64_t replicas;
    struct container_template template;
    struct rollout rollout;
    struct placement placement;
    int64_t revision_history;
    /* INTERNAL, durable: */
    int64_t revision;            /* in force */
    int64_t last_revision;       /* the highest number ever given */
    int64_t complete_revision;   /* the last that was complete; 0: none */
    int64_t content;             /* the revision that first had what is in force */
    int64_t hidden;              /* the first revision that services may not publish; 0: none */
    bool promoted, paused_after; /* of the rollout under way */
    bool deleting, paused;
    bool rolled_back_in_force; /* the template is one that an automatic rollback put back */
    const struct rolled_back *rolled_back_from; /* NULL: none */
    int64_t revision_since_ms;                  /* wall clock of the change to `revision` */
};
enum rollout_outcome {
    OUTCOME_COMPLETED = 1,
    OUTCOME_ROLLED_BACK,
    OUTCOME_ABORTED,
    OUTCOME_REPLACED
};
/* How a revision's rollout ended. */
struct receipt {
    int64_t from; /* the last complete revision before it; 0: none */
    uint8_t strategy, outcome;
    const char *reason, *message;
    int64_t started_at_ms, ended_at_ms, restarts;
    int64_t old_served, old_failed, new_served, new_failed; /* NUMBER_NULL: no service */
    int64_t old_p50_us, old_p99_us, new_p50_us, new_p99_us; /* NUMBER_NULL: there were none */
};
struct revision {
    struct record record;
    const char *deployment; /* name */
    const char *deployment_uid;
    int64_t number;
    struct container_template template;
    const char *hash;              /* of the template */
    const char *image_pinned;      /* what runtimes are given; NULL until the first pull */
    const char *image_digest;      /* NULL until then */
    int64_t content;               /* the revision that first had it */
    const struct receipt *receipt; /* NULL: its rollout has not ended */
    const char *cause;             /* "created", "updated", "restart", "rollback to 3" */
};
enum deployment_phase {
    PHASE_DELETING = 1,
    PHASE_PAUSED,
    PHASE_ROLLING_BACK,
    PHASE_COMPLETE,
    PHASE_ROLLED_BACK,
    PHASE_DEGRADED,
    PHASE_PENDING,
    PHASE_PROGRESSING
};
struct deployment_status { /* computed; copied by value, strings are static or in `arena` of caller
                            */
    uint8_t phase;
    int64_t phase_since_ms, progressed_at_ms;
    char reason[48], message[480];
    int64_t revision, observed_version, desired, current, updated, ready, available, stopping,
        restarts, failed;
    const struct rolled_back *rolled_back_from; /* lives as long as the record */
    uint64_t seq; /* of the latest change to the record or anything counted here */
};
/* Is it made from what is in force? Going back to an earlier revision keeps what it has. */
static inline bool deployment_wants(const struct deployment *deployment,
                                    const struct container *container)
{
    return container->revision == deployment->revision ||
           (container->content && container->content == deployment->content);
}
/* Is it kept from services? Blue-green: what is of no promoted revision. */
static inline bool deployment_hides(const struct deployment *deployment,
                                    const struct container *container)
{
    return deployment->hidden && container->revision >= deployment->hidden &&
           !(deployment->promoted && deployment_wants(deployment, container));
}
/* Does another template than the last complete one roll out? */
static inline bool deployment_is_rolling(const struct deployment *deployment)
{
    return deployment->complete_revision != deployment->revision;
}
extern const struct record_kind deployment_kind, revision_kind;
extern const char *const strategy_words[], *const outcome_words[];
extern const struct type deployment_type, deployment_status_type, revision_type, placement_type;

#endif
