/* Bytes between client and endpoint, either way.
 *
 * What is read goes through the worker's one scratch buffer straight to the other side. Only what
 * the other side does not take at once is kept, in a buffer of the connection's own, and then
 * nothing more is read until it has gone: that is the back-pressure, and the bound. */
#include "proxy/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum {
    READS_PER_TURN = 4, /* so that one fast connection does not starve the rest */
    SCRATCH_BYTES = sizeof(((struct buffer *)0)->bytes),
    BULK_READS = 2, /* that come full in one turn: it is a transfer */
};
#define QUIET_NS NS_PER_SECOND

static bool is_blocked(const struct peer *to)
{
    return to->out || to->bulk.piped;
}

static void watch(struct peer *peer)
{
    bool reads = !peer->ended && !is_blocked(peer->other) && !peer->other->broken;
    unsigned events = (reads ? LOOP_READ : 0u) | (is_blocked(peer) ? LOOP_WRITE : 0u);
    if (events != peer->io.events)
        loop_io_set(&peer->io, peer->fd, events);
    if (peer->tls)
        tls_watch(peer->tls, events);
}

static bool has_failed(void)
{
    return errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
}

static bool is_client(const struct peer *peer)
{
    return peer == &peer->connection->client;
}

static void failed(struct peer *peer)
{
    struct connection *connection = peer->connection;
    if (!is_client(peer) && !connection->answered)
        outlier_note(connection->worker, connection->endpoint, SIGHT_FAULT);
    connection_end(peer->connection,
                   is_client(peer) ? ORCH_OUTCOME_CLIENT_GONE : ORCH_OUTCOME_ERROR, END_RESET);
}

/* Both directions are over. */
static bool is_over(const struct connection *connection)
{
    const struct peer *client = &connection->client, *server = &connection->server;
    return server->ended && client->fin_sent && (client->ended || server->broken) &&
           (server->fin_sent || server->broken);
}

/* False: the connection has gone. */
static bool pass_fin(struct peer *to)
{
    if (to->other->ended && !is_blocked(to) && !to->fin_sent && !to->broken) {
        to->fin_sent = true;
        transport_end_sending(to->fd, to->tls);
    }
    if (!is_over(to->connection))
        return true;
    connection_end(to->connection, ORCH_OUTCOME_OK, END_IN_ORDER);
    return false;
}

/* An endpoint may close before it has read everything, and its answer still counts. A client that
 * takes nothing any more ends it. */
static bool sink_failed(struct peer *to)
{
    if (is_client(to)) {
        failed(to);
        return false;
    }
    buffer_give(to->connection->worker, to->out);
    to->out = NULL;
    bulk_end(to->connection->worker, &to->bulk);
    to->broken = true;
    if (!pass_fin(to))
        return false;
    watch(to);
    watch(to->other);
    return true;
}

/* False: the connection has gone. */
static bool unblocked(struct peer *to)
{
    if (!pass_fin(to))
        return false;
    watch(to);
    watch(to->other);
    return true;
}

static bool flush_pipe(struct peer *to)
{
    if (!bulk_drain(&to->bulk, to->fd))
        return sink_failed(to);
    return to->bulk.piped ? true : unblocked(to);
}

static bool flush_buffer(struct peer *to)
{
    struct buffer *buffer = to->out;
    ssize_t sent =
        transport_send(to->fd, to->tls, buffer->bytes + buffer->at, buffer->end - buffer->at);
    if (sent < 0)
        return has_failed() ? sink_failed(to) : true;
    buffer->at += (size_t)sent;
    if (buffer->at < buffer->end)
        return true;
    buffer_give(to->connection->worker, buffer);
    to->out = NULL;
    return unblocked(to);
}

static bool flush(struct peer *to)
{
    return to->bulk.piped ? flush_pipe(to) : flush_buffer(to);
}

