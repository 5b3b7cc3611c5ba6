/* Containers: what there is, and how each lives. */
#include "simulated.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *string_copy(struct orch_str string)
{
    char *copy = calloc(1, string.len + 1);
    if (!copy)
        abort(); /* as everywhere in this plugin: it is for tests */
    if (string.len)
        memcpy(copy, string.ptr, string.len);
    return copy;
}

struct pair *pairs_copy(struct orch_array pairs)
{
    struct pair *copy = calloc(pairs.count + 1u, sizeof *copy);
    if (!copy)
        abort();
    for (uint32_t i = 0; i < pairs.count; i++) {
        const struct orch_pair *pair = ORCH_AT(struct orch_pair, pairs, i);
        copy[i] = (struct pair){string_copy(pair->key), string_copy(pair->value)};
    }
    return copy;
}

void pairs_free(struct pair *pairs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        free(pairs[i].key);
        free(pairs[i].value);
    }
    free(pairs);
}

static const char *pairs_get(const struct pair *pairs, uint32_t count, const char *key)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(pairs[i].key, key) == 0)
            return pairs[i].value;
    return NULL;
}

const char *container_env(const struct container *container, const char *key)
{
    return pairs_get(container->env, container->env_count, key);
}

bool labels_match(const struct container *container, const struct pair *labels, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const char *value = pairs_get(container->labels, container->label_count, labels[i].key);
        if (!value || strcmp(value, labels[i].value) != 0)
            return false;
    }
    return true;
}

uint64_t duration_ns(const char *text)
{
    char *end;
    double number = text ? strtod(text, &end) : 0;
    if (!text || end == text || !(number > 0 && number < 1e6))
        return 0;
    double unit = strcmp(end, "ms") == 0 ? 1e6 : strcmp(end, "m") == 0 ? 60e9 : 1e9;
    return (uint64_t)(number * unit);
}

struct container *container_find(struct runtime *runtime, struct orch_str runtime_id)
{
    struct container *found = NULL;
    HASH_FIND(by_id, runtime->ids, runtime_id.ptr, runtime_id.len, found);
    return found;
}

static void copy_ports(struct container *container, struct orch_array ports)
{
    container->ports = calloc(ports.count + 1u, sizeof *container->ports);
    if (!container->ports)
        abort();
    for (uint32_t i = 0; i < ports.count; i++) {
        const struct orch_port *port = ORCH_AT(struct orch_port, ports, i);
        if (port->protocol == ORCH_PROTOCOL_TCP)
            container->ports[container->port_count++] = port->container_port;
    }
}

struct container *container_create(struct runtime *runtime, const struct orch_task *task)
{
    struct container *container = calloc(1, sizeof *container);
    if (!container)
        abort();
    container->runtime = runtime;
    snprintf(container->runtime_id, sizeof container->runtime_id, "sim-%llu",
             (unsigned long long)++runtime->next_number);
    container->id = string_copy(task->id);
    container->name = string_copy(task->name);
    container->image = string_copy(task->image);
    container->labels = pairs_copy(task->labels);
    container->label_count = task->labels.count;
    container->env = pairs_copy(task->env);
    container->env_count = task->env.count;
    copy_ports(container, task->ports);
    container->memory_bytes = task->memory_bytes;
    container->state = ORCH_CONTAINER_CREATED;
    container->created_at_ms = runtime->loop->wall_ms(runtime->host);
    HASH_ADD_KEYPTR(by_name, runtime->names, container->name, strlen(container->name), container);
    HASH_ADD_KEYPTR(by_id, runtime->ids, container->runtime_id, strlen(container->runtime_id),
                    container);
    container->previous = runtime->last;
    if (runtime->last)
        runtime->last->next = container;
    else
        runtime->first = container;
    runtime->last = container;
    return container;
}

