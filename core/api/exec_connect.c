/* GET /exec/ID?ticket=: the handshake of the WebSocket that a ticket opens. */
#include "api/exec.h"

#include <string.h>

static bool is_handshake(struct exchange *exchange)
{
    struct error *error = &exchange->request.error;
    const char *version = exchange_header(exchange, "Sec-WebSocket-Version");
    exchange->wants_websocket = true;
    if (exchange->head || !websocket_lists(exchange_header(exchange, "Upgrade"), "websocket") ||
        !websocket_lists(exchange_header(exchange, "Connection"), "upgrade"))
        return error_set(error, ERROR_VALIDATION,
                         "this is for WebSockets: GET with Upgrade: websocket");
    if (!version || strcmp(version, "13") != 0)
        return error_set(error, ERROR_VALIDATION, "Sec-WebSocket-Version must be 13");
    return websocket_accept(exchange_header(exchange, "Sec-WebSocket-Key"),
                            exchange->exec_accept) ||
           error_set(error, ERROR_VALIDATION, "Sec-WebSocket-Key must be 16 bytes in base64");
}

void server_begin_exec(struct request *request)
{
    struct exchange *exchange = exchange_of(request);
    const char *ticket = request_query(request, "ticket");
    if (is_handshake(exchange))
        exchange->exec = exec_ticket_take(request->api->execs, request->params[0],
                                          ticket ? ticket : "", &request->error);
    if (exchange->exec)
        request_reply(request, 101);
    else
        request_fail(request, &request->error);
}
