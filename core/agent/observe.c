/* What the engine has: complete lists are the truth, events a hint to ask. */
#include "agent/impl.h"
#include "base/buggify.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_BURST_MS = 500 };

struct list_note {
    struct pending pending; /* first */
    uint64_t number;        /* of complete lists */
};

static const char *label_of(const struct orch_container_view *view, const char *key)
{
    for (uint32_t i = 0; i < view->labels.count; i++) {
        const struct orch_pair *pair = ORCH_AT(struct orch_pair, view->labels, i);
        if (strcmp(pair->key.ptr, key) == 0)
            return pair->value.ptr;
    }
    return NULL;
}

static bool is_ours(const struct agent *agent, const struct orch_container_view *view)
{
    const char *cluster = label_of(view, LABEL_CLUSTER);
    return cluster && strcmp(cluster, agent->cluster) == 0;
}

static bool is_newer(const struct agent *agent, const char *seq, const char *id)
{
    if (strtoll(seq, NULL, 10) <= agent->store_seq)
        return false;
    LOG_ERROR("a container is newer than the state: was a backup restored? It is left alone",
              LOG_STR("container", id), LOG_STR("seq", seq));
    return true;
}

static void take_stray(struct agent *agent, const struct orch_container_view *view)
{
    const char *seq = label_of(view, LABEL_SEQ), *id = label_of(view, LABEL_CONTAINER);
    if (!agent->full_assignment || !seq)
        return; /* unknown is not unwanted */
    if (is_newer(agent, seq, id) || stray_brake(agent))
        return;
    LOG_INFO("removing a container that no record wants", LOG_STR("container", id),
             LOG_STR("runtimeId", view->runtime_id.ptr));
    stray_remove(agent, view->runtime_id.ptr, view->state == ORCH_CONTAINER_RUNNING);
}

/* Before the first look at a unit the engine may have another incarnation of it than is known here
 * (our file was lost): a later one is adopted, not doubled, and one that still runs must have
 * stopped before the one that is wanted is made. */
static void note_found(struct agent *agent, const struct orch_container_view *view)
{
    const char *id = label_of(view, LABEL_CONTAINER);
    const char *incarnation = label_of(view, LABEL_INCARNATION);
    struct unit *unit = id && incarnation && is_ours(agent, view) ? agent_unit(agent, id) : NULL;
    if (!unit || unit->phase != UNIT_UNKNOWN)
        return;
    int64_t found = strtoll(incarnation, NULL, 10);
    bool matters = found >= unit->incarnation || view->state == ORCH_CONTAINER_RUNNING;
    if (matters && found > unit->found)
        unit->found = found;
}

static void take_found(struct agent *agent)
{
    struct unit *unit, *next;
    HASH_ITER(hh, agent->units, unit, next)
    {
        if (unit->phase == UNIT_UNKNOWN && unit->found) {
            unit->incarnation = unit->found;
            if (unit->wanted_incarnation < unit->found)
                unit->wanted_incarnation = unit->found;
        }
        unit->found = 0;
    }
}

/* A create found its name taken, and by this one: of this very incarnation, with other labels. */
static bool is_in_the_way(const struct unit *unit, const struct orch_container_view *view)
{
    return unit->name_taken && unit->phase == UNIT_NEW && !unit->call &&
           (view->state == ORCH_CONTAINER_CREATED || view->state == ORCH_CONTAINER_EXITED);
}

static void take_namesake(struct unit *unit, const struct orch_container_view *view)
{
    const char *seq = label_of(view, LABEL_SEQ), *spec = label_of(view, LABEL_SPEC);
    if (unit->intent != ASSIGNED_RUN || !unit->agent->full_assignment || !seq ||
        is_newer(unit->agent, seq, unit->id))
        return; /* it keeps the name; what is to be made waits, and says so */
    LOG_INFO("a container of this incarnation is there with other labels",
             LOG_STR("container", unit->id), LOG_STR("runtimeId", view->runtime_id.ptr));
    unit_take_namesake(unit, view->runtime_id.ptr,
                       spec && strcmp(spec, unit->template->data.hash) == 0);
}

static void take_view(struct agent *agent, const struct orch_container_view *view, uint64_t list)
{
    const char *id = label_of(view, LABEL_CONTAINER);
    const char *incarnation = label_of(view, LABEL_INCARNATION);
    if (!is_ours(agent, view) || !id || !incarnation)
        return;
    struct unit *unit = agent_unit(agent, id);
    if (unit && strtoll(incarnation, NULL, 10) == unit->incarnation) {
        unit->seen_list = list ? list : unit->seen_list;
        if (is_in_the_way(unit, view))
            take_namesake(unit, view);
        else
            unit_observe(unit, view, list);
    } else if (!unit || (strcmp(unit->previous_id, view->runtime_id.ptr) != 0 &&
                         unit->phase != UNIT_UNKNOWN && unit->phase != UNIT_MAKING)) {
        take_stray(agent, view);
    }
}

