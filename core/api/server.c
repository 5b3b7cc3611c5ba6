/* The server: its thread and loop, libmicrohttpd inside that loop, its start and its end.
 *
 * libmicrohttpd watches its sockets edge-triggered in an epoll set of its own. After a partial read
 * that set stays silent, so whoever embeds it must ask MHD_get_timeout after every MHD_run, and run
 * it again at once where that says 0. */
#include "api/impl.h"
#include "api/audit.h"
#include "api/exec.h"
#include "api/idempotency.h"
#include "api/planning.h"
#include "api/watch.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

const struct api_limits api_default_limits = {.body_bytes = 1024 * 1024,
                                              .discard_bytes = 4 * 1024 * 1024,
                                              .header_bytes = 16 * 1024,
                                              .header_count = 100,
                                              .uri_bytes = 8 * 1024,
                                              .json_depth = 32,
                                              .header_ns = 5 * NS_PER_SECOND,
                                              .body_ns = 30 * NS_PER_SECOND,
                                              .idle_ns = 60 * NS_PER_SECOND,
                                              .lane_users = 4096,
                                              .lane_controllers = 1024,
                                              .lane_agents = 1024,
                                              .ring_bytes = 16 * 1024 * 1024,
                                              .ring_entries = 65536,
                                              .watch_comment_ns = 15 * NS_PER_SECOND};
/* Holds 16 KiB of headers, 8 KiB of target and MHD's own records of both, so that what is a little
 * too large is answered by us; MHD's own refusals (400, 413, 414, 431) have a body of HTML. */
enum { CONNECTION_MEMORY_BYTES = 48 * 1024 };
/* Of a client that reads nothing of its answer, in seconds. */
enum { STALL_SECONDS = 75 };
enum { OTHER_DESCRIPTORS = 1024 };

/* -- libmicrohttpd inside the loop -- */

static void run_daemon(struct api *api)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    if (!api->daemon)
        return;
    api->run_again = false;
    MHD_run(api->daemon);
    if (api->run_again)
        loop_timer_start(&api->run_timer, 0);
    else if (MHD_get_timeout(api->daemon, &timeout_ms) == MHD_YES)
        loop_timer_start(&api->run_timer, timeout_ms * NS_PER_MS);
    else
        loop_timer_stop(&api->run_timer);
}

static void run_timer_fired(void *argument)
{
    run_daemon(argument);
}

static void daemon_ready(void *argument, int fd, unsigned events)
{
    (void)fd, (void)events;
    run_daemon(argument);
}

void api_wake(struct api *api)
{
    api->run_again = true; /* from within MHD_run, the timer would be set anew after it */
    loop_timer_start(&api->run_timer, 0);
}

static void log_line(void *argument, const char *format, va_list arguments)
{
    char line[512];
    (void)argument;
    if (!log_enabled(LOG_LEVEL_DEBUG))
        return;
    vsnprintf(line, sizeof line, format, arguments);
    LOG_DEBUG("libmicrohttpd", LOG_STR("message", line));
}

/* Targets and queries are decoded by us, from the bytes that came. */
static size_t leave_escaped(void *argument, struct MHD_Connection *mhd, char *text)
{
    (void)argument, (void)mhd;
    return strlen(text);
}

static char *read_file(const char *path, struct error *error)
{
    gnutls_datum_t data = {0};
    int result = gnutls_load_file(path, &data);
    if (result != GNUTLS_E_SUCCESS) {
        error_set(error, ERROR_IO, "cannot read %s: %s", path, gnutls_strerror(result));
        return NULL;
    }
    char *text = memory_alloc(data.size + 1);
    memcpy(text, data.data, data.size);
    gnutls_memset(data.data, 0, data.size);
    gnutls_free(data.data);
    return text;
}

/* MHD's strict mode is off: it would drop connections without an answer, or with one in HTML, where
 * check.c answers the same faults. */
static struct MHD_Daemon *start_daemon(struct api *api, const char *certificate, const char *key)
{
    unsigned flags =
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
        {MHD_OPTION_END, 0, NULL}};
    if (certificate)
        flags |= MHD_USE_TLS;
    else
        tls[0] = tls[3];
    return MHD_start_daemon(
        flags, 0, connection_accept, api, exchange_handle, api, MHD_OPTION_EXTERNAL_LOGGER,
        log_line, NULL, MHD_OPTION_LISTEN_SOCKET, api->listen_fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)api->parts.config->api.max_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)STALL_SECONDS,
        MHD_OPTION_URI_LOG_CALLBACK, exchange_uri, api, MHD_OPTION_NOTIFY_COMPLETED,
        exchange_completed, api, MHD_OPTION_NOTIFY_CONNECTION, connection_notify, api,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

