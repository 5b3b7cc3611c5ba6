#define NEEDS                                                                                      \
    {                                                                                              \
        ORCH_HOST_LOG_1, 4096, 0                                                                   \
    }
#include "scheduler.h"
