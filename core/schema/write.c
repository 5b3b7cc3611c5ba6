#include "base/clock.h"
#include "base/hash.h"
#include "schema/fields.h"

#include <string.h>

static void write_quoted(struct text *out, const char *string)
{
    text_append_json(out, string, strlen(string));
}

static void write_number(const struct field *field, int64_t value, enum schema_form form,
                         struct text *out)
{
    char number[SCHEMA_NUMBER_BYTES];
    bool special = field->flags & (FIELD_NULLABLE | FIELD_ALLOW_NONE);
    if (special && value == NUMBER_NULL)
        text_append_string(out, "null");
    else if (special && value == NUMBER_NONE)
        text_append_string(out, "\"none\"");
    else if ((field->flags & FIELD_THOUSANDTHS) && form != SCHEMA_STORED)
        text_append_format(out, "%lld.%03lld", (long long)(value / 1000),
                           (long long)(value % 1000));
    else if (form == SCHEMA_STORED || field->kind == FIELD_INT)
        text_append_int(out, value);
    else
        text_append_format(out, "\"%s\"",
                           field->kind == FIELD_CPU ? schema_format_cpu(value, number)
                                                    : schema_format_memory(value, number));
}

static void write_list(const struct field *field, const struct list *list, enum schema_form form,
                       struct text *out)
{
    text_append_char(out, '[');
    for (uint32_t i = 0; i < list->count; i++) {
        if (i)
            text_append_char(out, ',');
        if (field->kind == FIELD_STRINGS)
            write_quoted(out, *LIST_AT(*list, const char *, i));
        else
            schema_write(field->object, (const char *)list->items + i * field->object->size, form,
                         out);
    }
    text_append_char(out, ']');
}

static void write_map(const struct list *map, struct text *out)
{
    text_append_char(out, '{');
    for (uint32_t i = 0; i < map->count; i++) {
        const struct map_entry *entry = LIST_AT(*map, struct map_entry, i);
        if (i)
            text_append_char(out, ',');
        write_quoted(out, entry->key);
        text_append_char(out, ':');
        write_quoted(out, entry->value);
    }
    text_append_char(out, '}');
}

static void write_value(const struct field *field, const void *at, enum schema_form form,
                        struct text *out)
{
    char buffer[CLOCK_TEXT_BYTES];
    const void *pointer;
    switch (field->kind) {
    case FIELD_STRING:
        if (*(const char *const *)at)
            write_quoted(out, *(const char *const *)at);
        else
            text_append_string(out, "null");
        return;
    case FIELD_INT:
    case FIELD_CPU:
    case FIELD_MEMORY:
        write_number(field, *(const int64_t *)at, form, out);
        return;
    case FIELD_BOOL:
        text_append_string(out, *(const bool *)at ? "true" : "false");
        return;
    case FIELD_DURATION:
        if (form == SCHEMA_STORED)
            text_append_int(out, (int64_t) * (const uint64_t *)at);
        else
            text_append_format(out, "\"%s\"",
                               clock_format_duration_ns(*(const uint64_t *)at, buffer));
        return;
    case FIELD_TIME:
        if (!*(const int64_t *)at)
            text_append_string(out, "null");
        else if (form == SCHEMA_STORED)
            text_append_int(out, *(const int64_t *)at);
        else
            text_append_format(out, "\"%s\"", clock_format_wall_ms(*(const int64_t *)at, buffer));
        return;
    case FIELD_ENUM:
        if (*(const uint8_t *)at)
            write_quoted(out, field->words[*(const uint8_t *)at - 1]);
        else
            text_append_string(out, "null");
        return;
    case FIELD_AMOUNT: {
        const struct amount *amount = at;
        text_append_format(out, amount->percent ? "\"%d%%\"" : "%d", amount->value);
        return;
    }
    case FIELD_PORT_REF: {
        const struct port_ref *ref = at;
        if (ref->name)
            write_quoted(out, ref->name);
        else if (ref->number)
            text_append_int(out, ref->number);
        else
            text_append_string(out, "null");
        return;
    }
    case FIELD_OBJECT:
        schema_write(field->object, at, form, out);
        return;
    case FIELD_POINTER:
        pointer = *(const void *const *)at;
        if (pointer)
            schema_write(field->object, pointer, form, out);
        else
            text_append_string(out, "null");
        return;
    case FIELD_OBJECTS:
    case FIELD_STRINGS:
        write_list(field, at, form, out);
        return;
    case FIELD_MAP:
        write_map(at, out);
        return;
    case FIELD_JSON:
        text_append_string(out, *(const char *const *)at ? *(const char *const *)at : "{}");
        return;
    }
}

