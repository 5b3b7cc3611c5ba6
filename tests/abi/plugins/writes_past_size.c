/* Fills a member that only its own, newer SDK knows, without asking how much room it was given. */
#define SCORE score
#define PROVIDES                                                                                   \
    {                                                                                              \
        ORCH_SCHEDULER_1, PLUGIN_NAME, &careless, NULL                                             \
    }
#include <orchestrator/scheduler.h>
static const struct orch_scheduler_v1 careless;
#include "scheduler.h"

struct newer_wants {
    struct orch_sched_wants known;
    uint64_t more;
};

static orch_status create_careless(void *module, const struct orch_host *host,
                                   struct orch_str config, void **scheduler,
                                   struct orch_sched_wants *wants, struct orch_error *error)
{
    ((struct newer_wants *)wants)->more = 1;
    return create(module, host, config, scheduler, wants, error);
}

static const struct orch_scheduler_v1 careless = {
    .size = sizeof careless, .create = create_careless, .destroy = destroy, .score = score};
