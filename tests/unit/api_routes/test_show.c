/* Every kind of object as a client sees it, held against the contract's examples. */
#include "base/clock.h"
#include "unit/api_routes/rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(show, .init = rig_setup, .fini = rig_teardown, .timeout = 60);

/* Times, uids and numbers of commits differ from run to run: they become T, U and 0. */
static json_t *masked(const char *name, json_t *value)
{
    const char *key;
    json_t *member;
    size_t index;
    int64_t at;
    if (json_is_object(value)) {
        json_t *copy = json_object();
        json_object_foreach(value, key, member) json_object_set_new(copy, key, masked(key, member));
        return copy;
    }
    if (json_is_array(value)) {
        json_t *copy = json_array();
        json_array_foreach(value, index, member) json_array_append_new(copy, masked("", member));
        return copy;
    }
    if (json_is_string(value) && clock_parse_wall_ms(json_string_value(value), &at))
        return json_string("T");
    if (strcmp(name, "uid") == 0)
        return json_string(strlen(json_string_value(value)) == 32 ? "U" : "no uid");
    if (strcmp(name, "seq") == 0)
        return json_integer(json_integer_value(value) > 0 ? 0 : -1);
    return json_incref(value);
}

static void expect_shown(const char *path, const char *golden)
{
    struct answer answer = rig_call(&(struct call){.method = "GET", .path = path});
    cr_assert_eq(answer.status, 200, "%s: %s", path, answer.text);
    json_error_t fault;
    json_t *wanted = json_loads(golden, 0, &fault), *have = masked("", answer.body);
    cr_assert_not_null(wanted, "the golden text: %s", fault.text);
    char *text = json_dumps(have, JSON_INDENT(1));
    cr_assert(json_equal(wanted, have), "%s is\n%s", path, text);
    free(text);
    json_decref(wanted);
    json_decref(have);
    answer_finish(&answer);
}

static void declare(const char *path, const char *body)
{
    struct answer answer = rig_call(&(struct call){.method = "PUT", .path = path, .body = body});
    cr_assert_eq(answer.status, 201, "%s", answer.text);
    answer_finish(&answer);
}

/* A container of the deployment's first revision, which has ended once and runs again. */
static void put_container(void)
{
    static const char *const lines[] = {"bye"};
    const struct container_end end = {.at_ms = 1767225600000,
                                      .exit_code = 137,
                                      .signal = "SIGKILL",
                                      .oom = true,
                                      .reason = "OOMKilled",
                                      .log = {.items = lines, .count = 1}};
    const struct container_port port = {.name = "http",
                                        .number = 80,
                                        .protocol = PROTOCOL_TCP,
                                        .host_port = NUMBER_NULL,
                                        .host_address = "127.0.0.1"};
    struct container container = {.record = {.created_at_ms = 1767225600000},
                                  .id = "web-0-k3x9q2",
                                  .deployment = "web",
                                  .deployment_uid = "u",
                                  .node = "node-1",
                                  .revision = 1,
                                  .ports = {.items = &port, .count = 1},
                                  .incarnation = 2,
                                  .restarts = 1,
                                  .intent = INTENT_RUN,
                                  .ends = {.items = &end, .count = 1}};
    struct txn *txn = txn_begin(rig.server->state, (struct origin){.by = "test"});
    txn_put(txn, record_create(&container_kind, &container));
    txn_submit(txn, NULL, NULL);
    rig_run_ms(50);
}

static void report_running(void)
{
    const struct reported_container container = {.id = "web-0-k3x9q2",
                                                 .incarnation = 2,
                                                 .restarts = 1,
                                                 .state = CONTAINER_RUNNING,
                                                 .ready = true,
                                                 .address = "172.17.0.2",
                                                 .runtime_id = "abc",
                                                 .exit_code = NUMBER_NULL,
                                                 .started_at_ms = 1767225601000};
    const struct report report = {.node = "node-1",
                                  .containers = {.items = &container, .count = 1}};
    container_manager_report(rig.server->containers, "node-1", &report);
    rig_run_ms(50);
}

