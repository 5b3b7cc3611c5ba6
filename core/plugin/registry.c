/* Asking for plugins, and telling about them. */
#include "plugin/registry.h"
#include "base/log.h"
#include "plugin/registry_impl.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *plugin_kind_word(enum plugin_kind kind)
{
    switch (kind) {
#define X(name, word, interface_id)                                                                \
    case name:                                                                                     \
        return word;
        PLUGIN_KINDS(X)
#undef X
    case PLUGIN_KIND_NONE:
        break;
    }
    return "?";
}

const char *plugin_kind_interface(enum plugin_kind kind)
{
    switch (kind) {
#define X(name, word, interface_id)                                                                \
    case name:                                                                                     \
        return interface_id;
        PLUGIN_KINDS(X)
#undef X
    case PLUGIN_KIND_NONE:
        break;
    }
    return "?";
}

const char *plugin_state_word(enum plugin_state state)
{
    switch (state) {
#define X(name, word)                                                                              \
    case name:                                                                                     \
        return word;
        PLUGIN_STATES(X)
#undef X
    case PLUGIN_STATE_NONE:
        break;
    }
    return "?";
}

/* ---- life ------------------------------------------------------------------------------------ */

enum { TRIAL_LIMIT_MS = 5000 };

struct plugin_registry *plugin_registry_create(const struct plugin_registry_settings *settings)
{
    struct plugin_registry *registry = memory_alloc(sizeof *registry);
    registry->environment = settings->environment;
    registry->trial_limit_ms = settings->trial_limit_ms ? settings->trial_limit_ms : TRIAL_LIMIT_MS;
    registry->state_directory =
        settings->state_directory ? memory_strdup(settings->state_directory) : NULL;
    registry->paths = memory_alloc((settings->path_count + 1) * sizeof *registry->paths);
    registry->path_count = settings->path_count;
    for (size_t i = 0; i < settings->path_count; i++)
        registry->paths[i] = memory_strdup(settings->paths[i]);
    return registry;
}

static void plugin_free(struct plugin *plugin)
{
    while (plugin->extras) {
        struct plugin_extra *extra = plugin->extras;
        plugin->extras = extra->next;
        free(extra->table);
        free(extra);
    }
    config_schema_destroy(plugin->schema);
    free(plugin->table);
    free(plugin->name);
    free(plugin->path);
    free(plugin->message);
    free(plugin);
}

static void object_free(struct plugin_object *object)
{
    if (object->judgement.manifest.fini)
        object->judgement.manifest.fini(object->module);
    plugin_host_finish(&object->host);
    manifest_judgement_finish(&object->judgement);
    if (object->fd >= 0)
        close(object->fd);
    free(object->copy_path);
    free(object);
}

void plugin_registry_destroy(struct plugin_registry *registry)
{
    if (!registry)
        return;
    for (size_t i = 0; i < registry->count; i++)
        plugin_free(registry->plugins[i]);
    while (registry->objects) {
        struct plugin_object *object = registry->objects;
        registry->objects = object->next;
        object_free(object);
    }
    for (size_t i = 0; i < registry->path_count; i++)
        free(registry->paths[i]);
    arena_finish(&registry->labels);
    free(registry->paths);
    free(registry->plugins);
    free(registry->state_directory);
    free(registry);
}

bool plugin_default_path(char *out, size_t bytes, struct error *error)
{
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length < 0)
        return error_set(error, ERROR_IO, "the program's own place is not known");
    program[length] = 0;
    char *slash = strrchr(program, '/');
    *slash = 0; /* the kernel's path is absolute */
    int wanted = snprintf(out, bytes, "%s/../lib/orchestrator", program);
    return (wanted > 0 && (size_t)wanted < bytes) ||
           error_set(error, ERROR_IO, "the program's path is too long");
}

/* ---- entries --------------------------------------------------------------------------------- */

