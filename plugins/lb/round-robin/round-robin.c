/* round-robin: each endpoint in its turn, by weight. Every worker goes round by itself from a place
 * of its own, so the balance is exact per worker.
 *
 * Equal weights: plain turns. Else smooth weighted round-robin (nginx): all eligible endpoints gain
 * their weight, the one that has gathered most is picked and pays what the others gained. Weights
 * are read again once a round, so that slow starts are seen and a pick stays cheap. */
#include <orchestrator/balancer.h>
#include <stdlib.h>
#include <string.h>

enum { ROUND_MAX = 64 }; /* picks between two looks at the weights, at most */

struct turn {
    int64_t gathered;
    uint32_t weight; /* x 1/256; 0: only where nothing else is left */
    uint32_t stayed; /* was in the snapshot before */
};

struct worker {
    const struct orch_endpoints *endpoints; /* the host's, until the next update returns */
    struct turn *turns;                     /* one an endpoint; NULL: no memory, plain turns */
    uint64_t seed;
    uint32_t next;     /* whose turn it is, where nothing else decides */
    uint32_t fresh;    /* picks until the weights are read again */
    uint32_t weighted; /* they differ */
};

static orch_status create(void *module, const struct orch_host *host, struct orch_str config,
                          uint64_t policy_seed, void **policy, struct orch_balancer_wants *wants,
                          struct orch_error *error)
{
    static char nothing_to_keep;
    (void)module, (void)host, (void)config, (void)policy_seed, (void)wants, (void)error;
    *policy = &nothing_to_keep;
    return ORCH_OK;
}

static void destroy(void *policy)
{
    (void)policy;
}

static orch_status worker_new(void *policy, uint32_t index, uint32_t count, uint64_t seed,
                              uint32_t pick_size, uint32_t reserved, void **worker)
{
    struct worker *made = calloc(1, sizeof *made);
    (void)policy, (void)index, (void)count, (void)pick_size, (void)reserved;
    if (!made)
        return ORCH_E_NO_MEMORY;
    made->seed = seed;
    *worker = made;
    return ORCH_OK;
}

static void worker_free(void *argument)
{
    struct worker *worker = argument;
    free(worker->turns);
    free(worker);
}

static uint32_t count_of(const struct orch_endpoints *endpoints)
{
    return endpoints ? endpoints->items.count : 0;
}

static const struct orch_endpoint *at(const struct orch_endpoints *endpoints, uint32_t index)
{
    return ORCH_AT(struct orch_endpoint, endpoints->items, index);
}

