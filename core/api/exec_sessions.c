/* Sessions from their ticket to their end, and the API's bounds on them. */
#include "api/exec.h"
#include "base/clock.h"

#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct exec_list { /* in the order of their making */
    struct exec_session *first, *last;
    size_t count;
};
struct exec_server {
    struct api *api;
    struct exec_list waiting, connected;
};

static void list_add(struct exec_list *list, struct exec_session *session)
{
    session->next = NULL;
    session->previous = list->last;
    if (list->last)
        list->last->next = session;
    else
        list->first = session;
    list->last = session;
    list->count++;
}

static void list_remove(struct exec_list *list, struct exec_session *session)
{
    if (session->previous)
        session->previous->next = session->next;
    else
        list->first = session->next;
    if (session->next)
        session->next->previous = session->previous;
    else
        list->last = session->previous;
    list->count--;
}

struct exec_server *exec_server_create(struct api *api)
{
    struct exec_server *server = memory_alloc(sizeof *server);
    server->api = api;
    return server;
}

static void forget(struct exec_server *server, struct exec_session *session)
{
    list_remove(session->expires_ns ? &server->waiting : &server->connected, session);
    exec_bridge_client_gone(session);
}

void exec_server_destroy(struct exec_server *server)
{
    while (server && server->waiting.first)
        forget(server, server->waiting.first);
    free(server);
}

static void drop_expired(struct exec_server *server)
{
    uint64_t now_ns = loop_now_ns(server->api->loop);
    while (server->waiting.first && server->waiting.first->expires_ns <= now_ns)
        forget(server, server->waiting.first);
}

static void copy_order(struct exec_session *session, const struct exec_order *order)
{
    struct arena *arena = &session->arena;
    const char **words = arena_alloc(arena, order->command.count * sizeof *words);
    for (uint32_t i = 0; i < order->command.count; i++)
        words[i] = arena_strdup(arena, *LIST_AT(order->command, const char *, i));
    session->order = *order;
    session->order.container = arena_strdup(arena, order->container);
    session->order.by = arena_strdup(arena, order->by);
    session->order.request_id = arena_strdup(arena, order->request_id);
    session->order.command = (struct list){words, order->command.count};
}

static void make_ticket(struct exec_session *session, struct exec_ticket *out)
{
    struct random_source random = random_source_system();
    id_make_uid(random, out->id);
    id_make_uid(random, out->secret);
    id_make_uid(random, out->secret + EXEC_TICKET_BYTES / 2);
    hash_sha256(out->secret, strlen(out->secret), session->digest);
    memcpy(session->id, out->id, sizeof session->id);
}

bool exec_ticket_make(struct api *api, const struct exec_order *order, struct exec_ticket *out,
                      struct error *error)
{
    struct exec_server *server = api->execs;
    drop_expired(server);
    if (server->waiting.count >= EXEC_TICKETS)
        return error_set(error, ERROR_RATE_LIMITED,
                         "%d commands wait for their connection; try again in some seconds",
                         EXEC_TICKETS);
    struct exec_session *session = memory_alloc(sizeof *session);
    session->api = api;
    session->parts = api->parts;
    session->api_loop = api->loop;
    session->expires_ns = loop_now_ns(api->loop) + EXEC_TICKET_SECONDS * NS_PER_SECOND;
    copy_order(session, order);
    make_ticket(session, out);
    exec_bridge_init(session);
    list_add(&server->waiting, session);
    return true;
}

static struct exec_session *find(const struct exec_server *server, const char *id,
                                 const char *ticket)
{
    uint8_t digest[SHA256_BYTES];
    struct exec_session *session = server->waiting.first;
    while (session && strcmp(session->id, id) != 0)
        session = session->next;
    hash_sha256(ticket, strlen(ticket), digest);
    return session && gnutls_memcmp(digest, session->digest, sizeof digest) == 0 ? session : NULL;
}

struct exec_session *exec_ticket_take(struct exec_server *server, const char *id,
                                      const char *ticket, struct error *error)
{
    drop_expired(server);
    struct exec_session *session = find(server, id, ticket);
    if (!session) {
        error_set(error, ERROR_UNAUTHORIZED,
                  "the ticket is not right, was used, or is older than %d seconds",
                  EXEC_TICKET_SECONDS);
        return NULL;
    }
    if (server->connected.count >= EXEC_SESSIONS) {
        error_set(error, ERROR_RATE_LIMITED,
                  "%d commands are connected, which is the most; try again when one has ended",
                  EXEC_SESSIONS);
        return NULL;
    }
    list_remove(&server->waiting, session);
    session->expires_ns = 0;
    list_add(&server->connected, session);
    return session;
}

void exec_session_drop(struct exec_session *session)
{
    if (session)
        forget(session->api->execs, session);
}

void exec_server_end(struct exec_server *server)
{
    for (struct exec_session *session = server->connected.first; session; session = session->next)
        exec_socket_end(session, WEBSOCKET_GOING_AWAY, "the daemon ends");
}

void exec_server_cut(struct exec_server *server)
{
    for (struct exec_session *session = server->connected.first; session; session = session->next)
        exec_socket_cut(session);
}
