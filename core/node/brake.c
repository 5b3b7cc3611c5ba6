/* The brake on replacing what lost nodes had: many nodes lost at once are more likely a network or
 * a server in trouble than so many dead machines, and moving everything to the few that are left
 * would make it worse. One node at once, further ones one at a time; slower when most are silent;
 * none while all are. */
#include "base/clock.h"
#include "node/impl.h"

enum { MOST_PERCENT = 55 };
#define PAUSE_NS (10 * NS_PER_SECOND)
#define PAUSE_OF_MOST_NS (100 * NS_PER_SECOND)

struct silent {
    uint32_t nodes, silent;
    struct peer *next; /* the first that is held */
};

static struct silent look(struct node_registry *registry)
{
    struct silent found = {0};
    struct peer *peer, *next;
    HASH_ITER(hh, registry->peers, peer, next) /* in the order in which they came: deterministic */
    {
        found.nodes++;
        found.silent += peer->status.state != NODE_READY;
        if (peer->held && peer->status.state == NODE_LOST && !found.next)
            found.next = peer;
    }
    return found;
}

void brake_look(struct node_registry *registry)
{
    const struct silent found = look(registry);
    uint64_t now = loop_now_ns(registry->loop);
    loop_timer_stop(&registry->brake);
    if (!found.next || found.silent == found.nodes)
        return; /* the first that is heard of looks again */
    bool most = (uint64_t)found.silent * 100 >= (uint64_t)found.nodes * MOST_PERCENT;
    uint64_t free_ns = registry->released_ns + (most ? PAUSE_OF_MOST_NS : PAUSE_NS);
    if (registry->released_ns && now < free_ns) {
        loop_timer_start(&registry->brake, free_ns - now);
        return;
    }
    registry->released_ns = now;
    found.next->held = false;
    registry->events.released(registry->events.argument, found.next->name);
    loop_timer_start(&registry->brake, PAUSE_NS);
}

static void pause_over(void *argument)
{
    brake_look(argument);
}

void brake_init(struct node_registry *registry)
{
    loop_timer_init(&registry->brake, registry->loop, "brake", pause_over, registry);
}

bool node_registry_holds(const struct node_registry *registry, const char *node)
{
    const struct peer *peer = registry_peer(registry, node);
    return peer && peer->held;
}
