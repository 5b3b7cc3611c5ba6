/* The agent's own data. Private to this folder. */
#ifndef AGENT_IMPL_H
#define AGENT_IMPL_H

#include "agent/agent.h"
#include "health/backoff.h"
#include "health/health.h"
#include "node/messages.h"
#include "plugin/runtime.h"
#include "proxy/feed.h"

#include <uthash.h>

#define LABEL_CLUSTER "orchestrator.cluster"
#define LABEL_CONTAINER "orchestrator.container"
#define LABEL_INCARNATION "orchestrator.incarnation"
#define LABEL_SPEC "orchestrator.spec"
#define LABEL_SEQ "orchestrator.seq"
#define LABEL_DEPLOYMENT "orchestrator.deployment"
#define LABEL_SLOT "orchestrator.slot"

/* A call to the runtime that is under way: the first member of what its callback is given. */
struct pending {
    struct pending *next, **link;
    struct agent *agent;
    uint64_t call;
    void (*drop)(struct pending *pending); /* frees it when it is abandoned; NULL: free() */
};

/* A template as assigned, and its image. Counted by its units. */
enum image_state { IMAGE_UNKNOWN = 1, IMAGE_PULLING, IMAGE_RESOLVED, IMAGE_FAILED };
struct template
{
    UT_hash_handle hh;
    struct agent *agent;
    struct arena arena;
    struct assigned_template data;
    uint32_t users;
    enum image_state image;
    char *pinned, *digest;
    bool to_report;
    bool held;    /* one of its users is the server, which waits for its image */
    bool refused; /* the last pull failed, and not merely for want of an engine */
    uint32_t failures;
    char reason[48], message[240];
    struct loop_timer retry;
    char id[96];
};

enum unit_phase {
    UNIT_UNKNOWN = 1, /* before the first complete list */
    UNIT_NEW,         /* to be made */
    UNIT_MAKING,      /* create, then start, under way */
    UNIT_RUNNING,
    UNIT_STOPPING, /* the stop call is under way */
    UNIT_ENDED,    /* its process ended; what follows depends on policy and intent */
    UNIT_REMOVING, /* the remove call is under way: it is on its way out for good */
    UNIT_FAILED,   /* for good */
    UNIT_VANISHED  /* removed behind our back; kept, then reported: the server makes another */
};
enum unit_call { CALL_NONE = 0, CALL_MAKE, CALL_STOP, CALL_REMOVE };

/* One container of this node. */
struct unit {
    UT_hash_handle hh;
    struct agent *agent;
    struct template *template;
    enum unit_phase phase;
    uint8_t intent; /* enum assigned_intent */
    int64_t slot, revision, seq, incarnation, wanted_incarnation, restarts;
    int64_t found; /* in the list that is being taken: the incarnation that the engine has */
    struct list ports;
    struct arena arena; /* ports */
    uint64_t saved_by;  /* the save that must be on disk before anything is made */
    bool was_ready;     /* kept from before a restart of the daemon */
    bool ready;
    bool stop_then_restart; /* a liveness failure or a restart asked for: stop, then make anew */
    bool dirty;             /* to be reported */
    bool touched;           /* the engine spoke of it while it was being made */
    bool gone_said;         /* vanished, and a server may know: never made anew by us alone */
    bool end_told;          /* this end is known to the server, from before a restart of ours */
    bool name_taken;        /* when it was last made: the next list says what becomes of that one */
    bool adopted;           /* what has the name is this one: it is started, not made */
    struct health *health;
    struct backoff backoff;
    bool ever_ready;
    uint64_t running_since_ns;
    bool let_go;                        /* it is to stop: taken from the local table */
    uint64_t barrier, barrier_since_ns; /* the feed's version to be acknowledged, since when */
    int64_t started_at_ms, finished_at_ms, next_start_at_ms, exit_code;
    struct loop_timer restart;
    enum unit_call call; /* queued or under way */
    struct unit *next_call;
    uint64_t changed_list; /* complete lists begun up to this one may not know its present state */
    uint64_t seen_list;    /* the last complete list that it was in */
    uint32_t start_failures, call_failures;
    char id[80], runtime_id[80], previous_id[80], address[48], reason[48], message[240];
};

