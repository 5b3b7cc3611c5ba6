/* The standing answer to "does the cluster survive the loss of any one node?": would each replica
 * that the node runs be placed elsewhere, all else staying as it is? Worked out for one ready node
 * after another by the scheduler's own passes under that assumption, with the sum of what the
 * replacements of one node take; never by arithmetic of its own.
 *
 * It is looked at anew SURVIVAL_SETTLE_NS after a change of nodes, deployments or containers, and
 * not more than a fourth of the time is spent on it: of very many nodes a round takes minutes, and
 * the answer says of when it is. One node, one deployment, or LOOKS containers a turn. [loop] */
#ifndef PLAN_SURVIVAL_H
#define PLAN_SURVIVAL_H

#include "base/clock.h"
#include "plan/plan.h"

enum { SURVIVAL_ROWS = 100 };
#define SURVIVAL_SETTLE_NS NS_PER_SECOND

struct survival_row { /* of one node and one deployment */
    const char *node, *deployment, *why;
    const char *nearest_node, *nearest; /* NULL: no node is only short of resources */
    int64_t replicas;                   /* of the node's that would fit nowhere */
};
struct survival_answer {
    struct arena arena;
    uint64_t seq;           /* of the state that the round began from */
    int64_t at_ms;          /* wall clock: when it began */
    int64_t since_ms;       /* since when the answer is no; 0: it is not */
    uint32_t nodes, losing; /* looked at; and of them, those whose loss leaves replicas without a
                               place */
    /* By node, then by deployment; SURVIVAL_ROWS at most, of so many. */
    struct survival_row *rows;
    uint32_t row_count, rows_total;
};
struct survival;
struct survival *survival_create(const struct plan_parts *parts);
void survival_destroy(struct survival *survival); /* NULL is fine; before the parts */
/* The state is loaded: the first round begins. */
void survival_start(struct survival *survival);
/* Something else that counts has changed: the soft state of a node. */
void survival_touch(struct survival *survival);
/* The latest whole round's, borrowed for this turn; NULL: there has been none. */
const struct survival_answer *survival_latest(const struct survival *survival);
/* Has anything changed since that round began? */
bool survival_is_outdated(const struct survival *survival);

#endif
