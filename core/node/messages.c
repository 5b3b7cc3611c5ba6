/* Field tables of the messages. Numbers stand plain, zero values are left out. */
#include "node/messages.h"

static const char *const intent_words[] = {"run", "stop", "drain", NULL};
static const char *const state_words[] = {"pending",  "scheduled", "pulling", "creating", "running",
                                          "stopping", "exited",    "failed",  "lost",     NULL};
static const char *const endpoint_words[] = {"active", "draining", "down", NULL};
static const char *const protocol_words[] = {"tcp", "http", "udp", NULL};

#define STRING(name_, member_)                                                                     \
    {                                                                                              \
        .name = name_, .kind = FIELD_STRING, .offset = AT(member_)                                 \
    }
#define NUMBER(name_, member_)                                                                     \
    {                                                                                              \
        .name = name_, .kind = FIELD_INT, .offset = AT(member_)                                    \
    }
#define FLAG(name_, member_)                                                                       \
    {                                                                                              \
        .name = name_, .kind = FIELD_BOOL, .offset = AT(member_)                                   \
    }
#define TIME(name_, member_)                                                                       \
    {                                                                                              \
        .name = name_, .kind = FIELD_TIME, .offset = AT(member_)                                   \
    }
#define SPAN(name_, member_)                                                                       \
    {                                                                                              \
        .name = name_, .kind = FIELD_DURATION, .offset = AT(member_)                               \
    }
#define AMOUNT(name_, member_)                                                                     \
    {                                                                                              \
        .name = name_, .kind = FIELD_AMOUNT, .offset = AT(member_)                                 \
    }
#define WORD(name_, member_, words_)                                                               \
    {                                                                                              \
        .name = name_, .kind = FIELD_ENUM, .offset = AT(member_), .words = words_                  \
    }
#define STRINGS(name_, member_)                                                                    \
    {                                                                                              \
        .name = name_, .kind = FIELD_STRINGS, .offset = AT(member_)                                \
    }
#define OBJECTS(name_, member_, type_)                                                             \
    {                                                                                              \
        .name = name_, .kind = FIELD_OBJECTS, .offset = AT(member_), .object = type_               \
    }
#define NULLABLE(name_, member_)                                                                   \
    {                                                                                              \
        .name = name_, .kind = FIELD_INT, .flags = FIELD_NULLABLE, .offset = AT(member_),          \
        .initial = "null"                                                                          \
    }
#define TYPE(identifier, label, structure, table)                                                  \
    const struct type identifier = {.name = label, .size = sizeof(structure), TYPE_FIELDS(table)}

#define AT(member) offsetof(struct assigned_template, member)
static const struct field assigned_template_fields[] = {
    STRING("id", id),
    STRING("deployment", deployment),
    NUMBER("revision", revision),
    {.name = "template",
     .kind = FIELD_OBJECT,
     .offset = AT(template),
     .object = &container_template_type},
    STRING("imagePinned", image_pinned),
    STRING("hash", hash),
};
#undef AT
TYPE(assigned_template_type, "AssignedTemplate", struct assigned_template,
     assigned_template_fields);

#define AT(member) offsetof(struct assigned_container, member)
static const struct field assigned_container_fields[] = {
    STRING("id", id),
    STRING("template", template_id),
    NUMBER("slot", slot),
    NUMBER("revision", revision),
    OBJECTS("ports", ports, &container_port_type),
    NUMBER("incarnation", incarnation),
    NUMBER("restarts", restarts),
    NUMBER("seq", seq),
    WORD("intent", intent, intent_words),
    FLAG("failed", failed),
};
#undef AT
TYPE(assigned_container_type, "AssignedContainer", struct assigned_container,
     assigned_container_fields);

#define AT(member) offsetof(struct assignment, member)
static const struct field assignment_fields[] = {
    STRING("cluster", cluster),
    NUMBER("fence", fence),
    NUMBER("version", version),
    NUMBER("storeSeq", store_seq),
    FLAG("full", full),
    OBJECTS("templates", templates, &assigned_template_type),
    OBJECTS("containers", containers, &assigned_container_type),
    STRINGS("removed", removed),
    OBJECTS("images", images, &assigned_template_type),
};
#undef AT
TYPE(assignment_type, "Assignment", struct assignment, assignment_fields);

