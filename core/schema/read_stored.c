/* Reading our own JSON text straight into a struct: records and messages. No DOM, no allocation but
 * the arena's. */
#include "schema/fields.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    const char *at, *end;
    struct arena *arena;
    const char *fault;
    const struct field *missing;
    int depth;
};
enum { READER_DEPTH = 64 };

static bool fail(struct reader *reader, const char *fault)
{
    if (!reader->fault)
        reader->fault = fault;
    return false;
}

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\n' ||
                                        *reader->at == '\t' || *reader->at == '\r'))
        reader->at++;
}

static bool peek(struct reader *reader, char c)
{
    skip_space(reader);
    return reader->at < reader->end && *reader->at == c;
}

static bool take(struct reader *reader, char c)
{
    if (!peek(reader, c))
        return false;
    reader->at++;
    return true;
}

static bool take_word(struct reader *reader, const char *word)
{
    size_t length = strlen(word);
    skip_space(reader);
    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0)
        return false;
    reader->at += length;
    return true;
}

static bool hex4(const char *p, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 99;
        if (digit == 99)
            return false;
        *code = *code << 4 | digit;
    }
    return true;
}

static char *put_utf8(char *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    }
    return to;
}

/* One escape, `at` behind the backslash. NULL: malformed. */
static char *read_escape(struct reader *reader, const char **at, const char *close, char *to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    const char *p = *at, *known = *p ? strchr(from, *p) : NULL;
    uint32_t code, low;
    (void)reader;
    if (known) {
        *to = into[known - from];
        *at = p + 1;
        return to + 1;
    }
    if (*p != 'u' || close - p < 5 || !hex4(p + 1, &code))
        return NULL;
    p += 5;
    if (code >= 0xd800 && code < 0xdc00) {
        if (close - p < 6 || p[0] != '\\' || p[1] != 'u' || !hex4(p + 2, &low) || low < 0xdc00 ||
            low > 0xdfff)
            return NULL;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        p += 6;
    } else if ((code >= 0xdc00 && code < 0xe000) || !code) {
        return NULL;
    }
    *at = p;
    return put_utf8(to, code);
}

/* A string into the arena; `length` may be NULL. */
static char *read_string(struct reader *reader, size_t *length)
{
    if (!take(reader, '"')) {
        fail(reader, "a string was expected");
        return NULL;
    }
    const char *p = reader->at;
    bool plain = true; /* ASCII without an escape, as nearly all are */
    while (p < reader->end && *p != '"') {
        if ((unsigned char)*p < 0x20) {
            fail(reader, "a control character in a string");
            return NULL;
        }
        plain &= *p != '\\' && (unsigned char)*p < 0x80;
        p += *p == '\\' ? 2 : 1;
    }
    if (p >= reader->end) {
        fail(reader, "an unended string");
        return NULL;
    }
    const char *close = p;
    char *string = arena_alloc(reader->arena, (size_t)(close - reader->at) + 1), *to = string;
    if (plain) {
        size_t bytes = (size_t)(close - reader->at);
        memcpy(string, reader->at, bytes);
        string[bytes] = 0;
        reader->at = close + 1;
        if (length)
            *length = bytes;
        return string;
    }
    for (p = reader->at; p < close;) {
        if (*p != '\\') {
            *to++ = *p++;
            continue;
        }
        p++;
        to = read_escape(reader, &p, close, to);
        if (!to) {
            fail(reader, "a malformed escape");
            return NULL;
        }
    }
    *to = 0;
    reader->at = close + 1;
    if (!text_is_utf8(string, (size_t)(to - string))) {
        fail(reader, "a string that is not UTF-8");
        return NULL;
    }
    if (length)
        *length = (size_t)(to - string);
    return string;
}

