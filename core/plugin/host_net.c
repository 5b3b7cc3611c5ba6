/* orch.host.net/1: raw client streams, over TCP or a unix socket, with TLS if asked. */
#include "base/clock.h"
#include "base/queue.h"
#include "base/text.h"
#include "loop/loop.h"
#include "plugin/handles.h"
#include "plugin/host.h"
#include "plugin/net_tls.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { STREAM_LIMIT = 1024, OUT_LIMIT = 256 * 1024, READ_BYTES = 16 * 1024, CONNECT_DEFAULT_S = 5 };

enum stream_state {
    STREAM_RESOLVING = 1,
    STREAM_CONNECTING,
    STREAM_HANDSHAKE,
    STREAM_OPEN,
    STREAM_ENDED /* closed by the plugin while its name was being resolved */
};

struct stream {
    struct streams *owner;
    uint64_t id;
    enum stream_state state;
    struct orch_net_callbacks callbacks;
    void *context;
    struct loop_io io;
    struct loop_timer deadline;
    struct loop_job resolve;
    char *host, *port, *ca_file, *certificate_file, *key_file;
    struct addrinfo *addresses, *next_address; /* of the resolver */
    int resolve_error;
    int fd;
    struct net_tls *tls;
    struct text out;
    size_t out_sent;
    bool wants_tls, read_paused, read_ended, finish_wanted, finished, write_refused;
};
struct streams {
    struct plugin_host *host;
    struct handles table;
};

static struct streams *streams_of(const struct orch_host *orch)
{
    return plugin_host_state(orch, &host_net_service);
}

static void stream_free(struct stream *stream)
{
    loop_timer_stop(&stream->deadline);
    if (stream->fd >= 0) {
        loop_io_set(&stream->io, stream->fd, 0);
        close(stream->fd);
    }
    net_tls_destroy(stream->tls);
    if (stream->addresses)
        freeaddrinfo(stream->addresses);
    free(stream->host);
    free(stream->port);
    free(stream->ca_file);
    free(stream->certificate_file);
    free(stream->key_file);
    text_finish(&stream->out);
    free(stream);
}

/* A stream that is being resolved is in the pool's hands: freed when the job is done. */
static void stream_drop(struct stream *stream)
{
    bool resolving = stream->state == STREAM_RESOLVING;
    handles_remove(&stream->owner->table, stream->id);
    stream->state = STREAM_ENDED;
    loop_timer_stop(&stream->deadline);
    if (!resolving)
        stream_free(stream);
}

static void stream_fail(struct stream *stream, orch_status status, const struct error *why)
{
    struct orch_error theirs = {.size = sizeof theirs};
    void (*failed)(void *, const struct orch_error *) = stream->callbacks.failed;
    void *context = stream->context;
    (void)plugin_error_give(&theirs, status, why);
    stream_drop(stream);
    if (failed)
        failed(context, &theirs);
}

static void stream_fail_errno(struct stream *stream, orch_status status, int number,
                              const char *what)
{
    struct error why;
    error_set_errno(&why, ERROR_IO, number, "%s", what);
    stream_fail(stream, status, &why);
}

static void watch(struct stream *stream)
{
    unsigned events = 0;
    switch (stream->state) {
    case STREAM_CONNECTING:
        events = LOOP_WRITE;
        break;
    case STREAM_HANDSHAKE:
        events = net_tls_wants_write(stream->tls) ? LOOP_WRITE : LOOP_READ;
        break;
    case STREAM_OPEN:
        if (!stream->read_paused && !stream->read_ended)
            events |= LOOP_READ;
        if (stream->out.length || (stream->finish_wanted && !stream->finished))
            events |= LOOP_WRITE;
        break;
    case STREAM_RESOLVING:
    case STREAM_ENDED:
        return;
    }
    loop_io_set(&stream->io, stream->fd, events);
}

/* ---- open: reading and writing --------------------------------------------------------------- */

static bool alive(const struct streams *streams, uint64_t id)
{
    return handles_get(&streams->table, id) != NULL;
}

static ssize_t plain(ssize_t count)
{
    if (count >= 0)
        return count;
    return errno == EAGAIN || errno == EINTR ? NET_TLS_AGAIN : NET_TLS_FAILED;
}

