#include "proxy/meter.h"

#include <orchestrator/balancer.h>

#include <stdlib.h>
#include <string.h>

struct meter *meter_create(uint32_t workers)
{
    struct meter *meter =
        memory_alloc(sizeof *meter + workers * sizeof(_Atomic(struct meter_lane *)));
    atomic_init(&meter->references, 1);
    meter->workers = workers;
    return meter;
}

struct meter *meter_hold(struct meter *meter)
{
    atomic_fetch_add_explicit(&meter->references, 1, memory_order_relaxed);
    return meter;
}

void meter_release(struct meter *meter)
{
    if (atomic_fetch_sub_explicit(&meter->references, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < meter->workers; i++)
        free(atomic_load(&meter->lanes[i]));
    traffic_finish(&meter->told);
    free(meter);
}

struct meter_lane *meter_make_lane(struct meter *meter, uint32_t worker)
{
    struct meter_lane *lane = aligned_alloc(_Alignof(struct meter_lane), sizeof *lane);
    if (!lane)
        abort(); /* as base does when memory is out */
    memset(lane, 0, sizeof *lane);
    atomic_store_explicit(&meter->lanes[worker], lane, memory_order_release);
    return lane;
}

void meter_outcome(struct meter_lane *lane, uint32_t outcome)
{
    switch (outcome) {
    case ORCH_OUTCOME_CONNECT_FAILED:
        meter_count(lane, TRAFFIC_CONNECT_FAILED, 1);
        break;
    case ORCH_OUTCOME_TIMEOUT:
        meter_count(lane, TRAFFIC_TIMED_OUT, 1);
        break;
    case ORCH_OUTCOME_ERROR:
        meter_count(lane, TRAFFIC_CUT, 1);
        break;
    case ORCH_OUTCOME_CLIENT_GONE:
        meter_count(lane, TRAFFIC_CLIENT_GONE, 1);
        break;
    default:
        break;
    }
}

static uint64_t read_count(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_acquire);
}

static void sum_counts(struct meter *meter, int64_t counts[TRAFFIC_KIND_COUNT])
{
    memset(counts, 0, TRAFFIC_KIND_COUNT * sizeof *counts);
    for (uint32_t i = 0; i < meter->workers; i++) {
        const struct meter_lane *lane =
            atomic_load_explicit(&meter->lanes[i], memory_order_acquire);
        for (int kind = 0; lane && kind < TRAFFIC_KIND_COUNT; kind++)
            counts[kind] += (int64_t)read_count(&lane->counts[kind]);
    }
}

static void take_buckets(struct meter *meter, struct histogram *out)
{
    uint64_t sums[HISTOGRAM_BUCKETS] = {0};
    for (uint32_t i = 0; i < meter->workers; i++) {
        const struct meter_lane *lane =
            atomic_load_explicit(&meter->lanes[i], memory_order_acquire);
        for (uint32_t bucket = 0; lane && bucket < HISTOGRAM_BUCKETS; bucket++)
            sums[bucket] += read_count(&lane->buckets[bucket]);
    }
    for (uint32_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++)
        if (sums[bucket] != histogram_get(&meter->told.latency, bucket)) {
            histogram_set(out, bucket, sums[bucket]);
            histogram_set(&meter->told.latency, bucket, sums[bucket]);
        }
}

bool meter_take_changes(struct meter *meter, struct traffic *out)
{
    *out = (struct traffic){0};
    sum_counts(meter, out->counts);
    if (memcmp(out->counts, meter->told.counts, sizeof out->counts) == 0)
        return false;
    memcpy(meter->told.counts, out->counts, sizeof out->counts);
    take_buckets(meter, &out->latency);
    return true;
}

void meter_forget_told(struct meter *meter)
{
    traffic_finish(&meter->told);
    meter->told_in_flight = 0;
    meter->resumed = true;
}
