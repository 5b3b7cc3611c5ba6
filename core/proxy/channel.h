/* One end of the socket between feed and proxy: whole packets with descriptors, queued in order
 * while the other end is slow. A queue over CHANNEL_QUEUE_BYTES, or any fault, ends the channel.
 * All [loop]; callbacks never run inside a call of ours. */
#ifndef PROXY_CHANNEL_H
#define PROXY_CHANNEL_H

#include "loop/loop.h"
#include "proxy/wire.h"

struct channel;
enum { CHANNEL_QUEUE_BYTES = 16 << 20 };
struct channel_events {
    /* `fds` are closed afterwards; one that is kept is to be set to -1. */
    void (*message)(void *argument, uint32_t type, struct wire_reader *reader, int *fds,
                    size_t fd_count);
    void (*emptied)(void *argument); /* optional: all that was queued has been sent */
    void (*closed)(void *argument);  /* by the other end or a fault; destroy it */
    void *argument;
};
struct channel *channel_create(struct loop *loop, int take_fd, const struct channel_events *events);
void channel_destroy(struct channel *channel); /* also inside its callbacks; NULL is fine */
/* The descriptors stay the caller's. */
void channel_send(struct channel *channel, const struct wire_writer *packet, const int *fds,
                  size_t fd_count);
bool channel_is_empty(const struct channel *channel);
int channel_peer_pid(const struct channel *channel); /* who listened or connected; 0: unknown */
int channel_peer_uid(const struct channel *channel); /* -1: unknown */

#endif
