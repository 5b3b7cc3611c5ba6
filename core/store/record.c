#include "store/record.h"

#include <stdlib.h>
#include <string.h>

struct record *record_take_reference(const struct record *record)
{
    struct record *counted = (struct record *)record; /* the count is no part of the value */
    atomic_fetch_add_explicit(&counted->references, 1, memory_order_relaxed);
    return counted;
}

void record_release(const struct record *record)
{
    struct record *counted = (struct record *)record;
    if (counted && atomic_fetch_sub_explicit(&counted->references, 1, memory_order_acq_rel) == 1)
        free(counted);
}

void record_copy_fields(const struct record *from, void *to, size_t bytes)
{
    struct record *copy = to;
    *copy = (struct record){.kind = from->kind,
                            .uid = from->uid,
                            .seq = from->seq,
                            .version = from->version,
                            .created_at_ms = from->created_at_ms,
                            .updated_at_ms = from->updated_at_ms,
                            .bytes = from->bytes};
    memcpy(copy + 1, from + 1, bytes - sizeof *copy);
}

struct record *record_create(const struct record_kind *kind, const void *filled)
{
    size_t bytes;
    struct record *record = schema_pack(kind->type, filled, &bytes);
    record->kind = kind;
    record->bytes = (uint32_t)bytes;
    atomic_init(&record->references, 1);
    return record;
}
