/* What a container is made from: the part of a deployment whose change makes a revision. */
#ifndef CONTAINER_TEMPLATE_H
#define CONTAINER_TEMPLATE_H

#include "schema/schema.h"

enum image_pull { IMAGE_PULL_MISSING = 1, IMAGE_PULL_ALWAYS, IMAGE_PULL_NEVER };
enum protocol { PROTOCOL_TCP = 1, PROTOCOL_UDP };
enum restart_condition { RESTART_ALWAYS = 1, RESTART_ON_FAILURE, RESTART_NEVER };

struct container_port {
    const char *name;  /* NULL: none */
    int64_t number;    /* in the container */
    int64_t host_port; /* NUMBER_NULL: not published; 0 in a template: chosen by the scheduler */
    const char *host_address;
    uint8_t protocol; /* enum protocol */
};
struct resources {
    int64_t cpu_millis, memory_bytes; /* reserved */
    int64_t cpu_limit_millis;         /* NUMBER_NULL: none */
    int64_t memory_limit_bytes;       /* NUMBER_NULL: as memory, or none; NUMBER_NONE: none */
    int64_t pids_limit;
};
/* The hard limit in force; 0: none. */
int64_t resources_memory_limit(const struct resources *resources);

struct capabilities {
    struct list add, drop; /* of const char *, without "CAP_" */
};
struct security {
    const char *user; /* NULL: the image's */
    bool read_only_root;
    struct capabilities capabilities;
};
struct probe_http {
    struct port_ref port;
    const char *path;
    struct list headers; /* map */
    int64_t status;      /* 0: any 200..399 */
};
struct probe_tcp {
    struct port_ref port;
};
struct probe_exec {
    struct list command; /* of const char * */
};
struct probe { /* exactly one of the first three */
    const struct probe_http *http;
    const struct probe_tcp *tcp;
    const struct probe_exec *exec;
    uint64_t interval_ns, timeout_ns, initial_delay_ns;
    int64_t failure_threshold, success_threshold;
};
struct restart_policy {
    uint8_t condition; /* enum restart_condition */
    uint64_t backoff_ns, max_backoff_ns, reset_after_ns;
};
struct container_template {
    const char *image;
    uint8_t image_pull;        /* enum image_pull; no part of the revision */
    struct list command, args; /* of const char * */
    const char *working_dir;   /* NULL: the image's */
    struct list env;           /* map */
    struct list ports;         /* struct container_port */
    struct resources resources;
    struct security security;
    const struct probe *startup_probe, *liveness_probe, *readiness_probe; /* NULL: none */
    struct restart_policy restart_policy;
    const char *stop_signal;
    uint64_t stop_grace_period_ns;
    struct list container_labels, container_annotations; /* maps */
};
extern const struct type container_template_type, container_port_type, resources_type, probe_type;

/* The port that a reference means; NULL when there is none. */
const struct container_port *template_port(const struct container_template *template,
                                           const struct port_ref *ref);
/* The capabilities that a container of it gets: default ones, less `drop`, plus `add`. At most 48
 * names in static text; returns how many. */
size_t template_capabilities(const struct container_template *template, const char *names[48]);
/* Rules that span fields: probe ports exist, port names unique, one kind a probe... For `check`. */
bool template_check(const struct container_template *template, char *message, size_t message_bytes);

#endif
