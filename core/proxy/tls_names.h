/* Which certificate a listener shows to whom: by the name that a client asks for (SNI). A name
 * itself comes before "*.name", a longer before a shorter, then the service for any host, then the
 * one whose name is the least. [worker]; what it holds may be of an earlier snapshot. */
#ifndef PROXY_TLS_NAMES_H
#define PROXY_TLS_NAMES_H

#include "proxy/certificate.h"

#include <stddef.h>

struct tls_names;
struct tls_names *tls_names_create(void);
struct tls_names *tls_names_hold(struct tls_names *names);
void tls_names_release(struct tls_names *names);
void tls_names_clear(struct tls_names *names);
/* Strings are copied, the certificate is held; NULL: this node has none for that service. */
void tls_names_add(struct tls_names *names, const char *service, const char *const *hosts,
                   size_t host_count, struct certificate *certificate);
/* Borrowed; NULL: there is none to be shown. `length` 0: the client named nobody. */
struct certificate *tls_names_find(const struct tls_names *names, const char *name, size_t length);

#endif
