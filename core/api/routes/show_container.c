/* Containers as they are shown: the record, its soft state, and what its revision says. */
#include "api/routes/impl.h"

#include <string.h>

const char *const container_state_words[] = {"pending", "scheduled", "pulling", "creating",
                                             "running", "stopping",  "exited",  "failed",
                                             "lost",    NULL};

struct container_soft {
    struct container_status status;
    const struct revision *revision; /* counted; NULL: its history was trimmed */
};

struct container_owner {
    const char *kind, *name;
};
static const struct field owner_fields[] = {
    {.name = "kind",
     .kind = FIELD_STRING,
     .offset = offsetof(struct container_owner, kind),
     .doc = "deployments."},
    {.name = "name",
     .kind = FIELD_STRING,
     .offset = offsetof(struct container_owner, name),
     .doc = "Its name."},
};
static const struct type owner_type = {.name = "ContainerOwner",
                                       .size = sizeof(struct container_owner),
                                       TYPE_FIELDS(owner_fields),
                                       .doc = "What made it."};

struct container_shown {
    const char *id, *namespace_name, *deployment, *node, *image, *image_digest, *reason, *message,
        *address, *runtime_id;
    struct container_owner owner;
    struct list labels, annotations, ports, ends;
    struct resources resources;
    const struct container_end *last_end;
    int64_t slot, revision, restarts, exit_code, seq, next_start_at_ms, created_at_ms,
        started_at_ms, finished_at_ms;
    uint8_t state;
    bool ready;
};
#define AT(member) offsetof(struct container_shown, member)
static const struct field shown_fields[] = {
    {.name = "id", .kind = FIELD_STRING, .offset = AT(id), .doc = "Opaque, unique for ever."},
    {.name = "namespace", .kind = FIELD_STRING, .offset = AT(namespace_name), .doc = "default."},
    {.name = "owner",
     .kind = FIELD_OBJECT,
     .offset = AT(owner),
     .object = &owner_type,
     .doc = "What made it."},
    {.name = "deployment",
     .kind = FIELD_STRING,
     .offset = AT(deployment),
     .doc = "Its deployment."},
    {.name = "slot", .kind = FIELD_INT, .offset = AT(slot), .doc = "Which replica, from 0."},
    {.name = "revision", .kind = FIELD_INT, .offset = AT(revision), .doc = "What it is made from."},
    {.name = "labels",
     .kind = FIELD_MAP,
     .offset = AT(labels),
     .doc = "containerLabels of its revision."},
    {.name = "annotations",
     .kind = FIELD_MAP,
     .offset = AT(annotations),
     .doc = "containerAnnotations of its revision."},
    {.name = "node", .kind = FIELD_STRING, .offset = AT(node), .doc = "Where it runs."},
    {.name = "image", .kind = FIELD_STRING, .offset = AT(image), .doc = "As written."},
    {.name = "imageDigest",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = AT(image_digest),
     .doc = "What it was resolved to; null until the first pull."},
    {.name = "state",
     .kind = FIELD_ENUM,
     .offset = AT(state),
     .words = container_state_words,
     .doc = "Where it stands."},
    {.name = "ready",
     .kind = FIELD_BOOL,
     .offset = AT(ready),
     .doc = "Running, startup and readiness passed."},
    {.name = "restarts", .kind = FIELD_INT, .offset = AT(restarts), .doc = "How often restarted."},
    {.name = "nextStartAt",
     .kind = FIELD_TIME,
     .offset = AT(next_start_at_ms),
     .doc = "Of an exited one."},
    {.name = "reason", .kind = FIELD_STRING, .offset = AT(reason), .doc = "A word."},
    {.name = "message", .kind = FIELD_STRING, .offset = AT(message), .doc = "A sentence."},
    {.name = "exitCode",
     .kind = FIELD_INT,
     .flags = FIELD_NULLABLE,
     .offset = AT(exit_code),
     .doc = "Of the last end."},
    {.name = "address",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = AT(address),
     .doc = "While it runs."},
    {.name = "resources",
     .kind = FIELD_OBJECT,
     .offset = AT(resources),
     .object = &resources_type,
     .doc = "What it reserves and may use."},
    {.name = "ports",
     .kind = FIELD_OBJECTS,
     .offset = AT(ports),
     .object = &container_port_type,
     .doc = "With the host ports it was given."},
    {.name = "runtimeId",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = AT(runtime_id),
     .doc = "Of the engine's container; every start is a new one."},
    {.name = "createdAt", .kind = FIELD_TIME, .offset = AT(created_at_ms), .doc = "Assigned."},
    {.name = "startedAt", .kind = FIELD_TIME, .offset = AT(started_at_ms), .doc = "Last start."},
    {.name = "finishedAt", .kind = FIELD_TIME, .offset = AT(finished_at_ms), .doc = "Last end."},
    {.name = "lastEnd",
     .kind = FIELD_POINTER,
     .flags = FIELD_NULLABLE,
     .offset = AT(last_end),
     .object = &container_end_type,
     .doc = "The latest of ends."},
    {.name = "ends",
     .kind = FIELD_OBJECTS,
     .offset = AT(ends),
     .object = &container_end_type,
     .doc = "The last ten ends of its slot, latest first."},
    {.name = "seq",
     .kind = FIELD_INT,
     .offset = AT(seq),
     .doc = "The latest change to anything of it."},
};
#undef AT
const struct type container_shown_type = {.name = "Container",
                                          .size = sizeof(struct container_shown),
                                          TYPE_FIELDS(shown_fields),
                                          .doc = "One replica of a deployment."};

