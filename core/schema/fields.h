/* Walking a struct by its table. Private to this folder. */
#ifndef SCHEMA_FIELDS_H
#define SCHEMA_FIELDS_H

#include "schema/schema.h"

#include <string.h>

static inline void *field_at(void *base, const struct field *field)
{
    return (char *)base + field->offset;
}
static inline const void *field_in(const void *base, const struct field *field)
{
    return (const char *)base + field->offset;
}
/* The field of that name, inline objects looked into; `base` moves to the struct that holds it. */
static inline const struct field *field_find(const struct type *type, const char *name,
                                             size_t length, size_t *base)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct field *field = &type->fields[i];
        if (field->flags & FIELD_INLINE) {
            size_t inner = *base + field->offset;
            const struct field *found = field_find(field->object, name, length, &inner);
            if (found) {
                *base = inner;
                return found;
            }
        } else if (length && field->name[0] == name[0] && strncmp(field->name, name, length) == 0 &&
                   !field->name[length]) {
            return field;
        }
    }
    return NULL;
}
/* Sets a field of an input struct from one JSON value (used for defaults as well). */
struct input;
void input_field(struct input *input, const struct field *field, void *base, const json_t *value);
/* The field's default into `base`. */
void field_default(const struct field *field, struct arena *arena, void *base);

#endif
