/* Scripted replies: each event of an exchange is a turn of its own. */
#include "impl.h"

#include <stdlib.h>
#include <string.h>

static void go_on(void *context);

static struct script *script_take(struct fakehost *fake, const char *method, const char *url)
{
    struct script **link = &fake->scripts, *script;
    for (; *link; link = &(*link)->next) {
        script = *link;
        if ((script->reply.method && strcmp(script->reply.method, method) != 0) ||
            (script->reply.url_part && !strstr(url, script->reply.url_part)))
            continue;
        *link = script->next;
        return script;
    }
    return NULL;
}

void fakehost_http_reply(struct fakehost *fake, const struct fakehost_reply *reply)
{
    struct script *script = calloc(1, sizeof *script), **link = &fake->scripts;
    if (!script)
        abort();
    script->reply = *reply;
    while (*link)
        link = &(*link)->next;
    *link = script;
}

unsigned fakehost_http_count(const struct fakehost *fake)
{
    return fake->request_count;
}

const char *fakehost_http_request(const struct fakehost *fake, unsigned index)
{
    return index < fake->request_count ? buffer_text(&fake->requests[index]) : NULL;
}

static void record(struct fakehost *fake, const struct orch_http_request *request,
                   const char *method)
{
    struct buffer *to;
    uint32_t i;
    if (fake->request_count == REQUEST_LIMIT)
        return;
    to = &fake->requests[fake->request_count++];
    buffer_add_string(to, method);
    buffer_add_string(to, " ");
    buffer_add_string(to, request->url);
    buffer_add_string(to, "\n");
    for (i = 0; i < request->headers.count; i++) {
        const struct orch_pair *pair = ORCH_AT(struct orch_pair, request->headers, i);
        buffer_add(to, pair->key.ptr, pair->key.len);
        buffer_add_string(to, ": ");
        buffer_add(to, pair->value.ptr, pair->value.len);
        buffer_add_string(to, "\n");
    }
    buffer_add_string(to, "\n");
    buffer_add(to, request->body.ptr, request->body.len);
}

static void wait_for_turn(struct exchange *exchange, uint64_t delay_ns)
{
    exchange->waiting = 1;
    (void)fakehost_schedule(exchange->fake, delay_ns, go_on, exchange);
}

static void drop(struct exchange *exchange)
{
    struct exchange **link = &exchange->fake->exchanges;
    while (*link != exchange)
        link = &(*link)->next;
    *link = exchange->next;
    free(exchange);
}

static void end(struct exchange *exchange, orch_status status)
{
    struct orch_error error = {.size = sizeof error};
    struct exchange copy = *exchange;
    drop(exchange);
    if (status != ORCH_OK)
        (void)orch_fail(&error, status, "the script says so");
    if (copy.callbacks.done)
        copy.callbacks.done(copy.context, status, copy.head_told ? copy.reply.http_status : 0,
                            status == ORCH_OK ? NULL : &error);
}

/* One piece of the body. 0: the plugin wants no more. */
static int tell_piece(struct exchange *exchange)
{
    size_t left = exchange->reply.body.len - exchange->sent;
    size_t piece = exchange->reply.chunk_bytes && exchange->reply.chunk_bytes < left
                       ? exchange->reply.chunk_bytes
                       : left;
    const struct orch_str bytes = {exchange->reply.body.ptr + exchange->sent, piece};
    exchange->sent += piece;
    return !exchange->callbacks.body || exchange->callbacks.body(exchange->context, bytes) == 0;
}

static void go_on(void *context)
{
    struct exchange *exchange = context;
    exchange->waiting = 0;
    if (exchange->cancelled) {
        drop(exchange);
        return;
    }
    if (exchange->paused)
        return;
    if (!exchange->head_told && exchange->reply.http_status) {
        const struct orch_array headers = {exchange->reply.headers,
                                           (uint32_t)exchange->reply.header_count,
                                           sizeof(struct orch_pair)};
        exchange->head_told = exchange->waiting = 1; /* waiting: cancel leaves it to us */
        if (exchange->callbacks.head)
            exchange->callbacks.head(exchange->context, exchange->reply.http_status, headers);
        wait_for_turn(exchange, 0);
    } else if (exchange->head_told && exchange->sent < exchange->reply.body.len) {
        exchange->waiting = 1;
        if (tell_piece(exchange) || exchange->cancelled)
            wait_for_turn(exchange, 0);
        else
            end(exchange, ORCH_E_CANCELLED);
    } else {
        end(exchange, exchange->reply.end ? exchange->reply.end : ORCH_OK);
    }
}

static orch_status start(const struct orch_host *host, const struct orch_http_request *theirs,
                         const struct orch_http_callbacks *callbacks, void *context, uint64_t *id,
                         struct orch_error *error)
{
    struct fakehost *fake = fakehost_from(host);
    struct orch_http_request request;
    struct orch_http_callbacks taken;
    struct exchange *exchange;
    struct script *script;
    const char *method;
    if (!fakehost_on_loop(fake, "http start"))
        return orch_fail(error, ORCH_E_WRONG_THREAD, "http is for the loop's thread");
    if (ORCH_TAKE(struct orch_http_request, &request, theirs, error) != ORCH_OK ||
        ORCH_TAKE(struct orch_http_callbacks, &taken, callbacks, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    method = request.method ? request.method : "GET";
    record(fake, &request, method);
    exchange = calloc(1, sizeof *exchange);
    if (!exchange)
        abort();
    script = script_take(fake, method, request.url);
    if (script)
        exchange->reply = script->reply;
    else
        exchange->reply.end = ORCH_E_UNAVAILABLE;
    free(script);
    exchange->fake = fake;
    exchange->callbacks = taken;
    exchange->context = context;
    exchange->id = *id = ++fake->next_id;
    exchange->next = fake->exchanges;
    fake->exchanges = exchange;
    wait_for_turn(exchange, exchange->reply.delay_ns);
    return ORCH_OK;
}

static struct exchange *find(const struct orch_host *host, uint64_t id)
{
    struct exchange *exchange = fakehost_from(host)->exchanges;
    while (exchange && (exchange->id != id || exchange->cancelled))
        exchange = exchange->next;
    return exchange;
}

static void cancel(const struct orch_host *host, uint64_t id)
{
    struct exchange *exchange = find(host, id);
    if (!exchange)
        return;
    exchange->cancelled = 1;
    if (!exchange->waiting)
        drop(exchange);
}

static void pause_exchange(const struct orch_host *host, uint64_t id, int32_t paused)
{
    struct exchange *exchange = find(host, id);
    if (!exchange)
        return;
    exchange->paused = paused != 0;
    if (!paused && !exchange->waiting)
        wait_for_turn(exchange, 0);
}

const struct orch_host_http_v1 fakehost_http_table = {
    .size = sizeof fakehost_http_table, .start = start, .cancel = cancel, .pause = pause_exchange};

void fakehost_http_finish(struct fakehost *fake)
{
    unsigned i;
    while (fake->exchanges)
        drop(fake->exchanges);
    while (fake->scripts) {
        struct script *script = fake->scripts;
        fake->scripts = script->next;
        free(script);
    }
    for (i = 0; i < fake->request_count; i++)
        free(fake->requests[i].data);
}
