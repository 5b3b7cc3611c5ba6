/* Heads as the proxy writes them: made anew from what was read, so that nothing passes that was not
 * understood. What belongs to one connection ends here (RFC 9110, 7.6.1). [any thread] */
#ifndef PROXY_HTTP_WRITE_H
#define PROXY_HTTP_WRITE_H

#include "proxy/http/head.h"

/* Room for what is added to a head of `length` bytes. */
enum { HTTP_ADDED_BYTES = 2048, HTTP_ADDRESS_BYTES = 64, HTTP_ID_BYTES = 32 };

/* What the next one is told of this one's client. */
struct http_client_facts {
    char address[HTTP_ADDRESS_BYTES]; /* of the client; one with ':' is of IPv6 */
    char local[HTTP_ADDRESS_BYTES];   /* that it connected to; the Host of those that sent none */
    bool tls;
};
struct http_request_extra {
    const struct http_client_facts *client;
    uint64_t random[4]; /* for ids, where the client sent none */
    bool upgrades;      /* Upgrade goes on */
    bool trusted;       /* what it says of other clients goes on, and is added to */
};
size_t http_write_request(uint8_t *out, const struct http_head *head, const uint8_t *bytes,
                          const struct http_request_extra *extra);

enum http_framing {
    HTTP_FRAMED_NONE = 1, /* no body, and no word about one */
    HTTP_FRAMED_LENGTH,
    HTTP_FRAMED_CHUNKED,
    HTTP_FRAMED_CLOSE, /* until the connection ends */
};
enum http_persistence {
    HTTP_PERSISTS = 1, /* as HTTP/1.1 does unasked */
    HTTP_KEEPS_ALIVE,  /* said to a client of HTTP/1.0 */
    HTTP_CLOSES,
    HTTP_SWITCHES, /* 101 */
};
/* `lines`: whole field lines of our own. */
size_t http_write_response(uint8_t *out, const struct http_head *head, const uint8_t *bytes,
                           enum http_framing framing, enum http_persistence persistence,
                           const char *lines);
/* The last chunk with the trailers that may pass (NULL: none). */
size_t http_write_last_chunk(uint8_t *out, const struct http_head *trailers, const uint8_t *bytes);
/* A chunk's first line, for data of that size; CR LF follows the data. */
enum { HTTP_CHUNK_LINE_BYTES = 18 };
size_t http_write_chunk_line(uint8_t *out, uint64_t bytes);

/* "Date: ...\r\n", as RFC 9110, 6.6.1 wants it from who has a clock. */
enum { HTTP_DATE_BYTES = 40 };
void http_write_date(char out[HTTP_DATE_BYTES], int64_t wall_ms);
/* An answer of the proxy's own; `lines` as above. */
struct http_own {
    uint16_t status;
    const char *content_type; /* NULL: a sentence */
    const char *text;
    const char *location; /* NULL: none */
};
size_t http_write_own(uint8_t *out, const struct http_own *own, bool bodyless,
                      enum http_persistence persistence, const char *lines);
const char *http_status_phrase(uint16_t status);

#endif
