/* A request on its way to an endpoint.
 *
 * Its head and what came of its body with it stay in the intake until bytes of the reply are there,
 * so that it can be sent once more: to any endpoint when it could not be connected to, and, when
 * it has been sent, once and only if it is idempotent (RFC 9110, 9.2.2). */
#include "proxy/http/engine.h"
#include "proxy/http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

static void connect_to_any(struct http_client *client);

static uint64_t now_ns(const struct http_client *client)
{
    return loop_now_ns(client->worker->loop);
}

/* -- the endpoint -- */

static bool pick(struct http_client *client)
{
    struct worker *worker = client->worker;
    if (client->tried_count == TRIED_LIMIT)
        return false;
    const struct pick_keys keys = {.source = &client->source.any,
                                   .head = &client->in->head,
                                   .bytes = client->in->bytes,
                                   .preferred = client->ticket};
    client->endpoint = chooser_pick(worker, client->service, &keys, client->tried,
                                    client->tried_count, &client->picked);
    if (!client->endpoint)
        return false;
    client->begun_ns = now_ns(client);
    client->latency_ns = 0;
    DL_APPEND(client->endpoint->lanes[worker->index].exchanges, client);
    return true;
}

static void note_sight(struct worker *worker, struct endpoint *endpoint, uint32_t outcome)
{
    if (outcome == ORCH_OUTCOME_OK)
        outlier_note(worker, endpoint, SIGHT_ANSWERED);
    else if (outcome == ORCH_OUTCOME_CONNECT_FAILED)
        outlier_note(worker, endpoint, SIGHT_NO_CONNECT);
    else if (outcome != ORCH_OUTCOME_CLIENT_GONE)
        outlier_note(worker, endpoint, SIGHT_FAULT);
}

void http_exchange_leave(struct http_client *client, uint32_t outcome)
{
    struct endpoint *endpoint = client->endpoint;
    if (client->upstream)
        http_upstream_close(client->upstream, END_IN_ORDER);
    if (!endpoint)
        return;
    DL_DELETE(endpoint->lanes[client->worker->index].exchanges, client);
    if (client->replied) /* what has begun can't be done over; that of a whole reply is counted */
        http_account(client, endpoint->meter, 0, outcome != ORCH_OUTCOME_CLIENT_GONE);
    client->endpoint = NULL;
    if (outcome != ORCH_OUTCOME_ERROR || !client->status || !client->reply.done)
        meter_outcome(meter_lane(endpoint->meter, client->worker->index), outcome);
    note_sight(client->worker, endpoint, outcome);
    chooser_report(client->worker, &client->picked, endpoint, outcome, client->latency_ns);
    endpoint_release(endpoint);
}

static void leave_as_tried(struct http_client *client, uint32_t outcome)
{
    if (client->tried_count < TRIED_LIMIT)
        client->tried[client->tried_count++] = endpoint_hold(client->endpoint);
    http_exchange_leave(client, outcome);
}

/* -- its bytes -- */

static void note_facts(struct http_client *client)
{
    struct http_client_facts *facts = &client->facts;
    union socket_address local = {0};
    socklen_t bytes = sizeof local;
    if (facts->address[0])
        return;
    const union socket_address *source = &client->source;
    if (source->any.sa_family == AF_INET6)
        inet_ntop(AF_INET6, &source->ip6.sin6_addr, facts->address, sizeof facts->address);
    else
        inet_ntop(AF_INET, &source->ip4.sin_addr, facts->address, sizeof facts->address);
    (void)getsockname(client->fd, &local.any, &bytes);
    char text[INET6_ADDRSTRLEN] = "";
    if (local.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &local.ip6.sin6_addr, text, sizeof text);
        snprintf(facts->local, sizeof facts->local, "[%s]:%u", text, ntohs(local.ip6.sin6_port));
    } else {
        inet_ntop(AF_INET, &local.ip4.sin_addr, text, sizeof text);
        snprintf(facts->local, sizeof facts->local, "%s:%u", text, ntohs(local.ip4.sin_port));
    }
}

