/* The plugins of this program: what the host offers them and where they are looked for. */
#ifndef PLUGINS_H
#define PLUGINS_H

#include "config/config.h"
#include "plugin/registry.h"

/* Every service of host.h, for plugin_environment. */
extern const struct plugin_service *const plugins_services[];
extern const size_t plugins_service_count;

/* A registry that searches plugins.path and then the place next to the program. `state_directory`
 * NULL: only for reading (plugin_peek), writes nothing. `environment` outlives it. */
struct plugin_registry *plugins_open(const struct config *config,
                                     const struct plugin_environment *environment,
                                     const char *state_directory, struct error *error);

#endif
