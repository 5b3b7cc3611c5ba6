/* What becomes of a call to the engine: when it acts, and what it answers, if it does. */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const verb_names[] = {"info",   "pull", "create", "start", "stop",
                                  "remove", "list", "logs",   "exec"};

/* -- answering -- */

void call_free(struct sim_call *call)
{
    struct sim_call **link = &call->host->engine.calls;
    while (*link && *link != call)
        link = &(*link)->next;
    if (*link)
        *link = call->next;
    loop_timer_stop(&call->act);
    free(call->made);
    free(call->ids);
    free(call);
}

static void complete(struct host *host, struct orch_op op, const struct orch_result *result)
{
    process_sync(&host->process);
    if (!host->engine.host)
        return; /* it died meanwhile */
    orch_status status = engine_ops(host)->complete(host->engine.host, op, result);
    JUDGE(completed, status, false);
    if (!strikes(FAULT_ENGINE_TWICE, STREAM_ENGINE) || !host->engine.host)
        return;
    status = engine_ops(host)->complete(host->engine.host, op, result);
    JUDGE(completed, status, true);
}

/* An answer that comes when the host has long given up: the plugin's own deadline. */
struct late_answer {
    struct loop_timer timer;
    struct host *host;
    uint64_t generation;
    struct orch_op op;
};

static void answer_at_last(void *argument)
{
    struct late_answer *late = argument;
    const struct orch_error error = {
        .size = sizeof error, .code = ORCH_E_TIMEOUT, .message = "simulated"};
    const struct orch_result result = {
        .size = sizeof result, .status = ORCH_E_TIMEOUT, .error = &error};
    if (late->generation == late->host->engine.generation && late->host->engine.host)
        complete(late->host, late->op, &result);
    free(late);
}

static void answer_late(struct host *host, struct orch_op op)
{
    struct late_answer *late = memory_alloc(sizeof *late);
    *late = (struct late_answer){.host = host, .generation = host->engine.generation, .op = op};
    loop_timer_init(&late->timer, world.loop, "late answer", answer_at_last, late);
    loop_timer_start(&late->timer, draw_between(STREAM_ENGINE, 3, 130) * NS_PER_SECOND);
}

/* An agent that has died hears nothing of what it had asked for. */
static bool asker_lives(const struct sim_call *call)
{
    return call->generation == call->host->engine.generation && call->host->engine.host;
}

void call_answer(struct sim_call *call, orch_status status, const void *value,
                 struct orch_array items)
{
    struct host *host = call->host;
    struct orch_op op = call->op;
    const struct orch_error error = {.size = sizeof error, .code = status, .message = "simulated"};
    const struct orch_result result = {.size = sizeof result,
                                       .status = status,
                                       .error = status == ORCH_OK ? NULL : &error,
                                       .value = status == ORCH_OK ? value : NULL,
                                       .items = items};
    bool alive = asker_lives(call);
    if (verb_is_change(call->verb))
        trace('C', "%s %s %s answers %d", host->name, verb_names[call->verb], call->id, status);
    host->engine.operations -= verb_is_change(call->verb) && alive;
    bool silent = call->fate == FATE_SILENT;
    call_free(call);
    if (alive && silent)
        answer_late(host, op);
    else if (alive)
        complete(host, op, &result);
}

static void answer_plainly(struct sim_call *call, orch_status status, const void *value)
{
    if (call->fate == FATE_LOST)
        status = ORCH_E_UNKNOWN;
    call_answer(call, status, value, (struct orch_array){0});
}

/* -- acting -- */

static void act_create(struct sim_call *call)
{
    struct host *host = call->host;
    struct cell *cell = cell_find_name(host, call->made->name);
    if (cell && strcmp(cell_label(cell, "orchestrator.incarnation") ? cell->record : "",
                       call->made->record) != 0) {
        answer_plainly(call, ORCH_E_EXISTS, NULL);
        return;
    }
    if (!cell) {
        cell = call->made;
        call->made = NULL;
        snprintf(cell->id, sizeof cell->id, "%s-c%llu", host->name,
                 (unsigned long long)++host->engine.next_id);
        cell->created_ms = wall_ms(host);
        cell->state = ORCH_CONTAINER_CREATED;
        struct cell **link = &host->engine.cells;
        while (*link)
            link = &(*link)->next;
        *link = cell;
    }
    char id[24];
    memcpy(id, cell->id, sizeof id);
    const struct orch_created created = {.size = sizeof created, .runtime_id = str(id)};
    answer_plainly(call, ORCH_OK, &created);
}

static void act_start(struct sim_call *call)
{
    struct cell *cell = cell_find(call->host, call->id);
    struct orch_started started = {.size = sizeof started};
    char address[24];
    if (!cell) {
        answer_plainly(call, ORCH_E_NOT_FOUND, NULL);
        return;
    }
    if (cell->state != ORCH_CONTAINER_RUNNING && cell_port_is_taken(cell)) {
        answer_plainly(call, ORCH_E_CONFLICT, NULL);
        return;
    }
    if (cell->state != ORCH_CONTAINER_RUNNING)
        cell_run(cell);
    cell->known = cell->known || (call->fate == FATE_DONE && asker_lives(call));
    memcpy(address, cell->address, sizeof address);
    started.started_at_ms = cell->started_ms;
    if (!strikes(FAULT_ENGINE_NO_ADDRESS, STREAM_ENGINE))
        started.address = str(address);
    answer_plainly(call, ORCH_OK, &started);
}

static void act_stop(struct sim_call *call)
{
    struct cell *cell = cell_find(call->host, call->id);
    if (!cell || cell->state != ORCH_CONTAINER_RUNNING) {
        answer_plainly(call, ORCH_OK, NULL);
        return;
    }
    call->waits_for_end = true;
    JUDGE(stopping, call->host, cell, call->grace_ns);
    app_signal(cell, call->grace_ns);
}

