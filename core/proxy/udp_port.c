/* A listening socket of a worker: whose datagrams are whose, and which sessions are over. */
#include "base/hash.h"
#include "proxy/udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

enum { BATCHES_PER_TURN = 4 };
#define QUIET_NS NS_PER_SECOND
#define LINGER_NS (5 * NS_PER_SECOND) /* of answers, once another proxy reads */

static uint64_t idle_ns(const struct udp_port *port)
{
    uint64_t limit_ns = port->service ? port->service->idle_timeout_ns : LINGER_NS;
    return port->closing && limit_ns > LINGER_NS ? LINGER_NS : limit_ns;
}

/* -- the table -- */

static struct udp_key make_key(const union socket_address *client, const struct udp_local *local)
{
    struct udp_key key;
    memset(&key, 0, sizeof key); /* it is hashed as bytes */
    if (client->any.sa_family == AF_INET6) {
        key.client = client->ip6.sin6_addr;
        key.scope = client->ip6.sin6_scope_id;
        key.port = client->ip6.sin6_port;
    } else {
        memcpy(&key.client, &client->ip4.sin_addr, sizeof client->ip4.sin_addr);
        key.port = client->ip4.sin_port;
    }
    key.local = local->address;
    return key;
}

/* Whoever sends chooses the keys: they must not be able to fill one bucket. */
static unsigned hash_of(const struct worker *worker, const struct udp_key *key)
{
    struct hash_seed seed = {worker->udp_seed, ~worker->udp_seed};
    return (unsigned)hash_sip(seed, key, sizeof *key);
}

static struct udp_session *find(const struct udp_port *port, const struct udp_key *key)
{
    struct udp_session *session = NULL;
    HASH_FIND_BYHASHVALUE(hh, port->sessions, key, sizeof *key, hash_of(port->worker, key),
                          session);
    return session;
}

/* Connections are left their half of the descriptors. */
static bool is_full(const struct udp_port *port)
{
    const struct worker *worker = port->worker;
    return HASH_COUNT(port->sessions) >= UDP_SESSION_LIMIT ||
           HASH_COUNT(port->sessions) > worker->proxy->connections_per_worker / 2 ||
           atomic_load_explicit(&worker->connections, memory_order_relaxed) >=
               worker->proxy->connections_per_worker;
}

static void free_port(struct udp_port *port)
{
    struct udp_port **at = &port->worker->udp_ports;
    while (*at != port)
        at = &(*at)->next;
    *at = port->next;
    loop_timer_stop(&port->timer);
    close(port->fd);
    free(port);
}

void udp_port_left(struct udp_port *port, struct udp_session *session)
{
    struct worker *worker = port->worker;
    HASH_DEL(port->sessions, session);
    DL_DELETE(port->quietest, session);
    worker_service_left(session->service);
    atomic_fetch_sub_explicit(&worker->connections, 1, memory_order_relaxed);
    free(session);
    if (port->closing && !port->sessions)
        free_port(port);
    else if (!worker->accepting)
        accept_resume(worker);
}

static struct udp_session *begin(struct udp_port *port, const struct udp_key *key,
                                 const union socket_address *client, const struct udp_local *local)
{
    struct worker *worker = port->worker;
    if (is_full(port)) {
        if (!port->quietest)
            return NULL;
        udp_session_end(port->quietest, ORCH_OUTCOME_OK);
    }
    struct udp_session *session = udp_session_begin(port, key, client, local);
    if (!session)
        return NULL;
    session->service->connections++;
    atomic_fetch_add_explicit(&worker->connections, 1, memory_order_relaxed);
    HASH_ADD_BYHASHVALUE(hh, port->sessions, key, sizeof session->key,
                         hash_of(worker, &session->key), session);
    DL_APPEND(port->quietest, session);
    if (!loop_timer_armed(&port->timer) && idle_ns(port))
        loop_timer_start(&port->timer, idle_ns(port));
    return session;
}

/* A session of the service that had the address before is over. */
static struct udp_session *session_of(struct udp_port *port, const union socket_address *client,
                                      const struct udp_local *local)
{
    struct udp_key key = make_key(client, local);
    struct udp_session *session = find(port, &key);
    if (session && session->service != port->service) {
        udp_session_end(session, ORCH_OUTCOME_OK);
        session = NULL;
    }
    return session ? session : begin(port, &key, client, local);
}

/* -- datagrams -- */

