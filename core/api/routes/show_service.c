/* Services as they are shown. */
#include "api/routes/impl.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const listener_words[] = {"listening", "failed", NULL};

struct listener_shown {
    const char *node, *message;
    uint8_t state;
    char node_bytes[64], message_bytes[160];
};
#define AT(member) offsetof(struct listener_shown, member)
static const struct field listener_fields[] = {
    {.name = "node", .kind = FIELD_STRING, .offset = AT(node), .doc = "Where."},
    {.name = "state",
     .kind = FIELD_ENUM,
     .offset = AT(state),
     .words = listener_words,
     .doc = "failed: the message says why."},
    {.name = "message", .kind = FIELD_STRING, .offset = AT(message), .doc = "A sentence."},
};
#undef AT
static const struct type listener_type = {.name = "ServiceListener",
                                          .size = sizeof(struct listener_shown),
                                          TYPE_FIELDS(listener_fields),
                                          .doc = "One node's listener."};

struct ejection_shown {
    const char *container, *node, *message;
    int64_t since_ms, until_ms;
    char container_bytes[80], node_bytes[64], message_bytes[160];
};
#define AT(member) offsetof(struct ejection_shown, member)
static const struct field ejection_fields[] = {
    {.name = "container", .kind = FIELD_STRING, .offset = AT(container), .doc = "Which."},
    {.name = "node", .kind = FIELD_STRING, .offset = AT(node), .doc = "By whose proxy."},
    {.name = "message", .kind = FIELD_STRING, .offset = AT(message), .doc = "Why."},
    {.name = "since", .kind = FIELD_TIME, .offset = AT(since_ms), .doc = "Since when."},
    {.name = "until", .kind = FIELD_TIME, .offset = AT(until_ms), .doc = "Then it is probed."},
};
#undef AT
static const struct type ejection_shown_type = {.name = "ServiceEjection",
                                                .size = sizeof(struct ejection_shown),
                                                TYPE_FIELDS(ejection_fields),
                                                .doc = "An endpoint that a proxy leaves out."};

struct service_soft {
    struct service_status status;
    struct listener_shown *listeners; /* malloc */
    uint32_t listener_count;
    struct ejection_shown *ejections; /* malloc */
    uint32_t ejection_count;
};
struct status_shown {
    int64_t endpoints, ready, draining;
    struct list listeners, ejections;
};
#define AT(member) offsetof(struct status_shown, member)
static const struct field status_fields[] = {
    {.name = "endpoints",
     .kind = FIELD_INT,
     .offset = AT(endpoints),
     .doc = "Containers of its deployment."},
    {.name = "ready", .kind = FIELD_INT, .offset = AT(ready), .doc = "Those that get traffic."},
    {.name = "draining",
     .kind = FIELD_INT,
     .offset = AT(draining),
     .doc = "Those on their way out."},
    {.name = "listeners",
     .kind = FIELD_OBJECTS,
     .offset = AT(listeners),
     .object = &listener_type,
     .doc = "By node."},
    {.name = "ejections",
     .kind = FIELD_OBJECTS,
     .offset = AT(ejections),
     .object = &ejection_shown_type,
     .doc = "Endpoints that are left out by what was seen on them."},
};
#undef AT
static const struct type status_type = {.name = "ServiceStatus",
                                        .size = sizeof(struct status_shown),
                                        TYPE_FIELDS(status_fields),
                                        .doc = "Computed."};

struct service_shown {
    struct service service;
    struct status_shown status;
};
static const struct field shown_fields[] = {
    {.name = "service",
     .kind = FIELD_OBJECT,
     .flags = FIELD_INLINE,
     .offset = offsetof(struct service_shown, service),
     .object = &service_type},
    {.name = "status",
     .kind = FIELD_OBJECT,
     .flags = FIELD_READ_ONLY,
     .offset = offsetof(struct service_shown, status),
     .object = &status_type,
     .doc = "How it is served."},
};
const struct type service_shown_type = {.name = "Service",
                                        .size = sizeof(struct service_shown),
                                        TYPE_FIELDS(shown_fields),
                                        .doc = "A listener balanced over ready containers."};

static const struct service *service_of_record(const struct record *record)
{
    return (const struct service *)record;
}

