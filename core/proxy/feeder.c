/* The proxy's end of the socket: whoever connects last feeds it. */
#include "proxy/impl.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void send_hello(struct proxy *proxy)
{
    struct wire_writer packet;
    wire_begin(&packet, WIRE_HELLO);
    wire_put_u32(&packet, WIRE_PROTOCOL);
    wire_put_text(&packet, ORCHESTRATOR_VERSION);
    wire_put_u32(&packet, proxy->config.workers);
    wire_put_text(&packet, proxy->user);
    wire_put_u64(&packet, (uint64_t)getpid());
    channel_send(proxy->feeder, &packet, NULL, 0);
}

/* A feed that starts anew has no listeners; these are ours in common from now on. */
static void send_listeners(struct proxy *proxy)
{
    struct wire_writer packet;
    for (uint32_t i = 0; i < proxy->listener_count; i++) {
        const struct listener *listener = proxy->listeners[i];
        wire_begin(&packet, WIRE_LISTENER);
        wire_put_text(&packet, listener->address);
        channel_send(proxy->feeder, &packet, listener->fds, listener->fd_count);
    }
    wire_begin(&packet, WIRE_ADOPTED);
    channel_send(proxy->feeder, &packet, NULL, 0);
}

void feeder_acknowledge(struct proxy *proxy, uint64_t version)
{
    struct wire_writer packet;
    if (!proxy->feeder)
        return;
    wire_begin(&packet, WIRE_ACKNOWLEDGED);
    wire_put_u64(&packet, version);
    channel_send(proxy->feeder, &packet, NULL, 0);
}

void feeder_drained(struct proxy *proxy, const char *service, const char *endpoint, uint64_t cut)
{
    struct wire_writer packet;
    if (!proxy->feeder)
        return;
    wire_begin(&packet, WIRE_DRAINED);
    wire_put_text(&packet, service);
    wire_put_text(&packet, endpoint);
    wire_put_u64(&packet, cut);
    channel_send(proxy->feeder, &packet, NULL, 0);
}

void feeder_ejected(struct proxy *proxy, const char *service, const char *endpoint, bool out,
                    const char *why, uint64_t time_ns)
{
    struct wire_writer packet;
    if (!proxy->feeder)
        return;
    wire_begin(&packet, WIRE_EJECTED);
    wire_put_text(&packet, service);
    wire_put_text(&packet, endpoint);
    wire_put_u32(&packet, out);
    wire_put_text(&packet, why);
    wire_put_u64(&packet, time_ns);
    channel_send(proxy->feeder, &packet, NULL, 0);
}

/* -- what it says -- */

static void take_hello(struct proxy *proxy, struct wire_reader *reader)
{
    uint32_t protocol = wire_get_u32(reader);
    const char *version = wire_get_text(reader);
    proxy->greeted = protocol == WIRE_PROTOCOL;
    LOG_INFO("a daemon feeds the proxy", LOG_INT("protocol", protocol),
             LOG_STR("version", version));
    reader->at = reader->end; /* a newer one may say more */
}

static void take_settings(struct proxy *proxy, struct wire_reader *reader)
{
    proxy->config.linger_ns = wire_get_u64(reader);
    free(proxy->fallback);
    proxy->fallback = memory_strdup(wire_get_text(reader));
}

static void unfed(struct proxy *proxy)
{
    channel_destroy(proxy->feeder);
    proxy->feeder = NULL;
    proxy->unfed_since_ns = loop_now_ns(proxy->loop);
}

static void take_bye(struct proxy *proxy, struct wire_reader *reader)
{
    uint32_t how = wire_get_u32(reader);
    proxy->orderly = how == WIRE_BYE_ORDERLY;
    if (how == WIRE_BYE_REPLACED)
        proxy_replaced(proxy);
    else
        unfed(proxy);
}

static void take_listener(struct proxy *proxy, struct wire_reader *reader, int *fds, size_t count)
{
    const char *address = wire_get_text(reader);
    if (reader->failed || !count)
        return;
    table_listener(proxy, address, fds, count);
    for (size_t i = 0; i < count; i++)
        fds[i] = -1;
}

static void take_balancer(struct proxy *proxy, struct wire_reader *reader, int *fds, size_t count)
{
    const char *name = wire_get_text(reader);
    if (reader->failed || count != 1)
        return;
    balancer_load(proxy, name, fds[0]);
    fds[0] = -1;
}