#define AT(member) offsetof(struct published_endpoint, member)
static const struct field published_endpoint_fields[] = {
    STRING("container", container), STRING("node", node),     STRING("address", address),
    NUMBER("port", port),           NUMBER("weight", weight), WORD("state", state, endpoint_words),
};
#undef AT
static TYPE(published_endpoint_type, "PublishedEndpoint", struct published_endpoint,
            published_endpoint_fields);

#define AT(member) offsetof(struct ejection, member)
static const struct field published_ejection_fields[] = {
    NUMBER("failures", failures),  AMOUNT("failureRate", failure_rate),
    AMOUNT("maxShare", max_share), SPAN("interval", interval_ns),
    SPAN("time", time_ns),         SPAN("maxTime", max_time_ns),
};
#undef AT
static TYPE(published_ejection_type, "PublishedEjection", struct ejection,
            published_ejection_fields);

#define AT(member) offsetof(struct hold, member)
static const struct field published_hold_fields[] = {SPAN("time", time_ns),
                                                     NUMBER("requests", requests)};
#undef AT
static TYPE(published_hold_type, "PublishedHold", struct hold, published_hold_fields);

#define AT(member) offsetof(struct maintenance_page, member)
static const struct field published_page_fields[] = {STRING("contentType", content_type),
                                                     STRING("body", body)};
#undef AT
static TYPE(published_page_type, "PublishedPage", struct maintenance_page, published_page_fields);

#define AT(member) offsetof(struct redirect, member)
static const struct field published_redirect_fields[] = {
    STRING("scheme", scheme), STRING("host", host), STRING("path", path), NUMBER("status", status)};
#undef AT
static TYPE(published_redirect_type, "PublishedRedirect", struct redirect,
            published_redirect_fields);

#define AT(member) offsetof(struct published_service, member)
static const struct field published_service_fields[] = {
    STRING("name", name),
    STRING("listen", listen),
    STRING("balancer", balancer),
    {.name = "balancerConfig", .kind = FIELD_JSON, .offset = AT(balancer_config)},
    WORD("protocol", protocol, protocol_words),
    STRINGS("hosts", hosts),
    STRING("pathPrefix", path_prefix),
    STRING("stickyCookie", sticky_cookie),
    STRING("certificate", certificate),
    NUMBER("policySeed", policy_seed),
    SPAN("drainTimeout", drain_timeout_ns),
    SPAN("connectTimeout", connect_timeout_ns),
    SPAN("idleTimeout", idle_timeout_ns),
    SPAN("slowStart", slow_start_ns),
    NULLABLE("maxConnections", max_connections),
    {.name = "ejection",
     .kind = FIELD_OBJECT,
     .offset = AT(ejection),
     .object = &published_ejection_type},
    {.name = "hold", .kind = FIELD_OBJECT, .offset = AT(hold), .object = &published_hold_type},
    {.name = "maintenance",
     .kind = FIELD_POINTER,
     .flags = FIELD_NULLABLE,
     .offset = AT(maintenance),
     .object = &published_page_type},
    {.name = "redirect",
     .kind = FIELD_POINTER,
     .flags = FIELD_NULLABLE,
     .offset = AT(redirect),
     .object = &published_redirect_type},
    {.name = "http", .kind = FIELD_OBJECT, .offset = AT(http), .object = &service_http_type},
    OBJECTS("endpoints", endpoints, &published_endpoint_type),
};
#undef AT
TYPE(published_service_type, "PublishedService", struct published_service,
     published_service_fields);

#define AT(member) offsetof(struct endpoint_table, member)
static const struct field endpoint_table_fields[] = {
    NUMBER("fence", fence),      NUMBER("version", version),
    FLAG("full", full),          OBJECTS("services", services, &published_service_type),
    STRINGS("removed", removed),
};
#undef AT
TYPE(endpoint_table_type, "EndpointTable", struct endpoint_table, endpoint_table_fields);

