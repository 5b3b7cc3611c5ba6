/* POST /containers/ID/exec: a ticket, which GET /exec/ID turns into a WebSocket (exec_connect.c).
 */
#include "agent/agent.h"
#include "api/exec_ticket.h"
#include "api/routes/impl.h"
#include "base/clock.h"
#include "plugin/runtime.h"

#include <stdio.h>
#include <string.h>

struct exec_body {
    struct list command;
    bool tty, wants_input;
    int64_t expires_ms; /* wall clock: of the ticket; read on the loop */
};

static bool check_body(const void *value, char *message, size_t bytes)
{
    const struct exec_body *body = value;
    size_t total = 0;
    for (uint32_t i = 0; i < body->command.count; i++)
        total += strlen(*LIST_AT(body->command, const char *, i)) + 1;
    if (total <= EXEC_COMMAND_BYTES)
        return true;
    snprintf(message, bytes, "the command is longer than %d bytes", EXEC_COMMAND_BYTES);
    return false;
}

static const struct field exec_fields[] = {
    {.name = "command",
     .kind = FIELD_STRINGS,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct exec_body, command),
     .min = 1,
     .max = EXEC_WORDS,
     .doc = "Run in the container, no shell."},
    {.name = "tty",
     .kind = FIELD_BOOL,
     .offset = offsetof(struct exec_body, tty),
     .initial = "false",
     .doc = "With a terminal of its own; then there is one output."},
    {.name = "stdin",
     .kind = FIELD_BOOL,
     .offset = offsetof(struct exec_body, wants_input),
     .initial = "true",
     .doc = "False: it gets no input, not even an open one."},
};
const struct type exec_type = {.name = "Exec",
                               .size = sizeof(struct exec_body),
                               TYPE_FIELDS(exec_fields),
                               .check = check_body,
                               .doc = "A command to run in a container."};
const char exec_answer_schema[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"ticket\",\"expiresAt\"],\"properties\":{"
    "\"id\":{\"type\":\"string\"},\"ticket\":{\"type\":\"string\",\"description\":\"Opens "
    "/api/v1/exec/ID once.\"},\"expiresAt\":{\"type\":\"string\",\"format\":\"date-time\"}}}";

/* -- the ticket -- */

static void reply_ticket(struct request *request)
{
    const struct exec_body *body = request->data;
    const struct exec_order order = {.container = request->params[0],
                                     .by = request->by,
                                     .request_id = request->id,
                                     .command = body->command,
                                     .tty = body->tty,
                                     .wants_input = body->wants_input};
    struct exec_ticket ticket;
    char expires[CLOCK_TEXT_BYTES];
    if (!exec_ticket_make(request->api, &order, &ticket, &request->error)) {
        request_fail(request, &request->error);
        return;
    }
    clock_format_wall_ms(body->expires_ms, expires);
    text_append_format(&request->out, "{\"id\":\"%s\",\"ticket\":\"%s\",\"expiresAt\":\"%s\"}",
                       ticket.id, ticket.secret, expires);
    request_reply(request, 200);
}

static bool can_run(struct request *request, const struct container *container)
{
    const struct api_parts *parts = request->parts;
    const char *id = request->params[0];
    struct error *error = &request->error;
    if (!container)
        return error_set(error, ERROR_NOT_FOUND, "there is no container \"%s\"", id);
    if (!parts->agent || !parts->runtime)
        return error_set(error, ERROR_INVALID_STATE,
                         "this host runs no containers: ask the daemon of the container's node");
    if (strcmp(container->node, parts->node_name) != 0)
        return error_set(error, ERROR_INVALID_STATE,
                         "container \"%s\" runs on node %s: ask its daemon, this is %s", id,
                         container->node, parts->node_name);
    if (!runtime_offers_exec(parts->runtime))
        return error_set(error, ERROR_INVALID_STATE, "the runtime plugin runs no commands");
    uint8_t state = container_manager_brief(parts->containers, container).state;
    return state == CONTAINER_RUNNING || state == CONTAINER_STOPPING ||
           error_set(error, ERROR_INVALID_STATE, "container \"%s\" does not run: it is %s", id,
                     container_state_words[state - 1]);
}

static void look(struct request *request)
{
    struct exec_body *body = request->data;
    body->expires_ms = loop_wall_ms(request->parts->loop) + EXEC_TICKET_SECONDS * 1000;
    request->seq = state_settled_seq(request->parts->state);
    if (can_run(request, container_manager_find(request->parts->containers, request->params[0])))
        request_to_api(request, reply_ticket);
    else
        request_fail_from_loop(request);
}

void container_exec(struct request *request)
{
    struct exec_body *body = arena_alloc(&request->arena, sizeof *body);
    request->data = body;
    request->idempotency_key = NULL; /* each ticket is for once, and none is kept */
    schema_defaults(&exec_type, &request->arena, body);
    if (request_read(request, &exec_type, body))
        request_to_loop(request, look);
}
