#include "unit/api_routes/rig.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(declare, .init = rig_setup, .fini = rig_teardown, .timeout = 60);

#define WEB                                                                                        \
    "{\"name\":\"web\",\"image\":\"app:1\",\"ports\":[{\"name\":\"http\",\"containerPort\":80}]"

static struct answer call(const char *method, const char *path, const char *body)
{
    return rig_call(&(struct call){.method = method, .path = path, .body = body});
}

/* The answer's status, and the value at a path of its body where one is asked for. */
static void expect(const char *method, const char *path, const char *body, int status,
                   const char *at, const char *value)
{
    struct answer answer = call(method, path, body);
    cr_assert_eq(answer.status, status, "%s %s: %d %s", method, path, answer.status, answer.text);
    if (at)
        cr_assert_str_eq(answer_at(&answer, at) ? answer_at(&answer, at) : "(none)", value,
                         "%s of %s", at, answer.text);
    answer_finish(&answer);
}

static void deploy(void)
{
    expect("POST", "/deployments", WEB ",\"replicas\":3}", 201, "version", "1");
}

Test(declare, post_makes_it_and_says_where)
{
    struct answer answer = call("POST", "/deployments", WEB "}");
    cr_assert_eq(answer.status, 201, "%s", answer.text);
    cr_assert_str_eq(answer.location, "/api/v1/deployments/web");
    cr_assert_str_eq(answer_at(&answer, "replicas"), "1");
    cr_assert_str_eq(answer_at(&answer, "placement.scheduler"), "spread");
    answer_finish(&answer);
    expect("POST", "/deployments", WEB "}", 409, "code", "ALREADY_EXISTS");
}

Test(declare, put_keeps_replicas_that_are_left_out)
{
    deploy();
    expect("PUT", "/deployments/web", WEB ",\"labels\":{\"a\":\"b\"}}", 200, "replicas", "3");
    expect("PUT", "/deployments/web", WEB ",\"replicas\":5}", 200, "replicas", "5");
    expect("PUT", "/deployments/web", WEB "}", 200, "labels", "{}");
}

Test(declare, put_makes_what_is_missing_under_the_path_s_name)
{
    expect("PUT", "/deployments/other", "{\"image\":\"app:1\"}", 201, "name", "other");
    expect("PUT", "/deployments/other", "{\"image\":\"app:1\",\"name\":\"web\"}", 400,
           "details.0.field", "name");
}

Test(declare, what_get_shows_can_be_put_back_and_changes_nothing)
{
    deploy();
    struct answer shown = call("GET", "/deployments/web", NULL);
    struct answer put = call("PUT", "/deployments/web", shown.text);
    cr_assert_eq(put.status, 200, "%s", put.text);
    cr_assert_str_eq(answer_at(&put, "version"), "1");
    answer_finish(&put);
    answer_finish(&shown);
}

Test(declare, patch_merges_and_null_takes_away)
{
    deploy();
    expect("PATCH", "/deployments/web", "{\"env\":{\"A\":\"1\",\"B\":\"2\"}}", 200, "env",
           "{\"A\":\"1\",\"B\":\"2\"}");
    expect("PATCH", "/deployments/web", "{\"env\":{\"A\":null,\"C\":\"3\"}}", 200, "env",
           "{\"B\":\"2\",\"C\":\"3\"}");
    expect("PATCH", "/deployments/web", "{\"replicas\":7}", 200, "replicas", "7");
    expect("PATCH", "/deployments/web", "{\"stopGracePeriod\":\"90s\"}", 200, "stopGracePeriod",
           "1m30s");
    expect("PATCH", "/deployments/web", "{\"stopGracePeriod\":null}", 200, "stopGracePeriod",
           "10s");
    expect("PATCH", "/deployments/web", "{\"readinessProbe\":{\"tcp\":{\"port\":80}}}", 200,
           "readinessProbe.tcp.port", "80");
    expect("PATCH", "/deployments/web",
           "{\"readinessProbe\":{\"tcp\":null,\"http\":{\"port\":\"http\"}}}", 200,
           "readinessProbe.http.path", "/");
    expect("PATCH", "/deployments/nothing", "{\"replicas\":7}", 404, "code", "NOT_FOUND");
}

static int scaled;

static void scale_done(void *argument, const struct error *error, const struct write_result *result)
{
    (void)argument, (void)result;
    cr_assert_null(error);
}

