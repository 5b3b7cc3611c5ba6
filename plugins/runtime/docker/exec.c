/* exec: made by a call, then run over a connection of its own that the engine hands over to the
 * process (HTTP's upgrade); its code is asked for at the end. */
#include "docker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEAD_LIMIT = 16384 };
static const uint64_t CREATE_NS = 10 * NS_PER_S, HEAD_NS = 15 * NS_PER_S, LOOK_NS = 5 * NS_PER_S;
static const uint64_t POLL_FIRST_NS = 20 * NS_PER_MS, POLL_LAST_NS = NS_PER_S;

struct exec_job {
    struct job job; /* first */
    struct orch_exec exec;
    char id[ID_BYTES];
    enum { EXEC_CREATING = 1, EXEC_CONNECTING, EXEC_REFUSED, EXEC_RUNNING, EXEC_ENDED } state;
    uint64_t stream; /* of the host's; 0: none */
    struct text head;
    struct frames frames;
    bool eof_wanted, resize_wanted, cut;
    unsigned rows, columns;
    uint64_t pause_ns;
};

static void close_stream(struct exec_job *exec)
{
    struct runtime *runtime = exec->job.runtime;
    if (exec->stream)
        runtime->net->close(runtime->host, exec->stream);
    exec->stream = 0;
}

static void finish(struct job *job)
{
    struct exec_job *exec = (struct exec_job *)job;
    close_stream(exec);
    text_finish(&exec->head);
}

static void ignored(struct job *job, uint64_t number, const struct reply *reply)
{
    (void)job, (void)number, (void)reply; /* another size will follow, or none is needed */
}

/* -- its end -- */

static void look(struct job *job);

static void looked(struct job *job, uint64_t number, const struct reply *reply)
{
    struct exec_job *exec = (struct exec_job *)job;
    (void)number;
    json_t *root = reply_json(reply);
    const json_t *code = json_object_get(root, "ExitCode");
    json_int_t value = json_integer_value(code);
    bool running = json_is_true(json_object_get(root, "Running"));
    bool told = json_is_integer(code) && value >= INT32_MIN && value <= INT32_MAX;
    json_decref(root);
    if (!running && told) {
        job_end(job, &(struct orch_exec_end){.size = sizeof(struct orch_exec_end),
                                             .exit_code = (int32_t)value});
    } else if (running && exec->cut) {
        job_fail(job, ORCH_E_UNAVAILABLE, "running a command: the connection to it was cut");
    } else if (running) { /* it has closed its output, and goes on */
        uint64_t pause_ns = exec->pause_ns;
        exec->pause_ns = pause_ns * 2 < POLL_LAST_NS ? pause_ns * 2 : POLL_LAST_NS;
        job_wait(job, pause_ns, look);
    } else {
        job_fail_reply(job, reply, "asking how a command ended");
    }
}

static void look(struct job *job)
{
    struct text path = {0};
    text_format(&path, "/exec/%s/json", ((struct exec_job *)job)->id);
    call_start(job, &(struct call_request){.method = "GET",
                                           .path = text_string(&path),
                                           .timeout_ns = LOOK_NS,
                                           .done = looked});
    text_finish(&path);
}

/* -- the stream -- */

static void feed(struct exec_job *exec, struct orch_str bytes)
{
    const struct runtime *runtime = exec->job.runtime;
    int64_t credit = frames_feed(&exec->frames, &exec->job, bytes);
    if (credit == 0)
        runtime->net->read_pause(runtime->host, exec->stream, 1);
    else if (credit < 0)
        job_fail(&exec->job, credit == ORCH_E_STALE ? ORCH_E_CANCELLED : (orch_status)credit,
                 credit == ORCH_E_STALE ? "nobody wants it any more"
                                        : "the engine's stream of a command makes no sense");
}

static void resumed(struct job *job)
{
    const struct exec_job *exec = (struct exec_job *)job;
    if (exec->stream)
        job->runtime->net->read_pause(job->runtime->host, exec->stream, 0);
}

static void resize(struct exec_job *exec)
{
    struct text path = {0};
    text_format(&path, "/exec/%s/resize?h=%u&w=%u", exec->id, exec->rows, exec->columns);
    exec->resize_wanted = false;
    call_start(&exec->job, &(struct call_request){.method = "POST",
                                                  .path = text_string(&path),
                                                  .timeout_ns = LOOK_NS,
                                                  .done = ignored});
    text_finish(&path);
}

static void begin_stream(struct exec_job *exec, struct orch_str rest)
{
    const struct runtime *runtime = exec->job.runtime;
    exec->state = EXEC_RUNNING;
    exec->frames.kind = exec->exec.tty ? FRAMES_RAW : FRAMES_FRAMED;
    job_wait_no_more(&exec->job);
    if (exec->resize_wanted)
        resize(exec);
    if (exec->eof_wanted)
        runtime->net->finish(runtime->host, exec->stream);
    feed(exec, rest);
}

