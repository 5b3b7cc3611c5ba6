#include "plugin/runtime.h"
#include "plugin/host.h"
#include "plugin/ops.h"
#include "plugin/registry.h"
#include "plugin/runtime_keep.h"

#include <stdlib.h>
#include <string.h>

/* One call under way: what the typed callback needs. Lives in the operation's arena. */
struct call {
    struct runtime *runtime;
    void *argument;
    union {
        runtime_done *plain;
        runtime_info_done *info;
        runtime_pull_done *pull;
        runtime_create_done *create;
        runtime_start_done *start;
        runtime_list_done *list;
        runtime_stats_done *stats;
        runtime_exec_done *exec;
    } done;
    union {
        void (*line)(void *argument, const char *text);
        runtime_output *output;
    } data;
};

struct runtime {
    struct plugin_host *host;
    struct op_table *ops;
    struct orch_runtime_v1 table; /* zero-extended copy */
    void *instance;
};

struct runtime *runtime_create_table(struct plugin_host *host, const struct orch_runtime_v1 *table,
                                     void *module, struct op_table *ops, const char *config_json,
                                     struct error *error)
{
    struct orch_error theirs = {.size = sizeof theirs};
    struct runtime *runtime = memory_alloc(sizeof *runtime);
    runtime->host = host;
    runtime->ops = ops;
    (void)orch_take(&runtime->table, sizeof runtime->table, table, NULL); /* judged by the loader */
    const char *config = config_json ? config_json : "{}";
    orch_status status = runtime->table.create_runtime(module, &host->orch,
                                                       (struct orch_str){config, strlen(config)},
                                                       &runtime->instance, &theirs);
    if (status == ORCH_OK)
        return runtime;
    plugin_error_take(error, status, &theirs);
    (void)error_wrap(error, "%s", host->label);
    free(runtime);
    return NULL;
}

struct runtime *runtime_create(struct plugin *plugin, struct op_table *ops, const char *config_json,
                               struct error *error)
{
    return runtime_create_table(plugin_get_host(plugin), plugin_get_table(plugin),
                                plugin_get_module(plugin), ops, config_json, error);
}

void runtime_destroy(struct runtime *runtime)
{
    if (!runtime)
        return;
    op_table_forget(runtime->ops, runtime->host);
    runtime->table.destroy_runtime(runtime->instance);
    free(runtime);
}

bool runtime_offers_logs(const struct runtime *runtime)
{
    return runtime->table.logs != NULL;
}

bool runtime_offers_stats(const struct runtime *runtime)
{
    return runtime->table.stats != NULL;
}

bool runtime_offers_exec(const struct runtime *runtime)
{
    return runtime->table.exec != NULL;
}

/* ---- beginning and settling ------------------------------------------------------------------ */

struct verb {
    const char *name;
    enum op_kind kind;
    const struct op_shape *shape;
    size_t (*data)(void *argument, uint32_t channel, struct orch_str bytes);
    void (*done)(void *argument, const struct op_end *end);
};

static struct op *begin(struct runtime *runtime, const struct verb *verb, uint64_t deadline_ns,
                        const struct call *call)
{
    struct op *op = op_begin(runtime->ops, &(struct op_request){.host = runtime->host,
                                                                .verb = verb->name,
                                                                .kind = verb->kind,
                                                                .shape = verb->shape,
                                                                .deadline_ns = deadline_ns,
                                                                .instance = runtime->instance,
                                                                .resume = runtime->table.resume,
                                                                .cancel = runtime->table.cancel,
                                                                .data = verb->data,
                                                                .done = verb->done});
    struct call *kept = arena_alloc(op_arena(op), sizeof *kept);
    *kept = *call;
    kept->runtime = runtime;
    op_set_argument(op, kept);
    return op;
}

static uint64_t settle(struct op *op, orch_status status, const struct orch_error *error)
{
    uint64_t id = op_handle(op).id;
    op_settle(op, status, error);
    return id;
}

/* Ends an operation whose verb can't be called: a full table, or a verb that is not offered. */
static uint64_t settle_uncalled(struct op *op, const char *verb)
{
    struct orch_error error = {.size = sizeof error};
    if (op_refused(op))
        return settle(op, ORCH_PENDING, NULL);
    (void)orch_fail(&error, ORCH_E_UNSUPPORTED, "this runtime does not offer ");
    orch_error_append(&error, verb);
    return settle(op, ORCH_E_UNSUPPORTED, &error);
}

/* ---- ends ------------------------------------------------------------------------------------ */

