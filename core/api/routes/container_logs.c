/* GET .../logs: of one container, and of a deployment's containers merged. */
#include "agent/agent.h"
#include "api/routes/impl.h"
#include "api/routes/logs.h"
#include "base/clock.h"

#include <string.h>

enum { TAIL_LIMIT = 10000 };

static bool runtime_serves(struct request *request)
{
    const struct api_parts *parts = request->parts;
    if (!parts->agent || !parts->runtime)
        return error_set(&request->error, ERROR_INVALID_STATE,
                         "this host runs no containers: ask the daemon of the container's node");
    return runtime_offers_logs(parts->runtime) ||
           error_set(&request->error, ERROR_INVALID_STATE, "the runtime plugin keeps no logs");
}

static bool find_logs(struct request *request, const struct container *container,
                      const struct log_query *query, const char **runtime_id)
{
    const struct api_parts *parts = request->parts;
    const char *id = request->params[0];
    if (!container)
        return error_set(&request->error, ERROR_NOT_FOUND, "there is no container \"%s\"", id);
    if (!runtime_serves(request))
        return false;
    if (strcmp(container->node, parts->node_name) != 0)
        return error_set(&request->error, ERROR_INVALID_STATE,
                         "container \"%s\" runs on node %s: ask its daemon, this is %s", id,
                         container->node, parts->node_name);
    *runtime_id = agent_runtime_id(parts->agent, id, query->previous);
    if (*runtime_id)
        return true;
    if (query->previous)
        return error_set(&request->error, ERROR_NOT_FOUND,
                         "container \"%s\" has no earlier start whose logs are kept", id);
    return error_set(&request->error, ERROR_INVALID_STATE,
                     "container \"%s\" has not been started yet, so it has no logs", id);
}

static void open_container(struct request *request)
{
    const struct log_query *query = request->data;
    const char *id = request->params[0], *runtime_id = NULL;
    request->seq = state_settled_seq(request->parts->state);
    if (find_logs(request, container_manager_find(request->parts->containers, id), query,
                  &runtime_id))
        log_pipe_container(request, query, runtime_id);
    else
        request_fail_from_loop(request);
}

static void open_deployment(struct request *request)
{
    request->seq = state_settled_seq(request->parts->state);
    bool known = deployment_manager_find(request->parts->deployments, request->params[0]);
    if (!known)
        error_set(&request->error, ERROR_NOT_FOUND, "there is no deployment \"%s\"",
                  request->params[0]);
    if (known && runtime_serves(request))
        log_pipe_deployment(request, request->data);
    else
        request_fail_from_loop(request);
}

/* -- the query -- */

static bool read_since(struct request *request, struct log_query *query)
{
    const char *given = request_query(request, "since");
    CLEANUP(schema_faults_finish) struct schema_faults faults = {0};
    if (!given || clock_parse_wall_ms(given, &query->ask.since_ms))
        return true;
    query->since_ago = clock_parse_duration_ns(given, &query->ago_ns);
    if (query->since_ago)
        return true;
    schema_faults_add(&faults, (struct schema_position){0}, "since",
                      "must be a time such as 2026-01-31T12:00:00Z or a duration such as 15m");
    request_fail_faults(request, &faults);
    return false;
}

static bool read_format(struct request *request, struct log_query *query)
{
    static const char *const formats[] = {"text", "json", NULL};
    uint32_t bits;
    if (!words_read_enum(request, "format", formats, &bits))
        return false;
    query->format = bits == 1U << 2 ? LOGS_JSON : LOGS_TEXT;
    return true;
}

static struct log_query *read_query(struct request *request)
{
    struct log_query *query = arena_alloc(&request->arena, sizeof *query);
    query->format = LOGS_RAW;
    request->data = query;
    if (!request_query_bool(request, "follow", &query->ask.follow) ||
        !request_query_bool(request, "timestamps", &query->ask.timestamps) ||
        !request_query_bool(request, "previous", &query->previous) ||
        !request_query_int(request, "tail", 100, 0, TAIL_LIMIT, &query->ask.tail) ||
        !read_since(request, query))
        return NULL;
    return query;
}

void container_logs(struct request *request)
{
    if (read_query(request))
        request_to_loop(request, open_container);
}

void deployment_logs(struct request *request)
{
    struct log_query *query = read_query(request);
    if (query && read_format(request, query))
        request_to_loop(request, open_deployment);
}
