#include "proxy/slow_start.h"
#include "proxy/impl.h"

enum { FULL_WEIGHT = 256, FIRST_WEIGHT = 26 };
#define STEP_NS (100 * NS_PER_MS)

uint32_t slow_start_weight(uint64_t elapsed_ns, uint64_t window_ns)
{
    if (elapsed_ns >= window_ns)
        return FULL_WEIGHT;
    uint64_t weight = elapsed_ns * FULL_WEIGHT / window_ns; /* an hour of ns times 256: fits */
    return weight > FIRST_WEIGHT ? (uint32_t)weight : FIRST_WEIGHT;
}

static void set_weight(struct endpoint *endpoint, uint32_t weight)
{
    __atomic_store_n(&endpoint->cell.effective_weight, weight, __ATOMIC_RELAXED);
}

void slow_start_end(struct endpoint *endpoint)
{
    endpoint->slow = false;
    set_weight(endpoint, FULL_WEIGHT);
}

/* True: it grows on. */
static bool grow(const struct service *service, struct endpoint *endpoint, uint64_t now_ns)
{
    uint32_t weight = slow_start_weight(now_ns - endpoint->slow_since_ns, service->slow_start_ns);
    if (weight == FULL_WEIGHT)
        slow_start_end(endpoint);
    else
        set_weight(endpoint, weight);
    return endpoint->slow;
}

static void step(void *argument)
{
    struct proxy *proxy = argument;
    uint64_t now_ns = loop_now_ns(proxy->loop);
    bool again = false;
    for (struct service *service = proxy->services; service; service = service->hh.next)
        for (uint32_t i = 0; i < service->endpoint_count; i++)
            if (service->endpoints[i]->slow)
                again |= grow(service, service->endpoints[i], now_ns);
    if (again)
        loop_timer_start(&proxy->slow_timer, STEP_NS);
}

void slow_start_begin(struct proxy *proxy, struct service *service, struct endpoint *endpoint)
{
    if (!service->slow_start_ns)
        return;
    endpoint->slow = true;
    endpoint->slow_since_ns = loop_now_ns(proxy->loop);
    set_weight(endpoint, FIRST_WEIGHT);
    if (!loop_timer_armed(&proxy->slow_timer))
        loop_timer_start(&proxy->slow_timer, STEP_NS);
}

void slow_start_init(struct proxy *proxy)
{
    loop_timer_init(&proxy->slow_timer, proxy->loop, "slow start", step, proxy);
}

void slow_start_finish(struct proxy *proxy)
{
    loop_timer_stop(&proxy->slow_timer);
}
