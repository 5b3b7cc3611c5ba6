/* /metrics: figures in Prometheus' text format. The cluster's are taken on the loop, the server's
 * own on the API thread. */
#include "api/audit.h"
#include "api/impl.h"
#include "api/metrics.h"
#include "api/traffic_metrics.h"
#include "api/watch.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const int statuses[] = {101, 200, 201, 202, 204, 400, 401, 403, 404, 405,
                               409, 412, 413, 414, 415, 429, 431, 500, 503};
enum { KNOWN_STATUSES = sizeof statuses / sizeof statuses[0] };
_Static_assert((int)KNOWN_STATUSES < (int)FIGURE_STATUSES, "one is left for all others");
void figures_count(struct api *api, size_t route_index, int status, uint64_t took_ns)
{
    struct route_figures *figures = &api->figures.routes[route_index];
    size_t at = 0;
    while (at < KNOWN_STATUSES && statuses[at] != status)
        at++;
    figures->by_status[at]++;
    durations_note(&figures->took, took_ns);
}

/* -- both loops -- */

static void write_lag(const struct loop_lag *lag, const char *name, struct text *out)
{
    char label[32];
    snprintf(label, sizeof label, "loop=\"%s\"", name);
    durations_write(&lag->callbacks, "orchestrator_loop_callback_duration_seconds", label, out);
}

/* The samples of one metric stand together, so both loops are written at once. */
static void write_loops(const struct loop_lag lags[2], struct text *out)
{
    static const char *const names[] = {"main", "api"};
    metrics_head(out, "loop_callback_duration_seconds", "histogram",
                 "How long one callback held its loop, and all that waited for it.");
    for (int i = 0; i < 2; i++)
        write_lag(&lags[i], names[i], out);
    metrics_head(out, "loop_over_2ms_total", "counter", "Callbacks that took more than 2 ms.");
    for (int i = 0; i < 2; i++)
        text_append_format(out, "orchestrator_loop_over_2ms_total{loop=\"%s\"} %llu\n", names[i],
                           (unsigned long long)lags[i].over_2ms);
    metrics_head(out, "loop_longest_seconds", "gauge",
                 "The longest callback since the last reading, and its name.");
    for (int i = 0; i < 2; i++)
        text_append_format(
            out, "orchestrator_loop_longest_seconds{loop=\"%s\",callback=\"%.47s\"} %.6f\n",
            names[i], lags[i].longest_name, (double)lags[i].longest_ns / 1e9);
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
    char labels[160];
    snprintf(labels, sizeof labels, "method=\"%s\",route=\"%s\"", method, path);
    if (figures->took.count)
        durations_write(&figures->took, "orchestrator_http_request_duration_seconds", labels, out);
}

static void write_requests(const struct api *api, struct text *out)
{
    metrics_head(out, "http_requests_total", "counter", "Requests answered.");
    for (size_t i = 0; i <= api->router.count; i++) {
        const struct route *route = i < api->router.count ? api->router.routes[i].route : NULL;
        write_statuses(&api->figures.routes[i], route ? route->method : "other",
                       route ? route->path : "none", out);
    }
    metrics_head(out, "http_request_duration_seconds", "histogram",
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
    metrics_head(out, "lane_depth", "gauge", "Requests that wait for the main loop.");
    for (int i = 0; i < 3; i++)
        text_append_format(out, "orchestrator_lane_depth{lane=\"%s\"} %zu\n", words[i],
                           queue_count(&api->lanes.queues[i]));
    metrics_head(out, "lane_refused_total", "counter",
                 "Requests refused because their lane was full.");
    for (int i = 0; i < 3; i++)
        text_append_format(out, "orchestrator_lane_refused_total{lane=\"%s\"} %llu\n", words[i],
                           (unsigned long long)atomic_load(&api->lanes.refused[i]));
}

/* As Prometheus' own libraries name them. */
static void write_process(const struct api *api, struct text *out)
{
    unsigned long long whole = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    struct rusage usage;
    if (file && fscanf(file, "%llu %llu", &whole, &resident) != 2)
        whole = resident = 0;
    if (file)
        fclose(file);
    getrusage(RUSAGE_SELF, &usage);
    unsigned long long page = (unsigned long long)sysconf(_SC_PAGESIZE);
    text_append_format(out,
                       "# HELP process_resident_memory_bytes Resident memory.\n"
                       "# TYPE process_resident_memory_bytes gauge\n"
                       "process_resident_memory_bytes %llu\n"
                       "# HELP process_virtual_memory_bytes Virtual memory.\n"
                       "# TYPE process_virtual_memory_bytes gauge\n"
                       "process_virtual_memory_bytes %llu\n",
                       resident * page, whole * page);
    text_append_format(out,
                       "# HELP process_cpu_seconds_total Processor time of all threads.\n"
                       "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.3f\n",
                       (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    text_append_format(out,
                       "# HELP process_start_time_seconds When the daemon began.\n"
                       "# TYPE process_start_time_seconds gauge\n"
                       "process_start_time_seconds %.3f\n",
                       (double)api->started_wall_ms / 1e3);
    metrics_head(out, "build_info", "gauge", "Always 1; the version is its label.");
    text_append_format(out, "orchestrator_build_info{version=\"%s\"} 1\n", ORCHESTRATOR_VERSION);
}

struct collected {                 /* on the loop */
    struct loop_lag lags[2];       /* of the main loop; of the API's */
    struct traffic_table *traffic; /* NULL: nothing is served yet */
};

static void write_server(struct request *request)
{
    struct api *api = request->api;
    struct text *out = &request->out;
    struct collected *collected = request->data;
    loop_read_lag(api->loop, &collected->lags[1]);
    write_loops(collected->lags, out);
    if (collected->traffic)
        traffic_metrics_write(collected->traffic, out);
    write_requests(api, out);
    write_lanes(api, out);
    metrics_single(out, "http_connections", "gauge", "Open connections.", api->connection_count);
    metrics_single(out, "http_connections_total", "counter", "Connections accepted.",
                   api->figures.accepted);
    metrics_single(out, "http_deadline_closed_total", "counter",
                   "Connections closed at a deadline.", api->figures.deadline_closed);
    metrics_single(out, "http_address_refused_total", "counter",
                   "Connections refused: too many of one address.", api->figures.address_refused);
    metrics_single(out, "http_wrong_keys_total", "counter", "Wrong keys.", api->figures.wrong_keys);
    metrics_single(out, "watches", "gauge", "Watchers.", watch_count(api->watches));
    metrics_single(out, "audit_lost_total", "counter",
                   "Refused requests that the audit does not name.", audit_lost(api->audit));
    write_process(api, out);
    request->content_type = "text/plain; version=0.0.4; charset=utf-8";
    request_reply(request, 200);
}

static void collect(struct request *request)
{
    const struct api_parts *parts = request->parts;
    struct collected *collected = request->data;
    if (atomic_load(&request->api->serving)) {
        metrics_write_cluster(parts, &request->out);
        collected->traffic = traffic_metrics_take(parts->services, &request->arena);
    }
    metrics_write_node(parts, &request->out);
    loop_read_lag(parts->loop, &collected->lags[0]);
    request_to_api(request, write_server);
}

void server_begin_metrics(struct request *request)
{
    request->data = arena_alloc(&request->arena, sizeof(struct collected));
    request_to_loop(request, collect);
}
