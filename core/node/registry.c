#include "node/impl.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct peer *registry_peer(const struct node_registry *registry, const char *name)
{
    struct peer *peer = NULL;
    HASH_FIND_STR(registry->peers, name, peer);
    return peer;
}

const struct node *registry_head(struct node_registry *registry, const char *name)
{
    struct node probe = {.record.kind = &node_kind, .name = name};
    return (const struct node *)state_find(registry->state, STATE_HEAD, &probe.record);
}

const struct node *node_registry_find(struct node_registry *registry, const char *name)
{
    struct node probe = {.record.kind = &node_kind, .name = name};
    return (const struct node *)state_find(registry->state, STATE_COMMITTED, &probe.record);
}

const struct node *node_registry_next(struct node_registry *registry, const char *after)
{
    struct state_cursor cursor;
    struct node probe = {.record.kind = &node_kind, .name = after ? after : ""};
    state_seek(registry->state, STATE_COMMITTED, KIND_NODE, &probe.record, &cursor);
    const struct node *next = (const struct node *)state_next(&cursor);
    if (next && after && strcmp(next->name, after) == 0)
        next = (const struct node *)state_next(&cursor);
    return next;
}

const struct node_status *node_registry_status(struct node_registry *registry, const char *name)
{
    static const struct node_status unknown = {.state = NODE_LOST};
    struct peer *peer = registry_peer(registry, name);
    return peer ? &peer->status : &unknown;
}

void node_registry_touch(struct node_registry *registry, const char *name)
{
    struct peer *peer = registry_peer(registry, name);
    if (peer)
        peer->status.seq = state_next_seq(registry->state);
}

#define STALL_NS NS_PER_SECOND

/* The loop's time, less what it stood still for (a stopped process, a machine without memory): then
 * it is us who did not listen, and what nodes said meanwhile still waits to be read. */
static uint64_t attention(struct node_registry *registry)
{
    uint64_t now = loop_now_ns(registry->loop), passed = now - registry->attended_ns;
    registry->attended_ns = now;
    registry->attention_ns += passed < STALL_NS ? passed : STALL_NS;
    return registry->attention_ns;
}

static void attend(void *argument)
{
    struct node_registry *registry = argument;
    (void)attention(registry);
    loop_timer_start(&registry->attend, STALL_NS / 2);
}

static uint64_t silence(const struct peer *peer)
{
    return attention(peer->registry) - peer->silent_since_ns;
}

/* True: it has not been silent for so long, as far as we listened; the timer is started again. */
static bool wait_longer(struct peer *peer, struct loop_timer *timer, uint64_t limit_ns)
{
    uint64_t silent = silence(peer);
    if (silent >= limit_ns)
        return false;
    loop_timer_start(timer, limit_ns - silent);
    return true;
}

void registry_queue(struct peer *peer)
{
    struct node_registry *registry = peer->registry;
    if (peer->queued || !peer->known)
        return;
    peer->queued = true;
    peer->next_queued = NULL;
    if (registry->queue_last)
        registry->queue_last->next_queued = peer;
    else
        registry->queue = peer;
    registry->queue_last = peer;
    loop_slice_start(&registry->sending);
}

static void unqueue(struct peer *peer)
{
    struct node_registry *registry = peer->registry;
    struct peer **link = &registry->queue, *last = NULL;
    if (!peer->queued)
        return;
    while (*link != peer) {
        last = *link;
        link = &(*link)->next_queued;
    }
    *link = peer->next_queued;
    if (registry->queue_last == peer)
        registry->queue_last = last;
    peer->queued = false;
}

/* What came for a node meanwhile goes along: the busier we are, the more a message holds. */
static bool send_some(void *argument)
{
    enum { NODES_AT_ONCE = 64, CONTAINERS_AT_ONCE = 128 };
    struct node_registry *registry = argument;
    size_t told = 0;
    for (int i = 0; i < NODES_AT_ONCE && told < CONTAINERS_AT_ONCE && registry->queue; i++) {
        struct peer *peer = registry->queue;
        unqueue(peer);
        told += registry_send(peer);
    }
    return registry->queue != NULL;
}

