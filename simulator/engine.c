/* The engine of a host as a model: it does what a Docker daemon does, and fails as one does. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum verb {
    VERB_INFO,
    VERB_PULL,
    VERB_CREATE,
    VERB_START,
    VERB_STOP,
    VERB_REMOVE,
    VERB_LIST,
    VERB_LOGS,
    VERB_EXEC
};
static const char *const verb_names[] = {"info",   "pull", "create", "start", "stop",
                                         "remove", "list", "logs",   "exec"};
enum fate { FATE_DONE, FATE_REFUSED, FATE_LOST, FATE_SILENT, FATE_HANGS };

/* One call under way. */
struct sim_call {
    struct sim_call *next;
    struct host *host;
    uint64_t generation;
    struct orch_op op;
    enum verb verb;
    enum fate fate;
    orch_status refusal;
    struct loop_timer act;
    struct cell *made;  /* create: what is to be made, not yet in the engine */
    bool waits_for_end; /* stop: answered when it has ended */
    char id[24], image[96], what[16];
    char cluster[96]; /* list: the label asked for */
    uint64_t grace_ns;
    char (*ids)[24]; /* list: only these */
    uint32_t id_count;
};

static const struct orch_host_ops_v1 *ops_of(const struct host *host)
{
    return host->engine.host->get(host->engine.host, ORCH_HOST_OPS_1);
}

static struct orch_str str(const char *text)
{
    return (struct orch_str){text, strlen(text)};
}

static bool is_change(enum verb verb)
{
    return verb == VERB_CREATE || verb == VERB_START || verb == VERB_STOP || verb == VERB_REMOVE;
}

/* -- cells -- */

static struct cell *find_id(const struct host *host, const char *id)
{
    for (struct cell *cell = host->engine.cells; cell; cell = cell->next)
        if (strcmp(cell->id, id) == 0)
            return cell;
    return NULL;
}

static struct cell *find_name(const struct host *host, const char *name)
{
    for (struct cell *cell = host->engine.cells; cell; cell = cell->next)
        if (strcmp(cell->name, name) == 0)
            return cell;
    return NULL;
}

