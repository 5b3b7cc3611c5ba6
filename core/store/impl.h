/* The state's own data. Private to this folder. */
#ifndef STORE_IMPL_H
#define STORE_IMPL_H

#include "store/event.h"
#include "store/state.h"

/* One key: its committed version and the newest on its way; each holds a reference. NULL committed:
 * not there yet, or no more; NULL head: being removed. It stays as long as a change of it is
 * pending. */
struct index_entry {
    const struct record *committed, *head;
    const struct record *ghost; /* says whose place it is while there is neither; counted */
    uint32_t pending;           /* changes of transactions that are not decided yet */
};
/* Sorted blocks of entries: work per insertion is one block's shift, and now and then a split that
 * shifts one pointer per block (2,000,000 records: 250 KB). */
enum { INDEX_BLOCK = 128 };
struct index_block {
    uint32_t count;
    struct index_entry entries[INDEX_BLOCK];
};
struct index {
    const struct record_kind *kind;
    struct index_block **blocks;
    size_t block_count, block_room, committed_count;
    size_t pending; /* changes of transactions that are not decided yet */
};
struct index_position {
    size_t block;
    uint32_t entry;
};
/* First entry not before `probe` (NULL: the first of all). False: there is none. */
bool index_seek(const struct index *index, const struct record *probe,
                struct index_position *position);
struct index_entry *index_find(const struct index *index, const struct record *probe);
struct index_entry *index_insert(struct index *index, const struct record *probe);
void index_remove(struct index *index, const struct record *probe);
void index_finish(struct index *index);
/* The entry at a position, moved on to the next block where one ends; NULL: past the end. */
struct index_entry *index_at(const struct index *index, struct index_position *position);

/* One change within a transaction. */
struct change {
    const struct record *before; /* head version it replaces; NULL: added. Counted */
    const struct record *after;  /* NULL: removed. Counted */
};
struct txn {
    struct state *state;
    struct change *changes;
    size_t count, room, bytes;
    uint64_t expected_head, new_head;
    char *by, *request_id;
    uint64_t cause_event;
    bool dry_run;
    void (*done)(void *argument, const struct error *error);
    void *argument;
    struct txn *next;
    struct txn_group *group; /* NULL: none */
    struct txn *members;     /* those that are told with it, their changes being its own; owned */
};

struct batch {
    struct loop_job job;
    struct state *state;
    struct txn *first, *last;
    struct batch *next; /* of those that end aside, each with one transaction */
    size_t operations, bytes;
    uint64_t new_head; /* what the next batch builds on */
    uint64_t begun_ns;
    /* Filled on the store thread: */
    orch_status status;
    uint32_t applied;
    uint64_t head; /* as read back after an unknown outcome */
    bool head_known;
    char message[ERROR_MESSAGE_BYTES];
    struct error refusal; /* of one that ends without the store */
};
/* So many operations are committed in one turn (one transaction at least). */
enum { COMMIT_OPERATIONS = 64 };
enum { BATCH_OPERATIONS = 4096, BATCH_BYTES = 4 * 1024 * 1024 };

struct state {
    struct state_config config;
    struct loop *loop;
    struct loop_lane *lane;
    void *store;
    struct orch_store_limits limits;
    struct index indexes[KIND_COUNT];
    struct meta *meta; /* the newest version handed out; its record is in the index too */
    char cluster_uid[ID_UID_BYTES];
    uint64_t fence, seq, seq_bound, head, committed_seq;
    bool raising_bound;
    struct batch *at_store, *forming;
    struct batch *asides;
    struct batch *committing; /* durable; its versions become the committed ones, in slices */
    struct loop_slice commits;
    bool applied_meanwhile; /* the store has answered for the next one, too */
    bool opened, closing, fenced, unknown;
    char trouble[ERROR_MESSAGE_BYTES]; /* why nothing is accepted; "" when it is */
    struct loop_timer readback;
    struct loop_task turn_end; /* releases what was borrowed, flushes */
    bool turn_end_posted;
    const struct record **garbage;
    size_t garbage_count, garbage_room;
    struct state_subscriber *subscribers;
    struct queue_node *waiting; /* of loop_task: told when ready again */
    struct state_figures figures;
    size_t event_limit;
    uint64_t dropped_up_to[KIND_COUNT]; /* of events and audit: older ones go or are gone */
    void (*closed)(void *argument);
    void *closed_argument;
};

void state_throw_away(struct state *state, const struct record *record); /* at the turn's end */
void state_arrange_turn_end(struct state *state);
void state_tell_ready(struct state *state);
void state_flush(struct state *state);
bool state_commit_some(void *state);
void state_maybe_close(struct state *state);
void state_raise_bound(struct state *state);
void batch_destroy(struct batch *batch);
/* False: the store would not take it; says which limit. */
bool txn_within_limits(const struct txn *txn, struct error *error);
/* False: the core cannot work within the store's limits. Those not stated are made infinite. */
bool limits_take(struct orch_store_limits *limits, struct error *error);
void batch_drop_asides(struct state *state); /* the loop runs no more: nobody is told */
void txn_destroy(struct txn *txn);
/* Its changes are undone; it is empty. */
void txn_take_back(struct txn *txn);
void txn_commit(struct txn *txn);
/* Two steps, so that no `done` sees in the head view what is dropped with it. */
void txn_undo(struct txn *txn);
void txn_refuse(struct txn *txn, const struct error *error);
/* In a later turn, with nothing to be undone. */
void txn_refuse_aside(struct txn *txn, const struct error *error);
/* Those who asked for it hear of it, once. */
void txn_tell(struct txn *txn, const struct error *error);
void txn_group_take(struct txn_group *group, struct txn *txn);

#endif
