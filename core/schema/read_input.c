/* Reading what users wrote: strict, every fault at once. Values without parts: read_scalar.c. */
#include "schema/input.h"

#include <stdio.h>
#include <stdlib.h>

static void input_object(struct input *input, const struct type *type, void *out,
                         const json_t *value);

static size_t path_push(struct input *input, const char *format, const char *name, size_t index)
{
    size_t length = strlen(input->path);
    if (name)
        snprintf(input->path + length, sizeof input->path - length, format, length ? "." : "",
                 name);
    else
        snprintf(input->path + length, sizeof input->path - length, "[%zu]", index);
    return length;
}

static bool count_in_range(struct input *input, const struct field *field, size_t count)
{
    int64_t most = field->max ? field->max : 10000;
    if ((int64_t)count >= field->min && (int64_t)count <= most)
        return true;
    FAULT(input, "must have %lld to %lld entries, not %zu", (long long)field->min, (long long)most,
          count);
    return false;
}

static void input_list(struct input *input, const struct field *field, struct list *out,
                       const json_t *value)
{
    if (!json_is_array(value)) {
        input_wanted(input, value, "a list");
        return;
    }
    size_t count = json_array_size(value);
    bool strings = field->kind == FIELD_STRINGS;
    size_t size = strings ? sizeof(char *) : field->object->size;
    if (!count_in_range(input, field, count))
        return;
    char *items = arena_alloc(input->arena, count * size);
    const struct field element = {.name = field->name, .kind = FIELD_STRING};
    for (size_t i = 0; i < count; i++) {
        size_t length = path_push(input, NULL, NULL, i);
        if (strings)
            input_string(input, &element, (const char **)(void *)(items + i * size),
                         json_array_get(value, i));
        else
            input_object(input, field->object, items + i * size, json_array_get(value, i));
        input->path[length] = 0;
    }
    *out = (struct list){.items = items, .count = (uint32_t)count};
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct map_entry *)a)->key, ((const struct map_entry *)b)->key);
}

static void input_map(struct input *input, const struct field *field, struct list *out,
                      const json_t *value)
{
    if (!json_is_object(value)) {
        input_wanted(input, value, "an object of strings");
        return;
    }
    size_t count = json_object_size(value), at = 0;
    if (!count_in_range(input, field, count))
        return;
    struct map_entry *entries = arena_alloc(input->arena, count * sizeof *entries);
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)value, key, member)
    {
        size_t length = path_push(input, "%s%s", key, 0);
        if (json_is_string(member)) {
            entries[at].key = arena_strdup(input->arena, key);
            entries[at++].value = arena_strdup(input->arena, json_string_value(member));
        } else if (json_is_object(member)) {
            FAULT(input, "must be a string: references are reserved and not built yet");
        } else {
            input_wanted(input, member, "a string");
        }
        input->path[length] = 0;
    }
    qsort(entries, at, sizeof *entries, compare_entries);
    *out = (struct list){.items = entries, .count = (uint32_t)at};
}

