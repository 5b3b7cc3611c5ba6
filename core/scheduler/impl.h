/* The scheduler's own data. Private to this folder. */
#ifndef SCHEDULER_IMPL_H
#define SCHEDULER_IMPL_H

#include "container/container.h"
#include "scheduler/scheduler.h"

#include <pthread.h>
#include <uthash.h>

enum { RESOURCE_CPU, RESOURCE_MEMORY, RESOURCE_CONTAINERS, RESOURCE_COUNT };
enum { CONTAINERS_PER_NODE = 100000 };

struct used_port {
    int64_t port;
    uint8_t protocol;
};
/* One node, as of now. */
struct column_node {
    UT_hash_handle hh;
    const struct node *record; /* counted */
    uint32_t number;           /* never given twice; keys the tallies */
    uint32_t index;            /* by name, in the frozen columns; right while there are any */
    bool ready;
    int64_t used[RESOURCE_COUNT], capacity[RESOURCE_COUNT]; /* capacity: less what is kept */
    struct used_port *ports;
    size_t port_count;
};

/* Replicas of one deployment by node: open addressing, sized with what it holds. */
struct tally_entry {
    uint32_t number; /* of the node, plus one; 0: empty */
    uint32_t count;
};
struct tally {
    UT_hash_handle hh;
    struct tally_entry *entries;
    uint32_t room, filled; /* room: a power of two; filled: also those that are 0 by now */
    uint64_t total;
    char deployment[64];
};
struct tally *tally_find(const struct scheduler *scheduler, const char *deployment);
uint32_t tally_count(const struct tally *tally, uint32_t number); /* NULL is fine */
/* False: it has none there to take away. */
bool tally_change(struct scheduler *scheduler, const char *deployment, uint32_t number, int by);
void tallies_finish(struct scheduler *scheduler);

struct plugin {
    struct plugin *next;
    const struct orch_scheduler_v1 *table;
    void *instance;
    struct orch_sched_wants wants;
    unsigned uses;         /* the scheduler's, and one of each pass; the last ends the instance */
    atomic_bool abandoned; /* a call of it never came back; read on the pool */
    char name[64];
};

/* A label over all nodes, coded by a dictionary. */
struct label_codes {
    struct label_codes *next;
    char *key;
    uint32_t *codes;
    struct orch_str *words;
    uint32_t word_count;
};
/* What changes only with the nodes themselves: built once and shared by the passes until one
 * changes. Read on the pool; counted on the loop. */
struct frozen_columns {
    uint32_t references, count;
    struct arena arena;
    const struct node **records; /* counted, sorted by name */
    bool *ready;
    uint64_t *hashes;
    uint32_t *numbers;
    int64_t *capacity[RESOURCE_COUNT];
    pthread_mutex_t lock; /* of the labels, which passes add */
    struct label_codes *labels;
};
void frozen_release(struct frozen_columns *columns);
/* [pool] Lives with the columns. */
const struct label_codes *frozen_label(struct frozen_columns *columns, struct orch_str key);

struct scheduler {
    struct scheduler_config config;
    struct loop *loop;
    struct plugin *plugins;
    struct pass *passes; /* under way */
    struct column_node *by_name;
    struct column_node **nodes; /* the same, sorted */
    size_t node_count, node_room;
    struct tally *tallies;
    struct frozen_columns *frozen; /* NULL: a node has changed since */
    int64_t *free[RESOURCE_COUNT]; /* by index in `frozen`, kept up to date */
    uint32_t next_number;
    uint64_t revision;
    uint64_t started; /* passes */
    struct schedule_figures figures;
};

