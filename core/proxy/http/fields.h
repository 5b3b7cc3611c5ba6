/* What the readers of heads share. Private to this folder. */
#ifndef PROXY_HTTP_FIELDS_H
#define PROXY_HTTP_FIELDS_H

#include "proxy/http/head.h"

/* One line of a head, while it is read. */
struct http_line {
    const uint8_t *base, *at, *end;
};
int http_refuse(struct http_head *head, int status, const char *fault);
struct http_span http_span(const struct http_line *line, const uint8_t *from, const uint8_t *to);
/* HTTP_DONE: the line has its CR LF, and `at` is after it. */
int http_end_line(struct http_head *head, struct http_line *line);
/* Is there news worth reading? Heads that come in pieces are not read again with every byte. */
bool http_has_new_line(struct http_head *head, const uint8_t *bytes, size_t length);
/* Reads fields up to and with the empty line. `strict`: of a request. */
int http_read_fields(struct http_head *head, const uint8_t *bytes, size_t length, bool strict);
/* What Content-Length, Transfer-Encoding and Connection say. HTTP_DONE or a status. */
int http_understand(struct http_head *head, const uint8_t *bytes, bool strict);

#endif
