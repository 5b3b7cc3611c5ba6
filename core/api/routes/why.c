/* GET /deployments/NAME/why: what it waits for, which of its containers are not well and why, how
 * each node answers for one more replica, and what would help. All of it as things stand. */
#include "api/routes/why.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

enum { ROW_LIMIT = 200, CONTAINER_LIMIT = 50, LOOKS = 256 };

const char why_schema[] =
    "{\"type\":\"object\",\"required\":[\"waitsFor\",\"containers\",\"nodes\",\"fixes\"],"
    "\"properties\":{\"deployment\":{\"type\":\"string\"},\"phase\":{\"type\":\"string\"},"
    "\"reason\":{\"type\":\"string\"},\"waitsFor\":{\"type\":\"string\"},"
    "\"containers\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"container\":{\"type\":\"string\"},\"node\":{\"type\":\"string\"},"
    "\"state\":{\"type\":\"string\"},\"ready\":{\"type\":\"boolean\"},"
    "\"reason\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"},"
    "\"restarts\":{\"type\":\"integer\"},\"lastEnd\":{\"type\":[\"object\",\"null\"]}}}},"
    "\"nodes\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"node\":{\"type\":\"string\"},\"fits\":{\"type\":\"boolean\"},\"checks\":{\"type\":\"array\","
    "\"items\":{\"type\":\"object\",\"properties\":{\"filter\":{\"type\":\"string\"},"
    "\"ok\":{\"type\":\"boolean\"},\"asked\":{\"type\":\"integer\"},\"free\":{\"type\":\"integer\"}"
    ","
    "\"short\":{\"type\":\"integer\"},\"message\":{\"type\":\"string\"}}}}}}},"
    "\"nodesTotal\":{\"type\":\"integer\"},\"nodesThatFit\":{\"type\":\"integer\"},"
    "\"fixes\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"message\":{\"type\":\"string\"},\"patch\":{\"type\":[\"object\",\"null\"]},"
    "\"action\":{\"type\":[\"object\",\"null\"]}}}},\"seq\":{\"type\":\"integer\"}}}";

static void drop(struct request *request)
{
    struct why *why = request->data;
    record_release(why->deployment ? &why->deployment->record : NULL);
    text_finish(&why->containers);
    text_finish(&why->nodes);
}

/* -- the answer -- */

static void write_member(struct text *out, const char *name, const char *value)
{
    text_append_format(out, "\"%s\":", name);
    text_append_json(out, value, strlen(value));
}

/* "room for 2 more replicas: ..." */
static void write_waits_for(const struct why *why, struct text *out)
{
    CLEANUP(text_finish) struct text sentence = {0};
    const struct deployment_status *status = &why->status;
    long long missing = (long long)(status->desired - status->available);
    const char *more = missing == 1 ? "replica" : "replicas";
    if (status->phase == PHASE_DELETING)
        text_append_format(&sentence, "%lld containers to drain and stop",
                           (long long)status->stopping);
    else if (status->phase == PHASE_PAUSED)
        text_append_string(&sentence, "a resume: its rollout is paused");
    else if (status->phase == PHASE_COMPLETE || status->phase == PHASE_ROLLED_BACK)
        text_append_format(&sentence, "nothing: %s", status->message);
    else if (missing > 0)
        text_append_format(&sentence, "%lld more %s to become available: %s", missing, more,
                           status->message);
    else
        text_append_format(&sentence, "replicas of earlier revisions to go: %s", status->message);
    text_append_json(out, text_string(&sentence), sentence.length);
}

static void write_answer(struct request *request)
{
    const struct why *why = request->data;
    struct text *out = &request->out;
    const char *const *phases = type_words(&deployment_status_type, "phase");
    text_append_char(out, '{');
    write_member(out, "deployment", why->deployment->name);
    text_append_char(out, ',');
    write_member(out, "phase", phases[why->status.phase - 1]);
    text_append_char(out, ',');
    write_member(out, "reason", why->status.reason);
    text_append_string(out, ",\"waitsFor\":");
    write_waits_for(why, out);
    text_append_format(out, ",\"containers\":[%s],\"nodes\":[%s]", text_string(&why->containers),
                       text_string(&why->nodes));
    text_append_format(out, ",\"nodesTotal\":%u,\"nodesThatFit\":%u,\"fixes\":[", why->node_count,
                       why->fit_count);
    why_write_fixes(why, out);
    text_append_format(out, "],\"seq\":%llu}", (unsigned long long)request->seq);
    request_reply(request, 200);
}

/* -- the nodes -- */

static void answered(struct request *request)
{
    request->seq = state_settled_seq(request->parts->state);
    request_to_api(request, write_answer);
}

