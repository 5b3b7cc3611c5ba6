#include "schema/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct yaml_stream {
    yaml_parser_t parser;
    const struct yaml_source *source;
    struct text path;
    int depth;
    bool failed; /* by the syntax: nothing after it can be trusted */
    bool ended;
};

static struct schema_position place(const struct yaml_stream *stream, yaml_mark_t mark)
{
    if (stream->source->fixed_line)
        return (struct schema_position){.line = stream->source->fixed_line};
    return (struct schema_position){.line = (int)mark.line + 1, .column = (int)mark.column + 1};
}

/* A syntax fault: has a place and no path, and is the last one. */
static void refuse(struct yaml_stream *stream, yaml_mark_t mark, const char *message)
{
    const char *path = stream->source->fixed_line ? stream->source->path : "";
    if (!stream->failed)
        schema_faults_add(stream->source->faults, place(stream, mark), path, "%s", message);
    stream->failed = true;
}

static bool next_event(struct yaml_stream *stream, yaml_event_t *event)
{
    if (stream->failed)
        return false;
    if (yaml_parser_parse(&stream->parser, event))
        return true;
    const yaml_parser_t *parser = &stream->parser;
    char message[200];
    snprintf(message, sizeof message, "is not YAML: %s%s%s", parser->context ? parser->context : "",
             parser->context ? ", " : "", parser->problem ? parser->problem : "cannot be read");
    bool marked = parser->problem_mark.line || parser->problem_mark.column;
    refuse(stream, marked ? parser->problem_mark : parser->mark, message);
    return false;
}

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

/* [-+]? digits, 0o octal, 0x hexadecimal. */
static bool is_integer(const char *text, int *base)
{
    const char *digits = "0123456789";
    *base = 10;
    if (text_starts_with(text, "0x")) {
        *base = 16;
        digits = "0123456789abcdefABCDEF";
        text += 2;
    } else if (text_starts_with(text, "0o")) {
        *base = 8;
        digits = "01234567";
        text += 2;
    } else if (*text == '-' || *text == '+') {
        text++;
    }
    return *text && text[strspn(text, digits)] == 0;
}

/* [-+]? ( . digits | digits ( . digits? )? ) ( e [-+]? digits )? */
static bool is_float(const char *text)
{
    text += *text == '-' || *text == '+';
    size_t whole = strspn(text, "0123456789");
    text += whole;
    if (*text == '.') {
        size_t part = strspn(text + 1, "0123456789");
        if (!whole && !part)
            return false;
        text += 1 + part;
    } else if (!whole) {
        return false;
    }
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '-' || *text == '+';
        if (!*text)
            return false;
        text += strspn(text, "0123456789");
    }
    return !*text;
}

static json_t *plain_number(struct yaml_stream *stream, yaml_mark_t mark, const char *text,
                            int base)
{
    errno = 0;
    if (base) {
        long long value = strtoll(base == 10 ? text : text + 2, NULL, base);
        if (!errno)
            return json_integer(value);
    } else {
        double value = strtod(text, NULL);
        if (isfinite(value))
            return json_real(value);
    }
    refuse(stream, mark, "the number is too large");
    return NULL;
}

static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
static const char *const trues[] = {"true", "True", "TRUE", NULL};
static const char *const falses[] = {"false", "False", "FALSE", NULL};

/* Besides what we read otherwise: the words of YAML 1.1, which other readers take for booleans. */
bool yaml_is_ambiguous(const char *text)
{
    static const char *const words[] = {"y",  "Y",  "yes", "Yes", "YES", "n",   "N",   "no", "No",
                                        "NO", "on", "On",  "ON",  "off", "Off", "OFF", NULL};
    int base;
    return is_one_of(text, nulls) || is_one_of(text, trues) || is_one_of(text, falses) ||
           is_one_of(text, words) || is_integer(text, &base) || is_float(text);
}