/* Returns false when the stream is gone. */
static bool receive(struct stream *stream)
{
    struct streams *streams = stream->owner;
    uint64_t id = stream->id;
    char bytes[READ_BYTES];
    struct error why = {0};
    ssize_t count = stream->tls ? net_tls_receive(stream->tls, bytes, sizeof bytes, &why)
                                : plain(recv(stream->fd, bytes, sizeof bytes, 0));
    if (count == NET_TLS_AGAIN)
        return true;
    if (count == NET_TLS_FAILED) {
        if (!why.code)
            error_set_errno(&why, ERROR_IO, errno, "receiving");
        stream_fail(stream, ORCH_E_IO, &why);
        return false;
    }
    if (count == 0) {
        stream->read_ended = true;
        if (stream->callbacks.end)
            stream->callbacks.end(stream->context);
    } else if (stream->callbacks.received) {
        stream->callbacks.received(stream->context, (struct orch_str){bytes, (size_t)count});
    }
    return alive(streams, id);
}

static bool send_finish(struct stream *stream)
{
    struct error why = {0};
    if (stream->tls) {
        int code = net_tls_finish(stream->tls, &why);
        if (code == NET_TLS_AGAIN)
            return true;
        if (code == NET_TLS_FAILED) {
            stream_fail(stream, ORCH_E_IO, &why);
            return false;
        }
    }
    (void)shutdown(stream->fd, SHUT_WR); /* fails only when the peer is gone: reading tells */
    stream->finished = true;
    return true;
}

static bool transmit(struct stream *stream)
{
    struct streams *streams = stream->owner;
    uint64_t id = stream->id;
    struct error why = {0};
    while (stream->out.length) {
        const char *from = stream->out.data + stream->out_sent;
        size_t left = stream->out.length - stream->out_sent;
        ssize_t count = stream->tls ? net_tls_send(stream->tls, from, left, &why)
                                    : plain(send(stream->fd, from, left, MSG_NOSIGNAL));
        if (count == NET_TLS_AGAIN)
            return true;
        if (count == NET_TLS_FAILED) {
            if (!why.code)
                error_set_errno(&why, ERROR_IO, errno, "sending");
            stream_fail(stream, ORCH_E_IO, &why);
            return false;
        }
        stream->out_sent += (size_t)count;
        if (stream->out_sent == stream->out.length) {
            text_clear(&stream->out);
            stream->out_sent = 0;
        }
    }
    if (stream->finish_wanted && !stream->finished && !send_finish(stream))
        return false;
    if (stream->write_refused && stream->callbacks.writable) {
        stream->write_refused = false;
        stream->callbacks.writable(stream->context);
    }
    return alive(streams, id);
}

/* ---- on the way to open ---------------------------------------------------------------------- */

static void opened(struct stream *stream)
{
    struct streams *streams = stream->owner;
    uint64_t id = stream->id;
    stream->state = STREAM_OPEN;
    loop_timer_stop(&stream->deadline);
    if (stream->callbacks.connected)
        stream->callbacks.connected(stream->context);
    if (alive(streams, id))
        watch(stream);
}

static void handshake(struct stream *stream)
{
    struct error why = {0};
    int code = net_tls_handshake(stream->tls, &why);
    if (code == NET_TLS_FAILED)
        stream_fail(stream, ORCH_E_DENIED, &why);
    else if (code == NET_TLS_AGAIN)
        watch(stream);
    else
        opened(stream);
}

static void connected(struct stream *stream)
{
    struct error why = {0};
    if (!stream->wants_tls) {
        opened(stream);
        return;
    }
    const struct net_tls_settings settings = {.fd = stream->fd,
                                              .server_name = stream->host ? stream->host : "",
                                              .ca_file = stream->ca_file,
                                              .certificate_file = stream->certificate_file,
                                              .key_file = stream->key_file};
    stream->tls = net_tls_create(&settings, &why);
    if (!stream->tls) {
        stream_fail(stream, ORCH_E_DENIED, &why);
        return;
    }
    stream->state = STREAM_HANDSHAKE;
    handshake(stream);
}

static void socket_ready(void *argument, int fd, unsigned events);

static bool try_connect(struct stream *stream, const struct sockaddr *address, socklen_t length)
{
    stream->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (stream->fd < 0)
        return false;
    loop_io_init(&stream->io, stream->owner->host->environment->loop, stream->owner->host->label,
                 socket_ready, stream);
    stream->state = STREAM_CONNECTING;
    if (connect(stream->fd, address, length) == 0 || errno == EINPROGRESS) {
        watch(stream); /* also when it is connected already: callbacks never come from inside */
        return true;
    }
    int failed = errno;
    close(stream->fd);
    stream->fd = -1;
    errno = failed;
    return false;
}

