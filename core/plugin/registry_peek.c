/* Reading a plugin without loading it: everything happens in the trial's child. */
#include "plugin/registry_impl.h"
#include "plugin/trial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void report_message(const char *path, const char *file, const struct trial_report *report,
                           config_schema_fault *fault, void *argument)
{
    struct text message CLEANUP(text_finish) = {0};
    manifest_describe(&message, file, report->id, report->version, report->sdk_version);
    text_append_format(&message, ": %s", report->reasons);
    fault(argument, path, text_string(&message));
}

static bool peek_file(const struct plugin_registry *registry, const struct plugin_file *file,
                      const struct trial *base, const char *plugin_path, config_schema_fault *fault,
                      void *argument)
{
    struct trial trial = *base;
    struct trial_report report;
    size_t index;
    const json_t *item;
    trial.environment = registry->environment;
    trial.fd = file->fd;
    trial.file = strrchr(file->path, '/') + 1;
    trial.limit_ms = registry->trial_limit_ms;
    trial_run(&trial, &report);
    if (!report.accepted)
        report_message(plugin_path, trial.file, &report, fault, argument);
    json_array_foreach(report.faults, index, item)
        fault(argument, json_string_value(json_object_get(item, "path")),
              json_string_value(json_object_get(item, "message")));
    bool sound = report.accepted && !json_array_size(report.faults);
    trial_report_finish(&report);
    return sound;
}

bool plugin_peek(const struct plugin_registry *registry, enum plugin_kind kind, const char *name,
                 const json_t *config, const char *plugin_path, const char *config_path,
                 config_schema_fault *fault, void *argument)
{
    struct plugin_file file;
    struct text reasons CLEANUP(text_finish) = {0}, message CLEANUP(text_finish) = {0};
    const struct trial trial = {.kind = kind,
                                .name = name,
                                .check_config = true,
                                .config = config,
                                .config_path = config_path};
    bool sound = false;
    if (plugin_find_file(registry, kind, name, &file, &reasons)) {
        sound = peek_file(registry, &file, &trial, plugin_path, fault, argument);
    } else {
        if (reasons.length)
            text_append_format(&message, "%s: %s", file.path ? file.path : name,
                               text_string(&reasons));
        else
            plugin_missing_text(registry, kind, name, &message);
        fault(argument, plugin_path, text_string(&message));
    }
    plugin_file_finish(&file);
    return sound;
}

static void take_offers(struct plugin_description *out, const json_t *provides)
{
    size_t index;
    const json_t *item;
    out->offers = memory_alloc((json_array_size(provides) + 1) * sizeof *out->offers);
    json_array_foreach(provides, index, item) out->offers[out->offer_count++] =
        (struct plugin_offer){memory_strdup(json_string_value(json_object_get(item, "interface"))),
                              memory_strdup(json_string_value(json_object_get(item, "name")))};
}

static void describe_opened(const struct plugin_registry *registry, const struct plugin_file *file,
                            struct plugin_description *out)
{
    const struct trial trial = {.environment = registry->environment,
                                .fd = file->fd,
                                .file = strrchr(file->path, '/') + 1,
                                .kind = PLUGIN_KIND_NONE,
                                .limit_ms = registry->trial_limit_ms};
    struct trial_report report;
    trial_run(&trial, &report);
    out->accepted = report.accepted;
    out->reasons = memory_strdup(report.reasons);
    out->warnings = memory_strdup(report.warnings);
    out->id = memory_strdup(report.id);
    out->version = memory_strdup(report.version);
    out->sdk_version = report.sdk_version;
    take_offers(out, report.provides);
    trial_report_finish(&report);
}

void plugin_describe(const struct plugin_registry *registry, const char *path,
                     struct plugin_description *out)
{
    struct plugin_file file = {.fd = -1};
    struct text reasons CLEANUP(text_finish) = {0};
    char *real = realpath(path, NULL), *slash = real ? strrchr(real, '/') : NULL;
    *out = (struct plugin_description){0};
    if (slash) {
        *slash = 0;
        if (plugin_file_open(real, slash + 1, &file, &reasons)) {
            describe_opened(registry, &file, out);
            plugin_file_finish(&file);
            free(real);
            return;
        }
    } else {
        text_append_string(&reasons, strerror(errno));
    }
    plugin_file_finish(&file);
    free(real);
    out->reasons = text_take(&reasons);
    out->warnings = memory_strdup("");
    out->id = memory_strdup("");
    out->version = memory_strdup("");
}

void plugin_description_finish(struct plugin_description *description)
{
    for (size_t i = 0; i < description->offer_count; i++) {
        free((char *)(uintptr_t)description->offers[i].interface_id);
        free((char *)(uintptr_t)description->offers[i].name);
    }
    free(description->offers);
    free(description->reasons);
    free(description->warnings);
    free(description->id);
    free(description->version);
}