static bool read_integer(struct reader *reader, int64_t *out)
{
    skip_space(reader);
    const char *p = reader->at;
    bool negative = p < reader->end && *p == '-';
    const uint64_t most = (uint64_t)INT64_MAX + negative;
    uint64_t value = 0;
    const char *digits = negative ? ++p : p;
    for (; p < reader->end && *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (value > (most - digit) / 10)
            return fail(reader, "a whole number was expected");
        value = value * 10 + digit;
    }
    if (p == digits)
        return fail(reader, "a whole number was expected");
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    reader->at = p;
    return true;
}

static size_t skip_digits(struct reader *reader)
{
    const char *begin = reader->at;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9')
        reader->at++;
    return (size_t)(reader->at - begin);
}

static bool skip_one(struct reader *reader, const char *any)
{
    if (reader->at == reader->end || !*reader->at || !strchr(any, *reader->at))
        return false;
    reader->at++;
    return true;
}

static bool skip_number(struct reader *reader)
{
    skip_space(reader);
    (void)skip_one(reader, "-");
    bool zero = reader->at < reader->end && *reader->at == '0';
    size_t whole = skip_digits(reader);
    if (!whole || (zero && whole > 1) || (skip_one(reader, ".") && !skip_digits(reader)))
        return false;
    if (!skip_one(reader, "eE"))
        return true;
    (void)skip_one(reader, "+-");
    return skip_digits(reader) > 0;
}

static bool skip_value(struct reader *reader);

static bool skip_group(struct reader *reader, char close, bool keyed)
{
    reader->at++;
    if (++reader->depth > READER_DEPTH)
        return fail(reader, "nested too deep");
    if (!take(reader, close)) {
        do {
            if (keyed && (!read_string(reader, NULL) || !take(reader, ':')))
                return fail(reader, "a malformed object");
            if (!skip_value(reader))
                return false;
        } while (take(reader, ','));
        if (!take(reader, close))
            return fail(reader, "an unended object or list");
    }
    reader->depth--;
    return true;
}

static bool skip_value(struct reader *reader)
{
    if (peek(reader, '"'))
        return read_string(reader, NULL) != NULL;
    if (peek(reader, '{'))
        return skip_group(reader, '}', true);
    if (peek(reader, '['))
        return skip_group(reader, ']', false);
    if (take_word(reader, "true") || take_word(reader, "false") || take_word(reader, "null"))
        return true;
    return skip_number(reader) || fail(reader, "a value was expected");
}

static bool read_object(struct reader *reader, const struct type *type, void *out);

static bool read_list(struct reader *reader, const struct field *field, struct list *out)
{
    bool strings = field->kind == FIELD_STRINGS;
    size_t size = strings ? sizeof(char *) : field->object->size, room = 0;
    char *items = NULL;
    *out = (struct list){0};
    if (!take(reader, '['))
        return fail(reader, "a list was expected");
    if (take(reader, ']'))
        return true;
    do {
        if (out->count == room) {
            size_t more = room ? room * 2 : 4;
            char *grown = arena_alloc(reader->arena, more * size);
            if (room)
                memcpy(grown, items, room * size);
            items = grown;
            room = more;
        }
        assert(items); /* there was no room for the first */
        void *item = items + out->count++ * size;
        if (strings)
            *(const char **)item = read_string(reader, NULL);
        else
            read_object(reader, field->object, item);
        if (reader->fault)
            return false;
    } while (take(reader, ','));
    out->items = items;
    return take(reader, ']') ? true : fail(reader, "an unended list");
}

