/* Requests that wait until an endpoint is ready: bounded in number by the service, in bytes by the
 * intake (what does not fit there stays with the client), in time by the service. Each time that
 * the worker takes up another snapshot they are looked at again, the first come first. */
#include "proxy/http/engine.h"
#include "proxy/http/http.h"

#include <utlist.h>

enum { HELD_A_TURN = 64 };

/* Requests are no longer meant for its service, or for this proxy. */
static bool is_leaving(const struct http_client *client)
{
    return client->worker->snapshot->leaves_queues || http_routes_are_closed(client->routes) ||
           !http_routes_mean(client->routes, &client->in->head, client->in->bytes, client->service);
}

bool http_hold(struct http_client *client)
{
    struct worker_service *service = client->service;
    uint64_t now_ns = loop_now_ns(client->worker->loop);
    const struct route *route = service->view ? &service->view->route : NULL;
    if (!route || !route->hold_ns || service->held_count >= route->hold_most || is_leaving(client))
        return false;
    if (!client->hold_until_ns)
        client->hold_until_ns = now_ns + route->hold_ns;
    if (now_ns >= client->hold_until_ns)
        return false;
    client->state = HTTP_HELD;
    client->held_by = service;
    DL_APPEND2(service->held, client, held_prev, held_next);
    service->held_count++;
    http_set_deadline(client, client->hold_until_ns - now_ns);
    return true;
}

void http_hold_leave(struct http_client *client)
{
    struct worker_service *service = client->held_by;
    if (!service)
        return;
    DL_DELETE2(service->held, client, held_prev, held_next);
    service->held_count--;
    client->held_by = NULL;
}

/* True: all that were there when the snapshot came have been looked at. */
static bool look_some(struct worker_service *service, uint32_t *budget)
{
    while (service->look_left && service->held && *budget) {
        struct http_client *client = service->held;
        service->look_left--;
        --*budget;
        http_exchange_retry(client); /* held again, it is the last */
        http_settle(client);
    }
    if (!service->held)
        service->look_left = 0;
    return !service->look_left;
}

void http_look_more(void *argument)
{
    struct worker *worker = argument;
    struct worker_service *service, *next;
    uint32_t budget = HELD_A_TURN;
    bool done = true;
    HASH_ITER(hh, worker->services, service, next)
    {
        done &= look_some(service, &budget);
    }
    if (!done)
        loop_timer_start(&worker->http->held_timer, 0);
}

void http_look_held(struct worker *worker)
{
    struct worker_service *service, *next;
    if (!worker->http)
        return;
    HASH_ITER(hh, worker->services, service, next)
    {
        uint32_t all = UINT32_MAX;
        service->look_left = service->held_count;
        if (service->sequence != worker->snapshot->sequence) /* it goes: they can't stay */
            (void)look_some(service, &all);
    }
    http_look_more(worker);
}
