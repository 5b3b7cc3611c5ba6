/* A reply on its way back to the client. */
#include "proxy/http/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { BULK_READS = 2, BULK_BYTES = 256 * 1024, COOKIE_LINE_BYTES = 160, INTERIM_LIMIT = 64 };
enum { REPLY_LINES_BYTES = COOKIE_LINE_BYTES + HTTP_DATE_BYTES };

/* -- its body -- */

static void end_reply(struct http_client *client)
{
    if (client->state != HTTP_GONE)
        http_exchange_done(client);
}

static void reply_is_bad(struct http_client *client, const char *text)
{
    http_exchange_leave(client, ORCH_OUTCOME_ERROR);
    if (client->replied)
        http_client_gone(client, END_RESET);
    else
        http_answer(client, 502, text);
}

/* Puts the body's next bytes into parts; `line` has room for a chunk's. */
static int frame(const struct http_client *client, uint8_t *bytes, size_t length, uint8_t *line,
                 struct iovec *parts)
{
    static const char end[] = "\r\n";
    int count = 0;
    if (!length)
        return 0;
    if (client->encodes)
        parts[count++] = (struct iovec){line, http_write_chunk_line(line, length)};
    parts[count++] = (struct iovec){bytes, length};
    if (client->encodes)
        parts[count++] = (struct iovec){(void *)(uintptr_t)end, sizeof end - 1};
    return count;
}

/* With the head's part, if that has not been sent yet. */
static void pass(struct http_client *client, struct iovec head, uint8_t *bytes, size_t length)
{
    uint8_t line[HTTP_CHUNK_LINE_BYTES + 1];
    struct http_body *reply = &client->reply;
    struct iovec parts[5] = {head};
    size_t consumed, produced;
    int count = head.iov_len ? 1 : 0;
    if (!http_body_take(reply, bytes, length, &consumed, &produced)) {
        reply_is_bad(client, "The endpoint's reply is not framed as it says");
        return;
    }
    count += frame(client, bytes, produced, line, parts + count);
    if (reply->kind == BODY_CHUNKED && reply->done && !client->old) {
        uint8_t *tail = client->worker->http->written + head.iov_len;
        size_t last = http_last_chunk(client->worker, tail, reply);
        if (!last) {
            reply_is_bad(client, "The endpoint's trailers are none");
            return;
        }
        parts[count++] = (struct iovec){tail, last};
    }
    if (count) {
        client->replied = true;
        http_client_send(client, parts, count);
    }
    client->reply_closes |= consumed < length;
    if (reply->done)
        end_reply(client);
}

/* -- its head -- */

static enum http_framing choose_framing(struct http_client *client, const struct http_head *head)
{
    struct http_body *reply = &client->reply;
    http_body_begin(reply, head);
    if (!http_has_body(head->status, client->method_id)) {
        http_body_none(reply);
        return HTTP_FRAMED_NONE;
    }
    if (head->has_length)
        return HTTP_FRAMED_LENGTH;
    if (!head->chunked)
        *reply = (struct http_body){.kind = BODY_UNTIL_CLOSE};
    reply->chunks.unframe = client->old;
    client->encodes = !head->chunked && !client->old;
    return client->old ? HTTP_FRAMED_CLOSE : HTTP_FRAMED_CHUNKED;
}

/* A client that came without, or with another's, is told where it was sent. */
static void write_ticket(const struct http_client *client, char out[REPLY_LINES_BYTES])
{
    const struct view *view = client->service->view;
    out[0] = 0;
    if (!view || !view->route.sticky[0])
        return;
    uint64_t ticket = chooser_ticket(view->policy, client->endpoint);
    if (ticket != client->ticket)
        snprintf(out, COOKIE_LINE_BYTES,
                 "Set-Cookie: %.64s=%016llx; Path=/; HttpOnly; SameSite=Lax\r\n",
                 view->route.sticky, (unsigned long long)ticket);
}

static struct iovec begin_reply(struct http_client *client, const struct http_head *head,
                                const uint8_t *bytes)
{
    uint8_t *out = client->worker->http->written;
    enum http_framing framing = choose_framing(client, head);
    char lines[REPLY_LINES_BYTES];
    write_ticket(client, lines);
    if (!head->has_date)
        strcat(lines, http_date_line(client->worker));
    uint64_t now_ns = loop_now_ns(client->worker->loop);
    client->status = head->status;
    client->latency_ns = now_ns > client->begun_ns ? now_ns - client->begun_ns : 1;
    client->reply_closes = client->reply.kind == BODY_UNTIL_CLOSE || head->close ||
                           (!head->minor && !head->keep_alive) ||
                           (head->status == 204 && (head->chunked || head->content_length));
    client->closing |= framing == HTTP_FRAMED_CLOSE;
    if (!client->request.done) /* a reply before its request's end: the rest is not waited for */
        client->closing = client->lingers = true;
    size_t length = http_write_response(out, head, bytes, framing, http_persistence(client), lines);
    return (struct iovec){out, length};
}

static void pass_interim(struct http_client *client, const struct http_head *head,
                         const uint8_t *bytes)
{
    uint8_t *out = client->worker->http->written;
    if (client->old)
        return;
    size_t length = http_write_response(out, head, bytes, HTTP_FRAMED_NONE, HTTP_PERSISTS, "");
    http_client_send(client, &(struct iovec){out, length}, 1);
}

