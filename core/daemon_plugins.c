#include "daemon_plugins.h"
#include "base/log.h"

#include <orchestrator/balancer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Settings were checked with the configuration; a plugin exchanged since may think otherwise. */
static void first_fault(void *argument, const char *path, const char *message)
{
    struct error *error = argument;
    if (!error->code)
        error_set(error, ERROR_VALIDATION, "%s: %s", path, message);
}

static char *settings_of(struct daemon_plugins *plugins, const struct plugin *plugin,
                         const char *path, struct error *error)
{
    char *completed = NULL;
    error->code = ERROR_NONE;
    const json_t *given = config_plugin_settings(plugins->config, path);
    return plugin_check_config(plugin, given, path, first_fault, error, &completed) ? completed
                                                                                    : NULL;
}

static char *choice_settings(struct daemon_plugins *plugins, const struct plugin *plugin,
                             struct error *error)
{
    char path[192];
    const struct plugin_info *info = plugin_get_info(plugin);
    snprintf(path, sizeof path, "%s.config.%s", plugin_kind_word(info->kind), info->name);
    return settings_of(plugins, plugin, path, error);
}

static bool load_required(struct daemon_plugins *plugins, enum plugin_kind kind, const char *name,
                          struct error *error)
{
    if (plugin_registry_load(plugins->registry, kind, name, error))
        return true;
    return error_wrap(error, "%s \"%s\"", plugin_kind_word(kind), name);
}

static void load_others(struct daemon_plugins *plugins, enum plugin_kind kind)
{
    size_t count = 0;
    struct error error;
    char **names = plugin_registry_list_names(plugins->registry, kind, &count);
    for (size_t i = 0; i < count; i++)
        if (!plugin_registry_find(plugins->registry, kind, names[i]) &&
            !plugin_registry_load(plugins->registry, kind, names[i], &error))
            LOG_WARN("a plugin is left out", LOG_STR("kind", plugin_kind_word(kind)),
                     LOG_STR("plugin", names[i]), LOG_STR("error", error.message));
    plugin_names_free(names, count);
}

static bool load_choice(struct daemon_plugins *plugins, enum plugin_kind kind,
                        const struct config_choice *choice, struct error *error)
{
    if (!load_required(plugins, kind, choice->standard, error) ||
        !load_required(plugins, kind, choice->fallback, error))
        return false;
    load_others(plugins, kind);
    return true;
}

/* The proxy is handed their bytes: it may not enter the state directory. */
static bool open_balancers(struct daemon_plugins *plugins, struct error *error)
{
    size_t count = plugin_registry_count(plugins->registry);
    for (size_t i = 0; i < count && plugins->balancer_count < BALANCER_LIMIT; i++) {
        const struct plugin_info *info = plugin_registry_info(plugins->registry, i);
        if (info->kind != PLUGIN_BALANCER || info->state != PLUGIN_LOADED)
            continue;
        struct plugin *plugin =
            plugin_registry_find(plugins->registry, PLUGIN_BALANCER, info->name);
        int fd = plugin_open_descriptor(plugin, error);
        if (fd < 0)
            return error_wrap(error, "balancer \"%s\"", info->name);
        plugins->balancers[plugins->balancer_count++] =
            (struct feed_balancer){.name = info->name, .fd = fd};
    }
    return true;
}

bool daemon_plugins_load(struct daemon_plugins *plugins, const struct config *config,
                         struct plugin_registry *registry, struct error *error)
{
    *plugins = (struct daemon_plugins){.config = config, .registry = registry};
    if (!load_required(plugins, PLUGIN_STORE, config->store.plugin, error) ||
        !load_required(plugins, PLUGIN_RUNTIME, config->runtime.use.plugin, error) ||
        !load_choice(plugins, PLUGIN_SCHEDULER, &config->scheduler, error) ||
        !load_choice(plugins, PLUGIN_BALANCER, &config->balancer, error))
        return false;
    plugin_registry_prune(registry);
    plugins->store = plugin_registry_find(registry, PLUGIN_STORE, config->store.plugin);
    plugins->runtime = plugin_registry_find(registry, PLUGIN_RUNTIME, config->runtime.use.plugin);
    plugins->store_config = settings_of(plugins, plugins->store, "store.config", error);
    plugins->runtime_config = plugins->store_config
                                  ? settings_of(plugins, plugins->runtime, "runtime.config", error)
                                  : NULL;
    return plugins->runtime_config && open_balancers(plugins, error);
}

