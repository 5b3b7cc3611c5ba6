#include "proxy/http/write.h"
#include "proxy/http/scan.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define PUT(at, literal) put((at), (literal), sizeof(literal) - 1)

static inline uint8_t *put(uint8_t *at, const void *bytes, size_t length)
{
    memcpy(at, bytes, length);
    return at + length;
}

static uint8_t *put_text(uint8_t *at, const char *text)
{
    return put(at, text, strlen(text));
}

static uint8_t *put_span(uint8_t *at, const uint8_t *bytes, struct http_span span)
{
    return put(at, bytes + span.at, span.length);
}

static uint8_t *put_number(uint8_t *at, uint64_t value)
{
    uint8_t digits[20];
    size_t count = 0;
    do
        digits[sizeof digits - ++count] = (uint8_t)('0' + value % 10);
    while (value /= 10);
    return put(at, digits + sizeof digits - count, count);
}

static uint8_t *put_hex(uint8_t *at, uint64_t value)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        *at++ = (uint8_t) "0123456789abcdef"[value >> shift & 15];
    return at;
}

static uint8_t *put_field(uint8_t *at, const uint8_t *bytes, const struct http_field *field)
{
    at = put_span(at, bytes, field->name);
    at = PUT(at, ": ");
    at = put_span(at, bytes, field->value);
    return PUT(at, "\r\n");
}

static uint8_t *put_length(uint8_t *at, uint64_t length)
{
    at = PUT(at, "Content-Length: ");
    at = put_number(at, length);
    return PUT(at, "\r\n");
}

/* -- requests -- */

static uint8_t *put_target(uint8_t *at, const struct http_head *head, const uint8_t *bytes)
{
    if (head->authority.length && (!head->target.length || bytes[head->target.at] == '?'))
        at = put(at, head->method_id == HTTP_OPTIONS && !head->target.length ? "*" : "/", 1);
    return put_span(at, bytes, head->target);
}

static uint8_t *put_host(uint8_t *at, const struct http_head *head, const uint8_t *bytes,
                         const struct http_request_extra *extra)
{
    if (head->authority.length)
        return put_span(at, bytes, head->authority);
    if (head->host.length)
        return put_span(at, bytes, head->host);
    return put_text(at, extra->client->local);
}

static const struct http_field *find_last(const struct http_head *head, uint8_t id)
{
    for (uint8_t i = head->count; i > 0; i--)
        if (head->fields[i - 1].id == id)
            return &head->fields[i - 1];
    return NULL;
}

/* What came before, as one list: some look at the first line only, some at the last. */
static uint8_t *put_before(uint8_t *at, const struct http_head *head, const uint8_t *bytes,
                           const struct http_request_extra *extra, uint8_t id)
{
    for (uint8_t i = 0; extra->trusted && i < head->count; i++) {
        if (head->fields[i].id != id || !head->fields[i].value.length)
            continue;
        at = put_span(at, bytes, head->fields[i].value);
        at = PUT(at, ", ");
    }
    return at;
}

static const char *proto_of(const struct http_head *head, const uint8_t *bytes,
                            const struct http_request_extra *extra)
{
    const struct http_field *said = find_last(head, HTTP_X_FORWARDED_PROTO);
    if (extra->trusted && said && http_is(bytes + said->value.at, said->value.length, "https"))
        return "https";
    if (extra->trusted && said && http_is(bytes + said->value.at, said->value.length, "http"))
        return "http";
    return extra->client->tls ? "https" : "http";
}

static uint8_t *put_forwarded(uint8_t *at, const struct http_head *head, const uint8_t *bytes,
                              const struct http_request_extra *extra)
{
    const struct http_client_facts *client = extra->client;
    const struct http_field *host = extra->trusted ? find_last(head, HTTP_X_FORWARDED_HOST) : NULL;
    bool ip6 = strchr(client->address, ':');
    at = PUT(at, "X-Forwarded-For: ");
    at = put_before(at, head, bytes, extra, HTTP_X_FORWARDED_FOR);
    at = put_text(at, client->address);
    at = PUT(at, "\r\nX-Forwarded-Proto: ");
    at = put_text(at, proto_of(head, bytes, extra));
    at = PUT(at, "\r\nX-Forwarded-Host: ");
    at = host ? put_span(at, bytes, host->value) : put_host(at, head, bytes, extra);
    at = PUT(at, "\r\nForwarded: ");
    at = put_before(at, head, bytes, extra, HTTP_FORWARDED);
    at = ip6 ? PUT(at, "for=\"[") : PUT(at, "for=");
    at = put_text(at, client->address);
    at = ip6 ? PUT(at, "]\";host=\"") : PUT(at, ";host=\"");
    at = put_host(at, head, bytes, extra);
    at = PUT(at, "\";proto=");
    at = put_text(at, client->tls ? "https" : "http");
    return PUT(at, "\r\n");
}

