/* What ops.c (the loop's side) and ops_plugin.c (any thread) share. */
#ifndef PLUGIN_OPS_IMPL_H
#define PLUGIN_OPS_IMPL_H

#include "loop/loop.h"
#include "plugin/handles.h"
#include "plugin/ops.h"

#include <pthread.h>

struct op_chunk {
    struct op_chunk *next;
    uint32_t channel;
    size_t length;
    char bytes[];
};

/* An operation's flags are under the table's lock; the rest is the loop's. It is freed at one
 * place, op_table_run, once its plugin owes nothing, its host has been told, and no thread copies
 * into it. */
struct op {
    struct op_table *table;
    struct op_request request;
    uint64_t id, begun_ns;
    struct loop_timer timer;
    struct arena parameters, results;
    struct error error;
    const void *value;
    struct orch_array items;
    orch_status status; /* set with `ended` */
    bool owed;          /* the plugin has yet to complete */
    bool copying;       /* a thread is copying the result */
    bool ended;         /* status and so on are there, to be told */
    bool told;          /* no callback any more */
    bool cancel_asked, timed_out;
    bool refused; /* the table was full */
    bool starved; /* the plugin waits for resume */
    bool ready;   /* in the ready list */
    struct op *next_ready;
    struct op_chunk *first, *last;
    size_t outstanding_bytes; /* emitted, and not done with */
};

struct op_table {
    struct loop *loop;
    pthread_mutex_t lock;
    struct handles ops;
    struct op *ready_first, *ready_last;
    struct loop_task task;
    bool task_posted, destroyed;
    struct op_counts counts;
    struct op_figures figures[OP_VERBS]; /* [loop] */
    uint32_t figure_count;
};

/* With the lock held. */
void op_make_ready(struct op *op);
void op_end(struct op *op, orch_status status);

#endif
