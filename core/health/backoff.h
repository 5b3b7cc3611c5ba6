/* Restart back-off: the first restart after a good run is at once, then waits double with jitter
 * (full jitter over the upper half; "Exponential Backoff And Jitter", AWS Architecture Blog, 2015)
 * up to the maximum, and are forgotten after `resetAfter` of running. Pure; [any]. */
#ifndef HEALTH_BACKOFF_H
#define HEALTH_BACKOFF_H

#include "container/template.h"

struct backoff {
    uint64_t wait_ns; /* the next one, before jitter; 0: none yet */
};
struct backoff_end {
    uint64_t ran_ns; /* how long it ran */
    bool was_ready;  /* it had been ready */
    bool has_probe;  /* a readiness or startup probe said so */
    uint64_t random;
};
/* The wait before the next start after such an end; moves the back-off on. */
uint64_t backoff_next(struct backoff *backoff, const struct restart_policy *policy,
                      const struct backoff_end *end);

#endif
