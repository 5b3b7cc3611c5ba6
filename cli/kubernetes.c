/* Kubernetes' apps/v1 Deployment and DaemonSet, v1 Service, into ours. Where defaults differ,
 * theirs are written out, so that the meaning stays. */
#include "kubernetes_impl.h"

#include "kinds.h"
#include "output.h"

#include <stdio.h>
#include <string.h>

/* -- saying -- */

static void say(struct conversion *conversion, bool fault, const char *path, const char *format,
                va_list arguments)
{
    char message[288];
    struct document *document = conversion->document;
    struct schema_position position = schema_positions_find_key(document->positions, path);
    vsnprintf(message, sizeof message, format, arguments);
    if (fault) {
        schema_faults_add(&document->faults, position, path, "%s", message);
        return;
    }
    char *line = arena_format(conversion->arena, "%s:%d:%d: %s: %s", document->file, position.line,
                              position.column, path, message);
    text_defuse(line);
    text_append_format(&document->notes, "%s\n", line);
}

void refuse(struct conversion *conversion, const char *path, const char *format, ...)
{
    va_list arguments;
    const char *whole =
        conversion->lenient ? arena_format(conversion->arena, "left out: %s", format) : format;
    va_start(arguments, format);
    say(conversion, !conversion->lenient, path, whole, arguments);
    va_end(arguments);
}

void wrong(struct conversion *conversion, const char *path, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(conversion, true, path, format, arguments);
    va_end(arguments);
}

void note(struct conversion *conversion, const char *path, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(conversion, false, path, format, arguments);
    va_end(arguments);
}

static bool want(struct conversion *conversion, const char *path, bool fine, const char *what)
{
    if (!fine)
        wrong(conversion, path, "must be %s", what);
    return fine;
}

bool want_string(struct conversion *conversion, const char *path, const json_t *value)
{
    return want(conversion, path, json_is_string(value), "a string");
}

bool want_integer(struct conversion *conversion, const char *path, const json_t *value)
{
    return want(conversion, path, json_is_integer(value), "a whole number");
}

bool want_object(struct conversion *conversion, const char *path, const json_t *value)
{
    return want(conversion, path, json_is_object(value), "an object");
}

bool want_list(struct conversion *conversion, const char *path, const json_t *value)
{
    return want(conversion, path, json_is_array(value), "a list");
}

const char *path_join(struct conversion *conversion, const char *path, const char *name)
{
    return arena_format(conversion->arena, "%s%s%s", path, *path ? "." : "", name);
}

const char *path_item(struct conversion *conversion, const char *path, size_t index)
{
    return arena_format(conversion->arena, "%s[%zu]", path, index);
}

/* -- making -- */

void place(struct conversion *conversion, const char *ours, const char *path)
{
    const struct schema_positions *positions = conversion->document->positions;
    schema_positions_add(conversion->positions, ours, schema_positions_find_key(positions, path),
                         schema_positions_find(positions, path));
}

void put(struct conversion *conversion, const char *ours, json_t *value, const char *path)
{
    json_t *object = conversion->out;
    const char *name = ours;
    for (const char *dot; (dot = strchr(name, '.')); name = dot + 1) {
        const char *part = arena_strndup(conversion->arena, name, (size_t)(dot - name));
        json_t *inner = json_object_get(object, part);
        if (!inner)
            json_object_set_new(object, part, inner = json_object());
        object = inner;
    }
    json_object_set_new(object, name, value);
    place(conversion, ours, path);
}

json_t *seconds(long long count)
{
    return json_sprintf("%llds", count);
}

/* -- walking -- */

static const struct rule *rule_find(const struct rule *rules, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(rules[i].name, name) == 0)
            return &rules[i];
    return NULL;
}

static void refuse_unknown(struct conversion *conversion, const char *path, const char *name,
                           const struct rule *rules, size_t count)
{
    enum { NAMES = 64 };
    const char *names[NAMES];
    size_t known = 0;
    for (; known < count && known < NAMES; known++)
        names[known] = rules[known].name;
    const char *near = text_nearest(name, names, known);
    refuse(conversion, path, "has no counterpart here%s%s%s", near ? "; did you mean \"" : "",
           near ? near : "", near ? "\"?" : "");
}

static bool is_only(const struct rule *rule, const json_t *value)
{
    json_t *only = json_loads(rule->only, JSON_DECODE_ANY, NULL);
    bool same = json_equal(only, value);
    json_decref(only);
    return same;
}