static struct iovec write_head(struct http_client *client)
{
    struct http_engine *engine = client->worker->http;
    struct random_source random = random_seeded_source(&engine->random);
    const struct view *view = client->service->view;
    note_facts(client);
    const struct http_request_extra extra = {
        .client = &client->facts,
        .random = {random.next(random.context), random.next(random.context),
                   random.next(random.context), random.next(random.context)},
        .upgrades = client->upgrades,
        .trusted = view && http_settings_trust(view->http, &client->source.any)};
    size_t length =
        http_write_request(engine->written, &client->in->head, client->in->bytes, &extra);
    return (struct iovec){engine->written, length};
}

static bool is_chunked_whole(const struct http_body *body)
{
    return body->kind == BODY_CHUNKED && body->done;
}

/* False: the connection takes nothing any more, and nothing can have been read of it. */
static bool send_request(struct http_client *client)
{
    struct worker *worker = client->worker;
    struct http_upstream *upstream = client->upstream;
    struct iovec parts[3] = {write_head(client),
                             {client->in->bytes + client->prefix_at, client->prefix}};
    int count = client->prefix ? 2 : 1;
    if (is_chunked_whole(&client->request)) {
        uint8_t *tail = (uint8_t *)parts[0].iov_base + parts[0].iov_len;
        parts[count++] = (struct iovec){tail, http_last_chunk(worker, tail, &client->request)};
    }
    client->state = HTTP_EXCHANGE;
    client->waiting_since_ns = now_ns(client);
    http_set_deadline(client, http_idle_ns(client));
    return http_send(worker, upstream->fd, NULL, &upstream->out, parts, count);
}

/* -- connecting -- */

/* A pooled connection may have been closed by its server a moment ago, or have bytes that nobody
 * asked for: those must not become this request's reply. */
