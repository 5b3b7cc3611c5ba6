/* What registry.c (asking, reporting), registry_load.c (loading) and registry_peek.c share. */
#ifndef PLUGIN_REGISTRY_IMPL_H
#define PLUGIN_REGISTRY_IMPL_H

#include "base/hash.h"
#include "plugin/manifest.h"
#include "plugin/plugin_file.h"
#include "plugin/registry.h"

/* A loaded shared object; several plugins may come from one. Never unloaded. */
struct plugin_object {
    struct plugin_object *next;
    char sha256[SHA256_HEX_BYTES];
    char *copy_path; /* NULL: came by a descriptor */
    int fd;          /* the descriptor it came by, -1: none */
    struct manifest_judgement judgement;
    struct plugin_host host;
    void *module;
};

struct plugin {
    struct plugin_info info;
    char *name, *path, *message;  /* what info points to */
    struct plugin_object *object; /* NULL: not loaded */
    void *table;                  /* zero-extended copy */
    struct config_schema *schema;
    struct plugin_extra {
        struct plugin_extra *next;
        const char *interface_id;
        void *table;
    } * extras;
};

struct plugin_registry {
    const struct plugin_environment *environment;
    char **paths;
    size_t path_count;
    char *state_directory;
    uint64_t trial_limit_ms;
    struct plugin **plugins; /* in the order asked for */
    size_t count;
    struct plugin_object *objects;
    struct arena labels; /* of the hosts, for as long as the loop may name their callbacks */
};

/* registry.c: the entry for what is asked for, made when new. */
struct plugin *plugin_entry(struct plugin_registry *registry, enum plugin_kind kind,
                            const char *name);
/* Reasons become the entry's message ("file (id version, SDK): reasons") and the error. NULL. */
struct plugin *plugin_refuse(struct plugin *plugin, const char *file, const char *id,
                             const char *version, uint32_t sdk, const char *reasons,
                             struct error *error);
/* The first search path that has it. False: refused (reasons), or missing (no reasons). */
bool plugin_find_file(const struct plugin_registry *registry, enum plugin_kind kind,
                      const char *name, struct plugin_file *out, struct text *reasons);
void plugin_missing_text(const struct plugin_registry *registry, enum plugin_kind kind,
                         const char *name, struct text *out);
void plugin_file_name(enum plugin_kind kind, const char *name, struct text *out);

#endif
