/* What the data plane is made of. Private to this folder.
 *
 * The main thread owns services, policies and snapshots; a snapshot is immutable once published.
 * A worker says which it uses (`applied`), and what is older than every worker's is freed by the
 * main thread, so that nothing of it needs a count that threads share. Endpoints outlive snapshots:
 * connections hold them by an atomic count. */
#ifndef PROXY_IMPL_H
#define PROXY_IMPL_H

#include "base/clock.h"
#include "base/text.h"
#include "plugin/registry.h"
#include "proxy/channel.h"
#include "proxy/feed.h"
#include "proxy/http_settings.h"
#include "proxy/meter.h"
#include "proxy/outlier.h"
#include "proxy/proxy.h"

#include <orchestrator/balancer.h>

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <uthash.h>

struct certificate;
struct connection;
struct http_client;
struct udp_session;
struct http_upstream;
struct leaver;
struct snapshot;

/* The sign of life of one thread: another looks at it. */
struct pulse {
    _Atomic uint64_t beat;
    _Atomic(const char *) inside; /* the plugin that is being called; NULL: none */
    uint64_t seen;                /* the other thread's */
    uint32_t missed;
};
enum { PULSE_MS = 250, PULSE_LIMIT = 12 }; /* looks without a beat */
/* Ends the process once the other thread has missed PULSE_LIMIT looks in a row. Looks are counted,
 * not time: a process that was stopped as a whole has missed none. */
void pulse_check(struct pulse *pulse, const char *thread);
static inline void pulse_enter(struct pulse *pulse, const char *plugin)
{
    atomic_store_explicit(&pulse->inside, plugin, memory_order_relaxed);
}
static inline void pulse_beat(struct pulse *pulse) /* by its own thread only */
{
    uint64_t beat = atomic_load_explicit(&pulse->beat, memory_order_relaxed);
    atomic_store_explicit(&pulse->beat, beat + 1, memory_order_relaxed);
}
/* A thread that comes back from plugins lives, however many of them it calls in a row. */
static inline void pulse_leave(struct pulse *pulse)
{
    atomic_store_explicit(&pulse->inside, NULL, memory_order_relaxed);
    pulse_beat(pulse);
}

/* -- endpoints -- */
/* DONE: sessions of datagrams that had their answer. */
enum endpoint_order { ORDER_NONE = 0, ORDER_CUT_DONE, ORDER_CUT_QUIET, ORDER_CUT_ALL };
union socket_address {
    struct sockaddr any;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
};
/* A worker's dealings with an endpoint; only that worker looks at it. */
struct endpoint_lane {
    struct connection *connections;
    struct http_client *exchanges; /* requests that it has */
    struct http_upstream *idle;    /* connections without one, the newest first */
    struct udp_session *sessions;
    uint32_t idle_count;
    bool closed;                /* it gets no more requests */
    _Atomic uint64_t good, bad; /* answers; failures. Read by the main thread too */
} __attribute__((aligned(64)));
struct endpoint {
    struct orch_endpoint_cell cell;
    _Atomic uint64_t cut;
    struct meter *meter; /* held */
    struct outlier outlier;
    atomic_uint references;
    _Atomic uint8_t order; /* enum endpoint_order: what workers are to do with its connections */
    atomic_bool watched;   /* the main thread waits for its last connection */

    /* never changes */
    char *id;
    uint64_t id_hash;
    char *address_text;
    uint16_t port;
    union socket_address address;
    socklen_t address_bytes; /* 0: it was no numeric address, and connecting fails */

    /* main thread */
    uint32_t weight;
    uint8_t state, wanted_state; /* enum feed_endpoint_state; wanted: as put, until merged */
    bool local, told_drained;
    bool slow; /* its weight grows, since: */
    uint64_t slow_since_ns;
    uint64_t draining_sequence, deadline_ns, quiet_ns; /* sequence UINT64_MAX: not published yet */
    struct service *service;                           /* while it drains */
    struct endpoint *draining_next, *draining_prev;

    struct endpoint_lane lanes[]; /* one a worker */
};
struct endpoint *endpoint_create(const char *id, const char *address, uint16_t port,
                                 uint32_t workers);
struct endpoint *endpoint_hold(struct endpoint *endpoint); /* [any] */
void endpoint_release(struct endpoint *endpoint);          /* [any] */

/* -- limits: what all workers have of one service together -- */
struct tally {
    atomic_uint references, in_flight;
};
struct tally *tally_hold(struct tally *tally); /* [any]; NULL: makes one */
void tally_release(struct tally *tally);       /* [any] */

