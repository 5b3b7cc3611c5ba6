/* The conversation with the proxy that runs: greeting, the table, what it tells. */
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/feed_impl.h"

#include <signal.h>
#include <string.h>

enum { ENDPOINT_BYTES = 512 }; /* of one, at most */

/* -- sending -- */

static void send_hello(struct proxy_feed *feed)
{
    struct wire_writer packet;
    wire_begin(&packet, WIRE_HELLO);
    wire_put_u32(&packet, WIRE_PROTOCOL);
    wire_put_text(&packet, ORCHESTRATOR_VERSION);
    wire_put_u32(&packet, feed->workers);
    wire_put_text(&packet, feed->user);
    wire_put_u64(&packet, 0);
    channel_send(feed->channel, &packet, NULL, 0);
}

static void send_settings(struct proxy_feed *feed)
{
    struct wire_writer packet;
    wire_begin(&packet, WIRE_SETTINGS);
    wire_put_u64(&packet, feed->linger_ns);
    wire_put_text(&packet, feed->fallback);
    channel_send(feed->channel, &packet, NULL, 0);
    for (uint32_t i = 0; i < feed->balancer_count; i++) {
        wire_begin(&packet, WIRE_BALANCER);
        wire_put_text(&packet, feed->balancers[i].name);
        channel_send(feed->channel, &packet, &feed->balancers[i].fd, 1);
    }
}

static void send_listener(struct proxy_feed *feed, struct feed_listener *listener)
{
    struct wire_writer packet;
    if (!listener || listener->known)
        return;
    listener->known = true;
    wire_begin(&packet, WIRE_LISTENER);
    wire_put_text(&packet, listener->address);
    FAILPOINT(feed_before_listener);
    channel_send(feed->channel, &packet, listener->fds, listener->fd_count);
    FAILPOINT(feed_after_listener);
}

static void put_ejection(struct wire_writer *packet, const struct feed_ejection *ejection)
{
    wire_put_u32(packet, ejection->failures);
    wire_put_u32(packet, ejection->failure_percent);
    wire_put_u32(packet, ejection->share_percent);
    wire_put_u64(packet, ejection->interval_ns);
    wire_put_u64(packet, ejection->time_ns);
    wire_put_u64(packet, ejection->max_time_ns);
}

static void put_answers(struct wire_writer *packet, const struct feed_service *service)
{
    wire_put_u64(packet, service->hold.time_ns);
    wire_put_u32(packet, service->hold.requests);
    wire_put_text(packet, service->page.content_type);
    wire_put_text(packet, service->page.body);
    wire_put_u32(packet, service->redirect.status);
    wire_put_text(packet, service->redirect.scheme);
    wire_put_text(packet, service->redirect.host);
    wire_put_text(packet, service->redirect.path);
}

static void put_head(struct wire_writer *packet, const struct feed_entry *entry,
                     const char *balancer_config)
{
    const struct feed_service *service = &entry->service;
    wire_begin(packet, WIRE_SERVICE);
    wire_put_text(packet, service->name);
    wire_put_text(packet, entry->listener ? entry->listener->address : "");
    wire_put_text(packet, service->balancer);
    wire_put_text(packet, balancer_config);
    wire_put_text(packet, service->certificate);
    wire_put_u32(packet, service->protocol);
    wire_put_text(packet, service->sticky_cookie);
    wire_put_text(packet, service->path_prefix);
    wire_put_u32(packet, service->host_count);
    for (uint32_t i = 0; i < service->host_count; i++)
        wire_put_text(packet, service->hosts[i]);
    put_answers(packet, service);
    wire_put_u64(packet, service->policy_seed);
    wire_put_u64(packet, service->drain_timeout_ns);
    wire_put_u64(packet, service->connect_timeout_ns);
    wire_put_u64(packet, service->idle_timeout_ns);
    wire_put_u64(packet, service->slow_start_ns);
    wire_put_u32(packet, service->max_connections);
    put_ejection(packet, &service->ejection);
    feed_http_put(packet, &service->http);
    wire_put_u32(packet, service->endpoint_count);
}