/* What a pass works on: the shared columns, and copies of what it changes itself. */
struct snapshot {
    struct arena arena;
    struct frozen_columns *frozen;
    uint64_t revision;
    int64_t *free[RESOURCE_COUNT];
    uint32_t *replicas;  /* of the asked deployment */
    int64_t *taken_port; /* one that is asked for; NULL: none is asked for */
    uint8_t *closed;     /* enum filter: refuses all by itself; NULL: none does */
};
/* The ask, copied. */
struct ask {
    const char *deployment, *uid;
    const struct list *only; /* const char *; NULL: any node */
    struct placement placement;
    struct container_template template;
    uint32_t count;
    uint64_t seed;
    int64_t amounts[RESOURCE_COUNT];
    uint64_t features;
    bool host_ports;                        /* it asks for some */
    const struct schedule_assumed *assumed; /* borrowed, read on the loop only; NULL: nothing */
};

/* Nobody waits for them any more: each `done` is told so; they end by themselves. */
void scheduler_cancel_passes(struct scheduler *scheduler);
void scheduler_plugin_release(struct plugin *plugin);
struct plugin *scheduler_plugin(const struct scheduler *scheduler, const char *name);
struct column_node *scheduler_node(const struct scheduler *scheduler, const char *name);
void ask_init(struct ask *ask, const struct schedule_ask *from, struct arena *arena);
/* The same, borrowing all that `from` points to. */
void ask_borrow(struct ask *ask, const struct schedule_ask *from);
void snapshot_fill(struct snapshot *snapshot, struct scheduler *scheduler, const struct ask *ask);
/* As the ask assumes, which is not nothing. */
void snapshot_assume(struct snapshot *snapshot, const struct scheduler *scheduler,
                     const struct ask *ask);
void snapshot_finish(struct snapshot *snapshot);

/* One node as the filters see it. */
struct filter_row {
    const struct node *record;
    bool ready;
    uint8_t closed; /* enum filter: refuses by itself; 0: none */
    uint32_t replicas;
    int64_t taken_port; /* a host port that is asked for; 0: none is taken */
    int64_t free[RESOURCE_COUNT];
};
struct filter_row snapshot_row(const struct snapshot *snapshot, uint32_t index);
struct filter_row node_row(const struct scheduler *scheduler, const struct column_node *node,
                           const struct ask *ask);
/* The one set of filters: 0 when the node passes, else the first that refuses. [pool] */
enum filter filter_first(const struct filter_row *row, const struct ask *ask);
/* One filter, with numbers for an explanation (NULL: only the verdict). [pool] */
bool filter_passes(const struct filter_row *row, const struct ask *ask, enum filter filter,
                   struct filter_verdict *verdict);
bool constraint_holds(const struct constraint *constraint, const struct list *labels);

/* Candidates in order, best first: a tournament of each group's candidates, and one of the groups'
 * winners. A node whose score changed costs the logarithm of both. A group's part of the scores
 * moves all of its nodes alike. Everything lives in the arena. */
struct ranking {
    const int64_t *scores;  /* by candidate, an index of a node; borrowed */
    const int64_t *parts;   /* by group; NULL: none */
    const uint64_t *ties;   /* by candidate: higher first, then the lower index */
    const uint32_t *groups; /* by candidate; NULL: all in group 0 */
    uint32_t group_count;
    struct tournament *tournaments; /* one a group */
    uint32_t *places;               /* by candidate: its leaf */
    uint32_t *top;                  /* of the groups' winners */
    uint32_t top_leaves;
};
enum { RANKING_NONE = UINT32_MAX };
/* `candidates`: those that take part; the arrays above are set. */
void ranking_init(struct ranking *ranking, const uint32_t *candidates, uint32_t count,
                  uint32_t nodes, struct arena *arena);
/* Its score changed, or whether it takes part. */
void ranking_update(struct ranking *ranking, uint32_t candidate, bool takes_part);
/* The same for many: each is set, then their group is rebuilt. */
void ranking_set(struct ranking *ranking, uint32_t candidate, bool takes_part);
void ranking_rebuild(struct ranking *ranking, uint32_t group);
void ranking_part_changed(struct ranking *ranking, uint32_t group); /* nothing else of it */
int64_t ranking_score(const struct ranking *ranking, uint32_t candidate);
uint32_t ranking_best(const struct ranking *ranking, uint32_t *best, uint32_t limit);

#endif
