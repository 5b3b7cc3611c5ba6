#include "service/impl.h"
#include "deployment/deployment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct track *service_track(struct service_manager *manager, const char *name)
{
    struct track *track = NULL;
    HASH_FIND_STR(manager->tracks, name, track);
    return track;
}

static struct track *make_track(struct service_manager *manager, const char *name)
{
    struct track *track = service_track(manager, name);
    if (track)
        return track;
    track = memory_alloc(sizeof *track);
    snprintf(track->name, sizeof track->name, "%s", name);
    HASH_ADD_STR(manager->tracks, name, track);
    return track;
}

static void remove_track(struct service_manager *manager, struct track *track)
{
    figures_finish(manager, track);
    ejections_finish(track);
    while (track->listeners) {
        struct listener *after = track->listeners->next;
        free(track->listeners);
        track->listeners = after;
    }
    HASH_DEL(manager->tracks, track);
    free(track);
}

static void record_changed(void *argument, const struct record *before, const struct record *after)
{
    struct service_manager *manager = argument;
    const struct record *any = after ? after : before;
    if (any->kind->id == KIND_REVISION && !after)
        figures_forget_revision(manager, ((const struct revision *)any)->deployment,
                                ((const struct revision *)any)->number);
    if (any->kind->id != KIND_SERVICE)
        return;
    const struct service *service = (const struct service *)any;
    struct track *track = service_track(manager, service->name);
    if (!after && track)
        remove_track(manager, track);
    else if (after)
        make_track(manager, service->name);
    if (after)
        service_prolong_drains(manager, service);
    int64_t version = node_registry_publish(manager->config.nodes, service->name);
    service_note_publications(manager, service->deployment, version);
    if (before && after)
        service_note_publications(manager, ((const struct service *)before)->deployment, version);
}

struct service_manager *service_manager_create(const struct service_manager_config *config)
{
    struct service_manager *manager = memory_alloc(sizeof *manager);
    manager->config = *config;
    manager->loop = config->loop;
    manager->state = config->state;
    manager->ring_budget.limit = RING_BYTES;
    manager->subscriber = (struct state_subscriber){.changed = record_changed, .argument = manager};
    state_subscribe(config->state, &manager->subscriber);
    return manager;
}

void service_manager_destroy(struct service_manager *manager)
{
    struct track *track, *next;
    struct publication *publication, *after;
    if (!manager)
        return;
    service_drains_finish(manager);
    figures_forget_totals(manager);
    HASH_ITER(hh, manager->tracks, track, next)
    {
        remove_track(manager, track);
    }
    HASH_ITER(hh, manager->publications, publication, after)
    {
        HASH_DEL(manager->publications, publication);
        free(publication);
    }
    free(manager);
}

void service_manager_start(struct service_manager *manager)
{
    const struct service *service = NULL;
    while ((service = service_manager_next(manager, service ? service->name : NULL)))
        make_track(manager, service->name);
}

const struct service *service_manager_find(struct service_manager *manager, const char *name)
{
    struct service probe = {.record.kind = &service_kind, .name = name};
    return (const struct service *)state_find(manager->state, STATE_COMMITTED, &probe.record);
}

const struct service *service_manager_next(struct service_manager *manager, const char *after)
{
    struct state_cursor cursor;
    struct service probe = {.record.kind = &service_kind, .name = after ? after : ""};
    state_seek(manager->state, STATE_COMMITTED, KIND_SERVICE, &probe.record, &cursor);
    const struct service *next = (const struct service *)state_next(&cursor);
    if (next && after && strcmp(next->name, after) == 0)
        next = (const struct service *)state_next(&cursor);
    return next;
}

const struct service *service_of(struct service_manager *manager, const char *deployment,
                                 const struct service *after)
{
    const struct service *service = after;
    while ((service = service_manager_next(manager, service ? service->name : NULL)))
        if (strcmp(service->deployment, deployment) == 0)
            return service;
    return NULL;
}

/* -- commands -- */

struct command {
    struct service_manager *manager;
    write_done *done;
    void *argument;
    const struct record *removed; /* counted: what a delete answers with */
    const struct record *planned; /* counted; of a dry run */
    bool created, changed;
    char name[64];
};