static void convert_one(struct conversion *conversion, const char *path, json_t *value,
                        const struct rule *rule)
{
    if (json_is_null(value) || (rule->why && !*rule->why))
        return; /* null is as left out */
    if (rule->convert)
        rule->convert(conversion, path, value);
    else if (!rule->only || !is_only(rule, value))
        refuse(conversion, path, "%s", rule->why ? rule->why : "has no counterpart here");
}

void convert_object(struct conversion *conversion, const char *path, json_t *value,
                    const struct rule *rules, size_t count)
{
    const char *name;
    json_t *member_value;
    if (!want_object(conversion, path, value))
        return;
    json_object_foreach(value, name, member_value)
    {
        const char *inner = path_join(conversion, path, name);
        const struct rule *rule = rule_find(rules, count, name);
        if (rule)
            convert_one(conversion, inner, member_value, rule);
        else
            refuse_unknown(conversion, inner, name, rules, count);
    }
}

/* -- metadata -- */

static void to_name(struct conversion *conversion, const char *path, json_t *value)
{
    put(conversion, "name", json_incref(value), path);
}

static void to_namespace(struct conversion *conversion, const char *path, json_t *value)
{
    put(conversion, "namespace", json_incref(value), path);
}

static void to_labels(struct conversion *conversion, const char *path, json_t *value)
{
    put(conversion, "labels", json_incref(value), path);
}

static json_t *without_bookkeeping(const json_t *annotations)
{
    json_t *kept = json_copy((json_t *)annotations);
    json_object_del(kept, "kubectl.kubernetes.io/last-applied-configuration");
    json_object_del(kept, "deployment.kubernetes.io/revision");
    json_object_del(kept, "deprecated.daemonset.template.generation");
    return kept;
}

static void to_annotations(struct conversion *conversion, const char *path, json_t *value)
{
    if (want_object(conversion, path, value))
        put(conversion, "annotations", without_bookkeeping(value), path);
}

static const struct rule metadata_rules[] = {
    {"name", to_name, NULL, NULL},
    {"namespace", to_namespace, NULL, NULL},
    {"labels", to_labels, NULL, NULL},
    {"annotations", to_annotations, NULL, NULL},
    {"creationTimestamp", NULL, NULL, ""},
    {"generation", NULL, NULL, ""},
    {"managedFields", NULL, NULL, ""},
    {"resourceVersion", NULL, NULL, ""},
    {"selfLink", NULL, NULL, ""},
    {"uid", NULL, NULL, ""},
    {"generateName", NULL, NULL, "names are not made up here: give a name"},
    {"ownerReferences", NULL, NULL, "nothing else owns a deployment here"},
    {"finalizers", NULL, NULL, "there are no finalizers here"},
};

static void convert_metadata(struct conversion *conversion, const char *path, json_t *value)
{
    convert_object(conversion, path, value, RULES(metadata_rules));
}

static void to_container_labels(struct conversion *conversion, const char *path, json_t *value)
{
    put(conversion, "containerLabels", json_incref(value), path);
}

static void to_container_annotations(struct conversion *conversion, const char *path, json_t *value)
{
    if (want_object(conversion, path, value))
        put(conversion, "containerAnnotations", without_bookkeeping(value), path);
}

static const struct rule template_metadata_rules[] = {
    {"labels", to_container_labels, NULL, NULL},
    {"annotations", to_container_annotations, NULL, NULL},
    {"creationTimestamp", NULL, NULL, ""},
    {"name", NULL, NULL, ""},
};

static void convert_template_metadata(struct conversion *conversion, const char *path,
                                      json_t *value)
{
    convert_object(conversion, path, value, RULES(template_metadata_rules));
}

/* -- spec.template.spec -- */

static void convert_containers(struct conversion *conversion, const char *path, json_t *value)
{
    if (!want_list(conversion, path, value))
        return;
    if (json_array_size(value) != 1) {
        wrong(conversion, path, "has %zu containers; here a replica is exactly one",
              json_array_size(value));
        return;
    }
    convert_container(conversion, path_item(conversion, path, 0), json_array_get(value, 0));
}

static void to_grace(struct conversion *conversion, const char *path, json_t *value)
{
    if (want_integer(conversion, path, value))
        put(conversion, "stopGracePeriod", seconds(json_integer_value(value)), path);
}

