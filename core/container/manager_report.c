/* Turning an agent's reports into soft state and records. */
#include "container/impl.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

/* The newest ends first, at most ten. */
static struct list merge_ends(const struct list *fresh, const struct list *kept,
                              struct arena *arena)
{
    uint32_t total = fresh->count + kept->count,
             count = total < CONTAINER_ENDS ? total : CONTAINER_ENDS;
    struct container_end *ends = arena_alloc(arena, count * sizeof *ends);
    for (uint32_t i = 0; i < count; i++)
        ends[i] = i < fresh->count ? *LIST_AT(*fresh, struct container_end, i)
                                   : *LIST_AT(*kept, struct container_end, i - fresh->count);
    return (struct list){.items = ends, .count = count};
}

/* What is durable of a report: counts, ends, failed for good. */
static void keep(struct container_manager *manager, struct txn *txn,
                 const struct container *container, const struct reported_container *reported)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    bool failed = reported->state == CONTAINER_FAILED;
    char object[128];
    if (reported->incarnation <= container->incarnation &&
        reported->restarts <= container->restarts && !reported->ends.count &&
        failed == container->failed)
        return;
    (void)manager;
    struct container copy = container_edit(container);
    if (reported->incarnation > copy.incarnation)
        copy.incarnation = reported->incarnation;
    if (reported->restarts > copy.restarts)
        copy.restarts = reported->restarts;
    copy.failed = failed && container->intent == INTENT_RUN;
    copy.ends = merge_ends(&reported->ends, &container->ends, &arena);
    txn_put(txn, record_create(&container_kind, &copy));
    snprintf(object, sizeof object, "containers/%s", container->id);
    for (uint32_t i = reported->ends.count; i-- > 0;) {
        const struct container_end *end = LIST_AT(reported->ends, struct container_end, i);
        txn_event(txn, EVENT_WARNING, end->reason ? end->reason : "ContainerExited", object,
                  "ended with %s%lld%s%s%s",
                  end->exit_code == NUMBER_NULL ? "unknown code " : "exit code ",
                  (long long)end->exit_code, end->signal ? " by " : "",
                  end->signal ? end->signal : "",
                  failed ? "; its restart policy makes no other" : "");
    }
}

static void set_ready(struct container_manager *manager, struct soft *soft, bool ready)
{
    soft->status.ready = ready;
    if (!ready) {
        soft->status.ready_since_ns = 0;
        soft->status.ready_since_ms = 0;
    } else if (!soft->status.ready_since_ns) {
        soft->status.ready_since_ns = loop_now_ns(manager->loop);
        soft->status.ready_since_ms = loop_wall_ms(manager->loop);
    }
}

static void take_status(struct container_manager *manager, struct soft *soft,
                        const struct container *container,
                        const struct reported_container *reported)
{
    struct container_status *status = &soft->status;
    bool stopping = container->intent == INTENT_STOP;
    bool ready = reported->ready && !stopping;
    char address[sizeof status->address];
    snprintf(address, sizeof address, "%s", reported->address ? reported->address : "");
    bool published = status->ready != ready || strcmp(status->address, address) != 0;
    memcpy(status->address, address, sizeof address);
    snprintf(status->runtime_id, sizeof status->runtime_id, "%s",
             reported->runtime_id ? reported->runtime_id : "");
    status->exit_code = reported->exit_code;
    status->started_at_ms = reported->started_at_ms;
    status->finished_at_ms = reported->finished_at_ms;
    status->next_start_at_ms = reported->next_start_at_ms;
    set_ready(manager, soft, ready);
    soft->reported = true;
    soft->gone = false;
    soft->incarnation = reported->incarnation;
    soft->restarts = reported->restarts;
    if (stopping)
        container_set_state(manager, soft, CONTAINER_STOPPING, container->stop_reason,
                            reported->message);
    else
        container_set_state(manager, soft, reported->state, reported->reason, reported->message);
    if (published)
        manager->events.endpoints_changed(manager->events.argument, container->deployment);
    manager->events.changed(manager->events.argument, container);
}

static void take_container(struct container_manager *manager, struct txn *txn, const char *node,
                           const struct reported_container *reported)
{
    const struct container *container = container_manager_find(manager, reported->id);
    struct soft *soft = container ? container_soft(manager, container) : NULL;
    if (!soft || strcmp(container->node, node) != 0) {
        /* No record here wants it: tell the node so again. */
        manager->events.assign(manager->events.argument, node, reported->id, NULL);
        return;
    }
    if (reported->state < CONTAINER_PENDING || reported->state > CONTAINER_LOST)
        return;
    take_status(manager, soft, container, reported);
    struct container probe = {.record.kind = &container_kind,
                              .id = container->id,
                              .deployment = container->deployment,
                              .slot = container->slot};
    const struct container *head =
        (const struct container *)state_find(manager->state, STATE_HEAD, &probe.record);
    if (head)
        keep(manager, txn, head, reported);
}

/* Stopped and removed as it was asked; or removed behind our back: then another record takes its
 * place at once. */
