#include "agent/agent.h"
#include "base/clock.h"
#include "base/log.h"
#include "plugin/host.h"
#include "plugin/ops.h"
#include "proxy/feed.h"
#include "server.h"
#include "store/event.h"

#include "unit/agent/engine.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const struct orch_manifest orch_plugin_manifest_1; /* of the sqlite store */
extern const struct orch_manifest spread_manifest;

static struct loop *loop;
static struct op_table *ops;
static struct plugin_environment environment;
static struct plugin_host store_host, runtime_host, scheduler_host;
static struct runtime *runtime;
static struct server *server;
static struct state *state;
static struct container_manager *containers;
static struct node_registry *nodes;
static struct service_manager *services;
static struct deployment_manager *deployments;
static struct agent *agent;
static char directory[64];
static struct arena declared; /* what the tests declare */

/* -- the proxy: acknowledges after a millisecond, drains at once, says so once -- */

enum { PROXY_ENDPOINTS = 64 };
static struct proxy {
    struct feed_callbacks callbacks;
    struct loop_timer timer;
    uint64_t version;
    struct held {
        char id[80], address[32];
        bool draining, told, here;
    } held[PROXY_ENDPOINTS];
    unsigned active, lowest_active;
    bool watching;
} proxy;

static void proxy_turn(void *argument)
{
    (void)argument;
    if (!proxy.callbacks.acknowledged)
        return;
    proxy.callbacks.acknowledged(proxy.callbacks.argument, proxy.version);
    for (int i = 0; i < PROXY_ENDPOINTS; i++) {
        struct held *held = &proxy.held[i];
        if (!held->id[0] || !held->draining || held->told)
            continue;
        held->told = true;
        proxy.callbacks.drained(proxy.callbacks.argument, "web", held->id, 0);
    }
}

void proxy_feed_set_callbacks(struct proxy_feed *feed, const struct feed_callbacks *callbacks)
{
    (void)feed;
    proxy.callbacks = *callbacks;
}

static struct held *hold(const char *id)
{
    struct held *room = NULL;
    for (int i = 0; i < PROXY_ENDPOINTS; i++) {
        if (strcmp(proxy.held[i].id, id) == 0)
            return &proxy.held[i];
        if (!room && !proxy.held[i].id[0])
            room = &proxy.held[i];
    }
    cr_assert_not_null(room);
    snprintf(room->id, sizeof room->id, "%s", id);
    return room;
}

void proxy_feed_service_put(struct proxy_feed *feed, const struct feed_service *service)
{
    (void)feed;
    proxy.active = 0;
    for (int i = 0; i < PROXY_ENDPOINTS; i++)
        proxy.held[i].here = false;
    for (uint32_t i = 0; i < service->endpoint_count; i++) {
        const struct feed_endpoint *from = &service->endpoints[i];
        struct held *held = hold(from->id);
        bool draining = from->state == FEED_DRAINING;
        if (draining && !held->draining)
            held->told = false;
        held->draining = draining;
        held->here = true;
        snprintf(held->address, sizeof held->address, "%s", from->address);
        proxy.active += !draining;
    }
    for (int i = 0; i < PROXY_ENDPOINTS; i++)
        if (!proxy.held[i].here)
            proxy.held[i] = (struct held){0};
    if (proxy.watching && proxy.active < proxy.lowest_active)
        proxy.lowest_active = proxy.active;
}

void proxy_feed_service_remove(struct proxy_feed *feed, const char *name)
{
    (void)feed, (void)name;
    memset(proxy.held, 0, sizeof proxy.held);
    proxy.active = 0;
}

void proxy_feed_publish(struct proxy_feed *feed, uint64_t version)
{
    (void)feed;
    proxy.version = version;
    loop_timer_start(&proxy.timer, NS_PER_MS);
}

void proxy_feed_withdraw(struct proxy_feed *feed, const char *endpoint, uint64_t version)
{
    for (int i = 0; i < PROXY_ENDPOINTS; i++)
        if (strcmp(proxy.held[i].id, endpoint) == 0)
            proxy.held[i].draining = true;
    proxy_feed_publish(feed, version);
}

static void watch_proxy(void)
{
    proxy.watching = true;
    proxy.lowest_active = proxy.active;
}

/* -- life -- */

static void run_ms(uint64_t ms)
{
    uint64_t until = loop_now_ns(loop) + ms * NS_PER_MS;
    (void)loop_run_until(loop, until);
    engine.now_ms = loop_wall_ms(loop);
}