/* The next of the name's addresses; fails the stream after the last. */
static void connect_next(struct stream *stream, int number)
{
    while (stream->next_address) {
        const struct addrinfo *address = stream->next_address;
        stream->next_address = address->ai_next;
        if (try_connect(stream, address->ai_addr, address->ai_addrlen))
            return;
        number = errno;
    }
    stream_fail_errno(stream, ORCH_E_UNAVAILABLE, number, "connecting");
}

static void connect_ended(struct stream *stream)
{
    int number = 0;
    socklen_t length = sizeof number;
    getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &number, &length);
    if (!number) {
        connected(stream);
        return;
    }
    loop_io_set(&stream->io, stream->fd, 0);
    close(stream->fd);
    stream->fd = -1;
    connect_next(stream, number);
}

static void socket_ready(void *argument, int fd, unsigned events)
{
    struct stream *stream = argument;
    (void)fd;
    switch (stream->state) {
    case STREAM_CONNECTING:
        connect_ended(stream);
        return;
    case STREAM_HANDSHAKE:
        handshake(stream);
        return;
    case STREAM_OPEN:
        if ((events & LOOP_WRITE && !transmit(stream)) ||
            (events & LOOP_READ && !stream->read_paused && !receive(stream)))
            return;
        watch(stream);
        return;
    case STREAM_RESOLVING:
    case STREAM_ENDED:
        return;
    }
}

static void resolve_work(struct loop_job *job)
{
    struct stream *stream = CONTAINER_OF(job, struct stream, resolve);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    stream->resolve_error = getaddrinfo(stream->host, stream->port, &hints, &stream->addresses);
}

static void resolve_done(struct loop_job *job)
{
    struct stream *stream = CONTAINER_OF(job, struct stream, resolve);
    struct error why;
    if (stream->state == STREAM_ENDED) {
        stream_free(stream);
        return;
    }
    stream->state = STREAM_CONNECTING;
    if (stream->resolve_error) {
        error_set(&why, ERROR_UNAVAILABLE, "%s: %s", stream->host,
                  gai_strerror(stream->resolve_error));
        stream_fail(stream, ORCH_E_UNAVAILABLE, &why);
        return;
    }
    stream->next_address = stream->addresses;
    connect_next(stream, EADDRNOTAVAIL);
}

static void out_of_time(void *argument)
{
    struct error why;
    error_set(&why, ERROR_TIMEOUT, "no connection in time");
    stream_fail(argument, ORCH_E_TIMEOUT, &why);
}

/* ---- the table's functions ------------------------------------------------------------------- */

static char *copied(const char *string)
{
    return string ? memory_strdup(string) : NULL;
}

static struct stream *stream_create(struct streams *streams, const struct orch_net_connect *request,
                                    const struct orch_net_callbacks *callbacks, void *context)
{
    struct stream *stream = memory_alloc(sizeof *stream);
    char port[16];
    (void)snprintf(port, sizeof port, "%u", request->port);
    *stream = (struct stream){.owner = streams,
                              .state = STREAM_CONNECTING,
                              .callbacks = *callbacks,
                              .context = context,
                              .fd = -1,
                              .host = copied(request->host),
                              .port = memory_strdup(port),
                              .ca_file = copied(request->ca_file),
                              .certificate_file = copied(request->certificate_file),
                              .key_file = copied(request->key_file),
                              .wants_tls = request->tls != 0};
    stream->id = handles_put(&streams->table, stream);
    loop_timer_init(&stream->deadline, streams->host->environment->loop, streams->host->label,
                    out_of_time, stream);
    loop_timer_start(&stream->deadline, request->connect_timeout_ns
                                            ? request->connect_timeout_ns
                                            : CONNECT_DEFAULT_S * NS_PER_SECOND);
    return stream;
}

static orch_status begin_unix(struct stream *stream, const char *path, struct orch_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path)); /* its length was checked */
    if (try_connect(stream, (const struct sockaddr *)&address, sizeof address))
        return ORCH_OK;
    int number = errno;
    stream_drop(stream);
    (void)orch_fail(error, ORCH_E_UNAVAILABLE, path);
    if (error && error->size >= ORCH_SIZE_UPTO(struct orch_error, sys_errno))
        error->sys_errno = number;
    return ORCH_E_UNAVAILABLE;
}

static orch_status begin_resolving(struct stream *stream, struct orch_error *error)
{
    stream->state = STREAM_RESOLVING;
    stream->resolve =
        (struct loop_job){.work = resolve_work, .done = resolve_done, .name = "resolve a name"};
    if (loop_offload(stream->owner->host->environment->loop, &stream->resolve))
        return ORCH_OK;
    stream->state = STREAM_CONNECTING;
    stream_drop(stream);
    return orch_fail(error, ORCH_E_FULL, "too much work waits for the pool");
}

