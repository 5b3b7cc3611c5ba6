/* libcurl's multi handle on our loop. Its callbacks only note what it wants; it is entered from
 * timers and descriptors alone, never from within itself: what callers ask for meanwhile (cancel,
 * pause, start) is a chore of the next turn. */
#include "base/clock.h"
#include "base/log.h"
#include "plugin/http_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const long IDLE_CONNECTIONS = 64;

/* ---- what libcurl calls ---------------------------------------------------------------------- */

static int on_timer(CURLM *multi, long timeout_ms, void *argument)
{
    struct http_client *client = argument;
    (void)multi;
    if (timeout_ms < 0)
        loop_timer_stop(&client->timer);
    else
        loop_timer_start(&client->timer, (uint64_t)timeout_ms * NS_PER_MS);
    return 0;
}

static void socket_ready(void *argument, int fd, unsigned events);

static struct http_socket *socket_of(struct http_client *client, int fd)
{
    size_t index = (size_t)fd;
    if (index >= client->socket_count) {
        size_t count = index + 16;
        client->sockets = memory_resize(client->sockets, count * sizeof *client->sockets);
        for (size_t i = client->socket_count; i < count; i++)
            client->sockets[i] = NULL;
        client->socket_count = count;
    }
    if (!client->sockets[index]) {
        client->sockets[index] = memory_alloc(sizeof **client->sockets);
        loop_io_init(&client->sockets[index]->io, client->loop, "http", socket_ready, client);
    }
    return client->sockets[index];
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *argument, void *assigned)
{
    struct http_client *client = argument;
    (void)easy, (void)assigned;
    if (client->destroyed && what != CURL_POLL_REMOVE)
        return 0;
    unsigned events = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        events |= LOOP_READ;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        events |= LOOP_WRITE;
    loop_io_set(&socket_of(client, fd)->io, fd, events); /* always: the number may be used again */
    return 0;
}

/* ---- transfers ------------------------------------------------------------------------------- */

static void unlink_transfer(struct http_transfer *transfer)
{
    struct http_client *client = transfer->client;
    *(transfer->previous ? &transfer->previous->next : &client->first) = transfer->next;
    *(transfer->next ? &transfer->next->previous : &client->last) = transfer->previous;
    client->counts.active--;
}

static void link_transfer(struct http_transfer *transfer)
{
    struct http_client *client = transfer->client;
    transfer->previous = client->last;
    *(client->last ? &client->last->next : &client->first) = transfer;
    client->last = transfer;
    client->counts.active++;
    client->counts.started++;
}

static struct http_transfer *find(const struct http_client *client, uint64_t id)
{
    struct http_transfer *transfer = client->first;
    while (transfer && transfer->id != id)
        transfer = transfer->next;
    return transfer && !transfer->cancelled ? transfer : NULL;
}

/* Takes it out of libcurl, tells its end, frees it. Outside of libcurl only. */
static void finish(struct http_transfer *transfer, CURLcode code)
{
    struct http_client *client = transfer->client;
    struct error error = {0};
    assert(!client->in_curl);
    if (transfer->in_multi)
        curl_multi_remove_handle(client->multi, transfer->easy);
    unlink_transfer(transfer);
    bool whole = !transfer->error.code && code == CURLE_OK && transfer->head_told;
    if (!whole)
        (void)http_transfer_explain(transfer, code == CURLE_OK ? CURLE_RECV_ERROR : code, &error);
    client->counts.failed += !whole && !transfer->cancelled;
    if (whole && !transfer->cancelled)
        http_transfer_tell_trailers(transfer);
    if (!transfer->cancelled)
        transfer->handler->done(transfer->argument, transfer->status, whole ? NULL : &error);
    else if (transfer->handler->dropped)
        transfer->handler->dropped(transfer->argument);
    http_transfer_free(transfer);
}

static void collect_finished(struct http_client *client)
{
    int left;
    const CURLMsg *message;
    while ((message = curl_multi_info_read(client->multi, &left))) {
        char *private = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        finish((struct http_transfer *)(void *)private, code);
    }
}

static bool multi_open(struct http_client *client, struct error *error)
{
    client->multi = curl_multi_init();
    if (!client->multi)
        return error_set(error, ERROR_NO_MEMORY, "libcurl can't be initialised");
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS);
    return true;
}

static void sockets_stop(struct http_client *client)
{
    for (size_t i = 0; i < client->socket_count; i++)
        if (client->sockets[i])
            loop_io_set(&client->sockets[i]->io, (int)i, 0);
}

/* After an error of the multi interface the state of all transfers is unknown: all of them fail,
 * and it is made anew. */
static void rebuild(struct http_client *client, CURLMcode code)
{
    LOG_ERROR("libcurl is in doubt and made anew", LOG_STR("error", curl_multi_strerror(code)));
    client->counts.rebuilt++;
    struct http_transfer *transfer = client->first, *next;
    for (; transfer; transfer = next) {
        next = transfer->next;
        if (!transfer->error.code)
            error_set(&transfer->error, ERROR_IO, "libcurl: %s", curl_multi_strerror(code));
        curl_multi_remove_handle(client->multi, transfer->easy);
        transfer->in_multi = false;
    }
    curl_multi_cleanup(client->multi);
    sockets_stop(client);
    loop_timer_stop(&client->timer);
    if (!multi_open(client, NULL))
        abort(); /* the rule for memory that is out */
    http_client_chores_wanted(client);
}