static void send_head(struct proxy_feed *feed, const struct feed_entry *entry)
{
    struct wire_writer packet;
    put_head(&packet, entry, entry->service.balancer_config);
    if (packet.overflow) {
        LOG_ERROR("a balancer's configuration is too large for the proxy; its defaults are used",
                  LOG_STR("service", entry->service.name),
                  LOG_STR("balancer", entry->service.balancer));
        put_head(&packet, entry, "{}");
    }
    channel_send(feed->channel, &packet, NULL, 0);
}

static void put_endpoint(struct wire_writer *packet, const struct feed_endpoint *endpoint)
{
    wire_put_text(packet, endpoint->id);
    wire_put_text(packet, endpoint->address);
    wire_put_u32(packet, endpoint->port);
    wire_put_u32(packet, endpoint->weight);
    wire_put_u32(packet, endpoint->state);
    wire_put_u32(packet, endpoint->local);
}

static void send_endpoints(struct proxy_feed *feed, const struct feed_service *service)
{
    for (uint32_t at = 0; at < service->endpoint_count;) {
        struct wire_writer packet;
        uint32_t count = 0;
        wire_begin(&packet, WIRE_ENDPOINTS);
        size_t place = wire_put_count(&packet);
        for (; at < service->endpoint_count && wire_has_room(&packet, ENDPOINT_BYTES);
             at++, count++)
            put_endpoint(&packet, &service->endpoints[at]);
        wire_set_count(&packet, place, count);
        channel_send(feed->channel, &packet, NULL, 0);
    }
}

static void send_removed(struct proxy_feed *feed)
{
    struct wire_writer packet;
    for (size_t at = 0; at < feed->removed.length; at += strlen(feed->removed.data + at) + 1) {
        struct feed_entry *entry = NULL;
        HASH_FIND_STR(feed->entries, feed->removed.data + at, entry);
        if (entry)
            continue; /* it is back */
        wire_begin(&packet, WIRE_REMOVE);
        wire_put_text(&packet, feed->removed.data + at);
        channel_send(feed->channel, &packet, NULL, 0);
    }
    text_clear(&feed->removed);
}

static void send_withdrawn(struct proxy_feed *feed)
{
    struct wire_writer packet;
    for (size_t at = 0; at < feed->withdrawn.length; at += strlen(feed->withdrawn.data + at) + 1) {
        wire_begin(&packet, WIRE_WITHDRAW);
        wire_put_text(&packet, feed->withdrawn.data + at);
        channel_send(feed->channel, &packet, NULL, 0);
    }
    text_clear(&feed->withdrawn);
}

static void begin_full(struct proxy_feed *feed)
{
    struct wire_writer packet;
    FAILPOINT(feed_before_full);
    wire_begin(&packet, WIRE_FULL);
    channel_send(feed->channel, &packet, NULL, 0);
    text_clear(&feed->removed);
    text_clear(&feed->withdrawn);
    for (struct feed_entry *entry = feed->entries; entry; entry = entry->hh.next)
        entry->dirty = true;
    feed->synced = true;
}

static void send_publish(struct proxy_feed *feed)
{
    struct wire_writer packet;
    uint64_t sequence = ++feed->sequence;
    feed->publish_due = false;
    feed->sent[feed->sent_count++] =
        (struct feed_sent){.sequence = sequence, .version = feed->version};
    wire_begin(&packet, WIRE_PUBLISH);
    wire_put_u64(&packet, sequence);
    channel_send(feed->channel, &packet, NULL, 0);
    feed_listen_published(feed, sequence);
}

/* One service at a time, and none while the proxy is behind: what changes meanwhile is sent once,
 * as it is by then. */
