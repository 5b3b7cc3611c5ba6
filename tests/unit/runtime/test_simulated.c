/* runtime-simulated.so, loaded as the daemon loads it, over a virtual loop and a real one. */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "loop/loop.h"
#include "plugin/ops.h"
#include "plugin/registry.h"
#include "plugin/runtime.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define START_MS INT64_C(1700000000000) /* wall clock when the virtual loop begins, at 1 s */

static char state[64];
static struct loop *loop;
static struct op_table *ops;
static struct plugin_environment environment;
static struct plugin_registry *registry;
static struct runtime *runtime;

static void open_runtime(const char *config)
{
    static const struct plugin_service *const services[] = {&host_log_service, &host_loop_service,
                                                            &host_ops_service};
    static const char *const paths[] = {PLUGIN_DIR};
    struct error error = {0};
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_JSON, 2);
    snprintf(state, sizeof state, "/tmp/orch-simulated-XXXXXX");
    cr_assert(mkdtemp(state));
    ops = op_table_create(loop);
    environment = (struct plugin_environment){.product = "orchestrator",
                                              .version = "0.1.0",
                                              .loop = loop,
                                              .ops = ops,
                                              .services = services,
                                              .service_count = 3};
    const struct plugin_registry_settings settings = {
        .environment = &environment, .paths = paths, .path_count = 1, .state_directory = state};
    registry = plugin_registry_create(&settings);
    struct plugin *plugin = plugin_registry_load(registry, PLUGIN_RUNTIME, "simulated", &error);
    cr_assert(plugin, "%s", error.message);
    json_t *given = json_loads(config, 0, NULL);
    char *completed = NULL;
    cr_assert(plugin_check_config(plugin, given, "runtime.config", NULL, NULL, &completed));
    json_decref(given);
    runtime = runtime_create(plugin, ops, completed, &error);
    cr_assert(runtime, "%s", error.message);
    free(completed);
}

static void open_virtual(const char *config)
{
    loop = loop_create_virtual(7, START_MS - 1000);
    open_runtime(config);
}

static void close_all(void)
{
    char command[96];
    runtime_destroy(runtime);
    plugin_registry_destroy(registry);
    op_table_destroy(ops);
    loop_destroy(loop);
    snprintf(command, sizeof command, "rm -rf %s", state);
    cr_assert_eq(system(command), 0);
}

TestSuite(simulated, .timeout = 30, .fini = close_all);

struct seen {
    int ends;
    orch_status status;
    char text[1024];
    int32_t code;
    uint32_t count, container_state, flags;
    int64_t at_ms; /* of the loop's clock */
    struct text output;
};

static void note(struct seen *seen, orch_status status, const struct error *error)
{
    seen->ends++;
    seen->status = status;
    seen->at_ms = loop_wall_ms(loop) - START_MS;
    if (error)
        snprintf(seen->text, sizeof seen->text, "%s", error->message);
}
static void on_done(void *argument, orch_status status, const struct error *error)
{
    note(argument, status, error);
}
static void on_info(void *argument, orch_status status, const struct error *error,
                    const struct orch_runtime_info *info)
{
    struct seen *seen = argument;
    note(seen, status, error);
    snprintf(seen->text, sizeof seen->text, "%s %llu %llu", info->engine.ptr,
             (unsigned long long)info->cpu_millis, (unsigned long long)info->memory_bytes);
}
static void on_pull(void *argument, orch_status status, const struct error *error,
                    const struct orch_image *image)
{
    struct seen *seen = argument;
    note(seen, status, error);
    if (image)
        snprintf(seen->text, sizeof seen->text, "%s", image->image.ptr);
}
static void on_create(void *argument, orch_status status, const struct error *error,
                      const char *runtime_id)
{
    struct seen *seen = argument;
    note(seen, status, error);
    if (runtime_id)
        snprintf(seen->text, sizeof seen->text, "%s", runtime_id);
}
static void on_start(void *argument, orch_status status, const struct error *error,
                     const struct orch_started *started)
{
    struct seen *seen = argument;
    note(seen, status, error);
    if (started)
        snprintf(seen->text, sizeof seen->text, "%s", started->address.ptr);
}
static void on_list(void *argument, orch_status status, const struct error *error,
                    const struct orch_container_view *containers, uint32_t count)
{
    struct seen *seen = argument;
    note(seen, status, error);
    seen->count = count;
    seen->text[0] = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t length = strlen(seen->text);
        snprintf(seen->text + length, sizeof seen->text - length, "%s%s", i ? " " : "",
                 containers[i].name.ptr);
        seen->container_state = containers[i].state;
        seen->code = containers[i].exit_code;
        seen->flags = containers[i].flags;
    }
}
static void on_stats(void *argument, orch_status status, const struct error *error,
                     const struct orch_stats_view *stats, uint32_t count)
{
    struct seen *seen = argument;
    (void)stats;
    note(seen, status, error);
    seen->count = count;
}
static void on_exec(void *argument, orch_status status, const struct error *error, int32_t code)
{
    struct seen *seen = argument;
    note(seen, status, error);
    seen->code = code;
}
static size_t on_output(void *argument, uint32_t channel, const char *bytes, size_t length)
{
    (void)channel;
    text_append(&((struct seen *)argument)->output, bytes, length);
    return length;
}

