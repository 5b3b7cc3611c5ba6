#include "rig.h"
#include "base/log.h"
#include "store/event.h"
#include "unit/store/scripted_store.h"

#include <criterion/criterion.h>
#include <orchestrator/runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct orch_manifest spread_manifest;
struct rig rig;
const struct write_request rig_request = {.origin = {.by = "key:test"}};

void rig_run_ms(uint64_t ms)
{
    (void)loop_run_until(rig.loop, loop_now_ns(rig.loop) + ms * NS_PER_MS);
}

/* -- the server -- */

static void opened(void *argument, const struct error *error)
{
    cr_assert_null(error);
    *(bool *)argument = true;
}

static void start_server(void)
{
    struct error error;
    bool done = false;
    rig.server = server_create(&(struct server_config){.loop = rig.loop,
                                                       .store = &scripted_table,
                                                       .store_config = "{}",
                                                       .suspect_after_ns = 3 * NS_PER_SECOND,
                                                       .lost_after_ns = 15 * NS_PER_SECOND,
                                                       .default_scheduler = "spread",
                                                       .fallback_scheduler = "spread",
                                                       .default_balancer = "round-robin"});
    cr_assert(scheduler_add_plugin(rig.server->scheduler, "spread",
                                   spread_manifest.provides[0].table, NULL, NULL, "{}", &error));
    server_open(rig.server, opened, &done);
    rig_run_ms(100);
    cr_assert(done);
}

void rig_begin(void)
{
    log_configure(getenv("TEST_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR + 1, LOG_FORMAT_JSON, 2);
    scripted_reset();
    rig = (struct rig){.loop = loop_create_virtual(11, 1000000)};
    start_server();
}

static void closed_server(void *argument)
{
    *(bool *)argument = true;
}

static void stop_server(void)
{
    bool done = false;
    server_close(rig.server, closed_server, &done);
    rig_run_ms(100);
    cr_assert(done);
    server_destroy(rig.server);
}

void rig_restart_server(void)
{
    for (unsigned i = 0; i < rig.node_count; i++)
        rig_disconnect(&rig.nodes[i]);
    stop_server();
    start_server();
    for (unsigned i = 0; i < rig.node_count; i++)
        rig_connect(&rig.nodes[i]);
}

void rig_end(void)
{
    for (unsigned i = 0; i < rig.node_count; i++)
        rig_disconnect(&rig.nodes[i]);
    stop_server();
    rig_run_ms(1000);
    loop_destroy(rig.loop);
    arena_finish(&rig.arena);
    scripted_reset();
}

/* -- agents -- */

static void send(struct rig_node *node, struct report report)
{
    CLEANUP(text_finish) struct text text = {0};
    if (!node->link || node->silent)
        return;
    report.node = node->name;
    report.assignment_version = node->assignment_version;
    report.table_version = node->acknowledged;
    schema_write(&message_type, &(struct message){.report = &report}, SCHEMA_STORED, &text);
    cr_assert(link_send(node->link, text.data, text.length));
}

static const char *address_of(const struct rig_node *node, const struct rig_container *container)
{
    static char addresses[RIG_CONTAINERS][32];
    size_t at = (size_t)(container - node->containers);
    snprintf(addresses[at], sizeof addresses[at], "10.0.%d.%zu", (int)(node - rig.nodes), at + 1);
    return addresses[at];
}

static struct list answer_images(struct rig_node *node, struct reported_image out[RIG_IMAGES]);

/* All that is here, and what goes; drained ones once. */
static void act(void *argument)
{
    struct rig_node *node = argument;
    struct reported_container here[RIG_CONTAINERS];
    struct reported_drain drained[RIG_CONTAINERS];
    struct reported_image images[RIG_IMAGES];
    const char *gone[RIG_CONTAINERS];
    struct report report = {.full = false};
    for (int i = 0; i < RIG_CONTAINERS; i++) {
        struct rig_container *container = &node->containers[i];
        if (!container->here)
            continue;
        if (container->intent == ASSIGNED_STOP) {
            container->here = false;
            node->stops += container->running;
            gone[report.gone.count++] = container->id;
            continue;
        }
        bool bad = text_equal(container->image, node->bad_image);
        if (!container->running && !bad)
            container->running = !node->never_ready;
        here[report.containers.count++] =
            (struct reported_container){.id = container->id,
                                        .incarnation = container->incarnation,
                                        .restarts = container->restarts,
                                        .state = bad ? CONTAINER_PULLING : CONTAINER_RUNNING,
                                        .ready = container->running && !bad,
                                        .reason = bad ? "ImagePullFailed" : "",
                                        .message = bad ? "no such image" : "",
                                        .address = bad ? "" : address_of(node, container),
                                        .exit_code = NUMBER_NULL};
    }
    for (unsigned i = 0; i < node->endpoint_count && !node->drains_nothing; i++)
        if (node->endpoints[i].state == ENDPOINT_DRAINING)
            drained[report.drained.count++] =
                (struct reported_drain){.service = node->endpoints[i].service,
                                        .container = node->endpoints[i].container,
                                        .table_version = node->table_version - node->drains_late};
    if (!node->acknowledges_nothing)
        node->acknowledged = node->table_version;
    report.containers.items = here;
    report.gone.items = gone;
    report.drained.items = drained;
    report.images = answer_images(node, images);
    send(node, report);
}

static struct rig_container *place_for(struct rig_node *node, const char *id)
{
    struct rig_container *room = NULL;
    for (int i = RIG_CONTAINERS - 1; i >= 0; i--) {
        if (node->containers[i].here && strcmp(node->containers[i].id, id) == 0)
            return &node->containers[i];
        if (!node->containers[i].here)
            room = &node->containers[i];
    }
    cr_assert_not_null(room);
    return room;
}

static void take_assigned(struct rig_node *node, const struct assigned_container *from)
{
    struct rig_container *container = place_for(node, from->id);
    if (!container->here) {
        *container = (struct rig_container){.here = true};
        snprintf(container->id, sizeof container->id, "%s", from->id);
    }
    if (from->incarnation > container->incarnation) {
        container->incarnation = from->incarnation;
        container->running = false;
    }
    snprintf(container->template_id, sizeof container->template_id, "%s", from->template_id);
    container->intent = from->intent;
    if (from->failed)
        container->here = false; /* it makes no other, and has nothing to say of it */
}

static void take_template(struct rig_node *node, const struct assigned_template *template)
{
    for (int i = 0; i < RIG_CONTAINERS; i++)
        if (strcmp(node->containers[i].template_id, template->id) == 0)
            snprintf(node->containers[i].image, sizeof node->containers[i].image, "%s",
                     template->template.image);
}

static void forget_service(struct rig_node *node, const char *service)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < node->endpoint_count; i++)
        if (strcmp(node->endpoints[i].service, service) != 0)
            node->endpoints[kept++] = node->endpoints[i];
    node->endpoint_count = kept;
}

