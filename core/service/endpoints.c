/* From ready containers to published endpoints. */
#include "base/hash.h"
#include "deployment/deployment.h"
#include "service/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct container_template *template_of(struct service_manager *manager,
                                                    const struct container *container)
{
    struct revision probe = {.record.kind = &revision_kind,
                             .deployment = container->deployment,
                             .number = container->revision};
    const struct revision *revision =
        (const struct revision *)state_find(manager->state, STATE_COMMITTED, &probe.record);
    return revision ? &revision->template : NULL;
}

int64_t service_target_port(struct service_manager *manager, const struct service *service,
                            const struct container *container)
{
    const struct container_template *template = template_of(manager, container);
    const struct port_ref *ref = &service->target_port;
    if (ref->number)
        return ref->number;
    if (!template)
        return 0;
    if (!ref->name)
        return template->ports.count == 1
                   ? LIST_AT(template->ports, struct container_port, 0)->number
                   : 0;
    const struct container_port *port = template_port(template, ref);
    return port ? port->number : 0;
}

static const struct deployment *deployment_of(struct service_manager *manager, const char *name)
{
    struct deployment probe = {.record.kind = &deployment_kind, .name = name};
    return (const struct deployment *)state_find(manager->state, STATE_COMMITTED, &probe.record);
}

bool service_manager_has_service(struct service_manager *manager, const char *deployment)
{
    return service_of(manager, deployment, NULL) != NULL;
}

bool service_serves(struct service_manager *manager, const struct service *service,
                    const struct container *container, enum endpoint_state *state, int64_t *port)
{
    const struct container_brief status =
        container_manager_brief(manager->config.containers, container);
    bool stopping = container->intent == INTENT_STOP;
    if (!status.address[0] || (!stopping && status.state != CONTAINER_RUNNING) ||
        (stopping && status.drained))
        return false;
    const struct deployment *deployment = deployment_of(manager, service->deployment);
    if (deployment && deployment_hides(deployment, container))
        return false; /* not before its promotion */
    *port = service_target_port(manager, service, container);
    *state = stopping ? ENDPOINT_DRAINING : status.ready ? ENDPOINT_ACTIVE : ENDPOINT_DOWN;
    return *port != 0;
}

static size_t count_containers(struct service_manager *manager, const struct service *service)
{
    const struct container *container = NULL;
    size_t count = 0;
    while ((container =
                container_manager_next(manager->config.containers, service->deployment, container)))
        count++;
    return count;
}

/* A canary's share: all of its endpoints together get so much of what all get. */
static void weigh_canary(struct service_manager *manager, const struct service *service,
                         struct published_endpoint *endpoints, uint32_t count)
{
    enum { WEIGHT_MAX = 1000 };
    const struct deployment *deployment = deployment_of(manager, service->deployment);
    int64_t share = deployment ? deployment->rollout.canary.traffic.value : 0, of[2] = {0};
    if (!share || share == 100 || deployment->rollout.strategy != STRATEGY_CANARY ||
        deployment->promoted || !deployment->complete_revision ||
        !deployment_is_rolling(deployment))
        return;
    for (uint32_t i = 0; i < count; i++)
        of[deployment_wants(deployment, container_manager_find(manager->config.containers,
                                                               endpoints[i].container))] +=
            endpoints[i].state == ENDPOINT_ACTIVE;
    int64_t each_new = share * of[0], each_old = (100 - share) * of[1];
    int64_t most = each_new > each_old ? each_new : each_old;
    for (uint32_t i = 0; i < count && of[0] && of[1]; i++) {
        bool new = deployment_wants(
            deployment, container_manager_find(manager->config.containers, endpoints[i].container));
        int64_t weight = (new ? each_new : each_old) * WEIGHT_MAX / most;
        endpoints[i].weight = weight > 1 ? weight : 1;
    }
}

void service_manager_fill_table(struct service_manager *manager, const char *name,
                                struct arena *arena, struct published_service *out)
{
    const struct service *service = service_manager_find(manager, name);
    const struct container *container = NULL;
    *out = (struct published_service){.name = name};
    if (!service)
        return;
    struct published_endpoint *endpoints =
        arena_alloc(arena, (count_containers(manager, service) + 1) * sizeof *endpoints);
    uint32_t count = 0;
    while ((container = container_manager_next(manager->config.containers, service->deployment,
                                               container))) {
        enum endpoint_state state;
        int64_t port;
        if (!service_serves(manager, service, container, &state, &port))
            continue;
        endpoints[count++] = (struct published_endpoint){
            .container = container->id,
            .node = container->node,
            .address = arena_strdup(
                arena, container_manager_brief(manager->config.containers, container).address),
            .port = port,
            .weight = 1,
            /* One that is not ready gets nothing new; what it has goes on. */
            .state = (uint8_t)(state == ENDPOINT_ACTIVE ? ENDPOINT_ACTIVE : ENDPOINT_DRAINING)};
    }
    weigh_canary(manager, service, endpoints, count);
    const char *balancer = service->balancer ? service->balancer : manager->config.default_balancer;
    *out = (struct published_service){
        .name = service->name,
        .listen = service->listen,
        .balancer = balancer,
        .balancer_config = service->balancer_config,
        .protocol = service->protocol,
        .hosts = service->hosts,
        .path_prefix = service->path_prefix,
        .sticky_cookie = service->sticky ? service->sticky->cookie : NULL,
        .certificate = service->tls ? service->tls->certificate : NULL,
        .policy_seed = (int64_t)(hash_text(service->record.uid) >> 1),
        .drain_timeout_ns = service->drain_timeout_ns,
        .connect_timeout_ns = service->connect_timeout_ns,
        .idle_timeout_ns = service->idle_timeout_ns,
        .slow_start_ns = service->slow_start_ns,
        .max_connections = service->max_connections,
        .ejection = service->ejection,
        .hold = service->hold,
        .maintenance = service->maintenance,
        .redirect = service->redirect,
        .http = service->http,
        .endpoints = {.items = endpoints, .count = count}};
}

