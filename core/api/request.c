/* What handlers do with a request: parameters, hops between the threads, the end of the chain. */
#include "api/idempotency.h"
#include "api/impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* -- query -- */

const char *request_query(const struct request *request, const char *name)
{
    const struct uri *uri = &((const struct exchange *)(const void *)request)->uri;
    for (size_t i = 0; i < uri->parameter_count; i++)
        if (strcmp(uri->parameters[i].name, name) == 0)
            return uri->parameters[i].value;
    return NULL;
}

static bool refuse_query(struct request *request, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool refuse_query(struct request *request, const char *name, const char *format, ...)
{
    CLEANUP(schema_faults_finish) struct schema_faults faults = {0};
    char message[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    schema_faults_add(&faults, (struct schema_position){0}, name, "%s", message);
    request_fail_faults(request, &faults);
    return false;
}

bool request_query_int(struct request *request, const char *name, int64_t initial, int64_t min,
                       int64_t max, int64_t *out)
{
    const char *given = request_query(request, name);
    char *end;
    *out = initial;
    if (!given)
        return true;
    errno = 0;
    long long value = strtoll(given, &end, 10);
    bool digits = *given == '-' || (*given >= '0' && *given <= '9');
    if (!digits || *end || end == given || errno || value < min || value > max)
        return refuse_query(request, name, "it must be a whole number from %lld to %lld",
                            (long long)min, (long long)max);
    *out = value;
    return true;
}

bool request_query_bool(struct request *request, const char *name, bool *out)
{
    const char *given = request_query(request, name);
    *out = given && strcmp(given, "true") == 0;
    if (!given || *out || strcmp(given, "false") == 0)
        return true;
    return refuse_query(request, name, "it must be true or false");
}

/* -- hops -- */

static void run_step(struct loop_task *task)
{
    struct request *request = CONTAINER_OF(task, struct request, task);
    request->next(request);
}

static void check_key(struct request *request)
{
    idempotency_check(request, exchange_of(request)->first_step);
}

void request_to_loop(struct request *request, request_step *step)
{
    struct exchange *exchange = exchange_of(request);
    uint8_t lane = request->route->lane;
    if (request->idempotency_key && !exchange->first_step) {
        exchange->first_step = step;
        step = check_key;
    }
    request->next = step;
    request->task = (struct loop_task){.run = run_step, .name = request->route->path};
    if (lanes_push(&request->api->lanes, lane ? lane : LANE_USERS, &request->task))
        return;
    error_set(&request->error, ERROR_RATE_LIMITED,
              "too many requests are waiting; try again in a second");
    request_fail(request, &request->error);
}

void request_to_api(struct request *request, request_step *step)
{
    request->next = step;
    request->task = (struct loop_task){.run = run_step, .name = request->route->path};
    loop_post(request->api->loop, &request->task);
}

/* -- the end -- */

void request_reply(struct request *request, int status)
{
    request->status = status;
    if (exchange_of(request)->idempotency) {
        idempotency_finish(exchange_of(request));
        return;
    }
    request->done = true;
    exchange_answer(exchange_of(request));
}

void request_reply_stream(struct request *request, struct stream *take_stream)
{
    request->stream = take_stream;
    request_reply(request, 200);
}

void request_reply_watch(struct request *request, struct watcher *take_watcher)
{
    exchange_of(request)->watcher = take_watcher;
    request->content_type = "text/event-stream; charset=utf-8";
    request_reply(request, 200);
}

static void fail(struct request *request, const struct error *error,
                 const struct schema_faults *faults)
{
    struct error copy = *error; /* may be the request's own */
    request->error = copy;
    text_clear(&request->out);
    reply_write_error(&request->out, &copy, faults);
    request->content_type = NULL;
    request->location = NULL;
    request->etag = 0;
    if (copy.code == ERROR_RATE_LIMITED && !exchange_of(request)->retry_after)
        exchange_of(request)->retry_after = 1;
    request_reply(request, error_code_http(copy.code));
}

void request_fail(struct request *request, const struct error *error)
{
    fail(request, error, NULL);
}

void request_fail_faults(struct request *request, const struct schema_faults *faults)
{
    struct error error;
    schema_faults_to_error(faults, &error);
    error.code = ERROR_VALIDATION;
    fail(request, &error, faults);
}

static void fail_step(struct request *request)
{
    request_fail(request, &request->error);
}

void request_fail_from_loop(struct request *request)
{
    request_to_api(request, fail_step);
}

/* -- writes -- */

static bool read_version(const char *text, uint64_t *out)
{
    char *end;
    if (text[0] == 'W' && text[1] == '/')
        text += 2;
    bool quoted = *text == '"';
    text += quoted;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (quoted && *end++ != '"')
        return false;
    return *end == 0 && errno == 0;
}

bool request_write(struct request *request, struct write_request *out)
{
    *out = (struct write_request){
        .origin = {.dry_run = request->dry_run,
                   .by = request->by ? request->by : "anonymous",
                   .request_id = request->id,
                   .idempotency_key = request->idempotency_key,
                   .idempotency_hash = exchange_of(request)->idempotency_hash}};
    struct error error;
    if (request->if_match) {
        out->has_if_match = true;
        out->if_match_any = strcmp(request->if_match, "*") == 0;
        if (!out->if_match_any && !read_version(request->if_match, &out->if_match)) {
            error_set(&error, ERROR_VALIDATION,
                      "If-Match is not a version as ETag shows it (\"7\"), nor *");
            request_fail(request, &error);
            return false;
        }
    }
    if (request->if_none_match) {
        out->if_none_match_any = strcmp(request->if_none_match, "*") == 0;
        if (!out->if_none_match_any) {
            error_set(&error, ERROR_VALIDATION, "the only If-None-Match understood is *");
            request_fail(request, &error);
            return false;
        }
    }
    return true;
}

bool request_read(struct request *request, const struct type *type, void *out)
{
    CLEANUP(schema_faults_finish) struct schema_faults faults = {0};
    if (schema_read_input(type, request->body, "", NULL, &request->arena, out, &faults))
        return true;
    request_fail_faults(request, &faults);
    return false;
}
