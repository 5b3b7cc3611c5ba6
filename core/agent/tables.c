/* The server's endpoint table, with what this node knows sooner: a container that ended here leaves
 * the local proxy's table at once. */
#include "agent/impl.h"
#include "base/buggify.h"
#include "base/clock.h"
#include "base/failpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROXY_SILENT_NS (3 * NS_PER_SECOND)

static void forget_drain(struct table_entry *entry, struct fed_drain *drain)
{
    HASH_DEL(entry->drains, drain);
    free(drain);
}

static struct fed_drain *find_drain(struct table_entry *entry, const char *container)
{
    struct fed_drain *drain = NULL;
    HASH_FIND_STR(entry->drains, container, drain);
    return drain;
}

static void begin_drain(struct table_entry *entry, const char *container, uint64_t feed_version)
{
    struct fed_drain *drain = memory_alloc(sizeof *drain);
    drain->since = feed_version;
    snprintf(drain->container, sizeof drain->container, "%s", container);
    HASH_ADD_STR(entry->drains, container, drain);
}

static void free_entry(struct agent *agent, struct table_entry *entry)
{
    struct fed_drain *drain, *next;
    HASH_ITER(hh, entry->drains, drain, next)
    {
        forget_drain(entry, drain);
    }
    HASH_DEL(agent->table, entry);
    arena_finish(&entry->arena);
    free(entry);
}

static void arrange(struct agent *agent)
{
    if (!loop_timer_armed(&agent->table_timer))
        loop_timer_start(&agent->table_timer, 0);
}

static const struct published_endpoint *find_endpoint(const struct table_entry *entry,
                                                      const char *container)
{
    const struct list *endpoints = &entry->service.endpoints;
    for (uint32_t i = 0; i < endpoints->count; i++)
        if (strcmp(LIST_AT(*endpoints, struct published_endpoint, i)->container, container) == 0)
            return LIST_AT(*endpoints, struct published_endpoint, i);
    return NULL;
}

static void note_drained(struct agent *agent, const char *service, const char *container,
                         uint64_t cut)
{
    struct drained_note *note = memory_alloc(sizeof *note);
    note->drain = (struct reported_drain){.service = memory_strdup(service),
                                          .container = memory_strdup(container),
                                          .cut = (int64_t)cut,
                                          .table_version = agent->table_version};
    note->next = agent->drained;
    agent->drained = note;
    report_arrange(agent);
}

/* One that was not ready has drained already; when the server takes it out for good, it is owed the
 * word again. */
static void tell_drained_again(struct agent *agent, struct table_entry *entry)
{
    struct fed_drain *drain, *next;
    HASH_ITER(hh, entry->drains, drain, next)
    {
        const struct published_endpoint *endpoint = find_endpoint(entry, drain->container);
        if (!endpoint)
            forget_drain(entry, drain);
        else if (drain->drained && endpoint->state == ENDPOINT_DRAINING)
            note_drained(agent, entry->name, drain->container, 0);
    }
}

static void take_service(struct agent *agent, const struct published_service *service)
{
    struct table_entry *entry = NULL;
    HASH_FIND_STR(agent->table, service->name, entry);
    if (!entry) {
        entry = memory_alloc(sizeof *entry);
        snprintf(entry->name, sizeof entry->name, "%s", service->name);
        HASH_ADD_STR(agent->table, name, entry);
    }
    arena_finish(&entry->arena);
    schema_copy(&published_service_type, service, &entry->arena, &entry->service);
    entry->dirty = true;
    tell_drained_again(agent, entry);
}

static bool table_names(const struct endpoint_table *table, const char *name)
{
    for (uint32_t i = 0; i < table->services.count; i++)
        if (strcmp(LIST_AT(table->services, struct published_service, i)->name, name) == 0)
            return true;
    return false;
}

static void remove_service(struct agent *agent, struct table_entry *entry)
{
    if (agent->config.feed)
        proxy_feed_service_remove(agent->config.feed, entry->name);
    free_entry(agent, entry);
}

