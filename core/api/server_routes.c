/* The server's own routes: is it alive, is it ready, what can it do, how is it doing. */
#include "api/impl.h"

#include <string.h>

static void begin_healthz(struct request *request)
{
    text_append_string(&request->out, "{\"status\":\"ok\"}");
    request_reply(request, 200);
}

static void reply_ready(struct request *request)
{
    text_append_string(&request->out, "{\"status\":\"ready\"}");
    request_reply(request, 200);
}

static void ask_state(struct request *request)
{
    request->seq = state_settled_seq(request->parts->state);
    if (state_ready(request->parts->state, &request->error)) {
        request_to_api(request, reply_ready);
        return;
    }
    request->error.code = ERROR_UNAVAILABLE;
    request_fail_from_loop(request);
}

static void begin_readyz(struct request *request)
{
    struct error error;
    if (request->api->stopping)
        error_set(&error, ERROR_UNAVAILABLE, "the daemon is ending");
    else if (!atomic_load(&request->api->serving))
        error_set(&error, ERROR_UNAVAILABLE, "the state is being loaded");
    else {
        request_to_loop(request, ask_state);
        return;
    }
    request_fail(request, &error);
}

static void begin_openapi(struct request *request)
{
    const struct text *document = &request->api->openapi;
    text_append(&request->out, document->data, document->length);
    request_reply(request, 200);
}

static const char *const watch_query[] = {"kinds", "since", "deployment", "selector", NULL};
static const char *const exec_query[] = {"ticket", NULL};
static const char status_schema[] =
    "{\"type\":\"object\",\"properties\":{\"status\":{\"type\":\"string\"}}}";

static const struct route routes[] = {
    {.method = "GET",
     .path = "/healthz",
     .begin = begin_healthz,
     .role = ROLE_NONE,
     .summary = "Is the daemon alive?",
     .answers_schema = status_schema},
    {.method = "GET",
     .path = "/readyz",
     .begin = begin_readyz,
     .role = ROLE_NONE,
     .lane = LANE_CONTROLLERS,
     .summary = "Does it serve? 503 with the reason until it does.",
     .answers_schema = status_schema},
    {.method = "GET",
     .path = "/openapi.json",
     .begin = begin_openapi,
     .role = ROLE_NONE,
     .summary = "This document.",
     .answers_schema = "{\"type\":\"object\"}"},
    {.method = "GET",
     .path = "/metrics",
     .begin = server_begin_metrics,
     .role = ROLE_VIEWER,
     .lane = LANE_CONTROLLERS,
     .loopback_open = true,
     .summary = "Figures in Prometheus' text format.",
     .answers_schema = "{\"type\":\"string\"}"},
    {.method = "GET",
     .path = "/api/v1/watch",
     .begin = server_begin_watch,
     .role = ROLE_VIEWER,
     .query = watch_query,
     .summary = "What changes, as server-sent events.",
     .answers_schema = "{\"type\":\"string\"}"},
    {.method = "GET",
     .path = "/api/v1/exec/{id}",
     .begin = server_begin_exec,
     .role = ROLE_NONE,
     .query = exec_query,
     .status = 101,
     .summary = "A command's input and output over a WebSocket, for the holder of its ticket"},
};
const struct route_table routes_server = {routes, sizeof routes / sizeof routes[0]};