static bool is_same_way(const struct udp_datagrams *datagrams, uint32_t a, uint32_t b)
{
    struct udp_key one = make_key(&datagrams->from[a], &datagrams->to[a]);
    struct udp_key other = make_key(&datagrams->from[b], &datagrams->to[b]);
    return memcmp(&one, &other, sizeof one) == 0;
}

static void forward(struct udp_port *port, struct udp_datagrams *datagrams, uint32_t count)
{
    for (uint32_t first = 0, after; first < count; first = after) {
        for (after = first + 1; after < count && is_same_way(datagrams, first, after);)
            after++;
        union socket_address client = datagrams->from[first];
        struct udp_local local = datagrams->to[first];
        struct udp_session *session = session_of(port, &client, &local);
        if (session)
            udp_session_forward(session, datagrams, first, after - first);
    }
}

static void ready(void *argument, int fd, unsigned events)
{
    struct udp_port *port = argument;
    struct udp_datagrams *datagrams = port->worker->datagrams;
    (void)events;
    for (int i = 0; i < BATCHES_PER_TURN; i++) {
        int count = udp_receive(datagrams, fd);
        if (count <= 0)
            return;
        forward(port, datagrams, (uint32_t)count);
        if (count < UDP_BATCH)
            return;
    }
}

/* The list is in the order of activity, so that only its head is looked at. */
static void expire(void *argument)
{
    struct udp_port *port = argument;
    uint64_t now_ns = loop_now_ns(port->worker->loop), limit_ns = idle_ns(port);
    while (limit_ns && port->quietest) {
        struct udp_session *session = port->quietest;
        uint64_t quiet_ns = now_ns - session->active_ns;
        if (quiet_ns < limit_ns) {
            loop_timer_start(&port->timer, limit_ns - quiet_ns);
            return;
        }
        bool last = port->closing && session == port->quietest && !session->next;
        udp_session_end(session, ORCH_OUTCOME_OK);
        if (last)
            return; /* and the port with it */
    }
}

/* -- its life -- */

struct udp_port *udp_port_open(struct worker *worker, int fd)
{
    struct udp_port *port = memory_alloc(sizeof *port);
    if (!worker->datagrams)
        worker->datagrams = memory_alloc(sizeof *worker->datagrams);
    if (!worker->udp_seed)
        worker->udp_seed = loop_random(worker->loop);
    port->worker = worker;
    port->fd = fd;
    port->next = worker->udp_ports;
    worker->udp_ports = port;
    loop_timer_init(&port->timer, worker->loop, "udp idle", expire, port);
    loop_io_init(&port->io, worker->loop, "udp", ready, port);
    loop_io_set(&port->io, fd, LOOP_READ);
    return port;
}

void udp_port_serve(struct udp_port *port, struct worker_service *service)
{
    port->service = service;
    if (loop_timer_armed(&port->timer)) /* its idle time may be another */
        loop_timer_start(&port->timer, 0);
}

void udp_port_close(struct udp_port *port, bool lingers)
{
    loop_io_set(&port->io, port->fd, 0);
    port->service = NULL; /* it may go before the sessions */
    while (!lingers && port->quietest)
        udp_session_end(port->quietest, ORCH_OUTCOME_OK);
    port->closing = true;
    if (port->sessions)
        loop_timer_start(&port->timer, 0);
    else
        free_port(port);
}

/* -- orders -- */

static bool is_to_end(const struct udp_session *session, uint8_t order)
{
    uint64_t quiet_ns = loop_now_ns(session->port->worker->loop) - session->active_ns;
    return order == ORDER_CUT_ALL ||
           (quiet_ns >= QUIET_NS && (order == ORDER_CUT_QUIET || udp_session_is_done(session)));
}

/* A client whose session has ended is given another endpoint by its next datagram. */
void udp_obey(struct worker *worker, struct endpoint *endpoint, uint8_t order)
{
    struct udp_session *session, *next;
    uint64_t now_ns = loop_now_ns(worker->loop);
    for (session = endpoint->lanes[worker->index].sessions; session; session = next) {
        next = session->at_next;
        if (!is_to_end(session, order))
            continue;
        if (now_ns - session->active_ns < QUIET_NS)
            atomic_fetch_add(&endpoint->cut, 1);
        udp_session_end(session, ORCH_OUTCOME_OK);
    }
}

void udp_finish(struct worker *worker)
{
    while (worker->udp_ports)
        udp_port_close(worker->udp_ports, false);
    free(worker->datagrams);
    worker->datagrams = NULL;
}
