/* Loading: open, judge the file, try in a child, copy, load, judge again, init. */
#include "base/log.h"
#include "plugin/registry_impl.h"
#include "plugin/trial.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- objects --------------------------------------------------------------------------------- */

static struct plugin_object *object_find(const struct plugin_registry *registry, const char *sha256)
{
    struct plugin_object *object = registry->objects;
    while (object && !text_equal(object->sha256, sha256))
        object = object->next;
    return object;
}

struct request {
    struct plugin_registry *registry;
    struct plugin *plugin;
    const char *file; /* for messages */
    char sha256[SHA256_HEX_BYTES];
    const char *path;      /* for dlopen */
    const char *copy_path; /* NULL: none of ours */
    int fd;                /* kept with the object; -1: none */
};

static bool refused(const struct request *request, const struct orch_manifest *manifest,
                    const char *reasons, struct error *error)
{
    (void)plugin_refuse(request->plugin, request->file, manifest ? manifest->id : NULL,
                        manifest ? manifest->version : NULL, manifest ? manifest->sdk_version : 0,
                        reasons, error);
    return false;
}

static bool object_init(const struct request *request, struct plugin_object *object,
                        struct error *error)
{
    const struct orch_manifest *manifest = &object->judgement.manifest;
    struct orch_error theirs = {.size = sizeof theirs};
    struct error why = {0};
    orch_status status =
        manifest->init ? manifest->init(&object->host.orch, &object->module, &theirs) : ORCH_OK;
    if (status == ORCH_OK)
        return true;
    plugin_error_take(&why, status, &theirs);
    (void)error_wrap(&why, "its init failed");
    return refused(request, manifest, why.message, error);
}

/* The shared object stays mapped whatever comes of it: constructors have run. */
static bool object_judged(const struct request *request, struct plugin_object *object,
                          struct error *error)
{
    void *handle = dlopen(request->path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        struct error why;
        error_set(&why, ERROR_PLUGIN, "can't be loaded: %s", plugin_dlerror());
        return refused(request, NULL, why.message, error);
    }
    if (manifest_judge(dlsym(handle, ORCH_MANIFEST_SYMBOL), request->registry->environment,
                       request->plugin->info.kind, request->plugin->name, &object->judgement))
        return true;
    return refused(request, &object->judgement.manifest, text_string(&object->judgement.reasons),
                   error);
}

static struct plugin_object *object_load(const struct request *request, struct error *error)
{
    struct plugin_object *object = memory_alloc(sizeof *object);
    object->fd = request->fd;
    if (!object_judged(request, object, error)) {
        manifest_judgement_finish(&object->judgement);
        free(object);
        return NULL;
    }
    const char *label =
        arena_format(&request->registry->labels, "%s-%s",
                     plugin_kind_word(request->plugin->info.kind), request->plugin->name);
    plugin_host_init(&object->host, request->registry->environment, label);
    if (!object_init(request, object, error)) {
        plugin_host_finish(&object->host);
        manifest_judgement_finish(&object->judgement);
        free(object);
        return NULL;
    }
    (void)snprintf(object->sha256, sizeof object->sha256, "%s", request->sha256);
    object->copy_path = request->copy_path ? memory_strdup(request->copy_path) : NULL;
    object->next = request->registry->objects;
    request->registry->objects = object;
    return object;
}

/* ---- plugins of an object -------------------------------------------------------------------- */

static void *table_copy(const void *theirs, uint32_t our_size)
{
    void *ours = memory_alloc(our_size);
    (void)orch_take(ours, our_size, theirs, NULL); /* its tail was judged */
    return ours;
}

/* Further interfaces of the same name: optional parts of a store. */
static void take_extras(struct plugin *plugin, const struct orch_manifest *manifest)
{
    const struct orch_array provides = {manifest->provides, manifest->provide_count,
                                        manifest->provide_stride};
    for (uint32_t i = 0; i < provides.count; i++) {
        const struct orch_provide *provide = ORCH_AT(struct orch_provide, provides, i);
        const struct plugin_interface *interface = plugin_interface_find(provide->interface_id);
        if (!interface || interface->kind != PLUGIN_KIND_NONE ||
            !text_equal(provide->name, plugin->name))
            continue;
        struct plugin_extra *extra = memory_alloc(sizeof *extra);
        extra->interface_id = interface->id;
        extra->table = table_copy(provide->table, interface->table_size);
        extra->next = plugin->extras;
        plugin->extras = extra;
    }
}