static void act_remove(struct sim_call *call)
{
    struct cell *cell = cell_find(call->host, call->id);
    if (cell)
        cell_erase(cell);
    answer_plainly(call, ORCH_OK, NULL);
}

static void act_pull(struct sim_call *call)
{
    bool bad = strstr(call->image, "bad") != NULL;
    char pinned[120];
    snprintf(pinned, sizeof pinned, "%.60s%s", call->image,
             strchr(call->image, '@') ? "" : "@sha256:1");
    const struct orch_image image = {
        .size = sizeof image, .image = str(pinned), .digest = {"sha256:1", 8}};
    if (bad || strikes(FAULT_PULL_FAIL, STREAM_ENGINE))
        answer_plainly(call, bad ? ORCH_E_NOT_FOUND : ORCH_E_UNAVAILABLE, NULL);
    else
        answer_plainly(call, ORCH_OK, &image);
}

static void act_info(struct sim_call *call)
{
    const struct orch_runtime_info value = {.size = sizeof value,
                                            .engine = {"sim", 3},
                                            .version = {"1", 1},
                                            .cpu_millis = (uint64_t)call->host->capacity.cpu_millis,
                                            .memory_bytes =
                                                (uint64_t)call->host->capacity.memory_bytes,
                                            .features = UINT64_C(0xfff),
                                            .max_operations = 4};
    answer_plainly(call, ORCH_OK, &value);
}

static bool is_asked(const struct sim_call *call, const struct cell *cell)
{
    const char *cluster = cell_label(cell, "orchestrator.cluster");
    bool named = !call->id_count;
    if (call->cluster[0] && (!cluster || strcmp(cluster, call->cluster) != 0))
        return false;
    for (uint32_t i = 0; i < call->id_count; i++)
        named = named || strcmp(call->ids[i], cell->id) == 0;
    return named;
}

static void view_of(const struct cell *cell, struct orch_pair *pairs,
                    struct orch_container_view *view)
{
    for (uint32_t i = 0; i < cell->label_count; i++)
        pairs[i] = (struct orch_pair){str(cell->keys[i]), str(cell->values[i])};
    *view = (struct orch_container_view){.size = sizeof *view,
                                         .state = cell->state,
                                         .runtime_id = str(cell->id),
                                         .name = str(cell->name),
                                         .image = str(cell->image),
                                         .address = str(cell->address),
                                         .labels = {pairs, cell->label_count, sizeof *pairs},
                                         .created_at_ms = cell->created_ms,
                                         .started_at_ms = cell->started_ms,
                                         .finished_at_ms = cell->finished_ms,
                                         .exit_code = cell->exit_code,
                                         .flags = cell->flags};
}

static void act_list(struct sim_call *call)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    uint32_t count = 0, room = 1;
    for (struct cell *cell = call->host->engine.cells; cell; cell = cell->next)
        room++;
    struct orch_container_view *views = arena_alloc(&arena, room * sizeof *views);
    for (struct cell *cell = call->host->engine.cells; cell; cell = cell->next) {
        struct orch_pair *pairs = arena_alloc(&arena, LABEL_LIMIT * sizeof *pairs);
        if (!is_asked(call, cell))
            continue;
        view_of(cell, pairs, &views[count++]);
        JUDGE(listed, cell, call->fate == FATE_DONE && asker_lives(call));
        cell->known = cell->known || (call->fate == FATE_DONE &&
                                      cell->state == ORCH_CONTAINER_RUNNING && asker_lives(call));
    }
    if (call->fate == FATE_LOST)
        answer_plainly(call, ORCH_OK, NULL);
    else
        call_answer(call, ORCH_OK, NULL, (struct orch_array){views, count, sizeof *views});
}

static void act_logs(struct sim_call *call)
{
    struct host *host = call->host;
    bool alive = call->generation == host->engine.generation && host->engine.host;
    if (alive) {
        process_sync(&host->process);
        if (host->engine.host)
            (void)engine_ops(host)->emit(host->engine.host, call->op, ORCH_CHANNEL_STDOUT, 0,
                                         str("first\nlast words\n"));
    }
    answer_plainly(call, ORCH_OK, NULL);
}

static void act_exec(struct sim_call *call)
{
    struct cell *cell = cell_find(call->host, call->id);
    struct orch_exec_end end = {.size = sizeof end};
    if (!cell || cell->state != ORCH_CONTAINER_RUNNING) {
        answer_plainly(call, ORCH_E_NOT_FOUND, NULL);
        return;
    }
    end.exit_code = app_exec(cell, call->what);
    answer_plainly(call, ORCH_OK, &end);
}

void call_act(void *argument)
{
    struct sim_call *call = argument;
    if (call->host->engine.down) {
        call_answer(call, ORCH_E_UNAVAILABLE, NULL, (struct orch_array){0});
        return;
    }
    if (call->fate == FATE_REFUSED) {
        call_answer(call, call->refusal, NULL, (struct orch_array){0});
        return;
    }
    switch (call->verb) {
    case VERB_INFO:
        act_info(call);
        return;
    case VERB_PULL:
        act_pull(call);
        return;
    case VERB_CREATE:
        act_create(call);
        return;
    case VERB_START:
        act_start(call);
        return;
    case VERB_STOP:
        act_stop(call);
        return;
    case VERB_REMOVE:
        act_remove(call);
        return;
    case VERB_LIST:
        act_list(call);
        return;
    case VERB_LOGS:
        act_logs(call);
        return;
    case VERB_EXEC:
        act_exec(call);
        return;
    }
}
