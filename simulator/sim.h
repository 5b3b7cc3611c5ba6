/* The simulator's models: a whole cluster in one process, in simulated time, from a seed.
 *
 * The code that ships (server.c with its managers, the agents, probes, the link) runs on virtual
 * loops, one per process, so that a process can be stopped, slowed down, or killed between any two
 * of its turns. Everything around it is a model on the world's own loop: engines and what runs in
 * them, stores, the network, proxies, users, clocks. Nothing here asks the real clock, and nothing
 * walks a hash: a seed gives the same run everywhere, and `trace_hash` says so.
 *
 * One world per process of ours: `world` is a global because the models stand behind tables
 * (runtime, store, proxy feed) that hand back no context of ours.
 *
 * Who builds a world fills its options, hosts, judge and schedulers, then calls world_build. Two
 * do: tests/sim, which draws faults and judges what happens, and `orchestrator simulate`. */
#ifndef SIM_H
#define SIM_H

#include "agent/agent.h"
#include "base/clock.h"
#include "base/hash.h"
#include "deployment/deployment.h"
#include "loop/loop.h"
#include "node/messages.h"
#include "plugin/host.h"
#include "plugin/ops.h"
#include "plugin/runtime.h"
#include "proxy/feed.h"
#include "server.h"

enum { SITE_LIMIT = 48, SERVER_LIMIT = 2, SUSPECT_MS = 3000, LOST_MS = 15000 };

/* Streams of chance, one per purpose: switching one fault off does not move the others. */
#define SIM_STREAMS(X)                                                                             \
    X(OPTIONS)                                                                                     \
    X(USERS) X(ENGINE) X(APPS) X(NET) X(STORE) X(PROXY) X(TRAFFIC) X(PROCESS) X(CLOCK) X(SITES)
enum stream {
#define X(name) STREAM_##name,
    SIM_STREAMS(X)
#undef X
        STREAM_COUNT
};

/* name, strongest rate: per mille of the calls it may hit, or (times) seconds between two. */
#define SIM_FAULTS(X)                                                                              \
    X(ENGINE_SLOW, "engine-slow", 300)                                                             \
    X(ENGINE_HANG, "engine-hang", 30)                                                              \
    X(ENGINE_LATE, "engine-late", 30)                                                              \
    X(ENGINE_LOST_ANSWER, "engine-lost-answer", 150)                                               \
    X(ENGINE_REFUSE, "engine-refuse", 150)                                                         \
    X(ENGINE_TWICE, "engine-answers-twice", 100)                                                   \
    X(ENGINE_VANISH, "engine-vanish", 40)                                                          \
    X(ENGINE_EVENTS, "engine-events-lossy", 500)                                                   \
    X(ENGINE_RESTART, "engine-restart", 60)                                                        \
    X(ENGINE_NO_ADDRESS, "engine-no-address", 500)                                                 \
    X(PULL_FAIL, "pull-fail", 300)                                                                 \
    X(APP_SLOW, "app-slow", 500)                                                                   \
    X(APP_CRASH, "app-crash", 300)                                                                 \
    X(APP_EXIT, "app-exit", 100)                                                                   \
    X(APP_OOM, "app-oom", 200)                                                                     \
    X(APP_FLAP, "app-flap", 200)                                                                   \
    X(APP_STUCK, "app-stuck", 200)                                                                 \
    X(APP_IGNORES_TERM, "app-ignores-term", 300)                                                   \
    X(STORE_REFUSE, "store-refuse", 60)                                                            \
    X(STORE_UNKNOWN_BEFORE, "store-unknown-not-done", 40)                                          \
    X(STORE_UNKNOWN_AFTER, "store-unknown-done", 40)                                               \
    X(STORE_HEAD, "store-head-fails", 300)                                                         \
    X(STORE_SLOW, "store-slow", 100)                                                               \
    X(STORE_FULL, "store-full", 90)                                                                \
    X(STORE_CRASH, "crash-at-commit", 8)                                                           \
    X(NET_DELAY, "net-delay", 300)                                                                 \
    X(NET_CUT, "net-cut", 60)                                                                      \
    X(NET_CLOG, "net-clog", 60)                                                                    \
    X(NET_PARTITION, "net-partition", 90)                                                          \
    X(NET_SWIZZLE, "net-swizzle", 150)                                                             \
    X(NET_ZONE, "net-zone", 200)                                                                   \
    X(PROXY_SLOW, "proxy-slow", 200)                                                               \
    X(PROXY_CRASH, "proxy-crash", 60)                                                              \
    X(PROXY_LISTENER, "proxy-listener-taken", 200)                                                 \
    X(SERVER_CRASH, "server-crash", 60)                                                            \
    X(SERVER_STOP, "server-stopped", 90)                                                           \
    X(SERVER_TAKEOVER, "server-takeover", 120)                                                     \
    X(AGENT_CRASH, "agent-crash", 60)                                                              \
    X(AGENT_STOP, "agent-stopped", 90)                                                             \
    X(AGENT_FILE, "agent-file-lost", 200)                                                          \
    X(HOST_CRASH, "host-crash", 120)                                                               \
    X(DISK_SLOW, "agent-disk-slow", 100)                                                           \
    X(POOL_SLOW, "pool-slow", 100)                                                                 \
    X(CLOCK_STEP, "clock-step", 90)                                                                \
    X(CLOCK_DRIFT, "clock-drift", 50000)