/* A service as the server publishes it. */
struct fed_drain { /* an endpoint that the proxy is fed as DRAINING */
    UT_hash_handle hh;
    uint64_t since; /* the feed's version that first said so */
    bool drained;   /* the proxy holds nothing on it, and says so only once */
    char container[80];
};
struct table_entry {
    UT_hash_handle hh;
    struct arena arena;
    struct published_service service;
    bool dirty;
    struct fed_drain *drains;
    bool listener_known, listener_dirty, listening; /* what the proxy said of its listener */
    char name[64], listener_message[160];
};
struct ejected_note { /* an endpoint that the proxy leaves out, or has just taken back */
    struct ejected_note *next;
    bool out, dirty;
    uint64_t time_ns;
    char service[64], container[80], message[160];
};
struct drained_note {
    struct drained_note *next;
    struct reported_drain drain; /* strings owned */
};
struct gone_note { /* stopped and removed */
    struct gone_note *next;
    uint64_t saved_by; /* a restart of ours must not make again what was said to be gone */
    char id[80];
};
struct figure { /* what the proxy has counted since the last report */
    UT_hash_handle hh;
    char key[192], service[64], container[80];
    int64_t source, in_flight;
    bool resumed;
    struct traffic totals; /* buckets: those that have changed since */
};
struct end_note { /* an end whose last lines are known, or given up on */
    struct end_note *next;
    char id[80];
    struct arena arena;
    struct container_end end;
};

struct agent {
    struct agent_config config;
    struct loop *loop;
    struct runtime *runtime;
    struct link_end *link;
    bool full_assignment, listed, runtime_up, introduced, full_sent;
    char runtime_message[240];
    struct node node; /* what it says of its host */
    struct arena node_arena;
    uint32_t max_operations;
    /* desired */
    char cluster[ID_UID_BYTES];
    int64_t fence, assignment_version, store_seq;
    struct unit *units;
    struct template *templates;
    struct probe_figures probes;
    /* calls */
    struct unit *calls, *calls_last;
    uint32_t calls_in_flight, makes_left; /* makes queued or under way */
    bool pumping;
    struct pending *pending;
    /* observing */
    uint64_t list_id, list_count, events_id;
    bool list_wanted;
    uint64_t list_wanted_since_ns;
    struct text touched; /* runtime ids to be asked for, each terminated by a NUL */
    bool asking;
    struct loop_timer list_timer, events_timer, info_timer, ask_timer;
    struct stray *strays;
    uint32_t stray_count;
    bool strays_left; /* the brake held some back: list again when those under way are gone */
    /* keeping */
    uint64_t save_wanted, save_done;
    struct saving *saving;
    struct loop_timer save_timer;
    /* tables */
    struct table_entry *table;
    int64_t table_version, table_acknowledged;
    uint64_t feed_version, feed_acknowledged;
    struct version_map {
        uint64_t feed;
        int64_t table;
    } versions[64];
    uint32_t version_count;
    bool table_dirty, table_fed, proxy_gone;
    uint64_t freed_barrier, freed_since_ns; /* of the latest address that came free */
    struct loop_timer table_timer;
    /* reporting */
    struct loop_timer report_timer, heartbeat;
    bool report_dirty;
    struct drained_note *drained;
    struct figure *figures;
    struct ejected_note *ejected;
    struct end_note *end_notes;
    struct gone_note *gone;
};

