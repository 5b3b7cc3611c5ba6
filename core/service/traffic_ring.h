/* The traffic of the last 15 minutes, in slots of five seconds. Private to this folder; [loop].
 *
 * A slot's latencies are packed once it is over; all rings of one owner share a budget of bytes.
 * Beyond it slots keep their counts only. */
#ifndef SERVICE_TRAFFIC_RING_H
#define SERVICE_TRAFFIC_RING_H

#include "base/histogram.h"

enum { RING_SLOTS = 181, RING_SLOT_MS = 5000 }; /* 15 minutes, and the one that is filled */

struct ring_slot {
    int64_t requests, errors, in_flight;
    uint8_t *latency; /* packed: pairs of gap and count */
    uint32_t latency_bytes;
    bool used; /* else nothing was said in its time */
};
struct traffic_ring {
    int64_t newest; /* its number: wall clock / RING_SLOT_MS */
    struct histogram open;
    struct ring_slot slots[RING_SLOTS]; /* by number % RING_SLOTS */
};
struct ring_budget {
    uint64_t bytes, limit;
};
struct traffic_ring *traffic_ring_create(struct ring_budget *budget,
                                         int64_t now_ms); /* NULL: over the budget */
void traffic_ring_destroy(struct traffic_ring *ring, struct ring_budget *budget); /* NULL is fine */
/* `in_flight`: now; the rest is what came since the last time. */
void traffic_ring_add(struct traffic_ring *ring, struct ring_budget *budget, int64_t now_ms,
                      int64_t requests, int64_t errors, int64_t in_flight,
                      const struct histogram *latency);

struct ring_sum {
    int64_t requests, errors, in_flight; /* in_flight: at the end of it */
    struct histogram latency;
};
/* Adds the slots [from, to), by their numbers. */
void traffic_ring_sum(const struct traffic_ring *ring, int64_t from, int64_t to,
                      struct ring_sum *out);

#endif
