#define SCORE NULL
#define NEEDS                                                                                      \
    {"orch.host.quantum/1", 16, 0},                                                                \
    {                                                                                              \
        ORCH_HOST_LOG_1, 4096, 0                                                                   \
    }
#define SCHEMA "{\"type\":\"thing\"}"
#include "scheduler.h"
