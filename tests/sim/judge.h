/* Judging a run: the truth (what the stores made durable), the invariants, users and their ledger.
 */
#ifndef JUDGE_H
#define JUDGE_H

#include "sim.h"

#include <uthash.h>

enum { HOST_LIMIT = 64, EXIT_CRASH = 127, EXIT_LIVENESS = 128, EXIT_INVARIANT = 129 };

/* -- the truth: what the store made durable -- */

struct true_container {
    UT_hash_handle hh;
    char id[80], deployment[64], node[16], stop_reason[48];
    int64_t slot, revision, content, incarnation, restarts;
    bool stopping, failed, gone, has_liveness;
    bool was_public;       /* services were free to publish it */
    uint64_t end_known_ns; /* since when the agent knows that it does not run */
    uint64_t created_ns, stopping_ns, gone_ns, lost_seen_ns, asked_ns;
    bool ready, said_failed;              /* in the last report that reached the leader */
    uint64_t ready_changed_ns, ceased_ns; /* ceased: when it was last said not to be any more */
    uint32_t starts;                      /* in the engines */
    uint64_t start_times_ns[16];          /* a ring */
    int64_t cpu_millis, memory_bytes;
    int64_t ports[4];
    uint32_t port_count;
};
enum { DESIRED_LIMIT = 16, REVISION_LIMIT = 256 };
struct true_deployment {
    UT_hash_handle hh;
    char name[64], uid[ID_UID_BYTES];
    uint64_t version, acknowledged_version;
    int64_t replicas, revision, last_revision;
    struct {
        int64_t value;
        uint64_t until_ns; /* in force until then; UINT64_MAX: still */
    } desired[DESIRED_LIMIT];
    uint32_t desired_count;
    struct amount surge, unavailable;
    bool deleting, paused, global, gone, fixed_port;
    uint8_t strategy;
    bool promoted;
    int64_t complete_revision, content, hidden; /* as in deployment.h */
    struct amount canary;
    uint64_t strategy_ns; /* when it last changed without a new revision */
    uint64_t deleting_ns, paused_ns, fingerprint;
    struct true_revision {
        uint64_t hash; /* of its template */
        int64_t cpu_millis, memory_bytes;
        bool has_liveness;
    } revisions[REVISION_LIMIT]; /* by number */
};
enum silence { SILENCE_NONE, SILENCE_FEW, SILENCE_HALF, SILENCE_ALL };
struct truth {
    struct true_container *containers;
    struct true_deployment *deployments;
    uint64_t head, fence;
    const struct server_process *writer; /* of the transaction that is judged */
    struct {                             /* of the nodes that the leader knows, and since when */
        enum silence silence;
        uint64_t since_ns, generation;
        bool fresh;            /* none had been lost for a while before */
        uint64_t last_lost_ns; /* when any was */
    } brake;
    uint64_t told_ns[HOST_LIMIT];       /* its last full report reached a leader */
    uint64_t lost_ns[HOST_LIMIT];       /* given up by the leader since then; 0: not */
    uint64_t lost_until_ns[HOST_LIMIT]; /* the last instant at which it was */
};

/* -- invariants -- */

