/* The head of a response, and the fields after a chunked body. */
#include "proxy/http/fields.h"
#include "proxy/http/scan.h"

#include <string.h>

enum { STATUS_LINE_BYTES = 12 }; /* "HTTP/1.1 200" */

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static int read_status(struct http_head *head, const uint8_t *at)
{
    if (memcmp(at, "HTTP/1.", 7) != 0 || !is_digit(at[7]) || at[8] != ' ' || at[9] < '1' ||
        at[9] > '9' || !is_digit(at[10]) || !is_digit(at[11]))
        return http_refuse(head, 502, "no status line of HTTP/1");
    head->minor = at[7] > '0';
    head->status = (uint16_t)((at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0'));
    return HTTP_DONE;
}

static int read_status_line(struct http_head *head, const uint8_t *bytes, size_t length)
{
    struct http_line line = {bytes, bytes, bytes + length};
    if (length < STATUS_LINE_BYTES)
        return HTTP_MORE;
    int answer = read_status(head, bytes);
    if (answer != HTTP_DONE)
        return answer;
    line.at += STATUS_LINE_BYTES;
    if (line.at < line.end && *line.at == ' ') {
        const uint8_t *begin = ++line.at;
        line.at = scan_text(begin, line.end);
        head->reason = http_span(&line, begin, line.at);
    }
    answer = http_end_line(head, &line);
    if (answer == HTTP_DONE)
        head->at = (uint16_t)(line.at - bytes);
    return answer;
}

int http_read_response(struct http_head *head, const uint8_t *bytes, size_t length)
{
    size_t most = length < HTTP_RESPONSE_BYTES ? length : HTTP_RESPONSE_BYTES;
    int answer = HTTP_MORE;
    if (http_has_new_line(head, bytes, most)) {
        answer = HTTP_DONE;
        if (!head->has_line)
            answer = read_status_line(head, bytes, most);
        head->has_line |= answer == HTTP_DONE;
        if (answer == HTTP_DONE)
            answer = http_read_fields(head, bytes, most, false);
    }
    if (answer == HTTP_MORE)
        return most == HTTP_RESPONSE_BYTES ? http_refuse(head, 502, "the head is too large")
                                           : HTTP_MORE;
    return answer == HTTP_DONE ? http_understand(head, bytes, false) : answer;
}

/* What would change the message's framing, way, authority, or meaning is not told afterwards
 * (RFC 9110, 6.5.1). */
static bool may_trail(const struct http_field *field, const uint8_t *bytes)
{
    static const char *const kept_back[] = {"authorization",
                                            "www-authenticate",
                                            "set-cookie",
                                            "content-type",
                                            "content-encoding",
                                            "content-range",
                                            "location",
                                            "cache-control",
                                            "range",
                                            "if-match",
                                            "if-none-match",
                                            "if-modified-since",
                                            "if-unmodified-since",
                                            "if-range",
                                            "age",
                                            "expires",
                                            "date",
                                            "vary",
                                            "retry-after",
                                            "max-forwards",
                                            "pragma"};
    for (size_t i = 0; i < sizeof kept_back / sizeof kept_back[0]; i++)
        if (http_is(bytes + field->name.at, field->name.length, kept_back[i]))
            return false;
    return field->id == HTTP_OTHER;
}

int http_read_trailers(struct http_head *head, const uint8_t *bytes, size_t length)
{
    int answer = http_read_fields(head, bytes, length, true);
    if (answer == HTTP_MORE)
        return http_refuse(head, 400, "trailers do not end");
    for (uint8_t i = 0; i < head->count; i++)
        if (!may_trail(&head->fields[i], bytes))
            head->fields[i].id = HTTP_DROPPED;
    return answer;
}
