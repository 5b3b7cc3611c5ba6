/* /deployments: what users declare, what they ask of it, and what belongs to it. */
#include "api/routes/impl.h"
#include "config/config.h"
#include "scheduler/scheduler.h"

#include <stdio.h>
#include <string.h>

/* -- rules beyond the table -- */

static void check_namespace(const char *name, struct schema_faults *faults)
{
    if (name && strcmp(name, "default") != 0)
        schema_faults_add(faults, (struct schema_position){0}, "namespace",
                          "must be \"default\": other namespaces are not built yet");
}

static bool allowed(const struct list *words, const char *word)
{
    for (uint32_t i = 0; i < words->count; i++)
        if (strcmp(*LIST_AT(*words, const char *, i), word) == 0)
            return true;
    return false;
}

static void check_capabilities(const struct config *config, const struct list *add,
                               struct schema_faults *faults)
{
    for (uint32_t i = 0; i < add->count; i++) {
        const char *word = *LIST_AT(*add, const char *, i);
        char path[64];
        if (allowed(&config->runtime.allow_capabilities, word))
            continue;
        snprintf(path, sizeof path, "security.capabilities.add[%u]", i);
        schema_faults_add(faults, (struct schema_position){0}, path,
                          "%s is not in runtime.allowCapabilities of the configuration", word);
    }
}

static void complete(const struct request *request, void *wanted, struct schema_faults *faults)
{
    struct deployment *deployment = wanted;
    const struct config *config = request->parts->config;
    if (!deployment->placement.scheduler)
        deployment->placement.scheduler = config->scheduler.standard;
    check_namespace(deployment->namespace_name, faults);
    check_capabilities(config, &deployment->template.security.capabilities.add, faults);
}

static void check(const struct request *request, const void *wanted, struct schema_faults *faults)
{
    const char *scheduler = ((const struct deployment *)wanted)->placement.scheduler;
    if (!scheduler_has(request->parts->scheduler, scheduler))
        schema_faults_add(faults, (struct schema_position){0}, "placement.scheduler",
                          "no scheduler \"%s\" is loaded; GET /api/v1/plugins lists those that are",
                          scheduler);
}

static const struct record *head(const struct api_parts *parts, const char *name)
{
    struct deployment probe = {.record.kind = &deployment_kind, .name = name};
    return state_find(parts->state, STATE_HEAD, &probe.record);
}

static bool write_declared(struct request *request, enum write_mode mode, const void *wanted,
                           bool replicas_given, const struct write_request *write,
                           struct error *error)
{
    return deployment_manager_write(request->parts->deployments, mode, wanted, replicas_given,
                                    write, show_written, request, error);
}

const struct declared_kind declared_deployments = {.type = &deployment_type,
                                                   .what = "deployment",
                                                   .head = head,
                                                   .complete = complete,
                                                   .check = check,
                                                   .write = write_declared};

static void post(struct request *request)
{
    declared_post(request, &declared_deployments);
}

static void put(struct request *request)
{
    declared_put(request, &declared_deployments);
}

static void patch(struct request *request)
{
    declared_patch(request, &declared_deployments);
}

/* -- reading -- */

static void list(struct request *request)
{
    list_reply(request, &shown_deployments, NULL, NULL);
}

static void show(struct request *request)
{
    show_reply(request, &shown_deployments);
}

static bool of_deployment(const struct record *record, const void *soft, const void *name)
{
    (void)soft;
    return strcmp(((const struct container *)record)->deployment, name) == 0;
}

static void list_containers(struct request *request)
{
    list_reply(request, &shown_containers, of_deployment, request->params[0]);
}

static void begin_containers(struct request *request)
{
    require_deployment(request, list_containers);
}

static bool revision_of_deployment(const struct record *record, const void *soft, const void *name)
{
    (void)soft;
    return strcmp(((const struct revision *)record)->deployment, name) == 0;
}

static void list_revisions(struct request *request)
{
    list_reply(request, &shown_revisions, revision_of_deployment, request->params[0]);
}

static void begin_revisions(struct request *request)
{
    require_deployment(request, list_revisions);
}

