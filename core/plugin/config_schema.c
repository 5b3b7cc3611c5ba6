/* Compiling: a schema is accepted only when every word of it is known and well formed, so that
 * checking (config_schema_check.c) need not doubt it. */
#include "plugin/config_schema.h"
#include "base/text.h"
#include "plugin/config_schema_impl.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_LIMIT = 16 };

static bool schema_valid(const json_t *schema, const char *place, unsigned depth,
                         struct error *error);

static bool wrong(struct error *error, const char *place, const char *word, const char *what)
{
    return error_set(error, ERROR_PLUGIN, "its configuration schema: %s%s%s %s", place,
                     place[0] && word[0] ? "." : "", word, what);
}

static bool type_known(const json_t *name)
{
    static const char *const types[] = {"object", "array",   "string", "integer",
                                        "number", "boolean", "null"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (text_equal(json_string_value(name), types[i]))
            return true;
    return false;
}

static bool type_valid(const json_t *value)
{
    size_t index;
    const json_t *item;
    if (!json_is_array(value))
        return type_known(value);
    json_array_foreach(value, index, item) if (!type_known(item)) return false;
    return json_array_size(value) > 0;
}

static bool pattern_valid(const json_t *value)
{
    regex_t compiled;
    if (!json_is_string(value) ||
        regcomp(&compiled, json_string_value(value), REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    regfree(&compiled);
    return true;
}

static bool count_valid(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool number_valid(const json_t *value)
{
    return json_is_number(value);
}

static bool words_valid(const json_t *value)
{
    size_t index;
    const json_t *item;
    json_array_foreach(value, index, item) if (!json_is_string(item)) return false;
    return json_is_array(value);
}

static bool enum_valid(const json_t *value)
{
    return json_array_size(value) > 0;
}

static bool string_valid(const json_t *value)
{
    return json_is_string(value);
}

static bool anything(const json_t *value)
{
    (void)value;
    return true;
}

/* Words whose value says all; those that hold further schemas are in schema_valid. */
static const struct word {
    const char *name;
    bool (*valid)(const json_t *value);
    const char *wants;
} words[] = {
    {"type", type_valid, "must be a type's name or a list of them"},
    {"pattern", pattern_valid, "must be a POSIX extended regular expression"},
    {"minLength", count_valid, "must be an integer from 0"},
    {"maxLength", count_valid, "must be an integer from 0"},
    {"minItems", count_valid, "must be an integer from 0"},
    {"maxItems", count_valid, "must be an integer from 0"},
    {"minimum", number_valid, "must be a number"},
    {"maximum", number_valid, "must be a number"},
    {"required", words_valid, "must be a list of names"},
    {"enum", enum_valid, "must be a list of values"},
    {"description", string_valid, "must be a string"},
    {"title", string_valid, "must be a string"},
    {"default", anything, ""},
    {"examples", anything, ""},
    {"$schema", anything, ""},
    {"$id", anything, ""},
};

static bool plain_word_valid(const char *name, const json_t *value, const char *place,
                             struct error *error)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (text_equal(name, words[i].name))
            return words[i].valid(value) || wrong(error, place, name, words[i].wants);
    return wrong(error, place, name, "is a word that this host does not know (docs/abi.md)");
}

static bool child_valid(const json_t *schema, const char *place, const char *name, unsigned depth,
                        struct error *error)
{
    struct text path CLEANUP(text_finish) = {0};
    text_append_format(&path, "%s%s%s", place, place[0] ? "." : "", name);
    return schema_valid(schema, text_string(&path), depth + 1, error);
}

static bool properties_valid(const json_t *properties, const char *place, unsigned depth,
                             struct error *error)
{
    const char *name;
    json_t *property;
    if (!json_is_object(properties))
        return wrong(error, place, "properties", "must be an object");
    json_object_foreach(
        (json_t *)(uintptr_t)properties, name,
        property) if (!child_valid(property, place, name, depth, error)) return false;
    return true;
}

static bool schema_valid(const json_t *schema, const char *place, unsigned depth,
                         struct error *error)
{
    const char *name;
    json_t *value;
    if (!json_is_object(schema))
        return wrong(error, place, "", "must be an object");
    if (depth > DEPTH_LIMIT)
        return wrong(error, place, "", "is nested too deeply");
    json_object_foreach((json_t *)(uintptr_t)schema, name, value)
    {
        bool valid;
        if (text_equal(name, "properties"))
            valid = properties_valid(value, place, depth, error);
        else if (text_equal(name, "items"))
            valid = child_valid(value, place, name, depth, error);
        else if (text_equal(name, "additionalProperties"))
            valid = json_is_boolean(value) || child_valid(value, place, name, depth, error);
        else
            valid = plain_word_valid(name, value, place, error);
        if (!valid)
            return false;
    }
    return true;
}

struct config_schema *config_schema_compile(const char *text, struct error *error)
{
    json_error_t fault;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &fault);
    if (!root) {
        error_set(error, ERROR_PLUGIN, "its configuration schema is no JSON: line %d: %s",
                  fault.line, fault.text);
        return NULL;
    }
    if (!schema_valid(root, "", 0, error)) {
        json_decref(root);
        return NULL;
    }
    struct config_schema *schema = memory_alloc(sizeof *schema);
    schema->root = root;
    return schema;
}

void config_schema_destroy(struct config_schema *schema)
{
    if (!schema)
        return;
    json_decref(schema->root);
    free(schema);
}
