/* Connections to endpoints. Those without a request wait in a pool, an endpoint's own on each
 * worker: the one used last is used next, so that the rest grows old and is closed, before the
 * server at the other end does it in the midst of a request. An endpoint that leaves has none. */
#include "proxy/http/engine.h"
#include "proxy/http/http.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

enum { IDLE_PER_ENDPOINT = 1024, SPARE_UPSTREAMS = 256 };

static struct endpoint_lane *lane_of(const struct http_upstream *upstream)
{
    return &upstream->endpoint->lanes[upstream->worker->index];
}

static struct http_upstream *take_memory(struct http_engine *engine)
{
    struct http_upstream *upstream = engine->spare_upstreams;
    if (!upstream)
        return memory_alloc(sizeof *upstream);
    engine->spare_upstreams = upstream->next;
    engine->spare_upstream_count--;
    *upstream = (struct http_upstream){0};
    return upstream;
}

static void give_memory(struct http_engine *engine, struct http_upstream *upstream)
{
    if (engine->spare_upstream_count == SPARE_UPSTREAMS) {
        free(upstream);
        return;
    }
    upstream->next = engine->spare_upstreams;
    engine->spare_upstreams = upstream;
    engine->spare_upstream_count++;
}

static void leave_pool(struct http_upstream *upstream)
{
    struct http_engine *engine = upstream->worker->http;
    struct endpoint_lane *lane = lane_of(upstream);
    DL_DELETE(lane->idle, upstream);
    lane->idle_count--;
    DL_DELETE2(engine->idle, upstream, idle_prev, idle_next);
}

void http_upstream_close(struct http_upstream *upstream, enum connection_end how)
{
    struct worker *worker = upstream->worker;
    if (!upstream->client)
        leave_pool(upstream);
    else
        upstream->client->upstream = NULL;
    if (upstream->fd >= 0) {
        loop_io_set(&upstream->io, upstream->fd, 0);
        if (how == END_RESET)
            (void)setsockopt(upstream->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
                             sizeof(struct linger));
        close(upstream->fd);
    }
    buffer_give(worker, upstream->out);
    http_intake_give(worker, &upstream->in);
    endpoint_release(upstream->endpoint);
    give_memory(worker->http, upstream);
}

void http_upstream_watch(struct http_upstream *upstream, unsigned events)
{
    if (upstream->io.events != events)
        loop_io_set(&upstream->io, upstream->fd, events);
}

static void connected(struct http_upstream *upstream)
{
    struct http_client *client = upstream->client;
    int fault = 0;
    socklen_t bytes = sizeof fault;
    if (getsockopt(upstream->fd, SOL_SOCKET, SO_ERROR, &fault, &bytes) != 0 || fault) {
        http_exchange_connect_failed(client, ORCH_OUTCOME_CONNECT_FAILED);
        return;
    }
    upstream->connecting = false;
    http_exchange_connected(client);
}

static void ready(void *argument, int fd, unsigned events)
{
    struct http_upstream *upstream = argument;
    struct http_client *client = upstream->client;
    (void)fd;
    if (!client) { /* its end, or bytes that nobody asked for */
        http_upstream_close(upstream, END_IN_ORDER);
        return;
    }
    if (upstream->connecting) {
        connected(upstream);
    } else {
        if (events & LOOP_WRITE)
            http_exchange_flush(client);
        if ((events & LOOP_READ) && client->upstream == upstream &&
            (upstream->io.events & LOOP_READ))
            http_reply_ready(client);
    }
    http_settle(client);
}

/* Connections that wait for requests give way to those that have one. */
static int open_socket(struct worker *worker, struct endpoint *endpoint, int *fd)
{
    int started = connection_open(endpoint, fd);
    if (started < 0 && errno == EMFILE && worker->http->idle) {
        http_upstream_close(worker->http->idle, END_IN_ORDER);
        started = connection_open(endpoint, fd);
    }
    return started;
}

struct http_upstream *http_upstream_connect(struct worker *worker, struct endpoint *endpoint)
{
    int fd, started = open_socket(worker, endpoint, &fd);
    if (started < 0)
        return NULL;
    struct http_upstream *upstream = take_memory(worker->http);
    upstream->worker = worker;
    upstream->endpoint = endpoint_hold(endpoint);
    meter_count(meter_lane(endpoint->meter, worker->index), TRAFFIC_CONNECTIONS, 1);
    upstream->fd = fd;
    upstream->connecting = started == 0;
    loop_io_init(&upstream->io, worker->loop, "endpoint", ready, upstream);
    loop_io_set(&upstream->io, fd, upstream->connecting ? LOOP_WRITE : LOOP_READ);
    return upstream;
}

struct http_upstream *http_upstream_take(struct worker *worker, struct endpoint *endpoint)
{
    struct http_upstream *upstream = endpoint->lanes[worker->index].idle;
    if (!upstream)
        return NULL;
    leave_pool(upstream);
    upstream->reused = true;
    return upstream;
}

void http_upstream_give(struct http_upstream *upstream)
{
    struct worker *worker = upstream->worker;
    struct http_engine *engine = worker->http;
    struct endpoint_lane *lane = lane_of(upstream);
    if (lane->closed || lane->idle_count == IDLE_PER_ENDPOINT) {
        http_upstream_close(upstream, END_IN_ORDER);
        return;
    }
    http_intake_give(worker, &upstream->in);
    upstream->client->upstream = NULL;
    upstream->client = NULL;
    upstream->idle_since_ns = loop_now_ns(worker->loop);
    http_upstream_watch(upstream, LOOP_READ);
    DL_PREPEND(lane->idle, upstream);
    lane->idle_count++;
    DL_APPEND2(engine->idle, upstream, idle_prev, idle_next);
    if (!loop_timer_armed(&engine->idle_timer))
        loop_timer_start(&engine->idle_timer, HTTP_POOLED_NS);
}

static void close_old(void *argument)
{
    struct worker *worker = argument;
    struct http_engine *engine = worker->http;
    uint64_t now_ns = loop_now_ns(worker->loop);
    while (engine->idle && now_ns - engine->idle->idle_since_ns >= HTTP_POOLED_NS)
        http_upstream_close(engine->idle, END_IN_ORDER);
    if (engine->idle)
        loop_timer_start(&engine->idle_timer,
                         engine->idle->idle_since_ns + HTTP_POOLED_NS - now_ns);
}

void http_lane_set(struct worker *worker, struct endpoint *endpoint, bool open)
{
    struct endpoint_lane *lane = &endpoint->lanes[worker->index];
    lane->closed = !open;
    while (!open && lane->idle)
        http_upstream_close(lane->idle, END_IN_ORDER);
}

void http_upstreams_init(struct worker *worker)
{
    loop_timer_init(&worker->http->idle_timer, worker->loop, "idle endpoint connections", close_old,
                    worker);
}

void http_upstreams_finish(struct worker *worker)
{
    struct http_engine *engine = worker->http;
    loop_timer_stop(&engine->idle_timer);
    while (engine->idle)
        http_upstream_close(engine->idle, END_IN_ORDER);
    while (engine->spare_upstreams) {
        struct http_upstream *upstream = engine->spare_upstreams;
        engine->spare_upstreams = upstream->next;
        free(upstream);
    }
}