/* -- policies: a balancer's object for one service -- */
struct policy {
    const struct orch_balancer_v1 *table; /* NULL: turns, when no plugin is fit */
    void *object;
    const char *name, *label; /* of the balancer; of its plugin, for the log */
    struct orch_balancer_wants wants;
    uint64_t policy_seed;
    uint32_t references;  /* main thread */
    atomic_uint choosers; /* of workers */
    atomic_bool failed;   /* a worker saw it break a rule; the fallback takes over */
    struct policy *next;  /* of all, until freed */
};

/* -- what is published -- */
/* A service as one snapshot has it; shared by snapshots as long as nothing of it changes. */
struct route { /* which requests a service means, and what it does for them; strings */
    char **hosts;
    uint32_t host_count;
    char *prefix;
    char *sticky;     /* "": none; a cookie that tells a client's endpoint */
    uint64_t hold_ns; /* how long a request waits for a ready endpoint */
    uint32_t hold_most;
    char *page_type, *page;                                /* of 503; "": a sentence */
    uint16_t redirect_status;                              /* 0: requests are served */
    char *redirect_scheme, *redirect_host, *redirect_path; /* "": the request's */
};
struct view {
    uint32_t references; /* main thread */
    uint64_t service_id;
    char *name;
    struct policy *policy;
    void *table;
    struct orch_endpoints endpoints; /* what may be picked */
    struct orch_endpoint *items;
    struct endpoint **picked;   /* by the items' index */
    struct endpoint **draining; /* and those left out: these count for orders only */
    uint32_t draining_count;
    struct route route;
    struct http_settings *http; /* held */
    uint64_t connect_timeout_ns, idle_timeout_ns;
    struct certificate *certificate; /* held; NULL with `tls`: handshakes fail */
    struct tally *tally;             /* held */
    struct meter *meter;             /* held */
    uint32_t max_connections;        /* 0: no limit */
    uint8_t protocol;                /* enum feed_protocol */
    bool tls;
};
struct listener {
    char *address;
    uint32_t references; /* main thread: snapshots, and the table */
    uint32_t fd_count;
    int *fds;       /* number i is worker i % workers's, which closes it */
    uint8_t used;   /* enum feed_protocol of whom it serves; 0: nobody */
    bool datagrams; /* of UDP */
    bool used_tls;  /* with it */
};
struct snapshot {
    uint64_t sequence, version; /* version: the feed's; 0: none of this feed yet */
    struct view **views;
    uint32_t view_count, listener_count;
    struct {
        struct listener *listener;
        uint32_t view;
    } * listeners;         /* one several times, where requests tell its services apart */
    bool leaves_queues;    /* another proxy serves what has connected to closed listeners */
    struct snapshot *next; /* newer */
};

/* -- services, on the main thread -- */
struct service {
    UT_hash_handle hh;
    uint64_t id;
    char *name, *listen, *balancer, *balancer_config;
    char *certificate; /* by name; "": without TLS */
    uint8_t protocol;
    struct route route;
    uint64_t policy_seed, drain_timeout_ns, connect_timeout_ns, idle_timeout_ns, slow_start_ns;
    uint32_t max_connections;
    struct feed_ejection ejection;
    struct http_settings *http;  /* held */
    uint64_t rate_due_ns;        /* the end of the interval that failures are counted in */
    struct endpoint **endpoints; /* ordered by id */
    uint32_t endpoint_count;
    struct policy *policy;
    struct view *view;
    struct tally *tally; /* held */
    struct meter *meter; /* held; of the service by itself */
    bool changed;        /* since the view */
    bool stale;          /* not put since FULL */
    bool removed;        /* its connections are drained, then it goes */
};
/* A SERVICE packet and its ENDPOINTS, until complete. */
struct staged {
    struct service *service;
    struct endpoint **endpoints;
    uint32_t count, expected;
};

/* By the name that services call it. */
struct named_certificate {
    struct named_certificate *next;
    struct certificate *certificate; /* held */
    bool stale;                      /* not put since FULL */
};

struct worker;

struct proxy {
    struct loop *loop;
    struct proxy_config config;
    char *user;
    uint32_t worker_count;
    struct worker *workers;
    uint32_t connections_per_worker;

    /* table.c, publish.c */
    struct service *services;
    struct staged staged;
    struct named_certificate *certificates;
    struct listener **listeners;
    uint32_t listener_count;
    uint64_t next_service_id, next_sequence, generation;
    struct snapshot *oldest, *newest;
    uint64_t version, acknowledged;
    struct endpoint *draining;
    struct loop_timer drain_timer, slow_timer, outlier_timer;
    atomic_bool suspects;  /* a worker has marked an endpoint */
    bool ejections_untold; /* a feed is owed them once it has published */

