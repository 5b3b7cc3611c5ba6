/* The life of a connection, with our own total deadlines: MHD's only timeout counts inactivity, so
 * that a byte now and then would hold a connection for ever. */
#include "api/impl.h"
#include "base/clock.h"
#include "config/config.h"

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

struct address_count {
    UT_hash_handle hh;
    size_t count;
    char address[48];
};

/* Bytes that came so far, by the kernel's count: MHD doesn't tell when a request begins. */
static uint64_t bytes_received(int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return 0;
    return info.tcpi_bytes_received;
}

/* A piece of a chunked body's framing that is larger than MHD's memory for a connection: it neither
 * reads on nor gives up, and asks to be run again at once, for ever. */
static bool is_stuck(struct connection *connection)
{
    int waiting = 0;
    if (ioctl(connection->fd, FIONREAD, &waiting) != 0 || waiting <= 0)
        return false;
    uint64_t taken = bytes_received(connection->fd) - (uint64_t)waiting;
    bool stuck = taken == connection->taken;
    connection->taken = taken;
    return stuck;
}

/* IPv4 whole, IPv6 by its /64: who has one has all of it. */
static void describe_peer(const struct sockaddr *peer, char out[48], bool *loopback)
{
    *loopback = false;
    strcpy(out, "?");
    if (peer->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)peer;
        inet_ntop(AF_INET, &v4->sin_addr, out, 48);
        *loopback = (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
    } else if (peer->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)peer;
        struct in6_addr prefix = v6->sin6_addr;
        *loopback = IN6_IS_ADDR_LOOPBACK(&prefix);
        if (IN6_IS_ADDR_V4MAPPED(&prefix)) {
            *loopback = prefix.s6_addr[12] == 127;
            inet_ntop(AF_INET, &prefix.s6_addr[12], out, 48);
            return;
        }
        memset(&prefix.s6_addr[8], 0, 8);
        inet_ntop(AF_INET6, &prefix, out, 48);
    }
}

enum MHD_Result connection_accept(void *argument, const struct sockaddr *peer, socklen_t length)
{
    struct api *api = argument;
    char address[48];
    bool loopback;
    (void)length;
    describe_peer(peer, address, &loopback);
    struct address_count *entry;
    HASH_FIND_STR(api->per_address, address, entry);
    int64_t limit = api->parts.config->api.max_connections_per_address;
    if (loopback || !entry || limit <= 0 || entry->count < (size_t)limit)
        return MHD_YES;
    api->figures.address_refused++;
    return MHD_NO;
}

static void count_address(struct api *api, const char *address, bool more)
{
    struct address_count *entry;
    HASH_FIND_STR(api->per_address, address, entry);
    if (more && !entry) {
        entry = memory_alloc(sizeof *entry);
        snprintf(entry->address, sizeof entry->address, "%s", address);
        HASH_ADD_STR(api->per_address, address, entry);
    }
    if (more) {
        entry->count++;
    } else if (entry && --entry->count == 0) {
        HASH_DEL(api->per_address, entry);
        free(entry);
    }
}

static void started(struct api *api, struct MHD_Connection *mhd, void **context)
{
    struct connection *connection = memory_alloc(sizeof *connection);
    connection->api = api;
    connection->mhd = mhd;
    connection->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    describe_peer(MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr,
                  connection->address, &connection->loopback);
    connection->next = api->connections;
    if (api->connections)
        api->connections->previous = connection;
    api->connections = connection;
    api->connection_count++;
    api->figures.accepted++;
    count_address(api, connection->address, true);
    connection->phase = CONNECTION_IDLE;
    connection->since_ns = loop_now_ns(api->loop);
    *context = connection;
}

static void closed(struct connection *connection)
{
    struct api *api = connection->api;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        api->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    api->connection_count--;
    api->run_again = true;
    count_address(api, connection->address, false);
    free(connection);
}

void connection_notify(void *argument, struct MHD_Connection *mhd, void **context,
                       enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        started(argument, mhd, context);
    else
        closed(*context);
}

void connection_set_phase(struct connection *connection, enum connection_phase phase)
{
    connection->phase = (uint8_t)phase;
    connection->since_ns = loop_now_ns(connection->api->loop);
    connection->taken = 0;
    if (phase == CONNECTION_IDLE)
        connection->received = bytes_received(connection->fd);
}

void connection_cut(struct connection *connection)
{
    if (connection->cut)
        return;
    connection->cut = true;
    shutdown(connection->fd, SHUT_RDWR); /* MHD sees the end of it and closes */
}

static uint64_t deadline_of(const struct connection *connection)
{
    const struct api_limits *limits = &connection->api->limits;
    switch ((enum connection_phase)connection->phase) {
    case CONNECTION_IDLE:
        return limits->idle_ns;
    case CONNECTION_HEADERS:
        return limits->header_ns;
    case CONNECTION_BODY:
        return limits->body_ns;
    case CONNECTION_WORKING:
        break;
    }
    return UINT64_MAX;
}

static void judge(struct connection *connection, uint64_t now_ns)
{
    if (connection->phase == CONNECTION_IDLE &&
        bytes_received(connection->fd) > connection->received)
        connection_set_phase(connection, CONNECTION_HEADERS);
    bool stuck = connection->phase == CONNECTION_BODY && is_stuck(connection);
    if (connection->cut || (!stuck && now_ns - connection->since_ns < deadline_of(connection)))
        return;
    connection->api->figures.deadline_closed++;
    connection_cut(connection);
}

void connections_sweep(void *argument)
{
    struct api *api = argument;
    uint64_t now_ns = loop_now_ns(api->loop), pause_ns = api->limits.header_ns / 5;
    for (struct connection *connection = api->connections; connection;
         connection = connection->next)
        judge(connection, now_ns);
    loop_timer_start(&api->sweep_timer, pause_ns < NS_PER_SECOND ? pause_ns : NS_PER_SECOND);
}
