#include "scheduler/assumed.h"
#include "scheduler/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct assumed_port {
    struct used_port port;
    int by;
};
struct assumed_node {
    UT_hash_handle hh;
    enum filter refuses; /* 0: none */
    int64_t used[RESOURCE_COUNT];
    struct assumed_port *ports;
    size_t port_count;
    char name[64];
};
struct assumed_replicas { /* of one deployment on one node */
    UT_hash_handle hh;
    int64_t by;
    char key[2 * 64]; /* "deployment/node" */
};
struct schedule_assumed {
    struct assumed_node *nodes;
    struct assumed_replicas *replicas;
};

struct schedule_assumed *schedule_assumed_create(void)
{
    return memory_alloc(sizeof(struct schedule_assumed));
}

void schedule_assumed_destroy(struct schedule_assumed *assumed)
{
    struct assumed_node *node, *next_node;
    struct assumed_replicas *replicas, *next_replicas;
    if (!assumed)
        return;
    HASH_ITER(hh, assumed->nodes, node, next_node)
    {
        HASH_DEL(assumed->nodes, node);
        free(node->ports);
        free(node);
    }
    HASH_ITER(hh, assumed->replicas, replicas, next_replicas)
    {
        HASH_DEL(assumed->replicas, replicas);
        free(replicas);
    }
    free(assumed);
}

static struct assumed_node *node_of(struct schedule_assumed *assumed, const char *name)
{
    struct assumed_node *node = NULL;
    HASH_FIND_STR(assumed->nodes, name, node);
    if (node)
        return node;
    node = memory_alloc(sizeof *node);
    snprintf(node->name, sizeof node->name, "%s", name);
    HASH_ADD_STR(assumed->nodes, name, node);
    return node;
}

static struct assumed_replicas *find_replicas(const struct schedule_assumed *assumed,
                                              const char *deployment, const char *node)
{
    struct assumed_replicas *replicas = NULL;
    char key[sizeof replicas->key];
    snprintf(key, sizeof key, "%s/%s", deployment, node);
    HASH_FIND_STR(assumed->replicas, key, replicas);
    return replicas;
}

void schedule_assumed_close(struct schedule_assumed *assumed, const char *node, enum filter refuses)
{
    node_of(assumed, node)->refuses = refuses;
}

static void change_ports(struct assumed_node *node, const struct list *ports, int by)
{
    for (uint32_t i = 0; i < ports->count; i++) {
        const struct container_port *port = LIST_AT(*ports, struct container_port, i);
        if (port->host_port <= 0)
            continue;
        node->ports = memory_resize(node->ports, (node->port_count + 1) * sizeof *node->ports);
        node->ports[node->port_count++] = (struct assumed_port){
            .port = {.port = port->host_port, .protocol = port->protocol}, .by = by};
    }
}

void schedule_assumed_share(struct schedule_assumed *assumed, const struct scheduler_share *share,
                            int by)
{
    struct assumed_node *node = node_of(assumed, share->node);
    struct assumed_replicas *replicas = find_replicas(assumed, share->deployment, share->node);
    node->used[RESOURCE_CPU] += by * share->cpu_millis;
    node->used[RESOURCE_MEMORY] += by * share->memory_bytes;
    node->used[RESOURCE_CONTAINERS] += by;
    change_ports(node, &share->ports, by);
    if (!replicas) {
        replicas = memory_alloc(sizeof *replicas);
        snprintf(replicas->key, sizeof replicas->key, "%s/%s", share->deployment, share->node);
        HASH_ADD_STR(assumed->replicas, key, replicas);
    }
    replicas->by += by;
}

static int held(const struct column_node *node, const struct assumed_node *assumed,
                const struct container_port *port)
{
    int count = 0;
    for (size_t i = 0; i < node->port_count; i++)
        count +=
            node->ports[i].port == port->host_port && node->ports[i].protocol == port->protocol;
    for (size_t i = 0; i < assumed->port_count; i++)
        if (assumed->ports[i].port.port == port->host_port &&
            assumed->ports[i].port.protocol == port->protocol)
            count += assumed->ports[i].by;
    return count;
}

static int64_t taken_port(const struct column_node *node, const struct assumed_node *assumed,
                          const struct ask *ask)
{
    const struct list *ports = &ask->template.ports;
    for (uint32_t i = 0; i < ports->count; i++) {
        const struct container_port *port = LIST_AT(*ports, struct container_port, i);
        if (port->host_port > 0 && held(node, assumed, port) > 0)
            return port->host_port;
    }
    return 0;
}

void snapshot_assume(struct snapshot *snapshot, const struct scheduler *scheduler,
                     const struct ask *ask)
{
    const struct schedule_assumed *assumed = ask->assumed;
    const struct assumed_node *change;
    if (!snapshot->closed)
        snapshot->closed = arena_alloc(&snapshot->arena, (size_t)snapshot->frozen->count + 1);
    for (change = assumed->nodes; change; change = change->hh.next) {
        const struct column_node *node = scheduler_node(scheduler, change->name);
        if (!node)
            continue;
        const struct assumed_replicas *replicas =
            find_replicas(assumed, ask->deployment, change->name);
        if (change->refuses)
            snapshot->closed[node->index] = (uint8_t)change->refuses;
        for (int r = 0; r < RESOURCE_COUNT; r++)
            snapshot->free[r][node->index] -= change->used[r];
        int64_t count = snapshot->replicas[node->index] + (replicas ? replicas->by : 0);
        snapshot->replicas[node->index] = count > 0 ? (uint32_t)count : 0;
        if (snapshot->taken_port)
            snapshot->taken_port[node->index] = taken_port(node, change, ask);
    }
}
