/* The brake on replacing what lost nodes had. A few machines, a rack or a zone do die at once, and
 * their containers are wanted elsewhere at once. But with half of the nodes silent it is more
 * likely the network or the server that is in trouble, and moving everything to the few that are
 * left would make it worse: then it goes slowly; and not at all while all are silent. */
#include "base/clock.h"
#include "node/impl.h"

/* How many nodes in PAUSE_NS: so many, or that part of all nodes where it is more. */
enum {
    FEW_SILENT_NODES = 16,
    FEW_SILENT_PERCENT = 10,
    HALF_SILENT_NODES = 1,
    HALF_SILENT_PERCENT = 1
};
enum { RELEASED_A_TURN = 16 };
#define PAUSE_NS (10 * NS_PER_SECOND)

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

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static uint32_t allowed(const struct silent *found)
{
    uint32_t hundredth = found->nodes / 100;
    return 2 * found->silent < found->nodes
               ? larger(FEW_SILENT_NODES, hundredth * FEW_SILENT_PERCENT)
               : larger(HALF_SILENT_NODES, hundredth * HALF_SILENT_PERCENT);
}

void brake_look(struct node_registry *registry)
{
    uint64_t now = loop_now_ns(registry->loop);
    loop_timer_stop(&registry->brake);
    if (!registry->released || now >= registry->window_ns + PAUSE_NS) {
        registry->window_ns = now;
        registry->released = 0;
    }
    for (int turn = 0; turn < RELEASED_A_TURN; turn++) {
        const struct silent found = look(registry);
        if (!found.next || found.silent == found.nodes)
            return; /* the first that is heard of looks again */
        if (registry->released >= allowed(&found)) {
            loop_timer_start(&registry->brake, registry->window_ns + PAUSE_NS - now);
            return;
        }
        registry->released++;
        found.next->held = false;
        registry->events.released(registry->events.argument, found.next->name);
    }
    loop_timer_start(&registry->brake, 0);
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
