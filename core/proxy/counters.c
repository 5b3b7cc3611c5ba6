/* What workers have counted, on its way to the feed. */
#include "proxy/impl.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define COUNTERS_NS (500 * NS_PER_MS)
/* Of one row, at most: both names, counts, buckets. */
enum { ROW_BYTES = 512 + 8 * TRAFFIC_KIND_COUNT + 12 * HISTOGRAM_BUCKETS };

/* A meter that is in no table any more, but in a worker's hands. */
struct leaver {
    struct leaver *next;
    struct meter *meter; /* held */
    char *service, *endpoint;
};

struct batch {
    struct wire_writer packet;
    size_t place;
    uint32_t count;
};

static void batch_begin(struct batch *batch)
{
    wire_begin(&batch->packet, WIRE_COUNTERS);
    batch->place = wire_put_count(&batch->packet);
    batch->count = 0;
}

static void batch_send(struct proxy *proxy, struct batch *batch)
{
    if (!batch->count)
        return;
    wire_set_count(&batch->packet, batch->place, batch->count);
    channel_send(proxy->feeder, &batch->packet, NULL, 0);
    batch_begin(batch);
}

static void put_traffic(struct wire_writer *packet, const struct traffic *traffic)
{
    const struct histogram *latency = &traffic->latency;
    uint32_t count = 0;
    for (int i = 0; i < TRAFFIC_KIND_COUNT; i++)
        wire_put_u64(packet, (uint64_t)traffic->counts[i]);
    size_t place = wire_put_count(packet);
    for (uint32_t i = 0; i < latency->count; i++) {
        if (!latency->buckets[i])
            continue;
        wire_put_u32(packet, latency->first + i);
        wire_put_u64(packet, latency->buckets[i]);
        count++;
    }
    wire_set_count(packet, place, count);
}

static void batch_add(struct proxy *proxy, struct batch *batch, const char *service,
                      const char *endpoint, struct meter *meter, uint64_t in_flight)
{
    struct traffic traffic;
    if (!meter_take_changes(meter, &traffic) && in_flight == meter->told_in_flight)
        return;
    meter->told_in_flight = in_flight;
    wire_put_text(&batch->packet, service);
    wire_put_text(&batch->packet, endpoint);
    wire_put_u64(&batch->packet, meter->source);
    wire_put_u32(&batch->packet, meter->resumed);
    wire_put_u64(&batch->packet, in_flight);
    put_traffic(&batch->packet, &traffic);
    histogram_finish(&traffic.latency);
    meter->resumed = false;
    batch->count++;
    if (!wire_has_room(&batch->packet, ROW_BYTES))
        batch_send(proxy, batch);
}

static bool is_fed(const struct proxy *proxy)
{
    return proxy->feeder && proxy->version;
}

static void add_service(struct proxy *proxy, struct batch *batch, struct service *service)
{
    batch_add(proxy, batch, service->name, "", service->meter, 0);
    for (uint32_t i = 0; i < service->endpoint_count; i++) {
        struct endpoint *endpoint = service->endpoints[i];
        batch_add(proxy, batch, service->name, endpoint->id, endpoint->meter,
                  orch_cell_in_flight(&endpoint->cell));
    }
}

static void free_leaver(struct proxy *proxy, struct leaver *leaver)
{
    LL_DELETE(proxy->leavers, leaver);
    meter_release(leaver->meter);
    free(leaver->service);
    free(leaver->endpoint);
    free(leaver);
}

/* Once it is ours alone nobody counts in it any more. */
static void add_leavers(struct proxy *proxy, struct batch *batch)
{
    struct leaver *leaver, *next;
    LL_FOREACH_SAFE(proxy->leavers, leaver, next)
    {
        bool last = atomic_load(&leaver->meter->references) == 1;
        batch_add(proxy, batch, leaver->service, leaver->endpoint, leaver->meter, 0);
        if (last)
            free_leaver(proxy, leaver);
    }
}

static void due(void *argument)
{
    struct proxy *proxy = argument;
    struct batch batch;
    loop_timer_start(&proxy->counters, COUNTERS_NS);
    if (!is_fed(proxy) || !channel_is_empty(proxy->feeder))
        return; /* a feed that is slow gets them later */
    batch_begin(&batch);
    for (struct service *service = proxy->services; service; service = service->hh.next)
        add_service(proxy, &batch, service);
    add_leavers(proxy, &batch);
    batch_send(proxy, &batch);
}

void counters_tell(struct proxy *proxy, const char *service, struct endpoint *endpoint)
{
    struct batch batch;
    if (!is_fed(proxy))
        return;
    batch_begin(&batch);
    batch_add(proxy, &batch, service, endpoint->id, endpoint->meter,
              orch_cell_in_flight(&endpoint->cell));
    batch_send(proxy, &batch);
}

void counters_leave(struct proxy *proxy, const char *service, const char *endpoint,
                    struct meter *meter)
{
    struct leaver *leaver = memory_alloc(sizeof *leaver);
    leaver->meter = meter_hold(meter);
    leaver->service = memory_strdup(service);
    leaver->endpoint = memory_strdup(endpoint);
    LL_PREPEND(proxy->leavers, leaver);
}

void counters_forget_told(struct proxy *proxy)
{
    struct leaver *leaver;
    for (struct service *service = proxy->services; service; service = service->hh.next) {
        meter_forget_told(service->meter);
        for (uint32_t i = 0; i < service->endpoint_count; i++)
            meter_forget_told(service->endpoints[i]->meter);
    }
    LL_FOREACH(proxy->leavers, leaver)
    {
        meter_forget_told(leaver->meter);
    }
}

void counters_name(struct proxy *proxy, struct meter *meter)
{
    enum { SOURCE_BITS = 52 }; /* a number in JSON keeps so many */
    if (!proxy->next_source)
        proxy->next_source = loop_random(proxy->loop) >> (64 - SOURCE_BITS);
    meter->source = ++proxy->next_source;
}

void counters_init(struct proxy *proxy)
{
    loop_timer_init(&proxy->counters, proxy->loop, "counters", due, proxy);
    loop_timer_start(&proxy->counters, COUNTERS_NS);
}

void counters_finish(struct proxy *proxy)
{
    loop_timer_stop(&proxy->counters);
}

void counters_drop_leavers(struct proxy *proxy)
{
    while (proxy->leavers)
        free_leaver(proxy, proxy->leavers);
}
