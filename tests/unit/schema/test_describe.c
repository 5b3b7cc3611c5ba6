#include "thing.h"

static json_t *describe(void)
{
    CLEANUP(text_finish) struct text text = {0};
    json_error_t error;
    schema_describe(&thing_type, &text);
    json_t *object = json_loads(text_string(&text), JSON_REJECT_DUPLICATES, &error);
    cr_assert(object, "%s in %s", error.text, text_string(&text));
    return object;
}

Test(describe, is_a_json_schema_without_what_users_must_not_know)
{
    json_t *object = describe(), *properties = json_object_get(object, "properties");
    cr_assert(json_object_get(properties, "note"), "inline members appear in the parent");
    cr_assert_null(json_object_get(properties, "base"));
    cr_assert_null(json_object_get(properties, "inner"));
    cr_assert_null(json_object_get(properties, "secret"));
    cr_assert_null(json_object_get(properties, "mounts"));
    json_decref(object);
}

Test(describe, says_required_default_bounds_and_read_only)
{
    json_t *object = describe(), *properties = json_object_get(object, "properties");
    json_t *count = json_object_get(properties, "count");
    cr_assert_str_eq(json_string_value(json_array_get(json_object_get(object, "required"), 0)),
                     "name");
    cr_assert_eq(json_array_size(json_object_get(object, "required")), 1);
    cr_assert_eq(json_integer_value(json_object_get(count, "default")), 1);
    cr_assert_eq(json_integer_value(json_object_get(count, "maximum")), 100);
    cr_assert(json_is_true(json_object_get(json_object_get(properties, "at"), "readOnly")));
    cr_assert_eq(json_array_size(json_object_get(json_object_get(properties, "mode"), "enum")), 3);
    cr_assert_eq(json_array_size(json_object_get(json_object_get(properties, "extra"), "anyOf")),
                 2);
    cr_assert_str_eq(
        json_string_value(json_object_get(json_object_get(properties, "limits"), "description")),
        "What it may take.");
    json_decref(object);
}
