/* p2c: of two endpoints drawn at random the one that costs less, so that a pick takes the same time
 * however many there are, and no worker that sees stale figures sends everything to one place
 * (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing").
 *
 * What an endpoint costs: its requests in flight and one more, by its weight; with
 * {"measure": "latency"} that times its moving average of latency, so that a slow endpoint counts
 * as a full one does. An endpoint without a latency yet costs as if it answered at once. */
#include <orchestrator/balancer.h>
#include <stdlib.h>
#include <string.h>

struct policy {
    int by_latency;
};

struct worker {
    const struct policy *policy;
    const struct orch_endpoints *endpoints; /* the host's, until the next update returns */
    uint64_t random;
};

static int holds(struct orch_str text, const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; i + length <= text.len; i++)
        if (memcmp(text.ptr + i, word, length) == 0)
            return 1;
    return 0;
}

/* The configuration has been checked against the schema: a word in quotes is there or is not. */
static orch_status create(void *module, const struct orch_host *host, struct orch_str config,
                          uint64_t policy_seed, void **policy, struct orch_balancer_wants *wants,
                          struct orch_error *error)
{
    struct policy *made = calloc(1, sizeof *made);
    (void)module, (void)host, (void)policy_seed, (void)wants;
    if (!made)
        return orch_fail(error, ORCH_E_NO_MEMORY, "out of memory");
    made->by_latency = holds(config, "\"latency\"");
    *policy = made;
    return ORCH_OK;
}

static void destroy(void *policy)
{
    free(policy);
}

static orch_status worker_new(void *policy, uint32_t index, uint32_t count, uint64_t seed,
                              uint32_t pick_size, uint32_t reserved, void **worker)
{
    struct worker *made = calloc(1, sizeof *made);
    (void)index, (void)count, (void)pick_size, (void)reserved;
    if (!made)
        return ORCH_E_NO_MEMORY;
    made->policy = policy;
    made->random = seed | 1;
    *worker = made;
    return ORCH_OK;
}

static void worker_free(void *worker)
{
    free(worker);
}

static void update(void *worker, const struct orch_endpoints *endpoints, void *table)
{
    (void)table;
    ((struct worker *)worker)->endpoints = endpoints;
}

/* xorshift64* (Vigna); below `bound` without a division (Lemire). */
static uint32_t draw(struct worker *worker, uint32_t bound)
{
    uint64_t x = worker->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    worker->random = x;
    return (uint32_t)(((x * UINT64_C(2685821657736338717) >> 32) * bound) >> 32);
}

struct cost {
    uint64_t load, weight; /* compared as fractions; a weight of 0 comes last */
};

static struct cost cost_of(const struct worker *worker, uint32_t index)
{
    const struct orch_endpoint *endpoint =
        ORCH_AT(struct orch_endpoint, worker->endpoints->items, index);
    uint64_t latency_us = 1;
    if (worker->policy->by_latency) /* at most 65 s: products stay below 2^64 */
        latency_us += orch_cell_latency_ns(endpoint->cell) / 1000 & 0x3ffffff;
    uint64_t in_flight = orch_cell_in_flight(endpoint->cell) & 0xfffff;
    return (struct cost){.load = (in_flight + 1) * latency_us,
                         .weight = (uint64_t)endpoint->weight * orch_cell_weight(endpoint->cell)};
}

static int is_less(struct cost a, struct cost b)
{
    if (a.weight == 0 || b.weight == 0)
        return a.weight > 0;
    return (unsigned __int128)a.load * b.weight < (unsigned __int128)b.load * a.weight;
}

/* The first from `index` on, going round, that has not been tried. */
static int32_t untried(const struct orch_pick *pick, uint32_t count, uint32_t index, int64_t but)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!ORCH_TRIED(pick, index) && (int64_t)index != but)
            return (int32_t)index;
        index = index + 1 < count ? index + 1 : 0;
    }
    return ORCH_PICK_NONE;
}

static int32_t pick(void *argument, struct orch_pick *pick)
{
    struct worker *worker = argument;
    uint32_t count = worker->endpoints ? worker->endpoints->items.count : 0;
    if (count == 0)
        return ORCH_PICK_NONE;
    int32_t one = untried(pick, count, draw(worker, count), -1);
    int32_t other = one < 0 ? one : untried(pick, count, draw(worker, count), one);
    if (other < 0)
        return one;
    return is_less(cost_of(worker, (uint32_t)other), cost_of(worker, (uint32_t)one)) ? other : one;
}

static const struct orch_balancer_v1 table = {.size = sizeof table,
                                              .create = create,
                                              .destroy = destroy,
                                              .worker_new = worker_new,
                                              .worker_free = worker_free,
                                              .update = update,
                                              .pick = pick};
static const struct orch_provide provides[] = {
    {.interface_id = ORCH_BALANCER_1,
     .name = "p2c",
     .table = &table,
     .config_schema =
         "{\"type\":\"object\",\"properties\":{\"measure\":{\"type\":\"string\","
         "\"enum\":[\"connections\",\"latency\"],\"description\":\"What an endpoint costs: what "
         "it has in flight (connections), or that times its latency.\"}},"
         "\"additionalProperties\":false}"}};

const struct orch_manifest orch_plugin_manifest_1 = {
    ORCH_MANIFEST_HEAD,      .id = "org.orchestrator.balancer.p2c",
    .version = "1.0.0",      .vendor = "orchestrator",
    .license = "Apache-2.0", .provides = provides,
    .provide_count = 1,      .provide_stride = sizeof provides[0]};
