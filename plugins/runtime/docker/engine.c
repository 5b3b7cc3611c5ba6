/* Requests to the engine. A call waits until the API's version is known, then runs with a deadline
 * of its own; its end is told on a later turn, never from within call_start. */
#include "docker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct call {
    struct call *next, **link;
    struct job *job;
    struct call_request request; /* `path` is ours, `body` is not kept */
    char *body;
    uint64_t http_id, timer; /* 0: none */
    bool waiting;            /* for the version */
    bool streamed;           /* a 2xx whose bytes go to request.data */
    int32_t http;
    struct text reply;
    orch_status failure; /* what a call that could not begin fails by */
    char why[300];
};

static void call_unlink(struct call *call)
{
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
}

static void call_free(struct call *call)
{
    free((char *)call->request.path);
    free(call->body);
    text_finish(&call->reply);
    free(call);
}

void engine_message(char *to, size_t room, const char *body, size_t length)
{
    json_t *object = json_loadb(body, length, 0, NULL);
    const json_t *message = json_object_get(object, "message");
    if (json_is_string(message))
        defuse(to, room, json_string_value(message), json_string_length(message));
    else
        defuse(to, room, body, length < 200 ? length : 200);
    json_decref(object);
}

static bool is_2xx(int32_t http)
{
    return http >= 200 && http < 300;
}

static void deliver(struct call *call, struct reply *reply)
{
    struct runtime *runtime = call->job->runtime;
    call_unlink(call);
    reply->http = call->http;
    reply->body = text_string(&call->reply);
    reply->length = call->reply.length;
    if (reply->status == ORCH_OK && !is_2xx(reply->http))
        engine_message(reply->message, sizeof reply->message, reply->body, reply->length);
    /* It may come back as another version: ask again before the next call. */
    if (reply->status != ORCH_OK || version_refused(runtime, reply))
        version_forget(runtime);
    call->request.done(call->job, call->request.number, reply);
    call_free(call);
}

/* -- what the host's http service calls -- */

static void on_head(void *context, int32_t http, struct orch_array headers)
{
    struct call *call = context;
    call->http = http;
    call->streamed = call->request.data && is_2xx(http);
    if (call->request.head && is_2xx(http))
        call->request.head(call->job, &headers);
}

static int32_t on_body(void *context, struct orch_str bytes)
{
    struct call *call = context;
    if (call->streamed)
        call->request.data(call->job, bytes); /* the call may be gone now */
    else
        text_add(&call->reply, bytes.ptr, bytes.len); /* bounded by max_body_bytes */
    return 0;
}

static void on_done(void *context, orch_status status, int32_t http, const struct orch_error *error)
{
    struct call *call = context;
    struct reply reply = {.status = status, .reached = status != ORCH_E_UNAVAILABLE};
    call->http_id = 0;
    call->http = http;
    if (status != ORCH_OK)
        snprintf(reply.message, sizeof reply.message, "%s",
                 error ? error->message : "the connection failed");
    deliver(call, &reply);
}

static void failed_to_begin(void *context)
{
    struct call *call = context;
    struct reply reply = {.status = call->failure};
    call->timer = 0;
    memcpy(reply.message, call->why, sizeof call->why);
    deliver(call, &reply);
}

static void fail_later(struct call *call, orch_status status, const char *message)
{
    struct runtime *runtime = call->job->runtime;
    call->failure = status;
    snprintf(call->why, sizeof call->why, "%s", message);
    if (runtime->loop->timer_start(runtime->host, 0, failed_to_begin, call, &call->timer) !=
        ORCH_OK)
        failed_to_begin(call); /* the host is out of timers */
}

