/* WebSocket (RFC 6455), the server's side: the handshake's answer and frames, without input or
 * output. Fragmented messages are joined, control frames within them are told as they come; no
 * extensions and no subprotocols. [any thread; objects are not shared] */
#ifndef API_WEBSOCKET_H
#define API_WEBSOCKET_H

#include "base/text.h"

enum { WEBSOCKET_MESSAGE_BYTES = 128 * 1024, WEBSOCKET_CONTROL_BYTES = 125 };
enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10
};
/* Section 7.4.1. */
enum websocket_code {
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_GOING_AWAY = 1001,
    WEBSOCKET_PROTOCOL_ERROR = 1002,
    WEBSOCKET_UNSUPPORTED_DATA = 1003,
    WEBSOCKET_NO_STATUS = 1005, /* of a close frame without one; never sent */
    WEBSOCKET_BAD_CONTENT = 1007,
    WEBSOCKET_TOO_BIG = 1009,
    WEBSOCKET_INTERNAL_ERROR = 1011
};

/* The value of Sec-WebSocket-Accept, for the client's key. False: the key is not 16 bytes in
 * base64. */
enum { WEBSOCKET_ACCEPT_BYTES = 29 };
bool websocket_accept(const char *key, char out[WEBSOCKET_ACCEPT_BYTES]);
/* Is `token` in a header's list ("keep-alive, Upgrade"), whatever its case? NULL has none. */
bool websocket_lists(const char *header, const char *token);

struct websocket_reader { /* zeroed; text_finish(&message) at the end */
    /* Data (TEXT, BINARY: whole) and control frames. 0: go on; a code: it ends with that. */
    unsigned (*take)(void *argument, enum websocket_opcode opcode, const char *bytes,
                     size_t length);
    void *argument;

    uint8_t head[14];
    size_t have, need;              /* of the head */
    uint64_t left;                  /* of the frame's payload */
    size_t at;                      /* of the mask */
    uint8_t opcode, message_opcode; /* the latter 0: between messages */
    bool last, in_payload;
    struct text message;
    uint8_t control[WEBSOCKET_CONTROL_BYTES];
    size_t control_length;
};
/* 0: all of it was read; else the code to close with, and nothing more may be fed. The code of a
 * close frame comes by `take`, which is then the last call. */
unsigned websocket_read(struct websocket_reader *reader, const char *bytes, size_t length);
/* What a close frame's payload says; WEBSOCKET_PROTOCOL_ERROR and _BAD_CONTENT where it is none. */
unsigned websocket_close_code(const char *payload, size_t length);

/* A whole frame's head, for a payload of that length; the payload is the caller's to append. */
void websocket_write_head(struct text *out, enum websocket_opcode opcode, uint64_t length);
void websocket_write(struct text *out, enum websocket_opcode opcode, const void *bytes,
                     size_t length);
void websocket_write_close(struct text *out, unsigned code, const char *reason);

#endif
