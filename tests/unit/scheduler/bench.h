/* A scheduler with nodes that a test describes, and one ask. */
#ifndef TEST_SCHEDULER_BENCH_H
#define TEST_SCHEDULER_BENCH_H

#include "base/clock.h"
#include "scheduler/scheduler.h"

extern const struct orch_manifest spread_manifest, binpack_manifest;

struct bench {
    struct loop *loop;
    struct scheduler *scheduler;
    struct arena arena;
    struct schedule_ask ask; /* its placement and template are the two below */
    struct placement placement;
    struct container_template template;
    struct schedule_plan *plan; /* the latest */
    unsigned plans, fell_back;
    char why[240];
};
extern struct bench bench;

void bench_begin(struct loop *take_loop, uint64_t budget_ns); /* spread and binpack are loaded */
void bench_end(void);

/* What a node is, beside its name; zero: 4 CPUs, 8 GiB, nothing reserved, ready, schedulable. */
struct bench_node {
    const char *name;
    int64_t cpu_millis, memory_bytes, reserved_cpu, reserved_memory;
    struct map_entry labels[3];
    enum node_state state;
    bool cordoned, draining, bare; /* bare: its runtime honours nothing beyond the least */
};
void bench_node(struct bench_node node);
/* `count` replicas of `deployment` on that node, each with so much. */
void bench_load(const char *node, const char *deployment, int count, int64_t cpu_millis,
                int64_t memory_bytes);
/* The ask's constraints and ports. */
void bench_constrain(const char *label, enum constraint_op op, const char *values); /* "a,b" */
void bench_port(int64_t number, int64_t host_port);

/* Places; on a virtual loop the plan is there when it returns. */
const struct schedule_plan *bench_place(uint32_t count);
/* "node-1 node-2 -": where each replica went. */
const char *bench_nodes(void);

#endif