static void list_rollouts(struct request *request)
{
    list_reply(request, &shown_rollouts, revision_of_deployment, request->params[0]);
}

static void begin_rollouts(struct request *request)
{
    require_deployment(request, list_rollouts);
}

/* -- actions -- */

static const struct field scale_fields[] = {
    {.name = "replicas",
     .kind = FIELD_INT,
     .flags = FIELD_REQUIRED,
     .offset = 0,
     .min = 0,
     .max = 1000000,
     .doc = "How many."},
};
const struct type scale_type = {.name = "Scale",
                                .size = sizeof(int64_t),
                                TYPE_FIELDS(scale_fields),
                                .doc = "How many replicas."};
static const struct field rollback_fields[] = {
    {.name = "revision",
     .kind = FIELD_INT,
     .offset = 0,
     .min = 1,
     .max = INT64_C(1) << 53,
     .doc = "Whose content is put back; left out: the one before."},
};
static const struct type rollback_type = {.name = "Rollback",
                                          .size = sizeof(int64_t),
                                          TYPE_FIELDS(rollback_fields),
                                          .doc = "Which revision."};

bool deployment_ask_scale(struct request *request, const struct action *action, struct error *error)
{
    return deployment_manager_scale(request->parts->deployments, request->params[0],
                                    action->body.replicas, &action->write, show_written, request,
                                    error);
}

static bool ask_restart(struct request *request, const struct action *action, struct error *error)
{
    return deployment_manager_restart(request->parts->deployments, request->params[0],
                                      &action->write, show_written, request, error);
}

static bool ask_pause(struct request *request, const struct action *action, struct error *error)
{
    return deployment_manager_set_paused(request->parts->deployments, request->params[0], true,
                                         &action->write, show_written, request, error);
}

static bool ask_resume(struct request *request, const struct action *action, struct error *error)
{
    return deployment_manager_set_paused(request->parts->deployments, request->params[0], false,
                                         &action->write, show_written, request, error);
}

static bool ask_rollback(struct request *request, const struct action *action, struct error *error)
{
    return deployment_manager_rollback(request->parts->deployments, request->params[0],
                                       action->body.revision, &action->write, show_written, request,
                                       error);
}

static bool ask_abort(struct request *request, const struct action *action, struct error *error)
{
    return deployment_manager_abort(request->parts->deployments, request->params[0], &action->write,
                                    show_written, request, error);
}

static bool ask_promote(struct request *request, const struct action *action, struct error *error)
{
    return deployment_manager_promote(request->parts->deployments, request->params[0],
                                      &action->write, show_written, request, error);
}

bool deployment_ask_delete(struct request *request, const struct action *action,
                           struct error *error)
{
    return deployment_manager_delete(request->parts->deployments, request->params[0],
                                     &action->write, show_written, request, error);
}

static void scale(struct request *request)
{
    action_begin(request, &scale_type, deployment_ask_scale);
}

static void restart(struct request *request)
{
    action_begin(request, &nothing_type, ask_restart);
}

static void pause_rollout(struct request *request)
{
    action_begin(request, &nothing_type, ask_pause);
}

static void resume(struct request *request)
{
    action_begin(request, &nothing_type, ask_resume);
}

static void rollback(struct request *request)
{
    action_begin(request, &rollback_type, ask_rollback);
}

static void abort_rollout(struct request *request)
{
    action_begin(request, &nothing_type, ask_abort);
}

static void promote(struct request *request)
{
    action_begin(request, &nothing_type, ask_promote);
}

static void delete_deployment(struct request *request)
{
    action_begin(request, &nothing_type, deployment_ask_delete);
}

#define ONE "/deployments/{name}"
#define SHOWN .answers = &deployment_shown_type
#define ACTION(verb, handler, type, bodies, body_example, text)                                    \
    ROUTE("POST", ONE "/" verb, handler, ROLE_DEPLOYER, .body = (bodies), .takes = (type), SHOWN,  \
          .example = (body_example), .summary = (text))
