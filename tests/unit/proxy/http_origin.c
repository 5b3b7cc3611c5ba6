#include "http_origin.h"
#include "rig.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ECHO_BYTES = 1 << 16 };
struct served {
    struct http_origin *origin;
    int fd;
    char request[ECHO_BYTES]; /* of the last one, with its body as far as it fits */
    size_t length, head_length;
    char buffer[16384];
    size_t at, end;
};

static bool put(struct served *served, const void *bytes, size_t length)
{
    for (size_t at = 0; at < length;) {
        ssize_t sent = send(served->fd, (const char *)bytes + at, length - at, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += (size_t)sent;
    }
    return true;
}

static bool say(struct served *served, const char *text)
{
    return put(served, text, strlen(text));
}

static int next(struct served *served)
{
    if (served->at == served->end) {
        ssize_t count = recv(served->fd, served->buffer, sizeof served->buffer, 0);
        if (count <= 0)
            return -1;
        served->at = 0;
        served->end = (size_t)count;
    }
    int byte = (uint8_t)served->buffer[served->at++];
    if (served->length < sizeof served->request - 1)
        served->request[served->length++] = (char)byte;
    return byte;
}

/* A line with its end. */
static bool line(struct served *served, char *out, size_t room)
{
    size_t length = 0;
    for (int byte; length + 1 < room && (byte = next(served)) >= 0;) {
        out[length++] = (char)byte;
        out[length] = 0;
        if (byte == '\n')
            return true;
    }
    return false;
}

static bool read_head(struct served *served)
{
    char text[8192];
    served->length = 0;
    do
        if (!line(served, text, sizeof text))
            return false;
    while (strcmp(text, "\r\n") != 0);
    served->request[served->length] = 0;
    served->head_length = served->length;
    atomic_fetch_add(&served->origin->requests, 1);
    return true;
}

static bool skip(struct served *served, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        if (next(served) < 0)
            return false;
    atomic_fetch_add(&served->origin->body_bytes, count);
    return true;
}

static bool read_chunks(struct served *served)
{
    char text[8192];
    for (;;) {
        if (!line(served, text, sizeof text))
            return false;
        uint64_t size = strtoull(text, NULL, 16);
        if (!size)
            break;
        if (!skip(served, size) || !line(served, text, sizeof text))
            return false;
    }
    do
        if (!line(served, text, sizeof text))
            return false;
    while (strcmp(text, "\r\n") != 0);
    return true;
}

static bool read_body(struct served *served)
{
    const char *length = strcasestr(served->request, "\r\ncontent-length: ");
    if (strcasestr(served->request, "\r\ntransfer-encoding: chunked"))
        return read_chunks(served);
    return !length || skip(served, strtoull(length + 18, NULL, 10));
}

static bool asks(const struct served *served, const char *what)
{
    const char *target = strchr(served->request, ' ');
    size_t length = strlen(what);
    return target && strncmp(target + 1, what, length) == 0 &&
           (target[1 + length] == ' ' || target[1 + length] == '?');
}

static bool reply(struct served *served, const char *status, const char *bytes, size_t length)
{
    char head[128];
    snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", status, length);
    return say(served, head) &&
           (strncmp(served->request, "HEAD ", 5) == 0 || put(served, bytes, length));
}

static bool reply_name(struct served *served, const char *status)
{
    return reply(served, status, served->origin->name, strlen(served->origin->name));
}

static bool reply_pattern(struct served *served)
{
    char bytes[16384];
    snprintf(bytes, sizeof bytes, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n",
             HTTP_ORIGIN_BYTES);
    say(served, bytes);
    for (uint64_t at = 0; at < HTTP_ORIGIN_BYTES; at += sizeof bytes) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)pattern_at(at + i);
        if (!put(served, bytes, sizeof bytes))
            return false;
    }
    return true;
}

static bool reply_in_pieces(struct served *served)
{
    static const char text[] = "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
                               "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok";
    for (size_t i = 0; i < sizeof text - 1; i++) {
        if (!put(served, text + i, 1))
            return false;
        poll(NULL, 0, 1);
    }
    return true;
}

