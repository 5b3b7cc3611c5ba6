/* The server's own data. Private to core/api, and not for handlers.
 *
 * Three lives: `struct api` (the server), `struct connection` (one TCP connection) and
 * `struct exchange` (one request on it, with its answer). All belong to the API thread, but for
 * what is marked. */
#ifndef API_IMPL_H
#define API_IMPL_H

#include "api/list.h"
#include "api/request.h"
#include "api/stream.h"
#include "base/hash.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <uthash.h>

/* -- limits: the contract's numbers; tests set shorter times -- */

struct api_limits {
    size_t body_bytes;    /* 1 MiB */
    size_t discard_bytes; /* of a refused body, read so that the client hears why; then it is cut */
    size_t header_bytes, header_count, uri_bytes;
    int json_depth;
    uint64_t header_ns, body_ns, idle_ns; /* totals, not inactivity */
    size_t lane_users, lane_controllers, lane_agents;
    size_t ring_bytes, ring_entries;
    uint64_t watch_comment_ns;
};
extern const struct api_limits api_default_limits;

/* -- what came in the request's target -- */

enum { URI_SEGMENTS = 12, URI_PARAMETERS = 64 };
struct uri_parameter {
    const char *name, *value;
};
struct uri {
    const char *segments[URI_SEGMENTS]; /* decoded: UTF-8 without control bytes, dots or slashes */
    size_t segment_count;
    struct uri_parameter parameters[URI_PARAMETERS];
    size_t parameter_count;
};
/* [any] Strings go into the arena. False: what is wrong with it, ERROR_VALIDATION. */
bool uri_parse(const char *raw, struct arena *arena, struct uri *out, struct error *error);

/* -- routes -- */

struct compiled_route {
    const struct route *route;
    const char *segments[URI_SEGMENTS]; /* NULL: a parameter */
    size_t segment_count;
    size_t index; /* of its figures */
};
struct router {
    struct compiled_route *routes;
    size_t count;
    struct arena arena;
};
void router_init(struct router *router, const struct route_table *const *tables, size_t count);
void router_finish(struct router *router);
struct route_match {
    const struct compiled_route *found; /* NULL: none with that method */
    bool path_known;
    const char *params[3];
    char allow[64]; /* of a known path: "GET, HEAD, POST" */
};
void router_match(const struct router *router, const char *method, const struct uri *uri,
                  struct route_match *out);

/* -- keys -- */

struct address_entry { /* one source address with its wrong keys */
    UT_hash_handle hh;
    double tokens;
    uint64_t at_ns;
    char address[48];
};
struct auth {
    uint8_t digest[SHA256_BYTES];
    struct address_entry *addresses; /* least recently wrong first; bounded */
    double global_tokens;
    uint64_t global_at_ns;
};
void auth_init(struct auth *auth, const char *key);
void auth_finish(struct auth *auth);
enum auth_verdict { AUTH_RIGHT = 1, AUTH_WRONG, AUTH_BACK_OFF };
/* A right key is right whatever was tried before. `address`: as text, the prefix for IPv6. */
enum auth_verdict auth_check(struct auth *auth, const char *key, const char *address,
                             uint64_t now_ns, unsigned *retry_after);

/* -- lanes from the API thread to the main loop -- */

struct lanes {
    struct loop *loop;
    struct queue queues[3]; /* by enum api_lane - 1: agents, controllers, users */
    atomic_bool posted;
    struct loop_task task;
    struct loop_slice slice;
    _Atomic uint64_t refused[3];
};
void lanes_init(struct lanes *lanes, struct loop *loop, const struct api_limits *limits);
void lanes_finish(struct lanes *lanes); /* [loop] */
/* Runs task->run on the main loop. False: the lane is full. [any] */
bool lanes_push(struct lanes *lanes, enum api_lane lane, struct loop_task *task);

/* -- figures for /metrics -- */

enum { FIGURE_STATUSES = 24 };
struct route_figures {
    uint64_t by_status[FIGURE_STATUSES];
    struct durations took;
};
struct api_figures {
    struct route_figures *routes; /* by compiled_route.index; the last: of no route */
    uint64_t accepted, deadline_closed, address_refused, wrong_keys;
};
void figures_count(struct api *api, size_t route_index, int status, uint64_t took_ns);

