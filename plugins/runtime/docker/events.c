/* events: hints to list. What this plugin does itself is no news, and neither is what changes
 * nothing that a list would tell. */
#include "docker.h"

#include <stdio.h>
#include <string.h>

enum { REMEMBERED = 64 };
static const uint64_t HEAD_NS = 10 * NS_PER_S, LATE_NS = 500 * NS_PER_MS;

struct event_job {
    struct job job; /* first */
    struct lines lines;
    uint64_t opened_ns;
    bool starved; /* no credit: hints are dropped, and one that all may have changed is owed */
    uint64_t remembered[REMEMBERED]; /* hashes of the latest, to leave out repetitions */
    uint32_t next;
};

static void finish(struct job *job)
{
    lines_finish(&((struct event_job *)job)->lines);
}

static void tell(struct event_job *events, const char *id)
{
    if (!events->starved)
        events->starved = job_emit(&events->job, ORCH_CHANNEL_EVENT, id, strlen(id)) <= 0;
}

static void resumed(struct job *job)
{
    struct event_job *events = (struct event_job *)job;
    if (!events->starved)
        return;
    events->starved = false;
    tell(events, "");
}

static uint64_t hash(const char *id, const char *action, json_int_t time_ns)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325) ^ (uint64_t)time_ns;
    for (; *id; id++)
        value = (value ^ (unsigned char)*id) * UINT64_C(0x100000001b3);
    for (; *action; action++)
        value = (value ^ (unsigned char)*action) * UINT64_C(0x100000001b3);
    return value;
}

static bool is_repeated(struct event_job *events, uint64_t value)
{
    for (uint32_t i = 0; i < REMEMBERED; i++)
        if (events->remembered[i] == value)
            return true;
    events->remembered[events->next++ % REMEMBERED] = value;
    return false;
}

/* It began: a list need not ask since when. */
static void take_start(struct event_job *events, const char *id, json_int_t time_ns)
{
    struct known *known = known_put(events->job.runtime, id);
    bool news = !known->started_by_us;
    known->started_at_ms = time_ns > 0 ? time_ns / 1000000 : 0;
    known->ended = false;
    if (news)
        tell(events, id);
}

/* The engine tells of an end before its lists know of it: what is not known is inspected, and that
 * waits until the engine is done with the container. */
static void take_end(struct event_job *events, const char *id)
{
    struct known *known = known_get(events->job.runtime, id);
    if (known) {
        known->ended = known->started_by_us = false;
        known->started_at_ms = 0;
        known->retry_ns = 0;
    }
    tell(events, id);
}

static bool event(void *context, const json_t *object)
{
    struct event_job *events = context;
    const json_t *actor = json_object_get(object, "Actor");
    const char *id = json_string_value(json_object_get(actor, "ID"));
    const char *action = json_string_value(json_object_get(object, "Action"));
    json_int_t time_ns = json_integer_value(json_object_get(object, "timeNano"));
    if (!action || !id || !id_valid(str(id))) {
        tell(events, ""); /* not understood: anything may have changed */
        return true;
    }
    if (time_ns && is_repeated(events, hash(id, action, time_ns)))
        return true;
    if (strcmp(action, "start") == 0)
        take_start(events, id, time_ns);
    else if (strcmp(action, "die") == 0 || strcmp(action, "destroy") == 0)
        take_end(events, id);
    else if (strcmp(action, "pause") == 0 || strcmp(action, "unpause") == 0 ||
             strcmp(action, "rename") == 0)
        tell(events, id);
    return true;
}

static void head(struct job *job, const struct orch_array *headers)
{
    struct event_job *events = (struct event_job *)job;
    const struct runtime *runtime = job->runtime;
    (void)headers;
    /* It took long to subscribe: what was listed meanwhile may be old. */
    if (runtime->loop->now_ns(runtime->host) - events->opened_ns > LATE_NS)
        tell(events, "");
}

static void data(struct job *job, struct orch_str bytes)
{
    struct event_job *events = (struct event_job *)job;
    enum lines_fault fault = lines_feed(&events->lines, bytes, event, events);
    if (!fault)
        return;
    version_forget(job->runtime);
    job_fail(job, ORCH_E_IO, "the engine's events: %s",
             fault == LINES_TOO_LONG ? "a line is too long" : "a line is no JSON");
}

static void ended(struct job *job, uint64_t number, const struct reply *reply)
{
    (void)number;
    if (!reply_is(reply, 200)) {
        job_fail_reply(job, reply, "watching the engine's events");
        return;
    }
    version_forget(job->runtime); /* it is going down, and may come back as another */
    job_fail(job, ORCH_E_UNAVAILABLE, "the engine ended its events");
}

orch_status runtime_events(void *instance, struct orch_op op, struct orch_array labels,
                           struct orch_error *error)
{
    struct runtime *runtime = instance;
    struct event_job *events = job_new(runtime, op, sizeof *events);
    struct text path = {0};
    (void)error;
    owner_set(runtime, labels);
    events->job.finish = finish;
    events->job.resumed = resumed;
    events->opened_ns = runtime->loop->now_ns(runtime->host);
    json_t *filters = label_filters(labels), *type = json_pack("[s]", "container");
    json_object_set_new(filters, "type", type);
    /* From a second before, so that nothing falls between this and the list that follows. */
    text_format(&path, "/events?since=%lld&filters=",
                (long long)(runtime->loop->wall_ms(runtime->host) / 1000 - 1));
    text_query_json(&path, filters);
    call_start(&events->job, &(struct call_request){.method = "GET",
                                                    .path = text_string(&path),
                                                    .first_byte_ns = HEAD_NS,
                                                    .head = head,
                                                    .data = data,
                                                    .done = ended});
    text_finish(&path);
    json_decref(filters);
    return ORCH_PENDING;
}