static const struct container *container_of(const struct record *record)
{
    return (const struct container *)record;
}

static void fill(const struct api_parts *parts, const struct record *record, void *into)
{
    const struct container *container = container_of(record);
    struct container_soft *soft = into;
    struct revision probe = {.record.kind = &revision_kind,
                             .deployment = container->deployment,
                             .number = container->revision};
    const struct record *revision = state_find(parts->state, STATE_COMMITTED, &probe.record);
    soft->status = *container_manager_status(parts->containers, container);
    soft->revision = revision ? (const struct revision *)record_take_reference(revision) : NULL;
}

static void drop(void *from)
{
    struct container_soft *soft = from;
    record_release(soft->revision ? &soft->revision->record : NULL);
}

static uint64_t seq(const struct record *record, const void *soft)
{
    const struct container_status *status = &((const struct container_soft *)soft)->status;
    return status->seq > record->seq ? status->seq : record->seq;
}

uint8_t container_soft_state(const void *soft)
{
    return ((const struct container_soft *)soft)->status.state;
}

static const char *key(const struct record *record, char scratch[SHOWN_KEY_BYTES])
{
    (void)scratch;
    return container_of(record)->id;
}

static const struct list *labels(const struct record *record, const void *from)
{
    static const struct list none;
    const struct container_soft *soft = from;
    (void)record;
    return soft->revision ? &soft->revision->template.container_labels : &none;
}

static const struct record *next(const struct api_parts *parts, const char *after)
{
    char deployment[80];
    struct container probe = {.id = after, .deployment = deployment};
    if (after && !container_id_parse(after, deployment, &probe.slot))
        return NULL;
    const struct container *container =
        container_manager_next(parts->containers, NULL, after ? &probe : NULL);
    return container ? &container->record : NULL;
}

static const struct record *find(const struct api_parts *parts, const char *id)
{
    const struct container *container = container_manager_find(parts->containers, id);
    return container ? &container->record : NULL;
}

static bool has_process(const struct container_status *status)
{
    return status->state == CONTAINER_RUNNING || status->state == CONTAINER_STOPPING;
}

static const char *or_null(const char *string)
{
    return *string ? string : NULL;
}

static void write_container(const struct record *record, const void *from, struct text *out)
{
    const struct container *container = container_of(record);
    const struct container_soft *soft = from;
    const struct container_status *status = &soft->status;
    struct container_shown shown = {.id = container->id,
                                    .namespace_name = "default",
                                    .owner = {.kind = "deployments", .name = container->deployment},
                                    .deployment = container->deployment,
                                    .slot = container->slot,
                                    .revision = container->revision,
                                    .node = container->node,
                                    .state = status->state,
                                    .ready = status->ready,
                                    .restarts = container->restarts,
                                    .next_start_at_ms = status->next_start_at_ms,
                                    .reason = status->reason,
                                    .message = status->message,
                                    .exit_code = status->exit_code,
                                    .address =
                                        has_process(status) ? or_null(status->address) : NULL,
                                    .runtime_id = or_null(status->runtime_id),
                                    .ports = container->ports,
                                    .created_at_ms = record->created_at_ms,
                                    .started_at_ms = status->started_at_ms,
                                    .finished_at_ms = status->finished_at_ms,
                                    .ends = container->ends,
                                    .seq = (int64_t)seq(record, from)};
    if (container->ends.count)
        shown.last_end = LIST_AT(container->ends, struct container_end, 0);
    if (soft->revision) {
        const struct container_template *template = &soft->revision->template;
        shown.labels = template->container_labels;
        shown.annotations = template->container_annotations;
        shown.image = template->image;
        shown.image_digest = soft->revision->image_digest;
        shown.resources = template->resources;
    }
    schema_write(&container_shown_type, &shown, SCHEMA_SHOWN, out);
}

const struct shown_kind shown_containers = {.name = "containers",
                                            .id = KIND_CONTAINER,
                                            .soft_bytes = sizeof(struct container_soft),
                                            .fill = fill,
                                            .drop = drop,
                                            .seq = seq,
                                            .key = key,
                                            .labels = labels,
                                            .next = next,
                                            .find = find,
                                            .write = write_container};
