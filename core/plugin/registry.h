/* Plugins: found, judged, loaded, reported.
 *
 * A plugin is asked for by kind and name as the configuration writes them, and lies in the file
 * <kind>-<name>.so of the first search path that has one. It is opened once; owner and mode of the
 * file and of its folder are checked; it is loaded in a child process first, where constructors may
 * hang or crash, and judged by its manifest with every reason at once; then a copy under
 * <stateDir>/plugins/<sha256>.so is loaded for good and its `init` called. Nothing is unloaded once
 * `init` ran. Everything is [init] unless tagged; loading may take as long as the trial limit. */
#ifndef PLUGIN_REGISTRY_H
#define PLUGIN_REGISTRY_H

#include "base/error.h"
#include "plugin/config_schema.h"
#include "plugin/host.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, word in file names and configuration, interface */
#define PLUGIN_KINDS(X)                                                                            \
    X(PLUGIN_SCHEDULER, "scheduler", "orch.scheduler/1")                                           \
    X(PLUGIN_BALANCER, "balancer", "orch.balancer/1")                                              \
    X(PLUGIN_STORE, "store", "orch.store/1")                                                       \
    X(PLUGIN_RUNTIME, "runtime", "orch.runtime/1")
enum plugin_kind {
    PLUGIN_KIND_NONE = 0,
#define X(name, word, interface_id) name,
    PLUGIN_KINDS(X)
#undef X
};
const char *plugin_kind_word(enum plugin_kind kind);      /* "scheduler" */
const char *plugin_kind_interface(enum plugin_kind kind); /* "orch.scheduler/1" */

#define PLUGIN_STATES(X)                                                                           \
    X(PLUGIN_LOADED, "loaded")                                                                     \
    X(PLUGIN_REFUSED, "refused")                                                                   \
    X(PLUGIN_MISSING, "missing")
enum plugin_state {
    PLUGIN_STATE_NONE = 0,
#define X(name, word) name,
    PLUGIN_STATES(X)
#undef X
};
const char *plugin_state_word(enum plugin_state state);

/* What GET /plugins shows. Strings live as long as the registry; NULL where not known. */
struct plugin_info {
    const char *id, *name, *version; /* id and version: of the manifest */
    const char *interface_id, *path, *sha256;
    enum plugin_kind kind;
    enum plugin_state state;
    const char *message; /* why not, all reasons; "" when loaded */
};

struct plugin_registry_settings {
    const struct plugin_environment *environment; /* outlives the registry */
    const char *const *paths; /* searched in order; plugin_default_path is not added by itself */
    size_t path_count;
    const char *state_directory; /* NULL: plugins come by descriptors only */
    uint64_t trial_limit_ms;     /* 0: 5 s */
};

struct plugin;
struct plugin_registry;

struct plugin_registry *plugin_registry_create(const struct plugin_registry_settings *settings);
/* Calls each plugin's fini; their objects stay mapped. The loop must not run what
 * plugins arranged any more. NULL is fine. */
void plugin_registry_destroy(struct plugin_registry *registry);

/* "<folder of the running program>/../lib/orchestrator", from the program's real place. */
bool plugin_default_path(char *out, size_t bytes, struct error *error);

/* The loaded plugin, the same one each time, or NULL: `error` holds the reasons (cut; whole in the
 * info's message). Whether that ends the program is the caller's decision. */
struct plugin *plugin_registry_load(struct plugin_registry *registry, enum plugin_kind kind,
                                    const char *name, struct error *error);
/* Loaded before, or NULL. [loop] */
struct plugin *plugin_registry_find(const struct plugin_registry *registry, enum plugin_kind kind,
                                    const char *name);
/* Everything that was asked for, in that order. [loop] */
size_t plugin_registry_count(const struct plugin_registry *registry);
const struct plugin_info *plugin_registry_info(const struct plugin_registry *registry,
                                               size_t index);
/* Names of the files <kind>-<name>.so in the search paths, sorted, without loading any: for "did
 * you mean", and for who loads all of a kind. Free with plugin_names_free. */
char **plugin_registry_list_names(const struct plugin_registry *registry, enum plugin_kind kind,
                                  size_t *count);
void plugin_names_free(char **names, size_t count);
/* Removes copies in the state directory that this process has not loaded. */
void plugin_registry_prune(struct plugin_registry *registry);

const struct plugin_info *plugin_get_info(const struct plugin *plugin); /* [any] */
struct plugin_host *plugin_get_host(struct plugin *plugin);             /* [any] */
void *plugin_get_module(const struct plugin *plugin);                   /* for each create */
/* The kind's own table: a zero-extended copy, so that newer slots read as NULL. [any] */
const void *plugin_get_table(const struct plugin *plugin);
/* A further interface of the same name ("orch.store.lease/1"), likewise; NULL when not provided. */
const void *plugin_get_extra(const struct plugin *plugin, const char *interface_id);

/* Checks a configuration against the plugin's schema; `path` as in config_schema_check. NULL
 * stands for {}. On success `*completed` (may be NULL) is JSON text with defaults; free it. */
bool plugin_check_config(const struct plugin *plugin, const json_t *config, const char *path,
                         config_schema_fault *fault, void *argument, char **completed);

/* ---- reading without loading: --check-config ------------------------------------------------- */
/* Judges the plugin in a child process and checks `config` (NULL: {}) against its schema; writes
 * nothing and runs none of its functions (constructors run in the child). Faults of the plugin
 * itself are reported at `plugin_path` ("runtime.plugin"), those of its settings below
 * `config_path` ("runtime.config"). True: it would load, and the settings fit. */
bool plugin_peek(const struct plugin_registry *registry, enum plugin_kind kind, const char *name,
                 const json_t *config, const char *plugin_path, const char *config_path,
                 config_schema_fault *fault, void *argument);

/* ---- handing a plugin to the proxy ----------------------------------------------------------- */
/* A sealed descriptor of the verified bytes, to be sent by SCM_RIGHTS; the caller closes it. */
int plugin_open_descriptor(const struct plugin *plugin, struct error *error);
/* The other side: loads from a descriptor (kept open from then on, also on failure). The sender is
 * trusted; the manifest is judged all the same, without a trial. */
struct plugin *plugin_load_descriptor(struct plugin_registry *registry, int take_fd,
                                      enum plugin_kind kind, const char *name, struct error *error);

/* ---- for orchestrator-plugin-check ----------------------------------------------------------- */
struct plugin_offer {
    const char *interface_id, *name;
};
struct plugin_description {
    bool accepted;
    char *reasons, *warnings; /* "" when none; joined by "; " */
    char *id, *version;       /* "" when not known */
    uint32_t sdk_version;
    struct plugin_offer *offers;
    size_t offer_count;
};
/* Opens and judges a file as peek does, whatever it provides. */
void plugin_describe(const struct plugin_registry *registry, const char *path,
                     struct plugin_description *out);
void plugin_description_finish(struct plugin_description *description);
/* Loads it under any file name, into this process, from the file itself. */
struct plugin *plugin_registry_load_file(struct plugin_registry *registry, const char *path,
                                         enum plugin_kind kind, const char *name,
                                         struct error *error);

#endif
