#include "proxy/http/chunks.h"
#include "proxy/http/scan.h"

#include <stdlib.h>
#include <string.h>

enum { DIGIT_LIMIT = 16, SIZE_LIMIT_SHIFT = 59 }; /* a size below 2^63 */
enum stage {
    SIZE = 0,
    SIZE_LF,
    EXTENSION, /* after ';' */
    EXTENSION_NAME,
    EXTENSION_VALUE, /* after '=' */
    EXTENSION_TOKEN,
    EXTENSION_QUOTED,
    EXTENSION_ESCAPED,
    EXTENSION_QUOTED_END,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER, /* at a line's begin */
    TRAILER_LINE,
    TRAILER_LF,
    END_LF,
    BAD,
};

static uint8_t value_of(uint8_t digit)
{
    return (uint8_t)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
}

static bool keeps_line(const struct http_chunks *chunks)
{
    return !chunks->unframe && chunks->left;
}

/* Every function of a stage takes one byte, and tells the next stage. */

static enum stage end_size(struct http_chunks *chunks, uint8_t byte, bool *keep)
{
    if (byte == ';')
        return EXTENSION;
    *keep = keeps_line(chunks);
    return byte == '\r' ? SIZE_LF : BAD;
}

static enum stage take_size(struct http_chunks *chunks, uint8_t byte, bool *keep)
{
    if (!scan_is(byte, SCAN_HEX))
        return chunks->digits ? end_size(chunks, byte, keep) : BAD;
    if (chunks->digits == DIGIT_LIMIT || chunks->left >> SIZE_LIMIT_SHIFT)
        return BAD;
    chunks->digits++;
    chunks->left = chunks->left << 4 | value_of(byte);
    *keep = keeps_line(chunks); /* zeros before the first digit are left out */
    return SIZE;
}

static enum stage take_extension(struct http_chunks *chunks, enum stage stage, uint8_t byte,
                                 bool *keep)
{
    bool token = scan_is(byte, SCAN_TOKEN);
    if (++chunks->extension_bytes > HTTP_EXTENSION_BYTES)
        return BAD;
    switch (stage) {
    case EXTENSION:
        return token ? EXTENSION_NAME : BAD;
    case EXTENSION_NAME:
        return token         ? EXTENSION_NAME
               : byte == '=' ? EXTENSION_VALUE
                             : end_size(chunks, byte, keep);
    case EXTENSION_VALUE:
        return token ? EXTENSION_TOKEN : byte == '"' ? EXTENSION_QUOTED : BAD;
    case EXTENSION_TOKEN:
        return token ? EXTENSION_TOKEN : end_size(chunks, byte, keep);
    case EXTENSION_QUOTED:
        return byte == '"'                ? EXTENSION_QUOTED_END
               : byte == '\\'             ? EXTENSION_ESCAPED
               : scan_is(byte, SCAN_TEXT) ? EXTENSION_QUOTED
                                          : BAD;
    case EXTENSION_ESCAPED:
        return scan_is(byte, SCAN_TEXT) ? EXTENSION_QUOTED : BAD;
    default:
        return end_size(chunks, byte, keep);
    }
}

static enum stage take_size_lf(struct http_chunks *chunks, uint8_t byte, bool *keep)
{
    *keep = keeps_line(chunks);
    chunks->digits = 0;
    if (byte != '\n')
        return BAD;
    return chunks->left ? DATA : TRAILER;
}

static enum stage take_trailer(struct http_chunks *chunks, enum stage stage, uint8_t byte)
{
    if (!chunks->trailers)
        chunks->trailers = malloc(HTTP_TRAILER_BYTES);
    if (!chunks->trailers || chunks->trailer_bytes == HTTP_TRAILER_BYTES)
        return BAD;
    chunks->trailers[chunks->trailer_bytes++] = byte;
    switch (stage) {
    case TRAILER:
        return byte == '\r' ? END_LF : byte == '\n' ? BAD : TRAILER_LINE;
    case TRAILER_LINE: /* its bytes are looked at when it is read as a field */
        return byte == '\r' ? TRAILER_LF : byte == '\n' ? BAD : TRAILER_LINE;
    default:
        return byte == '\n' ? TRAILER : BAD;
    }
}

static enum stage take(struct http_chunks *chunks, uint8_t byte, bool *keep)
{
    switch ((enum stage)chunks->stage) {
    case SIZE:
        return take_size(chunks, byte, keep);
    case SIZE_LF:
        return take_size_lf(chunks, byte, keep);
    case EXTENSION:
    case EXTENSION_NAME:
    case EXTENSION_VALUE:
    case EXTENSION_TOKEN:
    case EXTENSION_QUOTED:
    case EXTENSION_ESCAPED:
    case EXTENSION_QUOTED_END:
        return take_extension(chunks, (enum stage)chunks->stage, byte, keep);
    case DATA_CR:
        *keep = !chunks->unframe;
        return byte == '\r' ? DATA_LF : BAD;
    case DATA_LF:
        *keep = !chunks->unframe;
        return byte == '\n' ? SIZE : BAD;
    case TRAILER:
        if (!chunks->trailers && byte == '\r')
            return END_LF; /* none: nothing is to be kept */
        return take_trailer(chunks, TRAILER, byte);
    case TRAILER_LINE:
    case TRAILER_LF:
        return take_trailer(chunks, (enum stage)chunks->stage, byte);
    case END_LF:
    case DATA:
    case BAD:
        break;
    }
    return BAD;
}

static size_t take_data(struct http_chunks *chunks, uint8_t *to, const uint8_t *from, size_t length)
{
    size_t count = chunks->left < length ? (size_t)chunks->left : length;
    if (to != from)
        memmove(to, from, count);
    chunks->left -= count;
    if (!chunks->left)
        chunks->stage = DATA_CR;
    return count;
}

static enum http_chunks_answer end(struct http_chunks *chunks, uint8_t byte)
{
    if (byte != '\n')
        return HTTP_CHUNKS_BAD;
    if (!chunks->trailers)
        return HTTP_CHUNKS_DONE;
    if (chunks->trailer_bytes == HTTP_TRAILER_BYTES)
        return HTTP_CHUNKS_BAD;
    chunks->trailers[chunks->trailer_bytes++] = byte;
    return HTTP_CHUNKS_DONE;
}

enum http_chunks_answer http_chunks_feed(struct http_chunks *chunks, uint8_t *bytes, size_t length,
                                         size_t *consumed, size_t *produced)
{
    size_t at = 0, out = 0;
    enum http_chunks_answer answer = HTTP_CHUNKS_MORE;
    while (at < length && answer == HTTP_CHUNKS_MORE) {
        if (chunks->stage == DATA) {
            size_t count = take_data(chunks, bytes + out, bytes + at, length - at);
            at += count;
            out += count;
        } else if (chunks->stage == END_LF) {
            answer = end(chunks, bytes[at++]);
        } else {
            bool keep = false;
            uint8_t byte = bytes[at++];
            chunks->stage = (uint8_t)take(chunks, byte, &keep);
            if (keep)
                bytes[out++] = byte;
            if (chunks->stage == BAD)
                answer = HTTP_CHUNKS_BAD;
        }
    }
    *consumed = at;
    *produced = out;
    return answer;
}

void http_chunks_finish(struct http_chunks *chunks)
{
    free(chunks->trailers);
    *chunks = (struct http_chunks){0};
}
