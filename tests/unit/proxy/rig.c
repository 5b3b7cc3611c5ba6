#include "rig.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct rig rig;

static void heard_acknowledged(void *argument, uint64_t version)
{
    (void)argument;
    rig.acknowledged = version;
}

static void heard_drained(void *argument, const char *service, const char *endpoint, uint64_t cut)
{
    (void)argument, (void)service;
    cr_assert(rig.drain_count < 16);
    struct heard_drain *drain = &rig.drains[rig.drain_count++];
    snprintf(drain->endpoint, sizeof drain->endpoint, "%s", endpoint);
    drain->cut = cut;
}

static void heard_listener(void *argument, const char *service, bool listening, const char *message)
{
    (void)argument, (void)service;
    rig.listener_known = true;
    rig.listening = listening;
    snprintf(rig.listener_message, sizeof rig.listener_message, "%s", message);
}

static void heard_counters(void *argument, const struct feed_counters *counters)
{
    (void)argument;
    if (counters->endpoint[0] == 0) {
        traffic_renew(&rig.own, &counters->totals);
        return;
    }
    if (strcmp(counters->endpoint, "a") != 0)
        return;
    rig.in_flight = counters->in_flight;
    rig.source = counters->source;
    rig.resumed |= counters->resumed;
    traffic_renew(&rig.traffic, &counters->totals);
    rig.served = (uint64_t)rig.traffic.counts[TRAFFIC_SERVED];
    rig.failed = (uint64_t)rig.traffic.counts[TRAFFIC_FAILED];
}

static void heard_ejected(void *argument, const char *service, const char *endpoint, bool out,
                          const char *why, uint64_t time_ns)
{
    (void)argument, (void)service, (void)time_ns;
    rig.out = out;
    rig.ejections++;
    snprintf(rig.ejected, sizeof rig.ejected, "%s", endpoint);
    snprintf(rig.ejected_why, sizeof rig.ejected_why, "%s", why);
}

static void heard_connected(void *argument, bool connected)
{
    if (argument != rig.feed_argument)
        rig.older_disconnects += !connected;
    else if (connected)
        rig.connects++;
    else
        rig.disconnects++;
}

/* As the daemon hands it over: sealed bytes without a path. */
static int open_plugin(const char *path)
{
    char bytes[4096];
    int from = open(path, O_RDONLY | O_CLOEXEC), to = memfd_create("plugin", MFD_CLOEXEC);
    cr_assert(from >= 0, "%s", path);
    for (ssize_t count; (count = read(from, bytes, sizeof bytes)) > 0;)
        cr_assert_eq(write(to, bytes, (size_t)count), count);
    close(from);
    return to;
}

void rig_prepare(void)
{
    struct error error = {0};
    signal(SIGPIPE, SIG_IGN);
    rig = (struct rig){.workers = 2,
                       .linger_ns = 0,
                       .balancer = "round-robin",
                       .config = "{}",
                       .drain_ns = 30 * NS_PER_SECOND,
                       .idle_ns = 300 * NS_PER_SECOND,
                       .connect_ns = 2 * NS_PER_SECOND,
                       .protocol = FEED_TCP};
    strcpy(rig.folder, "/tmp/proxy-test-XXXXXX");
    cr_assert(mkdtemp(rig.folder));
    rig.loop = loop_create_real(&error);
    cr_assert(rig.loop, "%s", error.message);
    rig.port = free_port();
    snprintf(rig.listen, sizeof rig.listen, "127.0.0.1:%u", rig.port);
}

static bool is_connected(void)
{
    return rig.connects > rig.disconnects;
}

/* Another build of it may be driven: one for the thread sanitizer, which does not run Criterion. */
static const char *program(void)
{
    const char *other = getenv("PROXY_PROGRAM");
    return other ? other : PROXY_PROGRAM;
}

void rig_feed(void)
{
    struct error error = {0};
    struct feed_balancer balancers[] = {{"round-robin", open_plugin(ROUND_ROBIN_PLUGIN)},
                                        {"faulty", open_plugin(FAULTY_PLUGIN)}};
    static char marks[16], *mark = marks;
    rig.connects = rig.disconnects = 0;
    rig.feed_argument = mark++;
    const struct feed_callbacks callbacks = {.acknowledged = heard_acknowledged,
                                             .drained = heard_drained,
                                             .listener = heard_listener,
                                             .counters = heard_counters,
                                             .ejected = heard_ejected,
                                             .connected = heard_connected,
                                             .argument = rig.feed_argument};
    rig.feed = proxy_feed_create(&(struct feed_config){.loop = rig.loop,
                                                       .state_directory = rig.folder,
                                                       .program = program(),
                                                       .user = PROXY_USER,
                                                       .workers = rig.workers,
                                                       .linger_ns = rig.linger_ns,
                                                       .balancers = balancers,
                                                       .balancer_count = 2,
                                                       .fallback_balancer = "round-robin"},
                                 &callbacks, &error);
    cr_assert(rig.feed, "%s", error.message);
    close(balancers[0].fd);
    close(balancers[1].fd);
    cr_assert(rig_wait(is_connected));
}

