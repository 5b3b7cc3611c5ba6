/* Reading what proxies have counted: the last minutes, and the totals. */
#include "service/impl.h"

#include <stdio.h>
#include <string.h>

_Static_assert((int)TRAFFIC_STEP_MS == (int)RING_SLOT_MS, "steps are whole slots");
_Static_assert((int)TRAFFIC_STEPS < (int)RING_SLOTS, "all of them are kept");

const uint64_t traffic_bounds_us[TRAFFIC_BOUNDS] = {500,     1000,    2500,    5000,    10000,
                                                    25000,   50000,   100000,  250000,  500000,
                                                    1000000, 2500000, 5000000, 10000000};

/* -- the last minutes -- */

static const struct traffic_ring *ring_of(struct service_manager *manager,
                                          const struct service *service, const char *container)
{
    struct track *track = service_track(manager, service->name);
    struct figures *figures = NULL;
    if (!track || !container)
        return track ? track->ring : NULL;
    HASH_FIND_STR(track->figures, container, figures);
    return figures ? figures->ring : NULL;
}

void service_manager_traffic(struct service_manager *manager, const struct service *const *services,
                             uint32_t service_count, const char *container, int64_t until_ms,
                             int64_t step_ms, struct traffic_rates *steps, uint32_t count)
{
    int64_t end = until_ms / RING_SLOT_MS, step = step_ms / RING_SLOT_MS;
    for (uint32_t i = 0; i < count; i++) {
        struct ring_sum sum = {0};
        int64_t from = end - (int64_t)(count - i) * step;
        for (uint32_t j = 0; j < service_count; j++) {
            const struct traffic_ring *ring = ring_of(manager, services[j], container);
            if (ring)
                traffic_ring_sum(ring, from, from + step, &sum);
        }
        steps[i] = (struct traffic_rates){.requests = sum.requests,
                                          .errors = sum.errors,
                                          .in_flight = sum.in_flight,
                                          .p50_us = histogram_quantile_us(&sum.latency, 500),
                                          .p99_us = histogram_quantile_us(&sum.latency, 990)};
        histogram_finish(&sum.latency);
    }
}

/* -- totals -- */

static void add_to_row(struct traffic_row *row, const struct figures *figures)
{
    row->in_flight += figures->in_flight;
    for (int i = 0; i < TRAFFIC_KIND_COUNT; i++)
        row->counts[i] += figures->sum.counts[i];
    histogram_add_at_most(&figures->sum.latency, traffic_bounds_us, TRAFFIC_BOUNDS, row->at_most);
    row->latencies += histogram_total(&figures->sum.latency);
}

uint32_t service_manager_traffic_rows(struct service_manager *manager,
                                      const struct service *service, struct traffic_row *rows,
                                      uint32_t limit)
{
    struct track *track = service_track(manager, service->name);
    uint32_t count = 0;
    for (struct figures *figures = track ? track->figures : NULL; figures && limit;
         figures = figures->hh.next) { /* as they came */
        const char *name = figures->container[0] ? figures->container : "none";
        if (count < limit) {
            rows[count] = (struct traffic_row){0};
            snprintf(rows[count].endpoint, sizeof rows[count].endpoint, "%s",
                     count + 1 < limit ? name : "other");
            count++;
        }
        add_to_row(&rows[count - 1], figures);
    }
    return count;
}
