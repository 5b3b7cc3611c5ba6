#include "container/impl.h"
#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void container_move(struct container_manager *manager, struct soft *soft,
                    enum container_state state)
{
    manager->by_state[soft->state]--;
    manager->by_state[state]++;
    soft->state = (uint8_t)state;
    soft->seq = state_next_seq(manager->state);
}

void container_set_state(struct container_manager *manager, struct soft *soft,
                         enum container_state state, const char *reason, const char *message)
{
    struct container_status old;
    soft_read_words(soft, &old);
    soft_set_words(soft, &(struct words){.reason = reason,
                                         .message = message,
                                         .address = old.address,
                                         .runtime_id = old.runtime_id});
    container_move(manager, soft, state);
}

static void begin_stopping(struct container_manager *manager, const struct container *container)
{
    struct soft *soft = container_soft(manager, container);
    soft->ready = false;
    soft->ready_since_ns = 0;
    soft->ready_since_ms = 0;
    container_set_state(manager, soft, CONTAINER_STOPPING, container->stop_reason, "");
    manager->events.endpoints_changed(manager->events.argument, container->deployment);
    manager->events.assign(manager->events.argument, container->node, container->id, container);
    manager->events.stopping(manager->events.argument, container);
}

static void record_changed(void *argument, const struct record *before, const struct record *after)
{
    struct container_manager *manager = argument;
    const struct record *any = after ? after : before;
    if (any->kind->id != KIND_CONTAINER)
        return;
    const struct container *old = (const struct container *)before;
    const struct container *new = (const struct container *)after;
    const struct container_events *events = &manager->events;
    struct soft *soft = container_soft(manager, new ? new : old);
    if (!new) {
        struct container_mark mark = soft ? soft->mark : (struct container_mark){0};
        if (soft)
            soft_remove(manager, soft);
        events->assign(events->argument, old->node, old->id, NULL);
        events->endpoints_changed(events->argument, old->deployment);
        events->freed(events->argument, old->node);
        events->removed(events->argument, old, &mark);
        return;
    }
    if (soft)
        soft->record = new;
    else
        soft_add(manager, new);
    if (old && old->intent == INTENT_RUN && new->intent == INTENT_STOP)
        begin_stopping(manager, new);
    else if (!old || old->incarnation != new->incarnation || old->failed != new->failed)
        events->assign(events->argument, new->node, new->id, new);
    events->changed(events->argument, new);
}

struct container_manager *container_manager_create(struct loop *loop, struct state *state)
{
    struct container_manager *manager = memory_alloc(sizeof *manager);
    manager->loop = loop;
    manager->state = state;
    loop_timer_init(&manager->retry, loop, "reports again", container_keep_again, manager);
    loop_slice_init(&manager->keeping, loop, "reports again", container_keep_some, manager);
    manager->subscriber = (struct state_subscriber){.changed = record_changed, .argument = manager};
    state_subscribe(state, &manager->subscriber);
    return manager;
}

void container_manager_set_events(struct container_manager *manager,
                                  const struct container_events *events)
{
    manager->events = *events;
}

void container_manager_destroy(struct container_manager *manager)
{
    if (!manager)
        return;
    loop_timer_stop(&manager->retry);
    loop_slice_stop(&manager->keeping);
    container_keep_from(manager, NULL);
    softs_finish(manager);
    free(manager);
}

/* So many records at a time; then those found on their way out begin to drain. */
bool container_manager_start_some(struct container_manager *manager, uint32_t count)
{
    struct state_cursor cursor;
    const struct record *record = NULL;
    state_seek(manager->state, STATE_COMMITTED, KIND_CONTAINER,
               manager->start_after ? &manager->start_after->record : NULL, &cursor);
    if (manager->start_after)
        (void)state_next(&cursor);
    for (; count && (record = state_next(&cursor)); count--) {
        const struct container *container = (const struct container *)record;
        if (!container_soft(manager, container)) /* a change of it was quicker */
            soft_add(manager, container);
        manager->stopping_at_start += container->intent == INTENT_STOP;
        manager->start_after = container;
    }
    if (record)
        return true;
    manager->start_after = NULL;
    state_seek(manager->state, STATE_COMMITTED, KIND_CONTAINER, NULL, &cursor);
    while (manager->stopping_at_start && (record = state_next(&cursor)))
        if (((const struct container *)record)->intent == INTENT_STOP) {
            manager->stopping_at_start--;
            begin_stopping(manager, (const struct container *)record);
        }
    return false;
}

void container_manager_start(struct container_manager *manager)
{
    while (container_manager_start_some(manager, UINT32_MAX))
        continue;
}

