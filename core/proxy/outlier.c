#include "proxy/outlier.h"
#include "base/log.h"
#include "proxy/slow_start.h"
#include "proxy/worker.h"

#include <stdio.h>
#include <string.h>

enum { RATE_LEAST = 20 }; /* fewer within an interval say nothing */
#define LOOK_NS NS_PER_SECOND

/* -- on workers -- */

static void add_one(_Atomic uint64_t *counter) /* of a lane: its worker's alone */
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + 1, memory_order_relaxed);
}

static void forgive(_Atomic uint32_t *streak) /* written only where it has to be: it is shared */
{
    if (atomic_load_explicit(streak, memory_order_relaxed))
        atomic_store_explicit(streak, 0, memory_order_relaxed);
}

static void count_failure(struct worker *worker, struct outlier *outlier, _Atomic uint32_t *streak)
{
    uint32_t limit = atomic_load_explicit(&outlier->limit, memory_order_relaxed);
    uint32_t length = atomic_fetch_add_explicit(streak, 1, memory_order_relaxed) + 1;
    bool trial = atomic_load_explicit(&outlier->trial, memory_order_relaxed);
    if (!limit || (length != limit && !trial) || atomic_exchange(&outlier->suspect, true))
        return;
    atomic_store(&worker->proxy->suspects, true);
    worker_nudge(worker);
}

void outlier_note(struct worker *worker, struct endpoint *endpoint, enum outlier_sight sight)
{
    struct outlier *outlier = &endpoint->outlier;
    struct endpoint_lane *lane = &endpoint->lanes[worker->index];
    switch (sight) {
    case SIGHT_CONNECTED:
        forgive(&outlier->connect_streak);
        break;
    case SIGHT_ANSWERED:
        add_one(&lane->good);
        forgive(&outlier->connect_streak);
        forgive(&outlier->answer_streak);
        if (atomic_load_explicit(&outlier->trial, memory_order_relaxed))
            atomic_store_explicit(&outlier->trial, false, memory_order_relaxed);
        break;
    case SIGHT_NO_CONNECT:
        add_one(&lane->bad);
        count_failure(worker, outlier, &outlier->connect_streak);
        break;
    case SIGHT_FAULT:
        add_one(&lane->bad);
        count_failure(worker, outlier, &outlier->answer_streak);
        break;
    }
}

/* -- on the main thread -- */

static bool is_on(const struct service *service)
{
    const struct feed_ejection *ejection = &service->ejection;
    return ejection->share_percent && (ejection->failures || ejection->failure_percent);
}

static void sum(const struct proxy *proxy, struct endpoint *endpoint, uint64_t *good, uint64_t *bad)
{
    *good = *bad = 0;
    for (uint32_t i = 0; i < proxy->worker_count; i++) {
        *good += atomic_load_explicit(&endpoint->lanes[i].good, memory_order_relaxed);
        *bad += atomic_load_explicit(&endpoint->lanes[i].bad, memory_order_relaxed);
    }
}

static void tell(struct proxy *proxy, const struct service *service, struct endpoint *endpoint)
{
    struct outlier *outlier = &endpoint->outlier;
    if (!proxy->version || (!outlier->out && !outlier->told))
        return;
    outlier->told = outlier->out;
    feeder_ejected(proxy, service->name, endpoint->id, outlier->out, outlier->why,
                   outlier->time_ns);
}

static void set_out(struct proxy *proxy, struct service *service, struct endpoint *endpoint,
                    bool out)
{
    if (endpoint->outlier.out == out)
        return;
    endpoint->outlier.out = out;
    service->changed = true;
    if (out)
        LOG_WARN("an endpoint is left out", LOG_STR("service", service->name),
                 LOG_STR("endpoint", endpoint->id), LOG_STR("why", endpoint->outlier.why));
    else
        LOG_INFO("an endpoint is used again", LOG_STR("service", service->name),
                 LOG_STR("endpoint", endpoint->id));
    tell(proxy, service, endpoint);
}

static void forget_streaks(struct outlier *outlier)
{
    atomic_store(&outlier->connect_streak, 0);
    atomic_store(&outlier->answer_streak, 0);
    atomic_store(&outlier->suspect, false);
}

static void grow_time(struct outlier *outlier, const struct feed_ejection *ejection,
                      uint64_t now_ns)
{
    uint64_t grown_ns = ejection->time_ns * ++outlier->times;
    outlier->time_ns = grown_ns < ejection->max_time_ns ? grown_ns : ejection->max_time_ns;
    outlier->until_ns = now_ns + outlier->time_ns;
}

