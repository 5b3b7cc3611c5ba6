/* The listeners: bound here, since the proxy has no right to, and kept, so that a proxy that dies
 * loses none of them. One socket a worker (SO_REUSEPORT). */
#include "base/clock.h"
#include "base/log.h"
#include "proxy/feed_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096, RECEIVE_BYTES = 1 << 20 };
#define FIRST_BACKOFF_NS (50 * NS_PER_MS)
#define LONGEST_BACKOFF_NS (10 * NS_PER_SECOND)
#define REPORT_BACKOFF_NS (FIRST_BACKOFF_NS * 2) /* once it has failed twice */

union address {
    struct sockaddr any;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
};

/* "127.0.0.1:80", "[::1]:80" */
static bool parse(const char *text, union address *address, socklen_t *bytes)
{
    char host[INET6_ADDRSTRLEN + 2], *end;
    const char *colon = strrchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : 0;
    if (!colon || length >= sizeof host || !length)
        return false;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (!colon[1] || *end || port < 1 || port > UINT16_MAX)
        return false;
    memcpy(host, text, length);
    host[length] = 0;
    memset(address, 0, sizeof *address);
    if (host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = 0;
        address->ip6.sin6_family = AF_INET6;
        address->ip6.sin6_port = htons((uint16_t)port);
        *bytes = sizeof address->ip6;
        return inet_pton(AF_INET6, host + 1, &address->ip6.sin6_addr) == 1;
    }
    address->ip4.sin_family = AF_INET;
    address->ip4.sin_port = htons((uint16_t)port);
    *bytes = sizeof address->ip4;
    return inet_pton(AF_INET, host, &address->ip4.sin_addr) == 1;
}

static bool is_of_datagrams(const char *key)
{
    return strncmp(key, WIRE_UDP, strlen(WIRE_UDP)) == 0;
}

const char *feed_listen_key(struct arena *arena, const struct feed_service *service)
{
    const char *listen = service->listen ? service->listen : "";
    return service->protocol == FEED_UDP && listen[0] && !is_of_datagrams(listen)
               ? arena_format(arena, WIRE_UDP "%s", listen)
               : arena_strdup(arena, listen);
}

/* As the service was declared. */
static const char *shown(const char *key)
{
    return is_of_datagrams(key) ? key + strlen(WIRE_UDP) : key;
}