/* Every pair a constraint; that a node is Linux is so anyway. */
static void to_constraints(struct conversion *conversion, const char *path, json_t *value)
{
    const char *key;
    json_t *wanted, *constraints = json_array();
    if (!want_object(conversion, path, value)) {
        json_decref(constraints);
        return;
    }
    json_object_foreach(value, key, wanted)
    {
        bool linux_label =
            strcmp(key, "kubernetes.io/os") == 0 && text_equal(json_string_value(wanted), "linux");
        if (!linux_label)
            json_array_append_new(constraints, json_pack("{s:s, s:s, s:[O]}", "label", key, "op",
                                                         "in", "values", wanted));
    }
    if (json_array_size(constraints))
        put(conversion, "placement.constraints", constraints, path);
    else
        json_decref(constraints);
}

static const struct rule pod_security_rules[] = {
    {"runAsUser", NULL, NULL, ""}, /* both are read by convert_user */
    {"runAsGroup", NULL, NULL, ""},
    {"runAsNonRoot", NULL, "false", "give runAsUser: who runs is not checked when it starts"},
    {"seccompProfile", NULL, "{\"type\": \"RuntimeDefault\"}",
     "only the engine's own profile (RuntimeDefault) is used here"},
    {"fsGroup", NULL, NULL, "there are no volumes to own"},
    {"supplementalGroups", NULL, NULL, "only one group can be given"},
};

/* With a user that is not root, runAsNonRoot holds. */
static json_t *without_kept_promise(json_t *context)
{
    json_t *kept = json_copy(context);
    if (json_integer_value(json_object_get(context, "runAsUser")) > 0)
        json_object_del(kept, "runAsNonRoot");
    return kept;
}

static void convert_pod_security(struct conversion *conversion, const char *path, json_t *value)
{
    if (!want_object(conversion, path, value))
        return;
    json_t *kept = without_kept_promise(value);
    convert_object(conversion, path, kept, RULES(pod_security_rules));
    json_decref(kept);
    if (!member(conversion->out, "security.user"))
        convert_user(conversion, path, value);
}

#define VOLUMES "volumes and mounts are not built yet"
#define HOST "a container never shares the host's namespaces"
static const struct rule pod_rules[] = {
    {"containers", convert_containers, NULL, NULL},
    {"terminationGracePeriodSeconds", to_grace, NULL, NULL},
    {"nodeSelector", to_constraints, NULL, NULL},
    {"securityContext", convert_pod_security, NULL, NULL},
    {"restartPolicy", NULL, "\"Always\"", "only Always fits a deployment"},
    {"dnsPolicy", NULL, "\"ClusterFirst\"", "containers take the engine's resolver"},
    {"schedulerName", NULL, "\"default-scheduler\"", "set placement.scheduler after converting"},
    {"serviceAccountName", NULL, "\"default\"", "containers get no credentials of the cluster"},
    {"serviceAccount", NULL, "\"default\"", "containers get no credentials of the cluster"},
    {"automountServiceAccountToken", NULL, "false", "containers get no credentials of the cluster"},
    {"enableServiceLinks", NULL, "false", "no variables are made from services here"},
    {"hostNetwork", NULL, "false", HOST},
    {"hostPID", NULL, "false", HOST},
    {"hostIPC", NULL, "false", HOST},
    {"shareProcessNamespace", NULL, "false", "a replica is one container"},
    {"volumes", NULL, "[]", VOLUMES},
    {"initContainers", NULL, "[]", "init containers are not built yet"},
    {"ephemeralContainers", NULL, "[]", "a replica is one container"},
    {"affinity", NULL, "{}", "say it with placement.constraints and placement.maxPerNode"},
    {"tolerations", NULL, "[]", "nodes have no taints here"},
    {"topologySpreadConstraints", NULL, "[]", "say it with placement.maxPerNode"},
    {"imagePullSecrets", NULL, "[]", "registries' credentials are the server's business"},
    {"hostAliases", NULL, "[]", NULL},
    {"hostname", NULL, NULL, "a container's name is its id"},
    {"subdomain", NULL, NULL, NULL},
    {"nodeName", NULL, NULL, "say it with placement.constraints"},
    {"priorityClassName", NULL, NULL, "there are no priorities yet"},
    {"priority", NULL, NULL, "there are no priorities yet"},
    {"preemptionPolicy", NULL, NULL, "there are no priorities yet"},
    {"runtimeClassName", NULL, NULL, "the runtime is the node's"},
    {"activeDeadlineSeconds", NULL, NULL, NULL},
    {"dnsConfig", NULL, NULL, "containers take the engine's resolver"},
    {"overhead", NULL, NULL, NULL},
    {"readinessGates", NULL, "[]", NULL},
};

