/* A client's connection: reads requests one after the other, answers by itself where there is no
 * endpoint to do so, and ends. */
#include "proxy/http/engine.h"
#include "proxy/http/http.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

enum { SPARE_CLIENTS = 1024, SPARE_INTAKES = 64 };

/* -- memory -- */

static struct http_engine *engine_of(struct worker *worker)
{
    if (!worker->http) {
        worker->http = memory_alloc(sizeof *worker->http);
        random_seeded_init(&worker->http->random, loop_random(worker->loop));
        http_upstreams_init(worker);
        loop_timer_init(&worker->http->held_timer, worker->loop, "held requests", http_look_more,
                        worker);
    }
    return worker->http;
}

static struct http_client *take_memory(struct http_engine *engine)
{
    struct http_client *client = engine->spare;
    if (!client)
        return memory_alloc(sizeof *client);
    engine->spare = client->all_next;
    engine->spare_count--;
    memset(client, 0, sizeof *client);
    return client;
}

static void give_memory(struct http_engine *engine, struct http_client *client)
{
    if (engine->spare_count == SPARE_CLIENTS) {
        free(client);
        return;
    }
    client->all_next = engine->spare;
    engine->spare = client;
    engine->spare_count++;
}

struct http_intake *http_intake_take(struct worker *worker)
{
    struct http_engine *engine = worker->http;
    struct http_intake *intake = engine->intakes;
    if (intake) {
        engine->intakes = intake->next;
        engine->intake_count--;
    } else {
        intake = malloc(sizeof *intake);
        if (!intake)
            abort(); /* as base does when memory is out */
    }
    intake->at = intake->end = 0;
    http_head_reset(&intake->head);
    return intake;
}

void http_intake_give(struct worker *worker, struct http_intake **at)
{
    struct http_engine *engine = worker->http;
    struct http_intake *intake = *at;
    *at = NULL;
    if (!intake)
        return;
    if (engine->intake_count == SPARE_INTAKES) {
        free(intake);
        return;
    }
    intake->next = engine->intakes;
    engine->intakes = intake;
    engine->intake_count++;
}

/* -- sending -- */

static bool has_failed(void)
{
    return errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
}

static void keep(struct buffer *buffer, const struct iovec *parts, int count, size_t skip)
{
    for (int i = 0; i < count; i++) {
        size_t skipped = skip < parts[i].iov_len ? skip : parts[i].iov_len;
        size_t length = parts[i].iov_len - skipped;
        skip -= skipped;
        memcpy(buffer->bytes + buffer->end, (const uint8_t *)parts[i].iov_base + skipped, length);
        buffer->end += length;
    }
}

static size_t total_of(const struct iovec *parts, int count)
{
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += parts[i].iov_len;
    return total;
}

bool http_send(struct worker *worker, int fd, struct tls *tls, struct buffer **out,
               struct iovec *parts, int count)
{
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
    size_t total = total_of(parts, count), sent = 0;
    if (!*out) {
        ssize_t taken = tls ? tls_send(tls, parts, count) : sendmsg(fd, &message, MSG_NOSIGNAL);
        if (taken < 0 && has_failed())
            return false;
        sent = taken > 0 ? (size_t)taken : 0;
    }
    if (sent == total)
        return true;
    if (!*out)
        *out = buffer_take(worker);
    if (!*out || sizeof(*out)->bytes - (*out)->end < total - sent)
        return false;
    keep(*out, parts, count, sent);
    return true;
}

bool http_flush(struct worker *worker, int fd, struct tls *tls, struct buffer **out)
{
    struct buffer *buffer = *out;
    ssize_t sent = transport_send(fd, tls, buffer->bytes + buffer->at, buffer->end - buffer->at);
    if (sent < 0)
        return !has_failed();
    buffer->at += (size_t)sent;
    if (buffer->at == buffer->end) {
        buffer_give(worker, buffer);
        *out = NULL;
    }
    return true;
}