static const char example[] =
    "{\"name\":\"web\",\"image\":\"app/"
    "web:1\",\"replicas\":3,\"ports\":[{\"name\":\"http\",\"containerPort\":8080}],"
    "\"resources\":{\"cpu\":\"250m\",\"memory\":\"64Mi\"},\"readinessProbe\":{\"http\":{\"port\":"
    "\"http\","
    "\"path\":\"/healthz\"},\"interval\":\"1s\"}}";
static const char *const why_query[] = {"node", NULL};
static const char *const diff_query[] = {"from", "to", NULL};
static const char *const log_query[] = {"follow",   "tail",   "since", "timestamps",
                                        "previous", "format", NULL};
static const struct route routes[] = {
    ROUTE("GET", "/deployments", list, ROLE_VIEWER, SHOWN, .answers_list = true,
          .query = list_query, .summary = "All deployments, by name"),
    ROUTE("POST", "/deployments", post, ROLE_DEPLOYER, .body = BODY_REQUIRED,
          .takes = &deployment_type, .example = example, SHOWN, .status = 201,
          .summary = "Declare a deployment"),
    ROUTE("GET", ONE, show, ROLE_VIEWER, SHOWN, .summary = "One deployment"),
    ROUTE("PUT", ONE, put, ROLE_DEPLOYER, .body = BODY_REQUIRED, .takes = &deployment_type,
          .example = example, SHOWN, .summary = "Declare it, new or changed"),
    ROUTE("PATCH", ONE, patch, ROLE_DEPLOYER, .body = BODY_REQUIRED, .takes = &deployment_type,
          .example = "{\"image\":\"app/web:2\",\"env\":{\"TZ\":\"UTC\"}}", SHOWN,
          .summary = "Change some members (RFC 7396)"),
    ROUTE("DELETE", ONE, delete_deployment, ROLE_DEPLOYER, SHOWN, .status = 202,
          .summary = "Delete it; its containers drain first"),
    ACTION("scale", scale, &scale_type, BODY_REQUIRED, "{\"replicas\":5}",
           "Set the number of replicas"),
    ACTION("restart", restart, &nothing_type, BODY_OPTIONAL, NULL, "Replace every container"),
    ACTION("pause", pause_rollout, &nothing_type, BODY_OPTIONAL, NULL, "Hold its rollout"),
    ACTION("resume", resume, &nothing_type, BODY_OPTIONAL, NULL, "Go on with its rollout"),
    ACTION("rollback", rollback, &rollback_type, BODY_OPTIONAL, "{\"revision\":1}",
           "Put an earlier template back"),
    ACTION("promote", promote, &nothing_type, BODY_OPTIONAL, NULL,
           "A canary, or a blue-green rollout, goes on to all replicas"),
    ACTION("abort", abort_rollout, &nothing_type, BODY_OPTIONAL, NULL,
           "End its rollout: the last complete template is put back"),
    ROUTE("GET", ONE "/diff", deployment_diff, ROLE_VIEWER, .answers = &diff_shown_type,
          .query = diff_query,
          .summary = "How two revisions differ; left out: the one in force, the one before"),
    ROUTE("GET", ONE "/revisions", begin_revisions, ROLE_VIEWER, .answers = &revision_shown_type,
          .answers_list = true, .query = list_query, .summary = "Its templates, oldest first"),
    ROUTE("GET", ONE "/rollouts", begin_rollouts, ROLE_VIEWER, .answers = &rollout_shown_type,
          .answers_list = true, .query = list_query,
          .summary = "How its revisions were rolled out, oldest first"),
    ROUTE("GET", ONE "/containers", begin_containers, ROLE_VIEWER, .answers = &container_shown_type,
          .answers_list = true, .query = list_query, .summary = "Its containers"),
    ROUTE("GET", ONE "/why", deployment_why, ROLE_VIEWER, .query = why_query,
          .answers_schema = why_schema,
          .summary = "What it waits for, how each node answers, and what would help"),
    ROUTE("GET", ONE "/logs", deployment_logs, ROLE_VIEWER, .query = log_query,
          .answers_schema = "{\"type\":\"string\"}",
          .summary = "Output of all its containers, merged by line"),
};
const struct route_table routes_deployments = ROUTE_TABLE(routes);
