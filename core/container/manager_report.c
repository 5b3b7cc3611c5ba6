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
    struct container copy = container_edit(container);
    if (reported->incarnation > copy.incarnation)
        copy.incarnation = reported->incarnation;
    if (reported->restarts > copy.restarts) {
        manager->restarts += (uint64_t)(reported->restarts - copy.restarts);
        copy.restarts = reported->restarts;
    }
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
    soft->ready = ready;
    if (!ready) {
        soft->ready_since_ns = 0;
        soft->ready_since_ms = 0;
    } else if (!soft->ready_since_ns) {
        soft->ready_since_ns = loop_now_ns(manager->loop);
        soft->ready_since_ms = loop_wall_ms(manager->loop);
    }
}

static void set_times(struct soft *soft, const struct reported_container *reported)
{
    soft->started_at_ms = reported->started_at_ms;
    bool any = reported->exit_code != NUMBER_NULL || reported->finished_at_ms ||
               reported->next_start_at_ms || reported->start_failures;
    if (!any) {
        memory_free_pointer(&soft->times);
        soft->times = NULL;
        return;
    }
    if (!soft->times)
        soft->times = memory_alloc(sizeof *soft->times);
    *soft->times = (struct soft_times){.exit_code = reported->exit_code,
                                       .finished_at_ms = reported->finished_at_ms,
                                       .next_start_at_ms = reported->next_start_at_ms,
                                       .start_failures = reported->start_failures};
}

static void take_status(struct container_manager *manager, struct soft *soft,
                        const struct reported_container *reported)
{
    const struct container *container = soft->record;
    bool stopping = container->intent == INTENT_STOP;
    bool ready = reported->ready && !stopping;
    const char *address = reported->address ? reported->address : "";
    bool published = soft->ready != ready || strcmp(soft_address(soft), address) != 0;
    soft_set_words(soft,
                   &(struct words){.reason = stopping ? container->stop_reason : reported->reason,
                                   .message = reported->message,
                                   .address = address,
                                   .runtime_id = reported->runtime_id});
    set_times(soft, reported);
    set_ready(manager, soft, ready);
    soft->reported = true;
    soft->incarnation = (int32_t)reported->incarnation;
    soft->restarts = (int32_t)reported->restarts;
    container_move(manager, soft,
                   stopping ? CONTAINER_STOPPING : (enum container_state)reported->state);
    if (published)
        manager->events.endpoints_changed(manager->events.argument, container->deployment);
    manager->events.changed(manager->events.argument, container);
}

/* Nothing of ours will end that: whoever holds the name must let it go. Told once. */
static void note_name_taken(struct txn *txn, const struct soft *soft,
                            const struct reported_container *reported)
{
    static const char taken[] = "NameTaken";
    char object[128];
    if (soft->record->intent != INTENT_RUN || !reported->reason ||
        strcmp(reported->reason, taken) != 0 || strcmp(soft_reason(soft), taken) == 0)
        return;
    snprintf(object, sizeof object, "containers/%s", soft->record->id);
    txn_event(txn, EVENT_WARNING, taken, object, "%s", reported->message);
}

static void take_container(struct container_manager *manager, struct txn *txn, const char *node,
                           const struct reported_container *reported)
{
    struct soft *soft = soft_find(manager, reported->id);
    const struct container *container = soft ? soft->record : NULL;
    if (!soft || strcmp(container->node, node) != 0) {
        /* No record here wants it: tell the node so again. */
        manager->events.assign(manager->events.argument, node, reported->id, NULL);
        return;
    }
    if (reported->state < CONTAINER_PENDING || reported->state > CONTAINER_LOST || soft->gone)
        return;
    soft->in_table.owner_word = manager->full_reports;
    note_name_taken(txn, soft, reported);
    take_status(manager, soft, reported);
    const struct container *head =
        (const struct container *)state_head_of(manager->state, &container->record);
    if (head)
        keep(manager, txn, head, reported);
}

/* Removed behind our back: nobody is sent there any more and a rollout counts it no more, also
 * while the store takes nothing. */
static void serves_no_more(struct container_manager *manager, struct soft *soft)
{
    const struct container *container = soft->record;
    set_ready(manager, soft, false);
    container_set_state(manager, soft, CONTAINER_EXITED, "ContainerRemoved",
                        "removed behind our back; another takes its place");
    manager->events.endpoints_changed(manager->events.argument, container->deployment);
    manager->events.changed(manager->events.argument, container);
}

/* Stopped and removed as it was asked; or removed behind our back: then another record takes its
 * place at once. The record goes, however long the store takes: until then nobody is told to make
 * it again (container_manager_fill_assigned), and no later word of the node brings it back. */
