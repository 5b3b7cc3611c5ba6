#include "node/node.h"

#include <string.h>

#define AT(member) offsetof(struct node_amounts, member)
static const struct field amounts_fields[] = {
    {.name = "cpu",
     .kind = FIELD_CPU,
     .offset = AT(cpu_millis),
     .min = 0,
     .max = 1000000000,
     .doc = "CPU."},
    {.name = "memory",
     .kind = FIELD_MEMORY,
     .offset = AT(memory_bytes),
     .min = 0,
     .max = INT64_C(1) << 52,
     .doc = "Memory."},
};
#undef AT
const struct type node_amounts_type = {.name = "NodeAmounts",
                                       .size = sizeof(struct node_amounts),
                                       TYPE_FIELDS(amounts_fields),
                                       .doc = "Amounts of resources."};
static const struct field runtime_fields[] = {
    {.name = "plugin",
     .kind = FIELD_STRING,
     .offset = offsetof(struct node_runtime, plugin),
     .doc = "Which runtime plugin."},
    {.name = "version",
     .kind = FIELD_STRING,
     .offset = offsetof(struct node_runtime, version),
     .doc = "Of the engine."},
};
static const struct type runtime_type = {.name = "NodeRuntime",
                                         .size = sizeof(struct node_runtime),
                                         TYPE_FIELDS(runtime_fields),
                                         .doc = "What runs containers."};

#define AT(member) offsetof(struct node, member)
static const struct field node_fields[] = {
    {.name = "name",
     .kind = FIELD_STRING,
     .flags = FIELD_READ_ONLY | FIELD_NEEDED,
     .offset = AT(name),
     .doc = "The hostname up to its first dot, unless set."},
    {.name = "address",
     .kind = FIELD_STRING,
     .flags = FIELD_READ_ONLY,
     .offset = AT(address),
     .doc = "Where it is reached."},
    {.name = "labels",
     .kind = FIELD_MAP,
     .offset = AT(labels),
     .max = 256,
     .check = schema_check_label_map,
     .doc = "What constraints speak of."},
    {.name = "schedulable",
     .kind = FIELD_BOOL,
     .flags = FIELD_READ_ONLY,
     .offset = AT(schedulable),
     .doc = "false: cordoned."},
    {.name = "draining",
     .kind = FIELD_BOOL,
     .flags = FIELD_READ_ONLY,
     .offset = AT(draining),
     .doc = "Its containers move elsewhere."},
    {.name = "drainDeadline",
     .kind = FIELD_TIME,
     .flags = FIELD_INTERNAL,
     .offset = AT(drain_deadline_ms)},
    {.name = "capacity",
     .kind = FIELD_OBJECT,
     .flags = FIELD_READ_ONLY,
     .offset = AT(capacity),
     .object = &node_amounts_type,
     .doc = "What it has."},
    {.name = "reserved",
     .kind = FIELD_OBJECT,
     .flags = FIELD_READ_ONLY,
     .offset = AT(reserved),
     .object = &node_amounts_type,
     .doc = "What is kept for the host."},
    {.name = "runtime",
     .kind = FIELD_OBJECT,
     .flags = FIELD_READ_ONLY,
     .offset = AT(runtime),
     .object = &runtime_type,
     .doc = "What runs its containers."},
    {.name = "features", .kind = FIELD_INT, .flags = FIELD_INTERNAL, .offset = AT(features)},
    RECORD_FIELDS(struct node),
};
#undef AT
const struct type node_type = {.name = "Node",
                               .size = sizeof(struct node),
                               TYPE_FIELDS(node_fields),
                               .doc = "A host that runs containers."};

static void node_key(const struct record *record, struct text *out)
{
    text_append_string(out, ((const struct node *)record)->name);
}

static int node_compare(const struct record *a, const struct record *b)
{
    return strcmp(((const struct node *)a)->name, ((const struct node *)b)->name);
}

const struct record_kind node_kind = {.id = KIND_NODE,
                                      .name = "nodes",
                                      .prefix = "node/",
                                      .has_uid = true,
                                      .type = &node_type,
                                      .key = node_key,
                                      .compare = node_compare};
