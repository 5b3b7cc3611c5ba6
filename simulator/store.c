/* The store as a model: the memory plugin that ships, behind a table that fails where a disk or a
 * database would. Its contents outlive every server. */
#include "sim.h"

#include <stdlib.h>

extern const struct orch_manifest sim_memory_manifest;
static const struct orch_store_v1 *inner;
static void *contents;
static struct orch_store_limits inner_limits;
static bool full;
static struct loop_timer fills;

static void fill(void *argument)
{
    uint64_t rate = world.options.rates[FAULT_STORE_FULL];
    (void)argument;
    full = faults_on() && !full;
    world.hits[FAULT_STORE_FULL] += full;
    trace('S', "the store %s", full ? "is full" : "has room");
    if (full)
        loop_timer_start(&fills, draw_around(STREAM_STORE, 10 * NS_PER_SECOND));
    else if (faults_on())
        loop_timer_start(&fills, draw_around(STREAM_STORE, rate * NS_PER_SECOND));
}

void store_init(void)
{
    struct orch_error error = {.size = sizeof error};
    struct orch_str config = {"{}", 2};
    inner = sim_memory_manifest.provides[0].table;
    inner_limits.size = sizeof inner_limits;
    if (inner->open(NULL, NULL, config, NULL, &inner_limits, &contents, &error) != ORCH_OK)
        world_broken("the store does not open: %s", error.message);
    loop_timer_init(&fills, world.loop, "store full", fill, NULL);
    if (world.options.rates[FAULT_STORE_FULL])
        loop_timer_start(&fills, draw_around(STREAM_STORE, world.options.rates[FAULT_STORE_FULL] *
                                                               NS_PER_SECOND));
}

static orch_status open_store(void *module, const struct orch_host *host, struct orch_str config,
                              const struct orch_store_open *request,
                              struct orch_store_limits *limits, void **store,
                              struct orch_error *error)
{
    (void)host, (void)config, (void)request, (void)error;
    limits->max_operations = inner_limits.max_operations;
    limits->max_bytes = inner_limits.max_bytes;
    limits->max_value_bytes = inner_limits.max_value_bytes;
    *store = module; /* which server asks */
    return ORCH_OK;
}

static void close_store(void *store)
{
    (void)store; /* the contents stay */
}

static orch_status head(void *store, struct orch_store_head *out, struct orch_error *error)
{
    (void)store;
    if (strikes(FAULT_STORE_HEAD, STREAM_STORE) && server_of_store(store)->opened)
        return orch_fail(error, ORCH_E_IO, "the store does not answer");
    return inner->head(contents, out, error);
}

static orch_status list(void *store, const struct orch_store_list *request,
                        struct orch_store_entries out, uint32_t *more, struct orch_error *error)
{
    (void)store;
    return inner->list(contents, request, out, more, error);
}

/* The first transaction that fares ill; the count when none does. */
static uint32_t first_ill(const struct orch_store_batch *batch, orch_status *status, bool *done)
{
    for (uint32_t i = 0; i < batch->txns.count; i++) {
        bool refused = strikes(FAULT_STORE_REFUSE, STREAM_STORE);
        bool before = strikes(FAULT_STORE_UNKNOWN_BEFORE, STREAM_STORE);
        bool after = strikes(FAULT_STORE_UNKNOWN_AFTER, STREAM_STORE);
        *done = after && !refused && !before;
        *status = refused ? ORCH_E_IO : ORCH_E_UNKNOWN;
        if (refused || before || after)
            return i;
    }
    return batch->txns.count;
}

static orch_status apply_one(struct server_process *server, const struct orch_store_txn *txn,
                             struct orch_error *error)
{
    uint32_t applied = 0;
    const struct orch_store_batch one = {.size = sizeof one, .txns = {txn, 1, sizeof *txn}};
    orch_status status = inner->apply(contents, &one, &applied, error);
    JUDGE(applied, server, txn, status);
    return status;
}

static orch_status apply(void *store, const struct orch_store_batch *batch, uint32_t *applied,
                         struct orch_error *error)
{
    struct server_process *server = server_of_store(store);
    orch_status ill = ORCH_OK;
    bool ill_done = false;
    uint32_t limit = first_ill(batch, &ill, &ill_done);
    *applied = 0;
    if (full)
        return orch_fail(error, ORCH_E_FULL, "no room");
    world.actions++;
    for (uint32_t i = 0; i < batch->txns.count; i++) {
        const struct orch_store_txn *txn = ORCH_AT(struct orch_store_txn, batch->txns, i);
        if (i == limit && !ill_done)
            return orch_fail(error, ill, "simulated");
        orch_status status = apply_one(server, txn, error);
        if (status != ORCH_OK)
            return status;
        if (strikes(FAULT_STORE_CRASH, STREAM_STORE)) {
            trace('X', "%s dies in its commit", server->process.name);
            server->process.dying = true; /* durable, and nobody will hear of it */
        }
        if (i == limit)
            return orch_fail(error, ill, "simulated");
        *applied = i + 1;
    }
    return ORCH_OK;
}

const struct orch_store_v1 sim_store_table = {.size = sizeof sim_store_table,
                                              .open = open_store,
                                              .close = close_store,
                                              .head = head,
                                              .list = list,
                                              .apply = apply};
