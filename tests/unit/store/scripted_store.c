#include "scripted_store.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct scripted_store scripted;
static struct pair {
    char *key, *value;
} * pairs;
static size_t count, room;

/* The first pair whose key is not before `key`. */
static size_t lower_bound(const char *key)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(pairs[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool scripted_has(const char *key)
{
    size_t at = lower_bound(key);
    return at < count && strcmp(pairs[at].key, key) == 0;
}

unsigned scripted_count(const char *prefix)
{
    unsigned found = 0;
    for (size_t at = lower_bound(prefix); at < count && text_starts_with(pairs[at].key, prefix);
         at++)
        found++;
    return found;
}

static void erase(const char *key)
{
    size_t at = lower_bound(key);
    if (!scripted_has(key))
        return;
    free(pairs[at].key);
    free(pairs[at].value);
    memmove(pairs + at, pairs + at + 1, (count - at - 1) * sizeof *pairs);
    count--;
}

void scripted_put(const char *key, const char *value)
{
    erase(key);
    if (count == room) {
        room = room ? 2 * room : 64;
        pairs = memory_resize(pairs, room * sizeof *pairs);
    }
    size_t at = lower_bound(key);
    memmove(pairs + at + 1, pairs + at, (count - at) * sizeof *pairs);
    pairs[at] = (struct pair){memory_strdup(key), memory_strdup(value)};
    count++;
}

void scripted_reset(void)
{
    while (count)
        erase(pairs[0].key);
    free(pairs);
    pairs = NULL;
    room = 0;
    scripted = (struct scripted_store){
        .status = ORCH_OK, .prefix = SCRIPTED_ALL, .open_status = ORCH_OK, .list_status = ORCH_OK};
}

static orch_status open_store(void *module, const struct orch_host *host, struct orch_str config,
                              const struct orch_store_open *request,
                              struct orch_store_limits *limits, void **store,
                              struct orch_error *error)
{
    (void)module, (void)host, (void)config, (void)request;
    scripted.opens++;
    if (scripted.open_status != ORCH_OK)
        return orch_fail(error, scripted.open_status, "scripted refusal");
    limits->max_operations = scripted.most_operations ? scripted.most_operations : 100000;
    limits->max_bytes = limits->max_value_bytes =
        scripted.most_value_bytes ? scripted.most_value_bytes : 1 << 30;
    *store = &scripted;
    return ORCH_OK;
}

static void close_store(void *store)
{
    (void)store;
    scripted.closes++;
}

static orch_status head(void *store, struct orch_store_head *out, struct orch_error *error)
{
    (void)store;
    scripted.heads++;
    if (scripted.blind_heads) {
        scripted.blind_heads--;
        return orch_fail(error, ORCH_E_IO, "scripted silence");
    }
    out->head = scripted.head;
    out->fence = scripted.fence;
    return ORCH_OK;
}

static orch_status list(void *store, const struct orch_store_list *request,
                        struct orch_store_entries out, uint32_t *more, struct orch_error *error)
{
    (void)store;
    if (scripted.list_status != ORCH_OK)
        return orch_fail(error, scripted.list_status, "scripted refusal");
    uint64_t given = 0;
    *more = 0;
    for (size_t n = 0; n < count && !*more; n++) {
        size_t i = scripted.backwards ? count - 1 - n : n;
        if (!text_starts_with(pairs[i].key, request->prefix.ptr) ||
            strcmp(pairs[i].key, request->after.ptr) <= 0)
            continue;
        if (given++ == 100)
            *more = 1;
        else
            out.entry(out.context, (struct orch_str){pairs[i].key, strlen(pairs[i].key)},
                      (struct orch_str){pairs[i].value, strlen(pairs[i].value)});
    }
    return ORCH_OK;
}

static void take(const struct orch_store_txn *txn)
{
    for (uint32_t i = 0; i < txn->ops.count; i++) {
        const struct orch_store_op *op = ORCH_AT(struct orch_store_op, txn->ops, i);
        char *key = strndup(op->key.ptr, op->key.len);
        char *value = op->value.ptr ? strndup(op->value.ptr, op->value.len) : NULL;
        if (op->kind == ORCH_STORE_PUT)
            scripted_put(key, value);
        else
            erase(key);
        free(key);
        free(value);
    }
    scripted.head = txn->new_head;
    scripted.fence = txn->fence;
    if (txn->new_head > scripted.most_seq)
        scripted.most_seq = txn->new_head;
}

static orch_status apply(void *store, const struct orch_store_batch *batch, uint32_t *applied,
                         struct orch_error *error)
{
    orch_status status = scripted.status;
    uint32_t prefix = scripted.quietly ? SCRIPTED_ALL : scripted.prefix, operations = 0, taken = 0;
    (void)store;
    for (uint32_t i = 0; i < batch->txns.count; i++)
        operations += ORCH_AT(struct orch_store_txn, batch->txns, i)->ops.count;
    scripted.largest_batch =
        operations > scripted.largest_batch ? operations : scripted.largest_batch;
    scripted.applies++;
    for (; taken < batch->txns.count && taken < prefix; taken++) {
        const struct orch_store_txn *txn = ORCH_AT(struct orch_store_txn, batch->txns, taken);
        if (txn->fence < scripted.fence || txn->expected_head != scripted.head) {
            *applied = taken;
            return orch_fail(error, txn->fence < scripted.fence ? ORCH_E_FENCED : ORCH_E_CONFLICT,
                             "another has written");
        }
        take(txn);
    }
    *applied = scripted.quietly ? scripted.prefix : taken;
    scripted.status = ORCH_OK;
    scripted.prefix = SCRIPTED_ALL;
    scripted.quietly = false;
    if (status == ORCH_OK)
        return ORCH_OK;
    return orch_fail(error, status, "scripted refusal");
}

const struct orch_store_v1 scripted_table = {.size = sizeof scripted_table,
                                             .open = open_store,
                                             .close = close_store,
                                             .head = head,
                                             .list = list,
                                             .apply = apply};