static const char *label(const struct cell *cell, const char *key)
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
        (void)ops_of(host)->emit(host->engine.host, host->engine.events, ORCH_CHANNEL_EVENT, 0,
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

static void answer(struct sim_call *call, orch_status status, const void *value,
                   struct orch_array items);

/* Stops that waited for this end are answered. */
static void answer_waiting(struct host *host, const char *id)
{
    for (struct sim_call *call = host->engine.calls, *next; call; call = next) {
        next = call->next;
        if (call->waits_for_end && strcmp(call->id, id) == 0) {
            answer(call, call->fate == FATE_LOST ? ORCH_E_UNKNOWN : ORCH_OK, NULL,
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

static void erase(struct cell *cell)
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

static bool port_is_taken(const struct cell *cell)
{
    for (struct cell *other = cell->host->engine.cells; other; other = other->next)
        for (uint32_t i = 0; other != cell && i < cell->port_count; i++)
            for (uint32_t j = 0; j < other->port_count; j++)
                if (other->state == ORCH_CONTAINER_RUNNING && cell->ports[i] == other->ports[j])
                    return true;
    return false;
}

static void run(struct cell *cell)
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

/* -- answering -- */

static void free_call(struct sim_call *call)
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
    orch_status status = ops_of(host)->complete(host->engine.host, op, result);
    JUDGE(completed, status, false);
    if (!strikes(FAULT_ENGINE_TWICE, STREAM_ENGINE) || !host->engine.host)
        return;
    status = ops_of(host)->complete(host->engine.host, op, result);
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

static void answer(struct sim_call *call, orch_status status, const void *value,
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
    bool alive = call->generation == host->engine.generation && host->engine.host;
    if (is_change(call->verb))
        trace('C', "%s %s %s answers %d", host->name, verb_names[call->verb], call->id, status);
    host->engine.operations -= is_change(call->verb) && alive;
    bool silent = call->fate == FATE_SILENT;
    free_call(call);
    if (alive && silent)
        answer_late(host, op);
    else if (alive)
        complete(host, op, &result);
}

static void answer_plainly(struct sim_call *call, orch_status status, const void *value)
{
    if (call->fate == FATE_LOST)
        status = ORCH_E_UNKNOWN;
    answer(call, status, value, (struct orch_array){0});
}

/* -- acting -- */

static void act_create(struct sim_call *call)
{
    struct host *host = call->host;
    struct cell *cell = find_name(host, call->made->name);
    if (cell && strcmp(label(cell, "orchestrator.incarnation") ? cell->record : "",
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
    struct cell *cell = find_id(call->host, call->id);
    struct orch_started started = {.size = sizeof started};
    char address[24];
    if (!cell) {
        answer_plainly(call, ORCH_E_NOT_FOUND, NULL);
        return;
    }
    if (cell->state != ORCH_CONTAINER_RUNNING && port_is_taken(cell)) {
        answer_plainly(call, ORCH_E_CONFLICT, NULL);
        return;
    }
    if (cell->state != ORCH_CONTAINER_RUNNING)
        run(cell);
    cell->known = cell->known || call->fate == FATE_DONE;
    memcpy(address, cell->address, sizeof address);
    started.started_at_ms = cell->started_ms;
    if (!strikes(FAULT_ENGINE_NO_ADDRESS, STREAM_ENGINE))
        started.address = str(address);
    answer_plainly(call, ORCH_OK, &started);
}

static void act_stop(struct sim_call *call)
{
    struct cell *cell = find_id(call->host, call->id);
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
    struct cell *cell = find_id(call->host, call->id);
    if (cell)
        erase(cell);
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
    const char *cluster = label(cell, "orchestrator.cluster");
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
        JUDGE(listed, cell, call->fate == FATE_DONE);
        cell->known =
            cell->known || (call->fate == FATE_DONE && cell->state == ORCH_CONTAINER_RUNNING);
    }
    if (call->fate == FATE_LOST)
        answer_plainly(call, ORCH_OK, NULL);
    else
        answer(call, ORCH_OK, NULL, (struct orch_array){views, count, sizeof *views});
}

static void act_logs(struct sim_call *call)
{
    struct host *host = call->host;
    bool alive = call->generation == host->engine.generation && host->engine.host;
    if (alive) {
        process_sync(&host->process);
        if (host->engine.host)
            (void)ops_of(host)->emit(host->engine.host, call->op, ORCH_CHANNEL_STDOUT, 0,
                                     str("first\nlast words\n"));
    }
    answer_plainly(call, ORCH_OK, NULL);
}

static void act_exec(struct sim_call *call)
{
    struct cell *cell = find_id(call->host, call->id);
    struct orch_exec_end end = {.size = sizeof end};
    if (!cell || cell->state != ORCH_CONTAINER_RUNNING) {
        answer_plainly(call, ORCH_E_NOT_FOUND, NULL);
        return;
    }
    end.exit_code = app_exec(cell, call->what);
    answer_plainly(call, ORCH_OK, &end);
}

static void act(void *argument)
{
    struct sim_call *call = argument;
    if (call->host->engine.down) {
        answer(call, ORCH_E_UNAVAILABLE, NULL, (struct orch_array){0});
        return;
    }
    if (call->fate == FATE_REFUSED) {
        answer(call, call->refusal, NULL, (struct orch_array){0});
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

/* -- verbs -- */

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
    loop_timer_init(&call->act, world.loop, verb_names[call->verb], act, call);
    if (call->fate != FATE_HANGS)
        loop_timer_start(&call->act, delay);
}

static struct sim_call *begin(void *runtime, struct orch_op op, enum verb verb, const char *subject)
{
    struct host *host = runtime;
    struct sim_call *call = memory_alloc(sizeof *call);
    if (is_change(verb)) {
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
    struct cell *cell = find_id(runtime, text);
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
    const char *value = label(cell, key);
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
    const char *record = label(cell, "orchestrator.container");
    const char *deployment = label(cell, "orchestrator.deployment");
    snprintf(cell->record, sizeof cell->record, "%s", record ? record : "");
    snprintf(cell->deployment, sizeof cell->deployment, "%s", deployment ? deployment : "");
    cell->slot = number_label(cell, "orchestrator.slot");
    cell->incarnation = number_label(cell, "orchestrator.incarnation");
}

static void end_by_itself(void *argument);

static struct cell *make_cell(struct host *host)
{
    struct cell *cell = memory_alloc(sizeof *cell);
    cell->host = host;
    loop_timer_init(&cell->end, world.loop, "application", end_by_itself, cell);
    return cell;
}

static orch_status create(void *runtime, struct orch_op op, const struct orch_task *task,
                          struct orch_error *error)
{
    char name[160];
    NEEDS_ENGINE(runtime);
    copy(name, sizeof name, task->name);
    struct sim_call *call = begin(runtime, op, VERB_CREATE, name);
    call->made = make_cell(runtime);
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

static void complete_aside(struct host *host, struct orch_op op, orch_status status)
{
    const struct orch_error error = {.size = sizeof error, .code = status, .message = "simulated"};
    const struct orch_result result = {.size = sizeof result, .status = status, .error = &error};
    if (host->engine.host)
        (void)ops_of(host)->complete(host->engine.host, op, &result);
}

/* Given up by the host: mostly the engine says so; one that hangs says nothing, and may act yet. */
static void cancel(void *runtime, struct orch_op op)
{
    struct host *host = runtime;
    if (host->engine.events.id == op.id) {
        host->engine.events = (struct orch_op){0};
        complete_aside(host, op, ORCH_E_CANCELLED);
        return;
    }
    for (struct sim_call *call = host->engine.calls; call; call = call->next) {
        if (call->op.id != op.id || call->generation != host->engine.generation)
            continue;
        if (call->fate == FATE_HANGS && !is_change(call->verb)) {
            free_call(call);
            complete_aside(host, op, ORCH_E_CANCELLED);
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

/* -- life and trouble -- */

static void end_by_itself(void *argument)
{
    struct cell *cell = argument;
    if (cell->kill_at_ns && now_ns() >= cell->kill_at_ns)
        cell_exit(cell, 137, 0);
    else if (cell->term_ns)
        cell_exit(cell, 143, 0);
    else
        cell_exit(cell,
                  cell->end_way == APP_ENDS_EXIT  ? 0
                  : cell->end_way == APP_ENDS_OOM ? 137
                                                  : 1,
                  cell->end_way == APP_ENDS_OOM ? ORCH_CONTAINER_OOM : 0);
}

void engine_process_died(struct host *host)
{
    host->engine.host = NULL;
    host->engine.events = (struct orch_op){0};
    host->engine.operations = 0;
}

static void cut_events(struct host *host)
{
    struct orch_op op = host->engine.events;
    host->engine.events = (struct orch_op){0};
    if (!op.id || !host->engine.host)
        return;
    process_sync(&host->process);
    complete_aside(host, op, ORCH_E_UNAVAILABLE);
}

static void come_up(void *argument);

static void fail_calls(struct host *host)
{
    while (host->engine.calls)
        answer(host->engine.calls, ORCH_E_UNAVAILABLE, NULL, (struct orch_array){0});
}

static void end_all(struct host *host)
{
    for (struct cell *cell = host->engine.cells; cell; cell = cell->next)
        cell_exit(cell, 137, 0);
}

static void go_down(struct host *host, uint64_t away_ns)
{
    trace('A', "the engine of %s goes down", host->name);
    cut_events(host);
    host->engine.down = true;
    host->engine.down_since_ns = now_ns();
    fail_calls(host);
    if (!host->engine.live_restore)
        end_all(host);
    loop_timer_stop(&host->engine.trouble);
    loop_timer_init(&host->engine.trouble, world.loop, "engine up", come_up, host);
    loop_timer_start(&host->engine.trouble, away_ns);
}

static struct cell *any_cell(struct host *host)
{
    uint64_t count = 0;
    for (struct cell *cell = host->engine.cells; cell; cell = cell->next)
        count += !cell->foreign;
    uint64_t at = draw(STREAM_ENGINE, count);
    for (struct cell *cell = host->engine.cells; cell; cell = cell->next)
        if (!cell->foreign && !at--)
            return cell;
    return NULL;
}

static void make_trouble(void *argument);

static void arm_trouble(struct host *host)
{
    uint64_t rate = world.options.rates[FAULT_ENGINE_RESTART];
    uint64_t other = world.options.rates[FAULT_ENGINE_VANISH];
    uint64_t mean = !rate || (other && other < rate) ? other : rate;
    loop_timer_init(&host->engine.trouble, world.loop, "engine trouble", make_trouble, host);
    if (mean && faults_on())
        loop_timer_start(&host->engine.trouble,
                         NS_PER_SECOND + draw_around(STREAM_ENGINE, mean * NS_PER_SECOND));
}

static void come_up(void *argument)
{
    struct host *host = argument;
    trace('A', "the engine of %s is up", host->name);
    host->engine.down = false;
    arm_trouble(host);
}

static void make_trouble(void *argument)
{
    struct host *host = argument;
    bool restart = world.options.rates[FAULT_ENGINE_RESTART] != 0;
    bool vanish = world.options.rates[FAULT_ENGINE_VANISH] != 0;
    if (restart && vanish)
        restart = draw(STREAM_ENGINE, 3) == 0;
    if (restart && !host->boot_at_ns) {
        world.hits[FAULT_ENGINE_RESTART]++;
        host->engine.live_restore = draw(STREAM_ENGINE, 2) != 0;
        go_down(host, draw_around(STREAM_ENGINE, 10 * NS_PER_SECOND) + 1);
        return;
    }
    struct cell *cell = any_cell(host);
    if (cell) {
        world.hits[FAULT_ENGINE_VANISH]++;
        trace('A', "somebody removes %s", cell->name);
        erase(cell);
    }
    arm_trouble(host);
}

void engine_add_foreign(struct host *host, const char *name, const char *cluster)
{
    struct cell *cell = make_cell(host);
    snprintf(cell->name, sizeof cell->name, "%s", name);
    snprintf(cell->id, sizeof cell->id, "%s-%s", host->name, name);
    cell->foreign = true;
    cell->state = ORCH_CONTAINER_RUNNING;
    snprintf(cell->address, sizeof cell->address, "10.%u.1.1", host->index + 1);
    if (cluster) {
        snprintf(cell->keys[0], sizeof cell->keys[0], "orchestrator.cluster");
        snprintf(cell->values[0], sizeof cell->values[0], "%s", cluster);
        snprintf(cell->keys[1], sizeof cell->keys[1], "orchestrator.container");
        snprintf(cell->values[1], sizeof cell->values[1], "web-0-other");
        snprintf(cell->keys[2], sizeof cell->keys[2], "orchestrator.incarnation");
        snprintf(cell->values[2], sizeof cell->values[2], "1");
        snprintf(cell->keys[3], sizeof cell->keys[3], "orchestrator.seq");
        snprintf(cell->values[3], sizeof cell->values[3], "1");
        cell->label_count = 4;
    }
    cell->next = host->engine.cells;
    host->engine.cells = cell;
}

void engine_init(struct host *host)
{
    arm_trouble(host);
}

void engine_boot(struct host *host)
{
    if (host->engine.down)
        loop_timer_start(&host->engine.trouble, 0);
}

/* Calls that hang end now, as they would when somebody restarts the engine. */
void engine_heal(struct host *host)
{
    if (!host->engine.down) /* else it comes up by itself */
        loop_timer_stop(&host->engine.trouble);
    for (struct sim_call *call = host->engine.calls, *next; call; call = next) {
        next = call->next;
        if (call->fate == FATE_HANGS) {
            answer(call, ORCH_E_UNAVAILABLE, NULL, (struct orch_array){0});
            next = host->engine.calls;
        }
    }
    for (struct cell *cell = host->engine.cells; cell; cell = cell->next)
        if (cell->state == ORCH_CONTAINER_RUNNING && !cell->foreign)
            app_heal(cell);
}

void engine_host_died(struct host *host)
{
    while (host->engine.calls)
        free_call(host->engine.calls);
    host->engine.live_restore = false;
    host->engine.down = true;
    host->engine.down_since_ns = now_ns();
    end_all(host);
    loop_timer_stop(&host->engine.trouble);
    loop_timer_init(&host->engine.trouble, world.loop, "engine up", come_up, host);
    loop_timer_start(&host->engine.trouble,
                     host->boot_at_ns - now_ns() + NS_PER_MS * draw(STREAM_ENGINE, 3000));
}