static void command_done(void *argument, const struct error *error)
{
    struct command *command = argument;
    const struct service *service = service_manager_find(command->manager, command->name);
    struct write_result result = {.record = command->planned   ? command->planned
                                            : command->removed ? command->removed
                                            : service          ? &service->record
                                                               : NULL,
                                  .gone = command->removed != NULL,
                                  .created = command->created,
                                  .changed = command->changed};
    command->done(command->argument, error, error ? NULL : &result);
    record_release(command->removed);
    record_release(command->planned);
    free(command);
}

static const struct service *find_head(struct service_manager *manager, const char *name)
{
    struct service probe = {.record.kind = &service_kind, .name = name};
    return (const struct service *)state_find(manager->state, STATE_HEAD, &probe.record);
}

static void submit(struct service_manager *manager, struct txn *txn, const struct service *service,
                   bool created, bool removed, write_done *done, void *argument)
{
    struct command *command = memory_alloc(sizeof *command);
    *command =
        (struct command){.manager = manager,
                         .done = done,
                         .argument = argument,
                         .created = created,
                         .changed = !txn_is_empty(txn),
                         .removed = removed ? record_take_reference(&service->record) : NULL};
    snprintf(command->name, sizeof command->name, "%s", service->name);
    if (txn_is_dry_run(txn) && !removed)
        command->planned = record_take_reference(&find_head(manager, service->name)->record);
    txn_submit(txn, command_done, command);
}

static bool check_listen(struct service_manager *manager, const struct service *wanted,
                         struct error *error)
{
    struct state_cursor cursor;
    const struct record *record;
    state_seek(manager->state, STATE_HEAD, KIND_SERVICE, NULL, &cursor);
    while ((record = state_next(&cursor))) {
        const struct service *other = (const struct service *)record;
        if (strcmp(other->name, wanted->name) != 0 && strcmp(other->listen, wanted->listen) == 0 &&
            !service_can_share(other, wanted))
            return error_set(error, ERROR_CONFLICT, "listen: %s is taken by service \"%s\"",
                             wanted->listen, other->name);
    }
    return true;
}

void service_manager_check(struct service_manager *manager, const struct service *wanted,
                           struct schema_faults *faults)
{
    const char *balancer = wanted->balancer ? wanted->balancer : manager->config.default_balancer;
    struct error error;
    if (wanted->protocol != SERVICE_HTTP && wanted->hosts.count)
        schema_faults_add(faults, (struct schema_position){0}, "hosts",
                          "is for protocol \"http\" only");
    if (wanted->protocol != SERVICE_HTTP && !text_equal(wanted->path_prefix, "/"))
        schema_faults_add(faults, (struct schema_position){0}, "pathPrefix",
                          "is for protocol \"http\" only");
    if (wanted->protocol != SERVICE_HTTP && wanted->sticky)
        schema_faults_add(faults, (struct schema_position){0}, "sticky",
                          "is for protocol \"http\" only");
    if (wanted->protocol != SERVICE_HTTP && wanted->hold.time_ns)
        schema_faults_add(faults, (struct schema_position){0}, "hold.time",
                          "is for protocol \"http\" only");
    if (wanted->protocol != SERVICE_HTTP && wanted->maintenance)
        schema_faults_add(faults, (struct schema_position){0}, "maintenance",
                          "is for protocol \"http\" only");
    if (wanted->protocol != SERVICE_HTTP && wanted->redirect)
        schema_faults_add(faults, (struct schema_position){0}, "redirect",
                          "is for protocol \"http\" only");
    const char *given = service_http_given(&wanted->http);
    if (wanted->protocol != SERVICE_HTTP && given)
        schema_faults_add(faults, (struct schema_position){0}, given,
                          "is for protocol \"http\" only");
    if (wanted->protocol == SERVICE_UDP && wanted->tls)
        schema_faults_add(faults, (struct schema_position){0}, "tls",
                          "is not for protocol \"udp\": datagrams are passed as they are");
    if (wanted->tls && wanted->tls->certificate && manager->config.check_certificate &&
        !manager->config.check_certificate(manager->config.argument, wanted->tls->certificate,
                                           &error))
        schema_faults_add(faults, (struct schema_position){0}, "tls.certificate", "%s",
                          error.message);
    if (manager->config.check_balancer &&
        !manager->config.check_balancer(manager->config.argument, balancer, wanted->balancer_config,
                                        &error))
        schema_faults_add_error(faults, &error);
}

static bool check(struct service_manager *manager, const struct service *wanted,
                  struct error *error)
{
    CLEANUP(schema_faults_finish) struct schema_faults faults = {0};
    service_manager_check(manager, wanted, &faults);
    return faults.count ? schema_faults_to_error(&faults, error)
                        : check_listen(manager, wanted, error);
}

