#include "websocket.h"

#include "client_impl.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    OPCODE_CONTINUATION = 0,
    OPCODE_TEXT = 1,
    OPCODE_BINARY = 2,
    OPCODE_CLOSE = 8,
    OPCODE_PING = 9,
    OPCODE_PONG = 10,
    FRAME_BYTES = 1 << 20,
    HEAD_BYTES = 16 << 10,
    WAIT_MS = 10000
};

struct websocket {
    CURL *easy;
    int descriptor;
    struct text in;      /* bytes that have come, from the next frame on */
    struct text message; /* fragments so far */
    struct text out;     /* frames that the connection has not taken yet */
    size_t used;         /* of `in`, by the frame last given out */
    bool whole;          /* `message` has been given out */
};

/* -- bytes -- */

static bool wait_for(const struct websocket *websocket, short events)
{
    struct pollfd look = {.fd = websocket->descriptor, .events = events};
    return poll(&look, 1, WAIT_MS) > 0;
}

static bool send_all(struct websocket *websocket, const char *bytes, size_t length)
{
    while (length) {
        size_t sent = 0;
        CURLcode code = curl_easy_send(websocket->easy, bytes, length, &sent);
        if (code == CURLE_AGAIN ? !wait_for(websocket, POLLOUT) : code != CURLE_OK)
            return false;
        bytes += sent;
        length -= sent;
    }
    return true;
}

/* What is there; false at the end of the connection. */
static bool receive(struct websocket *websocket)
{
    char part[16384];
    size_t got = 0;
    for (;;) {
        CURLcode code = curl_easy_recv(websocket->easy, part, sizeof part, &got);
        if (code == CURLE_AGAIN)
            return true;
        if (code != CURLE_OK || !got)
            return false;
        text_append(&websocket->in, part, got);
        if (websocket->in.length > 2 * (size_t)FRAME_BYTES)
            return true; /* bounded: these frames are taken before more is read */
    }
}

/* -- the handshake -- */

/* 16 random bytes in base64. */
static bool random_key(char key[32])
{
    unsigned char random[16];
    gnutls_datum_t out, in = {random, sizeof random};
    if (gnutls_rnd(GNUTLS_RND_NONCE, random, sizeof random) < 0 ||
        gnutls_base64_encode2(&in, &out) < 0)
        return false;
    snprintf(key, 32, "%.*s", (int)out.size, out.data);
    gnutls_free(out.data);
    return true;
}

