/* Passive ejection: an endpoint on which too much fails is left out for a while, and longer each
 * time; it comes back by a probe (a connect of ours), on trial: the next failure is enough then.
 * Never more than a share of a service's endpoints are out, and when all fail all are used. As
 * Envoy's outlier detection and HAProxy's `observe`. Private to this folder.
 *
 * Workers count and, at the limit, say so (outlier_note); the main thread decides, since it is a
 * matter of all endpoints, and publishes. */
#ifndef PROXY_OUTLIER_H
#define PROXY_OUTLIER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct endpoint;
struct probe;
struct proxy;
struct service;
struct worker;

/* Of an endpoint. */
struct outlier {
    _Atomic uint32_t connect_streak, answer_streak; /* failures since the last success */
    _Atomic uint32_t limit;                         /* of a streak; 0: none is looked at */
    atomic_bool trial;                              /* it came back and has not answered since */
    atomic_bool suspect;                            /* for the main thread to look at */

    /* main thread */
    bool failing;     /* it should be out */
    bool out;         /* and is */
    bool told;        /* the feed knows of it */
    uint32_t times;   /* in a row that it had to leave */
    uint64_t time_ns; /* how long, the last time */
    uint64_t until_ns, returned_ns;
    uint64_t good_then;           /* answers when it began to fail */
    uint64_t rate_good, rate_bad; /* at the interval's begin */
    struct probe *probe;          /* under way */
    char why[96];
};

enum outlier_sight {
    SIGHT_CONNECTED = 1,
    SIGHT_ANSWERED, /* the first byte of an answer; http: a reply below 500 */
    SIGHT_NO_CONNECT,
    SIGHT_FAULT, /* cut or late before that; http: a reply of 5xx too */
};
void outlier_note(struct worker *worker, struct endpoint *endpoint,
                  enum outlier_sight sight); /* [worker] */

/* -- main thread -- */
void outlier_init(struct proxy *proxy);
void outlier_finish(struct proxy *proxy);
/* What workers have said. True: something is left out or back; publish. */
bool outlier_look(struct proxy *proxy);
/* Its endpoints or settings are others. */
void outlier_service_changed(struct proxy *proxy, struct service *service);
/* It leaves, or drains. */
void outlier_forget(struct proxy *proxy, struct service *service, struct endpoint *endpoint);
void outlier_forget_told(struct proxy *proxy); /* a new feed is owed every word again */

/* probe.c. The answer comes later, unless it is ended before. */
struct probe *probe_begin(struct proxy *proxy, struct service *service, struct endpoint *endpoint);
void probe_end(struct probe *probe); /* NULL is fine */
void outlier_probed(struct proxy *proxy, struct service *service, struct endpoint *endpoint,
                    bool reached);

#endif
