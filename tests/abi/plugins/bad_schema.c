#define SCHEMA "{\"type\":\"object\",\"properties\":{\"weight\":{\"multipleOf\":2}}}"
#include "scheduler.h"
