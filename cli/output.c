#include "output.h"

#include "base/clock.h"
#include "schema/yaml.h"
#include "terminal.h"

#include <string.h>
#include <time.h>
#include <yaml.h>

bool output_format(const struct cli *cli, enum format *format)
{
    static const char *const words[] = {"table", "wide", "json", "yaml", "name"};
    enum { COUNT = sizeof words / sizeof words[0] };
    const char *word = option_value(cli, "output");
    *format = option_given(cli, "quiet") ? FORMAT_NAME : FORMAT_TABLE;
    if (!word)
        return true;
    for (int i = 0; i < COUNT; i++)
        if (strcmp(word, words[i]) == 0) {
            *format = (enum format)(FORMAT_TABLE + i);
            return true;
        }
    const char *near = text_nearest(word, words, COUNT);
    complain(STATUS_FAILED, NULL, "-o must be table, wide, json, yaml or name, not \"%s\"%s%s%s",
             word, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    return false;
}

/* -- JSON -- */

/* Like jansson's, with the control characters escaped that it leaves as they are. */
static void append_escaped(struct text *out, const char *bytes, size_t length)
{
    size_t plain = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char a = (unsigned char)bytes[i];
        unsigned char b = i + 1 < length ? (unsigned char)bytes[i + 1] : 0;
        unsigned char c = i + 2 < length ? (unsigned char)bytes[i + 2] : 0;
        unsigned code = a == 0x7f ? 0x7f : a == 0xc2 && b < 0xa0 ? b : 0;
        if (a == 0xe2)
            code = 0x2000U | (unsigned)(b & 0x3f) << 6 | (c & 0x3fU);
        size_t size = a == 0x7f ? 1 : a == 0xc2 ? 2 : 3;
        bool turns = code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
                     (code >= 0x2066 && code <= 0x2069);
        if (!code || (a == 0xe2 && !turns))
            continue;
        text_append(out, bytes + plain, i - plain);
        text_append_format(out, "\\u%04x", code);
        i += size - 1;
        plain = i + 1;
    }
    text_append(out, bytes + plain, length - plain);
}

void output_json(const json_t *value, bool compact)
{
    char *dump = json_dumps(value, JSON_ENCODE_ANY | (compact ? JSON_COMPACT : JSON_INDENT(2)));
    if (!dump)
        return;
    CLEANUP(text_finish) struct text safe = {0};
    if (is_terminal(stdout))
        append_escaped(&safe, dump, strlen(dump));
    puts(is_terminal(stdout) ? text_string(&safe) : dump);
    free(dump);
}

/* -- YAML -- */

static int write_out(void *unused, unsigned char *bytes, size_t length)
{
    (void)unused;
    return fwrite(bytes, 1, length, stdout) == length;
}

/* Whatever a reader could take for something else, or a terminal for a command, is quoted. */
static yaml_scalar_style_t style_of(const char *text)
{
    char *copy = memory_strdup(text);
    text_defuse(copy);
    bool plain = strcmp(copy, text) == 0;
    free(copy);
    if (!plain)
        return strchr(text, '\n') && !strchr(text, '\r') && !strchr(text, '\033')
                   ? YAML_LITERAL_SCALAR_STYLE
                   : YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    return yaml_is_ambiguous(text) ? YAML_SINGLE_QUOTED_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE;
}

static void emit_scalar(yaml_emitter_t *emitter, const char *text, yaml_scalar_style_t style)
{
    yaml_event_t event;
    if (yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
                                     (int)strlen(text), 1, 1, style))
        yaml_emitter_emit(emitter, &event);
}

static void emit(yaml_emitter_t *emitter, const json_t *value);

static void emit_list(yaml_emitter_t *emitter, const json_t *list)
{
    yaml_event_t event;
    size_t i;
    json_t *item;
    yaml_sequence_style_t style =
        json_array_size(list) ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE;
    yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style);
    yaml_emitter_emit(emitter, &event);
    json_array_foreach(list, i, item) emit(emitter, item);
    yaml_sequence_end_event_initialize(&event);
    yaml_emitter_emit(emitter, &event);
}

