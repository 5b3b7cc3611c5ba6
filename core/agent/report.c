/* Telling the server: what changed in a turn goes as one message; the first of a connection, after
 * the first complete list, tells all. */
#include "agent/impl.h"
#include "base/buggify.h"
#include "base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void report_arrange(struct agent *agent)
{
    agent->report_dirty = true;
    if (!loop_timer_armed(&agent->report_timer))
        loop_timer_start(&agent->report_timer, 0);
}

void report_unit(struct unit *unit)
{
    unit->dirty = true;
    report_arrange(unit->agent);
}

void report_gone(struct agent *agent, const char *id)
{
    struct gone_note *note = memory_alloc(sizeof *note);
    note->next = agent->gone;
    note->saved_by = keep_save(agent);
    snprintf(note->id, sizeof note->id, "%s", id);
    agent->gone = note;
    report_arrange(agent);
}

/* Said before it is kept, a restart of ours would make it again while its record goes. */
static bool may_be_said(const struct unit *unit)
{
    return unit->phase == UNIT_VANISHED && unit->agent->save_done >= unit->saved_by;
}

void report_saved(struct agent *agent)
{
    struct unit *unit, *next;
    HASH_ITER(hh, agent->units, unit, next)
    {
        if (may_be_said(unit) && !unit->gone_said)
            report_unit(unit);
    }
    if (agent->gone)
        report_arrange(agent);
}

/* -- ends, with their last lines -- */

struct lines {
    struct pending pending; /* first */
    struct end_note *note;
    size_t length;
    char bytes[8192]; /* the last of them */
};

static size_t take_output(void *argument, uint32_t channel, const char *bytes, size_t length)
{
    struct lines *lines = argument;
    size_t room = sizeof lines->bytes, keep = length < room ? length : room;
    (void)channel;
    if (lines->length + keep > room) {
        size_t drop = lines->length + keep - room;
        memmove(lines->bytes, lines->bytes + drop, lines->length - drop);
        lines->length -= drop;
    }
    memcpy(lines->bytes + lines->length, bytes + length - keep, keep);
    lines->length += keep;
    return length;
}

static void cut_lines(struct lines *lines)
{
    struct end_note *note = lines->note;
    const char **items = arena_alloc(&note->arena, CONTAINER_END_LOG_LINES * sizeof *items);
    size_t end = lines->length;
    uint32_t count = 0;
    while (end && count < CONTAINER_END_LOG_LINES) {
        if (lines->bytes[end - 1] == '\n')
            end--;
        size_t begin = end;
        while (begin && lines->bytes[begin - 1] != '\n')
            begin--;
        size_t length = end - begin < 512 ? end - begin : 512;
        char *line = arena_strndup(&note->arena, lines->bytes + begin, length);
        text_defuse(line);
        items[count++] = line;
        end = begin;
    }
    for (uint32_t i = 0; i < count / 2; i++) { /* found backwards */
        const char *other = items[i];
        items[i] = items[count - 1 - i];
        items[count - 1 - i] = other;
    }
    note->end.log = (struct list){.items = items, .count = count};
}

static void free_end_note(struct end_note *note)
{
    arena_finish(&note->arena);
    free(note);
}

static void drop_lines(struct pending *pending)
{
    free_end_note(((struct lines *)pending)->note);
    free(pending);
}

/* No more of one container than are kept: a server that is away must not make this grow. */
static void add_end_note(struct agent *agent, struct end_note *take_note)
{
    uint32_t count = 0;
    take_note->next = agent->end_notes;
    agent->end_notes = take_note;
    for (struct end_note **link = &agent->end_notes; *link;) {
        struct end_note *note = *link;
        if (strcmp(note->id, take_note->id) == 0 && ++count > CONTAINER_ENDS) {
            *link = note->next;
            free_end_note(note);
        } else {
            link = &note->next;
        }
    }
}

static void end_known(void *argument, orch_status status, const struct error *error)
{
    struct lines *lines = argument;
    struct agent *agent = lines->pending.agent;
    (void)status; /* an end is worth telling without its lines */
    (void)error;
    pending_end(&lines->pending);
    cut_lines(lines);
    add_end_note(agent, lines->note);
    free(lines);
    report_arrange(agent);
}

