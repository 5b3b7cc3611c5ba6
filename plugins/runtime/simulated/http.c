/* A tiny HTTP/1.1 responder at a container's own loopback address, one listener per port. */
#include "simulated.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_BYTES = 16384, CONNECTIONS_LIMIT = 4096 };

struct listener {
    struct container *container;
    int32_t fd;
    uint64_t watch;
    struct listener *next;
};
struct connection {
    struct container *container;
    int32_t fd;
    uint64_t watch, timer;
    size_t used, body_left;
    bool close_after;
    struct connection *next, *previous;
    char reply[512];
    char buffer[REQUEST_BYTES + 1];
};

static void connection_close(struct connection *connection)
{
    struct runtime *runtime = connection->container->runtime;
    if (connection->timer)
        runtime->loop->timer_stop(runtime->host, connection->timer);
    runtime->loop->unwatch(runtime->host, connection->watch);
    close(connection->fd);
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        runtime->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    runtime->connection_count--;
    free(connection);
}

/* Replies are short: a peer that doesn't even take that many bytes is let go. */
static bool send_reply(struct connection *connection)
{
    size_t length = strlen(connection->reply);
    ssize_t sent = send(connection->fd, connection->reply, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent == (ssize_t)length && !connection->close_after;
}

static const char *value_of(const char *target, const char *key)
{
    const char *found = strchr(target, '?');
    found = found ? strstr(found, key) : NULL;
    return found ? found + strlen(key) : NULL;
}

static void write_reply(struct connection *connection, bool healthy)
{
    char body[128];
    const char *id = connection->container->id;
    int length = snprintf(body, sizeof body, "%s\n", id);
    snprintf(connection->reply, sizeof connection->reply,
             "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nX-Container: %s\r\n"
             "%s\r\n%s",
             healthy ? "200 OK" : "503 Service Unavailable", length, id,
             connection->close_after ? "Connection: close\r\n" : "", body);
}

/* The value of a header of the request's head, NULL when it has none. */
static const char *header(const char *head, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, length) == 0 && line[2 + length] == ':')
            return line + 3 + length + strspn(line + 3 + length, " ");
    return NULL;
}

static bool serve(struct connection *connection);

static void answer_late(void *context)
{
    struct connection *connection = context;
    const struct runtime *runtime = connection->container->runtime;
    connection->timer = 0;
    if (!send_reply(connection)) {
        connection_close(connection);
        return;
    }
    (void)runtime->loop->watch_change(runtime->host, connection->watch, ORCH_IO_READ);
    if (!serve(connection))
        connection_close(connection);
}

/* One request whose head is there. False: the connection is over. *gone: so is the container. */
static bool answer(struct connection *connection, const char *head, bool *gone)
{
    struct container *container = connection->container;
    struct runtime *runtime = container->runtime;
    char target[512] = "";
    const char *end = header(head, "Connection"), *body = header(head, "Content-Length");
    (void)sscanf(head, "%*15s %511s", target); /* none: answered like any other */
    connection->close_after = end && strncasecmp(end, "close", 5) == 0;
    connection->body_left = body ? strtoul(body, NULL, 10) : 0;
    if (strncmp(target, "/unhealthy", 10) == 0 || strncmp(target, "/healthy", 8) == 0)
        container->unhealthy = target[1] == 'u';
    write_reply(connection, !container->unhealthy || strncmp(target, "/unhealthy", 10) == 0);
    if (strncmp(target, "/exit", 5) == 0) {
        const char *code = value_of(target, "code=");
        (void)send_reply(connection); /* the container ends all the same */
        *gone = true;
        container_exit(container, code ? (int32_t)strtol(code, NULL, 10) : 0);
        return true;
    }
    const char *asked = value_of(target, "delay=");
    uint64_t delay = asked ? strtoul(asked, NULL, 10) % 3600000 * NS_PER_MS
                           : duration_ns(container_env(container, "SIMULATED_HTTP_DELAY"));
    if (delay && runtime->loop->timer_start(runtime->host, delay, answer_late, connection,
                                            &connection->timer) == ORCH_OK) {
        (void)runtime->loop->watch_change(runtime->host, connection->watch, 0);
        return true;
    }
    return send_reply(connection);
}

