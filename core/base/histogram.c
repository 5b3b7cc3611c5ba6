#include "base/histogram.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

uint64_t histogram_floor(uint32_t index)
{
    assert(index <= HISTOGRAM_BUCKETS);
    if (index < HISTOGRAM_SUB)
        return index;
    uint32_t shift = index / HISTOGRAM_SUB - 1;
    return (uint64_t)(HISTOGRAM_SUB + index % HISTOGRAM_SUB) << shift;
}

void histogram_finish(struct histogram *histogram)
{
    free(histogram->buckets);
    *histogram = (struct histogram){0};
}

static void reach(struct histogram *histogram, uint32_t index)
{
    uint32_t first = histogram->count && histogram->first < index ? histogram->first : index;
    uint32_t end = histogram->first + histogram->count;
    end = histogram->count && end > index + 1 ? end : index + 1;
    if (histogram->count == end - first)
        return;
    uint64_t *buckets = memory_alloc((end - first) * sizeof *buckets);
    if (histogram->count)
        memcpy(buckets + (histogram->first - first), histogram->buckets,
               histogram->count * sizeof *buckets);
    free(histogram->buckets);
    *histogram = (struct histogram){.first = first, .count = end - first, .buckets = buckets};
}

static uint64_t *bucket(struct histogram *histogram, uint32_t index)
{
    index = index < HISTOGRAM_BUCKETS ? index : HISTOGRAM_BUCKETS - 1;
    reach(histogram, index);
    return &histogram->buckets[index - histogram->first];
}

void histogram_add(struct histogram *histogram, uint32_t index, uint64_t times)
{
    if (times)
        *bucket(histogram, index) += times;
}

void histogram_set(struct histogram *histogram, uint32_t index, uint64_t times)
{
    *bucket(histogram, index) = times;
}

uint64_t histogram_get(const struct histogram *histogram, uint32_t index)
{
    return index >= histogram->first && index - histogram->first < histogram->count
               ? histogram->buckets[index - histogram->first]
               : 0;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
    for (uint32_t i = 0; i < from->count; i++)
        histogram_add(to, from->first + i, from->buckets[i]);
}

void histogram_merge_since(struct histogram *to, const struct histogram *now,
                           const struct histogram *before)
{
    for (uint32_t i = 0; i < now->count; i++) {
        uint64_t had = histogram_get(before, now->first + i);
        if (now->buckets[i] > had)
            histogram_add(to, now->first + i, now->buckets[i] - had);
    }
}

uint64_t histogram_total(const struct histogram *histogram)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < histogram->count; i++)
        total += histogram->buckets[i];
    return total;
}

static uint64_t middle(uint32_t index)
{
    return (histogram_floor(index) + histogram_floor(index + 1) - 1) / 2;
}

int64_t histogram_quantile_us(const struct histogram *histogram, uint32_t permille)
{
    uint64_t total = histogram_total(histogram), seen = 0;
    uint64_t rank = total / 1000 * permille + (total % 1000 * permille + 999) / 1000;
    for (uint32_t i = 0; i < histogram->count; i++) {
        seen += histogram->buckets[i];
        if (seen && seen >= rank)
            return (int64_t)middle(histogram->first + i);
    }
    return -1;
}

void histogram_add_at_most(const struct histogram *histogram, const uint64_t *bounds_us,
                           uint32_t count, uint64_t *out)
{
    uint64_t seen = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < histogram->count; i++) {
        for (; at < count && middle(histogram->first + i) > bounds_us[at]; at++)
            out[at] += seen;
        seen += histogram->buckets[i];
    }
    for (; at < count; at++)
        out[at] += seen;
}

void histogram_write(const struct histogram *histogram, struct text *out)
{
    const char *between = "";
    for (uint32_t i = 0; i < histogram->count; i++) {
        if (!histogram->buckets[i])
            continue;
        text_append_format(out, "%s%u:%llu", between, histogram->first + i,
                           (unsigned long long)histogram->buckets[i]);
        between = " ";
    }
}

bool histogram_read(struct histogram *histogram, const char *text)
{
    while (*text) {
        char *end;
        unsigned long index = strtoul(text, &end, 10);
        if (end == text || *end != ':' || index >= HISTOGRAM_BUCKETS)
            return false;
        text = end + 1;
        unsigned long long times = strtoull(text, &end, 10);
        if (end == text || (*end && *end != ' '))
            return false;
        histogram_set(histogram, (uint32_t)index, times);
        text = *end ? end + 1 : end;
    }
    return true;
}
