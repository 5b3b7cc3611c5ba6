/* What a store says that it can take: no larger transaction is built. */
#include "store/impl.h"

/* One object with its events, and the oldest events that go for them, always fits. */
enum { LEAST_OPERATIONS = 64, LEAST_VALUE_BYTES = 64 * 1024, CHANGES_AT_ONCE = 64 };

static void take(uint64_t *limit)
{
    if (!*limit)
        *limit = UINT64_MAX;
}

bool limits_take(struct orch_store_limits *limits, struct error *error)
{
    take(&limits->max_operations);
    take(&limits->max_bytes);
    take(&limits->max_value_bytes);
    if (limits->max_operations >= LEAST_OPERATIONS && limits->max_bytes >= LEAST_VALUE_BYTES &&
        limits->max_value_bytes >= LEAST_VALUE_BYTES)
        return true;
    return error_set(error, ERROR_PLUGIN,
                     "the store takes %llu operations, %llu bytes and values of %llu bytes in one "
                     "transaction; at least %d, %d and %d are needed",
                     (unsigned long long)limits->max_operations,
                     (unsigned long long)limits->max_bytes,
                     (unsigned long long)limits->max_value_bytes, LEAST_OPERATIONS,
                     LEAST_VALUE_BYTES, LEAST_VALUE_BYTES);
}

/* Each may bring an event, for which two old ones go; one more event tells of all. */
size_t state_changes_at_once(const struct state *state)
{
    uint64_t most = (state->limits.max_operations - 3) / 4;
    return most < CHANGES_AT_ONCE ? (size_t)most : CHANGES_AT_ONCE;
}

bool txn_is_full(const struct txn *txn)
{
    const struct orch_store_limits *limits = &txn->state->limits;
    return txn->count >= limits->max_operations / 2 || txn->bytes >= limits->max_bytes / 64;
}

static bool measure(const struct txn *txn, struct error *error)
{
    const struct orch_store_limits *limits = &txn->state->limits;
    CLEANUP(text_finish) struct text text = {0};
    uint64_t bytes = 0;
    for (size_t i = 0; i < txn->count; i++) {
        const struct change *change = &txn->changes[i];
        const struct record *record = change->after ? change->after : change->before;
        text_clear(&text);
        text_append_string(&text, record->kind->prefix);
        record->kind->key(record, &text);
        size_t key = text.length;
        if (change->after)
            schema_write(record->kind->type, record, SCHEMA_STORED, &text);
        bytes += text.length;
        if (text.length - key > limits->max_value_bytes)
            return error_set(error, ERROR_PAYLOAD_TOO_LARGE,
                             "%.*s would take %zu bytes; the store takes %llu in one value",
                             (int)key, text.data, text.length - key,
                             (unsigned long long)limits->max_value_bytes);
    }
    if (bytes <= limits->max_bytes)
        return true;
    return error_set(error, ERROR_PAYLOAD_TOO_LARGE,
                     "the change takes %llu bytes; the store takes %llu in one transaction",
                     (unsigned long long)bytes, (unsigned long long)limits->max_bytes);
}

bool txn_within_limits(const struct txn *txn, struct error *error)
{
    /* Text is at most so many times longer than the record that it is of. Few come near a limit. */
    enum { TEXT_FACTOR = 32 };
    const struct orch_store_limits *limits = &txn->state->limits;
    uint64_t least =
        limits->max_bytes < limits->max_value_bytes ? limits->max_bytes : limits->max_value_bytes;
    if (txn->count > limits->max_operations)
        return error_set(error, ERROR_PAYLOAD_TOO_LARGE,
                         "the change takes %zu operations; the store takes %llu in one transaction",
                         txn->count, (unsigned long long)limits->max_operations);
    return txn->bytes <= least / TEXT_FACTOR || measure(txn, error);
}
