/* The command's end of a session. That it begins is an event and an audit entry, durable before it
 * does; what goes in and out is nobody's business. */
#include "agent/agent.h"
#include "api/exec.h"
#include "base/clock.h"
#include "container/manager.h"
#include "plugin/runtime.h"

#include <stdio.h>
#include <string.h>

#define RETRY_NS (10 * NS_PER_MS)  /* the runtime took less than it was offered */
#define RESIZE_NS (50 * NS_PER_MS) /* between two sizes */
enum { SHOWN_BYTES = 200 };        /* of a command, in events */

static const char *object_of(const struct exec_session *session, char out[96])
{
    snprintf(out, 96, "containers/%s", session->order.container);
    return out;
}

static void release(struct exec_session *session)
{
    loop_timer_stop(&session->command.retry);
    exec_bridge_command_gone(session);
}

/* `message` NULL: it ended with that code. */
static void tell_end(struct exec_session *session, int32_t code, const char *message)
{
    CLEANUP(text_finish) struct text end = {0};
    if (message) {
        text_append_string(&end, "{\"error\":");
        text_append_json(&end, message, strlen(message));
        text_append_char(&end, '}');
    } else {
        text_append_format(&end, "{\"exitCode\":%d}", code);
    }
    exec_bridge_put_output(session, EXEC_END, end.data, end.length);
}

static void record_end(struct exec_session *session, const char *how)
{
    char object[96];
    uint64_t took_ns = loop_now_ns(session->parts.loop) - session->command.began_ns;
    struct txn *txn =
        txn_begin(session->parts.state, (struct origin){.by = session->order.by,
                                                        .request_id = session->order.request_id});
    txn_event(txn, EVENT_NORMAL, "ExecEnded", object_of(session, object), "%s after %llu s", how,
              (unsigned long long)(took_ns / NS_PER_SECOND));
    txn_submit(txn, NULL, NULL);
}

/* -- its output and its end -- */

static size_t output(void *argument, uint32_t channel, const char *bytes, size_t length)
{
    exec_bridge_put_output(argument, channel == ORCH_CHANNEL_STDERR ? EXEC_ERRORS : EXEC_OUTPUT,
                           bytes, length);
    return 0; /* credited as the client takes it */
}

static void ended(void *argument, orch_status status, const struct error *error, int32_t code)
{
    struct exec_session *session = argument;
    char how[300];
    session->command.op = 0;
    if (status == ORCH_OK)
        snprintf(how, sizeof how, "it ended with %d", code);
    else
        snprintf(how, sizeof how, "it failed: %.250s", error->message);
    tell_end(session, code, status == ORCH_OK ? NULL : error->message);
    record_end(session, how);
    release(session);
}

/* -- its input -- */

static void feed_size(struct exec_session *session)
{
    struct exec_command *command = &session->command;
    uint64_t now_ns = loop_now_ns(session->parts.loop);
    if (!command->size_due)
        return;
    if (now_ns < command->size_from_ns) {
        if (!loop_timer_armed(&command->retry))
            loop_timer_start(&command->retry, command->size_from_ns - now_ns);
        return;
    }
    command->size_due = false;
    command->size_from_ns = now_ns + RESIZE_NS;
    (void)runtime_input(session->parts.runtime, command->op, ORCH_CHANNEL_RESIZE, command->size,
                        sizeof command->size); /* a runtime without sizes: it stays as it is */
}

/* False: the runtime takes no more now. */
static bool feed_input(struct exec_session *session)
{
    struct exec_command *command = &session->command;
    struct exec_record *record = &command->record;
    uint32_t channel = record->length ? ORCH_CHANNEL_STDIN : ORCH_CHANNEL_EOF;
    if (command->input_over)
        return true;
    int64_t taken =
        runtime_input(session->parts.runtime, command->op, channel, record->bytes, record->length);
    command->input_over = channel == ORCH_CHANNEL_EOF || taken < 0; /* it reads no more */
    if (taken < 0 || (size_t)taken == record->length)
        return true;
    record->bytes += taken;
    record->length -= (size_t)taken;
    return false;
}

static bool next_record(struct exec_command *command)
{
    if (!command->has_record)
        command->has_record = exec_record_next(&command->records, &command->used, &command->record);
    return command->has_record;
}

