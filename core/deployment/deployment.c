#include "deployment/deployment.h"

#include <stdio.h>
#include <string.h>

static const char *const mode_words[] = {"replicated", "global", NULL};
const char *const strategy_words[] = {"rolling", "recreate", "canary", "blue-green", NULL};
const char *const outcome_words[] = {"completed", "rolled-back", "aborted", "replaced", NULL};
static const char *const op_words[] = {"in", "notIn", "exists", "notExists", "gt", "lt", NULL};
static const char *const phase_words[] = {"deleting", "paused",      "rolling-back",
                                          "complete", "rolled-back", "degraded",
                                          "pending",  "progressing", NULL};

static bool check_constraint(const void *value, char *message, size_t bytes)
{
    const struct constraint *constraint = value;
    bool one = constraint->op == CONSTRAINT_GREATER || constraint->op == CONSTRAINT_LESS;
    bool none = constraint->op == CONSTRAINT_EXISTS || constraint->op == CONSTRAINT_NOT_EXISTS;
    if (none  ? constraint->values.count != 0
        : one ? constraint->values.count != 1
              : constraint->values.count == 0) {
        snprintf(message, bytes, "values: \"%s\" takes %s", op_words[constraint->op - 1],
                 none  ? "none"
                 : one ? "exactly one, a whole number"
                       : "at least one");
        return false;
    }
    const char *number = one ? *LIST_AT(constraint->values, const char *, 0) : "0";
    size_t digits = strspn(number + (*number == '-'), "0123456789");
    if (digits && digits < 18 && !number[digits + (*number == '-')])
        return true;
    snprintf(message, bytes, "values: gt and lt compare whole numbers");
    return false;
}

#define AT(member) offsetof(struct constraint, member)
static const struct field constraint_fields[] = {
    {.name = "label",
     .kind = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .offset = AT(label),
     .min = 1,
     .max = 317,
     .doc = "Key of the node's label."},
    {.name = "op",
     .kind = FIELD_ENUM,
     .flags = FIELD_REQUIRED,
     .offset = AT(op),
     .words = op_words,
     .doc = "How it is compared."},
    {.name = "values",
     .kind = FIELD_STRINGS,
     .offset = AT(values),
     .max = 256,
     .doc = "What it is compared with."},
};
#undef AT
static const struct type constraint_type = {.name = "Constraint",
                                            .size = sizeof(struct constraint),
                                            TYPE_FIELDS(constraint_fields),
                                            .check = check_constraint,
                                            .doc = "A node must fulfil it."};

#define AT(member) offsetof(struct placement, member)
static const struct field placement_fields[] = {
    {.name = "scheduler",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = AT(scheduler),
     .check = schema_check_name,
     .doc = "Which plugin ranks the nodes; null: the configured default."},
    {.name = "constraints",
     .kind = FIELD_OBJECTS,
     .offset = AT(constraints),
     .object = &constraint_type,
     .max = 32,
     .doc = "All must hold."},
    {.name = "maxPerNode",
     .kind = FIELD_INT,
     .offset = AT(max_per_node),
     .min = 0,
     .max = 1000000,
     .doc = "The most replicas of one node; 0: no bound."},
};
#undef AT
const struct type placement_type = {.name = "Placement",
                                    .size = sizeof(struct placement),
                                    TYPE_FIELDS(placement_fields),
                                    .doc = "Where replicas may run."};

static bool check_percent(const void *value, char *message, size_t bytes)
{
    const struct amount *amount = value;
    if (amount->percent && amount->value <= 100)
        return true;
    snprintf(message, bytes, "must be a percentage of at most 100%%, as in \"10%%\"");
    return false;
}

static const struct field canary_fields[] = {
    {.name = "replicas",
     .kind = FIELD_AMOUNT,
     .offset = offsetof(struct canary, replicas),
     .initial = "1",
     .doc = "So many are replaced before the gate; percentages round up, at least 1."},
    {.name = "traffic",
     .kind = FIELD_AMOUNT,
     .offset = offsetof(struct canary, traffic),
     .initial = "\"0%\"",
     .check = check_percent,
     .doc = "Share of new connections that they get, by weights; 0%: as their number gives."},
};
static const struct type canary_type = {.name = "Canary",
                                        .size = sizeof(struct canary),
                                        TYPE_FIELDS(canary_fields),
                                        .doc = "The first step of the strategy canary."};

