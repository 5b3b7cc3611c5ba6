/* Kubernetes' apps/v1 Deployment and DaemonSet, v1 Service, into ours. Where defaults differ,
 * theirs are written out, so that the meaning stays. */
#include "kubernetes_impl.h"

#include "kinds.h"
#include "output.h"

#include <string.h>

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
    json_object_foreach(json_object_get(value, "matchLabels"), key, wanted)
    {
        if (!json_equal(json_object_get(labels, key), wanted))
            wrong(conversion, path_join(conversion, path, "matchLabels"),
                  "\"%.80s\" is not among the labels of the template", key);
    }
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
