/* The services, called as a plugin calls them, on a real loop. */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "http_peer.h"
#include "loop/loop.h"
#include "plugin/host.h"
#include "plugin/http_client.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct loop *loop;
static struct plugin_environment environment;
static struct plugin_host host;
static struct loop_timer guard;
static struct text seen;
static struct http_peer peer;

static void too_long(void *argument)
{
    (void)argument;
    text_append_string(&seen, "guard;");
    loop_stop(loop);
}

static void setup(void)
{
    static const struct plugin_service *const services[] = {
        &host_log_service,     &host_thread_service, &host_loop_service, &host_process_service,
        &host_metrics_service, &host_net_service,    &host_http_service};
    struct error error = {0};
    signal(SIGPIPE, SIG_IGN);
    http_peer_start(&peer);
    loop = loop_create_real(&error);
    environment = (struct plugin_environment){.product = "orchestrator",
                                              .version = "0.1.0",
                                              .loop = loop,
                                              .http = http_client_create(loop, &error),
                                              .services = services,
                                              .service_count = 7};
    plugin_host_init(&host, &environment, "runtime-test");
    loop_timer_init(&guard, loop, "guard", too_long, NULL);
    loop_timer_start(&guard, 10 * NS_PER_SECOND);
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_JSON, 2);
}

static void teardown(void)
{
    loop_timer_stop(&guard);
    plugin_host_finish(&host);
    http_client_destroy(environment.http);
    loop_destroy(loop);
    http_peer_stop(&peer);
    text_finish(&seen);
}

TestSuite(host_services, .init = setup, .fini = teardown, .timeout = 30);

static const void *service(const char *id)
{
    const void *table = host.orch.get(&host.orch, id);
    cr_assert_not_null(table);
    return table;
}

static void note(void *context)
{
    text_append_format(&seen, "%s;", (const char *)context);
}

static void note_and_stop(void *context)
{
    note(context);
    loop_stop(loop);
}

static char words[][8] = {"one", "two", "three", "work", "done"};

Test(host_services, know_what_they_offer)
{
    cr_assert_null(host.orch.get(&host.orch, "orch.host.unknown/1"));
    cr_assert_null(host.orch.get(&host.orch, ORCH_HOST_OPS_1), "not in this environment's list");
    cr_assert_str_eq(host.orch.version, "0.1.0");
}

Test(host_services, loop_posts_in_order_and_never_inside_the_call)
{
    const struct orch_host_loop_v1 *table = service(ORCH_HOST_LOOP_1);
    cr_assert_eq(table->post(&host.orch, note, words[0]), ORCH_OK);
    cr_assert_eq(table->post(&host.orch, note, words[1]), ORCH_OK);
    cr_assert_eq(table->post(&host.orch, note_and_stop, words[2]), ORCH_OK);
    cr_assert_eq(seen.length, 0);
    loop_run(loop);
    cr_assert_str_eq(text_string(&seen), "one;two;three;");
}

Test(host_services, loop_bounds_what_is_posted)
{
    const struct orch_host_loop_v1 *table = service(ORCH_HOST_LOOP_1);
    for (int i = 0; i < 4096; i++)
        cr_assert_eq(table->post(&host.orch, note, words[0]), ORCH_OK);
    cr_assert_eq(table->post(&host.orch, note, words[0]), ORCH_E_FULL);
    loop_stop(loop);
    loop_run(loop);
}

Test(host_services, loop_stops_a_timer_for_good)
{
    const struct orch_host_loop_v1 *table = service(ORCH_HOST_LOOP_1);
    uint64_t first = 0, second = 0, third = 0;
    table->timer_start(&host.orch, NS_PER_MS, note, words[0], &first);
    table->timer_start(&host.orch, 2 * NS_PER_MS, note, words[1], &second);
    table->timer_start(&host.orch, 20 * NS_PER_MS, note_and_stop, words[2], &third);
    cr_assert(first && second && third && first != second);
    table->timer_stop(&host.orch, first);
    table->timer_stop(&host.orch, first);
    table->timer_stop(&host.orch, 0);
    loop_run(loop);
    cr_assert_str_eq(text_string(&seen), "two;three;");
    table->timer_stop(&host.orch, second);
}

