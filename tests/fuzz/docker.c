/* The docker runtime against an engine that answers anything: a line with the verb ("list", "logs",
 * "exec", and optionally the API version that the engine tells), then its replies, each a line
 * "STATUS STEP TYPE" and a body up to a line "---", handed over in parts of STEP bytes.
 *
 * Whatever the engine says, an operation is completed exactly once and nothing is left behind. */
#include "fuzz.h"

#include <orchestrator/runtime.h>

enum { SLOTS = 32, STEPS = 400 };

struct slot {
    uint64_t id; /* 0: free */
    void *context;
    const struct orch_http_callbacks *http;
    const struct orch_net_callbacks *net;
    void (*fire)(void *context);
    bool is_ping;
};

static struct engine {
    const uint8_t *data;
    size_t size;
    char version[16];
    struct slot requests[SLOTS], timers[SLOTS], stream;
    uint64_t next_id, now_ns, completed;
    int64_t credit;
} engine;

static struct slot *slot_take(struct slot *slots)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (!slots[i].id) {
            slots[i] = (struct slot){.id = ++engine.next_id};
            return &slots[i];
        }
    return NULL;
}

static void slot_drop(struct slot *slots, uint64_t id)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (slots[i].id == id)
            slots[i] = (struct slot){0};
}

static struct slot *slot_oldest(struct slot *slots)
{
    struct slot *oldest = NULL;
    for (size_t i = 0; i < SLOTS; i++)
        if (slots[i].id && (!oldest || slots[i].id < oldest->id))
            oldest = &slots[i];
    return oldest;
}

/* Reads them all, under the sanitizer's eyes. */
static void look_at(struct orch_str bytes)
{
    char *copy = memcpy(malloc(bytes.len + 1), bytes.len ? bytes.ptr : "", bytes.len);
    free(copy);
}

/* -- the host -- */

static uint64_t now_ns(const struct orch_host *host)
{
    (void)host;
    return engine.now_ns;
}

static int64_t wall_ms(const struct orch_host *host)
{
    (void)host;
    return INT64_C(1760000000000);
}

static uint64_t chance(const struct orch_host *host)
{
    (void)host;
    return engine.next_id * UINT64_C(0x9e3779b97f4a7c15);
}

static orch_status timer_start(const struct orch_host *host, uint64_t delay_ns,
                               void (*fire)(void *context), void *context, uint64_t *timer)
{
    struct slot *slot = slot_take(engine.timers);
    (void)host;
    (void)delay_ns;
    if (!slot)
        return ORCH_E_FULL;
    slot->fire = fire;
    slot->context = context;
    *timer = slot->id;
    return ORCH_OK;
}

static void timer_stop(const struct orch_host *host, uint64_t timer)
{
    (void)host;
    slot_drop(engine.timers, timer);
}

static orch_status offload(const struct orch_host *host, void (*work)(void *context),
                           void (*done)(void *context), void *context)
{
    (void)host;
    (void)work;
    (void)done;
    (void)context;
    return ORCH_E_FULL;
}

static orch_status complete(const struct orch_host *host, struct orch_op op,
                            const struct orch_result *result)
{
    (void)host;
    PROMISE(op.id == 1, "another operation is completed");
    PROMISE(result->status != ORCH_PENDING, "completed as pending");
    engine.completed++;
    for (uint32_t i = 0; i < result->items.count; i++) {
        const struct orch_container_view *view =
            (const void *)((const char *)result->items.items + i * result->items.stride);
        if (result->items.stride != sizeof *view)
            break;
        look_at(view->name);
        look_at(view->image);
        look_at(view->address);
        look_at(view->message);
        for (uint32_t j = 0; j < view->labels.count; j++) {
            look_at(ORCH_AT(struct orch_pair, view->labels, j)->key);
            look_at(ORCH_AT(struct orch_pair, view->labels, j)->value);
        }
    }
    if (result->error)
        PROMISE(memchr(result->error->message, 0, sizeof result->error->message), "unended");
    return ORCH_OK;
}

