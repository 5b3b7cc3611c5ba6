#define HEAD 0x12345678, ORCH_LOADER_ABI, sizeof(struct orch_manifest), ORCH_SDK_VERSION
#include "scheduler.h"
