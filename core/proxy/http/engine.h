/* The engine of `protocol: http`. Private to the proxy; all [worker].
 *
 * A client's connection carries one exchange at a time: a request's head is read whole, an endpoint
 * picked for it, a connection to that endpoint taken from its pool or made, and the reply passed
 * back; then the next request is looked at. client.c reads and ends clients, exchange.c takes
 * requests to endpoints, reply.c takes replies back, upstream.c keeps connections to endpoints.
 *
 * Nothing of a client is freed while one of its functions is on the stack: what ends it sets
 * HTTP_GONE, and whoever was called by the loop calls http_settle last. */
#ifndef PROXY_HTTP_ENGINE_H
#define PROXY_HTTP_ENGINE_H

#include "base/id.h"
#include "proxy/connection.h"
#include "proxy/http/chunks.h"
#include "proxy/http/head.h"
#include "proxy/http/write.h"

#include <sys/uio.h>

enum {
    HTTP_INTAKE_BYTES = 32 * 1024, /* holds any head */
    HTTP_READ_BYTES = 62 * 1024,   /* at once: with what a head gains it fits in one buffer */
};
#define HTTP_HEAD_NS (10 * NS_PER_SECOND)       /* for a whole head, from its first byte */
#define HTTP_POOLED_NS (4 * NS_PER_SECOND)      /* idle; shorter than what servers grant (5 s) */
#define HTTP_LINGER_NS (1 * NS_PER_SECOND)      /* for a client to close after the last reply */
#define HTTP_BODY_GRACE_NS (20 * NS_PER_SECOND) /* of waiting for a request's body, and besides */
enum { HTTP_BODY_RATE = 512 };                  /* bytes for each second waited */

/* A head while it is read, and what came after it. */
struct http_intake {
    struct http_intake *next; /* spare */
    uint32_t at, end;         /* what is not used yet */
    struct http_head head;    /* at the first byte */
    uint8_t bytes[HTTP_INTAKE_BYTES];
};

enum http_body_kind { BODY_NONE = 0, BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_CLOSE };
struct http_body {
    uint8_t kind; /* enum http_body_kind */
    bool done;
    uint64_t left;
    struct http_chunks chunks;
};

struct http_upstream {
    struct http_upstream *next, *prev;           /* idle: of the endpoint, newest first */
    struct http_upstream *idle_next, *idle_prev; /* idle: of the worker, oldest first */
    struct worker *worker;
    struct endpoint *endpoint;  /* held */
    struct http_client *client; /* NULL: idle */
    struct http_intake *in;     /* a reply's head that came in pieces */
    struct buffer *out;         /* of the request, what it did not take at once */
    struct loop_io io;
    uint64_t idle_since_ns;
    int fd;
    bool connecting;
    bool reused; /* it has carried a request before */
    bool broken; /* it takes nothing any more; its reply still counts */
};

enum http_state {
    HTTP_READING = 1, /* a head, or nothing yet */
    HTTP_HELD,        /* until an endpoint is ready */
    HTTP_CONNECTING,
    HTTP_EXCHANGE,
    HTTP_ENDING, /* the last reply is on its way, or what still comes is dropped */
    HTTP_GONE,
};
struct http_client {
    struct http_client *next, *prev;           /* of the endpoint, on this worker */
    struct http_client *all_next, *all_prev;   /* of the worker; all_next: spare ones too */
    struct http_client *held_next, *held_prev; /* of the service */
    struct worker_service *held_by;            /* NULL: it is not held */
    uint64_t hold_until_ns;                    /* 0: it has not been held yet */
    struct worker *worker;
    struct worker_service *service; /* of its last request */
    struct http_routes *routes;     /* held */
    struct loop_io io;
    struct loop_timer timer;
    uint64_t deadline_ns; /* the timer may fire before */
    struct http_intake *in;
    struct buffer *out; /* of replies, what the client did not take at once; or, of a large body, */
    struct bulk bulk;
    struct tls *tls; /* NULL: plain */
    int fd;
    struct http_crowd *crowd; /* NULL: connections of its address are not counted */
    uint8_t state;            /* enum http_state */
    uint8_t method_id;
    bool old;        /* of HTTP/1.0 */
    bool closing;    /* no request is read after this one */
    bool ended;      /* its FIN has been read */
    bool shut;       /* it has ours */
    bool lingers;    /* it may still send: its connection is not closed at once */
    bool head_begun; /* and the time for the whole of it runs */