static void unlink_container(struct container *container)
{
    struct runtime *runtime = container->runtime;
    HASH_DELETE(by_name, runtime->names, container);
    HASH_DELETE(by_id, runtime->ids, container);
    if (container->previous)
        container->previous->next = container->next;
    else
        runtime->first = container->next;
    if (container->next)
        container->next->previous = container->previous;
    else
        runtime->last = container->previous;
}

static void stop_timers(struct container *container)
{
    const struct runtime *runtime = container->runtime;
    if (container->exit_timer)
        runtime->loop->timer_stop(runtime->host, container->exit_timer);
    if (container->kill_timer)
        runtime->loop->timer_stop(runtime->host, container->kill_timer);
    container->exit_timer = container->kill_timer = 0;
}

void container_destroy(struct container *container)
{
    stop_timers(container);
    http_close(container);
    unlink_container(container);
    pairs_free(container->labels, container->label_count);
    pairs_free(container->env, container->env_count);
    free(container->ports);
    free(container->id);
    free(container->name);
    free(container->image);
    free(container->lines);
    free(container);
}

static void exit_by_itself(void *context)
{
    struct container *container = context;
    const char *code = container_env(container, "SIMULATED_EXIT_CODE");
    container->exit_timer = 0;
    container->oom = container_env(container, "SIMULATED_EXIT_OOM") != NULL;
    const struct rule *rule = settings_rule(&container->runtime->settings, container->image);
    container_exit(container, container->oom ? 137
                              : code         ? (int)strtol(code, NULL, 10)
                                             : rule->exit_code);
}

/* A network of its own for each daemon keeps addresses apart on one host. */
static void give_address(struct container *container)
{
    struct runtime *runtime = container->runtime;
    uint64_t number = runtime->next_address++ % 0xfffe + 1;
    snprintf(container->address, sizeof container->address, "127.%u.%u.%u", runtime->network & 255u,
             (unsigned)(number >> 8) & 255u, (unsigned)number & 255u);
}

static bool take_address(struct container *container, struct orch_error *error)
{
    if (container->address[0])
        return !container->runtime->settings.http || http_listen(container, error);
    give_address(container);
    for (int tries = 0; container->runtime->settings.http; tries++) {
        if (http_listen(container, error))
            return true;
        if (tries == 16)
            return false;
        give_address(container);
    }
    return true;
}

bool container_start(struct container *container, struct orch_error *error)
{
    struct runtime *runtime = container->runtime;
    const char *after = container_env(container, "SIMULATED_EXIT_AFTER");
    const struct rule *rule = settings_rule(&runtime->settings, container->image);
    if (!take_address(container, error))
        return false;
    container->state = ORCH_CONTAINER_RUNNING;
    container->started_at_ms = runtime->loop->wall_ms(runtime->host);
    container->started_ns = runtime->loop->now_ns(runtime->host);
    container->finished_at_ms = 0;
    container->exit_code = 0;
    container->oom = container->stopping = false;
    container->unhealthy = container_env(container, "SIMULATED_UNHEALTHY") != NULL;
    if (after || rule->exit_after_ms >= 0)
        (void)runtime->loop->timer_start(
            runtime->host, after ? duration_ns(after) : (uint64_t)rule->exit_after_ms * NS_PER_MS,
            exit_by_itself, container, &container->exit_timer); /* refused: it just runs on */
    logs_write(container, "%s started", container->id);
    events_tell(container);
    return true;
}

void container_exit(struct container *container, int32_t code)
{
    struct runtime *runtime = container->runtime;
    if (container->state != ORCH_CONTAINER_RUNNING)
        return;
    stop_timers(container);
    http_close(container);
    container->state = ORCH_CONTAINER_EXITED;
    container->exit_code = code;
    container->finished_at_ms = runtime->loop->wall_ms(runtime->host);
    logs_write(container, "%s ended with code %d", container->id, code);
    logs_end(container);
    execs_end(container);
    stops_end(container);
    events_tell(container);
}