/* A node that answers is waited for longer: its engine may be slow. */
static bool is_waited_for(const struct node_registry *registry, const struct peer *peer)
{
    const struct node_registry_config *config = &registry->config;
    uint64_t waited = loop_now_ns(registry->loop) - registry->started_ns;
    return peer->awaited &&
           waited < (peer->link ? config->lost_after_ns : config->suspect_after_ns);
}

static void settle(struct node_registry *registry)
{
    struct peer *peer, *next;
    if (registry->settled || (registry->unheard && is_waited_for(registry, registry->unheard)))
        return;
    registry->unheard = NULL;
    HASH_ITER(hh, registry->peers, peer, next)
    {
        if (is_waited_for(registry, peer)) {
            registry->unheard = peer;
            return;
        }
    }
    registry->settled = true;
    HASH_ITER(hh, registry->peers, peer, next)
    {
        registry_queue(peer); /* its table has waited for this */
    }
    registry->events.settled(registry->events.argument);
}

static void flush(void *argument)
{
    settle(argument);
}

void registry_arrange_flush(struct node_registry *registry)
{
    if (!registry->settled && !loop_timer_armed(&registry->flush))
        loop_timer_start(&registry->flush, 0);
}

/* -- the two clocks -- */

static void tell_changed(struct peer *peer)
{
    struct node_registry *registry = peer->registry;
    const struct node *node = node_registry_find(registry, peer->name);
    peer->status.seq = state_next_seq(registry->state);
    if (node && registry->events.changed)
        registry->events.changed(registry->events.argument, node);
}

static void note(struct peer *peer, enum event_severity severity, const char *reason,
                 const char *message)
{
    char object[96];
    snprintf(object, sizeof object, "nodes/%s", peer->name);
    struct txn *txn = txn_begin(peer->registry->state, (struct origin){.by = "controller/node"});
    txn_event(txn, severity, reason, object, "%s", message);
    txn_submit(txn, NULL, NULL);
}

static void become_suspect(struct peer *peer)
{
    if (peer->status.state != NODE_READY)
        return;
    peer->status.state = NODE_SUSPECT;
    note(peer, EVENT_WARNING, "NodeSuspect", "not heard of; it gets no new traffic or containers");
    tell_changed(peer);
}

/* From now on its proxy doesn't count: who waits for it must look again. */
static void silent_too_long(void *argument)
{
    struct peer *peer = argument;
    if (wait_longer(peer, &peer->suspect, peer->registry->config.suspect_after_ns))
        return;
    if (peer->status.state == NODE_READY)
        become_suspect(peer);
    else
        tell_changed(peer);
    registry_arrange_flush(peer->registry);
}

static void became_lost(void *argument)
{
    struct peer *peer = argument;
    struct node_registry *registry = peer->registry;
    if (wait_longer(peer, &peer->lost, registry->config.lost_after_ns))
        return;
    peer->status.state = NODE_LOST;
    peer->lost_told = peer->held = true;
    note(peer, EVENT_WARNING, "NodeLost", "not heard of for too long; its containers are replaced");
    tell_changed(peer);
    registry->events.lost(registry->events.argument, peer->name, true);
    brake_look(registry);
    if (peer->link) { /* if it is heard of again, it begins by telling everything */
        link_close(peer->link);
        peer->link = NULL;
    }
    registry_arrange_flush(registry);
}

