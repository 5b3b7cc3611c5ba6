#include "rig.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000 };

int client_open(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(rig.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void client_send(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent < 0)
            return; /* the server has said no; its answer is read */
        bytes += sent;
        length -= (size_t)sent;
    }
}

void client_text(int fd, const char *text)
{
    client_send(fd, text, strlen(text));
}

/* Appends what comes; false: nothing more will. */
static bool more(int fd, struct text *in)
{
    char block[16384];
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    cr_assert(poll(&ready, 1, PATIENCE_MS) == 1, "the server says nothing");
    ssize_t got = recv(fd, block, sizeof block, 0);
    if (got <= 0)
        return false;
    text_append(in, block, (size_t)got);
    return true;
}

static bool read_to(int fd, struct text *in, size_t length)
{
    while (in->length < length)
        if (!more(fd, in))
            return false;
    return true;
}

static void read_chunks(int fd, struct text *in, size_t at, struct text *body, bool *ended)
{
    for (;;) {
        char *line = NULL;
        while (!(line = in->length > at ? memmem(in->data + at, in->length - at, "\r\n", 2) : NULL))
            if (!more(fd, in))
                return;
        size_t size = strtoul(in->data + at, NULL, 16);
        size_t begin = (size_t)(line - in->data) + 2;
        if (!read_to(fd, in, begin + size + 2))
            return;
        text_append(body, in->data + begin, size);
        at = begin + size + 2;
        if (size == 0) {
            *ended = true;
            return;
        }
    }
}

const char *reply_header(const struct reply *reply, const char *name, char scratch[256])
{
    char line[128];
    snprintf(line, sizeof line, "\r\n%s: ", name);
    char *found = strcasestr(reply->head, line);
    scratch[0] = 0;
    if (found) {
        found += strlen(line);
        snprintf(scratch, 256, "%.*s", (int)strcspn(found, "\r"), found);
    }
    return scratch;
}

struct reply client_read(int fd)
{
    struct reply reply = {0};
    struct text in = {0}, body = {0};
    char *end, scratch[256];
    while (!(end = in.length ? memmem(in.data, in.length, "\r\n\r\n", 4) : NULL))
        if (!more(fd, &in)) {
            text_finish(&in);
            return (struct reply){.head = strdup(""), .body = strdup("")};
        }
    size_t head = (size_t)(end - in.data) + 4;
    reply.head = strndup(in.data, head);
    reply.status = atoi(reply.head + 9);
    if (reply.status == 100) {
        text_finish(&in);
        reply.body = strdup("");
        return reply;
    }
    if (*reply_header(&reply, "Transfer-Encoding", scratch)) {
        read_chunks(fd, &in, head, &body, &reply.ended);
    } else {
        size_t length = (size_t)atoll(reply_header(&reply, "Content-Length", scratch));
        reply.ended = read_to(fd, &in, head + length);
        text_append(&body, in.data + head, in.length - head);
    }
    reply.length = body.length;
    text_append_string(&body, "");
    reply.body = body.data ? text_take(&body) : strdup("");
    text_finish(&in);
    return reply;
}

bool client_is_closed(int fd)
{
    char byte;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    if (poll(&ready, 1, PATIENCE_MS) != 1)
        return false;
    return recv(fd, &byte, 1, 0) <= 0;
}

void reply_free(struct reply *reply)
{
    free(reply->head);
    free(reply->body);
}

struct reply ask_plain(const char *method, const char *path, const char *headers, const char *body)
{
    struct text out = {0};
    int fd = client_open();
    text_append_format(&out, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method, path,
                       headers ? headers : "");
    if (body)
        text_append_format(&out, "Content-Length: %zu\r\n", strlen(body));
    if (strcmp(method, "HEAD") == 0) /* what it says of its length is of what GET would send */
        text_append_string(&out, "Connection: close\r\n");
    text_append_string(&out, "\r\n");
    if (body)
        text_append_string(&out, body);
    client_send(fd, out.data, out.length);
    text_finish(&out);
    struct reply reply;
    if (strcmp(method, "HEAD") == 0) {
        while (more(fd, &out))
            ;
        reply = (struct reply){.head = strdup(text_string(&out)), .body = strdup("")};
        reply.status = out.length > 12 ? atoi(reply.head + 9) : 0;
        char *end = strstr(reply.head, "\r\n\r\n");
        reply.length = end ? strlen(end + 4) : 0;
        text_finish(&out);
    } else {
        reply = client_read(fd);
    }
    close(fd);
    return reply;
}

struct reply ask(const char *method, const char *path, const char *headers, const char *body)
{
    char all[1024];
    snprintf(all, sizeof all, KEY_HEADER "%s%s", body ? "Content-Type: application/json\r\n" : "",
             headers ? headers : "");
    return ask_plain(method, path, all, body);
}

json_t *ask_json(const char *method, const char *path, const char *body, int status)
{
    struct reply reply = ask(method, path, NULL, body);
    cr_assert_eq(reply.status, status, "%s %s: %d %s", method, path, reply.status, reply.body);
    json_t *value = json_loads(reply.body, JSON_REJECT_DUPLICATES, NULL);
    cr_assert(value || !reply.length, "%s %s answers no JSON: %s", method, path, reply.body);
    reply_free(&reply);
    return value;
}

void declare(const char *name, const char *labels)
{
    char body[512];
    snprintf(body, sizeof body,
             "{\"name\":\"%s\",\"image\":\"app:1\",\"replicas\":0,\"labels\":%s}", name,
             labels ? labels : "{}");
    json_decref(ask_json("POST", "/api/v1/deployments", body, 201));
}

void expect_refusal(const char *method, const char *path, const char *headers, const char *body,
                    int status, const char *code)
{
    struct reply reply = ask(method, path, headers, body);
    char want[64], scratch[256];
    snprintf(want, sizeof want, "\"code\":\"%s\"", code);
    cr_expect_eq(reply.status, status, "%s %s: %d, not %d: %s", method, path, reply.status, status,
                 reply.body);
    cr_expect(strstr(reply.body, want), "%s %s: no %s in %s", method, path, code, reply.body);
    cr_expect_str_eq(reply_header(&reply, "Content-Type", scratch),
                     "application/json; charset=utf-8");
    reply_free(&reply);
}
