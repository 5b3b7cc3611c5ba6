/* Reading what users wrote: strict, every fault at once. */
#include "base/clock.h"
#include "schema/fields.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
    const struct schema_positions *positions;
    struct arena *arena;
    struct schema_faults *faults;
    char path[192];
};

static void input_object(struct input *input, const struct type *type, void *out,
                         const json_t *value);

static const char *json_type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        return "null";
    }
    return "something else";
}

#define FAULT(input, ...)                                                                          \
    schema_faults_add((input)->faults, schema_positions_find((input)->positions, (input)->path),   \
                      (input)->path, __VA_ARGS__)
/* For members that should not be there at all. */
#define KEY_FAULT(input, ...)                                                                      \
    schema_faults_add((input)->faults,                                                             \
                      schema_positions_find_key((input)->positions, (input)->path), (input)->path, \
                      __VA_ARGS__)

static void wanted(struct input *input, const json_t *value, const char *what)
{
    FAULT(input, "must be %s, not %s", what, json_type_name(value));
}

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

static bool number_in_range(struct input *input, const struct field *field, int64_t number,
                            const char *low, const char *high)
{
    if ((!field->min && !field->max) || (number >= field->min && number <= field->max))
        return true;
    FAULT(input, "must be from %s to %s", low, high);
    return false;
}

static void input_int(struct input *input, const struct field *field, int64_t *out,
                      const json_t *value)
{
    char low[24], high[24];
    if (json_is_real(value)) {
        FAULT(input, "must be a whole number, not a fraction");
        return;
    }
    if (!json_is_integer(value)) {
        wanted(input, value, "a whole number");
        return;
    }
    int64_t number = json_integer_value(value);
    snprintf(low, sizeof low, "%lld", (long long)field->min);
    snprintf(high, sizeof high, "%lld", (long long)field->max);
    if (number_in_range(input, field, number, low, high))
        *out = number;
}

static void input_duration(struct input *input, const struct field *field, uint64_t *out,
                           const json_t *value)
{
    uint64_t ns = 0;
    bool good = false;
    char low[CLOCK_TEXT_BYTES], high[CLOCK_TEXT_BYTES];
    if (json_is_string(value)) {
        good = clock_parse_duration_ns(json_string_value(value), &ns) && ns <= INT64_MAX;
    } else if (json_is_number(value)) {
        double seconds = json_number_value(value);
        good = seconds >= 0 && seconds < 9e9;
        ns = good ? (uint64_t)llround(seconds * 1e9) : 0;
    } else {
        wanted(input, value, "a duration (\"500ms\", \"1m30s\") or seconds");
        return;
    }
    if (!good) {
        FAULT(input, "is no duration: \"500ms\", \"1m30s\" or seconds as a number");
        return;
    }
    clock_format_duration_ns((uint64_t)field->min, low);
    clock_format_duration_ns((uint64_t)field->max, high);
    if (number_in_range(input, field, (int64_t)ns, low, high))
        *out = ns;
}

static void input_cpu(struct input *input, const struct field *field, int64_t *out,
                      const json_t *value)
{
    int64_t millis = -1;
    char low[SCHEMA_NUMBER_BYTES], high[SCHEMA_NUMBER_BYTES];
    bool good = false;
    if (json_is_string(value)) {
        good = schema_parse_cpu(json_string_value(value), &millis);
    } else if (json_is_number(value)) {
        double cores = json_number_value(value);
        good = cores >= 0 && cores < 1e9;
        millis = good ? llround(cores * 1000) : 0;
        good = good && fabs(cores * 1000 - (double)millis) < 1e-6; /* no finer than 1m */
    } else {
        wanted(input, value, "CPU (\"250m\") or cores as a number");
        return;
    }
    if (!good)
        FAULT(input, "is no amount of CPU: \"250m\" or cores as a number");
    else if (number_in_range(input, field, millis, schema_format_cpu(field->min, low),
                             schema_format_cpu(field->max, high)))
        *out = millis;
}

static void input_memory(struct input *input, const struct field *field, int64_t *out,
                         const json_t *value)
{
    int64_t bytes = -1;
    char low[SCHEMA_NUMBER_BYTES], high[SCHEMA_NUMBER_BYTES];
    bool good = false;
    if (json_is_string(value)) {
        good = schema_parse_memory(json_string_value(value), &bytes);
    } else if (json_is_integer(value)) {
        bytes = json_integer_value(value);
        good = bytes >= 0;
    } else {
        wanted(input, value, "memory (\"64Mi\", \"1G\") or bytes");
        return;
    }
    if (!good)
        FAULT(input, "is no amount of memory: \"64Mi\", \"1G\" or bytes as a number");
    else if (number_in_range(input, field, bytes, schema_format_memory(field->min, low),
                             schema_format_memory(field->max, high)))
        *out = bytes;
}