static int compare(struct orch_str a, struct orch_str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.ptr, b.ptr, common) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* The first endpoint that is not before `id`; the count if there is none. */
static uint32_t find(const struct orch_endpoints *endpoints, struct orch_str id)
{
    uint32_t low = 0, high = count_of(endpoints);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare(at(endpoints, middle)->id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* What the endpoints that stay have gathered, evened out so that newcomers begin in the middle. */
static void carry_turns(const struct worker *worker, const struct orch_endpoints *endpoints,
                        struct turn *turns)
{
    uint32_t before = count_of(worker->endpoints), stayed = 0, old = 0, i;
    int64_t sum = 0;
    for (i = 0; i < count_of(endpoints) && worker->turns; i++) {
        while (old < before && compare(at(worker->endpoints, old)->id, at(endpoints, i)->id) < 0)
            old++;
        if (old == before || compare(at(worker->endpoints, old)->id, at(endpoints, i)->id) != 0)
            continue;
        turns[i].gathered = worker->turns[old].gathered;
        turns[i].stayed = 1;
        sum += turns[i].gathered;
        stayed++;
    }
    for (i = 0; i < count_of(endpoints) && stayed; i++)
        if (turns[i].stayed)
            turns[i].gathered -= sum / (int64_t)stayed;
}

static uint32_t carry_place(const struct worker *worker, const struct orch_endpoints *endpoints)
{
    uint32_t place;
    if (count_of(endpoints) == 0)
        return 0;
    if (count_of(worker->endpoints) == 0)
        return (uint32_t)((worker->seed >> 32) % count_of(endpoints));
    place = find(endpoints, at(worker->endpoints, worker->next)->id);
    return place % count_of(endpoints);
}

static void update(void *argument, const struct orch_endpoints *endpoints, void *table)
{
    struct worker *worker = argument;
    struct turn *turns = calloc(count_of(endpoints) + 1, sizeof *turns);
    (void)table;
    if (turns)
        carry_turns(worker, endpoints, turns);
    worker->next = carry_place(worker, endpoints);
    free(worker->turns);
    worker->turns = turns;
    worker->endpoints = endpoints;
    worker->fresh = 0;
    worker->weighted = 0;
}

static void read_weights(struct worker *worker, uint32_t count)
{
    uint32_t was_weighted = worker->weighted, i;
    worker->weighted = 0;
    for (i = 0; i < count; i++) {
        const struct orch_endpoint *endpoint = at(worker->endpoints, i);
        worker->turns[i].weight = endpoint->weight * orch_cell_weight(endpoint->cell);
        worker->weighted |= worker->turns[i].weight != worker->turns[0].weight;
    }
    for (i = 0; i < count && was_weighted && !worker->weighted; i++)
        worker->turns[i].gathered = 0; /* plain turns owe nothing */
    worker->fresh = count < ROUND_MAX ? count : ROUND_MAX;
}

static int32_t pick_plain(const struct worker *worker, const struct orch_pick *pick, uint32_t count)
{
    for (uint32_t i = 0, index = worker->next; i < count; i++) {
        if (!ORCH_TRIED(pick, index))
            return (int32_t)index;
        index = index + 1 < count ? index + 1 : 0;
    }
    return ORCH_PICK_NONE;
}

static int32_t pick_weighted(struct worker *worker, const struct orch_pick *pick, uint32_t count)
{
    int32_t best = ORCH_PICK_NONE;
    int64_t gained = 0;
    for (uint32_t i = 0, index = worker->next; i < count; i++) {
        struct turn *turn = &worker->turns[index];
        if (turn->weight > 0 && !ORCH_TRIED(pick, index)) {
            turn->gathered += turn->weight;
            gained += turn->weight;
            if (best < 0 || turn->gathered > worker->turns[best].gathered)
                best = (int32_t)index;
        }
        index = index + 1 < count ? index + 1 : 0;
    }
    if (best >= 0)
        worker->turns[best].gathered -= gained;
    return best;
}

static int32_t pick(void *argument, struct orch_pick *pick)
{
    struct worker *worker = argument;
    uint32_t count = count_of(worker->endpoints);
    int32_t index = ORCH_PICK_NONE;
    if (worker->turns && worker->fresh == 0)
        read_weights(worker, count);
    if (worker->turns && worker->weighted)
        index = pick_weighted(worker, pick, count);
    if (index < 0)
        index = pick_plain(worker, pick, count);
    if (index >= 0) {
        worker->next = (uint32_t)index + 1 < count ? (uint32_t)index + 1 : 0;
        worker->fresh -= worker->fresh > 0;
    }
    return index;
}

static const struct orch_balancer_v1 table = {.size = sizeof table,
                                              .create = create,
                                              .destroy = destroy,
                                              .worker_new = worker_new,
                                              .worker_free = worker_free,
                                              .update = update,
                                              .pick = pick};
static const struct orch_provide provides[] = {
    {.interface_id = ORCH_BALANCER_1, .name = "round-robin", .table = &table}};

const struct orch_manifest orch_plugin_manifest_1 = {
    ORCH_MANIFEST_HEAD,      .id = "org.orchestrator.balancer.round-robin",
    .version = "1.0.0",      .vendor = "orchestrator",
    .license = "Apache-2.0", .provides = provides,
    .provide_count = 1,      .provide_stride = sizeof provides[0]};
