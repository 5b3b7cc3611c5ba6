#define NEEDS                                                                                      \
    {                                                                                              \
        "orch.host.quantum/1", 16, 0                                                               \
    }
#include "scheduler.h"
