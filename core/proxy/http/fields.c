/* Field lines, and what those mean that frame a message. */
#include "proxy/http/fields.h"
#include "proxy/http/scan.h"

#include <string.h>
#include <strings.h>

int http_refuse(struct http_head *head, int status, const char *fault)
{
    head->fault = fault;
    return status;
}

struct http_span http_span(const struct http_line *line, const uint8_t *from, const uint8_t *to)
{
    return (struct http_span){(uint16_t)(from - line->base), (uint16_t)(to - from)};
}

int http_end_line(struct http_head *head, struct http_line *line)
{
    if (line->at == line->end)
        return HTTP_MORE;
    if (*line->at == '\n')
        return http_refuse(head, 400, "a line ends without CR");
    if (*line->at != '\r')
        return http_refuse(head, 400, "a byte that no line may hold");
    if (line->end - line->at < 2)
        return HTTP_MORE;
    if (line->at[1] != '\n')
        return http_refuse(head, 400, "CR without LF");
    line->at += 2;
    return HTTP_DONE;
}

bool http_has_new_line(struct http_head *head, const uint8_t *bytes, size_t length)
{
    bool found = !head->seen || memchr(bytes + head->seen, '\n', length - head->seen);
    head->seen = (uint16_t)length;
    return found;
}

bool http_is(const uint8_t *bytes, size_t length, const char *lower)
{
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = bytes[i];
        if (byte >= 'A' && byte <= 'Z')
            byte |= 0x20;
        if (byte != (uint8_t)lower[i]) /* its end differs from any byte of a head */
            return false;
    }
    return lower[length] == 0;
}

static uint8_t find_name(const uint8_t *name, size_t length)
{
    enum {
        LENGTHS = 0
#define NAME_LENGTH(id, text) | 1 << (sizeof text - 1)
        HTTP_NAMES(NAME_LENGTH)
#undef NAME_LENGTH
    };
    if (length > 30 || !(LENGTHS >> length & 1))
        return HTTP_OTHER;
#define NAME_MATCH(id, text)                                                                       \
    if (length == sizeof text - 1 && http_is(name, length, text))                                  \
        return id;
    HTTP_NAMES(NAME_MATCH)
#undef NAME_MATCH
    return HTTP_OTHER;
}

/* -- lines -- */

static int read_name(struct http_head *head, struct http_line *line, struct http_field *field,
                     bool strict)
{
    const uint8_t *begin = line->at, *end = scan_while(begin, line->end, SCAN_TOKEN);
    if (end == line->end)
        return HTTP_MORE;
    if (end == begin)
        return http_refuse(head, 400,
                           *begin == ' ' || *begin == '\t' ? "a folded line" : "no field name");
    if (*end != ':')
        return http_refuse(head, 400, "a field name is not followed by a colon");
    if (strict && memchr(begin, '_', (size_t)(end - begin)))
        return http_refuse(head, 400, "a field name with an underscore");
    field->name = http_span(line, begin, end);
    field->id = find_name(begin, (size_t)(end - begin));
    line->at = end + 1;
    return HTTP_DONE;
}

static int read_value(struct http_head *head, struct http_line *line, struct http_field *field)
{
    const uint8_t *begin = line->at, *end;
    while (begin < line->end && (*begin == ' ' || *begin == '\t'))
        begin++;
    line->at = end = scan_text(begin, line->end);
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    field->value = http_span(line, begin, end);
    return http_end_line(head, line);
}

static int read_field(struct http_head *head, struct http_line *line, bool strict)
{
    struct http_field field;
    if (head->count == HTTP_FIELD_LIMIT)
        return http_refuse(head, 431, "too many fields");
    int answer = read_name(head, line, &field, strict);
    if (answer == HTTP_DONE)
        answer = read_value(head, line, &field);
    if (answer == HTTP_DONE)
        head->fields[head->count++] = field;
    return answer;
}

int http_read_fields(struct http_head *head, const uint8_t *bytes, size_t length, bool strict)
{
    struct http_line line = {bytes, bytes + head->at, bytes + length};
    for (;;) {
        bool last = line.at < line.end && *line.at == '\r';
        int answer = last                  ? http_end_line(head, &line)
                     : line.at == line.end ? HTTP_MORE
                                           : read_field(head, &line, strict);
        if (answer != HTTP_DONE)
            return answer;
        head->at = (uint16_t)(line.at - bytes);
        if (last)
            break;
    }
    head->length = head->at;
    return HTTP_DONE;
}

/* -- meanings -- */

