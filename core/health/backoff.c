#include "health/backoff.h"

uint64_t backoff_next(struct backoff *backoff, const struct restart_policy *policy,
                      const struct backoff_end *end)
{
    bool good = end->has_probe ? end->was_ready : end->ran_ns >= policy->backoff_ns;
    if (end->ran_ns >= policy->reset_after_ns)
        backoff->wait_ns = 0;
    if (good && !backoff->wait_ns) {
        backoff->wait_ns = policy->backoff_ns; /* at once, and the next one waits */
        return 0;
    }
    uint64_t wait = backoff->wait_ns ? backoff->wait_ns : policy->backoff_ns;
    backoff->wait_ns = wait > policy->max_backoff_ns / 2 ? policy->max_backoff_ns : wait * 2;
    if (wait > policy->max_backoff_ns)
        wait = policy->max_backoff_ns;
    return wait - wait / 4 + end->random % (wait / 4 + 1);
}
