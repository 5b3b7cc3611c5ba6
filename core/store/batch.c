/* Batches: one at the store, one forming. */
#include "store/impl.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void batch_destroy(struct batch *batch)
{
    free(batch);
}

/* -- on the store thread -- */

/* Where one operation's key and value lie in the text of its batch. */
struct place {
    size_t key, value, end;
};

static struct place encode_change(const struct change *change, struct text *out)
{
    const struct record *record = change->after ? change->after : change->before;
    struct place place = {.key = out->length};
    text_append_string(out, record->kind->prefix);
    record->kind->key(record, out);
    place.value = out->length;
    if (change->after)
        schema_write(record->kind->type, record, SCHEMA_STORED, out);
    place.end = out->length;
    return place;
}

static void encode_batch(const struct batch *batch, struct place *places, struct text *out)
{
    size_t at = 0;
    text_reserve(out, batch->bytes);
    for (const struct txn *txn = batch->first; txn; txn = txn->next)
        for (size_t i = 0; i < txn->count; i++)
            places[at++] = encode_change(&txn->changes[i], out);
}

static void fill_txn(const struct txn *txn, const struct place *places, const char *text,
                     struct orch_store_op *ops)
{
    for (size_t i = 0; i < txn->count; i++) {
        const struct place *place = &places[i];
        ops[i] = (struct orch_store_op){.kind = txn->changes[i].after ? ORCH_STORE_PUT
                                                                      : ORCH_STORE_DELETE,
                                        .key = {text + place->key, place->value - place->key},
                                        .value = {text + place->value, place->end - place->value}};
    }
}

static void apply(struct loop_job *job)
{
    struct batch *batch = CONTAINER_OF(job, struct batch, job);
    struct state *state = batch->state;
    size_t txn_count = 0, at = 0, n = 0;
    CLEANUP(text_finish) struct text text = {0};
    for (struct txn *txn = batch->first; txn; txn = txn->next)
        txn_count++;
    struct orch_store_txn *txns = memory_alloc(txn_count * sizeof *txns);
    struct orch_store_op *ops = memory_alloc((batch->operations + 1) * sizeof *ops);
    struct place *places = memory_alloc((batch->operations + 1) * sizeof *places);
    encode_batch(batch, places, &text);
    for (struct txn *txn = batch->first; txn; txn = txn->next, n++) {
        fill_txn(txn, places + at, text_string(&text), ops + at);
        txns[n] = (struct orch_store_txn){.size = sizeof *txns,
                                          .expected_head = txn->expected_head,
                                          .new_head = txn->new_head,
                                          .fence = state->fence,
                                          .ops = {ops + at, (uint32_t)txn->count, sizeof *ops}};
        at += txn->count;
    }
    struct orch_store_batch request = {.size = sizeof request,
                                       .txns = {txns, (uint32_t)txn_count, sizeof *txns}};
    struct orch_error error = {.size = sizeof error};
    if (FAILPOINT_FAILS(store_before_apply))
        batch->status = ORCH_E_IO;
    else
        batch->status = state->config.store->apply(state->store, &request, &batch->applied, &error);
    if (FAILPOINT_FAILS(store_after_apply)) {
        batch->status = ORCH_E_UNKNOWN;
        batch->applied = 0;
    }
    if (batch->applied > txn_count)
        batch->applied = (uint32_t)txn_count;
    snprintf(batch->message, sizeof batch->message, "%s", error.message);
    free(places);
    free(ops);
    free(txns);
}

static void read_back(struct loop_job *job)
{
    struct batch *batch = CONTAINER_OF(job, struct batch, job);
    struct orch_store_head head = {.size = sizeof head};
    struct orch_error error = {.size = sizeof error};
    batch->head_known =
        !FAILPOINT_FAILS(store_before_read_back) &&
        batch->state->config.store->head(batch->state->store, &head, &error) == ORCH_OK;
    batch->head = head.head;
}

