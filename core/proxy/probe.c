/* A connect of our own to an endpoint that is left out, before clients are sent there again. */
#include "base/log.h"
#include "proxy/connection.h"
#include "proxy/outlier.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct probe {
    struct proxy *proxy;
    struct service *service;
    struct endpoint *endpoint; /* of the service, which ends the probe before it goes */
    struct loop_io io;
    struct loop_timer timer;
    int fd;
    bool reached;
};

void probe_end(struct probe *probe)
{
    if (!probe)
        return;
    loop_timer_stop(&probe->timer);
    if (probe->fd >= 0) {
        loop_io_set(&probe->io, probe->fd, 0);
        close(probe->fd);
    }
    free(probe);
}

static void answer(struct probe *probe, bool reached)
{
    struct probe known = *probe;
    probe_end(probe);
    outlier_probed(known.proxy, known.service, known.endpoint, reached);
}

static void ready(void *argument, int fd, unsigned events)
{
    struct probe *probe = argument;
    int fault = 0;
    socklen_t bytes = sizeof fault;
    (void)events;
    answer(probe, getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &bytes) == 0 && !fault);
}

static void over(void *argument) /* late; or known at once, and told in a turn of its own */
{
    struct probe *probe = argument;
    answer(probe, probe->reached);
}

struct probe *probe_begin(struct proxy *proxy, struct service *service, struct endpoint *endpoint)
{
    struct probe *probe = memory_alloc(sizeof *probe);
    *probe = (struct probe){.proxy = proxy, .service = service, .endpoint = endpoint};
    loop_timer_init(&probe->timer, proxy->loop, "probe", over, probe);
    loop_io_init(&probe->io, proxy->loop, "probe", ready, probe);
    int started = connection_open(endpoint, &probe->fd);
    probe->reached = started > 0;
    if (started == 0)
        loop_io_set(&probe->io, probe->fd, LOOP_WRITE);
    loop_timer_start(&probe->timer, started == 0 ? service->connect_timeout_ns : 0);
    return probe;
}
