/* Figures of the present: how full nodes are, and what has no place. Whole numbers only, so that
 * they are the same everywhere. */
#include "base/hash.h"
#include "outcome.h"
#include "sim.h"

#include <stdio.h>
#include <string.h>

static struct server *server(void)
{
    return server_leader()->server;
}

static struct node_amounts room_of(const struct node *node)
{
    return (struct node_amounts){node->capacity.cpu_millis - node->reserved.cpu_millis,
                                 node->capacity.memory_bytes - node->reserved.memory_bytes};
}

static int64_t thousandths(int64_t part, int64_t whole)
{
    return whole > 0 ? (int64_t)((__int128)part * 1000 / whole) : 0;
}

static int64_t root(uint64_t square)
{
    uint64_t low = 0, high = UINT32_MAX;
    while (low < high) {
        uint64_t middle = (low + high + 1) / 2;
        if (middle * middle <= square)
            low = middle;
        else
            high = middle - 1;
    }
    return (int64_t)low;
}

/* The largest by its larger share of all there is. */
static const struct deployment *largest(int64_t cpu, int64_t memory)
{
    const struct deployment *deployment = NULL, *found = NULL;
    int64_t most = 0;
    while ((deployment = deployment_manager_next(server()->deployments,
                                                 deployment ? deployment->name : NULL))) {
        const struct resources *asked = &deployment->template.resources;
        __int128 a = cpu > 0 ? (__int128)asked->cpu_millis * 1000000000 / cpu : 0;
        __int128 b = memory > 0 ? (__int128)asked->memory_bytes * 1000000000 / memory : 0;
        int64_t share = (int64_t)(a > b ? a : b);
        if (deployment->deleting || share <= most)
            continue;
        most = share;
        found = deployment;
    }
    return found;
}

static void add_node(struct outcome_packing *out, struct node_amounts room,
                     struct node_amounts used, const struct resources *asked,
                     uint64_t squares[OUTCOME_RESOURCES])
{
    const int64_t total[] = {room.cpu_millis, room.memory_bytes};
    const int64_t taken[] = {used.cpu_millis, used.memory_bytes};
    bool fits = !asked || (asked->cpu_millis <= total[OUTCOME_CPU] - taken[OUTCOME_CPU] &&
                           asked->memory_bytes <= total[OUTCOME_MEMORY] - taken[OUTCOME_MEMORY]);
    for (int i = 0; i < OUTCOME_RESOURCES; i++) {
        struct outcome_resource *resource = &out->resources[i];
        int64_t share = thousandths(taken[i], total[i]);
        resource->total += total[i];
        resource->used += taken[i];
        resource->stranded += fits ? 0 : total[i] - taken[i];
        resource->emptiest = out->nodes && resource->emptiest < share ? resource->emptiest : share;
        resource->fullest = resource->fullest > share ? resource->fullest : share;
        resource->deviation += share; /* their sum, so far */
        squares[i] += (uint64_t)(share * share);
    }
    out->nodes++;
}

void packing_measure(struct outcome_packing *out)
{
    const struct node *node = NULL;
    uint64_t squares[OUTCOME_RESOURCES] = {0};
    struct node_amounts all = {0};
    while ((node = node_registry_next(server()->nodes, node ? node->name : NULL))) {
        all.cpu_millis += room_of(node).cpu_millis;
        all.memory_bytes += room_of(node).memory_bytes;
    }
    const struct deployment *big = largest(all.cpu_millis, all.memory_bytes);
    *out = (struct outcome_packing){0};
    while ((node = node_registry_next(server()->nodes, node ? node->name : NULL))) {
        int64_t containers = 0;
        struct node_amounts used =
            scheduler_allocated(server()->scheduler, node->name, &containers);
        if (node_registry_status(server()->nodes, node->name)->state != NODE_READY)
            continue;
        out->containers += containers;
        if (node->schedulable && !node->draining)
            add_node(out, room_of(node), used, big ? &big->template.resources : NULL, squares);
    }
    for (int i = 0; i < OUTCOME_RESOURCES; i++) {
        struct outcome_resource *resource = &out->resources[i];
        uint64_t count = out->nodes ? out->nodes : 1, sum = (uint64_t)resource->deviation;
        resource->free = resource->total - resource->used;
        resource->share = thousandths(resource->used, resource->total);
        resource->fragmented = thousandths(resource->stranded, resource->free);
        resource->deviation =
            root((squares[i] * count - sum * sum) / (count * count)); /* of the population */
    }
    out->largest = big ? big->name : NULL;
}

