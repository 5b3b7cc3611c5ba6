#include "proxy/tls_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    HANDSHAKE_BYTES = 64 * 1024, /* of a client's; GnuTLS would keep 16 MiB of one message */
    IDLE_RECORDS = 16,
};

static void again(void *argument)
{
    struct tls *tls = argument;
    if (tls->readable && tls->io && (tls->io->events & LOOP_READ))
        tls->io->ready(tls->io->argument, tls->io->fd, LOOP_READ);
}

static ssize_t pull(gnutls_transport_ptr_t pointer, void *bytes, size_t length)
{
    struct tls *tls = pointer;
    ssize_t got = recv(tls->fd, bytes, length, 0);
    if (tls->io || got <= 0)
        return got;
    tls->handshake_bytes += (size_t)got;
    if (tls->handshake_bytes <= HANDSHAKE_BYTES)
        return got;
    errno = EPROTO;
    return -1;
}

static ssize_t push(gnutls_transport_ptr_t pointer, const giovec_t *parts, int count)
{
    const struct tls *tls = pointer;
    return sendmsg(
        tls->fd,
        &(struct msghdr){.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)count},
        MSG_NOSIGNAL);
}

struct tls *tls_create(struct worker *worker, int fd)
{
    struct tls *tls = memory_alloc(sizeof *tls);
    tls->worker = worker;
    tls->fd = fd;
    loop_timer_init(&tls->again, worker->loop, "tls", again, tls);
    if (gnutls_init(&tls->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0 ||
        gnutls_priority_set(tls->session, worker->tls->priorities) < 0) {
        tls_free(tls);
        return NULL;
    }
    gnutls_transport_set_ptr(tls->session, tls);
    gnutls_transport_set_pull_function(tls->session, pull);
    gnutls_transport_set_vec_push_function(tls->session, push);
    gnutls_handshake_set_timeout(tls->session, GNUTLS_INDEFINITE_TIMEOUT); /* ours counts */
    return tls;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    loop_timer_stop(&tls->again);
    if (tls->session)
        gnutls_deinit(tls->session);
    certificate_release(tls->certificate);
    free(tls);
}

void tls_attach(struct tls *tls, struct loop_io *io)
{
    tls->io = io;
    tls->readable = gnutls_record_check_pending(tls->session) > 0;
}

void tls_watch(struct tls *tls, unsigned events)
{
    if (tls->readable && (events & LOOP_READ) && !loop_timer_armed(&tls->again))
        loop_timer_start(&tls->again, 0);
}

/* -- reading -- */

static ssize_t fail(int errno_value)
{
    errno = errno_value;
    return -1;
}

/* What is no data: how it shows at a socket. */
static ssize_t no_data(struct tls *tls, ssize_t code)
{
    if (code == 0)
        return 0;
    if (code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED)
        return fail(EAGAIN);
    if (code == GNUTLS_E_REHANDSHAKE) /* the client's to command otherwise */
        (void)gnutls_alert_send(tls->session, GNUTLS_AL_WARNING, GNUTLS_A_NO_RENEGOTIATION);
    else if (code != GNUTLS_E_PREMATURE_TERMINATION && code != GNUTLS_E_PULL_ERROR)
        (void)gnutls_alert_send_appropriate(tls->session, (int)code);
    return fail(EPROTO);
}

static ssize_t recv_record(struct tls *tls, void *bytes, size_t length)
{
    for (int i = 0; i < IDLE_RECORDS; i++) {
        ssize_t got = gnutls_record_recv(tls->session, bytes, length);
        if (got >= 0 || gnutls_error_is_fatal((int)got) || got == GNUTLS_E_AGAIN ||
            got == GNUTLS_E_INTERRUPTED || got == GNUTLS_E_REHANDSHAKE)
            return got;
    }
    return GNUTLS_E_UNEXPECTED_PACKET; /* nothing but warnings */
}

/* Record by record, as long as they come full: another read of an empty socket is saved. */
ssize_t tls_recv(struct tls *tls, void *bytes, size_t length)
{
    size_t total = 0;
    tls->readable = false;
    while (total < length) {
        ssize_t got = recv_record(tls, (uint8_t *)bytes + total, length - total);
        if (got <= 0) {
            if (!total)
                return no_data(tls, got);
            /* An end or a fault is told by the next call, which nothing else may bring about. */
            tls->readable = got != GNUTLS_E_AGAIN && got != GNUTLS_E_INTERRUPTED;
            break;
        }
        total += (size_t)got;
        if (got < TLS_RECORD_BYTES && !gnutls_record_check_pending(tls->session))
            break;
    }
    tls->readable |= gnutls_record_check_pending(tls->session) > 0;
    if (tls->io)
        tls_watch(tls, tls->io->events);
    return (ssize_t)total;
}

/* -- writing -- */

/* The next record's data, from `skip` on: one part's own, or several gathered. */
static struct iovec next_record(struct tls *tls, const struct iovec *parts, int count, size_t skip)
{
    uint8_t *staging = tls->worker->tls->staging;
    size_t length = 0;
    for (int i = 0; i < count && length < TLS_RECORD_BYTES; i++) {
        if (skip >= parts[i].iov_len) {
            skip -= parts[i].iov_len;
            continue;
        }
        uint8_t *from = (uint8_t *)parts[i].iov_base + skip;
        size_t take = parts[i].iov_len - skip;
        skip = 0;
        if (take > TLS_RECORD_BYTES - length)
            take = TLS_RECORD_BYTES - length;
        if (!length && (i + 1 == count || take == TLS_RECORD_BYTES))
            return (struct iovec){from, take};
        memcpy(staging + length, from, take);
        length += take;
    }
    return (struct iovec){staging, length};
}

static size_t total_of(const struct iovec *parts, int count)
{
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += parts[i].iov_len;
    return total;
}

ssize_t tls_send(struct tls *tls, const struct iovec *parts, int count)
{
    size_t total = total_of(parts, count), sent = 0;
    while (sent < total) {
        struct iovec record = next_record(tls, parts, count, sent);
        ssize_t taken = gnutls_record_send(tls->session, record.iov_base, record.iov_len);
        if (taken > 0) {
            sent += (size_t)taken;
            continue;
        }
        if (sent)
            break;
        return fail(taken == GNUTLS_E_AGAIN || taken == GNUTLS_E_INTERRUPTED ? EAGAIN : EPROTO);
    }
    return (ssize_t)sent;
}

void tls_end_sending(struct tls *tls)
{
    (void)gnutls_bye(tls->session, GNUTLS_SHUT_WR);
}