static bool has_ended(void *argument)
{
    pid_t pid = *(pid_t *)argument;
    (void)waitpid(pid, NULL, WNOHANG); /* when it is our child */
    return kill(pid, 0) != 0;
}

void rig_finish(void)
{
    char path[96];
    pid_t pid = proxy_feed_pid(rig.feed);
    proxy_feed_destroy(rig.feed, true);
    if (pid > 0 && !wait_until(has_ended, &pid)) {
        kill(pid, SIGKILL);
        fputs("the proxy did not end with its orderly daemon\n", stderr);
        abort(); /* an assertion here would go unnoticed: the test has ended */
    }
    snprintf(path, sizeof path, "%s/proxy.sock", rig.folder);
    unlink(path);
    rmdir(rig.folder);
    loop_destroy(rig.loop);
}

void rig_put(const struct rig_endpoint *endpoints, uint32_t count)
{
    rig_put_as("web", rig.listen, endpoints, count);
}

void rig_put_as(const char *service, const char *listen, const struct rig_endpoint *endpoints,
                uint32_t count)
{
    struct feed_endpoint fed[count + 1];
    for (uint32_t i = 0; i < count; i++)
        fed[i] =
            (struct feed_endpoint){.id = endpoints[i].id,
                                   .address = "127.0.0.1",
                                   .port = endpoints[i].port,
                                   .weight = 1,
                                   .state = endpoints[i].draining ? FEED_DRAINING : FEED_ACTIVE,
                                   .local = true};
    proxy_feed_service_put(rig.feed, &(struct feed_service){.name = service,
                                                            .listen = listen,
                                                            .balancer = rig.balancer,
                                                            .balancer_config = rig.config,
                                                            .protocol = rig.protocol,
                                                            .hosts = &rig.host,
                                                            .host_count = rig.host ? 1 : 0,
                                                            .path_prefix = rig.prefix,
                                                            .sticky_cookie = rig.sticky,
                                                            .certificate = rig.certificate,
                                                            .policy_seed = 7,
                                                            .drain_timeout_ns = rig.drain_ns,
                                                            .connect_timeout_ns = rig.connect_ns,
                                                            .idle_timeout_ns = rig.idle_ns,
                                                            .slow_start_ns = rig.slow_start_ns,
                                                            .max_connections = rig.max_connections,
                                                            .ejection = rig.ejection,
                                                            .hold = rig.hold,
                                                            .page = rig.page,
                                                            .redirect = rig.redirect,
                                                            .http = rig.http,
                                                            .endpoints = fed,
                                                            .endpoint_count = count});
}

static bool is_acknowledged(void)
{
    return rig.acknowledged >= rig.version;
}

void rig_publish(void)
{
    proxy_feed_publish(rig.feed, ++rig.version);
    cr_assert(rig_wait(is_acknowledged));
}

/* -- waiting -- */

static struct {
    bool (*condition)(void);
    uint64_t deadline_ns;
    bool met;
    struct loop_timer timer;
} waiting;

static void look(void *argument)
{
    (void)argument;
    waiting.met = waiting.condition && waiting.condition();
    if (waiting.met || loop_now_ns(rig.loop) >= waiting.deadline_ns)
        loop_stop(rig.loop);
    else
        loop_timer_start(&waiting.timer, 2 * NS_PER_MS);
}

static bool run_loop(bool (*condition)(void), uint64_t limit_ns)
{
    waiting.condition = condition;
    waiting.met = false;
    loop_refresh_now(rig.loop);
    waiting.deadline_ns = loop_now_ns(rig.loop) + limit_ns;
    loop_timer_init(&waiting.timer, rig.loop, "test", look, NULL);
    loop_timer_start(&waiting.timer, 0);
    loop_run(rig.loop);
    return waiting.met;
}

bool rig_wait(bool (*condition)(void))
{
    return run_loop(condition, 20 * NS_PER_SECOND);
}

void rig_loop(uint64_t ns)
{
    (void)run_loop(NULL, ns);
}

bool rig_drained(const char *endpoint, uint64_t *cut)
{
    for (uint32_t i = 0; i < rig.drain_count; i++)
        if (strcmp(rig.drains[i].endpoint, endpoint) == 0) {
            if (cut)
                *cut = rig.drains[i].cut;
            return true;
        }
    return false;
}