/* Until nothing of the next hour of simulated time is left. */
static void settle(void)
{
    (void)loop_run_until(loop, loop_now_ns(loop) + 3600 * NS_PER_SECOND);
}
static void run_for(uint64_t ms)
{
    (void)loop_run_until(loop, loop_now_ns(loop) + ms * NS_PER_MS);
}
static struct orch_str str(const char *string)
{
    return (struct orch_str){string, strlen(string)};
}

/* Creates and starts one; `env` is "KEY=VALUE" or NULL. Its runtime id. */
static char *begin(const char *name, const char *image, const char *env, uint32_t port,
                   struct seen *started)
{
    struct seen created = {0};
    char key[64] = "", *equal;
    snprintf(key, sizeof key, "%s", env ? env : "");
    if ((equal = strchr(key, '=')))
        *equal = 0;
    const struct orch_pair pair = {str(key), str(equal ? equal + 1 : "")};
    const struct orch_pair label = {str("app"), str("test")};
    const struct orch_port published = {.container_port = port, .protocol = ORCH_PROTOCOL_TCP};
    const struct orch_task task = {.size = sizeof task,
                                   .id = str(name),
                                   .name = str(name),
                                   .image = str(image),
                                   .env = {&pair, env != NULL, sizeof pair},
                                   .labels = {&label, 1, sizeof label},
                                   .ports = {&published, port != 0, sizeof published}};
    runtime_create_container(runtime, &task, 0, on_create, &created);
    run_for(0);
    cr_assert_eq(created.status, ORCH_OK, "%s", created.text);
    runtime_start(runtime, created.text, 0, on_start, started);
    run_for(0);
    return strdup(created.text);
}

static struct seen list(void)
{
    struct seen seen = {0};
    runtime_list(runtime, NULL, 0, NULL, 0, 0, on_list, &seen);
    run_for(0);
    cr_assert_eq(seen.ends, 1);
    return seen;
}

Test(simulated, is_one_node_of_4_cpus_and_16_gib_that_runs_any_image_at_once)
{
    struct seen seen = {0}, started = {0};
    open_virtual("{}");
    runtime_info(runtime, 0, on_info, &seen);
    run_for(0);
    cr_assert_str_eq(seen.text, "simulated 4000 17179869184");
    runtime_pull(runtime, "registry.test:5000/shop/web:1.2", ORCH_PULL_MISSING, 0, NULL, on_pull,
                 &seen);
    run_for(0);
    cr_assert_eq(seen.status, ORCH_OK);
    cr_assert(text_starts_with(seen.text, "registry.test:5000/shop/web@sha256:"), "%s", seen.text);
    free(begin("web-0", seen.text, NULL, 80, &started));
    cr_assert_eq(started.status, ORCH_OK);
    cr_assert(text_starts_with(started.text, "127."), "%s", started.text);
    cr_assert_eq(list().container_state, ORCH_CONTAINER_RUNNING);
}