static const struct container *find(struct container_manager *manager, enum state_view view,
                                    const char *id)
{
    char deployment[80];
    struct container probe = {.record.kind = &container_kind, .id = id, .deployment = deployment};
    if (!container_id_parse(id, deployment, &probe.slot))
        return NULL;
    return (const struct container *)state_find(manager->state, view, &probe.record);
}

const struct container *container_manager_find(struct container_manager *manager, const char *id)
{
    struct soft *soft = soft_find(manager, id);
    return soft ? soft->record : NULL;
}

const struct container *container_manager_next(struct container_manager *manager,
                                               const char *deployment,
                                               const struct container *after)
{
    struct state_cursor cursor;
    struct container probe = {
        .record.kind = &container_kind, .deployment = deployment ? deployment : "", .id = ""};
    state_seek(manager->state, STATE_COMMITTED, KIND_CONTAINER,
               after ? &after->record : &probe.record, &cursor);
    const struct container *next = (const struct container *)state_next(&cursor);
    if (next && after && container_kind.compare(&next->record, &after->record) == 0)
        next = (const struct container *)state_next(&cursor);
    if (next && deployment && strcmp(next->deployment, deployment) != 0)
        return NULL;
    return next;
}

const struct container_status *container_manager_status(struct container_manager *manager,
                                                        const struct container *container)
{
    struct container_status *shown = &manager->shown;
    const struct soft *soft = container_soft(manager, container);
    *shown = (struct container_status){.state = CONTAINER_PENDING, .exit_code = NUMBER_NULL};
    if (!soft)
        return shown;
    shown->state = soft->state;
    shown->ready = soft->ready;
    shown->started_at_ms = soft->started_at_ms;
    shown->ready_since_ms = soft->ready_since_ms;
    shown->ready_since_ns = soft->ready_since_ns;
    shown->seq = soft->seq;
    if (soft->times) {
        shown->exit_code = soft->times->exit_code;
        shown->finished_at_ms = soft->times->finished_at_ms;
        shown->next_start_at_ms = soft->times->next_start_at_ms;
    }
    soft_read_words(soft, shown);
    return shown;
}

struct container_brief container_manager_brief(struct container_manager *manager,
                                               const struct container *container)
{
    struct soft *soft = container_soft(manager, container);
    if (!soft)
        return (struct container_brief){.state = CONTAINER_PENDING, .reason = "", .address = ""};
    return (struct container_brief){.state = soft->state,
                                    .ready = soft->ready,
                                    .drained = soft->drained,
                                    .ready_since_ns = soft->ready_since_ns,
                                    .seq = soft->seq,
                                    .start_failures = soft->times ? soft->times->start_failures : 0,
                                    .reason = soft_reason(soft),
                                    .address = soft_address(soft),
                                    .mark = &soft->mark};
}

const struct container *container_manager_next_on(struct container_manager *manager,
                                                  const char *node, const struct container *after)
{
    struct soft *soft = after ? container_soft(manager, after) : NULL;
    soft = after ? soft ? soft->next_on_node : NULL : soft_of_node(manager, node);
    return soft ? soft->record : NULL;
}

const struct container *container_manager_newest_of(struct container_manager *manager,
                                                    const char *deployment, int64_t slot)
{
    const struct container *newest = NULL;
    struct state_cursor cursor;
    char prefix[96];
    int length = snprintf(prefix, sizeof prefix, "%s-%lld-", deployment, (long long)slot);
    struct container probe = {
        .record.kind = &container_kind, .deployment = deployment, .id = prefix};
    const struct record *record;
    state_seek(manager->state, STATE_COMMITTED, KIND_CONTAINER, &probe.record, &cursor);
    while ((record = state_next(&cursor))) {
        const struct container *container = (const struct container *)record;
        if (strcmp(container->deployment, deployment) != 0 ||
            strncmp(container->id, prefix, (size_t)length) != 0)
            break;
        if (!newest || container->record.created_at_ms > newest->record.created_at_ms)
            newest = container;
    }
    return newest;
}

bool container_manager_is_known(struct container_manager *manager,
                                const struct container *container)
{
    const struct soft *soft = container_soft(manager, container);
    return soft && soft->reported;
}

struct container container_edit(const struct container *container)
{
    struct container copy;
    record_copy_fields(&container->record, &copy, sizeof copy);
    return copy;
}

bool container_manager_stop(struct container_manager *manager, struct txn *txn,
                            const struct container *container, const char *reason)
{
    const struct container *head = find(manager, STATE_HEAD, container->id);
    if (!head || head->intent == INTENT_STOP)
        return false;
    struct container copy = container_edit(head); /* what is on its way to it is kept */
    copy.intent = INTENT_STOP;
    copy.stop_reason = reason;
    txn_put(txn, record_create(&container_kind, &copy));
    return true;
}