    /* the exchange */
    struct endpoint *endpoint; /* held while picked */
    struct picked picked;
    struct http_upstream *upstream;
    struct endpoint *tried[TRIED_LIMIT]; /* held */
    uint8_t tried_count;
    bool retried;       /* after a request that had been sent */
    bool late;          /* the last endpoint could not be connected to in time */
    bool fresh;         /* no connection of the pool any more */
    bool streamed;      /* more of the body has been sent than the intake holds */
    bool replied;       /* the client has got bytes of a final reply */
    bool upgrades;      /* it asked for another protocol */
    bool reply_closes;  /* the endpoint's connection ends with the reply */
    bool encodes;       /* the reply is chunked by us */
    uint8_t full_reads; /* in a row, of the reply's body */
    uint8_t interims;   /* heads before the reply's own */
    uint16_t status;
    uint32_t prefix_at, prefix; /* of the body, in the intake */
    struct http_body request, reply;
    uint64_t ticket;                          /* that it came with; 0: none */
    bool counts;                              /* a request is under way: its end is to be counted */
    uint64_t started_ns, bytes_in, bytes_out; /* of the whole request */
    uint64_t begun_ns, latency_ns, waiting_since_ns, waited_ns, body_bytes;

    union socket_address source;
    struct http_client_facts facts;
};

/* A worker's; made with its first client. */
struct http_engine {
    struct http_client *all, *spare;
    struct http_intake *intakes;
    struct http_upstream *idle, *spare_upstreams;
    uint32_t spare_count, intake_count, spare_upstream_count;
    struct http_crowd *crowds; /* by address */
    struct loop_timer idle_timer, held_timer;
    struct random_seeded random;
    uint64_t date_second; /* of the loop's clock, when it was written: */
    char date[HTTP_DATE_BYTES];
    struct http_head head; /* of a reply that came whole, of trailers */
    uint8_t written[HTTP_INTAKE_BYTES + HTTP_TRAILER_BYTES + HTTP_ADDED_BYTES];
};

/* Is the client behind, so that nothing more is read for it? */
static inline bool http_is_blocked(const struct http_client *client)
{
    return client->out || client->bulk.piped;
}

/* client.c */
const char *http_date_line(struct worker *worker); /* written anew once a second */
void http_settle(struct http_client *client);      /* last; it may be gone afterwards */
void http_client_gone(struct http_client *client, enum connection_end how);
void http_client_lost(struct http_client *client); /* it has gone by itself */
void http_client_send(struct http_client *client, struct iovec *parts, int count);
/* Answers in place of an endpoint, and goes on where that is safe. */
void http_client_tunnel(struct http_client *client); /* after 101; it is gone then */
void http_exchange_done(struct http_client *client); /* the reply has been read to its end */
/* time.c */
void http_set_deadline(struct http_client *client, uint64_t ns);
void http_client_late(void *client);                                  /* of its timer */
static inline uint64_t http_idle_ns(const struct http_client *client) /* UINT64_MAX: no limit */
{
    uint64_t idle_ns = client->service->idle_timeout_ns;
    return idle_ns ? idle_ns : UINT64_MAX;
}
enum http_persistence http_persistence(struct http_client *client); /* of the reply */
struct http_intake *http_intake_take(struct worker *worker);
void http_intake_give(struct worker *worker, struct http_intake **intake);
/* Sends, and keeps in `out` what is not taken; false: the other side takes nothing any more. `tls`
 * NULL: plain. */
