/* The listening socket: "127.0.0.1:7070", "[::1]:7070"; port 0 takes any free one. */
#include "api/impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static bool listen_split(const char *listen, char *host, size_t bytes, uint16_t *port)
{
    const char *colon = strrchr(listen, ':');
    if (!colon)
        return false;
    const char *begin = listen;
    size_t length = (size_t)(colon - listen);
    if (*begin == '[') {
        if (length < 2 || begin[length - 1] != ']')
            return false;
        begin++;
        length -= 2;
    }
    char *end;
    unsigned long number = strtoul(colon + 1, &end, 10);
    if (length >= bytes || end == colon + 1 || *end || number > UINT16_MAX)
        return false;
    memcpy(host, begin, length);
    host[length] = 0;
    *port = (uint16_t)number;
    return true;
}

static bool fill_address(const char *host, uint16_t port, struct sockaddr_storage *out,
                         socklen_t *length)
{
    memset(out, 0, sizeof *out);
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *length = sizeof *v4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        *length = sizeof *v6;
        return true;
    }
    return false;
}

static void describe_bound(int fd, char *out, size_t bytes)
{
    struct sockaddr_storage bound = {0};
    socklen_t length = sizeof bound;
    char host[INET6_ADDRSTRLEN] = "";
    if (getsockname(fd, (struct sockaddr *)&bound, &length) != 0)
        return;
    if (bound.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&bound;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(out, bytes, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&bound;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): getsockname filled it */
        snprintf(out, bytes, "%s:%u", host, ntohs(v4->sin_port));
    }
}

int listen_open(const char *address, char *bound, size_t bytes, struct error *error)
{
    char host[64];
    uint16_t port;
    struct sockaddr_storage storage;
    socklen_t length;
    if (!listen_split(address, host, sizeof host, &port) ||
        !fill_address(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port, &storage,
                      &length)) {
        error_set(error, ERROR_VALIDATION, "api.listen: \"%s\" is not an address and a port",
                  address);
        return -1;
    }
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0) {
        error_set_errno(error, ERROR_IO, errno, "cannot make a socket for the API");
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&storage, length) != 0 || listen(fd, BACKLOG) != 0) {
        error_set_errno(error, ERROR_IO, errno, "cannot listen on %s for the API", address);
        close(fd);
        return -1;
    }
    describe_bound(fd, bound, bytes);
    return fd;
}
