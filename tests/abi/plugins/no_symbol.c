#define NO_MANIFEST
#include "scheduler.h"
