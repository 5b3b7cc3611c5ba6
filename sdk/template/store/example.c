/* A store plugin that keeps everything in memory, in order. Nothing survives the process: replace
 * `commit` by something durable that has happened when it returns. */
#include <orchestrator/store.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char *key, *value;
    size_t key_length, value_length;
};
struct example {
    struct entry *entries; /* ordered by key */
    size_t count;
    uint64_t head, fence;
};

static int compare(struct orch_str a, const struct entry *b)
{
    size_t common = a.len < b->key_length ? a.len : b->key_length;
    int order = common ? memcmp(a.ptr, b->key, common) : 0;
    return order ? order : (a.len > b->key_length) - (a.len < b->key_length);
}

/* The first entry whose key is not before `key`. */
static size_t lower_bound(const struct example *example, struct orch_str key)
{
    size_t low = 0, high = example->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(key, &example->entries[middle]) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static char *copy(struct orch_str string)
{
    char *made = malloc(string.len + 1);
    if (made && string.len)
        memcpy(made, string.ptr, string.len);
    return made;
}

static int put(struct example *example, const struct orch_store_op *op)
{
    size_t at = lower_bound(example, op->key);
    int present = at < example->count && compare(op->key, &example->entries[at]) == 0;
    char *key = present ? NULL : copy(op->key), *value = copy(op->value);
    struct entry *entries = example->entries;
    if (!present)
        entries = realloc(entries, (example->count + 1) * sizeof *entries);
    if (!entries || !value || (!present && !key)) {
        free(key);
        free(value);
        if (entries)
            example->entries = entries;
        return 0;
    }
    example->entries = entries;
    if (present) {
        free(entries[at].value);
    } else {
        memmove(entries + at + 1, entries + at, (example->count - at) * sizeof *entries);
        entries[at].key = key;
        entries[at].key_length = op->key.len;
        example->count++;
    }
    entries[at].value = value;
    entries[at].value_length = op->value.len;
    return 1;
}

static void delete_key(struct example *example, struct orch_str key)
{
    size_t at = lower_bound(example, key);
    if (at == example->count || compare(key, &example->entries[at]) != 0)
        return;
    free(example->entries[at].key);
    free(example->entries[at].value);
    example->count--;
    memmove(example->entries + at, example->entries + at + 1,
            (example->count - at) * sizeof *example->entries);
}

static orch_status open_store(void *module, const struct orch_host *host, struct orch_str config,
                              const struct orch_store_open *request,
                              struct orch_store_limits *limits, void **store,
                              struct orch_error *error)
{
    struct example *example = calloc(1, sizeof *example);
    (void)module, (void)host, (void)config, (void)request;
    if (!example)
        return orch_fail(error, ORCH_E_NO_MEMORY, "no memory");
    limits->max_operations = 100000;
    limits->max_bytes = UINT64_C(64) << 20;
    limits->max_value_bytes = UINT64_C(4) << 20;
    *store = example;
    return ORCH_OK;
}

static void close_store(void *store)
{
    struct example *example = store;
    size_t i;
    for (i = 0; i < example->count; i++) {
        free(example->entries[i].key);
        free(example->entries[i].value);
    }
    free(example->entries);
    free(example);
}

static orch_status head(void *store, struct orch_store_head *out, struct orch_error *error)
{
    const struct example *example = store;
    (void)error;
    out->head = example->head;
    out->fence = example->fence;
    return ORCH_OK;
}

static int has_prefix(const struct entry *entry, struct orch_str prefix)
{
    return entry->key_length >= prefix.len &&
           (!prefix.len || memcmp(entry->key, prefix.ptr, prefix.len) == 0);
}

static orch_status list(void *store, const struct orch_store_list *theirs,
                        struct orch_store_entries out, uint32_t *more, struct orch_error *error)
{
    const struct example *example = store;
    struct orch_store_list request;
    uint64_t told = 0;
    size_t at;
    if (ORCH_TAKE(struct orch_store_list, &request, theirs, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    at = lower_bound(example, request.prefix);
    if (request.after.len) {
        size_t after = lower_bound(example, request.after);
        after += after < example->count && compare(request.after, &example->entries[after]) == 0;
        at = after > at ? after : at;
    }
    *more = 0;
    for (; at < example->count && has_prefix(&example->entries[at], request.prefix); at++) {
        const struct entry *entry = &example->entries[at];
        if (request.limit && told == request.limit) {
            *more = 1;
            break;
        }
        out.entry(out.context, (struct orch_str){entry->key, entry->key_length},
                  (struct orch_str){entry->value, entry->value_length});
        told++;
    }
    return ORCH_OK;
}

/* In memory a failed allocation may leave half of a transaction: a real store rolls back. */
static orch_status commit(struct example *example, const struct orch_store_txn *txn,
                          struct orch_error *error)
{
    uint32_t i;
    for (i = 0; i < txn->ops.count; i++) {
        const struct orch_store_op *op = ORCH_AT(struct orch_store_op, txn->ops, i);
        if (op->kind == ORCH_STORE_DELETE)
            delete_key(example, op->key);
        else if (!put(example, op))
            return orch_fail(error, ORCH_E_UNKNOWN, "no memory in the middle of a transaction");
    }
    example->head = txn->new_head;
    example->fence = txn->fence;
    return ORCH_OK;
}

static orch_status apply(void *store, const struct orch_store_batch *theirs, uint32_t *applied,
                         struct orch_error *error)
{
    struct example *example = store;
    struct orch_store_batch batch;
    struct orch_store_txn txn;
    orch_status status;
    *applied = 0;
    if (ORCH_TAKE(struct orch_store_batch, &batch, theirs, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    for (; *applied < batch.txns.count; (*applied)++) {
        if (ORCH_TAKE(struct orch_store_txn, &txn,
                      ORCH_AT(struct orch_store_txn, batch.txns, *applied), error) != ORCH_OK)
            return ORCH_E_UNSUPPORTED;
        if (txn.fence < example->fence)
            return orch_fail(error, ORCH_E_FENCED, "a newer leader has written");
        if (txn.expected_head != example->head)
            return orch_fail(error, ORCH_E_CONFLICT, "the head is another one");
        if ((status = commit(example, &txn, error)) != ORCH_OK)
            return status;
    }
    return ORCH_OK;
}

static const struct orch_store_v1 table = {.size = sizeof table,
                                           .open = open_store,
                                           .close = close_store,
                                           .head = head,
                                           .list = list,
                                           .apply = apply};
static const struct orch_provide provides[] = {{ORCH_STORE_1, "example", &table, NULL}};

const struct orch_manifest orch_plugin_manifest_1 = {ORCH_MANIFEST_HEAD,
                                                     .id = "org.example.store-example",
                                                     .version = "1.0.0",
                                                     .license = "Apache-2.0",
                                                     .provides = provides,
                                                     .provide_count = 1,
                                                     .provide_stride = sizeof provides[0]};
