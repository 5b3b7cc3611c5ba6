/* What GET /deployments/NAME/why gathers. Private to this folder. */
#ifndef ROUTES_WHY_H
#define ROUTES_WHY_H

#include "api/routes/impl.h"
#include "loop/loop.h"
#include "scheduler/remedies.h"

struct why {
    const struct deployment *deployment; /* counted, as it was when asked */
    struct deployment_status status;
    const char *only_node; /* NULL: all of them */
    struct loop_slice slice;
    struct survey survey;
    char after[80];                /* the container that was looked at last */
    struct text containers, nodes; /* rows, as JSON */
    uint32_t container_count, node_count, fit_count;
    struct remedies remedies;
};
/* What would let one more replica fit, as the members of a JSON list. */
void why_write_fixes(const struct why *why, struct text *out);

#endif
