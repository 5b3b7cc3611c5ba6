/* Calls to the engine: at most so many at a time, first come first served. */
#include "agent/impl.h"
#include "base/buggify.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/hash.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stray {
    struct stray *next;
    struct agent *agent;
    bool running;
    uint64_t call;
    char runtime_id[80];
};

/* A unit may go while its call is under way: calls carry a note that outlives it, by name. */
struct call_note {
    struct pending pending; /* first */
    enum unit_call call;
    char id[80];
};
enum { STRAYS_AT_A_TIME = 8 };

static struct call_note *make_note(struct unit *unit)
{
    struct call_note *note = memory_alloc(sizeof *note);
    note->call = unit->call;
    snprintf(note->id, sizeof note->id, "%s", unit->id);
    pending_add(unit->agent, &note->pending);
    return note;
}

/* The call is over: its unit, or NULL when that has gone. Frees the note. */
static struct unit *call_over(struct call_note *note)
{
    struct agent *agent = note->pending.agent;
    struct unit *unit = agent_unit(agent, note->id);
    agent->calls_in_flight--;
    agent->makes_left -= note->call == CALL_MAKE;
    if (unit)
        unit->call = CALL_NONE;
    pending_end(&note->pending);
    free(note);
    return unit;
}

/* -- making -- */

static void started(void *argument, orch_status status, const struct error *error,
                    const struct orch_started *result)
{
    FAILPOINT(runtime_after_start);
    struct agent *agent = ((struct call_note *)argument)->pending.agent;
    struct unit *unit = call_over(argument);
    if (unit && status == ORCH_OK)
        unit_made(unit, result);
    else if (unit)
        unit_make_failed(unit, status, error->message);
    call_pump(agent);
}

static void start(struct unit *unit, struct call_note *note)
{
    struct agent *agent = unit->agent;
    FAILPOINT(runtime_before_start);
    note->pending.call =
        runtime_start(agent->runtime, unit->runtime_id,
                      loop_now_ns(agent->loop) + 60 * NS_PER_SECOND, started, note);
}

static void created(void *argument, orch_status status, const struct error *error,
                    const char *runtime_id)
{
    FAILPOINT(runtime_after_create);
    struct call_note *note = argument;
    struct agent *agent = note->pending.agent;
    struct unit *unit = agent_unit(agent, note->id);
    if (status != ORCH_OK || !unit) {
        unit = call_over(note);
        if (unit) {
            unit->name_taken = status == ORCH_E_CONFLICT || status == ORCH_E_EXISTS;
            unit_make_failed(unit, status, error ? error->message : "");
        }
        call_pump(agent);
        return;
    }
    snprintf(unit->runtime_id, sizeof unit->runtime_id, "%s", runtime_id);
    /* No longer wanted, or an address came free meanwhile: it is not started now. */
    if (unit->intent != ASSIGNED_RUN || !table_addresses_free(agent)) {
        unit = call_over(note);
        unit_set(unit, UNIT_NEW, "", "");
        unit_look(unit);
        call_pump(agent);
        return;
    }
    start(unit, note);
}

static struct orch_str str(const char *string)
{
    return string ? (struct orch_str){string, strlen(string)} : (struct orch_str){0};
}

static struct orch_array strings(struct arena *arena, const struct list *list)
{
    struct orch_str *items = arena_alloc(arena, (list->count + 1) * sizeof *items);
    for (uint32_t i = 0; i < list->count; i++)
        items[i] = str(*LIST_AT(*list, const char *, i));
    return (struct orch_array){items, list->count, sizeof *items};
}

static struct orch_array pairs(struct arena *arena, const struct list *map,
                               const struct orch_pair *more, uint32_t more_count)
{
    struct orch_pair *items = arena_alloc(arena, (map->count + more_count + 1) * sizeof *items);
    for (uint32_t i = 0; i < map->count; i++) {
        const struct map_entry *entry = LIST_AT(*map, struct map_entry, i);
        items[i] = (struct orch_pair){str(entry->key), str(entry->value)};
    }
    if (more_count)
        memcpy(items + map->count, more, more_count * sizeof *more);
    return (struct orch_array){items, map->count + more_count, sizeof *items};
}

