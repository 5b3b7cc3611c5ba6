#include "docker.h"

#include <string.h>

static bool blank(const struct text *line)
{
    return strspn(text_string(line), " \t\r") == line->length;
}

static enum lines_fault
take_line(struct lines *lines, bool (*object)(void *context, const json_t *object), void *context)
{
    if (blank(&lines->line)) {
        text_clear(&lines->line);
        return LINES_FINE;
    }
    json_t *parsed = json_loadb(lines->line.data, lines->line.length, 0, NULL);
    text_clear(&lines->line);
    if (!json_is_object(parsed)) {
        json_decref(parsed);
        return LINES_NO_JSON;
    }
    bool more = object(context, parsed);
    json_decref(parsed);
    return more ? LINES_FINE : LINES_STOPPED;
}

enum lines_fault lines_feed(struct lines *lines, struct orch_str bytes,
                            bool (*object)(void *context, const json_t *object), void *context)
{
    while (bytes.len) {
        const char *end = memchr(bytes.ptr, '\n', bytes.len);
        size_t length = end ? (size_t)(end - bytes.ptr) : bytes.len;
        if (lines->line.length + length > LINE_LIMIT)
            return LINES_TOO_LONG;
        text_add(&lines->line, bytes.ptr, length);
        if (!end)
            return LINES_FINE;
        enum lines_fault fault = take_line(lines, object, context);
        if (fault)
            return fault;
        bytes.ptr += length + 1;
        bytes.len -= length + 1;
    }
    return LINES_FINE;
}

bool lines_are_whole(const struct lines *lines)
{
    return blank(&lines->line);
}

void lines_finish(struct lines *lines)
{
    text_finish(&lines->line);
}
