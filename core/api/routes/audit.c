/* /audit: who changed what, or tried to. */
#include "api/routes/impl.h"

#include <stdlib.h>

/* -- as it is shown; the key is the number -- */

static const struct record *seek(const struct api_parts *parts, uint64_t from)
{
    struct state_cursor cursor;
    const struct audit probe = {.record = {.kind = &audit_kind, .seq = from}};
    state_seek(parts->state, STATE_COMMITTED, KIND_AUDIT, &probe.record, &cursor);
    return state_next(&cursor);
}

static const struct record *next(const struct api_parts *parts, const char *after)
{
    return seek(parts, after ? strtoull(after, NULL, 10) + 1 : 0);
}

static const struct record *find(const struct api_parts *parts, const char *number)
{
    uint64_t wanted = strtoull(number, NULL, 10);
    const struct record *record = seek(parts, wanted);
    return record && record->seq == wanted ? record : NULL;
}

static const char *result_of(const struct audit *audit)
{
    return audit->result ? audit->result : "OK";
}

static void write_audit(const struct record *record, const void *soft, struct text *out)
{
    struct audit shown;
    (void)soft;
    record_copy_fields(record, &shown, sizeof shown);
    shown.result = result_of(&shown);
    schema_write(&audit_type, &shown, SCHEMA_SHOWN, out);
}

const struct shown_kind shown_audit = {.name = "audit",
                                       .id = KIND_AUDIT,
                                       .fill = shown_nothing_soft,
                                       .seq = shown_own_seq,
                                       .key = shown_number,
                                       .next = next,
                                       .find = find,
                                       .write = write_audit};

/* -- the route -- */

struct filter {
    struct words by, verbs, objects, results;
};

static bool has(const struct words *words, const char *value)
{
    return words_take(words, value ? value : "");
}

static bool take(const struct record *record, const void *soft, const void *data)
{
    const struct audit *audit = (const struct audit *)record;
    const struct filter *filter = data;
    (void)soft;
    return has(&filter->by, audit->by) && has(&filter->verbs, audit->verb) &&
           has(&filter->objects, audit->object) && has(&filter->results, result_of(audit));
}

static void list(struct request *request)
{
    struct filter *filter = arena_alloc(&request->arena, sizeof *filter);
    filter->by = words_of_query(request, "by");
    filter->verbs = words_of_query(request, "verb");
    filter->objects = words_of_query(request, "object");
    filter->results = words_of_query(request, "result");
    bool any =
        filter->by.count || filter->verbs.count || filter->objects.count || filter->results.count;
    list_reply(request, &shown_audit, any ? take : NULL, filter);
}

static const char *const query[] = {"limit", "after",  "fields", "order", "by",
                                    "verb",  "object", "result", NULL};
static const struct route routes[] = {
    ROUTE("GET", "/audit", list, ROLE_ADMIN, .answers = &audit_type, .answers_list = true,
          .query = query,
          .summary = "Who changed what, or was refused, oldest first (order=desc: latest first)"),
};
const struct route_table routes_audit = ROUTE_TABLE(routes);
