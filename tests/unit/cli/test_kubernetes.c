/* From Kubernetes' manifests to ours: what maps, maps exactly; what does not is refused by name. */
#include "kinds.h"
#include "manifest.h"
#include "output.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <string.h>

enum { DOCUMENTS = 4, BODIES = 8 };
static struct document documents[DOCUMENTS];
static struct schema_positions *positions[DOCUMENTS];
static size_t document_count;
static json_t *bodies[BODIES];
static size_t body_count;
static struct arena arena;

static void take(void *user, const struct kind *kind, json_t *body,
                 const struct schema_positions *made)
{
    struct document *document = user;
    struct arena scratch = {0};
    const struct type *type = manifest_type(kind);
    schema_read_input(type, body, "", made, &scratch, arena_alloc(&scratch, type->size),
                      &document->faults);
    arena_finish(&scratch);
    bodies[body_count++] = body;
}

static void read_text(const char *text)
{
    struct yaml_stream *stream = yaml_stream_open(text, strlen(text));
    struct schema_faults faults = {0};
    json_t *value;
    for (;; document_count++) {
        positions[document_count] = schema_positions_create();
        const struct yaml_source source = {
            .positions = positions[document_count], .faults = &faults, .path = ""};
        if (!yaml_stream_next(stream, &source, &value))
            break;
        cr_assert(value, "%s", faults.count ? faults.items[0].message : "");
        documents[document_count] = (struct document){
            .file = "k.yaml", .value = value, .positions = positions[document_count], .path = ""};
    }
    yaml_stream_close(stream);
}

static void convert(const char *text, bool lenient)
{
    read_text(text);
    for (size_t i = 0; i < document_count; i++)
        if (kubernetes_is(documents[i].value))
            kubernetes_convert(&arena, &documents[i], documents, document_count, lenient, take,
                               &documents[i]);
}

static void end(void)
{
    for (size_t i = 0; i < document_count; i++) {
        json_decref(documents[i].value);
        schema_faults_finish(&documents[i].faults);
        text_finish(&documents[i].notes);
    }
    for (size_t i = 0; i < DOCUMENTS; i++) {
        schema_positions_destroy(positions[i]);
        positions[i] = NULL;
    }
    for (size_t i = 0; i < body_count; i++)
        json_decref(bodies[i]);
    arena_finish(&arena);
    document_count = body_count = 0;
}

TestSuite(kubernetes, .fini = end);

#define HEAD                                                                                       \
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\nspec:\n"                        \
    "  selector: {matchLabels: {app: api}}\n"
#define TEMPLATE "  template:\n    metadata: {labels: {app: api}}\n    spec:\n"
#define CONTAINER "      containers:\n      - name: c\n        image: a/web:1\n"
#define WITH(line) HEAD TEMPLATE CONTAINER "        " line "\n"

/* The one body's member is that JSON. */
static void expect(const char *path, const char *json)
{
    cr_assert_eq(body_count, 1, "%s",
                 documents[0].faults.count ? documents[0].faults.items[0].message : "");
    json_t *wanted = json_loads(json, JSON_DECODE_ANY, NULL);
    char *dump = json_dumps(member(bodies[0], path), JSON_ENCODE_ANY);
    cr_assert(json_equal(wanted, member(bodies[0], path)), "%s: %s", path, dump);
    free(dump);
    json_decref(wanted);
}

static void expect_fine(void)
{
    for (size_t i = 0; i < document_count; i++)
        cr_assert_eq(documents[i].faults.count, 0, "%s: %s", documents[i].faults.items[0].path,
                     documents[i].faults.items[0].message);
}

Test(kubernetes, writes_its_own_defaults_out_where_ours_differ)
{
    convert(HEAD TEMPLATE CONTAINER, false);
    expect_fine();
    expect("rollout", "{\"maxSurge\":\"25%\",\"maxUnavailable\":\"25%\",\"maxDraining\":\"100%\","
                      "\"autoRollback\":false}");
    expect("stopGracePeriod", "\"30s\"");
    expect("imagePull", "\"missing\"");
    expect("containerLabels", "{\"app\":\"api\"}");
    cr_assert_null(member(bodies[0], "replicas"));
    cr_assert_null(member(bodies[0], "mode"));
}

