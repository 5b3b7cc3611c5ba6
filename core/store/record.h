/* A record: one immutable version of one object, counted, shared between threads by reference.
 *
 * Every record type begins with `struct record`. Versions are made mutable by record_create or
 * record_copy, filled, and handed to a transaction; from then on nobody changes them. */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "base/text.h"
#include "schema/schema.h"

#include <stdatomic.h>
#include <stdint.h>

/* The number of a kind in the order of the table handed to state_create. */
enum record_kind_id {
    KIND_META = 0,
    KIND_DEPLOYMENT,
    KIND_REVISION,
    KIND_CONTAINER,
    KIND_NODE,
    KIND_SERVICE,
    KIND_EVENT,
    KIND_AUDIT,
    KIND_IDEMPOTENCY,
    KIND_COUNT
};

struct record_kind;
struct record {
    const struct record_kind *kind;
    const char *uid;  /* 32 hex digits; NULL for kinds whose name is unique for ever */
    uint64_t seq;     /* of the transaction that made this version */
    uint64_t version; /* counts what users declare; 0: the kind has none */
    int64_t created_at_ms, updated_at_ms;
    _Atomic uint32_t references;
    uint32_t bytes;
};
/* Fields every shown record has; for the field tables. */
#define RECORD_FIELDS(struct_name)                                                                 \
    {.name = "uid",                                                                                \
     .kind = FIELD_STRING,                                                                         \
     .flags = FIELD_READ_ONLY,                                                                     \
     .offset = offsetof(struct_name, record.uid),                                                  \
     .doc = "Unique for ever; a new object of the same name has another."},                        \
        {.name = "version",                                                                        \
         .kind = FIELD_INT,                                                                        \
         .flags = FIELD_READ_ONLY,                                                                 \
         .offset = offsetof(struct_name, record.version),                                          \
         .doc = "Counts what users declare; the ETag."},                                           \
        {.name = "seq",                                                                            \
         .kind = FIELD_INT,                                                                        \
         .flags = FIELD_READ_ONLY,                                                                 \
         .offset = offsetof(struct_name, record.seq),                                              \
         .doc = "The latest change to anything of the object."},                                   \
        {.name = "createdAt",                                                                      \
         .kind = FIELD_TIME,                                                                       \
         .flags = FIELD_READ_ONLY,                                                                 \
         .offset = offsetof(struct_name, record.created_at_ms),                                    \
         .doc = "When it was first declared."},                                                    \
    {                                                                                              \
        .name = "updatedAt", .kind = FIELD_TIME, .flags = FIELD_READ_ONLY,                         \
        .offset = offsetof(struct_name, record.updated_at_ms),                                     \
        .doc = "When its declaration last changed."                                                \
    }

struct record_kind {
    enum record_kind_id id;
    const char *name;   /* plural, as REST has it: "deployments" */
    const char *prefix; /* of store keys: "deployment/" */
    const struct type *type;
    bool has_uid; /* each of its records */
    /* Appends the key after the prefix; ordered by owner. */
    void (*key)(const struct record *record, struct text *out);
    /* Total order; reads the identifying fields only, so a probe on the stack will do. */
    int (*compare)(const struct record *a, const struct record *b);
};

struct record *record_take_reference(const struct record *record); /* [any] returns it */
void record_release(const struct record *record);                  /* [any] NULL is fine */
/* The fields of a record, as a start for another version or to be shown: all but its count, which
 * other threads change meanwhile. `bytes`: of the struct. [any] */
void record_copy_fields(const struct record *from, void *to, size_t bytes);
/* A packed record (one block) from a filled struct of kind->type->size bytes; one reference. */
struct record *record_create(const struct record_kind *kind, const void *filled);

#endif