static void opened(void *argument, const struct error *error)
{
    cr_assert_null(error);
    *(bool *)argument = true;
}

static void start_server(void)
{
    struct error error;
    const struct server_config config = {.loop = loop,
                                         .store = orch_plugin_manifest_1.provides[0].table,
                                         .store_host = &store_host.orch,
                                         .store_config = "{}",
                                         .state_directory = directory,
                                         .suspect_after_ns = 3 * NS_PER_SECOND,
                                         .lost_after_ns = 15 * NS_PER_SECOND,
                                         .default_scheduler = "spread",
                                         .fallback_scheduler = "spread",
                                         .default_balancer = "round-robin"};
    bool done = false;
    server = server_create(&config);
    state = server->state;
    containers = server->containers;
    nodes = server->nodes;
    services = server->services;
    deployments = server->deployments;
    cr_assert(scheduler_add_plugin(server->scheduler, "spread", spread_manifest.provides[0].table,
                                   NULL, &scheduler_host.orch, "{}", &error));
    server_open(server, opened, &done);
    run_ms(100);
    cr_assert(done);
}

static void start_agent(void)
{
    struct link_end *server_end, *agent_end;
    struct error error;
    const struct agent_config config = {.loop = loop,
                                        .node_name = "node-1",
                                        .address = "127.0.0.1",
                                        .state_directory = directory,
                                        .runtime = runtime,
                                        .feed = (struct proxy_feed *)&proxy,
                                        .runtime_name = "scripted"};
    agent = agent_create(&config, &error);
    cr_assert_not_null(agent);
    link_pair_create(loop, &server_end, &agent_end);
    node_registry_attach(nodes, server_end);
    agent_attach(agent, agent_end);
    run_ms(200);
}

static void closed(void *argument)
{
    *(bool *)argument = true;
}

/* As the daemon ends: containers and proxy run on. */
static void stop_server(void)
{
    bool done = false;
    agent_destroy(agent);
    server_close(server, closed, &done); /* its last batch is still told to the managers */
    run_ms(100);
    cr_assert(done);
    server_destroy(server);
}

