/* The plugins that ship, linked in. Schedulers are asked everything twice. */
#include "judge.h"

#include <stdlib.h>
#include <string.h>

extern const struct orch_manifest sim_spread_manifest, sim_binpack_manifest;
const struct orch_scheduler_v1 *sim_scheduler_spread, *sim_scheduler_binpack;
static struct orch_scheduler_v1 wrapped[2];
static const struct orch_scheduler_v1 *inner[2];

static orch_status score_twice(int which, void *scheduler, const struct orch_sched_view *view,
                               const struct orch_sched_ask *ask, const uint32_t *candidates,
                               uint32_t count, int64_t *scores, uint32_t *reasons,
                               struct orch_error *error)
{
    int64_t *again = memory_alloc((count + 1) * sizeof *again);
    orch_status status =
        inner[which]->score(scheduler, view, ask, candidates, count, 0, again, reasons, error);
    orch_status second =
        inner[which]->score(scheduler, view, ask, candidates, count, 0, scores, reasons, error);
    CHECK(I27, status == second && memcmp(again, scores, count * sizeof *scores) == 0,
          "two answers to one question");
    free(again);
    return second;
}

static orch_status score_spread(void *scheduler, const struct orch_sched_view *view,
                                const struct orch_sched_ask *ask, const uint32_t *candidates,
                                uint32_t count, uint32_t reserved, int64_t *scores,
                                uint32_t *reasons, struct orch_error *error)
{
    (void)reserved;
    return score_twice(0, scheduler, view, ask, candidates, count, scores, reasons, error);
}

static orch_status score_binpack(void *scheduler, const struct orch_sched_view *view,
                                 const struct orch_sched_ask *ask, const uint32_t *candidates,
                                 uint32_t count, uint32_t reserved, int64_t *scores,
                                 uint32_t *reasons, struct orch_error *error)
{
    (void)reserved;
    return score_twice(1, scheduler, view, ask, candidates, count, scores, reasons, error);
}

void sim_plugins_init(void)
{
    inner[0] = sim_spread_manifest.provides[0].table;
    inner[1] = sim_binpack_manifest.provides[0].table;
    wrapped[0] = *inner[0];
    wrapped[1] = *inner[1];
    wrapped[0].score = score_spread;
    wrapped[1].score = score_binpack;
    sim_scheduler_spread = &wrapped[0];
    sim_scheduler_binpack = &wrapped[1];
}