bool http_send(struct worker *worker, int fd, struct tls *tls, struct buffer **out,
               struct iovec *parts, int count);
bool http_flush(struct worker *worker, int fd, struct tls *tls, struct buffer **out);

/* account.c */
void http_account_begin(struct http_client *client);
/* The request is over, as the client sees it: once, in whose name it was. `status` 0: without a
 * whole answer; `lost`: and not by the client's own doing. */
void http_account(struct http_client *client, struct meter *meter, uint16_t status, bool lost);

/* crowd.c */
bool http_crowd_join(struct http_client *client, uint32_t limit); /* false: it is one too many */
void http_crowd_leave(struct http_client *client);

/* routes.c */
uint32_t http_routes_limit(const struct http_routes *routes); /* connections of a client; 0: none */
bool http_routes_are_closed(const struct http_routes *routes);
/* NULL: no service has such a request. */
struct worker_service *http_routes_find(const struct http_routes *routes,
                                        const struct http_head *head, const uint8_t *bytes);

/* hold.c: requests that no endpoint is ready for. False: it is not to wait (any longer). */
bool http_hold(struct http_client *client);
void http_hold_leave(struct http_client *client); /* if it is held */
void http_look_more(void *worker);                /* of the engine's timer */

/* own.c: what the proxy answers by itself, and that is the end of the request. */
void http_next_state(struct http_client *client); /* after any reply */
void http_answer(struct http_client *client, uint16_t status, const char *text);
void http_answer_unready(struct http_client *client); /* no endpoint is ready */
void http_answer_redirect(struct http_client *client);

/* Is it one of those that have such a request? */
bool http_routes_mean(const struct http_routes *routes, const struct http_head *head,
                      const uint8_t *bytes, const struct worker_service *service);

/* exchange.c */
void http_exchange_retry(struct http_client *client); /* it was held */
void http_exchange_begin(struct http_client *client);
void http_exchange_unknown(struct http_client *client); /* no service means it: 404 */
void http_exchange_connected(struct http_client *client);
void http_exchange_connect_failed(struct http_client *client, uint32_t outcome);
void http_exchange_pump(struct http_client *client);  /* its body may be read */
void http_exchange_flush(struct http_client *client); /* the endpoint takes bytes again */
/* The endpoint's connection has failed before the reply's end. */
void http_exchange_failed(struct http_client *client);
void http_exchange_cut(struct http_client *client); /* its endpoint's time is up */
void http_exchange_leave(struct http_client *client, uint32_t outcome); /* reports; closes */
void http_exchange_finish(struct http_client *client); /* frees what belongs to it */

/* reply.c */
void http_reply_ready(struct http_client *client);
void http_reply_drain(struct http_client *client); /* what is in the pipe, as far as it goes */

/* body.c */
/* Writes the last chunk of a body that is whole, with its trailers; 0: those are bad. */
size_t http_last_chunk(struct worker *worker, uint8_t *out, const struct http_body *body);
void http_body_none(struct http_body *body);
void http_body_begin(struct http_body *body, const struct http_head *head);
/* How many of the bytes belong to it, and how many of those, from the first on, are to go on.
 * False: it is no body. */
bool http_body_take(struct http_body *body, uint8_t *bytes, size_t length, size_t *consumed,
                    size_t *produced);

/* upstream.c */
struct http_upstream *http_upstream_take(struct worker *worker, struct endpoint *endpoint);
struct http_upstream *http_upstream_connect(struct worker *worker, struct endpoint *endpoint);
void http_upstream_give(struct http_upstream *upstream);
void http_upstream_close(struct http_upstream *upstream, enum connection_end how);
void http_upstream_watch(struct http_upstream *upstream, unsigned events);
void http_upstreams_init(struct worker *worker);
void http_upstreams_finish(struct worker *worker);

#endif
