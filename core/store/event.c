#include "store/event.h"

#include <string.h>

static const char *const severity_words[] = {"normal", "warning", NULL};

#define AT(member) offsetof(struct event, member)
static const struct field event_fields[] = {
    {.name = "seq", .kind = FIELD_INT, .offset = AT(record.seq), .doc = "Its number."},
    {.name = "at", .kind = FIELD_TIME, .offset = AT(record.created_at_ms), .doc = "When."},
    {.name = "type",
     .kind = FIELD_ENUM,
     .offset = AT(severity),
     .words = severity_words,
     .doc = "normal or warning."},
    {.name = "reason",
     .kind = FIELD_STRING,
     .flags = FIELD_NEEDED,
     .offset = AT(reason),
     .doc = "A word."},
    {.name = "object",
     .kind = FIELD_STRING,
     .flags = FIELD_NEEDED,
     .offset = AT(object),
     .doc = "What it is about."},
    {.name = "message",
     .kind = FIELD_STRING,
     .flags = FIELD_NEEDED,
     .offset = AT(message),
     .doc = "A sentence."},
    {.name = "causeBy", .kind = FIELD_STRING, .flags = FIELD_INTERNAL, .offset = AT(cause_by)},
    {.name = "causeRequest",
     .kind = FIELD_STRING,
     .flags = FIELD_INTERNAL,
     .offset = AT(cause_request)},
    {.name = "causeEvent", .kind = FIELD_INT, .flags = FIELD_INTERNAL, .offset = AT(cause_event)},
    {.name = "count", .kind = FIELD_INT, .offset = AT(count), .doc = "Repeated so many times."},
};
#undef AT
const struct type event_type = {.name = "Event",
                                .size = sizeof(struct event),
                                TYPE_FIELDS(event_fields),
                                .doc = "Something that happened."};

#define AT(member) offsetof(struct audit, member)
static const struct field audit_fields[] = {
    {.name = "seq", .kind = FIELD_INT, .offset = AT(record.seq), .doc = "Its number."},
    {.name = "at", .kind = FIELD_TIME, .offset = AT(record.created_at_ms), .doc = "When."},
    {.name = "by", .kind = FIELD_STRING, .offset = AT(by), .doc = "Who, as in key:admin."},
    {.name = "request",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = AT(request),
     .doc = "X-Request-Id; null: none."},
    {.name = "verb", .kind = FIELD_STRING, .offset = AT(verb), .doc = "What was asked for."},
    {.name = "object", .kind = FIELD_STRING, .offset = AT(object), .doc = "Of what."},
    {.name = "version",
     .kind = FIELD_INT,
     .offset = AT(version),
     .doc = "The object's afterwards; 0: it has none, or nothing was changed."},
    {.name = "result",
     .kind = FIELD_STRING,
     .offset = AT(result),
     .doc = "OK, or the code of the error."},
    {.name = "detail", .kind = FIELD_STRING, .offset = AT(detail), .doc = "A sentence."},
};
#undef AT
const struct type audit_type = {.name = "AuditEntry",
                                .size = sizeof(struct audit),
                                TYPE_FIELDS(audit_fields),
                                .doc = "Who changed what."};

static const struct field meta_fields[] = {
    {.name = "uid",
     .kind = FIELD_STRING,
     .flags = FIELD_NEEDED,
     .offset = offsetof(struct meta, record.uid)},
    {.name = "createdAt",
     .kind = FIELD_TIME,
     .offset = offsetof(struct meta, record.created_at_ms)},
    {.name = "seqBound", .kind = FIELD_INT, .offset = offsetof(struct meta, seq_bound)},
    {.name = "fence", .kind = FIELD_INT, .offset = offsetof(struct meta, fence)},
};
const struct type meta_type = {
    .name = "Cluster", .size = sizeof(struct meta), TYPE_FIELDS(meta_fields)};

static void key_of_number(const struct record *record, struct text *out)
{
    text_append_format(out, "%016llx", (unsigned long long)record->seq);
}

static int compare_numbers(const struct record *a, const struct record *b)
{
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static void key_of_meta(const struct record *record, struct text *out)
{
    (void)record;
    text_append_string(out, "cluster");
}

static int compare_meta(const struct record *a, const struct record *b)
{
    (void)a;
    (void)b;
    return 0; /* there is one */
}

const struct record_kind event_kind = {.id = KIND_EVENT,
                                       .name = "events",
                                       .prefix = "event/",
                                       .type = &event_type,
                                       .key = key_of_number,
                                       .compare = compare_numbers};
const struct record_kind audit_kind = {.id = KIND_AUDIT,
                                       .name = "audit",
                                       .prefix = "audit/",
                                       .type = &audit_type,
                                       .key = key_of_number,
                                       .compare = compare_numbers};
const struct record_kind meta_kind = {.id = KIND_META,
                                      .name = "meta",
                                      .prefix = "meta/",
                                      .type = &meta_type,
                                      .key = key_of_meta,
                                      .compare = compare_meta};