#define TEMPLATE                                                                                   \
    "\"image\":\"nginx:1.27\",\"imagePull\":\"missing\",\"command\":[],\"args\":[],"               \
    "\"workingDir\":null,\"env\":{\"TZ\":\"UTC\"},\"ports\":[{\"name\":\"http\","                  \
    "\"containerPort\":80,\"protocol\":\"tcp\",\"hostPort\":null,"                                 \
    "\"hostAddress\":\"127.0.0.1\"}],\"resources\":{\"cpu\":\"250m\",\"memory\":\"64Mi\","         \
    "\"cpuLimit\":null,\"memoryLimit\":null,\"pidsLimit\":512},\"security\":{\"user\":null,"       \
    "\"readOnlyRoot\":false,\"capabilities\":{\"add\":[],\"drop\":[]}},\"startupProbe\":null,"     \
    "\"livenessProbe\":null,\"readinessProbe\":null,\"restartPolicy\":{\"condition\":\"always\","  \
    "\"backoff\":\"500ms\",\"maxBackoff\":\"1m\",\"resetAfter\":\"10m\"},"                         \
    "\"stopSignal\":\"SIGTERM\",\"stopGracePeriod\":\"10s\",\"containerLabels\":{\"app\":\"web\"}" \
    ","                                                                                            \
    "\"containerAnnotations\":{}"

static void deploy(void)
{
    declare("/deployments/web",
            "{\"image\":\"nginx:1.27\",\"replicas\":1,\"env\":{\"TZ\":\"UTC\"},"
            "\"ports\":[{\"name\":\"http\",\"containerPort\":80}],"
            "\"resources\":{\"cpu\":0.25,\"memory\":\"64Mi\"},\"labels\":{\"team\":\"shop\"},"
            "\"containerLabels\":{\"app\":\"web\"}}");
}

Test(show, a_deployment)
{
    deploy();
    rig_run_ms(1000);
    expect_shown("/deployments/web",
                 "{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"U\","
                 "\"labels\":{\"team\":\"shop\"},\"annotations\":{},\"mode\":\"replicated\","
                 "\"replicas\":1," TEMPLATE ",\"rollout\":{\"strategy\":\"rolling\","
                 "\"maxSurge\":1,\"maxUnavailable\":0,\"maxDraining\":\"25%\",\"minReady\":\"0s\","
                 "\"progressDeadline\":\"10m\",\"autoRollback\":true,\"maxErrorRate\":\"10%\","
                 "\"pauseAfter\":0,\"canary\":{\"replicas\":1,\"traffic\":\"0%\"},"
                 "\"promotion\":{\"auto\":true,\"after\":\"1m\"}},"
                 "\"placement\":{\"scheduler\":\"spread\",\"constraints\":[],\"maxPerNode\":0},"
                 "\"revisionHistory\":10,\"version\":1,\"seq\":0,\"createdAt\":\"T\","
                 "\"updatedAt\":\"T\",\"status\":{\"phase\":\"pending\",\"phaseSince\":\"T\","
                 "\"reason\":\"Unschedulable\","
                 "\"message\":\"no node takes the next replica: 0 nodes\",\"revision\":1,"
                 "\"observedVersion\":1,\"desired\":1,\"current\":0,\"updated\":0,\"ready\":0,"
                 "\"available\":0,\"stopping\":0,\"restarts\":0,\"progressedAt\":\"T\","
                 "\"rolledBackFrom\":null}}");
}

Test(show, its_revisions)
{
    deploy();
    expect_shown("/deployments/web/revisions",
                 "{\"items\":[{\"number\":1,\"deployment\":\"web\",\"inForce\":true,"
                 "\"cause\":\"created\",\"image\":\"nginx:1.27\",\"imageDigest\":null,"
                 "\"createdAt\":\"T\",\"template\":{" TEMPLATE "},\"changes\":[]}]}");
}

