/* Nodes as they are shown. */
#include "api/routes/impl.h"
#include "scheduler/scheduler.h"

const char *const node_state_words[] = {"ready", "suspect", "lost", NULL};

struct node_shown {
    struct node node;
    struct node_amounts allocated;
    int64_t containers, last_heartbeat_ms;
    uint8_t state;
};
#define AT(member) offsetof(struct node_shown, member)
static const struct field shown_fields[] = {
    {.name = "node",
     .kind = FIELD_OBJECT,
     .flags = FIELD_INLINE,
     .offset = AT(node),
     .object = &node_type},
    {.name = "state",
     .kind = FIELD_ENUM,
     .flags = FIELD_READ_ONLY,
     .offset = AT(state),
     .words = node_state_words,
     .doc = "suspect: not heard of for a moment; lost: its containers are replaced."},
    {.name = "allocated",
     .kind = FIELD_OBJECT,
     .flags = FIELD_READ_ONLY,
     .offset = AT(allocated),
     .object = &node_amounts_type,
     .doc = "What its containers reserve."},
    {.name = "containers",
     .kind = FIELD_INT,
     .flags = FIELD_READ_ONLY,
     .offset = AT(containers),
     .doc = "How many."},
    {.name = "lastHeartbeatAt",
     .kind = FIELD_TIME,
     .flags = FIELD_READ_ONLY,
     .offset = AT(last_heartbeat_ms),
     .doc = "When it was last heard of."},
};
#undef AT
const struct type node_shown_type = {.name = "Node",
                                     .size = sizeof(struct node_shown),
                                     TYPE_FIELDS(shown_fields),
                                     .doc = "A host that runs containers."};

static const struct node *node_of(const struct record *record)
{
    return (const struct node *)record;
}

static void fill(const struct api_parts *parts, const struct record *record, void *into)
{
    struct node_status *status = into;
    *status = *node_registry_status(parts->nodes, node_of(record)->name);
    status->allocated =
        scheduler_allocated(parts->scheduler, node_of(record)->name, &status->containers);
}

static uint64_t seq(const struct record *record, const void *soft)
{
    const struct node_status *status = soft;
    return status->seq > record->seq ? status->seq : record->seq;
}

static const char *key(const struct record *record, char scratch[SHOWN_KEY_BYTES])
{
    (void)scratch;
    return node_of(record)->name;
}

static const struct list *labels(const struct record *record, const void *soft)
{
    (void)soft;
    return &node_of(record)->labels;
}

static const struct record *next(const struct api_parts *parts, const char *after)
{
    const struct node *node = node_registry_next(parts->nodes, after);
    return node ? &node->record : NULL;
}

static const struct record *find(const struct api_parts *parts, const char *name)
{
    const struct node *node = node_registry_find(parts->nodes, name);
    return node ? &node->record : NULL;
}

static void write_node(const struct record *record, const void *soft, struct text *out)
{
    const struct node_status *status = soft;
    struct node_shown shown = {.state = status->state,
                               .allocated = status->allocated,
                               .containers = status->containers,
                               .last_heartbeat_ms = status->last_heartbeat_ms};
    record_copy_fields(record, &shown.node, sizeof shown.node);
    shown.node.record.seq = seq(record, soft);
    schema_write(&node_shown_type, &shown, SCHEMA_SHOWN, out);
}

const struct shown_kind shown_nodes = {.name = "nodes",
                                       .id = KIND_NODE,
                                       .soft_bytes = sizeof(struct node_status),
                                       .fill = fill,
                                       .seq = seq,
                                       .key = key,
                                       .labels = labels,
                                       .next = next,
                                       .find = find,
                                       .write = write_node};
