/* HTTP/1.1 as the engine speaks it: keep-alive, long replies chunked, upgrades. */
#include "fakes/docker/impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLOSE "Connection: close\r\n"
enum { HEAD_LIMIT = 65536, CHUNKED_FROM = 2048, BODY_LIMIT = 1 << 22 };

bool http_send(int fd, const void *bytes, size_t length)
{
    const char *from = bytes;
    while (length) {
        ssize_t count = send(fd, from, length, MSG_NOSIGNAL);
        if (count <= 0)
            return false;
        from += count;
        length -= (size_t)count;
    }
    return true;
}

bool http_begin_chunked(struct exchange *exchange, const char *content_type)
{
    char head[256];
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 200 OK\r\nApi-Version: %s\r\nContent-Type: %s\r\n"
                          "Transfer-Encoding: chunked\r\n%s\r\n",
                          exchange->fake->version ? exchange->fake->version : "", content_type,
                          exchange->wants_close ? CLOSE : "");
    exchange->taken = true;
    return http_send(exchange->fd, head, (size_t)length);
}

bool http_chunk(struct exchange *exchange, const void *bytes, size_t length)
{
    char head[32];
    int head_length = snprintf(head, sizeof head, "%zx\r\n", length);
    bool sent =
        !length || (http_send(exchange->fd, head, (size_t)head_length) &&
                    http_send(exchange->fd, bytes, length) && http_send(exchange->fd, "\r\n", 2));
    exchange->closes |= !sent;
    return sent;
}

void http_end_chunked(struct exchange *exchange)
{
    exchange->closes |= !http_send(exchange->fd, "0\r\n\r\n", 5);
}

void reply_json(struct exchange *exchange, int status, json_t *body)
{
    exchange->status = status;
    free(exchange->reply);
    exchange->reply = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
}

void reply_error(struct exchange *exchange, int status, const char *format, ...)
{
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    reply_json(exchange, status, json_pack("{s:s}", "message", message));
}

/* -- queries -- */

static char *decoded(const char *from, size_t length)
{
    char *to = malloc(length + 1), *at = to;
    unsigned value;
    if (!to)
        abort();
    for (size_t i = 0; i < length; i++) {
        if (from[i] == '%' && i + 2 < length && sscanf(from + i + 1, "%2x", &value) == 1) {
            *at++ = (char)value;
            i += 2;
        } else {
            *at++ = from[i] == '+' ? ' ' : from[i];
        }
    }
    *at = 0;
    return to;
}

char *query_value(const struct exchange *exchange, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = exchange->query; at && *at;) {
        size_t part = strcspn(at, "&");
        if (part > length && strncmp(at, name, length) == 0 && at[length] == '=')
            return decoded(at + length + 1, part - length - 1);
        at += part + (at[part] == '&');
    }
    return NULL;
}

bool query_is_true(const struct exchange *exchange, const char *name)
{
    char *value = query_value(exchange, name);
    bool is = value && (strcmp(value, "1") == 0 || strcasecmp(value, "true") == 0);
    free(value);
    return is;
}

json_t *query_filters(const struct exchange *exchange)
{
    char *text = query_value(exchange, "filters");
    json_t *filters = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    return json_is_object(filters) ? filters : (json_decref(filters), json_object());
}

bool labels_match(const json_t *labels, const json_t *filters)
{
    size_t index;
    json_t *wanted;
    json_array_foreach(json_object_get(filters, "label"), index, wanted)
    {
        const char *word = json_string_value(wanted), *equal = word ? strchr(word, '=') : NULL;
        if (!word)
            continue;
        char *key = strndup(word, equal ? (size_t)(equal - word) : strlen(word));
        const char *value = json_string_value(json_object_get(labels, key));
        free(key);
        if (!value || (equal && strcmp(value, equal + 1) != 0))
            return false;
    }
    return true;
}

/* -- one exchange -- */

static void send_reply(struct exchange *exchange)
{
    const char *body = exchange->reply ? exchange->reply : "";
    const char *version = exchange->fake->version;
    size_t length = strlen(body);
    bool truncate = exchange->fault.how == FAKE_TRUNCATE;
    bool chunked = length >= CHUNKED_FROM && !truncate;
    char head[400], framing[64];
    if (chunked)
        snprintf(framing, sizeof framing, "Transfer-Encoding: chunked");
    else
        snprintf(framing, sizeof framing, "Content-Length: %zu", length);
    int head_length = snprintf(
        head, sizeof head, "HTTP/1.1 %d %s\r\n%s%s%sContent-Type: application/json\r\n%s%s\r\n\r\n",
        exchange->status, exchange->status < 300 ? "OK" : "No", version ? "Api-Version: " : "",
        version ? version : "", version ? "\r\n" : "", exchange->wants_close ? CLOSE : "",
        exchange->status == 204 || exchange->status == 304 ? "Date: today" : framing);
    if (!http_send(exchange->fd, head, (size_t)head_length)) {
        exchange->closes = true;
    } else if (truncate) {
        (void)http_send(exchange->fd, body, length / 2);
        exchange->closes = true;
    } else if (chunked) {
        (void)(http_chunk(exchange, body, length / 2) &&
               http_chunk(exchange, body + length / 2, length - length / 2));
        http_end_chunked(exchange);
    } else {
        exchange->closes |= !http_send(exchange->fd, body, length);
    }
}

