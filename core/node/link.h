/* The link between the server's node registry and one agent: encoded messages, both ways, in order,
 * never delivered inside the call that sent them. The in-process link is a pair of ends on one
 * loop; HTTP is another implementation of the same ends. [loop] */
#ifndef NODE_LINK_H
#define NODE_LINK_H

#include "base/error.h"
#include "loop/loop.h"

struct link_end;
struct link_receiver {
    void (*message)(void *argument, const char *json, size_t length); /* borrowed for the call */
    void (*closed)(void *argument); /* the other end is gone; nothing follows */
    void *argument;
};
enum { LINK_QUEUE_BYTES = 64 * 1024 * 1024 };
/* Two connected ends. */
void link_pair_create(struct loop *loop, struct link_end **server_end, struct link_end **agent_end);
void link_set_receiver(struct link_end *end, struct link_receiver receiver);
/* The text of a struct message (node/messages.h), copied. False at the queue's bound. */
bool link_send(struct link_end *end, const char *json, size_t length);
void link_close(struct link_end *end); /* frees this end */

#endif