static void begin(struct call *call)
{
    static const struct orch_http_callbacks callbacks = {
        .size = sizeof callbacks, .head = on_head, .body = on_body, .done = on_done};
    /* No connection is kept: on one that has died meanwhile the host's client would send the
     * request again without a word, and a signal would come twice. */
    static const struct orch_pair headers[] = {{{"connection", 10}, {"close", 5}},
                                               {{"content-type", 12}, {"application/json", 16}}};
    struct runtime *runtime = call->job->runtime;
    const struct call_request *request = &call->request;
    struct orch_error error = {.size = sizeof error};
    struct text url = {0};
    text_format(&url, "http://%s/v%d.%u%s", runtime->settings.authority, API_MAJOR,
                runtime->api_minor, request->path);
    size_t limit = request->reply_limit ? request->reply_limit : REPLY_LIMIT;
    const struct orch_http_request http = {
        .size = sizeof http,
        .method = request->method,
        .url = text_string(&url),
        .unix_socket = runtime->settings.unix_socket,
        .headers = {headers, call->body ? 2 : 1, sizeof headers[0]},
        .body = str(call->body),
        .connect_timeout_ns = 5 * NS_PER_S,
        .first_byte_timeout_ns =
            request->first_byte_ns ? request->first_byte_ns : request->timeout_ns,
        .stall_timeout_ns = request->stall_ns,
        .total_timeout_ns = request->timeout_ns,
        .max_body_bytes = request->data ? UINT64_MAX : limit};
    call->waiting = false;
    orch_status status =
        runtime->http->start(runtime->host, &http, &callbacks, call, &call->http_id, &error);
    text_finish(&url);
    if (status != ORCH_OK)
        fail_later(call, status, error.message);
}

/* -- the plugin's side -- */

void call_start(struct job *job, const struct call_request *request)
{
    struct runtime *runtime = job->runtime;
    struct call *call = memory_new(sizeof *call);
    call->job = job;
    call->request = *request;
    call->request.path = string_copy(str(request->path));
    call->body = request->body ? json_dumps(request->body, JSON_COMPACT) : NULL;
    call->request.body = NULL;
    call->next = runtime->calls;
    call->link = &runtime->calls;
    if (call->next)
        call->next->link = &call->next;
    runtime->calls = call;
    if (runtime->version == VERSION_KNOWN) {
        begin(call);
        return;
    }
    call->waiting = true;
    if (runtime->version == VERSION_UNKNOWN)
        version_ask(runtime);
}

/* Each search begins anew: what begins or fails may end others. */
static struct call *next_waiting(const struct runtime *runtime)
{
    struct call *call = runtime->calls;
    while (call && !call->waiting)
        call = call->next;
    return call;
}

void calls_version_known(struct runtime *runtime)
{
    for (struct call *call; (call = next_waiting(runtime));)
        begin(call);
}

void calls_version_failed(struct runtime *runtime, orch_status status, const char *message)
{
    for (struct call *call; (call = next_waiting(runtime));) {
        call->waiting = false;
        fail_later(call, status, message);
    }
}

void calls_pause(struct job *job, bool paused)
{
    const struct runtime *runtime = job->runtime;
    for (const struct call *call = runtime->calls; call; call = call->next)
        if (call->job == job && call->http_id)
            runtime->http->pause(runtime->host, call->http_id, paused);
}

void calls_cancel(struct job *job)
{
    struct runtime *runtime = job->runtime;
    for (struct call *call = runtime->calls, *next; call; call = next) {
        next = call->next;
        if (call->job != job)
            continue;
        if (call->http_id)
            runtime->http->cancel(runtime->host, call->http_id);
        if (call->timer)
            runtime->loop->timer_stop(runtime->host, call->timer);
        call_unlink(call);
        call_free(call);
    }
}

/* -- replies -- */

bool reply_is(const struct reply *reply, int32_t http)
{
    return reply->status == ORCH_OK && reply->http == http;
}

json_t *reply_json(const struct reply *reply)
{
    if (reply->status != ORCH_OK || !is_2xx(reply->http))
        return NULL;
    return json_loadb(reply->body, reply->length, 0, NULL);
}

orch_status reply_status(const struct reply *reply)
{
    if (reply->status == ORCH_E_IO || reply->status == ORCH_E_CANCELLED)
        return ORCH_E_UNAVAILABLE; /* cut */
    if (reply->status != ORCH_OK)
        return reply->status;
    switch (reply->http) {
    case 400:
        return ORCH_E_INVALID;
    case 401:
    case 403:
        return ORCH_E_DENIED;
    case 404:
        return ORCH_E_NOT_FOUND;
    case 409:
        return ORCH_E_CONFLICT;
    case 503:
        return ORCH_E_UNAVAILABLE;
    default:
        return is_2xx(reply->http) ? ORCH_E_IO : ORCH_E_INTERNAL;
    }
}

void job_fail_reply(struct job *job, const struct reply *reply, const char *what)
{
    if (reply->status != ORCH_OK)
        job_fail(job, reply_status(reply), "%s: %s", what, reply->message);
    else if (is_2xx(reply->http))
        job_fail(job, ORCH_E_IO, "%s: the engine's reply makes no sense", what);
    else
        job_fail(job, reply_status(reply), "%s: the engine answers %d: %s", what, reply->http,
                 reply->message);
}