enum fault {
#define X(id, name, most) FAULT_##id,
    SIM_FAULTS(X)
#undef X
        FAULT_COUNT
};

/* How long things take that are neither at fault nor ours: low to high, in units. */
struct pace {
    uint64_t unit_ns, low, high;
};
enum pace_of { PACE_LOOK, PACE_PULL, PACE_CALL, PACE_READY, PACE_TERM, PACE_COUNT };
uint64_t draw_pace(enum stream stream, enum pace_of what);

struct options {
    uint64_t rates[FAULT_COUNT]; /* 0: off */
    struct pace paces[PACE_COUNT];
    uint32_t hosts;
    uint64_t suspect_after_ns, lost_after_ns;
    const char *default_scheduler, *fallback_scheduler;
    uint32_t event_limit;
    bool buggify;
    bool proxies; /* modelled; else tables are acknowledged at once */
    bool files;   /* agents keep theirs, in the hosts' directories */
};
void options_usual_paces(struct options *options);

/* -- processes -- */

/* A process has a loop of its own, whose clock runs at its own rate. */
struct process {
    struct loop *loop; /* NULL: not running */
    uint64_t world_base_ns, local_base_ns;
    int64_t drift_ppm;
    uint64_t stopped_at_ns, stopped_until_ns; /* world time; until 0: it runs */
    bool running;                             /* in its turn */
    bool dying;                               /* killed: nothing of it leaves any more */
    uint64_t generation;                      /* counts its lives */
    char name[80];
    struct { /* turns.c: its place among those that wait */
        uint64_t at_ns;
        uint32_t index;
        bool stale;
    } turn;
};
void process_start(struct process *process, int64_t wall_ms, int64_t drift_ppm);
void process_finish(struct process *process); /* what lived on the loop has been destroyed */
uint64_t process_local(const struct process *process, uint64_t world_ns);
uint64_t process_next_ns(const struct process *process); /* world time */
void process_sync(struct process *process);              /* runs what is due by now */
bool process_runs(const struct process *process);
/* turns.c: when it is next due has changed. */
void process_stale(struct process *process);

struct server_process {
    struct process process;
    struct server *server;
    struct plugin_environment environment;
    struct op_table *ops;
    struct plugin_host store_host, scheduler_host;
    struct state_subscriber watch;
    bool opened, failed;
    uint64_t opened_at_ns;
};

/* -- the engine of a host -- */

enum { LABEL_LIMIT = 12, CALL_LIMIT = 256 };
enum app_way { APP_ENDS_NEVER, APP_ENDS_CRASH, APP_ENDS_EXIT, APP_ENDS_OOM };
struct app {
    uint64_t ready_at_ns, stuck_at_ns, flap_ns; /* 0: never */
    uint64_t term_ns;                           /* from SIGTERM to its end */
    bool ignores_term, ever_ready;
};
struct cell { /* one container of an engine */
    struct cell *next;
    struct host *host;
    char id[24], name[160], image[96], address[24];
    char keys[LABEL_LIMIT][48], values[LABEL_LIMIT][96];
    uint32_t label_count, state, flags;
    int32_t exit_code;
    int64_t created_ms, started_ms, finished_ms;
    uint64_t started_ns, finished_ns, term_ns, kill_at_ns;
    uint64_t asked_ns; /* when its start was asked for */
    int64_t ports[4];
    uint32_t port_count;
    bool foreign;
    bool known; /* the agent has been told that it runs */
    struct app app;
    struct loop_timer end; /* by itself, by SIGTERM or at the grace's end */
    enum app_way end_way;
    char record[80], deployment[64]; /* from its labels; "" when it is foreign */
    int64_t slot, incarnation;
};
struct sim_call;
struct engine {
    const struct orch_host *host; /* of the agent's process; NULL: none */
    uint64_t generation;          /* of the process its calls belong to */
    struct cell *cells;
    struct sim_call *calls;
    uint64_t next_id;
    struct orch_op events;
    bool down, live_restore;
    uint64_t down_since_ns;
    uint32_t operations; /* create, start, stop, remove under way */
    struct loop_timer trouble;
};

