#include "base/hash.h"
#include "proxy/udp.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

enum {
    BATCHES_PER_TURN = 2, /* of answers, so that one session does not starve the rest */
    SENT_COUNTED = 2,     /* more makes no difference */
    FIRST_BYTES = 1500,   /* a longer first datagram is not kept */
    TRIES = 3,
};

static void forget_first(struct udp_session *session)
{
    free(session->first);
    session->first = NULL;
}

static bool has_answered(const struct udp_session *session)
{
    return session->latency_ns != 0;
}

bool udp_session_is_done(const struct udp_session *session)
{
    return session->sent == 1 && has_answered(session);
}

/* -- its endpoint -- */

static void leave_endpoint(struct udp_session *session, uint32_t outcome)
{
    struct worker *worker = session->port->worker;
    struct endpoint *endpoint = session->endpoint;
    struct udp_session **lane = &endpoint->lanes[worker->index].sessions;
    if (session->fd >= 0) {
        loop_io_set(&session->io, session->fd, 0);
        close(session->fd);
        session->fd = -1;
    }
    DL_DELETE2(*lane, session, at_prev, at_next);
    session->endpoint = NULL;
    meter_outcome(meter_lane(endpoint->meter, worker->index), outcome);
    chooser_report(worker, &session->picked, endpoint, outcome, session->latency_ns);
    endpoint_release(endpoint);
}

static int open_socket(const struct endpoint *endpoint)
{
    static const int on = 1;
    if (!endpoint->address_bytes) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    int fd = socket(endpoint->address.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on); /* refused: one at a time */
    if (connect(fd, &endpoint->address.any, endpoint->address_bytes) == 0)
        return fd;
    close(fd);
    return -1;
}

/* False: there is none, besides the one that was tried. */
static bool join_endpoint(struct udp_session *session, struct endpoint *tried)
{
    struct worker *worker = session->port->worker;
    session->endpoint =
        chooser_pick(worker, session->service, &(struct pick_keys){.source = &session->client.any},
                     &tried, tried ? 1 : 0, &session->picked);
    if (!session->endpoint)
        return false;
    DL_APPEND2(session->endpoint->lanes[worker->index].sessions, session, at_prev, at_next);
    session->latency_ns = 0;
    session->begun_ns = loop_now_ns(worker->loop);
    session->fd = open_socket(session->endpoint);
    if (session->fd >= 0) {
        loop_io_set(&session->io, session->fd, LOOP_READ);
        meter_count(meter_lane(session->endpoint->meter, worker->index), TRAFFIC_CONNECTIONS, 1);
        return true;
    }
    leave_endpoint(session, ORCH_OUTCOME_CONNECT_FAILED);
    return false;
}

/* Nobody listens there (ICMP), and the kernel says so with the next call. What was not answered is
 * sent again to another; with none to be had the session is over. */
static bool move(struct udp_session *session)
{
    struct worker *worker = session->port->worker;
    struct endpoint *tried = endpoint_hold(session->endpoint);
    bool had_answered = has_answered(session);
    outlier_note(worker, tried, SIGHT_NO_CONNECT);
    leave_endpoint(session, had_answered ? ORCH_OUTCOME_ERROR : ORCH_OUTCOME_CONNECT_FAILED);
    bool joined = join_endpoint(session, tried);
    endpoint_release(tried);
    if (joined && session->first)
        (void)send(session->fd, session->first, session->first_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    return joined;
}

/* -- its bytes -- */

static void touch(struct udp_session *session)
{
    struct udp_port *port = session->port;
    session->active_ns = loop_now_ns(port->worker->loop);
    if (!session->next) /* the liveliest */
        return;
    DL_DELETE(port->quietest, session);
    DL_APPEND(port->quietest, session);
}

static void keep_first(struct udp_session *session, const struct iovec *datagram)
{
    if (session->sent || datagram->iov_len > FIRST_BYTES)
        return;
    session->first = malloc(datagram->iov_len + 1);
    if (!session->first)
        return;
    memcpy(session->first, datagram->iov_base, datagram->iov_len);
    session->first_bytes = (uint32_t)datagram->iov_len;
}

void udp_session_forward(struct udp_session *session, struct udp_datagrams *datagrams,
                         uint32_t first, uint32_t count)
{
    touch(session);
    if (!datagrams->segment[first])
        keep_first(session, &datagrams->parts[first]);
    session->sent = session->sent + count < SENT_COUNTED ? session->sent + count : SENT_COUNTED;
    for (int i = 0; i < TRIES && count; i++) {
        uint32_t sent = (uint32_t)udp_send(datagrams, first, count, session->fd, NULL, NULL);
        if (sent == count || errno != ECONNREFUSED)
            return; /* what does not go out is lost */
        first += sent;
        count -= sent;
        if (!move(session)) {
            session->fd = -1;
            udp_session_end(session, ORCH_OUTCOME_CONNECT_FAILED);
            return;
        }
    }
}

static void answered(struct udp_session *session)
{
    uint64_t now_ns = loop_now_ns(session->port->worker->loop);
    if (has_answered(session))
        return;
    session->latency_ns = now_ns > session->begun_ns ? now_ns - session->begun_ns : 1;
    forget_first(session);
    outlier_note(session->port->worker, session->endpoint, SIGHT_ANSWERED);
}

static void ready(void *argument, int fd, unsigned events)
{
    struct udp_session *session = argument;
    struct udp_port *port = session->port;
    struct udp_datagrams *datagrams = port->worker->datagrams;
    (void)fd, (void)events;
    for (int i = 0; i < BATCHES_PER_TURN; i++) {
        int count = udp_receive(datagrams, session->fd);
        if (count < 0 && errno == ECONNREFUSED) {
            if (!move(session))
                udp_session_end(session, ORCH_OUTCOME_CONNECT_FAILED);
            return;
        }
        if (count <= 0)
            return;
        answered(session);
        touch(session);
        (void)udp_send(datagrams, 0, (uint32_t)count, port->fd, &session->client, &session->local);
        if (count < UDP_BATCH)
            return;
    }
}

/* -- its life -- */

struct udp_session *udp_session_begin(struct udp_port *port, const struct udp_key *key,
                                      const union socket_address *client,
                                      const struct udp_local *local)
{
    struct worker *worker = port->worker;
    struct udp_session *session = calloc(1, sizeof *session);
    if (!session)
        return NULL;
    session->key = *key;
    session->port = port;
    session->service = port->service;
    session->client = *client;
    session->local = *local;
    session->fd = -1;
    session->active_ns = loop_now_ns(worker->loop);
    meter_count(meter_lane(port->service->meter, worker->index), TRAFFIC_CONNECTIONS, 1);
    loop_io_init(&session->io, worker->loop, "udp session", ready, session);
    if (!join_endpoint(session, NULL)) {
        if (session->picked.full && port->quietest) { /* it makes room */
            udp_session_end(port->quietest, ORCH_OUTCOME_OK);
            if (join_endpoint(session, NULL))
                return session;
        }
        free(session);
        return NULL;
    }
    return session;
}

void udp_session_end(struct udp_session *session, uint32_t outcome)
{
    if (session->endpoint)
        leave_endpoint(session, outcome);
    forget_first(session);
    udp_port_left(session->port, session);
}
