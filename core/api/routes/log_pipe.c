/* Each source is one operation of the runtime. What it emits is held until the stream takes it; the
 * runtime is owed credit for as much, so a slow client slows the engine down and nobody else. The
 * reply begins with the first bytes, so that what fails before them is answered as an error. */
#include "api/routes/log_pipe.h"
#include "agent/agent.h"
#include "api/routes/impl.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_WAIT_NS                                                                               \
    (100 * NS_PER_MS)             /* following a silent container: the headers go out alone        \
                                   */
#define JOIN_NS (500 * NS_PER_MS) /* how long a later start may have run before it is shown */

/* -- the end -- */

static void free_source(struct log_source *source)
{
    if (source->op)
        runtime_abandon(source->pipe->parts->runtime, source->op);
    for (int channel = 0; channel < LOG_CHANNELS; channel++)
        text_finish(&source->held[channel].text);
    free(source);
}

static void free_pipe(struct log_pipe *pipe)
{
    for (uint32_t i = 0; i < pipe->count; i++)
        free_source(pipe->sources[i]);
    text_finish(&pipe->out);
    loop_timer_stop(&pipe->head);
    loop_timer_stop(&pipe->end);
    loop_timer_stop(&pipe->join);
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
    request->content_type = pipe->query.format == LOGS_JSON ? "application/x-ndjson; charset=utf-8"
                                                            : "text/plain; charset=utf-8";
    request->data = pipe->stream;
    request_to_api(request, reply);
}

/* -- to the client -- */

static bool fill_out(struct log_pipe *pipe)
{
    log_lines_fill(pipe);
    for (uint32_t i = 0; i < pipe->count; i++) {
        struct log_source *source = pipe->sources[i];
        if (source->op && source->credit)
            runtime_credit(pipe->parts->runtime, source->op, source->credit);
        source->credit = 0;
    }
    return pipe->out.length > 0;
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
    while (pipe->out.length || fill_out(pipe)) {
        begin_reply(pipe);
        if (!flush_out(pipe))
            return; /* `writable` goes on */
    }
    if (!pipe->open && !pipe->deployment[0] && !loop_timer_armed(&pipe->end))
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
    text_append(&source->held[channel == ORCH_CHANNEL_STDERR].text, bytes, length);
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
    if (status != ORCH_OK && pipe->query.format == LOGS_RAW && pipe->request) {
        answer_failure(pipe, error);
        return;
    }
    if (status != ORCH_OK) {
        pipe->cut = true;
        snprintf(source->failure, sizeof source->failure, "%s", error->message);
    }
    pump(pipe);
}

/* -- the beginning, and what is started later -- */

static void join_due(void *argument);

static struct log_pipe *make_pipe(struct request *request, const struct log_query *query)
{
    struct log_pipe *pipe = memory_alloc(sizeof *pipe);
    struct loop *loop = request->parts->loop;
    const struct stream_events events = {.writable = writable, .gone = gone, .argument = pipe};
    pipe->request = request;
    pipe->parts = request->parts;
    pipe->query = *query;
    if (query->since_ago)
        pipe->query.ask.since_ms = loop_wall_ms(loop) - (int64_t)(query->ago_ns / NS_PER_MS);
    pipe->stream = stream_create(request->api, &events);
    loop_timer_init(&pipe->head, loop, "logs begin", head_due, pipe);
    loop_timer_init(&pipe->end, loop, "logs end", end_pipe, pipe);
    loop_timer_init(&pipe->join, loop, "logs join", join_due, pipe);
    loop_timer_start(&pipe->head, HEAD_WAIT_NS);
    return pipe;
}

static void add_source(struct log_pipe *pipe, const char *id, const char *runtime_id, int64_t tail)
{
    struct log_source *source = memory_alloc(sizeof *source);
    struct runtime_logs_request ask = pipe->query.ask;
    ask.timestamps |= pipe->query.format != LOGS_RAW; /* lines are put in order by them */
    ask.runtime_id = runtime_id;
    ask.tail = tail;
    source->pipe = pipe;
    snprintf(source->id, sizeof source->id, "%s", id);
    snprintf(source->runtime_id, sizeof source->runtime_id, "%s", runtime_id);
    pipe->sources[pipe->count++] = source;
    pipe->open++;
    source->op = runtime_logs(pipe->parts->runtime, &ask, 0, output, source_ended, source);
}

void log_pipe_container(struct request *request, const struct log_query *query,
                        const char *runtime_id)
{
    add_source(make_pipe(request, query), request->params[0], runtime_id, query->ask.tail);
}

static bool has_source(const struct log_pipe *pipe, const char *runtime_id)
{
    for (uint32_t i = 0; i < pipe->count; i++)
        if (strcmp(pipe->sources[i]->runtime_id, runtime_id) == 0)
            return true;
    return false;
}

/* The containers of this host that have been started; the others have no logs yet. */
static void add_containers(struct log_pipe *pipe, const char *deployment, int64_t tail)
{
    const struct api_parts *parts = pipe->parts;
    const struct container *container = NULL;
    while (pipe->count < LOG_SOURCES_LIMIT &&
           (container = container_manager_next(parts->containers, deployment, container))) {
        if (strcmp(container->node, parts->node_name) != 0)
            continue;
        const char *runtime_id =
            agent_runtime_id(parts->agent, container->id, pipe->query.previous);
        if (runtime_id && !has_source(pipe, runtime_id))
            add_source(pipe, container->id, runtime_id, tail);
    }
}

/* An ended source is kept while its container has not been started again: it is known by it. */
static bool is_over(const struct log_pipe *pipe, const struct log_source *source)
{
    const char *current = agent_runtime_id(pipe->parts->agent, source->id, false);
    return !source->op && !source->held[0].text.length && !source->held[1].text.length &&
           (!current || strcmp(current, source->runtime_id) != 0);
}

static void drop_sources_that_are_over(struct log_pipe *pipe)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < pipe->count; i++) {
        if (is_over(pipe, pipe->sources[i]))
            free_source(pipe->sources[i]);
        else
            pipe->sources[kept++] = pipe->sources[i];
    }
    pipe->count = kept;
}

static void join_due(void *argument)
{
    struct log_pipe *pipe = argument;
    if (!deployment_manager_find(pipe->parts->deployments, pipe->deployment)) {
        pipe->deployment[0] = '\0'; /* ends with the sources it has */
        pump(pipe);
        return;
    }
    drop_sources_that_are_over(pipe);
    add_containers(pipe, pipe->deployment, -1);
    loop_timer_start(&pipe->join, JOIN_NS);
}

void log_pipe_deployment(struct request *request, const struct log_query *query)
{
    const char *deployment = request->params[0];
    struct log_pipe *pipe = make_pipe(request, query);
    bool joins = query->ask.follow && !query->previous;
    if (joins) {
        snprintf(pipe->deployment, sizeof pipe->deployment, "%s", deployment);
        loop_timer_start(&pipe->join, JOIN_NS);
    }
    add_containers(pipe, deployment, query->ask.tail);
    pipe->ordered = !query->ask.follow && pipe->count <= LOG_ORDERED_SOURCES;
    if (!pipe->count && !joins)
        loop_timer_start(&pipe->end, 0);
}
