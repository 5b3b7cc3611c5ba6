#include "http_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void say(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* Waits until the other side hangs up. */
static void await_end(int fd)
{
    char byte;
    while (recv(fd, &byte, 1, 0) > 0)
        ;
}

static void say_megabytes(int fd, unsigned megabytes)
{
    static char block[1024 * 1024];
    memset(block, 'x', sizeof block);
    for (unsigned i = 0; i < megabytes; i++)
        for (size_t at = 0; at < sizeof block;) {
            ssize_t count = send(fd, block + at, sizeof block - at, MSG_NOSIGNAL);
            if (count <= 0)
                return;
            at += (size_t)count;
        }
}

static int answer(int fd, const char *path)
{
    if (strcmp(path, "/hello") == 0) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Case: Kept Value \r\n\r\nhello");
        return 1;
    }
    if (strcmp(path, "/chunked") == 0) {
        say(fd, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                "Trailer: X-Sum\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nX-Sum: 42\r\n\r\n");
        return 1;
    }
    if (strcmp(path, "/missing") == 0) {
        say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone");
        return 1;
    }
    if (strcmp(path, "/moved") == 0) {
        say(fd,
            "HTTP/1.1 302 Found\r\nLocation: http://localhost/hello\r\nContent-Length: 0\r\n\r\n");
        return 1;
    }
    if (strcmp(path, "/cut") == 0)
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
    else if (strcmp(path, "/stall") == 0) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
        await_end(fd);
    } else if (strcmp(path, "/silent") == 0) {
        await_end(fd);
    } else if (strcmp(path, "/big") == 0) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n");
        say_megabytes(fd, 4);
        return 1;
    } else if (strcmp(path, "/garbage") == 0)
        say(fd, "\x16\x03\x01 this is no HTTP\r\n\r\n");
    return 0;
}

static void serve(struct http_peer *peer, int fd)
{
    for (;;) {
        size_t length = 0;
        char buffer[sizeof peer->last_request] = "", path[256] = "";
        while (!strstr(buffer, "\r\n\r\n")) {
            ssize_t count = recv(fd, buffer + length, sizeof buffer - 1 - length, 0);
            if (count <= 0)
                return;
            length += (size_t)count;
            buffer[length] = 0;
        }
        memcpy(peer->last_request, buffer, sizeof buffer);
        if (sscanf(buffer, "%*s %255s", path) != 1 || !answer(fd, path))
            return;
    }
}

static void *run(void *argument)
{
    struct http_peer *peer = argument;
    for (;;) {
        int fd = accept(peer->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        serve(peer, fd);
        close(fd);
    }
}

void http_peer_start(struct http_peer *peer)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(peer->directory, "/tmp/orch-test-XXXXXX");
    if (!mkdtemp(peer->directory))
        abort();
    snprintf(peer->path, sizeof peer->path, "%s/socket", peer->directory);
    strcpy(address.sun_path, peer->path);
    peer->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(peer->listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(peer->listener, 16) != 0 || pthread_create(&peer->thread, NULL, run, peer) != 0)
        abort();
}

void http_peer_stop(struct http_peer *peer)
{
    shutdown(peer->listener, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->listener);
    unlink(peer->path);
    rmdir(peer->directory);
}
