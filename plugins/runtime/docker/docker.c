/* docker: containers by the Docker engine's API. README.md tells what it asks of the engine. */
#include "docker.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char config_schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"endpoint\":{\"type\":\"string\",\"pattern\":\"^(unix:///.+|tcp://.+:[0-9]+)$\","
    "\"maxLength\":300,\"default\":\"unix:///var/run/docker.sock\","
    "\"description\":\"The engine: unix:///path or tcp://host:port.\"},"
    "\"network\":{\"type\":\"string\",\"pattern\":\"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$\","
    "\"maxLength\":128,\"default\":\"bridge\","
    "\"description\":\"The engine's network that containers are put into.\"}}}";

/* -- jobs -- */

void *job_new(struct runtime *runtime, struct orch_op op, size_t size)
{
    struct job *job = memory_new(size);
    job->runtime = runtime;
    job->op = op;
    job->next = runtime->jobs;
    job->link = &runtime->jobs;
    if (job->next)
        job->next->link = &job->next;
    runtime->jobs = job;
    return job;
}

static void job_free(struct job *job)
{
    calls_cancel(job);
    job_wait_no_more(job);
    if (job->finish)
        job->finish(job);
    *job->link = job->next;
    if (job->next)
        job->next->link = job->link;
    free(job);
}

static void complete(struct job *job, const struct orch_result *result)
{
    struct runtime *runtime = job->runtime;
    (void)runtime->ops->complete(runtime->host, job->op, result); /* STALE: nobody waits any more */
    job_free(job);
}

void job_end(struct job *job, const void *value)
{
    complete(job, &(struct orch_result){
                      .size = sizeof(struct orch_result), .status = ORCH_OK, .value = value});
}

void job_end_items(struct job *job, const void *items, uint32_t count, uint32_t stride)
{
    complete(job, &(struct orch_result){.size = sizeof(struct orch_result),
                                        .status = ORCH_OK,
                                        .items = {items, count, stride}});
}

void job_fail(struct job *job, orch_status status, const char *format, ...)
{
    struct orch_error error = {.size = sizeof error, .code = status};
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error.message, sizeof error.message, format, arguments);
    va_end(arguments);
    complete(job, &(struct orch_result){
                      .size = sizeof(struct orch_result), .status = status, .error = &error});
}

static void timer_fired(void *context)
{
    struct job *job = context;
    job->timer = 0;
    job->waited(job);
}

void job_wait(struct job *job, uint64_t delay_ns, void (*waited)(struct job *job))
{
    struct runtime *runtime = job->runtime;
    job->waited = waited;
    if (runtime->loop->timer_start(runtime->host, delay_ns, timer_fired, job, &job->timer) !=
        ORCH_OK)
        job_fail(job, ORCH_E_FULL, "the host has no timer left");
}

void job_wait_no_more(struct job *job)
{
    if (job->timer)
        job->runtime->loop->timer_stop(job->runtime->host, job->timer);
    job->timer = 0;
}

int64_t job_emit(struct job *job, uint32_t channel, const char *bytes, size_t length)
{
    struct runtime *runtime = job->runtime;
    return runtime->ops->emit(runtime->host, job->op, channel, 0, (struct orch_str){bytes, length});
}

void log_line(struct runtime *runtime, int32_t level, const char *format, ...)
{
    char line[500];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    runtime->log->write(runtime->host, level, str(line), (struct orch_array){0});
}

static struct job *job_find(const struct runtime *runtime, struct orch_op op)
{
    struct job *job = runtime->jobs;
    while (job && job->op.id != op.id)
        job = job->next;
    return job;
}

/* -- the table -- */

static orch_status create_runtime(void *module, const struct orch_host *host,
                                  struct orch_str config, void **out, struct orch_error *error)
{
    struct runtime *runtime = memory_new(sizeof *runtime);
    (void)module;
    runtime->host = host;
    runtime->loop = host->get(host, ORCH_HOST_LOOP_1);
    runtime->ops = host->get(host, ORCH_HOST_OPS_1);
    runtime->http = host->get(host, ORCH_HOST_HTTP_1);
    runtime->net = host->get(host, ORCH_HOST_NET_1);
    runtime->log = host->get(host, ORCH_HOST_LOG_1);
    runtime->version = VERSION_UNKNOWN;
    orch_status status = settings_read(&runtime->settings, config, error);
    if (status == ORCH_OK) {
        *out = runtime;
        return ORCH_OK;
    }
    settings_finish(&runtime->settings);
    free(runtime);
    return status;
}

static void destroy_runtime(void *instance)
{
    struct runtime *runtime = instance;
    while (runtime->jobs)
        job_free(runtime->jobs);
    version_finish(runtime);
    known_sweep(runtime, UINT64_MAX);
    json_decref(runtime->owner);
    settings_finish(&runtime->settings);
    free(runtime);
}

static int64_t input(void *instance, struct orch_op op, uint32_t channel, uint32_t reserved,
                     struct orch_str bytes)
{
    struct job *job = job_find(instance, op);
    (void)reserved;
    if (!job)
        return ORCH_E_STALE;
    return job->take_input ? job->take_input(job, channel, bytes) : ORCH_E_UNSUPPORTED;
}

static void resume(void *instance, struct orch_op op)
{
    struct job *job = job_find(instance, op);
    if (job && job->resumed)
        job->resumed(job);
}

static void cancel(void *instance, struct orch_op op)
{
    struct job *job = job_find(instance, op);
    if (job)
        job_fail(job, ORCH_E_CANCELLED, "cancelled");
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
                                             .input = input,
                                             .resume = resume,
                                             .cancel = cancel};
static const struct orch_provide provides[] = {{.interface_id = ORCH_RUNTIME_1,
                                                .name = "docker",
                                                .table = &table,
                                                .config_schema = config_schema}};
static const struct orch_need needs[] = {
    {ORCH_HOST_LOOP_1, ORCH_SIZE_UPTO(struct orch_host_loop_v1, offload), 0},
    {ORCH_HOST_OPS_1, ORCH_SIZE_UPTO(struct orch_host_ops_v1, emit), 0},
    {ORCH_HOST_HTTP_1, ORCH_SIZE_UPTO(struct orch_host_http_v1, pause), 0},
    {ORCH_HOST_NET_1, ORCH_SIZE_UPTO(struct orch_host_net_v1, close), 0},
    {ORCH_HOST_LOG_1, ORCH_SIZE_UPTO(struct orch_host_log_v1, write), 0}};

const struct orch_manifest orch_plugin_manifest_1 = {ORCH_MANIFEST_HEAD,
                                                     .id = "org.orchestrator.runtime.docker",
                                                     .version = "1.0.0",
                                                     .vendor = "orchestrator",
                                                     .license = "Apache-2.0",
                                                     .provides = provides,
                                                     .provide_count = 1,
                                                     .provide_stride = sizeof provides[0],
                                                     .needs = needs,
                                                     .need_count = sizeof needs / sizeof needs[0],
                                                     .need_stride = sizeof needs[0]};