/* -- on the loop -- */

static struct txn *reversed(struct txn *txn)
{
    struct txn *first = NULL;
    while (txn) {
        struct txn *next = txn->next;
        txn->next = first;
        first = txn;
        txn = next;
    }
    return first;
}

/* The last first: each is built on those before it. */
static void undo_all(struct txn *txn)
{
    struct txn *last = reversed(txn);
    for (struct txn *at = last; at; at = at->next)
        txn_undo(at);
    (void)reversed(last);
}

static void refuse_all(struct state *state, struct txn *first, const struct error *error)
{
    while (first) {
        struct txn *next = first->next;
        state->figures.refused++;
        txn_refuse(first, error);
        first = next;
    }
}

/* Drops what the store was not given, after `rest` of what it was. */
static void drop(struct state *state, struct txn *rest, const struct error *error)
{
    struct batch *forming = state->forming;
    state->forming = NULL;
    undo_all(forming ? forming->first : NULL);
    undo_all(rest);
    refuse_all(state, rest, error);
    if (forming) {
        refuse_all(state, forming->first, error);
        batch_destroy(forming);
    }
}

/* The rest of the batch did not happen, nor may what was built on it. */
static void refuse_rest(struct state *state, struct txn *rest, enum error_code code,
                        const char *message)
{
    struct error error;
    error_set(&error, code, "the store refused the change: %s", message);
    if (state->at_store) /* a `done` may submit anew: on what is in */
        state->at_store->new_head = state->head;
    drop(state, rest, &error);
}

static struct txn *commit_first(struct state *state, struct txn *txn)
{
    struct txn *next = txn->next;
    state->head = txn->new_head;
    state->figures.transactions++;
    state->figures.operations += txn->count;
    txn_commit(txn);
    return next;
}

static struct txn *commit_prefix(struct state *state, struct txn *txn, uint32_t count)
{
    for (; count && txn; count--)
        txn = commit_first(state, txn);
    return txn;
}

static void finish_batch(struct state *state, struct batch *batch)
{
    uint64_t took = loop_now_ns(state->loop) - batch->begun_ns;
    state->figures.commits++;
    state->figures.last_commit_ns = took;
    durations_note(&state->figures.commits_took, took);
    if (took > state->figures.longest_commit_ns)
        state->figures.longest_commit_ns = took;
    if (state->at_store == batch)
        state->at_store = NULL;
    if (state->committing == batch)
        state->committing = NULL;
    batch_destroy(batch);
    state_flush(state);
    state_tell_ready(state);
    state_maybe_close(state);
}

/* Nothing is written until it has been read, and nobody waits for that: those of the batch are told
 * that it is not known, those after it that it did not happen. */
static void stay_unknown(struct state *state, struct batch *batch)
{
    struct error error;
    error_set(&error, ERROR_UNKNOWN_OUTCOME,
              "the store does not answer; whether the change was made is not known");
    for (struct txn *txn = batch->first; txn; txn = txn->next)
        txn_tell(txn, &error);
    error_set(&error, ERROR_UNAVAILABLE, "the store does not answer; the change was not made");
    drop(state, NULL, &error);
    loop_timer_start(&state->readback, NS_PER_SECOND);
}

/* How many transactions of the batch are in, by the head that was read back. False: that head is of
 * none of them, so another daemon has written since; what became of ours will not be known. */
static bool count_applied(const struct batch *batch, uint32_t *count)
{
    *count = 0;
    if (batch->head == batch->state->head)
        return true;
    for (const struct txn *txn = batch->first; txn; txn = txn->next) {
        ++*count;
        if (batch->head == txn->new_head)
            return true;
    }
    return false;
}

/* Another daemon has written: nothing of ours will be durable again. */
static void become_fenced(struct state *state, const char *message)
{
    bool first = !state->fenced;
    state->fenced = true;
    snprintf(state->trouble, sizeof state->trouble, "another daemon has written: %s", message);
    if (first && state->config.fenced)
        state->config.fenced(state->config.argument);
}

