/* What a pass takes for granted beside what is there: nodes that take nothing, and shares that
 * would come or go. Passes can so be planned one after another, each knowing what the earlier ones
 * would have changed, while the columns stay as they are. [loop] */
#ifndef SCHEDULER_ASSUMED_H
#define SCHEDULER_ASSUMED_H

#include "scheduler/scheduler.h"

struct schedule_assumed *schedule_assumed_create(void);
void schedule_assumed_destroy(struct schedule_assumed *assumed); /* NULL is fine */
/* The node takes nothing. `refuses`: FILTER_READY, it would be lost, or FILTER_SCHEDULABLE, it
 * would be cordoned or draining. */
void schedule_assumed_close(struct schedule_assumed *assumed, const char *node,
                            enum filter refuses);
/* A replica that would be there (`by` 1), or not be there any more (-1). All is copied. */
void schedule_assumed_share(struct schedule_assumed *assumed, const struct scheduler_share *share,
                            int by);

#endif