/* RFC 6455, 1.3: base64(SHA-1(key + GUID)). */
static bool is_accepted(const char *key, const char *answer)
{
    char joined[96];
    unsigned char digest[20];
    gnutls_datum_t out, in = {digest, sizeof digest};
    int length = snprintf(joined, sizeof joined, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    const char *header = strcasestr(answer, "\r\nSec-WebSocket-Accept:");
    if (!header || gnutls_hash_fast(GNUTLS_DIG_SHA1, joined, (size_t)length, digest) < 0 ||
        gnutls_base64_encode2(&in, &out) < 0)
        return false;
    header += strlen("\r\nSec-WebSocket-Accept:");
    header += strspn(header, " ");
    bool same = strncmp(header, (const char *)out.data, out.size) == 0 && header[out.size] == '\r';
    gnutls_free(out.data);
    return same;
}

/* The answer's head, with what follows it left in `in`. NULL: none came. */
static char *take_head(struct websocket *websocket)
{
    for (bool open = true;;) {
        char *end = websocket->in.data ? strstr(websocket->in.data, "\r\n\r\n") : NULL;
        if (end) {
            size_t length = (size_t)(end - websocket->in.data) + 4;
            char *head = memory_strdup(websocket->in.data);
            head[length - 2] = 0;
            websocket->in.length -= length;
            memmove(websocket->in.data, websocket->in.data + length, websocket->in.length + 1);
            return head;
        }
        if (!open || websocket->in.length > HEAD_BYTES || !wait_for(websocket, POLLIN))
            return NULL;
        open = receive(websocket);
    }
}

static bool shake_hands(struct cli *cli, struct websocket *websocket, const char *path,
                        const char *doing)
{
    char key[32];
    const char *host = strstr(cli->client->address.url, "://") + 3;
    if (!random_key(key))
        return complain(0, NULL, "cannot %s: no random numbers", doing);
    const char *request =
        arena_format(&cli->arena,
                     "GET /api/v1%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                     "Sec-WebSocket-Version: 13\r\n\r\n",
                     path, host, key);
    CLEANUP(memory_free_pointer)
    char *head = send_all(websocket, request, strlen(request)) ? take_head(websocket) : NULL;
    if (!head)
        return complain(0, NULL, "cannot %s: the server closed the connection", doing);
    if (!text_starts_with(head, "HTTP/1.1 101 "))
        return complain(0, NULL, "cannot %s: the server answered \"%.*s\"", doing,
                        (int)strcspn(head, "\r"), head);
    return is_accepted(key, head) ||
           complain(0, NULL, "cannot %s: the server's handshake is wrong", doing);
}

static bool dial(struct cli *cli, struct websocket *websocket)
{
    curl_socket_t descriptor = -1;
    websocket->easy = curl_easy_init();
    client_prepare(cli, websocket->easy, "/");
    curl_easy_setopt(websocket->easy, CURLOPT_CONNECT_ONLY, 1L);
    CURLcode code = curl_easy_perform(websocket->easy);
    if (code == CURLE_OK)
        code = curl_easy_getinfo(websocket->easy, CURLINFO_ACTIVESOCKET, &descriptor);
    websocket->descriptor = (int)descriptor;
    if (code != CURLE_OK)
        client_complain_transport(cli, code);
    return code == CURLE_OK;
}

struct websocket *websocket_open(struct cli *cli, const char *path, const char *doing)
{
    if (!client_of(cli))
        return NULL;
    struct websocket *websocket = memory_alloc(sizeof *websocket);
    if (dial(cli, websocket) && shake_hands(cli, websocket, path, doing))
        return websocket;
    websocket_close(websocket);
    return NULL;
}

void websocket_close(struct websocket *websocket)
{
    if (!websocket)
        return;
    curl_easy_cleanup(websocket->easy);
    text_finish(&websocket->in);
    text_finish(&websocket->message);
    text_finish(&websocket->out);
    free(websocket);
}

int websocket_descriptor(const struct websocket *websocket)
{
    return websocket->descriptor;
}

/* -- frames -- */

bool websocket_flush(struct websocket *websocket)
{
    struct text *out = &websocket->out;
    size_t sent = 0;
    CURLcode code = CURLE_OK;
    if (out->length)
        code = curl_easy_send(websocket->easy, out->data, out->length, &sent);
    if (sent) {
        out->length -= sent;
        memmove(out->data, out->data + sent, out->length);
    }
    return code == CURLE_OK || code == CURLE_AGAIN;
}

bool websocket_pending(const struct websocket *websocket)
{
    return websocket->out.length > 0;
}

static bool write_frame(struct websocket *websocket, int opcode, const void *bytes, size_t length)
{
    struct text *frame = &websocket->out;
    unsigned char mask[4];
    if (gnutls_rnd(GNUTLS_RND_NONCE, mask, sizeof mask) < 0)
        return false;
    text_append_char(frame, (char)(0x80 | opcode));
    if (length < 126) {
        text_append_char(frame, (char)(0x80 | length));
    } else {
        int size = length < 65536 ? 2 : 8;
        text_append_char(frame, (char)(0x80 | (size == 2 ? 126 : 127)));
        for (int i = size - 1; i >= 0; i--)
            text_append_char(frame, (char)((uint64_t)length >> (8 * i)));
    }
    text_append(frame, mask, sizeof mask);
    for (size_t i = 0; i < length; i++)
        text_append_char(frame, (char)(((const unsigned char *)bytes)[i] ^ mask[i % 4]));
    return websocket_flush(websocket);
}

bool websocket_write(struct websocket *websocket, const void *bytes, size_t length)
{
    return write_frame(websocket, OPCODE_BINARY, bytes, length);
}

struct frame {
    int opcode;
    bool last;
    const char *bytes;
    size_t length, whole; /* with its head */
};

/* False: not all of it has come. A server's frames are not masked. */
static bool parse_frame(const struct text *in, struct frame *frame)
{
    const unsigned char *at = (const unsigned char *)in->data;
    size_t head = 2, length = in->length >= 2 ? at[1] & 0x7fU : 0;
    if (in->length < 2)
        return false;
    size_t extra = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (in->length < head + extra)
        return false;
    for (size_t i = 0; i < extra; i++)
        length = (i ? length << 8 : 0) | at[head + i];
    head += extra;
    *frame = (struct frame){.opcode = at[0] & 0x0f,
                            .last = at[0] & 0x80,
                            .bytes = in->data + head,
                            .length = length,
                            .whole = head + length};
    return length > FRAME_BYTES || in->length >= frame->whole;
}

static void drop_used(struct websocket *websocket)
{
    if (!websocket->used)
        return;
    websocket->in.length -= websocket->used;
    memmove(websocket->in.data, websocket->in.data + websocket->used, websocket->in.length + 1);
    websocket->used = 0;
}

/* What a frame means; NOTHING: go on with the next. */
static enum websocket_got take_frame(struct websocket *websocket, const struct frame *frame)
{
    if (frame->length > FRAME_BYTES || frame->opcode == OPCODE_CLOSE)
        return WEBSOCKET_CLOSED;
    websocket->used = frame->whole;
    if (frame->opcode == OPCODE_PING)
        write_frame(websocket, OPCODE_PONG, frame->bytes, frame->length);
    if (frame->opcode > OPCODE_BINARY)
        return WEBSOCKET_NOTHING;
    text_append(&websocket->message, frame->bytes, frame->length);
    if (websocket->message.length > FRAME_BYTES)
        return WEBSOCKET_CLOSED;
    websocket->whole = frame->last;
    return frame->last ? WEBSOCKET_MESSAGE : WEBSOCKET_NOTHING;
}

enum websocket_got websocket_read(struct websocket *websocket, const char **bytes, size_t *length)
{
    struct frame frame;
    if (websocket->whole)
        text_clear(&websocket->message);
    websocket->whole = false;
    bool open = receive(websocket);
    for (;;) {
        drop_used(websocket);
        if (!parse_frame(&websocket->in, &frame))
            return open ? WEBSOCKET_NOTHING : WEBSOCKET_CLOSED;
        enum websocket_got got = take_frame(websocket, &frame);
        *bytes = text_string(&websocket->message);
        *length = websocket->message.length;
        if (got != WEBSOCKET_NOTHING)
            return got;
    }
}
