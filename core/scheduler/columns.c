/* The nodes as columns, kept up to date as records change. */
#include "scheduler/impl.h"
#include "base/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

static size_t lower_bound(const struct scheduler *scheduler, const char *name)
{
    size_t low = 0, high = scheduler->node_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(scheduler->nodes[middle].record->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct column_node *scheduler_node(const struct scheduler *scheduler, const char *name)
{
    size_t at = lower_bound(scheduler, name);
    if (at == scheduler->node_count || strcmp(scheduler->nodes[at].record->name, name) != 0)
        return NULL;
    return &scheduler->nodes[at];
}

static struct column_node *insert(struct scheduler *scheduler, const char *name)
{
    size_t at = lower_bound(scheduler, name);
    if (scheduler->node_count == scheduler->node_room) {
        scheduler->node_room = scheduler->node_room ? scheduler->node_room * 2 : 16;
        scheduler->nodes =
            memory_resize(scheduler->nodes, scheduler->node_room * sizeof *scheduler->nodes);
    }
    memmove(scheduler->nodes + at + 1, scheduler->nodes + at,
            (scheduler->node_count - at) * sizeof *scheduler->nodes);
    scheduler->node_count++;
    scheduler->nodes[at] = (struct column_node){.hash = hash_text(name)};
    return &scheduler->nodes[at];
}

void scheduler_node_put(struct scheduler *scheduler, const struct node *node,
                        const struct node_status *status)
{
    struct column_node *column = scheduler_node(scheduler, node->name);
    if (!column)
        column = insert(scheduler, node->name);
    const struct node *old = column->record;
    column->record = (const struct node *)record_take_reference(&node->record);
    column->ready = status->state == NODE_READY && !status->runtime_down;
    column->capacity[RESOURCE_CPU] = node->capacity.cpu_millis - node->reserved.cpu_millis;
    column->capacity[RESOURCE_MEMORY] = node->capacity.memory_bytes - node->reserved.memory_bytes;
    column->capacity[RESOURCE_CONTAINERS] = CONTAINERS_PER_NODE;
    scheduler->revision++;
    if (old)
        record_release(&old->record);
}

static void free_column(struct column_node *column)
{
    while (column->tallies) {
        struct tally *next = column->tallies->next;
        free(column->tallies);
        column->tallies = next;
    }
    free(column->ports);
    record_release(&column->record->record);
}

void scheduler_node_remove(struct scheduler *scheduler, const char *name)
{
    struct column_node *column = scheduler_node(scheduler, name);
    if (!column)
        return;
    size_t at = (size_t)(column - scheduler->nodes);
    free_column(column);
    memmove(scheduler->nodes + at, scheduler->nodes + at + 1,
            (scheduler->node_count - at - 1) * sizeof *scheduler->nodes);
    scheduler->node_count--;
    scheduler->revision++;
}

static void count_replica(struct column_node *column, const char *deployment, int64_t by)
{
    struct tally **link = &column->tallies;
    while (*link && strcmp((*link)->deployment, deployment) != 0)
        link = &(*link)->next;
    if (!*link) {
        *link = memory_alloc(sizeof **link);
        snprintf((*link)->deployment, sizeof(*link)->deployment, "%s", deployment);
    }
    (*link)->count += by;
    if ((*link)->count)
        return;
    struct tally *gone = *link;
    *link = gone->next;
    free(gone);
}

static void take_ports(struct column_node *column, const struct list *ports, bool add)
{
    for (uint32_t i = 0; i < ports->count; i++) {
        const struct container_port *port = LIST_AT(*ports, struct container_port, i);
        if (port->host_port <= 0)
            continue;
        if (add) {
            column->ports =
                memory_resize(column->ports, (column->port_count + 1) * sizeof *column->ports);
            column->ports[column->port_count++] =
                (struct used_port){.port = port->host_port, .protocol = port->protocol};
            continue;
        }
        for (size_t j = 0; j < column->port_count; j++)
            if (column->ports[j].port == port->host_port &&
                column->ports[j].protocol == port->protocol) {
                column->ports[j] = column->ports[--column->port_count];
                break;
            }
    }
}

static void change_share(struct scheduler *scheduler, const struct scheduler_share *share, int by)
{
    struct column_node *column = scheduler_node(scheduler, share->node);
    if (!column)
        return;
    column->used[RESOURCE_CPU] += by * share->cpu_millis;
    column->used[RESOURCE_MEMORY] += by * share->memory_bytes;
    column->used[RESOURCE_CONTAINERS] += by;
    count_replica(column, share->deployment, by);
    take_ports(column, &share->ports, by > 0);
    scheduler->revision++;
}

void scheduler_share_add(struct scheduler *scheduler, const struct scheduler_share *share)
{
    change_share(scheduler, share, 1);
}

void scheduler_share_remove(struct scheduler *scheduler, const struct scheduler_share *share)
{
    change_share(scheduler, share, -1);
}

void scheduler_node_deployments(const struct scheduler *scheduler, const char *node,
                                void (*visit)(void *argument, const char *deployment),
                                void *argument)
{
    const struct column_node *column = scheduler_node(scheduler, node);
    for (const struct tally *tally = column ? column->tallies : NULL; tally; tally = tally->next)
        visit(argument, tally->deployment);
}

struct node_amounts scheduler_allocated(const struct scheduler *scheduler, const char *node,
                                        int64_t *containers)
{
    const struct column_node *column = scheduler_node(scheduler, node);
    *containers = column ? column->used[RESOURCE_CONTAINERS] : 0;
    if (!column)
        return (struct node_amounts){0};
    return (struct node_amounts){.cpu_millis = column->used[RESOURCE_CPU],
                                 .memory_bytes = column->used[RESOURCE_MEMORY]};
}

void snapshot_fill(struct snapshot *snapshot, const struct scheduler *scheduler,
                   const struct ask *ask)
{
    struct arena *arena = &snapshot->arena;
    size_t count = scheduler->node_count;
    snapshot->node_count = (uint32_t)count;
    snapshot->revision = scheduler->revision;
    snapshot->nodes = arena_alloc(arena, (count + 1) * sizeof *snapshot->nodes);
    snapshot->hashes = arena_alloc(arena, (count + 1) * sizeof *snapshot->hashes);
    snapshot->replicas = arena_alloc(arena, (count + 1) * sizeof *snapshot->replicas);
    for (int r = 0; r < RESOURCE_COUNT; r++) {
        snapshot->free[r] = arena_alloc(arena, (count + 1) * sizeof(int64_t));
        snapshot->capacity[r] = arena_alloc(arena, (count + 1) * sizeof(int64_t));
    }
    for (size_t i = 0; i < count; i++) {
        const struct column_node *node = &scheduler->nodes[i];
        struct used_port *ports =
            arena_alloc(arena, (node->port_count + 1) * sizeof(struct used_port));
        if (node->port_count)
            memcpy(ports, node->ports, node->port_count * sizeof *ports);
        snapshot->nodes[i] = (struct view_node){
            .record = (const struct node *)record_take_reference(&node->record->record),
            .ready = node->ready,
            .ports = ports,
            .port_count = node->port_count};
        snapshot->hashes[i] = node->hash;
        for (int r = 0; r < RESOURCE_COUNT; r++) {
            snapshot->capacity[r][i] = node->capacity[r];
            snapshot->free[r][i] = node->capacity[r] - node->used[r];
        }
        for (const struct tally *tally = node->tallies; tally; tally = tally->next)
            if (strcmp(tally->deployment, ask->deployment) == 0)
                snapshot->replicas[i] = (uint32_t)tally->count;
    }
}

void snapshot_finish(struct snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->node_count; i++)
        record_release(&snapshot->nodes[i].record->record);
    arena_finish(&snapshot->arena);
}

void scheduler_destroy(struct scheduler *scheduler)
{
    if (!scheduler)
        return;
    scheduler_cancel_passes(scheduler);
    while (scheduler->plugins) {
        struct plugin *plugin = scheduler->plugins;
        scheduler->plugins = plugin->next;
        scheduler_plugin_release(plugin);
    }
    for (size_t i = 0; i < scheduler->node_count; i++)
        free_column(&scheduler->nodes[i]);
    free(scheduler->nodes);
    free(scheduler);
}
