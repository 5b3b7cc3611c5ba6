/* simulated: a runtime without containers, for tests and for trying things out. README.md tells
 * what it can be made to do. */
#include "simulated.h"

#include <stdlib.h>

static const char config_schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"cpu\":{\"type\":\"number\",\"minimum\":0.1,\"maximum\":100000,\"description\":\"Cores.\"},"
    "\"memory\":{\"type\":\"string\",\"pattern\":\"^[0-9]{1,12}([KMGT]i)?$\"},"
    "\"pullMs\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":3600000},"
    "\"createMs\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":3600000},"
    "\"startMs\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":3600000},"
    "\"stopMs\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":3600000},"
    "\"http\":{\"type\":\"boolean\"},"
    "\"images\":{\"type\":\"array\",\"maxItems\":64,\"items\":{\"type\":\"object\","
    "\"required\":[\"image\"],\"properties\":{"
    "\"image\":{\"type\":\"string\",\"minLength\":1},"
    "\"pull\":{\"type\":\"string\",\"enum\":[\"NOT_FOUND\",\"DENIED\",\"UNAVAILABLE\"]},"
    "\"pullMs\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":3600000},"
    "\"startMs\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":3600000},"
    "\"exitAfterMs\":{\"type\":\"integer\",\"minimum\":-1,\"maximum\":3600000},"
    "\"exitCode\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":255}}}}}}";

static orch_status create_runtime(void *module, const struct orch_host *host,
                                  struct orch_str config, void **out, struct orch_error *error)
{
    struct runtime *runtime = calloc(1, sizeof *runtime);
    (void)module;
    if (!runtime)
        return orch_fail(error, ORCH_E_NO_MEMORY, "out of memory");
    runtime->host = host;
    runtime->loop = host->get(host, ORCH_HOST_LOOP_1);
    runtime->ops = host->get(host, ORCH_HOST_OPS_1);
    orch_status status = settings_read(&runtime->settings, config, error);
    if (status != ORCH_OK) {
        settings_finish(&runtime->settings);
        free(runtime);
        return status;
    }
    runtime->network = 16 + (uint32_t)(runtime->loop->random(host) % 200);
    *out = runtime;
    return ORCH_OK;
}

static void destroy_runtime(void *instance)
{
    struct runtime *runtime = instance;
    while (runtime->jobs)
        job_destroy(runtime->jobs);
    while (runtime->first)
        container_destroy(runtime->first);
    settings_finish(&runtime->settings);
    free(runtime);
}

static void resume(void *instance, struct orch_op op)
{
    struct runtime *runtime = instance;
    for (struct job *job = runtime->jobs; job; job = job->next)
        if (job->op.id == op.id) {
            job->full = false;
            if (job->kind == JOB_LOGS)
                logs_pump(job);
            return;
        }
}

static void cancel(void *instance, struct orch_op op)
{
    struct runtime *runtime = instance;
    for (struct job *job = runtime->jobs; job; job = job->next)
        if (job->op.id == op.id) {
            complete(runtime, op, ORCH_E_CANCELLED, "cancelled", NULL);
            job_destroy(job);
            return;
        }
}

static const struct orch_runtime_v1 table = {.size = sizeof table,
                                             .create_runtime = create_runtime,
                                             .destroy_runtime = destroy_runtime,
                                             .info = runtime_info,
                                             .pull = runtime_pull,
                                             .create = runtime_create,
                                             .start = runtime_start,
                                             .stop = runtime_stop,
                                             .remove = runtime_remove,
                                             .list = runtime_list,
                                             .events = runtime_events,
                                             .logs = runtime_logs,
                                             .stats = runtime_stats,
                                             .exec = runtime_exec,
                                             .input = runtime_input,
                                             .resume = resume,
                                             .cancel = cancel};
static const struct orch_provide provides[] = {{.interface_id = ORCH_RUNTIME_1,
                                                .name = "simulated",
                                                .table = &table,
                                                .config_schema = config_schema}};
static const struct orch_need needs[] = {
    {ORCH_HOST_LOOP_1, ORCH_SIZE_UPTO(struct orch_host_loop_v1, unwatch), 0},
    {ORCH_HOST_OPS_1, ORCH_SIZE_UPTO(struct orch_host_ops_v1, emit), 0}};

const struct orch_manifest orch_plugin_manifest_1 = {ORCH_MANIFEST_HEAD,
                                                     .id = "org.orchestrator.runtime.simulated",
                                                     .version = "1.0.0",
                                                     .vendor = "orchestrator",
                                                     .license = "Apache-2.0",
                                                     .provides = provides,
                                                     .provide_count = 1,
                                                     .provide_stride = sizeof provides[0],
                                                     .needs = needs,
                                                     .need_count = sizeof needs / sizeof needs[0],
                                                     .need_stride = sizeof needs[0]};
