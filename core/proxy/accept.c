/* A worker's listening sockets. Which service a listener serves is the snapshot's say; a listener
 * that is in none any more is emptied of what has connected to it, and closed. */
#include "proxy/worker.h"
#include "base/log.h"
#include "proxy/http/http.h"
#include "proxy/udp.h"
#include "proxy/tls_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPTS_PER_TURN = 16, LAST_ACCEPTS = 4096 };
#define PAUSE_NS (100 * NS_PER_MS) /* without descriptors or memory: rather than to spin */

static bool is_full(const struct worker *worker)
{
    return atomic_load_explicit(&worker->connections, memory_order_relaxed) >=
           worker->proxy->connections_per_worker;
}

static void watch(struct worker *worker, bool accepting)
{
    worker->accepting = accepting;
    for (struct worker_listener *listener = worker->listeners; listener; listener = listener->next)
        if (!listener->udp)
            loop_io_set(&listener->io, listener->listener->fds[listener->slot],
                        accepting ? LOOP_READ : 0u);
}

void accept_pause(struct worker *worker)
{
    if (worker->accepting)
        watch(worker, false);
}

void accept_resume(struct worker *worker)
{
    if (!worker->accepting && !loop_timer_armed(&worker->accept_again) && !is_full(worker))
        watch(worker, true);
}

static void again(void *argument)
{
    accept_resume(argument);
}

static void out_of_means(struct worker *worker, int errno_value)
{
    LOG_WARN("connections can't be accepted for a moment", LOG_STR("error", strerror(errno_value)));
    accept_pause(worker);
    loop_timer_start(&worker->accept_again, PAUSE_NS);
}

/* False: nothing is left, or nothing more is wanted. */
static bool accept_one(struct worker_listener *listener, int fd)
{
    union socket_address source = {0};
    socklen_t bytes = sizeof source;
    int accepted = accept4(fd, &source.any, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0) {
        connection_begin(listener, accepted, &source);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        out_of_means(listener->worker, errno);
    return errno == EINTR || errno == ECONNABORTED || errno == EPROTO || errno == EPERM;
}

static void ready(void *argument, int fd, unsigned events)
{
    struct worker_listener *listener = argument;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        if (is_full(listener->worker)) {
            accept_pause(listener->worker);
            return;
        }
        if (!accept_one(listener, fd))
            return;
    }
}

static struct worker_listener *find(struct worker *worker, const struct listener *listener,
                                    uint32_t slot)
{
    struct worker_listener *found = worker->listeners;
    while (found && (found->listener != listener || found->slot != slot))
        found = found->next;
    return found;
}

static struct worker_listener *open_listener(struct worker *worker, struct listener *shared,
                                             uint32_t slot)
{
    struct worker_listener *listener = memory_alloc(sizeof *listener);
    listener->worker = worker;
    listener->listener = shared;
    listener->slot = slot;
    listener->routes = http_routes_create();
    listener->names = tls_names_create();
    listener->next = worker->listeners;
    worker->listeners = listener;
    loop_io_init(&listener->io, worker->loop, "accept", ready, listener);
    if (shared->datagrams)
        listener->udp = udp_port_open(worker, shared->fds[slot]);
    else if (worker->accepting)
        loop_io_set(&listener->io, shared->fds[slot], LOOP_READ);
    return listener;
}

static void close_listener(struct worker_listener *listener, bool lingers)
{
    int *fd = &listener->listener->fds[listener->slot];
    if (listener->udp) {
        udp_port_close(listener->udp, lingers);
    } else {
        loop_io_set(&listener->io, *fd, 0);
        close(*fd);
    }
    *fd = -1;
    http_routes_close(listener->routes);
    tls_names_release(listener->names); /* handshakes under way keep it as it is */
    free(listener);
}

/* Whoever connected before the address was given up is served all the same. */
static void empty_listener(struct worker_listener *listener)
{
    if (!listener->service->view || listener->udp)
        return;
    for (int i = 0; i < LAST_ACCEPTS && !is_full(listener->worker); i++)
        if (!accept_one(listener, listener->listener->fds[listener->slot]))
            return;
}

static void close_missing(struct worker *worker, const struct snapshot *snapshot)
{
    for (struct worker_listener **at = &worker->listeners; *at;) {
        struct worker_listener *listener = *at;
        if (listener->sequence == snapshot->sequence) {
            at = &listener->next;
            continue;
        }
        *at = listener->next;
        if (!snapshot->leaves_queues)
            empty_listener(listener);
        close_listener(listener, snapshot->leaves_queues);
    }
}

static struct worker_service *service_of(struct worker *worker, const struct view *view)
{
    struct worker_service *service = NULL;
    HASH_FIND(hh, worker->services, &view->service_id, sizeof view->service_id, service);
    return service;
}

static void add_names(struct tls_names *names, const struct view *view)
{
    const struct route *route = &view->route;
    if (view->tls)
        tls_names_add(names, view->name, (const char *const *)route->hosts, route->host_count,
                      view->certificate);
}

void accept_take(struct worker *worker, const struct snapshot *snapshot)
{
    if (!worker->accept_again.loop) {
        loop_timer_init(&worker->accept_again, worker->loop, "accept again", again, worker);
        worker->accepting = true;
    }
    for (uint32_t i = 0; i < snapshot->listener_count; i++) {
        struct listener *shared = snapshot->listeners[i].listener;
        struct worker_service *service =
            service_of(worker, snapshot->views[snapshot->listeners[i].view]);
        for (uint32_t slot = worker->index; slot < shared->fd_count;
             slot += worker->proxy->worker_count) {
            struct worker_listener *listener = find(worker, shared, slot);
            if (!listener)
                listener = open_listener(worker, shared, slot);
            if (listener->sequence != snapshot->sequence) {
                listener->service = service;
                http_routes_clear(listener->routes);
                tls_names_clear(listener->names);
                if (listener->udp)
                    udp_port_serve(listener->udp, service);
            }
            http_routes_add(listener->routes, service);
            add_names(listener->names, service->view);
            listener->sequence = snapshot->sequence;
        }
    }
    close_missing(worker, snapshot);
}

void accept_finish(struct worker *worker)
{
    while (worker->listeners) {
        struct worker_listener *listener = worker->listeners;
        worker->listeners = listener->next;
        close_listener(listener, false);
    }
    if (worker->accept_again.loop)
        loop_timer_stop(&worker->accept_again);
}
