#include "base/durations.h"
#include "base/clock.h"

static const uint64_t bounds_us[DURATION_BUCKETS] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 25000, 100000, 500000, 2500000, 10000000};

void durations_note(struct durations *durations, uint64_t ns)
{
    int bucket = 0;
    while (bucket < DURATION_BUCKETS && ns > bounds_us[bucket] * NS_PER_US)
        bucket++;
    durations->buckets[bucket]++;
    durations->count++;
    durations->total_ns += ns;
}

void durations_write(const struct durations *durations, const char *name, const char *labels,
                     struct text *out)
{
    const char *comma = *labels ? "," : "";
    const char *open = *labels ? "{" : "", *close = *labels ? "}" : "";
    uint64_t below = 0;
    for (int i = 0; i < DURATION_BUCKETS; i++) {
        below += durations->buckets[i];
        text_append_format(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, labels, comma,
                           (double)bounds_us[i] / 1e6, (unsigned long long)below);
    }
    text_append_format(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, labels, comma,
                       (unsigned long long)durations->count);
    text_append_format(out, "%s_sum%s%s%s %.6f\n", name, open, labels, close,
                       (double)durations->total_ns / 1e9);
    text_append_format(out, "%s_count%s%s%s %llu\n", name, open, labels, close,
                       (unsigned long long)durations->count);
}