Test(kubernetes, a_daemon_set_is_global)
{
    convert("apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: api}\nspec:\n"
            "  selector: {matchLabels: {app: api}}\n" TEMPLATE CONTAINER,
            false);
    expect_fine();
    expect("mode", "\"global\"");
    expect("rollout.maxSurge", "0");
    expect("rollout.maxUnavailable", "1");
}

struct mapping {
    const char *line, *path, *json;
};
static const struct mapping mappings[] = {
    {"resources: {requests: {cpu: 100m, memory: 1Gi}, limits: {cpu: 2, memory: 2Gi}}", "resources",
     "{\"cpu\":\"100m\",\"cpuLimit\":\"2000m\",\"memory\":1073741824,\"memoryLimit\":2147483648}"},
    {"resources: {limits: {memory: 64Mi}}", "resources",
     "{\"memory\":67108864,\"memoryLimit\":67108864}"},
    {"resources: {requests: {memory: 64Mi}}", "resources",
     "{\"memory\":67108864,\"memoryLimit\":\"none\"}"},
    {"command: [a, b]", "command", "[\"a\",\"b\"]"},
    {"args: [$(A) $(B) $$(A) $$$(A) $A $(A]\n        env: [{name: A, value: x}]", "args",
     "[\"x $(B) $(A) $x $A $(A\"]"},
    {"env: [{name: A, value: '1'}, {name: B, value: $(A)2}, {name: C}]", "env",
     "{\"A\":\"1\",\"B\":\"12\",\"C\":\"\"}"},
    {"ports: [{name: http, containerPort: 80}, {containerPort: 53, protocol: UDP, hostPort: 53}]",
     "ports",
     "[{\"name\":\"http\",\"containerPort\":80},{\"containerPort\":53,\"protocol\":\"udp\","
     "\"hostPort\":53,\"hostAddress\":\"0.0.0.0\"}]"},
    {"readinessProbe: {httpGet: {port: 80, httpHeaders: [{name: X, value: y}]}, periodSeconds: 5}",
     "readinessProbe", "{\"http\":{\"port\":80,\"headers\":{\"X\":\"y\"}},\"interval\":\"5s\"}"},
    {"livenessProbe: {tcpSocket: {port: 80}, failureThreshold: 2, initialDelaySeconds: 0}",
     "livenessProbe", "{\"tcp\":{\"port\":80},\"failureThreshold\":2}"},
    {"startupProbe: {exec: {command: [t]}, timeoutSeconds: 3}", "startupProbe",
     "{\"exec\":{\"command\":[\"t\"]},\"timeout\":\"3s\"}"},
    {"securityContext: {runAsUser: 10, runAsGroup: 20, runAsNonRoot: true}", "security",
     "{\"user\":\"10:20\"}"},
    {"securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false}", "security",
     "{\"readOnlyRoot\":true}"},
    {"securityContext: {capabilities: {drop: [ALL]}}", "security.capabilities.drop",
     "[\"CHOWN\",\"DAC_OVERRIDE\",\"FOWNER\",\"FSETID\",\"KILL\",\"NET_BIND_SERVICE\",\"SETGID\","
     "\"SETPCAP\",\"SETUID\"]"},
    {"imagePullPolicy: Always", "imagePull", "\"always\""},
    {"workingDir: /srv", "workingDir", "\"/srv\""},
};

static void map_one(size_t i)
{
    char text[2048];
    snprintf(text, sizeof text, "%s        %s\n", HEAD TEMPLATE CONTAINER, mappings[i].line);
    convert(text, false);
    expect_fine();
    expect(mappings[i].path, mappings[i].json);
    end();
}

Test(kubernetes, what_maps_maps_exactly)
{
    for (size_t i = 0; i < sizeof mappings / sizeof mappings[0]; i++)
        map_one(i);
}

