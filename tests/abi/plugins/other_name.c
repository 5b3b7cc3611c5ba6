#define PROVIDES                                                                                   \
    {                                                                                              \
        ORCH_SCHEDULER_1, "somebody-else", &table, SCHEMA                                          \
    }
#include "scheduler.h"
