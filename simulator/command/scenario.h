/* What `orchestrator simulate` is asked: nodes, deployments, schedulers, and what happens when.
 *
 * Read from YAML by field tables, as the configuration is: every fault at once, as
 * "file:line:column: path: message". Deployments are the API's own; what events make of them is
 * worked out and checked while reading. Everything lives in the scenario's arena. */
#ifndef SCENARIO_H
#define SCENARIO_H

#include "deployment/deployment.h"
#include "node/node.h"

enum {
    SCENARIO_FILE_BYTES = 1 << 20,
    SCENARIO_NODES = 20000,
    SCENARIO_CONTAINERS = 500000, /* of all deployments at a time */
    SCENARIO_DEPLOYMENTS = 1000,
    SCENARIO_EVENTS = 1000,
    SCENARIO_SELECTORS = 1000,      /* of all events */
    SCENARIO_BYTES = 256 * 1048576, /* of memory, once understood */
};

/* `count` machines that are alike: NAME itself when it is one, else NAME-1, NAME-2 and so on. */
struct node_group {
    const char *name;
    int64_t count;
    struct node_amounts capacity, reserved;
    struct list labels; /* map */
    struct list zones;  /* of const char *: the label "zone" of one after the other */
};
struct scenario_plugin {
    const char *name;   /* how the scenario calls it */
    const char *plugin; /* its name in its manifest; "": as `name` */
    const char *path;   /* from the file's folder */
    const char *config; /* JSON text */
};
struct scenario_schedulers {
    const char *standard; /* `default` */
    struct list plugins;  /* struct scenario_plugin */
};
/* How long the surroundings take: a pull, another call to an engine, from the start until probes
 * pass, from the stop signal to the end. */
struct scenario_model {
    uint64_t pull_ns, call_ns, ready_ns, stop_ns;
};
struct scenario_clocks {
    uint64_t suspect_after_ns, lost_after_ns;
};
struct scenario_scale {
    const char *deployment;
    int64_t replicas;
};
enum happening {
    EVENT_KILL = 1,
    EVENT_RESTORE,
    EVENT_ADD,
    EVENT_REMOVE,
    EVENT_DRAIN,
    EVENT_CORDON,
    EVENT_UNCORDON,
    EVENT_DEPLOY,
    EVENT_PATCH,
    EVENT_SCALE,
    EVENT_RESTART,
    EVENT_DELETE,
    EVENT_SCHEDULER
};
/* As written: one of the members besides `at_ns`. */
struct scenario_event {
    uint64_t at_ns;
    struct list kill, restore, remove, drain, cordon, uncordon; /* of const char *: names,
                                                                   selectors */
    struct list add;                                            /* struct node_group */
    const struct deployment *deploy;
    const char *patch; /* JSON text; "{}": not given */
    const struct scenario_scale *scale;
    const char *restart, *delete, *scheduler;
};
/* As understood. */
struct scenario_step {
    enum happening what;
    uint64_t at_ns;
    uint32_t *nodes; /* indexes of scenario.nodes */
    uint32_t node_count;
    const char *name;                /* of the deployment or scheduler */
    const struct deployment *wanted; /* deploy, patch */
    int64_t replicas;                /* scale */
    const char *title;               /* "kill node-3" */
};
struct scenario_node {
    const char *name;
    struct node_amounts capacity, reserved;
    struct list labels;
    bool late; /* added by an event */
};
struct scenario {
    int64_t seed;
    uint64_t settle_ns;
    struct scenario_model model;
    struct scenario_clocks clocks;
    struct scenario_schedulers schedulers;
    struct list groups;      /* struct node_group */
    struct list deployments; /* struct deployment */
    struct list events;      /* struct scenario_event */
    /* Understood: */
    struct scenario_node *nodes;
    uint32_t node_count;
    struct scenario_step *steps; /* in order of time */
    uint32_t step_count;

    struct arena arena;
    const char *file;
    json_t *document;
    struct schema_positions *positions;
    struct schema_faults faults;
};
extern const struct type scenario_type;

/* Never NULL. When it has faults it is not to be run. */
struct scenario *scenario_read_bytes(const char *file, const char *bytes, size_t length);
/* False with `error` when the file can't be read. */
bool scenario_read_file(const char *file, struct scenario **out, struct error *error);
void scenario_destroy(struct scenario *scenario); /* NULL is fine */
void scenario_fault(struct scenario *scenario, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* One line each. */
void scenario_write_faults(const struct scenario *scenario, struct text *out);

/* Private to the reader: nodes by their groups, then what events mean. */
void scenario_understand(struct scenario *scenario);

#endif
