/* Deployments and revisions as they are shown. */
#include "api/routes/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct status_shown {
    struct deployment_status status;
    const char *reason, *message;
};
static const struct field status_fields[] = {
    {.name = "status",
     .kind = FIELD_OBJECT,
     .flags = FIELD_INLINE,
     .offset = offsetof(struct status_shown, status),
     .object = &deployment_status_type},
    {.name = "reason",
     .kind = FIELD_STRING,
     .offset = offsetof(struct status_shown, reason),
     .doc = "A word; empty when all is well."},
    {.name = "message",
     .kind = FIELD_STRING,
     .offset = offsetof(struct status_shown, message),
     .doc = "A sentence."},
};
static const struct type status_type = {.name = "DeploymentStatus",
                                        .size = sizeof(struct status_shown),
                                        TYPE_FIELDS(status_fields),
                                        .doc = "Computed from the commit it is read from."};

struct deployment_shown {
    struct deployment deployment;
    struct status_shown status;
};
static const struct field shown_fields[] = {
    {.name = "deployment",
     .kind = FIELD_OBJECT,
     .flags = FIELD_INLINE,
     .offset = offsetof(struct deployment_shown, deployment),
     .object = &deployment_type},
    {.name = "status",
     .kind = FIELD_OBJECT,
     .flags = FIELD_READ_ONLY,
     .offset = offsetof(struct deployment_shown, status),
     .object = &status_type,
     .doc = "How far it is."},
};
const struct type deployment_shown_type = {.name = "Deployment",
                                           .size = sizeof(struct deployment_shown),
                                           TYPE_FIELDS(shown_fields),
                                           .doc = "A declared workload and how far it is."};

static const struct deployment *deployment_of(const struct record *record)
{
    return (const struct deployment *)record;
}

static void fill(const struct api_parts *parts, const struct record *record, void *soft)
{
    deployment_manager_status(parts->deployments, deployment_of(record), soft);
}

static uint64_t seq(const struct record *record, const void *soft)
{
    const struct deployment_status *status = soft;
    return status->seq > record->seq ? status->seq : record->seq;
}

static const char *key(const struct record *record, char scratch[SHOWN_KEY_BYTES])
{
    (void)scratch;
    return deployment_of(record)->name;
}

static const struct list *labels(const struct record *record, const void *soft)
{
    (void)soft;
    return &deployment_of(record)->labels;
}

static const struct record *next(const struct api_parts *parts, const char *after)
{
    const struct deployment *deployment = deployment_manager_next(parts->deployments, after);
    return deployment ? &deployment->record : NULL;
}

static const struct record *find(const struct api_parts *parts, const char *name)
{
    const struct deployment *deployment = deployment_manager_find(parts->deployments, name);
    return deployment ? &deployment->record : NULL;
}

static void write_deployment(const struct record *record, const void *soft, struct text *out)
{
    const struct deployment_status *status = soft;
    struct deployment_shown shown = {
        .status = {.status = *status, .reason = status->reason, .message = status->message}};
    record_copy_fields(record, &shown.deployment, sizeof shown.deployment);
    shown.deployment.record.seq = seq(record, soft);
    schema_write(&deployment_shown_type, &shown, SCHEMA_SHOWN, out);
}

const struct shown_kind shown_deployments = {.name = "deployments",
                                             .id = KIND_DEPLOYMENT,
                                             .soft_bytes = sizeof(struct deployment_status),
                                             .fill = fill,
                                             .seq = seq,
                                             .key = key,
                                             .labels = labels,
                                             .next = next,
                                             .find = find,
                                             .write = write_deployment};

/* -- revisions: the key is "deployment/number" -- */

