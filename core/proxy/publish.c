/* Snapshots: built here, given to every worker, freed when no worker can have them any more. */
#include "proxy/certificate.h"
#include "proxy/impl.h"
#include "proxy/worker.h"

#include <stdlib.h>
#include <string.h>

static void view_free(struct view *view)
{
    if (view->table && view->policy->table->table_free)
        view->policy->table->table_free(view->policy->object, view->table);
    for (uint32_t i = 0; i < view->endpoints.items.count; i++)
        endpoint_release(view->picked[i]);
    for (uint32_t i = 0; i < view->draining_count; i++)
        endpoint_release(view->draining[i]);
    policy_release(view->policy);
    tally_release(view->tally);
    meter_release(view->meter);
    free(view->items);
    free(view->picked);
    free(view->draining);
    free(view->name);
    certificate_release(view->certificate);
    route_finish(&view->route);
    http_settings_release(view->http);
    free(view);
}

void view_release(struct view *view)
{
    if (--view->references == 0)
        view_free(view);
}

static void fill_item(struct orch_endpoint *item, const struct endpoint *endpoint)
{
    *item = (struct orch_endpoint){.id = {endpoint->id, strlen(endpoint->id)},
                                   .id_hash = endpoint->id_hash,
                                   .cell = &endpoint->cell,
                                   .weight = endpoint->weight,
                                   .flags = endpoint->local ? ORCH_ENDPOINT_LOCAL : 0};
}

static void fill_endpoints(struct view *view, const struct service *service)
{
    uint32_t picked = 0;
    size_t room = service->endpoint_count + 1;
    view->items = memory_alloc(room * sizeof *view->items);
    view->picked = memory_alloc(room * sizeof(struct endpoint *));
    view->draining = memory_alloc(room * sizeof(struct endpoint *));
    for (uint32_t i = 0; i < service->endpoint_count; i++) {
        struct endpoint *endpoint = endpoint_hold(service->endpoints[i]);
        if (endpoint->state == FEED_ACTIVE && !endpoint->outlier.out) {
            fill_item(&view->items[picked], endpoint);
            view->picked[picked++] = endpoint;
        } else {
            view->draining[view->draining_count++] = endpoint;
        }
    }
    view->endpoints.items = (struct orch_array){view->items, picked, sizeof view->items[0]};
}

static struct view *build_view(struct proxy *proxy, struct service *service)
{
    struct view *view = memory_alloc(sizeof *view);
    view->references = 1;
    view->service_id = service->id;
    view->name = memory_strdup(service->name);
    view->connect_timeout_ns = service->connect_timeout_ns;
    view->idle_timeout_ns = service->idle_timeout_ns;
    view->protocol = service->protocol;
    view->tls = service->certificate[0];
    view->certificate = certificate_hold(certificates_find(proxy, service->certificate));
    view->max_connections = service->max_connections;
    view->tally = tally_hold(service->tally);
    view->meter = meter_hold(service->meter);
    route_copy(&view->route, &service->route);
    view->http = http_settings_hold(service->http);
    view->endpoints =
        (struct orch_endpoints){.size = sizeof view->endpoints, .generation = ++proxy->generation};
    fill_endpoints(view, service);
    if (!service->policy)
        service->policy = policy_create(proxy, service);
    policy_build(proxy, view, service);
    return view;
}

static void refresh_view(struct proxy *proxy, struct service *service)
{
    if (service->view && !service->changed)
        return;
    if (service->view)
        view_release(service->view);
    service->view = build_view(proxy, service);
    service->changed = false;
}

static void add_listener(struct proxy *proxy, struct snapshot *snapshot,
                         const struct service *service)
{
    struct listener *listener =
        service->removed || proxy->stopping ? NULL : table_find_listener(proxy, service->listen);
    bool tls = service->certificate[0];
    if (!listener ||
        (listener->used && (listener->used != FEED_HTTP || service->protocol != FEED_HTTP ||
                            listener->used_tls != tls)))
        return;
    listener->used = service->protocol;
    listener->used_tls = tls;
    listener->references++;
    snapshot->listeners[snapshot->listener_count].listener = listener;
    snapshot->listeners[snapshot->listener_count++].view = snapshot->view_count - 1;
}

static struct snapshot *build_snapshot(struct proxy *proxy)
{
    struct snapshot *snapshot = memory_alloc(sizeof *snapshot);
    struct service *service, *next;
    size_t room = HASH_COUNT(proxy->services) + 1;
    snapshot->sequence = ++proxy->next_sequence;
    snapshot->version = proxy->version;
    snapshot->leaves_queues = proxy->stopping;
    snapshot->views = memory_alloc(room * sizeof(struct view *));
    snapshot->listeners = memory_alloc(room * sizeof *snapshot->listeners);
    for (uint32_t i = 0; i < proxy->listener_count; i++)
        proxy->listeners[i]->used = 0;
    HASH_ITER(hh, proxy->services, service, next)
    {
        refresh_view(proxy, service);
        service->view->references++;
        snapshot->views[snapshot->view_count++] = service->view;
        add_listener(proxy, snapshot, service);
    }
    return snapshot;
}

static void snapshot_free(struct snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->view_count; i++)
        view_release(snapshot->views[i]);
    for (uint32_t i = 0; i < snapshot->listener_count; i++)
        listener_release(snapshot->listeners[i].listener);
    free(snapshot->views);
    free(snapshot->listeners);
    free(snapshot);
}

void publish_now(struct proxy *proxy)
{
    struct snapshot *snapshot = build_snapshot(proxy);
    if (proxy->newest)
        proxy->newest->next = snapshot;
    else
        proxy->oldest = snapshot;
    proxy->newest = snapshot;
    drain_published(proxy, snapshot->sequence);
    workers_publish(proxy, snapshot);
}

void publish_version(struct proxy *proxy, uint64_t version)
{
    table_remove_stale(proxy);
    proxy->version = version;
    publish_now(proxy);
    table_drop_listeners(proxy, false);
}

uint64_t publish_applied(const struct proxy *proxy)
{
    uint64_t applied = UINT64_MAX;
    for (uint32_t i = 0; i < proxy->worker_count; i++) {
        uint64_t reached = worker_applied(proxy, i);
        applied = reached < applied ? reached : applied;
    }
    return applied;
}

void publish_new_feed(struct proxy *proxy)
{
    proxy->version = proxy->acknowledged = 0;
    for (struct snapshot *snapshot = proxy->oldest; snapshot; snapshot = snapshot->next)
        snapshot->version = 0; /* another feed's numbers */
}

void publish_look(struct proxy *proxy, uint64_t applied)
{
    uint64_t version = 0;
    for (struct snapshot *snapshot = proxy->oldest; snapshot && snapshot->sequence <= applied;
         snapshot = snapshot->next)
        version = snapshot->version;
    if (version > proxy->acknowledged) {
        proxy->acknowledged = version;
        feeder_acknowledge(proxy, version);
    }
    while (proxy->oldest && proxy->oldest->sequence < applied && proxy->oldest->next) {
        struct snapshot *old = proxy->oldest;
        proxy->oldest = old->next;
        snapshot_free(old);
    }
}

void publish_finish(struct proxy *proxy)
{
    while (proxy->oldest) {
        struct snapshot *old = proxy->oldest;
        proxy->oldest = old->next;
        snapshot_free(old);
    }
    proxy->newest = NULL;
}
