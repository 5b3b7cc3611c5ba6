/* What the feed says, kept as services and endpoints until it is published. */
#include "proxy/impl.h"
#include "base/log.h"
#include "proxy/slow_start.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- listeners -- */

static struct listener *find_listener(const struct proxy *proxy, const char *address)
{
    for (uint32_t i = 0; i < proxy->listener_count; i++)
        if (strcmp(proxy->listeners[i]->address, address) == 0)
            return proxy->listeners[i];
    return NULL;
}

struct listener *table_find_listener(const struct proxy *proxy, const char *address)
{
    return find_listener(proxy, address);
}

void table_listener(struct proxy *proxy, const char *address, const int *take_fds, size_t count)
{
    struct listener *listener = find_listener(proxy, address);
    if (listener) { /* the feed has made a new one for the same address */
        uint32_t i = 0;
        while (proxy->listeners[i] != listener)
            i++;
        proxy->listeners[i] = proxy->listeners[--proxy->listener_count];
        listener_release(listener);
    }
    listener = memory_alloc(sizeof *listener);
    listener->address = memory_strdup(address);
    listener->datagrams = strncmp(address, WIRE_UDP, strlen(WIRE_UDP)) == 0;
    listener->references = 1;
    listener->fds = memory_alloc((count + 1) * sizeof *listener->fds);
    listener->fd_count = (uint32_t)count;
    memcpy(listener->fds, take_fds, count * sizeof *listener->fds);
    proxy->listeners =
        memory_resize(proxy->listeners, (proxy->listener_count + 1) * sizeof(struct listener *));
    proxy->listeners[proxy->listener_count++] = listener;
}

void listener_release(struct listener *listener)
{
    if (--listener->references)
        return;
    for (uint32_t i = 0; i < listener->fd_count; i++)
        if (listener->fds[i] >= 0)
            close(listener->fds[i]);
    free(listener->fds);
    free(listener->address);
    free(listener);
}

void table_drop_listeners(struct proxy *proxy, bool all)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < proxy->listener_count; i++) {
        if (proxy->listeners[i]->used && !all)
            proxy->listeners[kept++] = proxy->listeners[i];
        else
            listener_release(proxy->listeners[i]);
    }
    proxy->listener_count = kept;
}

/* -- services -- */

static struct service *find_service(struct proxy *proxy, const char *name)
{
    struct service *service = NULL;
    HASH_FIND_STR(proxy->services, name, service);
    return service;
}

static void set_text(char **text, const char *value)
{
    if (text_equal(*text, value))
        return;
    free(*text);
    *text = memory_strdup(value);
}

static struct service *make_service(struct proxy *proxy, const char *name)
{
    struct service *service = memory_alloc(sizeof *service);
    service->name = memory_strdup(name);
    service->id = ++proxy->next_service_id;
    service->tally = tally_hold(NULL);
    service->meter = meter_create(proxy->worker_count);
    counters_name(proxy, service->meter);
    HASH_ADD_KEYPTR(hh, proxy->services, service->name, strlen(service->name), service);
    return service;
}

static void finish_staged(struct staged *staged)
{
    for (uint32_t i = 0; i < staged->count; i++)
        endpoint_release(staged->endpoints[i]);
    free(staged->endpoints);
    *staged = (struct staged){0};
}

static int by_id(const void *a, const void *b)
{
    return strcmp((*(struct endpoint *const *)a)->id, (*(struct endpoint *const *)b)->id);
}

static bool is_same(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && strcmp(a->address_text, b->address_text) == 0;
}

static void set_state(struct proxy *proxy, struct service *service, struct endpoint *endpoint,
                      uint8_t state)
{
    if (endpoint->state == state)
        return;
    endpoint->state = state;
    if (state == FEED_DRAINING) {
        outlier_forget(proxy, service, endpoint);
        drain_begin(proxy, service, endpoint);
    } else {
        drain_end(proxy, endpoint);
        slow_start_begin(proxy, service, endpoint);
    }
}

/* The one that was there goes on, so that its connections and figures stay with it. */
static struct endpoint *take_over(struct proxy *proxy, struct service *service,
                                  struct endpoint *old, struct endpoint *put)
{
    struct endpoint *endpoint = put;
    uint8_t state = put->wanted_state;
    if (old) {
        old->weight = put->weight;
        old->local = put->local;
        endpoint_release(put);
        endpoint = old;
    } else if (service->endpoint_count) { /* the first have nobody to spare them */
        slow_start_begin(proxy, service, endpoint);
    }
    set_state(proxy, service, endpoint, state);
    return endpoint;
}

static void drop(struct proxy *proxy, struct service *service, struct endpoint *endpoint)
{
    outlier_forget(proxy, service, endpoint);
    if (endpoint->state == FEED_DRAINING)
        drain_end(proxy, endpoint);
    atomic_store(&endpoint->order, ORDER_CUT_ALL);
    counters_leave(proxy, service->name, endpoint->id, endpoint->meter);
    endpoint_release(endpoint);
}

