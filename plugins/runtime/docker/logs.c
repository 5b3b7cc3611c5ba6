#include "docker.h"

#include <stdio.h>
#include <string.h>

static const uint64_t HEAD_NS = 10 * NS_PER_S;

struct log_job {
    struct job job; /* first */
    struct frames frames;
    bool checked;
};

static void resumed(struct job *job)
{
    calls_pause(job, false);
}

/* From 1.42 on the engine says which it is. */
static void head(struct job *job, const struct orch_array *headers)
{
    struct log_job *logs = (struct log_job *)job;
    for (uint32_t i = 0; i < headers->count; i++) {
        const struct orch_pair *header = ORCH_AT(struct orch_pair, *headers, i);
        if (!str_is(header->key, "content-type"))
            continue;
        if (str_is(header->value, "application/vnd.docker.multiplexed-stream"))
            logs->frames.kind = FRAMES_FRAMED;
        else if (str_is(header->value, "application/vnd.docker.raw-stream") &&
                 job->runtime->api_minor >= 42)
            logs->frames.kind = FRAMES_RAW;
    }
}

/* Before, a terminal's output is told by its not beginning with a frame. */
static void check(struct log_job *logs, struct orch_str bytes)
{
    if (logs->checked || !bytes.len)
        return;
    logs->checked = true;
    if (logs->frames.kind == FRAMES_UNKNOWN)
        logs->frames.kind = (unsigned char)bytes.ptr[0] <= 2 ? FRAMES_FRAMED : FRAMES_RAW;
}

static void data(struct job *job, struct orch_str bytes)
{
    struct log_job *logs = (struct log_job *)job;
    check(logs, bytes);
    int64_t credit = frames_feed(&logs->frames, job, bytes);
    if (credit == 0)
        calls_pause(job, true); /* until there is credit again */
    else if (credit < 0)
        job_fail(job, credit == ORCH_E_STALE ? ORCH_E_CANCELLED : (orch_status)credit,
                 credit == ORCH_E_STALE ? "nobody wants it any more"
                                        : "the engine's log stream makes no sense");
}

static void ended(struct job *job, uint64_t number, const struct reply *reply)
{
    const struct log_job *logs = (struct log_job *)job;
    (void)number;
    if (!reply_is(reply, 200))
        job_fail_reply(job, reply, "reading a container's output");
    else if (logs->frames.left || logs->frames.have)
        job_fail(job, ORCH_E_UNAVAILABLE, "reading a container's output: it was cut");
    else
        job_end(job, NULL);
}

orch_status runtime_logs(void *instance, struct orch_op op, const struct orch_logs *given,
                         struct orch_error *error)
{
    struct orch_logs taken;
    struct text path = {0};
    if (ORCH_TAKE(struct orch_logs, &taken, given, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    if (!id_valid(taken.runtime_id))
        return orch_fail(error, ORCH_E_INVALID, "that is no container's id");
    struct log_job *logs = job_new(instance, op, sizeof *logs);
    logs->job.resumed = resumed;
    text_format(&path, "/containers/%.*s/logs?stdout=1&stderr=1&follow=%d&timestamps=%d",
                (int)taken.runtime_id.len, taken.runtime_id.ptr, taken.follow != 0,
                taken.timestamps != 0);
    if (taken.tail >= 0)
        text_format(&path, "&tail=%lld", (long long)taken.tail);
    if (taken.since_ms > 0)
        text_format(&path, "&since=%lld.%03d", (long long)(taken.since_ms / 1000),
                    (int)(taken.since_ms % 1000));
    call_start(&logs->job, &(struct call_request){.method = "GET",
                                                  .path = text_string(&path),
                                                  .first_byte_ns = HEAD_NS,
                                                  .head = head,
                                                  .data = data,
                                                  .done = ended});
    text_finish(&path);
    return ORCH_PENDING;
}
