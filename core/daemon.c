/* The daemon's life. Parts are made in the order of their needs, ended in the opposite one:
 *
 *   state directory, plugins -> loop -> server (state, managers), runtime, proxy, agent -> API
 *
 * REST answers /healthz from the first moment; the rest once the state has been loaded. */
#include "daemon.h"
#include "agent/agent.h"
#include "agent/usage.h"
#include "api/api.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "command.h"
#include "daemon_certificates.h"
#include "daemon_plugins.h"
#include "plan/survival.h"
#include "plugin/http_client.h"
#include "plugin/ops.h"
#include "plugin/runtime.h"
#include "plugins.h"
#include "server.h"
#include "state_directory.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { STOP_LIMIT_SECONDS = 5 };

struct daemon {
    const struct config *config;
    struct error *error; /* why it could not start */
    struct loop *loop;
    struct op_table *ops;
    struct http_client *http;
    struct plugin_environment environment;
    struct plugin_registry *registry;
    struct daemon_plugins plugins;
    struct server *server;
    struct survival *survival;
    struct runtime *runtime;
    struct proxy_feed *feed;
    struct daemon_certificates *certificates;
    struct agent *agent;
    struct usage *usage;
    struct api *api;
    struct loop_io signals;
    int lock_fd, signal_fd;
    bool stopping, failed, key_made;
    char node_name[64], key[API_KEY_BYTES], proxy_program[PATH_MAX];
};

/* -- the end -- */

static void store_closed(void *argument)
{
    struct daemon *daemon = argument;
    FAILPOINT(stop_store_closed);
    loop_stop(daemon->loop);
}

/* Nobody asks any more. Containers and connections go on without us. */
static void api_stopped(void *argument)
{
    struct daemon *daemon = argument;
    FAILPOINT(stop_api_ended);
    usage_destroy(daemon->usage);
    daemon->usage = NULL;
    agent_destroy(daemon->agent);
    daemon->agent = NULL;
    daemon_certificates_destroy(daemon->certificates);
    daemon->certificates = NULL;
    proxy_feed_destroy(daemon->feed, true);
    daemon->feed = NULL;
    FAILPOINT(stop_agent_ended);
    server_close(daemon->server, store_closed, daemon);
}

static void stop(struct daemon *daemon)
{
    FAILPOINT(stop_signalled);
    daemon->stopping = true;
    if (daemon->api)
        api_stop(daemon->api, STOP_LIMIT_SECONDS * NS_PER_SECOND, api_stopped, daemon);
    else
        api_stopped(daemon);
}