void table_take(struct agent *agent, const struct endpoint_table *table)
{
    struct table_entry *entry, *next;
    if (table->fence < agent->fence)
        return; /* of a server that has been replaced */
    agent->table_version = table->version;
    HASH_ITER(hh, agent->table, entry, next)
    {
        if (table->full && !table_names(table, entry->name))
            remove_service(agent, entry);
    }
    for (uint32_t i = 0; i < table->removed.count; i++) {
        entry = NULL;
        const char *name = *LIST_AT(table->removed, const char *, i);
        HASH_FIND_STR(agent->table, name, entry);
        if (entry)
            remove_service(agent, entry);
    }
    for (uint32_t i = 0; i < table->services.count; i++)
        take_service(agent, LIST_AT(table->services, struct published_service, i));
    agent->table_dirty = true;
    arrange(agent);
}

/* What the local proxy is told of one endpoint; 0: nothing. */
static uint8_t local_state(struct agent *agent, const struct published_endpoint *endpoint)
{
    uint8_t said = endpoint->state == ENDPOINT_ACTIVE ? FEED_ACTIVE : FEED_DRAINING;
    struct unit *unit = agent_unit(agent, endpoint->container);
    if (strcmp(endpoint->node, agent->config.node_name) != 0 || !unit)
        return said;
    if (unit->phase != UNIT_RUNNING && unit->phase != UNIT_STOPPING && unit->phase != UNIT_UNKNOWN)
        return said == FEED_DRAINING ? said : 0; /* a drain is owed its word */
    if (unit->phase == UNIT_RUNNING && unit->address[0] &&
        strcmp(unit->address, endpoint->address) != 0)
        return 0; /* it has another address by now */
    bool ready = unit->ready || (unit->phase == UNIT_UNKNOWN && unit->was_ready);
    return ready ? said : FEED_DRAINING;
}

static struct feed_ejection ejection_fed(const struct ejection *ejection)
{
    return (struct feed_ejection){.failures = (uint32_t)ejection->failures,
                                  .failure_percent = (uint32_t)ejection->failure_rate.value,
                                  .share_percent = (uint32_t)ejection->max_share.value,
                                  .interval_ns = ejection->interval_ns,
                                  .time_ns = ejection->time_ns,
                                  .max_time_ns = ejection->max_time_ns};
}

static struct feed_http http_fed(const struct service_http *http, struct arena *arena)
{
    struct feed_header *headers = arena_alloc(arena, (http->headers.count + 1) * sizeof *headers);
    for (uint32_t i = 0; i < http->headers.count; i++) {
        const struct http_header_match *from = LIST_AT(http->headers, struct http_header_match, i);
        headers[i] = (struct feed_header){from->name, from->value};
    }
    int64_t weight = http->weight, most = http->max_connections_per_client;
    return (struct feed_http){.weight = weight > 0 ? (uint32_t)weight : 0,
                              .headers = headers,
                              .header_count = http->headers.count,
                              .trusted_proxies = http->trusted_proxies.items,
                              .trusted_count = http->trusted_proxies.count,
                              .max_per_client = most > 0 ? (uint32_t)most : 0};
}

