#include "schema/schema.h"

#include <string.h>

/* Jansson's own depth limit is fixed when it is compiled, so depth is looked at before. */
static bool check_depth(const char *bytes, size_t length, int limit)
{
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < length; i++) {
        char c = bytes[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > limit)
                return false;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return true;
}

bool schema_parse_body(const char *bytes, size_t length, int depth, json_t **out,
                       struct error *error)
{
    if (length == 0)
        return error_set(error, ERROR_VALIDATION, "the body is empty; send a JSON object");
    if (!check_depth(bytes, length, depth))
        return error_set(error, ERROR_VALIDATION, "the body is nested deeper than %d levels",
                         depth);
    json_error_t fault;
    json_t *value = json_loadb(bytes, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault);
    if (!value) {
        text_defuse(fault.text);
        return error_set(error, ERROR_VALIDATION, "the body is not JSON: line %d, column %d: %s",
                         fault.line, fault.column, fault.text);
    }
    if (!json_is_object(value)) {
        json_decref(value);
        return error_set(error, ERROR_VALIDATION, "the body must be a JSON object");
    }
    *out = value;
    return true;
}

json_t *schema_merge_patch(const json_t *target, const json_t *patch)
{
    if (!json_is_object(patch))
        return json_deep_copy(patch);
    json_t *merged = json_is_object(target) ? json_deep_copy(target) : json_object();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)patch, key, value)
    {
        if (json_is_null(value))
            json_object_del(merged, key);
        else
            json_object_set_new(merged, key,
                                schema_merge_patch(json_object_get(merged, key), value));
    }
    return merged;
}
