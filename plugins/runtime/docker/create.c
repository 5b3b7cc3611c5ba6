/* create: made, or found again by its name. It is never sent twice: an answer that was lost is
 * looked up. */
#include "docker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Together within the minute that a create may take. */
static const uint64_t CREATE_NS = 54 * NS_PER_S, LOOK_NS = 5 * NS_PER_S;

struct create_job {
    struct job job; /* first */
    struct orch_task task;
    orch_status status; /* what it is when the look-up finds nothing */
    char why[400];
};

void owner_set(struct runtime *runtime, struct orch_array labels)
{
    json_t *owner = json_object();
    for (uint32_t i = 0; i < labels.count; i++) {
        const struct orch_pair *pair = ORCH_AT(struct orch_pair, labels, i);
        char *key = string_copy(pair->key);
        (void)json_object_set_new(owner, key,
                                  json_stringn(pair->value.ptr ? pair->value.ptr : "",
                                               pair->value.len)); /* no text: nobody's */
        free(key);
    }
    json_decref(runtime->owner);
    runtime->owner = owner;
}

static bool is_hosts(const struct runtime *runtime, const json_t *labels)
{
    const char *key;
    json_t *value;
    json_object_foreach(runtime->owner, key, value)
    {
        if (!json_equal(value, json_object_get(labels, key)))
            return false;
    }
    return json_object_size(runtime->owner) > 0;
}

static void created(struct create_job *create, const char *id)
{
    struct known *known = known_put(create->job.runtime, id);
    snprintf(known->stop_signal, sizeof known->stop_signal, "%.*s",
             (int)create->task.stop_signal.len,
             create->task.stop_signal.len ? create->task.stop_signal.ptr : "");
    job_end(&create->job,
            &(struct orch_created){.size = sizeof(struct orch_created), .runtime_id = str(id)});
}

static void judge(struct create_job *create, const struct inspected *found)
{
    struct job *job = &create->job;
    int length = (int)create->task.name.len;
    const char *name = create->task.name.ptr;
    if (!str_is(create->task.name, found->name))
        job_fail(job, create->status, "%s", create->why); /* found by something else */
    else if (!labels_carried(found->labels, create->task.labels))
        job_fail(job, is_hosts(job->runtime, found->labels) ? ORCH_E_CONFLICT : ORCH_E_EXISTS,
                 is_hosts(job->runtime, found->labels)
                     ? "container %.12s has the name %.*s and other labels"
                     : "container %.12s has the name %.*s; it is somebody else's, and left alone",
                 found->id, length, name);
    else if (state_of(found->status) == ORCH_CONTAINER_REMOVING)
        job_fail(job, ORCH_E_BUSY, "container %.*s is being removed", length, name);
    else
        created(create, found->id);
}

static void looked(struct job *job, uint64_t number, const struct reply *reply)
{
    struct create_job *create = (struct create_job *)job;
    struct inspected found;
    (void)number;
    json_t *root = reply_json(reply);
    if (root && inspect_parse(root, &found))
        judge(create, &found);
    else if (reply_is(reply, 404))
        job_fail(job, create->status, "%s", create->why);
    else if (create->status == ORCH_E_BUSY) /* the name is taken, and by whom is not known */
        job_fail_reply(job, reply, "looking up who has the name");
    else
        job_fail(job, create->status, "%s; looking it up: %s", create->why, reply->message);
    json_decref(root);
}

static void look_up(struct create_job *create, orch_status status, const char *why)
{
    create->status = status;
    snprintf(create->why, sizeof create->why, "%s", why);
    inspect_start(&create->job, create->task.name, LOOK_NS, 0, looked);
}

static void answered(struct job *job, uint64_t number, const struct reply *reply)
{
    struct create_job *create = (struct create_job *)job;
    (void)number;
    json_t *root = reply_is(reply, 201) ? reply_json(reply) : NULL;
    const char *id = json_string_value(json_object_get(root, "Id"));
    if (id && id_valid(str(id)))
        created(create, id);
    else if (reply_is(reply, 409))
        look_up(create, ORCH_E_BUSY, "its name was taken, and is free again: try again");
    else if (reply->status != ORCH_OK && !reply->reached)
        job_fail_reply(job, reply, "creating a container");
    else if (reply->status != ORCH_OK)
        look_up(create, ORCH_E_UNKNOWN, reply->message);
    else if (reply->http >= 500)
        look_up(create, reply_status(reply), reply->message);
    else if (reply->http >= 300)
        job_fail_reply(job, reply, "creating a container");
    else
        look_up(create, ORCH_E_UNKNOWN, "the engine's reply makes no sense");
    json_decref(root);
}

orch_status runtime_create(void *instance, struct orch_op op, const struct orch_task *given,
                           struct orch_error *error)
{
    struct orch_task task;
    if (ORCH_TAKE(struct orch_task, &task, given, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    if (!name_valid(task.name))
        return orch_fail(error, ORCH_E_INVALID, "the container's name is no valid one");
    if (!task_is_text(&task))
        return orch_fail(error, ORCH_E_INVALID, "the container's description is not all text");
    if (task.mounts.count || task.devices.count || task.files.count || task.resources.count)
        return orch_fail(error, ORCH_E_UNSUPPORTED,
                         "mounts, devices, files and extra resources are not offered");
    struct create_job *create = job_new(instance, op, sizeof *create);
    struct text path = {0};
    create->task = task; /* what it points to stays until the completion */
    json_t *body = task_body(instance, &task);
    text_format(&path, "/containers/create?name=");
    text_query(&path, task.name.ptr, task.name.len);
    call_start(&create->job, &(struct call_request){.method = "POST",
                                                    .path = text_string(&path),
                                                    .body = body,
                                                    .timeout_ns = CREATE_NS,
                                                    .done = answered});
    text_finish(&path);
    json_decref(body);
    return ORCH_PENDING;
}
