/* Clients whose TLS handshake is not over.
 *
 * Until their first byte they cost a socket and a few hundred bytes. What they ask for is work, so
 * it is done in slices beside the rest: a crowd of handshakes waits for its turn and does not hold
 * up the connections that are there. Their number is bounded; a new one takes the place of the one
 * that has been at it longest, which is a slow one's, since the others are over in milliseconds. */
#include "proxy/connection.h"
#include "proxy/http/http.h"
#include "proxy/http/write.h"
#include "proxy/tls_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

enum { HANDSHAKE_LIMIT = 1024 };                           /* of a worker */
#define HANDSHAKE_NS (10 * NS_PER_SECOND)                  /* from accepting to the end of it */
#define SLICE_NS (500 * NS_PER_US)                         /* of work in a turn */
enum { RECORD_HANDSHAKE = 22, SCRATCH_BYTES = 16 * 1024 }; /* first byte of a client's hello */

static const char priorities[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:"
    "+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:-MAC-ALL:+AEAD:-GROUP-ALL:+GROUP-X25519:"
    "+GROUP-SECP256R1:+GROUP-SECP384R1:%SERVER_PRECEDENCE";

struct tls_handshake {
    struct tls_handshake *next, *prev; /* of the worker, by age */
    struct tls_handshake *next_due;
    struct worker *worker;
    struct worker_service *service; /* counted in */
    struct http_routes *routes;     /* held */
    struct tls_names *names;        /* held */
    struct tls *tls;                /* NULL: no byte yet */
    struct loop_io io;
    union socket_address source;
    uint64_t begun_ns;
    int fd;
    bool due;
};

/* -- the engine -- */

static bool go_on(void *argument);
static void late(void *argument);

static struct tls_engine *engine_of(struct worker *worker)
{
    struct tls_engine *engine = worker->tls;
    if (engine)
        return engine;
    engine = worker->tls = memory_alloc(sizeof *engine);
    if (gnutls_priority_init(&engine->priorities, priorities, NULL) < 0)
        abort(); /* a word of ours is wrong */
    loop_slice_init(&engine->slice, worker->loop, "tls handshakes", go_on, worker);
    loop_timer_init(&engine->timer, worker->loop, "tls handshakes", late, worker);
    return engine;
}

static void add_due(struct tls_handshake *handshake)
{
    struct tls_engine *engine = handshake->worker->tls;
    loop_io_set(&handshake->io, handshake->fd, 0);
    handshake->due = true;
    handshake->next_due = NULL;
    if (engine->last_due)
        engine->last_due->next_due = handshake;
    else
        engine->first_due = handshake;
    engine->last_due = handshake;
    loop_slice_start(&engine->slice);
}

static struct tls_handshake *take_due(struct tls_engine *engine)
{
    struct tls_handshake *handshake = engine->first_due;
    if (!handshake)
        return NULL;
    engine->first_due = handshake->next_due;
    if (!engine->first_due)
        engine->last_due = NULL;
    handshake->due = false;
    return handshake;
}

static void drop_due(struct tls_engine *engine, const struct tls_handshake *handshake)
{
    struct tls_handshake *before = NULL, *each = engine->first_due;
    for (; each != handshake; before = each, each = each->next_due) {
    }
    if (before)
        before->next_due = each->next_due;
    else
        engine->first_due = each->next_due;
    if (engine->last_due == each)
        engine->last_due = before;
}

/* -- its end -- */

/* Socket and session are another's by then, or have been closed. */
static void release(struct tls_handshake *handshake)
{
    struct worker *worker = handshake->worker;
    struct tls_engine *engine = worker->tls;
    if (handshake->due)
        drop_due(engine, handshake);
    DL_DELETE(engine->all, handshake);
    engine->count--;
    tls_names_release(handshake->names);
    http_routes_release(handshake->routes);
    worker_service_left(handshake->service);
    free(handshake);
    atomic_fetch_sub_explicit(&worker->connections, 1, memory_order_relaxed);
    if (!worker->accepting)
        accept_resume(worker);
}

static void give_up(struct tls_handshake *handshake)
{
    loop_io_set(&handshake->io, handshake->fd, 0);
    tls_free(handshake->tls);
    close(handshake->fd);
    release(handshake);
}

static void done(struct tls_handshake *handshake)
{
    const union socket_address source = handshake->source;
    gnutls_handshake_set_hook_function(handshake->tls->session, GNUTLS_HANDSHAKE_CLIENT_HELLO,
                                       GNUTLS_HOOK_PRE, NULL);
    loop_io_set(&handshake->io, handshake->fd, 0);
    connection_serve(&(struct arrival){.worker = handshake->worker,
                                       .service = handshake->service,
                                       .routes = handshake->routes,
                                       .source = &source,
                                       .tls = handshake->tls,
                                       .fd = handshake->fd});
    release(handshake);
}

/* -- its steps -- */

static int take_server_name(void *context, unsigned type, const uint8_t *data, unsigned length)
{
    gnutls_datum_t *name = context;
    enum { SERVER_NAME = 0, BEFORE_NAME = 5 }; /* a list's length, a kind, a name's length */
    if (type != SERVER_NAME || length <= BEFORE_NAME || data[2] != 0)
        return 0;
    unsigned bytes = (unsigned)data[3] << 8 | data[4];
    if (bytes <= length - BEFORE_NAME)
        *name = (gnutls_datum_t){(unsigned char *)(uintptr_t)data + BEFORE_NAME, bytes};
    return 0;
}

/* Before GnuTLS reads it itself: tickets of the certificate's own are to be opened already. */
static int hello(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                 const gnutls_datum_t *message)
{
    struct tls_handshake *handshake = gnutls_session_get_ptr(session);
    struct tls *tls = handshake->tls;
    gnutls_datum_t name = {0};
    (void)type, (void)when, (void)incoming;
    int code = gnutls_ext_raw_parse(&name, take_server_name, message,
                                    GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO);
    if (code < 0)
        return code;
    certificate_release(tls->certificate);
    tls->certificate =
        certificate_hold(tls_names_find(handshake->names, (const char *)name.data, name.size));
    return tls->certificate ? certificate_use(tls->certificate, session)
                            : GNUTLS_E_NO_CERTIFICATE_FOUND;
}

static bool begin_session(struct tls_handshake *handshake)
{
    static const gnutls_datum_t protocols[] = {{(unsigned char *)"http/1.1", 8}};
    struct tls *tls = handshake->tls = tls_create(handshake->worker, handshake->fd);
    if (!tls)
        return false;
    gnutls_session_set_ptr(tls->session, handshake);
    gnutls_handshake_set_hook_function(tls->session, GNUTLS_HANDSHAKE_CLIENT_HELLO, GNUTLS_HOOK_PRE,
                                       hello);
    if (handshake->service->protocol == FEED_HTTP)
        return gnutls_alpn_set_protocols(tls->session, protocols, 1, GNUTLS_ALPN_MANDATORY) == 0;
    return true;
}

/* Somebody who took the port for one without TLS is told so, in the words that he knows. */
static void answer_plain(struct tls_handshake *handshake)
{
    uint8_t *scratch = handshake->worker->scratch;
    if (handshake->service->protocol == FEED_HTTP) {
        (void)recv(handshake->fd, scratch, SCRATCH_BYTES, 0); /* else closing would reset it */
        const struct http_own own = {.status = 400, .text = "This port wants TLS: use https://"};
        size_t length = http_write_own(scratch, &own, false, HTTP_CLOSES, "");
        (void)send(handshake->fd, scratch, length, MSG_NOSIGNAL);
    }
    give_up(handshake);
}

/* True: its session is there. */
static bool look_first(struct tls_handshake *handshake)
{
    uint8_t first = 0;
    if (handshake->tls)
        return true;
    ssize_t got = recv(handshake->fd, &first, 1, MSG_PEEK);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        loop_io_set(&handshake->io, handshake->fd, LOOP_READ);
    else if (got == 1 && first >= 'A' && first <= 'Z')
        answer_plain(handshake);
    else if (got != 1 || first != RECORD_HANDSHAKE || !begin_session(handshake))
        give_up(handshake);
    else
        return true;
    return false;
}

static void step(struct tls_handshake *handshake)
{
    if (!look_first(handshake))
        return;
    gnutls_session_t session = handshake->tls->session;
    int code = gnutls_handshake(session);
    if (code == 0) {
        done(handshake);
    } else if (code == GNUTLS_E_AGAIN) {
        loop_io_set(&handshake->io, handshake->fd,
                    gnutls_record_get_direction(session) ? LOOP_WRITE : LOOP_READ);
    } else if (!gnutls_error_is_fatal(code)) {
        add_due(handshake);
    } else {
        (void)gnutls_alert_send_appropriate(session, code);
        give_up(handshake);
    }
}

static bool go_on(void *argument)
{
    struct worker *worker = argument;
    struct tls_handshake *handshake;
    loop_refresh_now(worker->loop);
    uint64_t begun_ns = loop_now_ns(worker->loop);
    while (loop_now_ns(worker->loop) - begun_ns < SLICE_NS && (handshake = take_due(worker->tls))) {
        step(handshake);
        loop_refresh_now(worker->loop);
    }
    return worker->tls->first_due;
}

static void ready(void *argument, int fd, unsigned events)
{
    (void)fd, (void)events;
    add_due(argument);
}

/* -- time -- */

static void late(void *argument)
{
    struct worker *worker = argument;
    struct tls_engine *engine = worker->tls;
    uint64_t now_ns = loop_now_ns(worker->loop);
    while (engine->all && now_ns - engine->all->begun_ns >= HANDSHAKE_NS)
        give_up(engine->all);
    if (engine->all)
        loop_timer_start(&engine->timer, engine->all->begun_ns + HANDSHAKE_NS - now_ns);
}

/* -- its begin -- */

void tls_handshake_begin(const struct arrival *arrival)
{
    struct worker *worker = arrival->worker;
    struct tls_engine *engine = engine_of(worker);
    struct tls_handshake *handshake = memory_alloc(sizeof *handshake);
    if (engine->count == HANDSHAKE_LIMIT)
        give_up(engine->all);
    handshake->worker = worker;
    handshake->service = arrival->service;
    handshake->service->connections++;
    handshake->routes = http_routes_hold(arrival->routes);
    handshake->names = tls_names_hold(arrival->names);
    handshake->source = *arrival->source;
    handshake->fd = arrival->fd;
    handshake->begun_ns = loop_now_ns(worker->loop);
    atomic_fetch_add_explicit(&worker->connections, 1, memory_order_relaxed);
    loop_io_init(&handshake->io, worker->loop, "tls handshake", ready, handshake);
    DL_APPEND(engine->all, handshake);
    engine->count++;
    loop_io_set(&handshake->io, handshake->fd, LOOP_READ);
    if (!loop_timer_armed(&engine->timer))
        loop_timer_start(&engine->timer, HANDSHAKE_NS);
}

void tls_handshakes_finish(struct worker *worker)
{
    struct tls_engine *engine = worker->tls;
    if (!engine)
        return;
    while (engine->all)
        give_up(engine->all);
    loop_slice_stop(&engine->slice);
    loop_timer_stop(&engine->timer);
    gnutls_priority_deinit(engine->priorities);
    free(engine);
    worker->tls = NULL;
}
