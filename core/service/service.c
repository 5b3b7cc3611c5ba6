#include "service/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const protocol_words[] = {"tcp", "http", NULL};

/* A port of the kernel's choice would be another on every node and after every restart. */
static bool check_listen(const void *value, char *message, size_t bytes)
{
    if (!schema_check_listen(value, message, bytes))
        return false;
    const char *listen = *(const char *const *)value;
    if (strtol(strrchr(listen, ':') + 1, NULL, 10) != 0)
        return true;
    snprintf(message, bytes, "needs a port from 1 to 65535");
    return false;
}

#define AT(member) offsetof(struct service, member)
static const struct field service_fields[] = {
    {.name = "name",
     .kind = FIELD_STRING,
     .flags = FIELD_REQUIRED | FIELD_NEEDED,
     .offset = AT(name),
     .check = schema_check_name,
     .doc = "Unique among services."},
    {.name = "namespace",
     .kind = FIELD_STRING,
     .offset = AT(namespace_name),
     .initial = "\"default\"",
     .check = schema_check_name,
     .doc = "Reserved: \"default\"."},
    {.name = "deployment",
     .kind = FIELD_STRING,
     .flags = FIELD_REQUIRED | FIELD_NEEDED,
     .offset = AT(deployment),
     .check = schema_check_name,
     .doc = "Whose ready containers it sends traffic to; may not exist yet."},
    {.name = "listen",
     .kind = FIELD_STRING,
     .flags = FIELD_REQUIRED | FIELD_NEEDED,
     .offset = AT(listen),
     .check = check_listen,
     .doc = "Address and port on every node."},
    {.name = "targetPort",
     .kind = FIELD_PORT_REF,
     .flags = FIELD_NULLABLE,
     .offset = AT(target_port),
     .doc = "Number or name; null: the deployment's only port."},
    {.name = "protocol",
     .kind = FIELD_ENUM,
     .offset = AT(protocol),
     .words = protocol_words,
     .initial = "\"tcp\"",
     .doc = "tcp: connections are balanced, whatever they carry. http: requests are."},
    {.name = "balancer",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = AT(balancer),
     .check = schema_check_name,
     .doc = "Which plugin chooses the endpoint; null: the configured default."},
    {.name = "balancerConfig",
     .kind = FIELD_JSON,
     .offset = AT(balancer_config),
     .initial = "{}",
     .doc = "Its settings."},
    {.name = "drainTimeout",
     .kind = FIELD_DURATION,
     .offset = AT(drain_timeout_ns),
     .min = 0,
     .max = INT64_C(86400000000000),
     .initial = "\"30s\"",
     .doc = "How long connections of a leaving endpoint may go on."},
    {.name = "connectTimeout",
     .kind = FIELD_DURATION,
     .offset = AT(connect_timeout_ns),
     .min = 10000000,
     .max = INT64_C(600000000000),
     .initial = "\"2s\"",
     .doc = "To reach an endpoint; then another is tried."},
    {.name = "idleTimeout",
     .kind = FIELD_DURATION,
     .offset = AT(idle_timeout_ns),
     .min = 100000000,
     .max = INT64_C(604800000000000),
     .initial = "\"5m\"",
     .doc = "A connection without a byte for so long is closed."},
    {.name = "port", .kind = FIELD_JSON, .flags = FIELD_RESERVED},
    {.name = "selector", .kind = FIELD_JSON, .flags = FIELD_RESERVED},
    {.name = "split", .kind = FIELD_JSON, .flags = FIELD_RESERVED},
    {.name = "hosts", .kind = FIELD_JSON, .flags = FIELD_RESERVED},
    {.name = "pathPrefix", .kind = FIELD_JSON, .flags = FIELD_RESERVED},
    {.name = "tls", .kind = FIELD_JSON, .flags = FIELD_RESERVED},
    {.name = "sticky", .kind = FIELD_JSON, .flags = FIELD_RESERVED},
    {.name = "status", .kind = FIELD_JSON, .flags = FIELD_READ_ONLY | FIELD_RESERVED},
    RECORD_FIELDS(struct service),
};
#undef AT
const struct type service_type = {
    .name = "Service",
    .size = sizeof(struct service),
    TYPE_FIELDS(service_fields),
    .doc = "A listener balanced over the ready containers of a deployment."};

static void service_key(const struct record *record, struct text *out)
{
    text_append_string(out, ((const struct service *)record)->name);
}

static int service_compare(const struct record *a, const struct record *b)
{
    return strcmp(((const struct service *)a)->name, ((const struct service *)b)->name);
}

const struct record_kind service_kind = {.id = KIND_SERVICE,
                                         .name = "services",
                                         .prefix = "service/",
                                         .has_uid = true,
                                         .type = &service_type,
                                         .key = service_key,
                                         .compare = service_compare};
