#include "service/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

static const char *const protocol_words[] = {"tcp", "http", "udp", NULL};

/* A name of a host, or "*." and one: lower case, as it is compared. */
static bool is_host(const char *host)
{
    const char *name = strncmp(host, "*.", 2) == 0 ? host + 2 : host;
    size_t length = strlen(name);
    return length > 0 && length <= 253 && name[0] != '.' && name[0] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == length;
}

static bool check_hosts(const void *value, char *message, size_t message_bytes)
{
    const struct list *hosts = value;
    for (uint32_t i = 0; i < hosts->count; i++) {
        const char *host = *LIST_AT(*hosts, const char *, i);
        if (!is_host(host)) {
            snprintf(message, message_bytes,
                     "must be names in lower case without port, such as shop.example.org or "
                     "*.example.org");
            return false;
        }
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(host, *LIST_AT(*hosts, const char *, j)) == 0) {
                snprintf(message, message_bytes, "names %s twice", host);
                return false;
            }
    }
    return true;
}

static bool check_prefix(const void *value, char *message, size_t message_bytes)
{
    const char *prefix = *(const char *const *)value;
    for (const char *at = prefix; *at; at++)
        if (*at <= ' ' || *at >= 0x7f || strchr("?#", *at))
            prefix = "";
    if (prefix[0] == '/' && (!prefix[1] || prefix[strlen(prefix) - 1] != '/'))
        return true;
    snprintf(message, message_bytes,
             "must begin with / and not end with it, without query, such as /api");
    return false;
}

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

/* A token (RFC 6265, 4.1.1). */
static bool check_cookie(const void *value, char *message, size_t message_bytes)
{
    const char *name = *(const char *const *)value;
    size_t length = strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    if (length && length <= 64 && !name[length])
        return true;
    snprintf(message, message_bytes, "must be a name of a cookie, 64 characters at most");
    return false;
}

static const struct field sticky_fields[] = {
    {.name = "cookie",
     .kind = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct sticky, cookie),
     .check = check_cookie,
     .doc = "Its name; the value says which container, and means nothing elsewhere."},
};
static const struct type sticky_type = {
    .name = "Sticky",
    .size = sizeof(struct sticky),
    TYPE_FIELDS(sticky_fields),
    .doc = "A client's requests go to the container that it had before, while that is ready."};