static void take_service(struct rig_node *node, const struct published_service *service)
{
    forget_service(node, service->name);
    for (uint32_t i = 0; i < service->endpoints.count; i++) {
        const struct published_endpoint *from =
            LIST_AT(service->endpoints, struct published_endpoint, i);
        cr_assert_lt(node->endpoint_count, RIG_CONTAINERS);
        struct rig_endpoint *to = &node->endpoints[node->endpoint_count++];
        *to =
            (struct rig_endpoint){.port = from->port, .weight = from->weight, .state = from->state};
        snprintf(to->service, sizeof to->service, "%s", service->name);
        snprintf(to->container, sizeof to->container, "%s", from->container);
        snprintf(to->address, sizeof to->address, "%s", from->address);
    }
}

/* Pulled, or not, within a millisecond. */
static void take_image(struct rig_node *node, const struct assigned_template *template)
{
    cr_assert_lt(node->image_count, RIG_IMAGES);
    struct rig_image *image = &node->images[node->image_count++];
    node->pulls++;
    image->bad = text_equal(template->template.image, node->bad_image);
    snprintf(image->template_id, sizeof image->template_id, "%s", template->id);
    snprintf(image->pinned, sizeof image->pinned, "%s",
             template->image_pinned ? template->image_pinned : template->template.image);
}

static struct list answer_images(struct rig_node *node, struct reported_image out[RIG_IMAGES])
{
    uint32_t count = node->pulls_nothing ? 0 : node->image_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct rig_image *image = &node->images[i];
        out[i] = (struct reported_image){.template_id = image->template_id,
                                         .image_pinned = image->bad ? NULL : image->pinned,
                                         .image_digest = image->bad ? NULL : "sha256:00",
                                         .failure = image->bad ? "no such image" : NULL,
                                         .refused = image->bad};
    }
    node->image_count = node->pulls_nothing ? node->image_count : 0;
    return (struct list){.items = out, .count = count};
}

