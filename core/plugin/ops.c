#include "plugin/ops.h"
#include "base/clock.h"
#include "plugin/host.h"
#include "plugin/ops_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void op_table_run(struct loop_task *task);

struct op_table *op_table_create(struct loop *loop)
{
    struct op_table *table = memory_alloc(sizeof *table);
    table->loop = loop;
    table->task = (struct loop_task){.run = op_table_run, .name = "operations"};
    pthread_mutex_init(&table->lock, NULL);
    return table;
}

static void drop_chunks(struct op *op)
{
    while (op->first) {
        struct op_chunk *chunk = op->first;
        op->first = chunk->next;
        free(chunk);
    }
    op->last = NULL;
}

static void op_free(struct op *op)
{
    loop_timer_stop(&op->timer);
    drop_chunks(op);
    arena_finish(&op->parameters);
    arena_finish(&op->results);
    free(op);
}

static void table_free(struct op_table *table)
{
    pthread_mutex_destroy(&table->lock);
    handles_finish(&table->ops);
    free(table);
}

void op_table_destroy(struct op_table *table)
{
    if (!table)
        return;
    for (uint32_t i = 0; i < table->ops.count; i++)
        if (handles_at(&table->ops, i))
            op_free(handles_at(&table->ops, i));
    table->ready_first = NULL;
    table->destroyed = true;
    if (!table->task_posted) /* else the loop still holds the task, and frees the shell */
        table_free(table);
}

void op_make_ready(struct op *op)
{
    struct op_table *table = op->table;
    if (!op->ready) {
        op->ready = true;
        op->next_ready = NULL;
        if (table->ready_first)
            table->ready_last->next_ready = op;
        else
            table->ready_first = op;
        table->ready_last = op;
    }
    if (!table->task_posted) {
        table->task_posted = true;
        loop_post(table->loop, &table->task);
    }
}

void op_end(struct op *op, orch_status status)
{
    op->owed = false;
    op->ended = true;
    op->status = status;
    op_make_ready(op);
}

const struct op_figures *op_table_figures(const struct op_table *table, uint32_t *count)
{
    *count = table->figure_count;
    return table->figures;
}

static struct op_figures *figures_of(struct op_table *table, const char *verb)
{
    uint32_t i = 0;
    while (i < table->figure_count && strcmp(table->figures[i].verb, verb) != 0)
        i++;
    if (i == OP_VERBS)
        return NULL;
    if (i == table->figure_count)
        table->figures[table->figure_count++].verb = verb;
    return &table->figures[i];
}

static void count_end(struct op *op, orch_status status)
{
    struct op_figures *figures = figures_of(op->table, op->request.verb);
    if (!figures)
        return;
    if (status == ORCH_OK)
        figures->done++;
    else if (status == ORCH_E_TIMEOUT)
        figures->timed_out++;
    else if (status == ORCH_E_CANCELLED)
        figures->cancelled++;
    else
        figures->failed++;
    if (op->request.kind == OP_UNARY)
        durations_note(&figures->took, loop_now_ns(op->table->loop) - op->begun_ns);
}

/* The deadline, or the end of the grace after a cancel. */
static void out_of_time(void *argument)
{
    struct op *op = argument;
    struct op_table *table = op->table;
    pthread_mutex_lock(&table->lock);
    bool over = op->told || op->ended || op->copying;
    bool cancelled = op->cancel_asked;
    if (!over) {
        op->timed_out = !cancelled;
        op->cancel_asked = true;
        op->told = true;
        table->counts.timed_out += !cancelled;
        table->counts.never_ended++;
        drop_chunks(op);
    }
    pthread_mutex_unlock(&table->lock);
    if (over)
        return;
    struct error error = {0};
    if (cancelled)
        error_set(&error, ERROR_CANCELLED, "%s was cancelled", op->request.verb);
    else
        error_set(&error, ERROR_TIMEOUT, "%s did not end in time", op->request.verb);
    const struct op_end end = {
        .id = op->id, .status = cancelled ? ORCH_E_CANCELLED : ORCH_E_TIMEOUT, .error = &error};
    /* The plugin may complete inside cancel; the op is freed by a later turn only. */
    count_end(op, end.status);
    if (!cancelled && op->request.cancel)
        op->request.cancel(op->request.instance, op_handle(op));
    if (op->request.done)
        op->request.done(op->request.argument, &end);
}