static const char *state_word(const struct node *node)
{
    uint8_t state = node_registry_status(server()->nodes, node->name)->state;
    if (state == NODE_LOST)
        return "lost";
    if (state == NODE_SUSPECT)
        return "suspect";
    return node->draining ? "draining" : node->schedulable ? "ready" : "cordoned";
}

void packing_nodes(struct outcome *outcome)
{
    const struct node *node = NULL;
    size_t count = state_count(server()->state, KIND_NODE);
    outcome->nodes = arena_alloc(&outcome->arena, (count + 1) * sizeof *outcome->nodes);
    while (outcome->node_count < count &&
           (node = node_registry_next(server()->nodes, node ? node->name : NULL))) {
        struct outcome_node *one = &outcome->nodes[outcome->node_count++];
        *one = (struct outcome_node){.name = arena_strdup(&outcome->arena, node->name),
                                     .state = state_word(node),
                                     .total = room_of(node)};
        one->used = scheduler_allocated(server()->scheduler, node->name, &one->containers);
    }
}

/* -- what has no place -- */

static void refuse(struct outcome *outcome, struct outcome_unfit *unfit, const char *node,
                   const struct filter_verdict *verdict)
{
    struct outcome_refusal *refusal = &unfit->refusals[verdict->filter];
    bool nearer = !refusal->count || verdict->short_by < refusal->short_by;
    refusal->count++;
    if (!nearer)
        return;
    refusal->node = arena_strdup(&outcome->arena, node);
    refusal->message = arena_strdup(&outcome->arena, verdict->message);
    refusal->short_by = verdict->short_by;
}

static void explain(struct outcome *outcome, struct outcome_unfit *unfit,
                    const struct deployment *deployment)
{
    const struct schedule_ask ask = {.deployment = deployment->name,
                                     .deployment_uid = deployment->record.uid,
                                     .placement = &deployment->placement,
                                     .template = &deployment->template,
                                     .count = 1};
    struct filter_verdict verdicts[FILTER_COUNT];
    const struct node *node = NULL;
    while ((node = node_registry_next(server()->nodes, node ? node->name : NULL))) {
        size_t count = scheduler_explain(server()->scheduler, &ask, node->name, verdicts);
        unfit->nodes++;
        for (size_t i = 0; i < count; i++)
            if (!verdicts[i].ok) {
                refuse(outcome, unfit, node->name, &verdicts[i]);
                break;
            }
    }
}

void unfit_measure(struct outcome *outcome, struct outcome_step *step)
{
    struct deployment_manager *deployments = server()->deployments;
    step->unfit = arena_alloc(&outcome->arena, (step->deployment_count + 1) * sizeof *step->unfit);
    for (uint32_t i = 0; i < step->deployment_count; i++) {
        const struct deployment *deployment =
            deployment_manager_find(deployments, step->deployments[i].name);
        struct deployment_status status;
        if (!deployment)
            continue;
        deployment_manager_status(deployments, deployment, &status);
        if (strcmp(status.reason, "Unschedulable") != 0)
            continue;
        struct outcome_unfit *unfit = &step->unfit[step->unfit_count++];
        unfit->deployment = step->deployments[i].name;
        unfit->missing = status.desired - status.current;
        explain(outcome, unfit, deployment);
    }
}
