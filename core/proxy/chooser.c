#include "base/hash.h"
#include "base/log.h"
#include "proxy/http/http.h"
#include "proxy/worker.h"

#include <stdlib.h>
#include <string.h>

enum { AVERAGE_SHIFT = 3 }; /* the moving average: an eighth of each new value */

static void broke_rule(struct worker *worker, struct policy *policy, const char *what)
{
    if (atomic_exchange(&policy->failed, true))
        return;
    LOG_ERROR("a balancer broke a rule", LOG_STR("plugin", policy->label),
              LOG_STR("balancer", policy->name), LOG_STR("what", what));
    worker_nudge(worker);
}

struct chooser *chooser_create(struct worker *worker, struct policy *policy, struct tally *tally)
{
    struct chooser *chooser = memory_alloc(sizeof *chooser);
    uint64_t seed = loop_random(worker->loop);
    chooser->policy = policy;
    chooser->tally = tally_hold(tally);
    chooser->turn = seed;
    atomic_fetch_add(&policy->choosers, 1);
    if (!policy->table)
        return chooser;
    pulse_enter(&worker->pulse, policy->label);
    orch_status status =
        policy->table->worker_new(policy->object, worker->index, worker->proxy->worker_count, seed,
                                  sizeof(struct orch_pick), 0, &chooser->object);
    pulse_leave(&worker->pulse);
    if (status != ORCH_OK || !chooser->object) {
        chooser->object = NULL;
        broke_rule(worker, policy, "worker_new failed");
    }
    return chooser;
}

void chooser_update(struct worker *worker, struct chooser *chooser, struct view *view)
{
    if (!chooser->object)
        return;
    pulse_enter(&worker->pulse, chooser->policy->label);
    chooser->policy->table->update(chooser->object, &view->endpoints, view->table);
    pulse_leave(&worker->pulse);
}

static void free_when_done(struct worker *worker, struct chooser *chooser)
{
    if (!chooser->retired || chooser->outstanding)
        return;
    if (chooser->object) {
        pulse_enter(&worker->pulse, chooser->policy->label);
        chooser->policy->table->worker_free(chooser->object);
        pulse_leave(&worker->pulse);
    }
    atomic_fetch_sub(&chooser->policy->choosers, 1);
    tally_release(chooser->tally);
    free(chooser);
    worker_nudge(worker);
}

/* Its endpoints go with the view, so it sees none from now on. */
void chooser_retire(struct worker *worker, struct chooser *chooser)
{
    static const struct orch_endpoints none = {.size = sizeof none,
                                               .items = {.stride = sizeof(struct orch_endpoint)}};
    chooser->retired = true;
    if (chooser->object && chooser->outstanding) {
        pulse_enter(&worker->pulse, chooser->policy->label);
        chooser->policy->table->update(chooser->object, &none, NULL);
        pulse_leave(&worker->pulse);
    }
    free_when_done(worker, chooser);
}

/* 0 says: no such key. */
static uint64_t hash_key(const struct policy *policy, const void *bytes, size_t length)
{
    uint64_t hash =
        hash_sip((struct hash_seed){policy->policy_seed, ~policy->policy_seed}, bytes, length);
    return hash ? hash : 1;
}

static uint64_t source_hash(const struct policy *policy, const struct sockaddr *source)
{
    struct in6_addr bytes = {0};
    if (source->sa_family == AF_INET6) {
        bytes = ((const struct sockaddr_in6 *)(const void *)source)->sin6_addr;
    } else { /* as ::ffff:a.b.c.d, so that a host is one whichever listener it came by */
        bytes.s6_addr[10] = bytes.s6_addr[11] = 0xff;
        memcpy(bytes.s6_addr + 12, &((const struct sockaddr_in *)(const void *)source)->sin_addr,
               4);
    }
    return hash_key(policy, &bytes, sizeof bytes);
}

static uint64_t key_hash(const struct policy *policy, const struct orch_balancer_key *wanted,
                         const struct pick_keys *keys)
{
    struct orch_str value;
    if (wanted->kind == ORCH_KEY_SOURCE)
        return source_hash(policy, keys->source);
    if (keys->head && http_find_key(keys->head, keys->bytes, wanted, &value))
        return hash_key(policy, value.ptr, value.len);
    return 0;
}

static const uint64_t *mark_tried(struct worker *worker, const struct view *view,
                                  struct endpoint *const *tried, uint32_t tried_count)
{
    uint32_t count = view->endpoints.items.count, words = count / 64 + 1;
    if (!tried_count)
        return NULL;
    if (words > worker->tried_words) {
        worker->tried = memory_resize(worker->tried, words * sizeof *worker->tried);
        worker->tried_words = words;
    }
    memset(worker->tried, 0, words * sizeof *worker->tried);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t t = 0; t < tried_count; t++)
            if (view->picked[i] == tried[t])
                worker->tried[i / 64] |= UINT64_C(1) << i % 64;
    return worker->tried;
}

static int32_t take_turn(struct chooser *chooser, const struct view *view,
                         const struct orch_pick *pick)
{
    uint32_t count = view->endpoints.items.count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = (uint32_t)(chooser->turn++ % count);
        if (!ORCH_TRIED(pick, index))
            return (int32_t)index;
    }
    return ORCH_PICK_NONE;
}