Test(kubernetes, an_image_without_a_tag_is_the_latest_and_pulled_always)
{
    convert(HEAD TEMPLATE "      containers: [{name: c, image: 'host:5000/web'}]\n", false);
    expect_fine();
    expect("image", "\"host:5000/web:latest\"");
    expect("imagePull", "\"always\"");
}

Test(kubernetes, strategies_keep_their_meaning)
{
    convert(HEAD "  strategy: {type: Recreate}\n" TEMPLATE CONTAINER, false);
    expect_fine();
    expect("rollout.strategy", "\"recreate\"");
    end();
    convert(HEAD
            "  strategy: {rollingUpdate: {maxSurge: 2, maxUnavailable: 0}}\n" TEMPLATE CONTAINER,
            false);
    expect_fine();
    expect("rollout.maxSurge", "2");
    expect("rollout.maxUnavailable", "0");
}

Test(kubernetes, node_selectors_become_constraints)
{
    convert(HEAD TEMPLATE "      nodeSelector: {kubernetes.io/os: linux, disk: ssd}\n" CONTAINER,
            false);
    expect_fine();
    expect("placement.constraints", "[{\"label\":\"disk\",\"op\":\"in\",\"values\":[\"ssd\"]}]");
}

/* Refused with this place and path, and left out by --lenient. */
static const struct refusal {
    const char *line, *path, *says;
} refusals[] = {
    {"lifecycle: {preStop: {exec: {command: [sleep, '10']}}}", "containers[0].lifecycle",
     "drained"},
    {"volumeMounts: [{name: x, mountPath: /x}]", "containers[0].volumeMounts", "not built"},
    {"env: [{name: A, valueFrom: {fieldRef: {fieldPath: x}}}]", "containers[0].env[0].valueFrom",
     "secrets"},
    {"envFrom: [{secretRef: {name: x}}]", "containers[0].envFrom", "not built"},
    {"resources: {limits: {nvidia.com/gpu: 1}}", "containers[0].resources.limits.nvidia.com/gpu",
     "no counterpart"},
    {"livenessProbe: {grpc: {port: 1}}", "containers[0].livenessProbe.grpc", "gRPC"},
    {"readinessProbe: {httpGet: {port: 1, scheme: HTTPS}}",
     "containers[0].readinessProbe.httpGet.scheme", "plain HTTP"},
    {"securityContext: {privileged: true}", "containers[0].securityContext.privileged",
     "privileged"},
    {"securityContext: {runAsNonRoot: true}", "containers[0].securityContext.runAsNonRoot",
     "runAsUser"},
    {"imagePulPolicy: Always", "containers[0].imagePulPolicy", "did you mean \"imagePullPolicy\""},
    {"tty: true", "containers[0].tty", "terminal"},
};

Test(kubernetes, what_does_not_map_is_refused_by_name_and_place)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        char text[2048], path[256];
        snprintf(text, sizeof text, "%s        %s\n", HEAD TEMPLATE CONTAINER, refusals[i].line);
        snprintf(path, sizeof path, "spec.template.spec.%s", refusals[i].path);
        convert(text, false);
        cr_assert_eq(documents[0].faults.count, 1, "%s: %zu", path, documents[0].faults.count);
        const struct schema_fault *fault = &documents[0].faults.items[0];
        cr_assert_str_eq(fault->path, path);
        cr_assert(strstr(fault->message, refusals[i].says), "%s", fault->message);
        cr_assert_eq(fault->position.line, 12, "%s: line %d", path, fault->position.line);
        cr_assert_eq(body_count, 0);
        end();
        convert(text, true);
        expect_fine();
        cr_assert_eq(body_count, 1);
        cr_assert(strstr(text_string(&documents[0].notes), path), "%s",
                  text_string(&documents[0].notes));
        cr_assert(strstr(text_string(&documents[0].notes), "left out"));
        end();
    }
}

Test(kubernetes, several_containers_are_refused_even_when_lenient)
{
    convert(HEAD TEMPLATE "      containers: [{name: a, image: 'a:1'}, {name: b, image: 'b:1'}]\n",
            true);
    cr_assert_eq(documents[0].faults.count, 1);
    cr_assert(strstr(documents[0].faults.items[0].message, "2 containers"));
}