static void read_back_done(struct loop_job *job)
{
    struct batch *batch = CONTAINER_OF(job, struct batch, job);
    struct state *state = batch->state;
    FAILPOINT(store_after_read_back);
    if (!batch->head_known) {
        stay_unknown(state, batch);
        return;
    }
    uint32_t count;
    bool ours = count_applied(batch, &count);
    LOG_INFO("the store's head was read back", LOG_INT("head", batch->head));
    state->unknown = false;
    state->trouble[0] = 0;
    if (!ours)
        become_fenced(state, "its head is none of ours");
    struct txn *rest = ours ? commit_prefix(state, batch->first, count) : batch->first;
    batch->first = NULL;
    if (rest)
        refuse_rest(state, rest, ours ? ERROR_UNAVAILABLE : ERROR_UNKNOWN_OUTCOME, batch->message);
    finish_batch(state, batch);
}

static void start_read_back(void *argument)
{
    struct state *state = argument;
    state->at_store->job =
        (struct loop_job){.work = read_back, .done = read_back_done, .name = "store head"};
    if (!loop_lane_offload(state->lane, &state->at_store->job))
        loop_timer_start(&state->readback, NS_PER_SECOND);
}

static void take_answer(struct state *state);

bool state_commit_some(void *argument)
{
    struct state *state = argument;
    struct batch *batch = state->committing;
    size_t done = 0;
    while (batch->first && done < COMMIT_OPERATIONS) {
        done += batch->first->count;
        batch->first = commit_first(state, batch->first);
    }
    if (batch->first)
        return true;
    finish_batch(state, batch);
    if (!state->applied_meanwhile)
        return false;
    state->applied_meanwhile = false;
    take_answer(state);
    return state->committing != NULL; /* the next one's in turns of their own */
}

static void applied(struct loop_job *job)
{
    struct state *state = CONTAINER_OF(job, struct batch, job)->state;
    FAILPOINT(store_before_done);
    if (state->committing) {
        state->applied_meanwhile = true; /* in order */
        return;
    }
    take_answer(state);
    if (state->committing && state_commit_some(state))
        loop_slice_start(&state->commits);
}

/* All of it is in: the store gets the next one while this one is committed. */
static void begin_commits(struct state *state, struct batch *batch)
{
    state->at_store = NULL;
    state->committing = batch;
    state_flush(state);
}

static uint32_t count_txns(const struct batch *batch)
{
    uint32_t count = 0;
    for (const struct txn *txn = batch->first; txn; txn = txn->next)
        count++;
    return count;
}

static void take_answer(struct state *state)
{
    struct batch *batch = state->at_store;
    if (batch->status == ORCH_OK) {
        assert(batch->applied == count_txns(batch) && "the store said OK and applied less");
        begin_commits(state, batch);
        return;
    }
    struct txn *rest = commit_prefix(state, batch->first, batch->applied);
    batch->first = rest;
    LOG_ERROR("the store refused a batch", LOG_INT("status", batch->status),
              LOG_STR("message", batch->message), LOG_INT("applied", batch->applied));
    if (batch->status == ORCH_E_UNKNOWN || batch->status == ORCH_PENDING) {
        state->unknown = true;
        snprintf(state->trouble, sizeof state->trouble, "the outcome of a write is not known: %s",
                 batch->message);
        if (!state->readback.loop)
            loop_timer_init(&state->readback, state->loop, "store head", start_read_back, state);
        start_read_back(state);
        return;
    }
    if (batch->status == ORCH_E_FENCED || batch->status == ORCH_E_CONFLICT)
        become_fenced(state, batch->message);
    refuse_rest(state, rest, ERROR_UNAVAILABLE, batch->message);
    batch->first = NULL;
    finish_batch(state, batch);
}

