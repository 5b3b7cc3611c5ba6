#include "base/clock.h"
#include "health/backoff.h"

#include <criterion/criterion.h>

static const struct restart_policy policy = {.condition = RESTART_ALWAYS,
                                             .backoff_ns = 500 * NS_PER_MS,
                                             .max_backoff_ns = 8 * NS_PER_SECOND,
                                             .reset_after_ns = 600 * NS_PER_SECOND};

static uint64_t next(struct backoff *backoff, uint64_t ran_ms, bool was_ready, bool has_probe)
{
    const struct backoff_end end = {.ran_ns = ran_ms * NS_PER_MS,
                                    .was_ready = was_ready,
                                    .has_probe = has_probe,
                                    .random = UINT64_MAX};
    return backoff_next(backoff, &policy, &end) / NS_PER_MS;
}

Test(backoff, first_after_a_good_run_is_at_once)
{
    struct backoff probed = {0}, plain = {0};
    cr_assert_eq(next(&probed, 1, true, true), 0, "it had been ready, however short");
    cr_assert_eq(next(&plain, 500, false, false), 0, "no probe: it ran for `backoff`");
}

Test(backoff, first_after_a_bad_run_waits)
{
    struct backoff probed = {0}, plain = {0};
    cr_assert_gt(next(&probed, 100000, false, true), 0, "never ready, however long");
    cr_assert_gt(next(&plain, 499, false, false), 0);
}

Test(backoff, doubles_up_to_the_maximum_with_a_quarter_of_jitter)
{
    static const uint64_t nominal_ms[] = {500, 1000, 2000, 4000, 8000, 8000, 8000};
    for (uint64_t random = 0; random < 5; random++) {
        struct backoff backoff = {0};
        const struct backoff_end end = {.ran_ns = NS_PER_MS, .random = random * 12345678901};
        for (size_t i = 0; i < sizeof nominal_ms / sizeof nominal_ms[0]; i++) {
            uint64_t wait_ms = backoff_next(&backoff, &policy, &end) / NS_PER_MS;
            cr_assert_leq(wait_ms, nominal_ms[i]);
            cr_assert_geq(wait_ms, nominal_ms[i] * 3 / 4);
        }
    }
}

Test(backoff, is_forgotten_after_a_long_run)
{
    struct backoff backoff = {0};
    for (int i = 0; i < 6; i++)
        next(&backoff, 1000, true, true);
    cr_assert_gt(next(&backoff, 599999, true, true), 0);
    cr_assert_eq(next(&backoff, 600000, true, true), 0);
}

Test(backoff, a_ready_one_that_crashes_again_and_again_waits_from_the_second)
{
    struct backoff backoff = {0};
    cr_assert_eq(next(&backoff, 1000, true, true), 0);
    uint64_t second = next(&backoff, 1000, true, true), third = next(&backoff, 1000, true, true);
    cr_assert_gt(second, 0);
    cr_assert_gt(third, second);
}