static bool open_daemon(struct api *api, struct error *error)
{
    const struct config_tls *tls = api->parts.config->api.tls;
    char *certificate = NULL, *key = NULL;
    bool read = !tls || ((certificate = read_file(tls->cert_file, error)) &&
                         (key = read_file(tls->key_file, error)));
    if (read)
        api->daemon = start_daemon(api, certificate, key);
    if (read && !api->daemon)
        error_set(error, ERROR_IO, "cannot start the API on %s%s", api->address,
                  tls ? ": are certificate and key in PEM, and a pair?" : "");
    if (key)
        gnutls_memset(key, 0, strlen(key));
    free(key);
    free(certificate);
    return api->daemon != NULL;
}

/* -- life -- */

static void *run_thread(void *argument)
{
    struct api *api = argument;
    pthread_setname_np(pthread_self(), "api");
    loop_run(api->loop);
    return NULL;
}

static void stop_overdue(void *argument);

static bool watch_descriptors(struct api *api, struct error *error)
{
    api->hangup_fd = epoll_create1(EPOLL_CLOEXEC);
    if (api->hangup_fd < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot make an epoll set");
    int fd = MHD_get_daemon_info(api->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    loop_io_init(&api->io, api->loop, "api sockets", daemon_ready, api);
    loop_io_init(&api->hangup_io, api->loop, "api hang-ups", exchange_hangups, api);
    loop_timer_init(&api->run_timer, api->loop, "api sockets", run_timer_fired, api);
    loop_timer_init(&api->stop_timer, api->loop, "api stop", stop_overdue, api);
    loop_timer_init(&api->sweep_timer, api->loop, "api deadlines", connections_sweep, api);
    loop_io_set(&api->io, fd, LOOP_READ);
    loop_io_set(&api->hangup_io, api->hangup_fd, LOOP_READ);
    loop_refresh_now(api->loop);
    loop_timer_start(&api->run_timer, 0);
    loop_timer_start(&api->sweep_timer, 0);
    return true;
}

static void free_parts(struct api *api)
{
    watch_server_destroy(api->watches);
    hub_destroy(api->hub);
    idempotency_destroy(api->idempotency);
    plan_tokens_destroy(api->plan_tokens);
    audit_log_destroy(api->audit);
    exec_server_destroy(api->execs);
    lanes_finish(&api->lanes);
    auth_finish(&api->auth);
    router_finish(&api->router);
    text_finish(&api->openapi);
    free(api->figures.routes);
    free(api->dashboard);
    if (api->hangup_fd >= 0)
        close(api->hangup_fd);
    loop_destroy(api->loop);
    free(api);
}

static void close_daemon(struct api *api)
{
    if (!api->daemon)
        return;
    loop_io_set(&api->io, api->io.fd, 0);
    loop_timer_stop(&api->run_timer);
    MHD_stop_daemon(api->daemon);
    api->daemon = NULL;
}

/* Room for all connections beside what the rest of the daemon opens. */
static void raise_descriptor_limit(const struct api *api)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)api->parts.config->api.max_connections + OTHER_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
        LOG_WARN("fewer descriptors than api.maxConnections may need",
                 LOG_INT("limit", limit.rlim_cur), LOG_INT("wanted", wanted));
}

static bool open_all(struct api *api, struct error *error)
{
    raise_descriptor_limit(api);
    api->listen_fd =
        listen_open(api->parts.config->api.listen, api->address, sizeof api->address, error);
    if (api->listen_fd < 0)
        return false;
    if (!open_daemon(api, error)) {
        close(api->listen_fd);
        return false;
    }
    if (watch_descriptors(api, error)) {
        int result = pthread_create(&api->thread, NULL, run_thread, api);
        if (result == 0)
            return true;
        error_set_errno(error, ERROR_IO, result, "cannot start the API's thread");
    }
    close_daemon(api);
    return false;
}

struct api *api_create_with(const struct api_parts *parts, const char *key,
                            const struct api_limits *limits,
                            const struct route_table *const *tables, size_t table_count,
                            struct error *error)
{
    struct api *api = memory_alloc(sizeof *api);
    api->parts = *parts;
    api->limits = *limits;
    api->hangup_fd = -1;
    api->loop = loop_create_real(error);
    if (!api->loop) {
        free(api);
        return NULL;
    }
    api->started_wall_ms = loop_wall_ms(api->loop);
    router_init(&api->router, tables, table_count);
    auth_init(&api->auth, key);
    lanes_init(&api->lanes, parts->loop, limits);
    api->figures.routes = memory_alloc((api->router.count + 1) * sizeof *api->figures.routes);
    api->dashboard = dashboard_find(parts->config->api.dashboard);
    api->watches = watch_server_create(api);
    api->hub = hub_create(api);
    api->idempotency = idempotency_create(api);
    api->plan_tokens = plan_tokens_create();
    api->audit = audit_log_create(api);
    api->execs = exec_server_create(api);
    openapi_write(&api->router, &api->openapi);
    if (open_all(api, error))
        return api;
    free_parts(api);
    return NULL;
}

