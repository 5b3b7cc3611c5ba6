/* The tables that ship: each default is a valid value of its field, and each describes itself. */
#include "config/config.h"
#include "container/container.h"
#include "deployment/deployment.h"
#include "node/node.h"
#include "service/service.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const struct type *const *types(size_t *count)
{
    static const struct type *list[6];
    list[0] = deployment_kind.type;
    list[1] = container_kind.type;
    list[2] = node_kind.type;
    list[3] = service_kind.type;
    list[4] = &config_type;
    *count = 5;
    return list;
}

static void check_fields(const struct type *type)
{
    cr_assert_lt(type->field_count, 96, "%s", type->name);
    for (size_t i = 0; i < type->field_count; i++) {
        const struct field *field = &type->fields[i];
        cr_assert(field->name && *field->name, "%s[%zu]", type->name, i);
        if (field->flags & FIELD_RESERVED)
            continue;
        cr_assert_lt(field->offset, type->size, "%s.%s", type->name, field->name);
        for (size_t j = 0; j < i; j++)
            cr_assert_str_neq(field->name, type->fields[j].name, "%s", type->name);
        if (field->kind == FIELD_ENUM)
            cr_assert(field->words && field->words[0], "%s.%s", type->name, field->name);
        if (field->object)
            check_fields(field->object);
        if (!field->initial)
            continue;
        json_t *value = json_loads(field->initial, JSON_DECODE_ANY, NULL);
        cr_assert(value, "%s.%s: %s", type->name, field->name, field->initial);
        struct arena arena = {0};
        struct schema_faults faults = {0};
        struct field alone = *field;
        const struct type one = {
            .name = type->name, .size = type->size, .fields = &alone, .field_count = 1};
        void *out = memory_alloc(type->size);
        json_t *object = json_pack("{s:o}", field->name, value);
        schema_read_input(&one, object, "", NULL, &arena, out, &faults);
        cr_assert_eq(faults.count, 0, "%s.%s: its default %s", type->name, field->name,
                     faults.count ? faults.items->message : "");
        json_decref(object);
        free(out);
        arena_finish(&arena);
    }
}

Test(tables, defaults_are_valid_and_names_unique)
{
    size_t count;
    const struct type *const *list = types(&count);
    for (size_t i = 0; i < count; i++)
        check_fields(list[i]);
}

Test(tables, describe_themselves_as_sound_json)
{
    size_t count;
    const struct type *const *list = types(&count);
    for (size_t i = 0; i < count; i++) {
        CLEANUP(text_finish) struct text text = {0};
        json_error_t error;
        schema_describe(list[i], &text);
        json_t *object = json_loads(text_string(&text), JSON_REJECT_DUPLICATES, &error);
        cr_expect(object, "%s: %s", list[i]->name, error.text);
        json_decref(object);
    }
}

static void give_what_is_needed(const struct type *type, void *value)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct field *field = &type->fields[i];
        void *at = (char *)value + field->offset;
        if (field->flags & FIELD_NEEDED)
            *(const char **)at = "given";
        if (field->kind == FIELD_OBJECT && !(field->flags & FIELD_RESERVED))
            give_what_is_needed(field->object, at);
    }
}

Test(tables, defaults_survive_being_stored)
{
    size_t count;
    const struct type *const *list = types(&count);
    for (size_t i = 0; i < count; i++) {
        CLEANUP(text_finish) struct text before = {0}, after = {0};
        struct arena arena = {0};
        struct error error = {0};
        void *first = memory_alloc(list[i]->size), *second = memory_alloc(list[i]->size);
        schema_defaults(list[i], &arena, first);
        give_what_is_needed(list[i], first);
        schema_write(list[i], first, SCHEMA_STORED, &before);
        cr_expect(schema_read_stored(list[i], before.data, before.length, &arena, second, &error),
                  "%s", error.message);
        schema_write(list[i], second, SCHEMA_STORED, &after);
        cr_expect_str_eq(text_string(&before), text_string(&after));
        free(first);
        free(second);
        arena_finish(&arena);
    }
}