static void setup(void)
{
    static const struct plugin_service *const offered[] = {&host_ops_service};
    struct error error;
    log_configure(getenv("TEST_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_JSON, 2);
    engine_reset();
    memset(&proxy, 0, sizeof proxy);
    strcpy(directory, "/tmp/cluster-test-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    loop = loop_create_virtual(21, 1000000);
    loop_timer_init(&proxy.timer, loop, "proxy", proxy_turn, NULL);
    ops = op_table_create(loop);
    environment = (struct plugin_environment){.product = "test",
                                              .version = "1",
                                              .loop = loop,
                                              .ops = ops,
                                              .services = offered,
                                              .service_count = 1};
    plugin_host_init(&store_host, &environment, "store-sqlite");
    plugin_host_init(&runtime_host, &environment, "runtime-scripted");
    plugin_host_init(&scheduler_host, &environment, "scheduler-spread");
    runtime = runtime_create_table(&runtime_host, &engine_table, NULL, ops, "{}", &error);
    start_server();
    start_agent();
}

static void teardown(void)
{
    char command[128];
    stop_server();
    runtime_destroy(runtime);
    plugin_host_finish(&runtime_host);
    plugin_host_finish(&store_host);
    plugin_host_finish(&scheduler_host);
    op_table_destroy(ops);
    run_ms(1000);
    loop_destroy(loop);
    arena_finish(&declared);
    snprintf(command, sizeof command, "rm -r %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(cluster, .init = setup, .fini = teardown, .timeout = 60);

/* -- what users do -- */

static const struct write_request request = {.origin = {.by = "key:test"}};
static struct container_port http = {
    .name = "http", .number = 80, .host_port = NUMBER_NULL, .protocol = PROTOCOL_TCP};

static void done(void *argument, const struct error *error, const struct write_result *result)
{
    (void)argument, (void)result;
    cr_assert_null(error, "%s", error->message);
}

static void deploy(const char *image, int64_t replicas)
{
    struct deployment wanted = {0};
    struct error error;
    schema_defaults(&deployment_type, &declared, &wanted);
    wanted.name = "web";
    wanted.replicas = replicas;
    wanted.template.image = image;
    wanted.template.ports = (struct list){.items = &http, .count = 1};
    cr_assert(deployment_manager_write(deployments, WRITE_REPLACE, &wanted, true, &request, done,
                                       NULL, &error),
              "%s", error.message);
}

static void serve(void)
{
    struct service wanted = {0};
    struct error error;
    schema_defaults(&service_type, &declared, &wanted);
    wanted.name = wanted.deployment = "web";
    wanted.listen = "127.0.0.1:8080";
    cr_assert(service_manager_write(services, WRITE_CREATE, &wanted, &request, done, NULL, &error),
              "%s", error.message);
}

static struct deployment_status status(void)
{
    struct deployment_status out = {0};
    const struct deployment *web = deployment_manager_find(deployments, "web");
    cr_assert_not_null(web);
    deployment_manager_status(deployments, web, &out);
    return out;
}

static void show_events(void)
{
    struct state_cursor cursor;
    const struct record *record;
    state_seek(state, STATE_COMMITTED, KIND_EVENT, NULL, &cursor);
    while ((record = state_next(&cursor))) {
        const struct event *event = (const struct event *)record;
        fprintf(stderr, "%s %s %s\n", event->object, event->reason, event->message);
    }
}

static void expect_complete(int64_t replicas)
{
    if (getenv("TEST_LOG"))
        show_events();
    struct deployment_status now = status();
    cr_assert_eq(now.phase, PHASE_COMPLETE, "phase %d: %s %s; %lld desired %lld ready", now.phase,
                 now.reason, now.message, (long long)now.desired, (long long)now.ready);
    cr_assert_eq(now.ready, replicas);
    cr_assert_eq(now.current, replicas);
    cr_assert_eq(engine_alive(), replicas);
    cr_assert_eq(proxy.active, replicas, "%u active in the proxy", proxy.active);
}

Test(cluster, a_deployment_runs_and_is_served)
{
    serve();
    deploy("app:1", 3);
    run_ms(2000);
    expect_complete(3);
    cr_assert_eq(engine.creates, 3);
}

Test(cluster, scales_up_and_down_without_waiting_for_deadlines)
{
    struct error error;
    serve();
    deploy("app:1", 2);
    run_ms(2000);
    cr_assert(deployment_manager_scale(deployments, "web", 10, &request, done, NULL, &error));
    run_ms(2000);
    expect_complete(10);
    cr_assert(deployment_manager_scale(deployments, "web", 0, &request, done, NULL, &error));
    run_ms(3000);
    cr_assert_eq(engine_alive(), 0);
    cr_assert(deployment_manager_scale(deployments, "web", 4, &request, done, NULL, &error));
    run_ms(2000);
    expect_complete(4);
}

Test(cluster, a_rollout_never_serves_fewer)
{
    serve();
    deploy("app:1", 4);
    run_ms(2000);
    expect_complete(4);
    watch_proxy();
    deploy("app:2", 4);
    run_ms(15000);
    expect_complete(4);
    cr_assert_eq(status().revision, 2);
    cr_assert_geq(proxy.lowest_active, 4, "as few as %u were served", proxy.lowest_active);
    cr_assert_eq(engine.creates, 8);
}

Test(cluster, a_crash_is_mended_at_once)
{
    serve();
    deploy("app:1", 3);
    run_ms(5000);
    engine_exit(engine_find("web-1"), 1, 0);
    run_ms(500);
    expect_complete(3);
    cr_assert_eq(status().restarts, 1);
}

Test(cluster, one_removed_behind_our_back_is_replaced_at_once)
{
    serve();
    deploy("app:1", 3);
    run_ms(5000);
    engine_erase(engine_find("web-1"));
    run_ms(500);
    expect_complete(3);
    cr_assert_eq(engine.creates, 4);
}

Test(cluster, one_that_crashes_all_the_time_goes_at_once_when_deleted)
{
    struct error error;
    serve();
    deploy("app:1", 1);
    run_ms(5000);
    for (int i = 0; i < 4; i++) {
        engine_exit(engine_find("web-0"), 1, 0);
        run_ms(i < 3 ? 5000 : 100);
    }
    cr_assert(deployment_manager_delete(deployments, "web", &request, done, NULL, &error));
    run_ms(3000);
    cr_assert_null(deployment_manager_find(deployments, "web"));
    cr_assert_eq(engine.count, engine.removes);
}

Test(cluster, one_that_is_not_ready_goes_at_once_when_deleted)
{
    struct error error;
    static const struct probe_exec command = {0};
    struct probe probe = {.exec = &command,
                          .interval_ns = NS_PER_SECOND,
                          .timeout_ns = NS_PER_SECOND,
                          .failure_threshold = 1,
                          .success_threshold = 1};
    struct deployment wanted = {0};
    serve();
    schema_defaults(&deployment_type, &declared, &wanted);
    wanted.name = "web";
    wanted.replicas = 2;
    wanted.template.image = "app:1";
    wanted.template.ports = (struct list){.items = &http, .count = 1};
    wanted.template.readiness_probe = &probe;
    cr_assert(deployment_manager_write(deployments, WRITE_REPLACE, &wanted, true, &request, done,
                                       NULL, &error));
    run_ms(5000);
    expect_complete(2);
    engine.exec_exit_code = 1;
    run_ms(5000);
    cr_assert_eq(status().ready, 0);
    cr_assert(deployment_manager_delete(deployments, "web", &request, done, NULL, &error));
    run_ms(3000);
    cr_assert_null(deployment_manager_find(deployments, "web"));
    cr_assert_eq(engine_alive(), 0);
}

Test(cluster, deleting_ends_containers_then_records)
{
    struct error error;
    serve();
    deploy("app:1", 5);
    run_ms(3000);
    cr_assert(deployment_manager_delete(deployments, "web", &request, done, NULL, &error));
    run_ms(3000);
    cr_assert_null(deployment_manager_find(deployments, "web"));
    cr_assert_eq(state_count(state, KIND_CONTAINER), 0);
    cr_assert_eq(state_count(state, KIND_REVISION), 0);
    cr_assert_eq(engine_alive(), 0);
    cr_assert_eq(engine.removes, 5);
}

Test(cluster, a_new_agent_takes_over_what_runs)
{
    serve();
    deploy("app:1", 3);
    run_ms(3000);
    watch_proxy();
    agent_destroy(agent);
    run_ms(500);
    start_agent();
    run_ms(3000);
    expect_complete(3);
    cr_assert_eq(proxy.lowest_active, 3, "as few as %u were served", proxy.lowest_active);
    cr_assert_eq(engine.creates, 3);
    cr_assert_eq(engine.stops, 0);
}

Test(cluster, deleting_one_container_makes_another)
{
    struct error error;
    serve();
    deploy("app:1", 2);
    run_ms(3000);
    const struct container *first = container_manager_next(containers, "web", NULL);
    cr_assert(container_manager_delete(containers, first->id, &request, done, NULL, &error));
    run_ms(5000);
    expect_complete(2);
    cr_assert_eq(engine.creates, 3);
}

Test(cluster, restarting_one_container_keeps_its_record)
{
    struct error error;
    char id[80];
    serve();
    deploy("app:1", 2);
    run_ms(3000);
    snprintf(id, sizeof id, "%s", container_manager_next(containers, "web", NULL)->id);
    cr_assert(container_manager_restart(containers, id, &request, done, NULL, &error));
    run_ms(3000);
    expect_complete(2);
    cr_assert_not_null(container_manager_find(containers, id));
    cr_assert_eq(container_manager_find(containers, id)->incarnation, 2);
    cr_assert_eq(engine.creates, 3);
}

Test(cluster, a_restart_of_the_daemon_disturbs_nothing)
{
    serve();
    deploy("app:1", 3);
    run_ms(3000);
    expect_complete(3);
    watch_proxy();
    stop_server();
    run_ms(200);
    start_server();
    start_agent();
    run_ms(5000);
    expect_complete(3);
    cr_assert_eq(proxy.lowest_active, 3, "as few as %u were served", proxy.lowest_active);
    cr_assert_eq(engine.creates, 3);
    cr_assert_eq(engine.stops, 0);
    cr_assert_eq(status().restarts, 0);
}

Test(cluster, a_rollout_goes_on_after_a_restart_at_any_moment_and_never_serves_fewer)
{
    for (unsigned ms = 1; ms < 200; ms += 7) {
        if (ms > 1) {
            teardown();
            setup();
        }
        serve();
        deploy("app:1", 3);
        run_ms(3000);
        expect_complete(3);
        watch_proxy();
        deploy("app:2", 3);
        run_ms(ms);
        stop_server();
        start_server();
        start_agent();
        run_ms(10000);
        expect_complete(3);
        cr_assert_eq(engine.count - engine.removes, 3);
        cr_assert_geq(proxy.lowest_active, 3, "restarted after %u ms: as few as %u were served", ms,
                      proxy.lowest_active);
    }
}
