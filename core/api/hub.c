/* The hub: which objects have changed since the last flush; at most every 50 ms, in slices, what
 * became of them goes to the API thread, in order of their numbers.
 *
 * Numbers are given before their transactions are durable. So that a watcher who has seen one has
 * seen all below it, a flush takes only what is not above the state's settled number; the rest
 * waits for the next one. */
#include "api/watch.h"
#include "base/clock.h"
#include "container/container.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLUSH_PAUSE_MS = 50, SLICE_BUDGET_NS = 500 * 1000 };

struct dirty {
    UT_hash_handle hh;
    const struct shown_kind *kind;
    const struct record *before; /* at the last flush: a reference; NULL: there was none */
    /* As it was when it was last taken away, since the last flush: a reference; NULL: not since.
     * Who walked over the present objects meanwhile may have seen it, so that is always told. */
    const struct record *gone;
    uint64_t removed_seq; /* when that was */
    uint64_t born_seq;    /* its first number, if it came since the last flush */
    bool known;           /* `before` says what was; else only soft state was touched */
    bool counts;          /* a record changed, whatever the object's own number says */
    char id[SHOWN_KEY_BYTES + 4];
};
struct hub {
    struct api *api;
    const struct api_parts *parts;
    struct state_subscriber subscriber;
    struct loop_timer pause;
    struct loop_slice slice;
    struct dirty *dirty;    /* by kind and name, in order of the first change */
    struct dirty *flushing; /* likewise */
    struct note *notes;
    size_t count, room;
    uint64_t horizon, flushed_seq, posted_seq;
    bool started;
};

/* -- collecting -- */

static const char *name_of(const struct dirty *dirty)
{
    return dirty->id + 3;
}

static struct dirty *mark(struct hub *hub, const struct shown_kind *kind, const char *name)
{
    struct dirty *dirty;
    char id[sizeof dirty->id];
    snprintf(id, sizeof id, "%02d/%s", (int)kind->id, name);
    HASH_FIND_STR(hub->dirty, id, dirty);
    if (dirty)
        return dirty;
    dirty = memory_alloc(sizeof *dirty);
    dirty->kind = kind;
    memcpy(dirty->id, id, sizeof id);
    HASH_ADD_STR(hub->dirty, id, dirty);
    if (!loop_timer_armed(&hub->pause) && !hub->flushing && !hub->slice.queued)
        loop_timer_start(&hub->pause, FLUSH_PAUSE_MS * NS_PER_MS);
    return dirty;
}

static void free_dirty(struct dirty *dirty)
{
    record_release(dirty->before);
    record_release(dirty->gone);
    free(dirty);
}

/* A deployment's status is made of its containers, a node's of what runs there. */
static void mark_owners(struct hub *hub, const struct container *container, bool counts)
{
    struct dirty *dirty = mark(hub, &shown_deployments, container->deployment);
    dirty->counts |= counts;
    if (container->node)
        mark(hub, &shown_nodes, container->node);
}

static void record_changed(void *argument, const struct record *before, const struct record *after)
{
    struct hub *hub = argument;
    const struct record *any = after ? after : before;
    const struct shown_kind *kind = shown_kind_of(any->kind->id);
    if (!kind || (kind->id == KIND_EVENT && !after))
        return; /* that old events are forgotten is no news */
    char scratch[SHOWN_KEY_BYTES];
    struct dirty *dirty = mark(hub, kind, kind->key(any, scratch));
    if (!dirty->known && before)
        dirty->before = record_take_reference(before);
    if (!before)
        dirty->born_seq = after->seq;
    dirty->known = dirty->counts = true;
    if (!after) {
        record_release(dirty->gone);
        dirty->gone = record_take_reference(before);
        dirty->removed_seq = state_settled_seq(hub->parts->state);
    }
    if (kind->id == KIND_CONTAINER)
        mark_owners(hub, (const struct container *)any, true);
}

void hub_touch(struct hub *hub, enum record_kind_id id, const char *name)
{
    const struct shown_kind *kind = shown_kind_of(id);
    if (!hub->started || !kind)
        return;
    mark(hub, kind, name);
    const struct record *record = id == KIND_CONTAINER ? kind->find(hub->parts, name) : NULL;
    if (record)
        mark_owners(hub, (const struct container *)record, false);
}

/* -- flushing -- */

static void add_note(struct hub *hub, enum note_type type, struct shown take_now,
                     const struct record *before, uint64_t seq)
{
    if (hub->count == hub->room) {
        hub->room = hub->room ? hub->room * 2 : 64;
        hub->notes = memory_resize(hub->notes, hub->room * sizeof *hub->notes);
    }
    hub->notes[hub->count++] =
        (struct note){.seq = seq,
                      .type = (uint8_t)type,
                      .now = take_now,
                      .before = before ? record_take_reference(before) : NULL};
}

/* Its newest number is not settled: it waits, with what is known of it. */
static void put_back(struct hub *hub, struct dirty *dirty)
{
    struct dirty *newer;
    HASH_FIND_STR(hub->dirty, dirty->id, newer);
    if (!newer) {
        HASH_ADD_STR(hub->dirty, id, dirty);
        return;
    }
    newer->counts |= dirty->counts;
    if (!newer->born_seq)
        newer->born_seq = dirty->born_seq;
    if (!newer->gone) {
        newer->gone = dirty->gone;
        newer->removed_seq = dirty->removed_seq;
        dirty->gone = NULL;
    }
    if (dirty->known) {
        record_release(newer->before);
        newer->before = dirty->before;
        newer->known = true;
        dirty->before = NULL;
    }
    free_dirty(dirty);
}

