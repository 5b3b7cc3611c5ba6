/* sqlite: keeps the state in one SQLite database in the state directory, durable at each commit
 * (WAL with synchronous FULL). */
#include "sqlite.h"

#include <stdlib.h>

static orch_status open_store(void *module, const struct orch_host *host, struct orch_str config,
                              const struct orch_store_open *request,
                              struct orch_store_limits *limits, void **out,
                              struct orch_error *error)
{
    struct store *store = calloc(1, sizeof *store);
    (void)module;
    if (!store)
        return orch_fail(error, ORCH_E_NO_MEMORY, "out of memory");
    orch_status status = store_open(host, config, request, store, error);
    if (status != ORCH_OK) {
        store_finish(store);
        free(store);
        return status;
    }
    limits->max_operations = 100000;
    limits->max_bytes = UINT64_C(256) << 20;
    limits->max_value_bytes = UINT64_C(64) << 20;
    *out = store;
    return ORCH_OK;
}

static void close_store(void *instance)
{
    store_finish(instance);
    free(instance);
}

static orch_status head(void *instance, struct orch_store_head *out, struct orch_error *error)
{
    struct store *store = instance;
    if (store->poisoned)
        return orch_fail(error, ORCH_E_IO, "an fsync has failed: start the daemon anew");
    orch_status status = store_read_head(store, error);
    out->head = store->head;
    out->fence = store->fence;
    return status;
}

static orch_status list(void *instance, const struct orch_store_list *request,
                        struct orch_store_entries out, uint32_t *more, struct orch_error *error)
{
    return store_list(instance, request, out, more, error);
}

static orch_status apply(void *instance, const struct orch_store_batch *batch, uint32_t *applied,
                         struct orch_error *error)
{
    return store_apply(instance, batch, applied, error);
}

static const struct orch_store_v1 table = {.size = sizeof table,
                                           .open = open_store,
                                           .close = close_store,
                                           .head = head,
                                           .list = list,
                                           .apply = apply};
static const struct orch_provide provides[] = {
    {.interface_id = ORCH_STORE_1,
     .name = "sqlite",
     .table = &table,
     .config_schema =
         "{\"type\":\"object\",\"properties\":{\"file\":{\"type\":\"string\","
         "\"pattern\":\"^[A-Za-z0-9._-]+$\",\"maxLength\":100,\"default\":\"state.db\","
         "\"description\":\"Name of the database in the state directory.\"}},"
         "\"additionalProperties\":false}"}};

const struct orch_manifest orch_plugin_manifest_1 = {
    ORCH_MANIFEST_HEAD,      .id = "org.orchestrator.store.sqlite",
    .version = "1.0.0",      .vendor = "orchestrator",
    .license = "Apache-2.0", .provides = provides,
    .provide_count = 1,      .provide_stride = sizeof provides[0]};
