/* What the engine has: complete lists are the truth, events a hint to ask. */
#include "agent/impl.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_BURST_MS = 500 };

struct list_note {
    struct agent *agent;
    uint64_t number; /* of complete lists; 0: of one container */
    char runtime_id[80];
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

static void take_stray(struct agent *agent, const struct orch_container_view *view)
{
    const char *seq = label_of(view, LABEL_SEQ), *id = label_of(view, LABEL_CONTAINER);
    if (!agent->full_assignment || !seq)
        return; /* unknown is not unwanted */
    if (strtoll(seq, NULL, 10) > agent->store_seq) {
        LOG_ERROR("a container is newer than the state: was a backup restored? It is left alone",
                  LOG_STR("container", id), LOG_STR("seq", seq));
        return;
    }
    LOG_INFO("removing a container that no record wants", LOG_STR("container", id),
             LOG_STR("runtimeId", view->runtime_id.ptr));
    stray_remove(agent, view->runtime_id.ptr, view->state == ORCH_CONTAINER_RUNNING);
}

static void take_view(struct agent *agent, const struct orch_container_view *view)
{
    const char *id = label_of(view, LABEL_CONTAINER);
    const char *incarnation = label_of(view, LABEL_INCARNATION);
    if (!is_ours(agent, view) || !id || !incarnation)
        return;
    struct unit *unit = agent_unit(agent, id);
    if (unit && strtoll(incarnation, NULL, 10) == unit->incarnation)
        unit_observe(unit, view);
    else if (!unit || (strcmp(unit->previous_id, view->runtime_id.ptr) != 0 &&
                       unit->phase != UNIT_UNKNOWN && unit->phase != UNIT_MAKING))
        take_stray(agent, view);
}

static bool list_has(const struct orch_container_view *views, uint32_t count,
                     const struct unit *unit)
{
    for (uint32_t i = 0; i < count; i++) {
        const char *id = label_of(&views[i], LABEL_CONTAINER);
        const char *incarnation = label_of(&views[i], LABEL_INCARNATION);
        if (id && incarnation && strcmp(id, unit->id) == 0 &&
            strtoll(incarnation, NULL, 10) == unit->incarnation)
            return true;
    }
    return false;
}

static void take_absent(struct agent *agent, const struct orch_container_view *views,
                        uint32_t count, uint64_t number)
{
    struct unit *unit, *next;
    HASH_ITER(hh, agent->units, unit, next)
    {
        if (unit->born_list < number && !list_has(views, count, unit))
            unit_absent(unit);
    }
}

static void want_again(void *argument);

static void listed(void *argument, orch_status status, const struct error *error,
                   const struct orch_container_view *views, uint32_t count)
{
    struct list_note *note = argument;
    struct agent *agent = note->agent;
    uint64_t number = note->number;
    free(note);
    agent->list_id = 0;
    if (status != ORCH_OK) {
        agent_runtime_is(agent, false, error->message);
        return;
    }
    agent_runtime_is(agent, true, "");
    for (uint32_t i = 0; i < count; i++)
        take_view(agent, &views[i]);
    take_absent(agent, views, count, number);
    if (!agent->listed && agent->full_assignment)
        agent->listed = true;
    report_arrange(agent);
    agent->list_timer.fire = want_again;
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
    note->agent = agent;
    note->number = ++agent->list_count;
    agent->list_wanted = false;
    loop_timer_stop(&agent->list_timer);
    agent->list_id = runtime_list(agent->runtime, &label, 1, NULL, 0,
                                  loop_now_ns(agent->loop) + 10 * NS_PER_SECOND, listed, note);
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
    agent->list_timer.fire = want_again;
    loop_timer_start(&agent->list_timer, LIST_BURST_MS * NS_PER_MS - waited);
}

/* -- one container -- */

static void listed_one(void *argument, orch_status status, const struct error *error,
                       const struct orch_container_view *views, uint32_t count)
{
    struct list_note *note = argument;
    struct agent *agent = note->agent;
    struct unit *unit, *next;
    (void)error;
    for (uint32_t i = 0; status == ORCH_OK && i < count; i++)
        take_view(agent, &views[i]);
    if (status == ORCH_OK && !count)
        HASH_ITER(hh, agent->units, unit, next)
        {
            if (strcmp(unit->runtime_id, note->runtime_id) == 0)
                unit_absent(unit);
        }
    free(note);
}

void observe_one(struct agent *agent, const char *runtime_id)
{
    struct list_note *note = memory_alloc(sizeof *note);
    struct orch_pair label = {{LABEL_CLUSTER, strlen(LABEL_CLUSTER)},
                              {agent->cluster, strlen(agent->cluster)}};
    const char *ids[] = {runtime_id};
    note->agent = agent;
    snprintf(note->runtime_id, sizeof note->runtime_id, "%s", runtime_id);
    runtime_list(agent->runtime, &label, 1, ids, 1, loop_now_ns(agent->loop) + 5 * NS_PER_SECOND,
                 listed_one, note);
}

/* -- events -- */

static void event(void *argument, const char *runtime_id)
{
    struct agent *agent = argument;
    struct unit *unit, *next;
    if (!runtime_id) {
        observe_want_list(agent);
        return;
    }
    HASH_ITER(hh, agent->units, unit, next)
    {
        /* What we are doing to it ourselves is no news. */
        if (strcmp(unit->runtime_id, runtime_id) == 0 && unit->phase == UNIT_RUNNING &&
            unit->address[0])
            observe_one(agent, runtime_id);
    }
}

static void open_events(void *argument);

static void events_ended(void *argument, orch_status status, const struct error *error)
{
    struct agent *agent = argument;
    (void)status;
    (void)error;
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

void observe_start(struct agent *agent)
{
    if (!agent->events_timer.loop) {
        loop_timer_init(&agent->events_timer, agent->loop, "events", open_events, agent);
        loop_timer_init(&agent->list_timer, agent->loop, "list", want_again, agent);
    }
    open_events(agent);
}

void observe_stop(struct agent *agent)
{
    loop_timer_stop(&agent->events_timer);
    loop_timer_stop(&agent->list_timer);
    if (agent->events_id)
        runtime_abandon(agent->runtime, agent->events_id);
}
