#include "server.h"
#include "base/log.h"
#include "store/event.h"

#include <stdlib.h>
#include <string.h>

const struct record_kind *const server_record_kinds[KIND_COUNT] = {
    [KIND_META] = &meta_kind,         [KIND_DEPLOYMENT] = &deployment_kind,
    [KIND_REVISION] = &revision_kind, [KIND_CONTAINER] = &container_kind,
    [KIND_NODE] = &node_kind,         [KIND_SERVICE] = &service_kind,
    [KIND_EVENT] = &event_kind,       [KIND_AUDIT] = &audit_kind};

static void touched(struct server *server, enum record_kind_id kind, const char *name)
{
    if (server->listener.touched)
        server->listener.touched(server->listener.argument, kind, name);
}

static const struct revision *revision_of(struct server *server, const struct container *container)
{
    struct revision probe = {.record.kind = &revision_kind,
                             .deployment = container->deployment,
                             .number = container->revision};
    return (const struct revision *)state_find(server->state, STATE_COMMITTED, &probe.record);
}

/* -- what containers take of their nodes -- */

/* One that failed for good runs nothing any more. */
static bool holds_share(const struct container *container)
{
    return container && !container->failed;
}

static void share(struct server *server, const struct container *container,
                  const struct revision *revision, bool add)
{
    const struct scheduler_share share = {
        .node = container->node,
        .deployment = container->deployment,
        .cpu_millis = revision ? revision->template.resources.cpu_millis : 0,
        .memory_bytes = revision ? revision->template.resources.memory_bytes : 0,
        .ports = container->ports};
    if (add)
        scheduler_share_add(server->scheduler, &share);
    else
        scheduler_share_remove(server->scheduler, &share);
}

static void container_record_changed(void *argument, const struct record *before,
                                     const struct record *after)
{
    struct server *server = argument;
    const struct record *any = after ? after : before;
    if (any->kind->id != KIND_CONTAINER)
        return;
    bool held = holds_share((const struct container *)before);
    bool holds = holds_share((const struct container *)after);
    if (holds == held)
        return;
    share(server, (const struct container *)any, revision_of(server, (const struct container *)any),
          holds);
    node_registry_touch(server->nodes, ((const struct container *)any)->node);
    touched(server, KIND_NODE, ((const struct container *)any)->node);
}

/* Those of one deployment come one after another, mostly of one revision. */
static bool is_of(const struct container *container, const struct revision *revision)
{
    return revision && revision->number == container->revision &&
           strcmp(revision->deployment, container->deployment) == 0;
}

/* True while there are more. */
static bool share_some(struct server *server)
{
    enum { CONTAINERS_AT_ONCE = 1000 };
    const struct container *last = server->shared_up_to;
    const struct record *record = NULL;
    const struct revision *revision = NULL;
    struct state_cursor cursor;
    state_seek(server->state, STATE_COMMITTED, KIND_CONTAINER, last ? &last->record : NULL,
               &cursor);
    if (last)
        (void)state_next(&cursor);
    for (int i = 0; i < CONTAINERS_AT_ONCE && (record = state_next(&cursor)); i++) {
        server->shared_up_to = (const struct container *)record;
        if (!holds_share(server->shared_up_to))
            continue;
        if (!is_of(server->shared_up_to, revision))
            revision = revision_of(server, server->shared_up_to);
        share(server, server->shared_up_to, revision, true);
    }
    return record != NULL;
}

/* -- what nodes tell -- */

static void node_changed(void *argument, const struct node *node)
{
    struct server *server = argument;
    deployment_manager_node_changed(server->deployments, node->name);
    if (node_registry_find(server->nodes, node->name))
        scheduler_node_put(server->scheduler, node,
                           node_registry_status(server->nodes, node->name));
    else
        scheduler_node_remove(server->scheduler, node->name);
    service_manager_node_changed(server->services, node->name);
    deployment_manager_capacity_changed(server->deployments, node->name);
    touched(server, KIND_NODE, node->name);
}

/* A table may have been acknowledged, and rollouts wait for that. */
static void touch_published(struct server *server)
{
    const struct service *service = NULL;
    while ((service = service_manager_next(server->services, service ? service->name : NULL)))
        deployment_manager_look(server->deployments, service->deployment);
}

static void node_report(void *argument, const char *node, const struct report *report)
{
    struct server *server = argument;
    container_manager_report(server->containers, node, report);
    service_manager_report(server->services, node, report);
    deployment_manager_report(server->deployments, node, report);
    for (uint32_t i = 0; i < report->listeners.count; i++)
        touched(server, KIND_SERVICE,
                LIST_AT(report->listeners, struct reported_listener, i)->service);
    touch_published(server);
}

static void node_lost(void *argument, const char *node, bool lost)
{
    struct server *server = argument;
    container_manager_node_lost(server->containers, node, lost);
}

