/* The plugin's side of operations: complete and emit, from any thread. */
#include "plugin/host.h"
#include "plugin/ops_impl.h"

#include <stdlib.h>
#include <string.h>

enum {
    ITEM_LIMIT = 1000000,
    EMIT_LIMIT = 4 * OP_CREDIT_BYTES /* of bytes that the host has yet to deal with */
};

/* With the lock held: a completion for what is over. */
static void count_stale(struct op_table *table, struct plugin_host *host, struct orch_op op,
                        const struct op *found, orch_status status)
{
    if (!found || !found->owed) {
        table->counts.twice++;
        plugin_host_fault(host, "completed operation %llx, which is over",
                          (unsigned long long)op.id);
        return;
    }
    table->counts.late++;
    /* After a cancel the completion is owed and welcome, if it says so. */
    if (found->timed_out && status != ORCH_E_CANCELLED)
        plugin_host_fault(host, "completed %s after its deadline", found->request.verb);
}

static orch_status copy_items(struct op *op, const struct orch_array *theirs)
{
    const struct op_shape *shape = op->request.shape;
    if (!theirs->count)
        return ORCH_OK;
    if (!theirs->items || theirs->stride < sizeof(uint32_t) || theirs->count > ITEM_LIMIT)
        return ORCH_E_INVALID;
    char *ours = arena_alloc(&op->results, theirs->count * shape->item_size);
    for (uint32_t i = 0; i < theirs->count; i++) {
        const uint32_t *item = ORCH_AT(uint32_t, *theirs, i);
        if (*item > theirs->stride)
            return ORCH_E_INVALID;
        shape->copy_item(&op->results, ours + i * shape->item_size, item);
        if (op->results.used_bytes > OP_RESULT_LIMIT)
            return ORCH_E_TOO_LARGE;
    }
    op->items = (struct orch_array){ours, theirs->count, (uint32_t)shape->item_size};
    return ORCH_OK;
}

static orch_status copy_result(struct op *op, const struct orch_result *result)
{
    const struct op_shape *shape = op->request.shape;
    if (result->status < 0) {
        plugin_error_take(&op->error, result->status, result->error);
        return result->status;
    }
    orch_status status = result->status == ORCH_OK ? ORCH_OK : ORCH_E_INVALID;
    if (status == ORCH_OK && result->value && shape->copy_value)
        op->value = shape->copy_value(&op->results, result->value);
    if (status == ORCH_OK && shape->copy_item)
        status = copy_items(op, &result->items);
    if (status == ORCH_OK)
        return ORCH_OK;
    plugin_host_fault(op->request.host, "completed %s with a malformed %s", op->request.verb,
                      shape->name);
    error_set(&op->error, ERROR_PLUGIN, "%s: the plugin's answer is no %s", op->request.verb,
              shape->name);
    return ORCH_E_INTERNAL;
}

orch_status op_table_complete(struct op_table *table, struct plugin_host *host, struct orch_op op,
                              const struct orch_result *result)
{
    struct orch_result mine = {0};
    if (!result)
        return ORCH_E_INVALID;
    (void)orch_take(&mine, sizeof mine, result, NULL); /* advisory: newer tails don't matter */
    pthread_mutex_lock(&table->lock);
    struct op *found = handles_get(&table->ops, op.id);
    if (found && found->request.host != host)
        found = NULL;
    bool open = found && found->owed && !found->told;
    if (!open)
        count_stale(table, host, op, found, mine.status);
    if (found && found->owed) {
        found->owed = false;
        found->copying = open;
        table->counts.completed += open;
        table->counts.never_ended -= !open;
        if (!open)
            op_make_ready(found); /* to be freed */
    }
    pthread_mutex_unlock(&table->lock);
    if (!open)
        return ORCH_E_STALE;
    orch_status status = copy_result(found, &mine); /* it is ours alone while `copying` */
    pthread_mutex_lock(&table->lock);
    found->copying = false;
    op_end(found, status);
    pthread_mutex_unlock(&table->lock);
    return ORCH_OK;
}

static struct op_chunk *chunk_copy(uint32_t channel, struct orch_str bytes)
{
    struct op_chunk *chunk = memory_alloc(sizeof *chunk + bytes.len + 1);
    chunk->channel = channel;
    chunk->length = bytes.len;
    if (bytes.len)
        memcpy(chunk->bytes, bytes.ptr, bytes.len);
    return chunk;
}

static int64_t emit_locked(struct op *op, struct plugin_host *host, struct op_chunk *chunk)
{
    if (!op || op->request.host != host || !op->owed) {
        plugin_host_fault(host, "emitted for an operation that is over");
        return ORCH_E_STALE;
    }
    if (op->told || op->cancel_asked)
        return ORCH_E_STALE;
    if (op->request.kind == OP_UNARY && chunk->channel != ORCH_CHANNEL_PROGRESS) {
        plugin_host_fault(host, "emitted on channel %u for %s", chunk->channel, op->request.verb);
        return ORCH_E_INVALID;
    }
    if (op->outstanding_bytes + chunk->length > EMIT_LIMIT) {
        plugin_host_fault(host, "went on emitting for %s without credit", op->request.verb);
        return ORCH_E_FULL;
    }
    op->outstanding_bytes += chunk->length;
    op->starved = op->outstanding_bytes >= OP_CREDIT_BYTES;
    if (op->last)
        op->last->next = chunk;
    else
        op->first = chunk;
    op->last = chunk;
    op_make_ready(op);
    return op->starved ? 0 : (int64_t)(OP_CREDIT_BYTES - op->outstanding_bytes);
}

int64_t op_table_emit(struct op_table *table, struct plugin_host *host, struct orch_op op,
                      uint32_t channel, struct orch_str bytes)
{
    if (bytes.len && !bytes.ptr)
        return ORCH_E_INVALID;
    if (bytes.len > EMIT_LIMIT)
        return ORCH_E_TOO_LARGE;
    struct op_chunk *chunk = chunk_copy(channel, bytes);
    pthread_mutex_lock(&table->lock);
    int64_t credit = emit_locked(handles_get(&table->ops, op.id), host, chunk);
    pthread_mutex_unlock(&table->lock);
    if (credit < 0)
        free(chunk);
    return credit;
}
