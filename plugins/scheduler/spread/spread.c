/* spread: evens out load. A node's score falls with its replicas of the same deployment first, then
 * with the share of its scarcest resource that would be in use. With a label ("zone") configured,
 * the nodes that share a value of it are evened out before the nodes themselves. */
#include <orchestrator/scheduler.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_BYTES = 320, NODE_WEIGHT = 4000000 };
#define GROUP_WEIGHT (INT64_C(1) << 40) /* more than 100,000 replicas of one node weigh */

struct spread {
    struct orch_str label;
    char text[LABEL_BYTES];
};

/* "label" of {"label": "zone"}; the configuration has been checked against the schema. */
static void read_label(struct orch_str config, struct spread *out)
{
    static const char key[] = "\"label\"";
    const char *end = config.ptr + config.len, *at = config.ptr;
    while (end - at > (ptrdiff_t)sizeof key && memcmp(at, key, sizeof key - 1) != 0)
        at++;
    if (end - at <= (ptrdiff_t)sizeof key)
        return;
    at += sizeof key - 1;
    const char *open = memchr(at, '"', (size_t)(end - at));
    const char *close = open ? memchr(open + 1, '"', (size_t)(end - open - 1)) : NULL;
    size_t length = close ? (size_t)(close - open - 1) : 0;
    if (!length || length >= sizeof out->text)
        return;
    memcpy(out->text, open + 1, length);
    out->label = (struct orch_str){out->text, length};
}

static orch_status create(void *module, const struct orch_host *host, struct orch_str config,
                          void **scheduler, struct orch_sched_wants *wants,
                          struct orch_error *error)
{
    (void)module;
    (void)host;
    struct spread *made = calloc(1, sizeof *made);
    if (!made)
        return orch_fail(error, ORCH_E_NO_MEMORY, "out of memory");
    if (config.len)
        read_label(config, made);
    wants->score_scope = made->label.len ? ORCH_SCORE_GROUP : ORCH_SCORE_NODE;
    wants->group_label = made->label;
    *scheduler = made;
    return ORCH_OK;
}

static void destroy(void *scheduler)
{
    free(scheduler);
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
    for (uint32_t i = 0; i < count; i++)
        scores[i] = -(int64_t)ask->replicas[candidates[i]] * NODE_WEIGHT - scores[i];
    return ORCH_OK;
}

static orch_status score_groups(void *scheduler, const struct orch_sched_view *view,
                                const struct orch_sched_ask *ask, const uint32_t *codes,
                                const uint32_t *replicas, uint32_t count, uint32_t reserved,
                                int64_t *scores, struct orch_error *error)
{
    (void)scheduler;
    (void)view;
    (void)ask;
    (void)codes;
    (void)reserved;
    (void)error;
    for (uint32_t i = 0; i < count; i++)
        scores[i] = -(int64_t)replicas[i] * GROUP_WEIGHT;
    return ORCH_OK;
}

static const struct orch_scheduler_v1 table = {.size = sizeof table,
                                               .create = create,
                                               .destroy = destroy,
                                               .score = score,
                                               .score_groups = score_groups};
static const struct orch_provide provides[] = {
    {.interface_id = ORCH_SCHEDULER_1,
     .name = "spread",
     .table = &table,
     .config_schema =
         "{\"type\":\"object\",\"properties\":{\"label\":{\"type\":\"string\","
         "\"maxLength\":316,\"pattern\":\"^[A-Za-z0-9._/-]+$\","
         "\"description\":\"Evens out the nodes that share a value of this label first.\"}},"
         "\"additionalProperties\":false}"}};

const struct orch_manifest orch_plugin_manifest_1 = {
    ORCH_MANIFEST_HEAD,      .id = "org.orchestrator.scheduler.spread",
    .version = "1.0.0",      .vendor = "orchestrator",
    .license = "Apache-2.0", .provides = provides,
    .provide_count = 1,      .provide_stride = sizeof provides[0]};