struct op *op_begin(struct op_table *table, const struct op_request *request)
{
    struct op *op = memory_alloc(sizeof *op);
    op->table = table;
    op->request = *request;
    op->owed = true;
    op->begun_ns = loop_now_ns(table->loop);
    loop_timer_init(&op->timer, table->loop, request->verb, out_of_time, op);
    pthread_mutex_lock(&table->lock);
    op->refused = table->ops.used >= OP_TABLE_LIMIT;
    op->id = handles_put(&table->ops, op);
    table->counts.begun++;
    table->counts.open++;
    pthread_mutex_unlock(&table->lock);
    if (request->deadline_ns) {
        uint64_t now = loop_now_ns(table->loop);
        loop_timer_start(&op->timer, request->deadline_ns > now ? request->deadline_ns - now : 0);
    }
    return op;
}

struct orch_op op_handle(const struct op *op)
{
    return (struct orch_op){.id = op->id};
}

bool op_refused(const struct op *op)
{
    return op->refused;
}

void op_set_argument(struct op *op, void *argument)
{
    op->request.argument = argument;
}

struct arena *op_arena(struct op *op)
{
    return &op->parameters;
}

/* The verb's answer is the end, unless it has completed too, against the rules. */
static void settle_locked(struct op *op, orch_status status, const struct orch_error *error)
{
    if (op->refused) {
        error_set(&op->error, ERROR_UNAVAILABLE, "%u operations are open or never ended",
                  op->table->ops.used - 1);
        op_end(op, ORCH_E_UNAVAILABLE);
        return;
    }
    if (status == ORCH_PENDING)
        return;
    if (!op->owed) {
        plugin_host_fault(op->request.host, "%s answered %s and completed as well",
                          op->request.verb, plugin_status_word(status));
        return;
    }
    if (status >= 0 && status != ORCH_OK) {
        plugin_host_fault(op->request.host, "%s answered %d, which is no status", op->request.verb,
                          status);
        status = ORCH_E_INTERNAL;
        error = NULL;
    }
    if (status < 0)
        plugin_error_take(&op->error, status, error);
    op_end(op, status);
}

void op_settle(struct op *op, orch_status status, const struct orch_error *error)
{
    struct op_table *table = op->table;
    pthread_mutex_lock(&table->lock);
    settle_locked(op, status, error);
    pthread_mutex_unlock(&table->lock);
}

/* At most a window's worth a turn, so that a fast plugin can't hold the loop. */
static void deliver_chunks(struct op *op)
{
    struct op_table *table = op->table;
    for (size_t delivered = 0; delivered <= OP_CREDIT_BYTES;) {
        pthread_mutex_lock(&table->lock);
        struct op_chunk *chunk = op->told ? NULL : op->first;
        if (chunk && !(op->first = chunk->next))
            op->last = NULL;
        pthread_mutex_unlock(&table->lock);
        if (!chunk)
            return;
        size_t done = chunk->length;
        if (op->request.data)
            done = op->request.data(op->request.argument, chunk->channel,
                                    (struct orch_str){chunk->bytes, chunk->length});
        delivered += chunk->length + sizeof *chunk;
        free(chunk);
        op_credit(table, op->id, done);
    }
    pthread_mutex_lock(&table->lock);
    if (op->first && !op->told)
        op_make_ready(op);
    pthread_mutex_unlock(&table->lock);
}

static void deliver_end(struct op *op)
{
    loop_timer_stop(&op->timer);
    count_end(op, op->status);
    const struct op_end end = {.id = op->id,
                               .status = op->status,
                               .error = op->status == ORCH_OK ? NULL : &op->error,
                               .value = op->value,
                               .items = op->items};
    if (op->request.done)
        op->request.done(op->request.argument, &end);
}

/* One operation of the ready list; it is out of the list. Frees it when all is over. */
static void op_run(struct op *op)
{
    struct op_table *table = op->table;
    deliver_chunks(op);
    pthread_mutex_lock(&table->lock);
    bool tell = op->ended && !op->told && !op->first;
    op->told |= tell;
    pthread_mutex_unlock(&table->lock);
    if (tell)
        deliver_end(op);
    pthread_mutex_lock(&table->lock);
    bool over = op->told && !op->owed && !op->copying && !op->ready;
    if (over) {
        handles_remove(&table->ops, op->id);
        table->counts.open--;
    }
    pthread_mutex_unlock(&table->lock);
    if (over)
        op_free(op);
}