static bool is_zero(const struct field *field, const void *at)
{
    switch (field->kind) {
    case FIELD_STRING:
    case FIELD_POINTER:
    case FIELD_JSON:
        return !*(const void *const *)at;
    case FIELD_INT:
    case FIELD_CPU:
    case FIELD_MEMORY:
        return *(const int64_t *)at == (field->flags & FIELD_NULLABLE ? NUMBER_NULL : 0);
    case FIELD_TIME:
    case FIELD_DURATION:
        return *(const int64_t *)at == 0;
    case FIELD_BOOL:
        return !*(const bool *)at;
    case FIELD_ENUM:
        return !*(const uint8_t *)at;
    case FIELD_AMOUNT:
        return false;
    case FIELD_PORT_REF:
        return !((const struct port_ref *)at)->name && !((const struct port_ref *)at)->number;
    case FIELD_OBJECT:
        return false;
    case FIELD_OBJECTS:
    case FIELD_STRINGS:
    case FIELD_MAP:
        return !((const struct list *)at)->count;
    }
    return false;
}

/* Left out of the form altogether? */
static bool is_hidden(const struct field *field, const void *at, enum schema_form form)
{
    if (field->flags & FIELD_RESERVED)
        return true;
    switch (form) {
    case SCHEMA_STORED:
        return (field->flags & FIELD_SOFT) || (!field->initial && is_zero(field, at));
    case SCHEMA_SHOWN:
        if (field->flags & (FIELD_INTERNAL | FIELD_SECRET))
            return true;
        return field->kind == FIELD_STRING && !(field->flags & FIELD_NULLABLE) &&
               is_zero(field, at);
    case SCHEMA_DECLARED:
        return field->flags & (FIELD_INTERNAL | FIELD_SOFT | FIELD_READ_ONLY);
    }
    return false;
}

bool schema_write_members(const struct type *type, const void *value, enum schema_form form,
                          bool first, struct text *out)
{
    bool any = false;
    for (size_t i = 0; i < type->field_count; i++) {
        const struct field *field = &type->fields[i];
        const void *at = field_in(value, field);
        if (field->flags & FIELD_INLINE) {
            any |= schema_write_members(field->object, at, form, first && !any, out);
            continue;
        }
        if (is_hidden(field, at, form))
            continue;
        if (!first || any)
            text_append_char(out, ',');
        text_append_char(out, '"');
        text_append_string(out, field->name);
        text_append(out, "\":", 2);
        write_value(field, at, form, out);
        any = true;
    }
    return any;
}

void schema_write(const struct type *type, const void *value, enum schema_form form,
                  struct text *out)
{
    text_append_char(out, '{');
    schema_write_members(type, value, form, true, out);
    text_append_char(out, '}');
}

bool schema_equal(const struct type *type, const void *a, const void *b)
{
    CLEANUP(text_finish) struct text text_a = {0};
    CLEANUP(text_finish) struct text text_b = {0};
    schema_write(type, a, SCHEMA_DECLARED, &text_a);
    schema_write(type, b, SCHEMA_DECLARED, &text_b);
    return text_a.length == text_b.length && memcmp(text_a.data, text_b.data, text_a.length) == 0;
}

void schema_hash(const struct type *type, const void *value, char hex[65])
{
    CLEANUP(text_finish) struct text text = {0};
    uint8_t digest[SHA256_BYTES];
    schema_write(type, value, SCHEMA_DECLARED, &text);
    hash_sha256(text.data, text.length, digest);
    hash_hex(digest, sizeof digest, hex);
}
