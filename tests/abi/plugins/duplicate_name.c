#define PROVIDES                                                                                   \
    {ORCH_SCHEDULER_1, PLUGIN_NAME, &table, SCHEMA},                                               \
    {                                                                                              \
        ORCH_SCHEDULER_1, PLUGIN_NAME, &table, NULL                                                \
    }
#include "scheduler.h"