void state_flush(struct state *state)
{
    struct batch *batch = state->forming;
    if (state->at_store || !batch || !batch->first || state->unknown)
        return;
    FAILPOINT(store_batch_closed);
    state->forming = NULL;
    state->at_store = batch;
    batch->begun_ns = loop_now_ns(state->loop);
    batch->job = (struct loop_job){.work = apply, .done = applied, .name = "store apply"};
    if (loop_lane_offload(state->lane, &batch->job))
        return;
    struct txn *first = batch->first;
    state->at_store = NULL;
    batch_destroy(batch);
    refuse_rest(state, first, ERROR_UNAVAILABLE, "its thread does not run");
}

static struct batch *take_aside(struct loop_task *task)
{
    struct batch *holder = CONTAINER_OF(task, struct batch, job.completion);
    struct batch **link = &holder->state->asides;
    while (*link != holder)
        link = &(*link)->next;
    *link = holder->next;
    return holder;
}

void batch_drop_asides(struct state *state)
{
    while (state->asides) {
        struct batch *holder = take_aside(&state->asides->job.completion);
        txn_destroy(holder->first);
        batch_destroy(holder);
    }
}

static void empty_done(struct loop_task *task)
{
    struct batch *holder = take_aside(task);
    struct txn *txn = holder->first;
    txn_tell(txn, NULL);
    txn_destroy(txn);
    batch_destroy(holder);
}

static void refused_done(struct loop_task *task)
{
    struct batch *holder = take_aside(task);
    refuse_all(holder->state, holder->first, &holder->refusal);
    batch_destroy(holder);
}

/* Ends without the store, in a later turn. */
static void submit_aside(struct txn *txn, void (*run)(struct loop_task *task), const char *name,
                         const struct error *refusal)
{
    struct batch *holder = memory_alloc(sizeof *holder);
    txn->next = NULL;
    holder->first = txn;
    if (refusal)
        holder->refusal = *refusal;
    holder->state = txn->state;
    holder->next = txn->state->asides;
    txn->state->asides = holder;
    holder->job.completion = (struct loop_task){.run = run, .name = name};
    loop_post(txn->state->loop, &holder->job.completion);
}

void txn_refuse_aside(struct txn *txn, const struct error *error)
{
    submit_aside(txn, refused_done, "refused transaction", error);
}

void txn_submit(struct txn *txn, void (*done)(void *argument, const struct error *error),
                void *argument)
{
    struct state *state = txn->state;
    FAILPOINT(store_submitted);
    txn->done = done;
    txn->argument = argument;
    if (txn->group) {
        txn_group_take(txn->group, txn);
        return;
    }
    if (txn->dry_run) {
        txn_take_back(txn);
        submit_aside(txn, empty_done, "dry run", NULL);
        return;
    }
    if (!txn->count && !state->forming && !state->at_store && !state->committing) {
        submit_aside(txn, empty_done, "empty transaction", NULL);
        return;
    }
    struct error refusal;
    if (state->closing || !txn_within_limits(txn, &refusal)) {
        if (state->closing)
            error_set(&refusal, ERROR_UNAVAILABLE, "the daemon is ending");
        txn_take_back(txn);
        txn_refuse_aside(txn, &refusal);
        return;
    }
    if (!state->forming) {
        state->forming = memory_alloc(sizeof *state->forming);
        state->forming->state = state;
    }
    struct batch *batch = state->forming;
    txn->expected_head = batch->last         ? batch->new_head
                         : state->at_store   ? state->at_store->new_head
                         : state->committing ? state->committing->new_head
                                             : state->head;
    txn->new_head = batch->new_head = ++state->seq;
    txn->next = NULL;
    if (batch->last)
        batch->last->next = txn;
    else
        batch->first = txn;
    batch->last = txn;
    batch->operations += txn->count;
    batch->bytes += txn->bytes;
    state_arrange_turn_end(state);
    if (state->seq + (1 << 18) > state->seq_bound)
        state_raise_bound(state);
}
