/* spread: evens out load. A node's score falls with its replicas of the same deployment first, then
 * with the share of its scarcest resource that would be in use. */
#include <orchestrator/scheduler.h>

static const struct orch_manifest *self(void)
{
    return &orch_plugin_manifest_1;
}

static orch_status create(void *module, const struct orch_host *host, struct orch_str config,
                          void **scheduler, struct orch_sched_wants *wants,
                          struct orch_error *error)
{
    (void)module;
    (void)host;
    (void)config;
    (void)error;
    wants->score_scope = ORCH_SCORE_NODE;
    *scheduler = (void *)(uintptr_t)self(); /* nothing to keep; only must not be NULL */
    return ORCH_OK;
}

static void destroy(void *scheduler)
{
    (void)scheduler;
}

/* Parts of a million in use with the replica there, of the resource that is most in use. */
static int64_t load_with(const struct orch_sched_view *view, const struct orch_sched_ask *ask,
                         uint32_t node)
{
    int64_t worst = 0;
    for (uint32_t i = 0; i < ask->amounts.count; i++) {
        const struct orch_ask_amount *amount = ORCH_AT(struct orch_ask_amount, ask->amounts, i);
        const struct orch_resource_column *column =
            ORCH_AT(struct orch_resource_column, view->resources, amount->resource);
        int64_t capacity = column->capacity[node];
        int64_t used = capacity - column->free[node] + amount->amount;
        if (capacity <= 0)
            continue;
        int64_t share = (int64_t)((__int128)used * 1000000 / capacity);
        if (share > worst)
            worst = share;
    }
    return worst < 2000000 ? worst : 2000000;
}

static orch_status score(void *scheduler, const struct orch_sched_view *view,
                         const struct orch_sched_ask *ask, const uint32_t *candidates,
                         uint32_t count, uint32_t reserved, int64_t *scores, uint32_t *reasons,
                         struct orch_error *error)
{
    (void)scheduler;
    (void)reserved;
    (void)reasons;
    (void)error;
    for (uint32_t i = 0; i < count; i++)
        scores[i] =
            -(int64_t)ask->replicas[candidates[i]] * 4000000 - load_with(view, ask, candidates[i]);
    return ORCH_OK;
}

static const struct orch_scheduler_v1 table = {
    .size = sizeof table, .create = create, .destroy = destroy, .score = score};
static const struct orch_provide provides[] = {
    {.interface_id = ORCH_SCHEDULER_1, .name = "spread", .table = &table}};

const struct orch_manifest orch_plugin_manifest_1 = {
    ORCH_MANIFEST_HEAD,      .id = "org.orchestrator.scheduler.spread",
    .version = "1.0.0",      .vendor = "orchestrator",
    .license = "Apache-2.0", .provides = provides,
    .provide_count = 1,      .provide_stride = sizeof provides[0]};
