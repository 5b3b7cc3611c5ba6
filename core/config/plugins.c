/* Joins the configuration with the plugins it names. */
#include "config/impl.h"

#include "plugin/registry.h"

#include <stdio.h>
#include <string.h>

struct peek {
    struct config *config;
    const struct plugin_registry *registry;
};

static void take_fault(void *argument, const char *path, const char *message)
{
    struct config *config = argument;
    const struct config_origins *origins = config->origins;
    bool of_key = text_starts_with(message, "unknown");
    schema_faults_add(&config->origins->faults,
                      of_key ? schema_positions_find_key(origins->positions, path)
                             : schema_positions_find(origins->positions, path),
                      path, "%s", message);
}

static void peek_one(const struct peek *peek, enum plugin_kind kind, const char *name,
                     const char *plugin_path, const char *config_path)
{
    plugin_peek(peek->registry, kind, name, config_plugin_settings(peek->config, config_path),
                plugin_path, config_path, take_fault, peek->config);
}

/* The default, the fallback, and each other one that settings are given for. */
static void peek_choice(const struct peek *peek, enum plugin_kind kind, const char *path,
                        const struct config_choice *choice)
{
    char plugin_path[192], settings_path[192];
    const char *name;
    json_t *value;
    snprintf(plugin_path, sizeof plugin_path, "%s.default", path);
    snprintf(settings_path, sizeof settings_path, "%s.config.%s", path, choice->standard);
    peek_one(peek, kind, choice->standard, plugin_path, settings_path);
    if (strcmp(choice->standard, choice->fallback) != 0) {
        snprintf(plugin_path, sizeof plugin_path, "%s.fallback", path);
        snprintf(settings_path, sizeof settings_path, "%s.config.%s", path, choice->fallback);
        peek_one(peek, kind, choice->fallback, plugin_path, settings_path);
    }
    snprintf(plugin_path, sizeof plugin_path, "%s.config", path);
    const json_t *settings = config_plugin_settings(peek->config, plugin_path);
    json_object_foreach((json_t *)settings, name, value)
    {
        if (strcmp(name, choice->standard) == 0 || strcmp(name, choice->fallback) == 0)
            continue;
        snprintf(settings_path, sizeof settings_path, "%s.config.%s", path, name);
        if (schema_is_name(name))
            peek_one(peek, kind, name, settings_path, settings_path);
        else
            config_add_fault(peek->config, settings_path, "is no name of a plugin");
    }
}

bool config_check_plugins(struct config *config, const struct plugin_registry *registry)
{
    const struct peek peek = {.config = config, .registry = registry};
    size_t before = config_fault_count(config);
    if (config->origins->unread)
        return false;
    peek_one(&peek, PLUGIN_STORE, config->store.plugin, "store.plugin", "store.config");
    peek_one(&peek, PLUGIN_RUNTIME, config->runtime.use.plugin, "runtime.plugin", "runtime.config");
    peek_choice(&peek, PLUGIN_SCHEDULER, "scheduler", &config->scheduler);
    peek_choice(&peek, PLUGIN_BALANCER, "balancer", &config->balancer);
    return config_fault_count(config) == before;
}
