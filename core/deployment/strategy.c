/* What a rollout may do now, by its strategy. Whatever it is, a step is a number of new replicas:
 * no more are made, and as many old ones stay as make up for the rest, until the next step. */
#include "deployment/impl.h"

#include <string.h>

static int64_t at_least(int64_t least, int64_t value)
{
    return value > least ? value : least;
}

void deployment_rolling_bounds(const struct rollout *rollout, int64_t desired, int64_t *surge,
                               int64_t *unavailable)
{
    *surge = amount_of(rollout->max_surge, desired, true);
    *unavailable = amount_of(rollout->max_unavailable, desired, false);
}

static struct bounds rolling(const struct track *track, const struct census *census)
{
    const struct rollout *rollout = &census->deployment->rollout;
    int64_t desired = census->desired;
    struct bounds bounds = {.draining = amount_of(rollout->max_draining, desired, true),
                            .updated = desired,
                            .may_make = true};
    deployment_rolling_bounds(rollout, desired, &bounds.surge, &bounds.unavailable);
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

static bool is_hidden(const struct deployment *deployment)
{
    return deployment->hidden && !deployment->promoted;
}

bool strategy_awaits_promotion(const struct deployment *deployment)
{
    if (!deployment->complete_revision || !deployment_is_rolling(deployment))
        return false;
    return is_hidden(deployment) ||
           (deployment->rollout.strategy == STRATEGY_CANARY && !deployment->promoted);
}

int64_t strategy_step(const struct census *census)
{
    const struct deployment *deployment = census->deployment;
    const struct rollout *rollout = &deployment->rollout;
    int64_t step = census->desired;
    if (!deployment->complete_revision)
        return step;
    if (rollout->strategy == STRATEGY_CANARY && !deployment->promoted)
        step = at_least(1, amount_of(rollout->canary.replicas, census->desired, true));
    if (rollout->pause_after.value && !deployment->paused_after &&
        amount_of(rollout->pause_after, census->desired, true) < step)
        step = at_least(1, amount_of(rollout->pause_after, census->desired, true));
    return step < census->desired ? step : census->desired;
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
    case STRATEGY_BLUE_GREEN:
        bounds.surge = track->stop_first ? 0 : census->desired;
        bounds.draining = INT64_MAX;
        break;
    case STRATEGY_CANARY:
        break;
    }
    bounds.updated = strategy_step(census);
    /* What was lost at a step was replaced by new ones. */
    int64_t replaced = at_least(bounds.updated, census->counts.updated);
    bounds.outdated = is_hidden(deployment) ? census->desired : census->desired - replaced;
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