#define SIM_INVARIANTS(X)                                                                          \
    X(I1, "one live container per record")                                                         \
    X(I2, "one wanted record per slot and revision, but on lost nodes")                            \
    X(I3_ACKNOWLEDGED, "an acknowledged write stays")                                              \
    X(I3_REFUSED, "a refused write never appears")                                                 \
    X(I4_REVISION, "a revision number names one template and only grows")                          \
    X(I4_VERSION, "a version names one content and only grows")                                    \
    X(I4_SEQ, "numbers never go back, across crashes too")                                         \
    X(I5_STORE, "a fenced server commits nothing")                                                 \
    X(I5_AGENT, "an agent acts for no server older than one it knew")                              \
    X(I6, "a node is lost only after its full time of silence")                                    \
    X(I7, "an agent alone ends nothing that it was not told to end")                               \
    X(I8_BRAKE, "what many lost nodes had is replaced slowly")                                     \
    X(I8, "with every node silent nothing is replaced")                                            \
    X(I9, "a node whose engine is silent loses nothing")                                           \
    X(I10, "reservations fit the node")                                                            \
    X(I11_PORT, "a host port has one owner")                                                       \
    X(I12_SURGE, "no more than desired + maxSurge")                                                \
    X(I12_RECREATE, "recreate makes none beside an old one")                                       \
    X(I12_STEP, "before its promotion only a step is taken")                                       \
    X(I12_ORDER, "one that serves is not scaled down before one that doesn't")                     \
    X(I12_UNAVAILABLE, "a rollout takes none that is needed")                                      \
    X(I13_DELETED, "a deleted deployment starts nothing")                                          \
    X(I13_PAUSED, "a paused deployment rolls nothing out")                                         \
    X(I14_ADDRESS, "no new connection goes to another's address")                                  \
    X(I14_STATE, "no new connection goes to one that left the acknowledged table")                 \
    X(I15_BARRIER, "SIGTERM after every proxy that counts let go")                                 \
    X(I15_GRACE, "a running container is killed only after SIGTERM and its grace")                 \
    X(I15_LOCAL, "a restart waits for the local proxy")                                            \
    X(I16, "a service has its own deployment's endpoints only")                                    \
    X(I16_HIDDEN, "a set that waits for its promotion is in no table")                             \
    X(I17_OWNER, "what has no owner goes (E)")                                                     \
    X(I17_FOREIGN, "a foreign container is never touched")                                         \
    X(I18_RECORD, "no record goes while its container runs")                                       \
    X(I18_STOP, "nobody stops what is wanted")                                                     \
    X(I19_BOUND, "calls under way are bounded")                                                    \
    X(I19_END, "every operation ends (E)")                                                         \
    X(I20, "starts of one record keep to the back-off")                                            \
    X(I21, "settled, nobody does anything (E)")                                                    \
    X(I22, "what is declared is what runs (E)")                                                    \
    X(I23, "one audit entry per acknowledged change, none without")                                \
    X(I27, "a scheduler answers the same twice")                                                   \
    X(I28, "a restart changes nothing (E)")                                                        \
    X(I30, "late and second answers are dropped")                                                  \
    X(START_STATE, "nothing starts for a record that does not want it")                            \
    X(PINNED, "replicas of a revision run one image")
enum invariant {
#define X(id, text) INVARIANT_##id,
    SIM_INVARIANTS(X)
#undef X
        INVARIANT_COUNT
};

/* Counted as checked; when it does not hold the run ends with EXIT_INVARIANT. */
#define CHECK(id, condition, ...)                                                                  \
    do {                                                                                           \
        run.checked[INVARIANT_##id]++;                                                             \
        if (!(condition))                                                                          \
            check_failed(INVARIANT_##id, __VA_ARGS__);                                             \
    } while (0)
void check_failed(enum invariant invariant, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));
void liveness_failed(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* -- the run -- */

struct run {
    uint32_t deployments, services;
    uint64_t safety_ns;     /* length of the first phase */
    uint64_t user_pause_ns; /* mean, between two commands */
    struct truth truth;
    uint64_t skip_from, skip_to; /* user commands left out, by number */
    uint64_t checked[INVARIANT_COUNT];
};
extern struct run run;

/* judge.c */
void judge_init(void); /* the world tells it from then on */

/* phases.c */
void run_phases(void); /* returns when all held */

/* truth.c, truth_apply.c: what became durable, judged */
void truth_init(void);
/* Which nodes the leader has given up, and how many are silent: told as it changes. */
void truth_nodes(void);
/* May services publish it? Not before its promotion, where that is awaited. */
bool truth_hides(const struct true_deployment *deployment, const struct true_container *container);
struct report;
void truth_report(const char *node, const struct report *report); /* as it reaches the leader */
void truth_apply(struct server_process *server, const struct orch_store_txn *txn);
struct true_container *true_container(const char *id);
struct true_deployment *true_deployment(const char *name);

/* users.c, users_ledger.c, users_last.c */
void users_init(void);
void users_heal(void); /* the last commands: what is to hold in the end */
void users_settle(void);
void users_server_died(struct process *process);
bool users_settled(void);
void users_audit(const char *by, const char *verb, const char *object);
void users_check_content(const char *operation);

/* sim_plugins.c: the schedulers that ship, asked twice */
extern const struct orch_scheduler_v1 *sim_scheduler_spread, *sim_scheduler_binpack;
void sim_plugins_init(void);

/* check.c */
void check_instant(void); /* after every step */
void check_lost(struct server_process *server, const char *node);
void check_start(const struct cell *cell);
void check_stop(const struct host *host, const struct cell *cell, uint64_t grace_ns);
void check_remove(const struct host *host, const struct cell *cell);
void check_touch(const struct host *host, const struct cell *cell, const char *verb);
void check_settled(void);
void check_kept(struct host *host); /* the agent's file */
/* Has every word of it come in time since then, and has its proxy been up? Then it counts. */
bool host_is_steady_since(const struct host *host, uint64_t since_ns);
/* How long the leader has listened to it in vain: what it stood still for itself does not count. */
uint64_t host_silence_ns(const struct host *host);
bool converged(char *why, size_t bytes);

#endif
