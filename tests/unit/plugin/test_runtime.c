/* Typed calls over a bare table whose verbs keep what they were given, and answer later. */
#include "base/clock.h"
#include "base/log.h"
#include "loop/loop.h"
#include "plugin/host.h"
#include "plugin/ops.h"
#include "plugin/runtime.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct loop *loop;
static struct plugin_environment environment;
static struct plugin_host host;
static struct runtime *runtime;

/* What the engine has under way. */
static struct orch_op pending;
static const struct orch_task *task;
static const struct orch_list *list;
static struct text input;
static unsigned cancels;

static orch_status create_runtime(void *module, const struct orch_host *orch,
                                  struct orch_str config, void **made, struct orch_error *error)
{
    (void)module, (void)orch;
    static int instance;
    *made = &instance;
    return memcmp(config.ptr, "{}", 2) == 0 ? ORCH_OK
                                            : orch_fail(error, ORCH_E_INVALID, "not empty");
}
static void destroy_runtime(void *instance)
{
    (void)instance;
}
static orch_status on_create(void *instance, struct orch_op op, const struct orch_task *given,
                             struct orch_error *error)
{
    (void)instance, (void)error;
    pending = op;
    task = given; /* valid until the completion */
    return ORCH_PENDING;
}
static orch_status on_list(void *instance, struct orch_op op, const struct orch_list *given,
                           struct orch_error *error)
{
    (void)instance, (void)error;
    pending = op;
    list = given;
    return ORCH_PENDING;
}
static orch_status on_start(void *instance, struct orch_op op, struct orch_str id,
                            struct orch_error *error)
{
    (void)instance, (void)op;
    return id.len == 2 ? ORCH_OK : orch_fail(error, ORCH_E_NOT_FOUND, "no such container");
}
static orch_status on_exec(void *instance, struct orch_op op, const struct orch_exec *exec,
                           struct orch_error *error)
{
    (void)instance, (void)exec, (void)error;
    pending = op;
    return ORCH_PENDING;
}
static int64_t on_input(void *instance, struct orch_op op, uint32_t channel, uint32_t reserved,
                        struct orch_str bytes)
{
    (void)instance, (void)op, (void)channel, (void)reserved;
    text_append(&input, bytes.ptr, bytes.len);
    return (int64_t)bytes.len + 100; /* more than there was: must not be believed */
}
static void on_cancel(void *instance, struct orch_op op)
{
    (void)instance, (void)op;
    cancels++;
}
static const struct orch_runtime_v1 table = {.size = sizeof table,
                                             .create_runtime = create_runtime,
                                             .destroy_runtime = destroy_runtime,
                                             .create = on_create,
                                             .start = on_start,
                                             .list = on_list,
                                             .events = NULL,
                                             .exec = on_exec,
                                             .input = on_input,
                                             .cancel = on_cancel};

static struct text seen;

static void setup(void)
{
    static const struct plugin_service *const services[] = {&host_ops_service};
    struct error error = {0};
    loop = loop_create_virtual(1, 0);
    environment = (struct plugin_environment){.product = "test",
                                              .version = "1",
                                              .loop = loop,
                                              .ops = op_table_create(loop),
                                              .services = services,
                                              .service_count = 1};
    plugin_host_init(&host, &environment, "runtime-test");
    runtime = runtime_create_table(&host, &table, NULL, environment.ops, "{}", &error);
    cr_assert_not_null(runtime, "%s", error.message);
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_JSON, 2);
}

static void teardown(void)
{
    runtime_destroy(runtime);
    plugin_host_finish(&host);
    op_table_destroy(environment.ops);
    (void)loop_run_until(loop, UINT64_MAX);
    loop_destroy(loop);
    text_finish(&seen);
    text_finish(&input);
}

TestSuite(runtime, .init = setup, .fini = teardown, .timeout = 30);

static void run(uint64_t ns)
{
    (void)loop_run_until(loop, loop_now_ns(loop) + ns);
}

