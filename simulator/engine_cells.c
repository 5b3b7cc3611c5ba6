/* The containers of the engine of a host, and what it tells of them. */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct orch_host_ops_v1 *engine_ops(const struct host *host)
{
    return host->engine.host->get(host->engine.host, ORCH_HOST_OPS_1);
}

bool verb_is_change(enum verb verb)
{
    return verb == VERB_CREATE || verb == VERB_START || verb == VERB_STOP || verb == VERB_REMOVE;
}

struct cell *cell_find(const struct host *host, const char *id)
{
    for (struct cell *cell = host->engine.cells; cell; cell = cell->next)
        if (strcmp(cell->id, id) == 0)
            return cell;
    return NULL;
}

struct cell *cell_find_name(const struct host *host, const char *name)
{
    for (struct cell *cell = host->engine.cells; cell; cell = cell->next)
        if (strcmp(cell->name, name) == 0)
            return cell;
    return NULL;
}

const char *cell_label(const struct cell *cell, const char *key)
{
    for (uint32_t i = 0; i < cell->label_count; i++)
        if (strcmp(cell->keys[i], key) == 0)
            return cell->values[i];
    return NULL;
}

struct cell *engine_cell_of(const struct host *host, const char *record)
{
    for (struct cell *cell = host->engine.cells; cell; cell = cell->next)
        if (cell->state == ORCH_CONTAINER_RUNNING && strcmp(cell->record, record) == 0)
            return cell;
    return NULL;
}

struct cell *engine_cell_at(const struct host *host, const char *address)
{
    for (struct cell *cell = host->engine.cells; cell; cell = cell->next)
        if (cell->state == ORCH_CONTAINER_RUNNING && strcmp(cell->address, address) == 0)
            return cell;
    return NULL;
}

static void emit(struct host *host, const char *id)
{
    if (!host->engine.events.id || !host->engine.host || host->engine.down)
        return;
    process_sync(&host->process);
    if (host->engine.events.id && host->engine.host)
        (void)engine_ops(host)->emit(host->engine.host, host->engine.events, ORCH_CHANNEL_EVENT, 0,
                                     str(id));
}

struct late_event {
    struct loop_timer timer;
    struct host *host;
    char id[24];
};

static void emit_late(void *argument)
{
    struct late_event *event = argument;
    emit(event->host, event->id);
    free(event);
}

/* Events are a hint: some are lost, some come twice or late. */
static void tell(struct host *host, const char *id)
{
    if (!strikes(FAULT_ENGINE_EVENTS, STREAM_ENGINE)) {
        emit(host, id);
        return;
    }
    switch (draw(STREAM_ENGINE, 4)) {
    case 0:
        emit(host, id);
        emit(host, id);
        return;
    case 1: {
        struct late_event *event = memory_alloc(sizeof *event);
        event->host = host;
        snprintf(event->id, sizeof event->id, "%s", id);
        loop_timer_init(&event->timer, world.loop, "late event", emit_late, event);
        loop_timer_start(&event->timer, draw_around(STREAM_ENGINE, 2 * NS_PER_SECOND));
        return;
    }
    case 2:
        emit(host, ""); /* anything may have changed */
        return;
    default:
        return;
    }
}

/* Stops that waited for this end are answered. */
static void answer_waiting(struct host *host, const char *id)
{
    for (struct sim_call *call = host->engine.calls, *next; call; call = next) {
        next = call->next;
        if (call->waits_for_end && strcmp(call->id, id) == 0) {
            call_answer(call, call->fate == FATE_LOST ? ORCH_E_UNKNOWN : ORCH_OK, NULL,
                        (struct orch_array){0});
            next = host->engine.calls; /* the list has changed */
        }
    }
}

void cell_exit(struct cell *cell, int32_t code, uint32_t flags)
{
    struct host *host = cell->host;
    if (cell->state != ORCH_CONTAINER_RUNNING)
        return;
    trace('A', "%s %s exits %d", host->name, cell->name, code);
    loop_timer_stop(&cell->end);
    cell->state = ORCH_CONTAINER_EXITED;
    cell->exit_code = code;
    cell->flags = flags | ORCH_CONTAINER_HAS_EXIT_CODE;
    cell->finished_ms = wall_ms(host);
    cell->finished_ns = now_ns();
    cell->address[0] = 0;
    cell->kill_at_ns = 0;
    if (host->engine.down)
        return;
    tell(host, cell->id);
    answer_waiting(host, cell->id);
}

static void drop_cell(struct cell *cell)
{
    struct cell **link = &cell->host->engine.cells;
    while (*link != cell)
        link = &(*link)->next;
    *link = cell->next;
    loop_timer_stop(&cell->end);
    free(cell);
}

void cell_erase(struct cell *cell)
{
    struct host *host = cell->host;
    char id[24];
    memcpy(id, cell->id, sizeof id);
    if (cell->state == ORCH_CONTAINER_RUNNING)
        cell_exit(cell, 137, 0);
    trace('A', "%s %s is gone", host->name, cell->name);
    drop_cell(cell);
    tell(host, id);
    answer_waiting(host, id);
}

static void give_address(struct cell *cell)
{
    for (unsigned i = 2; i < 250; i++) { /* the lowest free one: addresses are used again soon */
        snprintf(cell->address, sizeof cell->address, "10.%u.0.%u", cell->host->index + 1, i);
        struct cell *other = engine_cell_at(cell->host, cell->address);
        if (!other || other == cell)
            return;
    }
}

bool cell_port_is_taken(const struct cell *cell)
{
    for (struct cell *other = cell->host->engine.cells; other; other = other->next)
        for (uint32_t i = 0; other != cell && i < cell->port_count; i++)
            for (uint32_t j = 0; j < other->port_count; j++)
                if (other->state == ORCH_CONTAINER_RUNNING && cell->ports[i] == other->ports[j])
                    return true;
    return false;
}

void cell_run(struct cell *cell)
{
    cell->address[0] = 0;
    give_address(cell);
    cell->state = ORCH_CONTAINER_RUNNING;
    cell->flags = 0;
    cell->started_ms = wall_ms(cell->host);
    cell->started_ns = now_ns();
    cell->finished_ms = 0;
    cell->term_ns = cell->kill_at_ns = 0;
    trace('A', "%s %s runs at %s", cell->host->name, cell->name, cell->address);
    JUDGE(started, cell);
    app_start(cell);
    tell(cell->host, cell->id);
}
