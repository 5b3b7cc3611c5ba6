/* The client's end of a session: its connection as libmicrohttpd handed it over, watched by the
 * API's own loop, in WebSocket frames. */
#include "api/exec.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

enum { READ_BYTES = 16 * 1024, MESSAGE_BYTES = 32 * 1024, TURN_BYTES = 256 * 1024 };
#define PING_NS (30 * NS_PER_SECOND)   /* between pings */
#define SILENT_NS (75 * NS_PER_SECOND) /* without a word, not even a pong: it has gone */
#define FLUSH_NS (30 * NS_PER_SECOND)  /* for what is left to be sent once it is over */
#define CLOSE_NS (2 * NS_PER_SECOND)   /* for the client's close frame */

static void finish(struct exec_session *session)
{
    struct exec_socket *socket = &session->socket;
    if (!socket->upgrade)
        return;
    loop_io_set(&socket->io, socket->fd, 0);
    loop_timer_stop(&socket->timer);
    MHD_upgrade_action(socket->upgrade, MHD_UPGRADE_ACTION_CLOSE);
    socket->upgrade = NULL;
    api_wake(session->api); /* it says there that the exchange is over */
}

/* -- to the client -- */

/* Output in messages of a size that any client takes. */
static void add_message(struct text *out, const struct exec_record *record)
{
    size_t at = 0;
    do {
        size_t part = record->length - at < MESSAGE_BYTES ? record->length - at : MESSAGE_BYTES;
        websocket_write_head(out, WEBSOCKET_BINARY, part + 1);
        text_append_char(out, (char)record->channel);
        text_append(out, record->bytes + at, part);
        at += part;
    } while (at < record->length);
}

static void add_records(struct exec_session *session)
{
    struct exec_socket *socket = &session->socket;
    struct exec_record record;
    bool last;
    if (socket->records_used == socket->records.length) {
        text_clear(&socket->records);
        socket->records_used = 0;
        exec_bridge_take_output(session, &socket->records, &last);
    }
    while (socket->sending.length < TURN_BYTES &&
           exec_record_next(&socket->records, &socket->records_used, &record)) {
        add_message(&socket->sending, &record);
        if (record.channel == EXEC_END)
            exec_socket_end(session, WEBSOCKET_NORMAL, "");
    }
}

/* What is next; only whole frames. False: there is nothing. */
static bool refill(struct exec_session *session)
{
    struct exec_socket *socket = &session->socket;
    text_clear(&socket->sending);
    socket->sent = 0;
    if (socket->close_sent)
        return false;
    if (socket->pong_due)
        websocket_write(&socket->sending, WEBSOCKET_PONG, socket->pong, socket->pong_length);
    if (socket->ping_due)
        websocket_write(&socket->sending, WEBSOCKET_PING, "", 0);
    socket->pong_due = socket->ping_due = false;
    if (!socket->close_code)
        add_records(session);
    if (socket->close_code) {
        websocket_write_close(&socket->sending, socket->close_code, socket->reason);
        socket->close_sent = true;
    }
    return socket->sending.length > 0;
}

