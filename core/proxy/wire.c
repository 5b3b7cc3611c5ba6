#include "proxy/wire.h"

#include <string.h>

static void put(struct wire_writer *writer, const void *bytes, size_t length)
{
    if (!wire_has_room(writer, length)) {
        writer->overflow = true;
        return;
    }
    memcpy(writer->bytes + writer->length, bytes, length);
    writer->length += length;
}

bool wire_has_room(const struct wire_writer *writer, size_t bytes)
{
    return sizeof writer->bytes - writer->length >= bytes;
}

void wire_begin(struct wire_writer *writer, enum wire_type type)
{
    writer->length = 0;
    writer->overflow = false;
    wire_put_u32(writer, (uint32_t)type);
}

void wire_put_u32(struct wire_writer *writer, uint32_t value)
{
    put(writer, &value, sizeof value);
}

void wire_put_u64(struct wire_writer *writer, uint64_t value)
{
    put(writer, &value, sizeof value);
}

void wire_put_text(struct wire_writer *writer, const char *text)
{
    size_t length = text ? strlen(text) : 0;
    wire_put_u32(writer, (uint32_t)length);
    put(writer, text ? text : "", length + 1); /* its end too, so that it is read in place */
}

size_t wire_put_count(struct wire_writer *writer)
{
    size_t place = writer->length;
    wire_put_u32(writer, 0);
    return place;
}

void wire_set_count(struct wire_writer *writer, size_t place, uint32_t count)
{
    memcpy(writer->bytes + place, &count, sizeof count);
}

static bool get(struct wire_reader *reader, void *out, size_t length)
{
    if (reader->failed || (size_t)(reader->end - reader->at) < length) {
        reader->failed = true;
        memset(out, 0, length);
        return false;
    }
    memcpy(out, reader->at, length);
    reader->at += length;
    return true;
}

uint32_t wire_get_u32(struct wire_reader *reader)
{
    uint32_t value;
    (void)get(reader, &value, sizeof value);
    return value;
}

uint64_t wire_get_u64(struct wire_reader *reader)
{
    uint64_t value;
    (void)get(reader, &value, sizeof value);
    return value;
}

const char *wire_get_text(struct wire_reader *reader)
{
    size_t length = wire_get_u32(reader);
    if (reader->failed || (size_t)(reader->end - reader->at) <= length || reader->at[length] ||
        memchr(reader->at, 0, length)) {
        reader->failed = true;
        return "";
    }
    const char *text = (const char *)reader->at;
    reader->at += length + 1;
    return text;
}
