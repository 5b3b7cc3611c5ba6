/* local-first: endpoints on the proxy's own node in turn, and the others only when none of those is
 * left: no hop that is not needed. Every worker goes round by itself from a place of its own. */
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

static int32_t pick(void *argument, struct orch_pick *pick)
{
    struct worker *worker = argument;
    uint32_t count = worker->endpoints ? worker->endpoints->items.count : 0;
    uint32_t index = count ? (uint32_t)(worker->next % count) : 0;
    int32_t found = ORCH_PICK_NONE;
    for (uint32_t i = 0; i < count; i++) {
        const struct orch_endpoint *endpoint =
            ORCH_AT(struct orch_endpoint, worker->endpoints->items, index);
        if (!ORCH_TRIED(pick, index)) {
            int is_local = (endpoint->flags & ORCH_ENDPOINT_LOCAL) != 0;
            if (found < 0 || is_local)
                found = (int32_t)index;
            if (is_local)
                break;
        }
        index = index + 1 < count ? index + 1 : 0;
    }
    if (found >= 0)
        worker->next = (uint64_t)found + 1;
    return found;
}

static const struct orch_balancer_v1 table = {.size = sizeof table,
                                              .create = create,
                                              .destroy = destroy,
                                              .worker_new = worker_new,
                                              .worker_free = worker_free,
                                              .update = update,
                                              .pick = pick};
static const struct orch_provide provides[] = {
    {.interface_id = ORCH_BALANCER_1, .name = "local-first", .table = &table}};

const struct orch_manifest orch_plugin_manifest_1 = {
    ORCH_MANIFEST_HEAD,      .id = "org.orchestrator.balancer.local-first",
    .version = "1.0.0",      .vendor = "orchestrator",
    .license = "Apache-2.0", .provides = provides,
    .provide_count = 1,      .provide_stride = sizeof provides[0]};