void container_manager_drained(struct container_manager *manager, const char *id)
{
    struct soft *soft = soft_find(manager, id);
    if (!soft || soft->drained || soft->record->intent != INTENT_STOP)
        return;
    soft->drained = true;
    manager->events.assign(manager->events.argument, soft->record->node, id, soft->record);
}

bool container_manager_is_drained(struct container_manager *manager, const char *id)
{
    const struct soft *soft = soft_find(manager, id);
    return !soft || soft->drained;
}

void container_manager_fill_assigned(struct container_manager *manager,
                                     const struct container *container,
                                     struct assigned_container *out)
{
    const struct soft *soft = container_soft(manager, container);
    bool wanted = container->intent == INTENT_RUN && !(soft && soft->gone);
    *out = (struct assigned_container){
        .id = container->id,
        .slot = container->slot,
        .revision = container->revision,
        .ports = container->ports,
        .incarnation = container->incarnation,
        .restarts = container->restarts,
        .seq = (int64_t)container->record.seq,
        .intent = wanted                                                 ? ASSIGNED_RUN
                  : container_manager_is_drained(manager, container->id) ? ASSIGNED_STOP
                                                                         : ASSIGNED_DRAIN,
        .failed = container->failed};
}

/* -- commands -- */

struct command {
    struct container_manager *manager;
    write_done *done;
    void *argument;
    const struct record *planned; /* counted; of a dry run */
    bool changed;
    char id[80];
};

static void command_done(void *argument, const struct error *error)
{
    struct command *command = argument;
    const struct container *container = container_manager_find(command->manager, command->id);
    struct write_result result = {.record = command->planned ? command->planned
                                            : container      ? &container->record
                                                             : NULL,
                                  .changed = command->changed};
    command->done(command->argument, error, error ? NULL : &result);
    record_release(command->planned);
    free(command);
}

static const struct container *find_for_change(struct container_manager *manager, const char *id,
                                               const struct write_request *request,
                                               struct error *error)
{
    const struct container *container = find(manager, STATE_HEAD, id);
    if (!state_ready(manager->state, error))
        return NULL;
    if (!container) {
        error_set(error, ERROR_NOT_FOUND, "there is no container \"%s\"", id);
        return NULL;
    }
    return write_check_preconditions(request, &container->record, error) ? container : NULL;
}

static void submit(struct container_manager *manager, struct txn *txn, const char *id,
                   write_done *done, void *argument)
{
    struct command *command = memory_alloc(sizeof *command);
    *command = (struct command){
        .manager = manager, .done = done, .argument = argument, .changed = !txn_is_empty(txn)};
    snprintf(command->id, sizeof command->id, "%s", id);
    if (txn_is_dry_run(txn))
        command->planned = record_take_reference(&find(manager, STATE_HEAD, id)->record);
    txn_submit(txn, command_done, command);
}

bool container_manager_delete(struct container_manager *manager, const char *id,
                              const struct write_request *request, write_done *done, void *argument,
                              struct error *error)
{
    const struct container *container = find_for_change(manager, id, request, error);
    char object[128];
    if (!container)
        return false;
    snprintf(object, sizeof object, "containers/%s", id);
    struct txn *txn = txn_begin(manager->state, request->origin);
    if (container->intent == INTENT_RUN) {
        container_manager_stop(manager, txn, container, "Deleted");
        txn_event(txn, EVENT_NORMAL, "ContainerDeleted", object,
                  "asked to be deleted; it drains, and another takes its place");
        txn_audit(txn, "delete", object, "");
    }
    submit(manager, txn, id, done, argument);
    return true;
}

bool container_manager_restart(struct container_manager *manager, const char *id,
                               const struct write_request *request, write_done *done,
                               void *argument, struct error *error)
{
    const struct container *container = find_for_change(manager, id, request, error);
    char object[128];
    if (!container)
        return false;
    if (container->intent == INTENT_STOP)
        return error_set(error, ERROR_INVALID_STATE, "container \"%s\" is stopping", id);
    snprintf(object, sizeof object, "containers/%s", id);
    struct container copy = container_edit(container);
    copy.incarnation++;
    copy.failed = false;
    struct txn *txn = txn_begin(manager->state, request->origin);
    txn_put(txn, record_create(&container_kind, &copy));
    txn_event(txn, EVENT_NORMAL, "ContainerRestart", object, "a restart was asked for");
    txn_audit(txn, "restart", object, "");
    submit(manager, txn, id, done, argument);
    return true;
}

uint64_t container_manager_restarts(const struct container_manager *manager)
{
    return manager->restarts;
}

void container_manager_count(struct container_manager *manager, int64_t by_state[16])
{
    memcpy(by_state, manager->by_state, sizeof manager->by_state);
}
