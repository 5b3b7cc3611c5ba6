#include "docker.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void *memory_new(size_t size)
{
    void *memory = calloc(1, size);
    if (!memory)
        abort();
    return memory;
}

char *string_copy(struct orch_str string)
{
    char *copy = memory_new(string.len + 1);
    if (string.len)
        memcpy(copy, string.ptr, string.len);
    return copy;
}

static void reserve(struct text *text, size_t more)
{
    if (text->length + more + 1 <= text->capacity)
        return;
    size_t capacity = text->capacity ? text->capacity : 256;
    while (capacity < text->length + more + 1)
        capacity *= 2;
    text->data = realloc(text->data, capacity);
    if (!text->data)
        abort();
    text->capacity = capacity;
}

void text_add(struct text *text, const char *bytes, size_t length)
{
    reserve(text, length);
    if (length)
        memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = 0;
}

void text_format(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    reserve(text, (size_t)length);
    va_start(arguments, format);
    (void)vsnprintf(text->data + text->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    text->length += (size_t)length;
}

void text_query(struct text *text, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (isalnum(byte) || strchr("-._~", byte ? byte : ' '))
            text_add(text, &bytes[i], 1);
        else
            text_format(text, "%%%02X", byte);
    }
}

void text_query_json(struct text *text, const json_t *value)
{
    char *dumped = json_dumps(value, JSON_COMPACT);
    if (!dumped)
        abort(); /* made of checked strings: memory is out */
    text_query(text, dumped, strlen(dumped));
    free(dumped);
}

const char *text_string(const struct text *text)
{
    return text->data ? text->data : "";
}

void text_clear(struct text *text)
{
    text->length = 0;
    if (text->data)
        text->data[0] = 0;
}

void text_finish(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

void defuse(char *to, size_t room, const char *from, size_t length)
{
    size_t at = 0;
    for (size_t i = 0; i < length && at + 1 < room; i++) {
        unsigned char byte = (unsigned char)from[i];
        to[at++] = byte < ' ' || byte == 0x7f ? ' ' : from[i];
    }
    while (at && (to[at - 1] == ' ' || (unsigned char)to[at - 1] >= 0xc0))
        at--; /* no blanks, and no half of a character, at the end */
    to[at] = 0;
}

struct orch_str str(const char *string)
{
    return string ? (struct orch_str){string, strlen(string)} : (struct orch_str){NULL, 0};
}

bool str_is(struct orch_str string, const char *word)
{
    return string.len == strlen(word) && (!string.len || memcmp(string.ptr, word, string.len) == 0);
}

bool name_valid(struct orch_str name)
{
    if (!name.len || name.len >= NAME_BYTES || !isalnum((unsigned char)name.ptr[0]))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.ptr[i]) && !strchr("_.-", name.ptr[i] ? name.ptr[i] : ' '))
            return false;
    return true;
}

bool id_valid(struct orch_str id)
{
    return id.len < ID_BYTES && name_valid(id);
}

int64_t time_ms(const char *rfc3339)
{
    struct tm parts = {0};
    char fraction[4] = "000";
    const char *rest = rfc3339 ? strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &parts) : NULL;
    if (!rest || parts.tm_year < 70 || parts.tm_year > 8099)
        return 0;
    if (*rest == '.') {
        for (size_t i = 0; isdigit((unsigned char)*++rest);)
            if (i < 3)
                fraction[i++] = *rest;
    }
    int64_t offset_minutes = 0;
    int hours, minutes;
    if ((*rest == '+' || *rest == '-') && sscanf(rest + 1, "%2d:%2d", &hours, &minutes) == 2)
        offset_minutes = (*rest == '-' ? -1 : 1) * (hours * INT64_C(60) + minutes);
    else if (*rest != 'Z')
        return 0;
    return ((int64_t)timegm(&parts) - offset_minutes * 60) * 1000 + strtol(fraction, NULL, 10);
}