static struct plugin *entry_find(const struct plugin_registry *registry, enum plugin_kind kind,
                                 const char *name)
{
    for (size_t i = 0; i < registry->count; i++)
        if (registry->plugins[i]->info.kind == kind && text_equal(registry->plugins[i]->name, name))
            return registry->plugins[i];
    return NULL;
}

struct plugin *plugin_entry(struct plugin_registry *registry, enum plugin_kind kind,
                            const char *name)
{
    struct plugin *plugin = entry_find(registry, kind, name);
    if (plugin)
        return plugin;
    plugin = memory_alloc(sizeof *plugin);
    plugin->name = memory_strdup(name);
    plugin->message = memory_strdup("");
    plugin->info = (struct plugin_info){.name = plugin->name,
                                        .interface_id = plugin_kind_interface(kind),
                                        .kind = kind,
                                        .state = PLUGIN_MISSING,
                                        .message = plugin->message};
    registry->plugins =
        memory_resize(registry->plugins, (registry->count + 1) * sizeof *registry->plugins);
    registry->plugins[registry->count++] = plugin;
    return plugin;
}

struct plugin *plugin_refuse(struct plugin *plugin, const char *file, const char *id,
                             const char *version, uint32_t sdk, const char *reasons,
                             struct error *error)
{
    struct text message = {0};
    manifest_describe(&message, file, id, version, sdk);
    text_append_format(&message, ": %s", reasons);
    free(plugin->message);
    plugin->message = text_take(&message);
    plugin->info.message = plugin->message;
    plugin->info.state = PLUGIN_REFUSED;
    error_set(error, ERROR_PLUGIN, "%s", plugin->message);
    LOG_ERROR("plugin refused", LOG_STR("plugin", file), LOG_STR("message", plugin->message));
    return NULL;
}

struct plugin *plugin_registry_find(const struct plugin_registry *registry, enum plugin_kind kind,
                                    const char *name)
{
    struct plugin *plugin = entry_find(registry, kind, name);
    return plugin && plugin->object ? plugin : NULL;
}

size_t plugin_registry_count(const struct plugin_registry *registry)
{
    return registry->count;
}

const struct plugin_info *plugin_registry_info(const struct plugin_registry *registry, size_t index)
{
    return &registry->plugins[index]->info;
}

/* ---- files and names ------------------------------------------------------------------------- */

void plugin_file_name(enum plugin_kind kind, const char *name, struct text *out)
{
    text_append_format(out, "%s-%s.so", plugin_kind_word(kind), name);
}

