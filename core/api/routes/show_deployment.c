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
