/* The container manager's own data. Private to this folder. */
#ifndef CONTAINER_IMPL_H
#define CONTAINER_IMPL_H

#include "base/table.h"
#include "container/manager.h"

#include <uthash.h>

/* What few containers have. */
struct soft_times {
    int64_t exit_code, finished_at_ms, next_start_at_ms, start_failures;
};
/* Soft state of one record; there may be millions. */
struct soft {
    struct hash_table_node in_table; /* its owner's word: the full report that named it last */
    const struct container *record;  /* the committed version */
    struct soft *next_on_node, *previous_on_node;
    char *words;              /* reason, message, address, runtime id: soft_words.c; NULL: none */
    struct soft_times *times; /* NULL: all of them null */
    int64_t started_at_ms, ready_since_ms;
    uint64_t ready_since_ns, seq;
    int32_t incarnation, restarts; /* as its node said last */
    struct container_mark mark;    /* the deployment manager's */
    uint8_t state;
    bool ready;
    bool drained;  /* out of every table; its node may be told to stop it */
    bool reported; /* by its node, since it connected */
    bool gone;     /* as its node said last */
};
/* What is of one node, in the order in which it came. */
struct node_softs {
    UT_hash_handle hh;
    struct soft *first, *last;
    char node[64];
};
struct container_manager {
    struct loop *loop;
    struct state *state;
    struct container_events events;
    struct state_subscriber subscriber;
    struct hash_table soft; /* by id */
    struct soft *latest;    /* found: mostly the next that is asked for */
    struct node_softs *by_node;
    uint32_t full_reports; /* so many were taken */
    int64_t by_state[16];
    uint64_t restarts;
    struct container_status shown;       /* what container_manager_status last filled */
    const struct container *start_after; /* of the records found at the start */
    size_t stopping_at_start;
    struct loop_timer retry;         /* what the store refused of what nodes said is tried again */
    struct loop_slice keeping;       /* then: all are looked through, some a turn */
    const struct record *kept_up_to; /* the last one of it; counted */
};
struct soft *soft_find(struct container_manager *manager, const char *id);
struct soft *container_soft(struct container_manager *manager, const struct container *container);
struct soft *soft_add(struct container_manager *manager, const struct container *container);
void soft_remove(struct container_manager *manager, struct soft *soft);
/* First of that node; the next is next_on_node. */
struct soft *soft_of_node(struct container_manager *manager, const char *node);
void softs_finish(struct container_manager *manager);
/* Short forms of the texts. NULL is the same as "". */
struct words {
    const char *reason, *message, *address, *runtime_id;
};
void soft_set_words(struct soft *soft, const struct words *words);
/* Into texts of struct container_status's sizes. */
void soft_read_words(const struct soft *soft, struct container_status *out);
const char *soft_reason(const struct soft *soft);
const char *soft_address(const struct soft *soft);
/* Moves the state, keeps the counts, gives it a number. */
void container_set_state(struct container_manager *manager, struct soft *soft,
                         enum container_state state, const char *reason, const char *message);
/* The same without new words. */
void container_move(struct container_manager *manager, struct soft *soft,
                    enum container_state state);
void container_keep_again(void *manager);
bool container_keep_some(void *manager);
/* Goes on behind that one; NULL: from the first. */
void container_keep_from(struct container_manager *manager, const struct record *after);
/* A mutable copy of the newest version, to be put. Strings are shared with the record. */
struct container container_edit(const struct container *container);

#endif