void http_client_lost(struct http_client *client)
{
    http_exchange_leave(client, ORCH_OUTCOME_CLIENT_GONE);
    http_client_gone(client, END_RESET);
}

void http_client_send(struct http_client *client, struct iovec *parts, int count)
{
    client->bytes_out += total_of(parts, count);
    if (!http_send(client->worker, client->fd, client->tls, &client->out, parts, count))
        http_client_lost(client);
}

/* -- its end -- */

static void close_socket(struct http_client *client, enum connection_end how)
{
    if (client->fd < 0)
        return;
    loop_io_set(&client->io, client->fd, 0);
    if (how == END_RESET)
        (void)setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
                         sizeof(struct linger));
    else if (client->tls && !client->shut && !client->out)
        tls_end_sending(client->tls);
    tls_free(client->tls);
    client->tls = NULL;
    close(client->fd);
    client->fd = -1;
}

void http_client_gone(struct http_client *client, enum connection_end how)
{
    client->state = HTTP_GONE;
    http_account(client, client->service->meter, 0, false);
    http_hold_leave(client);
    close_socket(client, how);
}

static void release(struct http_client *client)
{
    struct worker *worker = client->worker;
    struct http_engine *engine = worker->http;
    loop_timer_stop(&client->timer);
    http_exchange_finish(client);
    http_crowd_leave(client);
    buffer_give(worker, client->out);
    bulk_end(worker, &client->bulk);
    http_intake_give(worker, &client->in);
    worker_service_left(client->service);
    http_routes_release(client->routes);
    DL_DELETE2(engine->all, client, all_prev, all_next);
    give_memory(engine, client);
    atomic_fetch_sub_explicit(&worker->connections, 1, memory_order_relaxed);
    if (!worker->accepting)
        accept_resume(worker);
}

/* The relay has both sockets from now on, what either has not taken yet, and the pick. */
void http_client_tunnel(struct http_client *client)
{
    struct http_upstream *upstream = client->upstream;
    struct worker *worker = client->worker;
    struct http_intake *in = client->in;
    struct endpoint *endpoint = client->endpoint;
    http_account(client, endpoint->meter, 101, false);
    if (in && in->end > in->at) {
        struct iovec early = {in->bytes + in->at, in->end - in->at};
        if (!http_send(worker, upstream->fd, NULL, &upstream->out, &early, 1))
            upstream->broken = true; /* the relay finds out */
    }
    loop_io_set(&client->io, client->fd, 0);
    loop_io_set(&upstream->io, upstream->fd, 0);
    DL_DELETE(endpoint->lanes[worker->index].exchanges, client);
    connection_adopt(worker, client->service, &client->source,
                     &(struct adopted){.client_fd = client->fd,
                                       .server_fd = upstream->fd,
                                       .client_tls = client->tls,
                                       .client_out = client->out,
                                       .server_out = upstream->out,
                                       .endpoint = endpoint,
                                       .picked = client->picked,
                                       .latency_ns = client->latency_ns});
    client->fd = upstream->fd = -1;
    client->tls = NULL;
    client->out = upstream->out = NULL;
    client->endpoint = NULL;
    http_upstream_close(upstream, END_IN_ORDER);
    client->state = HTTP_GONE;
}

/* Closing while bytes are unread would reset the connection under the reply. */
static void end(struct http_client *client)
{
    if (client->shut)
        return;
    if (client->ended || !client->lingers) {
        http_client_gone(client, END_IN_ORDER);
        return;
    }
    client->shut = true;
    transport_end_sending(client->fd, client->tls);
    http_set_deadline(client, HTTP_LINGER_NS);
}

/* -- requests -- */

void http_exchange_done(struct http_client *client)
{
    struct http_upstream *upstream = client->upstream;
    if (!client->reply_closes && client->request.done && !upstream->out && !upstream->broken)
        http_upstream_give(upstream);
    http_account(client, client->endpoint->meter, client->status, client->status >= 500);
    http_exchange_leave(client, client->status >= 500 ? ORCH_OUTCOME_ERROR : ORCH_OUTCOME_OK);
    http_next_state(client);
}