Test(show, a_container_that_was_restarted)
{
    rig_put_node();
    deploy();
    put_container();
    report_running();
    expect_shown(
        "/containers/web-0-k3x9q2",
        "{\"id\":\"web-0-k3x9q2\",\"namespace\":\"default\",\"owner\":{\"kind\":\"deployments\","
        "\"name\":\"web\"},\"deployment\":\"web\",\"slot\":0,\"revision\":1,"
        "\"labels\":{\"app\":\"web\"},\"annotations\":{},\"node\":\"node-1\","
        "\"image\":\"nginx:1.27\",\"imageDigest\":null,\"state\":\"running\",\"ready\":true,"
        "\"restarts\":1,\"nextStartAt\":null,\"reason\":\"\",\"message\":\"\",\"exitCode\":null,"
        "\"address\":\"172.17.0.2\",\"resources\":{\"cpu\":\"250m\",\"memory\":\"64Mi\","
        "\"cpuLimit\":null,\"memoryLimit\":null,\"pidsLimit\":512},\"ports\":[{\"name\":\"http\","
        "\"containerPort\":80,\"protocol\":\"tcp\",\"hostPort\":null,"
        "\"hostAddress\":\"127.0.0.1\"}],\"runtimeId\":\"abc\",\"createdAt\":\"T\","
        "\"startedAt\":\"T\",\"finishedAt\":null,\"lastEnd\":{\"at\":\"T\",\"exitCode\":137,"
        "\"signal\":\"SIGKILL\",\"oom\":true,\"reason\":\"OOMKilled\",\"log\":[\"bye\"]},"
        "\"ends\":[{\"at\":\"T\",\"exitCode\":137,\"signal\":\"SIGKILL\",\"oom\":true,"
        "\"reason\":\"OOMKilled\",\"log\":[\"bye\"]}],\"seq\":0}");
}

Test(show, a_node_with_what_its_containers_reserve)
{
    rig_put_node();
    deploy();
    put_container();
    expect_shown("/nodes/node-1",
                 "{\"name\":\"node-1\",\"address\":\"10.0.0.5\",\"labels\":{\"zone\":\"a\"},"
                 "\"schedulable\":true,\"draining\":false,\"capacity\":{\"cpu\":\"4\","
                 "\"memory\":\"16Gi\"},\"reserved\":{\"cpu\":\"100m\",\"memory\":\"256Mi\"},"
                 "\"runtime\":{\"plugin\":\"simulated\",\"version\":\"1.0\"},\"uid\":\"U\","
                 "\"version\":1,\"seq\":0,\"createdAt\":null,\"updatedAt\":null,"
                 "\"state\":\"lost\",\"allocated\":{\"cpu\":\"250m\",\"memory\":\"64Mi\"},"
                 "\"containers\":1,\"lastHeartbeatAt\":null}");
}

#define SERVICE                                                                                    \
    "{\"name\":\"web\",\"namespace\":\"default\",\"deployment\":\"web\","                          \
    "\"listen\":\"127.0.0.1:8080\",\"targetPort\":\"http\",\"protocol\":\"tcp\",\"hosts\":[],"     \
    "\"pathPrefix\":\"/\",\"sticky\":null,\"tls\":null,"                                           \
    "\"balancer\":\"round-robin\",\"balancerConfig\":{},\"drainTimeout\":\"30s\","                 \
    "\"connectTimeout\":\"2s\",\"idleTimeout\":\"5m\",\"slowStart\":\"0s\","                       \
    "\"maxConnections\":null,\"ejection\":{\"failures\":5,\"failureRate\":\"0%\","                 \
    "\"interval\":\"10s\",\"time\":\"10s\",\"maxTime\":\"5m\",\"maxShare\":\"50%\"},"              \
    "\"hold\":{\"time\":\"0s\",\"requests\":256},\"maintenance\":null,\"redirect\":null,"          \
    "\"weight\":null,\"headers\":[],\"trustedProxies\":[],\"maxConnectionsPerClient\":null,"       \
    "\"uid\":\"U\",\"version\":1,\"seq\":0,"                                                       \
    "\"createdAt\":\"T\",\"updatedAt\":\"T\","

