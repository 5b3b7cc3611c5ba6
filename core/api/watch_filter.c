/* What one watcher wants to see. */
#include "api/watch.h"
#include "container/container.h"
#include "deployment/deployment.h"
#include "service/service.h"
#include "store/event.h"

#include <string.h>

static const struct shown_kind *const kinds[] = {&shown_deployments, &shown_containers,
                                                 &shown_nodes, &shown_services, &shown_events};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static uint32_t bit_of(const char *word)
{
    for (size_t i = 0; i < KINDS; i++)
        if (strcmp(kinds[i]->name, word) == 0)
            return UINT32_C(1) << kinds[i]->id;
    return 0;
}

static bool refuse(struct request *request, const char *name, const char *message)
{
    CLEANUP(schema_faults_finish) struct schema_faults faults = {0};
    schema_faults_add(&faults, (struct schema_position){0}, name, "%s", message);
    request_fail_faults(request, &faults);
    return false;
}

static bool read_kinds(struct request *request, struct watch_filter *out)
{
    const char *given = request_query(request, "kinds");
    if (!given || !*given) {
        for (size_t i = 0; i < KINDS; i++)
            out->kinds |= UINT32_C(1) << kinds[i]->id;
        return true;
    }
    char *rest = arena_strdup(&request->arena, given), *word;
    while ((word = strsep(&rest, ","))) {
        uint32_t bit = bit_of(word);
        if (!bit)
            return refuse(request, "kinds",
                          "it lists some of deployments, containers, nodes, services, events");
        out->kinds |= bit;
    }
    return true;
}

bool watch_filter_read(struct request *request, struct watch_filter *out)
{
    struct error error;
    const char *selector = request_query(request, "selector");
    out->deployment = request_query(request, "deployment");
    if (out->deployment && !*out->deployment)
        out->deployment = NULL;
    if (!read_kinds(request, out))
        return false;
    out->selected = selector && *selector;
    return !out->selected || selector_parse(selector, &request->arena, &out->selector, &error) ||
           refuse(request, "selector", error.message);
}

/* Events are of the deployment that they are about, or whose container they are about. */
static bool event_is_of(const struct event *event, const char *deployment)
{
    char owner[80];
    int64_t slot;
    if (!event->object)
        return false;
    if (text_starts_with(event->object, "deployments/"))
        return strcmp(event->object + strlen("deployments/"), deployment) == 0;
    return text_starts_with(event->object, "containers/") &&
           container_id_parse(event->object + strlen("containers/"), owner, &slot) &&
           strcmp(owner, deployment) == 0;
}

static bool is_of(const struct record *record, enum record_kind_id kind, const char *deployment)
{
    switch (kind) {
    case KIND_DEPLOYMENT:
        return text_equal(((const struct deployment *)record)->name, deployment);
    case KIND_CONTAINER:
        return text_equal(((const struct container *)record)->deployment, deployment);
    case KIND_SERVICE:
        return text_equal(((const struct service *)record)->deployment, deployment);
    case KIND_EVENT:
        return event_is_of((const struct event *)record, deployment);
    default:
        return false; /* of no deployment */
    }
}

bool watch_filter_fits(const struct watch_filter *filter, const struct shown_kind *kind,
                       const struct record *record, const void *soft)
{
    if (!(filter->kinds & (UINT32_C(1) << kind->id)))
        return false;
    if (filter->deployment && !is_of(record, kind->id, filter->deployment))
        return false;
    return !filter->selected ||
           (kind->labels && selector_matches(&filter->selector, kind->labels(record, soft)));
}

enum note_type watch_filter_judge(const struct watch_filter *filter, const struct note *note)
{
    const struct shown_kind *kind = note->now.kind;
    bool fits = watch_filter_fits(filter, kind, note->now.record, note->now.soft);
    if (!note->before || note->type != NOTE_CHANGED)
        return fits ? note->type : 0;
    /* It may have come into sight by this change, or gone out of it. */
    bool fitted = watch_filter_fits(filter, kind, note->before, note->now.soft);
    if (fits)
        return fitted ? NOTE_CHANGED : NOTE_ADDED;
    return fitted ? NOTE_REMOVED : 0;
}
