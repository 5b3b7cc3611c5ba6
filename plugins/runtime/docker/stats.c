/* stats: one sample a container; those that do not run are left out. */
#include "docker.h"

#include <stdlib.h>
#include <string.h>

enum { SAMPLES_AT_A_TIME = 4 };
static const uint64_t SAMPLE_NS = 5 * NS_PER_S;

struct stats_job {
    struct job job; /* first */
    struct orch_array ids;
    struct orch_stats_view *views;
    uint32_t next, under_way, count;
};

static void finish(struct job *job)
{
    free(((struct stats_job *)job)->views);
}

static uint64_t number_in(const json_t *object, const char *name)
{
    double value = json_number_value(json_object_get(object, name));
    const json_t *exact = json_object_get(object, name);
    if (json_is_integer(exact))
        return json_integer_value(exact) > 0 ? (uint64_t)json_integer_value(exact) : 0;
    return value > 0 && value < 1.8e19 ? (uint64_t)value : 0;
}

/* What the kernel would give back first is not used: cgroup v1's total_inactive_file, v2's
 * inactive_file. */
static uint64_t memory_in(const json_t *memory)
{
    const json_t *detail = json_object_get(memory, "stats");
    uint64_t usage = number_in(memory, "usage"), cache = number_in(detail, "total_inactive_file");
    if (!cache)
        cache = number_in(detail, "inactive_file");
    return cache < usage ? usage - cache : usage;
}

static void add_networks(struct orch_stats_view *view, json_t *networks)
{
    const char *name;
    json_t *network;
    json_object_foreach(networks, name, network)
    {
        view->network_in_bytes += number_in(network, "rx_bytes");
        view->network_out_bytes += number_in(network, "tx_bytes");
    }
}

static void take(struct stats_job *stats, struct orch_str id, const json_t *root)
{
    const json_t *memory = json_object_get(root, "memory_stats");
    const json_t *cpu = json_object_get(json_object_get(root, "cpu_stats"), "cpu_usage");
    struct orch_stats_view *view = &stats->views[stats->count];
    *view =
        (struct orch_stats_view){.size = sizeof *view,
                                 .runtime_id = id,
                                 .cpu_ns = number_in(cpu, "total_usage"),
                                 .memory_bytes = memory_in(memory),
                                 .memory_limit_bytes = number_in(memory, "limit"),
                                 .pids = number_in(json_object_get(root, "pids_stats"), "current")};
    add_networks(view, json_object_get(root, "networks"));
    stats->count += view->cpu_ns || view->memory_bytes || view->pids; /* all zero: not running */
}

static void pump(struct stats_job *stats);

static void sampled(struct job *job, uint64_t number, const struct reply *reply)
{
    struct stats_job *stats = (struct stats_job *)job;
    json_t *root = reply_json(reply);
    if (!root && reply_is(reply, 200)) /* a figure beyond 63 bits, perhaps: "no limit" */
        root = json_loadb(reply->body, reply->length, JSON_DECODE_INT_AS_REAL, NULL);
    stats->under_way--;
    if (json_is_object(root)) {
        take(stats, *ORCH_AT(struct orch_str, stats->ids, number), root);
    } else if (!reply_is(reply, 404) && !reply_is(reply, 409)) {
        json_decref(root);
        job_fail_reply(job, reply, "reading a container's figures");
        return;
    }
    json_decref(root);
    pump(stats);
}

static void pump(struct stats_job *stats)
{
    while (stats->next < stats->ids.count && stats->under_way < SAMPLES_AT_A_TIME) {
        const struct orch_str *id = ORCH_AT(struct orch_str, stats->ids, stats->next);
        struct text path = {0};
        text_format(&path, "/containers/%.*s/stats?stream=0&one-shot=1", (int)id->len, id->ptr);
        stats->under_way++;
        call_start(&stats->job, &(struct call_request){.method = "GET",
                                                       .path = text_string(&path),
                                                       .timeout_ns = SAMPLE_NS,
                                                       .number = stats->next++,
                                                       .done = sampled});
        text_finish(&path);
    }
    if (stats->next == stats->ids.count && !stats->under_way)
        job_end_items(&stats->job, stats->views, stats->count, sizeof *stats->views);
}

orch_status runtime_stats(void *instance, struct orch_op op, struct orch_array runtime_ids,
                          struct orch_error *error)
{
    for (uint32_t i = 0; i < runtime_ids.count; i++)
        if (!id_valid(*ORCH_AT(struct orch_str, runtime_ids, i)))
            return orch_fail(error, ORCH_E_INVALID, "that is no container's id");
    struct stats_job *stats = job_new(instance, op, sizeof *stats);
    stats->job.finish = finish;
    stats->ids = runtime_ids;
    stats->views = memory_new((runtime_ids.count + 1) * sizeof *stats->views);
    pump(stats);
    return ORCH_PENDING;
}
