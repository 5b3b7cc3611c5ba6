/* The node registry: owns node records, heartbeats and the two clocks (suspect, lost), and each
 * node's link: sends assignments and endpoint tables, hands reports to their managers. All [loop].
 */
#ifndef NODE_REGISTRY_H
#define NODE_REGISTRY_H

#include "node/link.h"
#include "node/messages.h"
#include "node/node.h"
#include "store/write.h"

struct node_registry;
struct node_registry_config {
    struct loop *loop;
    struct state *state;
    uint64_t suspect_after_ns, lost_after_ns; /* 3 s, 15 s */
};
struct node_events {
    /* A decoded report of that node, borrowed for the call. Heartbeats do not come here. */
    void (*report)(void *argument, const char *node, const struct report *report);
    /* state, schedulable, labels or capacity changed */
    void (*changed)(void *argument, const struct node *node);
    void (*lost)(void *argument, const char *node, bool lost);
    /* node_registry_holds has become false of a lost node. */
    void (*released)(void *argument, const char *node);
    void (*settled)(void *argument); /* node_registry_settled has become true */
    /* Fill what a node must be told of one container (id) by the end of this turn: NULL out->id
     * when there is no record of it on that node. The template goes along unless it was sent
     * before. */
    bool (*fill_container)(void *argument, const char *node, const char *id,
                           struct assigned_container *out, struct assigned_template *template,
                           struct arena *arena);
    /* The template of "deployment/revision", whose image the node is to have; false: there is none.
     */
    bool (*fill_image)(void *argument, const char *revision, struct assigned_template *out,
                       struct arena *arena);
    /* All containers of a node, for a full assignment: the next id after `after`; NULL: no more. */
    const char *(*next_container)(void *argument, const char *node, const char *after);
    /* A service as it is to be published; false: there is none of that name. */
    bool (*fill_service)(void *argument, const char *service, struct arena *arena,
                         struct published_service *out);
    const char *(*next_service)(void *argument, const char *after);
    void *argument;
};
struct node_registry *node_registry_create(const struct node_registry_config *config);
void node_registry_set_events(struct node_registry *registry, const struct node_events *events);
void node_registry_destroy(struct node_registry *registry);
/* Every node on record is known of from then on; `_some`: so many at a time, true while there are
 * more. Before any link is attached. */
void node_registry_start(struct node_registry *registry);
bool node_registry_start_some(struct node_registry *registry, uint32_t count);
/* Another daemon leads: every link is closed, none is taken any more, and no node is given up on.
 */
void node_registry_leave(struct node_registry *registry);
/* Takes the server's end of a link; the node is known by its first report. */
void node_registry_attach(struct node_registry *registry, struct link_end *take_end);

const struct node *node_registry_find(struct node_registry *registry, const char *name);
const struct node *node_registry_next(struct node_registry *registry, const char *after);
/* Never NULL for a record's name. */
const struct node_status *node_registry_status(struct node_registry *registry, const char *name);
/* What is shown of it and kept elsewhere has changed: what its containers reserve. */
void node_registry_touch(struct node_registry *registry, const char *name);
bool node_registry_patch(struct node_registry *registry, const char *name,
                         const struct list *labels, const struct write_request *request,
                         write_done *done, void *argument, struct error *error);
bool node_registry_set_schedulable(struct node_registry *registry, const char *name,
                                   bool schedulable, const struct write_request *request,
                                   write_done *done, void *argument, struct error *error);
bool node_registry_drain(struct node_registry *registry, const char *name, uint64_t deadline_ns,
                         const struct write_request *request, write_done *done, void *argument,
                         struct error *error);
bool node_registry_delete(struct node_registry *registry, const char *name,
                          const struct write_request *request, write_done *done, void *argument,
                          struct error *error);

/* Marks what must go to the node with the next message (sent once at the end of this turn). `id`
 * NULL in assign_all: everything. */
void node_registry_assign(struct node_registry *registry, const char *node, const char *id);
/* It is to pull the image of "deployment/revision", and to say how that went. Not told again to a
 * later connection. */
void node_registry_want_image(struct node_registry *registry, const char *node,
                              const char *revision);
void node_registry_assign_all(struct node_registry *registry, const char *node);
/* Bumps the table: services named changed (NULL: all). Answers the version that holds them, to be
 * waited for by node_registry_table_acknowledged. */
int64_t node_registry_publish(struct node_registry *registry, const char *service);
/* The version of what has been published so far. */
int64_t node_registry_table_version(const struct node_registry *registry);
/* Does that node's proxy count: connected, or silent for less than the suspect time? */
bool node_registry_counts(struct node_registry *registry, const char *node);
/* Is what that lost node had not to be replaced yet? Few lost at once are replaced at once; of many
 * one after another, and none while no node is heard of (brake.c). */
bool node_registry_holds(const struct node_registry *registry, const char *node);
/* After a start: have the nodes known from before told what runs there (or been given up on)? Until
 * then no table is sent, and it is not known what the proxies hold. */
bool node_registry_settled(const struct node_registry *registry);
/* Has every proxy that counts (ready or suspect for less than the suspect time) acknowledged it? */
bool node_registry_table_acknowledged(struct node_registry *registry, int64_t version);

#endif
