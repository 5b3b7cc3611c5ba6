/* Each source is one operation of the runtime. What it emits is held until the stream takes it; the
 * runtime is owed credit for as much, so a slow client slows the engine down and nobody else. The
 * reply begins with the first bytes, so that what fails before them is answered as an error. */
#include "api/routes/impl.h"
#include "api/routes/logs.h"
#include "api/stream.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 64 * 1024, BATCH_BYTES = 16 * 1024, ORDERED_SOURCES = 64 };
#define HEAD_WAIT_NS                                                                               \
    (100 * NS_PER_MS) /* following a silent container: the headers go out alone                    \
                       */

enum { CHANNELS = 2 }; /* standard output, standard error */
struct held {
    struct text text;
    size_t used; /* bytes at its begin that are done with */
};
struct log_pipe;
struct log_source {
    struct log_pipe *pipe;
    char id[80];
    uint64_t op;   /* 0: ended */
    size_t credit; /* owed to the runtime */
    struct held held[CHANNELS];
};
struct log_pipe {            /* [loop] from its making to its end; not the request's */
    struct request *request; /* NULL: the reply has begun */
    struct runtime *runtime;
    struct stream *stream;
    enum log_format format;
    bool timestamps; /* shown in text as well */
    bool ordered;    /* by time: a source that may still say something earlier is waited for */
    bool cut;        /* a source failed: the client must see that something is missing */
    struct text out; /* formatted, not yet taken */
    struct loop_timer head, end;
    uint32_t count, open, turn;
    struct log_source sources[];
};

/* -- the end -- */