/* The record's id where it fits, else its first 54, '-' and 8 hex digits of its hash. */
static const char *hostname_of(struct arena *arena, const char *id)
{
    uint8_t digest[SHA256_BYTES];
    char hex[9];
    if (strlen(id) <= 63)
        return id;
    hash_sha256(id, strlen(id), digest);
    hash_hex(digest, 4, hex);
    return arena_format(arena, "%.54s-%s", id, hex);
}

static struct orch_array task_labels(struct unit *unit, struct arena *arena)
{
    const struct agent *agent = unit->agent;
    const struct orch_pair ours[] = {
        {str(LABEL_CLUSTER), str(agent->cluster)},
        {str(LABEL_CONTAINER), str(unit->id)},
        {str(LABEL_INCARNATION), str(arena_format(arena, "%lld", (long long)unit->incarnation))},
        {str(LABEL_SPEC), str(unit->template->data.hash)},
        {str(LABEL_SEQ), str(arena_format(arena, "%lld", (long long)unit->seq))},
        {str(LABEL_DEPLOYMENT), str(unit->template->data.deployment)},
        {str(LABEL_SLOT), str(arena_format(arena, "%lld", (long long)unit->slot))}};
    return pairs(arena, &unit_template(unit)->container_labels, ours, sizeof ours / sizeof ours[0]);
}

static struct orch_array task_ports(struct unit *unit, struct arena *arena)
{
    const struct list *ports = unit->ports.count ? &unit->ports : &unit_template(unit)->ports;
    struct orch_port *items = arena_alloc(arena, (ports->count + 1) * sizeof *items);
    for (uint32_t i = 0; i < ports->count; i++) {
        const struct container_port *port = LIST_AT(*ports, struct container_port, i);
        items[i] = (struct orch_port){
            .container_port = (uint32_t)port->number,
            .protocol = port->protocol == PROTOCOL_UDP ? ORCH_PROTOCOL_UDP : ORCH_PROTOCOL_TCP,
            .host_port = port->host_port > 0 ? (uint32_t)port->host_port : 0,
            .host_address = str(port->host_address)};
    }
    return (struct orch_array){items, ports->count, sizeof *items};
}

static uint64_t positive(int64_t value)
{
    return value > 0 ? (uint64_t)value : 0;
}

static void create(struct unit *unit, struct call_note *note)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    struct agent *agent = unit->agent;
    const struct container_template *template = unit_template(unit);
    const char *names[48];
    struct list capabilities = {.items = names,
                                .count = (uint32_t)template_capabilities(template, names)};
    char *name = arena_format(&arena, "orch-%.8s-%s-i%lld", agent->cluster, unit->id,
                              (long long)unit->incarnation);
    struct orch_task task = {
        .size = sizeof task,
        .flags = template->security.read_only_root ? ORCH_TASK_READ_ONLY_ROOT : 0,
        .id = str(unit->id),
        .name = str(name),
        .hostname = str(hostname_of(&arena, unit->id)),
        .image = str(unit->template->pinned),
        .command = strings(&arena, &template->command),
        .args = strings(&arena, &template->args),
        .env = pairs(&arena, &template->env, NULL, 0),
        .labels = task_labels(unit, &arena),
        .ports = task_ports(unit, &arena),
        .capabilities = strings(&arena, &capabilities),
        .annotations = pairs(&arena, &template->container_annotations, NULL, 0),
        .working_dir = str(template->working_dir),
        .user = str(template->security.user),
        .stop_signal = str(template->stop_signal),
        .cpu_millis = positive(template->resources.cpu_millis),
        .cpu_limit_millis = positive(template->resources.cpu_limit_millis),
        .memory_bytes = positive(template->resources.memory_bytes),
        .memory_limit_bytes = positive(resources_memory_limit(&template->resources)),
        .pids_limit = positive(template->resources.pids_limit)};
    FAILPOINT(runtime_before_create);
    note->pending.call = runtime_create_container(
        agent->runtime, &task, loop_now_ns(agent->loop) + 60 * NS_PER_SECOND, created, note);
}

