#include "store/impl.h"
#include "store/idempotency.h"
#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEQ_STEP = 1 << 20 };

static void turn_end(struct loop_task *task)
{
    struct state *state = CONTAINER_OF(task, struct state, turn_end);
    state->turn_end_posted = false;
    size_t count = state->garbage_count;
    const struct record **garbage = state->garbage;
    state->garbage = NULL;
    state->garbage_count = state->garbage_room = 0;
    for (size_t i = 0; i < count; i++)
        record_release(garbage[i]);
    free(garbage);
    state_flush(state);
}

void state_arrange_turn_end(struct state *state)
{
    if (state->turn_end_posted)
        return;
    state->turn_end_posted = true;
    loop_post(state->loop, &state->turn_end);
}

void state_throw_away(struct state *state, const struct record *record)
{
    if (!record)
        return;
    if (state->garbage_count == state->garbage_room) {
        state->garbage_room = state->garbage_room ? state->garbage_room * 2 : 64;
        state->garbage =
            memory_resize(state->garbage, state->garbage_room * sizeof *state->garbage);
    }
    state->garbage[state->garbage_count++] = record;
    state_arrange_turn_end(state);
}

struct state *state_create(const struct state_config *config)
{
    struct state *state = memory_alloc(sizeof *state);
    state->config = *config;
    state->loop = config->loop;
    state->limits = (struct orch_store_limits){.max_operations = UINT64_MAX}; /* until it is open */
    state->event_limit = config->event_limit ? config->event_limit : 10000;
    for (int i = 0; i < KIND_COUNT; i++) {
        const struct record_kind *kind = config->kinds[i];
        if (!kind && i == KIND_IDEMPOTENCY)
            kind = &idempotency_kind;
        assert(kind && kind->id == (enum record_kind_id)i);
        state->indexes[i].kind = kind;
    }
    state->turn_end = (struct loop_task){.run = turn_end, .name = "state turn"};
    loop_slice_init(&state->commits, config->loop, "commit", state_commit_some, state);
    state->lane = loop_lane_create(config->loop);
    snprintf(state->trouble, sizeof state->trouble, "the state is being loaded");
    return state;
}

void state_destroy(struct state *state)
{
    if (!state)
        return;
    loop_lane_destroy(state->lane);
    loop_slice_stop(&state->commits);
    batch_drop_asides(state);
    for (size_t i = 0; i < state->garbage_count; i++)
        record_release(state->garbage[i]);
    free(state->garbage);
    for (int i = 0; i < KIND_COUNT; i++)
        index_finish(&state->indexes[i]);
    free(state);
}

const char *state_cluster_uid(const struct state *state)
{
    return state->cluster_uid;
}

uint64_t state_fence(const struct state *state)
{
    return state->fence;
}

uint64_t state_seq(const struct state *state)
{
    return state->committed_seq;
}

uint64_t state_settled_seq(const struct state *state)
{
    return state->committing || state->at_store || state->forming ? state->head : state->seq;
}

uint64_t state_next_seq(struct state *state)
{
    uint64_t seq = ++state->seq;
    state->committed_seq = seq > state->committed_seq ? seq : state->committed_seq;
    if (seq + SEQ_STEP / 4 > state->seq_bound)
        state_raise_bound(state);
    return seq;
}

static void bound_raised(void *argument, const struct error *error)
{
    struct state *state = argument;
    state->raising_bound = false;
    if (error)
        return; /* tried again with the next number */
    struct meta probe = {.record.kind = &meta_kind};
    const struct meta *meta =
        (const struct meta *)state_find(state, STATE_COMMITTED, &probe.record);
    state->seq_bound = (uint64_t)meta->seq_bound;
}

void state_raise_bound(struct state *state)
{
    if (state->raising_bound || !state->opened)
        return;
    state->raising_bound = true;
    struct meta probe = {.record.kind = &meta_kind};
    const struct meta *old = (const struct meta *)state_find(state, STATE_HEAD, &probe.record);
    struct meta meta;
    record_copy_fields(&old->record, &meta, sizeof meta);
    meta.seq_bound = (int64_t)state->seq + SEQ_STEP;
    struct txn *txn = txn_begin(state, (struct origin){.by = "state"});
    txn_put(txn, record_create(&meta_kind, &meta));
    txn_submit(txn, bound_raised, state);
}