static void note(struct txn *txn, const char *reason, const char *verb,
                 const struct service *service)
{
    char object[96];
    snprintf(object, sizeof object, "services/%s", service->name);
    txn_event(txn, EVENT_NORMAL, reason, object, "%s for deployment %s", service->listen,
              service->deployment);
    txn_audit(txn, verb, object, service->listen);
}

bool service_manager_write(struct service_manager *manager, enum write_mode mode,
                           const struct service *wanted, const struct write_request *request,
                           write_done *done, void *argument, struct error *error)
{
    char uid[ID_UID_BYTES];
    const struct service *existing = find_head(manager, wanted->name);
    if (!state_ready(manager->state, error))
        return false;
    if (existing && mode == WRITE_CREATE)
        return error_set(error, ERROR_ALREADY_EXISTS, "service \"%s\" exists; PUT replaces it",
                         wanted->name);
    if (!write_check_preconditions(request, existing ? &existing->record : NULL, error) ||
        !check(manager, wanted, error))
        return false;
    struct service edited = *wanted;
    struct txn *txn = txn_begin(manager->state, request->origin);
    id_make_uid(loop_random_source(manager->loop), uid);
    edited.record = (struct record){.uid = existing ? existing->record.uid : uid,
                                    .version = (existing ? existing->record.version : 0) + 1,
                                    .created_at_ms = existing ? existing->record.created_at_ms
                                                              : loop_wall_ms(manager->loop),
                                    .updated_at_ms = loop_wall_ms(manager->loop)};
    if (!existing || !schema_equal(&service_type, existing, &edited)) {
        txn_put(txn, record_create(&service_kind, &edited));
        note(txn, existing ? "Updated" : "Created", existing ? "replace" : "create", &edited);
    }
    submit(manager, txn, &edited, !existing, false, done, argument);
    return true;
}

bool service_manager_delete(struct service_manager *manager, const char *name,
                            const struct write_request *request, write_done *done, void *argument,
                            struct error *error)
{
    const struct service *existing = find_head(manager, name);
    if (!state_ready(manager->state, error))
        return false;
    if (!existing)
        return error_set(error, ERROR_NOT_FOUND, "there is no service \"%s\"", name);
    if (!write_check_preconditions(request, &existing->record, error))
        return false;
    struct txn *txn = txn_begin(manager->state, request->origin);
    txn_delete(txn, &existing->record);
    note(txn, "Deleted", "delete", existing);
    submit(manager, txn, existing, false, true, done, argument);
    return true;
}

/* -- wiring -- */

void service_manager_deployment_changed(struct service_manager *manager, const char *deployment)
{
    const struct service *service = NULL;
    int64_t version = 0;
    while ((service = service_of(manager, deployment, service))) {
        struct track *track = service_track(manager, service->name);
        version = node_registry_publish(manager->config.nodes, service->name);
        if (track)
            track->seq = state_next_seq(manager->state);
    }
    if (version)
        service_note_publications(manager, deployment, version);
}

static void take_listener(struct service_manager *manager, const char *node,
                          const struct reported_listener *reported)
{
    struct track *track = service_track(manager, reported->service);
    struct listener *listener = track ? track->listeners : NULL;
    if (!track)
        return;
    while (listener && strcmp(listener->node, node) != 0)
        listener = listener->next;
    if (!listener) {
        listener = memory_alloc(sizeof *listener);
        snprintf(listener->node, sizeof listener->node, "%s", node);
        listener->next = track->listeners;
        track->listeners = listener;
    }
    listener->listening = reported->listening;
    snprintf(listener->message, sizeof listener->message, "%s",
             reported->message ? reported->message : "");
    track->seq = state_next_seq(manager->state);
}

void service_manager_report(struct service_manager *manager, const char *node,
                            const struct report *report)
{
    for (uint32_t i = 0; i < report->listeners.count; i++)
        take_listener(manager, node, LIST_AT(report->listeners, struct reported_listener, i));
    for (uint32_t i = 0; i < report->endpoints.count; i++)
        figures_take(manager, node, LIST_AT(report->endpoints, struct reported_endpoint, i));
    ejections_take(manager, node, report);
    service_take_drained(manager, node, report);
    service_check_drains(manager);
}

void service_manager_node_changed(struct service_manager *manager, const char *node)
{
    (void)node;
    service_check_drains(manager);
}
