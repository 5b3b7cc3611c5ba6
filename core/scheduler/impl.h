/* The scheduler's own data. Private to this folder. */
#ifndef SCHEDULER_IMPL_H
#define SCHEDULER_IMPL_H

#include "container/container.h"
#include "scheduler/scheduler.h"

#include <stdatomic.h>
#include <uthash.h>

enum { RESOURCE_CPU, RESOURCE_MEMORY, RESOURCE_CONTAINERS, RESOURCE_COUNT };
enum { CONTAINERS_PER_NODE = 100000 };

struct used_port {
    int64_t port;
    uint8_t protocol;
};
/* Replicas of one deployment on one node. */
struct tally {
    struct tally *next;
    int64_t count;
    char deployment[64];
};
/* One node, as of now. */
struct column_node {
    const struct node *record; /* counted */
    bool ready;
    uint64_t hash;
    int64_t used[RESOURCE_COUNT], capacity[RESOURCE_COUNT]; /* capacity: less what is kept */
    struct used_port *ports;
    size_t port_count;
    struct tally *tallies;
};
struct plugin {
    struct plugin *next;
    const struct orch_scheduler_v1 *table;
    void *instance;
    struct orch_sched_wants wants;
    unsigned uses;         /* the scheduler's, and one of each pass; the last ends the instance */
    atomic_bool abandoned; /* a call of it never came back; read on the pool */
    char name[64];
};
struct scheduler {
    struct scheduler_config config;
    struct loop *loop;
    struct plugin *plugins;
    struct pass *passes;       /* under way */
    struct column_node *nodes; /* sorted by name */
    size_t node_count, node_room;
    uint64_t revision;
};

/* A private copy of what a pass needs; nothing in it is shared but counted node records. */
struct view_node {
    const struct node *record;
    bool ready;
    const struct used_port *ports;
    size_t port_count;
};
struct snapshot {
    struct arena arena;
    uint32_t node_count;
    uint64_t revision;
    struct view_node *nodes;
    uint64_t *hashes;
    int64_t *free[RESOURCE_COUNT], *capacity[RESOURCE_COUNT];
    uint32_t *replicas; /* of the asked deployment */
};
/* The ask, copied. */
struct ask {
    const char *deployment, *uid, *only_node;
    struct placement placement;
    struct container_template template;
    uint32_t count;
    uint64_t seed;
    int64_t amounts[RESOURCE_COUNT];
    uint64_t features;
};

/* Nobody waits for them any more: each `done` is told so; they end by themselves. */
void scheduler_cancel_passes(struct scheduler *scheduler);
void scheduler_plugin_release(struct plugin *plugin);
struct plugin *scheduler_plugin(const struct scheduler *scheduler, const char *name);
struct column_node *scheduler_node(const struct scheduler *scheduler, const char *name);
void ask_init(struct ask *ask, const struct schedule_ask *from, struct arena *arena);
void snapshot_fill(struct snapshot *snapshot, const struct scheduler *scheduler,
                   const struct ask *ask);
void snapshot_finish(struct snapshot *snapshot);

/* The one set of filters: 0 when the node passes, else the first that refuses. [pool] */
enum filter filter_first(const struct snapshot *snapshot, const struct ask *ask, uint32_t node);
/* One filter, with numbers for an explanation (NULL: only the verdict). [pool] */
bool filter_passes(const struct snapshot *snapshot, const struct ask *ask, uint32_t node,
                   enum filter filter, struct filter_verdict *verdict);
bool constraint_holds(const struct constraint *constraint, const struct list *labels);

#endif