static bool add_scheduler(struct daemon_plugins *plugins, struct scheduler *scheduler,
                          struct plugin *plugin, struct error *error)
{
    char *settings = choice_settings(plugins, plugin, error);
    bool added =
        settings && scheduler_add_plugin(scheduler, plugin_get_info(plugin)->name,
                                         plugin_get_table(plugin), plugin_get_module(plugin),
                                         &plugin_get_host(plugin)->orch, settings, error);
    free(settings);
    return added;
}

bool daemon_plugins_add_schedulers(struct daemon_plugins *plugins, struct scheduler *scheduler,
                                   struct error *error)
{
    const struct config_choice *choice = &plugins->config->scheduler;
    size_t count = plugin_registry_count(plugins->registry);
    for (size_t i = 0; i < count; i++) {
        const struct plugin_info *info = plugin_registry_info(plugins->registry, i);
        if (info->kind != PLUGIN_SCHEDULER || info->state != PLUGIN_LOADED)
            continue;
        struct plugin *plugin =
            plugin_registry_find(plugins->registry, PLUGIN_SCHEDULER, info->name);
        bool required =
            text_equal(info->name, choice->standard) || text_equal(info->name, choice->fallback);
        if (add_scheduler(plugins, scheduler, plugin, error))
            continue;
        if (required)
            return false;
        LOG_WARN("a plugin is left out", LOG_STR("kind", "scheduler"),
                 LOG_STR("plugin", info->name), LOG_STR("error", error->message));
    }
    return true;
}

void daemon_plugins_finish(struct daemon_plugins *plugins)
{
    for (uint32_t i = 0; i < plugins->balancer_count; i++)
        close(plugins->balancers[i].fd);
    free(plugins->store_config);
    free(plugins->runtime_config);
    *plugins = (struct daemon_plugins){0};
}

static bool try_policy(struct plugin *plugin, const char *settings, struct error *error)
{
    const struct orch_balancer_v1 *table = plugin_get_table(plugin);
    struct orch_balancer_wants wants = {.size = sizeof wants};
    struct orch_error fault = {.size = sizeof fault};
    void *policy = NULL;
    orch_status status =
        table->create(plugin_get_module(plugin), &plugin_get_host(plugin)->orch,
                      (struct orch_str){settings, strlen(settings)}, 0, &policy, &wants, &fault);
    if (status != ORCH_OK) {
        plugin_error_take(error, status, &fault);
        error->code = ERROR_VALIDATION;
        return error_wrap(error, "balancerConfig");
    }
    table->destroy(policy);
    return true;
}

bool daemon_plugins_check_certificate(void *argument, const char *name, struct error *error)
{
    const struct daemon_plugins *plugins = argument;
    const struct list *list = &plugins->config->proxy.certificates;
    for (uint32_t i = 0; i < list->count; i++)
        if (text_equal(LIST_AT(*list, struct config_certificate, i)->name, name))
            return true;
    return error_set(error, ERROR_VALIDATION,
                     "\"%s\" is not in proxy.certificates; add {name, certFile, keyFile} to the "
                     "configuration and restart orchestrator, which cuts no connection",
                     name);
}

bool daemon_plugins_check_balancer(void *argument, const char *name, const char *config_json,
                                   struct error *error)
{
    struct daemon_plugins *plugins = argument;
    struct plugin *plugin = plugin_registry_find(plugins->registry, PLUGIN_BALANCER, name);
    char *settings = NULL;
    if (!plugin)
        return error_set(error, ERROR_VALIDATION,
                         "balancer: no balancer \"%s\" is loaded; GET /api/v1/plugins lists them",
                         name);
    json_t *given = json_loads(config_json ? config_json : "{}", 0, NULL);
    error->code = ERROR_NONE;
    bool fine =
        plugin_check_config(plugin, given, "balancerConfig", first_fault, error, &settings) &&
        try_policy(plugin, settings, error);
    json_decref(given);
    free(settings);
    return fine;
}
