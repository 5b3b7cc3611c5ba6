/* The daemon's plugins: which it loads, with which settings, and what becomes of bad ones. The
 * store, the runtime and the default and fallback of schedulers and balancers must be there; every
 * other scheduler and balancer that lies in the search path is loaded too, and is left out with a
 * warning (and a line in GET /plugins) when it is no good. [init] */
#ifndef DAEMON_PLUGINS_H
#define DAEMON_PLUGINS_H

#include "config/config.h"
#include "plugin/registry.h"
#include "proxy/feed.h"
#include "scheduler/scheduler.h"

enum { BALANCER_LIMIT = 64 };

struct daemon_plugins {
    const struct config *config;
    struct plugin_registry *registry;
    struct plugin *store, *runtime;
    char *store_config, *runtime_config;            /* completed JSON texts; owned */
    struct feed_balancer balancers[BALANCER_LIMIT]; /* descriptors owned */
    uint32_t balancer_count;
};
/* `registry` stays the caller's. False: a required one is missing or refused. */
bool daemon_plugins_load(struct daemon_plugins *plugins, const struct config *config,
                         struct plugin_registry *registry, struct error *error);
/* Makes an instance of each scheduler that was loaded. False: a required one refuses its
 * settings. */
bool daemon_plugins_add_schedulers(struct daemon_plugins *plugins, struct scheduler *scheduler,
                                   struct error *error);
void daemon_plugins_finish(struct daemon_plugins *plugins);

/* Is a balancer of that name loaded, and content with those settings? For the service manager. */
bool daemon_plugins_check_certificate(void *plugins, const char *name, struct error *error);
bool daemon_plugins_check_balancer(void *plugins, const char *name, const char *config_json,
                                   struct error *error);

#endif