static void refuse(struct http_client *client, int status)
{
    if (!client->counts)
        http_account_begin(client);
    client->method_id = client->in->head.method_id;
    client->closing = client->lingers = true;
    http_answer(client, (uint16_t)status, client->in->head.fault);
}

static void begin(struct http_client *client)
{
    const struct http_intake *in = client->in;
    struct worker_service *service = client->service;
    http_account_begin(client);
    if (!http_routes_are_closed(client->routes)) /* else it is served as it was, to its end */
        service = http_routes_find(client->routes, &in->head, in->bytes);
    if (!service) {
        http_exchange_unknown(client);
        return;
    }
    if (service != client->service) {
        service->connections++;
        worker_service_left(client->service);
        client->service = service;
    }
    http_exchange_begin(client);
}

/* True: a request was begun, or answered. */
static bool next_request(struct http_client *client)
{
    struct http_intake *in = client->in;
    if (!in || in->at == in->end) {
        http_intake_give(client->worker, &client->in);
        if (client->ended)
            http_client_gone(client, END_IN_ORDER);
        return false;
    }
    if (in->at) {
        in->end -= in->at;
        memmove(in->bytes, in->bytes + in->at, in->end);
        in->at = 0;
        http_head_reset(&in->head);
    }
    int answer = http_read_request(&in->head, in->bytes, in->end);
    if (answer == HTTP_DONE) {
        begin(client);
    } else if (answer != HTTP_MORE) {
        refuse(client, answer);
    } else if (client->ended) {
        http_client_gone(client, END_IN_ORDER);
    } else if (!client->head_begun) {
        client->head_begun = true;
        http_set_deadline(client, HTTP_HEAD_NS);
    }
    return answer != HTTP_MORE;
}

/* -- events -- */

static bool reads(const struct http_client *client)
{
    if (client->ended)
        return false;
    switch ((enum http_state)client->state) {
    case HTTP_READING:
        return !client->out;
    case HTTP_HELD:
    case HTTP_CONNECTING:
    case HTTP_EXCHANGE:
        if (client->request.done)
            return !client->in || client->in->end < HTTP_INTAKE_BYTES;
        return client->state == HTTP_EXCHANGE && !client->upstream->out &&
               !client->upstream->broken;
    case HTTP_ENDING:
        return true;
    case HTTP_GONE:
        break;
    }
    return false;
}

static void watch(struct http_client *client)
{
    bool blocked = http_is_blocked(client);
    unsigned events = (reads(client) ? LOOP_READ : 0u) | (blocked ? LOOP_WRITE : 0u);
    struct http_upstream *upstream = client->upstream;
    if (events != client->io.events)
        loop_io_set(&client->io, client->fd, events);
    if (client->tls)
        tls_watch(client->tls, events);
    if (upstream && !upstream->connecting)
        http_upstream_watch(upstream,
                            (blocked ? 0u : LOOP_READ) | (upstream->out ? LOOP_WRITE : 0u));
}

void http_settle(struct http_client *client)
{
    while (client->state == HTTP_READING && !client->out && next_request(client)) {
    }
    if (client->state == HTTP_ENDING && !client->out)
        end(client);
    if (client->state == HTTP_GONE)
        release(client);
    else
        watch(client);
}

static void read_more(struct http_client *client)
{
    if (!client->in)
        client->in = http_intake_take(client->worker);
    struct http_intake *in = client->in;
    ssize_t count =
        transport_recv(client->fd, client->tls, in->bytes + in->end, HTTP_INTAKE_BYTES - in->end);
    if (count > 0)
        in->end += (uint32_t)count;
    else if (count == 0)
        client->ended = true; /* what has come before is answered all the same */
    else if (has_failed())
        http_client_lost(client);
}

