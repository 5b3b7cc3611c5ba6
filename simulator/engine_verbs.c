/* The runtime interface of the engine: each verb begins a call. */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t usual_ns(enum verb verb)
{
    switch (verb) {
    case VERB_INFO:
    case VERB_LIST:
    case VERB_LOGS:
        return draw_pace(STREAM_ENGINE, PACE_LOOK);
    case VERB_PULL:
        return draw_pace(STREAM_ENGINE, PACE_PULL);
    case VERB_CREATE:
    case VERB_START:
    case VERB_STOP:
    case VERB_REMOVE:
    case VERB_EXEC:
        return draw_pace(STREAM_ENGINE, PACE_CALL);
    }
    return 0;
}

static void decide(struct sim_call *call)
{
    static const orch_status refusals[] = {ORCH_E_IO, ORCH_E_INTERNAL, ORCH_E_UNAVAILABLE,
                                           ORCH_E_CONFLICT, ORCH_E_BUSY};
    uint64_t delay = usual_ns(call->verb);
    bool slow = strikes(FAULT_ENGINE_SLOW, STREAM_ENGINE);
    bool late = strikes(FAULT_ENGINE_LATE, STREAM_ENGINE);
    bool hangs = strikes(FAULT_ENGINE_HANG, STREAM_ENGINE);
    bool lost = strikes(FAULT_ENGINE_LOST_ANSWER, STREAM_ENGINE);
    bool refused = strikes(FAULT_ENGINE_REFUSE, STREAM_ENGINE);
    call->refusal = refusals[draw(STREAM_ENGINE, sizeof refusals / sizeof refusals[0])];
    if (slow)
        delay += draw_around(STREAM_ENGINE, 2 * NS_PER_SECOND);
    if (late) /* done long after the agent has given up */
        delay += draw_between(STREAM_ENGINE, 5, 100) * NS_PER_SECOND;
    call->fate = hangs     ? FATE_HANGS
                 : refused ? FATE_REFUSED
                 : lost    ? (draw(STREAM_ENGINE, 2) ? FATE_LOST : FATE_SILENT)
                           : FATE_DONE;
    loop_timer_init(&call->act, world.loop, verb_names[call->verb], call_act, call);
    if (call->fate != FATE_HANGS)
        loop_timer_start(&call->act, delay);
}

static struct sim_call *begin(void *runtime, struct orch_op op, enum verb verb, const char *subject)
{
    struct host *host = runtime;
    struct sim_call *call = memory_alloc(sizeof *call);
    if (verb_is_change(verb)) {
        trace('C', "%s %s %s", host->name, verb_names[verb], subject);
        host->engine.operations++;
        world.actions++;
    }
    JUDGE(called, host);
    *call = (struct sim_call){.host = host,
                              .generation = host->engine.generation,
                              .op = op,
                              .verb = verb,
                              .next = host->engine.calls};
    host->engine.calls = call;
    decide(call);
    return call;
}

#define NEEDS_ENGINE(runtime)                                                                      \
    do {                                                                                           \
        if (((struct host *)(runtime))->engine.down)                                               \
            return orch_fail(error, ORCH_E_UNAVAILABLE, "the engine is down");                     \
    } while (0)

static void copy(char *to, size_t bytes, struct orch_str from)
{
    snprintf(to, bytes, "%.*s", (int)from.len, from.len ? from.ptr : "");
}

static struct cell *touch(void *runtime, struct orch_str id, const char *verb)
{
    char text[24];
    copy(text, sizeof text, id);
    struct cell *cell = cell_find(runtime, text);
    if (cell)
        JUDGE(touched, runtime, cell, verb);
    return cell;
}

static orch_status create_runtime(void *module, const struct orch_host *host,
                                  struct orch_str config, void **runtime, struct orch_error *error)
{
    (void)config, (void)error;
    ((struct host *)module)->engine.host = host;
    *runtime = module;
    return ORCH_OK;
}

static void destroy_runtime(void *runtime)
{
    (void)runtime;
}

