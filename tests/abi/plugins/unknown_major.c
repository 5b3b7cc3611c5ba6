#define INTERFACE "orch.scheduler/2"
#include "scheduler.h"
