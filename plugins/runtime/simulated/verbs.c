/* pull, create, start, stop, remove. */
#include "simulated.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job *job_create(struct runtime *runtime, struct orch_op op, enum job_kind kind)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        abort();
    job->runtime = runtime;
    job->op = op;
    job->kind = kind;
    job->next = runtime->jobs;
    if (job->next)
        job->next->previous = job;
    runtime->jobs = job;
    return job;
}

void job_destroy(struct job *job)
{
    struct runtime *runtime = job->runtime;
    if (job->timer)
        runtime->loop->timer_stop(runtime->host, job->timer);
    if (job->previous)
        job->previous->next = job->next;
    else
        runtime->jobs = job->next;
    if (job->next)
        job->next->previous = job->previous;
    pairs_free(job->labels, job->label_count);
    free(job->image);
    free(job);
}

void complete(struct runtime *runtime, struct orch_op op, orch_status status, const char *message,
              const void *value)
{
    struct orch_error error = {.size = sizeof error};
    struct orch_result result = {.size = sizeof result, .status = status, .value = value};
    if (status < 0) {
        (void)orch_fail(&error, status, message);
        result.error = &error;
    }
    (void)runtime->ops->complete(runtime->host, op, &result); /* STALE: nobody waits any more */
}

/* Runs `finish` after the delay, at once when there is none. */
static orch_status later(struct job *job, uint64_t delay_ns, void (*finish)(void *job),
                         struct orch_error *error)
{
    struct runtime *runtime = job->runtime;
    if (!delay_ns) {
        finish(job);
        return ORCH_PENDING;
    }
    orch_status status =
        runtime->loop->timer_start(runtime->host, delay_ns, finish, job, &job->timer);
    if (status == ORCH_OK)
        return ORCH_PENDING;
    job_destroy(job);
    return orch_fail(error, status, "the host has no timer left");
}

static struct container *container_of(const struct job *job)
{
    return container_find(job->runtime,
                          (struct orch_str){job->runtime_id, strlen(job->runtime_id)});
}

orch_status runtime_info(void *instance, struct orch_op op, struct orch_error *error)
{
    struct runtime *runtime = instance;
    const struct orch_runtime_info info = {
        .size = sizeof info,
        .engine = {"simulated", 9},
        .version = {"1.0.0", 5},
        .cpu_millis = runtime->settings.cpu_millis,
        .memory_bytes = runtime->settings.memory_bytes,
        .features = ORCH_RUNTIME_CPU_LIMIT | ORCH_RUNTIME_MEMORY_LIMIT | ORCH_RUNTIME_PIDS_LIMIT |
                    ORCH_RUNTIME_HOST_PORTS | ORCH_RUNTIME_CAPABILITIES |
                    ORCH_RUNTIME_READ_ONLY_ROOT | ORCH_RUNTIME_EXEC | ORCH_RUNTIME_LOGS |
                    ORCH_RUNTIME_STATS,
        .max_operations = 64};
    (void)error;
    complete(runtime, op, ORCH_OK, NULL, &info);
    return ORCH_PENDING;
}

/* The same name gives the same digest, on every host and run (FNV-1a in four lanes). */
static void digest_of(const char *image, char digest[72])
{
    (void)snprintf(digest, 72, "sha256:");
    for (unsigned lane = 0; lane < 4; lane++) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ lane * UINT64_C(0x9e3779b97f4a7c15);
        for (const char *p = image; *p; p++)
            hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
        snprintf(digest + 7 + lane * 16, 17, "%016llx", (unsigned long long)hash);
    }
}

static void finish_pull(void *context)
{
    struct job *job = context;
    const struct rule *rule = settings_rule(&job->runtime->settings, job->image);
    char digest[72], pinned[600], message[200];
    job->timer = 0;
    digest_of(job->image, digest);
    const char *slash = strrchr(job->image, '/');
    size_t name = (size_t)(slash ? slash - job->image : 0);
    name += strcspn(job->image + name, ":@");
    const char *at = strchr(job->image, '@');
    snprintf(pinned, sizeof pinned, "%.*s@%s", (int)(name < 500 ? name : 500), job->image,
             at ? at + 1 : digest);
    const struct orch_image image = {
        .size = sizeof image,
        .image = {pinned, strlen(pinned)},
        .digest = {at ? at + 1 : digest, strlen(at ? at + 1 : digest)}};
    snprintf(message, sizeof message, "image %.120s: %s", job->image,
             rule->pull == ORCH_E_NOT_FOUND ? "not found"
             : rule->pull == ORCH_E_DENIED  ? "access denied"
                                            : "the registry does not answer");
    complete(job->runtime, job->op, rule->pull, message, &image);
    job_destroy(job);
}

