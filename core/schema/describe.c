/* JSON Schema of a type, in OpenAPI 3.1's dialect. */
#include "schema/fields.h"

#include <string.h>

static void describe_field(const struct field *field, struct text *out);
static void describe_type(const struct type *type, bool with_doc, struct text *out);

static const char *scalar_schema(const struct field *field)
{
    switch (field->kind) {
    case FIELD_STRING:
        return "\"type\":\"string\"";
    case FIELD_INT:
        if (field->flags & FIELD_THOUSANDTHS)
            return "\"type\":\"number\"";
        return "\"type\":\"integer\",\"format\":\"int64\"";
    case FIELD_BOOL:
        return "\"type\":\"boolean\"";
    case FIELD_DURATION:
        return "\"oneOf\":[{\"type\":\"string\",\"pattern\":\"^([0-9.]+(d|h|m|s|ms|us|ns))+$\"},"
               "{\"type\":\"number\",\"minimum\":0}]";
    case FIELD_CPU:
        return "\"oneOf\":[{\"type\":\"string\",\"pattern\":\"^[0-9.]+m?$|^none$\"},"
               "{\"type\":\"number\",\"minimum\":0}]";
    case FIELD_MEMORY:
        return "\"oneOf\":[{\"type\":\"string\",\"pattern\":\"^[0-9.]+([kKMGT]|[KMGT]i)?$|^none$\"}"
               ","
               "{\"type\":\"integer\",\"minimum\":0}]";
    case FIELD_TIME:
        return "\"type\":\"string\",\"format\":\"date-time\"";
    case FIELD_AMOUNT:
        return "\"oneOf\":[{\"type\":\"integer\",\"minimum\":0},"
               "{\"type\":\"string\",\"pattern\":\"^[0-9]+%$\"}]";
    case FIELD_PORT_REF:
        return "\"oneOf\":[{\"type\":\"integer\",\"minimum\":1,\"maximum\":65535},"
               "{\"type\":\"string\"}]";
    case FIELD_MAP:
        return "\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}";
    case FIELD_STRINGS:
        return "\"type\":\"array\",\"items\":{\"type\":\"string\"}";
    case FIELD_JSON: /* one that may be null may be any value */
        return field->flags & FIELD_NULLABLE
                   ? "\"type\":[\"object\",\"array\",\"string\",\"number\",\"boolean\"]"
                   : "\"type\":\"object\"";
    case FIELD_ENUM:
    case FIELD_OBJECT:
    case FIELD_POINTER:
    case FIELD_OBJECTS:
        return NULL;
    }
    return NULL;
}

static void describe_enum(const struct field *field, struct text *out)
{
    text_append_string(out, "\"type\":\"string\",\"enum\":[");
    for (size_t i = 0; field->words[i]; i++)
        text_append_format(out, "%s\"%s\"", i ? "," : "", field->words[i]);
    text_append_char(out, ']');
}

static void describe_bounds(const struct field *field, struct text *out)
{
    if (!field->max)
        return;
    if (field->kind == FIELD_INT)
        text_append_format(out, ",\"minimum\":%lld,\"maximum\":%lld", (long long)field->min,
                           (long long)field->max);
    else if (field->kind == FIELD_STRING)
        text_append_format(out, ",\"maxLength\":%lld", (long long)field->max);
}

static void describe_members(const struct type *type, bool *first, struct text *out)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct field *field = &type->fields[i];
        if (field->flags & FIELD_INLINE) {
            describe_members(field->object, first, out);
            continue;
        }
        if (field->flags & (FIELD_INTERNAL | FIELD_RESERVED | FIELD_SECRET))
            continue;
        text_append_format(out, "%s\"%s\":{", *first ? "" : ",", field->name);
        *first = false;
        describe_field(field, out);
        text_append_char(out, '}');
    }
}

static void describe_required(const struct type *type, bool *first, struct text *out)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct field *field = &type->fields[i];
        if (field->flags & FIELD_INLINE)
            describe_required(field->object, first, out);
        if (!(field->flags & FIELD_REQUIRED))
            continue;
        text_append_format(out, "%s\"%s\"", *first ? ",\"required\":[" : ",", field->name);
        *first = false;
    }
}

static void describe_field(const struct field *field, struct text *out)
{
    const char *scalar = scalar_schema(field);
    bool nullable = (field->flags & FIELD_NULLABLE) || field->kind == FIELD_TIME;
    if (nullable)
        text_append_string(out, "\"anyOf\":[{");
    if (scalar)
        text_append_string(out, scalar);
    else if (field->kind == FIELD_ENUM)
        describe_enum(field, out);
    else if (field->kind == FIELD_OBJECTS) {
        text_append_string(out, "\"type\":\"array\",\"items\":");
        schema_describe(field->object, out);
    } else {
        size_t begin = out->length;
        describe_type(field->object, !field->doc || nullable, out);
        memmove(out->data + begin, out->data + begin + 1, out->length - begin - 1);
        out->length -= 2; /* its own braces go: ours are open */
        out->data[out->length] = 0;
    }
    describe_bounds(field, out);
    if (nullable)
        text_append_string(out, "},{\"type\":\"null\"}]");
    if (field->initial)
        text_append_format(out, ",\"default\":%s", field->initial);
    if (field->flags & (FIELD_READ_ONLY | FIELD_SOFT))
        text_append_string(out, ",\"readOnly\":true");
    if (field->doc) {
        text_append_string(out, ",\"description\":");
        text_append_json(out, field->doc, strlen(field->doc));
    }
}

static void describe_type(const struct type *type, bool with_doc, struct text *out)
{
    bool first = true, first_required = true;
    text_append_string(out, "{\"type\":\"object\"");
    if (type->doc && with_doc) {
        text_append_string(out, ",\"description\":");
        text_append_json(out, type->doc, strlen(type->doc));
    }
    text_append_string(out, ",\"properties\":{");
    describe_members(type, &first, out);
    text_append_char(out, '}');
    describe_required(type, &first_required, out);
    text_append_string(out, first_required ? "}" : "]}");
}

void schema_describe(const struct type *type, struct text *out)
{
    describe_type(type, true, out);
}
