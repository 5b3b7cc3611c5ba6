/* What this node's containers use: CPU, memory and network of the last quarter of an hour, a point
 * every ten seconds, of each container, of each deployment's containers here, and of all.
 *
 * Asked of the runtime in batches, one at a time, so that a pass over many containers never crowds
 * out the engine's other work; a pass that takes longer than a step leaves points out. Bounded: at
 * most USAGE_SERIES series of USAGE_BYTES each. All [loop]. */
#ifndef AGENT_USAGE_H
#define AGENT_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

struct agent;
struct loop;
struct runtime;
struct usage;

enum { USAGE_POINTS = 90, USAGE_SERIES = 4096, USAGE_STEP_SECONDS = 10 };
#define USAGE_NONE UINT32_MAX /* as cpu_millis: there is no point */
struct usage_point {
    uint32_t cpu_millis, memory_kib;
    uint32_t in_bytes, out_bytes; /* a second */
};
struct usage_series {
    UT_hash_handle hh;
    char object[96];     /* "containers/ID", "deployments/NAME", "nodes/NAME" */
    char deployment[64]; /* of a container; "" */
    uint64_t last;       /* number of the latest step that has a point */
    bool has_points;
    struct usage_point points[USAGE_POINTS]; /* by number modulo USAGE_POINTS */
    /* Of a container: what was counted when it was last asked. */
    uint64_t at_ns, cpu_ns, in_bytes, out_bytes; /* at_ns 0: nothing yet */
    char runtime_id[80];
};

/* `node` is this node's name. */
struct usage *usage_create(struct loop *loop, struct agent *agent, struct runtime *runtime,
                           const char *node);
void usage_destroy(struct usage *usage); /* NULL is fine */

const struct usage_series *usage_find(const struct usage *usage, const char *object);
/* In no particular order; begin with NULL. */
const struct usage_series *usage_next(const struct usage *usage, const struct usage_series *after);
uint64_t usage_step(const struct usage *usage); /* number of the latest finished pass; 0: none */
int64_t usage_step_wall_ms(const struct usage *usage, uint64_t step); /* when that was */
/* False: that step has no point, or it is too long ago. */
bool usage_at(const struct usage_series *series, uint64_t step, struct usage_point *out);

#endif