static void created(void *argument, orch_status status, const struct error *error, const char *id)
{
    (void)argument;
    text_append_format(&seen, "created %s %s %s;", plugin_status_word(status), id ? id : "-",
                       error ? error->message : "");
}

static orch_status complete(orch_status status, const void *value, struct orch_array items)
{
    const struct orch_host_ops_v1 *ops = host.orch.get(&host.orch, ORCH_HOST_OPS_1);
    const struct orch_result result = {
        .size = sizeof result, .status = status, .value = value, .items = items};
    return ops->complete(&host.orch, pending, &result);
}

Test(runtime, keeps_a_copy_of_the_task_until_the_plugin_completes)
{
    char name[] = "web-1", image[] = "nginx@sha256:1";
    struct orch_pair env[] = {{{"TZ", 2}, {"UTC", 3}}};
    struct orch_port ports[] = {{.container_port = 80, .host_address = {"127.0.0.1", 9}}};
    struct orch_task mine = {.size = sizeof mine,
                             .id = {name, 5},
                             .image = {image, 14},
                             .env = {env, 1, sizeof env[0]},
                             .ports = {ports, 1, sizeof ports[0]}};
    runtime_create_container(runtime, &mine, loop_now_ns(loop) + NS_PER_SECOND, created, NULL);
    memset(name, 'x', 5);
    memset(image, 'x', 14);
    memset(env, 0, sizeof env);
    memset(ports, 0, sizeof ports);
    run(2 * NS_PER_SECOND); /* the host gives up; the plugin still reads */
    cr_assert_str_eq(text_string(&seen), "created TIMEOUT - create did not end in time;");
    cr_assert_eq(cancels, 1);
    cr_assert_eq(strncmp(task->id.ptr, "web-1", 5), 0);
    cr_assert_eq(strncmp(task->image.ptr, "nginx@sha256:1", 14), 0);
    cr_assert_eq(strncmp(ORCH_AT(struct orch_pair, task->env, 0)->value.ptr, "UTC", 3), 0);
    cr_assert_eq(ORCH_AT(struct orch_port, task->ports, 0)->container_port, 80);
    cr_assert_eq(complete(ORCH_E_CANCELLED, NULL, (struct orch_array){0}), ORCH_E_STALE);
}

Test(runtime, wants_the_value_that_is_owed)
{
    const struct orch_task mine = {.size = sizeof mine};
    const struct orch_created empty = {.size = sizeof empty},
                              good = {.size = sizeof good, .runtime_id = {"r1-x", 2}};
    runtime_create_container(runtime, &mine, 0, created, NULL);
    complete(ORCH_OK, &empty, (struct orch_array){0});
    run(1);
    runtime_create_container(runtime, &mine, 0, created, NULL);
    complete(ORCH_OK, &good, (struct orch_array){0});
    run(1);
    cr_assert_str_eq(text_string(&seen),
                     "created INTERNAL - runtime-test answered OK without the container's id;"
                     "created OK r1 ;");
}

static void started(void *argument, orch_status status, const struct error *error,
                    const struct orch_started *value)
{
    (void)argument;
    text_append_format(&seen, "started %s %d %s;", plugin_status_word(status), value != NULL,
                       error ? error->message : "");
}

Test(runtime, calls_back_later_also_for_what_is_answered_at_once)
{
    runtime_start(runtime, "c1", 0, started, NULL);
    runtime_start(runtime, "missing", 0, started, NULL);
    cr_assert_eq(seen.length, 0);
    run(1);
    cr_assert_str_eq(text_string(&seen), "started OK 1 ;started NOT_FOUND 0 no such container;");
}

static void listed(void *argument, orch_status status, const struct error *error,
                   const struct orch_container_view *views, uint32_t count)
{
    (void)argument, (void)error;
    text_append_format(&seen, "listed %s %u", plugin_status_word(status), count);
    for (uint32_t i = 0; i < count; i++)
        text_append_format(
            &seen, " %s:%u:%s", views[i].runtime_id.ptr, views[i].state,
            views[i].labels.count ? ORCH_AT(struct orch_pair, views[i].labels, 0)->value.ptr : "-");
}

