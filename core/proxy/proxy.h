/* The data plane: listeners, workers, balancing, draining. Made by main.c, and by nothing else; it
 * is told what to serve over the wire (wire.h). */
#ifndef PROXY_PROXY_H
#define PROXY_PROXY_H

#include "base/error.h"
#include "loop/loop.h"

#include <stdint.h>

struct proxy;
enum { PROXY_WORKER_LIMIT = 64 };
/* How the process ends. PROXY_EXIT_HUNG: a thread stopped beating, its plugin is in the log. */
enum { PROXY_EXIT_HUNG = 70 };
struct proxy_config {
    struct loop *loop;
    uint32_t workers; /* as configured: 0 is one per core */
    const char *user; /* as configured; for the greeting */
    uint64_t linger_ns;
    int socket_fd;        /* bound and listening, of <stateDir>/proxy.sock; taken */
    int feed_fd;          /* connected to the feed that started us; taken */
    uint32_t feeder_uid;  /* besides root, who may feed us */
    uint32_t connections; /* at most at a time; 0: PROXY_CONNECTION_LIMIT */
};
enum { PROXY_CONNECTION_LIMIT = 1 << 17 };
struct proxy *proxy_create(const struct proxy_config *config, struct error *error);
/* Accept no more, end when the connections have ended or after a bounded time. Twice: at once. */
void proxy_stop(struct proxy *proxy);
void proxy_destroy(struct proxy *proxy); /* joins the workers */

#endif