/* The reason has been written. One that did well for as long as it had been out begins anew. */
static void begin_failing(struct proxy *proxy, const struct service *service,
                          struct endpoint *endpoint)
{
    struct outlier *outlier = &endpoint->outlier;
    uint64_t now_ns = loop_now_ns(proxy->loop), bad;
    if (outlier->returned_ns && now_ns - outlier->returned_ns >= outlier->time_ns)
        outlier->times = 0;
    outlier->failing = true;
    atomic_store(&outlier->trial, false);
    sum(proxy, endpoint, &outlier->good_then, &bad);
    grow_time(outlier, &service->ejection, now_ns);
}

static void stop_failing(struct outlier *outlier)
{
    outlier->failing = false;
    forget_streaks(outlier);
}

static void give_back(struct proxy *proxy, struct service *service, struct endpoint *endpoint)
{
    struct outlier *outlier = &endpoint->outlier;
    probe_end(outlier->probe);
    outlier->probe = NULL;
    stop_failing(outlier);
    outlier->returned_ns = loop_now_ns(proxy->loop);
    atomic_store(&outlier->trial, true);
    slow_start_begin(proxy, service, endpoint);
    set_out(proxy, service, endpoint, false);
}

static uint32_t limit_of(const struct service *service)
{
    uint32_t active = 0, failing = 0;
    for (uint32_t i = 0; i < service->endpoint_count; i++) {
        active += service->endpoints[i]->state == FEED_ACTIVE;
        failing += service->endpoints[i]->outlier.failing;
    }
    uint32_t share = active * service->ejection.share_percent / 100;
    return failing == active ? 0 : share ? share : 1;
}

/* Those that are out stay so, as far as the share goes; then others in the order of their ids. */
static void choose(struct proxy *proxy, struct service *service)
{
    uint32_t left = limit_of(service);
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < service->endpoint_count; i++) {
            struct endpoint *endpoint = service->endpoints[i];
            bool was_out = endpoint->outlier.out;
            if (!endpoint->outlier.failing || was_out != (pass == 0))
                continue;
            set_out(proxy, service, endpoint, left > 0);
            left -= left > 0;
            if (was_out && !endpoint->outlier.out) {
                probe_end(endpoint->outlier.probe);
                endpoint->outlier.probe = NULL;
            }
        }
}

static void describe_streak(struct outlier *outlier)
{
    uint32_t connects = atomic_load(&outlier->connect_streak);
    uint32_t answers = atomic_load(&outlier->answer_streak);
    bool of_connects = connects >= answers;
    uint32_t count = of_connects ? connects : answers;
    if (atomic_load(&outlier->trial))
        snprintf(outlier->why, sizeof outlier->why, "it failed again on its trial: %s",
                 of_connects ? "no connection could be made"
                             : "it was cut, late or answered with an error");
    else
        snprintf(outlier->why, sizeof outlier->why, "%u %s in a row", count,
                 of_connects ? "connects failed" : "answers were cut, late or errors");
}

static void judge_suspects(struct proxy *proxy, struct service *service)
{
    for (uint32_t i = 0; i < service->endpoint_count; i++) {
        struct endpoint *endpoint = service->endpoints[i];
        if (!atomic_exchange(&endpoint->outlier.suspect, false) || endpoint->outlier.failing ||
            endpoint->state != FEED_ACTIVE || !is_on(service))
            continue;
        describe_streak(&endpoint->outlier);
        begin_failing(proxy, service, endpoint);
    }
}

static void judge_rates(struct proxy *proxy, struct service *service)
{
    uint64_t now_ns = loop_now_ns(proxy->loop), percent = service->ejection.failure_percent;
    if (!percent || !is_on(service) || now_ns < service->rate_due_ns)
        return;
    service->rate_due_ns = now_ns + service->ejection.interval_ns;
    for (uint32_t i = 0; i < service->endpoint_count; i++) {
        struct endpoint *endpoint = service->endpoints[i];
        struct outlier *outlier = &endpoint->outlier;
        uint64_t good, bad;
        sum(proxy, endpoint, &good, &bad);
        uint64_t failed = bad - outlier->rate_bad, all = failed + good - outlier->rate_good;
        outlier->rate_good = good;
        outlier->rate_bad = bad;
        if (all < RATE_LEAST || failed * 100 < percent * all || outlier->failing ||
            endpoint->state != FEED_ACTIVE)
            continue;
        snprintf(outlier->why, sizeof outlier->why, "%llu of %llu failed within %llu s",
                 (unsigned long long)failed, (unsigned long long)all,
                 (unsigned long long)(service->ejection.interval_ns / NS_PER_SECOND));
        begin_failing(proxy, service, endpoint);
    }
}