static void heard_of(struct peer *peer)
{
    struct node_registry *registry = peer->registry;
    bool back = peer->status.state != NODE_READY;
    peer->status.last_heartbeat_ms = loop_wall_ms(registry->loop);
    peer->silent_since_ns = attention(registry);
    loop_timer_start(&peer->suspect, registry->config.suspect_after_ns);
    loop_timer_start(&peer->lost, registry->config.lost_after_ns);
    if (!back)
        return;
    peer->status.state = NODE_READY;
    if (peer->lost_told)
        registry->events.lost(registry->events.argument, peer->name, false);
    peer->lost_told = false;
    note(peer, EVENT_NORMAL, "NodeReady", "heard of");
    tell_changed(peer);
    brake_look(registry);
}

static struct peer *make_peer(struct node_registry *registry, const char *name)
{
    struct peer *peer = memory_alloc(sizeof *peer);
    peer->registry = registry;
    peer->status.state = NODE_SUSPECT;
    peer->silent_since_ns = attention(registry);
    snprintf(peer->name, sizeof peer->name, "%s", name);
    loop_timer_init(&peer->suspect, registry->loop, "node suspect", silent_too_long, peer);
    loop_timer_init(&peer->lost, registry->loop, "node lost", became_lost, peer);
    return peer;
}

static void free_peer(struct peer *peer)
{
    if (peer->link)
        link_close(peer->link);
    unqueue(peer);
    if (peer->registry->unheard == peer)
        peer->registry->unheard = NULL;
    loop_timer_stop(&peer->suspect);
    loop_timer_stop(&peer->lost);
    name_clear(&peer->assign);
    name_clear(&peer->publish);
    free(peer);
}

/* -- reports -- */

struct registration { /* on its way to the store */
    struct node_registry *registry;
    char name[64];
};

static bool same_facts(const struct node *a, const struct node *b)
{
    return text_equal(a->address, b->address) && a->features == b->features &&
           a->capacity.cpu_millis == b->capacity.cpu_millis &&
           a->capacity.memory_bytes == b->capacity.memory_bytes &&
           a->reserved.cpu_millis == b->reserved.cpu_millis &&
           a->reserved.memory_bytes == b->reserved.memory_bytes &&
           text_equal(a->runtime.plugin, b->runtime.plugin) &&
           text_equal(a->runtime.version, b->runtime.version);
}

/* A node without a record is no part of the cluster: it is to introduce itself again. */
static void registered(void *argument, const struct error *error)
{
    struct registration *registration = argument;
    struct peer *peer = registry_peer(registration->registry, registration->name);
    if (error && peer && peer->link && !node_registry_find(registration->registry, peer->name))
        registry_cut(peer);
    free(registration);
}

/* What the agent says of its host is made durable; labels stay as users declared them. */
static void register_node(struct node_registry *registry, const struct node *said)
{
    const struct node *existing = registry_head(registry, said->name);
    char uid[ID_UID_BYTES], object[96];
    if (existing && same_facts(existing, said))
        return;
    struct node edited = *said;
    if (existing)
        record_copy_fields(&existing->record, &edited, sizeof edited);
    edited.address = said->address;
    edited.capacity = said->capacity;
    edited.reserved = said->reserved;
    edited.runtime = said->runtime;
    edited.features = said->features;
    if (!existing) {
        id_make_uid(loop_random_source(registry->loop), uid);
        edited.schedulable = true;
        edited.draining = false;
        edited.record = (struct record){.uid = uid,
                                        .version = 1,
                                        .created_at_ms = loop_wall_ms(registry->loop),
                                        .updated_at_ms = loop_wall_ms(registry->loop)};
    }
    struct txn *txn = txn_begin(registry->state, (struct origin){.by = "node"});
    txn_put(txn, record_create(&node_kind, &edited));
    snprintf(object, sizeof object, "nodes/%s", said->name);
    txn_event(txn, EVENT_NORMAL, existing ? "NodeChanged" : "NodeRegistered", object, "%s %s",
              said->runtime.plugin ? said->runtime.plugin : "",
              said->runtime.version ? said->runtime.version : "");
    struct registration *registration = memory_alloc(sizeof *registration);
    registration->registry = registry;
    snprintf(registration->name, sizeof registration->name, "%s", said->name);
    txn_submit(txn, registered, registration);
}

