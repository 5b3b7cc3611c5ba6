/* The host side of the ABI: one `struct plugin_host` per loaded plugin, whose first member is what
 * the plugin sees, and the services that a process offers to its plugins.
 *
 * Services are a list handed in at construction, so that the proxy offers fewer (and links no curl)
 * and the simulator only those that need no descriptors. Each is one file, host_<service>.c. */
#ifndef PLUGIN_HOST_H
#define PLUGIN_HOST_H

#include "base/error.h"

#include <orchestrator/host.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_client;
struct loop;
struct op_table;
struct plugin_host;

/* One interface that a process offers. Static data. */
struct plugin_service {
    const char *interface_id;
    const void *table; /* begins with its size */
    /* [loop] Both optional: what the service keeps per plugin. */
    void *(*attach)(struct plugin_host *host);
    void (*detach)(void *state); /* ends all that the plugin still had under way */
};
extern const struct plugin_service host_log_service;
extern const struct plugin_service host_thread_service;
extern const struct plugin_service host_loop_service;
extern const struct plugin_service host_ops_service;     /* wants environment.ops */
extern const struct plugin_service host_process_service; /* real loops only */
extern const struct plugin_service host_net_service;     /* real loops only */
extern const struct plugin_service host_metrics_service;
extern const struct plugin_service host_http_service; /* library core_plugin_http; wants .http */

enum { PLUGIN_SERVICE_LIMIT = 16 };

/* What all plugins of a process share. The caller's; outlives every host. */
struct plugin_environment {
    const char *product, *version; /* "orchestrator", "0.1.0" */
    struct loop *loop;             /* NULL: none of the services that need one */
    struct op_table *ops;
    struct http_client *http;
    const struct plugin_service *const *services;
    size_t service_count; /* at most PLUGIN_SERVICE_LIMIT */
};
/* NULL when the environment has no such service. */
const struct plugin_service *plugin_environment_find(const struct plugin_environment *environment,
                                                     const char *interface_id);

struct plugin_host {
    struct orch_host orch; /* first: the plugin's handle is our pointer */
    const struct plugin_environment *environment;
    const char *label; /* "runtime-docker": log prefix, metric label, name of its callbacks */
    void *states[PLUGIN_SERVICE_LIMIT];
    _Atomic uint64_t faults;
};
/* [loop] `label` is borrowed for as long as the loop runs: callbacks are accounted under it, also
 * those of work that ends after the host has gone. */
void plugin_host_init(struct plugin_host *host, const struct plugin_environment *environment,
                      const char *label);
void plugin_host_finish(struct plugin_host *host);

/* For the services: the host behind the plugin's pointer, and what a service attached to it. */
struct plugin_host *plugin_host_from(const struct orch_host *orch);
void *plugin_host_state(const struct orch_host *orch, const struct plugin_service *service);
/* [any] The plugin broke a rule: counted, logged with its name (the first ten, then each power of
 * two, so that a bad plugin can't flood the log). */
void plugin_host_fault(struct plugin_host *host, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* [any] True on the loop's thread; else a fault that names `function`, and false. */
bool plugin_host_on_loop(const struct orch_host *orch, const char *function);

/* Which thread is this? Threads that call into plugins mark themselves (ORCH_THREAD_*); a thread
 * without a mark that runs the loop is ORCH_THREAD_LOOP, else ORCH_THREAD_OTHER. Returns the mark
 * before, to be put back. [any] */
int32_t plugin_thread_mark(int32_t thread);

/* [loop] Every metric of the plugin, in order of definition. */
struct plugin_metric {
    const char *name, *help; /* name with its prefix */
    int32_t kind;            /* ORCH_METRIC_* */
    int64_t value;
};
void plugin_host_metrics(struct plugin_host *host,
                         void (*metric)(void *argument, const struct plugin_metric *metric),
                         void *argument);

/* Words of statuses: "NOT_FOUND"; "?" for unknown numbers. And how the core calls it. */
const char *plugin_status_word(orch_status status);
enum error_code plugin_status_code(orch_status status);
/* A copy of a plugin's error as ours, cut and defused; `theirs` may be NULL or short. */
void plugin_error_take(struct error *error, orch_status status, const struct orch_error *theirs);
/* For services: fills a plugin's error from ours. */
orch_status plugin_error_give(struct orch_error *theirs, orch_status status,
                              const struct error *error);

#endif