static void look_at_node(struct request *request, const struct record *record)
{
    struct why *why = request->data;
    const struct node *node = (const struct node *)record;
    struct schedule_ask ask = {.deployment = why->deployment->name,
                               .deployment_uid = why->deployment->record.uid,
                               .placement = &why->deployment->placement,
                               .template = &why->deployment->template,
                               .count = 1};
    if (why->only_node && strcmp(why->only_node, node->name) != 0)
        return;
    CLEANUP(text_finish) struct text unseen = {0};
    struct text *rows = why->node_count++ < ROW_LIMIT ? &why->nodes : &unseen;
    why->fit_count += verdicts_write(request->parts->scheduler, &ask, node, rows);
    remedies_look(&why->remedies, request->parts->scheduler, &ask, node->name);
}

/* -- the containers -- */

static bool is_well(const struct container *container, const struct container_status *status)
{
    return container->intent == INTENT_RUN && status->state == CONTAINER_RUNNING && status->ready;
}

static void write_container(const struct container *container,
                            const struct container_status *status, struct text *out)
{
    text_append_string(out, out->length ? ",{" : "{");
    write_member(out, "container", container->id);
    text_append_char(out, ',');
    write_member(out, "node", container->node);
    text_append_format(out, ",\"state\":\"%s\",\"ready\":%s,\"restarts\":%lld,",
                       container_state_words[status->state - 1], status->ready ? "true" : "false",
                       (long long)container->restarts);
    write_member(out, "reason", status->reason);
    text_append_char(out, ',');
    write_member(out, "message", status->message);
    text_append_string(out, ",\"lastEnd\":");
    if (container->ends.count)
        schema_write(&container_end_type, LIST_AT(container->ends, struct container_end, 0),
                     SCHEMA_SHOWN, out);
    else
        text_append_string(out, "null");
    text_append_char(out, '}');
}

/* Well by its probes, but a proxy sees otherwise. */
static void write_ejected(struct why *why, struct request *request,
                          const struct container *container, const struct container_status *status)
{
    struct service_ejection_status row;
    struct container_status seen = *status;
    const struct service *service =
        service_manager_find_ejection(request->parts->services, container, &row);
    if (!service)
        return;
    snprintf(seen.reason, sizeof seen.reason, "Ejected");
    snprintf(seen.message, sizeof seen.message,
             "the proxy of node %s leaves it out of service %s: %s", row.node, service->name,
             row.message);
    why->container_count++;
    write_container(container, &seen, &why->containers);
}

static bool look_at_containers(void *argument)
{
    struct request *request = argument;
    struct why *why = request->data;
    struct container_manager *containers = request->parts->containers;
    const struct container *container =
        why->after[0] ? container_manager_find(containers, why->after) : NULL;
    bool more = !why->after[0] || container;
    for (int looks = 0; more && looks < LOOKS; looks++) {
        container = container_manager_next(containers, why->deployment->name, container);
        more = container && why->container_count < CONTAINER_LIMIT;
        if (!more)
            break;
        const struct container_status *status = container_manager_status(containers, container);
        if (is_well(container, status)) {
            write_ejected(why, request, container, status);
            continue;
        }
        why->container_count++;
        write_container(container, status, &why->containers);
    }
    if (more) {
        snprintf(why->after, sizeof why->after, "%s", container->id);
        return true;
    }
    survey_start(&why->survey, request, &shown_nodes, look_at_node, answered);
    return false;
}

/* -- the beginning -- */

static bool find(struct request *request, struct why *why)
{
    const struct api_parts *parts = request->parts;
    const struct deployment *deployment =
        deployment_manager_find(parts->deployments, request->params[0]);
    if (!deployment)
        return error_set(&request->error, ERROR_NOT_FOUND, "there is no deployment \"%s\"",
                         request->params[0]);
    if (why->only_node && !node_registry_find(parts->nodes, why->only_node))
        return error_set(&request->error, ERROR_NOT_FOUND, "there is no node \"%s\"",
                         why->only_node);
    why->deployment = (const struct deployment *)record_take_reference(&deployment->record);
    deployment_manager_status(parts->deployments, deployment, &why->status);
    return true;
}

static void begin(struct request *request)
{
    struct why *why = request->data;
    if (!find(request, why)) {
        request_fail_from_loop(request);
        return;
    }
    loop_slice_init(&why->slice, request->parts->loop, "why", look_at_containers, request);
    loop_slice_start(&why->slice);
}

void deployment_why(struct request *request)
{
    struct why *why = arena_alloc(&request->arena, sizeof *why);
    why->only_node = request_query(request, "node");
    request->data = why;
    request->drop = drop;
    request_to_loop(request, begin);
}
