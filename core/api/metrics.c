/* /metrics: figures in Prometheus' text format. The cluster's are taken on the loop, the server's
 * own on the API thread. */
#include "api/impl.h"
#include "api/watch.h"
#include "base/clock.h"
#include "container/manager.h"
#include "plugin/registry.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const int statuses[] = {101, 200, 201, 202, 204, 400, 401, 403, 404, 405,
                               409, 412, 413, 414, 415, 429, 431, 500, 503};
enum { KNOWN_STATUSES = sizeof statuses / sizeof statuses[0] };
_Static_assert((int)KNOWN_STATUSES < (int)FIGURE_STATUSES, "one is left for all others");
static const uint64_t bucket_us[FIGURE_BUCKETS] = {100,   250,   500,    1000,   2500,    5000,
                                                   10000, 25000, 100000, 500000, 2500000, 10000000};

void figures_count(struct api *api, size_t route_index, int status, uint64_t took_ns)
{
    struct route_figures *figures = &api->figures.routes[route_index];
    size_t at = 0, bucket = 0;
    while (at < KNOWN_STATUSES && statuses[at] != status)
        at++;
    while (bucket < FIGURE_BUCKETS && took_ns > bucket_us[bucket] * NS_PER_US)
        bucket++;
    figures->by_status[at]++;
    figures->buckets[bucket]++;
    figures->total_ns += took_ns;
    figures->count++;
}

static void head(struct text *out, const char *name, const char *type, const char *help)
{
    text_append_format(out, "# HELP orchestrator_%s %s\n# TYPE orchestrator_%s %s\n", name, help,
                       name, type);
}

static void single(struct text *out, const char *name, const char *type, const char *help,
                   uint64_t value)
{
    head(out, name, type, help);
    text_append_format(out, "orchestrator_%s %llu\n", name, (unsigned long long)value);
}

static void seconds(struct text *out, const char *name, const char *type, const char *help,
                    uint64_t ns)
{
    head(out, name, type, help);
    text_append_format(out, "orchestrator_%s %.6f\n", name, (double)ns / 1e9);
}

/* -- on the loop -- */

static void write_containers(const struct api_parts *parts, struct text *out)
{
    int64_t by_state[16] = {0};
    static const char *const words[] = {"pending",  "scheduled", "pulling", "creating", "running",
                                        "stopping", "exited",    "failed",  "lost"};
    container_manager_count(parts->containers, by_state);
    head(out, "containers", "gauge", "Containers by state.");
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        text_append_format(out, "orchestrator_containers{state=\"%s\"} %lld\n", words[i],
                           (long long)by_state[i + 1]);
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
                 {KIND_REVISION, "revisions"}};
    head(out, "objects", "gauge", "Records by kind.");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        text_append_format(out, "orchestrator_objects{kind=\"%s\"} %zu\n", kinds[i].name,
                           state_count(parts->state, kinds[i].id));
}

static void write_state(const struct api_parts *parts, struct text *out)
{
    struct state_figures figures;
    state_read_figures(parts->state, &figures);
    single(out, "store_commits_total", "counter", "Batches made durable.", figures.commits);
    single(out, "store_transactions_total", "counter", "Transactions made durable.",
           figures.transactions);
    single(out, "store_operations_total", "counter", "Records written or removed.",
           figures.operations);
    single(out, "store_refused_total", "counter", "Transactions refused.", figures.refused);
    single(out, "store_pending_operations", "gauge", "Operations on their way.",
           figures.pending_operations);
    seconds(out, "store_last_commit_seconds", "gauge", "How long the last batch took.",
            figures.last_commit_ns);
    seconds(out, "store_longest_commit_seconds", "gauge", "How long the longest batch took.",
            figures.longest_commit_ns);
    single(out, "seq", "counter", "The latest change.", state_seq(parts->state));
}

static void write_lag(struct loop *loop, const char *name, struct text *out)
{
    struct loop_lag lag;
    loop_read_lag(loop, &lag);
    text_append_format(out, "orchestrator_loop_turns_total{loop=\"%s\"} %llu\n", name,
                       (unsigned long long)lag.turns);
    text_append_format(out, "orchestrator_loop_over_2ms_total{loop=\"%s\"} %llu\n", name,
                       (unsigned long long)lag.over_2ms);
    text_append_format(out, "orchestrator_loop_busy_seconds_total{loop=\"%s\"} %.6f\n", name,
                       (double)lag.total_ns / 1e9);
    text_append_format(out,
                       "orchestrator_loop_longest_seconds{loop=\"%s\",callback=\"%.47s\"} %.6f\n",
                       name, lag.longest_name, (double)lag.longest_ns / 1e9);
}

