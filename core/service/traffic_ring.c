#include "service/traffic_ring.h"

#include <stdlib.h>
#include <string.h>

/* -- packing: numbers of seven bits a byte, the lowest first -- */

static uint8_t *put_number(uint8_t *at, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        *at++ = (uint8_t)(number | 0x80);
    *at++ = (uint8_t)number;
    return at;
}

static const uint8_t *get_number(const uint8_t *at, uint64_t *number)
{
    unsigned shift = 0;
    *number = 0;
    do {
        *number |= (uint64_t)(*at & 0x7f) << shift;
        shift += 7;
    } while (*at++ & 0x80);
    return at;
}

static void pack(struct ring_slot *slot, const struct histogram *latency,
                 struct ring_budget *budget)
{
    enum { PAIR_BYTES = 12 };
    uint8_t bytes[HISTOGRAM_BUCKETS * PAIR_BYTES], *at = bytes;
    uint32_t last = 0;
    for (uint32_t i = 0; i < latency->count; i++) {
        if (!latency->buckets[i])
            continue;
        at = put_number(at, latency->first + i - last);
        at = put_number(at, latency->buckets[i]);
        last = latency->first + i;
    }
    size_t length = (size_t)(at - bytes);
    if (!length || budget->bytes + length > budget->limit)
        return;
    slot->latency = memory_alloc(length);
    memcpy(slot->latency, bytes, length);
    slot->latency_bytes = (uint32_t)length;
    budget->bytes += length;
}

static void unpack(const struct ring_slot *slot, struct histogram *out)
{
    const uint8_t *at = slot->latency, *end = at + slot->latency_bytes;
    uint64_t index = 0;
    while (at < end) {
        uint64_t gap, count;
        at = get_number(at, &gap);
        at = get_number(at, &count);
        index += gap;
        histogram_add(out, (uint32_t)index, count);
    }
}

/* -- the ring -- */

static struct ring_slot *slot_of(struct traffic_ring *ring, int64_t number)
{
    return &ring->slots[number % RING_SLOTS];
}

static void clear_slot(struct ring_slot *slot, struct ring_budget *budget)
{
    budget->bytes -= slot->latency_bytes;
    free(slot->latency);
    *slot = (struct ring_slot){0};
}

struct traffic_ring *traffic_ring_create(struct ring_budget *budget, int64_t now_ms)
{
    if (budget->bytes + sizeof(struct traffic_ring) > budget->limit)
        return NULL;
    struct traffic_ring *ring = memory_alloc(sizeof *ring);
    ring->newest = now_ms / RING_SLOT_MS;
    budget->bytes += sizeof *ring;
    return ring;
}

void traffic_ring_destroy(struct traffic_ring *ring, struct ring_budget *budget)
{
    if (!ring)
        return;
    for (int i = 0; i < RING_SLOTS; i++)
        clear_slot(&ring->slots[i], budget);
    histogram_finish(&ring->open);
    budget->bytes -= sizeof *ring;
    free(ring);
}

/* A clock that goes back adds to the newest. */
static void advance(struct traffic_ring *ring, struct ring_budget *budget, int64_t number)
{
    if (number <= ring->newest)
        return;
    pack(slot_of(ring, ring->newest), &ring->open, budget);
    histogram_finish(&ring->open);
    int64_t first = ring->newest + 1;
    for (int64_t i = number - first < RING_SLOTS ? first : number - RING_SLOTS + 1; i <= number;
         i++)
        clear_slot(slot_of(ring, i), budget);
    ring->newest = number;
}

void traffic_ring_add(struct traffic_ring *ring, struct ring_budget *budget, int64_t now_ms,
                      int64_t requests, int64_t errors, int64_t in_flight,
                      const struct histogram *latency)
{
    advance(ring, budget, now_ms / RING_SLOT_MS);
    struct ring_slot *slot = slot_of(ring, ring->newest);
    slot->used = true;
    slot->requests += requests;
    slot->errors += errors;
    slot->in_flight = in_flight;
    histogram_merge(&ring->open, latency);
}

/* What was in flight when something was said last. */
static int64_t in_flight_at(const struct traffic_ring *ring, int64_t number)
{
    int64_t oldest = ring->newest - RING_SLOTS + 1;
    for (int64_t i = number < ring->newest ? number : ring->newest; i >= oldest && i >= 0; i--)
        if (ring->slots[i % RING_SLOTS].used)
            return ring->slots[i % RING_SLOTS].in_flight;
    return 0;
}

void traffic_ring_sum(const struct traffic_ring *ring, int64_t from, int64_t to,
                      struct ring_sum *out)
{
    int64_t oldest = ring->newest - RING_SLOTS + 1;
    for (int64_t i = from > oldest ? from : oldest; i < to && i <= ring->newest; i++) {
        const struct ring_slot *slot = &ring->slots[i % RING_SLOTS];
        out->requests += slot->requests;
        out->errors += slot->errors;
        if (i == ring->newest)
            histogram_merge(&out->latency, &ring->open);
        else
            unpack(slot, &out->latency);
    }
    out->in_flight += in_flight_at(ring, to - 1);
}
