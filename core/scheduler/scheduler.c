#include "scheduler/impl.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void scheduler_read_figures(const struct scheduler *scheduler, struct schedule_figures *out)
{
    *out = scheduler->figures;
}

struct scheduler *scheduler_create(const struct scheduler_config *config)
{
    struct scheduler *scheduler = memory_alloc(sizeof *scheduler);
    scheduler->config = *config;
    scheduler->loop = config->loop;
    if (!scheduler->config.budget_ns)
        scheduler->config.budget_ns = 5 * NS_PER_SECOND;
    return scheduler;
}

struct plugin *scheduler_plugin(const struct scheduler *scheduler, const char *name)
{
    struct plugin *plugin = scheduler->plugins;
    while (plugin && strcmp(plugin->name, name) != 0)
        plugin = plugin->next;
    return plugin;
}

void scheduler_plugin_release(struct plugin *plugin)
{
    if (--plugin->uses)
        return;
    plugin->table->destroy(plugin->instance);
    free(plugin);
}

uint64_t scheduler_passes(const struct scheduler *scheduler)
{
    return scheduler->started;
}

bool scheduler_has(const struct scheduler *scheduler, const char *name)
{
    return scheduler_plugin(scheduler, name) != NULL;
}

bool scheduler_add_plugin(struct scheduler *scheduler, const char *name,
                          const struct orch_scheduler_v1 *table, void *module,
                          const struct orch_host *host, const char *config_json,
                          struct error *error)
{
    struct plugin *plugin = memory_alloc(sizeof *plugin);
    struct orch_error fault = {.size = sizeof fault};
    snprintf(plugin->name, sizeof plugin->name, "%s", name);
    plugin->table = table;
    plugin->uses = 1;
    plugin->wants.size = sizeof plugin->wants;
    struct orch_str config = {config_json, strlen(config_json)};
    if (table->create(module, host, config, &plugin->instance, &plugin->wants, &fault) != ORCH_OK) {
        error_set(error, ERROR_PLUGIN, "scheduler \"%s\" could not be made: %s", name,
                  fault.message);
        memory_free_pointer(&plugin);
        return false;
    }
    plugin->next = scheduler->plugins;
    scheduler->plugins = plugin;
    return true;
}