static int64_t emit(const struct orch_host *host, struct orch_op op, uint32_t channel,
                    uint32_t reserved, struct orch_str bytes)
{
    (void)host;
    (void)reserved;
    PROMISE(op.id == 1 && engine.completed == 0, "it emits after its end");
    PROMISE(channel, "no channel");
    look_at(bytes);
    engine.credit -= (int64_t)bytes.len;
    return engine.credit > 0 ? engine.credit : ORCH_E_STALE;
}

static orch_status http_start(const struct orch_host *host, const struct orch_http_request *request,
                              const struct orch_http_callbacks *callbacks, void *context,
                              uint64_t *id, struct orch_error *error)
{
    struct slot *slot = slot_take(engine.requests);
    (void)host;
    PROMISE(request->url && !strpbrk(request->url, " \r\n\t"), "a URL that splits its request");
    if (!slot)
        return orch_fail(error, ORCH_E_FULL, "too many");
    slot->http = callbacks;
    slot->context = context;
    slot->is_ping = strstr(request->url, "/_ping") != NULL;
    *id = slot->id;
    return ORCH_OK;
}

static void http_cancel(const struct orch_host *host, uint64_t id)
{
    (void)host;
    slot_drop(engine.requests, id);
}

static void http_pause(const struct orch_host *host, uint64_t id, int32_t paused)
{
    (void)host;
    (void)id;
    (void)paused;
}

static orch_status net_connect(const struct orch_host *host, const struct orch_net_connect *request,
                               const struct orch_net_callbacks *callbacks, void *context,
                               uint64_t *stream, struct orch_error *error)
{
    (void)host;
    (void)request;
    (void)error;
    PROMISE(!engine.stream.id, "a second stream");
    engine.stream = (struct slot){.id = ++engine.next_id, .net = callbacks, .context = context};
    *stream = engine.stream.id;
    return ORCH_OK;
}

static int64_t net_write(const struct orch_host *host, uint64_t stream, struct orch_str bytes)
{
    (void)host;
    PROMISE(stream == engine.stream.id, "written to a stream that ended");
    look_at(bytes);
    return (int64_t)bytes.len;
}

static void net_finish(const struct orch_host *host, uint64_t stream)
{
    (void)host;
    PROMISE(stream == engine.stream.id, "finished a stream that ended");
}

static void net_read_pause(const struct orch_host *host, uint64_t stream, int32_t paused)
{
    (void)host;
    (void)stream;
    (void)paused;
}

static void net_close(const struct orch_host *host, uint64_t stream)
{
    (void)host;
    PROMISE(stream == engine.stream.id, "closed a stream that ended");
    engine.stream = (struct slot){0};
}

static void log_write(const struct orch_host *host, int32_t level, struct orch_str message,
                      struct orch_array fields)
{
    (void)host;
    (void)level;
    (void)fields;
    look_at(message);
}

static int32_t log_enabled(const struct orch_host *host, int32_t level)
{
    (void)host;
    return level >= ORCH_LOG_INFO;
}

static const void *get(const struct orch_host *host, const char *id)
{
    static const struct orch_host_loop_v1 loop = {.size = sizeof loop,
                                                  .now_ns = now_ns,
                                                  .wall_ms = wall_ms,
                                                  .random = chance,
                                                  .timer_start = timer_start,
                                                  .timer_stop = timer_stop,
                                                  .offload = offload};
    static const struct orch_host_ops_v1 ops = {
        .size = sizeof ops, .complete = complete, .emit = emit};
    static const struct orch_host_http_v1 http = {
        .size = sizeof http, .start = http_start, .cancel = http_cancel, .pause = http_pause};
    static const struct orch_host_net_v1 net = {.size = sizeof net,
                                                .connect = net_connect,
                                                .write = net_write,
                                                .finish = net_finish,
                                                .read_pause = net_read_pause,
                                                .close = net_close};
    static const struct orch_host_log_v1 log = {
        .size = sizeof log, .write = log_write, .enabled = log_enabled};
    static const struct {
        const char *id;
        const void *table;
    } services[] = {{ORCH_HOST_LOOP_1, &loop},
                    {ORCH_HOST_OPS_1, &ops},
                    {ORCH_HOST_HTTP_1, &http},
                    {ORCH_HOST_NET_1, &net},
                    {ORCH_HOST_LOG_1, &log}};
    (void)host;
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++)
        if (strcmp(services[i].id, id) == 0)
            return services[i].table;
    return NULL;
}

