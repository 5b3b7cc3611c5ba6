/* start and stop. What is already so is done; what is in doubt is looked up. */
#include "docker.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const uint64_t START_NS = 54 * NS_PER_S, LOOK_NS = 5 * NS_PER_S, MARGIN_NS = 15 * NS_PER_S;

struct life_job {
    struct job job; /* first */
    char id[ID_BYTES];
    char signal[16];
    uint64_t grace_ns;
    bool killed;
    orch_status status; /* what it is unless the look-up says otherwise */
    char why[400];
};

static struct life_job *life_new(void *instance, struct orch_op op, struct orch_str id)
{
    struct life_job *life = job_new(instance, op, sizeof *life);
    memcpy(life->id, id.ptr, id.len);
    return life;
}

/* A failure that may hide a success: the caller asks what is. */
static void doubt(struct life_job *life, const struct reply *reply, const char *what,
                  void (*looked)(struct job *job, uint64_t number, const struct reply *reply))
{
    bool in_doubt = reply->status != ORCH_OK && reply->reached;
    if (!in_doubt && !(reply->status == ORCH_OK && reply->http >= 500)) {
        job_fail_reply(&life->job, reply, what);
        return;
    }
    life->status = in_doubt ? ORCH_E_UNKNOWN : reply_status(reply);
    snprintf(life->why, sizeof life->why, "%s: %.380s", what, reply->message);
    inspect_start(&life->job, str(life->id), LOOK_NS, 0, looked);
}

static void still_in_doubt(struct life_job *life)
{
    job_fail(&life->job, life->status, "%s", life->why);
}

/* -- start -- */

static void has_started(struct life_job *life, int64_t at_ms)
{
    struct runtime *runtime = life->job.runtime;
    struct known *known = known_put(runtime, life->id);
    if (at_ms)
        known->started_at_ms = at_ms;
    known->ended = false;
    job_end(&life->job,
            &(struct orch_started){.size = sizeof(struct orch_started), .started_at_ms = at_ms});
}

static void looked_after_start(struct job *job, uint64_t number, const struct reply *reply)
{
    struct life_job *life = (struct life_job *)job;
    struct inspected found;
    (void)number;
    json_t *root = reply_json(reply);
    if (root && inspect_parse(root, &found) && (found.running || found.started_at_ms))
        has_started(life, found.started_at_ms); /* one that has ended since had started too */
    else
        still_in_doubt(life);
    json_decref(root);
}

static void start_answered(struct job *job, uint64_t number, const struct reply *reply)
{
    struct life_job *life = (struct life_job *)job;
    struct runtime *runtime = job->runtime;
    (void)number;
    if (reply_is(reply, 204))
        has_started(life, runtime->loop->wall_ms(runtime->host));
    else if (reply_is(reply, 304))
        has_started(life, 0); /* since when, a list will tell */
    else
        doubt(life, reply, "starting a container", looked_after_start);
}

orch_status runtime_start(void *instance, struct orch_op op, struct orch_str runtime_id,
                          struct orch_error *error)
{
    struct text path = {0};
    if (!id_valid(runtime_id))
        return orch_fail(error, ORCH_E_INVALID, "that is no container's id");
    struct life_job *life = life_new(instance, op, runtime_id);
    known_put(instance, life->id)->started_by_us = true;
    text_format(&path, "/containers/%s/start", life->id);
    call_start(&life->job, &(struct call_request){.method = "POST",
                                                  .path = text_string(&path),
                                                  .timeout_ns = START_NS,
                                                  .done = start_answered});
    text_finish(&path);
    return ORCH_PENDING;
}

/* -- stop -- */

static void looked_after_stop(struct job *job, uint64_t number, const struct reply *reply)
{
    struct life_job *life = (struct life_job *)job;
    struct inspected found;
    (void)number;
    json_t *root = reply_json(reply);
    if (reply_is(reply, 404) || (root && inspect_parse(root, &found) && !found.running))
        job_end(job, NULL);
    else
        still_in_doubt(life);
    json_decref(root);
}

