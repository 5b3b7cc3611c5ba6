/* /services and their endpoints. */
#include "api/routes/impl.h"
#include "config/config.h"

#include <string.h>

/* -- rules beyond the table -- */

static void complete(const struct request *request, void *wanted, struct schema_faults *faults)
{
    struct service *service = wanted;
    if (!service->balancer)
        service->balancer = request->parts->config->balancer.standard;
    if (service->namespace_name && strcmp(service->namespace_name, "default") != 0)
        schema_faults_add(faults, (struct schema_position){0}, "namespace",
                          "must be \"default\": other namespaces are not built yet");
}

static const struct record *head_deployment(const struct api_parts *parts, const char *name)
{
    struct deployment probe = {.record.kind = &deployment_kind, .name = name};
    return state_find(parts->state, STATE_HEAD, &probe.record);
}

/* A port that is declared for the other kind of sockets would never answer. */
static void check_port_protocol(const struct service *service, const struct container_port *port,
                                struct schema_faults *faults)
{
    bool datagrams = service->protocol == SERVICE_UDP;
    if (port && (port->protocol == PROTOCOL_UDP) != datagrams)
        schema_faults_add(faults, (struct schema_position){0}, "protocol",
                          "port %lld of deployment \"%s\" is of protocol \"%s\"",
                          (long long)port->number, service->deployment, datagrams ? "tcp" : "udp");
}

/* The deployment may not exist yet; when it does, the port must. */
static void check(const struct request *request, const void *wanted, struct schema_faults *faults)
{
    const struct service *service = wanted;
    service_manager_check(request->parts->services, service, faults);
    const struct record *record =
        service->deployment ? head_deployment(request->parts, service->deployment) : NULL;
    if (!record)
        return;
    const struct deployment *deployment = (const struct deployment *)record;
    const struct port_ref *port = &service->target_port;
    uint32_t count = deployment->template.ports.count;
    if (port->name && !template_port(&deployment->template, port))
        schema_faults_add(faults, (struct schema_position){0}, "targetPort",
                          "deployment \"%s\" has no port named \"%s\"", deployment->name,
                          port->name);
    if (!port->name && !port->number && count != 1)
        schema_faults_add(faults, (struct schema_position){0}, "targetPort",
                          "is needed: deployment \"%s\" has %u ports, not one", deployment->name,
                          count);
    if (port->name)
        check_port_protocol(service, template_port(&deployment->template, port), faults);
    else if (!port->number && count == 1)
        check_port_protocol(service, LIST_AT(deployment->template.ports, struct container_port, 0),
                            faults);
}

static const struct record *head(const struct api_parts *parts, const char *name)
{
    struct service probe = {.record.kind = &service_kind, .name = name};
    return state_find(parts->state, STATE_HEAD, &probe.record);
}

static bool write_declared(struct request *request, enum write_mode mode, const void *wanted,
                           bool replicas_given, const struct write_request *write,
                           struct error *error)
{
    (void)replicas_given;
    return service_manager_write(request->parts->services, mode, wanted, write, show_written,
                                 request, error);
}

const struct declared_kind declared_services = {.type = &service_type,
                                                .what = "service",
                                                .head = head,
                                                .complete = complete,
                                                .check = check,
                                                .write = write_declared};

static void post(struct request *request)
{
    declared_post(request, &declared_services);
}

static void put(struct request *request)
{
    declared_put(request, &declared_services);
}

static void patch(struct request *request)
{
    declared_patch(request, &declared_services);
}

bool service_ask_delete(struct request *request, const struct action *action, struct error *error)
{
    return service_manager_delete(request->parts->services, request->params[0], &action->write,
                                  answer_gone, request, error);
}

static void delete_service(struct request *request)
{
    action_begin(request, &nothing_type, service_ask_delete);
}

/* -- reading -- */

static bool take(const struct record *record, const void *soft, const void *deployments)
{
    (void)soft;
    return words_take(deployments, ((const struct service *)record)->deployment);
}

static void list(struct request *request)
{
    struct words *deployments = arena_alloc(&request->arena, sizeof *deployments);
    *deployments = words_of_query(request, "deployment");
    list_reply(request, &shown_services, deployments->count ? take : NULL, deployments);
}

static void show(struct request *request)
{
    show_reply(request, &shown_services);
}

/* -- endpoints -- */

static const char *const endpoint_words[] = {"active", "draining", "down", NULL};
struct endpoint_shown {
    const char *container, *node, *address;
    uint8_t state;
    int64_t in_flight, served, failed;
    const char *ejected; /* NULL: no proxy leaves it out */
};
#define AT(member) offsetof(struct endpoint_shown, member)
static const struct field endpoint_fields[] = {
    {.name = "container", .kind = FIELD_STRING, .offset = AT(container), .doc = "Its id."},
    {.name = "node", .kind = FIELD_STRING, .offset = AT(node), .doc = "Where it runs."},
    {.name = "address",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = AT(address),
     .doc = "Address and port; null: it has none yet."},
    {.name = "state",
     .kind = FIELD_ENUM,
     .offset = AT(state),
     .words = endpoint_words,
     .doc = "active: acknowledged by every proxy that counts."},
    {.name = "inFlight", .kind = FIELD_INT, .offset = AT(in_flight), .doc = "Connections now."},
    {.name = "served", .kind = FIELD_INT, .offset = AT(served), .doc = "Connections so far."},
    {.name = "failed", .kind = FIELD_INT, .offset = AT(failed), .doc = "Tries that failed."},
    {.name = "ejected",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = AT(ejected),
     .doc = "Why a proxy leaves it out, and whose; null: none does."},
};
#undef AT
const struct type endpoint_shown_type = {.name = "Endpoint",
                                         .size = sizeof(struct endpoint_shown),
                                         TYPE_FIELDS(endpoint_fields),
                                         .doc = "A container as a service's proxies see it."};

