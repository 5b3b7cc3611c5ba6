/* The agent's end of the proxy: finds a running orchestrator-proxy by its socket or starts one,
 * keeps it fed with services and endpoints, binds their listeners and hands them over, and hears
 * back.
 *
 * It keeps the whole table and the listeners' descriptors, so that a proxy that died is replaced
 * within milliseconds by one that has the same sockets: no connection is refused meanwhile. All
 * [loop]; callbacks never run inside a call of ours. */
#ifndef PROXY_FEED_H
#define PROXY_FEED_H

#include "base/error.h"
#include "base/traffic.h"
#include "loop/loop.h"
#include "proxy/feed_http.h"

#include <stdbool.h>
#include <stdint.h>

struct proxy_feed;
enum feed_endpoint_state { FEED_ACTIVE = 1, FEED_DRAINING };
/* FEED_HTTP: balanced by request (http/); without a ready endpoint it is answered with 503. */
enum feed_protocol { FEED_TCP = 1, FEED_HTTP, FEED_UDP };
struct feed_endpoint {
    const char *id, *address; /* numeric */
    uint16_t port;
    uint32_t weight;
    uint8_t state; /* enum feed_endpoint_state */
    bool local;
};
/* When an endpoint is left out by what is seen on it (outlier.c). */
struct feed_ejection {
    uint32_t failures, failure_percent; /* in a row; of an interval's. 0: not looked at */
    uint32_t share_percent;             /* of the endpoints, at least one; 0: none */
    uint64_t interval_ns, time_ns, max_time_ns;
};
/* What the proxy answers requests by itself. */
struct feed_hold {
    uint64_t time_ns;  /* they wait for an endpoint to become ready; 0: they do not */
    uint32_t requests; /* at once on one worker */
};
struct feed_page { /* of 503; NULL: a sentence */
    const char *content_type, *body;
};
struct feed_redirect {
    uint32_t status;                  /* 0: they are served */
    const char *scheme, *host, *path; /* NULL: the request's */
};
struct feed_service {
    const char *name, *listen, *balancer, *balancer_config;
    uint8_t protocol; /* enum feed_protocol */
    /* FEED_HTTP: which requests on `listen` are meant; services with different ones share it. */
    const char *const *hosts; /* "a.example", "*.example"; none: any */
    uint32_t host_count;
    const char *path_prefix;   /* NULL as "/" */
    const char *sticky_cookie; /* FEED_HTTP: tells a client's endpoint; NULL: none does */
    const char *certificate;   /* by name; NULL: clients come without TLS */
    uint64_t policy_seed, drain_timeout_ns, connect_timeout_ns, idle_timeout_ns;
    uint64_t slow_start_ns;   /* a new endpoint's weight grows over it */
    uint32_t max_connections; /* 0: no limit of its own */
    struct feed_ejection ejection;
    struct feed_hold hold; /* this and what follows: FEED_HTTP */
    struct feed_page page;
    struct feed_redirect redirect;
    struct feed_http http;
    const struct feed_endpoint *endpoints;
    uint32_t endpoint_count;
};
struct feed_balancer {
    const char *name;
    int fd; /* of the verified plugin file; stays the caller's */
};
struct feed_config {
    struct loop *loop;
    const char *state_directory; /* <state_directory>/proxy.sock */
    const char *program;         /* absolute path of orchestrator-proxy */
    const char *user;            /* it drops to */
    uint32_t workers;            /* 0: one per core */
    uint64_t linger_ns;
    const struct feed_balancer *balancers; /* copied, descriptors duplicated */
    uint32_t balancer_count;
    const char *fallback_balancer;
};
/* What a proxy has counted of one source. */
struct feed_counters {
    const char *service, *endpoint; /* "": the service by itself */
    uint64_t source;                /* another where counting began anew under the same names */
    bool resumed;                   /* it had counted before this feed heard of it */
    uint64_t in_flight;
    struct traffic totals; /* of the buckets those that have changed; borrowed */
};
struct feed_callbacks {
    /* Every worker has what was published under that version. */
    void (*acknowledged)(void *argument, uint64_t version);
    /* No connection is left on an endpoint that was put as DRAINING (or it was never known). Comes
     * after the acknowledgement of the version that put it so. */
    void (*drained)(void *argument, const char *service, const char *endpoint, uint64_t cut);
    /* Also while it is still served on an earlier address. Tried again by itself. */
    void (*listener)(void *argument, const char *service, bool listening, const char *message);
    void (*counters)(void *argument, const struct feed_counters *counters);
    /* `out`: that endpoint is left out for `time_ns` since `why`; else it is back. A proxy that is
     * connected anew tells those that are out. */
    void (*ejected)(void *argument, const char *service, const char *endpoint, bool out,
                    const char *why, uint64_t time_ns);
    /* false: no proxy runs now; one is being started, unless another daemon has taken ours. */
    void (*connected)(void *argument, bool connected);
    void *argument;
};
struct proxy_feed *proxy_feed_create(const struct feed_config *config,
                                     const struct feed_callbacks *callbacks, struct error *error);
void proxy_feed_set_callbacks(struct proxy_feed *feed, const struct feed_callbacks *callbacks);
/* The proxy runs on. `orderly`: it is told that the daemon ended and follows its linger. */
void proxy_feed_destroy(struct proxy_feed *feed, bool orderly);
/* The whole service, copied; replaces what was there. An endpoint that is left out is dropped at
 * once, its connections are closed. A change of anything else cuts none: another `listen` is opened
 * before the old one is given up, and served on the old one as long as that fails. Takes effect
 * with the next publish. */
void proxy_feed_service_put(struct proxy_feed *feed, const struct feed_service *service);
/* Its listener is closed; its connections may end within its drain timeout, the rest is closed. */
void proxy_feed_service_remove(struct proxy_feed *feed, const char *name);
/* The bytes of a checked certificate with its key, for services to name; wiped by the caller. The
 * one before stays with the connections that have it. At once; also known to later proxies. */
bool proxy_feed_certificate_put(struct proxy_feed *feed, const char *name, const void *pem,
                                size_t length, struct error *error);
/* All that was put so far is to be acknowledged under `version` (growing). */
void proxy_feed_publish(struct proxy_feed *feed, uint64_t version);
/* Before the first publish of this feed: an adopted proxy still serves the table of the feed
 * before. That endpoint, in whatever service, gets no new connection; acknowledged under `version`.
 */
void proxy_feed_withdraw(struct proxy_feed *feed, const char *endpoint, uint64_t version);
/* For the figures. 0: none runs. */
int proxy_feed_pid(const struct proxy_feed *feed);

#endif
