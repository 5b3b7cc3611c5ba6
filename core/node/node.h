/* Records of nodes, and their soft state. */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "store/record.h"

struct node_amounts {
    int64_t cpu_millis, memory_bytes;
};
struct node_runtime {
    const char *plugin, *version;
};
struct node { /* durable */
    struct record record;
    const char *name, *address;
    struct list labels; /* map */
    bool schedulable, draining;
    int64_t drain_deadline_ms; /* wall clock; 0: none */
    struct node_amounts capacity, reserved;
    struct node_runtime runtime;
    int64_t features; /* ORCH_RUNTIME_* */
};
enum node_state { NODE_READY = 1, NODE_SUSPECT, NODE_LOST };
struct node_status {
    uint8_t state;     /* enum node_state */
    bool runtime_down; /* its engine does not answer: it gets nothing new */
    struct node_amounts allocated;
    int64_t containers, last_heartbeat_ms;
    uint64_t seq;
};
extern const struct record_kind node_kind;
extern const struct type node_type, node_amounts_type;

#endif
