#include "watch.h"
#include "sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* A container that is there, or was a moment ago. */
struct seen {
    UT_hash_handle hh;
    const char *id;
    const char *node;
    int64_t revision;
    bool left; /* told */
};
struct departure {
    const char *node, *why;
    bool replaced; /* another is to come in its place */
};
struct arrival {
    const char *node;
    bool back; /* it was lost, and is found again */
};
#define QUEUE(type)                                                                                \
    struct {                                                                                       \
        struct type *items;                                                                        \
        uint32_t count, room;                                                                      \
    }
struct follow { /* one deployment */
    UT_hash_handle hh;
    const char *name;
    QUEUE(departure) departures; /* those yet to be replaced come first */
    QUEUE(arrival) arrivals;
    int64_t desired, available, worst;
    uint64_t short_ns, since_ns; /* since_ns: not whole since; 0: whole */
    uint64_t whole_at_ns;
    bool whole, calm, there;
    const char *phase;
};
static struct {
    struct arena *arena;
    struct server_process *process;
    struct state_subscriber subscriber;
    struct seen *seen;
    struct follow *follows;
    struct name {
        UT_hash_handle hh;
        const char *text;
    } * names; /* interned */
    uint64_t begun_ns, looked_ns, changed_ns, made;
    bool dirty;
} watch;

#define PUSH(queue, ...)                                                                           \
    do {                                                                                           \
        if ((queue).count == (queue).room) {                                                       \
            (queue).room = (queue).room ? 2 * (queue).room : 16;                                   \
            (queue).items = memory_resize((queue).items, (queue).room * sizeof *(queue).items);    \
        }                                                                                          \
        (queue).items[(queue).count++] = (typeof(*(queue).items)){__VA_ARGS__};                    \
    } while (0)

static const char *intern(const char *text)
{
    struct name *name;
    HASH_FIND_STR(watch.names, text, name);
    if (name)
        return name->text;
    name = arena_alloc(watch.arena, sizeof *name);
    name->text = arena_strdup(watch.arena, text);
    HASH_ADD_KEYPTR(hh, watch.names, name->text, strlen(name->text), name);
    return name->text;
}

static struct follow *follow_of(const char *deployment)
{
    struct follow *follow;
    HASH_FIND_STR(watch.follows, deployment, follow);
    if (follow)
        return follow;
    follow = arena_alloc(watch.arena, sizeof *follow);
    follow->name = intern(deployment);
    HASH_ADD_KEYPTR(hh, watch.follows, follow->name, strlen(follow->name), follow);
    return follow;
}

static void changed(void)
{
    watch.changed_ns = now_ns();
    watch.dirty = true;
}

/* -- containers -- */

static void leave(struct seen *seen, const char *deployment, const char *why, bool replaced)
{
    struct follow *follow = follow_of(deployment);
    if (!seen->left)
        PUSH(follow->departures, seen->node, why, replaced);
    seen->left = true;
}

static void arrive(const struct container *container)
{
    struct follow *follow = follow_of(container->deployment);
    struct seen *seen;
    HASH_FIND_STR(watch.seen, container->id, seen);
    if (seen)
        return; /* loaded again by a new server */
    seen = memory_alloc(sizeof *seen);
    seen->id = memory_strdup(container->id);
    seen->node = intern(container->node);
    seen->revision = container->revision;
    HASH_ADD_KEYPTR(hh, watch.seen, seen->id, strlen(seen->id), seen);
    PUSH(follow->arrivals, seen->node, false);
    watch.made++;
}

static const char *why_stopped(const struct container *container, bool *replaced)
{
    struct server *server = watch.process->server;
    const struct node *node = node_registry_find(server->nodes, container->node);
    const struct deployment *deployment =
        deployment_manager_find(server->deployments, container->deployment);
    const char *reason = container->stop_reason ? container->stop_reason : "";
    *replaced = false;
    if (strcmp(reason, "ScaledDown") == 0)
        return "scaled down";
    if (strcmp(reason, "Deleted") == 0)
        return "deleted";
    *replaced = true;
    if (node && node->draining)
        return "node drained";
    if (deployment && deployment->revision != container->revision)
        return "new revision";
    return "replaced";
}

