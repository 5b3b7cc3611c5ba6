/* A sound scheduler plugin, in which each file of this folder breaks one thing: it defines the
 * macro that it wants otherwise, then includes this. PLUGIN_NAME comes from the build. */
#include <orchestrator/scheduler.h>

#ifndef INTERFACE
#define INTERFACE ORCH_SCHEDULER_1
#endif
#ifndef SCORE
#define SCORE score
#endif
#ifndef SCHEMA
#define SCHEMA "{\"type\":\"object\",\"properties\":{\"weight\":{\"type\":\"integer\"}}}"
#endif
#ifndef PROVIDES
#define PROVIDES                                                                                   \
    {                                                                                              \
        INTERFACE, PLUGIN_NAME, &table, SCHEMA                                                     \
    }
#endif
#ifndef NEEDS
#define NEEDS                                                                                      \
    {                                                                                              \
        ORCH_HOST_LOG_1, ORCH_SIZE_UPTO(struct orch_host_log_v1, write), 0                         \
    }
#endif
#ifndef HEAD
#define HEAD ORCH_MANIFEST_HEAD
#endif
#ifndef INIT
#define INIT NULL
#endif

static orch_status create(void *module, const struct orch_host *host, struct orch_str config,
                          void **scheduler, struct orch_sched_wants *wants,
                          struct orch_error *error)
{
    static int nothing;
    (void)module, (void)host, (void)config, (void)error;
    *scheduler = &nothing;
    wants->score_scope = ORCH_SCORE_NODE;
    return ORCH_OK;
}

static void destroy(void *scheduler)
{
    (void)scheduler;
}

static inline orch_status score(void *scheduler, const struct orch_sched_view *view,
                                const struct orch_sched_ask *ask, const uint32_t *candidates,
                                uint32_t count, uint32_t reserved, int64_t *scores,
                                uint32_t *reasons, struct orch_error *error)
{
    uint32_t i;
    (void)scheduler, (void)view, (void)ask, (void)candidates, (void)reserved, (void)error;
    for (i = 0; i < count; i++)
        scores[i] = reasons[i] = 0;
    return ORCH_OK;
}

static const struct orch_scheduler_v1 table = {
    .size = sizeof table, .create = create, .destroy = destroy, .score = SCORE};
static const struct orch_provide provides[] = {PROVIDES};
static const struct orch_need needs[] = {NEEDS};

#ifndef NO_MANIFEST
const struct orch_manifest orch_plugin_manifest_1 = {HEAD,
                                                     "org.example.test",
                                                     "1.2.3",
                                                     NULL,
                                                     NULL,
                                                     NULL,
                                                     provides,
                                                     sizeof provides / sizeof provides[0],
                                                     sizeof provides[0],
                                                     needs,
                                                     sizeof needs / sizeof needs[0],
                                                     sizeof needs[0],
                                                     INIT,
                                                     NULL};
#else
const void *const not_the_manifest[] = {provides, needs};
#endif
