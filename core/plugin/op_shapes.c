/* Deep copies of what verbs answer. Their structs may be shorter or longer than ours; all are
 * advisory, so that a newer plugin's further members are left out without a word. */
#include "plugin/ops.h"

#include <orchestrator/runtime.h>
#include <orchestrator/store.h>

enum { STRING_LIMIT = 1024 * 1024, LABEL_LIMIT = 4096 };

static struct orch_str copy_string(struct arena *arena, struct orch_str theirs)
{
    if (!theirs.ptr)
        return (struct orch_str){NULL, 0};
    size_t length = theirs.len < STRING_LIMIT ? theirs.len : STRING_LIMIT;
    return (struct orch_str){arena_strndup(arena, theirs.ptr, length), length};
}

static struct orch_array copy_pairs(struct arena *arena, struct orch_array theirs)
{
    if (!theirs.items || theirs.stride < sizeof(struct orch_pair) || theirs.count > LABEL_LIMIT)
        return (struct orch_array){NULL, 0, 0};
    struct orch_pair *ours = arena_alloc(arena, theirs.count * sizeof *ours);
    for (uint32_t i = 0; i < theirs.count; i++) {
        const struct orch_pair *pair = ORCH_AT(struct orch_pair, theirs, i);
        ours[i].key = copy_string(arena, pair->key);
        ours[i].value = copy_string(arena, pair->value);
    }
    return (struct orch_array){ours, theirs.count, sizeof *ours};
}

static void *take(struct arena *arena, size_t size, const void *theirs)
{
    uint32_t *ours = arena_alloc(arena, size);
    (void)orch_take(ours, size, theirs, NULL);
    *ours = (uint32_t)size;
    return ours;
}

static const void *copy_info(struct arena *arena, const void *theirs)
{
    struct orch_runtime_info *ours = take(arena, sizeof *ours, theirs);
    ours->engine = copy_string(arena, ours->engine);
    ours->version = copy_string(arena, ours->version);
    return ours;
}

static const void *copy_image(struct arena *arena, const void *theirs)
{
    struct orch_image *ours = take(arena, sizeof *ours, theirs);
    ours->image = copy_string(arena, ours->image);
    ours->digest = copy_string(arena, ours->digest);
    return ours;
}

static const void *copy_created(struct arena *arena, const void *theirs)
{
    struct orch_created *ours = take(arena, sizeof *ours, theirs);
    ours->runtime_id = copy_string(arena, ours->runtime_id);
    return ours;
}

static const void *copy_started(struct arena *arena, const void *theirs)
{
    struct orch_started *ours = take(arena, sizeof *ours, theirs);
    ours->address = copy_string(arena, ours->address);
    return ours;
}

static const void *copy_exec_end(struct arena *arena, const void *theirs)
{
    return take(arena, sizeof(struct orch_exec_end), theirs);
}

static const void *copy_lease(struct arena *arena, const void *theirs)
{
    return take(arena, sizeof(struct orch_lease), theirs);
}

static void copy_container(struct arena *arena, void *to, const void *theirs)
{
    struct orch_container_view *ours = to;
    (void)orch_take(ours, sizeof *ours, theirs, NULL);
    ours->size = sizeof *ours;
    ours->runtime_id = copy_string(arena, ours->runtime_id);
    ours->name = copy_string(arena, ours->name);
    ours->image = copy_string(arena, ours->image);
    ours->address = copy_string(arena, ours->address);
    ours->labels = copy_pairs(arena, ours->labels);
    ours->message = copy_string(arena, ours->message);
    if (ours->state < ORCH_CONTAINER_CREATED || ours->state > ORCH_CONTAINER_UNKNOWN)
        ours->state = ORCH_CONTAINER_UNKNOWN; /* a newer plugin's word */
}

static void copy_stats(struct arena *arena, void *to, const void *theirs)
{
    struct orch_stats_view *ours = to;
    (void)orch_take(ours, sizeof *ours, theirs, NULL);
    ours->size = sizeof *ours;
    ours->runtime_id = copy_string(arena, ours->runtime_id);
}

const struct op_shape op_shape_none = {.name = "nothing"};
const struct op_shape op_shape_runtime_info = {.name = "struct orch_runtime_info",
                                               .copy_value = copy_info};
const struct op_shape op_shape_image = {.name = "struct orch_image", .copy_value = copy_image};
const struct op_shape op_shape_created = {.name = "struct orch_created",
                                          .copy_value = copy_created};
const struct op_shape op_shape_started = {.name = "struct orch_started",
                                          .copy_value = copy_started};
const struct op_shape op_shape_exec_end = {.name = "struct orch_exec_end",
                                           .copy_value = copy_exec_end};
const struct op_shape op_shape_containers = {.name = "array of struct orch_container_view",
                                             .item_size = sizeof(struct orch_container_view),
                                             .copy_item = copy_container};
const struct op_shape op_shape_stats = {.name = "array of struct orch_stats_view",
                                        .item_size = sizeof(struct orch_stats_view),
                                        .copy_item = copy_stats};
const struct op_shape op_shape_lease = {.name = "struct orch_lease", .copy_value = copy_lease};