static void take_absent(struct agent *agent, uint64_t number)
{
    struct unit *unit, *next;
    HASH_ITER(hh, agent->units, unit, next)
    {
        if (unit->changed_list < number && unit->seen_list != number)
            unit_absent(unit);
    }
}

static void want_again(void *argument);

static void listed(void *argument, orch_status status, const struct error *error,
                   const struct orch_container_view *views, uint32_t count)
{
    FAILPOINT(runtime_after_list);
    struct list_note *note = argument;
    struct agent *agent = note->pending.agent;
    uint64_t number = note->number;
    pending_end(&note->pending);
    free(note);
    agent->list_id = 0;
    if (status != ORCH_OK) {
        agent_runtime_is(agent, false, error->message);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        note_found(agent, &views[i]);
    take_found(agent);
    for (uint32_t i = 0; i < count; i++)
        take_view(agent, &views[i], number);
    take_absent(agent, number);
    agent_runtime_is(agent, true, ""); /* what ended is known before anything starts */
    if (!agent->listed && agent->full_assignment)
        agent->listed = true;
    report_arrange(agent);
    if (!loop_timer_armed(&agent->list_timer))
        loop_timer_start(&agent->list_timer, agent->config.relist_ns);
    if (agent->list_wanted)
        observe_want_list(agent);
}

static void start_list(struct agent *agent)
{
    struct list_note *note = memory_alloc(sizeof *note);
    struct orch_pair label = {{LABEL_CLUSTER, strlen(LABEL_CLUSTER)},
                              {agent->cluster, strlen(agent->cluster)}};
    FAILPOINT(runtime_before_list);
    pending_add(agent, &note->pending);
    note->number = ++agent->list_count;
    agent->list_wanted = false;
    loop_timer_stop(&agent->list_timer);
    agent->list_id = runtime_list(agent->runtime, &label, 1, NULL, 0,
                                  loop_now_ns(agent->loop) + 10 * NS_PER_SECOND, listed, note);
    note->pending.call = agent->list_id;
}

static void want_again(void *argument)
{
    struct agent *agent = argument;
    agent->list_wanted = true;
    agent->list_wanted_since_ns = 0; /* its time has come */
    observe_want_list(agent);
}

/* One list for a burst: it waits until nothing is being made, but not for long. */
void observe_want_list(struct agent *agent)
{
    uint64_t now = loop_now_ns(agent->loop);
    if (!agent->list_wanted) {
        agent->list_wanted = true;
        agent->list_wanted_since_ns = now;
    }
    if (agent->list_id || !agent->cluster[0])
        return; /* its end sees that another is wanted */
    uint64_t waited = now - agent->list_wanted_since_ns;
    if (!agent->makes_left || waited >= LIST_BURST_MS * NS_PER_MS) {
        start_list(agent);
        return;
    }
    loop_timer_start(&agent->list_timer, LIST_BURST_MS * NS_PER_MS - waited);
}

/* -- some containers, at once: an exit must not wait for its turn -- */

struct ask_note {
    struct pending pending; /* first */
    struct text ids;        /* each terminated by a NUL */
};
enum { ASK_AT_A_TIME = 256 }; /* more: a complete list is cheaper */

static void drop_ask(struct pending *pending)
{
    struct ask_note *note = (struct ask_note *)pending;
    text_finish(&note->ids);
    free(note);
}

static bool views_have(const struct orch_container_view *views, uint32_t count, const char *id)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(views[i].runtime_id.ptr, id) == 0)
            return true;
    return false;
}

static struct unit *find_by_runtime_id(struct agent *agent, const char *runtime_id)
{
    struct unit *unit, *next;
    HASH_ITER(hh, agent->units, unit, next)
    {
        if (strcmp(unit->runtime_id, runtime_id) == 0)
            return unit;
    }
    return NULL;
}

static void answered(void *argument, orch_status status, const struct error *error,
                     const struct orch_container_view *views, uint32_t count)
{
    struct ask_note *note = argument;
    struct agent *agent = note->pending.agent;
    (void)error;
    pending_end(&note->pending);
    agent->asking = false;
    for (uint32_t i = 0; status == ORCH_OK && i < count; i++)
        take_view(agent, &views[i], 0);
    for (size_t at = 0; status == ORCH_OK && at < note->ids.length;) {
        const char *id = note->ids.data + at;
        struct unit *unit = views_have(views, count, id) ? NULL : find_by_runtime_id(agent, id);
        if (unit)
            unit_absent(unit);
        at += strlen(id) + 1;
    }
    if (status != ORCH_OK)
        observe_want_list(agent);
    if (agent->touched.length)
        loop_timer_start(&agent->ask_timer, 0);
    drop_ask(&note->pending);
}