orch_status runtime_pull(void *instance, struct orch_op op, const struct orch_pull *given,
                         struct orch_error *error)
{
    struct runtime *runtime = instance;
    struct orch_pull pull;
    if (ORCH_TAKE(struct orch_pull, &pull, given, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    struct job *job = job_create(runtime, op, JOB_PULL);
    job->image = string_copy(pull.image);
    const struct rule *rule = settings_rule(&runtime->settings, job->image);
    return later(job, rule->pull_ns ? rule->pull_ns : runtime->settings.pull_ns, finish_pull,
                 error);
}

static void finish_create(void *context)
{
    struct job *job = context;
    const struct orch_created created = {.size = sizeof created,
                                         .runtime_id = {job->runtime_id, strlen(job->runtime_id)}};
    job->timer = 0;
    complete(job->runtime, job->op, ORCH_OK, NULL, &created);
    job_destroy(job);
}

orch_status runtime_create(void *instance, struct orch_op op, const struct orch_task *given,
                           struct orch_error *error)
{
    struct runtime *runtime = instance;
    struct container *container = NULL;
    struct orch_task task;
    if (ORCH_TAKE(struct orch_task, &task, given, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    HASH_FIND(by_name, runtime->names, task.name.ptr, task.name.len, container);
    if (container) {
        struct pair *labels = pairs_copy(task.labels);
        bool ours = labels_match(container, labels, task.labels.count);
        pairs_free(labels, task.labels.count);
        if (!ours)
            return orch_fail(error, ORCH_E_EXISTS, "a container of that name is somebody else's");
    } else {
        container = container_create(runtime, &task);
        events_tell(container);
    }
    struct job *job = job_create(runtime, op, JOB_CREATE);
    memcpy(job->runtime_id, container->runtime_id, sizeof job->runtime_id);
    return later(job, runtime->settings.create_ns, finish_create, error);
}

static void finish_start(void *context)
{
    struct job *job = context;
    struct container *container = container_of(job);
    struct orch_error error = {.size = sizeof error};
    struct orch_started started = {.size = sizeof started};
    job->timer = 0;
    if (!container) {
        complete(job->runtime, job->op, ORCH_E_NOT_FOUND, "there is no such container", NULL);
    } else if (container->state != ORCH_CONTAINER_RUNNING && !container_start(container, &error)) {
        complete(job->runtime, job->op, ORCH_E_UNAVAILABLE, error.message, NULL);
    } else {
        started.started_at_ms = container->started_at_ms;
        started.address = (struct orch_str){container->address, strlen(container->address)};
        complete(job->runtime, job->op, ORCH_OK, NULL, &started);
    }
    job_destroy(job);
}

orch_status runtime_start(void *instance, struct orch_op op, struct orch_str runtime_id,
                          struct orch_error *error)
{
    struct runtime *runtime = instance;
    const struct container *container = container_find(runtime, runtime_id);
    if (!container)
        return orch_fail(error, ORCH_E_NOT_FOUND, "there is no such container");
    struct job *job = job_create(runtime, op, JOB_START);
    memcpy(job->runtime_id, container->runtime_id, sizeof job->runtime_id);
    const struct rule *rule = settings_rule(&runtime->settings, container->image);
    uint64_t delay = rule->start_ns ? rule->start_ns : runtime->settings.start_ns;
    return later(job, container->state == ORCH_CONTAINER_RUNNING ? 0 : delay, finish_start, error);
}

void stops_end(struct container *container)
{
    for (struct job *job = container->runtime->jobs, *next; job; job = next) {
        next = job->next;
        if (job->kind != JOB_STOP || strcmp(job->runtime_id, container->runtime_id) != 0)
            continue;
        complete(job->runtime, job->op, ORCH_OK, NULL, NULL);
        job_destroy(job);
    }
}

static void exit_terminated(void *context)
{
    struct container *container = context;
    container->kill_timer = 0;
    container_exit(container, 128 + SIGTERM);
}

static void exit_killed(void *context)
{
    struct container *container = context;
    container->kill_timer = 0;
    container_exit(container, 128 + SIGKILL);
}

/* The signal now; what it leads to comes by timer, or here when there is nothing to wait for. */
static void begin_stop(struct container *container, const struct orch_stop *stop)
{
    struct runtime *runtime = container->runtime;
    bool kill = stop->signal.len == 7 && memcmp(stop->signal.ptr, "SIGKILL", 7) == 0;
    bool ignores = container_env(container, "SIMULATED_IGNORE_SIGTERM") != NULL;
    uint64_t needs = ignores ? UINT64_MAX : runtime->settings.stop_ns;
    bool killed = kill || needs > stop->grace_ns;
    uint64_t delay = kill ? 0 : needs < stop->grace_ns ? needs : stop->grace_ns;
    if (container->kill_timer)
        runtime->loop->timer_stop(runtime->host, container->kill_timer); /* the later stop counts */
    container->kill_timer = 0;
    if (!container->stopping)
        logs_write(container, "%s got the stop signal", container->id);
    container->stopping = true;
    void (*end)(void *) = killed ? exit_killed : exit_terminated;
    if (!delay || runtime->loop->timer_start(runtime->host, delay, end, container,
                                             &container->kill_timer) != ORCH_OK)
        end(container);
}

orch_status runtime_stop(void *instance, struct orch_op op, const struct orch_stop *given,
                         struct orch_error *error)
{
    struct runtime *runtime = instance;
    struct orch_stop stop;
    if (ORCH_TAKE(struct orch_stop, &stop, given, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    struct container *container = container_find(runtime, stop.runtime_id);
    if (!container || container->state != ORCH_CONTAINER_RUNNING)
        return ORCH_OK;
    struct job *job = job_create(runtime, op, JOB_STOP);
    memcpy(job->runtime_id, container->runtime_id, sizeof job->runtime_id);
    begin_stop(container, &stop);
    return ORCH_PENDING;
}

orch_status runtime_remove(void *instance, struct orch_op op, struct orch_str runtime_id,
                           struct orch_error *error)
{
    struct container *container = container_find(instance, runtime_id);
    (void)op;
    (void)error;
    if (!container)
        return ORCH_OK;
    container_exit(container, 128 + SIGKILL);
    container->state = ORCH_CONTAINER_REMOVING;
    logs_end(container);
    events_tell(container);
    container_destroy(container);
    return ORCH_OK;
}
