#include "base/traffic.h"

#include <string.h>

void traffic_finish(struct traffic *traffic)
{
    histogram_finish(&traffic->latency);
    *traffic = (struct traffic){0};
}

void traffic_add(struct traffic *to, const struct traffic *from)
{
    for (int i = 0; i < TRAFFIC_KIND_COUNT; i++)
        to->counts[i] += from->counts[i];
    histogram_merge(&to->latency, &from->latency);
}

void traffic_add_since(struct traffic *to, const struct traffic *now, const struct traffic *before)
{
    for (int i = 0; i < TRAFFIC_KIND_COUNT; i++)
        if (now->counts[i] > before->counts[i])
            to->counts[i] += now->counts[i] - before->counts[i];
    histogram_merge_since(&to->latency, &now->latency, &before->latency);
}

void traffic_renew(struct traffic *totals, const struct traffic *changed)
{
    const struct histogram *latency = &changed->latency;
    memcpy(totals->counts, changed->counts, sizeof totals->counts);
    for (uint32_t i = 0; i < latency->count; i++)
        if (latency->buckets[i])
            histogram_set(&totals->latency, latency->first + i, latency->buckets[i]);
}

int64_t traffic_requests(const struct traffic *traffic)
{
    int64_t sum = 0;
    for (int i = TRAFFIC_ANSWERED_1XX; i <= TRAFFIC_UNANSWERED; i++)
        sum += traffic->counts[i];
    return sum;
}