static void pause_ms(struct exchange *exchange, unsigned ms)
{
    int64_t until = fake_now_ms() + ms;
    pthread_mutex_lock(&exchange->fake->lock);
    while (!exchange->fake->stopping && fake_now_ms() < until)
        (void)fake_wait(exchange->fake, until);
    pthread_mutex_unlock(&exchange->fake->lock);
}

static void answer(struct exchange *exchange)
{
    const struct fake_fault *fault = &exchange->fault;
    bool acts = !fault->how || fault->act || fault->how == FAKE_TRUNCATE;
    if (fault->how == FAKE_DELAY && !fault->act) {
        pause_ms(exchange, fault->ms);
        acts = true;
    }
    if (acts || ((fault->how == FAKE_REPLY || fault->how == FAKE_FLOOD) && !fault->status))
        route(exchange);
    if (exchange->taken)
        return;
    if (fault->how == FAKE_DELAY && fault->act)
        pause_ms(exchange, fault->ms);
    if (fault->how == FAKE_CLOSE || fault->how == FAKE_HANG) {
        if (fault->how == FAKE_HANG)
            fake_await_hangup(exchange);
        exchange->closes = true;
        return;
    }
    if (fault->how == FAKE_REPLY) {
        exchange->status = fault->status ? fault->status : exchange->status;
        if (fault->body) {
            free(exchange->reply);
            exchange->reply = strdup(fault->body);
        }
        exchange->closes |= fault->cut;
    }
    if (fault->how == FAKE_FLOOD) {
        free(exchange->reply);
        exchange->reply = calloc(1, fault->bytes + 1);
        if (!exchange->reply)
            abort();
        memset(exchange->reply, 'x', fault->bytes);
    }
    send_reply(exchange);
}

static const char *header(const char *head, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, length) == 0 && line[2 + length] == ':')
            return line + 3 + length + strspn(line + 3 + length, " ");
    return NULL;
}

static bool read_body(struct exchange *exchange, const char *rest, size_t have, size_t wanted)
{
    exchange->body = calloc(1, wanted + 1);
    if (!exchange->body)
        abort();
    have = have < wanted ? have : wanted;
    memcpy(exchange->body, rest, have);
    exchange->body_length = wanted;
    while (have < wanted) {
        ssize_t count = recv(exchange->fd, exchange->body + have, wanted - have, 0);
        if (count <= 0)
            return false;
        have += (size_t)count;
    }
    return true;
}

/* "/v1.41/containers/json?all=1" */
static void split_target(struct exchange *exchange, const char *target)
{
    const char *path = target;
    if (strncmp(path, "/v1.", 4) == 0 && strchr(path + 1, '/'))
        path = strchr(path + 1, '/');
    const char *query = strchr(path, '?');
    exchange->path = strndup(path, query ? (size_t)(query - path) : strlen(path));
    exchange->query = strdup(query ? query + 1 : "");
}

static void finish(struct exchange *exchange)
{
    free(exchange->path);
    free(exchange->query);
    free(exchange->body);
    free(exchange->reply);
    fault_finish(&exchange->fault);
}

/* Without pipelining: what follows a request's body is none of ours. */
bool http_serve(struct connection *connection)
{
    static _Thread_local char head[HEAD_LIMIT];
    static _Thread_local char target[HEAD_LIMIT];
    struct exchange exchange = {.fake = connection->fake, .fd = connection->fd};
    size_t length = 0;
    char *end = NULL;
    head[0] = 0;
    while (!(end = strstr(head, "\r\n\r\n")) && length < HEAD_LIMIT - 1) {
        ssize_t count = recv(connection->fd, head + length, HEAD_LIMIT - 1 - length, 0);
        if (count <= 0)
            return false;
        length += (size_t)count;
        head[length] = 0;
    }
    if (!end || sscanf(head, "%15s %65535s", exchange.method, target) != 2)
        return false;
    const char *given = header(head, "content-length");
    size_t body_length = given ? strtoul(given, NULL, 10) : 0;
    exchange.wants_upgrade = header(head, "upgrade") != NULL;
    const char *connection_field = header(head, "connection");
    exchange.wants_close = connection_field && strncasecmp(connection_field, "close", 5) == 0;
    split_target(&exchange, target);
    bool whole = body_length <= BODY_LIMIT &&
                 read_body(&exchange, end + 4, length - (size_t)(end + 4 - head), body_length);
    if (whole && (exchange.path[1] != '_' || strcmp(exchange.path, "/_ping") == 0)) {
        pthread_mutex_lock(&exchange.fake->lock);
        exchange.event_cuts = exchange.fake->event_cuts;
        call_note(exchange.fake, &exchange, target);
        fault_take(exchange.fake, &exchange);
        pthread_mutex_unlock(&exchange.fake->lock);
    }
    if (whole)
        answer(&exchange);
    bool goes_on = whole && !exchange.closes && !exchange.wants_close;
    finish(&exchange);
    return goes_on;
}
