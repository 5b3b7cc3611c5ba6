/* The container manager: owns container records and their soft state, turns reports of agents into
 * both, and takes containers away in the right order (out of the tables, acknowledged, drained,
 * then stopped). All [loop]. */
#ifndef CONTAINER_MANAGER_H
#define CONTAINER_MANAGER_H

#include "container/container.h"
#include "node/messages.h"
#include "store/write.h"

struct container_manager;
/* What the deployment manager has counted of a container; kept here, by container. */
struct container_mark {
    uint32_t restarts;
    uint16_t flags;
};
struct container_events { /* what others must hear; set once by the daemon's wiring */
    /* Record or soft state changed in a way that its deployment must look at. */
    void (*changed)(void *argument, const struct container *container);
    /* The record is gone, and with it its mark. */
    void (*removed)(void *argument, const struct container *container,
                    const struct container_mark *mark);
    /* Readiness, address or intent changed: endpoints must be published again. */
    void (*endpoints_changed)(void *argument, const char *deployment);
    /* Its intent became STOP (also told at the start for those found so): begin to drain it. */
    void (*stopping)(void *argument, const struct container *container);
    /* Its assignment must be sent to its node again. `container` NULL: the record is gone. */
    void (*assign)(void *argument, const char *node, const char *id,
                   const struct container *container);
    /* Resources came free. */
    void (*freed)(void *argument, const char *node);
    void *argument;
};
struct container_manager *container_manager_create(struct loop *loop, struct state *state);
void container_manager_set_events(struct container_manager *manager,
                                  const struct container_events *events);
void container_manager_destroy(struct container_manager *manager);
/* After the state is loaded; or in steps of `count` records, until one answers false. */
void container_manager_start(struct container_manager *manager);
bool container_manager_start_some(struct container_manager *manager, uint32_t count);

/* Committed records. */
const struct container *container_manager_find(struct container_manager *manager, const char *id);
/* Next in key order after `after` (NULL: the first), of one deployment (NULL: all). */
const struct container *container_manager_next(struct container_manager *manager,
                                               const char *deployment,
                                               const struct container *after);
/* Those of one node, in the order in which they came. */
const struct container *container_manager_next_on(struct container_manager *manager,
                                                  const char *node, const struct container *after);
/* The newest of one slot; NULL: there is none. */
const struct container *container_manager_newest_of(struct container_manager *manager,
                                                    const char *deployment, int64_t slot);
/* The soft state; a default one for a record not yet reported. Never NULL; valid until the next
 * call. */
const struct container_status *container_manager_status(struct container_manager *manager,
                                                        const struct container *container);
/* What controllers look at, without a copy; the texts live as long as nothing changes. */
struct container_brief {
    uint8_t state;
    bool ready, drained;
    uint64_t ready_since_ns, seq;
    int64_t start_failures; /* in a row */
    const char *reason, *address;
    struct container_mark *mark; /* NULL: the container is not known yet */
};
struct container_brief container_manager_brief(struct container_manager *manager,
                                               const struct container *container);
/* Has its node told of it since our start? Until then its state is not known: unknown is not dead.
 */
bool container_manager_is_known(struct container_manager *manager,
                                const struct container *container);
/* Reports of an agent, already decoded. A full one also tells what is not there. */
void container_manager_report(struct container_manager *manager, const char *node,
                              const struct report *report);
/* The node is lost (true) or back. */
void container_manager_node_lost(struct container_manager *manager, const char *node, bool lost);
/* What the lost node had may be replaced now. */
void container_manager_node_released(struct container_manager *manager, const char *node);
/* Puts the end of `container` into the transaction: intent STOP. False: it is on its way out
 * already.
 */
bool container_manager_stop(struct container_manager *manager, struct txn *txn,
                            const struct container *container, const char *reason);
/* May the agent be told to stop it? The service manager says so once every proxy has let go. */
void container_manager_drained(struct container_manager *manager, const char *id);
bool container_manager_is_drained(struct container_manager *manager, const char *id);
/* REST: DELETE replaces it, drained; restart makes a new incarnation on the spot. */
bool container_manager_delete(struct container_manager *manager, const char *id,
                              const struct write_request *request, write_done *done, void *argument,
                              struct error *error);
bool container_manager_restart(struct container_manager *manager, const char *id,
                               const struct write_request *request, write_done *done,
                               void *argument, struct error *error);
/* What its node is to be told; strings borrowed from the record. */
void container_manager_fill_assigned(struct container_manager *manager,
                                     const struct container *container,
                                     struct assigned_container *out);
/* Restarts that nodes have told of since our start. */
uint64_t container_manager_restarts(const struct container_manager *manager);
/* Count by enum container_state, over all. */
void container_manager_count(struct container_manager *manager, int64_t by_state[16]);

#endif