static void note_removed(struct hub *hub, struct dirty *dirty)
{
    if (dirty->gone)
        add_note(hub, NOTE_REMOVED, shown_take(hub->parts, dirty->kind, dirty->gone), NULL,
                 dirty->removed_seq);
}

/* What became of one object. */
static void flush_one(struct hub *hub, struct dirty *dirty)
{
    const struct shown_kind *kind = dirty->kind;
    const struct record *record = kind->find(hub->parts, name_of(dirty));
    if (!record) {
        note_removed(hub, dirty);
        free_dirty(dirty);
        return;
    }
    struct shown now = shown_take(hub->parts, kind, record);
    uint64_t seq = kind->seq(record, now.soft);
    if (seq > hub->horizon) {
        shown_release(&now);
        put_back(hub, dirty);
        return;
    }
    if (!dirty->counts && seq <= hub->flushed_seq) {
        shown_release(&now);  /* figures only */
    } else if (dirty->gone) { /* another of its name */
        note_removed(hub, dirty);
        add_note(hub, NOTE_ADDED, now, NULL, seq);
    } else {
        bool added = dirty->known && !dirty->before;
        add_note(hub, added ? NOTE_ADDED : NOTE_CHANGED, now, dirty->before, seq);
        hub->notes[hub->count - 1].born_seq = added ? dirty->born_seq : 0;
    }
    free_dirty(dirty);
}

struct delivery {
    struct loop_task task;
    struct api *api;
    struct note *notes;
    size_t count;
    uint64_t floor_seq;
    bool begins;
};

static void deliver(struct loop_task *task)
{
    struct delivery *delivery = CONTAINER_OF(task, struct delivery, task);
    if (delivery->begins)
        watch_server_begin(delivery->api->watches, delivery->floor_seq);
    watch_server_take(delivery->api->watches, delivery->notes, delivery->count);
    free(delivery->notes);
    free(delivery);
}

static void post(struct hub *hub, struct delivery fields)
{
    struct delivery *delivery = memory_alloc(sizeof *delivery);
    *delivery = fields;
    delivery->api = hub->api;
    delivery->task = (struct loop_task){.run = deliver, .name = "watch changes"};
    loop_post(hub->api->loop, &delivery->task);
}

static int compare_notes(const void *a, const void *b)
{
    const struct note *left = a, *right = b;
    if (left->seq != right->seq)
        return left->seq < right->seq ? -1 : 1;
    /* A container before the deployment whose number it moved; removed before added. */
    if (left->now.kind->id != right->now.kind->id)
        return left->now.kind->id > right->now.kind->id ? -1 : 1;
    return left->type > right->type ? -1 : left->type < right->type;
}

static void finish_flush(struct hub *hub)
{
    if (hub->count) {
        qsort(hub->notes, hub->count, sizeof *hub->notes, compare_notes);
        for (size_t i = 0; i < hub->count; i++) {
            if (hub->notes[i].seq < hub->posted_seq)
                hub->notes[i].seq = hub->posted_seq; /* what was counted went away */
            hub->posted_seq = hub->notes[i].seq;
        }
        post(hub, (struct delivery){.notes = hub->notes, .count = hub->count});
        hub->notes = NULL;
        hub->count = hub->room = 0;
    }
    hub->flushed_seq = hub->horizon;
    if (hub->dirty)
        loop_timer_start(&hub->pause, FLUSH_PAUSE_MS * NS_PER_MS);
}

static bool flush_step(void *argument)
{
    struct hub *hub = argument;
    loop_refresh_now(hub->parts->loop);
    uint64_t until = loop_now_ns(hub->parts->loop) + SLICE_BUDGET_NS;
    while (hub->flushing) {
        struct dirty *dirty = hub->flushing;
        HASH_DEL(hub->flushing, dirty);
        flush_one(hub, dirty);
        loop_refresh_now(hub->parts->loop);
        if (loop_now_ns(hub->parts->loop) >= until)
            return true;
    }
    finish_flush(hub);
    return false;
}

static void begin_flush(void *argument)
{
    struct hub *hub = argument;
    hub->horizon = state_settled_seq(hub->parts->state);
    hub->flushing = hub->dirty;
    hub->dirty = NULL;
    loop_slice_start(&hub->slice);
}

/* -- life -- */

struct hub *hub_create(struct api *api)
{
    struct hub *hub = memory_alloc(sizeof *hub);
    hub->api = api;
    hub->parts = &api->parts;
    hub->subscriber = (struct state_subscriber){.changed = record_changed, .argument = hub};
    loop_timer_init(&hub->pause, api->parts.loop, "watch changes", begin_flush, hub);
    loop_slice_init(&hub->slice, api->parts.loop, "watch changes", flush_step, hub);
    return hub;
}

void hub_start(struct hub *hub)
{
    hub->started = true;
    hub->flushed_seq = hub->posted_seq = state_settled_seq(hub->parts->state);
    state_subscribe(hub->parts->state, &hub->subscriber);
    post(hub, (struct delivery){.begins = true, .floor_seq = hub->flushed_seq});
}

static void free_all(struct dirty *table)
{
    struct dirty *dirty, *next;
    HASH_ITER(hh, table, dirty, next)
    {
        HASH_DEL(table, dirty);
        free_dirty(dirty);
    }
}

void hub_destroy(struct hub *hub)
{
    if (!hub)
        return;
    if (hub->started)
        state_unsubscribe(hub->parts->state, &hub->subscriber);
    loop_timer_stop(&hub->pause);
    loop_slice_stop(&hub->slice);
    free_all(hub->dirty);
    free_all(hub->flushing);
    for (size_t i = 0; i < hub->count; i++)
        note_finish(&hub->notes[i]);
    free(hub->notes);
    free(hub);
}