Test(simulated, fails_pulls_by_the_image_s_name)
{
    static const struct {
        const char *image;
        orch_status status;
        int64_t at_ms;
    } cases[] = {{"missing/web:1", ORCH_E_NOT_FOUND, 0},
                 {"denied/web:1", ORCH_E_DENIED, 0},
                 {"slow/web:1", ORCH_OK, 2000},
                 {"web:1", ORCH_OK, 0}};
    open_virtual("{}");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct seen seen = {0};
        int64_t before = loop_wall_ms(loop) - START_MS;
        runtime_pull(runtime, cases[i].image, ORCH_PULL_MISSING, 0, NULL, on_pull, &seen);
        settle();
        cr_assert_eq(seen.status, cases[i].status, "%s", cases[i].image);
        cr_assert_eq(seen.at_ms - before, cases[i].at_ms, "%s", cases[i].image);
    }
}

Test(simulated, ends_when_its_environment_says_so)
{
    static const struct {
        const char *image, *env;
        int32_t code;
        uint32_t flags;
    } cases[] = {{"web:1", "SIMULATED_EXIT_AFTER=500ms", 0, ORCH_CONTAINER_HAS_EXIT_CODE},
                 {"crash/web:1", NULL, 1, ORCH_CONTAINER_HAS_EXIT_CODE},
                 {"crash/web:1", "SIMULATED_EXIT_CODE=3", 3, ORCH_CONTAINER_HAS_EXIT_CODE},
                 {"crash/web:1", "SIMULATED_EXIT_OOM=1", 137,
                  ORCH_CONTAINER_HAS_EXIT_CODE | ORCH_CONTAINER_OOM}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct seen started = {0};
        open_virtual("{}");
        free(begin("web-0", cases[i].image, cases[i].env, 0, &started));
        cr_assert_eq(list().container_state, ORCH_CONTAINER_RUNNING);
        run_for(99);
        cr_assert_eq(list().container_state, ORCH_CONTAINER_RUNNING);
        run_for(401);
        struct seen ended = list();
        cr_assert_eq(ended.container_state, ORCH_CONTAINER_EXITED);
        cr_assert_eq(ended.code, cases[i].code);
        cr_assert_eq(ended.flags, cases[i].flags);
        if (i + 1 < sizeof cases / sizeof cases[0])
            close_all();
    }
}

Test(simulated, stops_at_once_or_after_its_grace_and_completes_every_stop)
{
    struct seen started = {0}, first = {0}, second = {0}, gone = {0};
    open_virtual("{\"stopMs\":200}");
    char *gentle = begin("web-0", "web:1", NULL, 0, &started);
    runtime_stop(runtime, gentle, NULL, 10 * NS_PER_SECOND, 0, on_done, &first);
    runtime_stop(runtime, gentle, NULL, 10 * NS_PER_SECOND, 0, on_done, &second);
    settle();
    cr_assert(first.ends == 1 && second.ends == 1 && first.at_ms == 200 && second.at_ms == 200);
    cr_assert_eq(list().code, 143);
    runtime_remove(runtime, gentle, 0, on_done, &gone);
    settle();
    cr_assert(gone.status == ORCH_OK && list().count == 0);
    free(gentle);

    struct seen stopped = {0};
    char *stubborn = begin("web-1", "web:1", "SIMULATED_IGNORE_SIGTERM=1", 0, &started);
    int64_t before = loop_wall_ms(loop) - START_MS;
    runtime_stop(runtime, stubborn, NULL, 3 * NS_PER_SECOND, 0, on_done, &stopped);
    settle();
    cr_assert_eq(stopped.at_ms - before, 3000);
    cr_assert_eq(list().code, 137);
    struct seen again = {0}, stranger = {0};
    runtime_stop(runtime, stubborn, NULL, 0, 0, on_done, &again);
    runtime_stop(runtime, "sim-999", NULL, 0, 0, on_done, &stranger);
    settle();
    cr_assert(again.status == ORCH_OK && stranger.status == ORCH_OK);
    free(stubborn);
}

Test(simulated, adopts_a_container_of_its_name_and_labels_and_leaves_a_stranger_s_alone)
{
    struct seen started = {0}, created = {0};
    open_virtual("{}");
    char *id = begin("web-0", "web:1", NULL, 0, &started);
    char *again = begin("web-0", "web:1", NULL, 0, &started);
    cr_assert_str_eq(id, again);
    cr_assert_eq(list().count, 1);
    const struct orch_pair label = {str("app"), str("other")};
    const struct orch_task task = {.size = sizeof task,
                                   .id = str("web-0"),
                                   .name = str("web-0"),
                                   .image = str("web:1"),
                                   .labels = {&label, 1, sizeof label}};
    runtime_create_container(runtime, &task, 0, on_create, &created);
    run_for(0);
    cr_assert_eq(created.status, ORCH_E_EXISTS);
    free(id);
    free(again);
}