static void emit_map(yaml_emitter_t *emitter, const json_t *map)
{
    yaml_event_t event;
    const char *key;
    json_t *item;
    yaml_mapping_style_t style =
        json_object_size(map) ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE;
    yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style);
    yaml_emitter_emit(emitter, &event);
    json_object_foreach((json_t *)map, key, item)
    {
        emit_scalar(emitter, key, style_of(key));
        emit(emitter, item);
    }
    yaml_mapping_end_event_initialize(&event);
    yaml_emitter_emit(emitter, &event);
}

static void emit(yaml_emitter_t *emitter, const json_t *value)
{
    if (json_is_object(value)) {
        emit_map(emitter, value);
    } else if (json_is_array(value)) {
        emit_list(emitter, value);
    } else if (json_is_string(value)) {
        emit_scalar(emitter, json_string_value(value), style_of(json_string_value(value)));
    } else {
        char *text = json_dumps(value, JSON_ENCODE_ANY);
        emit_scalar(emitter, text ? text : "null", YAML_PLAIN_SCALAR_STYLE);
        free(text);
    }
}

void output_yaml(const json_t *value)
{
    yaml_emitter_t emitter;
    yaml_event_t event;
    if (!yaml_emitter_initialize(&emitter))
        return;
    yaml_emitter_set_output(&emitter, write_out, NULL);
    yaml_emitter_set_unicode(&emitter, !is_terminal(stdout));
    yaml_emitter_set_width(&emitter, -1);
    yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
    yaml_emitter_emit(&emitter, &event);
    yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1);
    yaml_emitter_emit(&emitter, &event);
    emit(&emitter, value);
    yaml_document_end_event_initialize(&event, 1);
    yaml_emitter_emit(&emitter, &event);
    yaml_stream_end_event_initialize(&event);
    yaml_emitter_emit(&emitter, &event);
    yaml_emitter_delete(&emitter);
}

/* -- members -- */

const json_t *member(const json_t *object, const char *path)
{
    while (object && *path) {
        char name[64];
        size_t length = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)length, path);
        object = json_object_get(object, name);
        path += length + (path[length] == '.');
    }
    return object;
}

const char *member_text(const json_t *object, const char *path)
{
    const char *text = json_string_value(member(object, path));
    return text ? text : "";
}

long long member_int(const json_t *object, const char *path)
{
    const json_t *value = member(object, path);
    return json_is_real(value) ? (long long)json_real_value(value) : json_integer_value(value);
}

bool member_true(const json_t *object, const char *path)
{
    return json_is_true(member(object, path));
}

const char *member_shown(struct arena *arena, const json_t *object, const char *path)
{
    const json_t *value = member(object, path);
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_integer(value))
        return arena_format(arena, "%lld", (long long)json_integer_value(value));
    if (json_is_real(value))
        return arena_format(arena, "%.2f", json_real_value(value));
    return json_is_boolean(value) ? json_is_true(value) ? "yes" : "no" : "";
}

const char *age_of(struct arena *arena, const char *time_text)
{
    static const struct {
        long long seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    int64_t then_ms;
    struct timespec now;
    if (!*time_text || !clock_parse_wall_ms(time_text, &then_ms))
        return "";
    clock_gettime(CLOCK_REALTIME, &now);
    long long seconds = now.tv_sec - then_ms / 1000;
    if (seconds <= 0)
        return "0s";
    size_t i = 0;
    while (seconds < units[i].seconds)
        i++;
    long long whole = seconds / units[i].seconds, rest = seconds % units[i].seconds;
    /* A second unit while the first is small: "1h5m", but "3d", "40m". */
    if (whole < 3 && units[i].seconds > 60 && rest >= units[i + 1].seconds)
        return arena_format(arena, "%lld%c%lld%c", whole, units[i].unit,
                            rest / units[i + 1].seconds, units[i + 1].unit);
    return arena_format(arena, "%lld%c", whole, units[i].unit);
}

const char *pairs_of(struct arena *arena, const json_t *object)
{
    CLEANUP(text_finish) struct text text = {0};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        const char *shown = member_shown(arena, value, "");
        text_append_format(&text, "%s%s=%s", text.length ? "," : "", key, shown);
    }
    return arena_strdup(arena, text_string(&text));
}