static json_t *plain_scalar(struct yaml_stream *stream, yaml_mark_t mark, const char *text)
{
    int base = 0;
    if (is_one_of(text, nulls))
        return json_null();
    if (is_one_of(text, trues))
        return json_true();
    if (is_one_of(text, falses))
        return json_false();
    if (is_integer(text, &base))
        return plain_number(stream, mark, text, base);
    if (is_float(text))
        return plain_number(stream, mark, text, 0);
    return json_string(text);
}

static json_t *build_scalar(struct yaml_stream *stream, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    if (memchr(text, 0, length)) {
        refuse(stream, event->start_mark, "a NUL character is not allowed");
        return NULL;
    }
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        return plain_scalar(stream, event->start_mark, text);
    return json_stringn(text, length);
}

static json_t *build(struct yaml_stream *stream, yaml_event_t *event);

/* The next event as a value; NULL with *end when the collection ended instead. */
static json_t *build_next(struct yaml_stream *stream, yaml_event_type_t end, bool *ended)
{
    yaml_event_t event;
    *ended = false;
    if (!next_event(stream, &event))
        return NULL;
    if (event.type == end) {
        *ended = true;
        yaml_event_delete(&event);
        return NULL;
    }
    json_t *value = build(stream, &event);
    yaml_event_delete(&event);
    return value;
}

static void path_cut(struct yaml_stream *stream, size_t length)
{
    stream->path.length = length;
    if (stream->path.data)
        stream->path.data[length] = 0;
}

static json_t *build_list(struct yaml_stream *stream)
{
    json_t *list = json_array();
    size_t before = stream->path.length;
    bool ended;
    for (;;) {
        text_append_format(&stream->path, "[%zu]", json_array_size(list));
        json_t *item = build_next(stream, YAML_SEQUENCE_END_EVENT, &ended);
        path_cut(stream, before);
        if (!item)
            break;
        json_array_append_new(list, item);
    }
    if (ended)
        return list;
    json_decref(list);
    return NULL;
}

/* Into `key`, which is a copy; NULL at the end of the mapping or after a fault. */
static char *take_key(struct yaml_stream *stream, const json_t *map, yaml_mark_t *mark, bool *ended)
{
    yaml_event_t event;
    char *key = NULL;
    *ended = false;
    if (!next_event(stream, &event))
        return NULL;
    *mark = event.start_mark;
    if (event.type == YAML_MAPPING_END_EVENT) {
        *ended = true;
    } else if (event.type != YAML_SCALAR_EVENT || event.data.scalar.anchor ||
               event.data.scalar.tag) {
        refuse(stream, *mark, "a key must be plain text");
    } else if (memchr(event.data.scalar.value, 0, event.data.scalar.length)) {
        refuse(stream, *mark, "a NUL character is not allowed");
    } else {
        key = memory_strdup((const char *)event.data.scalar.value);
        if (json_object_get(map, key)) {
            char message[160];
            snprintf(message, sizeof message, "the key \"%.100s\" is given twice", key);
            refuse(stream, *mark, message);
            free(key);
            key = NULL;
        }
    }
    yaml_event_delete(&event);
    return key;
}

static void note_key(struct yaml_stream *stream, yaml_mark_t mark)
{
    struct schema_position value = {0};
    schema_positions_at(stream->source->positions, text_string(&stream->path), NULL, &value);
    schema_positions_add(stream->source->positions, text_string(&stream->path), place(stream, mark),
                         value);
}

static json_t *build_map(struct yaml_stream *stream)
{
    json_t *map = json_object();
    size_t before = stream->path.length;
    bool ended, unused;
    yaml_mark_t mark;
    char *key;
    while ((key = take_key(stream, map, &mark, &ended))) {
        text_append_format(&stream->path, "%s%s", before ? "." : "", key);
        json_t *value = build_next(stream, YAML_NO_EVENT, &unused);
        if (value) {
            note_key(stream, mark);
            json_object_set_new_nocheck(map, key, value);
        }
        path_cut(stream, before);
        free(key);
        if (!value)
            break;
    }
    if (!stream->failed && ended)
        return map;
    json_decref(map);
    return NULL;
}