static void write_plugin_metric(void *argument, const struct plugin_metric *metric)
{
    text_append_format(argument, "%s %lld\n", metric->name, (long long)metric->value);
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

/* -- on the API thread -- */

static void write_statuses(const struct route_figures *figures, const char *method,
                           const char *path, struct text *out)
{
    for (size_t i = 0; i <= KNOWN_STATUSES; i++) {
        if (!figures->by_status[i])
            continue;
        text_append_format(
            out, "orchestrator_http_requests_total{method=\"%s\",route=\"%s\",code=\"%d\"} %llu\n",
            method, path, i < KNOWN_STATUSES ? statuses[i] : 0,
            (unsigned long long)figures->by_status[i]);
    }
}

static void write_durations(const struct route_figures *figures, const char *method,
                            const char *path, struct text *out)
{
    static const char name[] = "orchestrator_http_request_duration_seconds";
    uint64_t below = 0;
    if (!figures->count)
        return;
    for (size_t i = 0; i < FIGURE_BUCKETS; i++) {
        below += figures->buckets[i];
        text_append_format(out, "%s_bucket{method=\"%s\",route=\"%s\",le=\"%g\"} %llu\n", name,
                           method, path, (double)bucket_us[i] / 1e6, (unsigned long long)below);
    }
    text_append_format(out, "%s_bucket{method=\"%s\",route=\"%s\",le=\"+Inf\"} %llu\n", name,
                       method, path, (unsigned long long)figures->count);
    text_append_format(out, "%s_sum{method=\"%s\",route=\"%s\"} %.6f\n", name, method, path,
                       (double)figures->total_ns / 1e9);
    text_append_format(out, "%s_count{method=\"%s\",route=\"%s\"} %llu\n", name, method, path,
                       (unsigned long long)figures->count);
}

static void write_requests(const struct api *api, struct text *out)
{
    head(out, "http_requests_total", "counter", "Requests answered.");
    for (size_t i = 0; i <= api->router.count; i++) {
        const struct route *route = i < api->router.count ? api->router.routes[i].route : NULL;
        write_statuses(&api->figures.routes[i], route ? route->method : "other",
                       route ? route->path : "none", out);
    }
    head(out, "http_request_duration_seconds", "histogram",
         "From the first line of a request to the last byte of its answer.");
    for (size_t i = 0; i < api->router.count; i++) {
        const struct route *route = api->router.routes[i].route;
        assert(route);
        write_durations(&api->figures.routes[i], route->method, route->path, out);
    }
}

static void write_lanes(struct api *api, struct text *out)
{
    static const char *const words[] = {"agents", "controllers", "users"};
    head(out, "lane_depth", "gauge", "Requests that wait for the main loop.");
    for (int i = 0; i < 3; i++)
        text_append_format(out, "orchestrator_lane_depth{lane=\"%s\"} %zu\n", words[i],
                           queue_count(&api->lanes.queues[i]));
    head(out, "lane_refused_total", "counter", "Requests refused because their lane was full.");
    for (int i = 0; i < 3; i++)
        text_append_format(out, "orchestrator_lane_refused_total{lane=\"%s\"} %llu\n", words[i],
                           (unsigned long long)atomic_load(&api->lanes.refused[i]));
}

static uint64_t resident_bytes(void)
{
    unsigned long long whole, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%llu %llu", &whole, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void write_server(struct request *request)
{
    struct api *api = request->api;
    struct text *out = &request->out;
    write_lag(api->loop, "api", out);
    write_requests(api, out);
    write_lanes(api, out);
    single(out, "http_connections", "gauge", "Open connections.", api->connection_count);
    single(out, "http_connections_total", "counter", "Connections accepted.",
           api->figures.accepted);
    single(out, "http_deadline_closed_total", "counter", "Connections closed at a deadline.",
           api->figures.deadline_closed);
    single(out, "http_address_refused_total", "counter",
           "Connections refused: too many of one address.", api->figures.address_refused);
    single(out, "http_wrong_keys_total", "counter", "Wrong keys.", api->figures.wrong_keys);
    single(out, "watches", "gauge", "Watchers.", watch_count(api->watches));
    text_append_string(out, "# HELP process_resident_memory_bytes Resident memory.\n"
                            "# TYPE process_resident_memory_bytes gauge\n");
    text_append_format(out, "process_resident_memory_bytes %llu\n",
                       (unsigned long long)resident_bytes());
    request->content_type = "text/plain; version=0.0.4; charset=utf-8";
    request_reply(request, 200);
}

static void collect(struct request *request)
{
    const struct api_parts *parts = request->parts;
    struct text *out = &request->out;
    if (atomic_load(&request->api->serving)) {
        write_objects(parts, out);
        write_containers(parts, out);
        write_state(parts, out);
    }
    write_plugins(parts, out);
    head(out, "loop_longest_seconds", "gauge",
         "The longest callback since the last reading, and its name.");
    write_lag(parts->loop, "main", out);
    request_to_api(request, write_server);
}

void server_begin_metrics(struct request *request)
{
    request_to_loop(request, collect);
}
