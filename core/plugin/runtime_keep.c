#include "plugin/runtime_keep.h"

#include <string.h>

struct orch_str runtime_keep(struct arena *arena, const char *string)
{
    if (!string)
        return (struct orch_str){NULL, 0};
    return (struct orch_str){arena_strdup(arena, string), strlen(string)};
}

struct orch_str runtime_keep_string(struct arena *arena, struct orch_str string)
{
    if (!string.ptr)
        return string;
    return (struct orch_str){arena_strndup(arena, string.ptr, string.len), string.len};
}

struct orch_array runtime_keep_words(struct arena *arena, const char *const *words, uint32_t count)
{
    struct orch_str *kept = arena_alloc(arena, count * sizeof *kept);
    for (uint32_t i = 0; i < count; i++)
        kept[i] = runtime_keep(arena, words[i]);
    return (struct orch_array){kept, count, sizeof *kept};
}

struct orch_array runtime_keep_strings(struct arena *arena, struct orch_array strings)
{
    struct orch_str *kept = arena_alloc(arena, strings.count * sizeof *kept);
    for (uint32_t i = 0; i < strings.count; i++)
        kept[i] = runtime_keep_string(arena, *ORCH_AT(struct orch_str, strings, i));
    return (struct orch_array){kept, strings.count, sizeof *kept};
}

struct orch_array runtime_keep_pairs(struct arena *arena, struct orch_array pairs)
{
    struct orch_pair *kept = arena_alloc(arena, pairs.count * sizeof *kept);
    for (uint32_t i = 0; i < pairs.count; i++) {
        const struct orch_pair *pair = ORCH_AT(struct orch_pair, pairs, i);
        kept[i] = (struct orch_pair){runtime_keep_string(arena, pair->key),
                                     runtime_keep_string(arena, pair->value)};
    }
    return (struct orch_array){kept, pairs.count, sizeof *kept};
}

struct orch_array runtime_keep_ports(struct arena *arena, struct orch_array ports)
{
    struct orch_port *kept = arena_alloc(arena, ports.count * sizeof *kept);
    for (uint32_t i = 0; i < ports.count; i++) {
        kept[i] = *ORCH_AT(struct orch_port, ports, i);
        kept[i].host_address = runtime_keep_string(arena, kept[i].host_address);
    }
    return (struct orch_array){kept, ports.count, sizeof *kept};
}

struct orch_task *runtime_keep_task(struct arena *arena, const struct orch_task *task)
{
    struct orch_task *kept = arena_alloc(arena, sizeof *kept);
    *kept = *task;
    kept->size = sizeof *kept;
    kept->id = runtime_keep_string(arena, task->id);
    kept->name = runtime_keep_string(arena, task->name);
    kept->hostname = runtime_keep_string(arena, task->hostname);
    kept->image = runtime_keep_string(arena, task->image);
    kept->command = runtime_keep_strings(arena, task->command);
    kept->args = runtime_keep_strings(arena, task->args);
    kept->env = runtime_keep_pairs(arena, task->env);
    kept->labels = runtime_keep_pairs(arena, task->labels);
    kept->ports = runtime_keep_ports(arena, task->ports);
    kept->capabilities = runtime_keep_strings(arena, task->capabilities);
    kept->annotations = runtime_keep_pairs(arena, task->annotations);
    kept->working_dir = runtime_keep_string(arena, task->working_dir);
    kept->user = runtime_keep_string(arena, task->user);
    kept->stop_signal = runtime_keep_string(arena, task->stop_signal);
    kept->private_directory = runtime_keep_string(arena, task->private_directory);
    kept->mounts = kept->devices = kept->files = kept->resources = (struct orch_array){0};
    return kept;
}