    /* balancer.c */
    struct plugin_environment environment;
    struct plugin_registry *registry;
    struct policy *policies;
    char *fallback;

    /* feeder.c */
    struct loop_io socket;
    struct channel *feeder; /* NULL: unfed */
    bool greeted;
    bool orderly; /* the last feed said that it ends */
    uint64_t unfed_since_ns;
    struct loop_timer counters;
    struct leaver *leavers;
    uint64_t next_source; /* of meters */

    /* proxy.c */
    struct loop_timer tick;
    bool stopping;
    uint64_t stop_deadline_ns;
    struct pulse pulse;
};

/* table.c: what the feed says */
void table_service(struct proxy *proxy, struct wire_reader *reader);
void table_endpoints(struct proxy *proxy, struct wire_reader *reader);
void table_remove(struct proxy *proxy, const char *name);
void table_withdraw(struct proxy *proxy, const char *id); /* of an endpoint */
void table_full(struct proxy *proxy);
void table_remove_stale(struct proxy *proxy);
void table_free_service(struct proxy *proxy, struct service *service);
void table_listener(struct proxy *proxy, const char *address, const int *take_fds, size_t count);
struct listener *table_find_listener(const struct proxy *proxy, const char *address);
void table_drop_listeners(struct proxy *proxy, bool all); /* else: those that nobody uses */
void table_finish(struct proxy *proxy);
void listener_release(struct listener *listener);
void route_copy(struct route *to, const struct route *from);
void route_finish(struct route *route);

/* certificates.c */
void certificates_put(struct proxy *proxy, const char *name, int fd); /* fd stays the caller's */
struct certificate *certificates_find(const struct proxy *proxy, const char *name); /* borrowed */
void certificates_full(struct proxy *proxy);
void certificates_drop(struct proxy *proxy, bool all); /* else: stale ones */

/* publish.c */
void publish_version(struct proxy *proxy, uint64_t version);
void publish_now(struct proxy *proxy); /* what has changed since, under the same version */
uint64_t
publish_applied(const struct proxy *proxy); /* the sequence that every worker has reached */
void publish_look(struct proxy *proxy, uint64_t applied); /* acknowledges and collects */
void publish_new_feed(struct proxy *proxy);
void publish_finish(struct proxy *proxy); /* no worker runs any more */
void view_release(struct view *view);

/* drain.c */
void drain_begin(struct proxy *proxy, struct service *service, struct endpoint *endpoint);
void drain_end(struct proxy *proxy, struct endpoint *endpoint);
void drain_published(struct proxy *proxy, uint64_t sequence);
/* True: services have gone; publish. What it tells is about what has been acknowledged. */
bool drain_look(struct proxy *proxy, uint64_t applied);
void drain_forget_told(struct proxy *proxy); /* a new feed is owed every word again */

/* balancer.c */
void balancer_init(struct proxy *proxy);
void balancer_finish(struct proxy *proxy);
void balancer_load(struct proxy *proxy, const char *name, int take_fd);
struct policy *policy_create(struct proxy *proxy, const struct service *service);
void policy_release(struct policy *policy); /* NULL is fine */
void policy_build(struct proxy *proxy, struct view *view, struct service *service);
bool policy_look(struct proxy *proxy); /* frees ended ones; true: a failed one was replaced */

/* feeder.c */
void feeder_init(struct proxy *proxy);
void feeder_leave(struct proxy *proxy); /* no feed is heard or accepted any more */
void feeder_acknowledge(struct proxy *proxy, uint64_t version);
void feeder_ejected(struct proxy *proxy, const char *service, const char *endpoint, bool out,
                    const char *why, uint64_t time_ns);
void feeder_drained(struct proxy *proxy, const char *service, const char *endpoint, uint64_t cut);

/* counters.c */
void counters_init(struct proxy *proxy);
void counters_finish(struct proxy *proxy);
void counters_drop_leavers(struct proxy *proxy);              /* untold */
void counters_name(struct proxy *proxy, struct meter *meter); /* a new one */
void counters_tell(struct proxy *proxy, const char *service, struct endpoint *endpoint); /* now */
/* It leaves the table; what workers count in it until they have let go of it is told, too. */
void counters_leave(struct proxy *proxy, const char *service, const char *endpoint,
                    struct meter *meter);
void counters_forget_told(struct proxy *proxy);

/* proxy.c */
void proxy_settle(struct proxy *proxy); /* after anything that a worker or the feed told */
void proxy_replaced(struct proxy *proxy);

#endif
