#include "api/websocket.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { KEY_BYTES = 16, KEY_TEXT_BYTES = 24, SHA1_BYTES = 20 };

/* -- the handshake -- */

static bool is_key(const char *key)
{
    gnutls_datum_t decoded, given = {(unsigned char *)(uintptr_t)key, KEY_TEXT_BYTES};
    if (!key || strlen(key) != KEY_TEXT_BYTES || gnutls_base64_decode2(&given, &decoded) < 0)
        return false;
    bool fits = decoded.size == KEY_BYTES;
    gnutls_free(decoded.data);
    return fits;
}

bool websocket_accept(const char *key, char out[WEBSOCKET_ACCEPT_BYTES])
{
    char joined[96];
    unsigned char digest[SHA1_BYTES];
    gnutls_datum_t encoded, plain = {digest, sizeof digest};
    if (!is_key(key))
        return false;
    int length = snprintf(joined, sizeof joined, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    if (gnutls_hash_fast(GNUTLS_DIG_SHA1, joined, (size_t)length, digest) < 0 ||
        gnutls_base64_encode2(&plain, &encoded) < 0)
        return false;
    snprintf(out, WEBSOCKET_ACCEPT_BYTES, "%.*s", (int)encoded.size, (const char *)encoded.data);
    gnutls_free(encoded.data);
    return true;
}

bool websocket_lists(const char *header, const char *token)
{
    size_t length = strlen(token);
    while (header && *header) {
        header += strspn(header, " \t,");
        size_t word = strcspn(header, " \t,");
        if (word == length && strncasecmp(header, token, length) == 0)
            return true;
        header += word;
    }
    return false;
}

/* -- reading -- */

static bool is_control(uint8_t opcode)
{
    return opcode >= WEBSOCKET_CLOSE;
}

/* The head's first two bytes: what it is, and how long the head gets. */
static unsigned judge_start(struct websocket_reader *reader)
{
    uint8_t first = reader->head[0], second = reader->head[1], length = second & 0x7f;
    bool known = (first & 0x0f) <= WEBSOCKET_BINARY ||
                 ((first & 0x0f) >= WEBSOCKET_CLOSE && (first & 0x0f) <= WEBSOCKET_PONG);
    reader->opcode = first & 0x0f;
    reader->last = first & 0x80;
    reader->need = 2 + (length == 126 ? 2U : length == 127 ? 8U : 0U) + 4;
    if ((first & 0x70) || !known || !(second & 0x80))
        return WEBSOCKET_PROTOCOL_ERROR; /* an extension, nothing known, or not masked */
    if (is_control(reader->opcode))
        return reader->last && length <= WEBSOCKET_CONTROL_BYTES ? 0 : WEBSOCKET_PROTOCOL_ERROR;
    bool goes_on = reader->opcode == WEBSOCKET_CONTINUATION, within = reader->message_opcode != 0;
    return goes_on == within ? 0 : WEBSOCKET_PROTOCOL_ERROR;
}

static unsigned judge_head(struct websocket_reader *reader)
{
    uint8_t length = reader->head[1] & 0x7f;
    size_t extra = reader->need - 6;
    uint64_t size = extra ? 0 : length;
    for (size_t i = 0; i < extra; i++)
        size = size << 8 | reader->head[2 + i];
    if ((extra == 2 && size < 126) || (extra == 8 && (size < 65536 || size >> 63)))
        return WEBSOCKET_PROTOCOL_ERROR; /* the shortest form is owed */
    if (!is_control(reader->opcode) && size > WEBSOCKET_MESSAGE_BYTES - reader->message.length)
        return WEBSOCKET_TOO_BIG;
    if (reader->opcode == WEBSOCKET_TEXT || reader->opcode == WEBSOCKET_BINARY)
        reader->message_opcode = reader->opcode;
    reader->left = size;
    reader->at = reader->control_length = 0;
    reader->in_payload = true;
    return 0;
}

static size_t take_head(struct websocket_reader *reader, const char *bytes, size_t length,
                        unsigned *code)
{
    size_t wanted = reader->need ? reader->need : 2;
    size_t taken = wanted - reader->have < length ? wanted - reader->have : length;
    memcpy(reader->head + reader->have, bytes, taken);
    reader->have += taken;
    if (reader->have < wanted)
        return taken;
    *code = reader->need ? judge_head(reader) : judge_start(reader);
    return taken;
}

static size_t take_payload(struct websocket_reader *reader, const char *bytes, size_t length)
{
    const uint8_t *mask = reader->head + reader->need - 4;
    size_t taken = reader->left < length ? (size_t)reader->left : length;
    char *to;
    if (is_control(reader->opcode)) {
        to = (char *)reader->control + reader->control_length;
        memcpy(to, bytes, taken);
        reader->control_length += taken;
    } else {
        size_t before = reader->message.length;
        text_append(&reader->message, bytes, taken);
        to = reader->message.data + before;
    }
    for (size_t i = 0; i < taken; i++)
        to[i] = (char)(to[i] ^ mask[(reader->at + i) % 4]);
    reader->at += taken;
    reader->left -= taken;
    return taken;
}

static unsigned end_frame(struct websocket_reader *reader)
{
    reader->in_payload = false;
    reader->have = reader->need = 0;
    if (is_control(reader->opcode))
        return reader->take(reader->argument, (enum websocket_opcode)reader->opcode,
                            (const char *)reader->control, reader->control_length);
    if (!reader->last)
        return 0;
    unsigned code = reader->take(reader->argument, (enum websocket_opcode)reader->message_opcode,
                                 text_string(&reader->message), reader->message.length);
    reader->message_opcode = 0;
    text_clear(&reader->message);
    return code;
}

unsigned websocket_read(struct websocket_reader *reader, const char *bytes, size_t length)
{
    unsigned code = 0;
    while (length && !code) {
        size_t taken = reader->in_payload ? take_payload(reader, bytes, length)
                                          : take_head(reader, bytes, length, &code);
        bytes += taken;
        length -= taken;
        if (!code && reader->in_payload && !reader->left)
            code = end_frame(reader);
    }
    return code;
}

unsigned websocket_close_code(const char *payload, size_t length)
{
    if (!length)
        return WEBSOCKET_NO_STATUS;
    unsigned code = length < 2 ? 0 : (unsigned)(uint8_t)payload[0] << 8 | (uint8_t)payload[1];
    bool assigned = (code >= 1000 && code <= 1014 && code != 1004 && code != WEBSOCKET_NO_STATUS &&
                     code != 1006) ||
                    (code >= 3000 && code <= 4999);
    if (!assigned)
        return WEBSOCKET_PROTOCOL_ERROR;
    return text_is_utf8(payload + 2, length - 2) ? code : WEBSOCKET_BAD_CONTENT;
}

/* -- writing -- */

void websocket_write_head(struct text *out, enum websocket_opcode opcode, uint64_t length)
{
    unsigned extra = length < 126 ? 0 : length < 65536 ? 2 : 8;
    text_append_char(out, (char)(0x80 | opcode));
    text_append_char(out, (char)(extra == 0 ? length : extra == 2 ? 126 : 127));
    for (unsigned i = extra; i > 0; i--)
        text_append_char(out, (char)(length >> (8 * (i - 1))));
}

void websocket_write(struct text *out, enum websocket_opcode opcode, const void *bytes,
                     size_t length)
{
    websocket_write_head(out, opcode, length);
    text_append(out, bytes, length);
}

void websocket_write_close(struct text *out, unsigned code, const char *reason)
{
    size_t length = strlen(reason);
    length = length <= WEBSOCKET_CONTROL_BYTES - 2 ? length : WEBSOCKET_CONTROL_BYTES - 2;
    websocket_write_head(out, WEBSOCKET_CLOSE, length + 2);
    text_append_char(out, (char)(code >> 8));
    text_append_char(out, (char)code);
    text_append(out, reason, length);
}