enum { LISTENERS_SHOWN = 256, EJECTIONS_SHOWN = 64 };

static void fill_ejections(const struct api_parts *parts, const struct service *service,
                           struct service_soft *soft)
{
    struct service_ejection_status rows[EJECTIONS_SHOWN];
    size_t count = service_manager_ejections(parts->services, service, NULL, rows, EJECTIONS_SHOWN);
    soft->ejection_count = (uint32_t)(count < EJECTIONS_SHOWN ? count : EJECTIONS_SHOWN);
    soft->ejections = memory_alloc((soft->ejection_count + 1) * sizeof *soft->ejections);
    for (uint32_t i = 0; i < soft->ejection_count; i++) {
        struct ejection_shown *shown = &soft->ejections[i];
        snprintf(shown->container_bytes, sizeof shown->container_bytes, "%s", rows[i].container);
        snprintf(shown->node_bytes, sizeof shown->node_bytes, "%s", rows[i].node);
        snprintf(shown->message_bytes, sizeof shown->message_bytes, "%s", rows[i].message);
        shown->container = shown->container_bytes;
        shown->node = shown->node_bytes;
        shown->message = shown->message_bytes;
        shown->since_ms = rows[i].since_ms;
        shown->until_ms = rows[i].until_ms;
    }
}

static void fill(const struct api_parts *parts, const struct record *record, void *into)
{
    struct service_soft *soft = into;
    struct service_listener_status listeners[LISTENERS_SHOWN];
    const struct service *service = service_of_record(record);
    service_manager_status(parts->services, service, &soft->status);
    fill_ejections(parts, service, soft);
    size_t count = service_manager_listeners(parts->services, service, listeners, LISTENERS_SHOWN);
    soft->listener_count = (uint32_t)(count < LISTENERS_SHOWN ? count : LISTENERS_SHOWN);
    soft->listeners = memory_alloc((soft->listener_count + 1) * sizeof *soft->listeners);
    for (uint32_t i = 0; i < soft->listener_count; i++) {
        struct listener_shown *listener = &soft->listeners[i];
        listener->state = listeners[i].listening ? 1 : 2;
        snprintf(listener->node_bytes, sizeof listener->node_bytes, "%s", listeners[i].node);
        snprintf(listener->message_bytes, sizeof listener->message_bytes, "%s",
                 listeners[i].message);
        listener->node = listener->node_bytes;
        listener->message = listener->message_bytes;
    }
}

static void drop(void *from)
{
    free(((struct service_soft *)from)->listeners);
    free(((struct service_soft *)from)->ejections);
}

static uint64_t seq(const struct record *record, const void *from)
{
    const struct service_soft *soft = from;
    return soft->status.seq > record->seq ? soft->status.seq : record->seq;
}

static const char *key(const struct record *record, char scratch[SHOWN_KEY_BYTES])
{
    (void)scratch;
    return service_of_record(record)->name;
}

static const struct record *next(const struct api_parts *parts, const char *after)
{
    const struct service *service = service_manager_next(parts->services, after);
    return service ? &service->record : NULL;
}

static const struct record *find(const struct api_parts *parts, const char *name)
{
    const struct service *service = service_manager_find(parts->services, name);
    return service ? &service->record : NULL;
}

static void write_service(const struct record *record, const void *from, struct text *out)
{
    const struct service_soft *soft = from;
    struct service_shown shown = {
        .status = {.endpoints = soft->status.endpoints,
                   .ready = soft->status.ready,
                   .draining = soft->status.draining,
                   .listeners = {.items = soft->listeners, .count = soft->listener_count},
                   .ejections = {.items = soft->ejections, .count = soft->ejection_count}}};
    record_copy_fields(record, &shown.service, sizeof shown.service);
    shown.service.record.seq = seq(record, from);
    schema_write(&service_shown_type, &shown, SCHEMA_SHOWN, out);
}

const struct shown_kind shown_services = {.name = "services",
                                          .id = KIND_SERVICE,
                                          .soft_bytes = sizeof(struct service_soft),
                                          .fill = fill,
                                          .drop = drop,
                                          .seq = seq,
                                          .key = key,
                                          .next = next,
                                          .find = find,
                                          .write = write_service};