/* OK without the value that the verb owes is the plugin's fault, told as an error. */
static orch_status owed_value(const struct call *call, const struct op_end *end, const char *what,
                              bool present, struct error *error)
{
    if (end->status != ORCH_OK || present)
        return end->status;
    plugin_host_fault(call->runtime->host, "answered OK without %s", what);
    error_set(error, ERROR_PLUGIN, "%s answered OK without %s", call->runtime->host->label, what);
    return ORCH_E_INTERNAL;
}

static void plain_end(void *argument, const struct op_end *end)
{
    const struct call *call = argument;
    if (call->done.plain)
        call->done.plain(call->argument, end->status, end->error);
}

static void info_end(void *argument, const struct op_end *end)
{
    const struct call *call = argument;
    struct error error = {0};
    orch_status status = owed_value(call, end, "its info", end->value, &error);
    if (call->done.info)
        call->done.info(call->argument, status, error.code ? &error : end->error, end->value);
}

static void pull_end(void *argument, const struct op_end *end)
{
    const struct call *call = argument;
    const struct orch_image *image = end->value;
    struct error error = {0};
    orch_status status = owed_value(call, end, "the image", image && image->image.len, &error);
    if (call->done.pull)
        call->done.pull(call->argument, status, error.code ? &error : end->error, image);
}

static void create_end(void *argument, const struct op_end *end)
{
    const struct call *call = argument;
    const struct orch_created *created = end->value;
    struct error error = {0};
    const char *id = created && created->runtime_id.len ? created->runtime_id.ptr : NULL;
    orch_status status = owed_value(call, end, "the container's id", id, &error);
    if (call->done.create)
        call->done.create(call->argument, status, error.code ? &error : end->error, id);
}

static void start_end(void *argument, const struct op_end *end)
{
    const struct call *call = argument;
    const struct orch_started nothing = {.size = sizeof nothing};
    const struct orch_started *started = end->value;
    if (!started && end->status == ORCH_OK)
        started = &nothing;
    if (call->done.start)
        call->done.start(call->argument, end->status, end->error, started);
}

static void list_end(void *argument, const struct op_end *end)
{
    const struct call *call = argument;
    if (call->done.list)
        call->done.list(call->argument, end->status, end->error, end->items.items,
                        end->items.count);
}

static void stats_end(void *argument, const struct op_end *end)
{
    const struct call *call = argument;
    if (call->done.stats)
        call->done.stats(call->argument, end->status, end->error, end->items.items,
                         end->items.count);
}

static void exec_end(void *argument, const struct op_end *end)
{
    const struct call *call = argument;
    const struct orch_exec_end *exec = end->value;
    struct error error = {0};
    orch_status status = owed_value(call, end, "the exit code", exec, &error);
    if (call->done.exec)
        call->done.exec(call->argument, status, error.code ? &error : end->error,
                        exec ? exec->exit_code : -1);
}

static size_t line_data(void *argument, uint32_t channel, struct orch_str bytes)
{
    const struct call *call = argument;
    (void)channel;
    if (call->data.line) /* chunks are terminated */
        call->data.line(call->argument, bytes.len ? bytes.ptr : NULL);
    return bytes.len;
}

static size_t output_data(void *argument, uint32_t channel, struct orch_str bytes)
{
    const struct call *call = argument;
    if (!call->data.output || (channel != ORCH_CHANNEL_STDOUT && channel != ORCH_CHANNEL_STDERR))
        return bytes.len;
    return call->data.output(call->argument, channel, bytes.ptr, bytes.len);
}

/* ---- verbs ----------------------------------------------------------------------------------- */

#define THEIRS(error) struct orch_error error = {.size = sizeof error}

uint64_t runtime_info(struct runtime *runtime, uint64_t deadline_ns, runtime_info_done *done,
                      void *argument)
{
    static const struct verb verb = {"info", OP_UNARY, &op_shape_runtime_info, NULL, info_end};
    struct op *op =
        begin(runtime, &verb, deadline_ns, &(struct call){.argument = argument, .done.info = done});
    THEIRS(error);
    if (op_refused(op))
        return settle_uncalled(op, verb.name);
    return settle(op, runtime->table.info(runtime->instance, op_handle(op), &error), &error);
}

