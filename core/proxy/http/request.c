/* The head of a request. */
#include "proxy/http/fields.h"
#include "proxy/http/scan.h"

#include <string.h>
#include <strings.h>

static uint8_t method_of(const uint8_t *name, size_t length)
{
    static const struct {
        const char *name;
        uint8_t id;
    } methods[] = {{"GET", HTTP_GET},         {"HEAD", HTTP_HEAD},     {"POST", HTTP_POST},
                   {"PUT", HTTP_PUT},         {"DELETE", HTTP_DELETE}, {"OPTIONS", HTTP_OPTIONS},
                   {"CONNECT", HTTP_CONNECT}, {"TRACE", HTTP_TRACE}};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strlen(methods[i].name) == length && memcmp(methods[i].name, name, length) == 0)
            return methods[i].id;
    return HTTP_METHOD_OTHER;
}

static int read_method(struct http_head *head, struct http_line *line)
{
    const uint8_t *begin = line->at, *end = scan_while(begin, line->end, SCAN_TOKEN);
    if (end == line->end)
        return HTTP_MORE;
    if (end == begin || *end != ' ')
        return http_refuse(head, 400, "no method");
    head->method = http_span(line, begin, end);
    head->method_id = method_of(begin, (size_t)(end - begin));
    line->at = end + 1;
    return HTTP_DONE;
}

static int read_version(struct http_head *head, struct http_line *line)
{
    const uint8_t *at = line->at;
    if (line->end - at < 8)
        return HTTP_MORE;
    if (memcmp(at, "HTTP/", 5) != 0 || at[5] < '0' || at[5] > '9' || at[6] != '.' || at[7] < '0' ||
        at[7] > '9')
        return http_refuse(head, 400, "no version of HTTP");
    if (at[5] != '1')
        return http_refuse(head, 505, "not HTTP/1");
    head->minor = at[7] > '0';
    line->at += 8;
    return http_end_line(head, line);
}

/* name, address, or [address], and port. */
static bool is_authority(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *name = at;
    if (end - at > HTTP_HOST_BYTES)
        return false;
    if (at < end && *at == '[') {
        for (at++; at < end && (scan_is(*at, SCAN_HEX) || *at == ':' || *at == '.');)
            at++;
        if (at == end || *at != ']' || at - name < 3)
            return false;
        at++;
    } else {
        at = scan_while(at, end, SCAN_HOST);
    }
    if (at == name)
        return false;
    if (at < end && *at == ':')
        for (at++; at < end && *at >= '0' && *at <= '9';)
            at++;
    return at == end;
}

static int read_absolute(struct http_head *head, const struct http_line *line, const uint8_t *at,
                         const uint8_t *end)
{
    size_t scheme = strncasecmp((const char *)at, "http://", 7) == 0    ? 7
                    : strncasecmp((const char *)at, "https://", 8) == 0 ? 8
                                                                        : 0;
    const uint8_t *authority = at + scheme, *path = authority;
    if (!scheme)
        return http_refuse(head, 400, "the target is neither a path nor an http URI");
    while (path < end && *path != '/' && *path != '?')
        path++;
    if (!is_authority(authority, path))
        return http_refuse(head, 400, "the target's host is none");
    head->authority = http_span(line, authority, path);
    head->target = http_span(line, path, end);
    return HTTP_DONE;
}

static int read_target(struct http_head *head, struct http_line *line)
{
    const uint8_t *begin = line->at, *end = scan_while(begin, line->end, SCAN_TARGET);
    if (end - begin > HTTP_TARGET_BYTES)
        return http_refuse(head, 414, "the target is too long");
    if (end == line->end)
        return HTTP_MORE;
    if (end == begin || *end != ' ')
        return http_refuse(head, 400, "a byte that no target may hold");
    line->at = end + 1;
    if (head->method_id == HTTP_CONNECT || head->method_id == HTTP_TRACE)
        return http_refuse(head, 405, "the method is not for this server");
    head->target = http_span(line, begin, end);
    if (*begin == '/' || (*begin == '*' && end - begin == 1 && head->method_id == HTTP_OPTIONS))
        return HTTP_DONE;
    return read_absolute(head, line, begin, end);
}

static int read_first_line(struct http_head *head, const uint8_t *bytes, size_t length)
{
    struct http_line line = {bytes, bytes + head->at, bytes + length};
    if (!head->at && length && bytes[0] == '\r') { /* one empty line before is overlooked */
        int answer = http_end_line(head, &line);
        if (answer != HTTP_DONE)
            return answer;
        head->at = 2;
    }
    int answer = read_method(head, &line);
    if (answer == HTTP_DONE)
        answer = read_target(head, &line);
    if (answer == HTTP_DONE)
        answer = read_version(head, &line);
    if (answer == HTTP_DONE)
        head->at = (uint16_t)(line.at - bytes);
    return answer;
}

static bool is_same_host(const uint8_t *bytes, struct http_span a, struct http_span b)
{
    return a.length == b.length &&
           strncasecmp((const char *)bytes + a.at, (const char *)bytes + b.at, a.length) == 0;
}

static int check_host(struct http_head *head, const uint8_t *bytes)
{
    const uint8_t *host = bytes + head->host.at;
    if (!head->host.at)
        return head->minor ? http_refuse(head, 400, "no Host") : HTTP_DONE;
    if (!is_authority(host, host + head->host.length))
        return http_refuse(head, 400, "Host is no host");
    if (head->authority.length && !is_same_host(bytes, head->authority, head->host))
        return http_refuse(head, 400, "Host is not the target's");
    return HTTP_DONE;
}

static int too_large(struct http_head *head)
{
    return head->has_line ? http_refuse(head, 431, "the head is too large")
                          : http_refuse(head, 414, "the target is too long");
}

int http_read_request(struct http_head *head, const uint8_t *bytes, size_t length)
{
    size_t most = length < HTTP_REQUEST_BYTES ? length : HTTP_REQUEST_BYTES;
    int answer = HTTP_MORE;
    if (http_has_new_line(head, bytes, most)) {
        answer = HTTP_DONE;
        if (!head->has_line)
            answer = read_first_line(head, bytes, most);
        head->has_line |= answer == HTTP_DONE;
        if (answer == HTTP_DONE)
            answer = http_read_fields(head, bytes, most, true);
    }
    if (answer == HTTP_MORE)
        return most == HTTP_REQUEST_BYTES ? too_large(head) : HTTP_MORE;
    if (answer == HTTP_DONE)
        answer = http_understand(head, bytes, true);
    return answer == HTTP_DONE ? check_host(head, bytes) : answer;
}