static void on_changed(void *argument, const char *runtime_id)
{
    text_append_format(&((struct seen *)argument)->output, "%s ", runtime_id ? runtime_id : "*");
}

Test(simulated, tells_of_every_change_and_follows_the_log_to_its_end)
{
    struct seen events = {0}, started = {0}, logs = {0};
    open_virtual("{}");
    const struct orch_pair label = {str("app"), str("test")};
    runtime_events(runtime, &label, 1, on_changed, on_done, &events);
    char *id = begin("web-0", "web:1", "SIMULATED_EXIT_AFTER=1s", 0, &started);
    const struct runtime_logs_request request = {.runtime_id = id, .follow = true, .tail = -1};
    runtime_logs(runtime, &request, 0, on_output, on_done, &logs);
    settle();
    cr_assert_str_eq(text_string(&events.output), "sim-1 sim-1 sim-1 ");
    cr_assert_eq(logs.ends, 1);
    cr_assert_str_eq(text_string(&logs.output), "web-0 started\nweb-0 ended with code 0\n");

    struct seen tail = {0};
    const struct runtime_logs_request last = {.runtime_id = id, .tail = 1, .timestamps = true};
    runtime_logs(runtime, &last, 0, on_output, on_done, &tail);
    settle();
    cr_assert_str_eq(text_string(&tail.output),
                     "2023-11-14T22:13:21.000Z web-0 ended with code 0\n");
    text_finish(&events.output);
    text_finish(&logs.output);
    text_finish(&tail.output);
    free(id);
}

Test(simulated, runs_commands_and_answers_figures)
{
    static const struct {
        const char *command[3];
        int32_t code;
        const char *output;
    } cases[] = {{{"true"}, 0, ""},        {{"false"}, 1, ""},
                 {{"exit", "4"}, 4, ""},   {{"echo", "a", "b"}, 0, "a b\n"},
                 {{"env"}, 0, "TZ=UTC\n"}, {{"anything"}, 0, ""},
                 {{"unhealthy"}, 0, ""},   {{"anything"}, 1, ""},
                 {{"kill"}, 137, ""}};
    struct seen started = {0}, stats = {0};
    open_virtual("{}");
    char *id = begin("web-0", "web:1", "TZ=UTC", 0, &started);
    runtime_stats(runtime, NULL, 0, 0, on_stats, &stats);
    run_for(0);
    cr_assert_eq(stats.count, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct seen seen = {0};
        uint32_t count = 0;
        while (count < 3 && cases[i].command[count])
            count++;
        const struct runtime_exec_request request = {
            .runtime_id = id, .command = cases[i].command, .command_count = count};
        runtime_exec(runtime, &request, 0, on_output, on_exec, &seen);
        run_for(0);
        cr_assert_eq(seen.code, cases[i].code, "%s: %d", cases[i].command[0], seen.code);
        cr_assert_str_eq(text_string(&seen.output), cases[i].output);
        text_finish(&seen.output);
    }
    cr_assert_eq(list().code, 137);
    free(id);
}

Test(simulated, gives_back_what_exec_reads)
{
    static const char *const command[] = {"cat"};
    struct seen started = {0}, seen = {0};
    open_virtual("{}");
    char *id = begin("web-0", "web:1", NULL, 0, &started);
    const struct runtime_exec_request request = {
        .runtime_id = id, .command = command, .command_count = 1, .want_stdin = true};
    uint64_t op = runtime_exec(runtime, &request, 0, on_output, on_exec, &seen);
    run_for(0);
    cr_assert_eq(runtime_input(runtime, op, ORCH_CHANNEL_STDIN, "hello", 5), 5);
    run_for(0);
    cr_assert_str_eq(text_string(&seen.output), "hello");
    cr_assert_eq(seen.ends, 0);
    cr_assert_geq(runtime_input(runtime, op, ORCH_CHANNEL_EOF, "", 0), 0);
    run_for(0);
    cr_assert(seen.ends == 1 && seen.code == 0);
    text_finish(&seen.output);
    free(id);
}

