#include "health/probe_state.h"

void probe_state_init(struct probe_state *state)
{
    *state = (struct probe_state){.verdict = PROBE_UNKNOWN};
}

bool probe_state_take(struct probe_state *state, const struct probe *probe, bool success)
{
    uint8_t before = state->verdict;
    state->successes = success ? state->successes + 1 : 0;
    state->failures = success ? 0 : state->failures + 1;
    if (state->successes >= probe->success_threshold)
        state->verdict = PROBE_PASSED;
    else if (state->failures >= probe->failure_threshold)
        state->verdict = PROBE_FAILED;
    return state->verdict != before;
}
