/* The part of /metrics that proxies count: taken on the loop, written on the API thread. */
#include "api/traffic_metrics.h"
#include "api/metrics.h"
#include "service/manager.h"

enum { ROWS = 1000 }; /* in one scrape; the endpoints beyond are summed as "other" */

struct named_row {
    const char *service;
    uint8_t protocol; /* enum service_protocol */
    struct traffic_row row;
};
struct traffic_table {
    struct named_row *rows;
    uint32_t count, left_out; /* left out: services */
};

struct traffic_table *traffic_metrics_take(struct service_manager *services, struct arena *arena)
{
    struct traffic_table *table = arena_alloc(arena, sizeof *table);
    struct traffic_row *rows = arena_alloc(arena, ROWS * sizeof *rows);
    table->rows = arena_alloc(arena, ROWS * sizeof *table->rows);
    for (const struct service *service = NULL;
         (service = service_manager_next(services, service ? service->name : NULL));) {
        uint32_t room = ROWS - table->count;
        table->left_out += room < 2;
        if (room < 2)
            continue;
        uint32_t count = service_manager_traffic_rows(services, service, rows, room);
        const char *name = count ? arena_strdup(arena, service->name) : NULL;
        for (uint32_t i = 0; i < count; i++)
            table->rows[table->count++] = (struct named_row){name, service->protocol, rows[i]};
    }
    return table;
}

/* -- writing -- */

static void line(struct text *out, const char *name, const struct named_row *row, const char *label,
                 int64_t value)
{
    text_append_format(out, "orchestrator_%s{service=\"%s\",endpoint=\"%s\"%s} %lld\n", name,
                       row->service, row->row.endpoint, label, (long long)value);
}

struct labelled {
    enum traffic_kind kind;
    const char *label;
};

static void write_kinds(const struct traffic_table *table, const char *name, const char *help,
                        const struct labelled *kinds, size_t kind_count, struct text *out)
{
    metrics_head(out, name, "counter", help);
    for (uint32_t i = 0; i < table->count; i++)
        for (size_t j = 0; j < kind_count; j++) {
            int64_t value = table->rows[i].row.counts[kinds[j].kind];
            if (value || !kinds[j].label[0])
                line(out, name, &table->rows[i], kinds[j].label, value);
        }
}

static void write_histogram(const struct named_row *row, const char *name, struct text *out)
{
    const struct traffic_row *figures = &row->row;
    const char *service = row->service, *endpoint = figures->endpoint;
    if (!figures->latencies)
        return;
    for (int i = 0; i <= TRAFFIC_BOUNDS; i++) {
        text_append_format(out, "orchestrator_%s_bucket{service=\"%s\",endpoint=\"%s\",le=\"", name,
                           service, endpoint);
        if (i < TRAFFIC_BOUNDS)
            text_append_format(out, "%g\"} %llu\n", (double)traffic_bounds_us[i] / 1e6,
                               (unsigned long long)figures->at_most[i]);
        else
            text_append_format(out, "+Inf\"} %llu\n", (unsigned long long)figures->latencies);
    }
    text_append_format(out, "orchestrator_%s_sum{service=\"%s\",endpoint=\"%s\"} %.6f\n", name,
                       service, endpoint, (double)figures->counts[TRAFFIC_LATENCY_US] / 1e6);
    text_append_format(out, "orchestrator_%s_count{service=\"%s\",endpoint=\"%s\"} %llu\n", name,
                       service, endpoint, (unsigned long long)figures->latencies);
}

static void write_histograms(const struct traffic_table *table, const char *name, const char *help,
                             bool http, struct text *out)
{
    metrics_head(out, name, "histogram", help);
    for (uint32_t i = 0; i < table->count; i++)
        if ((table->rows[i].protocol == SERVICE_HTTP) == http)
            write_histogram(&table->rows[i], name, out);
}

#define COUNT_OF(kinds) (sizeof(kinds) / sizeof((kinds)[0]))

void traffic_metrics_write(const struct traffic_table *table, struct text *out)
{
    static const struct labelled requests[] = {
        {TRAFFIC_ANSWERED_1XX, ",code=\"1xx\""}, {TRAFFIC_ANSWERED_2XX, ",code=\"2xx\""},
        {TRAFFIC_ANSWERED_3XX, ",code=\"3xx\""}, {TRAFFIC_ANSWERED_4XX, ",code=\"4xx\""},
        {TRAFFIC_ANSWERED_5XX, ",code=\"5xx\""}, {TRAFFIC_UNANSWERED, ",code=\"none\""}};
    static const struct labelled errors[] = {{TRAFFIC_CONNECT_FAILED, ",reason=\"connect\""},
                                             {TRAFFIC_TIMED_OUT, ",reason=\"timeout\""},
                                             {TRAFFIC_CUT, ",reason=\"cut\""},
                                             {TRAFFIC_CLIENT_GONE, ",reason=\"client\""}};
    static const struct labelled lost[] = {{TRAFFIC_LOST, ""}}, in[] = {{TRAFFIC_BYTES_IN, ""}},
                                 sent[] = {{TRAFFIC_BYTES_OUT, ""}},
                                 connections[] = {{TRAFFIC_CONNECTIONS, ""}};
    write_kinds(table, "proxy_requests_total", "Requests by the class of their status.", requests,
                COUNT_OF(requests), out);
    write_kinds(table, "proxy_errors_total", "Tries at an endpoint that came to no good end.",
                errors, COUNT_OF(errors), out);
    write_kinds(table, "proxy_lost_total",
                "Requests, or connections of tcp, that clients saw fail.", lost, 1, out);
    write_kinds(table, "proxy_connections_total",
                "Connections to an endpoint; with endpoint none those of clients.", connections, 1,
                out);
    write_kinds(table, "proxy_received_bytes_total", "From clients.", in, 1, out);
    write_kinds(table, "proxy_sent_bytes_total", "To clients.", sent, 1, out);
    metrics_head(out, "proxy_in_flight", "gauge", "Requests, or connections, under way.");
    for (uint32_t i = 0; i < table->count; i++)
        line(out, "proxy_in_flight", &table->rows[i], "", table->rows[i].row.in_flight);
    write_histograms(table, "proxy_request_duration_seconds",
                     "From a request's head to the last byte of its reply.", true, out);
    write_histograms(table, "proxy_connect_duration_seconds", "Until an endpoint was connected to.",
                     false, out);
    metrics_head(out, "proxy_services_left_out", "gauge",
                 "Services that have no room in this reply.");
    text_append_format(out, "orchestrator_proxy_services_left_out %u\n", table->left_out);
}
