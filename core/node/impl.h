/* The node registry's own data. Private to this folder. */
#ifndef NODE_IMPL_H
#define NODE_IMPL_H

#include "node/registry.h"

#include <uthash.h>

struct name { /* a set of names waiting to be sent */
    UT_hash_handle hh;
    char name[80];
};
/* One connection of an agent, and what is known of its node. */
struct peer {
    UT_hash_handle hh;
    struct node_registry *registry;
    struct link_end *link; /* NULL: not connected */
    struct node_status status;
    bool known;      /* it has said which node it is */
    bool proxy_gone; /* its node has no proxy now: nobody there serves a table */
    bool held;       /* lost, and the brake keeps others from replacing what it had */
    bool awaited;    /* known from before our start, and not told all since */
    bool assign_all, publish_all, lost_told;
    bool queued; /* has something to be sent */
    struct peer *next_queued;
    struct name *assign, *publish, *images;
    int64_t assignment_version, table_version; /* last sent */
    int64_t acknowledged;                      /* table, in the registry's numbers */
    struct loop_timer suspect, lost;
    uint64_t silent_since_ns; /* by the registry's attention */
    char name[64];
};
struct node_registry {
    struct node_registry_config config;
    struct loop *loop;
    struct state *state;
    struct node_events events;
    struct state_subscriber subscriber;
    struct peer *peers;     /* by node name */
    struct peer *strangers; /* connected, not yet known; keyed by a number */
    struct loop_timer flush, attend, brake;
    struct loop_slice sending;
    struct peer *queue, *queue_last; /* those with something to be sent */
    const struct peer *unheard;      /* one that settling waits for; NULL: look for one */
    uint64_t attended_ns, attention_ns;
    /* Tables wait after a start until the known nodes have told what runs there: an empty table in
     * place of one not yet known would cut every connection. */
    bool settled;
    bool left; /* another daemon leads */
    uint64_t started_ns;
    char start_after[64];  /* the last known node that start has looked at */
    uint64_t window_ns;    /* since when the brake counts those it lets go */
    uint32_t released;     /* of them, since then */
    int64_t table_version; /* one count for all nodes */
    uint64_t next_stranger;
};
struct peer *registry_peer(const struct node_registry *registry, const char *name);
/* What is marked, as one assignment and one table; answers how many containers it told of. */
size_t registry_send(struct peer *peer);
void registry_queue(struct peer *peer); /* it is sent to in one of the next turns */
void registry_arrange_flush(struct node_registry *registry);
void registry_forget_sent(struct peer *peer);
void brake_init(struct node_registry *registry);
/* Lets the next one go whose time has come. To be called when a node is lost or heard of. */
void brake_look(struct node_registry *registry);
void registry_cut(struct peer *peer); /* its link is no good: closed from this side */
void name_add(struct name **set, const char *name);
void name_clear(struct name **set);
bool name_has(struct name *set, const char *name);
const struct node *registry_head(struct node_registry *registry, const char *name);

#endif