static void convert_pod(struct conversion *conversion, const char *path, json_t *value)
{
    put(conversion, "stopGracePeriod", seconds(30), path);
    convert_object(conversion, path, value, RULES(pod_rules));
}

static const struct rule template_rules[] = {
    {"metadata", convert_template_metadata, NULL, NULL},
    {"spec", convert_pod, NULL, NULL},
};

static void convert_template(struct conversion *conversion, const char *path, json_t *value)
{
    convert_object(conversion, path, value, RULES(template_rules));
}

/* -- spec -- */

static void to_replicas(struct conversion *conversion, const char *path, json_t *value)
{
    put(conversion, "replicas", json_incref(value), path);
}

static void to_history(struct conversion *conversion, const char *path, json_t *value)
{
    put(conversion, "revisionHistory", json_incref(value), path);
}

static void to_min_ready(struct conversion *conversion, const char *path, json_t *value)
{
    if (want_integer(conversion, path, value))
        put(conversion, "rollout.minReady", seconds(json_integer_value(value)), path);
}

static void to_deadline(struct conversion *conversion, const char *path, json_t *value)
{
    if (want_integer(conversion, path, value))
        put(conversion, "rollout.progressDeadline", seconds(json_integer_value(value)), path);
}

static void to_surge(struct conversion *conversion, const char *path, json_t *value)
{
    put(conversion, "rollout.maxSurge", json_incref(value), path);
}

static void to_unavailable(struct conversion *conversion, const char *path, json_t *value)
{
    put(conversion, "rollout.maxUnavailable", json_incref(value), path);
}

static const struct rule rolling_rules[] = {
    {"maxSurge", to_surge, NULL, NULL},
    {"maxUnavailable", to_unavailable, NULL, NULL},
};

static void convert_rolling(struct conversion *conversion, const char *path, json_t *value)
{
    convert_object(conversion, path, value, RULES(rolling_rules));
}

static void convert_strategy_type(struct conversion *conversion, const char *path, json_t *value)
{
    if (!want_string(conversion, path, value))
        return;
    if (strcmp(json_string_value(value), "Recreate") == 0)
        put(conversion, "rollout.strategy", json_string("recreate"), path);
    else if (strcmp(json_string_value(value), "RollingUpdate") != 0)
        refuse(conversion, path, "only RollingUpdate and Recreate are known, not %.40s",
               json_string_value(value));
}

static const struct rule strategy_rules[] = {
    {"type", convert_strategy_type, NULL, NULL},
    {"rollingUpdate", convert_rolling, NULL, NULL},
};

static void convert_strategy(struct conversion *conversion, const char *path, json_t *value)
{
    convert_object(conversion, path, value, RULES(strategy_rules));
}

/* Here a deployment owns its containers by name; the selector only has to say the same. */
static void check_selector(struct conversion *conversion, const char *path, json_t *value)
{
    const char *key;
    json_t *wanted;
    const json_t *labels = kubernetes_labels(conversion->document, NULL);
    if (!want_object(conversion, path, value))
        return;
    if (json_array_size(json_object_get(value, "matchExpressions")))
        refuse(conversion, path_join(conversion, path, "matchExpressions"),
               "a deployment owns the containers that it made, and no others");
    json_object_foreach(json_object_get(value, "matchLabels"), key,
                        wanted) if (!json_equal(json_object_get(labels, key), wanted))
        wrong(conversion, path_join(conversion, path, "matchLabels"),
              "\"%.80s\" is not among the labels of the template", key);
}

static const struct rule deployment_rules[] = {
    {"replicas", to_replicas, NULL, NULL},
    {"selector", check_selector, NULL, NULL},
    {"template", convert_template, NULL, NULL},
    {"strategy", convert_strategy, NULL, NULL},
    {"minReadySeconds", to_min_ready, NULL, NULL},
    {"revisionHistoryLimit", to_history, NULL, NULL},
    {"progressDeadlineSeconds", to_deadline, NULL, NULL},
    {"paused", NULL, "false", "\"orchctl rollout pause\" holds a rollout"},
};
static const struct rule daemon_set_rules[] = {
    {"selector", check_selector, NULL, NULL},         {"template", convert_template, NULL, NULL},
    {"updateStrategy", convert_strategy, NULL, NULL}, {"minReadySeconds", to_min_ready, NULL, NULL},
    {"revisionHistoryLimit", to_history, NULL, NULL},
};

