/* Datagrams: services of `protocol: udp`. Private to this folder; all [worker].
 *
 * A client (its address, and the one of ours that it wrote to) has a session: an endpoint that the
 * balancer chose for it, and a socket of its own towards that, by which the kernel tells answers
 * and refusals (ICMP) apart. Answers leave by the listening socket, from the address that the
 * client wrote to. SO_REUSEPORT gives a client's datagrams to the same worker each time.
 *
 * Bounds: sessions by UDP_SESSION_LIMIT a listening socket, by the service's `maxConnections` and
 * by the worker's descriptors; at a bound the one that has been quiet for longest makes room. What
 * a socket does not take at once is lost, as datagrams may be. */
#ifndef PROXY_UDP_H
#define PROXY_UDP_H

#include "proxy/worker.h"

#include <sys/socket.h>

enum { UDP_SESSION_LIMIT = 16384, UDP_BATCH = 16, UDP_BYTES = 65536 };

/* -- udp_batch.c: several datagrams a call -- */
struct udp_local {           /* of ours, as the other end wrote to it */
    struct in6_addr address; /* IPv4 as ::ffff:a.b.c.d */
    uint32_t interface;      /* link-local addresses only */
    uint32_t family;         /* 0: not told; the socket's own */
};
struct udp_datagrams {
    struct mmsghdr headers[UDP_BATCH];
    struct iovec parts[UDP_BATCH];
    union socket_address from[UDP_BATCH];
    struct udp_local to[UDP_BATCH];
    uint16_t segment[UDP_BATCH]; /* many in one, each of so many bytes; 0: one */
    _Alignas(struct cmsghdr) uint8_t control[UDP_BATCH][128];
    uint8_t bytes[UDP_BATCH][UDP_BYTES];
};
/* How many; -1: errno. */
int udp_receive(struct udp_datagrams *datagrams, int fd);
/* Those from `first` on, to where the socket is connected, or to one client of ours. Answers how
 * many went out; errno says why not more. */
int udp_send(struct udp_datagrams *datagrams, uint32_t first, uint32_t count, int fd,
             const union socket_address *client, const struct udp_local *local);

/* -- udp_port.c: a listening socket -- */
struct udp_key {
    struct in6_addr client, local;
    uint32_t scope;
    uint16_t port, reserved;
};
struct udp_session {
    UT_hash_handle hh;
    struct udp_key key;
    struct udp_session *next, *prev;       /* of the port; the quietest first */
    struct udp_session *at_next, *at_prev; /* of the endpoint, on this worker */
    struct udp_port *port;
    struct worker_service *service;
    struct endpoint *endpoint; /* held */
    struct picked picked;
    struct loop_io io;
    int fd; /* connected to the endpoint */
    union socket_address client;
    struct udp_local local;
    uint64_t active_ns, begun_ns, latency_ns;
    uint32_t sent;  /* from the client, up to a few */
    uint8_t *first; /* its first datagram, until something is answered */
    uint32_t first_bytes;
};
struct udp_port {
    struct udp_port *next; /* of the worker */
    struct worker *worker;
    struct worker_service *service;
    struct udp_session *sessions, *quietest;
    struct loop_io io;
    struct loop_timer timer;
    int fd;
    bool closing; /* another proxy reads; what is on its way back is still sent */
};
struct udp_port *udp_port_open(struct worker *worker, int fd);
void udp_port_serve(struct udp_port *port, struct worker_service *service);
/* Nothing is read any more, and the descriptor is taken; `lingers`: by it answers are still sent
 * for a moment, since another proxy reads. */
void udp_port_close(struct udp_port *port, bool lingers);
void udp_port_left(struct udp_port *port, struct udp_session *session); /* it ends */
void udp_obey(struct worker *worker, struct endpoint *endpoint, uint8_t order);
void udp_finish(struct worker *worker);

/* -- udp_session.c -- */
/* NULL: no endpoint, or no means. It is in the port's table. */
struct udp_session *udp_session_begin(struct udp_port *port, const struct udp_key *key,
                                      const union socket_address *client,
                                      const struct udp_local *local);
void udp_session_forward(struct udp_session *session, struct udp_datagrams *datagrams,
                         uint32_t first, uint32_t count);
void udp_session_end(struct udp_session *session, uint32_t outcome);
/* Of a request and its answer that is all. */
bool udp_session_is_done(const struct udp_session *session);

#endif