static bool is_request_id(const uint8_t *value, size_t length)
{
    return length > 0 && length <= 128 &&
           scan_while(value, value + length, SCAN_TOKEN) == value + length;
}

static bool is_hex(const uint8_t *at, size_t length)
{
    bool some = false;
    for (size_t i = 0; i < length; i++) {
        if (!scan_is(at[i], SCAN_HEX) || (at[i] >= 'A' && at[i] <= 'F'))
            return false;
        some |= at[i] != '0';
    }
    return some;
}

/* W3C Trace Context: version-trace-parent-flags. */
static bool is_traceparent(const uint8_t *at, size_t length)
{
    return length == 55 && at[0] == '0' && at[1] == '0' && at[2] == '-' && is_hex(at + 3, 32) &&
           at[35] == '-' && is_hex(at + 36, 16) && at[52] == '-' && scan_is(at[53], SCAN_HEX) &&
           scan_is(at[54], SCAN_HEX);
}

static uint8_t *put_ids(uint8_t *at, const struct http_request_extra *extra, bool has_id,
                        bool has_trace)
{
    const uint64_t *random = extra->random;
    if (!has_id) {
        at = PUT(at, "X-Request-Id: ");
        at = put_hex(put_hex(at, random[0]), random[1]);
        at = PUT(at, "\r\n");
    }
    if (!has_trace) { /* sampled: as applications decide where nobody has decided before */
        at = PUT(at, "traceparent: 00-");
        at = put_hex(put_hex(at, random[0]), random[2] | 1);
        at = PUT(at, "-");
        at = put_hex(at, random[3] | 1);
        at = PUT(at, "-01\r\n");
    }
    return at;
}

static uint8_t *put_fields(uint8_t *at, const struct http_head *head, const uint8_t *bytes,
                           const struct http_request_extra *extra)
{
    bool has_id = false, has_trace = false;
    for (uint8_t i = 0; i < head->count; i++) {
        const struct http_field *field = &head->fields[i];
        const uint8_t *value = bytes + field->value.at;
        bool passes = field->id == HTTP_OTHER || field->id == HTTP_COOKIE ||
                      field->id == HTTP_TRAILER || (field->id == HTTP_EXPECT && head->minor);
        if (field->id == HTTP_X_REQUEST_ID && !has_id)
            passes = has_id = is_request_id(value, field->value.length);
        if (field->id == HTTP_TRACEPARENT && !has_trace)
            passes = has_trace = is_traceparent(value, field->value.length);
        if (passes)
            at = put_field(at, bytes, field);
    }
    return put_ids(at, extra, has_id, has_trace);
}

static uint8_t *put_framing(uint8_t *at, const struct http_head *head)
{
    if (head->chunked)
        return PUT(at, "Transfer-Encoding: chunked\r\n");
    return head->has_length ? put_length(at, head->content_length) : at;
}

static uint8_t *put_connection(uint8_t *at, const struct http_head *head, const uint8_t *bytes,
                               bool upgrades)
{
    if (upgrades) {
        at = PUT(at, "Connection: Upgrade\r\nUpgrade: ");
        at = put_span(at, bytes, head->upgrade);
        return PUT(at, "\r\n");
    }
    return head->te_trailers ? PUT(at, "Connection: TE\r\nTE: trailers\r\n") : at;
}

size_t http_write_request(uint8_t *out, const struct http_head *head, const uint8_t *bytes,
                          const struct http_request_extra *extra)
{
    uint8_t *at = put_span(out, bytes, head->method);
    at = PUT(at, " ");
    at = put_target(at, head, bytes);
    at = PUT(at, " HTTP/1.1\r\nHost: ");
    at = put_host(at, head, bytes, extra);
    at = PUT(at, "\r\n");
    at = put_fields(at, head, bytes, extra);
    at = put_forwarded(at, head, bytes, extra);
    at = put_framing(at, head);
    at = put_connection(at, head, bytes, extra->upgrades);
    at = PUT(at, "\r\n");
    return (size_t)(at - out);
}

/* -- responses -- */

static bool response_passes(const struct http_head *head, uint8_t id, enum http_framing framing)
{
    switch (id) {
    case HTTP_CONNECTION:
    case HTTP_KEEP_ALIVE:
    case HTTP_PROXY_CONNECTION:
    case HTTP_PROXY_AUTHENTICATE:
    case HTTP_TRANSFER_ENCODING:
    case HTTP_HTTP2_SETTINGS:
    case HTTP_DROPPED:
        return false;
    case HTTP_CONTENT_LENGTH: /* without a body it still tells how long one would be */
        return framing == HTTP_FRAMED_LENGTH ||
               (framing == HTTP_FRAMED_NONE && head->status >= 200 && head->status != 204);
    case HTTP_UPGRADE:
        return head->status == 101 || head->status == 426;
    default:
        return true;
    }
}

