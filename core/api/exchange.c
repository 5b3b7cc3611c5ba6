/* One request from its first line to the last byte of its answer, as libmicrohttpd tells it.
 *
 * The body of a refused request is read and thrown away up to a bound, since a connection that is
 * closed with bytes unread resets, and the client would never see why. */
#include "api/audit.h"
#include "api/exec.h"
#include "api/impl.h"
#include "api/planning.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

const char *exchange_header(const struct exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection->mhd, MHD_HEADER_KIND, name);
}

static struct connection *connection_of(struct MHD_Connection *mhd)
{
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void *exchange_uri(void *argument, const char *uri, struct MHD_Connection *mhd)
{
    struct api *api = argument;
    struct exchange *exchange = memory_alloc(sizeof *exchange);
    exchange->api = exchange->request.api = api;
    exchange->request.parts = &api->parts;
    exchange->connection = connection_of(mhd);
    exchange->began_ns = loop_now_ns(api->loop);
    exchange->route_index = api->router.count;
    exchange->uri_came_at = uri;
    exchange->raw_uri = arena_strdup(&exchange->request.arena, uri ? uri : "");
    exchange->uri_bad = !uri_parse(exchange->raw_uri, &exchange->request.arena, &exchange->uri,
                                   &exchange->uri_error);
    exchange->next = api->exchanges;
    if (api->exchanges)
        api->exchanges->previous = exchange;
    api->exchanges = exchange;
    api->exchange_count++;
    connection_set_phase(exchange->connection, CONNECTION_HEADERS);
    return exchange;
}

void exchange_free(struct exchange *exchange)
{
    struct api *api = exchange->api;
    struct request *request = &exchange->request;
    if (exchange->previous)
        exchange->previous->next = exchange->next;
    else
        api->exchanges = exchange->next;
    if (exchange->next)
        exchange->next->previous = exchange->previous;
    api->exchange_count--;
    if (request->drop)
        request->drop(request);
    planning_destroy(request->planning);
    stream_drop(request->stream);
    watcher_destroy(exchange->watcher);
    exec_session_drop(exchange->exec);
    shown_release(&exchange->shown);
    json_decref(request->body);
    text_finish(&request->out);
    text_finish(&exchange->body);
    arena_finish(&request->arena);
    free(exchange);
    api_check_stopped(api);
}

/* -- before the handler -- */

static void take_id(struct exchange *exchange)
{
    struct request *request = &exchange->request;
    const char *given = exchange_header(exchange, "X-Request-Id");
    size_t length = given ? strlen(given) : 0;
    if (length > 0 && length < sizeof request->id &&
        strspn(given, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
            length)
        memcpy(request->id, given, length + 1);
    else
        snprintf(request->id, sizeof request->id, "%016llx",
                 (unsigned long long)loop_random(exchange->api->loop));
}

static bool accepts_gzip(const struct exchange *exchange)
{
    const char *given = exchange_header(exchange, "Accept-Encoding");
    const char *gzip = given ? strcasestr(given, "gzip") : NULL;
    return gzip && strncmp(gzip + 4, ";q=0", 4) != 0;
}

static void refuse(struct exchange *exchange)
{
    exchange->refused = true;
    text_finish(&exchange->body);
}

static void answer_refusal(struct exchange *exchange)
{
    exchange->in_handler = true;
    request_fail(&exchange->request, &exchange->request.error);
    exchange->in_handler = false;
}

/* The headers are complete. */
static enum MHD_Result begin(struct exchange *exchange, const char *method, const char *version)
{
    exchange->begun = true;
    connection_set_phase(exchange->connection, CONNECTION_BODY);
    take_id(exchange);
    exchange->accepts_gzip = accepts_gzip(exchange);
    exchange->head = strcmp(method, "HEAD") == 0;
    if (check_request(exchange, method, version))
        return MHD_YES;
    refuse(exchange);
    bool waits = exchange_header(exchange, "Expect") != NULL;
    if (!exchange->close_after && !waits &&
        (exchange->chunked || exchange->content_length <= exchange->api->limits.discard_bytes))
        return MHD_YES; /* answered when its body has gone by */
    exchange->close_after = true;
    answer_refusal(exchange);
    return reply_queue(exchange);
}

static enum MHD_Result take_body(struct exchange *exchange, const char *data, size_t length)
{
    const struct api_limits *limits = &exchange->api->limits;
    exchange->body_seen += length;
    if (!exchange->refused && exchange->body_seen > limits->body_bytes) {
        error_set(&exchange->request.error, ERROR_PAYLOAD_TOO_LARGE,
                  "the body is larger than %zu bytes", limits->body_bytes);
        refuse(exchange);
    }
    if (exchange->refused && exchange->body_seen > limits->discard_bytes) {
        answer_refusal(exchange);
        reply_write_raw(exchange);
        return MHD_NO;
    }
    if (!exchange->refused)
        text_append(&exchange->body, data, length);
    return MHD_YES;
}

/* -- the handler -- */

static bool knows_parameter(const struct route *route, const char *name)
{
    if (strcmp(name, "dryRun") == 0 && strcmp(route->method, "GET") != 0)
        return true;
    for (size_t i = 0; route->query && route->query[i]; i++)
        if (strcmp(route->query[i], name) == 0)
            return true;
    return false;
}

static void refuse_parameter(const struct route *route, const char *name,
                             struct schema_faults *faults)
{
    size_t count = 0;
    while (route->query && route->query[count])
        count++;
    const char *near = count ? text_nearest(name, route->query, count) : NULL;
    schema_faults_add(faults, (struct schema_position){0}, name,
                      "there is no query parameter of that name%s%s%s",
                      near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

/* A dry run has no first time: its Idempotency-Key is of no meaning. */
static bool check_dry_run(struct request *request)
{
    if (!request_query_bool(request, "dryRun", &request->dry_run))
        return false;
    if (request->dry_run && request->route->no_dry_run) {
        error_set(&request->error, ERROR_VALIDATION, "dryRun: this request has no dry run");
        request_fail(request, &request->error);
        return false;
    }
    if (request->dry_run)
        request->idempotency_key = NULL;
    return true;
}

static bool check_query(struct exchange *exchange)
{
    CLEANUP(schema_faults_finish) struct schema_faults faults = {0};
    const struct uri *uri = &exchange->uri;
    const struct route *route = exchange->request.route;
    for (size_t i = 0; i < uri->parameter_count; i++) {
        const char *name = uri->parameters[i].name;
        if (!knows_parameter(route, name))
            refuse_parameter(route, name, &faults);
        for (size_t j = 0; j < i; j++)
            if (strcmp(uri->parameters[j].name, name) == 0)
                schema_faults_add(&faults, (struct schema_position){0}, name, "it is given twice");
    }
    if (faults.count)
        request_fail_faults(&exchange->request, &faults);
    return !faults.count && check_dry_run(&exchange->request);
}

static bool read_body(struct exchange *exchange)
{
    struct request *request = &exchange->request;
    const struct route *route = request->route;
    uint8_t digest[SHA256_BYTES];
    hash_sha256(exchange->body.data ? exchange->body.data : "", exchange->body.length, digest);
    hash_hex(digest, sizeof digest, request->body_hash);
    if (!exchange->body.length && route->body != BODY_REQUIRED)
        return true;
    if (route->body == BODY_NONE)
        return error_set(&request->error, ERROR_VALIDATION, "this request takes no body");
    bool read =
        schema_parse_body(text_string(&exchange->body), exchange->body.length,
                          exchange->api->limits.json_depth, &request->body, &request->error);
    text_finish(&exchange->body);
    return read;
}

/* What an Idempotency-Key was used for. */
static void hash_request(struct exchange *exchange)
{
    uint8_t digest[SHA256_BYTES];
    const char *whole =
        arena_format(&exchange->request.arena, "%s %s\n%s", exchange->request.route->method,
                     exchange->raw_uri, exchange->request.body_hash);
    hash_sha256(whole, strlen(whole), digest);
    hash_hex(digest, sizeof digest, exchange->idempotency_hash);
}

static bool read_conditions(struct exchange *exchange)
{
    struct request *request = &exchange->request;
    struct arena *arena = &request->arena;
    request->if_match = arena_strdup(arena, exchange_header(exchange, "If-Match"));
    request->if_none_match = arena_strdup(arena, exchange_header(exchange, "If-None-Match"));
    const char *key = exchange_header(exchange, "Idempotency-Key");
    if (!key || strcmp(request->route->method, "POST") != 0)
        return true;
    size_t length = strlen(key);
    bool plain = length > 0 && length <= 64;
    for (size_t i = 0; i < length && plain; i++)
        plain = key[i] > 0x20 && key[i] < 0x7f;
    if (!plain)
        return error_set(&request->error, ERROR_VALIDATION,
                         "Idempotency-Key has 1 to 64 characters, without spaces");
    request->idempotency_key = arena_strdup(arena, key);
    hash_request(exchange);
    return true;
}

static void run_handler(struct exchange *exchange)
{
    struct request *request = &exchange->request;
    if (exchange->refused) {
        request_fail(request, &request->error);
    } else if (exchange->is_file) {
        if (!dashboard_reply(exchange)) {
            error_set(&request->error, ERROR_NOT_FOUND, "there is nothing at this path");
            request_fail(request, &request->error);
        }
    } else if (!read_body(exchange) || !read_conditions(exchange)) {
        request_fail(request, &request->error);
    } else if (check_query(exchange)) {
        request->route->begin(request);
    }
}

/* The whole request is here. */
static enum MHD_Result complete(struct exchange *exchange)
{
    exchange->working = true;
    connection_set_phase(exchange->connection, CONNECTION_WORKING);
    exchange->in_handler = true;
    run_handler(exchange);
    exchange->in_handler = false;
    if (exchange->request.done)
        return reply_queue(exchange);
    MHD_suspend_connection(exchange->connection->mhd);
    exchange->suspended = true;
    return MHD_YES;
}

enum MHD_Result exchange_handle(void *argument, struct MHD_Connection *mhd, const char *url,
                                const char *method, const char *version, const char *data,
                                size_t *length, void **context)
{
    struct exchange *exchange = *context;
    (void)argument, (void)mhd, (void)url;
    if (!exchange->begun)
        return begin(exchange, method, version);
    if (*length) {
        size_t taken = *length;
        *length = 0;
        return take_body(exchange, data, taken);
    }
    if (exchange->queued)
        return MHD_YES;
    if (exchange->request.done || exchange->abandoned)
        return reply_queue(exchange);
    return complete(exchange);
}

/* -- the answer -- */

void exchange_answer(struct exchange *exchange)
{
    exchange->working = false;
    if (!exchange->connection)
        exchange_free(exchange);
    else if (!exchange->in_handler && !exchange->abandoned)
        exchange_resume(exchange);
}

void exchange_resume(struct exchange *exchange)
{
    if (!exchange->suspended)
        return;
    exchange->suspended = false;
    MHD_resume_connection(exchange->connection->mhd);
    api_wake(exchange->api);
}

void exchange_suspend(struct exchange *exchange)
{
    exchange->suspended = true;
    MHD_suspend_connection(exchange->connection->mhd);
}

/* Suspended connections are in no set of MHD's, so that their end is heard of here. */
void exchange_hangups(void *argument, int fd, unsigned events)
{
    struct api *api = argument;
    struct epoll_event ready[64];
    (void)events, (void)api;
    int count = epoll_wait(fd, ready, 64, 0);
    for (int i = 0; i < count; i++) {
        struct exchange *exchange = ready[i].data.ptr;
        exchange->stream_lost = true;
        exchange_resume(exchange);
    }
}

static void log_exchange(const struct exchange *exchange, uint64_t took_ns)
{
    const struct request *request = &exchange->request;
    LOG_DEBUG("request", LOG_STR("request", request->id),
              LOG_STR("method", request->route ? request->route->method : "?"),
              LOG_STR("uri", exchange->raw_uri), LOG_STR("from", exchange->connection->address),
              LOG_INT("status", request->status), LOG_INT("microseconds", took_ns / NS_PER_US));
}

void exchange_completed(void *argument, struct MHD_Connection *mhd, void **context,
                        enum MHD_RequestTerminationCode code)
{
    struct exchange *exchange = *context;
    (void)argument, (void)mhd, (void)code;
    if (!exchange)
        return;
    *context = NULL;
    struct connection *connection = exchange->connection;
    struct api *api = exchange->api;
    uint64_t took_ns = loop_now_ns(api->loop) - exchange->began_ns;
    if (exchange->request.done) {
        figures_count(api, exchange->route_index, exchange->request.status, took_ns);
        audit_note(api->audit, exchange);
    }
    log_exchange(exchange, took_ns);
    if ((exchange->request.stream || exchange->watcher) && exchange->queued)
        epoll_ctl(api->hangup_fd, EPOLL_CTL_DEL, connection->fd, NULL);
    connection_set_phase(connection, CONNECTION_IDLE);
    exchange->connection = NULL;
    if (!exchange->working)
        exchange_free(exchange);
    else
        api_check_stopped(api); /* abandoned: the loop still has it */
}