static void received(void *argument, const char *json, size_t length)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    struct rig_node *node = argument;
    struct message message = {0};
    cr_assert(schema_read_stored(&message_type, json, length, &arena, &message, &rig.error), "%s",
              rig.error.message);
    const struct assignment *assignment = message.assignment;
    const struct endpoint_table *table = message.table;
    for (uint32_t i = 0; assignment && i < assignment->containers.count; i++)
        take_assigned(node, LIST_AT(assignment->containers, struct assigned_container, i));
    for (uint32_t i = 0; assignment && i < assignment->templates.count; i++)
        take_template(node, LIST_AT(assignment->templates, struct assigned_template, i));
    for (uint32_t i = 0; assignment && i < assignment->removed.count; i++)
        place_for(node, *LIST_AT(assignment->removed, const char *, i))->here = false;
    for (uint32_t i = 0; assignment && i < assignment->images.count; i++)
        take_image(node, LIST_AT(assignment->images, struct assigned_template, i));
    if (assignment)
        node->assignment_version = assignment->version;
    if (table && table->full)
        node->endpoint_count = 0;
    for (uint32_t i = 0; table && i < table->services.count; i++)
        take_service(node, LIST_AT(table->services, struct published_service, i));
    for (uint32_t i = 0; table && i < table->removed.count; i++)
        forget_service(node, *LIST_AT(table->removed, const char *, i));
    if (table)
        node->table_version = table->version;
    loop_timer_start(&node->turn, NS_PER_MS);
}

static void link_closed(void *argument)
{
    rig_disconnect(argument);
}

static void beat(void *argument)
{
    struct rig_node *node = argument;
    send(node, (struct report){.heartbeat = true});
    loop_timer_start(&node->heartbeat, NS_PER_SECOND);
}

void rig_disconnect(struct rig_node *node)
{
    loop_timer_stop(&node->turn);
    loop_timer_stop(&node->heartbeat);
    if (node->link)
        link_close(node->link);
    node->link = NULL;
}

void rig_connect(struct rig_node *node)
{
    struct link_end *server_end;
    const struct node record = {.name = node->name,
                                .address = "10.0.0.1",
                                .labels = {&node->label, 1},
                                .schedulable = true,
                                .capacity = {node->cpu_millis, INT64_C(8) << 30},
                                .runtime = {"acted", "1"},
                                .features = ORCH_RUNTIME_HOST_PORTS};
    struct reported_container here[RIG_CONTAINERS];
    uint32_t count = 0;
    link_pair_create(rig.loop, &server_end, &node->link);
    link_set_receiver(node->link, (struct link_receiver){received, link_closed, node});
    node_registry_attach(rig.server->nodes, server_end);
    node->table_version = node->acknowledged = node->assignment_version = 0;
    for (int i = 0; i < RIG_CONTAINERS; i++)
        if (node->containers[i].here)
            here[count++] =
                (struct reported_container){.id = node->containers[i].id,
                                            .incarnation = node->containers[i].incarnation,
                                            .restarts = node->containers[i].restarts,
                                            .state = CONTAINER_RUNNING,
                                            .ready = node->containers[i].running,
                                            .address = address_of(node, &node->containers[i]),
                                            .exit_code = NUMBER_NULL};
    send(node,
         (struct report){.full = true, .node_record = {&record, 1}, .containers = {here, count}});
    loop_timer_start(&node->heartbeat, NS_PER_SECOND);
    rig_run_ms(50);
}

struct rig_node *rig_add_node(const char *name, int64_t cpu_millis, const char *zone)
{
    cr_assert_lt(rig.node_count, RIG_NODES);
    struct rig_node *node = &rig.nodes[rig.node_count++];
    *node = (struct rig_node){.name = name, .cpu_millis = cpu_millis, .label = {"zone", zone}};
    loop_timer_init(&node->turn, rig.loop, "agent", act, node);
    loop_timer_init(&node->heartbeat, rig.loop, "heartbeat", beat, node);
    rig_connect(node);
    return node;
}

struct rig_container *rig_container_of(struct rig_node *node, const char *id_part)
{
    for (int i = 0; i < RIG_CONTAINERS; i++)
        if (node->containers[i].here && strstr(node->containers[i].id, id_part))
            return &node->containers[i];
    return NULL;
}

void rig_report(struct rig_node *node, const struct reported_container *container)
{
    send(node, (struct report){.containers = {container, 1}});
    rig_run_ms(20);
}

void rig_report_gone(struct rig_node *node, const char *id)
{
    struct rig_container *container = rig_container_of(node, id);
    char copy[80];
    const char *gone = copy;
    snprintf(copy, sizeof copy, "%s", container ? container->id : id);
    if (container)
        container->here = false;
    send(node, (struct report){.gone = {&gone, 1}});
    rig_run_ms(20);
}