/* Both ordered by id. */
static void merge(struct proxy *proxy, struct service *service, struct staged *staged)
{
    struct endpoint **old = service->endpoints;
    uint32_t old_count = service->endpoint_count, at = 0;
    for (uint32_t i = 0; i < staged->count; i++) {
        struct endpoint *put = staged->endpoints[i], *match = NULL;
        while (at < old_count && strcmp(old[at]->id, put->id) < 0)
            drop(proxy, service, old[at++]);
        if (at < old_count && strcmp(old[at]->id, put->id) == 0) {
            if (is_same(old[at], put))
                match = old[at++];
            else
                drop(proxy, service, old[at++]);
        }
        staged->endpoints[i] = take_over(proxy, service, match, put);
    }
    while (at < old_count)
        drop(proxy, service, old[at++]);
    free(old);
    service->endpoints = staged->endpoints;
    service->endpoint_count = staged->count;
    service->changed = true;
    *staged = (struct staged){0};
    outlier_service_changed(proxy, service);
}

static void merge_when_complete(struct proxy *proxy)
{
    struct staged *staged = &proxy->staged;
    if (!staged->service || staged->count < staged->expected)
        return;
    if (staged->count)
        qsort(staged->endpoints, staged->count, sizeof(struct endpoint *), by_id);
    merge(proxy, staged->service, staged);
}

void route_finish(struct route *route)
{
    for (uint32_t i = 0; i < route->host_count; i++)
        free(route->hosts[i]);
    free(route->hosts);
    free(route->prefix);
    free(route->sticky);
    free(route->page_type);
    free(route->page);
    free(route->redirect_scheme);
    free(route->redirect_host);
    free(route->redirect_path);
    *route = (struct route){0};
}

void route_copy(struct route *to, const struct route *from)
{
    *to = *from;
    to->prefix = memory_strdup(from->prefix);
    to->sticky = memory_strdup(from->sticky);
    to->page_type = memory_strdup(from->page_type);
    to->page = memory_strdup(from->page);
    to->redirect_scheme = memory_strdup(from->redirect_scheme);
    to->redirect_host = memory_strdup(from->redirect_host);
    to->redirect_path = memory_strdup(from->redirect_path);
    to->hosts = memory_alloc((from->host_count + 1) * sizeof *to->hosts);
    for (uint32_t i = 0; i < from->host_count; i++)
        to->hosts[i] = memory_strdup(from->hosts[i]);
}

static struct route read_route(struct wire_reader *reader)
{
    const char *sticky = wire_get_text(reader), *prefix = wire_get_text(reader);
    struct route route = {.prefix = memory_strdup(prefix), .sticky = memory_strdup(sticky)};
    uint32_t count = wire_get_u32(reader);
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        const char *host = wire_get_text(reader);
        route.hosts = memory_resize(route.hosts, (i + 1) * sizeof *route.hosts);
        route.hosts[route.host_count++] = memory_strdup(host);
    }
    route.hold_ns = wire_get_u64(reader);
    route.hold_most = wire_get_u32(reader);
    route.page_type = memory_strdup(wire_get_text(reader));
    route.page = memory_strdup(wire_get_text(reader));
    route.redirect_status = (uint16_t)wire_get_u32(reader);
    route.redirect_scheme = memory_strdup(wire_get_text(reader));
    route.redirect_host = memory_strdup(wire_get_text(reader));
    route.redirect_path = memory_strdup(wire_get_text(reader));
    return route;
}

static struct feed_ejection read_ejection(struct wire_reader *reader)
{
    struct feed_ejection ejection = {0};
    ejection.failures = wire_get_u32(reader);
    ejection.failure_percent = wire_get_u32(reader);
    ejection.share_percent = wire_get_u32(reader);
    ejection.interval_ns = wire_get_u64(reader);
    ejection.time_ns = wire_get_u64(reader);
    ejection.max_time_ns = wire_get_u64(reader);
    return ejection;
}

static bool policy_changed(const struct service *service, const char *balancer, const char *config,
                           uint64_t seed)
{
    return !text_equal(service->balancer, balancer) ||
           !text_equal(service->balancer_config, config) || service->policy_seed != seed;
}