static void ask(void *argument)
{
    struct agent *agent = argument;
    const char *ids[ASK_AT_A_TIME];
    uint32_t count = 0;
    struct orch_pair label = {{LABEL_CLUSTER, strlen(LABEL_CLUSTER)},
                              {agent->cluster, strlen(agent->cluster)}};
    if (agent->asking || !agent->touched.length)
        return;
    struct ask_note *note = memory_alloc(sizeof *note);
    note->ids = agent->touched;
    note->pending.drop = drop_ask;
    agent->touched = (struct text){0};
    for (size_t at = 0; at < note->ids.length && count < ASK_AT_A_TIME;
         at += strlen(note->ids.data + at) + 1)
        ids[count++] = note->ids.data + at;
    agent->asking = true;
    pending_add(agent, &note->pending);
    note->pending.call = runtime_list(agent->runtime, &label, 1, ids, count,
                                      loop_now_ns(agent->loop) + 5 * NS_PER_SECOND, answered, note);
}

static bool is_asked(const struct agent *agent, const char *runtime_id, uint32_t *count)
{
    *count = 0;
    for (size_t at = 0; at < agent->touched.length; at += strlen(agent->touched.data + at) + 1) {
        if (strcmp(agent->touched.data + at, runtime_id) == 0)
            return true;
        ++*count;
    }
    return false;
}

void observe_one(struct agent *agent, const char *runtime_id)
{
    uint32_t count;
    if (is_asked(agent, runtime_id, &count))
        return;
    if (count == ASK_AT_A_TIME || BUGGIFY("asks-too-many")) {
        observe_want_list(agent);
        return;
    }
    text_append(&agent->touched, runtime_id, strlen(runtime_id) + 1);
    if (!agent->asking && !loop_timer_armed(&agent->ask_timer))
        loop_timer_start(&agent->ask_timer, 0);
}

/* -- events -- */

static void event(void *argument, const char *runtime_id)
{
    struct agent *agent = argument;
    struct unit *unit = runtime_id ? find_by_runtime_id(agent, runtime_id) : NULL;
    if (!runtime_id)
        observe_want_list(agent);
    else if (unit && unit->phase == UNIT_MAKING)
        unit->touched = true; /* looked at once it is made */
    else if (unit && ((unit->phase == UNIT_RUNNING && unit->address[0]) ||
                      unit->phase == UNIT_ENDED)) /* it may have been removed since */
        observe_one(agent, runtime_id);
    else if (unit && unit->phase == UNIT_RUNNING)
        observe_want_list(agent); /* its address is waited for anyway */
}

static void open_events(void *argument);

static void events_ended(void *argument, orch_status status, const struct error *error)
{
    struct agent *agent = argument;
    (void)status;
    (void)error; /* a cut stream is no fault; the list after it tells how the engine is */
    agent->events_id = 0;
    loop_timer_start(&agent->events_timer,
                     NS_PER_SECOND / 4 + loop_random(agent->loop) % NS_PER_SECOND);
}

static void open_events(void *argument)
{
    struct agent *agent = argument;
    struct orch_pair label = {{LABEL_CLUSTER, strlen(LABEL_CLUSTER)},
                              {agent->cluster, strlen(agent->cluster)}};
    if (agent->events_id || !agent->cluster[0])
        return;
    agent->events_id = runtime_events(agent->runtime, &label, 1, event, events_ended, agent);
    observe_want_list(agent);
}

void observe_init(struct agent *agent)
{
    loop_timer_init(&agent->events_timer, agent->loop, "events", open_events, agent);
    loop_timer_init(&agent->list_timer, agent->loop, "list", want_again, agent);
    loop_timer_init(&agent->ask_timer, agent->loop, "ask", ask, agent);
}

void observe_start(struct agent *agent)
{
    if (!loop_timer_armed(&agent->events_timer))
        open_events(agent);
}

void observe_stop(struct agent *agent)
{
    loop_timer_stop(&agent->events_timer);
    loop_timer_stop(&agent->list_timer);
    loop_timer_stop(&agent->ask_timer);
    text_finish(&agent->touched);
    if (agent->events_id)
        runtime_abandon(agent->runtime, agent->events_id);
    agent->events_id = 0;
}