uint64_t runtime_pull(struct runtime *runtime, const char *image, uint32_t policy,
                      uint64_t deadline_ns, void (*progress)(void *argument, const char *line),
                      runtime_pull_done *done, void *argument)
{
    static const struct verb verb = {"pull", OP_UNARY, &op_shape_image, line_data, pull_end};
    struct op *op =
        begin(runtime, &verb, deadline_ns,
              &(struct call){.argument = argument, .done.pull = done, .data.line = progress});
    THEIRS(error);
    struct orch_pull *pull = arena_alloc(op_arena(op), sizeof *pull);
    *pull = (struct orch_pull){
        .size = sizeof *pull, .policy = policy, .image = runtime_keep(op_arena(op), image)};
    if (op_refused(op))
        return settle_uncalled(op, verb.name);
    return settle(op, runtime->table.pull(runtime->instance, op_handle(op), pull, &error), &error);
}

uint64_t runtime_create_container(struct runtime *runtime, const struct orch_task *task,
                                  uint64_t deadline_ns, runtime_create_done *done, void *argument)
{
    static const struct verb verb = {"create", OP_UNARY, &op_shape_created, NULL, create_end};
    struct op *op = begin(runtime, &verb, deadline_ns,
                          &(struct call){.argument = argument, .done.create = done});
    THEIRS(error);
    struct orch_task *kept = runtime_keep_task(op_arena(op), task);
    if (op_refused(op))
        return settle_uncalled(op, verb.name);
    return settle(op, runtime->table.create(runtime->instance, op_handle(op), kept, &error),
                  &error);
}

uint64_t runtime_start(struct runtime *runtime, const char *runtime_id, uint64_t deadline_ns,
                       runtime_start_done *done, void *argument)
{
    static const struct verb verb = {"start", OP_UNARY, &op_shape_started, NULL, start_end};
    struct op *op = begin(runtime, &verb, deadline_ns,
                          &(struct call){.argument = argument, .done.start = done});
    THEIRS(error);
    struct orch_str id = runtime_keep(op_arena(op), runtime_id);
    if (op_refused(op))
        return settle_uncalled(op, verb.name);
    return settle(op, runtime->table.start(runtime->instance, op_handle(op), id, &error), &error);
}

uint64_t runtime_stop(struct runtime *runtime, const char *runtime_id, const char *signal,
                      uint64_t grace_ns, uint64_t deadline_ns, runtime_done *done, void *argument)
{
    static const struct verb verb = {"stop", OP_UNARY, &op_shape_none, NULL, plain_end};
    struct op *op = begin(runtime, &verb, deadline_ns,
                          &(struct call){.argument = argument, .done.plain = done});
    THEIRS(error);
    struct orch_stop *stop = arena_alloc(op_arena(op), sizeof *stop);
    *stop = (struct orch_stop){.size = sizeof *stop,
                               .runtime_id = runtime_keep(op_arena(op), runtime_id),
                               .signal = runtime_keep(op_arena(op), signal),
                               .grace_ns = grace_ns};
    if (op_refused(op))
        return settle_uncalled(op, verb.name);
    return settle(op, runtime->table.stop(runtime->instance, op_handle(op), stop, &error), &error);
}

uint64_t runtime_remove(struct runtime *runtime, const char *runtime_id, uint64_t deadline_ns,
                        runtime_done *done, void *argument)
{
    static const struct verb verb = {"remove", OP_UNARY, &op_shape_none, NULL, plain_end};
    struct op *op = begin(runtime, &verb, deadline_ns,
                          &(struct call){.argument = argument, .done.plain = done});
    THEIRS(error);
    struct orch_str id = runtime_keep(op_arena(op), runtime_id);
    if (op_refused(op))
        return settle_uncalled(op, verb.name);
    return settle(op, runtime->table.remove(runtime->instance, op_handle(op), id, &error), &error);
}

uint64_t runtime_list(struct runtime *runtime, const struct orch_pair *labels, uint32_t label_count,
                      const char *const *runtime_ids, uint32_t id_count, uint64_t deadline_ns,
                      runtime_list_done *done, void *argument)
{
    static const struct verb verb = {"list", OP_UNARY, &op_shape_containers, NULL, list_end};
    struct op *op =
        begin(runtime, &verb, deadline_ns, &(struct call){.argument = argument, .done.list = done});
    THEIRS(error);
    struct orch_list *list = arena_alloc(op_arena(op), sizeof *list);
    *list = (struct orch_list){
        .size = sizeof *list,
        .labels = runtime_keep_pairs(op_arena(op),
                                     (struct orch_array){labels, label_count, sizeof *labels}),
        .runtime_ids = runtime_keep_words(op_arena(op), runtime_ids, id_count)};
    if (op_refused(op))
        return settle_uncalled(op, verb.name);
    return settle(op, runtime->table.list(runtime->instance, op_handle(op), list, &error), &error);
}

