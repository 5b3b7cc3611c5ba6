#include "engine.h"

#include <criterion/criterion.h>
#include <orchestrator/runtime.h>
#include <stdio.h>
#include <string.h>

struct engine engine;

void engine_reset(void)
{
    memset(&engine, 0, sizeof engine);
    engine.next_address = 2;
    engine.now_ms = 1;
    engine.pull_status = engine.start_status = engine.stop_status = ORCH_OK;
}

static const struct orch_host_ops_v1 *ops(void)
{
    return engine.host->get(engine.host, ORCH_HOST_OPS_1);
}

static orch_status complete(struct orch_op op, orch_status status, const void *value)
{
    const struct orch_error error = {
        .size = sizeof error, .code = status, .message = "scripted failure"};
    const struct orch_result result = {.size = sizeof result,
                                       .status = status,
                                       .error = status == ORCH_OK ? NULL : &error,
                                       .value = status == ORCH_OK ? value : NULL};
    (void)ops()->complete(engine.host, op, &result);
    return ORCH_PENDING;
}

#define NEEDS_ENGINE                                                                               \
    do {                                                                                           \
        if (engine.down)                                                                           \
            return orch_fail(error, ORCH_E_UNAVAILABLE, "the engine is down");                     \
    } while (0)

static struct orch_str str(const char *text)
{
    return (struct orch_str){text, strlen(text)};
}

static bool same(struct orch_str text, const char *other)
{
    return text.len == strlen(other) && memcmp(text.ptr, other, text.len) == 0;
}

struct engine_container *engine_find(const char *name_part)
{
    for (uint32_t i = engine.count; i-- > 0;)
        if (!engine.containers[i].gone && strstr(engine.containers[i].name, name_part))
            return &engine.containers[i];
    return NULL;
}

static struct engine_container *by_id(struct orch_str id)
{
    for (uint32_t i = 0; i < engine.count; i++)
        if (!engine.containers[i].gone && same(id, engine.containers[i].id))
            return &engine.containers[i];
    return NULL;
}

const char *engine_label(const struct engine_container *container, const char *key)
{
    for (uint32_t i = 0; i < container->label_count; i++)
        if (strcmp(container->keys[i], key) == 0)
            return container->values[i];
    return NULL;
}

static void tell(const struct engine_container *container)
{
    if (engine.events.id)
        (void)ops()->emit(engine.host, engine.events, ORCH_CHANNEL_EVENT, 0, str(container->id));
}

static struct engine_container *add(const char *name)
{
    cr_assert(engine.count < ENGINE_LIMIT);
    struct engine_container *container = &engine.containers[engine.count++];
    snprintf(container->id, sizeof container->id, "rt%u", engine.count);
    snprintf(container->name, sizeof container->name, "%s", name);
    return container;
}

static void run(struct engine_container *container)
{
    container->state = ORCH_CONTAINER_RUNNING;
    container->started_at_ms = engine.now_ms;
    snprintf(container->address, sizeof container->address, "172.17.0.%u", engine.next_address++);
}

struct engine_container *engine_put(const char *name, uint32_t state, const char *const *labels)
{
    struct engine_container *container = add(name);
    if (state == ORCH_CONTAINER_RUNNING)
        run(container);
    container->state = state;
    for (; labels && labels[0]; labels += 2) {
        uint32_t at = container->label_count++;
        snprintf(container->keys[at], sizeof container->keys[at], "%s", labels[0]);
        snprintf(container->values[at], sizeof container->values[at], "%s", labels[1]);
    }
    return container;
}

void engine_exit(struct engine_container *container, int32_t code, uint32_t flags)
{
    container->state = ORCH_CONTAINER_EXITED;
    container->exit_code = code;
    container->flags = flags | ORCH_CONTAINER_HAS_EXIT_CODE;
    container->address[0] = 0;
    tell(container);
}

void engine_erase(struct engine_container *container)
{
    container->gone = true;
    tell(container);
}

void engine_cut_events(void)
{
    struct orch_op op = engine.events;
    engine.events = (struct orch_op){0};
    (void)complete(op, ORCH_E_UNAVAILABLE, NULL);
}

unsigned engine_alive(void)
{
    unsigned alive = 0;
    for (uint32_t i = 0; i < engine.count; i++)
        alive += !engine.containers[i].gone && engine.containers[i].state == ORCH_CONTAINER_RUNNING;
    return alive;
}

/* -- the table -- */

static orch_status create_runtime(void *module, const struct orch_host *host,
                                  struct orch_str config, void **runtime, struct orch_error *error)
{
    (void)module, (void)config, (void)error;
    engine.host = host;
    *runtime = &engine;
    return ORCH_OK;
}

