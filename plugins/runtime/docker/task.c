/* The engine's description of a container from the host's. */
#include "docker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t MEMORY_MIN = UINT64_C(6) << 20; /* the engine takes no reservation below */

static json_t *string(struct orch_str value)
{
    json_t *made = json_stringn(value.ptr ? value.ptr : "", value.len);
    if (!made)
        abort(); /* it was checked: memory is out */
    return made;
}

static bool is_text(struct orch_str value)
{
    json_t *made = value.len ? json_stringn(value.ptr, value.len) : NULL;
    bool valid = !value.len || (made && !memchr(value.ptr, 0, value.len));
    json_decref(made);
    return valid;
}

static bool words_are_text(struct orch_array words)
{
    for (uint32_t i = 0; i < words.count; i++)
        if (!is_text(*ORCH_AT(struct orch_str, words, i)))
            return false;
    return true;
}

static bool pairs_are_text(struct orch_array pairs)
{
    for (uint32_t i = 0; i < pairs.count; i++)
        if (!is_text(ORCH_AT(struct orch_pair, pairs, i)->key) ||
            !is_text(ORCH_AT(struct orch_pair, pairs, i)->value))
            return false;
    return true;
}

bool task_is_text(const struct orch_task *task)
{
    for (uint32_t i = 0; i < task->ports.count; i++)
        if (!is_text(ORCH_AT(struct orch_port, task->ports, i)->host_address))
            return false;
    return is_text(task->image) && is_text(task->hostname) && is_text(task->user) &&
           is_text(task->working_dir) && is_text(task->stop_signal) &&
           words_are_text(task->command) && words_are_text(task->args) &&
           words_are_text(task->capabilities) && pairs_are_text(task->env) &&
           pairs_are_text(task->labels) && pairs_are_text(task->annotations);
}

static void set(json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value) != 0)
        abort(); /* memory is out */
}

static void set_given(json_t *object, const char *name, struct orch_str value)
{
    if (value.len)
        set(object, name, string(value));
}

static json_t *strings(struct orch_array words)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < words.count; i++)
        json_array_append_new(array, string(*ORCH_AT(struct orch_str, words, i)));
    return array;
}

static json_t *environment(struct orch_array pairs)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < pairs.count; i++) {
        const struct orch_pair *pair = ORCH_AT(struct orch_pair, pairs, i);
        struct text line = {0};
        text_add(&line, pair->key.ptr, pair->key.len);
        text_add(&line, "=", 1);
        text_add(&line, pair->value.ptr, pair->value.len);
        json_array_append_new(array, string((struct orch_str){line.data, line.length}));
        text_finish(&line);
    }
    return array;
}

static void add_labels(json_t *object, struct orch_array pairs)
{
    for (uint32_t i = 0; i < pairs.count; i++) {
        const struct orch_pair *pair = ORCH_AT(struct orch_pair, pairs, i);
        char *key = string_copy(pair->key);
        set(object, key, string(pair->value));
        free(key);
    }
}

/* The engine has no annotations; labels win where a key is in both. */
static json_t *labels(const struct orch_task *task)
{
    json_t *object = json_object();
    add_labels(object, task->annotations);
    add_labels(object, task->labels);
    return object;
}

bool labels_carried(const json_t *carried, struct orch_array wanted)
{
    for (uint32_t i = 0; i < wanted.count; i++) {
        const struct orch_pair *pair = ORCH_AT(struct orch_pair, wanted, i);
        char *key = string_copy(pair->key);
        const json_t *value = json_object_get(carried, key);
        bool same = json_is_string(value) && json_string_length(value) == pair->value.len &&
                    memcmp(json_string_value(value), pair->value.ptr ? pair->value.ptr : "",
                           pair->value.len) == 0;
        free(key);
        if (!same)
            return false;
    }
    return true;
}

