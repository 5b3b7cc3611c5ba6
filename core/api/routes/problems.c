/* GET /problems: what is not well, why, since when, and what to do about it. */
#include "api/routes/impl.h"
#include "base/clock.h"
#include "plan/survival.h"
#include "plugin/registry.h"

#include <stdio.h>
#include <string.h>

struct problem {
    const char *object, *reason, *message, *fix;
    int64_t since_ms;
};
#define AT(member) offsetof(struct problem, member)
static const struct field problem_fields[] = {
    {.name = "object", .kind = FIELD_STRING, .offset = AT(object), .doc = "What it is about."},
    {.name = "reason", .kind = FIELD_STRING, .offset = AT(reason), .doc = "A word."},
    {.name = "message", .kind = FIELD_STRING, .offset = AT(message), .doc = "A sentence."},
    {.name = "since",
     .kind = FIELD_TIME,
     .offset = AT(since_ms),
     .doc = "Since when; null: not known."},
    {.name = "fix", .kind = FIELD_STRING, .offset = AT(fix), .doc = "What to do about it."},
};
#undef AT
const struct type problem_type = {.name = "Problem",
                                  .size = sizeof(struct problem),
                                  TYPE_FIELDS(problem_fields),
                                  .doc = "Something that is not well."};

enum { PROBLEM_LIMIT = 5000 }; /* more are counted, not told */
struct problems {
    struct survey survey;
    uint64_t total;
};

/* Written as they are found: what they name is borrowed for the turn. */
static void add(struct request *request, const struct problem *problem)
{
    struct problems *problems = request->data;
    if (problems->total++ >= PROBLEM_LIMIT)
        return;
    if (problems->total > 1)
        text_append_char(&request->out, ',');
    schema_write(&problem_type, problem, SCHEMA_SHOWN, &request->out);
}

/* What to do by the reason's word; "*" stands for the deployment's path. */
static const struct {
    const char *reason, *fix;
} deployment_fixes[] = {
    {"Unschedulable", "Add a node, free or uncordon one, ask for fewer resources, or loosen "
                      "placement and host ports."},
    {"ImagePullFailed", "Check the image's name and tag, that the registry is reached from the "
                        "node, and that it may be read."},
    {"CrashLoop", "Read its last output: GET */logs; then mend the image or its settings, or POST "
                  "*/rollback."},
    {"OOMKilled", "Raise resources.memoryLimit, or find out why it needs so much memory."},
    {"NodesLost",
     "Check why so many nodes are silent: GET /api/v1/nodes; a network or this server may "
     "be in trouble. DELETE those that are gone for good."},
    {"ProgressDeadlineExceeded",
     "See which replicas are not ready: GET */containers; or POST */rollback."},
    {NULL, "See which replicas are missing and why: GET */containers."},
};

static void write_fix(const char *reason, const char *object, struct text *out)
{
    size_t i = 0;
    while (deployment_fixes[i].reason && strcmp(deployment_fixes[i].reason, reason) != 0)
        i++;
    for (const char *c = deployment_fixes[i].fix; *c; c++) {
        if (*c == '*')
            text_append_format(out, "/api/v1/%s", object);
        else
            text_append_char(out, *c);
    }
}

static void visit_deployment(struct request *request, const struct record *record)
{
    const struct deployment *deployment = (const struct deployment *)record;
    CLEANUP(text_finish) struct text fix = {0};
    struct deployment_status status;
    char object[96];
    deployment_manager_status(request->parts->deployments, deployment, &status);
    if (status.phase != PHASE_DEGRADED && status.phase != PHASE_PENDING)
        return;
    snprintf(object, sizeof object, "deployments/%s", deployment->name);
    write_fix(status.reason, object, &fix);
    const char *other = status.phase == PHASE_DEGRADED ? "Degraded" : "Pending";
    add(request, &(struct problem){.object = object,
                                   .reason = status.reason[0] ? status.reason : other,
                                   .message = status.message,
                                   .since_ms = status.phase_since_ms,
                                   .fix = text_string(&fix)});
}

static void visit_node(struct request *request, const struct record *record)
{
    const struct node *node = (const struct node *)record;
    const struct node_status *status = node_registry_status(request->parts->nodes, node->name);
    char object[96];
    if (status->state == NODE_READY)
        return;
    snprintf(object, sizeof object, "nodes/%s", node->name);
    bool lost = status->state == NODE_LOST;
    add(request,
        &(struct problem){
            .object = object,
            .reason = lost ? "NodeLost" : "NodeSuspect",
            .message = lost ? "It has not been heard of for too long; its containers are replaced."
                            : "It has not been heard of for a moment; it gets no new traffic.",
            .since_ms = status->last_heartbeat_ms,
            .fix = "Check the host, its network and its daemon; DELETE it when it is gone for "
                   "good."});
}

static void visit_listeners(struct request *request, const struct service *service,
                            const char *object)
{
    enum { LISTENERS = 64 };
    struct service_listener_status listeners[LISTENERS];
    size_t count =
        service_manager_listeners(request->parts->services, service, listeners, LISTENERS);
    for (size_t i = 0; i < count && i < LISTENERS; i++) {
        char message[320];
        if (listeners[i].listening)
            continue;
        snprintf(message, sizeof message, "node %s does not listen on %s: %s", listeners[i].node,
                 service->listen, listeners[i].message);
        add(request, &(struct problem){.object = object,
                                       .reason = "ListenerFailed",
                                       .message = message,
                                       .fix = "Free the address on that node, or change the "
                                              "service's listen."});
    }
}

