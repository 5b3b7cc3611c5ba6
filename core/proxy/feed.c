#include "proxy/feed_impl.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct feed_entry *find(struct proxy_feed *feed, const char *name)
{
    struct feed_entry *entry = NULL;
    HASH_FIND_STR(feed->entries, name, entry);
    return entry;
}

static void copy_service(struct feed_entry *entry, const struct feed_service *service)
{
    struct arena *arena = &entry->arena;
    struct feed_endpoint *endpoints =
        arena_alloc(arena, (service->endpoint_count + 1) * sizeof *endpoints);
    for (uint32_t i = 0; i < service->endpoint_count; i++) {
        endpoints[i] = service->endpoints[i];
        endpoints[i].id = arena_strdup(arena, service->endpoints[i].id);
        endpoints[i].address = arena_strdup(arena, service->endpoints[i].address);
    }
    entry->service = *service;
    entry->service.name = arena_strdup(arena, service->name);
    entry->service.listen = feed_listen_key(arena, service);
    const char **hosts = arena_alloc(arena, (service->host_count + 1) * sizeof *hosts);
    for (uint32_t i = 0; i < service->host_count; i++)
        hosts[i] = arena_strdup(arena, service->hosts[i]);
    entry->service.hosts = hosts;
    entry->service.path_prefix =
        arena_strdup(arena, service->path_prefix ? service->path_prefix : "/");
    entry->service.sticky_cookie = arena_strdup(arena, service->sticky_cookie);
    entry->service.certificate = arena_strdup(arena, service->certificate);
    entry->service.page.content_type = arena_strdup(arena, service->page.content_type);
    entry->service.page.body = arena_strdup(arena, service->page.body);
    entry->service.redirect.scheme = arena_strdup(arena, service->redirect.scheme);
    entry->service.redirect.host = arena_strdup(arena, service->redirect.host);
    entry->service.redirect.path = arena_strdup(arena, service->redirect.path);
    entry->service.balancer = arena_strdup(arena, service->balancer);
    entry->service.balancer_config = arena_strdup(arena, service->balancer_config);
    feed_http_copy(arena, &service->http, &entry->service.http);
    entry->service.endpoints = endpoints;
}

void proxy_feed_service_put(struct proxy_feed *feed, const struct feed_service *service)
{
    struct feed_entry *entry = find(feed, service->name);
    struct feed_service before = entry ? entry->service : (struct feed_service){0};
    if (entry)
        HASH_DEL(feed->entries, entry);
    else
        entry = memory_alloc(sizeof *entry);
    struct arena old = entry->arena; /* the caller may give what is ours */
    entry->arena = (struct arena){0};
    copy_service(entry, service);
    bool moved = !text_equal(before.listen, entry->service.listen) ||
                 !text_equal(before.certificate, entry->service.certificate);
    arena_finish(&old);
    entry->dirty = true;
    if (moved) {
        entry->retry_ns = entry->backoff_ns = 0;
        entry->problem[0] = 0;
        entry->told_listening = false;
        entry->listening_sequence = 0;
    }
    HASH_ADD_KEYPTR(hh, feed->entries, entry->service.name, strlen(entry->service.name), entry);
}

static void free_entry(struct proxy_feed *feed, struct feed_entry *entry)
{
    HASH_DEL(feed->entries, entry);
    feed_listen_leave(feed, entry);
    arena_finish(&entry->arena);
    free(entry);
}

void proxy_feed_service_remove(struct proxy_feed *feed, const char *name)
{
    struct feed_entry *entry = find(feed, name);
    if (!entry)
        return;
    if (feed->synced)
        text_append(&feed->removed, entry->service.name, strlen(entry->service.name) + 1);
    free_entry(feed, entry);
}

static void publish(struct proxy_feed *feed, uint64_t version)
{
    feed->version = version;
    feed->publish_due = true;
    feed_link_pump(feed);
}

void proxy_feed_publish(struct proxy_feed *feed, uint64_t version)
{
    feed->has_table = true;
    publish(feed, version);
}

void proxy_feed_withdraw(struct proxy_feed *feed, const char *endpoint, uint64_t version)
{
    text_append(&feed->withdrawn, endpoint, strlen(endpoint) + 1);
    publish(feed, version);
}

int proxy_feed_pid(const struct proxy_feed *feed)
{
    return feed->channel ? (int)feed->pid : 0;
}

void proxy_feed_set_callbacks(struct proxy_feed *feed, const struct feed_callbacks *callbacks)
{
    feed->callbacks = callbacks ? *callbacks : (struct feed_callbacks){0};
}

static bool copy_balancers(struct proxy_feed *feed, const struct feed_config *config,
                           struct error *error)
{
    if (config->balancer_count > FEED_BALANCER_LIMIT)
        return error_set(error, ERROR_VALIDATION, "more than %d balancers", FEED_BALANCER_LIMIT);
    for (uint32_t i = 0; i < config->balancer_count; i++) {
        int fd = fcntl(config->balancers[i].fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return error_set_errno(error, ERROR_IO, errno, "balancer %s",
                                   config->balancers[i].name);
        feed->balancers[feed->balancer_count++] =
            (struct feed_balancer){.name = memory_strdup(config->balancers[i].name), .fd = fd};
    }
    return true;
}

static void free_feed(struct proxy_feed *feed)
{
    struct feed_entry *entry, *next;
    HASH_ITER(hh, feed->entries, entry, next)
    {
        free_entry(feed, entry);
    }
    feed_certificates_finish(feed);
    feed_listen_finish(feed);
    feed_start_finish(feed);
    for (uint32_t i = 0; i < feed->balancer_count; i++) {
        close(feed->balancers[i].fd);
        free((void *)(uintptr_t)feed->balancers[i].name);
    }
    text_finish(&feed->removed);
    text_finish(&feed->withdrawn);
    free(feed->state_directory);
    free(feed->program);
    free(feed->user);
    free(feed->fallback);
    free(feed);
}

struct proxy_feed *proxy_feed_create(const struct feed_config *config,
                                     const struct feed_callbacks *callbacks, struct error *error)
{
    struct proxy_feed *feed = memory_alloc(sizeof *feed);
    feed->loop = config->loop;
    feed->state_directory = memory_strdup(config->state_directory);
    feed->program = memory_strdup(config->program);
    feed->user = memory_strdup(config->user);
    feed->fallback = memory_strdup(config->fallback_balancer ? config->fallback_balancer : "");
    feed->workers = config->workers;
    feed->linger_ns = config->linger_ns;
    proxy_feed_set_callbacks(feed, callbacks);
    feed_listen_init(feed);
    feed_start_init(feed);
    if (!copy_balancers(feed, config, error) ||
        (!feed_start_adopt(feed) && !feed_start_new(feed, error))) {
        free_feed(feed);
        return NULL;
    }
    return feed;
}

void proxy_feed_destroy(struct proxy_feed *feed, bool orderly)
{
    if (!feed)
        return;
    if (orderly)
        feed_link_bye(feed, WIRE_BYE_ORDERLY);
    feed_link_drop(feed);
    free_feed(feed);
}