static void stop_answered(struct job *job, uint64_t number, const struct reply *reply)
{
    (void)number;
    if (reply_is(reply, 204) || reply_is(reply, 304) || reply_is(reply, 404))
        job_end(job, NULL);
    else
        doubt((struct life_job *)job, reply, "stopping a container", looked_after_stop);
}

static void post(struct life_job *life, const char *action, const char *query, uint64_t timeout_ns,
                 void (*done)(struct job *job, uint64_t number, const struct reply *reply))
{
    struct text path = {0};
    text_format(&path, "/containers/%s/%s?%s", life->id, action, query);
    call_start(&life->job, &(struct call_request){.method = "POST",
                                                  .path = text_string(&path),
                                                  .timeout_ns = timeout_ns,
                                                  .done = done});
    text_finish(&path);
}

/* The engine's own stop: its signal, or from 1.42 on the one given, the grace, then a kill. */
static void stop_by_engine(struct life_job *life, const char *signal)
{
    char query[80];
    unsigned long long seconds =
        life->grace_ns / NS_PER_S + (life->grace_ns % NS_PER_S != 0); /* never cut short */
    snprintf(query, sizeof query, "t=%llu%s%s", seconds, signal[0] ? "&signal=" : "", signal);
    post(life, "stop", query, seconds * NS_PER_S + MARGIN_NS, stop_answered);
}

/* An engine before 1.42 can't stop by another signal than the container's own: by hand. */
static void kill_answered(struct job *job, uint64_t number, const struct reply *reply);

static void waited(struct job *job, uint64_t number, const struct reply *reply)
{
    struct life_job *life = (struct life_job *)job;
    (void)number;
    bool late = reply->status == ORCH_E_TIMEOUT;
    if (reply_is(reply, 200) || reply_is(reply, 404)) {
        job_end(job, NULL);
    } else if (late && !life->killed) {
        life->killed = true;
        post(life, "kill", "signal=SIGKILL", MARGIN_NS, kill_answered);
    } else {
        doubt(life, reply, "waiting for a container's end", looked_after_stop);
    }
}

static void kill_answered(struct job *job, uint64_t number, const struct reply *reply)
{
    struct life_job *life = (struct life_job *)job;
    (void)number;
    if (reply_is(reply, 404) || reply_is(reply, 409)) /* gone, or not running */
        job_end(job, NULL);
    else if (reply_is(reply, 204))
        post(life, "wait", "condition=not-running",
             life->killed     ? MARGIN_NS
             : life->grace_ns ? life->grace_ns
                              : NS_PER_MS,
             waited);
    else
        doubt(life, reply, "signalling a container", looked_after_stop);
}

static bool stops_by(const struct runtime *runtime, const struct life_job *life)
{
    struct known *known = known_get((struct runtime *)runtime, life->id);
    return known && known->stop_signal[0] && strcasecmp(known->stop_signal, life->signal) == 0;
}

orch_status runtime_stop(void *instance, struct orch_op op, const struct orch_stop *given,
                         struct orch_error *error)
{
    struct runtime *runtime = instance;
    struct orch_stop stop;
    if (ORCH_TAKE(struct orch_stop, &stop, given, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    if (!id_valid(stop.runtime_id))
        return orch_fail(error, ORCH_E_INVALID, "that is no container's id");
    if (stop.signal.len >= sizeof((struct life_job *)0)->signal ||
        (stop.signal.len && !id_valid(stop.signal)))
        return orch_fail(error, ORCH_E_INVALID, "that is no signal's name");
    struct life_job *life = life_new(instance, op, stop.runtime_id);
    if (stop.signal.len)
        memcpy(life->signal, stop.signal.ptr, stop.signal.len);
    life->grace_ns = stop.grace_ns > 86400 * NS_PER_S ? 86400 * NS_PER_S : stop.grace_ns;
    if (!life->signal[0] || stops_by(runtime, life))
        stop_by_engine(life, "");
    else if (runtime->version == VERSION_KNOWN && runtime->api_minor >= 42)
        stop_by_engine(life, life->signal);
    else {
        char query[40];
        snprintf(query, sizeof query, "signal=%s", life->signal);
        post(life, "kill", query, MARGIN_NS, kill_answered);
    }
    return ORCH_PENDING;
}