void table_service(struct proxy *proxy, struct wire_reader *reader)
{
    const char *name = wire_get_text(reader), *listen = wire_get_text(reader);
    const char *balancer = wire_get_text(reader), *config = wire_get_text(reader);
    const char *certificate = wire_get_text(reader);
    uint32_t protocol = wire_get_u32(reader);
    struct route route = read_route(reader);
    uint64_t seed = wire_get_u64(reader), drain = wire_get_u64(reader);
    uint64_t connect = wire_get_u64(reader), idle = wire_get_u64(reader);
    uint64_t slow_start = wire_get_u64(reader);
    uint32_t most = wire_get_u32(reader);
    struct feed_ejection ejection = read_ejection(reader);
    struct http_settings *http = http_settings_read(reader);
    uint32_t count = wire_get_u32(reader);
    if (reader->failed) {
        route_finish(&route);
        http_settings_release(http);
        return;
    }
    finish_staged(&proxy->staged);
    struct service *service = find_service(proxy, name);
    if (!service)
        service = make_service(proxy, name);
    if (policy_changed(service, balancer, config, seed)) {
        policy_release(service->policy);
        service->policy = NULL;
    }
    set_text(&service->listen, listen);
    set_text(&service->balancer, balancer);
    set_text(&service->balancer_config, config);
    set_text(&service->certificate, certificate);
    service->protocol = (uint8_t)protocol;
    route_finish(&service->route);
    service->route = route;
    service->policy_seed = seed;
    service->drain_timeout_ns = drain;
    service->connect_timeout_ns = connect;
    service->idle_timeout_ns = idle;
    service->slow_start_ns = slow_start;
    service->max_connections = most;
    service->ejection = ejection;
    http_settings_release(service->http);
    service->http = http;
    service->changed = true;
    service->stale = service->removed = false;
    proxy->staged = (struct staged){.service = service, .expected = count};
    merge_when_complete(proxy);
}

void table_endpoints(struct proxy *proxy, struct wire_reader *reader)
{
    struct staged *staged = &proxy->staged;
    uint32_t count = wire_get_u32(reader);
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        const char *id = wire_get_text(reader), *address = wire_get_text(reader);
        uint32_t port = wire_get_u32(reader), weight = wire_get_u32(reader);
        uint32_t state = wire_get_u32(reader), local = wire_get_u32(reader);
        if (reader->failed || !staged->service || staged->count == staged->expected) {
            reader->failed = true;
            return;
        }
        struct endpoint *endpoint =
            endpoint_create(id, address, (uint16_t)port, proxy->worker_count);
        counters_name(proxy, endpoint->meter);
        endpoint->weight = weight < 1 ? 1 : weight > 1000 ? 1000 : weight;
        endpoint->local = local;
        endpoint->state = FEED_ACTIVE;
        endpoint->wanted_state = state == FEED_DRAINING ? FEED_DRAINING : FEED_ACTIVE;
        if ((staged->count & (staged->count - 1)) == 0)
            staged->endpoints =
                memory_resize(staged->endpoints, (staged->count * 2 + 1) * sizeof(void *));
        staged->endpoints[staged->count++] = endpoint;
    }
    merge_when_complete(proxy);
}

/* Its connections may end within the drain's time; it goes with the last of them. */
static void remove_service(struct proxy *proxy, struct service *service)
{
    if (proxy->staged.service == service)
        finish_staged(&proxy->staged);
    service->removed = service->changed = true;
    service->stale = false;
    for (uint32_t i = 0; i < service->endpoint_count; i++)
        set_state(proxy, service, service->endpoints[i], FEED_DRAINING);
}

void table_remove(struct proxy *proxy, const char *name)
{
    struct service *service = find_service(proxy, name);
    if (service)
        remove_service(proxy, service);
}

void table_withdraw(struct proxy *proxy, const char *id)
{
    for (struct service *service = proxy->services; service; service = service->hh.next)
        for (uint32_t i = 0; i < service->endpoint_count; i++) {
            if (strcmp(service->endpoints[i]->id, id) != 0)
                continue;
            set_state(proxy, service, service->endpoints[i], FEED_DRAINING);
            service->changed = true;
        }
}

void table_full(struct proxy *proxy)
{
    struct service *service, *next;
    HASH_ITER(hh, proxy->services, service, next)
    {
        service->stale = !service->removed;
    }
    certificates_full(proxy);
}

void table_remove_stale(struct proxy *proxy)
{
    struct service *service, *next;
    HASH_ITER(hh, proxy->services, service, next)
    {
        if (service->stale)
            remove_service(proxy, service);
    }
    certificates_drop(proxy, false);
}

void table_free_service(struct proxy *proxy, struct service *service)
{
    HASH_DEL(proxy->services, service);
    for (uint32_t i = 0; i < service->endpoint_count; i++) {
        outlier_forget(proxy, service, service->endpoints[i]);
        if (service->endpoints[i]->state == FEED_DRAINING)
            drain_end(proxy, service->endpoints[i]);
        counters_leave(proxy, service->name, service->endpoints[i]->id,
                       service->endpoints[i]->meter);
        endpoint_release(service->endpoints[i]);
    }
    if (service->view)
        view_release(service->view);
    policy_release(service->policy);
    tally_release(service->tally);
    counters_leave(proxy, service->name, "", service->meter);
    meter_release(service->meter);
    free(service->endpoints);
    free(service->name);
    free(service->listen);
    free(service->balancer);
    free(service->balancer_config);
    free(service->certificate);
    route_finish(&service->route);
    http_settings_release(service->http);
    free(service);
}

void table_finish(struct proxy *proxy)
{
    struct service *service, *next;
    finish_staged(&proxy->staged);
    HASH_ITER(hh, proxy->services, service, next)
    {
        table_free_service(proxy, service);
    }
    counters_drop_leavers(proxy);
    certificates_drop(proxy, true);
    table_drop_listeners(proxy, true);
    free(proxy->listeners);
}
