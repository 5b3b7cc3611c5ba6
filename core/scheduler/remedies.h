/* The smallest changes by which one more replica would fit somewhere, found node by node; each is
 * tried with the filters themselves, so what is told holds at that moment. [loop] */
#ifndef SCHEDULER_REMEDIES_H
#define SCHEDULER_REMEDIES_H

#include "scheduler/scheduler.h"

enum { REMEDY_NODES = 3, REMEDY_CONSTRAINTS = 32 };
struct remedies {
    /* Asking for no more than this fits on `smaller_node`; "": smaller asks help nowhere. */
    char smaller_node[64];
    int64_t cpu_millis, memory_bytes;
    int64_t cut_permille; /* by how much the ask shrinks: of several nodes the least */
    /* Nodes that are only cordoned or draining: how many, and the first of them. */
    uint32_t closed_count;
    char closed[REMEDY_NODES][64];
    uint32_t without_constraint[REMEDY_CONSTRAINTS]; /* nodes that take it without the i-th */
    int64_t max_per_node;                            /* would do; 0: it does not help */
    uint32_t without_host_ports;                     /* nodes that take it without host ports */
};
void remedies_look(struct remedies *remedies, struct scheduler *scheduler,
                   const struct schedule_ask *ask, const char *node);

#endif