static bool wait_to_go(void *argument)
{
    return atomic_load(&((struct http_origin *)argument)->goes);
}

static bool upgrade(struct served *served)
{
    say(served, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                "Upgrade: websocket\r\n\r\nhello");
    for (int byte; (byte = next(served)) >= 0;) {
        char echo = (char)byte;
        if (!put(served, &echo, 1))
            break;
    }
    return false;
}

/* False: the connection ends. */
static bool answer(struct served *served)
{
    if (asks(served, "/drop"))
        return false;
    if (asks(served, "/drop-once") && !atomic_exchange(&served->origin->dropped, true))
        return false;
    if (asks(served, "/early"))
        return reply(served, "413 Too Much", "", 0);
    if (asks(served, "/continue"))
        say(served, "HTTP/1.1 100 Continue\r\n\r\n");
    if (!read_body(served))
        return false;
    if (asks(served, "/name") || asks(served, "/drop-once"))
        return reply_name(served, "200 OK");
    if (asks(served, "/chunked"))
        return say(served, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 7\r\n\r\n");
    if (asks(served, "/until-end"))
        return say(served, "HTTP/1.1 200 OK\r\n\r\nuntil the end") && false;
    if (asks(served, "/bytes"))
        return reply_pattern(served);
    if (asks(served, "/pieces"))
        return reply_in_pieces(served);
    if (asks(served, "/none"))
        return say(served, "HTTP/1.1 204 No Content\r\n\r\n");
    if (asks(served, "/204-with-body"))
        return say(served, "HTTP/1.1 204 None\r\nContent-Length: 5\r\n\r\n");
    if (asks(served, "/interims")) {
        for (int i = 0; i < 65; i++)
            say(served, "HTTP/1.1 102 Processing\r\n\r\n");
        return reply_name(served, "200 OK");
    }
    if (asks(served, "/error"))
        return reply_name(served, "500 Fault");
    if (asks(served, "/wait")) {
        while (!wait_until(wait_to_go, served->origin)) { /* the test's time bounds it */
        }
        return reply_name(served, "200 OK");
    }
    if (asks(served, "/last"))
        return reply_name(served, "200 OK") && false;
    if (asks(served, "/cut"))
        return say(served, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf") && false;
    if (asks(served, "/garbage"))
        return say(served, "220 mail.example ESMTP ready\r\n");
    if (asks(served, "/upgrade"))
        return upgrade(served);
    return reply(served, "200 OK", served->request, served->length);
}

static void *serve(void *argument)
{
    struct served *served = argument;
    while (read_head(served) && answer(served)) {
    }
    shutdown(served->fd, SHUT_WR);
    while (next(served) >= 0) {
    }
    close(served->fd);
    atomic_fetch_sub(&served->origin->open, 1);
    free(served);
    return NULL;
}

static void *accept_all(void *argument)
{
    struct http_origin *origin = argument;
    for (;;) {
        pthread_t thread;
        struct served *served = calloc(1, sizeof *served);
        served->origin = origin;
        served->fd = accept(origin->fd, NULL, NULL);
        cr_assert(served->fd >= 0);
        atomic_fetch_add(&origin->connections, 1);
        atomic_fetch_add(&origin->open, 1);
        cr_assert_eq(pthread_create(&thread, NULL, serve, served), 0);
        pthread_detach(thread);
    }
    return NULL;
}

struct http_origin *http_origin_start(const char *name)
{
    pthread_t thread;
    struct http_origin *origin = calloc(1, sizeof *origin);
    origin->name = name;
    origin->fd = bind_any(&origin->port);
    cr_assert_eq(listen(origin->fd, 1024), 0);
    cr_assert_eq(pthread_create(&thread, NULL, accept_all, origin), 0);
    pthread_detach(thread);
    return origin;
}

void http_origin_go(struct http_origin *origin)
{
    atomic_store(&origin->goes, true);
}
