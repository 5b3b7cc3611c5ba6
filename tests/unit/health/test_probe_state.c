#include "health/probe_state.h"

#include <criterion/criterion.h>

/* A run of results ('+' passed, '-' failed) and the verdict after each ('?', 'P', 'F'). */
Test(probe_state, verdicts_follow_runs_of_results)
{
    static const struct {
        int successes, failures;
        const char *results, *verdicts;
    } cases[] = {
        {1, 3, "+", "P"},           {1, 3, "--", "??"},       {1, 3, "---", "??F"},
        {1, 3, "--+--+", "??PPPP"}, {1, 3, "+---+", "PPPFP"}, {2, 1, "+-++", "?FFP"},
        {3, 2, "++-+++", "?????P"}, {1, 1, "-+-+", "FPFP"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct probe probe = {.success_threshold = cases[i].successes,
                                    .failure_threshold = cases[i].failures};
        struct probe_state state;
        probe_state_init(&state);
        for (size_t k = 0; cases[i].results[k]; k++) {
            uint8_t before = state.verdict;
            bool changed = probe_state_take(&state, &probe, cases[i].results[k] == '+');
            char verdict = state.verdict == PROBE_UNKNOWN  ? '?'
                           : state.verdict == PROBE_PASSED ? 'P'
                                                           : 'F';
            cr_assert_eq(verdict, cases[i].verdicts[k], "case %zu, result %zu: %c", i, k, verdict);
            cr_assert_eq(changed, before != state.verdict);
        }
    }
}