/* -- the proxy of a host -- */

enum { PROXY_SERVICES = 8, PROXY_ENDPOINTS = 96 };
struct proxy_endpoint {
    char id[80], address[24];
    bool draining, local, told;
    uint64_t draining_since_ns, cut_at_ns; /* a drain keeps the time that it began with */
    uint32_t in_flight;
    uint64_t served, failed;
};
struct proxy_table_service {
    char name[64];
    uint64_t drain_timeout_ns;
    uint32_t count;
    struct proxy_endpoint endpoints[PROXY_ENDPOINTS];
};
struct proxy_table {
    uint32_t count;
    struct proxy_table_service services[PROXY_SERVICES];
};
enum proxy_word_kind {
    WORD_CONNECTED = 1,
    WORD_ACKNOWLEDGED,
    WORD_DRAINED,
    WORD_LISTENER,
    WORD_COUNTERS
};
struct proxy_word { /* on its way to the agent */
    struct proxy_word *next;
    enum proxy_word_kind kind;
    uint64_t due_ns, numbers[3];
    bool yes;
    char service[64], endpoint[80];
};
struct sim_proxy {
    bool up;
    struct proxy_table fed;                  /* the agent's end: what was put */
    struct proxy_table now;                  /* what its workers have */
    uint64_t asked_version, applied_version; /* of the agent's present life */
    bool publish_asked, has_table;
    uint64_t asked_ns; /* since when */
    struct proxy_withdrawn {
        struct proxy_withdrawn *next;
        char id[80];
    } * withdrawn; /* takes effect with the next publication */
    struct feed_callbacks callbacks;
    struct proxy_word *words; /* in order */
    uint64_t last_word_ns;
    struct loop_timer words_due;
    uint64_t epoch; /* counts publications that took effect */
    uint64_t up_since_ns;
    struct loop_timer apply, turn, restart;
};

struct flow; /* net.c: one connection between an agent and a server */
struct sim_connection;
struct host {
    uint32_t index;
    char name[64];
    struct node_amounts capacity, reserved;
    struct list labels; /* map */
    struct process process;
    struct plugin_environment environment;
    struct op_table *ops;
    struct plugin_host runtime_host;
    struct runtime *runtime;
    struct agent *agent;
    char directory[64];
    int64_t wall_skew_ms;
    struct engine engine;
    struct sim_proxy proxy;
    struct flow *flow;
    uint64_t flow_ready_ns;    /* when it may connect again */
    bool unreachable;          /* partitioned */
    uint64_t word_ns;          /* last message of a server that reached its agent */
    uint64_t heard_ns;         /* last message of it that reached the leader */
    uint64_t heard_stalled_ns; /* world.stalled_ns then */
    bool unread;               /* one has come that a leader which stands still will read */
    uint64_t told_since_ns;    /* what the server sends comes at once since then; 0: not now */
    bool was_lost;
    uint64_t steady_since_ns; /* told everything, and never silent since; 0: not now */
    uint64_t draining_seen_ns;
    int64_t kept_fence;                       /* the highest seen in the agent's file */
    uint64_t boot_at_ns;                      /* off until then; 0: on */
    struct loop_timer connect, reunion, back; /* net.c, process.c */
    struct sim_connection *connections;       /* proxy.c */
};

/* -- who looks on -- */

/* Told of what happens, before it has effects where it is a call. Each may be left out. */
struct judge {
    void (*stepped)(void);
    /* engines */
    void (*called)(const struct host *host);
    void (*touched)(const struct host *host, const struct cell *cell, const char *verb);
    void (*started)(const struct cell *cell);
    void (*stopping)(const struct host *host, const struct cell *cell, uint64_t grace_ns);
    void (*removing)(const struct host *host, const struct cell *cell);
    void (*listed)(const struct cell *cell, bool answered);
    void (*completed)(orch_status status, bool again);
    /* servers */
    void (*soft_changed)(struct server_process *server, enum record_kind_id kind, const char *name);
    void (*applied)(struct server_process *server, const struct orch_store_txn *txn,
                    orch_status status);
    void (*server_died)(struct process *process);
    /* A report as it reaches the leader. */
    void (*reported)(const char *node, const struct report *report);
    /* proxies */
    void (*picked)(struct host *host, const struct proxy_table_service *service,
                   const struct proxy_endpoint *endpoint);
    void (*fed)(const struct host *host, const struct feed_service *service);
};
#define JUDGE(what, ...)                                                                           \
    do {                                                                                           \
        if (world.judge.what)                                                                      \
            world.judge.what(__VA_ARGS__);                                                         \
    } while (0)

