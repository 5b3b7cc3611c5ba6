#include "scheduler/impl.h"

#include <stdio.h>
#include <string.h>

/* The columns of one node, by the same code as a pass. */
static uint32_t find(const struct snapshot *snapshot, const char *node)
{
    for (uint32_t i = 0; i < snapshot->node_count; i++)
        if (strcmp(snapshot->nodes[i].record->name, node) == 0)
            return i;
    return UINT32_MAX;
}

size_t scheduler_explain(struct scheduler *scheduler, const struct schedule_ask *from,
                         const char *node, struct filter_verdict out[FILTER_COUNT])
{
    struct snapshot snapshot = {0};
    struct ask ask;
    size_t count = 0;
    ask_init(&ask, from, &snapshot.arena);
    snapshot_fill(&snapshot, scheduler, &ask);
    uint32_t index = find(&snapshot, node);
    for (enum filter filter = FILTER_READY; index != UINT32_MAX && filter < FILTER_PLUGIN;
         filter++) {
        struct filter_verdict *verdict = &out[count++];
        *verdict = (struct filter_verdict){.filter = filter};
        verdict->ok = filter_passes(&snapshot, &ask, index, filter, verdict);
    }
    snapshot_finish(&snapshot);
    return count;
}

bool scheduler_still_fits(struct scheduler *scheduler, const struct schedule_ask *from,
                          const char *node, const struct list *ports)
{
    struct filter_verdict verdicts[FILTER_COUNT];
    size_t count = scheduler_explain(scheduler, from, node, verdicts);
    (void)ports; /* host ports are fixed by the template, which the ask holds */
    for (size_t i = 0; i < count; i++)
        if (!verdicts[i].ok)
            return false;
    return count > 0;
}

void schedule_refusals_text(const struct schedule_placement *placement, uint32_t nodes, char *out,
                            size_t bytes)
{
    int length = snprintf(out, bytes, "%u node%s", nodes, nodes == 1 ? "" : "s");
    const char *separator = ": ";
    for (int filter = FILTER_READY; filter < FILTER_COUNT; filter++) {
        if (!placement->refused[filter] || length < 0 || (size_t)length >= bytes)
            continue;
        length += snprintf(out + length, bytes - (size_t)length, "%s%u refused by %s", separator,
                           placement->refused[filter], filter_name((enum filter)filter));
        separator = ", ";
    }
}