static bool read_map(struct reader *reader, struct list *out)
{
    struct map_entry *entries = NULL;
    size_t room = 0;
    *out = (struct list){0};
    if (!take(reader, '{'))
        return fail(reader, "an object was expected");
    if (take(reader, '}'))
        return true;
    do {
        if (out->count == room) {
            size_t more = room ? room * 2 : 4;
            struct map_entry *grown = arena_alloc(reader->arena, more * sizeof *grown);
            if (room)
                memcpy(grown, entries, room * sizeof *grown);
            entries = grown;
            room = more;
        }
        assert(entries); /* there was no room for the first */
        struct map_entry *entry = &entries[out->count++];
        entry->key = read_string(reader, NULL);
        if (!entry->key || !take(reader, ':') || !(entry->value = read_string(reader, NULL)))
            return fail(reader, "a malformed map");
        if (out->count > 1 && strcmp(entry[-1].key, entry->key) >= 0)
            return fail(reader, "a map whose keys are not in order");
    } while (take(reader, ','));
    out->items = entries;
    return take(reader, '}') ? true : fail(reader, "an unended map");
}

static bool read_enum(struct reader *reader, const struct field *field, uint8_t *out)
{
    char *word = read_string(reader, NULL);
    for (uint8_t i = 0; word && field->words[i]; i++)
        if (strcmp(field->words[i], word) == 0) {
            *out = (uint8_t)(i + 1);
            return true;
        }
    return fail(reader, "a word of a newer version");
}

static bool read_amount(struct reader *reader, struct amount *out)
{
    int64_t value;
    if (!peek(reader, '"')) {
        if (!read_integer(reader, &value))
            return false;
        if (value < INT32_MIN || value > INT32_MAX)
            return fail(reader, "a count out of range");
        *out = (struct amount){.value = (int32_t)value};
        return true;
    }
    char *text = read_string(reader, NULL);
    if (!text)
        return false;
    *out = (struct amount){.value = (int32_t)strtol(text, NULL, 10), .percent = true};
    return true;
}

static bool read_port_ref(struct reader *reader, struct port_ref *out)
{
    int64_t value;
    if (peek(reader, '"'))
        return (out->name = read_string(reader, NULL)) != NULL;
    if (!read_integer(reader, &value))
        return false;
    if (value < 0 || value > 65535)
        return fail(reader, "a port out of range");
    out->number = (uint16_t)value;
    return true;
}

static bool read_number(struct reader *reader, int64_t *out)
{
    if (take_word(reader, "\"none\"")) {
        *out = NUMBER_NONE;
        return true;
    }
    return read_integer(reader, out);
}

static bool read_json(struct reader *reader, const char **out)
{
    skip_space(reader);
    const char *begin = reader->at;
    if (!peek(reader, '{'))
        return fail(reader, "an object was expected");
    if (!skip_value(reader))
        return false;
    *out = arena_strndup(reader->arena, begin, (size_t)(reader->at - begin));
    return true;
}

static bool read_value(struct reader *reader, const struct field *field, void *at)
{
    if (take_word(reader, "null")) {
        bool number =
            field->kind == FIELD_INT || field->kind == FIELD_CPU || field->kind == FIELD_MEMORY;
        if (number)
            *(int64_t *)at = NUMBER_NULL;
        return true;
    }
    switch (field->kind) {
    case FIELD_STRING:
        return (*(const char **)at = read_string(reader, NULL)) != NULL;
    case FIELD_INT:
    case FIELD_CPU:
    case FIELD_MEMORY:
        return read_number(reader, at);
    case FIELD_DURATION:
    case FIELD_TIME:
        return read_integer(reader, at);
    case FIELD_BOOL:
        *(bool *)at = take_word(reader, "true");
        return *(bool *)at || take_word(reader, "false") || fail(reader, "true or false expected");
    case FIELD_ENUM:
        return read_enum(reader, field, at);
    case FIELD_AMOUNT:
        return read_amount(reader, at);
    case FIELD_PORT_REF:
        return read_port_ref(reader, at);
    case FIELD_OBJECT:
        return read_object(reader, field->object, at);
    case FIELD_POINTER: {
        void *object = arena_alloc(reader->arena, field->object->size);
        *(const void **)at = object;
        return read_object(reader, field->object, object);
    }
    case FIELD_OBJECTS:
    case FIELD_STRINGS:
        return read_list(reader, field, at);
    case FIELD_MAP:
        return read_map(reader, at);
    case FIELD_JSON:
        return read_json(reader, at);
    }
    return false;
}

