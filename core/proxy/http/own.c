/* What the proxy answers by itself. */
#include "proxy/http/engine.h"
#include "proxy/http/http.h"

#include <stdio.h>
#include <string.h>

enum { LOCATION_BYTES = HTTP_TARGET_BYTES + HTTP_HOST_BYTES + 1400 };

static bool is_leaving(const struct http_client *client)
{
    const struct worker *worker = client->worker;
    return !client->service->view || worker->snapshot->leaves_queues ||
           http_routes_are_closed(client->routes);
}

enum http_persistence http_persistence(struct http_client *client)
{
    bool last = client->ended && (!client->in || client->in->at == client->in->end);
    if (!client->closing && is_leaving(client))
        client->lingers = true;
    client->closing |= client->lingers || last;
    if (client->closing)
        return HTTP_CLOSES;
    return client->old ? HTTP_KEEPS_ALIVE : HTTP_PERSISTS;
}

void http_next_state(struct http_client *client)
{
    http_exchange_finish(client);
    client->state = client->closing ? HTTP_ENDING : HTTP_READING;
    client->head_begun = false;
    if (client->in && client->in->at == client->in->end)
        http_intake_give(client->worker, &client->in);
    http_set_deadline(client, http_idle_ns(client));
}

const char *http_date_line(struct worker *worker)
{
    struct http_engine *engine = worker->http;
    uint64_t second = loop_now_ns(worker->loop) / NS_PER_SECOND;
    if (second != engine->date_second || !engine->date[0])
        http_write_date(engine->date, loop_wall_ms(worker->loop));
    engine->date_second = second;
    return engine->date;
}

/* More than one answer in a turn would be the client's to command. */
static void answer(struct http_client *client, const struct http_own *own)
{
    uint8_t *out = client->worker->http->written;
    uint16_t status = own->status;
    bool more = client->in && client->in->at < client->in->end;
    bool framed = status < 400 || status == 404 || status >= 500; /* else its end is in doubt */
    if (!client->request.done || more || !framed)
        client->closing = client->lingers = true;
    size_t length = http_write_own(out, own, client->method_id == HTTP_HEAD,
                                   http_persistence(client), http_date_line(client->worker));
    http_client_send(client, &(struct iovec){out, length}, 1);
    http_account(client, client->service->meter, status, status >= 500);
    if (client->state != HTTP_GONE)
        http_next_state(client);
}

void http_answer(struct http_client *client, uint16_t status, const char *text)
{
    answer(client, &(struct http_own){.status = status, .text = text});
}

void http_answer_unready(struct http_client *client)
{
    const struct view *view = client->service->view;
    if (view && view->route.page[0])
        answer(client, &(struct http_own){.status = 503,
                                          .content_type = view->route.page_type,
                                          .text = view->route.page});
    else
        http_answer(client, 503, "No endpoint of this service is ready");
}

static struct http_span wanted_host(const struct http_client *client, bool with_port)
{
    const struct http_head *head = &client->in->head;
    struct http_span host = head->authority.length ? head->authority : head->host;
    const uint8_t *at = client->in->bytes + host.at;
    for (uint16_t i = host.length; !with_port && i > 0 && at[i - 1] != ']'; i--)
        if (at[i - 1] == ':') {
            host.length = (uint16_t)(i - 1);
            break;
        }
    return host;
}

void http_answer_redirect(struct http_client *client)
{
    const struct route *route = &client->service->view->route;
    const struct http_intake *in = client->in;
    struct http_span host = wanted_host(client, !route->redirect_scheme[0]);
    struct http_span target = in->head.target;
    bool path_missing = !target.length || in->bytes[target.at] != '/';
    char location[LOCATION_BYTES];
    if (!route->redirect_host[0] && !host.length) {
        http_answer(client, 400, "It is not said which host is meant");
        return;
    }
    snprintf(location, sizeof location, "%s://%.*s%s%s%.*s",
             route->redirect_scheme[0] ? route->redirect_scheme
             : client->tls             ? "https"
                                       : "http",
             route->redirect_host[0] ? (int)strlen(route->redirect_host) : (int)host.length,
             route->redirect_host[0] ? route->redirect_host : (const char *)in->bytes + host.at,
             route->redirect_path, !route->redirect_path[0] && path_missing ? "/" : "",
             route->redirect_path[0] ? 0 : (int)target.length, (const char *)in->bytes + target.at);
    answer(client, &(struct http_own){.status = route->redirect_status,
                                      .text = "It is elsewhere",
                                      .location = location});
}
