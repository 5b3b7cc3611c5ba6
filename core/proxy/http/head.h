/* Heads of HTTP/1.x messages, read strictly after RFC 9110 and 9112: what two readers could
 * understand in two ways is refused, not mended. Nothing is copied or allocated: a field is a place
 * in the bytes it was read from. [any thread; no shared state] */
#ifndef PROXY_HTTP_HEAD_H
#define PROXY_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    HTTP_REQUEST_BYTES = 16 * 1024, /* of a whole head; more: 431 */
    HTTP_TARGET_BYTES = 8 * 1024,   /* more: 414 */
    HTTP_RESPONSE_BYTES = 32 * 1024,
    HTTP_FIELD_LIMIT = 100,
    HTTP_HOST_BYTES = 255 + 6, /* a name and its port */
};

/* Fields that the proxy has a rule for. */
#define HTTP_NAMES(X)                                                                              \
    X(HTTP_HOST, "host")                                                                           \
    X(HTTP_CONNECTION, "connection")                                                               \
    X(HTTP_CONTENT_LENGTH, "content-length")                                                       \
    X(HTTP_TRANSFER_ENCODING, "transfer-encoding")                                                 \
    X(HTTP_KEEP_ALIVE, "keep-alive")                                                               \
    X(HTTP_PROXY_CONNECTION, "proxy-connection")                                                   \
    X(HTTP_PROXY_AUTHENTICATE, "proxy-authenticate")                                               \
    X(HTTP_PROXY_AUTHORIZATION, "proxy-authorization")                                             \
    X(HTTP_TE, "te")                                                                               \
    X(HTTP_TRAILER, "trailer")                                                                     \
    X(HTTP_UPGRADE, "upgrade")                                                                     \
    X(HTTP_HTTP2_SETTINGS, "http2-settings")                                                       \
    X(HTTP_EXPECT, "expect")                                                                       \
    X(HTTP_COOKIE, "cookie")                                                                       \
    X(HTTP_DATE, "date")                                                                           \
    X(HTTP_FORWARDED, "forwarded")                                                                 \
    X(HTTP_X_FORWARDED_FOR, "x-forwarded-for")                                                     \
    X(HTTP_X_FORWARDED_PROTO, "x-forwarded-proto")                                                 \
    X(HTTP_X_FORWARDED_HOST, "x-forwarded-host")                                                   \
    X(HTTP_X_FORWARDED_PORT, "x-forwarded-port")                                                   \
    X(HTTP_X_FORWARDED_SERVER, "x-forwarded-server")                                               \
    X(HTTP_X_FORWARDED_PREFIX, "x-forwarded-prefix")                                               \
    X(HTTP_X_FORWARDED_SCHEME, "x-forwarded-scheme")                                               \
    X(HTTP_X_FORWARDED_SSL, "x-forwarded-ssl")                                                     \
    X(HTTP_X_REAL_IP, "x-real-ip")                                                                 \
    X(HTTP_PROXY, "proxy")                                                                         \
    X(HTTP_X_REQUEST_ID, "x-request-id")                                                           \
    X(HTTP_TRACEPARENT, "traceparent")
enum http_name {
    HTTP_OTHER = 0,
#define NAME_ID(id, text) id,
    HTTP_NAMES(NAME_ID)
#undef NAME_ID
        HTTP_DROPPED, /* named by Connection: it ends here */
};
enum http_method {
    HTTP_METHOD_OTHER = 0,
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_CONNECT,
    HTTP_TRACE,
};

struct http_span {
    uint16_t at, length; /* from the head's first byte */
};
struct http_field {
    struct http_span name, value;
    uint8_t id; /* enum http_name */
};
struct http_head {
    /* a request's first line */
    struct http_span method, target; /* of the absolute form: from its path on; may be empty */
    struct http_span authority;      /* of the absolute form */
    uint8_t method_id;               /* enum http_method */
    /* a response's */
    uint16_t status;
    struct http_span reason;
    /* both */
    uint8_t minor; /* HTTP/1.minor; what is above 1 counts as 1 */
    uint8_t count;
    uint16_t length; /* of the head, its empty line included */

    /* what the fields say about the message */
    uint64_t content_length;
    struct http_span host, upgrade; /* upgrade: wanted by Connection too */
    bool has_length, chunked, close, keep_alive, expects_continue, te_trailers;
    bool wants_upgrade; /* Connection names it */
    bool has_date;

    const char *fault; /* a sentence, when it is refused */
    uint16_t at, seen; /* where reading goes on */
    bool has_line;
    struct http_field fields[HTTP_FIELD_LIMIT];
};
/* Makes it ready for another head; fields beyond `count` mean nothing. */
static inline void http_head_reset(struct http_head *head)
{
    memset(head, 0, offsetof(struct http_head, fields));
}

/* Answers of the readers; everything else is the status to refuse a request with. */
enum { HTTP_MORE = 0, HTTP_DONE = 1 };

/* Begins or goes on: `bytes` are all that have come since the head's first, at the same place or
 * another. The head is reset before the first call. */
int http_read_request(struct http_head *head, const uint8_t *bytes, size_t length);
/* A status other than HTTP_MORE and HTTP_DONE says only that it is no HTTP: `fault`. */
int http_read_response(struct http_head *head, const uint8_t *bytes, size_t length);
/* The fields after the last chunk, with the empty line; HTTP_DONE or a status. */
int http_read_trailers(struct http_head *head, const uint8_t *bytes, size_t length);

/* The next element of a list by commas: false when there is none. Zeroed `at` begins. */
struct http_list {
    const uint8_t *at, *end;
};
bool http_list_next(struct http_list *list, const uint8_t **item, size_t *length);
bool http_is(const uint8_t *bytes, size_t length, const char *lower); /* without regard to case */

/* Does a response with that status to that method have a body at all? */
bool http_has_body(uint16_t status, uint8_t method_id);
/* May it be sent twice (RFC 9110, 9.2.2)? */
bool http_is_idempotent(uint8_t method_id);

#endif