static int pipe_ends[2];

static void readable(void *context, int32_t fd, uint32_t events)
{
    char byte;
    cr_assert_eq(events, ORCH_IO_READ);
    cr_assert_eq(read(fd, &byte, 1), 1);
    note_and_stop(context);
}

Test(host_services, loop_watches_a_descriptor)
{
    const struct orch_host_loop_v1 *table = service(ORCH_HOST_LOOP_1);
    uint64_t watch = 0;
    cr_assert_eq(pipe(pipe_ends), 0);
    cr_assert_eq(table->watch(&host.orch, pipe_ends[0], ORCH_IO_READ, readable, words[0], &watch),
                 ORCH_OK);
    cr_assert_eq(write(pipe_ends[1], "x", 1), 1);
    loop_run(loop);
    cr_assert_str_eq(text_string(&seen), "one;");
    table->unwatch(&host.orch, watch);
    cr_assert_eq(table->watch_change(&host.orch, watch, 0), ORCH_E_NOT_FOUND);
}

static int32_t thread_of_work;

static void pool_work(void *context)
{
    const struct orch_host_thread_v1 *table = service(ORCH_HOST_THREAD_1);
    (void)context;
    thread_of_work = table->current(&host.orch);
}

Test(host_services, loop_offloads_to_a_pool_thread_and_comes_back)
{
    const struct orch_host_loop_v1 *table = service(ORCH_HOST_LOOP_1);
    const struct orch_host_thread_v1 *threads = service(ORCH_HOST_THREAD_1);
    cr_assert_eq(table->offload(&host.orch, pool_work, note_and_stop, words[4]), ORCH_OK);
    loop_run(loop);
    cr_assert_str_eq(text_string(&seen), "done;");
    cr_assert_eq(thread_of_work, ORCH_THREAD_POOL);
    cr_assert_eq(threads->current(&host.orch), ORCH_THREAD_LOOP);
}

Test(host_services, loop_calls_nothing_of_a_plugin_that_is_gone)
{
    struct plugin_host short_lived;
    uint64_t timer;
    plugin_host_init(&short_lived, &environment, "runtime-short");
    const struct orch_host_loop_v1 *table = service(ORCH_HOST_LOOP_1);
    table->post(&short_lived.orch, note, words[0]);
    table->timer_start(&short_lived.orch, 0, note, words[1], &timer);
    table->offload(&short_lived.orch, pool_work, note, words[4]);
    plugin_host_finish(&short_lived);
    table->timer_start(&host.orch, 50 * NS_PER_MS, note_and_stop, words[2], &timer);
    loop_run(loop);
    cr_assert_str_eq(text_string(&seen), "three;");
}

/* ---- process --------------------------------------------------------------------------------- */

static void process_ended(void *context, int32_t code)
{
    (void)context;
    text_append_format(&seen, "ended %d;", code);
    loop_stop(loop);
}

static uint64_t spawn(const char *script, int out_fd)
{
    const struct orch_host_process_v1 *table = service(ORCH_HOST_PROCESS_1);
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const char *const envp[] = {"WORD=hello", NULL};
    const struct orch_process process = {.size = sizeof process,
                                         .argv = argv,
                                         .envp = envp,
                                         .stdin_fd = -1,
                                         .stdout_fd = out_fd,
                                         .stderr_fd = -1};
    struct orch_error error = {.size = sizeof error};
    uint64_t pid = 0;
    cr_assert_eq(table->spawn(&host.orch, &process, process_ended, NULL, &pid, &error), ORCH_OK,
                 "%s", error.message);
    return pid;
}

Test(host_services, process_tells_the_exit_code_and_passes_only_what_was_given)
{
    char output[64] = "";
    cr_assert_eq(pipe(pipe_ends), 0);
    spawn("echo $WORD $HOME$(ls /proc/self/fd | wc -l); exit 7", pipe_ends[1]);
    loop_run(loop);
    cr_assert_str_eq(text_string(&seen), "ended 7;");
    cr_assert_gt(read(pipe_ends[0], output, sizeof output - 1), 0);
    cr_assert_str_eq(output, "hello 4\n", "%s", output); /* three and the folder being listed */
}

