/* What one source of traffic has had: an endpoint, or a service by itself (its clients, and what
 * the proxy answered in its name). Each worker counts in a lane of its own, which nobody else
 * writes, made with its first count (3.2 KiB); the main thread reads them all for the feed. */
#ifndef PROXY_METER_H
#define PROXY_METER_H

#include "base/clock.h"
#include "base/traffic.h"

#include <stdatomic.h>

struct meter_lane {
    _Atomic uint64_t counts[TRAFFIC_KIND_COUNT];
    _Atomic uint64_t buckets[HISTOGRAM_BUCKETS];
} __attribute__((aligned(64)));
struct meter {
    atomic_uint references;
    uint32_t workers;
    /* main thread */
    uint64_t source; /* tells it from every other, whatever their names */
    struct traffic told;
    uint64_t told_in_flight;
    bool resumed; /* what it has counted so far is older than the feed */

    _Atomic(struct meter_lane *) lanes[];
};
struct meter *meter_create(uint32_t workers);
struct meter *meter_hold(struct meter *meter);                            /* [any] */
void meter_release(struct meter *meter);                                  /* [any] */
struct meter_lane *meter_make_lane(struct meter *meter, uint32_t worker); /* [worker] */

static inline struct meter_lane *meter_lane(struct meter *meter, uint32_t worker) /* [worker] */
{
    struct meter_lane *lane = atomic_load_explicit(&meter->lanes[worker], memory_order_relaxed);
    return lane ? lane : meter_make_lane(meter, worker);
}
static inline void meter_step(_Atomic uint64_t *count, uint64_t by) /* by its own worker only */
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + by,
                          memory_order_release);
}
static inline void meter_count(struct meter_lane *lane, enum traffic_kind kind, uint64_t by)
{
    meter_step(&lane->counts[kind], by);
}
/* Before the count of what has taken so long: the reader looks at buckets where counts differ. */
static inline void meter_latency(struct meter_lane *lane, uint64_t ns)
{
    meter_step(&lane->buckets[histogram_index(ns / NS_PER_US)], 1);
    meter_count(lane, TRAFFIC_LATENCY_US, ns / NS_PER_US);
}
/* [worker] One of the request's classes; 0: it had no whole answer. */
static inline enum traffic_kind meter_class(uint32_t status)
{
    return status < 100 || status > 599
               ? TRAFFIC_UNANSWERED
               : (enum traffic_kind)(TRAFFIC_ANSWERED_1XX + (status / 100 - 1));
}
/* [worker] How a try at an endpoint ended: an ORCH_OUTCOME. */
void meter_outcome(struct meter_lane *lane, uint32_t outcome);

/* [main thread] The totals of all workers; buckets only where they differ from what was told, and
 * the new ones count as told. False: nothing has changed. */
bool meter_take_changes(struct meter *meter, struct traffic *out);
/* [main thread] A new feed is to be told everything, as of before its time. */
void meter_forget_told(struct meter *meter);

#endif
