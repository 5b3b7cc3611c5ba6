#include "proxy/connection.h"
#include "proxy/http/http.h"
#include "proxy/udp.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

enum { SPARE_LIMIT = 1024, SPARE_BUFFERS = 64 };

/* -- memory -- */

static struct connection *take_memory(struct worker *worker)
{
    struct connection *connection = worker->spare;
    if (!connection)
        return memory_alloc(sizeof *connection);
    worker->spare = connection->all_next;
    worker->spare_count--;
    memset(connection, 0, sizeof *connection);
    return connection;
}

static void give_memory(struct worker *worker, struct connection *connection)
{
    if (worker->spare_count == SPARE_LIMIT) {
        free(connection);
        return;
    }
    connection->all_next = worker->spare;
    worker->spare = connection;
    worker->spare_count++;
}

struct buffer *buffer_take(struct worker *worker)
{
    struct buffer *buffer = worker->buffers;
    if (buffer) {
        worker->buffers = buffer->next;
        worker->buffer_count--;
    } else {
        buffer = malloc(sizeof *buffer);
        if (!buffer)
            return NULL;
    }
    buffer->at = buffer->end = 0;
    return buffer;
}

void buffer_give(struct worker *worker, struct buffer *buffer)
{
    if (!buffer)
        return;
    if (worker->buffer_count == SPARE_BUFFERS) {
        free(buffer);
        return;
    }
    buffer->next = worker->buffers;
    worker->buffers = buffer;
    worker->buffer_count++;
}

/* -- its end -- */

static void close_peer(struct peer *peer, bool reset)
{
    if (peer->fd < 0)
        return;
    loop_io_set(&peer->io, peer->fd, 0);
    if (reset)
        (void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
                         sizeof(struct linger));
    else if (peer->tls && !peer->fin_sent && !peer->out)
        tls_end_sending(peer->tls);
    tls_free(peer->tls);
    peer->tls = NULL;
    close(peer->fd);
    peer->fd = -1;
    buffer_give(peer->connection->worker, peer->out);
    peer->out = NULL;
    bulk_end(peer->connection->worker, &peer->bulk);
}

static void leave_endpoint(struct connection *connection, uint32_t outcome)
{
    struct endpoint *endpoint = connection->endpoint;
    if (!endpoint)
        return;
    struct connection **lane = &endpoint->lanes[connection->worker->index].connections;
    DL_DELETE(*lane, connection);
    connection->endpoint = NULL;
    meter_outcome(connection->meter, outcome);
    chooser_report(connection->worker, &connection->picked, endpoint, outcome,
                   connection->latency_ns);
    endpoint_release(endpoint);
}

/* A client that left has lost nothing. */
static void count_lost(struct connection *connection, uint32_t outcome)
{
    if (outcome == ORCH_OUTCOME_OK || outcome == ORCH_OUTCOME_CLIENT_GONE)
        return;
    struct meter_lane *lane =
        connection->endpoint ? connection->meter
                             : meter_lane(connection->service->meter, connection->worker->index);
    meter_count(lane, TRAFFIC_LOST, 1);
}

void connection_end(struct connection *connection, uint32_t outcome, enum connection_end how)
{
    struct worker *worker = connection->worker;
    loop_timer_stop(&connection->timer);
    close_peer(&connection->client, how == END_RESET);
    close_peer(&connection->server, how == END_RESET);
    count_lost(connection, outcome);
    leave_endpoint(connection, outcome);
    for (uint32_t i = 0; i < connection->tried_count; i++)
        endpoint_release(connection->tried[i]);
    worker_service_left(connection->service);
    DL_DELETE2(worker->all, connection, all_prev, all_next);
    give_memory(worker, connection);
    atomic_fetch_sub_explicit(&worker->connections, 1, memory_order_relaxed);
    if (!worker->accepting)
        accept_resume(worker);
}

/* -- towards an endpoint -- */

static void connect_to_any(struct connection *connection);