static void signalled(void *argument, int fd, unsigned events)
{
    struct daemon *daemon = argument;
    struct signalfd_siginfo info;
    (void)events;
    if (read(fd, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo == SIGHUP) {
        if (daemon->certificates)
            daemon_certificates_look(daemon->certificates);
        return;
    }
    if (daemon->stopping)
        _exit(128 + (int)info.ssi_signo);
    LOG_INFO("ending; containers and proxy go on",
             LOG_STR("signal", info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM"));
    stop(daemon);
}

/* Blocked before any thread is made, so that all inherit it. */
static bool watch_signals(struct daemon *daemon, struct error *error)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    daemon->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (daemon->signal_fd < 0)
        return error_set_errno(error, ERROR_IO, errno, "signals can't be watched");
    return true;
}

/* -- the node's side -- */

/* The host's name up to its first dot, lower case. */
static void choose_node_name(struct daemon *daemon)
{
    char *name = daemon->node_name;
    if (*daemon->config->node.name) {
        snprintf(name, sizeof daemon->node_name, "%s", daemon->config->node.name);
        return;
    }
    if (gethostname(name, sizeof daemon->node_name) != 0)
        *name = 0;
    name[sizeof daemon->node_name - 1] = 0;
    name[strcspn(name, ".")] = 0;
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (schema_is_name(name))
        return;
    LOG_WARN("the host's name is none for a node; set node.name", LOG_STR("hostname", name));
    snprintf(name, sizeof daemon->node_name, "node-1");
}

static bool start_feed(struct daemon *daemon, struct error *error)
{
    const struct config *config = daemon->config;
    const struct feed_config feed = {.loop = daemon->loop,
                                     .state_directory = config->state_dir,
                                     .program = daemon->proxy_program,
                                     .user = config->proxy.user,
                                     .workers = (uint32_t)config->proxy.workers,
                                     .linger_ns = config->proxy.linger_ns,
                                     .balancers = daemon->plugins.balancers,
                                     .balancer_count = daemon->plugins.balancer_count,
                                     .fallback_balancer = config->balancer.fallback};
    daemon->feed = proxy_feed_create(&feed, &(struct feed_callbacks){0}, error);
    FAILPOINT(start_feed);
    if (!daemon->feed)
        return false;
    daemon->certificates = daemon_certificates_create(daemon->loop, config, daemon->feed, error);
    return daemon->certificates != NULL;
}

static bool start_agent(struct daemon *daemon, struct error *error)
{
    const struct config *config = daemon->config;
    const struct config_node *node = &config->node;
    const struct agent_config agent = {
        .loop = daemon->loop,
        .node_name = daemon->node_name,
        .address = *node->address ? node->address : "127.0.0.1",
        .labels = node->labels,
        .reserved = {node->reserved.cpu_millis, node->reserved.memory_bytes},
        .state_directory = config->state_dir,
        .runtime = daemon->runtime,
        .http = daemon->http,
        .feed = daemon->feed,
        .runtime_name = config->runtime.use.plugin,
        .max_operations = (uint32_t)config->runtime.max_operations};
    daemon->agent = agent_create(&agent, error);
    FAILPOINT(start_agent);
    if (daemon->agent)
        daemon->usage =
            usage_create(daemon->loop, daemon->agent, daemon->runtime, daemon->node_name);
    return daemon->agent != NULL;
}

/* Not before the state is there: what the agent tells is written into it. */
static void connect_agent(struct daemon *daemon)
{
    struct link_end *server_end, *agent_end;
    link_pair_create(daemon->loop, &server_end, &agent_end);
    node_registry_attach(daemon->server->nodes, server_end);
    agent_attach(daemon->agent, agent_end);
}

/* -- the start -- */

static bool create_loop(struct daemon *daemon, struct error *error)
{
    if (!(daemon->loop = loop_create_real(error)) ||
        !(daemon->http = http_client_create(daemon->loop, error)))
        return false;
    daemon->ops = op_table_create(daemon->loop);
    daemon->environment = (struct plugin_environment){.product = "orchestrator",
                                                      .version = ORCHESTRATOR_VERSION,
                                                      .loop = daemon->loop,
                                                      .ops = daemon->ops,
                                                      .http = daemon->http,
                                                      .services = plugins_services,
                                                      .service_count = plugins_service_count};
    loop_io_init(&daemon->signals, daemon->loop, "signals", signalled, daemon);
    loop_io_set(&daemon->signals, daemon->signal_fd, LOOP_READ);
    return true;
}

static bool load_plugins(struct daemon *daemon, struct error *error)
{
    const struct config *config = daemon->config;
    FAILPOINT(start_keyed);
    daemon->registry = plugins_open(config, &daemon->environment, config->state_dir, error);
    return daemon->registry &&
           daemon_plugins_load(&daemon->plugins, config, daemon->registry, error);
}

static bool create_server(struct daemon *daemon, struct error *error)
{
    const struct config *config = daemon->config;
    const struct daemon_plugins *plugins = &daemon->plugins;
    FAILPOINT(start_plugins);
    daemon->server =
        server_create(&(struct server_config){.loop = daemon->loop,
                                              .store = plugin_get_table(plugins->store),
                                              .store_module = plugin_get_module(plugins->store),
                                              .store_host = &plugin_get_host(plugins->store)->orch,
                                              .store_config = plugins->store_config,
                                              .state_directory = config->state_dir,
                                              .event_limit = (size_t)config->events.limit,
                                              .suspect_after_ns = config->node.suspect_after_ns,
                                              .lost_after_ns = config->node.lost_after_ns,
                                              .default_scheduler = config->scheduler.standard,
                                              .fallback_scheduler = config->scheduler.fallback,
                                              .default_balancer = config->balancer.standard,
                                              .check_balancer = daemon_plugins_check_balancer,
                                              .check_certificate = daemon_plugins_check_certificate,
                                              .check_argument = &daemon->plugins});
    return daemon_plugins_add_schedulers(&daemon->plugins, daemon->server->scheduler, error);
}

static void touched(void *argument, enum record_kind_id kind, const char *name)
{
    const struct daemon *daemon = argument;
    if (kind == KIND_NODE)
        survival_touch(daemon->survival);
    api_touch(daemon->api, kind, name);
}

static void create_survival(struct daemon *daemon)
{
    const struct server *server = daemon->server;
    daemon->survival = survival_create(&(struct plan_parts){.loop = daemon->loop,
                                                            .state = server->state,
                                                            .containers = server->containers,
                                                            .deployments = server->deployments,
                                                            .nodes = server->nodes,
                                                            .scheduler = server->scheduler,
                                                            .services = server->services});
}

static bool create_api(struct daemon *daemon, struct error *error)
{
    const struct api_parts parts = {.loop = daemon->loop,
                                    .config = daemon->config,
                                    .config_file = config_file(daemon->config),
                                    .state = daemon->server->state,
                                    .deployments = daemon->server->deployments,
                                    .containers = daemon->server->containers,
                                    .nodes = daemon->server->nodes,
                                    .services = daemon->server->services,
                                    .scheduler = daemon->server->scheduler,
                                    .survival = daemon->survival,
                                    .plugins = daemon->registry,
                                    .ops = daemon->ops,
                                    .agent = daemon->agent,
                                    .runtime = daemon->runtime,
                                    .usage = daemon->usage,
                                    .node_name = daemon->node_name,
                                    .started_at_ms = loop_wall_ms(daemon->loop)};
    daemon->api = api_create(&parts, daemon->key, error);
    if (!daemon->api)
        return false;
    server_set_listener(daemon->server,
                        &(struct server_listener){.touched = touched, .argument = daemon});
    return true;
}

static void tell_ready(const struct daemon *daemon)
{
    const struct config *config = daemon->config;
    char url[320], key_file[PATH_MAX] = "";
    snprintf(url, sizeof url, "%s://%s", config->api.tls ? "https" : "http",
             api_address(daemon->api));
    if (!*config->api.key)
        snprintf(key_file, sizeof key_file, "%s/api-key", config->state_dir);
    LOG_INFO("serving", LOG_STR("url", url), LOG_STR("node", daemon->node_name),
             LOG_STR("keyFile", *key_file ? key_file : NULL),
             LOG_BOOL("keyMade", daemon->key_made));
}

static void server_opened(void *argument, const struct error *error)
{
    struct daemon *daemon = argument;
    if (error) {
        *daemon->error = *error;
        daemon->failed = true;
        loop_stop(daemon->loop);
        return;
    }
    FAILPOINT(start_loaded);
    connect_agent(daemon);
    survival_start(daemon->survival);
    api_serve(daemon->api);
    FAILPOINT(start_serving);
    tell_ready(daemon);
}

static bool start(struct daemon *daemon, struct error *error)
{
    const struct config *config = daemon->config;
    choose_node_name(daemon);
    if ((daemon->lock_fd = state_directory_open(config->state_dir, error)) < 0 ||
        !api_key_load(config->state_dir, config->api.key, daemon->key, &daemon->key_made, error) ||
        !command_find_program("orchestrator-proxy", daemon->proxy_program,
                              sizeof daemon->proxy_program, error) ||
        !watch_signals(daemon, error) || !create_loop(daemon, error) ||
        !load_plugins(daemon, error) || !create_server(daemon, error))
        return false;
    create_survival(daemon);
    daemon->runtime =
        runtime_create(daemon->plugins.runtime, daemon->ops, daemon->plugins.runtime_config, error);
    if (!daemon->runtime || !start_feed(daemon, error) || !start_agent(daemon, error) ||
        !create_api(daemon, error))
        return false;
    server_open(daemon->server, server_opened, daemon);
    return true;
}

static void finish(struct daemon *daemon)
{
    api_destroy(daemon->api);
    usage_destroy(daemon->usage);
    agent_destroy(daemon->agent);
    daemon_certificates_destroy(daemon->certificates);
    if (daemon->feed)
        proxy_feed_destroy(daemon->feed, true);
    if (daemon->loop) /* passes and answers that are under way have their managers still */
        loop_settle(daemon->loop);
    survival_destroy(daemon->survival);
    server_destroy(daemon->server);
    runtime_destroy(daemon->runtime);
    daemon_plugins_finish(&daemon->plugins);
    plugin_registry_destroy(daemon->registry);
    http_client_destroy(daemon->http);
    if (daemon->ops)
        op_table_destroy(daemon->ops);
    if (daemon->signals.loop)
        loop_io_set(&daemon->signals, daemon->signal_fd, 0);
    loop_destroy(daemon->loop);
    if (daemon->signal_fd >= 0)
        close(daemon->signal_fd);
    if (daemon->lock_fd >= 0)
        close(daemon->lock_fd);
}

int daemon_run(const struct config *config, struct error *error)
{
    struct daemon daemon = {.config = config, .error = error, .lock_fd = -1, .signal_fd = -1};
    *error = (struct error){0};
    bool started = start(&daemon, error);
    if (started)
        loop_run(daemon.loop);
    finish(&daemon);
    explicit_bzero(daemon.key, sizeof daemon.key);
    return started && !daemon.failed ? 0 : 1;
}
