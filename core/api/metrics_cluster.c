/* Figures of what the loop thread owns. */
#include "agent/agent.h"
#include "api/metrics.h"
#include "container/manager.h"
#include "deployment/manager.h"
#include "health/health.h"
#include "node/registry.h"
#include "plan/survival.h"
#include "plugin/ops.h"
#include "plugin/registry.h"
#include "scheduler/scheduler.h"

#include <orchestrator/host.h>
#include <string.h>

void metrics_head(struct text *out, const char *name, const char *type, const char *help)
{
    text_append_format(out, "# HELP orchestrator_%s %s\n# TYPE orchestrator_%s %s\n", name, help,
                       name, type);
}

void metrics_single(struct text *out, const char *name, const char *type, const char *help,
                    uint64_t value)
{
    metrics_head(out, name, type, help);
    text_append_format(out, "orchestrator_%s %llu\n", name, (unsigned long long)value);
}

void metrics_seconds(struct text *out, const char *name, const char *type, const char *help,
                     uint64_t ns)
{
    metrics_head(out, name, type, help);
    text_append_format(out, "orchestrator_%s %.6f\n", name, (double)ns / 1e9);
}

void metrics_durations(struct text *out, const char *name, const char *help,
                       const struct durations *durations)
{
    char full[80];
    snprintf(full, sizeof full, "orchestrator_%s", name);
    metrics_head(out, name, "histogram", help);
    durations_write(durations, full, "", out);
}

static void labelled(struct text *out, const char *name, const char *label, const char *value,
                     uint64_t count)
{
    text_append_format(out, "orchestrator_%s{%s=\"%s\"} %llu\n", name, label, value,
                       (unsigned long long)count);
}

/* -- what there is -- */

static void write_containers(const struct api_parts *parts, struct text *out)
{
    int64_t by_state[16] = {0};
    static const char *const words[] = {"pending",  "scheduled", "pulling", "creating", "running",
                                        "stopping", "exited",    "failed",  "lost"};
    container_manager_count(parts->containers, by_state);
    metrics_head(out, "containers", "gauge", "Containers by state.");
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        labelled(out, "containers", "state", words[i], (uint64_t)by_state[i + 1]);
    metrics_single(out, "container_restarts_total", "counter",
                   "Restarts that nodes have told of since the start of the daemon.",
                   container_manager_restarts(parts->containers));
}

static void write_objects(const struct api_parts *parts, struct text *out)
{
    static const struct {
        enum record_kind_id id;
        const char *name;
    } kinds[] = {{KIND_DEPLOYMENT, "deployments"},
                 {KIND_CONTAINER, "containers"},
                 {KIND_NODE, "nodes"},
                 {KIND_SERVICE, "services"},
                 {KIND_EVENT, "events"},
                 {KIND_REVISION, "revisions"},
                 {KIND_AUDIT, "audit"}};
    metrics_head(out, "objects", "gauge", "Records by kind.");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        labelled(out, "objects", "kind", kinds[i].name, state_count(parts->state, kinds[i].id));
}

static void write_survival(const struct api_parts *parts, struct text *out)
{
    const struct survival_answer *answer =
        parts->survival ? survival_latest(parts->survival) : NULL;
    if (answer)
        metrics_single(out, "nodes_not_survived", "gauge",
                       "Ready nodes whose loss would leave replicas without a place.",
                       answer->losing);
}

/* -- what is done -- */

static void write_state(const struct api_parts *parts, struct text *out)
{
    struct state_figures figures;
    state_read_figures(parts->state, &figures);
    metrics_durations(out, "store_commit_duration_seconds",
                      "From a batch's being handed to the store to its being durable.",
                      &figures.commits_took);
    metrics_single(out, "store_commits_total", "counter", "Batches made durable.", figures.commits);
    metrics_single(out, "store_transactions_total", "counter", "Transactions made durable.",
                   figures.transactions);
    metrics_single(out, "store_operations_total", "counter", "Records written or removed.",
                   figures.operations);
    metrics_single(out, "store_refused_total", "counter", "Transactions refused.", figures.refused);
    metrics_single(out, "store_pending_operations", "gauge", "Operations on their way.",
                   figures.pending_operations);
    metrics_seconds(out, "store_longest_commit_seconds", "gauge",
                    "How long the longest batch took.", figures.longest_commit_ns);
    metrics_single(out, "seq", "gauge", "The latest change.", state_seq(parts->state));
}

static void write_reconciling(const struct api_parts *parts, struct text *out)
{
    struct deployment_figures figures;
    deployment_manager_read_figures(parts->deployments, &figures);
    metrics_durations(out, "reconcile_duration_seconds", "One look at one deployment.",
                      &figures.looks);
    metrics_single(out, "reconcile_queue_length", "gauge", "Deployments that wait to be looked at.",
                   figures.queued);
}

