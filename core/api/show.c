/* Objects as they are shown: counted records with copies of what is soft. */
#include "api/impl.h"
#include "api/planning.h"
#include "base/failpoint.h"

#include <stdlib.h>
#include <string.h>

const struct shown_kind *shown_kind_of(enum record_kind_id id)
{
    static const struct shown_kind *const kinds[] = {&shown_deployments, &shown_containers,
                                                     &shown_nodes, &shown_services, &shown_events};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i]->id == id)
            return kinds[i];
    return NULL;
}

struct shown shown_take(const struct api_parts *parts, const struct shown_kind *kind,
                        const struct record *record)
{
    struct shown shown = {.kind = kind, .record = record_take_reference(record)};
    if (kind->soft_bytes)
        shown.soft = memory_alloc(kind->soft_bytes);
    if (kind->fill)
        kind->fill(parts, record, shown.soft);
    return shown;
}

void shown_release(struct shown *shown)
{
    if (shown->soft && shown->kind->drop)
        shown->kind->drop(shown->soft);
    free(shown->soft);
    record_release(shown->record);
    *shown = (struct shown){0};
}

static void reply_shown(struct request *request)
{
    struct exchange *exchange = exchange_of(request);
    const struct shown *shown = &exchange->shown;
    shown->kind->write(shown->record, shown->soft, &request->out);
    request->etag = shown->record->version;
    request_reply(request, request->status ? request->status : 200);
}

struct show_job {
    const struct shown_kind *kind;
};

static void find_shown(struct request *request)
{
    struct exchange *exchange = exchange_of(request);
    const struct shown_kind *kind = ((const struct show_job *)request->data)->kind;
    const struct record *record = kind->find(request->parts, request->params[0]);
    request->seq = state_settled_seq(request->parts->state);
    if (!record) {
        error_set(&request->error, ERROR_NOT_FOUND, "there is no %.*s \"%s\"",
                  (int)strlen(kind->name) - 1, kind->name, request->params[0]);
        request_fail_from_loop(request);
        return;
    }
    exchange->shown = shown_take(request->parts, kind, record);
    request_to_api(request, reply_shown);
}

void show_reply(struct request *request, const struct shown_kind *kind)
{
    struct show_job *job = arena_alloc(&request->arena, sizeof *job);
    job->kind = kind;
    request->data = job;
    request_to_loop(request, find_shown);
}

static void reply_empty(struct request *request)
{
    request_reply(request, 204);
}

void show_written(void *argument, const struct error *error, const struct write_result *result)
{
    struct request *request = argument;
    struct exchange *exchange = exchange_of(request);
    if (request->planning || (request->dry_run && !error)) {
        planning_take(request, error, result);
        return;
    }
    request->seq = state_settled_seq(request->parts->state);
    if (error) {
        request->error = *error;
        request_fail_from_loop(request);
        return;
    }
    const struct record *record = result->record;
    const struct shown_kind *kind = record ? shown_kind_of(record->kind->id) : NULL;
    if (!kind) {
        request_to_api(request, reply_empty);
        return;
    }
    int status = request->route->status;
    request->status = result->created ? 201 : status && status != 201 ? status : 200;
    if (result->created) {
        char scratch[SHOWN_KEY_BYTES];
        request->location =
            arena_format(&request->arena, "/api/v1/%s/%s", kind->name, kind->key(record, scratch));
    }
    if (record->seq > request->seq)
        request->seq = record->seq; /* commits come in order: all before it is there */
    exchange->shown = shown_take(request->parts, kind, record);
    FAILPOINT(api_before_reply);
    request_to_api(request, reply_shown);
}

/* -- fields=a,b -- */

bool shown_has_member(const struct type *type, const char *name)
{
    for (size_t i = 0; type && i < type->field_count; i++) {
        const struct field *field = &type->fields[i];
        if (field->flags & FIELD_INTERNAL)
            continue;
        bool inlined = field->kind == FIELD_OBJECT && (field->flags & FIELD_INLINE);
        if (inlined ? shown_has_member(field->object, name) : strcmp(field->name, name) == 0)
            return true;
    }
    return false;
}

/* The end of the value at `at` within an object of our own writing. */
static size_t skip_value(const char *json, size_t length, size_t at)
{
    int depth = 0;
    bool quoted = false;
    for (; at < length; at++) {
        char c = json[at];
        if (quoted) {
            if (c == '\\')
                at++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth-- == 0)
                return at;
        } else if (c == ',' && depth == 0) {
            return at;
        }
    }
    return length;
}

static bool is_wanted(const char *name, size_t length, char *const *fields)
{
    for (; *fields; fields++)
        if (strlen(*fields) == length && memcmp(*fields, name, length) == 0)
            return true;
    return false;
}

void shown_pick(const char *json, size_t length, char *const *fields, struct text *out)
{
    if (!fields) {
        text_append(out, json, length);
        return;
    }
    bool first = true;
    text_append_char(out, '{');
    for (size_t at = 1; at < length && json[at] == '"';) {
        size_t name_end = at + 1;
        while (name_end < length && json[name_end] != '"')
            name_end++; /* names of members have no quotes in them */
        size_t end = skip_value(json, length, name_end + 2);
        if (is_wanted(json + at + 1, name_end - at - 1, fields)) {
            if (!first)
                text_append_char(out, ',');
            text_append(out, json + at, end - at);
            first = false;
        }
        at = end + 1;
    }
    text_append_char(out, '}');
}
