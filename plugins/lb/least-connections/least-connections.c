/* least-connections: the endpoint that would carry least for its weight with one connection more.
 * Equal ones take turns, from a place of each worker's own. The figures are the host's and common
 * to all workers, so that each sees what the others have given. */
#include <orchestrator/balancer.h>
#include <stdlib.h>

struct worker {
    const struct orch_endpoints *endpoints; /* the host's, until the next update returns */
    uint64_t next;                          /* where the search begins */
};

static orch_status create(void *module, const struct orch_host *host, struct orch_str config,
                          uint64_t policy_seed, void **policy, struct orch_balancer_wants *wants,
                          struct orch_error *error)
{
    static char nothing_to_keep;
    (void)module, (void)host, (void)config, (void)policy_seed, (void)wants, (void)error;
    *policy = &nothing_to_keep;
    return ORCH_OK;
}

static void destroy(void *policy)
{
    (void)policy;
}

static orch_status worker_new(void *policy, uint32_t index, uint32_t count, uint64_t seed,
                              uint32_t pick_size, uint32_t reserved, void **worker)
{
    struct worker *made = calloc(1, sizeof *made);
    (void)policy, (void)index, (void)count, (void)pick_size, (void)reserved;
    if (!made)
        return ORCH_E_NO_MEMORY;
    made->next = seed >> 32;
    *worker = made;
    return ORCH_OK;
}

static void worker_free(void *worker)
{
    free(worker);
}

static void update(void *worker, const struct orch_endpoints *endpoints, void *table)
{
    (void)table;
    ((struct worker *)worker)->endpoints = endpoints;
}

/* What it would carry, and for which weight: compared as fractions. A weight of 0 comes last. */
struct load {
    uint64_t connections, weight;
};

static struct load load_of(const struct orch_endpoint *endpoint)
{
    return (struct load){.connections = (uint64_t)orch_cell_in_flight(endpoint->cell) + 1,
                         .weight = (uint64_t)endpoint->weight * orch_cell_weight(endpoint->cell)};
}

/* Below 2^33 connections times 2^26 of weight: fits. */
static int is_less(struct load a, struct load b)
{
    if (a.weight == 0 || b.weight == 0)
        return a.weight > 0 || (b.weight == 0 && a.connections < b.connections);
    return a.connections * b.weight < b.connections * a.weight;
}

static int32_t pick(void *argument, struct orch_pick *pick)
{
    struct worker *worker = argument;
    uint32_t count = worker->endpoints ? worker->endpoints->items.count : 0;
    uint32_t index = count ? (uint32_t)(worker->next % count) : 0;
    int32_t best = ORCH_PICK_NONE;
    struct load least = {0};
    for (uint32_t i = 0; i < count; i++) {
        if (!ORCH_TRIED(pick, index)) {
            struct load load =
                load_of(ORCH_AT(struct orch_endpoint, worker->endpoints->items, index));
            if (best < 0 || is_less(load, least)) {
                best = (int32_t)index;
                least = load;
            }
        }
        index = index + 1 < count ? index + 1 : 0;
    }
    if (best >= 0)
        worker->next = (uint64_t)best + 1;
    return best;
}

static const struct orch_balancer_v1 table = {.size = sizeof table,
                                              .create = create,
                                              .destroy = destroy,
                                              .worker_new = worker_new,
                                              .worker_free = worker_free,
                                              .update = update,
                                              .pick = pick};
static const struct orch_provide provides[] = {
    {.interface_id = ORCH_BALANCER_1, .name = "least-connections", .table = &table}};

const struct orch_manifest orch_plugin_manifest_1 = {
    ORCH_MANIFEST_HEAD,      .id = "org.orchestrator.balancer.least-connections",
    .version = "1.0.0",      .vendor = "orchestrator",
    .license = "Apache-2.0", .provides = provides,
    .provide_count = 1,      .provide_stride = sizeof provides[0]};
