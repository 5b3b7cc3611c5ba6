#include "runtime.h"

static orch_status info(void *runtime, struct orch_op op, struct orch_error *error)
{
    (void)runtime, (void)op, (void)error;
    (void)complete_info;
    return ORCH_PENDING;
}
