/* The effective configuration with the origin of each value, as YAML and for REST. */
#include "config/impl.h"

#include "base/clock.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct printer {
    const struct config_origins *origins;
    struct text *out, path;
    int depth;
    bool json; /* items for REST, else YAML */
    bool any;
};

static bool holds_secret(const char *name)
{
    static const char *const words[] = {"password",   "passwd",     "secret", "token",
                                        "privatekey", "credential", "apikey"};
    char lower[64];
    size_t length = 0;
    for (; length < sizeof lower - 1 && name[length]; length++)
        lower[length] = (char)tolower((unsigned char)name[length]);
    lower[length] = 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strstr(lower, words[i]))
            return true;
    return false;
}

static void write_origin(const struct printer *printer, struct text *out)
{
    const struct config_origins *origins = printer->origins;
    struct schema_position position = {0};
    /* What stands in a replaced object is no origin: the document says whether it was given. */
    schema_positions_at(origins->positions, text_string(&printer->path), NULL, &position);
    if (position.line < 0)
        text_append_format(out, "environment %s", origins->variables[-position.line - 1]);
    else if (position.line > 0)
        text_append_format(out, "%s:%d", origins->file ? origins->file : "", position.line);
    else
        text_append_string(out, "default");
}

/* One value: `text` is JSON, which YAML reads as well. */
static void print_value(struct printer *printer, const char *name, const char *text, bool secret)
{
    CLEANUP(text_finish) struct text origin = {0};
    write_origin(printer, &origin);
    if (printer->json) {
        text_append_string(printer->out, printer->any ? ",{\"path\":" : "{\"path\":");
        text_append_json(printer->out, text_string(&printer->path), printer->path.length);
        text_append_format(printer->out, ",\"value\":%s,\"origin\":", secret ? "null" : text);
        text_append_json(printer->out, text_string(&origin), origin.length);
        text_append_char(printer->out, '}');
    } else {
        text_defuse(origin.data);
        text_append_format(printer->out, "%*s%s: %s # %s%s\n", printer->depth * 2, "", name,
                           secret ? "\"\"" : text, text_string(&origin),
                           secret ? ", not shown" : "");
    }
    printer->any = true;
}

static void print_open(struct printer *printer, const char *name)
{
    if (!printer->json)
        text_append_format(printer->out, "%*s%s:\n", printer->depth * 2, "", name);
    printer->depth++;
}

static size_t enter(struct printer *printer, const char *name)
{
    size_t before = printer->path.length;
    text_append_format(&printer->path, "%s%s", before ? "." : "", name);
    return before;
}

static void leave(struct printer *printer, size_t before)
{
    printer->path.length = before;
    printer->path.data[before] = 0;
}

/* A name as a key of YAML: quoted unless it is plainly a word. */
static const char *key_text(const char *name, struct text *quoted)
{
    size_t plain = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_");
    if (plain && !name[plain] && strcasecmp(name, "null") != 0 && strcasecmp(name, "true") != 0 &&
        strcasecmp(name, "false") != 0)
        return name;
    text_append_json(quoted, name, strlen(name));
    return text_string(quoted);
}

/* A list may hold objects with secrets: they are left out of a copy. */
static json_t *without_secrets(const json_t *value)
{
    json_t *copy;
    const char *name;
    json_t *member;
    size_t index;
    if (json_is_object(value)) {
        copy = json_object();
        json_object_foreach((json_t *)value, name, member)
        {
            if (!holds_secret(name))
                json_object_set_new(copy, name, without_secrets(member));
        }
        return copy;
    }
    if (!json_is_array(value))
        return json_incref((json_t *)value);
    copy = json_array();
    json_array_foreach(value, index, member) json_array_append_new(copy, without_secrets(member));
    return copy;
}

static void print_settings(struct printer *printer, const char *name, const json_t *value)
{
    CLEANUP(text_finish) struct text quoted = {0};
    if (json_is_object(value) && json_object_size(value) && !holds_secret(name)) {
        const char *key;
        json_t *member;
        print_open(printer, key_text(name, &quoted));
        json_object_foreach((json_t *)value, key, member)
        {
            size_t before = enter(printer, key);
            print_settings(printer, key, member);
            leave(printer, before);
        }
        printer->depth--;
        return;
    }
    json_t *safe = value ? without_secrets(value) : json_object();
    char *text = json_dumps(safe, JSON_ENCODE_ANY | JSON_COMPACT);
    print_value(printer, key_text(name, &quoted), text ? text : "null", holds_secret(name));
    free(text);
    json_decref(safe);
}

/* {"name":value} as the field table writes it, without the wrapping. */
static void print_field(struct printer *printer, const struct field *field, const void *base)
{
    CLEANUP(text_finish) struct text wrapped = {0};
    const struct type alone = {.name = "", .fields = field, .field_count = 1};
    struct field bare = *field;
    bool secret = field->flags & FIELD_SECRET;
    bare.flags &= (unsigned)~FIELD_SECRET;
    struct type one = alone;
    one.fields = &bare;
    schema_write(&one, base, SCHEMA_DECLARED, &wrapped);
    wrapped.data[--wrapped.length] = 0; /* the closing brace */
    secret = secret && **(const char *const *)(const void *)((const char *)base + field->offset);
    print_value(printer, field->name, wrapped.data + strlen(field->name) + 4, secret);
}

static void print_type(struct printer *printer, const struct type *type, const void *base,
                       const json_t *document)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct field *field = &type->fields[i];
        const void *at = (const char *)base + field->offset;
        const json_t *given = json_object_get(document, field->name);
        if (field->flags & FIELD_RESERVED)
            continue;
        size_t before = enter(printer, field->name);
        if (field->kind == FIELD_POINTER && *(const void *const *)at)
            at = *(const void *const *)at;
        else if (field->kind != FIELD_OBJECT)
            at = NULL;
        if (at) {
            print_open(printer, field->name);
            print_type(printer, field->object, at, given);
            printer->depth--;
        } else if (field->kind == FIELD_JSON) {
            print_settings(printer, field->name, given);
        } else {
            print_field(printer, field, base);
        }
        leave(printer, before);
    }
}

static void print_all(const struct config *config, bool json, struct text *out)
{
    struct printer printer = {.origins = config->origins, .out = out, .json = json};
    print_type(&printer, &config_type, config, config->origins->document);
    text_finish(&printer.path);
}

const char *config_file(const struct config *config)
{
    return config->origins->file;
}

void config_print(const struct config *config, struct text *out)
{
    print_all(config, false, out);
}

void config_describe(const struct config *config, struct text *out)
{
    text_append_string(out, "{\"items\":[");
    print_all(config, true, out);
    text_append_string(out, "]}");
}