static void take_gone(struct container_manager *manager, struct txn *txn, const char *node,
                      const char *id)
{
    struct soft *soft = soft_find(manager, id);
    const struct container *container = soft ? soft->record : NULL;
    char object[96];
    if (!container || strcmp(container->node, node) != 0)
        return;
    if (!soft->gone && container->intent == INTENT_RUN)
        serves_no_more(manager, soft);
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

/* A full report also says what does not exist: a wanted one is still to be made, of a stopping one
 * the node must speak. */
static void take_absent(struct container_manager *manager, const char *node)
{
    struct soft *next;
    for (struct soft *soft = soft_of_node(manager, node); soft; soft = next) {
        const struct container *container = soft->record;
        next = soft->next_on_node;
        if (soft->gone || soft->in_table.owner_word == manager->full_reports)
            continue;
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

/* Before the next container: what would be more than the store takes at once goes in parts. */
static struct txn *go_on(struct container_manager *manager, struct txn *txn, const char *by)
{
    if (!txn_is_full(txn))
        return txn;
    submit(manager, txn);
    return txn_begin(manager->state, (struct origin){.by = by});
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
                                       .state = soft->state};
    if (soft->gone)
        take_gone(manager, txn, container->node, container->id);
    else if (soft->reported && head->intent == INTENT_RUN && soft->state != CONTAINER_LOST)
        keep(manager, txn, head, &again);
}

void container_keep_again(void *argument)
{
    struct container_manager *manager = argument;
    if (!state_ready(manager->state, NULL)) { /* what is on its way may yet be refused */
        loop_timer_start(&manager->retry, NS_PER_SECOND);
        return;
    }
    container_keep_from(manager, NULL);
    loop_slice_start(&manager->keeping);
}

void container_keep_from(struct container_manager *manager, const struct record *after)
{
    const struct record *before = manager->kept_up_to;
    manager->kept_up_to = after ? record_take_reference(after) : NULL;
    record_release(before);
}

bool container_keep_some(void *argument)
{
    enum { CONTAINERS_AT_ONCE = 500 };
    static const char by[] = "controller/container";
    struct container_manager *manager = argument;
    const struct record *record = NULL, *last = NULL;
    struct state_cursor cursor;
    struct txn *txn = txn_begin(manager->state, (struct origin){.by = by});
    state_seek(manager->state, STATE_COMMITTED, KIND_CONTAINER, manager->kept_up_to, &cursor);
    for (int i = 0; i < CONTAINERS_AT_ONCE && (record = state_next(&cursor)); i++) {
        last = record;
        if (manager->kept_up_to && container_kind.compare(record, manager->kept_up_to) == 0)
            continue;
        txn = go_on(manager, txn, by);
        keep_one_again(manager, txn, (const struct container *)record);
    }
    container_keep_from(manager, record ? last : NULL);
    submit(manager, txn);
    return record != NULL;
}

void container_manager_report(struct container_manager *manager, const char *node,
                              const struct report *report)
{
    char by[96];
    snprintf(by, sizeof by, "node/%s", node);
    struct txn *txn = txn_begin(manager->state, (struct origin){.by = by});
    if (report->full && !++manager->full_reports)
        manager->full_reports++; /* 0 is the word of those never named */
    for (uint32_t i = 0; i < report->containers.count; i++) {
        txn = go_on(manager, txn, by);
        take_container(manager, txn, node,
                       LIST_AT(report->containers, struct reported_container, i));
    }
    for (uint32_t i = 0; i < report->gone.count; i++) {
        txn = go_on(manager, txn, by);
        take_gone(manager, txn, node, *LIST_AT(report->gone, const char *, i));
    }
    if (report->full)
        take_absent(manager, node);
    submit(manager, txn);
}

void container_manager_node_lost(struct container_manager *manager, const char *node, bool lost)
{
    struct soft *next;
    if (!lost)
        return; /* its full report says what is there */
    for (struct soft *soft = soft_of_node(manager, node); soft; soft = next) {
        const struct container *container = soft->record;
        next = soft->next_on_node;
        if (container->failed)
            continue;
        set_ready(manager, soft, false);
        container_set_state(manager, soft, CONTAINER_LOST, "NodeLost",
                            "its node has not been heard of; another takes its place");
        manager->events.endpoints_changed(manager->events.argument, container->deployment);
        manager->events.changed(manager->events.argument, container);
    }
}

void container_manager_node_released(struct container_manager *manager, const char *node)
{
    for (struct soft *soft = soft_of_node(manager, node); soft; soft = soft->next_on_node)
        manager->events.changed(manager->events.argument, soft->record);
}
