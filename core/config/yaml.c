/* YAML into Jansson values by libyaml's events, with every value's place by its path. */
#include "config/impl.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct builder {
    yaml_parser_t parser;
    const struct yaml_source *source;
    struct text path;
    int depth;
    bool failed; /* by the syntax: nothing after it can be trusted */
};

static struct schema_position place(const struct builder *builder, yaml_mark_t mark)
{
    if (builder->source->fixed_line)
        return (struct schema_position){.line = builder->source->fixed_line};
    return (struct schema_position){.line = (int)mark.line + 1, .column = (int)mark.column + 1};
}

/* A syntax fault: has a place and no path, and is the last one. */
static void refuse(struct builder *builder, yaml_mark_t mark, const char *message)
{
    const char *path = builder->source->fixed_line ? builder->source->path : "";
    if (!builder->failed)
        schema_faults_add(builder->source->faults, place(builder, mark), path, "%s", message);
    builder->failed = true;
}

static bool next_event(struct builder *builder, yaml_event_t *event)
{
    if (builder->failed)
        return false;
    if (yaml_parser_parse(&builder->parser, event))
        return true;
    const yaml_parser_t *parser = &builder->parser;
    char message[200];
    snprintf(message, sizeof message, "is not YAML: %s%s%s", parser->context ? parser->context : "",
             parser->context ? ", " : "", parser->problem ? parser->problem : "cannot be read");
    bool marked = parser->problem_mark.line || parser->problem_mark.column;
    refuse(builder, marked ? parser->problem_mark : parser->mark, message);
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

static json_t *plain_number(struct builder *builder, yaml_mark_t mark, const char *text, int base)
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
    refuse(builder, mark, "the number is too large");
    return NULL;
}

static json_t *plain_scalar(struct builder *builder, yaml_mark_t mark, const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    int base = 0;
    if (is_one_of(text, nulls))
        return json_null();
    if (is_one_of(text, trues))
        return json_true();
    if (is_one_of(text, falses))
        return json_false();
    if (is_integer(text, &base))
        return plain_number(builder, mark, text, base);
    if (is_float(text))
        return plain_number(builder, mark, text, 0);
    return json_string(text);
}

static json_t *build_scalar(struct builder *builder, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    if (memchr(text, 0, length)) {
        refuse(builder, event->start_mark, "a NUL character is not allowed");
        return NULL;
    }
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        return plain_scalar(builder, event->start_mark, text);
    return json_stringn(text, length);
}

static json_t *build(struct builder *builder, yaml_event_t *event);

/* The next event as a value; NULL with *end when the collection ended instead. */
static json_t *build_next(struct builder *builder, yaml_event_type_t end, bool *ended)
{
    yaml_event_t event;
    *ended = false;
    if (!next_event(builder, &event))
        return NULL;
    if (event.type == end) {
        *ended = true;
        yaml_event_delete(&event);
        return NULL;
    }
    json_t *value = build(builder, &event);
    yaml_event_delete(&event);
    return value;
}

static void path_cut(struct builder *builder, size_t length)
{
    builder->path.length = length;
    if (builder->path.data)
        builder->path.data[length] = 0;
}

