/* A runtime whose `info` is the including file's: `static orch_status info(...)` as INFO. */
#include <orchestrator/runtime.h>

static const struct orch_host *the_host;
static inline const struct orch_host_ops_v1 *ops(void)
{
    return (const struct orch_host_ops_v1 *)the_host->get(the_host, ORCH_HOST_OPS_1);
}
static inline orch_status complete_info(struct orch_op op)
{
    const struct orch_runtime_info info = {.size = sizeof info, .engine = {"test", 4}};
    const struct orch_result result = {.size = sizeof result, .status = ORCH_OK, .value = &info};
    return ops()->complete(the_host, op, &result);
}

static orch_status info(void *runtime, struct orch_op op, struct orch_error *error);

static orch_status create_runtime(void *module, const struct orch_host *host,
                                  struct orch_str config, void **runtime, struct orch_error *error)
{
    (void)module, (void)config, (void)error;
    the_host = host;
    *runtime = &the_host;
    return ORCH_OK;
}
static void destroy_runtime(void *runtime)
{
    (void)runtime;
}
#define REFUSES(name, parameter)                                                                   \
    static orch_status name(void *runtime, struct orch_op op, parameter, struct orch_error *error) \
    {                                                                                              \
        (void)runtime, (void)op, (void)asked;                                                      \
        return orch_fail(error, ORCH_E_UNSUPPORTED, "not in this test");                           \
    }
REFUSES(pull, const struct orch_pull *asked)
REFUSES(create, const struct orch_task *asked)
REFUSES(start, struct orch_str asked)
REFUSES(stop, const struct orch_stop *asked)
REFUSES(remove_container, struct orch_str asked)
REFUSES(list, const struct orch_list *asked)
REFUSES(events, struct orch_array asked)
static void cancel(void *runtime, struct orch_op op)
{
    (void)runtime, (void)op;
}

static const struct orch_runtime_v1 table = {.size = sizeof table,
                                             .create_runtime = create_runtime,
                                             .destroy_runtime = destroy_runtime,
                                             .info = info,
                                             .pull = pull,
                                             .create = create,
                                             .start = start,
                                             .stop = stop,
                                             .remove = remove_container,
                                             .list = list,
                                             .events = events,
                                             .cancel = cancel};
static const struct orch_provide provides[] = {{ORCH_RUNTIME_1, PLUGIN_NAME, &table, NULL}};
static const struct orch_need needs[] = {
    {ORCH_HOST_OPS_1, ORCH_SIZE_UPTO(struct orch_host_ops_v1, emit), 0}};
const struct orch_manifest orch_plugin_manifest_1 = {ORCH_MANIFEST_HEAD,
                                                     "org.example.test",
                                                     "1.2.3",
                                                     NULL,
                                                     NULL,
                                                     NULL,
                                                     provides,
                                                     1,
                                                     sizeof provides[0],
                                                     needs,
                                                     1,
                                                     sizeof needs[0],
                                                     NULL,
                                                     NULL};