Test(host_services, process_is_signalled)
{
    const struct orch_host_process_v1 *table = service(ORCH_HOST_PROCESS_1);
    uint64_t pid = spawn("exec sleep 100", -1);
    cr_assert_eq(table->signal(&host.orch, pid, SIGKILL), ORCH_OK);
    loop_run(loop);
    cr_assert_str_eq(text_string(&seen), "ended 137;");
    cr_assert_eq(table->signal(&host.orch, pid, SIGKILL), ORCH_E_NOT_FOUND);
    cr_assert_eq(table->signal(&host.orch, (uint64_t)getpid(), SIGKILL), ORCH_E_NOT_FOUND,
                 "only to its own children");
}

Test(host_services, process_says_why_it_could_not_be_started)
{
    const struct orch_host_process_v1 *table = service(ORCH_HOST_PROCESS_1);
    const char *const argv[] = {"/nonexistent/program", NULL};
    struct orch_process process = {
        .size = sizeof process, .argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1};
    struct orch_error error = {.size = sizeof error};
    uint64_t pid = 0;
    cr_assert_eq(table->spawn(&host.orch, &process, process_ended, NULL, &pid, &error),
                 ORCH_E_NOT_FOUND);
    cr_assert_str_eq(error.message, "/nonexistent/program");
    const char *const relative[] = {"sh", NULL};
    process.argv = relative;
    cr_assert_eq(table->spawn(&host.orch, &process, process_ended, NULL, &pid, &error),
                 ORCH_E_INVALID);
}

/* ---- http ------------------------------------------------------------------------------------ */

static void http_done(void *context, orch_status status, int32_t http_status,
                      const struct orch_error *error)
{
    (void)context;
    text_append_format(&seen, "done %d %d %s;", status, http_status, error ? error->message : "");
    loop_stop(loop);
}

static int32_t http_body(void *context, struct orch_str bytes)
{
    (void)context;
    text_append_format(&seen, "body %.*s;", (int)bytes.len, bytes.ptr);
    return 0;
}

static void http_head(void *context, int32_t status, struct orch_array headers)
{
    (void)context;
    text_append_format(&seen, "head %d;", status);
    for (uint32_t i = 0; i < headers.count; i++) {
        const struct orch_pair *pair = ORCH_AT(struct orch_pair, headers, i);
        if (pair->key.len == 6 && memcmp(pair->key.ptr, "x-case", 6) == 0)
            text_append_format(&seen, "%.*s;", (int)pair->value.len, pair->value.ptr);
    }
}

static const struct orch_http_callbacks http_callbacks = {
    .size = sizeof http_callbacks, .head = http_head, .body = http_body, .done = http_done};

Test(host_services, http_speaks_for_a_plugin)
{
    const struct orch_host_http_v1 *table = service(ORCH_HOST_HTTP_1);
    const struct orch_http_request request = {.size = sizeof request,
                                              .method = "GET",
                                              .url = "http://localhost/hello",
                                              .unix_socket = peer.path};
    struct orch_error error = {.size = sizeof error};
    uint64_t id = 0;
    cr_assert_eq(table->start(&host.orch, &request, &http_callbacks, NULL, &id, &error), ORCH_OK,
                 "%s", error.message);
    cr_assert_neq(id, 0);
    loop_run(loop);
    cr_assert_str_eq(text_string(&seen), "head 200;Kept Value;body hello;done 1 200 ;");
}

Test(host_services, http_refuses_a_request_of_a_newer_sdk_that_uses_what_is_new)
{
    const struct orch_host_http_v1 *table = service(ORCH_HOST_HTTP_1);
    struct {
        struct orch_http_request known;
        uint64_t newer;
    } request = {.known = {.size = sizeof request, .url = "http://localhost/"}, .newer = 1};
    struct orch_error error = {.size = sizeof error};
    uint64_t id = 0;
    char expected[200];
    cr_assert_eq(table->start(&host.orch, &request.known, &http_callbacks, NULL, &id, &error),
                 ORCH_E_UNSUPPORTED);
    snprintf(expected, sizeof expected,
             "struct orch_http_request has a value at offset %zu, which is newer than this "
             "side knows",
             sizeof request.known);
    cr_assert_str_eq(error.message, expected, "%s", error.message);
}

