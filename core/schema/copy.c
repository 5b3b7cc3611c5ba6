/* Deep copies: into one block of exactly the size needed, or into an arena. One walk serves both:
 * without a target it only measures. */
#include "schema/fields.h"

#include <stdlib.h>
#include <string.h>

struct copier {
    char *block;         /* NULL while measuring */
    struct arena *arena; /* in place of the block */
    size_t used;
};

static void *copier_alloc(struct copier *copier, size_t bytes)
{
    if (copier->arena)
        return arena_alloc(copier->arena, bytes);
    copier->used = (copier->used + 7) & ~(size_t)7;
    void *memory = copier->block ? copier->block + copier->used : NULL;
    copier->used += bytes;
    return memory;
}

/* Strings need no alignment. */
static const char *copy_string(struct copier *copier, const char *string)
{
    if (!string)
        return NULL;
    size_t bytes = strlen(string) + 1;
    char *to;
    if (copier->arena) {
        to = arena_alloc(copier->arena, bytes);
    } else {
        to = copier->block ? copier->block + copier->used : NULL;
        copier->used += bytes;
    }
    return to ? memcpy(to, string, bytes) : NULL;
}

static void copy_parts(struct copier *copier, const struct type *type, const void *from, void *to);

static void copy_list(struct copier *copier, const struct field *field, const struct list *from,
                      struct list *to)
{
    size_t size = field->kind == FIELD_STRINGS ? sizeof(char *)
                  : field->kind == FIELD_MAP   ? sizeof(struct map_entry)
                                               : field->object->size;
    char *items = copier_alloc(copier, size * from->count);
    if (items && from->count)
        memcpy(items, from->items, size * from->count);
    for (uint32_t i = 0; i < from->count; i++) {
        const char *source = (const char *)from->items + i * size;
        char *target = items ? items + i * size : NULL;
        if (field->kind == FIELD_OBJECTS) {
            copy_parts(copier, field->object, source, target);
            continue;
        }
        size_t strings = size / sizeof(char *); /* one, or a key and a value */
        for (size_t j = 0; j < strings; j++) {
            const char *copy = copy_string(copier, ((const char *const *)(const void *)source)[j]);
            if (target)
                ((const char **)(void *)target)[j] = copy;
        }
    }
    if (to)
        to->items = items;
}

static void copy_field(struct copier *copier, const struct field *field, const void *from, void *to)
{
    const void *pointer;
    switch (field->kind) {
    case FIELD_STRING:
    case FIELD_JSON:
        pointer = copy_string(copier, *(const char *const *)from);
        if (to)
            *(const char **)to = pointer;
        return;
    case FIELD_PORT_REF:
        pointer = copy_string(copier, ((const struct port_ref *)from)->name);
        if (to)
            ((struct port_ref *)to)->name = pointer;
        return;
    case FIELD_OBJECT:
        copy_parts(copier, field->object, from, to);
        return;
    case FIELD_POINTER: {
        pointer = *(const void *const *)from;
        if (!pointer)
            return;
        void *object = copier_alloc(copier, field->object->size);
        if (object)
            memcpy(object, pointer, field->object->size);
        copy_parts(copier, field->object, pointer, object);
        if (to)
            *(const void **)to = object;
        return;
    }
    case FIELD_OBJECTS:
    case FIELD_STRINGS:
    case FIELD_MAP:
        copy_list(copier, field, from, to);
        return;
    case FIELD_INT:
    case FIELD_BOOL:
    case FIELD_DURATION:
    case FIELD_CPU:
    case FIELD_MEMORY:
    case FIELD_TIME:
    case FIELD_ENUM:
    case FIELD_AMOUNT:
        return; /* came along with the struct */
    }
}

static void copy_parts(struct copier *copier, const struct type *type, const void *from, void *to)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct field *field = &type->fields[i];
        if (!(field->flags & FIELD_RESERVED))
            copy_field(copier, field, field_in(from, field), to ? field_at(to, field) : NULL);
    }
}

void *schema_pack(const struct type *type, const void *value, size_t *bytes)
{
    struct copier measure = {.used = type->size};
    copy_parts(&measure, type, value, NULL);
    struct copier copier = {.block = memory_alloc(measure.used), .used = type->size};
    memcpy(copier.block, value, type->size);
    copy_parts(&copier, type, value, copier.block);
    if (bytes)
        *bytes = measure.used;
    return copier.block;
}

void schema_copy(const struct type *type, const void *value, struct arena *arena, void *to)
{
    struct copier copier = {.arena = arena};
    memcpy(to, value, type->size);
    copy_parts(&copier, type, value, to);
}