static void node_released(void *argument, const char *node)
{
    struct server *server = argument;
    container_manager_node_released(server->containers, node);
}

static void nodes_settled(void *argument)
{
    struct server *server = argument;
    const struct deployment *deployment = NULL;
    while ((deployment =
                deployment_manager_next(server->deployments, deployment ? deployment->name : NULL)))
        deployment_manager_look(server->deployments, deployment->name);
}

static void fill_template(const struct revision *revision, struct assigned_template *out,
                          struct arena *arena)
{
    *out = (struct assigned_template){
        .id = arena_format(arena, "%s/%lld", revision->deployment_uid, (long long)revision->number),
        .deployment = revision->deployment,
        .revision = revision->number,
        .template = revision->template,
        .image_pinned = revision->image_pinned,
        .hash = revision->hash};
}

static bool fill_container(void *argument, const char *node, const char *id,
                           struct assigned_container *out, struct assigned_template *template,
                           struct arena *arena)
{
    struct server *server = argument;
    const struct container *container = container_manager_find(server->containers, id);
    if (!container || strcmp(container->node, node) != 0)
        return false;
    const struct revision *revision = revision_of(server, container);
    if (!revision)
        return false;
    container_manager_fill_assigned(server->containers, container, out);
    fill_template(revision, template, arena);
    return true;
}

static bool fill_image(void *argument, const char *name, struct assigned_template *out,
                       struct arena *arena)
{
    struct server *server = argument;
    const char *slash = strchr(name, '/');
    const struct deployment *deployment = deployment_manager_find(
        server->deployments, arena_strndup(arena, name, (size_t)(slash - name)));
    const struct revision *revision =
        deployment ? deployment_manager_revision(server->deployments, deployment,
                                                 strtoll(slash + 1, NULL, 10))
                   : NULL;
    if (revision)
        fill_template(revision, out, arena);
    return revision != NULL;
}

static const char *next_container(void *argument, const char *node, const char *after)
{
    struct server *server = argument;
    const struct container *container =
        after ? container_manager_find(server->containers, after) : NULL;
    container = container_manager_next_on(server->containers, node, container);
    return container ? container->id : NULL;
}

static bool fill_service(void *argument, const char *service, struct arena *arena,
                         struct published_service *out)
{
    struct server *server = argument;
    if (!service_manager_find(server->services, service))
        return false;
    service_manager_fill_table(server->services, service, arena, out);
    return true;
}

static const char *next_service(void *argument, const char *after)
{
    struct server *server = argument;
    const struct service *service = service_manager_next(server->services, after);
    return service ? service->name : NULL;
}

/* -- what containers tell -- */

static void container_changed(void *argument, const struct container *container)
{
    struct server *server = argument;
    service_manager_container_changed(server->services, container);
    deployment_manager_container_changed(server->deployments, container);
    touched(server, KIND_CONTAINER, container->id);
}

static void container_removed(void *argument, const struct container *container,
                              const struct container_mark *mark)
{
    struct server *server = argument;
    deployment_manager_container_removed(server->deployments, container, mark);
    touched(server, KIND_CONTAINER, container->id);
}

static void endpoints_changed(void *argument, const char *deployment)
{
    struct server *server = argument;
    const struct service *service = NULL;
    service_manager_deployment_changed(server->services, deployment);
    while ((service = service_manager_next(server->services, service ? service->name : NULL)))
        if (strcmp(service->deployment, deployment) == 0)
            touched(server, KIND_SERVICE, service->name);
}

static void container_stopping(void *argument, const struct container *container)
{
    struct server *server = argument;
    service_manager_drain(server->services, container);
}

static void assign(void *argument, const char *node, const char *id,
                   const struct container *container)
{
    struct server *server = argument;
    (void)container;
    node_registry_assign(server->nodes, node, id);
}

static void freed(void *argument, const char *node)
{
    struct server *server = argument;
    deployment_manager_capacity_changed(server->deployments, node);
}

static void phase_changed(void *argument, const char *name)
{
    touched(argument, KIND_DEPLOYMENT, name);
}

static void scheduler_fell_back(void *argument, const char *scheduler, const char *why)
{
    struct server *server = argument;
    LOG_ERROR("a scheduler plugin is out of service; the fallback ranks in its place",
              LOG_STR("scheduler", scheduler), LOG_STR("why", why));
    struct txn *txn = txn_begin(server->state, (struct origin){.by = "controller/scheduler"});
    txn_event(txn, EVENT_WARNING, "SchedulerFellBack", "cluster",
              "scheduler \"%s\" is out of service (%s); \"%s\" ranks in its place", scheduler, why,
              server->config.fallback_scheduler);
    txn_submit(txn, NULL, NULL);
}

/* -- life -- */

/* What it still believes is not to reach a node: agents go to the one that leads. */
static void fenced(void *argument)
{
    struct server *server = argument;
    LOG_ERROR("another daemon has taken the state over; this one lets its nodes go and changes "
              "nothing any more");
    node_registry_leave(server->nodes);
}