void report_end(struct unit *unit, const struct orch_container_view *view, const char *reason)
{
    struct agent *agent = unit->agent;
    bool known = view->flags & ORCH_CONTAINER_HAS_EXIT_CODE;
    struct end_note *note = memory_alloc(sizeof *note);
    struct lines *lines = memory_alloc(sizeof *lines);
    snprintf(note->id, sizeof note->id, "%s", unit->id);
    note->end = (struct container_end){.at_ms = view->finished_at_ms ? view->finished_at_ms
                                                                     : loop_wall_ms(agent->loop),
                                       .exit_code = known ? view->exit_code : NUMBER_NULL,
                                       .oom = view->flags & ORCH_CONTAINER_OOM,
                                       .reason = arena_strdup(&note->arena, reason)};
    const char *name = known && view->exit_code > 128 && view->exit_code < 128 + 32
                           ? sigabbrev_np(view->exit_code - 128)
                           : NULL;
    if (name)
        note->end.signal = arena_format(&note->arena, "SIG%s", name);
    lines->note = note;
    lines->pending.drop = drop_lines;
    pending_add(agent, &lines->pending);
    struct runtime_logs_request request = {.runtime_id = unit->runtime_id,
                                           .tail = CONTAINER_END_LOG_LINES};
    lines->pending.call =
        runtime_logs(agent->runtime, &request, loop_now_ns(agent->loop) + 2 * NS_PER_SECOND,
                     take_output, end_known, lines);
}

/* -- filling a report -- */

static struct list ends_of(struct agent *agent, const char *id, struct arena *arena)
{
    struct container_end *ends = arena_alloc(arena, CONTAINER_ENDS * sizeof *ends);
    uint32_t count = 0;
    for (struct end_note *note = agent->end_notes; note; note = note->next)
        if (strcmp(note->id, id) == 0 && count < CONTAINER_ENDS)
            ends[count++] = note->end;
    return (struct list){.items = ends, .count = count};
}

static void mark_ends(struct agent *agent)
{
    for (struct end_note *note = agent->end_notes; note; note = note->next) {
        struct unit *unit = agent_unit(agent, note->id);
        if (unit)
            unit->dirty = true;
    }
}

static struct reported_container reported(struct unit *unit, struct arena *arena)
{
    return (struct reported_container){
        .id = unit->id,
        .incarnation = unit->incarnation,
        .restarts = unit->restarts,
        .state = unit_state(unit),
        .ready = unit->ready,
        .reason = unit->reason,
        .message = unit->message,
        .address = unit->address,
        .runtime_id = unit->runtime_id,
        .exit_code = unit->exit_code,
        .started_at_ms = unit->started_at_ms,
        .finished_at_ms = unit->finished_at_ms,
        .next_start_at_ms = unit->next_start_at_ms,
        .start_failures = strcmp(unit->reason, "StartFailed") == 0 ? unit->start_failures : 0,
        .ends = ends_of(unit->agent, unit->id, arena)};
}

static void fill_containers(struct agent *agent, struct report *report, struct arena *arena)
{
    struct unit *unit, *next;
    struct reported_container *items =
        arena_alloc(arena, (HASH_COUNT(agent->units) + 1) * sizeof *items);
    report->containers.items = items;
    mark_ends(agent);
    HASH_ITER(hh, agent->units, unit, next)
    {
        if (!unit->dirty && !report->full)
            continue;
        if (!may_be_said(unit))
            items[report->containers.count++] = reported(unit, arena);
    }
}

/* The first of a connection names again what was removed behind our back: whoever was told before
 * may not have made it durable. */
static void fill_gone(struct agent *agent, struct report *report, struct arena *arena)
{
    struct unit *unit, *next;
    uint32_t notes = 0;
    for (struct gone_note *note = agent->gone; note; note = note->next)
        notes++;
    const char **items = arena_alloc(arena, (notes + HASH_COUNT(agent->units) + 1) * sizeof *items);
    report->gone.items = items;
    for (struct gone_note *note = agent->gone; note; note = note->next)
        if (agent->save_done >= note->saved_by)
            items[report->gone.count++] = note->id;
    HASH_ITER(hh, agent->units, unit, next)
    {
        if ((unit->dirty || report->full) && may_be_said(unit))
            items[report->gone.count++] = unit->id;
    }
}

static void fill_images(struct agent *agent, struct report *report, struct arena *arena)
{
    struct template *template, *next;
    struct reported_image *items =
        arena_alloc(arena, (HASH_COUNT(agent->templates) + 1) * sizeof *items);
    HASH_ITER(hh, agent->templates, template, next)
    {
        struct reported_image *item = &items[report->images.count];
        bool resolved = template->image == IMAGE_RESOLVED;
        if (!template->to_report && !(resolved && report->full))
            continue;
        report->images.count++;
        *item = (struct reported_image){.template_id = template->id};
        if (resolved) {
            item->image_pinned = template->pinned;
            item->image_digest = template->digest;
        } else {
            item->failure = template->message;
            item->refused = template->refused;
        }
    }
    report->images.items = items;
}

static void fill_notes(struct agent *agent, struct report *report, struct arena *arena)
{
    uint32_t drained = 0;
    for (struct drained_note *note = agent->drained; note; note = note->next)
        drained++;
    struct reported_drain *drains = arena_alloc(arena, (drained + 1) * sizeof *drains);
    report->drained = (struct list){.items = drains, .count = drained};
    for (struct drained_note *note = agent->drained; note; note = note->next)
        drains[--drained] = note->drain; /* in the order in which they came */
}