/* -- the server -- */

struct audit_log;
struct connection;
struct exchange;
struct hub;
struct idempotency;
struct watch_server;
struct api {
    struct api_parts parts;
    struct api_limits limits;
    struct loop *loop; /* the API's own */
    pthread_t thread;
    char address[80];
    atomic_bool serving;

    struct MHD_Daemon *daemon;
    struct loop_io io;
    struct loop_timer run_timer, sweep_timer;
    int listen_fd;
    bool run_again; /* woken, or a connection has gone: only the next run accepts in its place */
    int hangup_fd;  /* epoll: clients of suspended streams that went away */
    struct loop_io hangup_io;

    struct router router;
    struct auth auth;
    struct lanes lanes;
    struct api_figures figures;
    struct text openapi;
    struct connection *connections;
    size_t connection_count;
    struct exchange *exchanges;
    size_t exchange_count;
    struct address_count *per_address;
    char *dashboard; /* folder; NULL: none */
    int64_t started_wall_ms;

    struct hub *hub;                 /* [loop] */
    struct idempotency *idempotency; /* [loop] */
    struct plan_tokens *plan_tokens; /* [api] */
    struct audit_log *audit;         /* [api] */
    struct exec_server *execs;       /* [api] */
    struct watch_server *watches;

    /* Stopping. */
    bool stopping, stopped;
    bool overdue; /* nothing is waited for any more */
    struct loop_timer stop_timer;
    struct loop_task stop_task, stopped_task, end_task;
    uint64_t stop_limit_ns;
    void (*stop_done)(void *argument);
    void *stop_argument;
};
/* For tests: the routes of another table list and other limits. */
struct api *api_create_with(const struct api_parts *parts, const char *key,
                            const struct api_limits *limits,
                            const struct route_table *const *tables, size_t table_count,
                            struct error *error);
/* Something was resumed or may go on: MHD runs in the next turn. */
void api_wake(struct api *api);
void api_check_stopped(struct api *api);

/* -- listening -- */

/* A bound socket for "host:port"; fills `bound` with what it is. -1: error. */
int listen_open(const char *address, char *bound, size_t bytes, struct error *error);

/* -- connections -- */

enum connection_phase {
    CONNECTION_IDLE = 1, /* nothing of the next request has come */
    CONNECTION_HEADERS,
    CONNECTION_BODY,
    CONNECTION_WORKING /* its request is worked on or answered */
};
struct connection {
    struct api *api;
    struct MHD_Connection *mhd;
    struct connection *next, *previous;
    int fd;
    bool loopback, cut;
    uint8_t phase; /* enum connection_phase */
    uint64_t since_ns;
    uint64_t received; /* bytes that had come when it became idle */
    uint64_t taken;    /* of those of a body, read by MHD at the last look */
    char address[48];  /* the peer, as limits see it: IPv6 as its /64 */
};
void connection_notify(void *argument, struct MHD_Connection *mhd, void **context,
                       enum MHD_ConnectionNotificationCode code);
enum MHD_Result connection_accept(void *argument, const struct sockaddr *peer, socklen_t length);
void connection_set_phase(struct connection *connection, enum connection_phase phase);
/* Ends it as if the client had gone away; the memory goes when MHD says so. */
void connection_cut(struct connection *connection);
void connections_sweep(void *argument);

/* -- exchanges: one request and its answer -- */