static void set_options(int fd)
{
    static const int on = 1, off = 0;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    /* The handshake's last acknowledgement then travels with the first bytes. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off);
}

/* 1: connected, 0: under way, -1: failed. A second call asks how the first has come along: on one
 * host it is done by then, and no turn of the loop is needed. */
static int start_connect(int fd, const struct endpoint *endpoint)
{
    if (connect(fd, &endpoint->address.any, endpoint->address_bytes) == 0)
        return 1;
    if (errno != EINPROGRESS)
        return -1;
    if (connect(fd, &endpoint->address.any, endpoint->address_bytes) == 0 || errno == EISCONN)
        return 1;
    return errno == EALREADY || errno == EINPROGRESS ? 0 : -1;
}

static void note_tried(struct connection *connection)
{
    if (connection->tried_count < TRIED_LIMIT)
        connection->tried[connection->tried_count++] = endpoint_hold(connection->endpoint);
}

int connection_open(const struct endpoint *endpoint, int *fd)
{
    *fd = socket(endpoint->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return -1;
    set_options(*fd);
    int started = start_connect(*fd, endpoint);
    if (started < 0) {
        close(*fd);
        *fd = -1;
    }
    return started;
}

static void connect_failed(struct connection *connection, uint32_t outcome)
{
    loop_timer_stop(&connection->timer);
    close_peer(&connection->server, false);
    outlier_note(connection->worker, connection->endpoint, SIGHT_NO_CONNECT);
    note_tried(connection);
    leave_endpoint(connection, outcome);
}

static void connected(struct connection *connection)
{
    uint64_t now_ns = loop_now_ns(connection->worker->loop);
    connection->state = CONNECTION_RELAYING;
    outlier_note(connection->worker, connection->endpoint, SIGHT_CONNECTED);
    connection->active_ns = now_ns;
    connection->latency_ns = now_ns > connection->begun_ns ? now_ns - connection->begun_ns : 1;
    if (!loop_timer_armed(&connection->timer) && connection->service->idle_timeout_ns)
        loop_timer_start(&connection->timer, connection->service->idle_timeout_ns);
    relay_begin(connection);
}

static void established(struct connection *connection)
{
    connected(connection);
    meter_latency(connection->meter, connection->latency_ns);
    meter_count(connection->meter, TRAFFIC_CONNECTIONS, 1);
}

static bool pick(struct connection *connection)
{
    struct worker *worker = connection->worker;
    if (connection->tried_count == TRIED_LIMIT)
        return false;
    connection->endpoint = chooser_pick(
        worker, connection->service, &(struct pick_keys){.source = &connection->source.any},
        connection->tried, connection->tried_count, &connection->picked);
    if (!connection->endpoint)
        return false;
    struct connection **lane = &connection->endpoint->lanes[worker->index].connections;
    DL_APPEND(*lane, connection);
    connection->meter = meter_lane(connection->endpoint->meter, worker->index);
    return true;
}

/* True: connected or under way. */
static bool try_connect(struct connection *connection)
{
    const struct endpoint *endpoint = connection->endpoint;
    struct peer *server = &connection->server;
    connection->begun_ns = loop_now_ns(connection->worker->loop);
    int started = connection_open(endpoint, &server->fd);
    if (started < 0)
        return false;
    if (started > 0) {
        established(connection);
        return true;
    }
    loop_io_set(&server->io, server->fd, LOOP_WRITE);
    if (connection->service->connect_timeout_ns)
        loop_timer_start(&connection->timer, connection->service->connect_timeout_ns);
    return true;
}

static void connect_to_any(struct connection *connection)
{
    connection->state = CONNECTION_CONNECTING;
    while (pick(connection)) {
        if (try_connect(connection))
            return;
        connect_failed(connection, ORCH_OUTCOME_CONNECT_FAILED);
    }
    connection_end(connection, ORCH_OUTCOME_CONNECT_FAILED, END_IN_ORDER);
}

static void connect_ready(struct connection *connection)
{
    int fault = 0;
    socklen_t bytes = sizeof fault;
    if (getsockopt(connection->server.fd, SOL_SOCKET, SO_ERROR, &fault, &bytes) == 0 && !fault) {
        established(connection);
        return;
    }
    connect_failed(connection, ORCH_OUTCOME_CONNECT_FAILED);
    connect_to_any(connection);
}

/* -- events -- */

static void ready(void *argument, int fd, unsigned events)
{
    struct peer *peer = argument;
    struct connection *connection = peer->connection;
    (void)fd;
    connection->active_ns = loop_now_ns(connection->worker->loop);
    switch (connection->state) {
    case CONNECTION_CONNECTING:
        connect_ready(connection);
        break;
    case CONNECTION_RELAYING:
        relay_ready(peer, events);
        break;
    }
}

/* The timer of a connection that moves bytes is not touched with each of them: it looks how long
 * it has been quiet when it fires. */
static void idle_look(struct connection *connection)
{
    uint64_t limit_ns = connection->service->idle_timeout_ns;
    uint64_t idle_ns = loop_now_ns(connection->worker->loop) - connection->active_ns;
    if (!limit_ns)
        return;
    if (idle_ns >= limit_ns)
        connection_end(connection, ORCH_OUTCOME_OK,
                       relay_is_quiet(connection) ? END_IN_ORDER : END_RESET);
    else
        loop_timer_start(&connection->timer, limit_ns - idle_ns);
}

static void late(void *argument)
{
    struct connection *connection = argument;
    switch (connection->state) {
    case CONNECTION_CONNECTING:
        connect_failed(connection, ORCH_OUTCOME_TIMEOUT);
        connect_to_any(connection);
        break;
    case CONNECTION_RELAYING:
        idle_look(connection);
        break;
    }
}

static void peer_init(struct peer *peer, struct connection *connection, struct peer *other, int fd,
                      const char *name)
{
    peer->connection = connection;
    peer->other = other;
    peer->fd = fd;
    loop_io_init(&peer->io, connection->worker->loop, name, ready, peer);
}

static struct connection *make(struct worker *worker, struct worker_service *service,
                               const union socket_address *source, int client_fd, int server_fd)
{
    struct connection *connection = take_memory(worker);
    connection->worker = worker;
    connection->service = service;
    connection->source = *source;
    service->connections++;
    atomic_fetch_add_explicit(&worker->connections, 1, memory_order_relaxed);
    peer_init(&connection->client, connection, &connection->server, client_fd, "client");
    peer_init(&connection->server, connection, &connection->client, server_fd, "server");
    loop_timer_init(&connection->timer, worker->loop, "connection", late, connection);
    DL_APPEND2(worker->all, connection, all_prev, all_next);
    return connection;
}

void connection_begin(struct worker_listener *listener, int take_fd,
                      const union socket_address *source)
{
    const struct arrival arrival = {.worker = listener->worker,
                                    .service = listener->service,
                                    .routes = listener->routes,
                                    .names = listener->names,
                                    .source = source,
                                    .fd = take_fd};
    if (listener->service->tls)
        tls_handshake_begin(&arrival);
    else
        connection_serve(&arrival);
}

static void set_tls(struct peer *client, struct tls *tls)
{
    client->tls = tls;
    if (tls)
        tls_attach(tls, &client->io);
}

void connection_serve(const struct arrival *arrival)
{
    if (arrival->service->protocol == FEED_HTTP) {
        http_client_begin(arrival);
        return;
    }
    struct connection *connection =
        make(arrival->worker, arrival->service, arrival->source, arrival->fd, -1);
    set_tls(&connection->client, arrival->tls);
    meter_count(meter_lane(arrival->service->meter, arrival->worker->index), TRAFFIC_CONNECTIONS,
                1);
    connect_to_any(connection);
}

void connection_adopt(struct worker *worker, struct worker_service *service,
                      const union socket_address *source, const struct adopted *adopted)
{
    struct connection *connection =
        make(worker, service, source, adopted->client_fd, adopted->server_fd);
    set_tls(&connection->client, adopted->client_tls);
    connection->client.out = adopted->client_out;
    connection->server.out = adopted->server_out;
    connection->endpoint = adopted->endpoint;
    connection->picked = adopted->picked;
    connection->meter = meter_lane(adopted->endpoint->meter, worker->index);
    DL_APPEND(adopted->endpoint->lanes[worker->index].connections, connection);
    connection->answered = true;
    connected(connection);
    connection->latency_ns = adopted->latency_ns;
}

/* -- orders -- */

static void obey_all(struct connection *connection, struct endpoint *endpoint)
{
    if (connection->state == CONNECTION_CONNECTING) { /* nothing is lost: another one takes it */
        connect_failed(connection, ORCH_OUTCOME_CONNECT_FAILED);
        connect_to_any(connection);
        return;
    }
    atomic_fetch_add(&endpoint->cut, 1);
    connection_end(connection, ORCH_OUTCOME_ERROR,
                   relay_is_at_rest(connection) ? END_IN_ORDER : END_RESET);
}

static void obey_quiet(struct connection *connection, struct endpoint *endpoint)
{
    if (connection->state != CONNECTION_RELAYING || !relay_is_at_rest(connection))
        return;
    atomic_fetch_add(&endpoint->cut, 1);
    connection_end(connection, ORCH_OUTCOME_OK, END_IN_ORDER);
}

void connection_obey(struct worker *worker, struct endpoint *endpoint)
{
    struct connection *connection, *next;
    uint8_t order = atomic_load(&endpoint->order);
    if (order == ORDER_NONE)
        return;
    if (order == ORDER_CUT_ALL)
        http_obey(worker, endpoint);
    udp_obey(worker, endpoint, order);
    if (order == ORDER_CUT_DONE)
        return;
    DL_FOREACH_SAFE(endpoint->lanes[worker->index].connections, connection, next)
    {
        if (order == ORDER_CUT_ALL)
            obey_all(connection, endpoint);
        else
            obey_quiet(connection, endpoint);
    }
}

void connection_finish(struct worker *worker)
{
    while (worker->all)
        connection_end(worker->all, ORCH_OUTCOME_ERROR,
                       relay_is_quiet(worker->all) ? END_IN_ORDER : END_RESET);
    while (worker->spare) {
        struct connection *connection = worker->spare;
        worker->spare = connection->all_next;
        free(connection);
    }
    bulk_finish(worker);
    while (worker->buffers) {
        struct buffer *buffer = worker->buffers;
        worker->buffers = buffer->next;
        free(buffer);
    }
}
