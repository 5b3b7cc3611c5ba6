#include "docker.h"

/* More operations at a time than about two a core only lengthen the engine's own queue. */
enum { OPERATIONS_MIN = 4, OPERATIONS_MAX = 8 };

static uint64_t features_of(const json_t *info)
{
    uint64_t features = ORCH_RUNTIME_HOST_PORTS | ORCH_RUNTIME_CAPABILITIES |
                        ORCH_RUNTIME_READ_ONLY_ROOT | ORCH_RUNTIME_EXEC | ORCH_RUNTIME_LOGS |
                        ORCH_RUNTIME_STATS;
    const json_t *quota = json_object_get(info, "CpuCfsQuota");
    if (json_is_true(quota) && json_is_true(json_object_get(info, "CpuCfsPeriod")))
        features |= ORCH_RUNTIME_CPU_LIMIT;
    if (json_is_true(json_object_get(info, "MemoryLimit")))
        features |= ORCH_RUNTIME_MEMORY_LIMIT;
    if (json_is_true(json_object_get(info, "PidsLimit")))
        features |= ORCH_RUNTIME_PIDS_LIMIT;
    return features;
}

static void answered(struct job *job, uint64_t number, const struct reply *reply)
{
    (void)number;
    json_t *root = reply_json(reply);
    json_int_t cpus = json_integer_value(json_object_get(root, "NCPU"));
    json_int_t memory = json_integer_value(json_object_get(root, "MemTotal"));
    const json_t *version = json_object_get(root, "ServerVersion");
    if (cpus <= 0 || cpus > 1000000 || memory <= 0 || !json_is_string(version)) {
        json_decref(root);
        job_fail_reply(job, reply, "asking the engine about its host");
        return;
    }
    char shown[64];
    defuse(shown, sizeof shown, json_string_value(version), json_string_length(version));
    job->runtime->cpu_millis = (uint64_t)cpus * 1000;
    uint32_t operations = (uint32_t)cpus * 2;
    const struct orch_runtime_info info = {.size = sizeof info,
                                           .engine = str("docker"),
                                           .version = str(shown),
                                           .cpu_millis = job->runtime->cpu_millis,
                                           .memory_bytes = (uint64_t)memory,
                                           .features = features_of(root),
                                           .max_operations =
                                               operations < OPERATIONS_MIN   ? OPERATIONS_MIN
                                               : operations > OPERATIONS_MAX ? OPERATIONS_MAX
                                                                             : operations};
    json_decref(root);
    job_end(job, &info);
}

orch_status runtime_info(void *instance, struct orch_op op, struct orch_error *error)
{
    struct job *job = job_new(instance, op, sizeof *job);
    (void)error;
    call_start(job,
               &(struct call_request){
                   .method = "GET", .path = "/info", .timeout_ns = 5 * NS_PER_S, .done = answered});
    return ORCH_PENDING;
}
