/* Events as they are shown; the key is the number. */
#include "api/routes/impl.h"

#include <stdlib.h>
#include <string.h>

struct event_shown {
    struct event event;
    const char *cause; /* JSON text */
};
static const struct field shown_fields[] = {
    {.name = "event",
     .kind = FIELD_OBJECT,
     .flags = FIELD_INLINE,
     .offset = offsetof(struct event_shown, event),
     .object = &event_type},
    {.name = "cause",
     .kind = FIELD_JSON,
     .offset = offsetof(struct event_shown, cause),
     .doc = "{event}: the number of the event that led here; else {request, by}."},
};
const struct type event_shown_type = {.name = "Event",
                                      .size = sizeof(struct event_shown),
                                      TYPE_FIELDS(shown_fields),
                                      .doc = "Something that happened."};

static const struct event *event_of(const struct record *record)
{
    return (const struct event *)record;
}

static const struct record *seek(const struct api_parts *parts, uint64_t from)
{
    struct state_cursor cursor;
    struct event probe = {.record = {.kind = &event_kind, .seq = from}};
    state_seek(parts->state, STATE_COMMITTED, KIND_EVENT, &probe.record, &cursor);
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

static void write_string(struct text *out, const char *string)
{
    if (string)
        text_append_json(out, string, strlen(string));
    else
        text_append_string(out, "null");
}

static void write_cause(const struct event *event, struct text *out)
{
    if (event->cause_event) {
        text_append_format(out, "{\"event\":%lld}", (long long)event->cause_event);
        return;
    }
    text_append_string(out, "{\"request\":");
    write_string(out, event->cause_request);
    text_append_string(out, ",\"by\":");
    write_string(out, event->cause_by);
    text_append_char(out, '}');
}

static void write_event(const struct record *record, const void *soft, struct text *out)
{
    CLEANUP(text_finish) struct text cause = {0};
    (void)soft;
    write_cause(event_of(record), &cause);
    struct event_shown shown = {.cause = text_string(&cause)};
    record_copy_fields(record, &shown.event, sizeof shown.event);
    schema_write(&event_shown_type, &shown, SCHEMA_SHOWN, out);
}

const struct shown_kind shown_events = {.name = "events",
                                        .id = KIND_EVENT,
                                        .fill = shown_nothing_soft,
                                        .seq = shown_own_seq,
                                        .key = shown_number,
                                        .next = next,
                                        .find = find,
                                        .write = write_event};
