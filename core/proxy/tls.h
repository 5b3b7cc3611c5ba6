/* A client's connection over TLS, once its handshake is over. Private to the proxy; all [worker].
 *
 * Seen from the engines it is a socket that can be read and written; what they may not do with it
 * is to splice. Its reads can leave something behind that no descriptor tells of: then it calls its
 * owner again by itself, which has to say by tls_watch what it waits for. What a write does not
 * take must be given again, with more behind it or not: GnuTLS keeps the record that it has begun.
 */
#ifndef PROXY_TLS_H
#define PROXY_TLS_H

#include "proxy/tls_names.h"
#include "proxy/worker.h"

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

struct tls;

/* As recv and send: -1 with EAGAIN, or with EPROTO when it can't go on. 0: the client has said that
 * it sends no more; an end of the socket without that word is a failure. */
ssize_t tls_recv(struct tls *tls, void *bytes, size_t length);
ssize_t tls_send(struct tls *tls, const struct iovec *parts, int count);
void tls_end_sending(struct tls *tls); /* close_notify; nothing is kept for later */
/* Whose `ready` is called again; and what is waited for there, in LOOP_ bits. */
void tls_attach(struct tls *tls, struct loop_io *io);
void tls_watch(struct tls *tls, unsigned events);
void tls_free(struct tls *tls); /* the descriptor stays the caller's; NULL is fine */

/* -- plain sockets and others -- */
static inline ssize_t transport_recv(int fd, struct tls *tls, void *bytes, size_t length)
{
    return tls ? tls_recv(tls, bytes, length) : recv(fd, bytes, length, 0);
}
static inline ssize_t transport_send(int fd, struct tls *tls, const void *bytes, size_t length)
{
    if (!tls)
        return send(fd, bytes, length, MSG_NOSIGNAL);
    return tls_send(tls, &(struct iovec){(void *)(uintptr_t)bytes, length}, 1);
}
static inline void transport_end_sending(int fd, struct tls *tls)
{
    if (tls)
        tls_end_sending(tls);
    (void)shutdown(fd, SHUT_WR);
}

/* -- handshakes: tls_handshake.c -- */
/* What a listener has accepted, on its way to the engine of its protocol. */
struct arrival {
    struct worker *worker;
    struct worker_service *service;
    struct http_routes *routes;
    struct tls_names *names; /* for a handshake */
    const union socket_address *source;
    struct tls *tls; /* NULL: plain; taken, as fd is */
    int fd;
};
void tls_handshake_begin(const struct arrival *arrival);
void tls_handshakes_finish(struct worker *worker);

#endif