static const struct field promotion_fields[] = {
    {.name = "auto",
     .kind = FIELD_BOOL,
     .offset = offsetof(struct promotion, automatic),
     .initial = "true",
     .doc = "Goes on by itself; else it waits for POST /promote."},
    {.name = "after",
     .kind = FIELD_DURATION,
     .offset = offsetof(struct promotion, after_ns),
     .min = 0,
     .max = INT64_C(604800000000000),
     .initial = "\"1m\"",
     .doc = "So long must the new ones have been available."},
};
static const struct type promotion_type = {.name = "Promotion",
                                           .size = sizeof(struct promotion),
                                           TYPE_FIELDS(promotion_fields),
                                           .doc =
                                               "The gate of the strategies canary and blue-green."};

static bool check_rollout(const void *value, char *message, size_t bytes)
{
    const struct rollout *rollout = value;
    if (rollout->max_surge.value || rollout->max_unavailable.value)
        return true;
    snprintf(message, bytes,
             "maxSurge and maxUnavailable are both 0: no replica could ever be replaced");
    return false;
}

#define AT(member) offsetof(struct rollout, member)
static const struct field rollout_fields[] = {
    {.name = "strategy",
     .kind = FIELD_ENUM,
     .offset = AT(strategy),
     .words = strategy_words,
     .initial = "\"rolling\"",
     .doc = "How replicas are replaced."},
    {.name = "maxSurge",
     .kind = FIELD_AMOUNT,
     .offset = AT(max_surge),
     .initial = "1",
     .doc = "So many more than desired; percentages round up."},
    {.name = "maxUnavailable",
     .kind = FIELD_AMOUNT,
     .offset = AT(max_unavailable),
     .initial = "0",
     .doc = "So many fewer available than desired; percentages round down."},
    {.name = "maxDraining",
     .kind = FIELD_AMOUNT,
     .offset = AT(max_draining),
     .initial = "\"25%\"",
     .doc = "The most that drain or stop at a time in a rollout; rounds up, at least 1."},
    {.name = "minReady",
     .kind = FIELD_DURATION,
     .offset = AT(min_ready_ns),
     .min = 0,
     .max = INT64_C(86400000000000),
     .initial = "\"0s\"",
     .doc = "Ready for so long without a break counts as available."},
    {.name = "progressDeadline",
     .kind = FIELD_DURATION,
     .offset = AT(progress_deadline_ns),
     .min = 1000000000,
     .max = INT64_C(604800000000000),
     .initial = "\"10m\"",
     .doc = "The longest time without one more available."},
    {.name = "autoRollback",
     .kind = FIELD_BOOL,
     .offset = AT(auto_rollback),
     .initial = "true",
     .doc = "Put the last complete template back when a rollout fails."},
    {.name = "maxErrorRate",
     .kind = FIELD_AMOUNT,
     .offset = AT(max_error_rate),
     .initial = "\"10%\"",
     .check = check_percent,
     .doc = "Rolled back when proxies see a share of failures above the old replicas' by more."},
    {.name = "pauseAfter",
     .kind = FIELD_AMOUNT,
     .offset = AT(pause_after),
     .initial = "0",
     .doc = "Pauses once so many of the new ones are available; 0: never."},
    {.name = "canary",
     .kind = FIELD_OBJECT,
     .offset = AT(canary),
     .object = &canary_type,
     .doc = "For the strategy canary."},
    {.name = "promotion",
     .kind = FIELD_OBJECT,
     .offset = AT(promotion),
     .object = &promotion_type,
     .doc = "For the strategies canary and blue-green."},
    {.name = "before", .kind = FIELD_JSON, .flags = FIELD_RESERVED},
    {.name = "steps", .kind = FIELD_JSON, .flags = FIELD_RESERVED},
};
#undef AT
static const struct type rollout_type = {.name = "Rollout",
                                         .size = sizeof(struct rollout),
                                         TYPE_FIELDS(rollout_fields),
                                         .check = check_rollout,
                                         .doc = "How a change is rolled out."};