struct endpoints {
    struct endpoint_shown *items;
    size_t count, total;
    int64_t limit;
};

static void write_endpoints(struct request *request)
{
    const struct endpoints *endpoints = request->data;
    text_append_string(&request->out, "{\"items\":[");
    for (size_t i = 0; i < endpoints->count; i++) {
        if (i)
            text_append_char(&request->out, ',');
        schema_write(&endpoint_shown_type, &endpoints->items[i], SCHEMA_SHOWN, &request->out);
    }
    list_close(request, endpoints->total);
    request_reply(request, 200);
}

static const char *ejected_words(struct request *request, const struct service *service,
                                 const char *container)
{
    struct service_ejection_status row;
    size_t count = service_manager_ejections(request->parts->services, service, container, &row, 1);
    if (!count)
        return NULL;
    return count == 1 ? arena_format(&request->arena, "node %s: %s", row.node, row.message)
                      : arena_format(&request->arena, "node %s and %zu more: %s", row.node,
                                     count - 1, row.message);
}

static void collect_endpoints(struct request *request)
{
    struct endpoints *endpoints = request->data;
    struct arena *arena = &request->arena;
    size_t limit = (size_t)endpoints->limit;
    const struct service *service =
        service_manager_find(request->parts->services, request->params[0]);
    request->seq = state_settled_seq(request->parts->state);
    if (!service) {
        error_set(&request->error, ERROR_NOT_FOUND, "there is no service \"%s\"",
                  request->params[0]);
        request_fail_from_loop(request);
        return;
    }
    struct service_endpoint_status *rows = arena_alloc(arena, limit * sizeof *rows);
    endpoints->total = service_manager_endpoints(request->parts->services, service, rows, limit);
    endpoints->count = endpoints->total < limit ? endpoints->total : limit;
    endpoints->items = arena_alloc(arena, (endpoints->count + 1) * sizeof *endpoints->items);
    for (size_t i = 0; i < endpoints->count; i++)
        endpoints->items[i] =
            (struct endpoint_shown){.container = arena_strdup(arena, rows[i].container),
                                    .node = arena_strdup(arena, rows[i].node),
                                    .address = rows[i].address[0] ? rows[i].address : NULL,
                                    .state = rows[i].state,
                                    .in_flight = rows[i].in_flight,
                                    .served = rows[i].served,
                                    .failed = rows[i].failed,
                                    .ejected = ejected_words(request, service, rows[i].container)};
    request_to_api(request, write_endpoints);
}

static void list_endpoints(struct request *request)
{
    struct endpoints *endpoints = arena_alloc(&request->arena, sizeof *endpoints);
    request->data = endpoints;
    if (request_query_int(request, "limit", LIST_LIMIT, 1, LIST_LIMIT_MAX, &endpoints->limit))
        request_to_loop(request, collect_endpoints);
}

#define ONE "/services/{name}"
#define SHOWN .answers = &service_shown_type
static const char example[] = "{\"name\":\"web\",\"deployment\":\"web\",\"listen\":\"127.0.0.1:"
                              "8080\",\"targetPort\":\"http\","
                              "\"protocol\":\"http\",\"balancer\":\"round-robin\"}";
static const char *const query[] = {LIST_QUERY, "deployment", NULL};
static const char *const endpoint_query[] = {"limit", NULL};
static const char *const traffic_query[] = {"by", "since", "step", NULL};
static const struct route routes[] = {
    ROUTE("GET", "/services", list, ROLE_VIEWER, SHOWN, .answers_list = true, .query = query,
          .summary = "All services, by name"),
    ROUTE("POST", "/services", post, ROLE_DEPLOYER, .body = BODY_REQUIRED, .takes = &service_type,
          .example = example, SHOWN, .status = 201, .summary = "Declare a service"),
    ROUTE("GET", ONE, show, ROLE_VIEWER, SHOWN, .summary = "One service"),
    ROUTE("PUT", ONE, put, ROLE_DEPLOYER, .body = BODY_REQUIRED, .takes = &service_type,
          .example = example, SHOWN, .summary = "Declare it, new or changed"),
    ROUTE("PATCH", ONE, patch, ROLE_DEPLOYER, .body = BODY_REQUIRED, .takes = &service_type,
          .example = "{\"drainTimeout\":\"10s\"}", SHOWN,
          .summary = "Change some members (RFC 7396)"),
    ROUTE("DELETE", ONE, delete_service, ROLE_DEPLOYER, .status = 204,
          .summary = "Close its listeners"),
    ROUTE("GET", ONE "/endpoints", list_endpoints, ROLE_VIEWER, .answers = &endpoint_shown_type,
          .answers_list = true, .query = endpoint_query,
          .summary = "The containers behind it, as its proxies see them"),
    ROUTE("GET", "/traffic", list_traffic, ROLE_VIEWER, .query = traffic_query,
          .answers_schema = traffic_schema,
          .summary = "Requests, errors and latencies of the last quarter of an hour"),
};
const struct route_table routes_services = ROUTE_TABLE(routes);