static json_t *build_list(struct builder *builder)
{
    json_t *list = json_array();
    size_t before = builder->path.length;
    bool ended;
    for (;;) {
        text_append_format(&builder->path, "[%zu]", json_array_size(list));
        json_t *item = build_next(builder, YAML_SEQUENCE_END_EVENT, &ended);
        path_cut(builder, before);
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
static char *take_key(struct builder *builder, const json_t *map, yaml_mark_t *mark, bool *ended)
{
    yaml_event_t event;
    char *key = NULL;
    *ended = false;
    if (!next_event(builder, &event))
        return NULL;
    *mark = event.start_mark;
    if (event.type == YAML_MAPPING_END_EVENT) {
        *ended = true;
    } else if (event.type != YAML_SCALAR_EVENT || event.data.scalar.anchor ||
               event.data.scalar.tag) {
        refuse(builder, *mark, "a key must be plain text");
    } else if (memchr(event.data.scalar.value, 0, event.data.scalar.length)) {
        refuse(builder, *mark, "a NUL character is not allowed");
    } else {
        key = memory_strdup((const char *)event.data.scalar.value);
        if (json_object_get(map, key)) {
            char message[160];
            snprintf(message, sizeof message, "the key \"%.100s\" is given twice", key);
            refuse(builder, *mark, message);
            free(key);
            key = NULL;
        }
    }
    yaml_event_delete(&event);
    return key;
}

static void note_key(struct builder *builder, yaml_mark_t mark)
{
    struct schema_position value = {0};
    schema_positions_at(builder->source->positions, text_string(&builder->path), NULL, &value);
    schema_positions_add(builder->source->positions, text_string(&builder->path),
                         place(builder, mark), value);
}

static json_t *build_map(struct builder *builder)
{
    json_t *map = json_object();
    size_t before = builder->path.length;
    bool ended, unused;
    yaml_mark_t mark;
    char *key;
    while ((key = take_key(builder, map, &mark, &ended))) {
        text_append_format(&builder->path, "%s%s", before ? "." : "", key);
        json_t *value = build_next(builder, YAML_NO_EVENT, &unused);
        if (value) {
            note_key(builder, mark);
            json_object_set_new_nocheck(map, key, value);
        }
        path_cut(builder, before);
        free(key);
        if (!value)
            break;
    }
    if (!builder->failed && ended)
        return map;
    json_decref(map);
    return NULL;
}

static json_t *build_collection(struct builder *builder, const yaml_event_t *event)
{
    json_t *value = NULL;
    if (builder->depth == CONFIG_DEPTH) {
        refuse(builder, event->start_mark, "is nested too deep");
        return NULL;
    }
    builder->depth++;
    value = event->type == YAML_MAPPING_START_EVENT ? build_map(builder) : build_list(builder);
    builder->depth--;
    return value;
}

static json_t *build(struct builder *builder, yaml_event_t *event)
{
    struct schema_position position = place(builder, event->start_mark);
    const yaml_char_t *anchor = NULL, *tag = NULL;
    bool scalar = event->type == YAML_SCALAR_EVENT;
    if (event->type == YAML_ALIAS_EVENT) {
        refuse(builder, event->start_mark, "aliases are not allowed");
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
        refuse(builder, event->start_mark,
               anchor ? "anchors are not allowed" : "tags are not allowed");
        return NULL;
    }
    schema_positions_add(builder->source->positions, text_string(&builder->path), position,
                         position);
    return scalar ? build_scalar(builder, event) : build_collection(builder, event);
}

/* The document's value; null for an empty stream. */
static json_t *build_document(struct builder *builder)
{
    yaml_event_t event;
    json_t *value = NULL;
    bool unused;
    if (!next_event(builder, &event))
        return NULL;
    yaml_event_type_t type = event.type; /* of the stream's or document's start, or its end */
    yaml_event_delete(&event);
    if (type == YAML_STREAM_START_EVENT)
        return build_document(builder);
    if (type == YAML_STREAM_END_EVENT)
        return json_null();
    value = build_next(builder, YAML_NO_EVENT, &unused);
    if (!value || !next_event(builder, &event)) /* the document's end */
        goto failed;
    yaml_event_delete(&event);
    if (!next_event(builder, &event))
        goto failed;
    if (event.type != YAML_STREAM_END_EVENT)
        refuse(builder, event.start_mark, "only one document is allowed");
    yaml_event_delete(&event);
    if (!builder->failed)
        return value;
failed:
    json_decref(value);
    return NULL;
}

json_t *yaml_read(const char *bytes, size_t length, const struct yaml_source *source)
{
    struct builder builder = {.source = source};
    json_t *value = NULL;
    if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        bytes += 3; /* libyaml takes the mark for text once the encoding is set */
        length -= 3;
    }
    text_append_string(&builder.path, source->path);
    if (!yaml_parser_initialize(&builder.parser)) {
        refuse(&builder, (yaml_mark_t){0}, "cannot be read: memory is out");
        text_finish(&builder.path);
        return NULL;
    }
    yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&builder.parser, (const unsigned char *)bytes, length);
    value = build_document(&builder);
    yaml_parser_delete(&builder.parser);
    text_finish(&builder.path);
    return value;
}
