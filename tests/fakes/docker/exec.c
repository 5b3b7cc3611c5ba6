/* Commands in containers: echo WORDS, err WORDS, cat, exit CODE, size, flood BYTES, hang. */
#include "fakes/docker/impl.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void handle_exec_create(struct exchange *exchange, struct fake_container *container)
{
    struct fake_docker *fake = exchange->fake;
    json_t *config = json_loads(exchange->body ? exchange->body : "", 0, NULL);
    if (container->state != FAKE_RUNNING || !json_is_object(config)) {
        reply_error(exchange, json_is_object(config) ? 409 : 400, "Container %s is not running",
                    container->id);
        json_decref(config);
        return;
    }
    struct fake_exec *exec = calloc(1, sizeof *exec);
    if (!exec)
        abort();
    make_id(fake, exec->id);
    memcpy(exec->container, container->id, sizeof exec->container);
    exec->config = config;
    exec->next = fake->execs;
    fake->execs = exec;
    reply_json(exchange, 201, json_pack("{s:s}", "Id", exec->id));
}

struct running { /* what its thread needs, without the lock */
    int fd;
    bool tty;
    const json_t *command;
    struct fake_exec *exec;
    struct fake_docker *fake;
};

static bool put(const struct running *running, int channel, const char *bytes, size_t length)
{
    const unsigned char header[8] = {(unsigned char)channel,
                                     0,
                                     0,
                                     0,
                                     (unsigned char)(length >> 24),
                                     (unsigned char)(length >> 16),
                                     (unsigned char)(length >> 8),
                                     (unsigned char)length};
    return (running->tty || http_send(running->fd, header, sizeof header)) &&
           http_send(running->fd, bytes, length);
}

static const char *word(const struct running *running, size_t index)
{
    const char *text = json_string_value(json_array_get(running->command, index));
    return text ? text : "";
}

static int echo(const struct running *running, int channel)
{
    for (size_t i = 1; i < json_array_size(running->command); i++) {
        (void)put(running, channel, word(running, i), strlen(word(running, i)));
        (void)put(running, channel, i + 1 < json_array_size(running->command) ? " " : "\n", 1);
    }
    return 0;
}

static int cat(const struct running *running)
{
    char bytes[4096];
    ssize_t count;
    while ((count = recv(running->fd, bytes, sizeof bytes, 0)) > 0)
        if (!put(running, 1, bytes, (size_t)count))
            return 1;
    return 0;
}

static int flood(const struct running *running)
{
    static const char block[8192];
    for (long left = atol(word(running, 1)); left > 0; left -= (long)sizeof block)
        if (!put(running, 1, block, sizeof block))
            return 1;
    return 0;
}

static int size(const struct running *running)
{
    char text[40];
    pthread_mutex_lock(&running->fake->lock);
    while (!running->exec->rows && !running->fake->stopping)
        pthread_cond_wait(&running->fake->changed, &running->fake->lock);
    snprintf(text, sizeof text, "%d %d\n", running->exec->rows, running->exec->columns);
    pthread_mutex_unlock(&running->fake->lock);
    return put(running, 1, text, strlen(text)) ? 0 : 1;
}

static int hang(const struct running *running)
{
    struct pollfd poller = {.fd = running->fd, .events = POLLRDHUP};
    (void)poll(&poller, 1, -1);
    return 137;
}

static int run(const struct running *running)
{
    const char *name = word(running, 0);
    if (strcmp(name, "echo") == 0 || strcmp(name, "err") == 0)
        return echo(running, strcmp(name, "err") == 0 ? 2 : 1);
    if (strcmp(name, "cat") == 0)
        return cat(running);
    if (strcmp(name, "exit") == 0)
        return atoi(word(running, 1));
    if (strcmp(name, "size") == 0)
        return size(running);
    if (strcmp(name, "flood") == 0)
        return flood(running);
    return strcmp(name, "hang") == 0 ? hang(running) : 127;
}

static void begin(struct exchange *exchange, struct fake_exec *exec)
{
    static const char head[] = "HTTP/1.1 101 UPGRADED\r\nContent-Type: "
                               "application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\n"
                               "Upgrade: tcp\r\n\r\n";
    struct fake_docker *fake = exchange->fake;
    const struct running running = {.fd = exchange->fd,
                                    .tty = json_is_true(json_object_get(exec->config, "Tty")),
                                    .command = json_object_get(exec->config, "Cmd"),
                                    .exec = exec,
                                    .fake = fake};
    exchange->taken = exchange->closes = true;
    exec->running = true;
    pthread_mutex_unlock(&fake->lock);
    int code = http_send(exchange->fd, head, sizeof head - 1) ? run(&running) : 137;
    pthread_mutex_lock(&fake->lock);
    exec->running = false;
    exec->ended = true;
    exec->code = code;
}

void handle_exec(struct exchange *exchange, const char *id, const char *action)
{
    struct fake_exec *exec = exchange->fake->execs;
    while (exec && strcmp(exec->id, id) != 0)
        exec = exec->next;
    if (!exec) {
        reply_error(exchange, 404, "No such exec instance: %s", id);
    } else if (strcmp(action, "json") == 0) {
        reply_json(
            exchange, 200,
            exec->ended
                ? json_pack("{s:s, s:b, s:i}", "ID", exec->id, "Running", 0, "ExitCode", exec->code)
                : json_pack("{s:s, s:b, s:n}", "ID", exec->id, "Running", 1, "ExitCode"));
    } else if (strcmp(action, "resize") == 0) {
        char *rows = query_value(exchange, "h"), *columns = query_value(exchange, "w");
        exec->rows = rows ? atoi(rows) : 0;
        exec->columns = columns ? atoi(columns) : 0;
        free(rows);
        free(columns);
        pthread_cond_broadcast(&exchange->fake->changed);
        reply_json(exchange, 200, NULL);
    } else if (strcmp(action, "start") == 0 && exchange->wants_upgrade) {
        begin(exchange, exec);
    } else {
        reply_error(exchange, 400, "this engine starts commands by an upgrade only");
    }
}