static void serve(void)
{
    declare("/services/web",
            "{\"deployment\":\"web\",\"listen\":\"127.0.0.1:8080\",\"targetPort\":\"http\"}");
}

Test(show, a_service_before_anything_serves_it)
{
    serve();
    expect_shown("/services/web", SERVICE "\"status\":{\"endpoints\":0,\"ready\":0,\"draining\":0,"
                                          "\"listeners\":[],\"ejections\":[]}}");
}

Test(show, a_service_with_an_endpoint_and_a_listener_that_failed)
{
    const struct reported_listener listener = {.service = "web", .message = "taken"};
    const struct report report = {.node = "node-1", .listeners = {.items = &listener, .count = 1}};
    rig_put_node();
    deploy();
    serve();
    put_container();
    report_running();
    service_manager_report(rig.server->services, "node-1", &report);
    expect_shown("/services/web", SERVICE "\"status\":{\"endpoints\":1,\"ready\":1,\"draining\":0,"
                                          "\"listeners\":[{\"node\":\"node-1\","
                                          "\"state\":\"failed\",\"message\":\"taken\"}],"
                                          "\"ejections\":[]}}");
    expect_shown("/services/web/endpoints",
                 "{\"items\":[{\"container\":\"web-0-k3x9q2\",\"node\":\"node-1\","
                 "\"address\":\"172.17.0.2:80\",\"state\":\"active\",\"inFlight\":0,\"served\":0,"
                 "\"failed\":0,\"ejected\":null}],\"next\":null,\"total\":1,\"seq\":0}");
}

Test(show, an_event_with_the_request_that_caused_it)
{
    serve();
    expect_shown("/events?object=services/web",
                 "{\"items\":[{\"seq\":0,\"at\":\"T\",\"type\":\"normal\",\"reason\":\"Created\","
                 "\"object\":\"services/web\",\"message\":\"127.0.0.1:8080 for deployment web\","
                 "\"count\":1,\"cause\":{\"request\":\"r-1\",\"by\":\"key:test\"}}]}");
    expect_shown("/events?object=services/web&type=warning", "{\"items\":[]}");
}

Test(show, containers_by_what_they_are)
{
    static const struct {
        const char *path;
        const char *id; /* of the first; NULL: there is none */
    } cases[] = {{"/containers", "web-0-k3x9q2"},
                 {"/containers?state=running,failed", "web-0-k3x9q2"},
                 {"/containers?state=failed", NULL},
                 {"/containers?node=node-1&deployment=other,web", "web-0-k3x9q2"},
                 {"/containers?node=node-2", NULL},
                 {"/deployments/web/containers", "web-0-k3x9q2"}};
    rig_put_node();
    deploy();
    put_container();
    report_running();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer answer = rig_call(&(struct call){.method = "GET", .path = cases[i].path});
        const char *id = answer_at(&answer, "items.0.id");
        cr_assert(text_equal(id, cases[i].id), "%s: %s", cases[i].path, answer.text);
        answer_finish(&answer);
    }
    struct answer answer =
        rig_call(&(struct call){.method = "GET", .path = "/containers?state=runing"});
    cr_assert_eq(answer.status, 400);
    cr_assert_str_eq(answer_faults(&answer), "state");
    answer_finish(&answer);
}