#define AT(member) offsetof(struct rolled_back, member)
static const struct field rolled_back_fields[] = {
    {.name = "revision", .kind = FIELD_INT, .offset = AT(revision), .doc = "That was given up."},
    {.name = "reason", .kind = FIELD_STRING, .offset = AT(reason), .doc = "A word."},
    {.name = "message", .kind = FIELD_STRING, .offset = AT(message), .doc = "A sentence."},
};
#undef AT
static const struct type rolled_back_type = {.name = "RolledBack",
                                             .size = sizeof(struct rolled_back),
                                             TYPE_FIELDS(rolled_back_fields),
                                             .doc = "What an automatic rollback gave up."};

static bool check_deployment(const void *value, char *message, size_t bytes)
{
    return template_check(&((const struct deployment *)value)->template, message, bytes);
}

#define AT(member) offsetof(struct deployment, member)
#define INTERNAL(word, type_kind, member)                                                          \
    {                                                                                              \
        .name = (word), .kind = (type_kind), .flags = FIELD_INTERNAL, .offset = AT(member)         \
    }
static const struct field deployment_fields[] = {
    {.name = "name",
     .kind = FIELD_STRING,
     .flags = FIELD_REQUIRED | FIELD_NEEDED,
     .offset = AT(name),
     .check = schema_check_name,
     .doc = "Unique among deployments."},
    {.name = "namespace",
     .kind = FIELD_STRING,
     .offset = AT(namespace_name),
     .initial = "\"default\"",
     .check = schema_check_name,
     .doc = "Reserved: \"default\"."},
    {.name = "labels",
     .kind = FIELD_MAP,
     .offset = AT(labels),
     .max = 256,
     .check = schema_check_label_map,
     .doc = "Labels of the deployment itself."},
    {.name = "annotations",
     .kind = FIELD_MAP,
     .offset = AT(annotations),
     .max = 256,
     .doc = "Notes."},
    {.name = "mode",
     .kind = FIELD_ENUM,
     .flags = FIELD_IMMUTABLE,
     .offset = AT(mode),
     .words = mode_words,
     .initial = "\"replicated\"",
     .doc = "replicated, or one on each schedulable node; it can't be changed."},
    {.name = "replicas",
     .kind = FIELD_INT,
     .offset = AT(replicas),
     .min = 0,
     .max = 1000000,
     .initial = "1",
     .doc = "How many; left out of a PUT it keeps its value."},
    {.name = "template",
     .kind = FIELD_OBJECT,
     .flags = FIELD_INLINE,
     .offset = AT(template),
     .object = &container_template_type},
    {.name = "rollout",
     .kind = FIELD_OBJECT,
     .offset = AT(rollout),
     .object = &rollout_type,
     .doc = "How a change is rolled out."},
    {.name = "placement",
     .kind = FIELD_OBJECT,
     .offset = AT(placement),
     .object = &placement_type,
     .doc = "Where replicas may run."},
    {.name = "revisionHistory",
     .kind = FIELD_INT,
     .offset = AT(revision_history),
     .min = 1,
     .max = 100,
     .initial = "10",
     .doc = "Earlier revisions kept."},
    {.name = "autoscale", .kind = FIELD_JSON, .flags = FIELD_RESERVED},
    {.name = "status", .kind = FIELD_JSON, .flags = FIELD_READ_ONLY | FIELD_RESERVED},
    INTERNAL("revision", FIELD_INT, revision),
    INTERNAL("lastRevision", FIELD_INT, last_revision),
    INTERNAL("completeRevision", FIELD_INT, complete_revision),
    INTERNAL("content", FIELD_INT, content),
    INTERNAL("hidden", FIELD_INT, hidden),
    INTERNAL("promoted", FIELD_BOOL, promoted),
    INTERNAL("pausedAfter", FIELD_BOOL, paused_after),
    INTERNAL("deleting", FIELD_BOOL, deleting),
    INTERNAL("paused", FIELD_BOOL, paused),
    INTERNAL("rolledBackInForce", FIELD_BOOL, rolled_back_in_force),
    INTERNAL("revisionSince", FIELD_TIME, revision_since_ms),
    {.name = "rolledBackFrom",
     .kind = FIELD_POINTER,
     .flags = FIELD_INTERNAL | FIELD_NULLABLE,
     .offset = AT(rolled_back_from),
     .object = &rolled_back_type},
    RECORD_FIELDS(struct deployment),
};
#undef AT
#undef INTERNAL
const struct type deployment_type = {.name = "Deployment",
                                     .size = sizeof(struct deployment),
                                     TYPE_FIELDS(deployment_fields),
                                     .check = check_deployment,
                                     .doc = "A declared workload."};