static struct plugin *plugin_take(const struct request *request, struct plugin_object *object,
                                  struct error *error)
{
    struct plugin *plugin = request->plugin;
    const struct orch_manifest *manifest = &object->judgement.manifest;
    const struct plugin_interface *interface =
        plugin_interface_find(plugin_kind_interface(plugin->info.kind));
    const struct orch_provide *provide = manifest_find(manifest, interface->id, plugin->name);
    if (!provide) { /* loaded before by another name that it provides */
        struct error why;
        error_set(&why, ERROR_PLUGIN, "does not provide %s \"%s\"", interface->id, plugin->name);
        (void)refused(request, manifest, why.message, error);
        return NULL;
    }
    plugin->schema = config_schema_compile(
        provide->config_schema ? provide->config_schema : PLUGIN_NO_CONFIG, error);
    assert(plugin->schema); /* judged */
    plugin->table = table_copy(provide->table, interface->table_size);
    take_extras(plugin, manifest);
    plugin->object = object;
    free(plugin->message);
    plugin->message = memory_strdup("");
    plugin->info.message = plugin->message;
    plugin->info.state = PLUGIN_LOADED;
    plugin->info.id = manifest->id;
    plugin->info.version = manifest->version;
    plugin->info.sha256 = object->sha256;
    if (object->judgement.warnings.length)
        LOG_WARN("plugin loaded with a warning", LOG_STR("plugin", request->file),
                 LOG_STR("warning", text_string(&object->judgement.warnings)));
    LOG_INFO("plugin loaded", LOG_STR("plugin", object->host.label), LOG_STR("id", manifest->id),
             LOG_STR("version", manifest->version), LOG_STR("sha256", object->sha256));
    return plugin;
}

static struct plugin *load_object(const struct request *request, struct error *error)
{
    struct plugin_object *object = object_find(request->registry, request->sha256);
    if (!object)
        object = object_load(request, error);
    return object ? plugin_take(request, object, error) : NULL;
}

/* ---- from a file ----------------------------------------------------------------------------- */

static bool tried(const struct request *request, int fd, struct error *error)
{
    struct trial_report report;
    const struct trial trial = {.environment = request->registry->environment,
                                .fd = fd,
                                .file = request->file,
                                .kind = request->plugin->info.kind,
                                .name = request->plugin->name,
                                .limit_ms = request->registry->trial_limit_ms};
    trial_run(&trial, &report);
    bool accepted = report.accepted;
    if (!accepted)
        (void)plugin_refuse(request->plugin, request->file, report.id, report.version,
                            report.sdk_version, report.reasons, error);
    trial_report_finish(&report);
    return accepted;
}

/* What is tried and loaded is the copy, of the very bytes that were hashed. */
static struct plugin *load_opened(struct request *request, const struct plugin_file *file,
                                  struct error *error)
{
    struct text bytes CLEANUP(text_finish) = {0};
    char *copy CLEANUP(memory_free_pointer) = NULL;
    struct error why = {0};
    if (!plugin_file_read(file->fd, &bytes, request->sha256, &why) ||
        (request->registry->state_directory &&
         !plugin_file_keep(request->registry->state_directory, &bytes, request->sha256, &copy,
                           &why))) {
        (void)refused(request, NULL, why.message, error);
        return NULL;
    }
    struct plugin_file kept = {.fd = -1};
    struct text ignored CLEANUP(text_finish) = {0};
    if (copy) { /* our own folder and file: nothing to judge that can be wrong */
        char *folder = memory_strdup(copy);
        bool opened = plugin_file_open(dirname(folder), strrchr(copy, '/') + 1, &kept, &ignored);
        free(folder);
        if (!opened) {
            (void)refused(request, NULL, ignored.length ? text_string(&ignored) : "copy is gone",
                          error);
            plugin_file_finish(&kept);
            return NULL;
        }
    }
    request->path = copy ? copy : file->path;
    request->copy_path = copy;
    struct plugin *plugin = NULL;
    if (object_find(request->registry, request->sha256) ||
        tried(request, copy ? kept.fd : file->fd, error))
        plugin = load_object(request, error);
    plugin_file_finish(&kept);
    return plugin;
}