static bool is_fit(const struct http_upstream *upstream)
{
    uint8_t byte;
    return recv(upstream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static void attach(struct http_client *client, struct http_upstream *upstream)
{
    client->upstream = upstream;
    upstream->client = client;
}

static bool use_pool(struct http_client *client)
{
    struct http_upstream *upstream;
    while (!client->fresh && (upstream = http_upstream_take(client->worker, client->endpoint))) {
        attach(client, upstream);
        if (is_fit(upstream) && send_request(client))
            return true;
        http_upstream_close(upstream, END_IN_ORDER);
    }
    return false;
}

/* True: the request is on its way to the picked endpoint, or will be. */
static bool try_endpoint(struct http_client *client)
{
    if (use_pool(client))
        return true;
    struct http_upstream *upstream = http_upstream_connect(client->worker, client->endpoint);
    if (!upstream)
        return false;
    attach(client, upstream);
    if (!upstream->connecting)
        return send_request(client);
    client->state = HTTP_CONNECTING;
    http_set_deadline(client, client->service->connect_timeout_ns);
    return true;
}

static const char cut_short[] = "The endpoint closed the connection before its reply was whole";

static void answer_in_place(struct http_client *client)
{
    if (client->retried)
        http_answer(client, 502, cut_short);
    else if (client->tried_count && client->late)
        http_answer(client, 504, "No endpoint of this service could be reached in time");
    else if (client->tried_count)
        http_answer(client, 502, "No endpoint of this service could be reached");
    else if (client->picked.full)
        http_answer(client, 503, "This service has as many requests as it may have");
    else if (!http_hold(client))
        http_answer_unready(client);
}

static void connect_to_any(struct http_client *client)
{
    while (pick(client)) {
        if (try_endpoint(client))
            return;
        leave_as_tried(client, ORCH_OUTCOME_CONNECT_FAILED);
    }
    answer_in_place(client);
}

void http_exchange_connected(struct http_client *client)
{
    if (send_request(client))
        return;
    leave_as_tried(client, ORCH_OUTCOME_CONNECT_FAILED);
    connect_to_any(client);
}

void http_exchange_connect_failed(struct http_client *client, uint32_t outcome)
{
    client->late = outcome == ORCH_OUTCOME_TIMEOUT;
    leave_as_tried(client, outcome);
    connect_to_any(client);
}

/* -- failing -- */

static bool may_repeat(const struct http_client *client)
{
    return !client->replied && !client->streamed && client->status == 0 &&
           http_is_idempotent(client->method_id);
}

void http_exchange_failed(struct http_client *client)
{
    bool stale = client->upstream && client->upstream->reused && !client->fresh;
    if (may_repeat(client) && stale) { /* not the endpoint's fault */
        http_upstream_close(client->upstream, END_IN_ORDER);
        client->fresh = true;
        if (try_endpoint(client))
            return;
        leave_as_tried(client, ORCH_OUTCOME_CONNECT_FAILED);
        connect_to_any(client);
        return;
    }
    if (may_repeat(client) && !client->retried) {
        client->retried = true;
        leave_as_tried(client, ORCH_OUTCOME_ERROR);
        connect_to_any(client);
        return;
    }
    http_exchange_leave(client, ORCH_OUTCOME_ERROR);
    if (client->replied)
        http_client_gone(client, END_RESET);
    else
        http_answer(client, 502, cut_short);
}

void http_exchange_cut(struct http_client *client)
{
    struct endpoint *endpoint = client->endpoint;
    if (client->state == HTTP_CONNECTING) { /* nothing is lost: another one takes it */
        http_exchange_connect_failed(client, ORCH_OUTCOME_CONNECT_FAILED);
        return;
    }
    atomic_fetch_add(&endpoint->cut, 1);
    http_exchange_leave(client, ORCH_OUTCOME_ERROR);
    if (client->replied)
        http_client_gone(client, END_RESET);
    else
        http_answer(client, 504, "The endpoint left before it had replied");
}

/* -- the rest of the body -- */

static void body_is_bad(struct http_client *client)
{
    http_exchange_leave(client, ORCH_OUTCOME_CLIENT_GONE);
    if (client->replied)
        http_client_gone(client, END_RESET);
    else
        http_answer(client, 400, "The body is not framed as it says");
}

/* What stands after the body belongs to the next request. */
static void keep_rest(struct http_client *client, const uint8_t *bytes, size_t length)
{
    if (!length)
        return;
    client->in = http_intake_take(client->worker);
    memcpy(client->in->bytes, bytes, length);
    client->in->end = (uint32_t)length;
}

static void pass_body(struct http_client *client, uint8_t *bytes, size_t length)
{
    struct worker *worker = client->worker;
    struct http_upstream *upstream = client->upstream;
    struct iovec parts[2];
    size_t consumed, produced;
    int count = 0;
    if (!http_body_take(&client->request, bytes, length, &consumed, &produced)) {
        body_is_bad(client);
        return;
    }
    client->bytes_in += consumed;
    keep_rest(client, bytes + consumed, length - consumed);
    if (produced)
        parts[count++] = (struct iovec){bytes, produced};
    if (is_chunked_whole(&client->request)) {
        size_t last = http_last_chunk(worker, worker->http->written, &client->request);
        if (!last) {
            body_is_bad(client);
            return;
        }
        parts[count++] = (struct iovec){worker->http->written, last};
    }
    if (count && !upstream->broken &&
        !http_send(worker, upstream->fd, NULL, &upstream->out, parts, count))
        upstream->broken = true;
}

static void note_wait(struct http_client *client, size_t bytes)
{
    uint64_t now = now_ns(client), idle = http_idle_ns(client);
    client->waited_ns += now - client->waiting_since_ns;
    client->waiting_since_ns = now;
    client->body_bytes += bytes;
    uint64_t earned = HTTP_BODY_GRACE_NS + client->body_bytes * NS_PER_SECOND / HTTP_BODY_RATE;
    uint64_t left = earned > client->waited_ns ? earned - client->waited_ns : 0;
    http_set_deadline(client, left < idle ? left : idle);
}

void http_exchange_pump(struct http_client *client)
{
    uint8_t *into = client->worker->scratch;
    size_t most = HTTP_INTAKE_BYTES; /* so that what is too much of it fits in an intake */
    if (client->request.kind == BODY_LENGTH)
        most =
            client->request.left < HTTP_READ_BYTES ? (size_t)client->request.left : HTTP_READ_BYTES;
    ssize_t count = transport_recv(client->fd, client->tls, into, most);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        http_exchange_leave(client, ORCH_OUTCOME_CLIENT_GONE);
        http_client_gone(client, END_RESET);
        return;
    }
    client->streamed = true;
    http_intake_give(client->worker, &client->in);
    note_wait(client, (size_t)count);
    pass_body(client, into, (size_t)count);
    if (client->state == HTTP_EXCHANGE && (client->request.done || client->upstream->out))
        http_set_deadline(client, http_idle_ns(client)); /* from now on the endpoint's time runs */
}

void http_exchange_flush(struct http_client *client)
{
    struct http_upstream *upstream = client->upstream;
    if (!upstream->out)
        return;
    http_set_deadline(client, http_idle_ns(client));
    client->waiting_since_ns = now_ns(client);
    if (!http_flush(client->worker, upstream->fd, NULL, &upstream->out))
        upstream->broken = true;
}

/* -- its begin -- */

void http_exchange_finish(struct http_client *client)
{
    http_chunks_finish(&client->request.chunks);
    http_chunks_finish(&client->reply.chunks);
    while (client->tried_count)
        endpoint_release(client->tried[--client->tried_count]);
}

static bool names_h2c(const uint8_t *value, size_t length)
{
    for (size_t i = 0; i + 3 <= length; i++)
        if (http_is(value + i, 3, "h2c"))
            return true;
    return false;
}

static bool wants_upgrade(const struct http_head *head, const uint8_t *bytes)
{
    return head->minor && head->wants_upgrade && head->upgrade.length && !head->chunked &&
           !head->content_length && !names_h2c(bytes + head->upgrade.at, head->upgrade.length);
}

static uint64_t read_ticket(const struct http_client *client)
{
    const struct view *view = client->service->view;
    struct orch_str value;
    char text[17];
    if (!view || !view->route.sticky[0])
        return 0;
    const struct orch_balancer_key key = {.kind = ORCH_KEY_COOKIE,
                                          .name = {view->route.sticky, strlen(view->route.sticky)}};
    if (!http_find_key(&client->in->head, client->in->bytes, &key, &value) ||
        value.len != sizeof text - 1)
        return 0;
    memcpy(text, value.ptr, value.len);
    text[value.len] = 0;
    return strtoull(text, NULL, 16);
}

static bool take_prefix(struct http_client *client)
{
    struct http_intake *in = client->in;
    size_t consumed, produced;
    if (!http_body_take(&client->request, in->bytes + in->at, in->end - in->at, &consumed,
                        &produced))
        return false;
    client->prefix_at = in->at;
    client->prefix = (uint32_t)produced;
    client->body_bytes = consumed;
    client->bytes_in = in->head.length + consumed;
    in->at += (uint32_t)consumed;
    return !is_chunked_whole(&client->request) ||
           http_last_chunk(client->worker, client->worker->http->written, &client->request);
}

/* Its first facts, and what has come of its body. False: that is no body. */
static bool take_request(struct http_client *client)
{
    struct http_intake *in = client->in;
    const struct http_head *head = &in->head;
    client->lingers = false;
    client->method_id = head->method_id;
    client->old = !head->minor;
    client->closing = head->close || (!head->minor && !head->keep_alive);
    client->retried = client->fresh = client->streamed = client->replied = false;
    client->late = client->reply_closes = client->encodes = false;
    client->full_reads = client->interims = 0;
    client->status = 0;
    client->waited_ns = client->hold_until_ns = 0;
    client->ticket = 0;
    client->upgrades = wants_upgrade(head, in->bytes);
    http_body_begin(&client->request, head);
    http_body_none(&client->reply);
    in->at = head->length;
    return take_prefix(client);
}

void http_exchange_begin(struct http_client *client)
{
    if (!take_request(client)) {
        body_is_bad(client);
        return;
    }
    if (client->service->view && client->service->view->route.redirect_status) {
        http_answer_redirect(client);
        return;
    }
    client->ticket = read_ticket(client);
    connect_to_any(client);
}

void http_exchange_retry(struct http_client *client)
{
    http_hold_leave(client);
    connect_to_any(client);
}

void http_exchange_unknown(struct http_client *client)
{
    if (take_request(client))
        http_answer(client, 404, "No service has this host and path");
    else
        body_is_bad(client);
}
