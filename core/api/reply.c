/* Answers: status, headers and body as libmicrohttpd wants them. */
#include "api/exec.h"
#include "api/impl.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <zlib.h>

enum { GZIP_FROM_BYTES = 1024, STREAM_BLOCK_BYTES = 8 * 1024 };

static void write_fault(struct text *out, const struct schema_fault *fault, bool first)
{
    text_append_string(out, first ? "{\"field\":" : ",{\"field\":");
    text_append_json(out, fault->path, strlen(fault->path));
    text_append_string(out, ",\"message\":");
    text_append_json(out, fault->message, strlen(fault->message));
    text_append_char(out, '}');
}

void reply_write_error(struct text *out, const struct error *error,
                       const struct schema_faults *faults)
{
    text_append_string(out, "{\"error\":");
    text_append_json(out, error->message, strlen(error->message));
    text_append_format(out, ",\"code\":\"%s\",\"details\":[", error_code_word(error->code));
    for (size_t i = 0; faults && i < faults->count; i++)
        write_fault(out, &faults->items[i], i == 0);
    text_append_char(out, ']');
    if (error->code == ERROR_UNKNOWN_OUTCOME)
        text_append_string(out, ",\"outcome\":\"unknown\"");
    text_append_char(out, '}');
}

/* In place; false: it stays as it is. */
static bool pack(struct text *text)
{
    z_stream stream = {0};
    if (deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    struct text packed = {0};
    size_t most = deflateBound(&stream, text->length);
    text_reserve(&packed, most);
    stream.next_in = (Bytef *)text->data;
    stream.avail_in = (uInt)text->length;
    stream.next_out = (Bytef *)packed.data;
    stream.avail_out = (uInt)most;
    int result = deflate(&stream, Z_FINISH);
    packed.length = stream.total_out;
    deflateEnd(&stream);
    if (result != Z_STREAM_END || packed.length >= text->length) {
        text_finish(&packed);
        return false;
    }
    text_finish(text);
    *text = packed;
    return true;
}

static void add(struct MHD_Response *response, const char *name, const char *value)
{
    MHD_add_response_header(response, name, value);
}

static void add_number(struct MHD_Response *response, const char *name, const char *format,
                       unsigned long long value)
{
    char text[40];
    snprintf(text, sizeof text, format, value);
    add(response, name, text);
}

/* Pages run what came with them and nothing else, in no frame of a stranger's. Exported pages hold
 * inline scripts, hence their permission; names below _next/static change with their content. */
static void add_file_headers(const struct exchange *exchange, struct MHD_Response *response)
{
    const struct uri *uri = &exchange->uri;
    bool unchanging = uri->segment_count > 2 && exchange->request.status == 200 &&
                      strcmp(uri->segments[0], "_next") == 0 &&
                      strcmp(uri->segments[1], "static") == 0;
    add(response, "Cache-Control", unchanging ? "public, max-age=31536000, immutable" : "no-cache");
    add(response, "Content-Security-Policy",
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'");
    add(response, "X-Frame-Options", "DENY");
    add(response, "Referrer-Policy", "no-referrer");
}

static void add_headers(const struct exchange *exchange, struct MHD_Response *response)
{
    const struct request *request = &exchange->request;
    if (request->status != 204)
        add(response, "Content-Type",
            request->content_type ? request->content_type : "application/json; charset=utf-8");
    if (exchange->is_file && exchange->request.status < 400)
        add_file_headers(exchange, response);
    else
        add(response, "Cache-Control", "no-store");
    add(response, "X-Content-Type-Options", "nosniff");
    add(response, "X-Request-Id", request->id);
    if (request->seq)
        add_number(response, "X-Seq", "%llu", request->seq);
    if (request->etag)
        add_number(response, "ETag", "\"%llu\"", request->etag);
    if (request->location)
        add(response, "Location", request->location);
    if (exchange->allow[0])
        add(response, "Allow", exchange->allow);
    if (exchange->retry_after)
        add_number(response, "Retry-After", "%llu", exchange->retry_after);
    if (exchange->replayed)
        add(response, "Idempotent-Replayed", "true");
    if (exchange->wants_websocket)
        add(response, "Sec-WebSocket-Version", "13");
    if (request->status == 401)
        add(response, "WWW-Authenticate", "Bearer");
    if (exchange->close_after || exchange->api->stopping)
        add(response, "Connection", "close");
}

static struct MHD_Response *from_text(struct exchange *exchange)
{
    struct text *out = &exchange->request.out;
    bool packed = exchange->accepts_gzip && out->length >= GZIP_FROM_BYTES && pack(out);
    size_t length = out->length;
    if (!length)
        return MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(length, text_take(out), MHD_RESPMEM_MUST_FREE);
    if (response && packed)
        add(response, "Content-Encoding", "gzip");
    if (response && exchange->accepts_gzip)
        add(response, "Vary", "Accept-Encoding");
    return response;
}

/* -- streams -- */

static ssize_t read_stream(void *argument, uint64_t position, char *buffer, size_t room)
{
    struct exchange *exchange = argument;
    (void)position;
    if (exchange->stream_lost)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (exchange->watcher)
        return watcher_read(exchange->watcher, exchange, buffer, room);
    return stream_read(exchange->request.stream, exchange, buffer, room);
}

static struct MHD_Response *from_stream(struct exchange *exchange)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = exchange};
    if (exchange->request.stream)
        stream_attach(exchange->request.stream, exchange);
    epoll_ctl(exchange->api->hangup_fd, EPOLL_CTL_ADD, exchange->connection->fd, &event);
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, read_stream,
                                             exchange, NULL);
}