static struct plugin *load_found(struct plugin_registry *registry, struct plugin *plugin,
                                 const struct plugin_file *file, struct error *error)
{
    struct request request = {.registry = registry, .plugin = plugin, .fd = -1};
    free(plugin->path);
    plugin->path = memory_strdup(file->path);
    plugin->info.path = plugin->path;
    request.file = strrchr(plugin->path, '/') + 1;
    return load_opened(&request, file, error);
}

struct plugin *plugin_registry_load(struct plugin_registry *registry, enum plugin_kind kind,
                                    const char *name, struct error *error)
{
    struct plugin *plugin = plugin_entry(registry, kind, name);
    struct plugin_file file;
    struct text reasons CLEANUP(text_finish) = {0}, label CLEANUP(text_finish) = {0};
    if (plugin->object)
        return plugin;
    bool found = plugin_find_file(registry, kind, name, &file, &reasons);
    struct plugin *loaded = NULL;
    if (found) {
        loaded = load_found(registry, plugin, &file, error);
    } else if (reasons.length) {
        plugin_file_name(kind, name, &label);
        (void)plugin_refuse(plugin, file.path ? file.path : text_string(&label), NULL, NULL, 0,
                            text_string(&reasons), error);
    } else {
        plugin_missing_text(registry, kind, name, &reasons);
        free(plugin->message);
        plugin->message = text_take(&reasons);
        plugin->info.message = plugin->message;
        plugin->info.state = PLUGIN_MISSING;
        error_set(error, ERROR_NOT_FOUND, "%s", plugin->message);
    }
    plugin_file_finish(&file);
    return loaded;
}

struct plugin *plugin_registry_load_file(struct plugin_registry *registry, const char *path,
                                         enum plugin_kind kind, const char *name,
                                         struct error *error)
{
    struct plugin *plugin = plugin_entry(registry, kind, name);
    struct plugin_file file;
    struct text reasons CLEANUP(text_finish) = {0};
    char *real = realpath(path, NULL), *slash = real ? strrchr(real, '/') : NULL;
    if (!slash) {
        error_set_errno(error, ERROR_NOT_FOUND, errno, "%s", path);
        return NULL;
    }
    *slash = 0;
    struct plugin *loaded = NULL;
    if (plugin_file_open(real, slash + 1, &file, &reasons))
        loaded = load_found(registry, plugin, &file, error);
    else
        (void)plugin_refuse(plugin, path, NULL, NULL, 0, text_string(&reasons), error);
    plugin_file_finish(&file);
    free(real);
    return loaded;
}

/* ---- by a descriptor ------------------------------------------------------------------------- */

int plugin_open_descriptor(const struct plugin *plugin, struct error *error)
{
    struct text bytes CLEANUP(text_finish) = {0};
    char sha256[SHA256_HEX_BYTES];
    struct plugin_file file;
    struct text reasons CLEANUP(text_finish) = {0};
    const char *path = plugin->object->copy_path ? plugin->object->copy_path : plugin->path;
    char *folder = memory_strdup(path ? path : "/");
    bool sound =
        plugin_file_open(dirname(folder), path ? strrchr(path, '/') + 1 : "", &file, &reasons) &&
        plugin_file_read(file.fd, &bytes, sha256, error);
    free(folder);
    plugin_file_finish(&file);
    if (!sound || !text_equal(sha256, plugin->object->sha256)) {
        error_set(error, ERROR_PLUGIN, "%s: is no longer what was loaded", path ? path : "?");
        return -1;
    }
    return plugin_file_seal(&bytes, error);
}

struct plugin *plugin_load_descriptor(struct plugin_registry *registry, int take_fd,
                                      enum plugin_kind kind, const char *name, struct error *error)
{
    struct plugin *plugin = plugin_entry(registry, kind, name);
    struct text bytes CLEANUP(text_finish) = {0}, file CLEANUP(text_finish) = {0};
    char path[40];
    if (plugin->object) {
        close(take_fd);
        return plugin;
    }
    plugin_file_name(kind, name, &file);
    /* Kept open for good: glibc knows loaded objects by their path, and a number that came to name
     * another plugin would yield the old one. */
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", take_fd);
    struct request request = {.registry = registry,
                              .plugin = plugin,
                              .file = text_string(&file),
                              .path = path,
                              .fd = take_fd};
    if (!plugin_file_read(take_fd, &bytes, request.sha256, error))
        return NULL;
    return load_object(&request, error);
}
