/* orch.host.http/1 over http_client.h: checks, copies and ownership per plugin. */
#include "base/text.h"
#include "plugin/host.h"
#include "plugin/http_client.h"

#include <stdlib.h>
#include <string.h>

struct request {
    struct plugin_requests *owner;
    struct request *next;
    uint64_t id;
    struct orch_http_callbacks callbacks;
    void *context;
};
struct plugin_requests {
    struct plugin_host *host;
    struct http_client *client;
    struct request *first;
};

static struct plugin_requests *requests_of(const struct orch_host *orch)
{
    return plugin_host_state(orch, &host_http_service);
}

static void forget(struct request *request)
{
    struct request **link = &request->owner->first;
    while (*link != request)
        link = &(*link)->next;
    *link = request->next;
    free(request);
}

static struct orch_str borrowed(const char *string)
{
    return (struct orch_str){string, strlen(string)};
}

static void on_head(void *argument, int status, const struct http_header *headers, size_t count)
{
    const struct request *request = argument;
    if (!request->callbacks.head)
        return;
    struct orch_pair *pairs = memory_alloc((count + 1) * sizeof *pairs);
    for (size_t i = 0; i < count; i++)
        pairs[i] = (struct orch_pair){borrowed(headers[i].name), borrowed(headers[i].value)};
    void (*head)(void *, int32_t, struct orch_array) = request->callbacks.head;
    head(request->context, status, (struct orch_array){pairs, (uint32_t)count, sizeof *pairs});
    free(pairs);
}

static bool on_body(void *argument, const void *bytes, size_t length)
{
    const struct request *request = argument;
    return !request->callbacks.body ||
           request->callbacks.body(request->context, (struct orch_str){bytes, length}) == 0;
}

static orch_status status_of(const struct error *error)
{
    if (!error)
        return ORCH_OK;
    switch ((int)error->code) {
    case ERROR_UNAVAILABLE:
        return ORCH_E_UNAVAILABLE;
    case ERROR_TIMEOUT:
        return ORCH_E_TIMEOUT;
    case ERROR_CANCELLED:
        return ORCH_E_CANCELLED;
    case ERROR_PAYLOAD_TOO_LARGE:
        return ORCH_E_TOO_LARGE;
    case ERROR_FORBIDDEN:
        return ORCH_E_DENIED;
    case ERROR_VALIDATION:
        return ORCH_E_INVALID;
    default:
        return ORCH_E_IO;
    }
}

static void on_done(void *argument, int status, const struct error *error)
{
    struct request *request = argument;
    const struct orch_http_callbacks callbacks = request->callbacks;
    void *context = request->context;
    struct orch_error theirs = {.size = sizeof theirs};
    forget(request);
    if (error)
        (void)plugin_error_give(&theirs, status_of(error), error);
    if (callbacks.done)
        callbacks.done(context, status_of(error), status, error ? &theirs : NULL);
}

static const struct http_handler handler = {.head = on_head, .body = on_body, .done = on_done};

/* Header values cross as bytes; the client wants them terminated. */
static struct http_header *take_headers(struct arena *arena, struct orch_array headers)
{
    struct http_header *ours = arena_alloc(arena, (headers.count + 1) * sizeof *ours);
    for (uint32_t i = 0; i < headers.count; i++) {
        const struct orch_pair *pair = ORCH_AT(struct orch_pair, headers, i);
        ours[i].name = arena_strndup(arena, pair->key.ptr ? pair->key.ptr : "", pair->key.len);
        ours[i].value =
            arena_strndup(arena, pair->value.ptr ? pair->value.ptr : "", pair->value.len);
    }
    return ours;
}