/* -- the engine's replies -- */

struct answer {
    int status;
    size_t step;
    char type[64];
    const char *body;
    size_t length;
};

static bool next_answer(struct answer *answer)
{
    static const char mark[] = "\n---\n";
    const uint8_t *line;
    if (!engine.size)
        return false;
    size_t length = fuzz_line(&engine.data, &engine.size, &line);
    char *head = fuzz_string(line, length);
    *answer = (struct answer){.status = 200, .step = 4096};
    (void)sscanf(head, "%3d %5zu %63s", &answer->status, &answer->step, answer->type);
    answer->step = answer->step ? answer->step : 1;
    free(head);
    const uint8_t *end = memmem(engine.data, engine.size, mark, sizeof mark - 1);
    answer->body = (const char *)engine.data;
    answer->length = end ? (size_t)(end - engine.data) : engine.size;
    size_t gone = answer->length + (end ? sizeof mark - 1 : 0);
    engine.data += gone;
    engine.size -= gone;
    return true;
}

static void answer_ping(struct slot slot)
{
    const struct orch_pair header = {{"api-version", 11}, {engine.version, strlen(engine.version)}};
    slot_drop(engine.requests, slot.id);
    slot.http->head(slot.context, 200, (struct orch_array){&header, 1, sizeof header});
    slot.http->done(slot.context, ORCH_OK, 200, NULL);
}

static bool is_open(uint64_t id)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (engine.requests[i].id == id)
            return true;
    return false;
}

static void answer_request(struct slot slot)
{
    struct answer answer;
    struct orch_error error = {.size = sizeof error, .message = "gone"};
    if (!next_answer(&answer)) {
        slot_drop(engine.requests, slot.id);
        slot.http->done(slot.context, ORCH_E_UNAVAILABLE, 0, &error);
        return;
    }
    const struct orch_pair header = {{"content-type", 12}, {answer.type, strlen(answer.type)}};
    if (slot.http->head)
        slot.http->head(slot.context, answer.status,
                        (struct orch_array){&header, 1, sizeof header});
    for (size_t at = 0; at < answer.length && is_open(slot.id); at += answer.step) {
        size_t part = answer.length - at < answer.step ? answer.length - at : answer.step;
        if (slot.http->body(slot.context, (struct orch_str){answer.body + at, part}))
            break;
    }
    if (!is_open(slot.id))
        return;
    slot_drop(engine.requests, slot.id);
    slot.http->done(slot.context, ORCH_OK, answer.status, NULL);
}

static void answer_stream(struct slot slot)
{
    struct answer answer;
    if (!next_answer(&answer)) {
        slot.net->end(slot.context);
        return;
    }
    slot.net->connected(slot.context);
    for (size_t at = 0; at < answer.length && engine.stream.id == slot.id; at += answer.step) {
        size_t part = answer.length - at < answer.step ? answer.length - at : answer.step;
        slot.net->received(slot.context, (struct orch_str){answer.body + at, part});
    }
    if (engine.stream.id == slot.id)
        slot.net->end(slot.context);
}

/* False: nothing is under way. */
static bool turn(void)
{
    const struct slot *request = slot_oldest(engine.requests), *timer = slot_oldest(engine.timers);
    engine.now_ns += UINT64_C(100000000);
    if (request && request->is_ping)
        answer_ping(*request);
    else if (request)
        answer_request(*request);
    else if (engine.stream.id)
        answer_stream(engine.stream);
    else if (timer) {
        struct slot fired = *timer;
        slot_drop(engine.timers, fired.id);
        fired.fire(fired.context);
    } else {
        return false;
    }
    return true;
}

