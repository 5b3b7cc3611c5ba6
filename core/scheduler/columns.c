/* The nodes, kept up to date as records change, and frozen as columns for the passes. */
#include "base/hash.h"
#include "scheduler/impl.h"

#include <stdlib.h>
#include <string.h>

struct column_node *scheduler_node(const struct scheduler *scheduler, const char *name)
{
    struct column_node *node = NULL;
    HASH_FIND(hh, scheduler->by_name, name, strlen(name), node);
    return node;
}

/* The next pass freezes them anew. */
static void thaw(struct scheduler *scheduler)
{
    scheduler->revision++;
    if (!scheduler->frozen)
        return;
    frozen_release(scheduler->frozen);
    scheduler->frozen = NULL;
    for (int r = 0; r < RESOURCE_COUNT; r++)
        memory_free_pointer(&scheduler->free[r]);
}

static size_t lower_bound(const struct scheduler *scheduler, const char *name)
{
    size_t low = 0, high = scheduler->node_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(scheduler->nodes[middle]->record->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct column_node *insert(struct scheduler *scheduler, const char *name)
{
    size_t at = lower_bound(scheduler, name);
    struct column_node *node = memory_alloc(sizeof *node);
    if (scheduler->node_count == scheduler->node_room) {
        scheduler->node_room = scheduler->node_room ? scheduler->node_room * 2 : 16;
        scheduler->nodes =
            memory_resize(scheduler->nodes, scheduler->node_room * sizeof(struct column_node *));
    }
    memmove(scheduler->nodes + at + 1, scheduler->nodes + at,
            (scheduler->node_count - at) * sizeof(struct column_node *));
    scheduler->node_count++;
    scheduler->nodes[at] = node;
    node->number = scheduler->next_number++;
    return node;
}

/* Its name is the record's, which another version replaces. */
static void set_record(struct scheduler *scheduler, struct column_node *node,
                       const struct node *record)
{
    const struct node *old = node->record;
    if (old)
        HASH_DEL(scheduler->by_name, node);
    node->record = (const struct node *)record_take_reference(&record->record);
    HASH_ADD_KEYPTR(hh, scheduler->by_name, node->record->name, strlen(node->record->name), node);
    if (old)
        record_release(&old->record);
}

void scheduler_node_put(struct scheduler *scheduler, const struct node *record,
                        const struct node_status *status)
{
    struct column_node *node = scheduler_node(scheduler, record->name);
    if (!node)
        node = insert(scheduler, record->name);
    set_record(scheduler, node, record);
    node->ready = status->state == NODE_READY && !status->runtime_down;
    node->capacity[RESOURCE_CPU] = record->capacity.cpu_millis - record->reserved.cpu_millis;
    node->capacity[RESOURCE_MEMORY] = record->capacity.memory_bytes - record->reserved.memory_bytes;
    node->capacity[RESOURCE_CONTAINERS] = CONTAINERS_PER_NODE;
    thaw(scheduler);
}

static void free_node(struct scheduler *scheduler, struct column_node *node)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is in the table */
    HASH_DEL(scheduler->by_name, node);
    record_release(&node->record->record);
    free(node->ports);
    free(node);
}

/* What its containers took is forgotten with it. */
static void forget_tallies(struct scheduler *scheduler, uint32_t number)
{
    struct tally *tally, *next;
    HASH_ITER(hh, scheduler->tallies, tally, next)
    {
        uint32_t count = tally_count(tally, number);
        for (; count; count--)
            tally_change(scheduler, tally->deployment, number, -1); /* its last ends the tally */
    }
}

void scheduler_node_remove(struct scheduler *scheduler, const char *name)
{
    struct column_node *node = scheduler_node(scheduler, name);
    if (!node)
        return;
    size_t at = lower_bound(scheduler, name);
    forget_tallies(scheduler, node->number);
    free_node(scheduler, node);
    memmove(scheduler->nodes + at, scheduler->nodes + at + 1,
            (scheduler->node_count - at - 1) * sizeof(struct column_node *));
    scheduler->node_count--;
    thaw(scheduler);
}

static void take_ports(struct column_node *node, const struct list *ports, bool add)
{
    for (uint32_t i = 0; i < ports->count; i++) {
        const struct container_port *port = LIST_AT(*ports, struct container_port, i);
        if (port->host_port <= 0)
            continue;
        if (add) {
            node->ports = memory_resize(node->ports, (node->port_count + 1) * sizeof *node->ports);
            node->ports[node->port_count++] =
                (struct used_port){.port = port->host_port, .protocol = port->protocol};
            continue;
        }
        for (size_t j = 0; j < node->port_count; j++)
            if (node->ports[j].port == port->host_port &&
                node->ports[j].protocol == port->protocol) {
                node->ports[j] = node->ports[--node->port_count];
                break;
            }
    }
}

static void change_share(struct scheduler *scheduler, const struct scheduler_share *share, int by)
{
    struct column_node *node = scheduler_node(scheduler, share->node);
    const int64_t amounts[RESOURCE_COUNT] = {share->cpu_millis, share->memory_bytes, 1};
    if (!node || !tally_change(scheduler, share->deployment, node->number, by))
        return; /* what it had went with an earlier node of that name */
    for (int r = 0; r < RESOURCE_COUNT; r++) {
        node->used[r] += by * amounts[r];
        if (scheduler->frozen)
            scheduler->free[r][node->index] -= by * amounts[r];
    }
    take_ports(node, &share->ports, by > 0);
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

struct node_amounts scheduler_allocated(const struct scheduler *scheduler, const char *name,
                                        int64_t *containers)
{
    const struct column_node *node = scheduler_node(scheduler, name);
    *containers = node ? node->used[RESOURCE_CONTAINERS] : 0;
    if (!node)
        return (struct node_amounts){0};
    return (struct node_amounts){.cpu_millis = node->used[RESOURCE_CPU],
                                 .memory_bytes = node->used[RESOURCE_MEMORY]};
}

/* One of the ask's host ports that the node has given away; 0: none. */
static int64_t taken_port(const struct column_node *node, const struct ask *ask)
{
    const struct list *ports = &ask->template.ports;
    for (uint32_t i = 0; ask->host_ports && i < ports->count; i++) {
        const struct container_port *port = LIST_AT(*ports, struct container_port, i);
        for (size_t j = 0; port->host_port > 0 && j < node->port_count; j++)
            if (node->ports[j].port == port->host_port && node->ports[j].protocol == port->protocol)
                return port->host_port;
    }
    return 0;
}

struct filter_row node_row(const struct scheduler *scheduler, const struct column_node *node,
                           const struct ask *ask)
{
    struct filter_row row = {.record = node->record,
                             .ready = node->ready,
                             .taken_port = taken_port(node, ask),
                             .replicas =
                                 tally_count(tally_find(scheduler, ask->deployment), node->number)};
    for (int r = 0; r < RESOURCE_COUNT; r++)
        row.free[r] = node->capacity[r] - node->used[r];
    return row;
}

/* -- frozen -- */

static struct frozen_columns *make_frozen(uint32_t count)
{
    struct frozen_columns *frozen = memory_alloc(sizeof *frozen);
    struct arena *arena = &frozen->arena;
    size_t room = (size_t)count + 1;
    frozen->references = 1;
    frozen->count = count;
    frozen->records = arena_alloc(arena, room * sizeof *frozen->records);
    frozen->ready = arena_alloc(arena, room * sizeof *frozen->ready);
    frozen->hashes = arena_alloc(arena, room * sizeof *frozen->hashes);
    frozen->numbers = arena_alloc(arena, room * sizeof *frozen->numbers);
    for (int r = 0; r < RESOURCE_COUNT; r++)
        frozen->capacity[r] = arena_alloc(arena, room * sizeof(int64_t));
    pthread_mutex_init(&frozen->lock, NULL);
    return frozen;
}

static void freeze(struct scheduler *scheduler)
{
    uint32_t count = (uint32_t)scheduler->node_count;
    struct frozen_columns *frozen = make_frozen(count);
    for (int r = 0; r < RESOURCE_COUNT; r++)
        scheduler->free[r] = memory_alloc(((size_t)count + 1) * sizeof(int64_t));
    for (uint32_t i = 0; i < count; i++) {
        struct column_node *node = scheduler->nodes[i];
        node->index = i;
        frozen->records[i] = (const struct node *)record_take_reference(&node->record->record);
        frozen->ready[i] = node->ready;
        frozen->hashes[i] = hash_text(node->record->name);
        frozen->numbers[i] = node->number;
        for (int r = 0; r < RESOURCE_COUNT; r++) {
            frozen->capacity[r][i] = node->capacity[r];
            scheduler->free[r][i] = node->capacity[r] - node->used[r];
        }
    }
    scheduler->frozen = frozen;
}

void frozen_release(struct frozen_columns *frozen)
{
    if (--frozen->references)
        return;
    for (uint32_t i = 0; i < frozen->count; i++)
        record_release(&frozen->records[i]->record);
    pthread_mutex_destroy(&frozen->lock);
    arena_finish(&frozen->arena);
    free(frozen);
}

static void copy_tally(const struct scheduler *scheduler, const struct ask *ask,
                       const struct snapshot *snapshot)
{
    const struct tally *tally = tally_find(scheduler, ask->deployment);
    for (uint32_t i = 0; tally && i < snapshot->frozen->count; i++)
        snapshot->replicas[i] = tally_count(tally, snapshot->frozen->numbers[i]);
}

static void close_others(struct snapshot *snapshot, const struct scheduler *scheduler,
                         const struct list *open)
{
    size_t count = snapshot->frozen->count;
    snapshot->closed = arena_alloc(&snapshot->arena, count + 1);
    memset(snapshot->closed, FILTER_CONSTRAINTS, count);
    for (uint32_t i = 0; i < open->count; i++) {
        const struct column_node *node =
            scheduler_node(scheduler, *LIST_AT(*open, const char *, i));
        if (node)
            snapshot->closed[node->index] = 0;
    }
}

void snapshot_fill(struct snapshot *snapshot, struct scheduler *scheduler, const struct ask *ask)
{
    struct arena *arena = &snapshot->arena;
    if (!scheduler->frozen)
        freeze(scheduler);
    snapshot->frozen = scheduler->frozen;
    snapshot->frozen->references++;
    snapshot->revision = scheduler->revision;
    size_t count = snapshot->frozen->count;
    for (int r = 0; r < RESOURCE_COUNT; r++) {
        snapshot->free[r] = arena_alloc(arena, (count + 1) * sizeof(int64_t));
        memcpy(snapshot->free[r], scheduler->free[r], count * sizeof(int64_t));
    }
    snapshot->replicas = arena_alloc(arena, (count + 1) * sizeof *snapshot->replicas);
    copy_tally(scheduler, ask, snapshot);
    if (ask->host_ports)
        snapshot->taken_port = arena_alloc(arena, (count + 1) * sizeof *snapshot->taken_port);
    for (size_t i = 0; ask->host_ports && i < count; i++)
        snapshot->taken_port[i] = taken_port(scheduler->nodes[i], ask);
    if (ask->only)
        close_others(snapshot, scheduler, ask->only);
    if (ask->assumed)
        snapshot_assume(snapshot, scheduler, ask);
}

void snapshot_finish(struct snapshot *snapshot)
{
    if (snapshot->frozen)
        frozen_release(snapshot->frozen);
    arena_finish(&snapshot->arena);
}

struct filter_row snapshot_row(const struct snapshot *snapshot, uint32_t index)
{
    const struct frozen_columns *frozen = snapshot->frozen;
    struct filter_row row = {.record = frozen->records[index],
                             .ready = frozen->ready[index],
                             .closed = snapshot->closed ? snapshot->closed[index] : 0,
                             .replicas = snapshot->replicas[index],
                             .taken_port = snapshot->taken_port ? snapshot->taken_port[index] : 0};
    for (int r = 0; r < RESOURCE_COUNT; r++)
        row.free[r] = snapshot->free[r][index];
    return row;
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
    thaw(scheduler);
    tallies_finish(scheduler);
    for (size_t i = 0; i < scheduler->node_count; i++)
        free_node(scheduler, scheduler->nodes[i]);
    free(scheduler->nodes);
    free(scheduler);
}