static int32_t ask(struct worker *worker, struct chooser *chooser, const struct view *view,
                   struct orch_pick *pick, bool *by_plugin)
{
    *by_plugin = false;
    if (!chooser->object || atomic_load_explicit(&chooser->policy->failed, memory_order_relaxed))
        return take_turn(chooser, view, pick);
    pulse_enter(&worker->pulse, chooser->policy->label);
    int32_t index = chooser->policy->table->pick(chooser->object, pick);
    pulse_leave(&worker->pulse);
    if (index < (int32_t)view->endpoints.items.count && index >= ORCH_PICK_OVERLOADED) {
        *by_plugin = true;
        return index;
    }
    broke_rule(worker, chooser->policy, "pick answered an index that does not exist");
    return take_turn(chooser, view, pick);
}

uint64_t chooser_ticket(const struct policy *policy, const struct endpoint *endpoint)
{
    uint64_t ticket = hash_mix(endpoint->id_hash ^ policy->policy_seed);
    return ticket ? ticket : 1;
}

/* The endpoint that the client had before, if it may be had now. */
static int32_t find_preferred(const struct chooser *chooser, const struct view *view,
                              const struct orch_pick *pick, uint64_t ticket)
{
    for (uint32_t i = 0; ticket && i < view->endpoints.items.count; i++)
        if (chooser_ticket(chooser->policy, view->picked[i]) == ticket && !ORCH_TRIED(pick, i))
            return (int32_t)i;
    return ORCH_PICK_NONE;
}

/* A limit is kept by all workers together, exactly; without one nothing is counted. */
static bool enter(struct tally *tally, uint32_t limit)
{
    if (!limit || atomic_fetch_add_explicit(&tally->in_flight, 1, memory_order_relaxed) < limit)
        return true;
    atomic_fetch_sub_explicit(&tally->in_flight, 1, memory_order_relaxed);
    return false;
}

static void leave(struct tally *tally, bool counted)
{
    if (counted)
        atomic_fetch_sub_explicit(&tally->in_flight, 1, memory_order_relaxed);
}

struct endpoint *chooser_pick(struct worker *worker, struct worker_service *service,
                              const struct pick_keys *keys, struct endpoint *const *tried,
                              uint32_t tried_count, struct picked *picked)
{
    const struct view *view = service->view;
    struct chooser *chooser = service->chooser;
    const struct orch_balancer_wants *wants;
    uint64_t hashes[4] = {0};
    *picked = (struct picked){0};
    if (!view || view->endpoints.items.count == 0)
        return NULL;
    if (!enter(chooser->tally, view->max_connections)) {
        picked->full = true;
        return NULL;
    }
    wants = &chooser->policy->wants;
    for (uint32_t i = 0; i < wants->key_count; i++)
        hashes[i] = key_hash(chooser->policy, &wants->keys[i], keys);
    struct orch_pick pick = {.size = sizeof pick,
                             .key_count = wants->key_count,
                             .key_hashes = hashes,
                             .tried = mark_tried(worker, view, tried, tried_count)};
    bool by_plugin = false;
    int32_t index = find_preferred(chooser, view, &pick, keys->preferred);
    if (index < 0)
        index = ask(worker, chooser, view, &pick, &by_plugin);
    if (index < 0) {
        leave(chooser->tally, view->max_connections);
        return NULL;
    }
    *picked = (struct picked){.chooser = chooser,
                              .generation = view->endpoints.generation,
                              .scratch = pick.scratch,
                              .index = (uint32_t)index,
                              .by_plugin = by_plugin,
                              .counted = view->max_connections};
    chooser->outstanding++;
    struct endpoint *endpoint = endpoint_hold(view->picked[index]);
    __atomic_fetch_add(&endpoint->cell.in_flight, 1, __ATOMIC_RELAXED);
    return endpoint;
}

static void average(struct orch_endpoint_cell *cell, uint64_t latency_ns)
{
    uint64_t old = __atomic_load_n(&cell->latency_ns, __ATOMIC_RELAXED);
    uint64_t next = old ? old - (old >> AVERAGE_SHIFT) + (latency_ns >> AVERAGE_SHIFT) : latency_ns;
    __atomic_store_n(&cell->latency_ns, next, __ATOMIC_RELAXED); /* a lost update is harmless */
}

void chooser_report(struct worker *worker, struct picked *picked, struct endpoint *endpoint,
                    uint32_t outcome, uint64_t latency_ns)
{
    struct chooser *chooser = picked->chooser;
    const struct orch_report report = {.size = sizeof report,
                                       .outcome = outcome,
                                       .index = picked->index,
                                       .generation = picked->generation,
                                       .latency_ns = latency_ns,
                                       .scratch = picked->scratch};
    bool tell = picked->by_plugin && chooser->policy->table->report;
    picked->chooser = NULL;
    if (latency_ns)
        average(&endpoint->cell, latency_ns);
    bool good = outcome == ORCH_OUTCOME_OK || outcome == ORCH_OUTCOME_CLIENT_GONE;
    meter_count(meter_lane(endpoint->meter, worker->index), good ? TRAFFIC_SERVED : TRAFFIC_FAILED,
                1);
    if (tell) {
        pulse_enter(&worker->pulse, chooser->policy->label);
        chooser->policy->table->report(chooser->object, &report);
        pulse_leave(&worker->pulse);
    }
    chooser->outstanding--;
    leave(chooser->tally, picked->counted);
    uint32_t before = __atomic_fetch_sub(&endpoint->cell.in_flight, 1, __ATOMIC_RELEASE);
    if (before == 1 && atomic_load(&endpoint->watched))
        worker_nudge(worker);
    free_when_done(worker, chooser);
}