Test(simulated, is_the_same_in_every_run_of_a_seed)
{
    char first[128] = "";
    for (int run = 0; run < 2; run++) {
        struct seen started = {0};
        open_virtual("{}");
        free(begin("web-0", "web:1", NULL, 0, &started));
        if (run)
            cr_assert_str_eq(started.text, first);
        snprintf(first, sizeof first, "%s", started.text);
        if (!run)
            close_all();
    }
}

/* ---- with http, on a real loop -----------------------------------------------------------------
 */

struct client {
    char address[64], requests[512], reply[4096];
};

static void *talk(void *argument)
{
    struct client *client = argument;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(8080)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t used = 0;
    ssize_t got;
    if (inet_pton(AF_INET, client->address, &name.sin_addr) == 1 &&
        connect(fd, (const struct sockaddr *)&name, sizeof name) == 0 &&
        send(fd, client->requests, strlen(client->requests), MSG_NOSIGNAL) > 0)
        while ((got = recv(fd, client->reply + used, sizeof client->reply - 1 - used, 0)) > 0)
            used += (size_t)got;
    close(fd);
    loop_stop(loop);
    return NULL;
}

static pthread_t talker;
static struct client client;

static void talk_then(void *argument, orch_status status, const struct error *error,
                      const struct orch_started *started)
{
    on_start(argument, status, error, started);
    cr_assert(started, "%s", error ? error->message : "");
    snprintf(client.address, sizeof client.address, "%s", started->address.ptr);
    cr_assert_eq(pthread_create(&talker, NULL, talk, &client), 0);
}
static void start_then(void *argument, orch_status status, const struct error *error,
                       const char *runtime_id)
{
    on_create(argument, status, error, runtime_id);
    cr_assert(runtime_id);
    runtime_start(runtime, runtime_id, 0, talk_then, argument);
}

static size_t occurrences(const char *text, const char *word)
{
    size_t count = 0;
    for (; (text = strstr(text, word)); text++)
        count++;
    return count;
}

Test(simulated, containers_started_together_have_addresses_of_their_own)
{
    struct seen started[3] = {0}, created[3] = {0};
    open_virtual("{}");
    for (int i = 0; i < 3; i++) {
        const char *name = (const char *[]){"a", "b", "c"}[i];
        const struct orch_task task = {
            .size = sizeof task, .id = str(name), .name = str(name), .image = str("web:1")};
        runtime_create_container(runtime, &task, 0, on_create, &created[i]);
    }
    settle();
    for (int i = 0; i < 3; i++)
        runtime_start(runtime, created[i].text, 0, on_start, &started[i]);
    settle();
    cr_assert_str_not_empty(started[0].text);
    cr_assert_str_neq(started[0].text, started[1].text);
    cr_assert_str_neq(started[0].text, started[2].text);
    cr_assert_str_neq(started[1].text, started[2].text);
}

Test(simulated, answers_http_at_an_address_of_its_own)
{
    struct seen seen = {0};
    struct error error = {0};
    loop = loop_create_real(&error);
    open_runtime("{\"http\":true}");
    const struct orch_port port = {.container_port = 8080, .protocol = ORCH_PROTOCOL_TCP};
    const struct orch_task task = {.size = sizeof task,
                                   .id = str("web-0"),
                                   .name = str("web-0"),
                                   .image = str("web:1"),
                                   .ports = {&port, 1, sizeof port}};
    snprintf(client.requests, sizeof client.requests,
             "GET /?delay=20 HTTP/1.1\r\nHost: a\r\n\r\n"
             "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
             "GET /unhealthy HTTP/1.1\r\nHost: a\r\n\r\n"
             "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
             "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    runtime_create_container(runtime, &task, 0, start_then, &seen);
    loop_run(loop);
    pthread_join(talker, NULL);
    cr_assert_eq(occurrences(client.reply, "HTTP/1.1 200 OK"), 3, "%s", client.reply);
    cr_assert_eq(occurrences(client.reply, "HTTP/1.1 503 "), 2, "%s", client.reply);
    cr_assert_eq(occurrences(client.reply, "\r\n\r\nweb-0\n"), 5, "%s", client.reply);
}