static void add_port(json_t *exposed, json_t *bindings, const struct orch_port *port)
{
    char key[32], number[16];
    snprintf(key, sizeof key, "%u/%s", port->container_port,
             port->protocol == ORCH_PROTOCOL_UDP ? "udp" : "tcp");
    set(exposed, key, json_object());
    if (!port->host_port)
        return;
    json_t *list = json_object_get(bindings, key), *binding = json_object();
    if (!list)
        set(bindings, key, list = json_array());
    snprintf(number, sizeof number, "%u", port->host_port);
    set(binding, "HostIp",
        port->host_address.len ? string(port->host_address) : json_string("127.0.0.1"));
    set(binding, "HostPort", json_string(number));
    json_array_append_new(list, binding);
}

/* As Kubernetes: 1024 shares a core, 2 for what asks for nothing, so that it never outweighs what
 * did ask. */
static uint64_t shares(uint64_t cpu_millis)
{
    uint64_t value = cpu_millis > UINT64_C(262144000) ? 262144 : cpu_millis * 1024 / 1000;
    return value < 2 ? 2 : value > 262144 ? 262144 : value;
}

/* A cap above what the host has is none, and the engine would refuse it. */
static uint64_t nano_cpus(const struct runtime *runtime, uint64_t limit_millis)
{
    if (runtime->cpu_millis && limit_millis > runtime->cpu_millis)
        limit_millis = runtime->cpu_millis;
    return limit_millis * 1000000;
}

static void set_bytes(json_t *object, const char *name, uint64_t value)
{
    set(object, name, json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value));
}

static void add_resources(const struct runtime *runtime, json_t *host, const struct orch_task *task)
{
    set_bytes(host, "CpuShares", shares(task->cpu_millis));
    if (task->cpu_limit_millis)
        set_bytes(host, "NanoCpus", nano_cpus(runtime, task->cpu_limit_millis));
    if (task->memory_bytes >= MEMORY_MIN)
        set_bytes(host, "MemoryReservation", task->memory_bytes);
    if (task->memory_limit_bytes) {
        set_bytes(host, "Memory", task->memory_limit_bytes);
        set_bytes(host, "MemorySwap", task->memory_limit_bytes); /* of both: no swap */
    }
    if (task->pids_limit)
        set_bytes(host, "PidsLimit", task->pids_limit);
}

static json_t *host_config(const struct runtime *runtime, const struct orch_task *task,
                           json_t *bindings)
{
    json_t *host = json_object();
    add_resources(runtime, host, task);
    set(host, "RestartPolicy", json_pack("{s:s}", "Name", "no"));
    set(host, "SecurityOpt", json_pack("[s]", "no-new-privileges"));
    set(host, "CapDrop", json_pack("[s]", "ALL"));
    set(host, "CapAdd", strings(task->capabilities));
    set(host, "Privileged", json_false());
    set(host, "ReadonlyRootfs", json_boolean(task->flags & ORCH_TASK_READ_ONLY_ROOT));
    set(host, "LogConfig",
        json_pack("{s:s, s:{s:s, s:s}}", "Type", "json-file", "Config", "max-size", "10m",
                  "max-file", "3"));
    set(host, "NetworkMode", json_string(runtime->settings.network));
    set(host, "PortBindings", bindings);
    return host;
}

/* A command replaces the image's entrypoint, and with it the image's arguments. */
static void add_command(json_t *body, const struct orch_task *task)
{
    if (task->command.count)
        set(body, "Entrypoint", strings(task->command));
    if (task->command.count || task->args.count)
        set(body, "Cmd", strings(task->args));
}

json_t *task_body(const struct runtime *runtime, const struct orch_task *task)
{
    json_t *body = json_object(), *exposed = json_object(), *bindings = json_object();
    for (uint32_t i = 0; i < task->ports.count; i++)
        add_port(exposed, bindings, ORCH_AT(struct orch_port, task->ports, i));
    set(body, "Image", string(task->image));
    set(body, "Env", environment(task->env));
    set(body, "Labels", labels(task));
    set_given(body, "Hostname", task->hostname);
    set_given(body, "User", task->user);
    set_given(body, "WorkingDir", task->working_dir);
    set_given(body, "StopSignal", task->stop_signal);
    add_command(body, task);
    set(body, "ExposedPorts", exposed);
    set(body, "HostConfig", host_config(runtime, task, bindings));
    return body;
}