/* What was fetched goes to the runtime. False: something is left of it. */
static bool feed_all(struct exec_session *session)
{
    struct exec_command *command = &session->command;
    while (next_record(command)) {
        if (command->record.channel == EXEC_SIZE) {
            memcpy(command->size, command->record.bytes, sizeof command->size);
            command->size_due = true;
        } else if (!feed_input(session)) {
            loop_timer_start(&command->retry, RETRY_NS);
            return false;
        }
        command->has_record = false;
    }
    text_clear(&command->records);
    command->used = 0;
    return true;
}

static void pump(void *argument)
{
    exec_command_told(argument);
}

/* The client has gone: nobody is left to run it for. */
static void leave(struct exec_session *session)
{
    struct exec_command *command = &session->command;
    if (command->is_being_recorded)
        return; /* durable() goes on */
    if (command->op) {
        runtime_abandon(session->parts.runtime, command->op);
        record_end(session, "the client left");
    }
    release(session);
}

void exec_command_told(struct exec_session *session)
{
    struct exec_command *command = &session->command;
    bool gone, more = true;
    while (more) {
        size_t credit;
        exec_bridge_take_input(session, &command->records, &credit, &gone);
        if (gone) {
            leave(session);
            return;
        }
        if (!command->op)
            return;
        if (credit)
            runtime_credit(session->parts.runtime, command->op, credit);
        more = command->records.length && feed_all(session);
        feed_size(session);
    }
}

/* -- its begin -- */

static const char *find_runtime_id(const struct exec_session *session, struct error *error)
{
    const struct api_parts *parts = &session->parts;
    const char *id = session->order.container;
    const char *runtime_id = container_manager_find(parts->containers, id)
                                 ? agent_runtime_id(parts->agent, id, false)
                                 : NULL;
    if (!runtime_id)
        error_set(error, ERROR_NOT_FOUND, "container \"%s\" does not run any more", id);
    return runtime_id;
}

static void run(struct exec_session *session)
{
    const struct exec_order *order = &session->order;
    struct error error;
    const char *runtime_id = find_runtime_id(session, &error);
    if (!runtime_id) {
        tell_end(session, 0, error.message);
        record_end(session, "it failed: its container does not run any more");
        release(session);
        return;
    }
    session->command.op =
        runtime_exec(session->parts.runtime,
                     &(struct runtime_exec_request){.runtime_id = runtime_id,
                                                    .command = order->command.items,
                                                    .command_count = order->command.count,
                                                    .tty = order->tty,
                                                    .want_stdin = order->wants_input},
                     0, output, ended, session);
    exec_command_told(session); /* input may have come by now */
}

static void durable(void *argument, const struct error *error)
{
    struct exec_session *session = argument;
    size_t credit;
    bool gone;
    session->command.is_being_recorded = false;
    exec_bridge_take_input(session, &session->command.records, &credit, &gone);
    if (gone) {
        if (!error)
            record_end(session, "the client left before it began");
        release(session);
        return;
    }
    if (!error) {
        run(session);
        return;
    }
    tell_end(session, 0, error->message);
    release(session);
}

static void show_command(const struct exec_session *session, struct text *out)
{
    const struct list *words = &session->order.command;
    for (uint32_t i = 0; i < words->count && out->length < SHOWN_BYTES; i++)
        text_append_format(out, "%s%s", i ? " " : "", *LIST_AT(*words, const char *, i));
    if (out->length <= SHOWN_BYTES)
        return;
    out->length = SHOWN_BYTES;
    while (out->length && !text_is_utf8(out->data, out->length))
        out->length--;
    text_append_string(out, "...");
}

void exec_command_begin(struct loop_task *begin)
{
    struct exec_session *session = CONTAINER_OF(begin, struct exec_session, begin);
    const struct exec_order *order = &session->order;
    CLEANUP(text_finish) struct text shown = {0};
    char object[96];
    loop_timer_init(&session->command.retry, session->parts.loop, "exec input", pump, session);
    session->command.began_ns = loop_now_ns(session->parts.loop);
    session->command.is_being_recorded = true;
    show_command(session, &shown);
    struct txn *txn = txn_begin(session->parts.state,
                                (struct origin){.by = order->by, .request_id = order->request_id});
    txn_event(txn, EVENT_NORMAL, "ExecStarted", object_of(session, object), "%s runs%s: %s",
              order->by, order->tty ? " with a terminal" : "", text_string(&shown));
    txn_audit(txn, "exec", object, text_string(&shown));
    txn_submit(txn, durable, session);
}
