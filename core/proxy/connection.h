/* One client's connection and its way to an endpoint. Private to this folder; all [worker].
 *
 * connection.c opens it and ends it; relay.c moves its bytes. The engine that understands requests
 * (http/) stands beside relay.c, entered from connection_begin by the service's protocol. */
#ifndef PROXY_CONNECTION_H
#define PROXY_CONNECTION_H

#include "proxy/tls.h"
#include "proxy/worker.h"

#include <sys/types.h>

enum connection_state {
    CONNECTION_CONNECTING = 1,
    CONNECTION_RELAYING,
};
/* Bytes that a peer would not take yet. */
struct buffer {
    struct buffer *next; /* spare */
    size_t at, end;
    uint8_t bytes[64 * 1024];
};
struct bulk {
    struct bulk_pipe *pipe; /* NULL: bytes are copied */
    size_t piped;           /* still to be taken out of it */
};
struct peer {
    struct connection *connection;
    struct peer *other;
    struct loop_io io;
    struct buffer *out; /* what it would not take at once; or, of a bulk transfer, */
    struct bulk bulk;
    struct tls *tls; /* NULL: plain, as endpoints always are */
    int fd;
    bool ended;    /* its FIN has been read */
    bool fin_sent; /* it has ours */
    bool broken;   /* it takes nothing any more; what it sent is still delivered */
};
enum { TRIED_LIMIT = 16 };
struct connection {
    struct connection *next, *prev;         /* of the endpoint, on this worker */
    struct connection *all_next, *all_prev; /* of the worker; all_next: spare ones too */
    struct worker *worker;
    struct worker_service *service;
    struct endpoint *endpoint; /* held while picked */
    struct picked picked;
    enum connection_state state;
    struct peer client, server;
    union socket_address source;
    struct loop_timer timer;
    struct meter_lane *meter; /* of the endpoint, while picked */
    uint64_t active_ns, begun_ns, latency_ns;
    bool answered;                       /* a byte of the endpoint's has come */
    bool waits;                          /* the client spoke last */
    struct endpoint *tried[TRIED_LIMIT]; /* held */
    uint32_t tried_count;
};

/* A socket on its way to the endpoint: 1 connected, 0 under way, -1 failed, and then there is none.
 */
int connection_open(const struct endpoint *endpoint, int *fd);
/* Two sockets that another engine has brought together; all of it is taken. */
struct adopted {
    int client_fd, server_fd;
    struct tls *client_tls;                 /* NULL: plain */
    struct buffer *client_out, *server_out; /* NULL: none */
    struct endpoint *endpoint;              /* held */
    struct picked picked;
    uint64_t latency_ns;
};
void connection_adopt(struct worker *worker, struct worker_service *service,
                      const union socket_address *source, const struct adopted *adopted);

/* How the two ends are left: in order, or reset so that nobody takes a part for the whole. */
enum connection_end { END_IN_ORDER = 1, END_RESET };
void connection_end(struct connection *connection, uint32_t outcome, enum connection_end how);

void relay_begin(struct connection *connection);
void relay_ready(struct peer *peer, unsigned events);
bool relay_is_quiet(const struct connection *connection);
/* Quiet, and the client is owed nothing: it was not the last to speak. */
bool relay_is_at_rest(const struct connection *connection);

/* bulk.c */
void bulk_begin(struct worker *worker, struct bulk *bulk); /* `pipe` stays NULL: none to be had */
void bulk_end(struct worker *worker, struct bulk *bulk);   /* what is still in it is lost */
ssize_t bulk_fill(struct bulk *bulk, int from_fd, uint64_t most); /* as recv */
bool bulk_drain(struct bulk *bulk, int to_fd); /* as far as it goes; false: it takes no more */
void bulk_finish(struct worker *worker);

struct buffer *buffer_take(struct worker *worker);
void buffer_give(struct worker *worker, struct buffer *buffer);

#endif
