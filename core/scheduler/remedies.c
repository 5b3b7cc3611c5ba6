#include "scheduler/remedies.h"
#include "scheduler/impl.h"

#include <stdio.h>
#include <string.h>

enum { MIB = 1024 * 1024 };

struct look {
    struct remedies *remedies;
    struct scheduler *scheduler;
    const struct schedule_ask *ask;
    const struct column_node *node;
};

static bool fits(const struct look *look, const struct placement *placement,
                 const struct container_template *template)
{
    struct schedule_ask changed = *look->ask;
    if (placement)
        changed.placement = placement;
    if (template)
        changed.template = template;
    return scheduler_still_fits(look->scheduler, &changed, look->node->record->name, NULL);
}

static int64_t cut_permille(int64_t asked, int64_t left)
{
    return asked > left ? 1000 - left * 1000 / asked : 0;
}

static void try_smaller(const struct look *look, const struct filter_row *row)
{
    struct container_template template = *look->ask->template;
    struct resources *resources = &template.resources;
    int64_t cpu_asked = resources->cpu_millis, memory_asked = resources->memory_bytes;
    int64_t cpu = row->free[RESOURCE_CPU], memory = row->free[RESOURCE_MEMORY] / MIB * MIB;
    if (cpu_asked && cpu_asked > cpu)
        resources->cpu_millis = cpu;
    if (memory_asked && memory_asked > memory)
        resources->memory_bytes = memory;
    if ((cpu_asked && resources->cpu_millis <= 0) || (memory_asked && resources->memory_bytes <= 0))
        return;
    int64_t cut = cut_permille(cpu_asked, resources->cpu_millis);
    int64_t memory_cut = cut_permille(memory_asked, resources->memory_bytes);
    if (memory_cut > cut)
        cut = memory_cut;
    struct remedies *out = look->remedies;
    if ((out->smaller_node[0] && cut >= out->cut_permille) || !fits(look, NULL, &template))
        return;
    out->cut_permille = cut;
    out->cpu_millis = resources->cpu_millis;
    out->memory_bytes = resources->memory_bytes;
    snprintf(out->smaller_node, sizeof out->smaller_node, "%s", look->node->record->name);
}

/* A cordon is no part of the ask: all the other filters must pass as it is. */
static void try_opened(const struct look *look, const struct filter_row *row, const struct ask *ask)
{
    struct remedies *out = look->remedies;
    for (enum filter filter = FILTER_READY; filter < FILTER_PLUGIN; filter++)
        if (filter != FILTER_SCHEDULABLE && !filter_passes(row, ask, filter, NULL))
            return;
    if (out->closed_count < REMEDY_NODES)
        snprintf(out->closed[out->closed_count], sizeof out->closed[0], "%s",
                 look->node->record->name);
    out->closed_count++;
}

static void try_without_constraint(const struct look *look)
{
    const struct list *all = &look->ask->placement->constraints;
    for (uint32_t i = 0; i < all->count && i < REMEDY_CONSTRAINTS; i++) {
        if (constraint_holds(LIST_AT(*all, struct constraint, i), &look->node->record->labels))
            continue;
        /* The others, with the last in the place of this one. */
        struct constraint kept[REMEDY_CONSTRAINTS];
        uint32_t count = all->count - 1;
        if (count > REMEDY_CONSTRAINTS)
            return;
        for (uint32_t j = 0; j < count; j++)
            kept[j] = *LIST_AT(*all, struct constraint, j < i ? j : j + 1);
        struct placement placement = *look->ask->placement;
        placement.constraints = *all;
        placement.constraints.items = kept;
        placement.constraints.count = count;
        look->remedies->without_constraint[i] += fits(look, &placement, NULL);
    }
}

static void try_more_per_node(const struct look *look, const struct filter_row *row)
{
    struct placement placement = *look->ask->placement;
    placement.max_per_node = (int64_t)row->replicas + 1;
    int64_t known = look->remedies->max_per_node;
    if ((!known || placement.max_per_node < known) && fits(look, &placement, NULL))
        look->remedies->max_per_node = placement.max_per_node;
}

static void try_without_host_ports(const struct look *look)
{
    enum { PORTS = 64 };
    struct container_template template = *look->ask->template;
    struct container_port ports[PORTS];
    if (template.ports.count > PORTS)
        return;
    for (uint32_t i = 0; i < template.ports.count; i++) {
        ports[i] = *LIST_AT(template.ports, struct container_port, i);
        ports[i].host_port = NUMBER_NULL;
    }
    template.ports.items = ports;
    look->remedies->without_host_ports += fits(look, NULL, &template);
}

void remedies_look(struct remedies *remedies, struct scheduler *scheduler,
                   const struct schedule_ask *from, const char *name)
{
    struct look look = {remedies, scheduler, from, scheduler_node(scheduler, name)};
    struct ask ask;
    if (!look.node)
        return;
    ask_borrow(&ask, from);
    struct filter_row row = node_row(scheduler, look.node, &ask);
    enum filter first = filter_first(&row, &ask);
    if (!first || first == FILTER_READY || first == FILTER_FEATURES)
        return; /* it fits, or nothing that the user declares would help */
    if (first == FILTER_SCHEDULABLE)
        try_opened(&look, &row, &ask);
    else if (first == FILTER_CONSTRAINTS)
        try_without_constraint(&look);
    else if (first == FILTER_MAX_PER_NODE)
        try_more_per_node(&look, &row);
    else if (first == FILTER_PORTS)
        try_without_host_ports(&look);
    else
        try_smaller(&look, &row);
}