#define AT(member) offsetof(struct deployment_status, member)
static const struct field status_fields[] = {
    {.name = "phase",
     .kind = FIELD_ENUM,
     .offset = AT(phase),
     .words = phase_words,
     .doc = "Where it stands."},
    {.name = "phaseSince", .kind = FIELD_TIME, .offset = AT(phase_since_ms), .doc = "Since when."},
    {.name = "revision", .kind = FIELD_INT, .offset = AT(revision), .doc = "In force."},
    {.name = "observedVersion",
     .kind = FIELD_INT,
     .offset = AT(observed_version),
     .doc = "Of the spec it speaks of."},
    {.name = "desired", .kind = FIELD_INT, .offset = AT(desired), .doc = "Replicas wanted."},
    {.name = "current",
     .kind = FIELD_INT,
     .offset = AT(current),
     .doc = "Wanted containers of any revision."},
    {.name = "updated",
     .kind = FIELD_INT,
     .offset = AT(updated),
     .doc = "Of current, those of the revision in force."},
    {.name = "ready", .kind = FIELD_INT, .offset = AT(ready), .doc = "Of current, those ready."},
    {.name = "available",
     .kind = FIELD_INT,
     .offset = AT(available),
     .doc = "Of ready, unbroken for minReady."},
    {.name = "stopping", .kind = FIELD_INT, .offset = AT(stopping), .doc = "Draining or stopping."},
    {.name = "restarts",
     .kind = FIELD_INT,
     .offset = AT(restarts),
     .doc = "Of the current containers."},
    {.name = "progressedAt",
     .kind = FIELD_TIME,
     .offset = AT(progressed_at_ms),
     .doc = "When one more became available."},
    {.name = "rolledBackFrom",
     .kind = FIELD_POINTER,
     .flags = FIELD_NULLABLE,
     .offset = AT(rolled_back_from),
     .object = &rolled_back_type,
     .doc = "What an automatic rollback gave up."},
};
#undef AT
const struct type deployment_status_type = {.name = "DeploymentStatus",
                                            .size = sizeof(struct deployment_status),
                                            TYPE_FIELDS(status_fields),
                                            .doc = "Computed; reason and message come beside it."};

#define AT(member) offsetof(struct receipt, member)
#define NUMBER(word, member)                                                                       \
    {                                                                                              \
        .name = (word), .kind = FIELD_INT, .offset = AT(member)                                    \
    }
#define FIGURE(word, member)                                                                       \
    {                                                                                              \
        .name = (word), .kind = FIELD_INT, .flags = FIELD_NULLABLE, .offset = AT(member)           \
    }