/* -- queueing -- */

static struct MHD_Response *from_end(void)
{
    static const char text[] =
        "{\"error\":\"the daemon is ending; what became of the request is not known\","
        "\"code\":\"UNAVAILABLE\",\"details\":[],\"outcome\":\"unknown\"}";
    struct MHD_Response *response =
        MHD_create_response_from_buffer(sizeof text - 1, (void *)text, MHD_RESPMEM_PERSISTENT);
    add(response, "Content-Type", "application/json; charset=utf-8");
    add(response, "Connection", "close");
    return response;
}

enum MHD_Result reply_queue(struct exchange *exchange)
{
    struct MHD_Response *response;
    int status = 503;
    exchange->queued = true;
    if (exchange->abandoned) { /* the request belongs to the loop */
        response = from_end();
    } else {
        status = exchange->request.status;
        bool goes_on = exchange->request.stream || exchange->watcher;
        response = status == 101 ? exec_socket_response(exchange)
                   : goes_on     ? from_stream(exchange)
                                 : from_text(exchange);
        if (response && status != 101)
            add_headers(exchange, response);
    }
    if (!response)
        return MHD_NO;
    enum MHD_Result queued =
        MHD_queue_response(exchange->connection->mhd, (unsigned)status, response);
    MHD_destroy_response(response);
    return queued;
}

void reply_write_raw(struct exchange *exchange)
{
    CLEANUP(text_finish) struct text raw = {0};
    const struct text *out = &exchange->request.out;
    struct MHD_Connection *mhd = exchange->connection->mhd;
    text_append_format(&raw,
                       "HTTP/1.1 %d Refused\r\nContent-Type: application/json; charset=utf-8\r\n"
                       "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                       exchange->request.status, out->length, text_string(out));
    const union MHD_ConnectionInfo *tls =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    /* One try is all a client gets that has sent megabytes too many. */
    ssize_t sent =
        tls ? gnutls_record_send(tls->tls_session, raw.data, raw.length)
            : send(exchange->connection->fd, raw.data, raw.length, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent;
    shutdown(exchange->connection->fd, SHUT_WR);
}
