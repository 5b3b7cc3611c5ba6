/* Checking a configuration, and filling in defaults. */
#include "base/text.h"
#include "plugin/config_schema.h"
#include "plugin/config_schema_impl.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

/* The walk's state: the path grows and shrinks with the depth. */
struct check {
    struct text path;
    config_schema_fault *fault;
    void *argument;
    size_t faults;
};

static void check_value(struct check *check, const json_t *schema, const json_t *value);

static void report(struct check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void report(struct check *check, const char *format, ...)
{
    struct error message = {0};
    va_list arguments;
    va_start(arguments, format);
    error_vset(&message, ERROR_VALIDATION, format, arguments);
    va_end(arguments);
    text_defuse(message.message);
    check->faults++;
    if (check->fault)
        check->fault(check->argument, text_string(&check->path), message.message);
}

static void path_cut(struct check *check, size_t length)
{
    check->path.length = length;
    if (check->path.data)
        check->path.data[length] = 0;
}

static size_t path_push(struct check *check, const char *key)
{
    size_t before = check->path.length;
    text_append_format(&check->path, "%s%s", before ? "." : "", key);
    return before;
}

/* ---- types ----------------------------------------------------------------------------------- */

static const char *type_word(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
        return "integer";
    case JSON_REAL:
        return "number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "boolean";
    case JSON_NULL:
        return "null";
    }
    return "?";
}

static bool type_matches(const char *type, const json_t *value)
{
    return text_equal(type, type_word(value)) ||
           (text_equal(type, "number") && json_is_integer(value));
}

static bool type_allowed(const json_t *type, const json_t *value)
{
    size_t index;
    const json_t *item;
    if (json_is_string(type))
        return type_matches(json_string_value(type), value);
    json_array_foreach(type, index,
                       item) if (type_matches(json_string_value(item), value)) return true;
    return false;
}

static void append_types(struct text *text, const json_t *type)
{
    size_t index;
    const json_t *item;
    if (json_is_string(type))
        text_append_string(text, json_string_value(type));
    json_array_foreach(type, index, item)
        text_append_format(text, "%s%s", index ? " or " : "", json_string_value(item));
}

static bool check_type(struct check *check, const json_t *type, const json_t *value)
{
    struct text wanted CLEANUP(text_finish) = {0};
    if (!type || type_allowed(type, value))
        return true;
    append_types(&wanted, type);
    report(check, "must be of type %s, not %s", text_string(&wanted), type_word(value));
    return false;
}

static void check_enum(struct check *check, const json_t *values, const json_t *value)
{
    struct text wanted CLEANUP(text_finish) = {0};
    size_t index;
    const json_t *item;
    json_array_foreach(values, index, item)
    {
        if (json_equal(item, value))
            return;
        char *printed = json_dumps(item, JSON_ENCODE_ANY | JSON_COMPACT);
        text_append_format(&wanted, "%s%s", index ? ", " : "", printed ? printed : "?");
        free(printed);
    }
    report(check, "must be one of %s", text_string(&wanted));
}

/* ---- strings and numbers --------------------------------------------------------------------- */

static size_t characters(const char *string)
{
    size_t count = 0;
    for (; *string; string++)
        count += ((unsigned char)*string & 0xc0) != 0x80;
    return count;
}

static void check_pattern(struct check *check, const char *pattern, const char *string)
{
    regex_t compiled;
    if (regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
        report(check, "can't be compared with the pattern %s: no memory", pattern);
        return;
    }
    if (regexec(&compiled, string, 0, NULL, 0) != 0)
        report(check, "must match the pattern %s", pattern);
    regfree(&compiled);
}

static void check_string(struct check *check, const json_t *schema, const json_t *value)
{
    const char *string = json_string_value(value);
    const json_t *least = json_object_get(schema, "minLength");
    const json_t *most = json_object_get(schema, "maxLength");
    const json_t *pattern = json_object_get(schema, "pattern");
    json_int_t length = (json_int_t)characters(string);
    if (strlen(string) != json_string_length(value))
        report(check, "must not hold a NUL");
    if (least && length < json_integer_value(least))
        report(check,
               json_integer_value(least) == 1 ? "must not be empty"
                                              : "must have at least %lld characters",
               (long long)json_integer_value(least));
    if (most && length > json_integer_value(most))
        report(check, "must have at most %lld characters", (long long)json_integer_value(most));
    if (pattern)
        check_pattern(check, json_string_value(pattern), string);
}

/* Integers are compared as such: doubles would round those beyond 2^53. */
static int compare(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b)) {
        json_int_t left = json_integer_value(a), right = json_integer_value(b);
        return (left > right) - (left < right);
    }
    double left = json_number_value(a), right = json_number_value(b);
    return (left > right) - (left < right);
}

static void check_number(struct check *check, const json_t *schema, const json_t *value)
{
    const json_t *least = json_object_get(schema, "minimum");
    const json_t *most = json_object_get(schema, "maximum");
    if (least && compare(value, least) < 0)
        report(check, "must be at least %.15g", json_number_value(least));
    if (most && compare(value, most) > 0)
        report(check, "must be at most %.15g", json_number_value(most));
}