struct api *api_create(const struct api_parts *parts, const char *key, struct error *error)
{
    static const struct route_table *const tables[] = {
        &routes_deployments, &routes_containers, &routes_nodes, &routes_services, &routes_events,
        &routes_audit,       &routes_cluster,    &routes_plan,  &routes_server};
    return api_create_with(parts, key, &api_default_limits, tables,
                           sizeof tables / sizeof tables[0], error);
}

const char *api_address(const struct api *api)
{
    return api->address;
}

void api_serve(struct api *api)
{
    hub_start(api->hub);
    idempotency_start(api->idempotency);
    atomic_store(&api->serving, true);
}

void api_touch(struct api *api, enum record_kind_id kind, const char *name)
{
    hub_touch(api->hub, kind, name);
}

/* -- the end -- */

static void tell_stopped(struct loop_task *task)
{
    struct api *api = CONTAINER_OF(task, struct api, stopped_task);
    if (api->stop_done)
        api->stop_done(api->stop_argument);
}

static void finish_stop(struct loop_task *task)
{
    struct api *api = CONTAINER_OF(task, struct api, stop_task);
    loop_timer_stop(&api->stop_timer);
    loop_timer_stop(&api->sweep_timer);
    close_daemon(api);
    loop_post(api->parts.loop, &api->stopped_task);
}

/* Not inside MHD_run: this may be the end of its last request. */
void api_check_stopped(struct api *api)
{
    if (!api->stopping || api->stopped)
        return;
    for (struct exchange *exchange = api->exchanges; exchange; exchange = exchange->next)
        if (exchange->connection || (exchange->working && !api->overdue))
            return;
    api->stopped = true;
    api->stop_task = (struct loop_task){.run = finish_stop, .name = "api stop"};
    loop_post(api->loop, &api->stop_task);
}

/* What is not done by now is answered without its outcome; the loop still ends its chains. */
static void stop_overdue(void *argument)
{
    struct api *api = argument;
    api->overdue = true;
    for (struct exchange *exchange = api->exchanges; exchange; exchange = exchange->next) {
        if (!exchange->connection)
            continue;
        exchange->stream_lost = true;
        exchange->abandoned |= exchange->working;
        if (exchange->suspended)
            exchange_resume(exchange);
        else
            connection_cut(exchange->connection);
    }
    loop_timer_start(&api->stop_timer, 100 * NS_PER_MS);
    api_check_stopped(api);
}

static void begin_stop(struct loop_task *task)
{
    struct api *api = CONTAINER_OF(task, struct api, stop_task);
    if (api->stopping)
        return;
    api->stopping = true;
    MHD_socket listening = MHD_quiesce_daemon(api->daemon);
    if (listening != MHD_INVALID_SOCKET)
        close(listening);
    loop_timer_start(&api->stop_timer, api->stop_limit_ns);
    for (struct connection *connection = api->connections; connection;
         connection = connection->next)
        if (connection->phase == CONNECTION_IDLE)
            connection_cut(connection);
    for (struct exchange *exchange = api->exchanges; exchange; exchange = exchange->next)
        if (exchange->request.stream)
            exchange_resume(exchange); /* its reader sees the end */
    watch_server_end(api->watches);
    exec_server_end(api->execs);
    api_wake(api);
    api_check_stopped(api);
}

void api_stop(struct api *api, uint64_t limit_ns, void (*done)(void *argument), void *argument)
{
    api->stop_limit_ns = limit_ns;
    api->stop_done = done;
    api->stop_argument = argument;
    api->stopped_task = (struct loop_task){.run = tell_stopped, .name = "api stopped"};
    api->stop_task = (struct loop_task){.run = begin_stop, .name = "api stop"};
    loop_post(api->loop, &api->stop_task);
}

static void stop_at_once(struct loop_task *task)
{
    struct api *api = CONTAINER_OF(task, struct api, end_task);
    if (api->daemon) {
        api->stopping = api->stopped = true;
        stop_overdue(api);
        exec_server_cut(api->execs);
        MHD_run(api->daemon);
        loop_timer_stop(&api->stop_timer);
        close_daemon(api);
    }
    loop_stop(api->loop);
}

void api_destroy(struct api *api)
{
    if (!api)
        return;
    api->end_task = (struct loop_task){.run = stop_at_once, .name = "api end"};
    loop_post(api->loop, &api->end_task);
    pthread_join(api->thread, NULL);
    while (api->exchanges) /* the loop never answered them */
        exchange_free(api->exchanges);
    free_parts(api);
}