static void fill_listeners(struct agent *agent, struct report *report, struct arena *arena)
{
    struct table_entry *entry, *next;
    struct reported_listener *items =
        arena_alloc(arena, (HASH_COUNT(agent->table) + 1) * sizeof *items);
    report->listeners.items = items;
    HASH_ITER(hh, agent->table, entry, next)
    {
        if (entry->listener_known && (entry->listener_dirty || report->full))
            items[report->listeners.count++] =
                (struct reported_listener){.service = entry->name,
                                           .listening = entry->listening,
                                           .message = entry->listener_message};
    }
}

static void forget_gone(struct agent *agent, uint64_t saved_by)
{
    for (struct gone_note **link = &agent->gone; *link;) {
        struct gone_note *note = *link;
        if (note->saved_by > saved_by) {
            link = &note->next;
        } else {
            *link = note->next;
            free(note);
        }
    }
}

static void forget_notes(struct agent *agent)
{
    while (agent->drained) {
        struct drained_note *next = agent->drained->next;
        free((void *)(uintptr_t)agent->drained->drain.service);
        free((void *)(uintptr_t)agent->drained->drain.container);
        free(agent->drained);
        agent->drained = next;
    }
    while (agent->end_notes) {
        struct end_note *next = agent->end_notes->next;
        free_end_note(agent->end_notes);
        agent->end_notes = next;
    }
}

/* What the message held is told; what it could not hold waits for the next. */
static void forget_told(struct agent *agent)
{
    struct unit *unit, *next_unit;
    struct template *template, *next_template;
    struct table_entry *entry, *next_entry;
    HASH_ITER(hh, agent->units, unit, next_unit)
    {
        unit->dirty = false;
        unit->gone_said = unit->gone_said || may_be_said(unit);
    }
    HASH_ITER(hh, agent->templates, template, next_template)
    {
        template->to_report = false;
        template_answered(template);
    }
    HASH_ITER(hh, agent->table, entry, next_entry)
    {
        entry->listener_dirty = false;
    }
    forget_notes(agent);
    ejected_told(agent);
    forget_gone(agent, agent->save_done);
}

static bool send(struct agent *agent, struct report *report)
{
    CLEANUP(text_finish) struct text text = {0};
    report->node = agent->config.node_name;
    report->proxy_gone = agent->proxy_gone;
    report->runtime_down = !agent->runtime_up;
    report->runtime_message = agent->runtime_message;
    report->assignment_version = agent->assignment_version;
    report->table_version = agent->table_acknowledged;
    schema_write(&message_type, &(struct message){.report = report}, SCHEMA_STORED, &text);
    if (BUGGIFY("report-queue-full"))
        return false;
    return link_send(agent->link, text.data, text.length);
}

static void introduce(struct agent *agent)
{
    struct report report = {.node_record = {.items = &agent->node, .count = 1}, .heartbeat = true};
    agent->introduced = send(agent, &report);
}

void report_due(void *argument)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    struct agent *agent = argument;
    if (!agent->link || !agent->node.name)
        return;
    if (!agent->introduced)
        introduce(agent);
    if (!agent->listed || !agent->report_dirty)
        return;
    struct report report = {.full = !agent->full_sent};
    fill_containers(agent, &report, &arena);
    fill_gone(agent, &report, &arena);
    fill_images(agent, &report, &arena);
    fill_notes(agent, &report, &arena);
    fill_listeners(agent, &report, &arena);
    ejected_fill(agent, &report, &arena);
    figures_fill(agent, &report, &arena);
    if (!send(agent, &report))
        return; /* the link is full or cut: told again with the next heartbeat, or connection */
    agent->report_dirty = false;
    agent->full_sent = true;
    figures_told(agent);
    forget_told(agent);
}

void heartbeat_due(void *argument)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    struct agent *agent = argument;
    struct report report = {.heartbeat = true};
    loop_timer_start(&agent->heartbeat, agent->config.heartbeat_ns);
    agent_look_all(agent);
    if (agent->link && !agent->introduced)
        report_due(agent); /* the link was full */
    if (!agent->link || !agent->introduced)
        return;
    if (agent->report_dirty)
        report_due(agent);
    figures_fill(agent, &report, &arena);
    if (send(agent, &report)) /* else another follows */
        figures_told(agent);
}

void report_finish(struct agent *agent)
{
    forget_notes(agent);
    ejected_finish(agent);
    figures_told(agent);
    forget_gone(agent, UINT64_MAX);
    loop_timer_stop(&agent->report_timer);
    loop_timer_stop(&agent->heartbeat);
}
