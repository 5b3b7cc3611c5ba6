#include "store/impl.h"
#include "base/failpoint.h"
#include "store/idempotency.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AUDITS_PER_EVENT = 10 }; /* they are kept for so much longer */

static void mark_request(struct txn *txn, const struct origin *origin)
{
    struct idempotency_record marker = {.record.created_at_ms = loop_wall_ms(txn->state->loop),
                                        .key = origin->idempotency_key,
                                        .hash = origin->idempotency_hash};
    txn_put(txn, record_create(&idempotency_kind, &marker));
}

struct txn *txn_begin(struct state *state, struct origin origin)
{
    struct txn *txn = memory_alloc(sizeof *txn);
    txn->state = state;
    txn->by = memory_strdup(origin.by);
    txn->request_id = memory_strdup(origin.request_id);
    txn->cause_event = origin.cause_event;
    txn->dry_run = origin.dry_run;
    txn->group = origin.group;
    if (origin.idempotency_key && !origin.dry_run)
        mark_request(txn, &origin);
    return txn;
}

void txn_destroy(struct txn *txn)
{
    while (txn->members) {
        struct txn *member = txn->members;
        txn->members = member->next;
        txn_destroy(member);
    }
    for (size_t i = 0; i < txn->count; i++) {
        record_release(txn->changes[i].before);
        record_release(txn->changes[i].after);
    }
    free(txn->changes);
    free(txn->by);
    free(txn->request_id);
    free(txn);
}

bool txn_is_empty(const struct txn *txn)
{
    return txn->count == 0;
}

bool txn_is_dry_run(const struct txn *txn)
{
    return txn->dry_run;
}

static struct index *index_of(struct state *state, const struct record *record)
{
    return &state->indexes[record->kind->id];
}

static void set_head(struct state *state, struct index_entry *entry, const struct record *head)
{
    state_throw_away(state, entry->head);
    entry->head = head ? record_take_reference(head) : NULL;
}

/* One of its changes is decided; `probe` says whose place it is. */
static void settle(struct index *index, struct index_entry *entry, const struct record *probe)
{
    assert(entry->pending && index->pending);
    index->pending--;
    if (--entry->pending)
        return;
    if (!entry->committed && !entry->head) {
        index_remove(index, probe);
        return;
    }
    record_release(entry->ghost);
    entry->ghost = NULL;
}

/* The change is in the head view from now on. */
static void add_change(struct txn *txn, const struct record *probe, const struct record *take_after)
{
    struct index *index = index_of(txn->state, probe);
    struct index_entry *entry = index_find(index, probe);
    if (txn->count == txn->room) {
        txn->room = txn->room ? txn->room * 2 : 4;
        txn->changes = memory_resize(txn->changes, txn->room * sizeof *txn->changes);
    }
    struct change *change = &txn->changes[txn->count++];
    change->before = entry && entry->head ? record_take_reference(entry->head) : NULL;
    change->after = take_after;
    txn->bytes += take_after ? take_after->bytes : 0;
    assert(take_after || change->before);
    if (!entry)
        entry = index_insert(index, probe);
    if (!entry->ghost)
        entry->ghost = record_take_reference(probe);
    entry->pending++;
    index->pending++;
    set_head(txn->state, entry, take_after);
}

void txn_put(struct txn *txn, struct record *take_record)
{
    if (take_record->kind->id != KIND_EVENT && take_record->kind->id != KIND_AUDIT)
        take_record->seq = ++txn->state->seq;
    add_change(txn, take_record, take_record);
}

void txn_delete(struct txn *txn, const struct record *record)
{
    const struct index_entry *entry = index_find(index_of(txn->state, record), record);
    if (!entry || !entry->head)
        return; /* on its way out already */
    add_change(txn, record, NULL);
}

/* Those on their way out already are not looked through again each time. */
static void drop_oldest(struct txn *txn, enum record_kind_id kind, size_t limit)
{
    struct state *state = txn->state;
    struct index *index = &state->indexes[kind];
    struct state_cursor cursor;
    for (int i = 0; i < 2 && index->committed_count > limit; i++) {
        const struct record probe = {.kind = index->kind, .seq = state->dropped_up_to[kind]};
        state_seek(state, STATE_HEAD, kind, &probe, &cursor);
        const struct record *oldest = state_next(&cursor);
        if (!oldest)
            return;
        state->dropped_up_to[kind] = oldest->seq;
        txn_delete(txn, oldest);
    }
}