/* One that fails and is used all the same may have recovered; one whose time is over is probed. */
static void look_at_failing(struct proxy *proxy, struct service *service)
{
    uint64_t now_ns = loop_now_ns(proxy->loop), good, bad;
    for (uint32_t i = 0; i < service->endpoint_count; i++) {
        struct endpoint *endpoint = service->endpoints[i];
        struct outlier *outlier = &endpoint->outlier;
        if (!outlier->failing || outlier->probe)
            continue;
        sum(proxy, endpoint, &good, &bad);
        if (!outlier->out && (good > outlier->good_then || now_ns >= outlier->until_ns)) {
            outlier->returned_ns = now_ns;
            stop_failing(outlier);
        } else if (outlier->out && now_ns >= outlier->until_ns) {
            if (service->protocol == FEED_UDP)
                give_back(proxy, service, endpoint);
            else
                outlier->probe = probe_begin(proxy, service, endpoint);
        }
    }
}

static uint64_t next_due(const struct proxy *proxy)
{
    uint64_t due_ns = UINT64_MAX, look_ns = loop_now_ns(proxy->loop) + LOOK_NS;
    for (const struct service *service = proxy->services; service; service = service->hh.next) {
        if (is_on(service) && service->ejection.failure_percent && service->rate_due_ns < due_ns)
            due_ns = service->rate_due_ns;
        for (uint32_t i = 0; i < service->endpoint_count; i++) {
            const struct outlier *outlier = &service->endpoints[i]->outlier;
            uint64_t at_ns =
                outlier->until_ns < look_ns || outlier->out ? outlier->until_ns : look_ns;
            if (outlier->failing && !outlier->probe && at_ns < due_ns)
                due_ns = at_ns;
        }
    }
    return due_ns;
}

static void arrange(struct proxy *proxy)
{
    uint64_t due_ns = next_due(proxy), now_ns = loop_now_ns(proxy->loop);
    if (due_ns == UINT64_MAX)
        loop_timer_stop(&proxy->outlier_timer);
    else
        loop_timer_start(&proxy->outlier_timer, due_ns > now_ns ? due_ns - now_ns : 0);
}

static bool look_at_all(struct proxy *proxy)
{
    bool changed = false;
    for (struct service *service = proxy->services; service; service = service->hh.next) {
        bool before = service->changed;
        judge_suspects(proxy, service);
        judge_rates(proxy, service);
        look_at_failing(proxy, service);
        choose(proxy, service);
        changed |= service->changed && !before;
    }
    arrange(proxy);
    return changed;
}

static void tell_again(struct proxy *proxy)
{
    for (struct service *service = proxy->services; service; service = service->hh.next)
        for (uint32_t i = 0; i < service->endpoint_count; i++)
            if (service->endpoints[i]->outlier.out)
                tell(proxy, service, service->endpoints[i]);
    proxy->ejections_untold = false;
}

bool outlier_look(struct proxy *proxy)
{
    if (proxy->ejections_untold && proxy->version)
        tell_again(proxy);
    if (!atomic_exchange(&proxy->suspects, false))
        return false;
    loop_refresh_now(proxy->loop);
    return look_at_all(proxy);
}

static void due(void *argument)
{
    struct proxy *proxy = argument;
    if (look_at_all(proxy))
        publish_now(proxy);
}

void outlier_probed(struct proxy *proxy, struct service *service, struct endpoint *endpoint,
                    bool reached)
{
    endpoint->outlier.probe = NULL;
    if (reached) {
        give_back(proxy, service, endpoint);
        choose(proxy, service);
        publish_now(proxy);
    } else {
        grow_time(&endpoint->outlier, &service->ejection, loop_now_ns(proxy->loop));
        tell(proxy, service, endpoint);
    }
    arrange(proxy);
}

void outlier_service_changed(struct proxy *proxy, struct service *service)
{
    for (uint32_t i = 0; i < service->endpoint_count; i++) {
        struct endpoint *endpoint = service->endpoints[i];
        atomic_store(&endpoint->outlier.limit, is_on(service) ? service->ejection.failures : 0);
        if (endpoint->outlier.failing && !is_on(service))
            give_back(proxy, service, endpoint);
    }
    choose(proxy, service);
    arrange(proxy);
}

void outlier_forget(struct proxy *proxy, struct service *service, struct endpoint *endpoint)
{
    struct outlier *outlier = &endpoint->outlier;
    probe_end(outlier->probe);
    outlier->probe = NULL;
    stop_failing(outlier);
    set_out(proxy, service, endpoint, false);
    outlier->times = 0;
    outlier->returned_ns = 0;
    atomic_store(&outlier->trial, false);
}

void outlier_forget_told(struct proxy *proxy)
{
    for (struct service *service = proxy->services; service; service = service->hh.next)
        for (uint32_t i = 0; i < service->endpoint_count; i++)
            service->endpoints[i]->outlier.told = false;
    proxy->ejections_untold = true;
}

void outlier_init(struct proxy *proxy)
{
    loop_timer_init(&proxy->outlier_timer, proxy->loop, "ejection", due, proxy);
}

void outlier_finish(struct proxy *proxy)
{
    loop_timer_stop(&proxy->outlier_timer);
}
