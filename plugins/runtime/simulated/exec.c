/* exec: a few commands that tests want. */
#include "simulated.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void end_exec(struct runtime *runtime, struct orch_op op, int32_t code)
{
    const struct orch_exec_end end = {.size = sizeof end, .exit_code = code};
    complete(runtime, op, ORCH_OK, NULL, &end);
}

/* The credit left. */
static int64_t put(struct runtime *runtime, struct orch_op op, const char *bytes, size_t length)
{
    return runtime->ops->emit(runtime->host, op, ORCH_CHANNEL_STDOUT, 0,
                              (struct orch_str){bytes, length});
}

static bool is(struct orch_array command, uint32_t index, const char *word)
{
    if (index >= command.count)
        return false;
    const struct orch_str *part = ORCH_AT(struct orch_str, command, index);
    return part->len == strlen(word) && memcmp(part->ptr, word, part->len) == 0;
}

static void echo(struct runtime *runtime, struct orch_op op, struct orch_array command)
{
    for (uint32_t i = 1; i < command.count; i++) {
        const struct orch_str *part = ORCH_AT(struct orch_str, command, i);
        if (i > 1)
            (void)put(runtime, op, " ", 1); /* short: fits into the credit */
        (void)put(runtime, op, part->ptr, part->len < 4096 ? part->len : 4096);
    }
    (void)put(runtime, op, "\n", 1);
}

static void print_env(struct container *container, struct orch_op op)
{
    for (uint32_t i = 0; i < container->env_count; i++) {
        char line[1024];
        int length =
            snprintf(line, sizeof line, "%s=%s\n", container->env[i].key, container->env[i].value);
        (void)put(container->runtime, op, line,
                  (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
    }
}

static int32_t code_of(struct orch_array command)
{
    if (command.count < 2)
        return 0;
    char *text = string_copy(*ORCH_AT(struct orch_str, command, 1));
    int32_t code = (int32_t)strtol(text, NULL, 10);
    free(text);
    return code;
}

/* Runs it; the exit code. */
static int32_t run(struct container *container, struct orch_op op, struct orch_array command)
{
    if (is(command, 0, "true"))
        return 0;
    if (is(command, 0, "false"))
        return 1;
    if (is(command, 0, "exit"))
        return code_of(command);
    if (is(command, 0, "echo")) {
        echo(container->runtime, op, command);
        return 0;
    }
    if (is(command, 0, "env")) {
        print_env(container, op);
        return 0;
    }
    if (is(command, 0, "healthy") || is(command, 0, "unhealthy")) {
        container->unhealthy = is(command, 0, "unhealthy");
        return 0;
    }
    if (is(command, 0, "kill")) {
        container_exit(container, 137);
        return 137;
    }
    return container->unhealthy ? 1 : 0;
}

orch_status runtime_exec(void *instance, struct orch_op op, const struct orch_exec *given,
                         struct orch_error *error)
{
    struct runtime *runtime = instance;
    struct orch_exec exec;
    if (ORCH_TAKE(struct orch_exec, &exec, given, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    struct container *container = container_find(runtime, exec.runtime_id);
    if (!container || container->state != ORCH_CONTAINER_RUNNING)
        return orch_fail(error, container ? ORCH_E_CONFLICT : ORCH_E_NOT_FOUND,
                         container ? "the container does not run" : "there is no such container");
    if (is(exec.command, 0, "cat") && exec.want_stdin) {
        struct job *job = job_create(runtime, op, JOB_EXEC);
        memcpy(job->runtime_id, container->runtime_id, sizeof job->runtime_id);
        return ORCH_PENDING;
    }
    end_exec(runtime, op, run(container, op, exec.command));
    return ORCH_PENDING;
}

void execs_end(struct container *container)
{
    for (struct job *job = container->runtime->jobs, *next; job; job = next) {
        next = job->next;
        if (job->kind != JOB_EXEC || strcmp(job->runtime_id, container->runtime_id) != 0)
            continue;
        end_exec(job->runtime, job->op, 137);
        job_destroy(job);
    }
}

int64_t runtime_input(void *instance, struct orch_op op, uint32_t channel, uint32_t reserved,
                      struct orch_str bytes)
{
    struct runtime *runtime = instance;
    (void)reserved;
    for (struct job *job = runtime->jobs; job; job = job->next) {
        if (job->op.id != op.id || job->kind != JOB_EXEC)
            continue;
        if (channel == ORCH_CHANNEL_EOF || channel == ORCH_CHANNEL_SIGNAL) {
            end_exec(runtime, op, channel == ORCH_CHANNEL_EOF ? 0 : 143);
            job_destroy(job);
        } else if (channel == ORCH_CHANNEL_STDIN) {
            size_t taken = job->full ? 0 : bytes.len < 65536 ? bytes.len : 65536;
            job->full = job->full || put(runtime, op, bytes.ptr, taken) <= 0;
            return (int64_t)taken;
        }
        return (int64_t)bytes.len;
    }
    return ORCH_E_STALE;
}
