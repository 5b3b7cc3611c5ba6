#include "proxy/channel.h"
#include "base/log.h"
#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PACKETS_PER_TURN = 64 };

struct queued {
    struct queued *next;
    size_t length, fd_count;
    int fds[WIRE_FD_LIMIT];
    uint8_t bytes[];
};
struct channel {
    struct loop *loop;
    struct loop_io io;
    struct channel_events events;
    struct queued *first, *last;
    size_t queued_bytes;
    int fd;
    bool *destroyed; /* of the callback under way */
    uint8_t packet[WIRE_PACKET_BYTES];
};

static void close_fds(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static void free_queued(struct queued *queued)
{
    close_fds(queued->fds, queued->fd_count);
    free(queued);
}

static bool send_packet(int fd, const void *bytes, size_t length, const int *fds, size_t fd_count)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * WIRE_FD_LIMIT)];
        struct cmsghdr align;
    } control;
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
    }
    ssize_t sent;
    do
        sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

/* The reading side then sees the end, in a turn of its own; an other end that has gone may have
 * left its last words. */
static void fail(struct channel *channel, const char *what, int errno_value)
{
    if (errno_value == EPIPE || errno_value == ECONNRESET)
        return;
    LOG_ERROR("the proxy's socket failed", LOG_STR("what", what),
              LOG_STR("error", strerror(errno_value)));
    shutdown(channel->fd, SHUT_RDWR);
}

static void watch(struct channel *channel)
{
    unsigned events = LOOP_READ | (channel->first ? LOOP_WRITE : 0u);
    if (channel->io.events != events)
        loop_io_set(&channel->io, channel->fd, events);
}

static void enqueue(struct channel *channel, const struct wire_writer *packet, const int *fds,
                    size_t fd_count)
{
    if (channel->queued_bytes + packet->length > CHANNEL_QUEUE_BYTES) {
        fail(channel, "the other end does not read", ENOBUFS);
        return;
    }
    struct queued *queued = memory_alloc(sizeof *queued + packet->length);
    queued->length = packet->length;
    memcpy(queued->bytes, packet->bytes, packet->length);
    for (size_t i = 0; i < fd_count; i++) {
        queued->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
        queued->fd_count++;
        if (queued->fds[i] < 0) {
            fail(channel, "a descriptor can't be kept", errno);
            free_queued(queued);
            return;
        }
    }
    if (channel->last)
        channel->last->next = queued;
    else
        channel->first = queued;
    channel->last = queued;
    channel->queued_bytes += packet->length;
    watch(channel);
}

void channel_send(struct channel *channel, const struct wire_writer *packet, const int *fds,
                  size_t fd_count)
{
    assert(fd_count <= WIRE_FD_LIMIT);
    if (packet->overflow) {
        fail(channel, "a packet is too large", EMSGSIZE);
        return;
    }
    if (!channel->first && send_packet(channel->fd, packet->bytes, packet->length, fds, fd_count))
        return;
    if (channel->first || errno == EAGAIN || errno == ENOBUFS)
        enqueue(channel, packet, fds, fd_count);
    else
        fail(channel, "sending", errno);
}

static void drop_queue(struct channel *channel)
{
    while (channel->first) {
        struct queued *queued = channel->first;
        channel->first = queued->next;
        free_queued(queued);
    }
    channel->last = NULL;
    channel->queued_bytes = 0;
}

static void send_queued(struct channel *channel)
{
    while (channel->first) {
        struct queued *queued = channel->first;
        if (!send_packet(channel->fd, queued->bytes, queued->length, queued->fds,
                         queued->fd_count)) {
            if (errno == EAGAIN || errno == ENOBUFS)
                return;
            fail(channel, "sending", errno);
            drop_queue(channel);
            break;
        }
        channel->first = queued->next;
        channel->queued_bytes -= queued->length;
        if (!channel->first)
            channel->last = NULL;
        free_queued(queued);
    }
    watch(channel);
}

/* 1: a packet, 0: nothing now, -1: the end. */
static int receive(struct channel *channel, size_t *length, int *fds, size_t *fd_count)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * WIRE_FD_LIMIT)];
        struct cmsghdr align;
    } control;
    struct iovec part = {.iov_base = channel->packet, .iov_len = sizeof channel->packet};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t count = recvmsg(channel->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count < 0 && errno == ECONNRESET) /* said once, before what is still to be read */
        count = recvmsg(channel->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    *fd_count = 0;
    if (count < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header;
         header = CMSG_NXTHDR(&message, header))
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
            *fd_count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(fds, CMSG_DATA(header), *fd_count * sizeof(int));
        }
    *length = (size_t)count;
    if (count > 0 && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        return 1;
    close_fds(fds, *fd_count);
    return -1;
}

/* False: the channel has gone, or has ended. */
static bool take_packet(struct channel *channel, size_t length, int *fds, size_t fd_count)
{
    bool destroyed = false;
    struct wire_reader reader = {.at = channel->packet, .end = channel->packet + length};
    uint32_t type = wire_get_u32(&reader);
    channel->destroyed = &destroyed;
    channel->events.message(channel->events.argument, type, &reader, fds, fd_count);
    close_fds(fds, fd_count);
    if (destroyed)
        return false;
    channel->destroyed = NULL;
    if (reader.failed)
        fail(channel, "a packet can't be read", EPROTO);
    return true;
}

static void ready(void *argument, int fd, unsigned events)
{
    struct channel *channel = argument;
    int fds[WIRE_FD_LIMIT];
    size_t length, fd_count;
    (void)fd;
    if (events & LOOP_WRITE) {
        send_queued(channel);
        if (!channel->first && channel->events.emptied) {
            bool destroyed = false;
            channel->destroyed = &destroyed;
            channel->events.emptied(channel->events.argument);
            if (destroyed)
                return;
            channel->destroyed = NULL;
        }
    }
    for (int i = 0; i < PACKETS_PER_TURN; i++) {
        int got = receive(channel, &length, fds, &fd_count);
        if (got == 0)
            return;
        if (got < 0) {
            loop_io_set(&channel->io, channel->fd, 0);
            channel->events.closed(channel->events.argument);
            return;
        }
        if (!take_packet(channel, length, fds, fd_count))
            return;
    }
}

struct channel *channel_create(struct loop *loop, int take_fd, const struct channel_events *events)
{
    struct channel *channel = memory_alloc(sizeof *channel);
    channel->loop = loop;
    channel->fd = take_fd;
    channel->events = *events;
    loop_io_init(&channel->io, loop, "proxy channel", ready, channel);
    watch(channel);
    return channel;
}

void channel_destroy(struct channel *channel)
{
    if (!channel)
        return;
    if (channel->destroyed)
        *channel->destroyed = true;
    loop_io_set(&channel->io, channel->fd, 0);
    close(channel->fd);
    drop_queue(channel);
    free(channel);
}

bool channel_is_empty(const struct channel *channel)
{
    return !channel->first;
}

static struct ucred credentials(const struct channel *channel)
{
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t length = sizeof peer;
    if (getsockopt(channel->fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
        peer = (struct ucred){.uid = (uid_t)-1};
    return peer;
}

int channel_peer_pid(const struct channel *channel)
{
    return credentials(channel).pid;
}

int channel_peer_uid(const struct channel *channel)
{
    return (int)credentials(channel).uid;
}
