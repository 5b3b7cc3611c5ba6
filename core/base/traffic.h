/* What is counted of traffic, from the proxy's workers to those who read the figures: one list of
 * counts, and a histogram of latencies. [any thread; no shared state] */
#ifndef BASE_TRAFFIC_H
#define BASE_TRAFFIC_H

#include "base/histogram.h"

/* With their names in messages. */
#define TRAFFIC_KINDS(KIND)                                                                        \
    KIND(SERVED, "served")            /* tries at the endpoint that came to a good end */          \
    KIND(FAILED, "failed")            /* and those that did not */                                 \
    KIND(ANSWERED_1XX, "answered1xx") /* requests by the class of their status: upgrades */        \
    KIND(ANSWERED_2XX, "answered2xx")                                                              \
    KIND(ANSWERED_3XX, "answered3xx")                                                              \
    KIND(ANSWERED_4XX, "answered4xx")                                                              \
    KIND(ANSWERED_5XX, "answered5xx")                                                              \
    KIND(UNANSWERED, "unanswered")        /* requests that ended without a whole answer */         \
    KIND(LOST, "lost")                    /* requests or connections that clients saw fail */      \
    KIND(CONNECT_FAILED, "connectFailed") /* tries: it could not be reached */                     \
    KIND(TIMED_OUT, "timedOut")           /* tries: not in time */                                 \
    KIND(CUT, "cut")                      /* tries: ended before they were whole */                \
    KIND(CLIENT_GONE, "clientGone")       /* tries: the client left */                             \
    KIND(CONNECTIONS, "connections")      /* of clients; of an endpoint: to it */                  \
    KIND(BYTES_IN, "bytesIn")             /* from clients */                                       \
    KIND(BYTES_OUT, "bytesOut")           /* to clients */                                         \
    KIND(LATENCY_US, "latencyUs")         /* the sum of what the histogram counts */
#define TRAFFIC_ENUM(name, word) TRAFFIC_##name,
enum traffic_kind { TRAFFIC_KINDS(TRAFFIC_ENUM) TRAFFIC_KIND_COUNT };
#undef TRAFFIC_ENUM

struct traffic {
    int64_t counts[TRAFFIC_KIND_COUNT];
    struct histogram latency; /* http: of whole requests; tcp: of connecting */
};
void traffic_finish(struct traffic *traffic);
void traffic_add(struct traffic *to, const struct traffic *from);
/* Adds what `now` has more than `before`. */
void traffic_add_since(struct traffic *to, const struct traffic *now, const struct traffic *before);
/* Later totals, of which only the buckets that have changed are given. */
void traffic_renew(struct traffic *totals, const struct traffic *changed);
int64_t traffic_requests(const struct traffic *traffic); /* of every class, and unanswered */

#endif