void feed_link_pump(struct proxy_feed *feed)
{
    if (!feed->ready || !feed->version || !feed->publish_due ||
        feed->sent_count == FEED_SENT_LIMIT || !channel_is_empty(feed->channel))
        return;
    if (!feed->has_table) {
        send_withdrawn(feed);
        send_publish(feed);
        return;
    }
    bool full = !feed->synced;
    feed_listen_settle(feed);
    if (full)
        begin_full(feed);
    feed_certificates_send(feed, full);
    send_removed(feed);
    for (struct feed_entry *entry = feed->entries; entry; entry = entry->hh.next) {
        if (!entry->dirty)
            continue;
        if (!channel_is_empty(feed->channel))
            return; /* `emptied` goes on */
        entry->dirty = false;
        send_listener(feed, entry->listener);
        send_head(feed, entry);
        send_endpoints(feed, &entry->service);
    }
    send_publish(feed);
}

/* -- receiving -- */

static void become_ready(struct proxy_feed *feed)
{
    loop_timer_stop(&feed->greeting);
    feed->ready = true;
    feed->publish_due = true; /* all that there is */
    send_settings(feed);
    feed_link_pump(feed);
    if (feed->callbacks.connected)
        feed->callbacks.connected(feed->callbacks.argument, true);
}

static void replace(struct proxy_feed *feed)
{
    struct error error = {0};
    LOG_INFO("the proxy that runs is another program or set otherwise; a new one takes over",
             LOG_INT("pid", feed->pid));
    feed_link_bye(feed, WIRE_BYE_REPLACED);
    feed_link_drop(feed);
    if (!feed_start_new(feed, &error)) {
        LOG_ERROR("the proxy can't be started", LOG_STR("error", error.message));
        feed_start_again(feed);
    }
}

static void take_hello(struct proxy_feed *feed, struct wire_reader *reader)
{
    uint32_t protocol = wire_get_u32(reader);
    bool same_program = strcmp(wire_get_text(reader), ORCHESTRATOR_VERSION) == 0;
    bool same_workers = wire_get_u32(reader) == feed->workers;
    bool same_user = strcmp(wire_get_text(reader), feed->user) == 0;
    feed->mismatched = protocol != WIRE_PROTOCOL || !same_program || !same_workers || !same_user;
    reader->at = reader->end; /* a newer one may say more */
}

static void take_adopted(struct proxy_feed *feed)
{
    FAILPOINT(feed_adopted);
    if (feed->mismatched)
        replace(feed);
    else if (!feed->ready)
        become_ready(feed);
}

static void take_acknowledged(struct proxy_feed *feed, struct wire_reader *reader)
{
    uint64_t sequence = wire_get_u64(reader), version = 0;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < feed->sent_count; i++) {
        if (feed->sent[i].sequence <= sequence)
            version = feed->sent[i].version;
        else
            feed->sent[kept++] = feed->sent[i];
    }
    feed->sent_count = kept;
    feed_listen_acknowledged(feed, sequence);
    feed_link_pump(feed);
    if (version && feed->callbacks.acknowledged)
        feed->callbacks.acknowledged(feed->callbacks.argument, version);
}

static void take_drained(struct proxy_feed *feed, struct wire_reader *reader)
{
    const char *service = wire_get_text(reader), *endpoint = wire_get_text(reader);
    uint64_t cut = wire_get_u64(reader);
    if (!reader->failed && feed->callbacks.drained)
        feed->callbacks.drained(feed->callbacks.argument, service, endpoint, cut);
}

static void take_latency(struct wire_reader *reader, struct histogram *latency)
{
    uint32_t count = wire_get_u32(reader);
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        uint32_t index = wire_get_u32(reader);
        uint64_t times = wire_get_u64(reader);
        if (!reader->failed)
            histogram_set(latency, index, times);
    }
}

static void take_counters(struct proxy_feed *feed, struct wire_reader *reader)
{
    uint32_t count = wire_get_u32(reader);
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        struct feed_counters counters = {.service = wire_get_text(reader),
                                         .endpoint = wire_get_text(reader)};
        counters.source = wire_get_u64(reader);
        counters.resumed = wire_get_u32(reader);
        counters.in_flight = wire_get_u64(reader);
        for (int kind = 0; kind < TRAFFIC_KIND_COUNT; kind++)
            counters.totals.counts[kind] = (int64_t)wire_get_u64(reader);
        take_latency(reader, &counters.totals.latency);
        if (!reader->failed && feed->callbacks.counters)
            feed->callbacks.counters(feed->callbacks.argument, &counters);
        traffic_finish(&counters.totals);
    }
}

