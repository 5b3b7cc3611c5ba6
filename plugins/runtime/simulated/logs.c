#include "simulated.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void logs_write(struct container *container, const char *format, ...)
{
    struct runtime *runtime = container->runtime;
    if (!container->lines)
        container->lines = calloc(LOG_LINES, sizeof *container->lines);
    if (!container->lines)
        abort();
    struct log_line *line = &container->lines[container->line_count++ % LOG_LINES];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line->text, sizeof line->text - 1, format, arguments);
    va_end(arguments);
    if (length > LOG_LINE_BYTES - 2)
        length = LOG_LINE_BYTES - 2;
    line->text[length] = '\n';
    line->length = (uint32_t)length + 1;
    line->wall_ms = runtime->loop->wall_ms(runtime->host);
    for (struct job *job = runtime->jobs, *next; job; job = next) {
        next = job->next;
        if (job->kind == JOB_LOGS && strcmp(job->runtime_id, container->runtime_id) == 0)
            logs_pump(job);
    }
}

static int64_t emit_line(const struct job *job, const struct log_line *line)
{
    char text[LOG_LINE_BYTES + 40];
    struct tm parts;
    time_t seconds = (time_t)(line->wall_ms / 1000);
    size_t length = 0;
    if (job->timestamps && gmtime_r(&seconds, &parts)) {
        length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
        length += (size_t)snprintf(text + length, sizeof text - length, ".%03dZ ",
                                   (int)(line->wall_ms % 1000));
    }
    memcpy(text + length, line->text, line->length);
    return job->runtime->ops->emit(job->runtime->host, job->op, ORCH_CHANNEL_STDOUT, 0,
                                   (struct orch_str){text, length + line->length});
}

void logs_pump(struct job *job)
{
    const struct container *container =
        container_find(job->runtime, (struct orch_str){job->runtime_id, strlen(job->runtime_id)});
    if (!container)
        return;
    if (container->line_count > LOG_LINES && job->next_line < container->line_count - LOG_LINES)
        job->next_line = container->line_count - LOG_LINES; /* what was overwritten is lost */
    while (job->next_line < container->line_count) {
        const struct log_line *line = &container->lines[job->next_line++ % LOG_LINES];
        if (emit_line(job, line) <= 0)
            return;
    }
}

void logs_end(struct container *container)
{
    for (struct job *job = container->runtime->jobs, *next; job; job = next) {
        next = job->next;
        if (job->kind != JOB_LOGS || strcmp(job->runtime_id, container->runtime_id) != 0)
            continue;
        complete(job->runtime, job->op, ORCH_OK, NULL, NULL);
        job_destroy(job);
    }
}

static uint64_t first_line(const struct container *container, const struct orch_logs *logs)
{
    uint64_t count = container->line_count;
    uint64_t first = count > LOG_LINES ? count - LOG_LINES : 0;
    if (logs->tail >= 0 && (uint64_t)logs->tail < count - first)
        first = count - (uint64_t)logs->tail;
    while (first < count && container->lines[first % LOG_LINES].wall_ms < logs->since_ms)
        first++;
    return first;
}

orch_status runtime_logs(void *instance, struct orch_op op, const struct orch_logs *given,
                         struct orch_error *error)
{
    struct runtime *runtime = instance;
    struct orch_logs logs;
    if (ORCH_TAKE(struct orch_logs, &logs, given, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    const struct container *container = container_find(runtime, logs.runtime_id);
    if (!container)
        return orch_fail(error, ORCH_E_NOT_FOUND, "there is no such container");
    struct job *job = job_create(runtime, op, JOB_LOGS);
    memcpy(job->runtime_id, container->runtime_id, sizeof job->runtime_id);
    job->timestamps = logs.timestamps != 0;
    job->next_line = first_line(container, &logs);
    logs_pump(job); /* all that is kept fits into the first credit */
    if (logs.follow && container->state == ORCH_CONTAINER_RUNNING)
        return ORCH_PENDING;
    complete(runtime, op, ORCH_OK, NULL, NULL);
    job_destroy(job);
    return ORCH_PENDING;
}