static void scale_up(void)
{
    struct error error;
    struct write_request write = {.origin = {.by = "key:other"}};
    cr_assert(deployment_manager_scale(rig.server->deployments, "web", 10 + scaled++, &write,
                                       scale_done, NULL, &error));
}

static void scale_up_once(void)
{
    rig.meanwhile = NULL;
    scale_up();
}

Test(declare, patch_is_merged_anew_when_another_change_comes_between)
{
    deploy();
    rig.meanwhile = scale_up_once;
    struct answer answer = call("PATCH", "/deployments/web", "{\"labels\":{\"a\":\"b\"}}");
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    cr_assert_eq(scaled, 1);
    cr_assert_str_eq(answer_at(&answer, "replicas"), "10");
    cr_assert_str_eq(answer_at(&answer, "labels.a"), "b");
    cr_assert_str_eq(answer_at(&answer, "version"), "3");
    answer_finish(&answer);
}

Test(declare, patch_is_written_however_often_another_change_comes_between)
{
    deploy();
    rig.meanwhile = scale_up;
    struct answer answer = call("PATCH", "/deployments/web", "{\"labels\":{\"a\":\"b\"}}");
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    cr_assert_gt(scaled, 2);
    cr_assert_str_eq(answer_at(&answer, "labels.a"), "b");
    answer_finish(&answer);
}

Test(declare, patch_of_a_given_version_is_refused_when_another_change_comes_between)
{
    deploy();
    rig.meanwhile = scale_up_once;
    struct answer answer = rig_call(&(struct call){
        .method = "PATCH", .path = "/deployments/web", .body = "{\"labels\":{}}", .if_match = "1"});
    cr_assert_eq(answer.status, 412, "%s", answer.text);
    answer_finish(&answer);
}

Test(declare, preconditions_are_kept)
{
    static const struct {
        const char *method, *if_match, *if_none_match;
        int status;
    } cases[] = {{"PUT", "1", NULL, 200},   {"PUT", "2", NULL, 412},   {"PUT", "*", NULL, 200},
                 {"PUT", NULL, "*", 412},   {"PATCH", "1", NULL, 200}, {"PATCH", "7", NULL, 412},
                 {"PATCH", NULL, "*", 412}, {"PATCH", "*", NULL, 200}, {"DELETE", "7", NULL, 412},
                 {"DELETE", "1", NULL, 202}};
    deploy();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *body = strcmp(cases[i].method, "PUT") == 0     ? WEB "}"
                           : strcmp(cases[i].method, "PATCH") == 0 ? "{}"
                                                                   : NULL;
        struct answer answer = rig_call(&(struct call){.method = cases[i].method,
                                                       .path = "/deployments/web",
                                                       .body = body,
                                                       .if_match = cases[i].if_match,
                                                       .if_none_match = cases[i].if_none_match});
        cr_assert_eq(answer.status, cases[i].status, "case %zu: %s", i, answer.text);
        answer_finish(&answer);
    }
}

Test(declare, all_faults_of_a_body_are_told_at_once)
{
    static const struct {
        const char *path, *body, *faults;
    } cases[] = {
        {"/deployments", "{}", "name image"},
        {"/deployments",
         "{\"name\":\"Web\",\"image\":\"app\",\"placement\":{\"scheduler\":\"none\"},"
         "\"namespace\":\"other\",\"replica\":3,"
         "\"security\":{\"capabilities\":{\"add\":[\"NET_RAW\",\"SYS_ADMIN\"]}}}",
         "name image replica namespace security.capabilities.add[1] placement.scheduler"},
        {"/deployments", "{\"name\":\"web\",\"image\":\"app:1\",\"mounts\":[]}", "mounts"},
        {"/services", "{\"name\":\"web\"}", "deployment listen"},
        {"/services",
         "{\"name\":\"web\",\"deployment\":\"web\",\"listen\":\"127.0.0.1:80\","
         "\"targetPort\":\"admin\",\"balancer\":\"none\",\"hosts\":[\"a.example\"]}",
         "hosts balancer targetPort"},
    };
    deploy();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer answer = call("POST", cases[i].path, cases[i].body);
        cr_assert_eq(answer.status, 400, "case %zu: %s", i, answer.text);
        cr_assert_str_eq(answer_faults(&answer), cases[i].faults);
        answer_finish(&answer);
    }
}

Test(declare, mode_cant_be_changed)
{
    deploy();
    expect("PATCH", "/deployments/web", "{\"mode\":\"global\"}", 400, "details.0.field", "mode");
}