/* Which fields came, so that only the others need their default. Inline structs share the table of
 * their parent's members. */
struct seen {
    const struct field *fields[96];
    size_t count;
};

static bool was_seen(const struct seen *seen, const struct field *field)
{
    for (size_t i = 0; i < seen->count; i++)
        if (seen->fields[i] == field)
            return true;
    return false;
}

/* An object that did not come is one of which nothing came: what it needs is missing. */
static void fill_defaults(struct reader *reader, const struct type *type, const struct seen *seen,
                          void *out)
{
    static const struct seen nothing;
    for (size_t i = 0; i < type->field_count; i++) {
        const struct field *field = &type->fields[i];
        if (field->flags & FIELD_RESERVED)
            continue;
        if (field->flags & FIELD_INLINE)
            fill_defaults(reader, field->object, seen, field_at(out, field));
        else if (!was_seen(seen, field) && field->kind == FIELD_OBJECT)
            fill_defaults(reader, field->object, &nothing, field_at(out, field));
        else if (!was_seen(seen, field))
            field_default(field, reader->arena, out);
        if (field->flags & FIELD_NEEDED && !*(const char *const *)field_in(out, field)) {
            reader->missing = field;
            fail(reader, "a member is missing");
            return;
        }
    }
}

/* A member's name where it stands; only one that needs decoding is copied. */
static const char *read_name(struct reader *reader, size_t *length)
{
    if (!peek(reader, '"'))
        return read_string(reader, length);
    const char *name = reader->at + 1, *p = name;
    while (p < reader->end && *p != '"' && *p != '\\' && *p >= 0x20)
        p++;
    if (p == reader->end || *p != '"')
        return read_string(reader, length);
    *length = (size_t)(p - name);
    reader->at = p + 1;
    return name;
}

static bool read_member(struct reader *reader, const struct type *type, struct seen *seen,
                        void *out)
{
    size_t length = 0, base = 0;
    const char *name = read_name(reader, &length);
    if (!name || !take(reader, ':'))
        return fail(reader, "a malformed object");
    const struct field *field = field_find(type, name, length, &base);
    if (!field || (field->flags & (FIELD_SOFT | FIELD_RESERVED)))
        return skip_value(reader); /* a newer minor wrote it */
    if (seen->count < sizeof seen->fields / sizeof seen->fields[0])
        seen->fields[seen->count++] = field;
    return read_value(reader, field, field_at((char *)out + base, field));
}

static bool read_object(struct reader *reader, const struct type *type, void *out)
{
    struct seen seen = {.count = 0};
    if (!take(reader, '{'))
        return fail(reader, "an object was expected");
    if (++reader->depth > READER_DEPTH)
        return fail(reader, "nested too deep");
    if (!take(reader, '}')) {
        do {
            if (!read_member(reader, type, &seen, out))
                return false;
        } while (take(reader, ','));
        if (!take(reader, '}'))
            return fail(reader, "an unended object");
    }
    reader->depth--;
    fill_defaults(reader, type, &seen, out);
    return !reader->fault;
}

bool schema_read_stored(const struct type *type, const char *json, size_t length,
                        struct arena *arena, void *out, struct error *error)
{
    struct reader reader = {.at = json, .end = json + length, .arena = arena};
    if (read_object(&reader, type, out)) {
        skip_space(&reader);
        if (reader.at == reader.end)
            return true;
        fail(&reader, "something follows the object");
    }
    if (reader.missing)
        return error_set(error, ERROR_IO, "%s: \"%s\" is missing", type->name,
                         reader.missing->name);
    return error_set(error, ERROR_IO, "%s: %s at byte %zu", type->name, reader.fault,
                     (size_t)(reader.at - json));
}