static void take_gone(struct container_manager *manager, struct txn *txn, const char *id)
{
    const struct container *container = container_manager_find(manager, id);
    char object[96];
    if (!container)
        return;
    struct soft *soft = container_soft(manager, container);
    if (soft)
        soft->gone = true;
    struct container probe = {.record.kind = &container_kind,
                              .id = container->id,
                              .deployment = container->deployment,
                              .slot = container->slot};
    const struct record *head = state_find(manager->state, STATE_HEAD, &probe.record);
    if (!head)
        return;
    if (container->intent == INTENT_RUN) {
        snprintf(object, sizeof object, "containers/%s", id);
        txn_event(txn, EVENT_WARNING, "ContainerRemoved", object,
                  "removed behind our back; another takes its place");
    }
    txn_delete(txn, head);
}

static bool names(const struct report *report, const char *id)
{
    for (uint32_t i = 0; i < report->containers.count; i++)
        if (strcmp(LIST_AT(report->containers, struct reported_container, i)->id, id) == 0)
            return true;
    return false;
}

/* A full report also says what does not exist: a wanted one is still to be made, of a stopping one
 * the node must speak. */
static void take_absent(struct container_manager *manager, const char *node,
                        const struct report *report)
{
    struct state_cursor cursor;
    const struct record *record;
    state_seek(manager->state, STATE_COMMITTED, KIND_CONTAINER, NULL, &cursor);
    while ((record = state_next(&cursor))) {
        const struct container *container = (const struct container *)record;
        if (strcmp(container->node, node) != 0 || names(report, container->id))
            continue;
        struct soft *soft = container_soft(manager, container);
        set_ready(manager, soft, false);
        /* The report may have been on its way before the node heard of it: asked for the end of
         * what it does not have, a node says so. */
        if (container->intent == INTENT_STOP && soft->drained)
            manager->events.assign(manager->events.argument, node, container->id, container);
        else if (!container->failed && container->intent == INTENT_RUN)
            container_set_state(manager, soft, CONTAINER_PENDING, "", "");
        manager->events.endpoints_changed(manager->events.argument, container->deployment);
        manager->events.changed(manager->events.argument, container);
    }
}

/* Refused, what it held must not be forgotten: nodes say things once. Ends of processes are only
 * history, and are not tried again. */
static void report_kept(void *argument, const struct error *error)
{
    struct container_manager *manager = argument;
    if (error && !loop_timer_armed(&manager->retry))
        loop_timer_start(&manager->retry, NS_PER_SECOND);
}

static void submit(struct container_manager *manager, struct txn *txn)
{
    if (txn_is_empty(txn))
        txn_abort(txn);
    else
        txn_submit(txn, report_kept, manager);
}

static void keep_one_again(struct container_manager *manager, struct txn *txn,
                           const struct container *container)
{
    struct soft *soft = container_soft(manager, container);
    const struct container *head =
        (const struct container *)state_find(manager->state, STATE_HEAD, &container->record);
    if (!soft || !head)
        return;
    struct reported_container again = {.id = container->id,
                                       .incarnation = soft->incarnation,
                                       .restarts = soft->restarts,
                                       .state = soft->status.state};
    if (soft->gone)
        take_gone(manager, txn, container->id);
    else if (soft->reported && head->intent == INTENT_RUN && soft->status.state != CONTAINER_LOST)
        keep(manager, txn, head, &again);
}

void container_keep_again(void *argument)
{
    struct container_manager *manager = argument;
    if (!state_ready(manager->state, NULL)) { /* what is on its way may yet be refused */
        loop_timer_start(&manager->retry, NS_PER_SECOND);
        return;
    }
    struct txn *txn = txn_begin(manager->state, (struct origin){.by = "controller/container"});
    struct state_cursor cursor;
    const struct record *record;
    state_seek(manager->state, STATE_COMMITTED, KIND_CONTAINER, NULL, &cursor);
    while ((record = state_next(&cursor)))
        keep_one_again(manager, txn, (const struct container *)record);
    submit(manager, txn);
}

void container_manager_report(struct container_manager *manager, const char *node,
                              const struct report *report)
{
    char by[96];
    snprintf(by, sizeof by, "node/%s", node);
    struct txn *txn = txn_begin(manager->state, (struct origin){.by = by});
    for (uint32_t i = 0; i < report->containers.count; i++)
        take_container(manager, txn, node,
                       LIST_AT(report->containers, struct reported_container, i));
    for (uint32_t i = 0; i < report->gone.count; i++)
        take_gone(manager, txn, *LIST_AT(report->gone, const char *, i));
    if (report->full)
        take_absent(manager, node, report);
    submit(manager, txn);
}

void container_manager_node_lost(struct container_manager *manager, const char *node, bool lost)
{
    struct state_cursor cursor;
    const struct record *record;
    if (!lost)
        return; /* its full report says what is there */
    state_seek(manager->state, STATE_COMMITTED, KIND_CONTAINER, NULL, &cursor);
    while ((record = state_next(&cursor))) {
        const struct container *container = (const struct container *)record;
        struct soft *soft = container_soft(manager, container);
        if (strcmp(container->node, node) != 0 || container->failed)
            continue;
        set_ready(manager, soft, false);
        container_set_state(manager, soft, CONTAINER_LOST, "NodeLost",
                            "its node has not been heard of; another takes its place");
        manager->events.endpoints_changed(manager->events.argument, container->deployment);
        manager->events.changed(manager->events.argument, container);
    }
}