static void destroy_runtime(void *runtime)
{
    (void)runtime;
    engine.events = (struct orch_op){0};
}

static orch_status info(void *runtime, struct orch_op op, struct orch_error *error)
{
    (void)runtime;
    NEEDS_ENGINE;
    const struct orch_runtime_info value = {.size = sizeof value,
                                            .engine = {"scripted", 8},
                                            .version = {"1", 1},
                                            .cpu_millis = 4000,
                                            .memory_bytes = UINT64_C(1) << 34,
                                            .max_operations = 4};
    return complete(op, ORCH_OK, &value);
}

static orch_status pull(void *runtime, struct orch_op op, const struct orch_pull *asked,
                        struct orch_error *error)
{
    (void)runtime, (void)asked;
    NEEDS_ENGINE;
    engine.pulls++;
    const struct orch_image image = {
        .size = sizeof image, .image = {"app@sha256:1", 12}, .digest = {"sha256:1", 8}};
    return complete(op, engine.pull_status, &image);
}

static void begun(void)
{
    if (++engine.in_flight > engine.most_in_flight)
        engine.most_in_flight = engine.in_flight;
}

static bool carries(const struct engine_container *container, struct orch_pair wanted)
{
    char key[64];
    snprintf(key, sizeof key, "%.*s", (int)wanted.key.len, wanted.key.ptr);
    const char *value = engine_label(container, key);
    return value && same(wanted.value, value);
}

/* What a create finds under its name: this one, another of this cluster, somebody else's. */
static orch_status judge(const struct engine_container *container, const struct orch_task *task)
{
    orch_status verdict = ORCH_OK;
    for (uint32_t i = 0; i < task->labels.count; i++) {
        const struct orch_pair *pair = ORCH_AT(struct orch_pair, task->labels, i);
        if (carries(container, *pair))
            continue;
        if (same(pair->key, "orchestrator.cluster"))
            return ORCH_E_EXISTS;
        verdict = ORCH_E_CONFLICT;
    }
    return verdict;
}

static orch_status create(void *runtime, struct orch_op op, const struct orch_task *task,
                          struct orch_error *error)
{
    char name[200];
    (void)runtime;
    NEEDS_ENGINE;
    snprintf(name, sizeof name, "%.*s", (int)task->name.len, task->name.ptr);
    engine.creates++;
    begun();
    struct engine_container *container = NULL;
    for (uint32_t i = 0; i < engine.count; i++)
        if (!engine.containers[i].gone && strcmp(engine.containers[i].name, name) == 0)
            container = &engine.containers[i];
    orch_status verdict = container ? judge(container, task) : ORCH_OK;
    if (verdict != ORCH_OK) {
        engine.in_flight--;
        return complete(op, verdict, NULL);
    }
    if (!container) {
        container = add(name);
        container->state = ORCH_CONTAINER_CREATED;
        for (uint32_t i = 0; i < task->labels.count; i++) {
            const struct orch_pair *pair = ORCH_AT(struct orch_pair, task->labels, i);
            snprintf(container->keys[i], 64, "%.*s", (int)pair->key.len, pair->key.ptr);
            snprintf(container->values[i], 96, "%.*s", (int)pair->value.len, pair->value.ptr);
        }
        container->label_count = task->labels.count;
    }
    if (engine.silent_create) { /* done, and the answer is lost */
        engine.silent_create = false;
        engine.in_flight--;
        return complete(op, ORCH_E_UNKNOWN, NULL);
    }
    const struct orch_created created = {.size = sizeof created, .runtime_id = str(container->id)};
    return complete(op, ORCH_OK, &created);
}

static orch_status finish_start(struct orch_op op, struct engine_container *container)
{
    engine.in_flight--;
    if (engine.start_status != ORCH_OK)
        return complete(op, engine.start_status, NULL);
    if (container->state != ORCH_CONTAINER_RUNNING)
        run(container);
    struct orch_started started = {.size = sizeof started};
    if (engine.addresses_at_start)
        started.address = str(container->address);
    return complete(op, ORCH_OK, &started);
}

static orch_status start(void *runtime, struct orch_op op, struct orch_str id,
                         struct orch_error *error)
{
    (void)runtime;
    NEEDS_ENGINE;
    struct engine_container *container = by_id(id);
    engine.starts++;
    if (!container)
        return orch_fail(error, ORCH_E_NOT_FOUND, "no such container");
    if (!engine.hold_starts)
        return finish_start(op, container);
    snprintf(engine.held_ids[engine.held_count], 80, "%s", container->id);
    engine.held[engine.held_count++] = op;
    return ORCH_PENDING;
}

void engine_release_starts(void)
{
    engine.hold_starts = false;
    for (uint32_t i = 0; i < engine.held_count; i++)
        (void)finish_start(engine.held[i], by_id(str(engine.held_ids[i])));
    engine.held_count = 0;
}