static void container_changed(const struct container *before, const struct container *after)
{
    const struct container *container = after ? after : before;
    struct seen *seen;
    bool replaced;
    assert(container);
    if (!before)
        arrive(after);
    HASH_FIND_STR(watch.seen, container->id, seen);
    if (!seen)
        return;
    if (after && after->intent == INTENT_STOP) {
        const char *why = why_stopped(after, &replaced);
        leave(seen, after->deployment, why, replaced);
    }
    if (after)
        return;
    leave(seen, before->deployment, "node removed", true);
    HASH_DEL(watch.seen, seen);
    free((char *)seen->id);
    free(seen);
}

static void record_changed(void *argument, const struct record *before, const struct record *after)
{
    const struct record *record = after ? after : before;
    (void)argument;
    if (record->kind->id == KIND_CONTAINER)
        container_changed((const struct container *)before, (const struct container *)after);
    if (record->kind->id == KIND_CONTAINER || record->kind->id == KIND_DEPLOYMENT ||
        record->kind->id == KIND_NODE)
        changed();
}

/* One that is lost is replaced; one that is found again came back. */
static void soft_changed(struct server_process *process, enum record_kind_id kind, const char *name)
{
    struct seen *seen;
    changed();
    if (kind != KIND_CONTAINER || process != watch.process)
        return;
    const struct container *container = container_manager_find(process->server->containers, name);
    HASH_FIND_STR(watch.seen, name, seen);
    if (!container || !seen || container->intent == INTENT_STOP)
        return;
    bool lost =
        container_manager_status(process->server->containers, container)->state == CONTAINER_LOST;
    if (lost)
        leave(seen, container->deployment, "node lost", true);
    if (lost || !seen->left)
        return;
    seen->left = false;
    PUSH(follow_of(container->deployment)->arrivals, seen->node, true);
}

void watch_init(struct arena *arena)
{
    watch.arena = arena;
    watch.subscriber.changed = record_changed;
    world.judge.soft_changed = soft_changed;
}

void watch_server(struct server_process *process)
{
    watch.process = process;
    state_subscribe(process->server->state, &watch.subscriber);
}

/* -- deployments -- */

static void note(struct follow *follow, const struct deployment_status *status, bool paused)
{
    static const char *const phases[] = {"",           "deleting",    "paused",   "rolling back",
                                         "complete",   "rolled back", "degraded", "pending",
                                         "progressing"};
    int64_t missing = status->desired - status->available;
    bool all_new = status->updated == status->desired || paused;
    follow->desired = status->desired;
    follow->available = status->available;
    follow->phase = phases[status->phase];
    follow->worst = missing > follow->worst ? missing : follow->worst;
    bool counts_fit = status->current == status->desired && all_new && !status->stopping;
    follow->whole = missing == 0 && counts_fit && status->phase != PHASE_DELETING;
    follow->calm =
        follow->whole || (strcmp(status->reason, "Unschedulable") == 0 && !status->stopping &&
                          status->ready == status->current && status->phase != PHASE_DELETING);
    follow->there = true;
}

void watch_look(void)
{
    struct server_process *process = watch.process;
    uint64_t passed_ns = now_ns() - watch.looked_ns;
    watch.looked_ns = now_ns();
    for (struct follow *follow = watch.follows; follow; follow = follow->hh.next)
        if (follow->there && follow->available < follow->desired)
            follow->short_ns += passed_ns;
    /* A server that has just been started has yet to hear what runs. */
    if (!watch.dirty || !server_serves(process) || !node_registry_settled(process->server->nodes))
        return;
    watch.dirty = false;
    for (struct follow *follow = watch.follows; follow; follow = follow->hh.next)
        follow->there = false;
    const struct deployment *deployment = NULL;
    while ((deployment = deployment_manager_next(process->server->deployments,
                                                 deployment ? deployment->name : NULL))) {
        struct follow *follow = follow_of(deployment->name);
        struct deployment_status status;
        bool was = follow->whole;
        deployment_manager_status(process->server->deployments, deployment, &status);
        note(follow, &status, deployment->paused);
        if (follow->whole && !was)
            follow->whole_at_ns = watch.changed_ns;
    }
}

