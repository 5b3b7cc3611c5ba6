#include "container/container.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const intent_words[] = {"run", "stop", NULL};

#define AT(member) offsetof(struct container_end, member)
static const struct field end_fields[] = {
    {.name = "at", .kind = FIELD_TIME, .offset = AT(at_ms), .doc = "When it ended."},
    {.name = "exitCode",
     .kind = FIELD_INT,
     .flags = FIELD_NULLABLE,
     .offset = AT(exit_code),
     .initial = "null",
     .doc = "null: not known."},
    {.name = "signal",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = AT(signal),
     .doc = "What killed it."},
    {.name = "oom", .kind = FIELD_BOOL, .offset = AT(oom), .doc = "It ran out of memory."},
    {.name = "reason", .kind = FIELD_STRING, .offset = AT(reason), .doc = "A word."},
    {.name = "log", .kind = FIELD_STRINGS, .offset = AT(log), .doc = "Its last lines."},
};
#undef AT
const struct type container_end_type = {.name = "ContainerEnd",
                                        .size = sizeof(struct container_end),
                                        TYPE_FIELDS(end_fields),
                                        .doc = "One end of a container's process."};

#define AT(member) offsetof(struct container, member)
static const struct field container_fields[] = {
    {.name = "id",
     .kind = FIELD_STRING,
     .flags = FIELD_NEEDED,
     .offset = AT(id),
     .doc = "Unique for ever."},
    {.name = "deployment",
     .kind = FIELD_STRING,
     .flags = FIELD_NEEDED,
     .offset = AT(deployment),
     .doc = "Its deployment."},
    {.name = "deploymentUid",
     .kind = FIELD_STRING,
     .flags = FIELD_INTERNAL,
     .offset = AT(deployment_uid)},
    {.name = "node",
     .kind = FIELD_STRING,
     .flags = FIELD_NEEDED,
     .offset = AT(node),
     .doc = "Where it runs."},
    {.name = "slot", .kind = FIELD_INT, .offset = AT(slot), .doc = "Which replica, from 0."},
    {.name = "revision", .kind = FIELD_INT, .offset = AT(revision), .doc = "What it is made from."},
    {.name = "content", .kind = FIELD_INT, .flags = FIELD_INTERNAL, .offset = AT(content)},
    {.name = "ports",
     .kind = FIELD_OBJECTS,
     .offset = AT(ports),
     .object = &container_port_type,
     .doc = "Its ports."},
    {.name = "incarnation", .kind = FIELD_INT, .flags = FIELD_INTERNAL, .offset = AT(incarnation)},
    {.name = "restarts", .kind = FIELD_INT, .offset = AT(restarts), .doc = "How often restarted."},
    {.name = "intent",
     .kind = FIELD_ENUM,
     .flags = FIELD_INTERNAL,
     .offset = AT(intent),
     .words = intent_words},
    {.name = "failed", .kind = FIELD_BOOL, .flags = FIELD_INTERNAL, .offset = AT(failed)},
    {.name = "stopReason",
     .kind = FIELD_STRING,
     .flags = FIELD_INTERNAL,
     .offset = AT(stop_reason)},
    {.name = "ends",
     .kind = FIELD_OBJECTS,
     .offset = AT(ends),
     .object = &container_end_type,
     .doc = "The last ten ends of its slot, latest first."},
    {.name = "seq", .kind = FIELD_INT, .flags = FIELD_INTERNAL, .offset = AT(record.seq)},
    {.name = "createdAt", .kind = FIELD_TIME, .offset = AT(record.created_at_ms), .doc = "When."},
};
#undef AT
const struct type container_type = {.name = "ContainerRecord",
                                    .size = sizeof(struct container),
                                    TYPE_FIELDS(container_fields),
                                    .doc = "What is durable of a container."};

static void container_key(const struct record *record, struct text *out)
{
    const struct container *container = (const struct container *)record;
    char slot[32];
    snprintf(slot, sizeof slot, "/%07lld/", (long long)container->slot);
    text_append_string(out, container->deployment);
    text_append_string(out, slot);
    text_append_string(out, container->id);
}

/* By owner, then as lists show them. */
static int container_compare(const struct record *a, const struct record *b)
{
    const struct container *x = (const struct container *)a, *y = (const struct container *)b;
    int order = strcmp(x->deployment, y->deployment);
    return order ? order : strcmp(x->id, y->id);
}

const struct record_kind container_kind = {.id = KIND_CONTAINER,
                                           .name = "containers",
                                           .prefix = "container/",
                                           .type = &container_type,
                                           .key = container_key,
                                           .compare = container_compare};

bool container_id_parse(const char *id, char *deployment, int64_t *slot)
{
    const char *suffix = strrchr(id, '-');
    if (!suffix || suffix == id || strlen(id) > 79)
        return false;
    const char *dash = suffix - 1;
    while (dash > id && *dash != '-')
        dash--;
    if (dash == id || suffix - dash < 2 || suffix - dash > 8)
        return false;
    char *end;
    *slot = strtoll(dash + 1, &end, 10);
    if (end != suffix || *slot < 0)
        return false;
    memcpy(deployment, id, (size_t)(dash - id));
    deployment[dash - id] = 0;
    return true;
}