void rig_report_ejection(struct rig_node *node, const struct reported_ejection *ejection)
{
    send(node, (struct report){.ejections = {ejection, 1}});
    rig_run_ms(20);
}

uint8_t rig_endpoint_state(const struct rig_node *node, const char *container)
{
    for (unsigned i = 0; i < node->endpoint_count; i++)
        if (strcmp(node->endpoints[i].container, container) == 0)
            return node->endpoints[i].state;
    return 0;
}

unsigned rig_active(const struct rig_node *node)
{
    unsigned count = 0;
    for (unsigned i = 0; i < node->endpoint_count; i++)
        count += node->endpoints[i].state == ENDPOINT_ACTIVE;
    return count;
}

/* -- what users do -- */

struct deployment *rig_deployment(const char *name, const char *image, int64_t replicas)
{
    struct deployment *wanted = arena_alloc(&rig.arena, sizeof *wanted);
    struct container_port *port = arena_alloc(&rig.arena, sizeof *port);
    schema_defaults(&deployment_type, &rig.arena, wanted);
    *port = (struct container_port){
        .name = "http", .number = 80, .host_port = NUMBER_NULL, .protocol = PROTOCOL_TCP};
    wanted->name = name;
    wanted->replicas = replicas;
    wanted->template.image = image;
    wanted->template.ports = (struct list){port, 1};
    return wanted;
}

struct service *rig_service(const char *name, const char *deployment, const char *listen)
{
    struct service *wanted = arena_alloc(&rig.arena, sizeof *wanted);
    schema_defaults(&service_type, &rig.arena, wanted);
    wanted->name = name;
    wanted->deployment = deployment;
    wanted->listen = listen;
    return wanted;
}

void rig_done(void *argument, const struct error *error, const struct write_result *result)
{
    (void)argument;
    cr_assert_eq(error == NULL, result != NULL);
    rig.error = error ? *error : (struct error){0};
    rig.answers++;
}

enum error_code rig_answer(bool accepted)
{
    unsigned before = rig.answers;
    if (!accepted)
        return rig.error.code;
    for (int i = 0; i < 100 && rig.answers == before; i++)
        rig_run_ms(1);
    cr_assert_eq(rig.answers, before + 1, "answered once");
    return rig.error.code;
}

enum error_code rig_write(const struct deployment *wanted)
{
    return rig_answer(deployment_manager_write(rig.server->deployments, WRITE_REPLACE, wanted, true,
                                               &rig_request, rig_done, NULL, &rig.error));
}

enum error_code rig_create(const struct deployment *wanted)
{
    return rig_answer(deployment_manager_write(rig.server->deployments, WRITE_CREATE, wanted, true,
                                               &rig_request, rig_done, NULL, &rig.error));
}

enum error_code rig_write_service(const struct service *wanted)
{
    return rig_answer(service_manager_write(rig.server->services, WRITE_REPLACE, wanted,
                                            &rig_request, rig_done, NULL, &rig.error));
}

enum error_code rig_scale(const char *name, int64_t replicas)
{
    return rig_answer(deployment_manager_scale(rig.server->deployments, name, replicas,
                                               &rig_request, rig_done, NULL, &rig.error));
}

enum error_code rig_delete(const char *name)
{
    return rig_answer(deployment_manager_delete(rig.server->deployments, name, &rig_request,
                                                rig_done, NULL, &rig.error));
}

const struct deployment *rig_find(const char *name)
{
    return deployment_manager_find(rig.server->deployments, name);
}

struct deployment_status rig_status(const char *name)
{
    struct deployment_status status = {0};
    cr_assert_not_null(rig_find(name));
    deployment_manager_status(rig.server->deployments, rig_find(name), &status);
    return status;
}

const struct container *rig_first(const char *deployment)
{
    return container_manager_next(rig.server->containers, deployment, NULL);
}

unsigned rig_count(const char *deployment)
{
    const struct container *container = NULL;
    unsigned count = 0;
    while ((container = container_manager_next(rig.server->containers, deployment, container)))
        count++;
    return count;
}

const struct event *rig_event(const char *reason)
{
    struct state_cursor cursor;
    const struct record *record;
    const struct event *found = NULL;
    state_seek(rig.server->state, STATE_COMMITTED, KIND_EVENT, NULL, &cursor);
    while ((record = state_next(&cursor)))
        if (strcmp(((const struct event *)record)->reason, reason) == 0)
            found = (const struct event *)record;
    return found;
}