static void create_managers(struct server *server)
{
    const struct server_config *config = &server->config;
    struct loop *loop = server->loop;
    server->state = state_create(&(struct state_config){.loop = loop,
                                                        .kinds = server_record_kinds,
                                                        .store = config->store,
                                                        .module = config->store_module,
                                                        .host = config->store_host,
                                                        .config_json = config->store_config,
                                                        .state_directory = config->state_directory,
                                                        .event_limit = config->event_limit,
                                                        .fenced = fenced,
                                                        .argument = server});
    server->containers = container_manager_create(loop, server->state);
    server->nodes = node_registry_create(
        &(struct node_registry_config){.loop = loop,
                                       .state = server->state,
                                       .suspect_after_ns = config->suspect_after_ns,
                                       .lost_after_ns = config->lost_after_ns});
    server->services = service_manager_create(
        &(struct service_manager_config){.loop = loop,
                                         .state = server->state,
                                         .containers = server->containers,
                                         .nodes = server->nodes,
                                         .default_balancer = config->default_balancer,
                                         .check_balancer = config->check_balancer,
                                         .check_certificate = config->check_certificate,
                                         .argument = config->check_argument});
    server->scheduler =
        scheduler_create(&(struct scheduler_config){.loop = loop,
                                                    .default_name = config->default_scheduler,
                                                    .fallback_name = config->fallback_scheduler,
                                                    .fell_back = scheduler_fell_back,
                                                    .argument = server});
    server->deployments = deployment_manager_create(
        &(struct deployment_manager_config){.loop = loop,
                                            .state = server->state,
                                            .containers = server->containers,
                                            .nodes = server->nodes,
                                            .services = server->services,
                                            .scheduler = server->scheduler,
                                            .phase_changed = phase_changed,
                                            .argument = server});
}

static bool start_some(void *server);

struct server *server_create(const struct server_config *config)
{
    struct server *server = memory_alloc(sizeof *server);
    server->config = *config;
    server->loop = config->loop;
    create_managers(server);
    loop_slice_init(&server->starting, config->loop, "start", start_some, server);
    server->shares =
        (struct state_subscriber){.changed = container_record_changed, .argument = server};
    state_subscribe(server->state, &server->shares);
    container_manager_set_events(server->containers,
                                 &(struct container_events){.changed = container_changed,
                                                            .removed = container_removed,
                                                            .endpoints_changed = endpoints_changed,
                                                            .stopping = container_stopping,
                                                            .assign = assign,
                                                            .freed = freed,
                                                            .argument = server});
    node_registry_set_events(server->nodes, &(struct node_events){.report = node_report,
                                                                  .changed = node_changed,
                                                                  .lost = node_lost,
                                                                  .released = node_released,
                                                                  .settled = nodes_settled,
                                                                  .fill_container = fill_container,
                                                                  .fill_image = fill_image,
                                                                  .next_container = next_container,
                                                                  .fill_service = fill_service,
                                                                  .next_service = next_service,
                                                                  .argument = server});
    return server;
}

void server_set_listener(struct server *server, const struct server_listener *listener)
{
    server->listener = *listener;
}

/* Nodes before what takes their room, services before the containers that they publish. */
static bool start_some(void *argument)
{
    enum { NODES_AT_ONCE = 100, CONTAINERS_AT_ONCE = 500 };
    struct server *server = argument;
    if (server->start_step == START_NODES) {
        if (!node_registry_start_some(server->nodes, NODES_AT_ONCE))
            server->start_step = START_SHARES;
        return true;
    }
    if (server->start_step == START_SHARES && share_some(server))
        return true;
    if (server->start_step == START_SHARES)
        service_manager_start(server->services);
    server->start_step = START_CONTAINERS;
    if (container_manager_start_some(server->containers, CONTAINERS_AT_ONCE))
        return true;
    deployment_manager_start(server->deployments);
    server->serving = true;
    server->opened(server->argument, NULL);
    return false;
}

static void loaded(void *argument, const struct error *error)
{
    struct server *server = argument;
    if (error) {
        server->opened(server->argument, error);
        return;
    }
    loop_slice_start(&server->starting);
}

void server_open(struct server *server, void (*opened)(void *argument, const struct error *error),
                 void *argument)
{
    server->opened = opened;
    server->argument = argument;
    state_open(server->state, loaded, server);
}

void server_close(struct server *server, void (*closed)(void *argument), void *argument)
{
    state_close(server->state, closed, argument);
}

void server_destroy(struct server *server)
{
    if (!server)
        return;
    loop_slice_stop(&server->starting);
    deployment_manager_destroy(server->deployments);
    service_manager_destroy(server->services);
    node_registry_destroy(server->nodes);
    container_manager_destroy(server->containers);
    scheduler_destroy(server->scheduler);
    state_destroy(server->state);
    free(server);
}
