/* What users ask of nodes. */
#include "node/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct command {
    struct node_registry *registry;
    write_done *done;
    void *argument;
    const struct record *removed, *planned; /* counted; planned: of a dry run */
    bool changed;
    char name[64];
};

static void command_done(void *argument, const struct error *error)
{
    struct command *command = argument;
    const struct node *node = node_registry_find(command->registry, command->name);
    struct write_result result = {.record = command->planned   ? command->planned
                                            : command->removed ? command->removed
                                            : node             ? &node->record
                                                               : NULL,
                                  .gone = command->removed != NULL,
                                  .changed = command->changed};
    command->done(command->argument, error, error ? NULL : &result);
    record_release(command->removed);
    record_release(command->planned);
    free(command);
}

static void submit(struct node_registry *registry, struct txn *txn, const char *name,
                   const struct record *removed, write_done *done, void *argument)
{
    struct command *command = memory_alloc(sizeof *command);
    *command = (struct command){.registry = registry,
                                .done = done,
                                .argument = argument,
                                .removed = removed ? record_take_reference(removed) : NULL,
                                .changed = !txn_is_empty(txn)};
    snprintf(command->name, sizeof command->name, "%s", name);
    if (txn_is_dry_run(txn) && !removed)
        command->planned = record_take_reference(&registry_head(registry, name)->record);
    txn_submit(txn, command_done, command);
}

static const struct node *find_for_change(struct node_registry *registry, const char *name,
                                          const struct write_request *request, struct error *error)
{
    const struct node *node = registry_head(registry, name);
    if (!state_ready(registry->state, error))
        return NULL;
    if (!node) {
        error_set(error, ERROR_NOT_FOUND, "there is no node \"%s\"", name);
        return NULL;
    }
    return write_check_preconditions(request, &node->record, error) ? node : NULL;
}

static void put(struct node_registry *registry, struct txn *txn, struct node *edited,
                const char *reason, const char *verb, const char *message)
{
    char object[96];
    edited->record.version++;
    edited->record.updated_at_ms = loop_wall_ms(registry->loop);
    txn_put(txn, record_create(&node_kind, edited));
    snprintf(object, sizeof object, "nodes/%s", edited->name);
    txn_event(txn, EVENT_NORMAL, reason, object, "%s", message);
    txn_audit(txn, verb, object, message);
}

static bool same_labels(const struct list *a, const struct list *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct map_entry *x = LIST_AT(*a, struct map_entry, i);
        const struct map_entry *y = LIST_AT(*b, struct map_entry, i);
        if (strcmp(x->key, y->key) != 0 || strcmp(x->value, y->value) != 0)
            return false;
    }
    return true;
}

bool node_registry_patch(struct node_registry *registry, const char *name,
                         const struct list *labels, const struct write_request *request,
                         write_done *done, void *argument, struct error *error)
{
    const struct node *node = find_for_change(registry, name, request, error);
    if (!node)
        return false;
    struct txn *txn = txn_begin(registry->state, request->origin);
    if (!same_labels(&node->labels, labels)) {
        struct node edited;
        record_copy_fields(&node->record, &edited, sizeof edited);
        edited.labels = *labels;
        put(registry, txn, &edited, "NodeLabelled", "patch", "its labels changed");
    }
    submit(registry, txn, name, NULL, done, argument);
    return true;
}

bool node_registry_set_schedulable(struct node_registry *registry, const char *name,
                                   bool schedulable, const struct write_request *request,
                                   write_done *done, void *argument, struct error *error)
{
    const struct node *node = find_for_change(registry, name, request, error);
    if (!node)
        return false;
    struct txn *txn = txn_begin(registry->state, request->origin);
    if (node->schedulable != schedulable || (schedulable && node->draining)) {
        struct node edited;
        record_copy_fields(&node->record, &edited, sizeof edited);
        edited.schedulable = schedulable;
        if (schedulable) {
            edited.draining = false;
            edited.drain_deadline_ms = 0;
        }
        put(registry, txn, &edited, schedulable ? "NodeUncordoned" : "NodeCordoned",
            schedulable ? "uncordon" : "cordon",
            schedulable ? "it takes new containers" : "it takes no new containers");
    }
    submit(registry, txn, name, NULL, done, argument);
    return true;
}

bool node_registry_drain(struct node_registry *registry, const char *name, uint64_t deadline_ns,
                         const struct write_request *request, write_done *done, void *argument,
                         struct error *error)
{
    const struct node *node = find_for_change(registry, name, request, error);
    if (!node)
        return false;
    struct txn *txn = txn_begin(registry->state, request->origin);
    if (!node->draining) {
        struct node edited;
        record_copy_fields(&node->record, &edited, sizeof edited);
        edited.schedulable = false;
        edited.draining = true;
        edited.drain_deadline_ms =
            deadline_ns ? loop_wall_ms(registry->loop) + (int64_t)(deadline_ns / 1000000) : 0;
        put(registry, txn, &edited, "NodeDraining", "drain", "its containers move to other nodes");
    }
    submit(registry, txn, name, NULL, done, argument);
    return true;
}

static bool is_empty(struct node_registry *registry, const struct node *node)
{
    const struct node_events *events = &registry->events;
    return node->draining && !events->next_container(events->argument, node->name, NULL);
}

bool node_registry_delete(struct node_registry *registry, const char *name,
                          const struct write_request *request, write_done *done, void *argument,
                          struct error *error)
{
    char object[96];
    const struct node *node = find_for_change(registry, name, request, error);
    if (!node)
        return false;
    if (node_registry_status(registry, name)->state != NODE_LOST && !is_empty(registry, node))
        return error_set(error, ERROR_INVALID_STATE,
                         "node \"%s\" is neither lost nor drained; drain it first", name);
    struct txn *txn = txn_begin(registry->state, request->origin);
    snprintf(object, sizeof object, "nodes/%s", name);
    txn_delete(txn, &node->record);
    txn_event(txn, EVENT_NORMAL, "NodeDeleted", object, "it is no part of the cluster any more");
    txn_audit(txn, "delete", object, "");
    submit(registry, txn, name, &node->record, done, argument);
    return true;
}