static void visit_ejections(struct request *request, const struct service *service,
                            const char *object)
{
    enum { EJECTIONS = 64 };
    struct service_ejection_status rows[EJECTIONS];
    size_t count =
        service_manager_ejections(request->parts->services, service, NULL, rows, EJECTIONS);
    for (size_t i = 0; i < count && i < EJECTIONS; i++) {
        char message[320];
        snprintf(message, sizeof message, "the proxy of node %s leaves %s out: %s", rows[i].node,
                 rows[i].container, rows[i].message);
        add(request,
            &(struct problem){.object = object,
                              .reason = "EndpointEjected",
                              .message = message,
                              .since_ms = rows[i].since_ms,
                              .fix = "Look at that container's logs; a readiness probe that sees "
                                     "the fault would take it out everywhere."});
    }
}

static void visit_service(struct request *request, const struct record *record)
{
    const struct service *service = (const struct service *)record;
    char object[96], message[160];
    snprintf(object, sizeof object, "services/%s", service->name);
    visit_listeners(request, service, object);
    visit_ejections(request, service, object);
    if (deployment_manager_find(request->parts->deployments, service->deployment))
        return;
    snprintf(message, sizeof message, "deployment \"%s\" does not exist", service->deployment);
    add(request, &(struct problem){.object = object,
                                   .reason = "DeploymentMissing",
                                   .message = message,
                                   .since_ms = record->updated_at_ms,
                                   .fix = "Declare the deployment, or name another."});
}

static void visit_plugins(struct request *request)
{
    const struct plugin_registry *registry = request->parts->plugins;
    for (size_t i = 0; i < plugin_registry_count(registry); i++) {
        const struct plugin_info *info = plugin_registry_info(registry, i);
        char object[160];
        if (info->state == PLUGIN_LOADED)
            continue;
        snprintf(object, sizeof object, "plugins/%s-%s", plugin_kind_word(info->kind), info->name);
        bool missing = info->state == PLUGIN_MISSING;
        add(request,
            &(struct problem){.object = object,
                              .reason = missing ? "PluginMissing" : "PluginRefused",
                              .message = info->message,
                              .fix = "Put a sound file in a folder of plugins.path and start the "
                                     "daemon again; orchestrator-plugin-check judges it."});
    }
}

static void visit_state(struct request *request)
{
    struct error error;
    if (state_ready(request->parts->state, &error))
        return;
    add(request, &(struct problem){.object = "cluster/state",
                                   .reason = error_code_word(error.code),
                                   .message = error.message,
                                   .fix = "Look at the store's disk or service; writes are "
                                          "refused until it answers."});
}

/* With one node alone there is nothing to be mended: it is what was asked for. */
static void visit_survival(struct request *request)
{
    const struct survival *survival = request->parts->survival;
    const struct survival_answer *answer = survival ? survival_latest(survival) : NULL;
    CLEANUP(text_finish) struct text message = {0};
    CLEANUP(text_finish) struct text fix = {0};
    if (!answer || !answer->losing || answer->nodes < 2)
        return;
    const struct survival_row *row = &answer->rows[0];
    text_append_format(&message,
                       "Of %u nodes there are %u whose loss would leave replicas without a place: "
                       "without %s, %lld of deployment %s fit nowhere (%s).",
                       answer->nodes, answer->losing, row->node, (long long)row->replicas,
                       row->deployment, row->why);
    if (row->nearest_node)
        text_append_format(&fix,
                           "Make room on node %s (%s), add a node, or let deployment %s ask "
                           "for less: GET /api/v1/cluster lists all that would not fit.",
                           row->nearest_node, row->nearest, row->deployment);
    else
        text_append_format(&fix,
                           "Add a node that takes deployment %s, or loosen its placement and "
                           "host ports: GET /api/v1/cluster lists all that would not fit.",
                           row->deployment);
    add(request, &(struct problem){.object = "cluster",
                                   .reason = "NodeLossNotSurvived",
                                   .message = text_string(&message),
                                   .since_ms = answer->since_ms,
                                   .fix = text_string(&fix)});
}

static void write_end(struct request *request)
{
    const struct problems *problems = request->data;
    list_close(request, problems->total);
    request_reply(request, 200);
}

static void seen_all(struct request *request)
{
    visit_plugins(request);
    visit_state(request);
    visit_survival(request);
    request->seq = state_settled_seq(request->parts->state);
    request_to_api(request, write_end);
}

static void see_services(struct request *request)
{
    struct problems *problems = request->data;
    survey_start(&problems->survey, request, &shown_services, visit_service, seen_all);
}

static void see_nodes(struct request *request)
{
    struct problems *problems = request->data;
    survey_start(&problems->survey, request, &shown_nodes, visit_node, see_services);
}

static void see_deployments(struct request *request)
{
    struct problems *problems = request->data;
    survey_start(&problems->survey, request, &shown_deployments, visit_deployment, see_nodes);
}

void list_problems(struct request *request)
{
    request->data = arena_alloc(&request->arena, sizeof(struct problems));
    text_append_string(&request->out, "{\"items\":[");
    request_to_loop(request, see_deployments);
}
