/* orch.host.metrics/1: a few numbers per plugin, changed from any thread without a lock. */
#include "base/text.h"
#include "plugin/host.h"

#include <stdlib.h>
#include <string.h>

enum { METRIC_LIMIT = 64, NAME_LIMIT = 100, HELP_LIMIT = 300 };

struct metric {
    char *name, *help;
    int32_t kind;
    _Atomic int64_t value;
};
struct metrics {
    struct metric items[METRIC_LIMIT];
    _Atomic uint32_t count; /* grows on the loop only; read by all */
};

static void *attach(struct plugin_host *host)
{
    (void)host;
    return memory_alloc(sizeof(struct metrics));
}

static void detach(void *state)
{
    struct metrics *metrics = state;
    for (uint32_t i = 0; i < metrics->count; i++) {
        free(metrics->items[i].name);
        free(metrics->items[i].help);
    }
    free(metrics);
}

static struct metrics *metrics_of(const struct orch_host *orch)
{
    return plugin_host_state(orch, &host_metrics_service);
}

/* Prometheus's names; no colon, which is for recording rules. */
static bool name_valid(const char *name)
{
    size_t length = name ? strlen(name) : 0;
    return length && length <= NAME_LIMIT &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789") == length;
}

static orch_status define(const struct orch_host *orch, int32_t kind, const char *name,
                          const char *help, uint64_t *id)
{
    struct metrics *metrics = metrics_of(orch);
    if (!plugin_host_on_loop(orch, "orch.host.metrics/1 define"))
        return ORCH_E_WRONG_THREAD;
    if (!name_valid(name) || !id || (kind != ORCH_METRIC_COUNTER && kind != ORCH_METRIC_GAUGE))
        return ORCH_E_INVALID;
    struct text full CLEANUP(text_finish) = {0};
    text_append_format(&full, "orchestrator_plugin_%s", name);
    uint32_t count = metrics->count;
    for (uint32_t i = 0; i < count; i++)
        if (text_equal(metrics->items[i].name, text_string(&full))) {
            *id = i + 1;
            return metrics->items[i].kind == kind ? ORCH_OK : ORCH_E_CONFLICT;
        }
    if (count == METRIC_LIMIT)
        return ORCH_E_FULL;
    struct metric *metric = &metrics->items[count];
    metric->name = text_take(&full);
    metric->help = strndup(help ? help : "", HELP_LIMIT);
    metric->kind = kind;
    metrics->count = count + 1;
    *id = count + 1;
    return ORCH_OK;
}

static struct metric *find(const struct orch_host *orch, uint64_t id)
{
    struct metrics *metrics = metrics_of(orch);
    return id && id <= metrics->count ? &metrics->items[id - 1] : NULL;
}

static void add(const struct orch_host *orch, uint64_t id, int64_t amount)
{
    struct metric *metric = find(orch, id);
    if (!metric || (metric->kind == ORCH_METRIC_COUNTER && amount < 0))
        plugin_host_fault(plugin_host_from(orch), "added to a metric that it did not define");
    else
        atomic_fetch_add_explicit(&metric->value, amount, memory_order_relaxed);
}

static void set(const struct orch_host *orch, uint64_t id, int64_t value)
{
    struct metric *metric = find(orch, id);
    if (!metric || metric->kind != ORCH_METRIC_GAUGE)
        plugin_host_fault(plugin_host_from(orch), "set a metric that is no gauge of its own");
    else
        atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

void plugin_host_metrics(struct plugin_host *host,
                         void (*metric)(void *argument, const struct plugin_metric *metric),
                         void *argument)
{
    struct metrics *metrics = metrics_of(&host->orch);
    for (uint32_t i = 0; metrics && i < metrics->count; i++) {
        const struct metric *item = &metrics->items[i];
        const struct plugin_metric view = {
            .name = item->name, .help = item->help, .kind = item->kind, .value = item->value};
        metric(argument, &view);
    }
}

static const struct orch_host_metrics_v1 table = {
    .size = sizeof table, .define = define, .add = add, .set = set};
const struct plugin_service host_metrics_service = {
    .interface_id = ORCH_HOST_METRICS_1, .table = &table, .attach = attach, .detach = detach};
