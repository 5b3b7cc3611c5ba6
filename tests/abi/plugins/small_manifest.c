#define HEAD ORCH_MAGIC, ORCH_LOADER_ABI, 16, ORCH_SDK_VERSION
#include "scheduler.h"
