/* Walking an object by a table of rules, saying what does not map, and putting together what does.
 */
#include "kubernetes_impl.h"

#include <stdio.h>
#include <string.h>

/* -- saying -- */

static void say(struct conversion *conversion, bool fault, const char *path, const char *format,
                va_list arguments)
{
    char message[288];
    struct document *document = conversion->document;
    struct schema_position position = schema_positions_find_key(document->positions, path);
    vsnprintf(message, sizeof message, format, arguments);
    if (fault) {
        schema_faults_add(&document->faults, position, path, "%s", message);
        return;
    }
    char *line = arena_format(conversion->arena, "%s:%d:%d: %s: %s", document->file, position.line,
                              position.column, path, message);
    text_defuse(line);
    text_append_format(&document->notes, "%s\n", line);
}

void refuse(struct conversion *conversion, const char *path, const char *format, ...)
{
    va_list arguments;
    const char *whole =
        conversion->lenient ? arena_format(conversion->arena, "left out: %s", format) : format;
    va_start(arguments, format);
    say(conversion, !conversion->lenient, path, whole, arguments);
    va_end(arguments);
}

void wrong(struct conversion *conversion, const char *path, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(conversion, true, path, format, arguments);
    va_end(arguments);
}

void note(struct conversion *conversion, const char *path, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(conversion, false, path, format, arguments);
    va_end(arguments);
}

static bool want(struct conversion *conversion, const char *path, bool fine, const char *what)
{
    if (!fine)
        wrong(conversion, path, "must be %s", what);
    return fine;
}

bool want_string(struct conversion *conversion, const char *path, const json_t *value)
{
    return want(conversion, path, json_is_string(value), "a string");
}

bool want_integer(struct conversion *conversion, const char *path, const json_t *value)
{
    return want(conversion, path, json_is_integer(value), "a whole number");
}

bool want_object(struct conversion *conversion, const char *path, const json_t *value)
{
    return want(conversion, path, json_is_object(value), "an object");
}

bool want_list(struct conversion *conversion, const char *path, const json_t *value)
{
    return want(conversion, path, json_is_array(value), "a list");
}

const char *path_join(struct conversion *conversion, const char *path, const char *name)
{
    return arena_format(conversion->arena, "%s%s%s", path, *path ? "." : "", name);
}

const char *path_item(struct conversion *conversion, const char *path, size_t index)
{
    return arena_format(conversion->arena, "%s[%zu]", path, index);
}

/* -- making -- */

void place(struct conversion *conversion, const char *ours, const char *path)
{
    const struct schema_positions *positions = conversion->document->positions;
    schema_positions_add(conversion->positions, ours, schema_positions_find_key(positions, path),
                         schema_positions_find(positions, path));
}

void put(struct conversion *conversion, const char *ours, json_t *value, const char *path)
{
    json_t *object = conversion->out;
    const char *name = ours;
    for (const char *dot; (dot = strchr(name, '.')); name = dot + 1) {
        const char *part = arena_strndup(conversion->arena, name, (size_t)(dot - name));
        json_t *inner = json_object_get(object, part);
        if (!inner)
            json_object_set_new(object, part, inner = json_object());
        object = inner;
    }
    json_object_set_new(object, name, value);
    place(conversion, ours, path);
}

json_t *seconds(long long count)
{
    return json_sprintf("%llds", count);
}

/* -- walking -- */

static const struct rule *rule_find(const struct rule *rules, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(rules[i].name, name) == 0)
            return &rules[i];
    return NULL;
}

static void refuse_unknown(struct conversion *conversion, const char *path, const char *name,
                           const struct rule *rules, size_t count)
{
    enum { NAMES = 64 };
    const char *names[NAMES];
    size_t known = 0;
    for (; known < count && known < NAMES; known++)
        names[known] = rules[known].name;
    const char *near = text_nearest(name, names, known);
    refuse(conversion, path, "has no counterpart here%s%s%s", near ? "; did you mean \"" : "",
           near ? near : "", near ? "\"?" : "");
}

static bool is_only(const struct rule *rule, const json_t *value)
{
    json_t *only = json_loads(rule->only, JSON_DECODE_ANY, NULL);
    bool same = json_equal(only, value);
    json_decref(only);
    return same;
}

static void convert_one(struct conversion *conversion, const char *path, json_t *value,
                        const struct rule *rule)
{
    if (json_is_null(value) || (rule->why && !*rule->why))
        return; /* null is as left out */
    if (rule->convert)
        rule->convert(conversion, path, value);
    else if (!rule->only || !is_only(rule, value))
        refuse(conversion, path, "%s", rule->why ? rule->why : "has no counterpart here");
}

void convert_object(struct conversion *conversion, const char *path, json_t *value,
                    const struct rule *rules, size_t count)
{
    const char *name;
    json_t *member_value;
    if (!want_object(conversion, path, value))
        return;
    json_object_foreach(value, name, member_value)
    {
        const char *inner = path_join(conversion, path, name);
        const struct rule *rule = rule_find(rules, count, name);
        if (rule)
            convert_one(conversion, inner, member_value, rule);
        else
            refuse_unknown(conversion, inner, name, rules, count);
    }
}
