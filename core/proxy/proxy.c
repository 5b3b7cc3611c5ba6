#include "proxy/proxy.h"
#include "base/log.h"
#include "proxy/slow_start.h"
#include "proxy/worker.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define CRASH_WAIT_NS (30 * NS_PER_SECOND) /* for a new daemon when nothing is to linger */
#define STOP_LIMIT_NS (30 * NS_PER_SECOND)
enum { DESCRIPTORS_OF_OUR_OWN = 256 };

void pulse_check(struct pulse *pulse, const char *thread)
{
    uint64_t beat = atomic_load_explicit(&pulse->beat, memory_order_relaxed);
    const char *plugin = atomic_load_explicit(&pulse->inside, memory_order_relaxed);
    pulse->missed = beat == pulse->seen ? pulse->missed + 1 : 0;
    pulse->seen = beat;
    if (pulse->missed < PULSE_LIMIT)
        return;
    LOG_ERROR("a thread of the proxy hangs; the proxy is replaced", LOG_STR("thread", thread),
              LOG_STR("plugin", plugin ? plugin : "none"));
    _exit(PROXY_EXIT_HUNG);
}

void proxy_settle(struct proxy *proxy)
{
    uint64_t applied = publish_applied(proxy);
    publish_look(proxy, applied);
    bool replaced = policy_look(proxy), freed = drain_look(proxy, applied);
    bool ejected = outlier_look(proxy);
    if (replaced || freed || ejected)
        publish_now(proxy);
}

/* -- its end -- */

static void leave(struct proxy *proxy, uint64_t limit_ns)
{
    proxy->stopping = true;
    proxy->stop_deadline_ns = loop_now_ns(proxy->loop) + limit_ns;
    feeder_leave(proxy);
    publish_now(proxy);
    table_drop_listeners(proxy, true);
}

static uint64_t longest_drain(const struct proxy *proxy)
{
    uint64_t longest_ns = 0;
    for (const struct service *service = proxy->services; service; service = service->hh.next)
        longest_ns =
            service->drain_timeout_ns > longest_ns ? service->drain_timeout_ns : longest_ns;
    return longest_ns < STOP_LIMIT_NS ? longest_ns : STOP_LIMIT_NS;
}

void proxy_stop(struct proxy *proxy)
{
    if (proxy->stopping)
        loop_stop(proxy->loop);
    else
        leave(proxy, longest_drain(proxy));
}

void proxy_replaced(struct proxy *proxy)
{
    uint64_t linger_ns = proxy->config.linger_ns;
    if (!proxy->stopping)
        leave(proxy, linger_ns > STOP_LIMIT_NS ? linger_ns : STOP_LIMIT_NS);
}

static bool is_applied(const struct proxy *proxy)
{
    return publish_applied(proxy) == proxy->next_sequence;
}

static bool has_ended_unfed(const struct proxy *proxy)
{
    uint64_t unfed_ns = loop_now_ns(proxy->loop) - proxy->unfed_since_ns;
    uint64_t linger_ns = proxy->config.linger_ns;
    if (proxy->feeder)
        return false;
    if (!linger_ns && proxy->orderly)
        return true;
    if (!proxy->listener_count && !workers_connections(proxy))
        return true;
    return unfed_ns >= (linger_ns ? linger_ns : CRASH_WAIT_NS);
}

static bool has_stopped(const struct proxy *proxy)
{
    bool late = loop_now_ns(proxy->loop) >= proxy->stop_deadline_ns;
    return late || (is_applied(proxy) && !workers_connections(proxy));
}

static void tick(void *argument)
{
    struct proxy *proxy = argument;
    pulse_beat(&proxy->pulse);
    for (uint32_t i = 0; i < proxy->worker_count; i++)
        pulse_check(&proxy->workers[i].pulse, "worker");
    if (proxy->stopping ? has_stopped(proxy) : has_ended_unfed(proxy))
        loop_stop(proxy->loop);
    loop_timer_start(&proxy->tick, PULSE_MS * NS_PER_MS);
}

/* -- its making -- */

/* Two descriptors a connection. */
static uint32_t connection_limit(uint32_t wanted)
{
    struct rlimit limit;
    uint64_t most = wanted ? wanted : PROXY_CONNECTION_LIMIT;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return (uint32_t)most;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* refused: the lower one holds */
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    uint64_t room = limit.rlim_cur > DESCRIPTORS_OF_OUR_OWN + 2
                        ? (limit.rlim_cur - DESCRIPTORS_OF_OUR_OWN) / 2
                        : 1;
    return (uint32_t)(room < most ? room : most);
}

static uint32_t count_workers(uint32_t configured)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t count = configured ? configured : cores > 0 ? (uint32_t)cores : 1;
    return count < PROXY_WORKER_LIMIT ? count : PROXY_WORKER_LIMIT;
}

static void drain_due(void *argument)
{
    proxy_settle(argument);
}

struct proxy *proxy_create(const struct proxy_config *config, struct error *error)
{
    struct proxy *proxy = memory_alloc(sizeof *proxy);
    uint32_t limit = connection_limit(config->connections);
    proxy->config = *config;
    proxy->loop = config->loop;
    proxy->user = memory_strdup(config->user);
    proxy->worker_count = count_workers(config->workers);
    proxy->connections_per_worker = limit / proxy->worker_count ? limit / proxy->worker_count : 1;
    proxy->unfed_since_ns = loop_now_ns(proxy->loop);
    loop_timer_init(&proxy->tick, proxy->loop, "proxy tick", tick, proxy);
    loop_timer_init(&proxy->drain_timer, proxy->loop, "drain", drain_due, proxy);
    outlier_init(proxy);
    slow_start_init(proxy);
    balancer_init(proxy);
    if (!workers_start(proxy, error)) {
        proxy_destroy(proxy);
        return NULL;
    }
    publish_now(proxy);
    feeder_init(proxy);
    loop_timer_start(&proxy->tick, PULSE_MS * NS_PER_MS);
    LOG_INFO("proxy started", LOG_INT("workers", proxy->worker_count),
             LOG_INT("connections", limit));
    return proxy;
}

void proxy_destroy(struct proxy *proxy)
{
    if (!proxy)
        return;
    loop_timer_stop(&proxy->tick);
    loop_timer_stop(&proxy->drain_timer);
    outlier_finish(proxy);
    slow_start_finish(proxy);
    if (!proxy->stopping)
        feeder_leave(proxy);
    workers_stop(proxy);
    publish_finish(proxy);
    table_finish(proxy);
    balancer_finish(proxy);
    workers_free(proxy);
    free(proxy->user);
    free(proxy);
}