static void feed_service(struct agent *agent, struct table_entry *entry)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    const struct published_service *service = &entry->service;
    struct feed_endpoint *endpoints =
        arena_alloc(&arena, (service->endpoints.count + 1) * sizeof *endpoints);
    uint32_t count = 0;
    for (uint32_t i = 0; i < service->endpoints.count; i++) {
        const struct published_endpoint *from =
            LIST_AT(service->endpoints, struct published_endpoint, i);
        uint8_t state = local_state(agent, from);
        struct fed_drain *drain = find_drain(entry, from->container);
        if (drain && state != FEED_DRAINING)
            forget_drain(entry, drain);
        else if (!drain && state == FEED_DRAINING)
            begin_drain(entry, from->container, agent->feed_version);
        if (!state)
            continue;
        endpoints[count++] =
            (struct feed_endpoint){.id = from->container,
                                   .address = from->address,
                                   .port = (uint16_t)from->port,
                                   .weight = from->weight > 0 ? (uint32_t)from->weight : 1,
                                   .state = state,
                                   .local = strcmp(from->node, agent->config.node_name) == 0};
    }
    struct feed_service fed = {
        .name = service->name,
        .listen = service->listen,
        .balancer = service->balancer,
        .balancer_config = service->balancer_config,
        .protocol = service->protocol, /* the same words' numbers */
        .hosts = service->hosts.items,
        .host_count = service->hosts.count,
        .path_prefix = service->path_prefix,
        .sticky_cookie = service->sticky_cookie,
        .certificate = service->certificate,
        .policy_seed = (uint64_t)service->policy_seed,
        .drain_timeout_ns = service->drain_timeout_ns,
        .connect_timeout_ns = service->connect_timeout_ns,
        .idle_timeout_ns = service->idle_timeout_ns,
        .slow_start_ns = service->slow_start_ns,
        .max_connections = service->max_connections > 0 ? (uint32_t)service->max_connections : 0,
        .ejection = ejection_fed(&service->ejection),
        .hold = {service->hold.time_ns, (uint32_t)service->hold.requests},
        .http = http_fed(&service->http, &arena),
        .endpoints = endpoints,
        .endpoint_count = count};
    if (service->maintenance)
        fed.page =
            (struct feed_page){service->maintenance->content_type, service->maintenance->body};
    if (service->redirect)
        fed.redirect =
            (struct feed_redirect){(uint32_t)service->redirect->status, service->redirect->scheme,
                                   service->redirect->host, service->redirect->path};
    proxy_feed_service_put(agent->config.feed, &fed);
    entry->dirty = false;
}

static void acknowledge(struct agent *agent, uint64_t version)
{
    agent->feed_acknowledged =
        version > agent->feed_acknowledged ? version : agent->feed_acknowledged;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < agent->version_count; i++) {
        if (agent->versions[i].feed > version)
            agent->versions[kept++] = agent->versions[i];
        else if (agent->versions[i].table > agent->table_acknowledged)
            agent->table_acknowledged = agent->versions[i].table;
    }
    agent->version_count = kept;
    report_arrange(agent);
    agent_look_all(agent);
}

static void note_version(struct agent *agent)
{
    uint32_t room = sizeof agent->versions / sizeof agent->versions[0];
    if (BUGGIFY("many-table-versions"))
        room = 2;
    if (agent->version_count >= room) /* the last stands for those before it */
        agent->version_count--;
    agent->versions[agent->version_count++] =
        (struct version_map){.feed = agent->feed_version, .table = agent->table_version};
}

static void publish(void *argument)
{
    struct agent *agent = argument;
    struct table_entry *entry, *next;
    if (!agent->table_dirty)
        return;
    agent->table_dirty = false;
    agent->table_fed = true;
    HASH_ITER(hh, agent->table, entry, next)
    {
        if (entry->dirty && agent->config.feed)
            feed_service(agent, entry);
    }
    note_version(agent);
    uint64_t version = agent->feed_version++;
    if (agent->config.feed)
        proxy_feed_publish(agent->config.feed, version);
    else
        acknowledge(agent, version);
    FAILPOINT(table_published);
}

static void mark(struct agent *agent, const char *container)
{
    struct table_entry *entry, *next;
    HASH_ITER(hh, agent->table, entry, next)
    {
        for (uint32_t i = 0; i < entry->service.endpoints.count; i++)
            if (strcmp(LIST_AT(entry->service.endpoints, struct published_endpoint, i)->container,
                       container) == 0)
                entry->dirty = agent->table_dirty = true;
    }
    if (agent->table_dirty)
        arrange(agent);
}

void table_unit_changed(struct unit *unit)
{
    mark(unit->agent, unit->id);
}