/* The first report of a connection says which node it is. */
static struct peer *introduce(struct peer *stranger, const struct report *report)
{
    struct node_registry *registry = stranger->registry;
    struct peer *peer = registry_peer(registry, report->node);
    if (!peer) {
        peer = make_peer(registry, report->node);
        HASH_ADD_STR(registry->peers, name, peer);
    }
    if (peer->link)
        link_close(peer->link); /* a newer connection of the same node takes over */
    peer->link = stranger->link;
    stranger->link = NULL;
    HASH_DEL(registry->strangers, stranger);
    free_peer(stranger);
    peer->known = true;
    registry_forget_sent(peer);
    return peer;
}

static void received(void *argument, const char *json, size_t length);
static void closed(void *argument);

static void take_report(struct peer *peer, const struct report *report)
{
    struct node_registry *registry = peer->registry;
    if (!peer->known) {
        if (!report->node || !schema_is_name(report->node))
            return;
        peer = introduce(peer, report);
        link_set_receiver(peer->link, (struct link_receiver){
                                          .message = received, .closed = closed, .argument = peer});
        registry_queue(peer);
        registry_arrange_flush(registry);
    }
    for (uint32_t i = 0; i < report->node_record.count; i++)
        register_node(registry, LIST_AT(report->node_record, struct node, i));
    heard_of(peer);
    if (report->table_version > peer->acknowledged)
        peer->acknowledged = report->table_version;
    peer->proxy_gone = report->proxy_gone;
    if (peer->status.runtime_down != report->runtime_down) {
        peer->status.runtime_down = report->runtime_down;
        tell_changed(peer);
    }
    if (!report->heartbeat || report->table_version)
        registry->events.report(registry->events.argument, peer->name, report);
    if (report->full)
        peer->awaited = peer->held = false; /* what it still has is known now */
    if (!registry->settled)
        registry_arrange_flush(registry);
}

static void received(void *argument, const char *json, size_t length)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    struct message message = {0};
    struct error error;
    struct peer *peer = argument;
    if (!schema_read_stored(&message_type, json, length, &arena, &message, &error)) {
        LOG_ERROR("a node sent what is no message", LOG_STR("node", peer->name),
                  LOG_STR("error", error.message));
        return;
    }
    if (message.report) {
        take_report(peer, message.report);
        FAILPOINT(report_taken);
    }
}

static void closed(void *argument)
{
    struct peer *peer = argument;
    link_close(peer->link);
    peer->link = NULL;
    if (!peer->known) {
        HASH_DEL(peer->registry->strangers, peer);
        free_peer(peer);
        return;
    }
    become_suspect(peer);
}

void registry_cut(struct peer *peer)
{
    link_close(peer->link);
    peer->link = NULL;
    become_suspect(peer);
}

void node_registry_attach(struct node_registry *registry, struct link_end *take_end)
{
    char name[32];
    if (registry->left) {
        link_close(take_end);
        return;
    }
    snprintf(name, sizeof name, "#%llu", (unsigned long long)registry->next_stranger++);
    struct peer *stranger = make_peer(registry, name);
    stranger->link = take_end;
    HASH_ADD_STR(registry->strangers, name, stranger);
    link_set_receiver(take_end, (struct link_receiver){
                                    .message = received, .closed = closed, .argument = stranger});
}

void node_registry_leave(struct node_registry *registry)
{
    struct peer *peer, *next;
    registry->left = true;
    loop_timer_stop(&registry->flush);
    loop_timer_stop(&registry->brake);
    loop_timer_stop(&registry->attend);
    HASH_ITER(hh, registry->strangers, peer, next)
    {
        HASH_DEL(registry->strangers, peer);
        free_peer(peer);
    }
    HASH_ITER(hh, registry->peers, peer, next)
    {
        loop_timer_stop(&peer->suspect);
        loop_timer_stop(&peer->lost);
        if (!peer->link)
            continue;
        link_close(peer->link);
        peer->link = NULL;
        peer->status.state = NODE_SUSPECT;
        tell_changed(peer);
    }
}

