/* The container manager's own data. Private to this folder. */
#ifndef CONTAINER_IMPL_H
#define CONTAINER_IMPL_H

#include "container/manager.h"

#include <uthash.h>

/* Soft state of one record. */
struct soft {
    UT_hash_handle hh;
    struct container_status status;
    bool drained;                  /* out of every table; its node may be told to stop it */
    bool reported;                 /* by its node, since it connected */
    bool gone;                     /* as its node said last */
    int64_t incarnation, restarts; /* likewise */
    char id[80];
};
struct container_manager {
    struct loop *loop;
    struct state *state;
    struct container_events events;
    struct state_subscriber subscriber;
    struct soft *soft; /* by id; only looked up, never walked */
    int64_t by_state[16];
    struct loop_timer retry; /* what the store refused of what nodes said is tried again */
};
struct soft *container_soft(struct container_manager *manager, const struct container *container);
/* Moves the state, keeps the counts, gives it a number. */
void container_set_state(struct container_manager *manager, struct soft *soft,
                         enum container_state state, const char *reason, const char *message);
void container_keep_again(void *manager);
/* A mutable copy of the newest version, to be put. Strings are shared with the record. */
struct container container_edit(const struct container *container);

#endif