static void free_pipe(struct log_pipe *pipe)
{
    for (uint32_t i = 0; i < pipe->count; i++) {
        if (pipe->sources[i].op)
            runtime_abandon(pipe->runtime, pipe->sources[i].op);
        for (int channel = 0; channel < CHANNELS; channel++)
            text_finish(&pipe->sources[i].held[channel].text);
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

/* -- from held bytes to what the client gets -- */

static void consume(struct log_source *source, struct held *held, size_t bytes)
{
    source->credit += bytes;
    held->used += bytes;
    if (held->used == held->text.length) {
        text_clear(&held->text);
        held->used = 0;
    } else if (held->used > LINE_BYTES) {
        held->text.length -= held->used;
        memmove(held->text.data, held->text.data + held->used, held->text.length);
        held->used = 0;
    }
}

static void pay_credit(struct log_source *source)
{
    if (source->op && source->credit)
        runtime_credit(source->pipe->runtime, source->op, source->credit);
    source->credit = 0;
}

struct line {
    struct log_source *source;
    int channel;
    const char *at, *text;           /* at: its time, as the runtime writes it */
    size_t at_length, length, bytes; /* bytes: of it all, the line feed too */
};

/* How long the time is that a line begins with, its space included; 0: there is none. */
static size_t stamp_length(const char *line, size_t length)
{
    enum { SHORTEST = sizeof "2026-01-31T12:00:00Z", LONGEST = 48 };
    if (length < SHORTEST || line[10] != 'T' || line[0] < '0' || line[0] > '9')
        return 0;
    const char *space = memchr(line, ' ', length < LONGEST ? length : LONGEST);
    return space ? (size_t)(space - line) + 1 : 0;
}

/* A whole line; a very long one in pieces, and the last one as it is when nothing follows. */
static bool peek_line(struct log_source *source, int channel, struct line *out)
{
    const struct held *held = &source->held[channel];
    size_t rest = held->text.length - held->used;
    if (!rest)
        return false;
    const char *begin = held->text.data + held->used;
    const char *newline = memchr(begin, '\n', rest);
    if (!newline && source->op && rest < LINE_BYTES)
        return false;
    size_t length = newline ? (size_t)(newline - begin) : rest;
    size_t stamp = stamp_length(begin, length);
    *out = (struct line){.source = source,
                         .channel = channel,
                         .at = begin,
                         .at_length = stamp ? stamp - 1 : 0,
                         .text = begin + stamp,
                         .length = length - stamp,
                         .bytes = length + (newline != NULL)};
    return true;
}

static bool is_earlier(const struct line *a, const struct line *b)
{
    size_t length = a->at_length < b->at_length ? a->at_length : b->at_length;
    return memcmp(a->at, b->at, length) < 0;
}

/* The next line of a source: of both channels the earlier one. */
static bool source_line(struct log_source *source, struct line *out)
{
    struct line other;
    bool any = peek_line(source, 0, out);
    if (!peek_line(source, 1, &other))
        return any;
    if (!any || is_earlier(&other, out))
        *out = other;
    return true;
}

/* By time where that is asked for, else in turn. */
static bool next_line(struct log_pipe *pipe, struct line *out)
{
    bool any = false;
    for (uint32_t i = 0; i < pipe->count; i++) {
        struct log_source *source = &pipe->sources[(pipe->turn + i) % pipe->count];
        struct line line;
        if (!source_line(source, &line)) {
            if (pipe->ordered && source->op)
                return false;
            continue;
        }
        if (!any || is_earlier(&line, out))
            *out = line;
        any = true;
        if (!pipe->ordered) {
            pipe->turn = (pipe->turn + i + 1) % pipe->count;
            break;
        }
    }
    return any;
}

static void write_line(const struct log_pipe *pipe, const struct line *line, struct text *out)
{
    if (pipe->format == LOGS_TEXT) {
        text_append_format(out, "%s ", line->source->id);
        if (pipe->timestamps)
            text_append(out, line->at, line->at_length ? line->at_length + 1 : 0);
        text_append(out, line->text, line->length);
        text_append_char(out, '\n');
        return;
    }
    text_append_format(out, "{\"container\":\"%s\",\"stream\":\"%s\",\"at\":", line->source->id,
                       line->channel ? "stderr" : "stdout");
    if (line->at_length)
        text_append_json(out, line->at, line->at_length);
    else
        text_append_string(out, "null");
    text_append_string(out, ",\"line\":");
    text_append_json(out, line->text, line->length);
    text_append_string(out, "}\n");
}

static void fill_lines(struct log_pipe *pipe)
{
    struct line line;
    while (pipe->out.length < BATCH_BYTES && next_line(pipe, &line)) {
        write_line(pipe, &line, &pipe->out);
        consume(line.source, &line.source->held[line.channel], line.bytes);
    }
}

static void fill_raw(struct log_pipe *pipe)
{
    struct log_source *source = &pipe->sources[0];
    for (int channel = 0; channel < CHANNELS; channel++) {
        struct held *held = &source->held[channel];
        size_t length = held->text.length - held->used;
        text_append(&pipe->out, held->text.data + held->used, length);
        consume(source, held, length);
    }
}

static bool fill_out(struct log_pipe *pipe)
{
    if (pipe->format != LOGS_RAW)
        fill_lines(pipe);
    else if (pipe->count)
        fill_raw(pipe);
    for (uint32_t i = 0; i < pipe->count; i++)
        pay_credit(&pipe->sources[i]);
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
    if (status != ORCH_OK && pipe->format == LOGS_RAW && pipe->request) {
        answer_failure(pipe, error);
        return;
    }
    if (status != ORCH_OK)
        pipe->cut = true;
    pump(pipe);
}

/* -- the beginning -- */

static struct log_pipe *make_pipe(struct request *request, const struct log_query *query,
                                  uint32_t count)
{
    struct log_pipe *pipe = memory_alloc(sizeof *pipe + (count + 1) * sizeof(struct log_source));
    const struct stream_events events = {.writable = writable, .gone = gone, .argument = pipe};
    pipe->request = request;
    pipe->runtime = request->parts->runtime;
    pipe->format = query->format;
    pipe->timestamps = query->ask.timestamps;
    pipe->ordered = !query->ask.follow && count <= ORDERED_SOURCES;
    pipe->count = pipe->open = count;
    pipe->stream = stream_create(request->api, &events);
    loop_timer_init(&pipe->head, request->parts->loop, "logs begin", head_due, pipe);
    loop_timer_init(&pipe->end, request->parts->loop, "logs end", end_pipe, pipe);
    return pipe;
}

void log_pipe_start(struct request *request, const struct log_query *query,
                    const char *const *runtime_ids, const char *const *ids, uint32_t count)
{
    struct loop *loop = request->parts->loop;
    struct log_pipe *pipe = make_pipe(request, query, count);
    struct runtime_logs_request ask = query->ask;
    ask.timestamps |= query->format != LOGS_RAW; /* lines are put in order by them */
    if (query->since_ago)
        ask.since_ms = loop_wall_ms(loop) - (int64_t)(query->ago_ns / NS_PER_MS);
    loop_timer_start(&pipe->head, HEAD_WAIT_NS);
    if (!count)
        loop_timer_start(&pipe->end, 0);
    for (uint32_t i = 0; i < count; i++) {
        struct log_source *source = &pipe->sources[i];
        source->pipe = pipe;
        snprintf(source->id, sizeof source->id, "%s", ids[i]);
        ask.runtime_id = runtime_ids[i];
        source->op = runtime_logs(pipe->runtime, &ask, 0, output, source_ended, source);
    }
}