static void drop(struct connection *connection, size_t bytes)
{
    connection->used -= bytes;
    memmove(connection->buffer, connection->buffer + bytes, connection->used);
    connection->buffer[connection->used] = 0;
}

static bool serve(struct connection *connection)
{
    while (!connection->timer) {
        size_t skip =
            connection->body_left < connection->used ? connection->body_left : connection->used;
        connection->body_left -= skip;
        drop(connection, skip);
        char *end = strstr(connection->buffer, "\r\n\r\n");
        if (!end)
            return connection->used < REQUEST_BYTES;
        char head[REQUEST_BYTES + 1];
        size_t length = (size_t)(end - connection->buffer) + 4;
        bool gone = false;
        memcpy(head, connection->buffer, length);
        head[length] = 0;
        drop(connection, length);
        bool more = answer(connection, head, &gone);
        if (gone)
            return true; /* the connection went with its container */
        if (!more)
            return false;
    }
    return true;
}

static void readable(void *context, int32_t fd, uint32_t events)
{
    struct connection *connection = context;
    (void)events;
    ssize_t got = recv(fd, connection->buffer + connection->used, REQUEST_BYTES - connection->used,
                       MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0) {
        connection->used += (size_t)got;
        connection->buffer[connection->used] = 0;
    }
    if (got <= 0 || !serve(connection))
        connection_close(connection);
}

static void acceptable(void *context, int32_t fd, uint32_t events)
{
    struct listener *listener = context;
    struct runtime *runtime = listener->container->runtime;
    (void)events;
    int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (accepted < 0)
        return; /* gone again, or no descriptor left: the next turn tries anew */
    struct connection *connection =
        runtime->connection_count < CONNECTIONS_LIMIT ? calloc(1, sizeof *connection) : NULL;
    if (!connection || runtime->loop->watch(runtime->host, accepted, ORCH_IO_READ, readable,
                                            connection, &connection->watch) != ORCH_OK) {
        free(connection);
        close(accepted);
        return;
    }
    connection->container = listener->container;
    connection->fd = accepted;
    connection->next = runtime->connections;
    if (connection->next)
        connection->next->previous = connection;
    runtime->connections = connection;
    runtime->connection_count++;
}

static int open_listener(const char *address, uint32_t port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (inet_pton(AF_INET, address, &name.sin_addr) == 1 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, (const struct sockaddr *)&name, sizeof name) == 0 && listen(fd, 512) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static bool listen_at(struct container *container, uint32_t port, struct orch_error *error)
{
    struct runtime *runtime = container->runtime;
    struct listener *listener = calloc(1, sizeof *listener);
    int fd = open_listener(container->address, port);
    if (listener && fd >= 0 &&
        runtime->loop->watch(runtime->host, fd, ORCH_IO_READ, acceptable, listener,
                             &listener->watch) == ORCH_OK) {
        listener->container = container;
        listener->fd = fd;
        listener->next = container->listeners;
        container->listeners = listener;
        return true;
    }
    char message[128];
    snprintf(message, sizeof message, "can't listen on %s:%u: %s", container->address, port,
             fd < 0 ? strerror(errno) : "the loop takes no descriptor");
    (void)orch_fail(error, ORCH_E_UNAVAILABLE, message);
    if (fd >= 0)
        close(fd);
    free(listener);
    return false;
}

bool http_listen(struct container *container, struct orch_error *error)
{
    for (uint32_t i = 0; i < container->port_count; i++)
        if (!listen_at(container, container->ports[i], error)) {
            http_close(container);
            return false;
        }
    return true;
}

void http_close(struct container *container)
{
    struct runtime *runtime = container->runtime;
    for (struct connection *connection = runtime->connections, *next; connection;
         connection = next) {
        next = connection->next;
        if (connection->container == container)
            connection_close(connection);
    }
    while (container->listeners) {
        struct listener *listener = container->listeners;
        container->listeners = listener->next;
        runtime->loop->unwatch(runtime->host, listener->watch);
        close(listener->fd);
        free(listener);
    }
}
