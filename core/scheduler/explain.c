#include "scheduler/impl.h"

#include <stdio.h>
#include <string.h>

size_t scheduler_explain(struct scheduler *scheduler, const struct schedule_ask *from,
                         const char *name, struct filter_verdict out[FILTER_COUNT])
{
    const struct column_node *node = scheduler_node(scheduler, name);
    struct ask ask;
    size_t count = 0;
    if (!node)
        return 0;
    ask_borrow(&ask, from);
    struct filter_row row = node_row(scheduler, node, &ask);
    for (enum filter filter = FILTER_READY; filter < FILTER_PLUGIN; filter++) {
        struct filter_verdict *verdict = &out[count++];
        *verdict = (struct filter_verdict){.filter = filter};
        verdict->ok = filter_passes(&row, &ask, filter, verdict);
    }
    return count;
}

bool scheduler_still_fits(struct scheduler *scheduler, const struct schedule_ask *from,
                          const char *name, const struct list *ports)
{
    const struct column_node *node = scheduler_node(scheduler, name);
    struct ask ask;
    (void)ports; /* host ports are fixed by the template, which the ask holds */
    if (!node)
        return false;
    ask_borrow(&ask, from);
    struct filter_row row = node_row(scheduler, node, &ask);
    return !filter_first(&row, &ask);
}

bool scheduler_may_run(struct scheduler *scheduler, const struct schedule_ask *from,
                       const char *name)
{
    static const enum filter lasting[] = {FILTER_SCHEDULABLE, FILTER_FEATURES, FILTER_CONSTRAINTS};
    const struct column_node *node = scheduler_node(scheduler, name);
    struct ask ask;
    if (!node)
        return true; /* it has yet to be heard of */
    ask_borrow(&ask, from);
    const struct filter_row row = {.record = node->record};
    for (size_t i = 0; i < sizeof lasting / sizeof lasting[0]; i++)
        if (!filter_passes(&row, &ask, lasting[i], NULL))
            return false;
    return true;
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