Test(runtime, copies_lists_of_an_older_plugin_with_a_shorter_struct)
{
    struct shorter {
        uint32_t size, state;
        struct orch_str runtime_id;
    } views[] = {{sizeof views[0], ORCH_CONTAINER_RUNNING, {"r1", 2}},
                 {sizeof views[0], 77, {"r2", 2}}};
    const struct orch_pair label = {{"a", 1}, {"b", 1}};
    const char *const ids[] = {"r1", "r2"};
    runtime_list(runtime, &label, 1, ids, 2, 0, listed, NULL);
    cr_assert_eq(list->runtime_ids.count, 2);
    cr_assert_eq(strncmp(ORCH_AT(struct orch_pair, list->labels, 0)->key.ptr, "a", 1), 0);
    complete(ORCH_OK, NULL, (struct orch_array){views, 2, sizeof views[0]});
    memset(views, 0, sizeof views);
    run(1);
    cr_assert_str_eq(text_string(&seen), "listed OK 2 r1:2:- r2:5:-",
                     "a state that is not known is UNKNOWN");
}

static void plain(void *argument, orch_status status, const struct error *error)
{
    (void)argument;
    text_append_format(&seen, "%s %s;", plugin_status_word(status), error->message);
}

Test(runtime, says_what_is_not_offered)
{
    const struct runtime_logs_request request = {.runtime_id = "r1"};
    cr_assert_not(runtime_offers_logs(runtime));
    cr_assert(runtime_offers_exec(runtime));
    runtime_logs(runtime, &request, 0, NULL, plain, NULL);
    run(1);
    cr_assert_str_eq(text_string(&seen), "UNSUPPORTED this runtime does not offer logs;");
}

static size_t output(void *argument, uint32_t channel, const char *bytes, size_t length)
{
    (void)argument;
    text_append_format(&seen, "%u:%.*s;", channel, (int)length, bytes);
    return length;
}

static void exec_done(void *argument, orch_status status, const struct error *error, int32_t code)
{
    (void)argument, (void)error;
    text_append_format(&seen, "exit %d %s;", code, plugin_status_word(status));
}

Test(runtime, carries_an_exec_both_ways)
{
    const char *const command[] = {"sh"};
    const struct orch_host_ops_v1 *ops = host.orch.get(&host.orch, ORCH_HOST_OPS_1);
    const struct runtime_exec_request request = {
        .runtime_id = "r1", .command = command, .command_count = 1, .want_stdin = true};
    const struct orch_exec_end end = {.size = sizeof end, .exit_code = 3};
    uint64_t id = runtime_exec(runtime, &request, 0, output, exec_done, NULL);
    cr_assert_eq(runtime_input(runtime, id, ORCH_CHANNEL_STDIN, "ls\n", 3), 3);
    cr_assert_str_eq(text_string(&input), "ls\n");
    ops->emit(&host.orch, pending, ORCH_CHANNEL_STDERR, 0, (struct orch_str){"oh", 2});
    complete(ORCH_OK, &end, (struct orch_array){0});
    run(1);
    cr_assert_str_eq(text_string(&seen), "3:oh;exit 3 OK;");
    cr_assert_eq(runtime_input(runtime, id, ORCH_CHANNEL_STDIN, "x", 1), ORCH_E_STALE);
}

Test(runtime, is_refused_with_the_plugins_words)
{
    struct error error = {0};
    cr_assert_null(runtime_create_table(&host, &table, NULL, environment.ops, "{\"a\":1}", &error));
    cr_assert_str_eq(error.message, "runtime-test: not empty");
}

Test(runtime, ends_open_calls_without_callbacks_when_destroyed)
{
    runtime_list(runtime, NULL, 0, NULL, 0, loop_now_ns(loop) + NS_PER_SECOND, listed, NULL);
    runtime_destroy(runtime);
    runtime = NULL;
    run(5 * NS_PER_SECOND);
    cr_assert_eq(seen.length, 0);
}
