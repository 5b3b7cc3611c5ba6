/* Logs of one container, and those of a deployment's containers merged: from the runtime of this
 * host, through a stream, to the client.
 *
 * Each source is one operation of the runtime. What it emits is held until the stream takes it; the
 * runtime is owed credit for as much, so a slow client slows the engine down and nobody else. The
 * reply begins with the first bytes, so that what fails before them is answered as an error. */
#include "agent/agent.h"
#include "api/routes/impl.h"
#include "api/stream.h"
#include "base/clock.h"
#include "plugin/runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 64 * 1024, BATCH_BYTES = 64 * 1024, TAIL_LIMIT = 10000, SOURCES_LIMIT = 256 };
#define HEAD_WAIT_NS                                                                               \
    (100 * NS_PER_MS) /* following a silent container: the headers go out alone                    \
                       */

enum log_format { LOGS_RAW = 1, LOGS_TEXT, LOGS_JSON }; /* RAW: one container, byte by byte */
struct log_query {
    struct runtime_logs_request ask;
    uint64_t ago_ns; /* since, as a duration; 0: not given so */
    enum log_format format;
    bool previous;
};
struct log_pipe;
struct log_source {
    struct log_pipe *pipe;
    char id[80];
    uint64_t op;         /* 0: ended */
    struct text held[2]; /* by channel: standard output, standard error */
};
struct log_pipe {            /* [loop] from its making to its end; not the request's */
    struct request *request; /* NULL: the reply has begun */
    struct runtime *runtime;
    struct stream *stream;
    enum log_format format;
    struct text out; /* formatted, not yet taken */
    struct loop_timer head, end;
    uint32_t count, open, turn;
    bool cut; /* a source failed: the client must see that something is missing */
    struct log_source sources[];
};

/* -- the end -- */

static void free_pipe(struct log_pipe *pipe)
{
    for (uint32_t i = 0; i < pipe->count; i++) {
        if (pipe->sources[i].op)
            runtime_abandon(pipe->runtime, pipe->sources[i].op);
        text_finish(&pipe->sources[i].held[0]);
        text_finish(&pipe->sources[i].held[1]);
    }
    text_finish(&pipe->out);
    loop_timer_stop(&pipe->head);
    loop_timer_stop(&pipe->end);
    free(pipe);
}

static void reply(struct request *request)
{
    request_reply_stream(request, request->data);
}

static void begin_reply(struct log_pipe *pipe)
{
    struct request *request = pipe->request;
    if (!request)
        return;
    pipe->request = NULL;
    loop_timer_stop(&pipe->head);
    request->content_type = pipe->format == LOGS_JSON ? "application/x-ndjson; charset=utf-8"
                                                      : "text/plain; charset=utf-8";
    request->data = pipe->stream;
    request_to_api(request, reply);
}

/* -- from held bytes to the client -- */

static void write_line(const struct log_source *source, enum log_format format, int channel,
                       const char *line, size_t length, struct text *out)
{
    if (format == LOGS_TEXT) {
        text_append_format(out, "%s ", source->id);
        text_append(out, line, length);
        text_append_char(out, '\n');
        return;
    }
    text_append_format(out, "{\"container\":\"%s\",\"stream\":\"%s\",\"line\":", source->id,
                       channel ? "stderr" : "stdout");
    text_append_json(out, line, length);
    text_append_string(out, "}\n");
}

static void consume(struct log_source *source, struct text *held, size_t bytes)
{
    held->length -= bytes;
    memmove(held->data, held->data + bytes, held->length);
    held->data[held->length] = 0;
    if (source->op)
        runtime_credit(source->pipe->runtime, source->op, bytes);
}

/* Whole lines; a very long one in pieces, and the last one as it is when nothing follows. */
static bool format_lines(struct log_source *source, int channel)
{
    struct log_pipe *pipe = source->pipe;
    struct text *held = &source->held[channel];
    size_t used = 0;
    while (used < held->length && pipe->out.length < BATCH_BYTES) {
        const char *line = held->data + used;
        size_t rest = held->length - used;
        const char *newline = memchr(line, '\n', rest);
        size_t length = newline ? (size_t)(newline - line) : rest;
        if (!newline && source->op && rest < LINE_BYTES)
            break;
        write_line(source, pipe->format, channel, line, length, &pipe->out);
        used += length + (newline != NULL);
    }
    if (used)
        consume(source, held, used);
    return used > 0;
}

static bool format_raw(struct log_source *source, int channel)
{
    struct text *held = &source->held[channel];
    size_t length = held->length;
    if (!length)
        return false;
    text_append(&source->pipe->out, held->data, length);
    consume(source, held, length);
    return true;
}

static bool fill_out(struct log_pipe *pipe)
{
    for (uint32_t i = 0; i < pipe->count; i++) {
        struct log_source *source = &pipe->sources[(pipe->turn + i) % pipe->count];
        bool any = false;
        for (int channel = 0; channel < 2; channel++)
            any |= pipe->format == LOGS_RAW ? format_raw(source, channel)
                                            : format_lines(source, channel);
        if (!any)
            continue;
        pipe->turn = (pipe->turn + i + 1) % pipe->count; /* the next one's turn */
        return true;
    }
    return false;
}

static bool flush_out(struct log_pipe *pipe)
{
    size_t taken = stream_write(pipe->stream, pipe->out.data, pipe->out.length);
    pipe->out.length -= taken;
    if (pipe->out.length) {
        memmove(pipe->out.data, pipe->out.data + taken, pipe->out.length);
        return false;
    }
    text_clear(&pipe->out);
    return true;
}

