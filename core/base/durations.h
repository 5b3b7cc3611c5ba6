/* A histogram of durations: as cheap as a counter to keep, and written in Prometheus' text format.
 * From 100 us to 10 s. [any] one thread at a time */
#ifndef BASE_DURATIONS_H
#define BASE_DURATIONS_H

#include "base/text.h"

#include <stdint.h>

enum { DURATION_BUCKETS = 12 };
struct durations {
    uint64_t buckets[DURATION_BUCKETS + 1], count, total_ns;
};
void durations_note(struct durations *durations, uint64_t ns);
/* The samples NAME_bucket, NAME_sum and NAME_count. `labels`: "verb=\"pull\"", or "". */
void durations_write(const struct durations *durations, const char *name, const char *labels,
                     struct text *out);

#endif
