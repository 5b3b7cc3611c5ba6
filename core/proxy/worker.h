/* A worker thread: its loop, listeners, connections and balancer objects. Private to this folder.
 * Everything is [worker] unless tagged. */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include "proxy/impl.h"

struct buffer;
struct bulk_pipe;
struct udp_datagrams;
struct udp_port;
struct http_engine;
struct http_head;
struct http_routes;
struct tls_engine;
struct tls_names;

/* A balancer's worker object. It outlives its service's use of it until the last pick is reported.
 */
struct chooser {
    struct policy *policy;
    struct tally *tally; /* held */
    void *object;        /* NULL: plain turns */
    uint64_t turn;
    uint32_t outstanding; /* picks that have not been reported */
    bool retired;
};
struct worker_service {
    UT_hash_handle hh;
    uint64_t id, sequence; /* sequence: of the snapshot that had it last */
    struct view *view;     /* NULL: retired; it goes with its last connection */
    struct chooser *chooser;
    struct meter *meter; /* held */
    uint32_t connections;
    struct http_client *held;       /* requests that wait for an endpoint */
    uint32_t held_count, look_left; /* to be looked at, since there is another snapshot */
    int64_t share;                  /* of requests that others have too, what it is owed of them */
    uint64_t connect_timeout_ns, idle_timeout_ns;
    uint8_t protocol;
    bool tls;
};
struct worker_listener {
    struct worker_listener *next;
    struct worker *worker;
    struct worker_service *service;
    struct http_routes *routes;
    struct tls_names *names;
    struct listener *listener;
    struct udp_port *udp; /* of datagrams; NULL: connections */
    struct loop_io io;
    uint64_t sequence;
    uint32_t slot; /* in listener->fds */
};
struct worker {
    struct proxy *proxy;
    uint32_t index;
    pthread_t thread;
    bool started;
    struct loop *loop;
    const struct snapshot *snapshot;

    /* from the main thread */
    _Atomic(struct snapshot *) mail;
    atomic_bool woken, ending;
    struct loop_task wake_task;
    /* to the main thread */
    _Atomic uint64_t applied;
    atomic_uint connections;
    atomic_bool nudged;
    struct loop_task nudge_task;

    struct pulse pulse;
    struct loop_timer beat;
    struct worker_service *services;
    struct worker_listener *listeners;
    struct loop_timer accept_again;
    bool accepting;

    struct connection *all, *spare; /* spare: kept for the next */
    struct buffer *buffers;
    struct bulk_pipe *pipes;
    uint32_t spare_count, buffer_count, pipe_count;
    struct udp_port *udp_ports;
    struct udp_datagrams *datagrams; /* scratch; NULL: it has served none yet */
    uint64_t udp_seed;
    struct http_engine *http; /* NULL: it has served none yet */
    struct tls_engine *tls;   /* likewise */
    uint8_t *scratch;         /* what is read goes through here; nothing stays in it */
    uint64_t *tried;          /* bits of one pick */
    uint32_t tried_words;
};

/* worker.c */
bool workers_start(struct proxy *proxy, struct error *error);         /* main thread */
void workers_stop(struct proxy *proxy);                               /* main thread; joins */
void workers_free(struct proxy *proxy);                               /* main thread */
void workers_publish(struct proxy *proxy, struct snapshot *snapshot); /* main thread */
void workers_wake(struct proxy *proxy); /* main thread: look at the endpoints' orders */
uint64_t worker_applied(const struct proxy *proxy, uint32_t index); /* [any] */
uint64_t workers_connections(const struct proxy *proxy);            /* [any] */
void worker_nudge(struct worker *worker);
void worker_service_left(struct worker_service *service); /* a connection has ended */

/* accept.c */
void accept_take(struct worker *worker, const struct snapshot *snapshot);
void accept_pause(struct worker *worker);
void accept_resume(struct worker *worker); /* there is room again */
void accept_finish(struct worker *worker);

/* chooser.c */
struct chooser *chooser_create(struct worker *worker, struct policy *policy, struct tally *tally);
void chooser_update(struct worker *worker, struct chooser *chooser, struct view *view);
void chooser_retire(struct worker *worker, struct chooser *chooser);
struct picked {
    struct chooser *chooser; /* NULL: nothing picked */
    uint64_t generation, scratch;
    uint32_t index;
    bool by_plugin; /* else in turn */
    bool counted;   /* against the service's limit */
    bool full;      /* nothing is picked because of it */
};
/* What an endpoint may be chosen by. */
struct pick_keys {
    const struct sockaddr *source;
    const struct http_head *head; /* NULL: not of a request */
    const uint8_t *bytes;         /* the head's */
    uint64_t preferred;           /* an endpoint by chooser_ticket; 0: none */
};
/* What a client is told of its endpoint: the same on every node, and nobody else's number. */
uint64_t chooser_ticket(const struct policy *policy, const struct endpoint *endpoint);
/* The endpoint, held, and counted as in flight; NULL: none. Each one is to be given to
 * chooser_report once. */
struct endpoint *chooser_pick(struct worker *worker, struct worker_service *service,
                              const struct pick_keys *keys, struct endpoint *const *tried,
                              uint32_t tried_count, struct picked *picked);
void chooser_report(struct worker *worker, struct picked *picked, struct endpoint *endpoint,
                    uint32_t outcome, uint64_t latency_ns);

/* connection.c */
void connection_begin(struct worker_listener *listener, int take_fd,
                      const union socket_address *source);
struct arrival;
void connection_serve(const struct arrival *arrival); /* after its handshake, if it has one */
/* Carries out an endpoint's order on this worker's connections. */
void connection_obey(struct worker *worker, struct endpoint *endpoint);
void connection_finish(struct worker *worker); /* closes all, frees what is kept */

#endif
