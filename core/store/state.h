/* The state: all records in memory, made durable by a store plugin in batches of transactions.
 *
 * Two views: *committed* (durable; what REST, agents and reconcilers see) and *head* (committed and
 * what is on its way; what commands are checked against). One batch is at the store, one is
 * forming; it closes when the store is free, or at 4,096 operations or 4 MiB.
 *
 * Everything is [loop]. The store plugin's blocking calls run on a thread of their own (on a
 * virtual loop: inline, later in simulated time). */
#ifndef STORE_STATE_H
#define STORE_STATE_H

#include "base/error.h"
#include "loop/loop.h"
#include "store/record.h"

#include <orchestrator/store.h>

struct state;
enum state_view { STATE_COMMITTED = 1, STATE_HEAD };

struct state_config {
    struct loop *loop;
    const struct record_kind *const *kinds; /* KIND_COUNT of them, by id; NULL: the store's own */
    const struct orch_store_v1 *store;      /* the plugin's table, and how to open it: */
    void *module;
    const struct orch_host *host;
    const char *config_json;
    const char *state_directory;
    size_t event_limit; /* events kept; 0: 10,000 */
    /* Once, when another daemon has written: nothing of ours will be durable again. May be NULL. */
    void (*fenced)(void *argument);
    void *argument;
};
struct state *state_create(const struct state_config *config);
/* Opens the store and loads everything; `opened` runs on the loop. A first start makes the
 * cluster's uid. Raises the stored bound of `seq`, so that numbers of before a crash are never
 * given again. */
void state_open(struct state *state, void (*opened)(void *argument, const struct error *error),
                void *argument);
/* Ends the batch under way, then closes the store; nothing is accepted any more. */
void state_close(struct state *state, void (*closed)(void *argument), void *argument);
void state_destroy(struct state *state);

const char *state_cluster_uid(const struct state *state);
uint64_t state_fence(const struct state *state); /* grows with each start */
uint64_t state_seq(const struct state *state);   /* the latest number given and committed */
/* No change with a number up to this one is still on its way: who has seen this state has seen all
 * of them. */
uint64_t state_settled_seq(const struct state *state);
/* A number for a change of soft state. Durable bound raised ahead; never repeats after a crash. */
uint64_t state_next_seq(struct state *state);

/* The version of the record equal to `probe`, borrowed until the loop's next turn; NULL: none. */
const struct record *state_find(struct state *state, enum state_view view,
                                const struct record *probe);
/* The same, of a record that was borrowed this turn as the committed version: its newest one,
 * looked for only while some change of that kind is on its way. */
const struct record *state_head_of(struct state *state, const struct record *committed);
/* In key order. Begin with the first record >= probe (NULL: the first of `kind`). Survives changes
 * between calls only if it is sought again. */
struct state_cursor {
    struct state *state;
    enum state_view view;
    enum record_kind_id kind;
    void *impl[4];
};
void state_seek(struct state *state, enum state_view view, enum record_kind_id kind,
                const struct record *probe, struct state_cursor *out);
const struct record *state_next(struct state_cursor *cursor);            /* NULL at the end */
size_t state_count(const struct state *state, enum record_kind_id kind); /* committed */

/* Who caused a transaction; copied. */
struct txn_group;
struct origin {
    const char *by;         /* "key:admin", "controller/deployment", "node/node-1" */
    const char *request_id; /* NULL: not from a request */
    uint64_t cause_event;   /* seq of the event that led here; 0: none */
    /* Of a request that carries an Idempotency-Key: its marker rides along. NULL: none. */
    const char *idempotency_key, *idempotency_hash;
    bool dry_run;            /* checked and built, but undone when it is submitted */
    struct txn_group *group; /* waits at its submit for all of the group; NULL: it is alone */
};
enum event_severity { EVENT_NORMAL = 1, EVENT_WARNING };

/* A transaction is built and submitted in one turn. */
struct txn;
struct txn *txn_begin(struct state *state, struct origin origin);
void txn_put(struct txn *txn, struct record *take_record);     /* its seq is set here */
void txn_delete(struct txn *txn, const struct record *record); /* no effect on what is going */
/* An event about `object` ("deployments/web"); the message may be long, it is cut at 1 KiB. Returns
 * the event's seq. Events are kept, bounded: the oldest go (10,000 by default). */
uint64_t txn_event(struct txn *txn, enum event_severity severity, const char *reason,
                   const char *object, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* The audit entry of a user's change rides in the same transaction. */
/* The object's version is that of the last of its changes that has one. */
void txn_audit(struct txn *txn, const char *verb, const char *object, const char *detail);
/* Any other entry, as filled but for number and time; the oldest go. */
struct audit;
void txn_audit_entry(struct txn *txn, const struct audit *entry);
bool txn_is_empty(const struct txn *txn);
bool txn_is_dry_run(const struct txn *txn);
/* What else is to be changed should go into another one: the store's limits come near. */
bool txn_is_full(const struct txn *txn);
/* So many objects a controller changes in one transaction at most: neither making nor committing it
 * takes long, and with their events it is within the store's limits. */
size_t state_changes_at_once(const struct state *state);
void txn_abort(struct txn *txn); /* NULL is fine */
/* More than the store takes in one transaction: refused with PAYLOAD_TOO_LARGE, and dropped.
 * Durable: its versions become the committed ones, subscribers hear of each change, then `done`
 * with NULL. Refused, or unknown: dropped, `done` with the error. An empty one is done at once (in
 * a later turn). `done` may be NULL. Frees the transaction. */
void txn_submit(struct txn *txn, void (*done)(void *argument, const struct error *error),
                void *argument);

/* Several commands as one transaction: all happen or none. Those whose origin names the group are
 * built one after another, each on what the ones before it would change; their `done`s run when the
 * whole is decided. Begun and ended in one turn; dry runs go with dry runs only. */
struct txn_group *txn_group_begin(struct state *state);
void txn_group_submit(struct txn_group *take_group);
/* One of them can't be made: the others are taken back, and told why. */
void txn_group_abort(struct txn_group *take_group, const struct error *why);

/* False while both batches are full, while the outcome of one is being read back, or after a failed
 * fsync: users are told 503, controllers wait for `state_notify_ready`. */
bool state_ready(const struct state *state, struct error *why);
void state_notify_ready(struct state *state, struct loop_task *task);

/* Called in commit order for each record changed. `before` NULL: added; `after` NULL: removed. */
struct state_subscriber {
    void (*changed)(void *argument, const struct record *before, const struct record *after);
    void *argument;
    struct state_subscriber *next;
};
void state_subscribe(struct state *state, struct state_subscriber *subscriber);
void state_unsubscribe(struct state *state, struct state_subscriber *subscriber);

struct state_figures {
    uint64_t commits, transactions, operations, refused;
    uint64_t last_commit_ns, longest_commit_ns, pending_operations, bytes;
    struct durations commits_took;
};
void state_read_figures(const struct state *state, struct state_figures *out);

#endif
