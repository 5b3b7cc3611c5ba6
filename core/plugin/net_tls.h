/* TLS of a client's stream through GnuTLS, over a non-blocking descriptor. Private to host_net. */
#ifndef PLUGIN_NET_TLS_H
#define PLUGIN_NET_TLS_H

#include "base/error.h"

#include <stddef.h>
#include <sys/types.h>

struct net_tls;
struct net_tls_settings {
    int fd;
    const char *server_name;
    const char *ca_file, *certificate_file, *key_file; /* NULL: the system's roots; none */
};
struct net_tls *net_tls_create(const struct net_tls_settings *settings, struct error *error);
void net_tls_destroy(struct net_tls *tls); /* NULL is fine */

/* Bytes, 0 (handshake: done; receive: the peer's end), NET_TLS_AGAIN, or NET_TLS_FAILED. */
enum { NET_TLS_AGAIN = -1, NET_TLS_FAILED = -2 };
int net_tls_handshake(struct net_tls *tls, struct error *error);
ssize_t net_tls_send(struct net_tls *tls, const void *bytes, size_t length, struct error *error);
ssize_t net_tls_receive(struct net_tls *tls, void *bytes, size_t room, struct error *error);
int net_tls_finish(struct net_tls *tls, struct error *error); /* our end of sending */
bool net_tls_wants_write(const struct net_tls *tls);          /* after AGAIN */

#endif
