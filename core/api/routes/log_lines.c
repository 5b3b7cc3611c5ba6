/* Held bytes of a log pipe's sources become what the client gets: raw, or lines with their
 * container before them. */
#include "api/routes/log_pipe.h"

#include <string.h>

static void consume(struct log_source *source, struct held *held, size_t bytes)
{
    source->credit += bytes;
    held->used += bytes;
    if (held->used == held->text.length) {
        text_clear(&held->text);
        held->used = 0;
    } else if (held->used > LOG_LINE_BYTES) {
        held->text.length -= held->used;
        memmove(held->text.data, held->text.data + held->used, held->text.length);
        held->used = 0;
    }
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
    if (!newline && source->op && rest < LOG_LINE_BYTES)
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
        struct log_source *source = pipe->sources[(pipe->turn + i) % pipe->count];
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
    if (pipe->query.format == LOGS_TEXT) {
        text_append_format(out, "%s ", line->source->id);
        if (pipe->query.ask.timestamps)
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

/* After its last line, why there are no more. */
static void write_failure(struct log_pipe *pipe, struct log_source *source)
{
    struct text *out = &pipe->out;
    if (pipe->query.format == LOGS_TEXT) {
        text_append_format(out, "%s error: %s\n", source->id, source->failure);
    } else {
        text_append_format(out, "{\"container\":\"%s\",\"error\":", source->id);
        text_append_json(out, source->failure, strlen(source->failure));
        text_append_string(out, "}\n");
    }
    source->failure[0] = '\0';
}

static void fill_lines(struct log_pipe *pipe)
{
    struct line line;
    while (pipe->out.length < LOG_BATCH_BYTES && next_line(pipe, &line)) {
        write_line(pipe, &line, &pipe->out);
        consume(line.source, &line.source->held[line.channel], line.bytes);
    }
    for (uint32_t i = 0; i < pipe->count; i++) {
        struct log_source *source = pipe->sources[i];
        if (source->failure[0] && !source_line(source, &line))
            write_failure(pipe, source);
    }
}

static void fill_raw(struct log_pipe *pipe)
{
    struct log_source *source = pipe->sources[0];
    for (int channel = 0; channel < LOG_CHANNELS; channel++) {
        struct held *held = &source->held[channel];
        size_t length = held->text.length - held->used;
        text_append(&pipe->out, held->text.data + held->used, length);
        consume(source, held, length);
    }
}

void log_lines_fill(struct log_pipe *pipe)
{
    if (pipe->query.format != LOGS_RAW)
        fill_lines(pipe);
    else if (pipe->count)
        fill_raw(pipe);
}
