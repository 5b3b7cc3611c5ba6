#define HEAD ORCH_MAGIC, 2, sizeof(struct orch_manifest), ORCH_SDK_VERSION
#include "scheduler.h"