static orch_status info(void *runtime, struct orch_op op, struct orch_error *error)
{
    NEEDS_ENGINE(runtime);
    (void)begin(runtime, op, VERB_INFO, "");
    return ORCH_PENDING;
}

static orch_status pull(void *runtime, struct orch_op op, const struct orch_pull *asked,
                        struct orch_error *error)
{
    NEEDS_ENGINE(runtime);
    struct sim_call *call = begin(runtime, op, VERB_PULL, "");
    copy(call->image, sizeof call->image, asked->image);
    return ORCH_PENDING;
}

static int64_t number_label(const struct cell *cell, const char *key)
{
    const char *value = cell_label(cell, key);
    return value ? strtoll(value, NULL, 10) : 0;
}

static void copy_task(struct cell *cell, const struct orch_task *task)
{
    copy(cell->name, sizeof cell->name, task->name);
    copy(cell->image, sizeof cell->image, task->image);
    for (uint32_t i = 0; i < task->labels.count && i < LABEL_LIMIT; i++) {
        const struct orch_pair *pair = ORCH_AT(struct orch_pair, task->labels, i);
        copy(cell->keys[i], sizeof cell->keys[i], pair->key);
        copy(cell->values[i], sizeof cell->values[i], pair->value);
        cell->label_count = i + 1;
    }
    for (uint32_t i = 0; i < task->ports.count && cell->port_count < 4; i++)
        if (ORCH_AT(struct orch_port, task->ports, i)->host_port)
            cell->ports[cell->port_count++] =
                (int64_t)ORCH_AT(struct orch_port, task->ports, i)->host_port;
}

static void name_owner(struct cell *cell)
{
    const char *record = cell_label(cell, "orchestrator.container");
    const char *deployment = cell_label(cell, "orchestrator.deployment");
    snprintf(cell->record, sizeof cell->record, "%s", record ? record : "");
    snprintf(cell->deployment, sizeof cell->deployment, "%s", deployment ? deployment : "");
    cell->slot = number_label(cell, "orchestrator.slot");
    cell->incarnation = number_label(cell, "orchestrator.incarnation");
}

struct cell *cell_make(struct host *host)
{
    struct cell *cell = memory_alloc(sizeof *cell);
    cell->host = host;
    loop_timer_init(&cell->end, world.loop, "application", cell_end_by_itself, cell);
    return cell;
}

static orch_status create(void *runtime, struct orch_op op, const struct orch_task *task,
                          struct orch_error *error)
{
    char name[160];
    NEEDS_ENGINE(runtime);
    copy(name, sizeof name, task->name);
    struct sim_call *call = begin(runtime, op, VERB_CREATE, name);
    call->made = cell_make(runtime);
    copy_task(call->made, task);
    name_owner(call->made);
    return ORCH_PENDING;
}

static orch_status start(void *runtime, struct orch_op op, struct orch_str id,
                         struct orch_error *error)
{
    NEEDS_ENGINE(runtime);
    struct cell *cell = touch(runtime, id, "start");
    if (cell)
        cell->asked_ns = now_ns();
    struct sim_call *call = begin(runtime, op, VERB_START, cell ? cell->name : "?");
    copy(call->id, sizeof call->id, id);
    return ORCH_PENDING;
}

static orch_status stop(void *runtime, struct orch_op op, const struct orch_stop *asked,
                        struct orch_error *error)
{
    NEEDS_ENGINE(runtime);
    struct cell *cell = touch(runtime, asked->runtime_id, "stop");
    struct sim_call *call = begin(runtime, op, VERB_STOP, cell ? cell->name : "?");
    copy(call->id, sizeof call->id, asked->runtime_id);
    call->grace_ns = asked->grace_ns;
    return ORCH_PENDING;
}

static orch_status remove_container(void *runtime, struct orch_op op, struct orch_str id,
                                    struct orch_error *error)
{
    NEEDS_ENGINE(runtime);
    struct cell *cell = touch(runtime, id, "remove");
    if (cell)
        JUDGE(removing, runtime, cell);
    struct sim_call *call = begin(runtime, op, VERB_REMOVE, cell ? cell->name : "?");
    copy(call->id, sizeof call->id, id);
    return ORCH_PENDING;
}