/* unit.c */
struct unit *unit_create(struct agent *agent, const struct assigned_container *assigned);
void unit_destroy(struct unit *unit);
void unit_look(struct unit *unit); /* the next step; none when all is as wanted */
/* `list`: the number of the complete list that said so; 0: of one about this container. */
void unit_observe(struct unit *unit, const struct orch_container_view *view, uint64_t list);
void unit_absent(struct unit *unit); /* a list that must know it does not */
void unit_set(struct unit *unit, enum unit_phase phase, const char *reason, const char *message);
/* What a list shows under its name, after a create that found the name taken. */
void unit_take_namesake(struct unit *unit, const char *runtime_id, bool same_spec);
void unit_made(struct unit *unit, const struct orch_started *started);
void unit_make_failed(struct unit *unit, orch_status status, const char *message);
void unit_stopped(struct unit *unit);
void unit_removed(struct unit *unit);
void unit_revive(struct unit *unit); /* vanished, and wanted again */
const struct container_template *unit_template(const struct unit *unit);
uint8_t unit_state(const struct unit *unit); /* enum container_state */

/* operations.c: bounded, fair */
void call_queue(struct unit *unit, enum unit_call call);
void call_unqueue(struct unit *unit);
void call_pump(struct agent *agent);
void pending_add(struct agent *agent, struct pending *pending);
void pending_end(struct pending *pending); /* its callback has come */
void pending_drop_all(struct agent *agent);
void stray_remove(struct agent *agent, const char *runtime_id, bool running);
bool stray_brake(struct agent *agent); /* true: no more at a time; a list follows */
void stray_finish_all(struct agent *agent);

/* images.c */
bool image_resolved(struct template *template); /* begins to resolve it if need be */
struct template *template_find(struct agent *agent, const char *id);
struct template *template_put(struct agent *agent, const struct assigned_template *data);
void template_release(struct template *template);
void template_hold(struct agent *agent, const struct assigned_template *data);
void template_look_held(struct agent *agent);      /* begins what is to be pulled */
void template_answered(struct template *template); /* what it is held for has been reported */
void template_free_all(struct agent *agent);

/* observe.c */
void observe_init(struct agent *agent);
void observe_start(struct agent *agent); /* once the cluster is known */
void observe_stop(struct agent *agent);
void observe_want_list(struct agent *agent);
void observe_one(struct agent *agent, const char *runtime_id); /* with others of this turn */

/* keep.c */
void keep_load(struct agent *agent);
uint64_t keep_save(struct agent *agent); /* the number that save_done must reach */
void keep_finish(struct agent *agent);

/* ejected.c: what the proxy leaves out */
void figures_note(void *agent, const struct feed_counters *counters);
void figures_fill(struct agent *agent, struct report *report, struct arena *arena);
void figures_told(struct agent *agent); /* forgets them */
void ejected_take(void *agent, const char *service, const char *endpoint, bool out, const char *why,
                  uint64_t time_ns);
void ejected_proxy_changed(struct agent *agent); /* another one tells what it leaves out */
void ejected_fill(struct agent *agent, struct report *report, struct arena *arena);
void ejected_told(struct agent *agent);
void ejected_finish(struct agent *agent);
/* tables.c */
void table_take(struct agent *agent, const struct endpoint_table *table);
void table_drop(struct unit *unit); /* sets the barrier: nothing is made before it is passed */
void table_unit_changed(struct unit *unit);
bool table_passed(const struct unit *unit);
/* Has the local proxy let go of every address that came free? Anything that starts may be given
 * one. */
bool table_addresses_free(const struct agent *agent);
void table_init(struct agent *agent);
void table_finish(struct agent *agent);

/* report.c */
void report_arrange(struct agent *agent);
void report_unit(struct unit *unit);
void report_gone(struct agent *agent, const char *id); /* once the file no longer has it */
void report_saved(struct agent *agent);                /* what has waited for it can be said */
void report_end(struct unit *unit, const struct orch_container_view *view, const char *reason);
void report_finish(struct agent *agent);
void report_due(void *agent);
void heartbeat_due(void *agent);

void agent_look_all(struct agent *agent);
void agent_runtime_is(struct agent *agent, bool up, const char *message);
struct unit *agent_unit(struct agent *agent, const char *id);
void assign_take(struct agent *agent, const struct assignment *assignment);

#endif
