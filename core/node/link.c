#include "node/link.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct parcel {
    struct parcel *next;
    size_t length;
    char json[];
};
/* Both ends share one pair; each holds what the other has sent and it has not yet taken. */
struct link_end {
    struct link_end *peer; /* NULL: closed */
    struct loop *loop;
    struct link_receiver receiver;
    struct parcel *first, *last;
    size_t queued_bytes;
    struct loop_timer delivery; /* zero delay: later in this turn, never inside the sender */
    bool told_closed, delivering, freed;
};

static void free_end(struct link_end *end)
{
    while (end->first) {
        struct parcel *next = end->first->next;
        free(end->first);
        end->first = next;
    }
    loop_timer_stop(&end->delivery);
    free(end);
}

/* So much at a time, one message at least: the rest in the next turns. */
static void deliver(void *argument)
{
    enum { BYTES_AT_ONCE = 32 * 1024 };
    struct link_end *end = argument;
    size_t taken = 0;
    if (!end->receiver.message)
        return;
    end->delivering = true;
    while (end->first && !end->freed && taken < BYTES_AT_ONCE) {
        struct parcel *parcel = end->first;
        end->first = parcel->next;
        if (!end->first)
            end->last = NULL;
        end->queued_bytes -= parcel->length;
        taken += parcel->length;
        end->receiver.message(end->receiver.argument, parcel->json, parcel->length);
        free(parcel);
    }
    if (!end->freed && end->first)
        loop_timer_start(&end->delivery, 0);
    else if (!end->freed && !end->peer && !end->told_closed) {
        end->told_closed = true;
        end->receiver.closed(end->receiver.argument);
    }
    end->delivering = false;
    if (end->freed)
        free_end(end);
}

void link_pair_create(struct loop *loop, struct link_end **server_end, struct link_end **agent_end)
{
    struct link_end *a = memory_alloc(sizeof *a), *b = memory_alloc(sizeof *b);
    a->loop = b->loop = loop;
    a->peer = b;
    b->peer = a;
    loop_timer_init(&a->delivery, loop, "link to server", deliver, a);
    loop_timer_init(&b->delivery, loop, "link to agent", deliver, b);
    *server_end = a;
    *agent_end = b;
}

void link_set_receiver(struct link_end *end, struct link_receiver receiver)
{
    end->receiver = receiver;
    loop_timer_start(&end->delivery, 0);
}

bool link_send(struct link_end *end, const char *json, size_t length)
{
    struct link_end *to = end->peer;
    if (!to || to->queued_bytes + length > LINK_QUEUE_BYTES)
        return false;
    struct parcel *parcel = memory_alloc(sizeof *parcel + length + 1);
    memcpy(parcel->json, json, length);
    parcel->length = length;
    if (to->last)
        to->last->next = parcel;
    else
        to->first = parcel;
    to->last = parcel;
    to->queued_bytes += length;
    if (!loop_timer_armed(&to->delivery))
        loop_timer_start(&to->delivery, 0);
    return true;
}

void link_close(struct link_end *end)
{
    if (end->peer) {
        end->peer->peer = NULL;
        loop_timer_start(&end->peer->delivery, 0);
    }
    if (end->delivering)
        end->freed = true;
    else
        free_end(end);
}