static uint8_t *put_persistence(uint8_t *at, enum http_persistence persistence)
{
    switch (persistence) {
    case HTTP_PERSISTS:
        return at;
    case HTTP_KEEPS_ALIVE:
        return PUT(at, "Connection: keep-alive\r\n");
    case HTTP_CLOSES:
        return PUT(at, "Connection: close\r\n");
    case HTTP_SWITCHES:
        return PUT(at, "Connection: Upgrade\r\n");
    }
    return at;
}

size_t http_write_response(uint8_t *out, const struct http_head *head, const uint8_t *bytes,
                           enum http_framing framing, enum http_persistence persistence,
                           const char *lines)
{
    uint8_t *at = PUT(out, "HTTP/1.1 ");
    at = put_number(at, head->status);
    at = PUT(at, " ");
    at = put_span(at, bytes, head->reason);
    at = PUT(at, "\r\n");
    for (uint8_t i = 0; i < head->count; i++)
        if (response_passes(head, head->fields[i].id, framing))
            at = put_field(at, bytes, &head->fields[i]);
    at = put_text(at, lines);
    if (framing == HTTP_FRAMED_CHUNKED)
        at = PUT(at, "Transfer-Encoding: chunked\r\n");
    at = put_persistence(at, persistence);
    at = PUT(at, "\r\n");
    return (size_t)(at - out);
}

size_t http_write_last_chunk(uint8_t *out, const struct http_head *trailers, const uint8_t *bytes)
{
    uint8_t *at = PUT(out, "0\r\n");
    for (uint8_t i = 0; trailers && i < trailers->count; i++)
        if (trailers->fields[i].id != HTTP_DROPPED)
            at = put_field(at, bytes, &trailers->fields[i]);
    at = PUT(at, "\r\n");
    return (size_t)(at - out);
}

size_t http_write_chunk_line(uint8_t *out, uint64_t bytes)
{
    int length =
        snprintf((char *)out, HTTP_CHUNK_LINE_BYTES + 1, "%llx\r\n", (unsigned long long)bytes);
    return (size_t)length;
}

/* -- answers -- */

const char *http_status_phrase(uint16_t status)
{
    static const struct {
        uint16_t status;
        const char *phrase;
    } phrases[] = {{301, "Moved Permanently"},  {302, "Found"},
                   {303, "See Other"},          {307, "Temporary Redirect"},
                   {308, "Permanent Redirect"}, {400, "Bad Request"},
                   {404, "Not Found"},          {405, "Method Not Allowed"},
                   {408, "Request Timeout"},    {414, "URI Too Long"},
                   {417, "Expectation Failed"}, {431, "Request Header Fields Too Large"},
                   {502, "Bad Gateway"},        {503, "Service Unavailable"},
                   {504, "Gateway Timeout"},    {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Error";
}

void http_write_date(char out[HTTP_DATE_BYTES], int64_t wall_ms)
{
    static const char days[] = "SunMonTueWedThuFriSat",
                      months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    snprintf(out, HTTP_DATE_BYTES, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n",
             days + 3 * parts.tm_wday, parts.tm_mday, months + 3 * parts.tm_mon,
             (parts.tm_year + 1900) % 10000, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

size_t http_write_own(uint8_t *out, const struct http_own *own, bool bodyless,
                      enum http_persistence persistence, const char *lines)
{
    const char *end = own->content_type ? "" : "\n", *type = own->content_type;
    size_t length = strlen(own->text);
    uint8_t *at = PUT(out, "HTTP/1.1 ");
    at = put_number(at, own->status);
    at = PUT(at, " ");
    at = put_text(at, http_status_phrase(own->status));
    at = PUT(at, "\r\nContent-Type: ");
    at = put_text(at, type ? type : "text/plain; charset=utf-8");
    at = PUT(at, "\r\n");
    at = put_length(at, length + strlen(end));
    at = put_text(at, lines);
    if (own->location) {
        at = PUT(at, "Location: ");
        at = put_text(at, own->location);
        at = PUT(at, "\r\n");
    }
    if (own->status == 503)
        at = PUT(at, "Retry-After: 1\r\n");
    if (own->status == 405)
        at = PUT(at, "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n");
    at = put_persistence(at, persistence);
    at = PUT(at, "\r\n");
    if (!bodyless) {
        at = put(at, own->text, length);
        at = put_text(at, end);
    }
    return (size_t)(at - out);
}
