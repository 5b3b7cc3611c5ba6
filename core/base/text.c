#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void out_of_memory(void)
{
    static const char message[] = "orchestrator: out of memory\n";
    fwrite(message, 1, sizeof message - 1, stderr);
    abort();
}

void *memory_alloc(size_t bytes)
{
    void *memory = calloc(1, bytes ? bytes : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

void *memory_resize(void *pointer, size_t bytes)
{
    void *memory = realloc(pointer, bytes ? bytes : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

char *memory_strdup(const char *string)
{
    if (!string)
        return NULL;
    size_t bytes = strlen(string) + 1;
    return memcpy(memory_alloc(bytes), string, bytes);
}

void memory_free_pointer(void *pointer_to_pointer)
{
    free(*(void **)pointer_to_pointer);
}

void text_finish(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

void text_clear(struct text *text)
{
    text->length = 0;
    if (text->data)
        text->data[0] = 0;
}

void text_reserve(struct text *text, size_t more)
{
    size_t needed = text->length + more + 1;
    if (needed <= text->capacity)
        return;
    size_t capacity = text->capacity ? text->capacity : 64;
    while (capacity < needed)
        capacity += capacity / 2 + 64;
    text->data = memory_resize(text->data, capacity);
    text->capacity = capacity;
    text->data[text->length] = 0;
}

void text_append(struct text *text, const void *bytes, size_t length)
{
    text_reserve(text, length);
    if (length)
        memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = 0;
}

void text_append_string(struct text *text, const char *string)
{
    text_append(text, string, strlen(string));
}

void text_append_char(struct text *text, char c)
{
    text_append(text, &c, 1);
}

void text_append_int(struct text *text, int64_t value)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do
        digits[--at] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        digits[--at] = '-';
    text_append(text, digits + at, sizeof digits - at);
}

void text_append_format(struct text *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int wanted = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (wanted > 0) {
        text_reserve(text, (size_t)wanted);
        vsnprintf(text->data + text->length, (size_t)wanted + 1, format, again);
        text->length += (size_t)wanted;
    }
    va_end(again);
}

const char *text_string(const struct text *text)
{
    return text->data ? text->data : "";
}

char *text_take(struct text *text)
{
    char *data = text->data ? text->data : memory_alloc(1);
    *text = (struct text){0};
    return data;
}

/* Length of the UTF-8 sequence at `bytes`, 0 when it is malformed, overlong or a surrogate. */
static size_t utf8_sequence(const unsigned char *bytes, size_t length, uint32_t *code)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = bytes[0] < 0x80             ? 1
                  : (bytes[0] & 0xe0) == 0xc0 ? 2
                  : (bytes[0] & 0xf0) == 0xe0 ? 3
                  : (bytes[0] & 0xf8) == 0xf0 ? 4
                                              : 0;
    if (!size || size > length)
        return 0;
    uint32_t value = size == 1 ? bytes[0] : bytes[0] & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (bytes[i] & 0x3f);
    }
    if (value < least[size] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return 0;
    *code = value;
    return size;
}

bool text_is_utf8(const char *bytes, size_t length)
{
    for (size_t at = 0; at < length;) {
        uint32_t code;
        size_t size = utf8_sequence((const unsigned char *)bytes + at, length - at, &code);
        if (!size)
            return false;
        at += size;
    }
    return true;
}

static void append_escape(struct text *text, uint32_t code)
{
    switch (code) {
    case '"':
        text_append(text, "\\\"", 2);
        return;
    case '\\':
        text_append(text, "\\\\", 2);
        return;
    case '\n':
        text_append(text, "\\n", 2);
        return;
    case '\r':
        text_append(text, "\\r", 2);
        return;
    case '\t':
        text_append(text, "\\t", 2);
        return;
    default:
        text_append_format(text, "\\u%04x", code);
    }
}

/* C0, DEL, C1, and the marks that turn the direction of text. */
static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
           (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
           code == 0x2028 || code == 0x2029;
}

void text_append_json(struct text *text, const char *bytes, size_t length)
{
    text_reserve(text, length + 2);
    text_append_char(text, '"');
    size_t plain = 0, at = 0; /* bytes from `plain` to `at` go as they are */
    while (at < length) {
        uint32_t code = (unsigned char)bytes[at];
        if (code >= 0x20 && code < 0x7f && code != '"' && code != '\\') {
            at++;
            continue;
        }
        size_t size = utf8_sequence((const unsigned char *)bytes + at, length - at, &code);
        if (size && code != '"' && code != '\\' && !is_control(code)) {
            at += size;
            continue;
        }
        text_append(text, bytes + plain, at - plain);
        if (size)
            append_escape(text, code);
        else
            text_append_string(text, "\\ufffd");
        at += size ? size : 1;
        plain = at;
    }
    text_append(text, bytes + plain, at - plain);
    text_append_char(text, '"');
}

bool text_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool text_starts_with(const char *string, const char *prefix)
{
    return strncmp(string, prefix, strlen(prefix)) == 0;
}

enum { NEAREST_BYTES = 64 };

/* Optimal string alignment distance (Damerau 1964, restricted): swaps count one. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t rows[3][NEAREST_BYTES + 1];
    size_t columns = strlen(b);
    for (size_t j = 0; j <= columns; j++)
        rows[0][j] = j;
    size_t i = 1;
    for (; a[i - 1]; i++) {
        size_t *now = rows[i % 3], *last = rows[(i - 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                rows[(i - 2) % 3][j - 2] + 1 < best)
                best = rows[(i - 2) % 3][j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[(i - 1) % 3][columns];
}

const char *text_nearest(const char *word, const char *const *candidates, size_t count)
{
    size_t length = strlen(word), best = length < 4 ? 2 : 3;
    const char *found = NULL;
    if (length > NEAREST_BYTES)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (strlen(candidates[i]) > NEAREST_BYTES)
            continue;
        size_t distance = edit_distance(word, candidates[i]);
        if (distance < best && distance < strlen(candidates[i])) {
            best = distance;
            found = candidates[i];
        }
    }
    return found;
}

void text_defuse(char *string)
{
    size_t length = strlen(string), at = 0, to = 0;
    while (at < length) {
        uint32_t code = 0;
        size_t size = utf8_sequence((const unsigned char *)string + at, length - at, &code);
        if (!size || is_control(code)) {
            string[to++] = '?';
            at += size ? size : 1;
            continue;
        }
        memmove(string + to, string + at, size);
        to += size;
        at += size;
    }
    string[to] = 0;
}