bool http_list_next(struct http_list *list, const uint8_t **item, size_t *length)
{
    while (list->at < list->end && (*list->at == ',' || *list->at == ' ' || *list->at == '\t'))
        list->at++;
    if (list->at == list->end)
        return false;
    const uint8_t *comma = memchr(list->at, ',', (size_t)(list->end - list->at));
    const uint8_t *end = comma ? comma : list->end;
    *item = list->at;
    list->at = end;
    while (end > *item && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *length = (size_t)(end - *item);
    return true;
}

static int read_length(struct http_head *head, const uint8_t *value, size_t length)
{
    uint64_t total = 0;
    if (head->has_length)
        return http_refuse(head, 400, "two Content-Length");
    if (!length || (length > 1 && value[0] == '0'))
        return http_refuse(head, 400, "Content-Length is no number");
    for (size_t i = 0; i < length; i++) {
        if (value[i] < '0' || value[i] > '9')
            return http_refuse(head, 400, "Content-Length is no number");
        if (total > (INT64_MAX - 9) / 10)
            return http_refuse(head, 400, "Content-Length is too large");
        total = total * 10 + (uint64_t)(value[i] - '0');
    }
    head->content_length = total;
    head->has_length = true;
    return HTTP_DONE;
}

static int read_coding(struct http_head *head, const uint8_t *value, size_t length)
{
    if (head->chunked)
        return http_refuse(head, 400, "two Transfer-Encoding");
    if (!http_is(value, length, "chunked"))
        return http_refuse(head, 400, "Transfer-Encoding is not chunked");
    head->chunked = true;
    return HTTP_DONE;
}

/* Fields that a peer may not take away from the next one by naming them. */
static bool is_kept(uint8_t id)
{
    return id == HTTP_HOST || id == HTTP_CONTENT_LENGTH || id == HTTP_TRANSFER_ENCODING ||
           id == HTTP_CONNECTION || id == HTTP_UPGRADE || id == HTTP_TE || id == HTTP_EXPECT;
}

static void drop_named(struct http_head *head, const uint8_t *bytes, const uint8_t *name,
                       size_t length)
{
    for (uint8_t i = 0; i < head->count; i++) {
        struct http_field *field = &head->fields[i];
        if (field->name.length == length && !is_kept(field->id) &&
            strncasecmp((const char *)bytes + field->name.at, (const char *)name, length) == 0)
            field->id = HTTP_DROPPED;
    }
}

static int read_connection(struct http_head *head, const uint8_t *bytes, struct http_span value)
{
    struct http_list list = {bytes + value.at, bytes + value.at + value.length};
    const uint8_t *item;
    size_t length;
    while (http_list_next(&list, &item, &length)) {
        if (http_is(item, length, "close"))
            head->close = true;
        else if (http_is(item, length, "keep-alive"))
            head->keep_alive = true;
        else if (http_is(item, length, "upgrade"))
            head->wants_upgrade = true;
        else if (scan_while(item, item + length, SCAN_TOKEN) != item + length)
            return http_refuse(head, 400, "Connection is no list of names");
        else
            drop_named(head, bytes, item, length);
    }
    return HTTP_DONE;
}

static bool accepts_trailers(const uint8_t *bytes, struct http_span value)
{
    struct http_list list = {bytes + value.at, bytes + value.at + value.length};
    const uint8_t *item;
    size_t length;
    while (http_list_next(&list, &item, &length))
        if (http_is(item, length, "trailers"))
            return true;
    return false;
}

static int read_host(struct http_head *head, const uint8_t *bytes, struct http_span value)
{
    (void)bytes;
    if (head->host.at)
        return http_refuse(head, 400, "two Host");
    head->host = value;
    return HTTP_DONE;
}

static int understand_one(struct http_head *head, const uint8_t *bytes, struct http_field field,
                          bool strict)
{
    const uint8_t *value = bytes + field.value.at;
    switch (field.id) {
    case HTTP_CONTENT_LENGTH:
        return read_length(head, value, field.value.length);
    case HTTP_TRANSFER_ENCODING:
        return read_coding(head, value, field.value.length);
    case HTTP_CONNECTION:
        return read_connection(head, bytes, field.value);
    case HTTP_HOST:
        return strict ? read_host(head, bytes, field.value) : HTTP_DONE;
    case HTTP_UPGRADE:
        head->upgrade = field.value;
        return HTTP_DONE;
    case HTTP_DATE:
        head->has_date = true;
        return HTTP_DONE;
    case HTTP_TE:
        head->te_trailers |= accepts_trailers(bytes, field.value);
        return HTTP_DONE;
    case HTTP_EXPECT:
        head->expects_continue = http_is(value, field.value.length, "100-continue");
        return strict && !head->expects_continue
                   ? http_refuse(head, 417, "Expect is not 100-continue")
                   : HTTP_DONE;
    default:
        return HTTP_DONE;
    }
}

int http_understand(struct http_head *head, const uint8_t *bytes, bool strict)
{
    for (uint8_t i = 0; i < head->count; i++) {
        int answer = understand_one(head, bytes, head->fields[i], strict);
        if (answer != HTTP_DONE)
            return answer;
    }
    if (head->chunked && head->has_length)
        return http_refuse(head, 400, "Content-Length beside Transfer-Encoding");
    if (head->chunked && head->minor == 0)
        return http_refuse(head, 400, "Transfer-Encoding in HTTP/1.0");
    return HTTP_DONE;
}

bool http_has_body(uint16_t status, uint8_t method_id)
{
    return status >= 200 && status != 204 && status != 304 && method_id != HTTP_HEAD;
}

bool http_is_idempotent(uint8_t method_id)
{
    return method_id == HTTP_GET || method_id == HTTP_HEAD || method_id == HTTP_PUT ||
           method_id == HTTP_DELETE || method_id == HTTP_OPTIONS;
}
