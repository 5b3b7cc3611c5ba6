/* binpack: fills nodes. A node's score grows with the share of its scarcest resource that would be
 * in use, so that as few nodes as possible are used (best fit). */
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

/* Parts of a million, at most two millions. */
static int64_t share_of(int64_t used, int64_t capacity)
{
    if (capacity <= 0 || used <= 0)
        return 0;
    if (used / 2 >= capacity)
        return 2000000;
    return used <= INT64_MAX / 1000000 ? used * 1000000 / capacity
                                       : (int64_t)((__int128)used * 1000000 / capacity);
}

/* How much of the resource that is most in use would be in use with the replica there: a column at
 * a time. */
static void load_with(const struct orch_sched_view *view, const struct orch_sched_ask *ask,
                      const uint32_t *candidates, uint32_t count, int64_t *out)
{
    for (uint32_t i = 0; i < count; i++)
        out[i] = 0;
    for (uint32_t r = 0; r < ask->amounts.count; r++) {
        const struct orch_ask_amount *amount = ORCH_AT(struct orch_ask_amount, ask->amounts, r);
        const struct orch_resource_column *column =
            ORCH_AT(struct orch_resource_column, view->resources, amount->resource);
        for (uint32_t i = 0; i < count; i++) {
            int64_t capacity = column->capacity[candidates[i]];
            int64_t share =
                share_of(capacity - column->free[candidates[i]] + amount->amount, capacity);
            out[i] = share > out[i] ? share : out[i];
        }
    }
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
    load_with(view, ask, candidates, count, scores);
    return ORCH_OK;
}

static const struct orch_scheduler_v1 table = {
    .size = sizeof table, .create = create, .destroy = destroy, .score = score};
static const struct orch_provide provides[] = {
    {.interface_id = ORCH_SCHEDULER_1, .name = "binpack", .table = &table}};

const struct orch_manifest orch_plugin_manifest_1 = {
    ORCH_MANIFEST_HEAD,      .id = "org.orchestrator.scheduler.binpack",
    .version = "1.0.0",      .vendor = "orchestrator",
    .license = "Apache-2.0", .provides = provides,
    .provide_count = 1,      .provide_stride = sizeof provides[0]};