static void take_certificate(struct proxy *proxy, struct wire_reader *reader, const int *fds,
                             size_t count)
{
    const char *name = wire_get_text(reader);
    if (!reader->failed && count == 1)
        certificates_put(proxy, name, fds[0]);
}

static void take_table(struct proxy *proxy, uint32_t type, struct wire_reader *reader, int *fds,
                       size_t fd_count)
{
    switch ((enum wire_type)type) {
    case WIRE_LISTENER:
        take_listener(proxy, reader, fds, fd_count);
        break;
    case WIRE_SETTINGS:
        take_settings(proxy, reader);
        break;
    case WIRE_BALANCER:
        take_balancer(proxy, reader, fds, fd_count);
        break;
    case WIRE_CERTIFICATE:
        take_certificate(proxy, reader, fds, fd_count);
        break;
    case WIRE_FULL:
        table_full(proxy);
        break;
    case WIRE_SERVICE:
        table_service(proxy, reader);
        break;
    case WIRE_ENDPOINTS:
        table_endpoints(proxy, reader);
        break;
    case WIRE_REMOVE:
        table_remove(proxy, wire_get_text(reader));
        break;
    case WIRE_WITHDRAW:
        table_withdraw(proxy, wire_get_text(reader));
        break;
    case WIRE_PUBLISH:
        publish_version(proxy, wire_get_u64(reader));
        proxy_settle(proxy);
        break;
    case WIRE_HELLO:
    case WIRE_ADOPTED:
    case WIRE_BYE:
    case WIRE_ACKNOWLEDGED:
    case WIRE_DRAINED:
    case WIRE_COUNTERS:
    case WIRE_EJECTED:
        break; /* handled before, or not for us */
    }
}

static void message(void *argument, uint32_t type, struct wire_reader *reader, int *fds,
                    size_t fd_count)
{
    struct proxy *proxy = argument;
    if (type == WIRE_HELLO)
        take_hello(proxy, reader);
    else if (type == WIRE_BYE)
        take_bye(proxy, reader);
    else if (proxy->greeted)
        take_table(proxy, type, reader, fds, fd_count);
}

static void closed(void *argument)
{
    struct proxy *proxy = argument;
    LOG_WARN("the proxy's daemon has gone; traffic is served as before");
    proxy->orderly = false;
    unfed(proxy);
}

/* -- who feeds -- */

/* The newer daemon wins. */
static void supersede(struct proxy *proxy)
{
    struct wire_writer packet;
    if (!proxy->feeder)
        return;
    wire_begin(&packet, WIRE_BYE);
    wire_put_u32(&packet, WIRE_BYE_SUPERSEDED);
    channel_send(proxy->feeder, &packet, NULL, 0);
    channel_destroy(proxy->feeder);
}

static void attach(struct proxy *proxy, int fd)
{
    supersede(proxy);
    proxy->feeder = channel_create(
        proxy->loop, fd,
        &(struct channel_events){.message = message, .closed = closed, .argument = proxy});
    proxy->greeted = false;
    publish_new_feed(proxy);
    drain_forget_told(proxy);
    outlier_forget_told(proxy);
    counters_forget_told(proxy);
    send_hello(proxy);
    send_listeners(proxy);
}

static bool may_feed(const struct proxy *proxy, int fd)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           (peer.uid == 0 || peer.uid == proxy->config.feeder_uid);
}

static void knocked(void *argument, int fd, unsigned events)
{
    struct proxy *proxy = argument;
    (void)events;
    int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0)
        return;
    if (may_feed(proxy, accepted)) {
        attach(proxy, accepted);
        return;
    }
    LOG_WARN("a stranger may not feed the proxy");
    close(accepted);
}

void feeder_init(struct proxy *proxy)
{
    counters_init(proxy);
    loop_io_init(&proxy->socket, proxy->loop, "proxy socket", knocked, proxy);
    loop_io_set(&proxy->socket, proxy->config.socket_fd, LOOP_READ);
    if (proxy->config.feed_fd >= 0)
        attach(proxy, proxy->config.feed_fd);
}

void feeder_leave(struct proxy *proxy)
{
    if (!proxy->socket.loop)
        return;
    counters_finish(proxy);
    loop_io_set(&proxy->socket, proxy->config.socket_fd, 0);
    close(proxy->config.socket_fd);
    channel_destroy(proxy->feeder);
    proxy->feeder = NULL;
}
