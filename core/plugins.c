#include "plugins.h"

#include <limits.h>
#include <stdlib.h>

const struct plugin_service *const plugins_services[] = {
    &host_log_service,     &host_thread_service, &host_loop_service,    &host_ops_service,
    &host_process_service, &host_net_service,    &host_metrics_service, &host_http_service};
const size_t plugins_service_count = sizeof plugins_services / sizeof plugins_services[0];

struct plugin_registry *plugins_open(const struct config *config,
                                     const struct plugin_environment *environment,
                                     const char *state_directory, struct error *error)
{
    char standard[PATH_MAX];
    if (!plugin_default_path(standard, sizeof standard, error))
        return NULL;
    size_t count = config->plugin_path.count;
    const char **paths = memory_alloc((count + 1) * sizeof *paths);
    for (size_t i = 0; i < count; i++)
        paths[i] = *LIST_AT(config->plugin_path, const char *, i);
    paths[count] = standard;
    const struct plugin_registry_settings settings = {.environment = environment,
                                                      .paths = paths,
                                                      .path_count = count + 1,
                                                      .state_directory = state_directory};
    struct plugin_registry *registry = plugin_registry_create(&settings);
    free(paths);
    return registry;
}