static json_t *build_collection(struct yaml_stream *stream, const yaml_event_t *event)
{
    json_t *value = NULL;
    if (stream->depth == YAML_DEPTH) {
        refuse(stream, event->start_mark, "is nested too deep");
        return NULL;
    }
    stream->depth++;
    value = event->type == YAML_MAPPING_START_EVENT ? build_map(stream) : build_list(stream);
    stream->depth--;
    return value;
}

static json_t *build(struct yaml_stream *stream, yaml_event_t *event)
{
    struct schema_position position = place(stream, event->start_mark);
    const yaml_char_t *anchor = NULL, *tag = NULL;
    bool scalar = event->type == YAML_SCALAR_EVENT;
    if (event->type == YAML_ALIAS_EVENT) {
        refuse(stream, event->start_mark, "aliases are not allowed");
        return NULL;
    }
    if (scalar) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    }
    if (anchor || tag) {
        refuse(stream, event->start_mark,
               anchor ? "anchors are not allowed" : "tags are not allowed");
        return NULL;
    }
    schema_positions_add(stream->source->positions, text_string(&stream->path), position, position);
    return scalar ? build_scalar(stream, event) : build_collection(stream, event);
}

/* The document that the event begins; its end is taken as well. */
static json_t *build_document(struct yaml_stream *stream)
{
    yaml_event_t event;
    bool unused;
    json_t *value = build_next(stream, YAML_NO_EVENT, &unused);
    if (value && next_event(stream, &event)) {
        yaml_event_delete(&event);
        return value;
    }
    json_decref(value);
    return NULL;
}

struct yaml_stream *yaml_stream_open(const char *bytes, size_t length)
{
    struct yaml_stream *stream = memory_alloc(sizeof *stream);
    if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        bytes += 3; /* libyaml takes the mark for text once the encoding is set */
        length -= 3;
    }
    if (!yaml_parser_initialize(&stream->parser)) {
        free(stream);
        return NULL;
    }
    yaml_parser_set_encoding(&stream->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&stream->parser, (const unsigned char *)bytes, length);
    return stream;
}

bool yaml_stream_next(struct yaml_stream *stream, const struct yaml_source *source, json_t **value)
{
    yaml_event_t event = {.type = YAML_NO_EVENT};
    *value = NULL;
    if (stream->failed || stream->ended)
        return false;
    stream->source = source;
    text_clear(&stream->path);
    text_append_string(&stream->path, source->path);
    do {
        yaml_event_delete(&event); /* the stream's start */
        if (!next_event(stream, &event))
            return true;
    } while (event.type == YAML_STREAM_START_EVENT);
    stream->ended = event.type == YAML_STREAM_END_EVENT;
    yaml_event_delete(&event);
    if (!stream->ended)
        *value = build_document(stream);
    return !stream->ended;
}

void yaml_stream_close(struct yaml_stream *stream)
{
    if (!stream)
        return;
    yaml_parser_delete(&stream->parser);
    text_finish(&stream->path);
    free(stream);
}

/* True when nothing follows the first document. */
static bool is_alone(struct yaml_stream *stream)
{
    yaml_event_t event;
    if (!next_event(stream, &event))
        return false;
    if (event.type != YAML_STREAM_END_EVENT)
        refuse(stream, event.start_mark, "only one document is allowed");
    yaml_event_delete(&event);
    return !stream->failed;
}

json_t *yaml_read(const char *bytes, size_t length, const struct yaml_source *source)
{
    json_t *value = NULL;
    struct yaml_stream *stream = yaml_stream_open(bytes, length);
    if (!stream) {
        schema_faults_add(source->faults, (struct schema_position){0}, source->path,
                          "cannot be read: memory is out");
        return NULL;
    }
    if (!yaml_stream_next(stream, source, &value)) {
        value = json_null();
    } else if (value && !is_alone(stream)) {
        json_decref(value);
        value = NULL;
    }
    yaml_stream_close(stream);
    return value;
}