static void write_scheduling(const struct api_parts *parts, struct text *out)
{
    struct schedule_figures figures;
    scheduler_read_figures(parts->scheduler, &figures);
    metrics_durations(out, "schedule_pass_duration_seconds",
                      "A scheduler's pass over all nodes, with the wait for a thread.",
                      &figures.passes);
    metrics_head(out, "schedule_replicas_total", "counter", "Replicas that passes were asked for.");
    labelled(out, "schedule_replicas_total", "result", "placed", figures.placed);
    labelled(out, "schedule_replicas_total", "result", "unplaced", figures.unplaced);
    metrics_single(out, "schedule_fallbacks_total", "counter",
                   "Passes that the fallback scheduler took over.", figures.fell_back);
}

void metrics_write_cluster(const struct api_parts *parts, struct text *out)
{
    write_objects(parts, out);
    write_containers(parts, out);
    write_survival(parts, out);
    write_state(parts, out);
    write_reconciling(parts, out);
    write_scheduling(parts, out);
}

/* -- of this host -- */

static void write_call(const struct op_figures *call, struct text *out)
{
    const struct {
        const char *word;
        uint64_t count;
    } results[] = {{"ok", call->done},
                   {"failed", call->failed},
                   {"timeout", call->timed_out},
                   {"cancelled", call->cancelled}};
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
        text_append_format(out, "orchestrator_engine_calls_total{verb=\"%s\",result=\"%s\"} %llu\n",
                           call->verb, results[i].word, (unsigned long long)results[i].count);
}

static void write_calls(struct op_table *ops, struct text *out)
{
    struct op_counts counts;
    uint32_t count;
    const struct op_figures *calls = op_table_figures(ops, &count);
    op_table_counts(ops, &counts);
    metrics_head(out, "engine_calls_total", "counter", "Calls of runtime plugins that have ended.");
    for (uint32_t i = 0; i < count; i++)
        write_call(&calls[i], out);
    metrics_head(out, "engine_call_duration_seconds", "histogram",
                 "From the call to its end, of those that are no streams.");
    for (uint32_t i = 0; i < count; i++) {
        char label[64];
        snprintf(label, sizeof label, "verb=\"%s\"", calls[i].verb);
        if (calls[i].took.count)
            durations_write(&calls[i].took, "orchestrator_engine_call_duration_seconds", label,
                            out);
    }
    metrics_single(out, "engine_calls_open", "gauge", "Calls under way.", counts.open);
    metrics_single(out, "engine_calls_never_ended", "gauge",
                   "Calls that were given up and that a plugin still owes.", counts.never_ended);
}

static void write_probes(const struct agent *agent, struct text *out)
{
    static const char *const roles[ROLE_COUNT] = {"startup", "liveness", "readiness"};
    const struct probe_figures *probes = agent_probe_figures(agent);
    metrics_head(out, "probes_total", "counter", "Results of probes of this host's containers.");
    for (int role = 0; role < ROLE_COUNT; role++) {
        text_append_format(out, "orchestrator_probes_total{probe=\"%s\",result=\"passed\"} %llu\n",
                           roles[role], (unsigned long long)probes->passed[role]);
        text_append_format(out, "orchestrator_probes_total{probe=\"%s\",result=\"failed\"} %llu\n",
                           roles[role], (unsigned long long)probes->failed[role]);
    }
}

static void write_plugin_metric(void *argument, const struct plugin_metric *metric)
{
    text_append_format(argument, "# HELP %s ", metric->name);
    for (const char *c = *metric->help ? metric->help : "Of a plugin."; *c; c++)
        text_append_char(argument, *c == '\n' || *c == '\\' ? ' ' : *c);
    text_append_format(argument, "\n# TYPE %s %s\n%s %lld\n", metric->name,
                       metric->kind == ORCH_METRIC_COUNTER ? "counter" : "gauge", metric->name,
                       (long long)metric->value);
}

static void write_plugins(const struct api_parts *parts, struct text *out)
{
    for (size_t i = 0; parts->plugins && i < plugin_registry_count(parts->plugins); i++) {
        const struct plugin_info *info = plugin_registry_info(parts->plugins, i);
        struct plugin *plugin = plugin_registry_find(parts->plugins, info->kind, info->name);
        if (plugin && info->state == PLUGIN_LOADED)
            plugin_host_metrics(plugin_get_host(plugin), write_plugin_metric, out);
    }
}

void metrics_write_node(const struct api_parts *parts, struct text *out)
{
    if (parts->ops)
        write_calls(parts->ops, out);
    if (parts->agent)
        write_probes(parts->agent, out);
    write_plugins(parts, out);
}