static uint64_t start_taken(struct plugin_requests *requests, struct request *request,
                            const struct orch_http_request *taken, struct error *error)
{
    struct arena arena CLEANUP(arena_finish) = {0};
    const struct http_request ours = {.method = taken->method,
                                      .url = taken->url,
                                      .unix_socket = taken->unix_socket,
                                      .headers = take_headers(&arena, taken->headers),
                                      .header_count = taken->headers.count,
                                      .body = taken->body.ptr,
                                      .body_bytes = taken->body.len,
                                      .ca_file = taken->ca_file,
                                      .certificate_file = taken->certificate_file,
                                      .key_file = taken->key_file,
                                      .connect_timeout_ns = taken->connect_timeout_ns,
                                      .first_byte_timeout_ns = taken->first_byte_timeout_ns,
                                      .stall_timeout_ns = taken->stall_timeout_ns,
                                      .total_timeout_ns = taken->total_timeout_ns,
                                      .max_body_bytes = taken->max_body_bytes,
                                      .http2_prior_knowledge =
                                          taken->flags & ORCH_HTTP_H2_PRIOR_KNOWLEDGE,
                                      .insecure = taken->flags & ORCH_HTTP_INSECURE};
    return http_client_start(requests->client, &ours, &handler, request, error);
}

static orch_status start(const struct orch_host *orch, const struct orch_http_request *theirs,
                         const struct orch_http_callbacks *callbacks, void *context, uint64_t *id,
                         struct orch_error *error)
{
    struct plugin_requests *requests = requests_of(orch);
    struct orch_http_request taken;
    struct orch_http_callbacks taken_callbacks;
    struct error why = {0};
    if (!plugin_host_on_loop(orch, "orch.host.http/1 start"))
        return orch_fail(error, ORCH_E_WRONG_THREAD, "http is for the loop's thread");
    if (!requests->client)
        return orch_fail(error, ORCH_E_UNSUPPORTED, "this host has no http client");
    if (!theirs || !callbacks || !id)
        return orch_fail(error, ORCH_E_INVALID, "a parameter is NULL");
    if (ORCH_TAKE(struct orch_http_request, &taken, theirs, error) != ORCH_OK ||
        ORCH_TAKE(struct orch_http_callbacks, &taken_callbacks, callbacks, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    if (taken.headers.count && taken.headers.stride < sizeof(struct orch_pair))
        return orch_fail(error, ORCH_E_INVALID, "headers is no array of struct orch_pair");
    struct request *request = memory_alloc(sizeof *request);
    *request = (struct request){.owner = requests,
                                .next = requests->first,
                                .callbacks = taken_callbacks,
                                .context = context};
    requests->first = request;
    *id = request->id = start_taken(requests, request, &taken, &why);
    if (request->id)
        return ORCH_OK;
    forget(request);
    return plugin_error_give(error, why.code == ERROR_UNAVAILABLE ? ORCH_E_FULL : ORCH_E_INVALID,
                             &why);
}

static struct request *find(const struct plugin_requests *requests, uint64_t id)
{
    struct request *request = requests->first;
    while (request && request->id != id)
        request = request->next;
    return request;
}

static void cancel(const struct orch_host *orch, uint64_t id)
{
    struct plugin_requests *requests = requests_of(orch);
    if (!plugin_host_on_loop(orch, "orch.host.http/1 cancel"))
        return;
    struct request *request = find(requests, id);
    if (!request)
        return;
    http_client_cancel(requests->client, id);
    forget(request);
}

static void pause_request(const struct orch_host *orch, uint64_t id, int32_t paused)
{
    struct plugin_requests *requests = requests_of(orch);
    if (plugin_host_on_loop(orch, "orch.host.http/1 pause") && find(requests, id))
        http_client_pause(requests->client, id, paused != 0);
}

static void *attach(struct plugin_host *host)
{
    struct plugin_requests *requests = memory_alloc(sizeof *requests);
    requests->host = host;
    requests->client = host->environment->http;
    return requests;
}

static void detach(void *state)
{
    struct plugin_requests *requests = state;
    while (requests->first) {
        http_client_cancel(requests->client, requests->first->id);
        forget(requests->first);
    }
    free(requests);
}

static const struct orch_host_http_v1 table = {
    .size = sizeof table, .start = start, .cancel = cancel, .pause = pause_request};
const struct plugin_service host_http_service = {
    .interface_id = ORCH_HOST_HTTP_1, .table = &table, .attach = attach, .detach = detach};
