/* Messages between the server and a node's agent. The same encoded text (JSON objects by these
 * field tables) goes through the in-process link and over HTTP.
 *
 * server -> agent: struct assignment (what this node shall run) and struct endpoint_table (what its
 * proxy shall publish). Both carry a version of their own counting from 1 at each connection; the
 * first of a connection is full (`full`), later ones name what changed only.
 * Each text is an object with one member: {"assignment": {...}}, {"table": {...}}, {"report":
 * {...}}. agent -> server: struct report. The first of a connection is full and is sent only after
 * the first complete list of the runtime. */
#ifndef NODE_MESSAGES_H
#define NODE_MESSAGES_H

#include "base/traffic.h"
#include "container/container.h"
#include "node/node.h"
#include "service/service.h"

/* -- server -> agent -- */
struct assigned_template {
    const char *id; /* "<deployment uid>/<revision>" */
    const char *deployment;
    int64_t revision;
    struct container_template template;
    const char *image_pinned; /* NULL: resolve by pulling; then report it */
    const char *hash;
};
enum assigned_intent {
    ASSIGNED_RUN = 1, /* keep it running, restart by policy */
    ASSIGNED_STOP,    /* it is out of every table: stop signal, grace, kill, remove, report gone */
    ASSIGNED_DRAIN    /* on its way out: leave it running, but don't restart it when it ends */
};
struct assigned_container {
    const char *id, *template_id;
    int64_t slot, revision;
    struct list ports;   /* struct container_port, host ports filled */
    int64_t incarnation; /* at least; the agent's own count may be higher */
    int64_t restarts;
    int64_t seq;    /* of the record's creation */
    uint8_t intent; /* enum assigned_intent */
    bool failed;
};
struct assignment {
    const char *cluster; /* uid; containers of another are never touched */
    int64_t fence;       /* a lower one than seen before is ignored */
    int64_t version;
    int64_t store_seq; /* labels with a newer seq and no record: quarantined */
    bool full;
    struct list templates;  /* struct assigned_template */
    struct list containers; /* struct assigned_container: new or changed (all, when full) */
    struct list removed;    /* of const char *: ids without a record */
    struct list images;     /* struct assigned_template: to be pulled once, and answered for */
};
struct published_endpoint {
    const char *container, *node, *address; /* "172.17.0.2" */
    int64_t port, weight;
    uint8_t state; /* enum endpoint_state: ACTIVE or DRAINING */
};
struct published_service {
    const char *name, *listen, *balancer, *balancer_config;
    uint8_t protocol;                        /* enum service_protocol */
    struct list hosts;                       /* of const char * */
    const char *path_prefix, *sticky_cookie; /* NULL: none */
    const char *certificate;                 /* by name; NULL: without TLS */
    int64_t policy_seed;
    uint64_t drain_timeout_ns, connect_timeout_ns, idle_timeout_ns;
    uint64_t slow_start_ns;
    int64_t max_connections; /* NUMBER_NULL: no limit */
    struct ejection ejection;
    struct hold hold;
    const struct maintenance_page *maintenance;
    const struct redirect *redirect;
    struct service_http http;
    struct list endpoints; /* struct published_endpoint: all of this service */
};
struct endpoint_table {
    int64_t fence, version;
    bool full;
    struct list services; /* struct published_service: new or changed, each whole */
    struct list removed;  /* of const char *: names */
};

/* -- agent -> server -- */
struct reported_container {
    const char *id;
    int64_t incarnation, restarts;
    uint8_t state; /* enum container_state: SCHEDULED .. FAILED */
    bool ready;
    const char *reason, *message, *address, *runtime_id;
    int64_t exit_code; /* NUMBER_NULL: none */
    int64_t started_at_ms, finished_at_ms, next_start_at_ms;
    int64_t start_failures; /* in a row: it could not be made or started */
    struct list ends;       /* struct container_end: those since the last report */
};
struct reported_image {
    const char *template_id, *image_pinned, *image_digest;
    const char *failure; /* the pull has failed, and why; NULL: it has not */
    bool refused;        /* then: not merely because the engine could not be asked */
};
struct reported_listener {
    const char *service;
    bool listening;
    const char *message;
};
struct reported_endpoint {           /* counters, since the proxy knows the endpoint */
    const char *service, *container; /* "": the service by itself */
    int64_t source;                  /* another where counting began anew under the same names */
    bool resumed; /* it is no traffic of just now: the proxy had counted before the agent came */
    int64_t in_flight;
    int64_t counts[TRAFFIC_KIND_COUNT];
    const char *latency; /* as histogram_write has it: buckets that have changed; NULL: none */
};
/* What a proxy leaves out of a service by what it sees on it. */
struct reported_ejection {
    const char *service, *container;
    bool out; /* false: it is back */
    const char *message;
    uint64_t time_ns; /* for how long */
};
/* Owed by every proxy for every endpoint published as DRAINING, also for one that it does not know:
 * its connections have ended, or drainTimeout has passed. */
struct reported_drain {
    const char *service, *container;
    int64_t cut;           /* connections closed at the deadline */
    int64_t table_version; /* holds as of this table; a word of an earlier one may be about a time
                            * before the endpoint was active once more */
};
struct report {
    const char *node;
    bool full;         /* all containers of ours that exist; what is missing does not */
    bool heartbeat;    /* nothing but that it lives */
    bool proxy_gone;   /* no proxy serves this node's tables now */
    bool runtime_down; /* its engine does not answer: what it said last is all that is known */
    const char *runtime_message;
    struct list node_record;    /* struct node: none or one; at the start of a connection */
    struct list containers;     /* struct reported_container */
    struct list gone;           /* of const char *: stopped and removed, or never there */
    struct list images;         /* struct reported_image */
    int64_t assignment_version; /* the last one kept on disk and acted on */
    int64_t table_version;      /* the last one that every worker of the proxy acknowledged */
    struct list listeners;      /* struct reported_listener: changed ones (all, when full) */
    struct list endpoints;      /* struct reported_endpoint */
    struct list ejections;      /* struct reported_ejection: changed ones (all, when full) */
    struct list drained;        /* struct reported_drain */
};
/* What a link carries: one of the three. Read by schema_read_stored, so unknown members are
 * ignored. */
struct message {
    const struct assignment *assignment;
    const struct endpoint_table *table;
    const struct report *report;
};
extern const struct type message_type;
extern const struct type assignment_type, endpoint_table_type, report_type, assigned_template_type,
    assigned_container_type, published_service_type;

#endif