Test(kubernetes, our_tables_judge_the_result_at_the_place_it_came_from)
{
    convert(WITH("resources: {limits: {memory: 1Mi}}"), false);
    cr_assert_eq(documents[0].faults.count, 1);
    cr_assert_str_eq(documents[0].faults.items[0].path, "resources.memoryLimit");
    cr_assert_eq(documents[0].faults.items[0].position.line, 12);
}

#define SERVICE(spec) "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: " spec "\n"

Test(kubernetes, a_service_finds_its_deployment_by_labels)
{
    convert(
        HEAD TEMPLATE CONTAINER SERVICE(
            "{type: NodePort, selector: {app: api}, ports: [{port: 80, targetPort: http, nodePort: "
            "30080}]}"),
        false);
    expect_fine();
    cr_assert_eq(body_count, 2);
    cr_assert_str_eq(member_text(bodies[1], "deployment"), "api");
    cr_assert_str_eq(member_text(bodies[1], "listen"), "0.0.0.0:30080");
    cr_assert_str_eq(member_text(bodies[1], "targetPort"), "http");
}

Test(kubernetes, each_port_of_a_service_is_one_of_ours)
{
    convert(HEAD TEMPLATE CONTAINER SERVICE(
                "{type: LoadBalancer, selector: {app: api}, ports: [{name: a, port: 80}, {name: b, "
                "port: 81, targetPort: 8081}]}"),
            false);
    expect_fine();
    cr_assert_eq(body_count, 3);
    cr_assert_str_eq(member_text(bodies[1], "name"), "web-a");
    cr_assert_str_eq(member_text(bodies[2], "listen"), "0.0.0.0:81");
    cr_assert_eq(member_int(bodies[1], "targetPort"), 80);
    cr_assert_eq(member_int(bodies[2], "targetPort"), 8081);
}

Test(kubernetes, a_service_of_datagrams_is_one_of_protocol_udp)
{
    convert(
        HEAD TEMPLATE CONTAINER SERVICE(
            "{type: LoadBalancer, selector: {app: api}, ports: [{name: dns, port: 53, protocol: "
            "UDP}, {name: dns-tcp, port: 53, protocol: TCP}]}"),
        false);
    expect_fine();
    cr_assert_eq(body_count, 3);
    cr_assert_str_eq(member_text(bodies[1], "protocol"), "udp");
    cr_assert_str_eq(member_text(bodies[1], "listen"), "0.0.0.0:53");
    cr_assert_str_eq(member_text(bodies[2], "protocol"), "tcp");
    cr_assert_str_eq(member_text(bodies[2], "listen"), "0.0.0.0:53");
}

Test(kubernetes, a_service_of_another_protocol_is_refused)
{
    convert(HEAD TEMPLATE CONTAINER SERVICE(
                "{type: LoadBalancer, selector: {app: api}, ports: [{port: 53, protocol: SCTP}]}"),
            false);
    cr_assert_eq(documents[1].faults.count, 1);
    cr_assert(strstr(documents[1].faults.items[0].message, "only TCP and UDP"), "%s",
              documents[1].faults.items[0].message);
}

Test(kubernetes, a_cluster_address_is_said_to_be_local)
{
    convert(HEAD TEMPLATE CONTAINER SERVICE("{selector: {app: api}, ports: [{port: 80}]}"), false);
    expect_fine();
    cr_assert_str_eq(member_text(bodies[1], "listen"), "127.0.0.1:80");
    cr_assert(strstr(text_string(&documents[1].notes), "127.0.0.1:80 on every node"));
}

Test(kubernetes, a_service_without_its_deployment_is_refused)
{
    convert("apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: other}, "
            "ports: [{port: 80}]}\n",
            true);
    cr_assert_eq(body_count, 0);
    cr_assert_str_eq(documents[0].faults.items[0].path, "spec.selector");
}

Test(kubernetes, other_kinds_are_refused_by_name)
{
    convert("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n", false);
    cr_assert(strstr(documents[0].faults.items[0].message, "ConfigMap"));
}
