/* remove: asked for until the engine says that it is gone, within a bound. */
#include "docker.h"

#include <stdio.h>
#include <string.h>

static const uint64_t TOTAL_NS = 50 * NS_PER_S, CALL_NS = 45 * NS_PER_S, LOOK_NS = 5 * NS_PER_S;
static const uint64_t POLL_FIRST_NS = 100 * NS_PER_MS, POLL_LAST_NS = 2 * NS_PER_S;

struct remove_job {
    struct job job; /* first */
    char id[ID_BYTES];
    uint64_t give_up_ns, pause_ns;
    bool under_way; /* the engine is at it: only look */
    orch_status status;
    char why[400];
};

static void ask(struct job *job);
static void look(struct job *job);

static void gone(struct remove_job *remove)
{
    known_drop(remove->job.runtime, remove->id);
    job_end(&remove->job, NULL);
}

/* Another round after a pause that doubles, while there is time. */
static void again(struct remove_job *remove)
{
    const struct runtime *runtime = remove->job.runtime;
    uint64_t pause_ns = remove->pause_ns;
    if (runtime->loop->now_ns(runtime->host) + pause_ns > remove->give_up_ns) {
        job_fail(&remove->job, remove->status, "%s", remove->why);
        return;
    }
    remove->pause_ns = pause_ns * 2 < POLL_LAST_NS ? pause_ns * 2 : POLL_LAST_NS;
    job_wait(&remove->job, pause_ns, remove->under_way ? look : ask);
}

static void looked(struct job *job, uint64_t number, const struct reply *reply)
{
    struct remove_job *remove = (struct remove_job *)job;
    struct inspected found;
    (void)number;
    json_t *root = reply_json(reply);
    if (reply_is(reply, 404)) {
        gone(remove);
    } else if (reply->status != ORCH_OK) {
        job_fail(job, remove->status, "%s", remove->why);
    } else {
        if (root && inspect_parse(root, &found) &&
            state_of(found.status) != ORCH_CONTAINER_REMOVING)
            remove->under_way = false; /* that removal failed, or ours did: ask again */
        again(remove);
    }
    json_decref(root);
}

static void look(struct job *job)
{
    struct remove_job *remove = (struct remove_job *)job;
    inspect_start(job, str(remove->id), LOOK_NS, 0, looked);
}

static void answered(struct job *job, uint64_t number, const struct reply *reply)
{
    struct remove_job *remove = (struct remove_job *)job;
    (void)number;
    if (reply_is(reply, 204) || reply_is(reply, 404)) {
        gone(remove);
        return;
    }
    bool in_doubt = reply->status != ORCH_OK && reply->reached;
    remove->under_way = reply_is(reply, 409);
    if (!in_doubt && !remove->under_way && !(reply->status == ORCH_OK && reply->http >= 500)) {
        job_fail_reply(job, reply, "removing a container");
        return;
    }
    remove->status = in_doubt            ? ORCH_E_UNKNOWN
                     : remove->under_way ? ORCH_E_BUSY
                                         : reply_status(reply);
    snprintf(remove->why, sizeof remove->why, "removing a container: %.370s", reply->message);
    look(job); /* it may be gone all the same */
}

static void ask(struct job *job)
{
    struct remove_job *remove = (struct remove_job *)job;
    struct text path = {0};
    text_format(&path, "/containers/%s?force=1&v=1", remove->id);
    call_start(job, &(struct call_request){.method = "DELETE",
                                           .path = text_string(&path),
                                           .timeout_ns = CALL_NS,
                                           .done = answered});
    text_finish(&path);
}

orch_status runtime_remove(void *instance, struct orch_op op, struct orch_str runtime_id,
                           struct orch_error *error)
{
    struct runtime *runtime = instance;
    if (!id_valid(runtime_id))
        return orch_fail(error, ORCH_E_INVALID, "that is no container's id");
    struct remove_job *remove = job_new(instance, op, sizeof *remove);
    memcpy(remove->id, runtime_id.ptr, runtime_id.len);
    remove->give_up_ns = runtime->loop->now_ns(runtime->host) + TOTAL_NS;
    remove->pause_ns = POLL_FIRST_NS;
    ask(&remove->job);
    return ORCH_PENDING;
}
