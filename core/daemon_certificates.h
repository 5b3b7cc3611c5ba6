/* The certificates of proxy.certificates: read at the start, and again whenever their files have
 * changed, given to the proxy's feed. What can't be used leaves the one before in force. [loop];
 * the files are looked at on the pool. */
#ifndef DAEMON_CERTIFICATES_H
#define DAEMON_CERTIFICATES_H

#include "config/config.h"
#include "loop/loop.h"
#include "proxy/feed.h"

struct daemon_certificates;
/* [init] `config` and `feed` outlive it. */
struct daemon_certificates *daemon_certificates_create(struct loop *loop,
                                                       const struct config *config,
                                                       struct proxy_feed *feed,
                                                       struct error *error);
void daemon_certificates_look(struct daemon_certificates *certificates); /* now, changed or not */
void daemon_certificates_destroy(struct daemon_certificates *certificates); /* NULL is fine */

#endif
