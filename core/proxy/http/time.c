/* What a client and its endpoint have time for, and what becomes of those that take longer. */
#include "proxy/http/engine.h"
#include "proxy/http/http.h"

/* The timer is not touched with each request: when it fires, it looks what the time is for. */
void http_set_deadline(struct http_client *client, uint64_t ns)
{
    uint64_t now_ns = loop_now_ns(client->worker->loop);
    client->deadline_ns = ns < UINT64_MAX - now_ns ? now_ns + ns : UINT64_MAX;
    if (client->deadline_ns != UINT64_MAX &&
        (!loop_timer_armed(&client->timer) || client->timer.deadline_ns > client->deadline_ns))
        loop_timer_start(&client->timer, ns);
}

static void exchange_late(struct http_client *client)
{
    bool waits_for_body = !client->request.done && !client->upstream->out;
    if (http_is_blocked(client)) { /* it does not read */
        http_client_lost(client);
        return;
    }
    http_exchange_leave(client, waits_for_body ? ORCH_OUTCOME_CLIENT_GONE : ORCH_OUTCOME_TIMEOUT);
    if (client->replied)
        http_client_gone(client, END_RESET);
    else if (waits_for_body)
        http_answer(client, 408, "The body did not come in time");
    else
        http_answer(client, 504, "The endpoint did not reply in time");
}

static void reading_late(struct http_client *client)
{
    if (!client->in || client->out) { /* idle, or it does not read */
        http_client_gone(client, client->out ? END_RESET : END_IN_ORDER);
        return;
    }
    client->method_id = HTTP_METHOD_OTHER;
    http_account_begin(client);
    http_answer(client, 408, "The head did not come in time");
}

void http_client_late(void *argument)
{
    struct http_client *client = argument;
    uint64_t now_ns = loop_now_ns(client->worker->loop);
    if (client->deadline_ns == UINT64_MAX)
        return;
    if (now_ns < client->deadline_ns) {
        loop_timer_start(&client->timer, client->deadline_ns - now_ns);
        return;
    }
    switch ((enum http_state)client->state) {
    case HTTP_READING:
        reading_late(client);
        break;
    case HTTP_HELD:
        http_hold_leave(client);
        http_answer_unready(client);
        break;
    case HTTP_CONNECTING:
        http_exchange_connect_failed(client, ORCH_OUTCOME_TIMEOUT);
        break;
    case HTTP_EXCHANGE:
        exchange_late(client);
        break;
    case HTTP_ENDING:
        http_client_gone(client, client->out ? END_RESET : END_IN_ORDER);
        break;
    case HTTP_GONE:
        break;
    }
    http_settle(client);
}
