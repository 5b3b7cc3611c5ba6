/* A certificate as the workers use it: GnuTLS's credentials, which sessions share, and the key that
 * its tickets are sealed with. Immutable but for that key; counted, since sessions outlive the
 * tables that named it. A renewed one is another object and touches no connection. */
#ifndef PROXY_CERTIFICATE_H
#define PROXY_CERTIFICATE_H

#include "base/error.h"

#include <gnutls/gnutls.h>
#include <stdint.h>

struct certificate;
/* From a descriptor of what key_pair_read made, which stays the caller's. `before`: of the same
 * name, whose tickets stay good; NULL: none. NULL with an error. */
struct certificate *certificate_create(const char *name, int fd, struct certificate *before,
                                       struct error *error);
struct certificate *certificate_hold(struct certificate *certificate); /* [any]; NULL is fine */
void certificate_release(struct certificate *certificate);             /* [any]; NULL is fine */
const char *certificate_name(const struct certificate *certificate);
/* Makes it the one that this session shows, with its tickets. A GnuTLS error code. [any] */
int certificate_use(struct certificate *certificate, gnutls_session_t session);

#endif