bool node_registry_counts(struct node_registry *registry, const char *node)
{
    struct peer *peer = registry_peer(registry, node);
    return peer && peer->status.state != NODE_LOST && !peer->proxy_gone &&
           silence(peer) < registry->config.suspect_after_ns;
}

bool node_registry_settled(const struct node_registry *registry)
{
    return registry->settled;
}

int64_t node_registry_table_version(const struct node_registry *registry)
{
    return registry->table_version;
}

bool node_registry_table_acknowledged(struct node_registry *registry, int64_t version)
{
    struct peer *peer, *next;
    HASH_ITER(hh, registry->peers, peer, next)
    {
        if (peer->acknowledged < version && node_registry_counts(registry, peer->name))
            return false;
    }
    return true;
}

/* -- life -- */

static void record_changed(void *argument, const struct record *before, const struct record *after)
{
    struct node_registry *registry = argument;
    const struct record *any = after ? after : before;
    if (any->kind->id != KIND_NODE)
        return;
    const struct node *node = (const struct node *)any;
    struct peer *peer = registry_peer(registry, node->name);
    if (!after && peer) {
        HASH_DEL(registry->peers, peer);
        free_peer(peer);
    }
    registry->events.changed(registry->events.argument, node);
}

struct node_registry *node_registry_create(const struct node_registry_config *config)
{
    struct node_registry *registry = memory_alloc(sizeof *registry);
    registry->config = *config;
    registry->loop = config->loop;
    registry->state = config->state;
    registry->subscriber =
        (struct state_subscriber){.changed = record_changed, .argument = registry};
    state_subscribe(config->state, &registry->subscriber);
    loop_timer_init(&registry->attend, config->loop, "node clocks", attend, registry);
    loop_timer_init(&registry->flush, config->loop, "settling", flush, registry);
    brake_init(registry);
    loop_slice_init(&registry->sending, config->loop, "node messages", send_some, registry);
    return registry;
}

void node_registry_set_events(struct node_registry *registry, const struct node_events *events)
{
    registry->events = *events;
}

void node_registry_destroy(struct node_registry *registry)
{
    struct peer *peer, *next;
    if (!registry)
        return;
    loop_timer_stop(&registry->flush);
    loop_timer_stop(&registry->brake);
    loop_slice_stop(&registry->sending);
    loop_timer_stop(&registry->attend);
    HASH_ITER(hh, registry->peers, peer, next)
    {
        HASH_DEL(registry->peers, peer);
        free_peer(peer);
    }
    HASH_ITER(hh, registry->strangers, peer, next)
    {
        HASH_DEL(registry->strangers, peer);
        free_peer(peer);
    }
    free(registry);
}

/* Every known node is given its full time from now on: that we were away is no fault of theirs. */
bool node_registry_start_some(struct node_registry *registry, uint32_t count)
{
    const struct node *node = NULL;
    if (!registry->started_ns)
        attend(registry);
    registry->started_ns = loop_now_ns(registry->loop);
    for (; count; count--) {
        node = node_registry_next(registry, registry->start_after);
        if (!node)
            return false;
        snprintf(registry->start_after, sizeof registry->start_after, "%s", node->name);
        struct peer *peer = make_peer(registry, node->name);
        HASH_ADD_STR(registry->peers, name, peer);
        peer->awaited = true;
        loop_timer_start(&peer->suspect, registry->config.suspect_after_ns);
        loop_timer_start(&peer->lost, registry->config.lost_after_ns);
        registry->events.changed(registry->events.argument, node);
    }
    return true;
}

void node_registry_start(struct node_registry *registry)
{
    while (node_registry_start_some(registry, UINT32_MAX))
        continue;
}