static void drive(struct http_client *client, curl_socket_t fd, int events)
{
    int running;
    client->in_curl = true;
    CURLMcode code = curl_multi_socket_action(client->multi, fd, events, &running);
    client->in_curl = false;
    if (code == CURLM_OK)
        collect_finished(client);
    else
        rebuild(client, code);
}

static void timer_fired(void *argument)
{
    drive(argument, CURL_SOCKET_TIMEOUT, 0);
}

static void socket_ready(void *argument, int fd, unsigned events)
{
    drive(argument, fd,
          (events & LOOP_READ ? CURL_CSELECT_IN : 0) |
              (events & LOOP_WRITE ? CURL_CSELECT_OUT : 0));
}

/* ---- chores ---------------------------------------------------------------------------------- */

void http_client_chores_wanted(struct http_client *client)
{
    if (!loop_timer_armed(&client->chores))
        loop_timer_start(&client->chores, 0);
}

static bool add_to_multi(struct http_transfer *transfer)
{
    CURLMcode code = curl_multi_add_handle(transfer->client->multi, transfer->easy);
    transfer->in_multi = code == CURLM_OK;
    if (!transfer->in_multi)
        error_set(&transfer->error, ERROR_IO, "libcurl: %s", curl_multi_strerror(code));
    return transfer->in_multi;
}

static void go_on(struct http_transfer *transfer)
{
    struct http_client *client = transfer->client;
    transfer->stopped = false;
    transfer->last_byte_ns = loop_now_ns(client->loop);
    client->in_curl = true; /* it may call our callbacks from within */
    CURLcode code = curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
    client->in_curl = false;
    if (code != CURLE_OK && !transfer->error.code)
        error_set(&transfer->error, ERROR_IO, "libcurl: %s", curl_easy_strerror(code));
}

/* The first transfer that has a chore, NULL: none. A callback may end any transfer, so the search
 * begins anew after each. */
static struct http_transfer *next_chore(const struct http_client *client)
{
    for (struct http_transfer *transfer = client->first; transfer; transfer = transfer->next)
        if (transfer->cancelled || transfer->error.code || !transfer->in_multi ||
            (transfer->stopped && !transfer->paused))
            return transfer;
    return NULL;
}

static void chores(void *argument)
{
    struct http_client *client = argument;
    struct http_transfer *transfer;
    while ((transfer = next_chore(client))) {
        if (transfer->cancelled || transfer->error.code)
            finish(transfer, CURLE_ABORTED_BY_CALLBACK);
        else if (!transfer->in_multi)
            (void)add_to_multi(transfer); /* a failure is the next chore */
        else
            go_on(transfer);
    }
    collect_finished(client);
}

/* ---- the public face ------------------------------------------------------------------------- */

struct http_client *http_client_create(struct loop *loop, struct error *error)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) { /* counted by libcurl */
        error_set(error, ERROR_INTERNAL, "libcurl can't be initialised");
        return NULL;
    }
    struct http_client *client = memory_alloc(sizeof *client);
    client->loop = loop;
    client->next_id = 1;
    loop_timer_init(&client->timer, loop, "http timer", timer_fired, client);
    loop_timer_init(&client->chores, loop, "http chores", chores, client);
    if (multi_open(client, error))
        return client;
    curl_global_cleanup();
    free(client);
    return NULL;
}

void http_client_destroy(struct http_client *client)
{
    if (!client)
        return;
    assert(!client->in_curl);
    client->destroyed = true;
    while (client->first) {
        client->first->cancelled = true;
        finish(client->first, CURLE_ABORTED_BY_CALLBACK);
    }
    curl_multi_cleanup(client->multi);
    sockets_stop(client);
    loop_timer_stop(&client->timer);
    loop_timer_stop(&client->chores);
    for (size_t i = 0; i < client->socket_count; i++)
        free(client->sockets[i]);
    free(client->sockets);
    free(client);
    curl_global_cleanup();
}

uint64_t http_client_start(struct http_client *client, const struct http_request *request,
                           const struct http_handler *handler, void *argument, struct error *error)
{
    assert(handler->done);
    if (client->counts.active >= HTTP_CLIENT_LIMIT) {
        error_set(error, ERROR_UNAVAILABLE, "%d requests are under way", HTTP_CLIENT_LIMIT);
        return 0;
    }
    struct http_transfer *transfer = http_transfer_create(client, request, error);
    if (!transfer)
        return 0;
    transfer->id = client->next_id++;
    transfer->handler = handler;
    transfer->argument = argument;
    link_transfer(transfer);
    http_transfer_arm(transfer);
    if (client->in_curl || !add_to_multi(transfer))
        http_client_chores_wanted(client);
    return transfer->id;
}

void http_client_cancel(struct http_client *client, uint64_t id)
{
    struct http_transfer *transfer = find(client, id);
    if (!transfer)
        return;
    transfer->cancelled = true;
    loop_timer_stop(&transfer->timer);
    http_client_chores_wanted(client); /* also when libcurl is not running: one path */
}

void http_client_pause(struct http_client *client, uint64_t id, bool paused)
{
    struct http_transfer *transfer = find(client, id);
    if (!transfer || transfer->paused == paused)
        return;
    transfer->paused = paused;
    if (paused)
        return;
    transfer->last_byte_ns = loop_now_ns(client->loop);
    http_transfer_arm(transfer);
    if (transfer->stopped)
        http_client_chores_wanted(client);
}

void http_client_read_counts(const struct http_client *client, struct http_client_counts *out)
{
    *out = client->counts;
}