/* Names go into paths: nothing but [a-z0-9-] does. */
static bool name_plain(const char *name)
{
    size_t length = strlen(name);
    return length && length <= 63 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

bool plugin_find_file(const struct plugin_registry *registry, enum plugin_kind kind,
                      const char *name, struct plugin_file *out, struct text *reasons)
{
    struct text file CLEANUP(text_finish) = {0};
    plugin_file_name(kind, name, &file);
    *out = (struct plugin_file){.fd = -1};
    if (!name_plain(name)) {
        text_append_string(reasons, "a plugin's name is made of a-z, 0-9 and -, at most 63");
        return false;
    }
    for (size_t i = 0; i < registry->path_count; i++) {
        if (plugin_file_open(registry->paths[i], text_string(&file), out, reasons))
            return true;
        if (reasons->length)
            return false; /* not the next one in its place: that would hide the fault */
    }
    return false;
}

void plugin_missing_text(const struct plugin_registry *registry, enum plugin_kind kind,
                         const char *name, struct text *out)
{
    size_t count;
    char **names = plugin_registry_list_names(registry, kind, &count);
    const char *nearest = text_nearest(name, (const char *const *)names, count);
    text_append_format(out, "there is no %s plugin \"%s\"", plugin_kind_word(kind), name);
    if (nearest)
        text_append_format(out, "; did you mean \"%s\"?", nearest);
    text_append_format(out, " (searched for %s-%s.so in ", plugin_kind_word(kind), name);
    for (size_t i = 0; i < registry->path_count; i++)
        text_append_format(out, "%s%s", i ? ", " : "", registry->paths[i]);
    text_append_string(out, registry->path_count ? ")" : "no folder)");
    plugin_names_free(names, count);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_names(const char *folder, const char *prefix, char ***names, size_t *count)
{
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    if (!directory)
        return; /* a search path that is not there holds no plugins */
    while ((entry = readdir(directory))) {
        size_t length = strlen(entry->d_name), head = strlen(prefix);
        if (length <= head + 3 || strncmp(entry->d_name, prefix, head) != 0 ||
            strcmp(entry->d_name + length - 3, ".so") != 0)
            continue;
        char *name = memory_strdup(entry->d_name + head);
        name[length - head - 3] = 0;
        *names = memory_resize(*names, (*count + 1) * sizeof **names);
        (*names)[(*count)++] = name;
    }
    closedir(directory);
}

char **plugin_registry_list_names(const struct plugin_registry *registry, enum plugin_kind kind,
                                  size_t *count)
{
    struct text prefix CLEANUP(text_finish) = {0};
    char **names = NULL;
    size_t found = 0, kept = 0;
    text_append_format(&prefix, "%s-", plugin_kind_word(kind));
    for (size_t i = 0; i < registry->path_count; i++)
        add_names(registry->paths[i], text_string(&prefix), &names, &found);
    if (found)
        qsort(names, found, sizeof *names, by_name);
    for (size_t i = 0; i < found; i++) {
        if (kept && strcmp(names[kept - 1], names[i]) == 0)
            free(names[i]);
        else
            names[kept++] = names[i];
    }
    *count = kept;
    return names;
}

void plugin_names_free(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

static bool copy_in_use(const struct plugin_registry *registry, const char *path)
{
    for (const struct plugin_object *object = registry->objects; object; object = object->next)
        if (text_equal(object->copy_path, path))
            return true;
    return false;
}

void plugin_registry_prune(struct plugin_registry *registry)
{
    struct text folder CLEANUP(text_finish) = {0}, path CLEANUP(text_finish) = {0};
    const struct dirent *entry;
    if (!registry->state_directory)
        return;
    text_append_format(&folder, "%s/plugins", registry->state_directory);
    DIR *directory = opendir(text_string(&folder));
    while (directory && (entry = readdir(directory))) {
        if (entry->d_name[0] == '.')
            continue;
        text_clear(&path);
        text_append_format(&path, "%s/%s", text_string(&folder), entry->d_name);
        if (!copy_in_use(registry, text_string(&path)))
            (void)unlink(text_string(&path)); /* a copy too many harms nobody */
    }
    if (directory)
        closedir(directory);
}

/* ---- what a plugin is ------------------------------------------------------------------------ */

const struct plugin_info *plugin_get_info(const struct plugin *plugin)
{
    return &plugin->info;
}

struct plugin_host *plugin_get_host(struct plugin *plugin)
{
    return &plugin->object->host;
}

void *plugin_get_module(const struct plugin *plugin)
{
    return plugin->object->module;
}

const void *plugin_get_table(const struct plugin *plugin)
{
    return plugin->table;
}

const void *plugin_get_extra(const struct plugin *plugin, const char *interface_id)
{
    for (const struct plugin_extra *extra = plugin->extras; extra; extra = extra->next)
        if (text_equal(extra->interface_id, interface_id))
            return extra->table;
    return NULL;
}

bool plugin_check_config(const struct plugin *plugin, const json_t *config, const char *path,
                         config_schema_fault *fault, void *argument, char **completed)
{
    if (!config_schema_check(plugin->schema, config, path, fault, argument))
        return false;
    if (!completed)
        return true;
    json_t *whole = config_schema_complete(plugin->schema, config);
    *completed = json_dumps(whole, JSON_COMPACT);
    json_decref(whole);
    return true;
}