/* False: it is over. */
static bool flush(struct exec_session *session)
{
    struct exec_socket *socket = &session->socket;
    size_t sent = 0;
    while (sent < TURN_BYTES && (socket->sent < socket->sending.length || refill(session))) {
        ssize_t part = send(socket->fd, socket->sending.data + socket->sent,
                            socket->sending.length - socket->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (part < 0)
            return errno == EAGAIN || errno == EINTR;
        socket->sent += (size_t)part;
        sent += (size_t)part;
    }
    if (!socket->close_sent || socket->sent < socket->sending.length)
        return true;
    loop_timer_start(&socket->timer, CLOSE_NS);
    return !socket->closed_by_client;
}

static void watch(struct exec_session *session)
{
    struct exec_socket *socket = &session->socket;
    unsigned events = socket->sent < socket->sending.length ? LOOP_WRITE : 0;
    if (socket->deaf || socket->close_code || exec_bridge_has_room(session))
        events |= LOOP_READ;
    loop_io_set(&socket->io, socket->fd, events);
}

static void go_on(struct exec_session *session)
{
    if (!session->socket.upgrade)
        return;
    if (flush(session))
        watch(session);
    else
        finish(session);
}

/* -- from the client -- */

/* A terminal that does not know its size says 0: the command's stays as it is. */
static unsigned take_size(struct exec_session *session, const char *bytes, size_t length)
{
    json_t *size = json_loadb(bytes, length, 0, NULL);
    const json_t *columns = json_object_get(size, "columns"), *rows = json_object_get(size, "rows");
    json_int_t width = json_integer_value(columns), height = json_integer_value(rows);
    bool sound = json_is_integer(columns) && json_is_integer(rows) && width >= 0 &&
                 width <= UINT16_MAX && height >= 0 && height <= UINT16_MAX;
    const uint16_t both[2] = {(uint16_t)height, (uint16_t)width};
    json_decref(size);
    if (!sound)
        return WEBSOCKET_BAD_CONTENT;
    if (width && height)
        exec_bridge_put_input(session, EXEC_SIZE, both, sizeof both);
    return 0;
}

static unsigned take_message(struct exec_session *session, const char *bytes, size_t length)
{
    if (session->socket.close_code)
        return 0;
    if (length && bytes[0] == EXEC_SIZE)
        return take_size(session, bytes + 1, length - 1);
    if (!length || bytes[0] != EXEC_INPUT)
        return WEBSOCKET_UNSUPPORTED_DATA;
    exec_bridge_put_input(session, EXEC_INPUT, bytes + 1, length - 1);
    return 0;
}

static unsigned take(void *argument, enum websocket_opcode opcode, const char *bytes, size_t length)
{
    struct exec_session *session = argument;
    struct exec_socket *socket = &session->socket;
    unsigned code;
    switch (opcode) {
    case WEBSOCKET_BINARY:
        return take_message(session, bytes, length);
    case WEBSOCKET_PING: /* only the latest is owed an answer */
        memcpy(socket->pong, bytes, length);
        socket->pong_length = length;
        socket->pong_due = true;
        return 0;
    case WEBSOCKET_PONG:
        return 0;
    case WEBSOCKET_CLOSE:
        socket->closed_by_client = true;
        code = websocket_close_code(bytes, length);
        return code == WEBSOCKET_NO_STATUS ? WEBSOCKET_NORMAL : code;
    case WEBSOCKET_TEXT:
    case WEBSOCKET_CONTINUATION:
        break;
    }
    return WEBSOCKET_UNSUPPORTED_DATA;
}

static void feed(struct exec_session *session, const char *bytes, size_t length)
{
    struct exec_socket *socket = &session->socket;
    socket->heard_ns = loop_now_ns(session->api_loop);
    unsigned code = socket->deaf ? 0 : websocket_read(&socket->reader, bytes, length);
    if (!code)
        return;
    socket->deaf = true;
    exec_socket_end(session, code, "");
}

static void ready(void *argument, int fd, unsigned events)
{
    struct exec_session *session = argument;
    char bytes[READ_BYTES];
    if (events & LOOP_READ) {
        ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got > 0) {
            feed(session, bytes, (size_t)got);
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            finish(session);
            return;
        }
    }
    go_on(session);
}

/* -- life -- */

static void time_is_up(void *argument)
{
    struct exec_session *session = argument;
    struct exec_socket *socket = &session->socket;
    uint64_t silent_ns = loop_now_ns(session->api_loop) - socket->heard_ns;
    if (socket->close_code || silent_ns >= SILENT_NS) {
        finish(session);
        return;
    }
    socket->ping_due = true;
    loop_timer_start(&socket->timer, PING_NS);
    go_on(session);
}

void exec_socket_end(struct exec_session *session, unsigned code, const char *reason)
{
    struct exec_socket *socket = &session->socket;
    if (socket->close_code || !socket->upgrade)
        return;
    socket->close_code = code;
    socket->reason = reason;
    loop_timer_start(&socket->timer, FLUSH_NS);
    loop_io_set(&socket->io, socket->fd, LOOP_READ | LOOP_WRITE); /* told in its turn */
}

void exec_socket_cut(struct exec_session *session)
{
    finish(session);
}

void exec_socket_woken(struct exec_session *session)
{
    go_on(session);
}

/* Within MHD_run: the connection may not be given back before its turn is over. */
static void upgraded(void *argument, struct MHD_Connection *mhd, void *context, const char *early,
                     size_t early_bytes, MHD_socket fd, struct MHD_UpgradeResponseHandle *upgrade)
{
    struct exec_session *session = argument;
    struct exec_socket *socket = &session->socket;
    (void)mhd, (void)context;
    socket->upgrade = upgrade;
    socket->fd = fd;
    socket->reader.take = take;
    socket->reader.argument = session;
    loop_io_init(&socket->io, session->api_loop, "exec socket", ready, session);
    loop_timer_init(&socket->timer, session->api_loop, "exec socket", time_is_up, session);
    loop_timer_start(&socket->timer, PING_NS);
    loop_io_set(&socket->io, fd, LOOP_READ | LOOP_WRITE);
    session->bridge.command_gone = false; /* nobody else knows of it yet */
    session->begin = (struct loop_task){.run = exec_command_begin, .name = "exec begin"};
    loop_post(session->parts.loop, &session->begin);
    feed(session, early, early_bytes);
    if (session->api->stopping)
        exec_socket_end(session, WEBSOCKET_GOING_AWAY, "the daemon ends");
}

struct MHD_Response *exec_socket_response(struct exchange *exchange)
{
    struct MHD_Response *response = MHD_create_response_for_upgrade(upgraded, exchange->exec);
    if (response) {
        MHD_add_response_header(response, "Upgrade", "websocket");
        MHD_add_response_header(response, "Sec-WebSocket-Accept", exchange->exec_accept);
    }
    return response;
}
