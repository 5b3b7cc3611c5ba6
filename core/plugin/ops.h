/* Asynchronous operations of plugins, the host's side.
 *
 * An operation is begun, its verb is called, and what the verb answered is settled; then its end is
 * delivered on the loop, exactly once and never inside a call that is under way:
 *
 *     struct op *op = op_begin(table, &request);
 *     status = verb(instance, op_handle(op), ..., &plugin_error);
 *     op_settle(op, status, &plugin_error);
 *
 * Plugins complete and emit from any thread (the ops service); everything they hand over is copied
 * on their thread and queued. The deadline is the host's: at it the plugin is told to cancel and
 * the end delivered is TIMEOUT; a completion that comes later is answered STALE, as is a second
 * one, and both are counted as the plugin's fault. Memory that the verb was given lives until the
 * plugin has completed, also when the host has long given up.
 *
 * Everything is [loop] unless tagged. `runtime.h` wraps this for the one interface that the core
 * calls all the time; use that where you can. */
#ifndef PLUGIN_OPS_H
#define PLUGIN_OPS_H

#include "base/durations.h"
#include "base/error.h"
#include "base/text.h"

#include <orchestrator/host.h>

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct op;
struct op_table;
struct plugin_host;

/* How results of a verb are copied; see op_shapes.c. NULL members: the verb answers none. */
struct op_shape {
    const char *name; /* "struct orch_image" */
    const void *(*copy_value)(struct arena *arena, const void *theirs);
    size_t item_size; /* of our struct */
    void (*copy_item)(struct arena *arena, void *ours, const void *theirs);
};
extern const struct op_shape op_shape_none;
extern const struct op_shape op_shape_runtime_info;
extern const struct op_shape op_shape_image;
extern const struct op_shape op_shape_created;
extern const struct op_shape op_shape_started;
extern const struct op_shape op_shape_exec_end;
extern const struct op_shape op_shape_containers; /* items: struct orch_container_view */
extern const struct op_shape op_shape_stats;      /* items: struct orch_stats_view */
extern const struct op_shape op_shape_lease;

enum op_kind { OP_UNARY = 1, OP_SOURCE, OP_DUPLEX };

/* The end of an operation; memory is valid during the callback only. Strings in values are
 * terminated. `items` has the stride of our own struct. */
struct op_end {
    uint64_t id;
    orch_status status;        /* ORCH_OK or an error */
    const struct error *error; /* NULL with ORCH_OK */
    const void *value;         /* NULL: none */
    struct orch_array items;
};

struct op_request {
    struct plugin_host *host;
    const char *verb; /* static; for messages: "pull" */
    enum op_kind kind;
    const struct op_shape *shape;
    uint64_t deadline_ns;                              /* on the loop's clock; 0: none */
    void *instance;                                    /* handed to the two below */
    void (*resume)(void *instance, struct orch_op op); /* may be NULL */
    void (*cancel)(void *instance, struct orch_op op); /* may be NULL */
    /* Sources and duplexes; may be NULL. Bytes are valid during the call. Returns how many of
     * them are done with; give back the rest by op_credit (back-pressure on the plugin). */
    size_t (*data)(void *argument, uint32_t channel, struct orch_str bytes);
    void (*done)(void *argument, const struct op_end *end); /* may be NULL */
    void *argument;
};

enum {
    OP_TABLE_LIMIT = 4096,             /* operations open or never ended; more: UNAVAILABLE */
    OP_CREDIT_BYTES = 256 * 1024,      /* window of a source */
    OP_CANCEL_GRACE_MS = 5000,         /* then a cancelled operation ends without its plugin */
    OP_RESULT_LIMIT = 64 * 1024 * 1024 /* of copied results */
};

struct op_table *op_table_create(struct loop *loop);
/* Ends what is open without callbacks. The plugins must not run any more. NULL is fine. */
void op_table_destroy(struct op_table *table);

/* Never NULL: a full table yields an operation that ends UNAVAILABLE whatever is settled. */
struct op *op_begin(struct op_table *table, const struct op_request *request);
struct orch_op op_handle(const struct op *op);
bool op_refused(
    const struct op *op); /* full table: don't call the verb, settle with ORCH_PENDING */
/* For contexts that live in the operation's own arena; before the verb is called. */
void op_set_argument(struct op *op, void *argument);
/* Memory for the verb's parameters: lives until the plugin has completed. */
struct arena *op_arena(struct op *op);
/* What the verb answered; `error` as the verb filled it. Afterwards `op` is the table's. */
void op_settle(struct op *op, orch_status status, const struct orch_error *error);

/* Asks the plugin to end it. `done` still comes: with what the plugin says, or CANCELLED once
 * the grace is over. Unknown and ended ids are ignored, here and below. */
void op_cancel(struct op_table *table, uint64_t id);
/* As op_cancel, and no callback comes after this. */
void op_abandon(struct op_table *table, uint64_t id);
/* So many bytes that `data` had left are done with now. */
void op_credit(struct op_table *table, uint64_t id, size_t bytes);
/* True while its end has not been told and its plugin may still work on it. */
bool op_is_open(struct op_table *table, uint64_t id);
/* All operations of a plugin, before its instance is destroyed: abandoned without `cancel`. */
void op_table_forget(struct op_table *table, const struct plugin_host *host);

struct op_counts {
    uint64_t begun, completed, timed_out, late, twice; /* since the start */
    uint64_t open, never_ended; /* now; never_ended: given up, and still owed by a plugin */
};
void op_table_counts(struct op_table *table, struct op_counts *out); /* [any] */

/* What became of the calls of one verb. */
enum { OP_VERBS = 32 };
struct op_figures {
    const char *verb;
    uint64_t done, failed, timed_out, cancelled;
    struct durations took; /* of unary ones */
};
/* [loop] Borrowed; in the order in which they were first called. */
const struct op_figures *op_table_figures(const struct op_table *table, uint32_t *count);

/* The plugin's side: what the ops service calls. [any] */
orch_status op_table_complete(struct op_table *table, struct plugin_host *host, struct orch_op op,
                              const struct orch_result *result);
int64_t op_table_emit(struct op_table *table, struct plugin_host *host, struct orch_op op,
                      uint32_t channel, struct orch_str bytes);

#endif