const struct record *state_find(struct state *state, enum state_view view,
                                const struct record *probe)
{
    struct index_entry *entry = index_find(&state->indexes[probe->kind->id], probe);
    if (!entry)
        return NULL;
    return view == STATE_HEAD ? entry->head : entry->committed;
}

const struct record *state_head_of(struct state *state, const struct record *committed)
{
    return state->indexes[committed->kind->id].pending ? state_find(state, STATE_HEAD, committed)
                                                       : committed;
}

_Static_assert(sizeof(struct index_position) <= sizeof(((struct state_cursor *)0)->impl),
               "the position fits");

void state_seek(struct state *state, enum state_view view, enum record_kind_id kind,
                const struct record *probe, struct state_cursor *out)
{
    *out = (struct state_cursor){.state = state, .view = view, .kind = kind};
    index_seek(&state->indexes[kind], probe, (struct index_position *)(void *)out->impl);
}

const struct record *state_next(struct state_cursor *cursor)
{
    struct index_position *position = (struct index_position *)(void *)cursor->impl;
    const struct index *index = &cursor->state->indexes[cursor->kind];
    struct index_entry *entry;
    while ((entry = index_at(index, position))) {
        position->entry++;
        const struct record *record = cursor->view == STATE_HEAD ? entry->head : entry->committed;
        if (record)
            return record;
    }
    return NULL;
}

size_t state_count(const struct state *state, enum record_kind_id kind)
{
    return state->indexes[kind].committed_count;
}

bool state_ready(const struct state *state, struct error *why)
{
    if (state->trouble[0])
        return error_set(why, ERROR_UNAVAILABLE, "%s", state->trouble);
    if (state->closing)
        return error_set(why, ERROR_UNAVAILABLE, "the daemon is ending");
    if (state->at_store && state->forming &&
        (state->forming->operations >= BATCH_OPERATIONS || state->forming->bytes >= BATCH_BYTES))
        return error_set(why, ERROR_RATE_LIMITED, "too many changes are under way; try again");
    return true;
}

void state_notify_ready(struct state *state, struct loop_task *task)
{
    task->node.next = state->waiting;
    state->waiting = &task->node;
}

void state_tell_ready(struct state *state)
{
    if (!state_ready(state, NULL))
        return;
    struct queue_node *node = state->waiting;
    state->waiting = NULL;
    while (node) {
        struct queue_node *next = node->next;
        loop_post(state->loop, CONTAINER_OF(node, struct loop_task, node));
        node = next;
    }
}

void state_subscribe(struct state *state, struct state_subscriber *subscriber)
{
    struct state_subscriber **link = &state->subscribers;
    while (*link)
        link = &(*link)->next;
    *link = subscriber;
}

void state_unsubscribe(struct state *state, struct state_subscriber *subscriber)
{
    struct state_subscriber **link = &state->subscribers;
    while (*link && *link != subscriber)
        link = &(*link)->next;
    if (*link)
        *link = subscriber->next;
}

void state_read_figures(const struct state *state, struct state_figures *out)
{
    *out = state->figures;
    out->pending_operations = (state->forming ? state->forming->operations : 0) +
                              (state->at_store ? state->at_store->operations : 0);
}

struct closing {
    struct loop_job job;
    struct state *state;
};

static void close_store(struct loop_job *job)
{
    struct state *state = CONTAINER_OF(job, struct closing, job)->state;
    if (state->store)
        state->config.store->close(state->store);
    state->store = NULL;
}

static void store_closed(struct loop_job *job)
{
    struct closing *closing = CONTAINER_OF(job, struct closing, job);
    struct state *state = closing->state;
    free(closing);
    state->closed(state->closed_argument);
}

void state_maybe_close(struct state *state)
{
    if (!state->closed || !state->closing || state->committing || state->at_store || state->forming)
        return;
    state->closing = true;
    struct closing *closing = memory_alloc(sizeof *closing);
    *closing = (struct closing){
        .state = state, .job = {.work = close_store, .done = store_closed, .name = "store close"}};
    if (!loop_lane_offload(state->lane, &closing->job)) {
        close_store(&closing->job);
        store_closed(&closing->job);
    }
}

void state_close(struct state *state, void (*closed)(void *argument), void *argument)
{
    state->closing = true;
    state->closed = closed;
    state->closed_argument = argument;
    state_flush(state);
    state_maybe_close(state);
}