static orch_status stop(void *runtime, struct orch_op op, const struct orch_stop *asked,
                        struct orch_error *error)
{
    (void)runtime;
    NEEDS_ENGINE;
    engine.stops++;
    struct engine_container *container = by_id(asked->runtime_id);
    snprintf(engine.last_stop_signal, sizeof engine.last_stop_signal, "%.*s",
             (int)asked->signal.len, asked->signal.len ? asked->signal.ptr : "");
    engine.last_grace_ns = asked->grace_ns;
    if (engine.stop_status != ORCH_OK)
        return complete(op, engine.stop_status, NULL);
    if (container)
        engine_exit(container, 143, 0);
    return complete(op, ORCH_OK, NULL);
}

static orch_status remove_container(void *runtime, struct orch_op op, struct orch_str id,
                                    struct orch_error *error)
{
    (void)runtime;
    NEEDS_ENGINE;
    engine.removes++;
    struct engine_container *container = by_id(id);
    if (container)
        engine_erase(container);
    return complete(op, ORCH_OK, NULL);
}

static bool matches(const struct engine_container *container, const struct orch_list *asked)
{
    bool named = !asked->runtime_ids.count;
    for (uint32_t i = 0; i < asked->labels.count; i++) {
        const struct orch_pair *pair = ORCH_AT(struct orch_pair, asked->labels, i);
        char key[64];
        snprintf(key, sizeof key, "%.*s", (int)pair->key.len, pair->key.ptr);
        const char *value = engine_label(container, key);
        if (!value || !same(pair->value, value))
            return false;
    }
    for (uint32_t i = 0; i < asked->runtime_ids.count; i++)
        named = named || same(*ORCH_AT(struct orch_str, asked->runtime_ids, i), container->id);
    return named;
}

static orch_status list(void *runtime, struct orch_op op, const struct orch_list *asked,
                        struct orch_error *error)
{
    static struct orch_container_view views[ENGINE_LIMIT];
    static struct orch_pair pairs[ENGINE_LIMIT][ENGINE_LABELS];
    uint32_t count = 0;
    (void)runtime;
    NEEDS_ENGINE;
    *(asked->runtime_ids.count ? &engine.asks : &engine.lists) += 1;
    for (uint32_t i = 0; i < engine.count; i++) {
        struct engine_container *from = &engine.containers[i];
        if (from->gone || !matches(from, asked))
            continue;
        for (uint32_t k = 0; k < from->label_count; k++)
            pairs[count][k] = (struct orch_pair){str(from->keys[k]), str(from->values[k])};
        views[count] = (struct orch_container_view){
            .size = sizeof views[0],
            .state = from->state,
            .runtime_id = str(from->id),
            .name = str(from->name),
            .address = str(from->address),
            .labels = {pairs[count], from->label_count, sizeof pairs[0][0]},
            .started_at_ms = from->started_at_ms,
            .finished_at_ms = from->finished_at_ms,
            .exit_code = from->exit_code,
            .flags = from->flags};
        count++;
    }
    const struct orch_result result = {
        .size = sizeof result, .status = ORCH_OK, .items = {views, count, sizeof views[0]}};
    (void)ops()->complete(engine.host, op, &result);
    return ORCH_PENDING;
}

static orch_status events(void *runtime, struct orch_op op, struct orch_array labels,
                          struct orch_error *error)
{
    (void)runtime, (void)labels;
    NEEDS_ENGINE;
    engine.streams++;
    engine.events = op;
    return ORCH_PENDING;
}

static orch_status logs(void *runtime, struct orch_op op, const struct orch_logs *asked,
                        struct orch_error *error)
{
    static const char lines[] = "first\nlast words\n";
    (void)runtime, (void)asked;
    NEEDS_ENGINE;
    engine.logs++;
    (void)ops()->emit(engine.host, op, ORCH_CHANNEL_STDOUT, 0,
                      (struct orch_str){lines, sizeof lines - 1});
    return complete(op, ORCH_OK, NULL);
}

static orch_status exec(void *runtime, struct orch_op op, const struct orch_exec *asked,
                        struct orch_error *error)
{
    (void)runtime, (void)asked;
    NEEDS_ENGINE;
    engine.execs++;
    const struct orch_exec_end end = {.size = sizeof end, .exit_code = engine.exec_exit_code};
    return complete(op, ORCH_OK, &end);
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

static void cancel(void *runtime, struct orch_op op)
{
    (void)runtime;
    (void)complete(op, ORCH_E_CANCELLED, NULL);
}

const struct orch_runtime_v1 engine_table = {.size = sizeof engine_table,
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