static void op_table_run(struct loop_task *task)
{
    struct op_table *table = CONTAINER_OF(task, struct op_table, task);
    if (table->destroyed) {
        table_free(table);
        return;
    }
    pthread_mutex_lock(&table->lock);
    struct op *batch_last = table->ready_last; /* what comes meanwhile waits for the next turn */
    table->task_posted = false;
    bool more = table->ready_first != NULL;
    while (more) {
        struct op *op = table->ready_first;
        table->ready_first = op->next_ready;
        op->ready = false;
        more = op != batch_last && table->ready_first;
        pthread_mutex_unlock(&table->lock);
        op_run(op);
        pthread_mutex_lock(&table->lock);
    }
    if (table->ready_first && !table->task_posted) {
        table->task_posted = true;
        loop_post(table->loop, &table->task);
    }
    pthread_mutex_unlock(&table->lock);
}

static void ask_cancel(struct op_table *table, uint64_t id, bool abandon)
{
    pthread_mutex_lock(&table->lock);
    struct op *op = handles_get(&table->ops, id);
    bool ask = op && op->owed && !op->cancel_asked && !op->refused;
    if (op && abandon && !op->told) {
        op->told = true;
        drop_chunks(op);
        table->counts.never_ended += op->owed;
        if (!op->owed)
            op_make_ready(op); /* to be freed */
    }
    if (ask)
        op->cancel_asked = true;
    pthread_mutex_unlock(&table->lock);
    if (op && abandon)
        loop_timer_stop(&op->timer);
    if (!ask)
        return;
    uint64_t grace_ns = OP_CANCEL_GRACE_MS * NS_PER_MS;
    if (!abandon && (!loop_timer_armed(&op->timer) ||
                     op->timer.deadline_ns > loop_now_ns(table->loop) + grace_ns))
        loop_timer_start(&op->timer, grace_ns);
    if (op->request.cancel)
        op->request.cancel(op->request.instance, op_handle(op));
}

void op_cancel(struct op_table *table, uint64_t id)
{
    ask_cancel(table, id, false);
}

void op_abandon(struct op_table *table, uint64_t id)
{
    ask_cancel(table, id, true);
}

void op_credit(struct op_table *table, uint64_t id, size_t bytes)
{
    pthread_mutex_lock(&table->lock);
    struct op *op = handles_get(&table->ops, id);
    bool resume = false;
    if (op) {
        op->outstanding_bytes -= bytes < op->outstanding_bytes ? bytes : op->outstanding_bytes;
        resume =
            op->starved && op->owed && !op->told && op->outstanding_bytes <= OP_CREDIT_BYTES / 2;
        op->starved &= !resume;
    }
    pthread_mutex_unlock(&table->lock);
    if (resume && op->request.resume)
        op->request.resume(op->request.instance, op_handle(op));
}

bool op_is_open(struct op_table *table, uint64_t id)
{
    pthread_mutex_lock(&table->lock);
    const struct op *op = handles_get(&table->ops, id);
    bool open = op && op->owed && !op->told;
    pthread_mutex_unlock(&table->lock);
    return open;
}

void op_table_forget(struct op_table *table, const struct plugin_host *host)
{
    pthread_mutex_lock(&table->lock);
    for (uint32_t i = 0; i < table->ops.count; i++) {
        struct op *op = handles_at(&table->ops, i);
        if (!op || op->request.host != host)
            continue;
        loop_timer_stop(&op->timer);
        drop_chunks(op);
        table->counts.never_ended -= op->told && op->owed;
        op->told = true;
        op->owed = false; /* its plugin's instance goes: nobody is left to owe */
        op_make_ready(op);
    }
    pthread_mutex_unlock(&table->lock);
}

void op_table_counts(struct op_table *table, struct op_counts *out)
{
    pthread_mutex_lock(&table->lock);
    *out = table->counts;
    pthread_mutex_unlock(&table->lock);
}
