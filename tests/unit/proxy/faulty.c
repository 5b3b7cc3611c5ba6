/* A balancer that breaks rules: which one, its policy seed says. */
#include <orchestrator/balancer.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char policy;

static orch_status create(void *module, const struct orch_host *host, struct orch_str config,
                          uint64_t policy_seed, void **out, struct orch_balancer_wants *wants,
                          struct orch_error *error)
{
    (void)module, (void)host, (void)wants, (void)error, (void)policy_seed;
    policy = config.len > 2 && memmem(config.ptr, config.len, "hang", 4)    ? 'h'
             : config.len > 2 && memmem(config.ptr, config.len, "index", 5) ? 'i'
                                                                            : 'c';
    *out = &policy;
    return policy == 'c' ? ORCH_E_INVALID : ORCH_OK;
}

static void destroy(void *object)
{
    (void)object;
}

static orch_status worker_new(void *object, uint32_t index, uint32_t count, uint64_t seed,
                              uint32_t pick_size, uint32_t reserved, void **worker)
{
    (void)index, (void)count, (void)seed, (void)pick_size, (void)reserved;
    *worker = object;
    return ORCH_OK;
}

static void worker_free(void *worker)
{
    (void)worker;
}

static void update(void *worker, const struct orch_endpoints *endpoints, void *table)
{
    (void)worker, (void)endpoints, (void)table;
}

static int32_t pick(void *worker, struct orch_pick *pick)
{
    (void)pick;
    while (*(char *)worker == 'h')
        pause();
    return 1000000;
}

static const struct orch_balancer_v1 table = {.size = sizeof table,
                                              .create = create,
                                              .destroy = destroy,
                                              .worker_new = worker_new,
                                              .worker_free = worker_free,
                                              .update = update,
                                              .pick = pick};
static const char schema[] = "{\"type\":\"object\",\"properties\":{\"fault\":{\"type\":\"string\","
                             "\"description\":\"hang or index\"}},"
                             "\"additionalProperties\":false}";
static const struct orch_provide provides[] = {{ORCH_BALANCER_1, "faulty", &table, schema}};

ORCH_EXPORT const struct orch_manifest orch_plugin_manifest_1 = {
    ORCH_MANIFEST_HEAD,
    .id = "org.example.balancer-faulty",
    .version = "1.0.0",
    .license = "Apache-2.0",
    .provides = provides,
    .provide_count = 1,
    .provide_stride = sizeof provides[0]};