struct revision_shown {
    int64_t number, created_at_ms;
    const char *deployment, *image, *image_digest, *cause;
    struct container_template template;
    bool in_force;
};
#define AT(member) offsetof(struct revision_shown, member)
static const struct field revision_fields[] = {
    {.name = "number", .kind = FIELD_INT, .offset = AT(number), .doc = "1, 2, 3, never reused."},
    {.name = "deployment", .kind = FIELD_STRING, .offset = AT(deployment), .doc = "Of which."},
    {.name = "inForce",
     .kind = FIELD_BOOL,
     .offset = AT(in_force),
     .doc = "New containers are made from it."},
    {.name = "cause", .kind = FIELD_STRING, .offset = AT(cause), .doc = "Why it was made."},
    {.name = "image", .kind = FIELD_STRING, .offset = AT(image), .doc = "As written."},
    {.name = "imageDigest",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = AT(image_digest),
     .doc = "What it was resolved to; null until the first pull."},
    {.name = "createdAt", .kind = FIELD_TIME, .offset = AT(created_at_ms), .doc = "When."},
    {.name = "template",
     .kind = FIELD_OBJECT,
     .offset = AT(template),
     .object = &container_template_type,
     .doc = "What its containers are made from."},
};
#undef AT
const struct type revision_shown_type = {.name = "Revision",
                                         .size = sizeof(struct revision_shown),
                                         TYPE_FIELDS(revision_fields),
                                         .doc = "One version of a container template."};

static const struct revision *revision_of(const struct record *record)
{
    return (const struct revision *)record;
}

static void fill_revision(const struct api_parts *parts, const struct record *record, void *soft)
{
    const struct revision *revision = revision_of(record);
    const struct deployment *deployment =
        deployment_manager_find(parts->deployments, revision->deployment);
    *(bool *)soft = deployment && deployment->revision == revision->number;
}

static uint64_t revision_seq(const struct record *record, const void *soft)
{
    (void)soft;
    return record->seq;
}

static const char *revision_key(const struct record *record, char scratch[SHOWN_KEY_BYTES])
{
    const struct revision *revision = revision_of(record);
    snprintf(scratch, SHOWN_KEY_BYTES, "%s/%lld", revision->deployment,
             (long long)revision->number);
    return scratch;
}

/* First revision that is not before the key moved on by `step`. */
static const struct record *seek_revision(const struct api_parts *parts, const char *given,
                                          int64_t step)
{
    char name[SHOWN_KEY_BYTES];
    struct revision probe = {.record.kind = &revision_kind, .deployment = name};
    struct state_cursor cursor;
    snprintf(name, sizeof name, "%s", given ? given : "");
    char *slash = strchr(name, '/');
    if (slash) {
        *slash = 0;
        probe.number = strtoll(slash + 1, NULL, 10) + step;
    }
    state_seek(parts->state, STATE_COMMITTED, KIND_REVISION, &probe.record, &cursor);
    return state_next(&cursor);
}

static const struct record *next_revision(const struct api_parts *parts, const char *after)
{
    return seek_revision(parts, after, 1);
}

static const struct record *find_revision(const struct api_parts *parts, const char *given)
{
    char scratch[SHOWN_KEY_BYTES];
    const struct record *record = seek_revision(parts, given, 0);
    return record && strcmp(revision_key(record, scratch), given) == 0 ? record : NULL;
}

static void write_revision(const struct record *record, const void *soft, struct text *out)
{
    const struct revision *revision = revision_of(record);
    const struct revision_shown shown = {.number = revision->number,
                                         .created_at_ms = record->created_at_ms,
                                         .deployment = revision->deployment,
                                         .image = revision->template.image,
                                         .image_digest = revision->image_digest,
                                         .cause = revision->cause,
                                         .template = revision->template,
                                         .in_force = *(const bool *)soft};
    schema_write(&revision_shown_type, &shown, SCHEMA_SHOWN, out);
}

const struct shown_kind shown_revisions = {.name = "revisions",
                                           .id = KIND_REVISION,
                                           .soft_bytes = sizeof(bool),
                                           .fill = fill_revision,
                                           .seq = revision_seq,
                                           .key = revision_key,
                                           .next = next_revision,
                                           .find = find_revision,
                                           .write = write_revision};