/* -- the verbs -- */

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
static const struct orch_str container = {ID, sizeof ID - 1};
static const struct orch_pair label = {{"io.orchestrator/cluster", 23}, {"c", 1}};
static const struct orch_array labels = {&label, 1, sizeof label},
                               ids = {&container, 1, sizeof container};
static const struct orch_str words[] = {{"sh", 2}, {"-c", 2}};

static orch_status begin(const struct orch_runtime_v1 *table, void *runtime, const char *verb,
                         struct orch_error *error)
{
    const struct orch_op op = {1};
    const struct orch_str image = {"nginx:1", 7};
    const struct orch_list list = {.size = sizeof list, .labels = labels};
    const struct orch_logs logs = {.size = sizeof logs, .runtime_id = container, .tail = -1};
    const struct orch_pull pull = {.size = sizeof pull, .policy = ORCH_PULL_ALWAYS, .image = image};
    const struct orch_exec exec = {.size = sizeof exec,
                                   .runtime_id = container,
                                   .command = {words, 2, sizeof words[0]},
                                   .want_stdin = 1};
    const struct orch_task task = {.size = sizeof task,
                                   .id = {"a-1", 3},
                                   .name = {"a-1", 3},
                                   .hostname = {"a", 1},
                                   .image = {"sha256:" ID, 71},
                                   .labels = labels,
                                   .stop_signal = {"SIGTERM", 7}};
    const struct orch_stop stop = {
        .size = sizeof stop, .runtime_id = container, .grace_ns = UINT64_C(1000000000)};
    if (strcmp(verb, "list") == 0)
        return table->list(runtime, op, &list, error);
    if (strcmp(verb, "events") == 0)
        return table->events(runtime, op, labels, error);
    if (strcmp(verb, "logs") == 0)
        return table->logs(runtime, op, &logs, error);
    if (strcmp(verb, "stats") == 0)
        return table->stats(runtime, op, ids, error);
    if (strcmp(verb, "pull") == 0)
        return table->pull(runtime, op, &pull, error);
    if (strcmp(verb, "exec") == 0)
        return table->exec(runtime, op, &exec, error);
    if (strcmp(verb, "create") == 0)
        return table->create(runtime, op, &task, error);
    if (strcmp(verb, "start") == 0)
        return table->start(runtime, op, container, error);
    if (strcmp(verb, "stop") == 0)
        return table->stop(runtime, op, &stop, error);
    if (strcmp(verb, "remove") == 0)
        return table->remove(runtime, op, container, error);
    return table->info(runtime, op, error);
}

static void run(const char *verb)
{
    static const struct orch_host host = {
        .size = sizeof host, .product = "fuzz", .version = "0", .get = get};
    const struct orch_runtime_v1 *table = orch_plugin_manifest_1.provides[0].table;
    struct orch_error error = {.size = sizeof error};
    void *runtime = NULL;
    orch_status made =
        table->create_runtime(NULL, &host, (struct orch_str){"{}", 2}, &runtime, &error);
    PROMISE(made == ORCH_OK, "no runtime: %s", error.message);
    orch_status begun = begin(table, runtime, verb, &error);
    for (int i = 0; begun == ORCH_PENDING && !engine.completed && i < STEPS; i++)
        if (!turn())
            break;
    if (begun == ORCH_PENDING && !engine.completed)
        table->cancel(runtime, (struct orch_op){1});
    PROMISE(engine.completed == (begun == ORCH_PENDING), "completed %d times",
            (int)engine.completed);
    table->destroy_runtime(runtime);
    PROMISE(!slot_oldest(engine.requests) && !slot_oldest(engine.timers) && !engine.stream.id,
            "something is left behind");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char verb[16] = "";
    const uint8_t *line;
    size_t length = fuzz_line(&data, &size, &line);
    char *head = fuzz_string(line, length);
    engine = (struct engine){.data = data, .size = size, .version = "1.41", .credit = 1 << 16};
    (void)sscanf(head, "%15s %15s", verb, engine.version);
    free(head);
    run(verb);
    return 0;
}