/* Their defaults, where ours differ: they never roll back by themselves, nor bound what drains. */
static void put_defaults(struct conversion *conversion, const char *path)
{
    bool daemon_set = conversion->daemon_set;
    if (daemon_set)
        put(conversion, "mode", json_string("global"), path);
    put(conversion, "rollout.maxSurge", daemon_set ? json_integer(0) : json_string("25%"), path);
    put(conversion, "rollout.maxUnavailable", daemon_set ? json_integer(1) : json_string("25%"),
        path);
    put(conversion, "rollout.maxDraining", json_string("100%"), path);
    put(conversion, "rollout.autoRollback", json_false(), path);
}

static void convert_deployment_spec(struct conversion *conversion, const char *path, json_t *value)
{
    put_defaults(conversion, path);
    if (conversion->daemon_set)
        convert_object(conversion, path, value, RULES(daemon_set_rules));
    else
        convert_object(conversion, path, value, RULES(deployment_rules));
}

static const struct rule root_rules[] = {
    {"apiVersion", NULL, NULL, ""},
    {"kind", NULL, NULL, ""},
    {"metadata", convert_metadata, NULL, NULL},
    {"spec", convert_deployment_spec, NULL, NULL},
    {"status", NULL, NULL, ""},
};

/* -- from outside -- */

bool kubernetes_is(const json_t *value)
{
    return json_object_get(value, "apiVersion") != NULL;
}

const json_t *kubernetes_labels(const struct document *document, const char **name)
{
    bool theirs = kubernetes_is(document->value);
    const char *kind = member_text(document->value, "kind");
    if (name)
        *name = member_text(document->value, theirs ? "metadata.name" : "name");
    if (strcmp(kind, "Deployment") != 0 && !(theirs && strcmp(kind, "DaemonSet") == 0))
        return NULL;
    return member(document->value, theirs ? "spec.template.metadata.labels" : "containerLabels");
}

/* In the order of our table, which is the order people read. */
static json_t *ordered(const struct type *type, json_t *from)
{
    json_t *to = json_object();
    for (size_t i = 0; i < type->field_count; i++) {
        const struct field *field = &type->fields[i];
        if (field->flags & FIELD_INLINE) {
            json_t *inner = ordered(field->object, from);
            json_object_update(to, inner);
            json_decref(inner);
        } else if (json_object_get(from, field->name)) {
            json_object_set(to, field->name, json_object_get(from, field->name));
        }
    }
    return to;
}

struct taker {
    const struct kind *kind;
    void (*take)(void *user, const struct kind *kind, json_t *body,
                 const struct schema_positions *positions);
    void *user;
};

static void give(struct conversion *conversion, void *user)
{
    struct taker *taker = user;
    taker->take(taker->user, taker->kind, ordered(manifest_type(taker->kind), conversion->out),
                conversion->positions);
}

static void convert_kind(struct conversion *conversion, struct taker *taker)
{
    const struct document *document = conversion->document;
    const char *version = member_text(document->value, "apiVersion");
    const char *kind = member_text(document->value, "kind");
    conversion->daemon_set = strcmp(kind, "DaemonSet") == 0;
    if (strcmp(version, "apps/v1") == 0 &&
        (conversion->daemon_set || strcmp(kind, "Deployment") == 0)) {
        taker->kind = kind_named("deployments");
        convert_object(conversion, document->path, document->value, RULES(root_rules));
        if (!document->faults.count)
            give(conversion, taker);
    } else if (strcmp(version, "v1") == 0 && strcmp(kind, "Service") == 0) {
        taker->kind = kind_named("services");
        convert_service(conversion, give, taker);
    } else {
        refuse(conversion, path_join(conversion, document->path, "kind"),
               "%.60s of %.60s has no counterpart here: apps/v1 Deployment and DaemonSet and v1 "
               "Service have",
               *kind ? kind : "nothing", version);
    }
}

void kubernetes_convert(struct arena *arena, struct document *document,
                        const struct document *documents, size_t count, bool lenient,
                        void (*take)(void *user, const struct kind *kind, json_t *body,
                                     const struct schema_positions *positions),
                        void *user)
{
    struct conversion conversion = {.arena = arena,
                                    .document = document,
                                    .lenient = lenient,
                                    .documents = documents,
                                    .document_count = count,
                                    .out = json_object(),
                                    .positions = schema_positions_create()};
    struct taker taker = {.take = take, .user = user};
    convert_kind(&conversion, &taker);
    json_decref(conversion.out);
    schema_positions_destroy(conversion.positions);
}