#define AT(member) offsetof(struct reported_container, member)
static const struct field reported_container_fields[] = {
    STRING("id", id),
    NUMBER("incarnation", incarnation),
    NUMBER("restarts", restarts),
    WORD("state", state, state_words),
    FLAG("ready", ready),
    STRING("reason", reason),
    STRING("message", message),
    STRING("address", address),
    STRING("runtimeId", runtime_id),
    NULLABLE("exitCode", exit_code),
    TIME("startedAt", started_at_ms),
    TIME("finishedAt", finished_at_ms),
    TIME("nextStartAt", next_start_at_ms),
    NUMBER("startFailures", start_failures),
    OBJECTS("ends", ends, &container_end_type),
};
#undef AT
static TYPE(reported_container_type, "ReportedContainer", struct reported_container,
            reported_container_fields);

#define AT(member) offsetof(struct reported_image, member)
static const struct field reported_image_fields[] = {
    STRING("template", template_id),
    STRING("imagePinned", image_pinned),
    STRING("imageDigest", image_digest),
    STRING("failure", failure),
    FLAG("refused", refused),
};
#undef AT
static TYPE(reported_image_type, "ReportedImage", struct reported_image, reported_image_fields);

#define AT(member) offsetof(struct reported_listener, member)
static const struct field reported_listener_fields[] = {
    STRING("service", service),
    FLAG("listening", listening),
    STRING("message", message),
};
#undef AT
static TYPE(reported_listener_type, "ReportedListener", struct reported_listener,
            reported_listener_fields);

#define AT(member) offsetof(struct reported_endpoint, member)
#define COUNT_OF_KIND(name, word) NUMBER(word, counts[TRAFFIC_##name]),
static const struct field reported_endpoint_fields[] = {
    STRING("service", service),  STRING("container", container), NUMBER("source", source),
    FLAG("resumed", resumed),    NUMBER("inFlight", in_flight),  STRING("latency", latency),
    TRAFFIC_KINDS(COUNT_OF_KIND)};
#undef COUNT_OF_KIND
#undef AT
static TYPE(reported_endpoint_type, "ReportedEndpoint", struct reported_endpoint,
            reported_endpoint_fields);

#define AT(member) offsetof(struct reported_ejection, member)
static const struct field reported_ejection_fields[] = {
    STRING("service", service), STRING("container", container), FLAG("out", out),
    STRING("message", message), SPAN("time", time_ns),
};
#undef AT
static TYPE(reported_ejection_type, "ReportedEjection", struct reported_ejection,
            reported_ejection_fields);

#define AT(member) offsetof(struct reported_drain, member)
static const struct field reported_drain_fields[] = {
    STRING("service", service),
    STRING("container", container),
    NUMBER("cut", cut),
    NUMBER("table", table_version),
};
#undef AT
static TYPE(reported_drain_type, "ReportedDrain", struct reported_drain, reported_drain_fields);

#define AT(member) offsetof(struct report, member)
static const struct field report_fields[] = {
    STRING("node", node),
    FLAG("full", full),
    FLAG("heartbeat", heartbeat),
    FLAG("proxyGone", proxy_gone),
    FLAG("runtimeDown", runtime_down),
    STRING("runtimeMessage", runtime_message),
    OBJECTS("nodeRecord", node_record, &node_type),
    OBJECTS("containers", containers, &reported_container_type),
    STRINGS("gone", gone),
    OBJECTS("images", images, &reported_image_type),
    NUMBER("assignmentVersion", assignment_version),
    NUMBER("tableVersion", table_version),
    OBJECTS("listeners", listeners, &reported_listener_type),
    OBJECTS("endpoints", endpoints, &reported_endpoint_type),
    OBJECTS("ejections", ejections, &reported_ejection_type),
    OBJECTS("drained", drained, &reported_drain_type),
};
#undef AT
TYPE(report_type, "Report", struct report, report_fields);

static const struct field message_fields[] = {
    {.name = "assignment",
     .kind = FIELD_POINTER,
     .object = &assignment_type,
     .offset = offsetof(struct message, assignment)},
    {.name = "table",
     .kind = FIELD_POINTER,
     .object = &endpoint_table_type,
     .offset = offsetof(struct message, table)},
    {.name = "report",
     .kind = FIELD_POINTER,
     .object = &report_type,
     .offset = offsetof(struct message, report)},
};
TYPE(message_type, "Message", struct message, message_fields);