bool watch_is_calm(void)
{
    if (watch.dirty)
        return false;
    for (struct follow *follow = watch.follows; follow; follow = follow->hh.next)
        if (follow->there && !follow->calm)
            return false;
    return true;
}

uint64_t watch_last_change_ns(void)
{
    return watch.changed_ns;
}

uint64_t watch_containers_made(void)
{
    return watch.made;
}

/* -- steps -- */

void watch_begin(void)
{
    watch.begun_ns = watch.looked_ns = watch.changed_ns = now_ns();
    watch.dirty = true;
    for (struct follow *follow = watch.follows; follow; follow = follow->hh.next) {
        follow->worst = 0;
        follow->short_ns = 0;
        follow->whole_at_ns = watch.begun_ns;
    }
}

static void add_count(struct outcome_step *step, struct follow *follow, const char *why, bool came)
{
    for (uint32_t i = step->count_count; i && step->counts[i - 1].deployment == follow->name; i--)
        if (strcmp(step->counts[i - 1].why, why) == 0) {
            step->counts[i - 1].count++;
            return;
        }
    enum { WHYS = 8 };
    if (!step->counts)
        step->counts =
            arena_alloc(watch.arena, (HASH_COUNT(watch.follows) + 1) * WHYS * sizeof *step->counts);
    step->counts[step->count_count++] =
        (struct outcome_count){.deployment = follow->name, .why = why, .came = came, .count = 1};
}

/* Who came takes the place of who left first; who came beyond that is new. */
static void pair(struct outcome_step *step, struct follow *follow)
{
    uint32_t arrived = 0, kept = 0;
    for (uint32_t i = 0; i < follow->departures.count; i++) {
        const struct departure gone = follow->departures.items[i];
        if (!gone.replaced)
            add_count(step, follow, gone.why, false);
        else if (arrived < follow->arrivals.count)
            step->moves[step->move_count++] =
                (struct outcome_move){.deployment = follow->name,
                                      .from = gone.node,
                                      .to = follow->arrivals.items[arrived++].node,
                                      .why = gone.why};
        else
            follow->departures.items[kept++] = gone;
    }
    for (; arrived < follow->arrivals.count; arrived++)
        add_count(step, follow, follow->arrivals.items[arrived].back ? "came back" : "placed",
                  true);
    int64_t missing = follow->there ? follow->desired - follow->available : 0;
    follow->departures.count =
        (int64_t)kept < missing ? kept : (uint32_t)(missing > 0 ? missing : 0);
    follow->arrivals.count = 0;
}

static struct outcome_deployment describe(const struct follow *follow)
{
    return (struct outcome_deployment){
        .name = follow->name,
        .phase = follow->phase,
        .desired = follow->desired,
        .available = follow->available,
        .worst = follow->worst,
        .short_ns = follow->short_ns,
        .whole_ns = follow->whole ? follow->whole_at_ns - watch.begun_ns : UINT64_MAX};
}

void watch_end(struct outcome_step *step)
{
    uint32_t arrivals = 0;
    step->last_change_ns = watch.changed_ns - watch.begun_ns;
    for (struct follow *follow = watch.follows; follow; follow = follow->hh.next)
        arrivals += follow->arrivals.count;
    step->moves = arena_alloc(watch.arena, (arrivals + 1) * sizeof *step->moves);
    step->deployments =
        arena_alloc(watch.arena, (HASH_COUNT(watch.follows) + 1) * sizeof *step->deployments);
    for (struct follow *follow = watch.follows; follow; follow = follow->hh.next) {
        pair(step, follow);
        if (!follow->there)
            continue;
        struct outcome_deployment one = describe(follow);
        step->deployments[step->deployment_count++] = one;
        if (one.whole_ns > step->whole_ns)
            step->whole_ns = one.whole_ns;
    }
}

void watch_finish(void)
{
    struct seen *seen, *next;
    HASH_ITER(hh, watch.seen, seen, next)
    {
        HASH_DEL(watch.seen, seen);
        free((char *)seen->id);
        free(seen);
    }
    for (struct follow *follow = watch.follows; follow; follow = follow->hh.next) {
        free(follow->departures.items);
        free(follow->arrivals.items);
    }
    HASH_CLEAR(hh, watch.follows);
    HASH_CLEAR(hh, watch.names);
}
