/* What the proxy counts, until it is reported. */
#include "agent/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct figure *figure_of(struct agent *agent, const struct feed_counters *counters)
{
    struct figure *figure = NULL;
    char key[sizeof figure->key];
    snprintf(key, sizeof key, "%s %s %llu", counters->service, counters->endpoint,
             (unsigned long long)counters->source);
    HASH_FIND_STR(agent->figures, key, figure);
    if (figure)
        return figure;
    figure = memory_alloc(sizeof *figure);
    memcpy(figure->key, key, sizeof key);
    snprintf(figure->service, sizeof figure->service, "%s", counters->service);
    snprintf(figure->container, sizeof figure->container, "%s", counters->endpoint);
    figure->source = (int64_t)counters->source;
    HASH_ADD_STR(agent->figures, key, figure);
    return figure;
}

void figures_note(void *argument, const struct feed_counters *counters)
{
    struct figure *figure = figure_of(argument, counters);
    figure->in_flight = (int64_t)counters->in_flight;
    figure->resumed |= counters->resumed;
    traffic_renew(&figure->totals, &counters->totals);
}

void figures_fill(struct agent *agent, struct report *report, struct arena *arena)
{
    struct figure *figure, *next;
    struct reported_endpoint *items =
        arena_alloc(arena, (HASH_COUNT(agent->figures) + 1) * sizeof *items);
    CLEANUP(text_finish) struct text latency = {0};
    report->endpoints = (struct list){.items = items};
    HASH_ITER(hh, agent->figures, figure, next)
    {
        struct reported_endpoint *item = &items[report->endpoints.count++];
        text_clear(&latency);
        histogram_write(&figure->totals.latency, &latency);
        *item = (struct reported_endpoint){
            .service = figure->service,
            .container = figure->container,
            .source = figure->source,
            .resumed = figure->resumed,
            .in_flight = figure->in_flight,
            .latency = latency.length ? arena_strdup(arena, latency.data) : NULL};
        memcpy(item->counts, figure->totals.counts, sizeof item->counts);
    }
}

void figures_told(struct agent *agent)
{
    struct figure *figure, *next;
    HASH_ITER(hh, agent->figures, figure, next)
    {
        HASH_DEL(agent->figures, figure);
        traffic_finish(&figure->totals);
        free(figure);
    }
}