/* "HTTP/1.1 101 UPGRADED"; 0: something else. */
static int status_in(const char *head)
{
    int http;
    return sscanf(head, "HTTP/1.%*1u %3d", &http) == 1 ? http : 0;
}

static void refused(struct exec_job *exec)
{
    int http = status_in(text_string(&exec->head));
    char message[300];
    const char *body = strstr(text_string(&exec->head), "\r\n\r\n");
    body = body ? body + 4 : "";
    engine_message(message, sizeof message, body, strlen(body));
    const struct reply reply = {.status = ORCH_OK, .http = http};
    job_fail(&exec->job, reply_status(&reply), "running a command: the engine answers %d: %s", http,
             message);
}

/* A body that says why not, as far as it came; its length is known or the connection's end. */
static bool refusal_is_whole(const struct exec_job *exec, const char *body)
{
    const char *field = strcasestr(text_string(&exec->head), "\r\ncontent-length:");
    size_t have = strlen(body);
    return field && field < body && have >= strtoul(field + 17, NULL, 10);
}

static void take_head(struct exec_job *exec, struct orch_str bytes)
{
    text_add(&exec->head, bytes.ptr, bytes.len);
    const char *head = text_string(&exec->head), *body = strstr(head, "\r\n\r\n");
    if (exec->head.length > HEAD_LIMIT) {
        job_fail(&exec->job, ORCH_E_TOO_LARGE, "running a command: the engine's reply is too long");
        return;
    }
    if (!body)
        return;
    body += 4;
    int http = status_in(head);
    if (http == 101 || http == 200) {
        size_t at = (size_t)(body - head);
        begin_stream(exec, (struct orch_str){body, exec->head.length - at});
        return;
    }
    exec->state = EXEC_REFUSED;
    if (refusal_is_whole(exec, body))
        refused(exec);
}

static void received(void *context, struct orch_str bytes)
{
    struct exec_job *exec = context;
    if (exec->state == EXEC_RUNNING)
        feed(exec, bytes);
    else
        take_head(exec, bytes);
}

static void end_stream(struct exec_job *exec)
{
    close_stream(exec);
    switch (exec->state) {
    case EXEC_RUNNING:
        exec->state = EXEC_ENDED;
        look(&exec->job);
        return;
    case EXEC_REFUSED:
        refused(exec);
        return;
    case EXEC_CREATING:
    case EXEC_CONNECTING:
    case EXEC_ENDED:
        job_fail(&exec->job, ORCH_E_UNAVAILABLE,
                 "running a command: the engine closed the connection");
        return;
    }
}

static void at_end(void *context)
{
    end_stream(context);
}

static void failed(void *context, const struct orch_error *error)
{
    struct exec_job *exec = context;
    exec->stream = 0;
    exec->cut = true;
    if (exec->state == EXEC_RUNNING)
        end_stream(exec);
    else
        job_fail(&exec->job, ORCH_E_UNAVAILABLE, "running a command: %s", error->message);
}

static void connected(void *context)
{
    struct exec_job *exec = context;
    struct runtime *runtime = exec->job.runtime;
    struct text request = {0};
    const char *body =
        exec->exec.tty ? "{\"Detach\":false,\"Tty\":true}" : "{\"Detach\":false,\"Tty\":false}";
    text_format(&request,
                "POST /v%d.%u/exec/%s/start HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\n"
                "Upgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                API_MAJOR, runtime->api_minor, exec->id, runtime->settings.authority, strlen(body),
                body);
    (void)runtime->net->write(runtime->host, exec->stream,
                              (struct orch_str){request.data, request.length}); /* it fits */
    text_finish(&request);
}

static void no_head(struct job *job)
{
    job_fail(job, ORCH_E_TIMEOUT, "running a command: the engine does not begin it");
}

static void attach(struct exec_job *exec)
{
    static const struct orch_net_callbacks callbacks = {.size = sizeof callbacks,
                                                        .connected = connected,
                                                        .received = received,
                                                        .end = at_end,
                                                        .failed = failed};
    struct runtime *runtime = exec->job.runtime;
    struct orch_error error = {.size = sizeof error};
    const struct orch_net_connect request = {.size = sizeof request,
                                             .unix_socket = runtime->settings.unix_socket,
                                             .host = runtime->settings.host,
                                             .port = runtime->settings.port};
    exec->state = EXEC_CONNECTING;
    orch_status status =
        runtime->net->connect(runtime->host, &request, &callbacks, exec, &exec->stream, &error);
    if (status != ORCH_OK) {
        exec->stream = 0;
        job_fail(&exec->job, status, "running a command: %s", error.message);
        return;
    }
    job_wait(&exec->job, HEAD_NS, no_head);
}

/* -- the verb -- */