static void make(struct unit *unit)
{
    bool adopted = unit->adopted;
    unit->adopted = unit->touched = false;
    if (unit->name_taken || unit->start_failures) /* until it runs, that is what it waits for */
        unit_set(unit, UNIT_MAKING, unit->reason, unit->message);
    else
        unit_set(unit, UNIT_MAKING, "", "");
    struct call_note *note = make_note(unit);
    if (adopted)
        start(unit, note);
    else
        create(unit, note);
}

/* -- stopping and removing -- */

/* A call that failed is tried again after a pause of this one container's own. */
static void try_later(struct unit *unit, enum unit_phase phase, orch_status status,
                      const char *message)
{
    uint64_t wait_ns = NS_PER_SECOND;
    for (uint32_t i = 0; i < unit->call_failures && wait_ns < 30 * NS_PER_SECOND; i++)
        wait_ns *= 2;
    unit->call_failures++;
    LOG_WARN("a container could not be stopped or removed; it is tried again",
             LOG_STR("container", unit->id), LOG_STR("error", message));
    if (status == ORCH_E_UNAVAILABLE)
        agent_runtime_is(unit->agent, false, message);
    unit->phase = phase;
    snprintf(unit->message, sizeof unit->message, "%s", message);
    text_defuse(unit->message);
    report_unit(unit);
    loop_timer_start(&unit->restart, wait_ns);
    observe_want_list(unit->agent); /* perhaps it did happen */
}

static void stopped(void *argument, orch_status status, const struct error *error)
{
    FAILPOINT(runtime_after_stop);
    struct agent *agent = ((struct call_note *)argument)->pending.agent;
    struct unit *unit = call_over(argument);
    if (unit && status == ORCH_OK)
        unit_stopped(unit);
    else if (unit)
        try_later(unit, UNIT_RUNNING, status, error->message);
    call_pump(agent);
}

static void removed(void *argument, orch_status status, const struct error *error)
{
    FAILPOINT(runtime_after_remove);
    struct agent *agent = ((struct call_note *)argument)->pending.agent;
    struct unit *unit = call_over(argument);
    if (unit && status == ORCH_OK)
        unit_removed(unit);
    else if (unit)
        try_later(unit, unit->intent == ASSIGNED_RUN ? UNIT_NEW : UNIT_ENDED, status,
                  error->message);
    call_pump(agent);
}

static void stop(struct unit *unit)
{
    struct agent *agent = unit->agent;
    uint64_t grace_ns = unit_template(unit)->stop_grace_period_ns;
    unit_set(unit, UNIT_STOPPING, unit->reason, unit->message);
    struct call_note *note = make_note(unit);
    FAILPOINT(runtime_before_stop);
    note->pending.call =
        runtime_stop(agent->runtime, unit->runtime_id, unit_template(unit)->stop_signal, grace_ns,
                     loop_now_ns(agent->loop) + grace_ns + 15 * NS_PER_SECOND, stopped, note);
}

static void remove_container(struct unit *unit)
{
    struct agent *agent = unit->agent;
    unit_set(unit, UNIT_REMOVING, unit->reason, unit->message);
    if (unit->previous_id[0])
        stray_remove(agent, unit->previous_id, false);
    unit->previous_id[0] = 0;
    struct call_note *note = make_note(unit);
    if (!unit->runtime_id[0]) { /* one that was made without our knowing is found by a list */
        call_over(note);
        unit_removed(unit);
        observe_want_list(agent);
        return;
    }
    FAILPOINT(runtime_before_remove);
    note->pending.call =
        runtime_remove(agent->runtime, unit->runtime_id,
                       loop_now_ns(agent->loop) + 60 * NS_PER_SECOND, removed, note);
}

/* -- strays: ours by label, wanted by nobody -- */

static void stray_free(struct stray *stray)
{
    struct agent *agent = stray->agent;
    struct stray **link = &agent->strays;
    while (*link != stray)
        link = &(*link)->next;
    *link = stray->next;
    free(stray);
    if (--agent->stray_count || !agent->strays_left)
        return;
    agent->strays_left = false;
    observe_want_list(agent);
}

