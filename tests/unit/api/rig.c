#include "rig.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "plugin/host.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const struct orch_manifest orch_plugin_manifest_1; /* of the memory store */
extern const struct orch_manifest spread_manifest;

struct rig rig;
static struct plugin_environment environment;
static struct plugin_host store_host, scheduler_host;
static pthread_t thread;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void set(bool *flag)
{
    pthread_mutex_lock(&lock);
    *flag = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void await(bool *flag)
{
    pthread_mutex_lock(&lock);
    while (!*flag)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

struct rig_options rig_defaults(void)
{
    return (struct rig_options){.limits = api_default_limits};
}

static void opened(void *argument, const struct error *error)
{
    (void)argument;
    cr_assert_null(error);
    api_serve(rig.api);
    set(&rig.opened);
}

static void touched(void *argument, enum record_kind_id kind, const char *name)
{
    (void)argument;
    if (rig.api)
        api_touch(rig.api, kind, name);
}

static void make_server(void)
{
    struct error error;
    rig.server =
        server_create(&(struct server_config){.loop = rig.loop,
                                              .store = orch_plugin_manifest_1.provides[0].table,
                                              .store_host = &store_host.orch,
                                              .store_config = "{}",
                                              .state_directory = "/nonexistent",
                                              .suspect_after_ns = 3 * NS_PER_SECOND,
                                              .lost_after_ns = 15 * NS_PER_SECOND,
                                              .default_scheduler = "spread",
                                              .fallback_scheduler = "spread",
                                              .default_balancer = "round-robin"});
    cr_assert(scheduler_add_plugin(rig.server->scheduler, "spread",
                                   spread_manifest.provides[0].table, NULL, &scheduler_host.orch,
                                   "{}", &error));
    server_set_listener(rig.server, &(struct server_listener){.touched = touched});
}

static void make_api(const struct api_limits *limits)
{
    static const struct route_table *const tables[] = {
        &routes_deployments, &routes_containers, &routes_nodes,  &routes_services, &routes_events,
        &routes_cluster,     &routes_plan,       &routes_server, &rig_routes};
    struct error error;
    const struct api_parts parts = {.loop = rig.loop,
                                    .config = rig.config,
                                    .state = rig.server->state,
                                    .deployments = rig.server->deployments,
                                    .containers = rig.server->containers,
                                    .nodes = rig.server->nodes,
                                    .services = rig.server->services,
                                    .scheduler = rig.server->scheduler,
                                    .node_name = "node-1"};
    rig.api =
        api_create_with(&parts, RIG_KEY, limits, tables, sizeof tables / sizeof tables[0], &error);
    cr_assert_not_null(rig.api, "%s", error.message);
    rig.port = (uint16_t)atoi(strrchr(api_address(rig.api), ':') + 1);
}

static void *run(void *argument)
{
    (void)argument;
    loop_run(rig.loop);
    return NULL;
}

void rig_start(const struct rig_options *options)
{
    struct rig_options standard = rig_defaults();
    struct error error;
    char yaml[512];
    if (!options)
        options = &standard;
    log_configure(getenv("TEST_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_JSON, 2);
    snprintf(yaml, sizeof yaml, "%s",
             options->yaml ? options->yaml : "api: {listen: \"127.0.0.1:0\"}\n");
    rig = (struct rig){.loop = loop_create_real(&error)};
    rig.config = config_load_bytes("test.yaml", yaml, strlen(yaml), NULL);
    cr_assert_eq(config_fault_count(rig.config), 0);
    environment = (struct plugin_environment){.product = "test", .version = "1", .loop = rig.loop};
    plugin_host_init(&store_host, &environment, "store-memory");
    plugin_host_init(&scheduler_host, &environment, "scheduler-spread");
    make_server();
    make_api(&options->limits);
    if (!options->unserved)
        server_open(rig.server, opened, NULL);
    pthread_create(&thread, NULL, run, NULL);
    if (!options->unserved)
        await(&rig.opened);
}

static void closed(void *argument)
{
    (void)argument;
    loop_stop(rig.loop);
}

static void stopped(void *argument)
{
    (void)argument;
    server_close(rig.server, closed, NULL);
}

static void stop(void *argument)
{
    (void)argument;
    api_stop(rig.api, 2 * NS_PER_SECOND, stopped, NULL);
}

struct call {
    struct loop_task task;
    void (*run)(void *argument);
    void *argument;
    bool done;
};

static void run_call(struct loop_task *task)
{
    struct call *call = CONTAINER_OF(task, struct call, task);
    call->run(call->argument);
    set(&call->done);
}

void rig_call(void (*function)(void *argument), void *argument)
{
    struct call call = {
        .task = {.run = run_call, .name = "test"}, .run = function, .argument = argument};
    loop_post(rig.loop, &call.task);
    await(&call.done);
}

void rig_stop(void)
{
    if (!rig.loop)
        return;
    rig_call(stop, NULL);
    pthread_join(thread, NULL);
    api_destroy(rig.api);
    server_destroy(rig.server);
    plugin_host_finish(&store_host);
    plugin_host_finish(&scheduler_host);
    loop_destroy(rig.loop);
    config_destroy(rig.config);
    rig = (struct rig){0};
    rig_held.count = 0;
}

/* -- the tests' own routes -- */

struct rig_held rig_held = {.lock = PTHREAD_MUTEX_INITIALIZER};
struct rig_stream rig_stream = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void reply_ok(struct request *request)
{
    text_append_string(&request->out, "{\"held\":true}");
    request_reply(request, 200);
}

static void keep(struct request *request)
{
    pthread_mutex_lock(&rig_held.lock);
    rig_held.items[rig_held.count++] = request;
    pthread_mutex_unlock(&rig_held.lock);
}

static void begin_hold(struct request *request)
{
    request_to_loop(request, keep);
}

void rig_wait_held(size_t count)
{
    for (int i = 0; i < 5000; i++) {
        pthread_mutex_lock(&rig_held.lock);
        bool there = rig_held.count >= count;
        pthread_mutex_unlock(&rig_held.lock);
        if (there)
            return;
        usleep(1000);
    }
    cr_assert_fail("%zu requests are not at the loop", count);
}

static void release(void *argument)
{
    (void)argument;
    for (size_t i = 0; i < rig_held.count; i++)
        request_to_api(rig_held.items[i], reply_ok);
    rig_held.count = 0;
}

void rig_release_held(void)
{
    rig_call(release, NULL);
}

static void begin_echo(struct request *request)
{
    char *text = request->body ? json_dumps(request->body, JSON_COMPACT) : strdup("null");
    text_append_format(&request->out, "{\"bytes\":%zu,\"by\":\"%s\"}", strlen(text),
                       request->by ? request->by : "");
    free(text);
    request_reply(request, 200);
}

/* Bytes that count: 0123456789012... */
static void produce(void *argument, size_t room)
{
    static char block[4096];
    (void)argument, (void)room;
    while (rig_stream.written < rig_stream.limit) {
        size_t length = rig_stream.limit - rig_stream.written;
        if (length > sizeof block)
            length = sizeof block;
        for (size_t i = 0; i < length; i++)
            block[i] = (char)('0' + (rig_stream.written + i) % 10);
        size_t taken = stream_write(rig_stream.stream, block, length);
        rig_stream.written += taken;
        if (taken < length)
            return;
    }
    if (rig_stream.stays)
        return;
    stream_end(rig_stream.stream, rig_stream.complete);
}

static void stream_gone(void *argument)
{
    (void)argument;
    pthread_mutex_lock(&rig_stream.lock);
    rig_stream.gone = true;
    pthread_mutex_unlock(&rig_stream.lock);
}

static void reply_stream(struct request *request)
{
    request->content_type = "text/plain";
    request_reply_stream(request, request->data);
}

static void open_stream(struct request *request)
{
    rig_stream.stream = stream_create(
        request->api, &(struct stream_events){.writable = produce, .gone = stream_gone});
    request->data = rig_stream.stream;
    produce(NULL, 0);
    request_to_api(request, reply_stream);
}

static void begin_stream(struct request *request)
{
    request_to_loop(request, open_stream);
}

static const char *const hold_query[] = {"follow", "limit", NULL};
static const struct route own_routes[] = {
    {.method = "POST", .path = "/api/v1/test/hold", .begin = begin_hold, .role = ROLE_ADMIN},
    {.method = "GET",
     .path = "/api/v1/test/hold",
     .begin = begin_hold,
     .role = ROLE_ADMIN,
     .query = hold_query},
    {.method = "POST",
     .path = "/api/v1/test/echo",
     .begin = begin_echo,
     .role = ROLE_ADMIN,
     .body = BODY_REQUIRED},
    {.method = "GET", .path = "/api/v1/test/stream", .begin = begin_stream, .role = ROLE_ADMIN}};
const struct route_table rig_routes = {own_routes, sizeof own_routes / sizeof own_routes[0]};
