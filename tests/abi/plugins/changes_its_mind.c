/* Scores by how often it was asked: no pure function. */
#define SCORE fickle
#define PROVIDES                                                                                   \
    {                                                                                              \
        ORCH_SCHEDULER_1, PLUGIN_NAME, &table, NULL                                                \
    }
#include <orchestrator/scheduler.h>
static orch_status fickle(void *scheduler, const struct orch_sched_view *view,
                          const struct orch_sched_ask *ask, const uint32_t *candidates,
                          uint32_t count, uint32_t reserved, int64_t *scores, uint32_t *reasons,
                          struct orch_error *error);
#include "scheduler.h"

static orch_status fickle(void *scheduler, const struct orch_sched_view *view,
                          const struct orch_sched_ask *ask, const uint32_t *candidates,
                          uint32_t count, uint32_t reserved, int64_t *scores, uint32_t *reasons,
                          struct orch_error *error)
{
    static _Atomic int64_t asked;
    orch_status status =
        score(scheduler, view, ask, candidates, count, reserved, scores, reasons, error);
    if (count)
        scores[0] = ++asked;
    return status;
}