static const struct field tls_fields[] = {
    {.name = "certificate",
     .kind = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct service_tls, certificate),
     .check = schema_check_name,
     .doc = "Which of the nodes' proxy.certificates clients are shown."},
};
static const struct type tls_type = {
    .name = "ServiceTls",
    .size = sizeof(struct service_tls),
    TYPE_FIELDS(tls_fields),
    .doc = "Clients speak TLS with the proxy; containers get what is inside."};

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
     .doc =
         "tcp: connections are balanced, whatever they carry. http: requests are. udp: clients, by "
         "sessions of their datagrams."},
    {.name = "hosts",
     .kind = FIELD_STRINGS,
     .offset = AT(hosts),
     .max = 64,
     .check = check_hosts,
     .doc = "http: whose requests are meant, where services share a listen; none: any host's. "
            "\"*.example.org\" is every name below, and gives way to the name itself."},
    {.name = "pathPrefix",
     .kind = FIELD_STRING,
     .offset = AT(path_prefix),
     .initial = "\"/\"",
     .max = 1024,
     .check = check_prefix,
     .doc = "http: whole segments that the path begins with; the longest wins."},
    {.name = "sticky",
     .kind = FIELD_POINTER,
     .flags = FIELD_NULLABLE,
     .offset = AT(sticky),
     .object = &sticky_type,
     .doc = "http: null: each request goes where the balancer says."},
    {.name = "tls",
     .kind = FIELD_POINTER,
     .flags = FIELD_NULLABLE,
     .offset = AT(tls),
     .object = &tls_type,
     .doc = "null: clients come without. Services that share a listen all have it, or none has."},
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
    {.name = "slowStart",
     .kind = FIELD_DURATION,
     .offset = AT(slow_start_ns),
     .min = 0,
     .max = INT64_C(3600000000000),
     .initial = "\"0s\"",
     .doc = "A new endpoint's weight grows from a tenth to the whole over this time."},
    {.name = "maxConnections",
     .kind = FIELD_INT,
     .flags = FIELD_NULLABLE,
     .offset = AT(max_connections),
     .min = 1,
     .max = 1000000,
     .initial = "null",
     .doc = "At once on one node (http: requests); more are closed at once (http: 503; udp: the "
            "quietest makes room). null: no limit."},
    {.name = "ejection",
     .kind = FIELD_OBJECT,
     .offset = AT(ejection),
     .object = &ejection_type,
     .doc = "When an endpoint is left out by what is seen on it."},
    {.name = "hold",
     .kind = FIELD_OBJECT,
     .offset = AT(hold),
     .object = &hold_type,
     .doc = "http: requests wait while no endpoint is ready."},
    {.name = "maintenance",
     .kind = FIELD_POINTER,
     .flags = FIELD_NULLABLE,
     .offset = AT(maintenance),
     .object = &maintenance_page_type,
     .doc = "http: the page of 503 while no endpoint is ready; null: a sentence."},
    {.name = "redirect",
     .kind = FIELD_POINTER,
     .flags = FIELD_NULLABLE,
     .offset = AT(redirect),
     .object = &redirect_type,
     .doc = "http: where all its requests are sent; null: they are served."},
    {.name = "http",
     .kind = FIELD_OBJECT,
     .flags = FIELD_INLINE,
     .offset = AT(http),
     .object = &service_http_type,
     .doc = "What is done for requests, with protocol http."},
    {.name = "port", .kind = FIELD_JSON, .flags = FIELD_RESERVED},
    {.name = "selector", .kind = FIELD_JSON, .flags = FIELD_RESERVED},
    {.name = "split", .kind = FIELD_JSON, .flags = FIELD_RESERVED},
    {.name = "status", .kind = FIELD_JSON, .flags = FIELD_READ_ONLY | FIELD_RESERVED},
    RECORD_FIELDS(struct service),
};
#undef AT
const struct type service_type = {
    .name = "Service",
    .size = sizeof(struct service),
    TYPE_FIELDS(service_fields),
    .doc = "A listener balanced over the ready containers of a deployment."};

static bool has_host(const struct list *hosts, const char *host)
{
    for (uint32_t i = 0; i < hosts->count; i++)
        if (strcmp(*LIST_AT(*hosts, const char *, i), host) == 0)
            return true;
    return false;
}

static bool share_host(const struct list *a, const struct list *b)
{
    for (uint32_t i = 0; i < a->count; i++)
        if (has_host(b, *LIST_AT(*a, const char *, i)))
            return true;
    return !a->count && !b->count;
}

static bool can_share_requests(const struct service *a, const struct service *b)
{
    bool same = strcmp(a->path_prefix, b->path_prefix) == 0 && share_host(&a->hosts, &b->hosts) &&
                service_http_same_headers(&a->http, &b->http);
    return !same || (a->http.weight > 0 && b->http.weight > 0);
}

/* A host has one certificate: which path is wanted is not known when it is shown. */
static bool can_share_tls(const struct service *a, const struct service *b)
{
    if (!a->tls || !b->tls)
        return !a->tls && !b->tls;
    return strcmp(a->tls->certificate, b->tls->certificate) == 0 ||
           !share_host(&a->hosts, &b->hosts);
}

bool service_can_share(const struct service *a, const struct service *b)
{
    if ((a->protocol == SERVICE_UDP) != (b->protocol == SERVICE_UDP))
        return true; /* other sockets */
    return a->protocol == SERVICE_HTTP && b->protocol == SERVICE_HTTP && can_share_tls(a, b) &&
           can_share_requests(a, b);
}

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
