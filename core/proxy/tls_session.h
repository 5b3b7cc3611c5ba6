/* What tls.c and tls_handshake.c share. */
#ifndef PROXY_TLS_SESSION_H
#define PROXY_TLS_SESSION_H

#include "proxy/certificate.h"
#include "proxy/tls.h"

enum { TLS_RECORD_BYTES = 16 * 1024 };

struct tls {
    gnutls_session_t session;
    struct worker *worker;
    struct certificate *certificate; /* held */
    struct loop_io *io;              /* NULL: its handshake is not over */
    struct loop_timer again;
    size_t handshake_bytes;
    int fd;
    bool readable; /* without the socket's being so */
};
/* A worker's; made with its first client of that kind. */
struct tls_handshake;
struct tls_engine {
    gnutls_priority_t priorities;
    struct tls_handshake *all;                  /* the oldest first */
    struct tls_handshake *first_due, *last_due; /* may go on */
    uint32_t count;
    struct loop_slice slice;
    struct loop_timer timer;
    uint8_t staging[TLS_RECORD_BYTES];
};
/* With its parameters set but for the certificate; NULL: no memory. */
struct tls *tls_create(struct worker *worker, int fd);

#endif
