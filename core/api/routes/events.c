/* /events */
#include "api/routes/impl.h"

#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {"normal", "warning", NULL};

struct filter {
    struct words objects, reasons, causes;
    uint32_t types;
};

/* An event's number, a request's id, or who. */
static bool caused_by(const struct event *event, const struct words *causes)
{
    for (uint32_t i = 0; i < causes->count; i++) {
        const char *word = causes->items[i];
        if ((event->cause_event && event->cause_event == strtoll(word, NULL, 10)) ||
            text_equal(event->cause_request, word) || text_equal(event->cause_by, word))
            return true;
    }
    return !causes->count;
}

static bool take(const struct record *record, const void *soft, const void *data)
{
    const struct event *event = (const struct event *)record;
    const struct filter *filter = data;
    (void)soft;
    return (filter->types & (1U << event->severity)) &&
           words_take(&filter->objects, event->object ? event->object : "") &&
           words_take(&filter->reasons, event->reason ? event->reason : "") &&
           caused_by(event, &filter->causes);
}

static void list(struct request *request)
{
    struct filter *filter = arena_alloc(&request->arena, sizeof *filter);
    filter->objects = words_of_query(request, "object");
    filter->reasons = words_of_query(request, "reason");
    filter->causes = words_of_query(request, "cause");
    if (!words_read_enum(request, "type", type_names, &filter->types))
        return;
    bool any = filter->objects.count || filter->reasons.count || filter->causes.count ||
               filter->types != UINT32_MAX;
    list_reply(request, &shown_events, any ? take : NULL, filter);
}

static const char *const query[] = {"limit", "after",  "fields", "order", "object",
                                    "type",  "reason", "cause",  NULL};
static const struct route routes[] = {
    ROUTE("GET", "/events", list, ROLE_VIEWER, .answers = &event_shown_type, .answers_list = true,
          .query = query, .summary = "What happened, oldest first (order=desc: latest first)"),
};
const struct route_table routes_events = ROUTE_TABLE(routes);