uint64_t txn_event(struct txn *txn, enum event_severity severity, const char *reason,
                   const char *object, const char *format, ...)
{
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    text_defuse(message);
    struct event event = {
        .record = {.seq = ++txn->state->seq, .created_at_ms = loop_wall_ms(txn->state->loop)},
        .reason = reason,
        .object = object,
        .message = message,
        .cause_by = txn->by,
        .cause_request = txn->request_id,
        .cause_event = (int64_t)txn->cause_event,
        .count = 1,
        .severity = (uint8_t)severity};
    txn_put(txn, record_create(&event_kind, &event));
    drop_oldest(txn, KIND_EVENT, txn->state->event_limit);
    return event.record.seq;
}

void txn_audit_entry(struct txn *txn, const struct audit *entry)
{
    struct audit audit = *entry;
    audit.record =
        (struct record){.seq = ++txn->state->seq, .created_at_ms = loop_wall_ms(txn->state->loop)};
    txn_put(txn, record_create(&audit_kind, &audit));
    drop_oldest(txn, KIND_AUDIT, AUDITS_PER_EVENT * txn->state->event_limit);
}

static uint64_t declared_version(const struct txn *txn)
{
    for (size_t i = txn->count; i-- > 0;) {
        const struct change *change = &txn->changes[i];
        const struct record *record = change->after ? change->after : change->before;
        if (record->version)
            return record->version;
    }
    return 0;
}

void txn_audit(struct txn *txn, const char *verb, const char *object, const char *detail)
{
    txn_audit_entry(txn, &(struct audit){.by = txn->by,
                                         .request = txn->request_id,
                                         .verb = verb,
                                         .object = object,
                                         .detail = detail,
                                         .version = (int64_t)declared_version(txn)});
}

/* What was head before it is head again: nothing may have been built on it. What a store that does
 * not answer was given may yet be in, so it stays head. */
void txn_undo(struct txn *txn)
{
    if (txn->count)
        memset(txn->state->dropped_up_to, 0, sizeof txn->state->dropped_up_to);
    for (size_t i = txn->count; i-- > 0;) {
        const struct change *change = &txn->changes[i];
        const struct record *probe = change->after ? change->after : change->before;
        struct index *index = index_of(txn->state, probe);
        struct index_entry *entry = index_find(index, probe);
        set_head(txn->state, entry, change->before);
        settle(index, entry, probe);
    }
}

void txn_tell(struct txn *txn, const struct error *error)
{
    void (*done)(void *argument, const struct error *error) = txn->done;
    txn->done = NULL;
    if (done)
        done(txn->argument, error);
    for (struct txn *member = txn->members; member; member = member->next)
        txn_tell(member, error);
}

void txn_refuse(struct txn *txn, const struct error *error)
{
    txn_tell(txn, error);
    txn_destroy(txn);
}

void txn_take_back(struct txn *txn)
{
    txn_undo(txn);
    for (size_t i = 0; i < txn->count; i++) {
        record_release(txn->changes[i].before);
        record_release(txn->changes[i].after);
    }
    txn->count = 0;
}

void txn_abort(struct txn *txn)
{
    if (!txn)
        return;
    txn_take_back(txn);
    txn_destroy(txn);
}

static void commit_change(struct state *state, struct change *change)
{
    const struct record *probe = change->after ? change->after : change->before;
    struct index *index = index_of(state, probe);
    struct index_entry *entry = index_find(index, probe);
    const struct record *before = entry->committed;
    entry->committed = change->after ? record_take_reference(change->after) : NULL;
    index->committed_count += (size_t)(change->after != NULL) - (size_t)(before != NULL);
    settle(index, entry, probe);
    if (probe->seq > state->committed_seq)
        state->committed_seq = probe->seq;
    for (struct state_subscriber *subscriber = state->subscribers; subscriber;
         subscriber = subscriber->next)
        subscriber->changed(subscriber->argument, before, change->after);
    if (before)
        state_throw_away(state, before);
}

void txn_commit(struct txn *txn)
{
    for (size_t i = 0; i < txn->count; i++)
        commit_change(txn->state, &txn->changes[i]);
    if (txn->new_head > txn->state->committed_seq)
        txn->state->committed_seq = txn->new_head;
    FAILPOINT(store_before_reply);
    txn_tell(txn, NULL);
    for (size_t i = 0; i < txn->count; i++) { /* may have been borrowed in `done` */
        if (txn->changes[i].after)
            state_throw_away(txn->state, record_take_reference(txn->changes[i].after));
    }
    txn_destroy(txn);
}
