/* What follows from a run of probe results: pure, without I/O or clock. [any] */
#ifndef HEALTH_PROBE_STATE_H
#define HEALTH_PROBE_STATE_H

#include "container/template.h"

enum probe_verdict { PROBE_UNKNOWN = 1, PROBE_PASSED, PROBE_FAILED };
struct probe_state {
    uint8_t verdict;             /* enum probe_verdict */
    int64_t successes, failures; /* in a row */
};
void probe_state_init(struct probe_state *state);
/* True when the verdict changed. */
bool probe_state_take(struct probe_state *state, const struct probe *probe, bool success);

#endif
