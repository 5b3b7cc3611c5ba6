#include "store/record.h"

#include <stdlib.h>

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

struct record *record_create(const struct record_kind *kind, const void *filled)
{
    size_t bytes;
    struct record *record = schema_pack(kind->type, filled, &bytes);
    record->kind = kind;
    record->bytes = (uint32_t)bytes;
    atomic_init(&record->references, 1);
    return record;
}