static void input_enum(struct input *input, const struct field *field, uint8_t *out,
                       const json_t *value)
{
    size_t count = 0;
    char list[160] = "";
    if (!json_is_string(value)) {
        wanted(input, value, "a word");
        return;
    }
    const char *word = json_string_value(value);
    for (; field->words[count]; count++) {
        if (strcmp(field->words[count], word) == 0) {
            *out = (uint8_t)(count + 1);
            return;
        }
        size_t length = strlen(list);
        snprintf(list + length, sizeof list - length, "%s%s", count ? ", " : "",
                 field->words[count]);
    }
    const char *near = text_nearest(word, field->words, count);
    FAULT(input, "\"%.40s\" is none of: %s%s%s%s", word, list, near ? "; did you mean \"" : "",
          near ? near : "", near ? "\"?" : "");
}

static void input_amount(struct input *input, struct amount *out, const json_t *value)
{
    if (json_is_integer(value) && json_integer_value(value) >= 0 &&
        json_integer_value(value) <= 1000000) {
        *out = (struct amount){.value = (int32_t)json_integer_value(value)};
        return;
    }
    if (json_is_string(value)) {
        char *end;
        const char *text = json_string_value(value);
        long percent = strtol(text, &end, 10);
        if (text[0] >= '0' && text[0] <= '9' && strcmp(end, "%") == 0 && percent >= 0 &&
            percent <= 1000) {
            *out = (struct amount){.value = (int32_t)percent, .percent = true};
            return;
        }
    }
    FAULT(input, "must be a count (0 to 1000000) or a percentage such as \"25%%\"");
}

static void input_port_ref(struct input *input, struct port_ref *out, const json_t *value)
{
    if (json_is_integer(value) && json_integer_value(value) >= 1 &&
        json_integer_value(value) <= 65535)
        *out = (struct port_ref){.number = (uint16_t)json_integer_value(value)};
    else if (json_is_string(value) && schema_is_name(json_string_value(value)))
        *out = (struct port_ref){.name = arena_strdup(input->arena, json_string_value(value))};
    else
        FAULT(input, "must be a port's number (1 to 65535) or its name");
}

static void input_string(struct input *input, const struct field *field, const char **out,
                         const json_t *value)
{
    if (!json_is_string(value)) {
        wanted(input, value, "a string");
        return;
    }
    size_t length = json_string_length(value);
    if (field->max && (length < (size_t)field->min || length > (size_t)field->max)) {
        FAULT(input, "must have %lld to %lld bytes, not %zu", (long long)field->min,
              (long long)field->max, length);
        return;
    }
    *out = arena_strndup(input->arena, json_string_value(value), length);
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
        wanted(input, value, "a list");
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
        wanted(input, value, "an object of strings");
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
            wanted(input, member, "a string");
        }
        input->path[length] = 0;
    }
    qsort(entries, at, sizeof *entries, compare_entries);
    *out = (struct list){.items = entries, .count = (uint32_t)at};
}

static void input_json(struct input *input, const char **out, const json_t *value)
{
    if (!json_is_object(value)) {
        wanted(input, value, "an object");
        return;
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
    *out = arena_strdup(input->arena, text ? text : "{}");
    free(text);
}

static void input_time(struct input *input, int64_t *out, const json_t *value)
{
    if (!json_is_string(value) || !clock_parse_wall_ms(json_string_value(value), out))
        FAULT(input, "must be a time such as \"2026-01-31T12:00:00Z\"");
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
        input_string(input, field, at, value);
        return;
    case FIELD_INT:
        input_int(input, field, at, value);
        return;
    case FIELD_BOOL:
        if (json_is_boolean(value))
            *(bool *)at = json_is_true(value);
        else
            wanted(input, value, "true or false");
        return;
    case FIELD_DURATION:
        input_duration(input, field, at, value);
        return;
    case FIELD_CPU:
        input_cpu(input, field, at, value);
        return;
    case FIELD_MEMORY:
        input_memory(input, field, at, value);
        return;
    case FIELD_TIME:
        input_time(input, at, value);
        return;
    case FIELD_ENUM:
        input_enum(input, field, at, value);
        return;
    case FIELD_AMOUNT:
        input_amount(input, at, value);
        return;
    case FIELD_PORT_REF:
        input_port_ref(input, at, value);
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
        wanted(input, value, "an object");
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