/* ---- net ------------------------------------------------------------------------------------- */

static uint64_t stream;

static void net_connected(void *context)
{
    const struct orch_host_net_v1 *table = service(ORCH_HOST_NET_1);
    static const char request[] = "GET /hello HTTP/1.1\r\n\r\n";
    (void)context;
    text_append_string(&seen, "connected;");
    cr_assert_eq(table->write(&host.orch, stream, (struct orch_str){request, sizeof request - 1}),
                 sizeof request - 1);
    table->finish(&host.orch, stream);
}

static void net_received(void *context, struct orch_str bytes)
{
    (void)context;
    const char *end = bytes.ptr + bytes.len;
    text_append_format(&seen, "received %.*s;", 5, end - 5);
}

static void net_end(void *context)
{
    (void)context;
    text_append_string(&seen, "end;");
    loop_stop(loop);
}

static void net_failed(void *context, const struct orch_error *error)
{
    (void)context;
    text_append_format(&seen, "failed %d;", error->code);
    loop_stop(loop);
}

static const struct orch_net_callbacks net_callbacks = {.size = sizeof net_callbacks,
                                                        .connected = net_connected,
                                                        .received = net_received,
                                                        .end = net_end,
                                                        .failed = net_failed};

Test(host_services, net_carries_a_stream_to_its_end)
{
    const struct orch_host_net_v1 *table = service(ORCH_HOST_NET_1);
    const struct orch_net_connect request = {.size = sizeof request, .unix_socket = peer.path};
    struct orch_error error = {.size = sizeof error};
    cr_assert_eq(table->connect(&host.orch, &request, &net_callbacks, NULL, &stream, &error),
                 ORCH_OK, "%s", error.message);
    cr_assert_eq(seen.length, 0);
    loop_run(loop);
    cr_assert_str_eq(text_string(&seen), "connected;received hello;end;");
    table->close(&host.orch, stream);
    cr_assert_eq(table->write(&host.orch, stream, (struct orch_str){"x", 1}), ORCH_E_NOT_FOUND);
}

Test(host_services, net_tells_that_nobody_listens)
{
    const struct orch_host_net_v1 *table = service(ORCH_HOST_NET_1);
    const struct orch_net_connect request = {
        .size = sizeof request, .host = "127.0.0.1", .port = 1};
    struct orch_error error = {.size = sizeof error};
    cr_assert_eq(table->connect(&host.orch, &request, &net_callbacks, NULL, &stream, &error),
                 ORCH_OK);
    loop_run(loop);
    cr_assert_str_eq(text_string(&seen), "failed -10;");
}

/* ---- metrics --------------------------------------------------------------------------------- */

static void on_metric(void *argument, const struct plugin_metric *metric)
{
    (void)argument;
    text_append_format(&seen, "%s=%lld;", metric->name, (long long)metric->value);
}

Test(host_services, metrics_are_kept_by_name)
{
    const struct orch_host_metrics_v1 *table = service(ORCH_HOST_METRICS_1);
    uint64_t pulls = 0, again = 0, open = 0;
    cr_assert_eq(table->define(&host.orch, ORCH_METRIC_COUNTER, "pulls_total", "x", &pulls),
                 ORCH_OK);
    cr_assert_eq(table->define(&host.orch, ORCH_METRIC_COUNTER, "pulls_total", "x", &again),
                 ORCH_OK);
    cr_assert_eq(table->define(&host.orch, ORCH_METRIC_GAUGE, "open", "x", &open), ORCH_OK);
    cr_assert_eq(table->define(&host.orch, ORCH_METRIC_GAUGE, "Bad-Name", "x", &open),
                 ORCH_E_INVALID);
    cr_assert_eq(pulls, again);
    table->add(&host.orch, pulls, 2);
    table->add(&host.orch, pulls, 3);
    table->set(&host.orch, open, -4);
    table->set(&host.orch, pulls, 9);
    plugin_host_metrics(&host, on_metric, NULL);
    cr_assert_str_eq(text_string(&seen),
                     "orchestrator_plugin_pulls_total=5;orchestrator_plugin_open=-4;");
    cr_assert_eq(host.faults, 1, "a counter is not set");
}
