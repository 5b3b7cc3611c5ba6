#include "store/idempotency.h"

#include <string.h>

#define AT(member) offsetof(struct idempotency_record, member)
static const struct field fields[] = {
    {.name = "key", .kind = FIELD_STRING, .flags = FIELD_NEEDED, .offset = AT(key)},
    {.name = "at", .kind = FIELD_TIME, .offset = AT(record.created_at_ms)},
    {.name = "seq", .kind = FIELD_INT, .offset = AT(record.seq)},
    {.name = "hash", .kind = FIELD_STRING, .flags = FIELD_NEEDED, .offset = AT(hash)},
    {.name = "status", .kind = FIELD_INT, .offset = AT(status)},
    {.name = "etag", .kind = FIELD_INT, .offset = AT(etag)},
    {.name = "location", .kind = FIELD_STRING, .offset = AT(location)},
    {.name = "answer", .kind = FIELD_STRING, .offset = AT(answer)},
};
#undef AT
const struct type idempotency_type = {.name = "IdempotencyKey",
                                      .size = sizeof(struct idempotency_record),
                                      TYPE_FIELDS(fields),
                                      .doc = "A key that a client chose, and its first answer."};

static void key_of(const struct record *record, struct text *out)
{
    text_append_string(out, ((const struct idempotency_record *)record)->key);
}

static int compare(const struct record *a, const struct record *b)
{
    return strcmp(((const struct idempotency_record *)a)->key,
                  ((const struct idempotency_record *)b)->key);
}

const struct record_kind idempotency_kind = {.id = KIND_IDEMPOTENCY,
                                             .name = "idempotency",
                                             .prefix = "idempotency/",
                                             .type = &idempotency_type,
                                             .key = key_of,
                                             .compare = compare};