static struct publication *find_publication(struct service_manager *manager, const char *container)
{
    struct publication *publication = NULL;
    HASH_FIND_STR(manager->publications, container, publication);
    return publication;
}

static bool served_by_any(struct service_manager *manager, const struct container *container)
{
    const struct service *service = NULL;
    enum endpoint_state state;
    int64_t port;
    while ((service = service_of(manager, container->deployment, service)))
        if (service_serves(manager, service, container, &state, &port) && state == ENDPOINT_ACTIVE)
            return true;
    return false;
}

static void forget_gone(struct service_manager *manager, const char *deployment)
{
    struct publication *publication, *next;
    HASH_ITER(hh, manager->publications, publication, next)
    {
        if (strcmp(publication->deployment, deployment) != 0 ||
            container_manager_find(manager->config.containers, publication->container))
            continue;
        HASH_DEL(manager->publications, publication);
        free(publication);
    }
    const struct service *service = NULL;
    while ((service = service_of(manager, deployment, service)))
        if (service_track(manager, service->name)) {
            figures_forget_gone(manager, service_track(manager, service->name));
            ejections_forget_gone(manager, service_track(manager, service->name));
        }
}

void service_note_publications(struct service_manager *manager, const char *deployment,
                               int64_t version)
{
    const struct container *container = NULL;
    while (
        (container = container_manager_next(manager->config.containers, deployment, container))) {
        struct publication *publication = find_publication(manager, container->id);
        bool served = served_by_any(manager, container);
        if (served && !publication) {
            publication = memory_alloc(sizeof *publication);
            publication->version = version;
            snprintf(publication->deployment, sizeof publication->deployment, "%s", deployment);
            snprintf(publication->container, sizeof publication->container, "%s", container->id);
            HASH_ADD_STR(manager->publications, container, publication);
        } else if (!served && publication && container->intent == INTENT_RUN) {
            HASH_DEL(manager->publications, publication);
            free(publication);
        }
    }
    forget_gone(manager, deployment);
}

bool service_manager_is_active(struct service_manager *manager, const struct container *container)
{
    if (!service_of(manager, container->deployment, NULL))
        return true;
    struct publication *publication = find_publication(manager, container->id);
    if (!publication) /* ready, but no service means a port of it */
        return !served_by_any(manager, container);
    return node_registry_table_acknowledged(manager->config.nodes, publication->version);
}

void service_manager_status(struct service_manager *manager, const struct service *service,
                            struct service_status *out)
{
    const struct container *container = NULL;
    struct track *track = service_track(manager, service->name);
    *out = (struct service_status){.seq = service->record.seq};
    if (track && track->seq > out->seq)
        out->seq = track->seq;
    while ((container = container_manager_next(manager->config.containers, service->deployment,
                                               container))) {
        enum endpoint_state state;
        int64_t port;
        bool serves = service_serves(manager, service, container, &state, &port);
        out->endpoints++;
        out->ready += serves && state == ENDPOINT_ACTIVE;
        out->draining += serves && state == ENDPOINT_DRAINING;
    }
}

size_t service_manager_listeners(struct service_manager *manager, const struct service *service,
                                 struct service_listener_status *out, size_t limit)
{
    struct track *track = service_track(manager, service->name);
    size_t count = 0;
    for (struct listener *listener = track ? track->listeners : NULL; listener;
         listener = listener->next, count++)
        if (count < limit)
            out[count] = (struct service_listener_status){.node = listener->node,
                                                          .message = listener->message,
                                                          .listening = listener->listening};
    return count;
}

size_t service_manager_endpoints(struct service_manager *manager, const struct service *service,
                                 struct service_endpoint_status *out, size_t limit)
{
    const struct container *container = NULL;
    struct track *track = service_track(manager, service->name);
    size_t count = 0;
    while ((container = container_manager_next(manager->config.containers, service->deployment,
                                               container))) {
        enum endpoint_state state = ENDPOINT_DOWN;
        int64_t port = 0;
        struct figures *figures = NULL;
        bool serves = service_serves(manager, service, container, &state, &port);
        if (serves && state == ENDPOINT_ACTIVE && !service_manager_is_active(manager, container))
            state = ENDPOINT_DOWN; /* not yet acknowledged by every proxy that counts */
        if (count++ >= limit)
            continue;
        struct service_endpoint_status *row = &out[count - 1];
        *row = (struct service_endpoint_status){.container = container->id,
                                                .node = container->node,
                                                .state = (uint8_t)(serves ? state : ENDPOINT_DOWN)};
        const char *address =
            container_manager_status(manager->config.containers, container)->address;
        if (!port)
            port = service_target_port(manager, service, container);
        if (address[0])
            snprintf(row->address, sizeof row->address,
                     strchr(address, ':') ? "[%s]:%lld" : "%s:%lld", address, (long long)port);
        if (track)
            HASH_FIND_STR(track->figures, container->id, figures);
        if (figures) {
            row->in_flight = figures->in_flight;
            row->served = figures->sum.counts[TRAFFIC_SERVED];
            row->failed = figures->sum.counts[TRAFFIC_FAILED];
        }
    }
    return count;
}