/* -- the world -- */

enum phase { PHASE_SAFETY = 100, PHASE_HEALING, PHASE_QUIET };
struct world {
    uint64_t seed;
    struct options options;
    struct judge judge;
    /* Gives a new server its schedulers. */
    bool (*add_schedulers)(struct server_process *process, struct error *error);
    struct random_seeded streams[STREAM_COUNT];
    struct loop *loop; /* of the models */
    enum phase phase;
    struct server_process servers[SERVER_LIMIT];
    uint32_t leader;    /* index of the newest */
    struct host *hosts; /* options.hosts of them */
    bool traced;        /* else nothing is written down or hashed */
    uint64_t trace;
    uint64_t stalled_ns; /* for so long the leaders stood still and could hear nobody */
    uint64_t actions;    /* runtime calls that change something, and store batches */
    uint64_t steps;
    bool verbose;
    uint64_t verbose_from_ns;
    uint64_t hits[FAULT_COUNT];
    struct site { /* a fault site inside the code, as it was first asked */
        char name[32];
        uint64_t asked, hits;
        bool active; /* in this seed */
    } sites[SITE_LIMIT];
    char directory[48];
};
extern struct world world;
/* Says why and ends the program: what the world is made of does not stand. */
void world_broken(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

void world_seed(uint64_t seed); /* and its streams of chance */
uint64_t now_ns(void);
int64_t wall_ms(const struct host *host);
uint64_t draw(enum stream stream, uint64_t below); /* 0 when below is 0 */
uint64_t draw_between(enum stream stream, uint64_t low, uint64_t high);
uint64_t draw_around(enum stream stream, uint64_t mean); /* 0 .. about 3 times the mean */
/* Does that fault strike now? Only in the first phase. */
bool strikes(enum fault fault, enum stream stream);
bool faults_on(void);
void trace(char kind, const char *format, ...) __attribute__((format(printf, 2, 3)));
void trace_bytes(char kind, const char *label, const void *bytes, size_t length);
extern const char *const fault_names[FAULT_COUNT];

/* turns.c */
void world_hosts(uint32_t count); /* makes them, named node-1 and so on */
void world_build(void);           /* loop and models; nothing runs yet */
void world_run_until(uint64_t until_ns);

/* process.c */
void server_start(struct server_process *process);
void server_kill(struct server_process *process);
struct server_process *server_leader(void); /* the newest; may be dead */
bool server_serves(const struct server_process *process);
void agent_start(struct host *host);
void agent_kill(struct host *host);
/* All of it goes at once and is back by itself; or now, when it is booted before that. */
void host_crash(struct host *host, uint64_t away_ns);
void host_boot(struct host *host);
void processes_init(void);
void processes_heal(void);
void processes_bury(void); /* those that died in their own turn */
struct server_process *server_of_store(const void *store);

/* engine.c */
extern const struct orch_runtime_v1 sim_engine_table;
void engine_init(struct host *host);
void engine_add_foreign(struct host *host, const char *name, const char *cluster);
void engine_boot(struct host *host);
void engine_process_died(struct host *host);
void engine_heal(struct host *host);
void engine_host_died(struct host *host);
struct cell *engine_cell_of(const struct host *host, const char *record); /* a running one */
struct cell *engine_cell_at(const struct host *host, const char *address);
void cell_exit(struct cell *cell, int32_t code, uint32_t flags);

/* app.c */
void app_start(struct cell *cell);
void app_heal(struct cell *cell);
int32_t app_exec(struct cell *cell, const char *what);
bool app_ready(const struct cell *cell);
void app_signal(struct cell *cell, uint64_t grace_ns);

/* store.c */
extern const struct orch_store_v1 sim_store_table;
void store_init(void);

/* net.c */
void net_init(void);
void net_heal(void);
/* What the server says to that host comes late until then. */
void host_hold_up(struct host *host, uint64_t until_ns);
void net_process_died(struct process *process, bool host_died);

/* proxy.c */
void proxy_init(struct host *host);
void proxy_agent_died(struct host *host);
void proxy_heal(struct host *host);
void proxy_host_died(struct host *host);
struct proxy_endpoint *proxy_endpoint(struct host *host, const char *service_or_null,
                                      const char *id);
bool proxy_has_active(const struct host *host, const char *id);

/* clock.c */
void clock_init(void);
void clock_heal(void);

#endif
