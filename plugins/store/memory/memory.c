/* memory: keeps nothing beyond the process. For tests and for trying things out. Entries are in a
 * sorted array; its rules are those of any store. */
#include <orchestrator/store.h>

#include <stdlib.h>
#include <string.h>

struct entry {
    char *key, *value;
    size_t key_length, value_length;
};
struct store {
    struct entry *entries;
    size_t count, room;
    uint64_t head, fence;
};

static orch_status open_store(void *module, const struct orch_host *host, struct orch_str config,
                              const struct orch_store_open *request,
                              struct orch_store_limits *limits, void **out,
                              struct orch_error *error)
{
    (void)module;
    (void)host;
    (void)config;
    (void)request;
    *out = calloc(1, sizeof(struct store));
    if (!*out)
        return orch_fail(error, ORCH_E_NO_MEMORY, "out of memory");
    limits->max_operations = 100000;
    limits->max_bytes = limits->max_value_bytes = UINT64_C(1) << 30;
    return ORCH_OK;
}

static void close_store(void *instance)
{
    struct store *store = instance;
    for (size_t i = 0; i < store->count; i++) {
        free(store->entries[i].key);
        free(store->entries[i].value);
    }
    free(store->entries);
    free(store);
}

static int compare(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t shorter = a_length < b_length ? a_length : b_length;
    int order = shorter ? memcmp(a, b, shorter) : 0;
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

/* The first entry whose key is not before `key`. */
static size_t lower_bound(const struct store *store, struct orch_str key)
{
    size_t low = 0, high = store->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct entry *entry = &store->entries[middle];
        if (compare(entry->key, entry->key_length, key.ptr, key.len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int is_at(const struct store *store, size_t at, struct orch_str key)
{
    return at < store->count &&
           compare(store->entries[at].key, store->entries[at].key_length, key.ptr, key.len) == 0;
}

static char *copy(struct orch_str from)
{
    char *to = malloc(from.len + 1);
    if (to && from.len)
        memcpy(to, from.ptr, from.len);
    return to;
}

/* Everything that can fail is allocated before anything is changed. */
struct prepared {
    char *key, *value;
};

static void put(struct store *store, const struct orch_store_op *op, struct prepared *prepared)
{
    size_t at = lower_bound(store, op->key);
    if (is_at(store, at, op->key)) {
        free(store->entries[at].value);
        free(prepared->key);
    } else {
        memmove(store->entries + at + 1, store->entries + at,
                (store->count - at) * sizeof *store->entries);
        store->count++;
        store->entries[at].key = prepared->key;
        store->entries[at].key_length = op->key.len;
    }
    store->entries[at].value = prepared->value;
    store->entries[at].value_length = op->value.len;
}

static void delete (struct store *store, const struct orch_store_op *op)
{
    size_t at = lower_bound(store, op->key);
    if (!is_at(store, at, op->key))
        return;
    free(store->entries[at].key);
    free(store->entries[at].value);
    memmove(store->entries + at, store->entries + at + 1,
            (store->count - at - 1) * sizeof *store->entries);
    store->count--;
}

static int make_room(struct store *store, size_t more)
{
    if (store->count + more <= store->room)
        return 1;
    size_t room = store->room ? store->room : 64;
    while (room < store->count + more)
        room *= 2;
    struct entry *entries = realloc(store->entries, room * sizeof *entries);
    if (!entries)
        return 0;
    store->entries = entries;
    store->room = room;
    return 1;
}

static struct prepared *prepare(struct store *store, const struct orch_store_txn *txn)
{
    struct prepared *prepared = calloc(txn->ops.count + 1, sizeof *prepared);
    int good = prepared && make_room(store, txn->ops.count);
    for (uint32_t i = 0; good && i < txn->ops.count; i++) {
        const struct orch_store_op *op = ORCH_AT(struct orch_store_op, txn->ops, i);
        if (op->kind != ORCH_STORE_PUT)
            continue;
        prepared[i].key = copy(op->key);
        prepared[i].value = copy(op->value);
        good = prepared[i].key && prepared[i].value;
    }
    if (good || !prepared)
        return prepared;
    for (uint32_t i = 0; i < txn->ops.count; i++) {
        free(prepared[i].key);
        free(prepared[i].value);
    }
    free(prepared);
    return NULL;
}

static orch_status apply_one(struct store *store, const struct orch_store_txn *txn,
                             struct orch_error *error)
{
    if (txn->fence < store->fence)
        return orch_fail(error, ORCH_E_FENCED, "a newer daemon has written");
    if (txn->expected_head != store->head)
        return orch_fail(error, ORCH_E_CONFLICT, "the head is another one");
    struct prepared *prepared = prepare(store, txn);
    if (!prepared)
        return orch_fail(error, ORCH_E_FULL, "out of memory");
    for (uint32_t i = 0; i < txn->ops.count; i++) {
        const struct orch_store_op *op = ORCH_AT(struct orch_store_op, txn->ops, i);
        if (op->kind == ORCH_STORE_PUT)
            put(store, op, &prepared[i]);
        else
            delete (store, op);
    }
    free(prepared);
    store->head = txn->new_head;
    store->fence = txn->fence;
    return ORCH_OK;
}

static orch_status apply(void *instance, const struct orch_store_batch *batch, uint32_t *applied,
                         struct orch_error *error)
{
    for (*applied = 0; *applied < batch->txns.count; (*applied)++) {
        struct orch_store_txn txn;
        orch_status status =
            ORCH_TAKE(struct orch_store_txn, &txn,
                      ORCH_AT(struct orch_store_txn, batch->txns, *applied), error);
        if (status == ORCH_OK)
            status = apply_one(instance, &txn, error);
        if (status != ORCH_OK)
            return status;
    }
    return ORCH_OK;
}

static orch_status head(void *instance, struct orch_store_head *out, struct orch_error *error)
{
    struct store *store = instance;
    (void)error;
    out->head = store->head;
    out->fence = store->fence;
    return ORCH_OK;
}

static orch_status list(void *instance, const struct orch_store_list *request,
                        struct orch_store_entries out, uint32_t *more, struct orch_error *error)
{
    struct store *store = instance;
    struct orch_str from = request->after.len ? request->after : request->prefix;
    uint64_t given = 0;
    (void)error;
    *more = 0;
    size_t at = lower_bound(store, from);
    if (request->after.len && is_at(store, at, request->after))
        at++;
    for (; at < store->count; at++) {
        const struct entry *entry = &store->entries[at];
        if (entry->key_length < request->prefix.len ||
            memcmp(entry->key, request->prefix.ptr, request->prefix.len) != 0)
            break;
        if (request->limit && given++ == request->limit) {
            *more = 1;
            break;
        }
        out.entry(out.context, (struct orch_str){entry->key, entry->key_length},
                  (struct orch_str){entry->value, entry->value_length});
    }
    return ORCH_OK;
}

static const struct orch_store_v1 table = {.size = sizeof table,
                                           .open = open_store,
                                           .close = close_store,
                                           .head = head,
                                           .list = list,
                                           .apply = apply};
static const struct orch_provide provides[] = {
    {.interface_id = ORCH_STORE_1, .name = "memory", .table = &table}};

const struct orch_manifest orch_plugin_manifest_1 = {
    ORCH_MANIFEST_HEAD,      .id = "org.orchestrator.store.memory",
    .version = "1.0.0",      .vendor = "orchestrator",
    .license = "Apache-2.0", .provides = provides,
    .provide_count = 1,      .provide_stride = sizeof provides[0]};