static void pump(struct log_pipe *pipe)
{
    do {
        if (pipe->out.length && (begin_reply(pipe), !flush_out(pipe)))
            return; /* `writable` goes on */
    } while (fill_out(pipe));
    if (!pipe->open && !loop_timer_armed(&pipe->end))
        loop_timer_start(&pipe->end, 0);
}

/* Not inside a callback of the stream's or the runtime's. */
static void end_pipe(void *argument)
{
    struct log_pipe *pipe = argument;
    begin_reply(pipe);
    stream_end(pipe->stream, !pipe->cut);
    free_pipe(pipe);
}

static void writable(void *argument, size_t room)
{
    (void)room;
    pump(argument);
}

static void gone(void *argument)
{
    struct log_pipe *pipe = argument;
    begin_reply(pipe); /* the chain runs to its end all the same */
    free_pipe(pipe);
}

static void head_due(void *argument)
{
    begin_reply(argument);
}

/* -- from the runtime -- */

static size_t output(void *argument, uint32_t channel, const char *bytes, size_t length)
{
    struct log_source *source = argument;
    text_append(&source->held[channel == ORCH_CHANNEL_STDERR], bytes, length);
    pump(source->pipe);
    return 0; /* credited as it is taken */
}

static void drop_stream(struct request *request)
{
    stream_drop(request->data);
}

static void answer_failure(struct log_pipe *pipe, const struct error *error)
{
    struct request *request = pipe->request;
    pipe->request = NULL;
    request->error = *error;
    if (request->error.code == ERROR_NOT_FOUND)
        error_wrap(&request->error, "the engine has no logs of it any more");
    stream_end(pipe->stream, false);
    request->data = pipe->stream;
    request->drop = drop_stream;
    request_fail_from_loop(request);
    free_pipe(pipe);
}

static void source_ended(void *argument, orch_status status, const struct error *error)
{
    struct log_source *source = argument;
    struct log_pipe *pipe = source->pipe;
    source->op = 0;
    pipe->open--;
    if (status != ORCH_OK && pipe->format == LOGS_RAW && pipe->request) {
        answer_failure(pipe, error);
        return;
    }
    if (status != ORCH_OK)
        pipe->cut = true;
    pump(pipe);
}

/* -- the request -- */

static void start(struct request *request, const struct log_query *query,
                  const char *const *runtime_ids, const char *const *ids, uint32_t count)
{
    const struct api_parts *parts = request->parts;
    struct log_pipe *pipe = memory_alloc(sizeof *pipe + (count + 1) * sizeof(struct log_source));
    const struct stream_events events = {.writable = writable, .gone = gone, .argument = pipe};
    pipe->request = request;
    pipe->runtime = parts->runtime;
    pipe->format = query->format;
    pipe->count = pipe->open = count;
    pipe->stream = stream_create(request->api, &events);
    loop_timer_init(&pipe->head, parts->loop, "logs begin", head_due, pipe);
    loop_timer_init(&pipe->end, parts->loop, "logs end", end_pipe, pipe);
    loop_timer_start(&pipe->head, HEAD_WAIT_NS);
    if (!count)
        loop_timer_start(&pipe->end, 0);
    for (uint32_t i = 0; i < count; i++) {
        struct log_source *source = &pipe->sources[i];
        struct runtime_logs_request ask = query->ask;
        source->pipe = pipe;
        snprintf(source->id, sizeof source->id, "%s", ids[i]);
        ask.runtime_id = runtime_ids[i];
        if (query->ago_ns)
            ask.since_ms = loop_wall_ms(parts->loop) - (int64_t)(query->ago_ns / NS_PER_MS);
        source->op = runtime_logs(parts->runtime, &ask, 0, output, source_ended, source);
    }
}

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
    const char *id = request->params[0], *runtime_id;
    request->seq = state_settled_seq(request->parts->state);
    if (find_logs(request, container_manager_find(request->parts->containers, id), query,
                  &runtime_id))
        start(request, query, &runtime_id, &id, 1);
    else
        request_fail_from_loop(request);
}

/* Those of this host that have been started; the others have none yet. */
static void open_deployment(struct request *request)
{
    const struct api_parts *parts = request->parts;
    const struct log_query *query = request->data;
    const char *runtime_ids[SOURCES_LIMIT] = {0}, *ids[SOURCES_LIMIT] = {0};
    const struct container *container = NULL;
    uint32_t count = 0;
    request->seq = state_settled_seq(parts->state);
    bool known = deployment_manager_find(parts->deployments, request->params[0]);
    if (!known)
        error_set(&request->error, ERROR_NOT_FOUND, "there is no deployment \"%s\"",
                  request->params[0]);
    if (!known || !runtime_serves(request)) {
        request_fail_from_loop(request);
        return;
    }
    while (count < SOURCES_LIMIT &&
           (container = container_manager_next(parts->containers, request->params[0], container))) {
        if (strcmp(container->node, parts->node_name) != 0)
            continue;
        runtime_ids[count] = agent_runtime_id(parts->agent, container->id, query->previous);
        ids[count] = container->id;
        count += runtime_ids[count] != NULL;
    }
    start(request, query, runtime_ids, ids, count);
}

/* -- the query -- */

static bool read_since(struct request *request, struct log_query *query)
{
    const char *given = request_query(request, "since");
    CLEANUP(schema_faults_finish) struct schema_faults faults = {0};
    if (!given || clock_parse_wall_ms(given, &query->ask.since_ms) ||
        clock_parse_duration_ns(given, &query->ago_ns))
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