/* ---- arrays and objects ---------------------------------------------------------------------- */

static void check_array(struct check *check, const json_t *schema, const json_t *value)
{
    const json_t *items = json_object_get(schema, "items"), *item;
    const json_t *least = json_object_get(schema, "minItems");
    const json_t *most = json_object_get(schema, "maxItems");
    json_int_t count = (json_int_t)json_array_size(value);
    size_t index, before = check->path.length;
    if (least && count < json_integer_value(least))
        report(check, "must have at least %lld items", (long long)json_integer_value(least));
    if (most && count > json_integer_value(most))
        report(check, "must have at most %lld items", (long long)json_integer_value(most));
    if (!items)
        return;
    json_array_foreach(value, index, item)
    {
        text_append_format(&check->path, "[%zu]", index);
        check_value(check, items, item);
        path_cut(check, before);
    }
}

static void report_unknown(struct check *check, const json_t *properties, const char *key)
{
    const char *names[256], *name;
    size_t count = 0;
    json_t *ignored;
    json_object_foreach((json_t *)(uintptr_t)properties, name, ignored)
    {
        (void)ignored;
        if (count < sizeof names / sizeof names[0])
            names[count++] = name;
    }
    const char *nearest = text_nearest(key, names, count);
    if (nearest)
        report(check, "unknown setting; did you mean \"%s\"?", nearest);
    else
        report(check, "unknown setting");
}

static void check_member(struct check *check, const json_t *schema, const char *key,
                         const json_t *value)
{
    const json_t *properties = json_object_get(schema, "properties");
    const json_t *more = json_object_get(schema, "additionalProperties");
    const json_t *property = json_object_get(properties, key);
    size_t before = path_push(check, key);
    if (property)
        check_value(check, property, value);
    else if (json_is_object(more))
        check_value(check, more, value);
    else if (!json_is_true(more))
        report_unknown(check, properties, key);
    path_cut(check, before);
}

static void check_object(struct check *check, const json_t *schema, const json_t *value)
{
    size_t index;
    const json_t *name;
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
        check_member(check, schema, key, member);
    json_array_foreach(json_object_get(schema, "required"), index,
                       name) if (!json_object_get(value, json_string_value(name)))
    {
        size_t before = path_push(check, json_string_value(name));
        report(check, "is required");
        path_cut(check, before);
    }
}

static bool wants_object(const json_t *schema)
{
    return text_equal(json_string_value(json_object_get(schema, "type")), "object") ||
           json_object_get(schema, "properties");
}

static void check_value(struct check *check, const json_t *schema, const json_t *value)
{
    json_t *empty = json_is_null(value) && wants_object(schema) ? json_object() : NULL;
    const json_t *values = json_object_get(schema, "enum");
    if (empty)
        value = empty;
    if (check_type(check, json_object_get(schema, "type"), value)) {
        if (values)
            check_enum(check, values, value);
        if (json_is_string(value))
            check_string(check, schema, value);
        else if (json_is_number(value))
            check_number(check, schema, value);
        else if (json_is_array(value))
            check_array(check, schema, value);
        else if (json_is_object(value))
            check_object(check, schema, value);
    }
    json_decref(empty);
}

bool config_schema_check(const struct config_schema *schema, const json_t *value, const char *path,
                         config_schema_fault *fault, void *argument)
{
    struct check check = {.fault = fault, .argument = argument};
    json_t *nothing = value ? NULL : json_null();
    text_append_string(&check.path, path);
    check_value(&check, schema->root, value ? value : nothing);
    text_finish(&check.path);
    return check.faults == 0;
}

/* ---- defaults -------------------------------------------------------------------------------- */

static json_t *complete(const json_t *schema, const json_t *value);

static json_t *complete_object(const json_t *schema, const json_t *value)
{
    json_t *result = json_object(), *member;
    const json_t *properties = json_object_get(schema, "properties");
    const json_t *more = json_object_get(schema, "additionalProperties");
    const char *key;
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        const json_t *property = json_object_get(properties, key);
        json_object_set_new(result, key, complete(property ? property : more, member));
    }
    json_object_foreach((json_t *)(uintptr_t)properties, key, member)
    {
        const json_t *fallback = json_object_get(member, "default");
        if (fallback && !json_object_get(result, key))
            json_object_set_new(result, key, complete(member, fallback));
    }
    return result;
}

static json_t *complete(const json_t *schema, const json_t *value)
{
    size_t index;
    const json_t *item;
    if (!json_is_object(schema))
        return json_deep_copy(value);
    if (json_is_object(value) || (json_is_null(value) && wants_object(schema)))
        return complete_object(schema, value);
    if (!json_is_array(value))
        return json_deep_copy(value);
    json_t *result = json_array();
    json_array_foreach(value, index, item)
        json_array_append_new(result, complete(json_object_get(schema, "items"), item));
    return result;
}

json_t *config_schema_complete(const struct config_schema *schema, const json_t *value)
{
    return complete(schema->root, value ? value : json_null());
}
