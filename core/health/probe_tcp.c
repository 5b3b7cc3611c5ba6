#include "health/impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct attempt {
    struct prober *prober;
    struct loop_io io;
};

static void connected(void *argument, int fd, unsigned events)
{
    struct attempt *attempt = argument;
    struct prober *prober = attempt->prober;
    int fault = 0;
    socklen_t length = sizeof fault;
    (void)events;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &length);
    probe_tcp_stop(attempt);
    prober_result(prober, fault ? strerror(fault) : NULL);
}

static socklen_t fill_address(const char *text, uint16_t port, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return sizeof *v4;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1)
        return 0;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    return sizeof *v6;
}

struct attempt *probe_tcp_start(struct prober *prober)
{
    struct sockaddr_storage address;
    uint16_t port = prober_port(prober, &prober->probe->tcp->port);
    socklen_t length = fill_address(prober->health->address, port, &address);
    int fd = length ? socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
    if (fd < 0 || (connect(fd, (struct sockaddr *)&address, length) != 0 && errno != EINPROGRESS)) {
        const char *why = length ? strerror(errno) : "it has no numeric address";
        if (fd >= 0)
            close(fd);
        prober_result(prober, why);
        return NULL;
    }
    struct attempt *attempt = memory_alloc(sizeof *attempt);
    attempt->prober = prober;
    loop_io_init(&attempt->io, prober->health->config.loop, "tcp probe", connected, attempt);
    loop_io_set(&attempt->io, fd, LOOP_WRITE);
    return attempt;
}

void probe_tcp_stop(struct attempt *attempt)
{
    int fd = attempt->io.fd;
    loop_io_set(&attempt->io, fd, 0);
    close(fd);
    free(attempt);
}