/* The version under which it is acknowledged that the proxy gives the unit nothing new. After a
 * start of ours, until a server has told, the proxy has a table that we do not know. */
static uint64_t version_without(struct unit *unit)
{
    struct agent *agent = unit->agent;
    if (agent->table_dirty)
        return agent->feed_version; /* the next */
    if (agent->table_fed)
        return agent->feed_version - 1;
    proxy_feed_withdraw(agent->config.feed, unit->id, agent->feed_version);
    return agent->feed_version++;
}

void table_drop(struct unit *unit)
{
    struct agent *agent = unit->agent;
    unit->ready = false;
    mark(agent, unit->id);
    if (!agent->config.feed && !agent->table_dirty)
        return;
    unit->barrier_since_ns = loop_now_ns(agent->loop);
    if (agent->feed_acknowledged >= agent->freed_barrier) /* else since the first that it owes */
        agent->freed_since_ns = unit->barrier_since_ns;
    unit->barrier = agent->freed_barrier = version_without(unit);
}

/* A proxy that has been silent for the suspect time no longer counts: it is about to be replaced,
 * and a container must not wait for it for ever. Looked at again with each heartbeat. */
static bool passed(const struct agent *agent, uint64_t barrier, uint64_t since_ns)
{
    return !barrier || agent->proxy_gone || agent->feed_acknowledged >= barrier ||
           loop_now_ns(agent->loop) - since_ns >= PROXY_SILENT_NS;
}

bool table_passed(const struct unit *unit)
{
    return passed(unit->agent, unit->barrier, unit->barrier_since_ns);
}

bool table_addresses_free(const struct agent *agent)
{
    return passed(agent, agent->freed_barrier, agent->freed_since_ns);
}

/* -- what the proxy says -- */

static void feed_acknowledged(void *argument, uint64_t version)
{
    acknowledge(argument, version);
    FAILPOINT(table_acknowledged);
}

/* A word that came before the acknowledgement is about an earlier drain: it has been active since.
 */
static void feed_drained(void *argument, const char *service, const char *endpoint, uint64_t cut)
{
    struct agent *agent = argument;
    struct table_entry *entry = NULL;
    HASH_FIND_STR(agent->table, service, entry);
    struct fed_drain *drain = entry ? find_drain(entry, endpoint) : NULL;
    if (!drain || agent->feed_acknowledged < drain->since)
        return;
    drain->drained = true;
    note_drained(agent, service, endpoint, cut);
    FAILPOINT(table_drained);
}

static void feed_listener(void *argument, const char *service, bool listening, const char *message)
{
    struct agent *agent = argument;
    struct table_entry *entry = NULL;
    HASH_FIND_STR(agent->table, service, entry);
    if (!entry)
        return; /* withdrawn meanwhile */
    entry->listener_known = entry->listener_dirty = true;
    entry->listening = listening;
    snprintf(entry->listener_message, sizeof entry->listener_message, "%s", message ? message : "");
    report_arrange(agent);
}

static void feed_connected(void *argument, bool connected)
{
    struct agent *agent = argument;
    ejected_proxy_changed(agent);
    agent->proxy_gone = !connected;
    report_arrange(agent);
    agent_look_all(agent);
}

void table_init(struct agent *agent)
{
    const struct feed_callbacks callbacks = {.acknowledged = feed_acknowledged,
                                             .drained = feed_drained,
                                             .listener = feed_listener,
                                             .counters = figures_note,
                                             .ejected = ejected_take,
                                             .connected = feed_connected,
                                             .argument = agent};
    agent->feed_version = 1;
    loop_timer_init(&agent->table_timer, agent->loop, "publish", publish, agent);
    if (agent->config.feed)
        proxy_feed_set_callbacks(agent->config.feed, &callbacks);
}

void table_finish(struct agent *agent)
{
    struct table_entry *entry, *next;
    loop_timer_stop(&agent->table_timer);
    HASH_ITER(hh, agent->table, entry, next)
    {
        free_entry(agent, entry);
    }
}