static void drop(struct http_client *client)
{
    ssize_t count =
        transport_recv(client->fd, client->tls, client->worker->scratch, HTTP_READ_BYTES);
    if (count == 0)
        client->ended = true;
    if ((count == 0 && !client->out) || (count < 0 && has_failed()))
        http_client_gone(client, END_IN_ORDER);
}

static void read_client(struct http_client *client)
{
    switch ((enum http_state)client->state) {
    case HTTP_READING:
        read_more(client);
        break;
    case HTTP_HELD:
    case HTTP_CONNECTING:
    case HTTP_EXCHANGE:
        if (client->request.done)
            read_more(client);
        else
            http_exchange_pump(client);
        break;
    case HTTP_ENDING:
        drop(client);
        break;
    case HTTP_GONE:
        break;
    }
}

static void flush(struct http_client *client)
{
    if (!client->shut)
        http_set_deadline(client, http_idle_ns(client));
    if (!client->out)
        http_reply_drain(client);
    else if (!http_flush(client->worker, client->fd, client->tls, &client->out))
        http_client_lost(client);
}

static void ready(void *argument, int fd, unsigned events)
{
    struct http_client *client = argument;
    (void)fd;
    if ((events & LOOP_WRITE) && http_is_blocked(client))
        flush(client);
    if ((events & LOOP_READ) && (client->io.events & LOOP_READ))
        read_client(client);
    http_settle(client);
}

/* -- its begin -- */

void http_client_begin(const struct arrival *arrival)
{
    static const int on = 1;
    struct worker *worker = arrival->worker;
    struct http_engine *engine = engine_of(worker);
    struct http_client *client = take_memory(engine);
    client->worker = worker;
    client->service = arrival->service;
    client->routes = http_routes_hold(arrival->routes);
    client->source = *arrival->source;
    client->fd = arrival->fd;
    client->tls = arrival->tls;
    client->facts.tls = arrival->tls;
    client->state = HTTP_READING;
    client->request.done = true;
    client->service->connections++;
    atomic_fetch_add_explicit(&worker->connections, 1, memory_order_relaxed);
    (void)setsockopt(arrival->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    loop_io_init(&client->io, worker->loop, "http client", ready, client);
    loop_timer_init(&client->timer, worker->loop, "http client", http_client_late, client);
    if (client->tls)
        tls_attach(client->tls, &client->io);
    DL_APPEND2(engine->all, client, all_prev, all_next);
    meter_count(meter_lane(client->service->meter, worker->index), TRAFFIC_CONNECTIONS, 1);
    http_set_deadline(client, http_idle_ns(client));
    if (!http_crowd_join(client, http_routes_limit(client->routes)))
        http_client_gone(client, END_IN_ORDER);
    http_settle(client);
}

/* -- orders -- */

void http_obey(struct worker *worker, struct endpoint *endpoint)
{
    struct endpoint_lane *lane = &endpoint->lanes[worker->index];
    http_lane_set(worker, endpoint, false);
    while (lane->exchanges) {
        struct http_client *client = lane->exchanges;
        http_exchange_cut(client);
        http_settle(client);
    }
}

void http_finish(struct worker *worker)
{
    struct http_engine *engine = worker->http;
    if (!engine)
        return;
    while (engine->all) {
        struct http_client *client = engine->all;
        http_exchange_leave(client, ORCH_OUTCOME_ERROR);
        http_client_gone(client, client->replied ? END_RESET : END_IN_ORDER);
        release(client);
    }
    http_upstreams_finish(worker);
    loop_timer_stop(&engine->held_timer);
    while (engine->spare) {
        struct http_client *client = engine->spare;
        engine->spare = client->all_next;
        free(client);
    }
    while (engine->intakes) {
        struct http_intake *intake = engine->intakes;
        engine->intakes = intake->next;
        free(intake);
    }
    free(engine);
    worker->http = NULL;
}
