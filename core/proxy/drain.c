/* Draining: an endpoint that may get no new connection is waited for, and at the end of its time
 * its connections are closed: first those that have been quiet for a while, then the rest. */
#include "proxy/impl.h"
#include "proxy/worker.h"

#include <stdlib.h>
#include <utlist.h>

#define QUIET_PHASE_NS (2 * NS_PER_SECOND) /* at most; a tenth of the whole */
#define SWEEP_NS (200 * NS_PER_MS)         /* while quiet ones are looked for */
#define NOT_PUBLISHED UINT64_MAX

void drain_begin(struct proxy *proxy, struct service *service, struct endpoint *endpoint)
{
    uint64_t phase = service->drain_timeout_ns / 10;
    endpoint->deadline_ns = loop_now_ns(proxy->loop) + service->drain_timeout_ns;
    endpoint->quiet_ns = endpoint->deadline_ns - (phase < QUIET_PHASE_NS ? phase : QUIET_PHASE_NS);
    endpoint->draining_sequence = NOT_PUBLISHED;
    endpoint->service = service;
    endpoint->told_drained = false;
    atomic_store(&endpoint->cut, 0);
    atomic_store(&endpoint->watched, true);
    DL_APPEND2(proxy->draining, endpoint, draining_prev, draining_next);
}

void drain_end(struct proxy *proxy, struct endpoint *endpoint)
{
    if (!endpoint->service)
        return;
    DL_DELETE2(proxy->draining, endpoint, draining_prev, draining_next);
    endpoint->service = NULL;
    atomic_store(&endpoint->watched, false);
    atomic_store(&endpoint->order, ORDER_NONE);
}

void drain_published(struct proxy *proxy, uint64_t sequence)
{
    struct endpoint *endpoint;
    DL_FOREACH2(proxy->draining, endpoint, draining_next)
    {
        if (endpoint->draining_sequence == NOT_PUBLISHED)
            endpoint->draining_sequence = sequence;
    }
}

void drain_forget_told(struct proxy *proxy)
{
    struct endpoint *endpoint;
    DL_FOREACH2(proxy->draining, endpoint, draining_next)
    {
        endpoint->told_drained = false;
    }
}

static bool is_drained(const struct endpoint *endpoint, uint64_t applied)
{
    return applied >= endpoint->draining_sequence && orch_cell_in_flight(&endpoint->cell) == 0;
}

static void tell(struct proxy *proxy, struct endpoint *endpoint)
{
    if (endpoint->told_drained || endpoint->service->removed || endpoint->service->stale ||
        !proxy->version)
        return;
    endpoint->told_drained = true;
    counters_tell(proxy, endpoint->service->name, endpoint);
    feeder_drained(proxy, endpoint->service->name, endpoint->id, atomic_load(&endpoint->cut));
}

/* The next instant at which something is to be done about it; UINT64_MAX: none. */
static uint64_t order(struct endpoint *endpoint, uint64_t now_ns, bool *sweep)
{
    if (now_ns >= endpoint->deadline_ns) {
        *sweep |= atomic_exchange(&endpoint->order, ORDER_CUT_ALL) != ORDER_CUT_ALL;
        return UINT64_MAX;
    }
    if (now_ns < endpoint->quiet_ns) {
        if (endpoint->service->protocol != FEED_UDP)
            return endpoint->quiet_ns;
        atomic_store(&endpoint->order, ORDER_CUT_DONE);
        *sweep = true;
        return now_ns + SWEEP_NS;
    }
    atomic_store(&endpoint->order, ORDER_CUT_QUIET);
    *sweep = true;
    return endpoint->deadline_ns < now_ns + SWEEP_NS ? endpoint->deadline_ns : now_ns + SWEEP_NS;
}

static bool free_removed(struct proxy *proxy, uint64_t applied)
{
    struct service *service, *next;
    bool freed = false;
    HASH_ITER(hh, proxy->services, service, next)
    {
        bool empty = service->removed && !service->changed;
        for (uint32_t i = 0; empty && i < service->endpoint_count; i++)
            empty = is_drained(service->endpoints[i], applied);
        if (empty) {
            table_free_service(proxy, service);
            freed = true;
        }
    }
    return freed;
}

bool drain_look(struct proxy *proxy, uint64_t applied)
{
    uint64_t now_ns, next_ns = UINT64_MAX;
    struct endpoint *endpoint;
    bool sweep = false;
    loop_refresh_now(proxy->loop);
    now_ns = loop_now_ns(proxy->loop);
    DL_FOREACH2(proxy->draining, endpoint, draining_next)
    {
        if (is_drained(endpoint, applied)) {
            tell(proxy, endpoint);
            continue;
        }
        uint64_t due_ns = order(endpoint, now_ns, &sweep);
        next_ns = due_ns < next_ns ? due_ns : next_ns;
    }
    if (sweep)
        workers_wake(proxy);
    if (next_ns != UINT64_MAX)
        loop_timer_start(&proxy->drain_timer, next_ns > now_ns ? next_ns - now_ns : 0);
    return free_removed(proxy, applied);
}