Test(declare, a_service_takes_its_defaults_and_needs_a_free_listen)
{
    static const char body[] =
        "{\"name\":\"web\",\"deployment\":\"web\",\"listen\":\"127.0.0.1:8080\"}";
    expect("POST", "/services", body, 201, "balancer", "round-robin");
    expect("PUT", "/services/web", body, 200, "version", "1");
    expect("PUT", "/services/other", "{\"deployment\":\"web\",\"listen\":\"127.0.0.1:8080\"}", 409,
           "code", "CONFLICT");
    expect("PATCH", "/services/web", "{\"drainTimeout\":\"5s\"}", 200, "drainTimeout", "5s");
    expect("DELETE", "/services/web", NULL, 204, NULL, NULL);
    expect("DELETE", "/services/web", NULL, 404, "code", "NOT_FOUND");
}

Test(declare, a_service_of_a_deployment_with_several_ports_names_one)
{
    expect("POST", "/deployments",
           "{\"name\":\"two\",\"image\":\"app:1\",\"ports\":[{\"containerPort\":1},"
           "{\"containerPort\":2}]}",
           201, NULL, NULL);
    expect("PUT", "/services/two", "{\"deployment\":\"two\",\"listen\":\"127.0.0.1:8081\"}", 400,
           "details.0.field", "targetPort");
    expect("PUT", "/services/two",
           "{\"deployment\":\"two\",\"listen\":\"127.0.0.1:8081\",\"targetPort\":2}", 201,
           "targetPort", "2");
}

Test(declare, actions_work_and_refuse_what_is_not_theirs)
{
    deploy();
    expect("POST", "/deployments/web/scale", "{\"replicas\":4}", 200, "replicas", "4");
    expect("POST", "/deployments/web/scale", "{\"replicas\":-1}", 400, "details.0.field",
           "replicas");
    expect("POST", "/deployments/web/restart", NULL, 200, "status.revision", "2");
    expect("POST", "/deployments/web/restart", "{\"now\":true}", 400, "details.0.field", "now");
    expect("POST", "/deployments/web/pause", NULL, 200, "status.phase", "paused");
    expect("POST", "/deployments/web/resume", NULL, 200, "status.phase", "progressing");
    expect("POST", "/deployments/web/rollback", "{\"revision\":9}", 404, "code", "NOT_FOUND");
    expect("POST", "/deployments/web/rollback", NULL, 200, "status.revision", "3");
    expect("GET", "/deployments/web/revisions", NULL, 200, "items.2.inForce", "true");
    expect("GET", "/deployments/none/revisions", NULL, 404, "code", "NOT_FOUND");
    expect("POST", "/deployments/none/restart", NULL, 404, "code", "NOT_FOUND");
}

Test(declare, nodes_take_labels_and_orders)
{
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *at, *value;
    } steps[] = {
        {"PATCH", "/nodes/node-1", "{\"labels\":{\"disk\":\"ssd\"}}", 200, "labels",
         "{\"disk\":\"ssd\",\"zone\":\"a\"}"},
        {"PATCH", "/nodes/node-1", "{\"labels\":{\"zone\":null}}", 200, "labels",
         "{\"disk\":\"ssd\"}"},
        {"PATCH", "/nodes/node-1", "{\"labels\":{\"a b\":\"c\"},\"size\":1}", 400,
         "details.1.field", "size"},
        {"PATCH", "/nodes/node-1", "{\"name\":\"node-2\"}", 400, "details.0.field", "name"},
        {"POST", "/nodes/node-1/cordon", NULL, 200, "schedulable", "false"},
        {"POST", "/nodes/node-1/cordon", NULL, 200, "version", "4"},
        {"POST", "/nodes/node-1/uncordon", NULL, 200, "schedulable", "true"},
        {"POST", "/nodes/node-1/drain", "{\"deadline\":\"soon\"}", 400, "details.0.field",
         "deadline"},
        {"POST", "/nodes/node-1/drain", "{\"deadline\":\"10m\"}", 200, "draining", "true"},
        {"POST", "/nodes/none/drain", NULL, 404, "code", "NOT_FOUND"},
        {"DELETE", "/nodes/node-1", NULL, 204, NULL, NULL},
        {"GET", "/nodes/node-1", NULL, 404, NULL, NULL},
        {"DELETE", "/nodes/node-1", NULL, 404, "code", "NOT_FOUND"},
    };
    rig_put_node();
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        expect(steps[i].method, steps[i].path, steps[i].body, steps[i].status, steps[i].at,
               steps[i].value);
}
