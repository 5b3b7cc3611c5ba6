#define PROVIDES                                                                                   \
    {                                                                                              \
        ORCH_SCHEDULER_1, PLUGIN_NAME, &newer_table, NULL                                          \
    }
#include <orchestrator/scheduler.h>
struct newer_scheduler {
    struct orch_scheduler_v1 known;
    void (*one_more)(void *scheduler);
};
static const struct newer_scheduler newer_table;
#include "scheduler.h"

static const struct newer_scheduler newer_table = {
    .known = {.size = sizeof newer_table, .create = create, .destroy = destroy, .score = score},
    .one_more = destroy};