/* False: the connection has gone. `stop` is set when not all of it was taken. */
static bool deliver(struct peer *to, const uint8_t *bytes, size_t count, bool *stop)
{
    ssize_t sent = transport_send(to->fd, to->tls, bytes, count);
    if (sent == (ssize_t)count)
        return true;
    *stop = true;
    if (sent < 0 && has_failed())
        return sink_failed(to);
    size_t taken = sent > 0 ? (size_t)sent : 0;
    to->out = buffer_take(to->connection->worker);
    if (!to->out) {
        connection_end(to->connection, ORCH_OUTCOME_ERROR, END_RESET);
        return false;
    }
    to->out->end = count - taken;
    memcpy(to->out->bytes, bytes + taken, count - taken);
    watch(to);
    watch(to->other);
    return true;
}

static void count_bytes(const struct peer *from, ssize_t count)
{
    meter_count(from->connection->meter, is_client(from) ? TRAFFIC_BYTES_IN : TRAFFIC_BYTES_OUT,
                (uint64_t)count);
}

static void ended(struct peer *from)
{
    from->ended = true;
    bulk_end(from->connection->worker, &from->other->bulk);
    if (!pass_fin(from->other))
        return;
    watch(from);
}

static void read_failed(struct peer *from)
{
    if (has_failed())
        failed(from);
    else
        bulk_end(from->connection->worker,
                 &from->other->bulk); /* nothing comes now: another may use the pipe */
}

/* Once a turn: it may be a whole pipe. */
static void pump_bulk(struct peer *from)
{
    struct peer *to = from->other;
    ssize_t count = bulk_fill(&to->bulk, from->fd, UINT64_MAX);
    from->connection->waits = is_client(from);
    if (count < 0) {
        read_failed(from);
        return;
    }
    if (count == 0) {
        ended(from);
        return;
    }
    count_bytes(from, count);
    if (!bulk_drain(&to->bulk, to->fd)) {
        (void)sink_failed(to);
    } else if (to->bulk.piped) {
        watch(to);
        watch(from);
    } else if (count < SCRATCH_BYTES) {
        bulk_end(to->connection->worker, &to->bulk);
    }
}

static void answered(struct connection *connection)
{
    if (connection->answered)
        return;
    connection->answered = true;
    outlier_note(connection->worker, connection->endpoint, SIGHT_ANSWERED);
}

/* A short read has emptied the socket: asking again would only cost a call. */
static void pump(struct peer *from)
{
    struct worker *worker = from->connection->worker;
    struct peer *to = from->other;
    bool stop = false;
    for (int i = 0; i < READS_PER_TURN && !stop; i++) {
        if (to->bulk.pipe) {
            pump_bulk(from);
            return;
        }
        ssize_t count = transport_recv(from->fd, from->tls, worker->scratch, SCRATCH_BYTES);
        if (count < 0) {
            read_failed(from);
            return;
        }
        if (count == 0) {
            ended(from);
            return;
        }
        from->connection->waits = is_client(from);
        count_bytes(from, count);
        if (is_client(to))
            answered(from->connection);
        if (!deliver(to, worker->scratch, (size_t)count, &stop))
            return;
        stop = stop || count < SCRATCH_BYTES;
        if (!stop && i + 1 == BULK_READS && !from->tls && !to->tls)
            bulk_begin(to->connection->worker, &to->bulk);
    }
}

void relay_begin(struct connection *connection)
{
    watch(&connection->client);
    watch(&connection->server);
}

void relay_ready(struct peer *peer, unsigned events)
{
    if ((events & LOOP_WRITE) && is_blocked(peer) && !flush(peer))
        return;
    if ((events & LOOP_READ) && (peer->io.events & LOOP_READ))
        pump(peer);
}

bool relay_is_at_rest(const struct connection *connection)
{
    return !connection->waits && relay_is_quiet(connection);
}

bool relay_is_quiet(const struct connection *connection)
{
    uint64_t quiet_ns = loop_now_ns(connection->worker->loop) - connection->active_ns;
    return quiet_ns >= QUIET_NS && !is_blocked(&connection->client) &&
           !is_blocked(&connection->server);
}