Test(show, the_cluster_in_numbers)
{
    rig_put_node();
    deploy();
    put_container();
    report_running();
    struct answer answer = rig_call(&(struct call){.method = "GET", .path = "/cluster"});
    cr_assert_eq(answer.status, 200);
    cr_assert_str_eq(answer_at(&answer, "leader"), "node-1");
    cr_assert_str_eq(answer_at(&answer, "summary.deployments.complete"), "1");
    cr_assert_str_eq(answer_at(&answer, "summary.containers.running"), "1");
    cr_assert_str_eq(answer_at(&answer, "summary.nodes.lost"), "1");
    cr_assert_str_eq(answer_at(&answer, "summary.desired"), "1");
    cr_assert_str_eq(answer_at(&answer, "summary.ready"), "1");
    answer_finish(&answer);
}

Test(show, problems_with_what_to_do)
{
    static const struct {
        const char *object, *reason;
    } wanted[] = {{"deployments/web", "Unschedulable"},
                  {"nodes/node-1", "NodeLost"},
                  {"services/lonely", "DeploymentMissing"}};
    rig_put_node();
    deploy();
    declare("/services/lonely", "{\"deployment\":\"none\",\"listen\":\"127.0.0.1:8080\"}");
    rig_run_ms(100);
    struct answer answer = rig_call(&(struct call){.method = "GET", .path = "/problems"});
    cr_assert_str_eq(answer_at(&answer, "total"), "3", "%s", answer.text);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        char path[32];
        snprintf(path, sizeof path, "items.%zu.object", i);
        cr_assert_str_eq(answer_at(&answer, path), wanted[i].object);
        snprintf(path, sizeof path, "items.%zu.reason", i);
        cr_assert_str_eq(answer_at(&answer, path), wanted[i].reason);
    }
    answer_finish(&answer);
}

Test(show, how_the_nodes_compare_for_a_container)
{
    rig_put_node();
    deploy();
    put_container();
    struct answer answer =
        rig_call(&(struct call){.method = "GET", .path = "/containers/web-0-k3x9q2/placement"});
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    cr_assert_str_eq(answer_at(&answer, "best"), "[]");
    cr_assert_str_eq(answer_at(&answer, "refused.ready"), "1");
    cr_assert_str_eq(answer_at(&answer, "nodes.0.node"), "node-1");
    cr_assert_str_eq(answer_at(&answer, "nodes.0.fits"), "false");
    cr_assert_str_eq(answer_at(&answer, "nodes.0.checks.6.filter"), "cpu");
    cr_assert_str_eq(answer_at(&answer, "nodes.0.checks.6.asked"), "250");
    cr_assert_str_eq(answer_at(&answer, "nodes.0.checks.6.free"), "3650");
    answer_finish(&answer);
}

Test(show, logs_only_of_what_runs_here)
{
    rig_put_node();
    deploy();
    put_container();
    struct answer answer =
        rig_call(&(struct call){.method = "GET", .path = "/containers/web-0-k3x9q2/logs"});
    cr_assert_eq(answer.status, 409, "%s", answer.text);
    cr_assert_str_eq(answer_at(&answer, "code"), "INVALID_STATE");
    answer_finish(&answer);
    answer = rig_call(&(struct call){.method = "GET", .path = "/deployments/none/logs"});
    cr_assert_eq(answer.status, 404, "%s", answer.text);
    answer_finish(&answer);
}

Test(show, settings_without_secrets)
{
    struct answer answer = rig_call(&(struct call){.method = "GET", .path = "/config"});
    cr_assert_str_eq(answer_at(&answer, "file"), "test.yaml");
    cr_assert_not_null(strstr(answer.text, "{\"path\":\"runtime.allowCapabilities\","
                                           "\"value\":[\"NET_RAW\"],\"origin\":\"test.yaml:1\"}"));
    cr_assert_not_null(strstr(answer.text, "{\"path\":\"api.key\",\"value\":null,"));
    cr_assert_null(strstr(answer.text, "sixteen-letters-or-more"));
    answer_finish(&answer);
}
