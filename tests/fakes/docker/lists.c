/* What the API tells about containers: list, inspect, stats. */
#include "fakes/docker/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static json_t *time_json(int64_t ms)
{
    char text[64];
    struct tm parts;
    time_t seconds = (time_t)(ms / 1000);
    if (!ms)
        return json_string("0001-01-01T00:00:00Z");
    gmtime_r(&seconds, &parts);
    size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + length, sizeof text - length, ".%03d456789Z", (int)(ms % 1000));
    return json_string(text);
}

static json_t *labels_json(const struct fake_container *container)
{
    const json_t *labels = container_labels(container);
    return json_is_object(labels) ? json_incref((json_t *)labels) : json_object();
}

static json_t *list_item(const struct fake_container *container)
{
    bool running = container->state == FAKE_RUNNING;
    json_t *names = json_array();
    char slashed[200];
    snprintf(slashed, sizeof slashed, "/%s", container->name);
    json_array_append_new(names, json_string(slashed));
    const char *image = json_string_value(json_object_get(container->config, "Image"));
    return json_pack("{s:s, s:o, s:s, s:I, s:s, s:s, s:o, s:{s:{s:{s:s}}}}", "Id", container->id,
                     "Names", names, "Image", image ? image : "", "Created",
                     (json_int_t)(container->created_ms / 1000), "State",
                     container_state(container), "Status", running ? "Up 1 second" : "", "Labels",
                     labels_json(container), "NetworkSettings", "Networks", "bridge", "IPAddress",
                     running ? container->address : "");
}

static bool is_asked(const struct fake_container *container, const json_t *filters)
{
    const json_t *ids = json_object_get(filters, "id");
    size_t index;
    json_t *id;
    bool found = json_array_size(ids) == 0;
    json_array_foreach((json_t *)ids, index, id) found |=
        json_is_string(id) &&
        strncmp(container->id, json_string_value(id), json_string_length(id)) == 0;
    return found && labels_match(container_labels(container), filters);
}

void handle_list(struct exchange *exchange)
{
    json_t *filters = query_filters(exchange), *list = json_array();
    bool all = query_is_true(exchange, "all");
    for (struct fake_container *container = exchange->fake->containers; container;
         container = container->next)
        if ((all || container->state == FAKE_RUNNING) && is_asked(container, filters))
            json_array_append_new(list, list_item(container));
    json_decref(filters);
    reply_json(exchange, 200, list);
}

void handle_inspect(struct exchange *exchange, struct fake_container *container)
{
    char slashed[200];
    snprintf(slashed, sizeof slashed, "/%s", container->name);
    bool running = container->state == FAKE_RUNNING;
    json_t *config = json_deep_copy(container->config);
    if (!json_is_object(json_object_get(config, "Labels")))
        json_object_set_new(config, "Labels", json_object());
    reply_json(exchange, 200,
               json_pack("{s:s, s:s, s:{s:s, s:b, s:b, s:b, s:i, s:s, s:o, s:o}, s:o}", "Id",
                         container->id, "Name", slashed, "State", "Status",
                         container_state(container), "Running", running, "Paused", 0, "OOMKilled",
                         container->oom, "ExitCode", container->exit_code, "Error", "", "StartedAt",
                         time_json(container->started_ms), "FinishedAt",
                         time_json(container->finished_ms), "Config", config));
}

void handle_stats(struct exchange *exchange, struct fake_container *container)
{
    bool running = container->state == FAKE_RUNNING;
    if (!running) {
        reply_json(exchange, 200,
                   json_pack("{s:s, s:{s:{s:i}}, s:{}, s:{}}", "id", container->id, "cpu_stats",
                             "cpu_usage", "total_usage", 0, "memory_stats", "pids_stats"));
        return;
    }
    reply_json(exchange, 200,
               json_pack("{s:s, s:{s:{s:I}}, s:{s:i, s:{s:i}, s:I}, s:{s:i}, s:{s:{s:i, s:i}}}",
                         "id", container->id, "cpu_stats", "cpu_usage", "total_usage",
                         (json_int_t)1234567890, "memory_stats", "usage", 3000000, "stats",
                         "total_inactive_file", 1000000, "limit", (json_int_t)64 << 20,
                         "pids_stats", "current", 3, "networks", "eth0", "rx_bytes", 100,
                         "tx_bytes", 200));
}
