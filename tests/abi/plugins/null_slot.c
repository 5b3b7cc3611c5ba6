#define SCORE NULL
#include "scheduler.h"
