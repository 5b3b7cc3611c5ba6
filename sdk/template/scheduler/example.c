/* A scheduler plugin: prefers the node with the most of one resource left, in parts of a thousand,
 * and leaves some of it free. Copy, rename, change `score_node`. */
#include <orchestrator/scheduler.h>
#include <stdlib.h>
#include <string.h>

enum { REASON_KEEP_FREE = 1 };

struct example {
    char resource[32];
    int64_t keep_free_permille;
};

/* The configuration was checked against the schema below and its defaults were filled in, so that
 * looking for a key suffices here. Link a JSON library when yours is larger. */
static const char *value_of(struct orch_str config, const char *key, size_t *left)
{
    size_t length = strlen(key), i;
    for (i = 0; i + length + 3 <= config.len; i++)
        if (config.ptr[i] == '"' && memcmp(config.ptr + i + 1, key, length) == 0 &&
            config.ptr[i + length + 1] == '"' && config.ptr[i + length + 2] == ':') {
            *left = config.len - (i + length + 3);
            return config.ptr + i + length + 3;
        }
    return NULL;
}

static void read_resource(struct example *example, const char *at, size_t left)
{
    size_t length = 0;
    at++, left--; /* the quote */
    while (length < left && at[length] != '"' && length < sizeof example->resource - 1)
        length++;
    memcpy(example->resource, at, length);
    example->resource[length] = 0;
}

static orch_status create(void *module, const struct orch_host *host, struct orch_str config,
                          void **scheduler, struct orch_sched_wants *wants,
                          struct orch_error *error)
{
    struct example *example = calloc(1, sizeof *example);
    const char *at;
    size_t left, i;
    (void)module, (void)host;
    if (!example)
        return orch_fail(error, ORCH_E_NO_MEMORY, "no memory");
    memcpy(example->resource, "memory", 7);
    if ((at = value_of(config, "resource", &left)))
        read_resource(example, at, left);
    if ((at = value_of(config, "keepFreePermille", &left)))
        for (i = 0; i < left && at[i] >= '0' && at[i] <= '9'; i++)
            example->keep_free_permille = example->keep_free_permille * 10 + (at[i] - '0');
    wants->score_scope = ORCH_SCORE_NODE; /* a node's score depends on that node alone */
    *scheduler = example;
    return ORCH_OK;
}

static void destroy(void *scheduler)
{
    free(scheduler);
}

static const struct orch_resource_column *find_column(const struct orch_sched_view *view,
                                                      const char *name, uint32_t *index)
{
    for (*index = 0; *index < view->resources.count; (*index)++) {
        const struct orch_resource_column *column =
            ORCH_AT(struct orch_resource_column, view->resources, *index);
        if (column->name.len == strlen(name) &&
            memcmp(column->name.ptr, name, column->name.len) == 0)
            return column;
    }
    return NULL;
}

static int64_t asked_amount(const struct orch_sched_ask *ask, uint32_t resource)
{
    uint32_t i;
    for (i = 0; i < ask->amounts.count; i++) {
        const struct orch_ask_amount *amount = ORCH_AT(struct orch_ask_amount, ask->amounts, i);
        if (amount->resource == resource)
            return amount->amount;
    }
    return 0;
}

static int64_t score_node(const struct example *example, int64_t free_after, int64_t capacity)
{
    int64_t permille = capacity > 0 ? free_after / (capacity / 1000 + 1) : 0;
    return permille < example->keep_free_permille ? ORCH_SCORE_VETO : permille;
}

static orch_status score(void *scheduler, const struct orch_sched_view *view,
                         const struct orch_sched_ask *ask, const uint32_t *candidates,
                         uint32_t count, uint32_t reserved, int64_t *scores, uint32_t *reasons,
                         struct orch_error *error)
{
    const struct example *example = scheduler;
    uint32_t index, i;
    const struct orch_resource_column *column = find_column(view, example->resource, &index);
    int64_t asked = asked_amount(ask, index);
    (void)reserved;
    if (!column)
        return orch_fail(error, ORCH_E_INVALID, "no node has the resource of the configuration");
    for (i = 0; i < count; i++) {
        uint32_t node = candidates[i];
        scores[i] = score_node(example, column->free[node] - asked, column->capacity[node]);
        reasons[i] = scores[i] == ORCH_SCORE_VETO ? REASON_KEEP_FREE : 0;
    }
    return ORCH_OK;
}

static void explain(void *scheduler, uint32_t reason, uint32_t reserved, struct orch_sink sink)
{
    static const char text[] = "too little would be left free";
    (void)scheduler, (void)reserved;
    if (reason == REASON_KEEP_FREE)
        sink.put(sink.context, text, sizeof text - 1);
}

static const struct orch_scheduler_v1 table = {
    .size = sizeof table, .create = create, .destroy = destroy, .score = score, .explain = explain};
static const struct orch_provide provides[] = {
    {ORCH_SCHEDULER_1, "example", &table,
     "{\"type\":\"object\",\"properties\":{"
     "\"resource\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":31,\"default\":\"memory\"},"
     "\"keepFreePermille\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":999,\"default\":0}}}"}};

const struct orch_manifest orch_plugin_manifest_1 = {ORCH_MANIFEST_HEAD,
                                                     .id = "org.example.scheduler-example",
                                                     .version = "1.0.0",
                                                     .license = "Apache-2.0",
                                                     .provides = provides,
                                                     .provide_count = 1,
                                                     .provide_stride = sizeof provides[0]};