/* The rest of the head comes later. */
static void stash(struct http_client *client, const uint8_t *bytes, size_t length)
{
    struct http_upstream *upstream = client->upstream;
    if (!upstream->in)
        upstream->in = http_intake_take(client->worker);
    if (upstream->in->bytes != bytes) {
        memmove(upstream->in->bytes, bytes, length);
        http_head_reset(&upstream->in->head);
    }
    upstream->in->end = (uint32_t)length;
}

static struct http_head *head_of(struct http_client *client, const uint8_t *bytes)
{
    struct http_intake *in = client->upstream->in;
    struct http_head *head = &client->worker->http->head;
    if (in && in->bytes == bytes)
        return &in->head;
    http_head_reset(head);
    return head;
}

static void switch_protocol(struct http_client *client, const struct http_head *head,
                            uint8_t *bytes, size_t length)
{
    uint8_t *out = client->worker->http->written;
    char lines[REPLY_LINES_BYTES];
    write_ticket(client, lines);
    size_t written = http_write_response(out, head, bytes, HTTP_FRAMED_NONE, HTTP_SWITCHES, lines);
    struct iovec parts[2] = {{out, written}, {bytes + head->length, length - head->length}};
    client->replied = true;
    http_client_send(client, parts, 2);
    if (client->state != HTTP_GONE)
        http_client_tunnel(client);
}

/* Heads, interim ones first; the rest of the bytes belongs to the body. */
static void take(struct http_client *client, uint8_t *bytes, size_t length)
{
    while (length && client->state == HTTP_EXCHANGE) {
        struct http_head *head = head_of(client, bytes);
        int answer = http_read_response(head, bytes, length);
        if (answer == HTTP_MORE) {
            stash(client, bytes, length);
            return;
        }
        if (answer != HTTP_DONE || (head->status == 101 && !client->upgrades)) {
            reply_is_bad(client, "The endpoint's reply is not HTTP/1.1");
            return;
        }
        if (head->status == 101) {
            switch_protocol(client, head, bytes, length);
            return;
        }
        if (head->status >= 200) {
            struct iovec part = begin_reply(client, head, bytes);
            pass(client, part, bytes + head->length, length - head->length);
            return;
        }
        if (client->interims++ == INTERIM_LIMIT) {
            reply_is_bad(client, "The endpoint's reply does not come to its point");
            return;
        }
        size_t used =
            head->length; /* the head goes with the endpoint's connection if sending fails */
        pass_interim(client, head, bytes);
        bytes += used;
        length -= used;
    }
    if (!length && client->upstream)
        http_intake_give(client->worker, &client->upstream->in);
}

/* -- reading -- */

static void ended(struct http_client *client)
{
    if (!client->status || client->reply.kind != BODY_UNTIL_CLOSE) {
        http_exchange_failed(client);
        return;
    }
    client->reply.done = true;
    if (client->encodes) {
        uint8_t *out = client->worker->http->written;
        size_t length = http_write_last_chunk(out, NULL, NULL);
        http_client_send(client, &(struct iovec){out, length}, 1);
    }
    end_reply(client);
}

/* A body that keeps coming in full reads goes through a pipe, without being copied; its last bytes,
 * which may have others behind them, do not. */
static bool is_bulk(const struct http_client *client)
{
    return client->reply.kind == BODY_LENGTH && client->full_reads >= BULK_READS &&
           client->reply.left >= BULK_BYTES && !client->out && !client->tls;
}

void http_reply_drain(struct http_client *client)
{
    if (!bulk_drain(&client->bulk, client->fd)) {
        http_client_lost(client);
        return;
    }
    if (client->bulk.piped)
        return;
    if (client->reply.left < BULK_BYTES)
        bulk_end(client->worker, &client->bulk);
    if (client->reply.done)
        end_reply(client);
}

static void pump_bulk(struct http_client *client)
{
    struct http_body *reply = &client->reply;
    ssize_t count = bulk_fill(&client->bulk, client->upstream->fd, reply->left);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        bulk_end(client->worker, &client->bulk);
        http_exchange_failed(client);
        return;
    }
    http_set_deadline(client, http_idle_ns(client));
    reply->left -= (uint64_t)count;
    client->bytes_out += (uint64_t)count;
    reply->done = !reply->left;
    http_reply_drain(client);
    if (count < HTTP_READ_BYTES && client->bulk.pipe && !client->bulk.piped)
        bulk_end(client->worker, &client->bulk); /* it comes slowly: another may use the pipe */
}

void http_reply_ready(struct http_client *client)
{
    if (is_bulk(client) && !client->bulk.pipe) {
        client->full_reads = 0; /* it may be that there is none */
        bulk_begin(client->worker, &client->bulk);
    }
    if (client->bulk.pipe) {
        pump_bulk(client);
        return;
    }
    struct http_upstream *upstream = client->upstream;
    struct http_intake *in = upstream->in;
    uint8_t *into = in ? in->bytes + in->end : client->worker->scratch;
    size_t room = in ? HTTP_INTAKE_BYTES - in->end : HTTP_READ_BYTES;
    ssize_t count = recv(upstream->fd, into, room, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count < 0) {
        http_exchange_failed(client);
        return;
    }
    if (count == 0) {
        ended(client);
        return;
    }
    client->full_reads = (size_t)count < room              ? 0
                         : client->full_reads < BULK_READS ? client->full_reads + 1
                                                           : BULK_READS;
    http_set_deadline(client, http_idle_ns(client));
    if (client->status)
        pass(client, (struct iovec){0}, into, (size_t)count);
    else if (in)
        take(client, in->bytes, in->end + (size_t)count);
    else
        take(client, into, (size_t)count);
    if (client->status && client->upstream)
        http_intake_give(client->worker, &client->upstream->in);
}