uint64_t runtime_stats(struct runtime *runtime, const char *const *runtime_ids, uint32_t id_count,
                       uint64_t deadline_ns, runtime_stats_done *done, void *argument)
{
    static const struct verb verb = {"stats", OP_UNARY, &op_shape_stats, NULL, stats_end};
    struct op *op = begin(runtime, &verb, deadline_ns,
                          &(struct call){.argument = argument, .done.stats = done});
    THEIRS(error);
    struct orch_array ids = runtime_keep_words(op_arena(op), runtime_ids, id_count);
    if (op_refused(op) || !runtime->table.stats)
        return settle_uncalled(op, verb.name);
    return settle(op, runtime->table.stats(runtime->instance, op_handle(op), ids, &error), &error);
}

uint64_t runtime_events(struct runtime *runtime, const struct orch_pair *labels,
                        uint32_t label_count,
                        void (*changed)(void *argument, const char *runtime_id),
                        runtime_done *ended, void *argument)
{
    static const struct verb verb = {"events", OP_SOURCE, &op_shape_none, line_data, plain_end};
    struct op *op =
        begin(runtime, &verb, 0,
              &(struct call){.argument = argument, .done.plain = ended, .data.line = changed});
    THEIRS(error);
    struct orch_array pairs =
        runtime_keep_pairs(op_arena(op), (struct orch_array){labels, label_count, sizeof *labels});
    if (op_refused(op))
        return settle_uncalled(op, verb.name);
    return settle(op, runtime->table.events(runtime->instance, op_handle(op), pairs, &error),
                  &error);
}

uint64_t runtime_logs(struct runtime *runtime, const struct runtime_logs_request *request,
                      uint64_t deadline_ns, runtime_output *output, runtime_done *done,
                      void *argument)
{
    static const struct verb verb = {"logs", OP_SOURCE, &op_shape_none, output_data, plain_end};
    struct op *op =
        begin(runtime, &verb, deadline_ns,
              &(struct call){.argument = argument, .done.plain = done, .data.output = output});
    THEIRS(error);
    struct orch_logs *logs = arena_alloc(op_arena(op), sizeof *logs);
    *logs = (struct orch_logs){.size = sizeof *logs,
                               .follow = request->follow,
                               .runtime_id = runtime_keep(op_arena(op), request->runtime_id),
                               .tail = request->tail,
                               .since_ms = request->since_ms,
                               .timestamps = request->timestamps};
    if (op_refused(op) || !runtime->table.logs)
        return settle_uncalled(op, verb.name);
    return settle(op, runtime->table.logs(runtime->instance, op_handle(op), logs, &error), &error);
}

uint64_t runtime_exec(struct runtime *runtime, const struct runtime_exec_request *request,
                      uint64_t deadline_ns, runtime_output *output, runtime_exec_done *done,
                      void *argument)
{
    static const struct verb verb = {"exec", OP_DUPLEX, &op_shape_exec_end, output_data, exec_end};
    struct op *op =
        begin(runtime, &verb, deadline_ns,
              &(struct call){.argument = argument, .done.exec = done, .data.output = output});
    THEIRS(error);
    struct orch_exec *exec = arena_alloc(op_arena(op), sizeof *exec);
    *exec = (struct orch_exec){
        .size = sizeof *exec,
        .tty = request->tty,
        .runtime_id = runtime_keep(op_arena(op), request->runtime_id),
        .command = runtime_keep_words(op_arena(op), request->command, request->command_count),
        .want_stdin = request->want_stdin};
    if (op_refused(op) || !runtime->table.exec)
        return settle_uncalled(op, verb.name);
    return settle(op, runtime->table.exec(runtime->instance, op_handle(op), exec, &error), &error);
}

int64_t runtime_input(struct runtime *runtime, uint64_t id, uint32_t channel, const void *bytes,
                      size_t length)
{
    if (!op_is_open(runtime->ops, id))
        return ORCH_E_STALE;
    if (!runtime->table.input)
        return ORCH_E_UNSUPPORTED;
    int64_t taken = runtime->table.input(runtime->instance, (struct orch_op){id}, channel, 0,
                                         (struct orch_str){bytes, length});
    return taken > (int64_t)length ? (int64_t)length : taken;
}

void runtime_credit(struct runtime *runtime, uint64_t id, size_t bytes)
{
    op_credit(runtime->ops, id, bytes);
}

void runtime_cancel(struct runtime *runtime, uint64_t id)
{
    op_cancel(runtime->ops, id);
}

void runtime_abandon(struct runtime *runtime, uint64_t id)
{
    op_abandon(runtime->ops, id);
}