bool stray_brake(struct agent *agent)
{
    uint32_t most = BUGGIFY("stray-brake") ? 1 : STRAYS_AT_A_TIME;
    if (agent->stray_count < most)
        return false;
    agent->strays_left = true;
    return true;
}

static void stray_removed(void *argument, orch_status status, const struct error *error)
{
    struct stray *stray = argument;
    if (status != ORCH_OK)
        LOG_WARN("a left-over container could not be removed; the next list finds it again",
                 LOG_STR("runtimeId", stray->runtime_id), LOG_STR("error", error->message));
    stray_free(stray);
}

static void stray_stopped(void *argument, orch_status status, const struct error *error)
{
    struct stray *stray = argument;
    if (status != ORCH_OK) {
        stray_removed(argument, status, error);
        return;
    }
    stray->call =
        runtime_remove(stray->agent->runtime, stray->runtime_id,
                       loop_now_ns(stray->agent->loop) + 60 * NS_PER_SECOND, stray_removed, stray);
}

void stray_remove(struct agent *agent, const char *runtime_id, bool running)
{
    for (struct stray *stray = agent->strays; stray; stray = stray->next)
        if (strcmp(stray->runtime_id, runtime_id) == 0)
            return;
    struct stray *stray = memory_alloc(sizeof *stray);
    stray->agent = agent;
    snprintf(stray->runtime_id, sizeof stray->runtime_id, "%s", runtime_id);
    stray->next = agent->strays;
    agent->strays = stray;
    agent->stray_count++;
    FAILPOINT(stray_before_remove);
    uint64_t now = loop_now_ns(agent->loop);
    if (running)
        stray->call = runtime_stop(agent->runtime, runtime_id, NULL, 10 * NS_PER_SECOND,
                                   now + 25 * NS_PER_SECOND, stray_stopped, stray);
    else
        stray->call = runtime_remove(agent->runtime, runtime_id, now + 60 * NS_PER_SECOND,
                                     stray_removed, stray);
}

void stray_finish_all(struct agent *agent)
{
    while (agent->strays) {
        struct stray *next = agent->strays->next;
        runtime_abandon(agent->runtime, agent->strays->call);
        free(agent->strays);
        agent->strays = next;
    }
}

/* -- the queue -- */

void call_queue(struct unit *unit, enum unit_call call)
{
    struct agent *agent = unit->agent;
    if (unit->call)
        return;
    unit->call = call;
    unit->next_call = NULL;
    agent->makes_left += call == CALL_MAKE;
    if (agent->calls_last)
        agent->calls_last->next_call = unit;
    else
        agent->calls = unit;
    agent->calls_last = unit;
    call_pump(agent);
}

void call_unqueue(struct unit *unit)
{
    struct agent *agent = unit->agent;
    struct unit **link = &agent->calls, *last = NULL;
    while (*link && *link != unit) {
        last = *link;
        link = &(*link)->next_call;
    }
    if (!*link)
        return;
    *link = unit->next_call;
    if (agent->calls_last == unit)
        agent->calls_last = last;
    if (unit->call == CALL_MAKE)
        agent->makes_left--;
    unit->call = CALL_NONE;
}

static void start_call(struct unit *unit)
{
    switch (unit->call) {
    case CALL_MAKE:
        if (unit->intent == ASSIGNED_RUN) {
            make(unit);
            return;
        }
        break;
    case CALL_STOP:
        stop(unit);
        return;
    case CALL_REMOVE:
        remove_container(unit);
        return;
    case CALL_NONE:
        break;
    }
    unit_look(call_over(make_note(unit))); /* no longer wanted */
}

void call_pump(struct agent *agent)
{
    if (agent->pumping)
        return; /* the one who pumps goes on */
    agent->pumping = true;
    while (agent->calls && agent->calls_in_flight < agent->max_operations) {
        struct unit *unit = agent->calls;
        agent->calls = unit->next_call;
        if (!agent->calls)
            agent->calls_last = NULL;
        unit->next_call = NULL;
        agent->calls_in_flight++;
        start_call(unit);
    }
    agent->pumping = false;
    if (!agent->makes_left && agent->list_wanted)
        observe_want_list(agent);
}
