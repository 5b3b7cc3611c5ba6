/* Durations counted in fixed log-linear buckets: each octave of microseconds has sixteen of one
 * width, so that a value is told to within 1/32 of itself, and sums of histograms are exact (as in
 * HdrHistogram). From 1 us to 134 s; what is longer is in the last bucket. [any thread; no shared
 * state] */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum { HISTOGRAM_SUB_BITS = 4, HISTOGRAM_SUB = 1 << HISTOGRAM_SUB_BITS, HISTOGRAM_BUCKETS = 384 };

static inline uint32_t histogram_index(uint64_t us)
{
    if (us < HISTOGRAM_SUB)
        return (uint32_t)us;
    uint32_t octave = 63u - (uint32_t)__builtin_clzll(us);
    uint32_t shift = octave - HISTOGRAM_SUB_BITS;
    uint32_t index = (shift + 1) * HISTOGRAM_SUB + ((uint32_t)(us >> shift) & (HISTOGRAM_SUB - 1));
    return index < HISTOGRAM_BUCKETS ? index : HISTOGRAM_BUCKETS - 1;
}
/* The bucket holds from here up to histogram_floor(index + 1), without that. */
uint64_t histogram_floor(uint32_t index);

/* Only as many buckets as lie between the first and the last that were used. Zeroed: empty. */
struct histogram {
    uint32_t first, count;
    uint64_t *buckets; /* owned */
};
void histogram_finish(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint32_t index, uint64_t times);
uint64_t histogram_get(const struct histogram *histogram, uint32_t index);
/* The bucket's count becomes `times`. */
void histogram_set(struct histogram *histogram, uint32_t index, uint64_t times);
void histogram_merge(struct histogram *to, const struct histogram *from);
/* Adds what `now` has more than `before` to `to`. */
void histogram_merge_since(struct histogram *to, const struct histogram *now,
                           const struct histogram *before);
uint64_t histogram_total(const struct histogram *histogram);
/* The duration that `permille` of them do not exceed, in us; -1: there is none. */
int64_t histogram_quantile_us(const struct histogram *histogram, uint32_t permille);
/* Adds to each of `out` how many are at most as long as its bound (growing), by the middle of their
 * buckets. */
void histogram_add_at_most(const struct histogram *histogram, const uint64_t *bounds_us,
                           uint32_t count, uint64_t *out);

/* "INDEX:COUNT INDEX:COUNT": buckets that are not 0. */
void histogram_write(const struct histogram *histogram, struct text *out);
/* Sets those of the text; false: it is none. */
bool histogram_read(struct histogram *histogram, const char *text);

#endif