static void take_ejected(struct proxy_feed *feed, struct wire_reader *reader)
{
    const char *service = wire_get_text(reader), *endpoint = wire_get_text(reader);
    bool out = wire_get_u32(reader);
    const char *why = wire_get_text(reader);
    uint64_t time_ns = wire_get_u64(reader);
    if (!reader->failed && feed->callbacks.ejected)
        feed->callbacks.ejected(feed->callbacks.argument, service, endpoint, out, why, time_ns);
}

static void take_listener(struct proxy_feed *feed, struct wire_reader *reader, int *fds,
                          size_t count)
{
    const char *address = wire_get_text(reader);
    if (!reader->failed)
        feed_listen_adopt(feed, address, fds, count);
}

static void gone(struct proxy_feed *feed)
{
    bool was_ready = feed->ready;
    feed_link_drop(feed);
    if (was_ready && feed->callbacks.connected)
        feed->callbacks.connected(feed->callbacks.argument, false);
}

/* Starting a proxy of our own would take the newer daemon's away. */
static void take_bye(struct proxy_feed *feed, struct wire_reader *reader)
{
    if (wire_get_u32(reader) != WIRE_BYE_SUPERSEDED)
        return;
    LOG_ERROR("another daemon feeds the proxy of this folder; this one no longer does",
              LOG_STR("folder", feed->state_directory));
    gone(feed);
}

static void message(void *argument, uint32_t type, struct wire_reader *reader, int *fds,
                    size_t fd_count)
{
    struct proxy_feed *feed = argument;
    switch ((enum wire_type)type) {
    case WIRE_HELLO:
        take_hello(feed, reader);
        break;
    case WIRE_LISTENER:
        take_listener(feed, reader, fds, fd_count);
        break;
    case WIRE_ADOPTED:
        take_adopted(feed);
        break;
    case WIRE_ACKNOWLEDGED:
        take_acknowledged(feed, reader);
        break;
    case WIRE_DRAINED:
        take_drained(feed, reader);
        break;
    case WIRE_COUNTERS:
        take_counters(feed, reader);
        break;
    case WIRE_EJECTED:
        take_ejected(feed, reader);
        break;
    case WIRE_BYE:
        take_bye(feed, reader);
        break;
    case WIRE_SETTINGS:
    case WIRE_BALANCER:
    case WIRE_FULL:
    case WIRE_SERVICE:
    case WIRE_ENDPOINTS:
    case WIRE_REMOVE:
    case WIRE_PUBLISH:
    case WIRE_WITHDRAW:
    case WIRE_CERTIFICATE:
        break; /* not for us */
    }
}

static void emptied(void *argument)
{
    feed_link_pump(argument);
}

static void closed(void *argument)
{
    struct proxy_feed *feed = argument;
    LOG_WARN("the proxy has gone; another is started", LOG_INT("pid", feed->pid));
    feed_start_again(feed);
    gone(feed);
}

void feed_link_attach(struct proxy_feed *feed, int take_fd, pid_t pid)
{
    feed->channel = channel_create(
        feed->loop, take_fd,
        &(struct channel_events){
            .message = message, .emptied = emptied, .closed = closed, .argument = feed});
    feed->pid = pid ? pid : channel_peer_pid(feed->channel);
    feed->mismatched = false;
    send_hello(feed);
}

void feed_link_bye(struct proxy_feed *feed, enum wire_bye how)
{
    struct wire_writer packet;
    if (!feed->channel)
        return;
    wire_begin(&packet, WIRE_BYE);
    wire_put_u32(&packet, how);
    channel_send(feed->channel, &packet, NULL, 0);
}

void feed_link_drop(struct proxy_feed *feed)
{
    loop_timer_stop(&feed->greeting);
    channel_destroy(feed->channel);
    feed->channel = NULL;
    feed->ready = feed->synced = false;
    feed->sent_count = 0;
    for (struct feed_listener *listener = feed->listeners; listener; listener = listener->next)
        listener->known = false;
}
