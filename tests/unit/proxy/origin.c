#include "rig.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

struct served {
    struct origin *origin;
    int fd;
};

uint8_t pattern_at(uint64_t offset)
{
    return (uint8_t)(offset * 31 + (offset >> 13));
}

static bool send_all(int fd, const void *bytes, size_t count)
{
    for (size_t at = 0; at < count;) {
        ssize_t sent = send(fd, (const char *)bytes + at, count - at, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += (size_t)sent;
    }
    return true;
}

static void answer(const struct served *served, const char *bytes, ssize_t count)
{
    char line[64];
    int length = snprintf(line, sizeof line, "%s\n", served->origin->name);
    for (ssize_t i = 0; i < count; i++)
        if (bytes[i] == '\n')
            send_all(served->fd, line, (size_t)length);
}

static void read_to_end(const struct served *served)
{
    char bytes[16384];
    uint64_t total = 0;
    ssize_t count;
    while ((count = recv(served->fd, bytes, sizeof bytes, 0)) > 0) {
        total += (uint64_t)count;
        atomic_fetch_add(&served->origin->bytes, (uint64_t)count);
        if (served->origin->kind == ORIGIN_NAME)
            answer(served, bytes, count);
        else if (served->origin->kind == ORIGIN_ECHO)
            send_all(served->fd, bytes, (size_t)count);
    }
    if (count < 0)
        atomic_fetch_add(&served->origin->resets, 1);
    if (served->origin->kind == ORIGIN_COUNT) {
        int length = snprintf(bytes, sizeof bytes, "%llu\n", (unsigned long long)total);
        send_all(served->fd, bytes, (size_t)length);
    }
}

static void send_pattern(int fd)
{
    uint8_t bytes[16384];
    for (uint64_t at = 0; at < ORIGIN_BYTES; at += sizeof bytes) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = pattern_at(at + i);
        if (!send_all(fd, bytes, sizeof bytes))
            return;
    }
}

static void reset_at_first_byte(int fd)
{
    char byte;
    (void)recv(fd, &byte, 1, 0);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
}

static void *serve(void *argument)
{
    struct served *served = argument;
    if (served->origin->kind == ORIGIN_RESET)
        reset_at_first_byte(served->fd);
    if (served->origin->kind == ORIGIN_SOURCE)
        send_pattern(served->fd);
    if (served->origin->kind == ORIGIN_FIRST)
        send_all(served->fd, "hello\n", 6);
    if (served->origin->kind == ORIGIN_SOURCE || served->origin->kind == ORIGIN_FIRST)
        shutdown(served->fd, SHUT_WR);
    if (served->origin->kind != ORIGIN_RESET)
        read_to_end(served);
    atomic_fetch_add(&served->origin->ended, 1);
    close(served->fd);
    free(served);
    return NULL;
}

static void *accept_all(void *argument)
{
    struct origin *origin = argument;
    for (;;) {
        pthread_t thread;
        struct served *served = malloc(sizeof *served);
        *served = (struct served){.origin = origin, .fd = accept(origin->fd, NULL, NULL)};
        cr_assert(served->fd >= 0);
        cr_assert_eq(pthread_create(&thread, NULL, serve, served), 0);
        pthread_detach(thread);
    }
    return NULL;
}

int bind_any(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, bytes), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* Below the range that the kernel takes for other sockets, so that it stays free. */
uint16_t free_port(void)
{
    for (;;) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        uint16_t port;
        cr_assert_eq(getrandom(&port, sizeof port, 0), sizeof port);
        port = (uint16_t)(15000 + port % 15000);
        address.sin_port = htons(port);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool is_free = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
        close(fd);
        if (is_free)
            return port;
    }
}

struct origin *origin_start(enum origin_kind kind, const char *name)
{
    pthread_t thread;
    struct origin *origin = calloc(1, sizeof *origin);
    origin->kind = kind;
    origin->name = name;
    origin->fd = bind_any(&origin->port);
    cr_assert_eq(listen(origin->fd, 1024), 0);
    cr_assert_eq(pthread_create(&thread, NULL, accept_all, origin), 0);
    pthread_detach(thread);
    return origin;
}

/* -- clients -- */

int client_connect(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

bool client_ask(int fd, char *answer_line, size_t bytes)
{
    size_t length = 0;
    if (!send_all(fd, "?\n", 2))
        return false;
    while (length + 1 < bytes) {
        if (recv(fd, answer_line + length, 1, 0) != 1)
            return false;
        if (answer_line[length] == '\n')
            break;
        length++;
    }
    answer_line[length] = 0;
    return true;
}

bool client_is_closed(int fd)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    char byte;
    return poll(&watched, 1, 10000) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

bool wait_until(bool (*condition)(void *), void *argument)
{
    for (int i = 0; i < 2000; i++) {
        if (condition(argument))
            return true;
        poll(NULL, 0, 5);
    }
    return false;
}
