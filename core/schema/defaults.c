/* What a field has that nobody gave. */
#include "schema/input.h"

void field_default(const struct field *field, struct arena *arena, void *base)
{
    void *at = field_at(base, field);
    bool number =
        field->kind == FIELD_INT || field->kind == FIELD_CPU || field->kind == FIELD_MEMORY;
    if (field->kind == FIELD_OBJECT) {
        schema_defaults(field->object, arena, at);
    } else if (field->kind == FIELD_JSON && !field->initial) {
        *(const char **)at = "{}";
    } else if (field->initial) {
        struct schema_faults faults = {0};
        struct input input = {.arena = arena, .faults = &faults};
        json_t *value = json_loads(field->initial, JSON_DECODE_ANY, NULL);
        if (value)
            input_field(&input, field, base, value);
        json_decref(value);
        schema_faults_finish(&faults);
    } else if (number && (field->flags & FIELD_NULLABLE)) {
        *(int64_t *)at = NUMBER_NULL;
    }
}

void schema_defaults(const struct type *type, struct arena *arena, void *out)
{
    for (size_t i = 0; i < type->field_count; i++)
        if (!(type->fields[i].flags & FIELD_RESERVED))
            field_default(&type->fields[i], arena, out);
}
