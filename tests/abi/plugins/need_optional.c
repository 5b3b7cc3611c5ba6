#define NEEDS                                                                                      \
    {                                                                                              \
        "orch.host.quantum/1", 16, 1                                                               \
    }
#include "scheduler.h"