static orch_status connect_stream(const struct orch_host *orch,
                                  const struct orch_net_connect *theirs,
                                  const struct orch_net_callbacks *callbacks, void *context,
                                  uint64_t *id, struct orch_error *error)
{
    struct streams *streams = streams_of(orch);
    struct orch_net_connect request;
    struct orch_net_callbacks taken;
    if (!plugin_host_on_loop(orch, "orch.host.net/1 connect"))
        return orch_fail(error, ORCH_E_WRONG_THREAD, "net is for the loop's thread");
    if (!theirs || !callbacks || !id)
        return orch_fail(error, ORCH_E_INVALID, "a parameter is NULL");
    if (ORCH_TAKE(struct orch_net_connect, &request, theirs, error) != ORCH_OK ||
        ORCH_TAKE(struct orch_net_callbacks, &taken, callbacks, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    if (!request.unix_socket == !request.host || request.port > UINT16_MAX)
        return orch_fail(error, ORCH_E_INVALID, "give a unix socket, or a host and a port");
    if (request.unix_socket &&
        strlen(request.unix_socket) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return orch_fail(error, ORCH_E_INVALID, "a unix socket's path has at most 107 bytes");
    if (streams->table.used >= STREAM_LIMIT)
        return orch_fail(error, ORCH_E_FULL, "1024 streams are open");
    struct stream *stream = stream_create(streams, &request, &taken, context);
    *id = stream->id;
    return request.unix_socket ? begin_unix(stream, request.unix_socket, error)
                               : begin_resolving(stream, error);
}

static struct stream *find(const struct orch_host *orch, uint64_t id, const char *function)
{
    if (!plugin_host_on_loop(orch, function))
        return NULL;
    return handles_get(&streams_of(orch)->table, id);
}

static int64_t write_stream(const struct orch_host *orch, uint64_t id, struct orch_str bytes)
{
    struct stream *stream = find(orch, id, "orch.host.net/1 write");
    if (!stream)
        return ORCH_E_NOT_FOUND;
    if (stream->finish_wanted || (bytes.len && !bytes.ptr))
        return ORCH_E_INVALID;
    size_t room = OUT_LIMIT - (stream->out.length - stream->out_sent);
    size_t taken = bytes.len < room ? bytes.len : room;
    /* What was sent stays in the buffer until it is empty, so bound that as well. */
    if (stream->out_sent > OUT_LIMIT) {
        memmove(stream->out.data, stream->out.data + stream->out_sent,
                stream->out.length - stream->out_sent);
        stream->out.length -= stream->out_sent;
        stream->out_sent = 0;
    }
    text_append(&stream->out, bytes.ptr, taken);
    stream->write_refused |= taken < bytes.len;
    if (stream->state == STREAM_OPEN)
        watch(stream);
    return (int64_t)taken;
}

static void finish_stream(const struct orch_host *orch, uint64_t id)
{
    struct stream *stream = find(orch, id, "orch.host.net/1 finish");
    if (!stream)
        return;
    stream->finish_wanted = true;
    if (stream->state == STREAM_OPEN)
        watch(stream);
}

static void read_pause(const struct orch_host *orch, uint64_t id, int32_t paused)
{
    struct stream *stream = find(orch, id, "orch.host.net/1 read_pause");
    if (!stream)
        return;
    stream->read_paused = paused != 0;
    if (stream->state == STREAM_OPEN)
        watch(stream);
}

static void close_stream(const struct orch_host *orch, uint64_t id)
{
    struct stream *stream = find(orch, id, "orch.host.net/1 close");
    if (stream)
        stream_drop(stream);
}

static void *attach(struct plugin_host *host)
{
    struct streams *streams = memory_alloc(sizeof *streams);
    streams->host = host;
    return streams;
}

static void detach(void *state)
{
    struct streams *streams = state;
    for (uint32_t i = 0; i < streams->table.count; i++)
        if (handles_at(&streams->table, i))
            stream_drop(handles_at(&streams->table, i));
    handles_finish(&streams->table);
    free(streams);
}

static const struct orch_host_net_v1 table = {.size = sizeof table,
                                              .connect = connect_stream,
                                              .write = write_stream,
                                              .finish = finish_stream,
                                              .read_pause = read_pause,
                                              .close = close_stream};
const struct plugin_service host_net_service = {
    .interface_id = ORCH_HOST_NET_1, .table = &table, .attach = attach, .detach = detach};