/* Answers leave from the address that was written to; trains come in one piece. */
static void set_up_datagrams(int fd, int family)
{
    static const int on = 1, bytes = RECEIVE_BYTES;
    if (family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    else
        (void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    (void)setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

static int open_bound(const union address *address, socklen_t bytes, bool datagrams, bool shared)
{
    static const int on = 1;
    int type = datagrams ? SOCK_DGRAM : SOCK_STREAM;
    int fd = socket(address->any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (datagrams) /* SO_REUSEADDR would let two of them have it */
        set_up_datagrams(fd, address->any.sa_family);
    else
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->any.sa_family == AF_INET6) /* [::] and 0.0.0.0 are two addresses */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if ((!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
        bind(fd, &address->any, bytes) == 0)
        return fd;
    int fault = errno;
    close(fd);
    errno = fault;
    return -1;
}

/* Accepted sockets inherit these. */
static bool listen_on(int fd)
{
    static const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    return listen(fd, BACKLOG) == 0;
}

/* With SO_REUSEPORT alone a stranger's socket of the same kind would share our traffic unseen. */
static bool is_free(const union address *address, socklen_t bytes, bool datagrams)
{
    int fd = open_bound(address, bytes, datagrams, false);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

static void free_listener(struct proxy_feed *feed, struct feed_listener *listener)
{
    struct feed_listener **at = &feed->listeners;
    while (*at != listener)
        at = &(*at)->next;
    *at = listener->next;
    for (uint32_t i = 0; i < listener->fd_count; i++)
        close(listener->fds[i]);
    free(listener->address);
    free(listener);
}

static struct feed_listener *make_listener(struct proxy_feed *feed, const char *address)
{
    struct feed_listener *listener = memory_alloc(sizeof *listener);
    listener->address = memory_strdup(address);
    listener->next = feed->listeners;
    feed->listeners = listener;
    return listener;
}

static uint32_t socket_count(const struct proxy_feed *feed)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t count = feed->workers ? feed->workers : cores > 0 ? (uint32_t)cores : 1;
    return count < WIRE_FD_LIMIT ? count : WIRE_FD_LIMIT;
}

static struct feed_listener *open_listener(struct proxy_feed *feed, const char *text)
{
    union address address;
    socklen_t bytes;
    bool datagrams = is_of_datagrams(text);
    if (!parse(shown(text), &address, &bytes)) {
        errno = EINVAL;
        return NULL;
    }
    if (!is_free(&address, bytes, datagrams))
        return NULL;
    struct feed_listener *listener = make_listener(feed, text);
    for (uint32_t i = 0; i < socket_count(feed); i++) {
        int fd = open_bound(&address, bytes, datagrams, true);
        if (fd >= 0)
            listener->fds[listener->fd_count++] = fd;
        if (fd < 0 || (!datagrams && !listen_on(fd))) {
            int fault = errno;
            free_listener(feed, listener);
            errno = fault;
            return NULL;
        }
    }
    return listener;
}

static struct feed_listener *find(const struct proxy_feed *feed, const char *address)
{
    struct feed_listener *listener = feed->listeners;
    while (listener && strcmp(listener->address, address) != 0)
        listener = listener->next;
    return listener;
}

void feed_listen_adopt(struct proxy_feed *feed, const char *address, int *fds, size_t count)
{
    if (find(feed, address))
        return;
    struct feed_listener *listener = make_listener(feed, address);
    listener->known = true;
    for (size_t i = 0; i < count; i++) {
        listener->fds[listener->fd_count++] = fds[i];
        fds[i] = -1;
    }
}

/* -- who has which -- */

static bool is_served_as_wanted(const struct feed_entry *entry)
{
    return entry->listener && strcmp(entry->listener->address, entry->service.listen) == 0;
}

static void arrange_tell(struct proxy_feed *feed)
{
    if (!loop_timer_armed(&feed->tell))
        loop_timer_start(&feed->tell, 0);
}

/* Services that requests tell apart have one in common; its owner is one of them. */
static bool may_share(const struct feed_entry *entry, const struct feed_entry *owner)
{
    return entry->service.protocol == FEED_HTTP && owner->service.protocol == FEED_HTTP &&
           !entry->service.certificate == !owner->service.certificate;
}

void feed_listen_leave(struct proxy_feed *feed, struct feed_entry *entry)
{
    struct feed_listener *listener = entry->listener;
    entry->listener = NULL;
    if (!listener || listener->owner != entry)
        return;
    listener->owner = NULL;
    for (struct feed_entry *other = feed->entries; other; other = other->hh.next)
        if (other->listener == listener && (!listener->owner || is_served_as_wanted(other)))
            listener->owner = other;
}

/* Those that want another address by now, or can't share it, have none until they get it. */
static void evict(struct proxy_feed *feed, const struct feed_entry *entry,
                  const struct feed_listener *listener)
{
    for (struct feed_entry *other = feed->entries; other; other = other->hh.next)
        if (other != entry && other->listener == listener &&
            (!is_served_as_wanted(other) || !may_share(entry, other))) {
            feed_listen_leave(feed, other);
            other->dirty = true;
        }
}

static void serve_on(struct proxy_feed *feed, struct feed_entry *entry,
                     struct feed_listener *listener)
{
    evict(feed, entry, listener);
    feed_listen_leave(feed, entry);
    entry->listener = listener;
    if (!listener->owner)
        listener->owner = entry;
    entry->dirty = true;
    entry->retry_ns = entry->backoff_ns = 0;
    entry->problem[0] = 0;
}

static void describe(struct feed_entry *entry, int errno_value, const struct feed_entry *holder)
{
    const char *address = shown(entry->service.listen);
    if (holder)
        snprintf(entry->problem, sizeof entry->problem, "%s is taken by service \"%s\"", address,
                 holder->service.name);
    else if (errno_value == EADDRINUSE)
        snprintf(entry->problem, sizeof entry->problem,
                 "%s is in use by another program; it is tried again until it is free", address);
    else if (errno_value == ENOKEY)
        snprintf(entry->problem, sizeof entry->problem,
                 "certificate \"%s\" is not in this node's proxy.certificates",
                 entry->service.certificate);
    else if (errno_value == EINVAL)
        snprintf(entry->problem, sizeof entry->problem,
                 "%s is no numeric address with a port, such as 127.0.0.1:80", address);
    else
        snprintf(entry->problem, sizeof entry->problem, "%s can't be listened on: %s", address,
                 strerror(errno_value));
}

/* The first failure may be our own, of a listener that the proxy is just closing. */
static void put_off(struct proxy_feed *feed, struct feed_entry *entry, int errno_value,
                    const struct feed_entry *holder)
{
    uint64_t backoff_ns = entry->backoff_ns ? entry->backoff_ns * 2 : FIRST_BACKOFF_NS;
    entry->backoff_ns = backoff_ns < LONGEST_BACKOFF_NS ? backoff_ns : LONGEST_BACKOFF_NS;
    entry->retry_ns = loop_now_ns(feed->loop) + entry->backoff_ns;
    if (entry->backoff_ns < REPORT_BACKOFF_NS)
        return;
    bool is_new = !entry->problem[0];
    describe(entry, errno_value, holder);
    if (!is_new)
        return;
    entry->report_due = true;
    entry->told_listening = false;
    LOG_WARN("a service can't be listened for", LOG_STR("service", entry->service.name),
             LOG_STR("problem", entry->problem));
    arrange_tell(feed);
}

static bool lacks_certificate(const struct proxy_feed *feed, const struct feed_entry *entry)
{
    const char *name = entry->service.certificate;
    return name && !feed_certificates_find(feed, name);
}

/* Clients are not to be served without what they were promised. True: its place has changed. */
static bool close_for_want(struct proxy_feed *feed, struct feed_entry *entry)
{
    bool had = entry->listener;
    feed_listen_leave(feed, entry);
    entry->dirty |= had;
    if (loop_now_ns(feed->loop) >= entry->retry_ns)
        put_off(feed, entry, ENOKEY, NULL);
    return had;
}

/* True: someone's place has changed. */
static bool settle_entry(struct proxy_feed *feed, struct feed_entry *entry)
{
    if (lacks_certificate(feed, entry))
        return close_for_want(feed, entry);
    if (is_served_as_wanted(entry) || loop_now_ns(feed->loop) < entry->retry_ns)
        return false;
    struct feed_listener *listener = find(feed, entry->service.listen);
    if (listener && listener->owner && is_served_as_wanted(listener->owner) &&
        !may_share(entry, listener->owner)) {
        put_off(feed, entry, 0, listener->owner);
        return false;
    }
    if (!listener)
        listener = open_listener(feed, entry->service.listen);
    if (!listener) {
        put_off(feed, entry, errno, NULL);
        return false;
    }
    serve_on(feed, entry, listener);
    return true;
}

static void close_unowned(struct proxy_feed *feed)
{
    for (struct feed_listener *listener = feed->listeners, *next; listener; listener = next) {
        next = listener->next;
        if (!listener->owner)
            free_listener(feed, listener);
    }
}

static void arrange_retry(struct proxy_feed *feed)
{
    uint64_t next_ns = UINT64_MAX, now_ns = loop_now_ns(feed->loop);
    for (const struct feed_entry *entry = feed->entries; entry; entry = entry->hh.next)
        if (entry->retry_ns && entry->retry_ns < next_ns)
            next_ns = entry->retry_ns;
    if (next_ns == UINT64_MAX)
        loop_timer_stop(&feed->retry);
    else
        loop_timer_start(&feed->retry, next_ns > now_ns ? next_ns - now_ns : 0);
}

void feed_listen_settle(struct proxy_feed *feed)
{
    bool changed = true;
    for (uint32_t turn = 0; changed && turn <= HASH_COUNT(feed->entries); turn++) {
        changed = false;
        for (struct feed_entry *entry = feed->entries; entry; entry = entry->hh.next)
            changed |= settle_entry(feed, entry);
    }
    close_unowned(feed);
    arrange_retry(feed);
}

static void retry(void *argument)
{
    struct proxy_feed *feed = argument;
    feed->publish_due = true;
    feed_link_pump(feed);
}

/* -- telling -- */

void feed_listen_published(struct proxy_feed *feed, uint64_t sequence)
{
    for (struct feed_entry *entry = feed->entries; entry; entry = entry->hh.next)
        if (!entry->told_listening && !entry->listening_sequence && is_served_as_wanted(entry))
            entry->listening_sequence = sequence;
}

void feed_listen_acknowledged(struct proxy_feed *feed, uint64_t sequence)
{
    for (struct feed_entry *entry = feed->entries; entry; entry = entry->hh.next)
        if (entry->listening_sequence && entry->listening_sequence <= sequence) {
            entry->listening_sequence = 0;
            entry->told_listening = entry->report_due = true;
            arrange_tell(feed);
        }
}

static struct feed_entry *next_due(const struct proxy_feed *feed)
{
    struct feed_entry *entry = feed->entries;
    while (entry && !entry->report_due)
        entry = entry->hh.next;
    return entry;
}

static void tell(void *argument)
{
    struct proxy_feed *feed = argument;
    for (struct feed_entry *entry; (entry = next_due(feed));) {
        entry->report_due = false;
        if (feed->callbacks.listener)
            feed->callbacks.listener(feed->callbacks.argument, entry->service.name,
                                     entry->told_listening, entry->problem);
    }
}

void feed_listen_init(struct proxy_feed *feed)
{
    loop_timer_init(&feed->retry, feed->loop, "listen again", retry, feed);
    loop_timer_init(&feed->tell, feed->loop, "tell listeners", tell, feed);
}

void feed_listen_finish(struct proxy_feed *feed)
{
    loop_timer_stop(&feed->retry);
    loop_timer_stop(&feed->tell);
    while (feed->listeners)
        free_listener(feed, feed->listeners);
}
