/* The one configuration file and its overrides from the environment.
 *
 * `struct config` is what the program runs by: every setting has its default where neither the file
 * nor an ORCHD_ variable gives it. Everything was checked; only what needs a plugin's own schema
 * waits for config_check_plugins. Loading opens nothing but the file itself and looks at the mode
 * of files that hold secrets. [init]; afterwards constant, so [any] may read. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/log.h"
#include "schema/schema.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define CONFIG_DEFAULT_FILE "/etc/orchestrator/orchestrator.yaml"

struct config_tls {
    const char *cert_file, *key_file; /* PEM */
};
struct config_log {
    uint8_t level;  /* enum log_level */
    uint8_t format; /* enum log_format */
};
struct config_api {
    const char *listen;           /* "127.0.0.1:7070", "[::1]:7070"; port 0: any free one */
    const char *key;              /* "": made once into <stateDir>/api-key */
    const struct config_tls *tls; /* NULL: plain HTTP, loopback only */
    int64_t max_connections, max_connections_per_address, max_watches;
    const char *dashboard; /* folder of static files; "": ../share/orchestrator/dashboard */
};
/* A plugin of which there is one. */
struct config_plugin {
    const char *plugin;
    const char *config; /* JSON text as given; see config_plugin_settings */
};
struct config_runtime {
    struct config_plugin use;
    struct list allow_capabilities; /* const char *: "NET_RAW" */
    int64_t max_operations;         /* in flight at the engine; 0: as the plugin says */
};
/* Plugins that are chosen by name in objects: all that are found are loaded. */
struct config_choice {
    const char *standard; /* `default`: where an object names none */
    const char *fallback; /* takes over from one that hangs or fails */
    const char *config;   /* JSON text: settings by plugin name */
};
struct config_certificate {
    const char *name; /* by which services mean it */
    const char *cert_file, *key_file;
};
struct config_proxy {
    int64_t workers; /* 0: one per core */
    uint64_t linger_ns;
    const char *user;
    struct list certificates; /* struct config_certificate */
};
struct config_amounts {
    int64_t cpu_millis, memory_bytes;
};
struct config_node {
    const char *name;    /* "": the host's name up to its first dot, lower case */
    const char *address; /* "": 127.0.0.1 */
    struct list labels;  /* map */
    struct config_amounts reserved;
    uint64_t suspect_after_ns, lost_after_ns;
};
struct config_events {
    int64_t limit;
};

struct config_origins; /* where each value came from */
struct config {
    const char *state_dir;
    struct config_log log;
    struct config_api api;
    struct list plugin_path; /* const char *: searched before the default place */
    struct config_plugin store;
    struct config_runtime runtime;
    struct config_choice scheduler, balancer;
    struct config_proxy proxy;
    struct config_node node;
    struct config_events events;

    struct config_origins *origins; /* private */
};
extern const struct type config_type;

/* Reads `path` (NULL: CONFIG_DEFAULT_FILE if it is there, else nothing) and every ORCHD_ variable
 * of `environment` (NULL-terminated as `environ`; NULL: none). Never NULL: with faults, what could
 * not be read has its default, so that the rest can still be checked. */
struct config *config_load(const char *path, const char *const *environment);
/* The same from bytes; `name` stands for the file in faults and origins. */
struct config *config_load_bytes(const char *name, const char *bytes, size_t length,
                                 const char *const *environment);
void config_destroy(struct config *config); /* NULL is fine */

size_t config_fault_count(const struct config *config);
/* One line each, by place: "file:line:column: path: message", or
 * "environment ORCHD_API_LISTEN: api.listen: message". */
void config_write_faults(const struct config *config, struct text *out);
/* For checks made elsewhere (plugins, files): the place is looked up by the path. */
void config_add_fault(struct config *config, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The settings given to one plugin, borrowed: path "runtime.config", "scheduler.config.spread";
 * NULL when none were given. */
const json_t *config_plugin_settings(const struct config *config, const char *path);

struct plugin_registry;
/* Are all plugins that the configuration names there, sound, and content with their settings? Reads
 * them without loading (plugin_peek); adds a fault for each that is not. */
bool config_check_plugins(struct config *config, const struct plugin_registry *registry);
/* Adds a fault for each of proxy.certificates that clients would refuse at that time. Not for a
 * start: that one has expired must not take the rest down. */
void config_check_expiry(struct config *config, int64_t now_ms);

/* The file that was read; NULL: none. */
const char *config_file(const struct config *config);
/* The effective configuration as YAML, the origin of each value as a comment ("default",
 * "file:line", "environment NAME"). Secrets are left out. */
void config_print(const struct config *config, struct text *out);
/* The same for REST: {"items": [{"path", "value", "origin"}]}; a secret's value is null. */
void config_describe(const struct config *config, struct text *out);

#endif
