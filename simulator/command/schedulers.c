#include "schedulers.h"
#include "plugin/registry.h"
#include "sim.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a scheduler may ask of its host. It gets no loop: a decision depends on what it is shown. */
static const struct plugin_service *const services[] = {&host_log_service, &host_thread_service,
                                                        &host_metrics_service};

enum { LIMIT = 24 };
struct used {
    const char *name; /* in the scenario */
    char *path;
    struct plugin_registry *registry; /* one a file: two files may hold plugins of one name */
    struct plugin *plugin;
    char *settings;
};
static struct used used[LIMIT];
static size_t used_count;
static struct plugin_environment environment;

struct settings_faults {
    struct scenario *scenario;
    bool any;
};

static void settings_fault(void *argument, const char *path, const char *message)
{
    struct settings_faults *faults = argument;
    faults->any = true;
    scenario_fault(faults->scenario, path, "%s", message);
}

static struct plugin_registry *registry_of(const char *path)
{
    for (size_t i = 0; i < used_count; i++)
        if (strcmp(used[i].path, path) == 0)
            return used[i].registry;
    return plugin_registry_create(&(struct plugin_registry_settings){.environment = &environment});
}

/* `where` is what the file says of it; NULL: it ships. */
static void load(struct scenario *scenario, const char *where, const char *name,
                 const char *manifest_name, char *take_path, const json_t *config)
{
    struct settings_faults faults = {.scenario = scenario};
    char field[128];
    struct error error = {0};
    struct plugin_registry *registry = registry_of(take_path);
    struct used *one = &used[used_count++];
    *one = (struct used){.name = name, .path = take_path, .registry = registry};
    one->plugin =
        plugin_registry_load_file(registry, take_path, PLUGIN_SCHEDULER, manifest_name, &error);
    snprintf(field, sizeof field, "%s%s", where ? where : "scheduler.default",
             where ? ".path" : "");
    if (!one->plugin) {
        scenario_fault(scenario, field, "%s", error.message);
        return;
    }
    snprintf(field, sizeof field, "%s%s", where ? where : "scheduler.default",
             where ? ".config" : "");
    (void)plugin_check_config(one->plugin, config, field, settings_fault, &faults, &one->settings);
}

static char *beside(const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');
    struct text text = {0};
    if (*path != '/' && slash)
        text_append(&text, file, (size_t)(slash - file) + 1);
    text_append_string(&text, path);
    return text_take(&text);
}

static void load_listed(struct scenario *scenario)
{
    const struct list *plugins = &scenario->schedulers.plugins;
    const json_t *given =
        json_object_get(json_object_get(scenario->document, "scheduler"), "plugins");
    char where[64];
    for (uint32_t i = 0; i < plugins->count; i++) {
        const struct scenario_plugin *plugin = LIST_AT(*plugins, struct scenario_plugin, i);
        snprintf(where, sizeof where, "scheduler.plugins[%u]", i);
        load(scenario, where, plugin->name, *plugin->plugin ? plugin->plugin : plugin->name,
             beside(scenario->file, plugin->path),
             json_object_get(json_array_get(given, i), "config"));
    }
}

static void load_shipped(struct scenario *scenario, const char *folder, const char *name)
{
    struct text path = {0};
    for (size_t i = 0; i < used_count; i++)
        if (strcmp(used[i].name, name) == 0)
            return;
    text_append_format(&path, "%s/scheduler-%s.so", folder, name);
    load(scenario, NULL, name, name, text_take(&path), NULL);
}

static void load_named(struct scenario *scenario, const char *folder,
                       const struct deployment *wanted)
{
    if (wanted && wanted->placement.scheduler)
        load_shipped(scenario, folder, wanted->placement.scheduler);
}

bool schedulers_load(struct scenario *scenario, const char *folder)
{
    environment = (struct plugin_environment){.product = "orchestrator",
                                              .version = ORCHESTRATOR_VERSION,
                                              .services = services,
                                              .service_count = sizeof services / sizeof *services};
    load_listed(scenario);
    load_shipped(scenario, folder, scenario->schedulers.standard);
    for (uint32_t i = 0; i < scenario->deployments.count; i++)
        load_named(scenario, folder, LIST_AT(scenario->deployments, struct deployment, i));
    for (uint32_t i = 0; i < scenario->step_count; i++) {
        load_named(scenario, folder, scenario->steps[i].wanted);
        if (scenario->steps[i].what == EVENT_SCHEDULER)
            load_shipped(scenario, folder, scenario->steps[i].name);
    }
    return !scenario->faults.count;
}

bool schedulers_add(struct server_process *process, struct error *error)
{
    for (size_t i = 0; i < used_count; i++)
        if (!scheduler_add_plugin(process->server->scheduler, used[i].name,
                                  plugin_get_table(used[i].plugin),
                                  plugin_get_module(used[i].plugin),
                                  &plugin_get_host(used[i].plugin)->orch, used[i].settings, error))
            return error_wrap(error, "scheduler \"%s\"", used[i].name);
    return true;
}

void schedulers_finish(void)
{
    for (size_t i = 0; i < used_count; i++) {
        bool first = true;
        for (size_t k = 0; k < i; k++)
            first = first && used[k].registry != used[i].registry;
        if (first)
            plugin_registry_destroy(used[i].registry);
    }
    for (size_t i = 0; i < used_count; i++) {
        free(used[i].path);
        free(used[i].settings);
    }
    used_count = 0;
}
