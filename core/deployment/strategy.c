/* What a rollout may do now, by its strategy. */
#include "deployment/impl.h"

#include <string.h>

static int64_t at_least(int64_t least, int64_t value)
{
    return value > least ? value : least;
}

static struct bounds rolling(const struct track *track, const struct census *census)
{
    const struct rollout *rollout = &census->deployment->rollout;
    int64_t desired = census->desired;
    struct bounds bounds = {.surge = amount_of(rollout->max_surge, desired, true),
                            .unavailable = amount_of(rollout->max_unavailable, desired, false),
                            .draining = amount_of(rollout->max_draining, desired, true),
                            .updated = desired,
                            .may_make = true};
    if (track->stop_first)
        bounds.surge = 0;
    if (!bounds.surge)
        bounds.unavailable = at_least(1, bounds.unavailable);
    bounds.draining = at_least(1, bounds.draining);
    return bounds;
}

/* One that stops on a lost node is not waited for: what that node had is given up. */
static bool is_there(struct deployment_manager *manager, const struct deployment *deployment,
                     const struct container *container)
{
    const struct node_status *node = node_registry_status(manager->config.nodes, container->node);
    if (container->intent == INTENT_STOP)
        return node && node->state != NODE_LOST;
    return census_is_live(manager, container) && !deployment_wants(deployment, container);
}

static bool all_are_gone(struct deployment_manager *manager, const struct census *census)
{
    const struct container *container = NULL;
    if (census->counts.current == census->counts.updated && !census->counts.stopping)
        return true;
    while ((container = container_manager_next(manager->config.containers, census->deployment->name,
                                               container)))
        if (is_there(manager, census->deployment, container))
            return false;
    return true;
}

struct bounds strategy_bounds(struct deployment_manager *manager, const struct track *track,
                              const struct census *census)
{
    const struct deployment *deployment = census->deployment;
    struct bounds bounds = rolling(track, census);
    if (!deployment_is_rolling(deployment))
        return bounds;
    switch ((enum rollout_strategy)deployment->rollout.strategy) {
    case STRATEGY_ROLLING:
        break;
    case STRATEGY_RECREATE:
        bounds.surge = 0;
        bounds.unavailable = census->desired;
        bounds.draining = INT64_MAX;
        bounds.may_make = all_are_gone(manager, census);
        break;
    }
    return bounds;
}

/* -- stop-first -- */

static bool holds(const struct container *container, const struct container_port *port)
{
    for (uint32_t i = 0; i < container->ports.count; i++) {
        const struct container_port *held = LIST_AT(container->ports, struct container_port, i);
        if (held->host_port == port->host_port && held->protocol == port->protocol)
            return true;
    }
    return false;
}

/* An old one, or one on its way out, that holds a host port which the next one must have. */
static const struct container *holder_of(struct deployment_manager *manager,
                                         const struct deployment *deployment,
                                         const struct container_port *port)
{
    const struct container *container = NULL;
    while ((container =
                container_manager_next(manager->config.containers, deployment->name, container)))
        if ((container->intent == INTENT_STOP ||
             census_is_outdated(manager, deployment, container)) &&
            holds(container, port))
            return container;
    return NULL;
}

int64_t strategy_port_of_old(struct deployment_manager *manager,
                             const struct deployment *deployment)
{
    const struct list *ports = &deployment->template.ports;
    for (uint32_t i = 0; i < ports->count; i++) {
        const struct container_port *port = LIST_AT(*ports, struct container_port, i);
        if (port->host_port > 0 && holder_of(manager, deployment, port))
            return port->host_port;
    }
    return 0;
}