static void created(struct job *job, uint64_t number, const struct reply *reply)
{
    struct exec_job *exec = (struct exec_job *)job;
    (void)number;
    json_t *root = reply_is(reply, 201) ? reply_json(reply) : NULL;
    const char *id = json_string_value(json_object_get(root, "Id"));
    bool sound = id && id_valid(str(id));
    if (sound)
        memcpy(exec->id, id, strlen(id));
    json_decref(root);
    if (sound)
        attach(exec);
    else
        job_fail_reply(job, reply, "preparing a command");
}

/* The engine can't signal a command. A terminal's own keys can. */
static int64_t take_signal(struct exec_job *exec, struct orch_str name)
{
    const struct runtime *runtime = exec->job.runtime;
    const char *key = str_is(name, "SIGINT") ? "\x03" : str_is(name, "SIGQUIT") ? "\x1c" : NULL;
    if (!exec->exec.tty || !key || !exec->exec.want_stdin || exec->state != EXEC_RUNNING)
        return ORCH_E_UNSUPPORTED;
    int64_t taken = runtime->net->write(runtime->host, exec->stream, (struct orch_str){key, 1});
    return taken < 0 ? taken : taken == 1 ? (int64_t)name.len : 0;
}

static int64_t take_size(struct exec_job *exec, struct orch_str bytes)
{
    uint16_t size[2];
    if (bytes.len != sizeof size)
        return ORCH_E_INVALID;
    memcpy(size, bytes.ptr, sizeof size);
    exec->rows = size[0];
    exec->columns = size[1];
    exec->resize_wanted = exec->state != EXEC_RUNNING;
    if (!exec->resize_wanted)
        resize(exec);
    return (int64_t)bytes.len;
}

static int64_t take_input(struct job *job, uint32_t channel, struct orch_str bytes)
{
    struct exec_job *exec = (struct exec_job *)job;
    const struct runtime *runtime = job->runtime;
    switch (channel) {
    case ORCH_CHANNEL_STDIN:
        if (!exec->exec.want_stdin)
            return ORCH_E_UNSUPPORTED;
        if (exec->state == EXEC_ENDED || exec->eof_wanted)
            return ORCH_E_STALE;
        return exec->state == EXEC_RUNNING ? runtime->net->write(runtime->host, exec->stream, bytes)
                                           : 0;
    case ORCH_CHANNEL_EOF:
        if (exec->state == EXEC_RUNNING && !exec->eof_wanted)
            runtime->net->finish(runtime->host, exec->stream);
        exec->eof_wanted = true;
        return 0;
    case ORCH_CHANNEL_RESIZE:
        return take_size(exec, bytes);
    case ORCH_CHANNEL_SIGNAL:
        return take_signal(exec, bytes);
    default:
        return ORCH_E_UNSUPPORTED;
    }
}

static bool words_valid(struct orch_array words)
{
    for (uint32_t i = 0; i < words.count; i++) {
        const struct orch_str *word = ORCH_AT(struct orch_str, words, i);
        json_t *made = json_stringn(word->ptr ? word->ptr : "", word->len);
        if (!made)
            return false;
        json_decref(made);
    }
    return words.count > 0;
}

static json_t *body_of(const struct orch_exec *exec)
{
    json_t *command = json_array();
    for (uint32_t i = 0; i < exec->command.count; i++) {
        const struct orch_str *word = ORCH_AT(struct orch_str, exec->command, i);
        json_array_append_new(command, json_stringn(word->ptr ? word->ptr : "", word->len));
    }
    return json_pack("{s:b, s:b, s:b, s:b, s:o}", "AttachStdin", exec->want_stdin != 0,
                     "AttachStdout", 1, "AttachStderr", 1, "Tty", exec->tty != 0, "Cmd", command);
}

orch_status runtime_exec(void *instance, struct orch_op op, const struct orch_exec *given,
                         struct orch_error *error)
{
    struct orch_exec taken;
    struct text path = {0};
    if (ORCH_TAKE(struct orch_exec, &taken, given, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    if (!id_valid(taken.runtime_id))
        return orch_fail(error, ORCH_E_INVALID, "that is no container's id");
    if (!words_valid(taken.command))
        return orch_fail(error, ORCH_E_INVALID, "the command is empty or no text");
    struct exec_job *exec = job_new(instance, op, sizeof *exec);
    exec->job.finish = finish;
    exec->job.resumed = resumed;
    exec->job.take_input = take_input;
    exec->exec = taken;
    exec->state = EXEC_CREATING;
    exec->pause_ns = POLL_FIRST_NS;
    json_t *body = body_of(&taken);
    text_format(&path, "/containers/%.*s/exec", (int)taken.runtime_id.len, taken.runtime_id.ptr);
    call_start(&exec->job, &(struct call_request){.method = "POST",
                                                  .path = text_string(&path),
                                                  .body = body,
                                                  .timeout_ns = CREATE_NS,
                                                  .done = created});
    text_finish(&path);
    json_decref(body);
    return ORCH_PENDING;
}