static void input_json(struct input *input, const char **out, const json_t *value)
{
    if (!json_is_object(value)) {
        input_wanted(input, value, "an object");
        return;
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
    *out = arena_strdup(input->arena, text ? text : "{}");
    free(text);
}

static bool input_special(const struct field *field, void *at, const json_t *value)
{
    bool number =
        field->kind == FIELD_INT || field->kind == FIELD_CPU || field->kind == FIELD_MEMORY;
    if (json_is_null(value) && (field->flags & FIELD_NULLABLE)) {
        if (number)
            *(int64_t *)at = NUMBER_NULL;
        return true; /* pointers, strings and references are zero already */
    }
    if (number && (field->flags & FIELD_ALLOW_NONE) && json_is_string(value) &&
        strcmp(json_string_value(value), "none") == 0) {
        *(int64_t *)at = NUMBER_NONE;
        return true;
    }
    return false;
}

static void input_value(struct input *input, const struct field *field, void *at,
                        const json_t *value)
{
    switch (field->kind) {
    case FIELD_STRING:
    case FIELD_INT:
    case FIELD_BOOL:
    case FIELD_DURATION:
    case FIELD_CPU:
    case FIELD_MEMORY:
    case FIELD_TIME:
    case FIELD_ENUM:
    case FIELD_AMOUNT:
    case FIELD_PORT_REF:
        input_scalar(input, field, at, value);
        return;
    case FIELD_OBJECT:
        input_object(input, field->object, at, value);
        return;
    case FIELD_POINTER: {
        void *object = arena_alloc(input->arena, field->object->size);
        input_object(input, field->object, object, value);
        *(const void **)at = object;
        return;
    }
    case FIELD_OBJECTS:
    case FIELD_STRINGS:
        input_list(input, field, at, value);
        return;
    case FIELD_MAP:
        input_map(input, field, at, value);
        return;
    case FIELD_JSON:
        input_json(input, at, value);
        return;
    }
}

void input_field(struct input *input, const struct field *field, void *base, const json_t *value)
{
    void *at = field_at(base, field);
    size_t before = input->faults->count + input->faults->dropped;
    char message[256];
    if (input_special(field, at, value))
        return;
    input_value(input, field, at, value);
    if (field->check && input->faults->count + input->faults->dropped == before &&
        !field->check(at, message, sizeof message))
        FAULT(input, "%s", message);
}

static size_t collect_names(const struct type *type, const char **names, size_t count, size_t room)
{
    for (size_t i = 0; i < type->field_count && count < room; i++) {
        const struct field *field = &type->fields[i];
        if (field->flags & FIELD_INLINE)
            count = collect_names(field->object, names, count, room);
        else if (!(field->flags & (FIELD_INTERNAL | FIELD_RESERVED)))
            names[count++] = field->name;
    }
    return count;
}

static void unknown_member(struct input *input, const struct type *type, const char *key)
{
    const char *names[128];
    if (input->faults->count == SCHEMA_FAULTS_LIMIT) {
        input->faults->dropped++; /* a body full of them must not cost a search each */
        return;
    }
    size_t count = collect_names(type, names, 0, 128);
    const char *near = text_nearest(key, names, count);
    KEY_FAULT(input, "is not known%s%s%s", near ? "; did you mean \"" : "", near ? near : "",
              near ? "\"?" : "");
}

static void input_member(struct input *input, const struct type *type, void *out, const char *key,
                         const json_t *value)
{
    size_t base = 0, length = path_push(input, "%s%s", key, 0);
    const struct field *field = field_find(type, key, strlen(key), &base);
    if (!field || (field->flags & FIELD_INTERNAL))
        unknown_member(input, type, key);
    else if ((field->flags & FIELD_RESERVED) && !(field->flags & FIELD_READ_ONLY))
        KEY_FAULT(input, "is reserved and not built yet; leave it out");
    else if (!(field->flags & (FIELD_READ_ONLY | FIELD_SOFT)))
        input_field(input, field, (char *)out + base, value);
    input->path[length] = 0;
}

static void check_required(struct input *input, const struct type *type, const json_t *value)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct field *field = &type->fields[i];
        if (field->flags & FIELD_INLINE)
            check_required(input, field->object, value);
        if (!(field->flags & FIELD_REQUIRED) || json_object_get(value, field->name))
            continue;
        size_t length = path_push(input, "%s%s", field->name, 0);
        FAULT(input, "is required");
        input->path[length] = 0;
    }
}

static void input_object(struct input *input, const struct type *type, void *out,
                         const json_t *value)
{
    size_t before = input->faults->count + input->faults->dropped;
    char message[256];
    schema_defaults(type, input->arena, out);
    if (!json_is_object(value)) {
        input_wanted(input, value, "an object");
        return;
    }
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)value, key, member) input_member(input, type, out, key, member);
    check_required(input, type, value);
    if (type->check && input->faults->count + input->faults->dropped == before &&
        !type->check(out, message, sizeof message))
        FAULT(input, "%s", message);
}

bool schema_read_input(const struct type *type, const json_t *value, const char *path,
                       const struct schema_positions *positions, struct arena *arena, void *out,
                       struct schema_faults *faults)
{
    struct input input = {.positions = positions, .arena = arena, .faults = faults};
    size_t before = faults->count + faults->dropped;
    snprintf(input.path, sizeof input.path, "%s", path ? path : "");
    input_object(&input, type, out, value);
    return faults->count + faults->dropped == before;
}

bool schema_was_given(const json_t *value, const char *name)
{
    return json_object_get(value, name) != NULL;
}
