/* list, stats, events: what many containers answer at once. */
#include "simulated.h"

#include <stdlib.h>
#include <string.h>

static struct orch_str str(const char *string)
{
    return (struct orch_str){string, strlen(string)};
}

static bool is_asked(const struct container *container, struct orch_array ids)
{
    for (uint32_t i = 0; i < ids.count; i++) {
        const struct orch_str *id = ORCH_AT(struct orch_str, ids, i);
        if (id->len == strlen(container->runtime_id) &&
            memcmp(id->ptr, container->runtime_id, id->len) == 0)
            return true;
    }
    return !ids.count;
}

static struct orch_container_view view_of(const struct container *container,
                                          struct orch_pair *labels)
{
    for (uint32_t i = 0; i < container->label_count; i++)
        labels[i] =
            (struct orch_pair){str(container->labels[i].key), str(container->labels[i].value)};
    bool running = container->state == ORCH_CONTAINER_RUNNING;
    bool ended = container->state == ORCH_CONTAINER_EXITED;
    return (struct orch_container_view){.size = sizeof(struct orch_container_view),
                                        .state = container->state,
                                        .runtime_id = str(container->runtime_id),
                                        .name = str(container->name),
                                        .image = str(container->image),
                                        .address = running ? str(container->address)
                                                           : (struct orch_str){NULL, 0},
                                        .labels = {labels, container->label_count, sizeof *labels},
                                        .created_at_ms = container->created_at_ms,
                                        .started_at_ms = container->started_at_ms,
                                        .finished_at_ms = container->finished_at_ms,
                                        .exit_code = container->exit_code,
                                        .flags = (ended ? ORCH_CONTAINER_HAS_EXIT_CODE : 0u) |
                                                 (container->oom ? ORCH_CONTAINER_OOM : 0u)};
}

static void complete_items(struct runtime *runtime, struct orch_op op, const void *items,
                           uint32_t count, uint32_t stride)
{
    const struct orch_result result = {
        .size = sizeof result, .status = ORCH_OK, .items = {items, count, stride}};
    (void)runtime->ops->complete(runtime->host, op, &result); /* STALE: nobody waits any more */
}

orch_status runtime_list(void *instance, struct orch_op op, const struct orch_list *given,
                         struct orch_error *error)
{
    struct runtime *runtime = instance;
    struct orch_list list;
    if (ORCH_TAKE(struct orch_list, &list, given, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    struct pair *labels = pairs_copy(list.labels);
    size_t containers = HASH_CNT(by_id, runtime->ids), label_count = 0;
    for (struct container *c = runtime->first; c; c = c->next)
        label_count += c->label_count;
    struct orch_container_view *views = calloc(containers + 1, sizeof *views);
    struct orch_pair *pairs = calloc(label_count + 1, sizeof *pairs);
    if (!views || !pairs)
        abort();
    uint32_t count = 0;
    size_t used = 0;
    for (struct container *c = runtime->first; c; c = c->next) {
        if (!labels_match(c, labels, list.labels.count) || !is_asked(c, list.runtime_ids))
            continue;
        views[count++] = view_of(c, pairs + used);
        used += c->label_count;
    }
    complete_items(runtime, op, views, count, sizeof *views);
    pairs_free(labels, list.labels.count);
    free(pairs);
    free(views);
    return ORCH_PENDING;
}

/* Plausible and repeatable: one part in a hundred of a core, half the reservation. */
orch_status runtime_stats(void *instance, struct orch_op op, struct orch_array runtime_ids,
                          struct orch_error *error)
{
    struct runtime *runtime = instance;
    struct orch_stats_view *views = calloc(HASH_CNT(by_id, runtime->ids) + 1, sizeof *views);
    uint32_t count = 0;
    (void)error;
    if (!views)
        abort();
    for (struct container *c = runtime->first; c; c = c->next) {
        if (c->state != ORCH_CONTAINER_RUNNING || !is_asked(c, runtime_ids))
            continue;
        views[count++] = (struct orch_stats_view){
            .size = sizeof *views,
            .runtime_id = str(c->runtime_id),
            .cpu_ns = (runtime->loop->now_ns(runtime->host) - c->started_ns) / 100,
            .memory_bytes = c->memory_bytes ? c->memory_bytes / 2 : UINT64_C(16) << 20,
            .memory_limit_bytes = c->memory_bytes,
            .pids = 1};
    }
    complete_items(runtime, op, views, count, sizeof *views);
    free(views);
    return ORCH_PENDING;
}

orch_status runtime_events(void *instance, struct orch_op op, struct orch_array labels,
                           struct orch_error *error)
{
    struct job *job = job_create(instance, op, JOB_EVENTS);
    (void)error;
    job->labels = pairs_copy(labels);
    job->label_count = labels.count;
    return ORCH_PENDING;
}

void events_tell(struct container *container)
{
    const struct runtime *runtime = container->runtime;
    for (struct job *job = runtime->jobs; job; job = job->next)
        if (job->kind == JOB_EVENTS && labels_match(container, job->labels, job->label_count))
            (void)runtime->ops->emit(runtime->host, job->op, ORCH_CHANNEL_EVENT, 0,
                                     str(container->runtime_id)); /* a hint; lists tell the truth */
}