static orch_status list(void *runtime, struct orch_op op, const struct orch_list *asked,
                        struct orch_error *error)
{
    NEEDS_ENGINE(runtime);
    struct sim_call *call = begin(runtime, op, VERB_LIST, "");
    for (uint32_t i = 0; i < asked->labels.count; i++)
        copy(call->cluster, sizeof call->cluster,
             ORCH_AT(struct orch_pair, asked->labels, i)->value);
    call->id_count = asked->runtime_ids.count;
    call->ids = memory_alloc((call->id_count + 1) * sizeof *call->ids);
    for (uint32_t i = 0; i < call->id_count; i++)
        copy(call->ids[i], sizeof call->ids[i], *ORCH_AT(struct orch_str, asked->runtime_ids, i));
    return ORCH_PENDING;
}

static orch_status events(void *runtime, struct orch_op op, struct orch_array labels,
                          struct orch_error *error)
{
    (void)labels;
    NEEDS_ENGINE(runtime);
    ((struct host *)runtime)->engine.events = op;
    return ORCH_PENDING;
}

static orch_status logs(void *runtime, struct orch_op op, const struct orch_logs *asked,
                        struct orch_error *error)
{
    NEEDS_ENGINE(runtime);
    struct sim_call *call = begin(runtime, op, VERB_LOGS, "");
    copy(call->id, sizeof call->id, asked->runtime_id);
    return ORCH_PENDING;
}

static orch_status exec(void *runtime, struct orch_op op, const struct orch_exec *asked,
                        struct orch_error *error)
{
    NEEDS_ENGINE(runtime);
    (void)touch(runtime, asked->runtime_id, "exec");
    struct sim_call *call = begin(runtime, op, VERB_EXEC, "");
    copy(call->id, sizeof call->id, asked->runtime_id);
    if (asked->command.count)
        copy(call->what, sizeof call->what, *ORCH_AT(struct orch_str, asked->command, 0));
    return ORCH_PENDING;
}

static int64_t input(void *runtime, struct orch_op op, uint32_t channel, uint32_t reserved,
                     struct orch_str bytes)
{
    (void)runtime, (void)op, (void)channel, (void)reserved;
    return (int64_t)bytes.len;
}

static void nothing(void *runtime, struct orch_op op)
{
    (void)runtime, (void)op;
}

void engine_complete_aside(struct host *host, struct orch_op op, orch_status status)
{
    const struct orch_error error = {.size = sizeof error, .code = status, .message = "simulated"};
    const struct orch_result result = {.size = sizeof result, .status = status, .error = &error};
    if (host->engine.host)
        (void)engine_ops(host)->complete(host->engine.host, op, &result);
}

/* Given up by the host: mostly the engine says so; one that hangs says nothing, and may act yet. */
static void cancel(void *runtime, struct orch_op op)
{
    struct host *host = runtime;
    if (host->engine.events.id == op.id) {
        host->engine.events = (struct orch_op){0};
        engine_complete_aside(host, op, ORCH_E_CANCELLED);
        return;
    }
    for (struct sim_call *call = host->engine.calls; call; call = call->next) {
        if (call->op.id != op.id || call->generation != host->engine.generation)
            continue;
        if (call->fate == FATE_HANGS && !verb_is_change(call->verb)) {
            call_free(call);
            engine_complete_aside(host, op, ORCH_E_CANCELLED);
        }
        return;
    }
}

const struct orch_runtime_v1 sim_engine_table = {.size = sizeof sim_engine_table,
                                                 .create_runtime = create_runtime,
                                                 .destroy_runtime = destroy_runtime,
                                                 .info = info,
                                                 .pull = pull,
                                                 .create = create,
                                                 .start = start,
                                                 .stop = stop,
                                                 .remove = remove_container,
                                                 .list = list,
                                                 .events = events,
                                                 .logs = logs,
                                                 .exec = exec,
                                                 .input = input,
                                                 .resume = nothing,
                                                 .cancel = cancel};