struct exchange {
    struct request request; /* its arena holds the exchange's strings too */
    struct api *api;
    struct connection *connection; /* NULL: gone, the request is still worked on */
    struct exchange *next, *previous;
    char *raw_uri;           /* in the arena */
    const char *uri_came_at; /* the same where it came: valid until the head has been checked */
    struct uri uri;
    size_t route_index;
    bool uri_bad, chunked;
    bool begun, refused, in_handler, suspended, working, queued, close_after;
    bool head;        /* the method was HEAD: GET's, without the body */
    bool is_file;     /* of the dashboard */
    bool abandoned;   /* answered by the end of the server while it is still worked on */
    bool stream_lost; /* the client of a suspended stream went away */
    bool accepts_gzip;
    bool replayed; /* the answer of an earlier request with its Idempotency-Key */
    struct error uri_error;
    struct text body;
    uint64_t body_seen, content_length; /* UINT64_MAX: chunked */
    uint64_t began_ns;
    unsigned retry_after; /* seconds; 0: none */
    char allow[64];
    struct loop_task aside; /* for hops of the server's own */
    struct shown shown;
    struct watcher *watcher;
    struct exec_session *exec;             /* its connection becomes the session's */
    char exec_accept[32];                  /* of its handshake */
    bool wants_websocket;                  /* what is refused there says which version there is */
    struct idempotency_entry *idempotency; /* of a new key; NULL: none */
    request_step *first_step;              /* behind the check of a key */
    char idempotency_hash[SHA256_HEX_BYTES];
};
static inline struct exchange *exchange_of(struct request *request)
{
    return (struct exchange *)(void *)request; /* first member */
}
void *exchange_uri(void *argument, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result exchange_handle(void *argument, struct MHD_Connection *mhd, const char *url,
                                const char *method, const char *version, const char *data,
                                size_t *length, void **context);
void exchange_completed(void *argument, struct MHD_Connection *mhd, void **context,
                        enum MHD_RequestTerminationCode code);
/* The answer is complete: queue it, now or once MHD asks again. */
void exchange_answer(struct exchange *exchange);
void exchange_free(struct exchange *exchange);
/* A suspended stream has something for its client. */
void exchange_resume(struct exchange *exchange);
/* Called by a stream's reader when it has nothing. */
void exchange_suspend(struct exchange *exchange);
void exchange_hangups(void *argument, int fd, unsigned events);
const char *exchange_header(const struct exchange *exchange, const char *name);

/* All that is judged before the body is read. False: request.error says why (and close_after,
 * retry_after, allow). */
bool check_request(struct exchange *exchange, const char *method, const char *version);

/* head_walk.c: over the parts of a request's head, in their order; whether there was more to it.
 * What separated a part from the one before, `separator` characters at most, is zero by now. */
enum { HEAD_SPACE = 1, HEAD_COLON = 1, HEAD_LINE_END = 2 };
struct head_walk {
    const char *at, *end;
    bool hidden;
};
void head_walk_begin(struct head_walk *walk, struct MHD_Connection *mhd, const char *method);
void head_walk_over(struct head_walk *walk, const char *part, size_t length, size_t separator);
void head_walk_end(struct head_walk *walk);

/* -- answers -- */

/* Hands the request's answer to MHD. */
enum MHD_Result reply_queue(struct exchange *exchange);
void reply_write_error(struct text *out, const struct error *error,
                       const struct schema_faults *faults);
/* The answer to a connection that MHD lets us answer no more: written to the socket as it is. */
void reply_write_raw(struct exchange *exchange);

/* -- streams -- */

/* The readers of responses that go on: byte streams and watchers. */
ssize_t stream_read(struct stream *stream, struct exchange *exchange, char *buffer, size_t room);
void stream_attach(struct stream *stream, struct exchange *exchange);
ssize_t watcher_read(struct watcher *watcher, struct exchange *exchange, char *buffer, size_t room);
void watcher_destroy(struct watcher *watcher); /* NULL is fine */
void request_reply_watch(struct request *request, struct watcher *take_watcher);

/* -- lists and objects -- */

const struct shown_kind *shown_kind_of(enum record_kind_id id); /* NULL: it is not shown */
bool shown_has_member(const struct type *type, const char *name);
/* Only those top-level members of a JSON object written by us; `fields` NULL: all. */
void shown_pick(const char *json, size_t length, char *const *fields, struct text *out);
/* Opaque cursors: base64url of a key. */
char *cursor_encode(struct arena *arena, const char *key);
char *cursor_decode(struct arena *arena, const char *cursor); /* NULL: it is none */

/* -- the document and the figures -- */

void openapi_write(const struct router *router, struct text *out);
void server_begin_metrics(struct request *request);
void server_begin_watch(struct request *request);
void server_begin_exec(struct request *request);
/* Answers from the dashboard's folder; false: there is no such file. */
bool dashboard_reply(struct exchange *exchange);
/* The folder as configured, or the one that belongs to the program; owned. NULL: there is none. */
char *dashboard_find(const char *configured);

#endif