static const struct field receipt_fields[] = {
    NUMBER("from", from),
    {.name = "strategy", .kind = FIELD_ENUM, .offset = AT(strategy), .words = strategy_words},
    {.name = "outcome", .kind = FIELD_ENUM, .offset = AT(outcome), .words = outcome_words},
    {.name = "reason", .kind = FIELD_STRING, .offset = AT(reason)},
    {.name = "message", .kind = FIELD_STRING, .offset = AT(message)},
    {.name = "startedAt", .kind = FIELD_TIME, .offset = AT(started_at_ms)},
    {.name = "endedAt", .kind = FIELD_TIME, .offset = AT(ended_at_ms)},
    NUMBER("restarts", restarts),
    FIGURE("oldServed", old_served),
    FIGURE("oldFailed", old_failed),
    FIGURE("newServed", new_served),
    FIGURE("newFailed", new_failed),
    FIGURE("oldP50Us", old_p50_us),
    FIGURE("oldP99Us", old_p99_us),
    FIGURE("newP50Us", new_p50_us),
    FIGURE("newP99Us", new_p99_us),
};
#undef AT
#undef NUMBER
#undef FIGURE
static const struct type receipt_type = {.name = "Receipt",
                                         .size = sizeof(struct receipt),
                                         TYPE_FIELDS(receipt_fields),
                                         .doc = "How a rollout ended."};

#define AT(member) offsetof(struct revision, member)
static const struct field revision_fields[] = {
    {.name = "revision", .kind = FIELD_INT, .offset = AT(number), .doc = "1, 2, 3, never reused."},
    {.name = "deployment",
     .kind = FIELD_STRING,
     .flags = FIELD_NEEDED,
     .offset = AT(deployment),
     .doc = "Of which."},
    {.name = "deploymentUid",
     .kind = FIELD_STRING,
     .flags = FIELD_INTERNAL,
     .offset = AT(deployment_uid)},
    {.name = "template",
     .kind = FIELD_OBJECT,
     .offset = AT(template),
     .object = &container_template_type,
     .doc = "What its containers are made from."},
    {.name = "hash", .kind = FIELD_STRING, .offset = AT(hash), .doc = "Of the template."},
    {.name = "imagePinned",
     .kind = FIELD_STRING,
     .flags = FIELD_INTERNAL,
     .offset = AT(image_pinned)},
    {.name = "imageDigest",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = AT(image_digest),
     .doc = "What the image was resolved to."},
    {.name = "content", .kind = FIELD_INT, .flags = FIELD_INTERNAL, .offset = AT(content)},
    {.name = "receipt",
     .kind = FIELD_POINTER,
     .flags = FIELD_INTERNAL | FIELD_NULLABLE,
     .offset = AT(receipt),
     .object = &receipt_type},
    {.name = "cause", .kind = FIELD_STRING, .offset = AT(cause), .doc = "Why it was made."},
    {.name = "seq", .kind = FIELD_INT, .flags = FIELD_READ_ONLY, .offset = AT(record.seq)},
    {.name = "createdAt",
     .kind = FIELD_TIME,
     .flags = FIELD_READ_ONLY,
     .offset = AT(record.created_at_ms)},
};
#undef AT
const struct type revision_type = {.name = "Revision",
                                   .size = sizeof(struct revision),
                                   TYPE_FIELDS(revision_fields),
                                   .doc = "One version of a deployment's container template."};

static void deployment_key(const struct record *record, struct text *out)
{
    text_append_string(out, ((const struct deployment *)record)->name);
}

static int deployment_compare(const struct record *a, const struct record *b)
{
    return strcmp(((const struct deployment *)a)->name, ((const struct deployment *)b)->name);
}

static void revision_key(const struct record *record, struct text *out)
{
    const struct revision *revision = (const struct revision *)record;
    text_append_format(out, "%s/%010lld", revision->deployment, (long long)revision->number);
}

static int revision_compare(const struct record *a, const struct record *b)
{
    const struct revision *x = (const struct revision *)a, *y = (const struct revision *)b;
    int order = strcmp(x->deployment, y->deployment);
    return order ? order : x->number < y->number ? -1 : x->number > y->number;
}

const struct record_kind deployment_kind = {.id = KIND_DEPLOYMENT,
                                            .name = "deployments",
                                            .prefix = "deployment/",
                                            .has_uid = true,
                                            .type = &deployment_type,
                                            .key = deployment_key,
                                            .compare = deployment_compare};
const struct record_kind revision_kind = {.id = KIND_REVISION,
                                          .name = "revisions",
                                          .prefix = "revision/",
                                          .type = &revision_type,
                                          .key = revision_key,
                                          .compare = revision_compare};
