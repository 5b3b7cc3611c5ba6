/* Making containers: a scheduling pass on the pool; its plan, checked against the present, becomes
 * records some at a time, each part a transaction. */
#include "deployment/impl.h"
#include "base/buggify.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct schedule_ask deployment_ask(const struct deployment *deployment, uint32_t count)
{
    return (struct schedule_ask){.deployment = deployment->name,
                                 .deployment_uid = deployment->record.uid,
                                 .placement = &deployment->placement,
                                 .template = &deployment->template,
                                 .count = count};
}

struct placing {
    struct deployment_manager *manager; /* NULL: it is gone */
    struct placing *next;
    struct schedule_plan *plan; /* NULL: the scheduler has it yet */
    struct loop_slice slice;
    uint32_t at;        /* of the plan */
    uint32_t made;      /* containers */
    int64_t pending;    /* of them, those not yet durable */
    uint32_t in_flight; /* transactions */
    bool over, refused, look;
    bool missed; /* a node came free meanwhile that would take one */
    char name[64], uid[ID_UID_BYTES];
    int64_t revision;
};

enum { REFUSED_PAUSE_MS = 1000, PLACINGS_AT_ONCE = 4 };

/* Our own work on it is over: what changed meanwhile is looked at now. */
static void release(struct deployment_manager *manager, const char *name, bool look)
{
    struct track *track = deployment_track(manager, name);
    if (!track)
        return;
    track->busy = false;
    if (look || track->again)
        deployment_queue(manager, track);
    track->again = false;
}

/* The level has not changed, so the next look tries again: not at once, a full store would be kept
 * busy with it. */
static void release_refused(struct deployment_manager *manager, const char *name)
{
    struct track *track = deployment_track(manager, name);
    if (!track)
        return;
    track->busy = track->again = false;
    loop_timer_start(&track->timer, REFUSED_PAUSE_MS * NS_PER_MS);
}

/* What is under way counts against nodes and slots until its records do. */
struct submitted {
    struct deployment_manager *manager;
    struct placing *placing; /* NULL: it makes nothing */
    struct arena arena;
    struct scheduler_share *shares;
    int64_t *slots;
    uint32_t share_count;
    char name[64], uid[ID_UID_BYTES];
};

static void end_if_over(struct placing *placing);

static void give_back(struct submitted *submitted)
{
    struct track *track = deployment_track(submitted->manager, submitted->name);
    bool same = track && strcmp(track->uid, submitted->uid) == 0;
    for (uint32_t i = 0; i < submitted->share_count; i++) {
        scheduler_share_remove(submitted->manager->config.scheduler, &submitted->shares[i]);
        if (same)
            slots_change(&track->slots, submitted->slots[i], -1);
    }
}

static void submitted_done(void *argument, const struct error *error)
{
    struct submitted *submitted = argument;
    struct placing *placing = submitted->placing;
    FAILPOINT(reconcile_after);
    give_back(submitted);
    if (placing) {
        placing->in_flight--;
        placing->pending -= submitted->share_count;
        placing->refused |= error != NULL;
        placing->over |= error != NULL;
        end_if_over(placing);
    } else if (error) {
        release_refused(submitted->manager, submitted->name);
    } else {
        release(submitted->manager, submitted->name, true);
    }
    arena_finish(&submitted->arena);
    free(submitted);
}

static struct submitted *make_submitted(struct deployment_manager *manager, struct track *track)
{
    struct submitted *submitted = memory_alloc(sizeof *submitted);
    submitted->manager = manager;
    snprintf(submitted->name, sizeof submitted->name, "%s", track->name);
    snprintf(submitted->uid, sizeof submitted->uid, "%s", track->uid);
    return submitted;
}

void deployment_submit(struct deployment_manager *manager, struct track *track, struct txn *txn)
{
    FAILPOINT(reconcile_before);
    track->busy = true;
    txn_submit(txn, submitted_done, make_submitted(manager, track));
}

static void reserve(struct submitted *submitted, struct track *track,
                    const struct deployment *deployment, int64_t slot,
                    const struct schedule_placement *placement)
{
    submitted->slots[submitted->share_count] = slot;
    struct scheduler_share *share = &submitted->shares[submitted->share_count++];
    struct container holder = {.ports = placement->ports}, copy;
    schema_copy(&container_type, &holder, &submitted->arena, &copy);
    *share = (struct scheduler_share){.node = arena_strdup(&submitted->arena, placement->node),
                                      .deployment = submitted->name,
                                      .cpu_millis = deployment->template.resources.cpu_millis,
                                      .memory_bytes = deployment->template.resources.memory_bytes,
                                      .ports = copy.ports};
    scheduler_share_add(submitted->manager->config.scheduler, share);
    slots_change(&track->slots, slot, 1);
}

static void make_container(struct deployment_manager *manager, struct txn *txn,
                           const struct deployment *deployment, int64_t slot,
                           const struct schedule_placement *placement, bool tell)
{
    char id[80], suffix[ID_SUFFIX_BYTES], object[96];
    const struct container *before =
        container_manager_newest_of(manager->config.containers, deployment->name, slot);
    id_make_suffix(loop_random_source(manager->loop), suffix);
    snprintf(id, sizeof id, "%s-%lld-%s", deployment->name, (long long)slot, suffix);
    struct container container = {.record.created_at_ms = loop_wall_ms(manager->loop),
                                  .id = id,
                                  .deployment = deployment->name,
                                  .deployment_uid = deployment->record.uid,
                                  .node = placement->node,
                                  .slot = slot,
                                  .revision = deployment->revision,
                                  .content = deployment->content,
                                  .ports = placement->ports,
                                  .incarnation = 1,
                                  .intent = INTENT_RUN,
                                  /* The ends of a slot go along with it. */
                                  .ends = before ? before->ends : (struct list){0}};
    txn_put(txn, record_create(&container_kind, &container));
    if (!tell)
        return;
    snprintf(object, sizeof object, "containers/%s", id);
    txn_event(txn, EVENT_NORMAL, "Scheduled", object, "placed on %s for revision %lld",
              placement->node, (long long)deployment->revision);
}

/* No room, because of a host port of our own: it comes free by itself, or an old one must go first.
 * True when that is all that is to be said. */
static bool wait_for_port(struct deployment_manager *manager, struct track *track, struct txn *txn,
                          const struct deployment *deployment,
                          const struct schedule_placement *placement)
{
    char object[96];
    int64_t port = placement->refused[FILTER_PORTS] ? strategy_port_of_old(manager, deployment) : 0;
    track->waits_for_port = port && track->counts.stopping;
    if (track->waits_for_port)
        deployment_set_unplaced(manager, track, false);
    if (!port || track->waits_for_port || track->stop_first || deployment->paused)
        return track->waits_for_port;
    track->stop_first = true;
    snprintf(object, sizeof object, "deployments/%s", track->name);
    txn_event(
        txn, EVENT_NORMAL, "StopFirst", object,
        "revision %lld: host port %lld is free on no other node, so an old replica goes before "
        "its successor is started",
        (long long)deployment->revision, (long long)port);
    return true;
}

static void note_unplaced(struct deployment_manager *manager, struct track *track, struct txn *txn,
                          const struct deployment *deployment,
                          const struct schedule_placement *placement)
{
    char why[sizeof track->why], object[96];
    if (wait_for_port(manager, track, txn, deployment, placement))
        return;
    uint32_t nodes = (uint32_t)state_count(manager->state, KIND_NODE);
    schedule_refusals_text(placement, nodes, why, sizeof why);
    deployment_set_unplaced(manager, track, placement->refused[FILTER_PLUGIN] != 0);
    if (strcmp(why, track->why) != 0) {
        snprintf(object, sizeof object, "deployments/%s", track->name);
        txn_event(txn, EVENT_WARNING, "Unschedulable", object, "no node takes the next replica: %s",
                  why);
    }
    memcpy(track->why, why, sizeof why);
}

static int compare_pointers(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    return x < y ? -1 : x > y;
}

/* Names of a plan are one pointer a node. */
static uint32_t count_nodes(const struct schedule_plan *plan, uint32_t upto)
{
    const char **names = memory_alloc((upto + 1) * sizeof *names);
    uint32_t count = 0, different = 0;
    for (uint32_t i = 0; i < upto; i++)
        if (plan->placements[i].node)
            names[count++] = plan->placements[i].node;
    qsort(names, count, sizeof *names, compare_pointers);
    for (uint32_t i = 0; i < count; i++)
        different += i == 0 || names[i] != names[i - 1];
    free(names);
    return different;
}

/* Many are told by one event, with the last of them. */
static void tell_all(struct placing *placing, struct txn *txn, const struct deployment *deployment)
{
    char object[96];
    if (placing->plan->count <= SINGLE_EVENTS || !placing->made)
        return;
    uint32_t nodes = count_nodes(placing->plan, placing->at);
    snprintf(object, sizeof object, "deployments/%s", deployment->name);
    txn_event(txn, EVENT_NORMAL, "Scheduled", object,
              "placed %u replicas on %u node%s for revision %lld", placing->made, nodes,
              nodes == 1 ? "" : "s", (long long)deployment->revision);
}

/* Into the transaction; true: there is no more to be made of the plan. */
static bool make_some(struct placing *placing, struct txn *txn, struct submitted *submitted,
                      const struct deployment *deployment, struct track *track)
{
    struct deployment_manager *manager = placing->manager;
    const struct schedule_plan *plan = placing->plan;
    const struct schedule_ask ask = deployment_ask(deployment, 1);
    struct census census;
    census_take(manager, deployment, track, &census); /* the world may have moved */
    int64_t most = deployment_missing(&census) - placing->pending;
    while (placing->at < plan->count &&
           submitted->share_count < state_changes_at_once(manager->state) &&
           submitted->share_count < most) {
        const struct schedule_placement *placement = &plan->placements[placing->at++];
        if (!placement->node) { /* nor do those behind it */
            if (placing->missed)
                placing->look = true; /* the pass did not know of it: another is due */
            else
                note_unplaced(manager, track, txn, deployment, placement);
            placing->at = plan->count;
            break;
        }
        if (BUGGIFY("plan-is-outdated") ||
            !scheduler_still_fits(manager->config.scheduler, &ask, placement->node,
                                  &placement->ports))
            continue; /* the world moved: the next look plans again */
        int64_t slot = slots_first_free(&track->slots);
        make_container(manager, txn, deployment, slot, placement, plan->count <= SINGLE_EVENTS);
        reserve(submitted, track, deployment, slot, placement);
    }
    placing->made += submitted->share_count;
    placing->pending += submitted->share_count;
    return placing->at == plan->count || submitted->share_count == most || most <= 0;
}

static void submit_some(struct placing *placing, const struct deployment *deployment,
                        struct track *track)
{
    struct deployment_manager *manager = placing->manager;
    struct txn *txn = txn_begin(manager->state, deployment_origin(track));
    struct submitted *submitted = make_submitted(manager, track);
    submitted->placing = placing;
    size_t most = state_changes_at_once(manager->state);
    submitted->shares = arena_alloc(&submitted->arena, most * sizeof *submitted->shares);
    submitted->slots = arena_alloc(&submitted->arena, most * sizeof *submitted->slots);
    placing->over = make_some(placing, txn, submitted, deployment, track);
    placing->look |= submitted->share_count || !track->unplaced;
    if (placing->over)
        tell_all(placing, txn, deployment);
    if (!txn_is_empty(txn)) {
        placing->in_flight++;
        FAILPOINT(place_before_submit);
        txn_submit(txn, submitted_done, submitted);
        FAILPOINT(place_after_submit);
        return;
    }
    txn_abort(txn);
    arena_finish(&submitted->arena);
    free(submitted);
}

static void next_placing(struct deployment_manager *manager)
{
    struct track *track = manager->for_pass;
    if (!track)
        return;
    manager->for_pass = track->next_for_pass;
    if (!manager->for_pass)
        manager->for_pass_last = NULL;
    track->waits_for_pass = false;
    deployment_queue(manager, track);
}

static void free_placing(struct placing *placing)
{
    struct deployment_manager *manager = placing->manager;
    struct placing **link = manager ? &manager->placings : NULL;
    while (link && *link != placing)
        link = &(*link)->next;
    if (link) {
        *link = placing->next;
        manager->placing_count--;
        loop_slice_stop(&placing->slice);
        next_placing(manager);
    }
    schedule_plan_free(placing->plan);
    free(placing);
}

static void end_if_over(struct placing *placing)
{
    if (!placing->over || placing->in_flight)
        return;
    if (placing->manager && placing->refused)
        release_refused(placing->manager, placing->name);
    else if (placing->manager)
        release(placing->manager, placing->name, placing->look);
    free_placing(placing);
}

/* Nothing is made after a change that does not want it, also one still on its way. */
static bool is_wanted(const struct placing *placing, const struct deployment *deployment,
                      const struct track *track)
{
    const struct deployment *head = deployment_head(placing->manager, placing->name);
    return deployment && track && strcmp(track->uid, placing->uid) == 0 &&
           deployment->revision == placing->revision && head && !head->deleting &&
           head->revision == placing->revision;
}

static bool place_some(void *argument)
{
    struct placing *placing = argument;
    struct deployment_manager *manager = placing->manager;
    if (placing->over)
        return false;
    if (!state_ready(manager->state, NULL)) {
        deployment_wait_for_state(manager);
        return false;
    }
    const struct deployment *deployment = deployment_manager_find(manager, placing->name);
    struct track *track = deployment_track(manager, placing->name);
    if (is_wanted(placing, deployment, track)) {
        submit_some(placing, deployment, track);
    } else {
        placing->over = placing->look = true;
    }
    bool more = !placing->over;
    end_if_over(placing);
    return more;
}

void deployment_node_freed(struct deployment_manager *manager, const char *node)
{
    for (struct placing *placing = manager->placings; placing; placing = placing->next) {
        const struct deployment *deployment = deployment_manager_find(manager, placing->name);
        if (!deployment)
            continue;
        const struct schedule_ask ask = deployment_ask(deployment, 1);
        placing->missed |=
            scheduler_still_fits(manager->config.scheduler, &ask, node, &(struct list){0});
    }
}

void deployment_resume_placings(struct deployment_manager *manager)
{
    for (struct placing *placing = manager->placings; placing; placing = placing->next)
        if (placing->plan && !placing->over)
            loop_slice_start(&placing->slice);
}

/* What the scheduler or the store has comes back later, to nobody. */
void deployment_placings_finish(struct deployment_manager *manager)
{
    struct placing *placing = manager->placings;
    manager->placings = NULL;
    while (placing) {
        struct placing *next = placing->next;
        loop_slice_stop(&placing->slice);
        placing->manager = NULL;
        if (placing->plan && !placing->in_flight)
            free_placing(placing);
        placing = next;
    }
}

static void placed(void *argument, struct schedule_plan *plan)
{
    struct placing *placing = argument;
    placing->plan = plan;
    if (!plan || !placing->manager) { /* all is ending, the manager gone already */
        free_placing(placing);
        return;
    }
    loop_slice_start(&placing->slice);
}

static void wait_for_pass(struct deployment_manager *manager, struct track *track)
{
    if (track->waits_for_pass)
        return;
    track->waits_for_pass = true;
    track->next_for_pass = NULL;
    if (manager->for_pass_last)
        manager->for_pass_last->next_for_pass = track;
    else
        manager->for_pass = track;
    manager->for_pass_last = track;
}

static struct placing *make_placing(struct deployment_manager *manager,
                                    const struct deployment *deployment)
{
    struct placing *placing = memory_alloc(sizeof *placing);
    placing->manager = manager;
    placing->revision = deployment->revision;
    snprintf(placing->name, sizeof placing->name, "%s", deployment->name);
    snprintf(placing->uid, sizeof placing->uid, "%s", deployment->record.uid);
    loop_slice_init(&placing->slice, manager->loop, "place", place_some, placing);
    placing->next = manager->placings;
    manager->placings = placing;
    manager->placing_count++;
    return placing;
}

void deployment_place(struct deployment_manager *manager, struct track *track,
                      const struct deployment *deployment, uint32_t count, const struct list *only)
{
    struct error error = {0};
    if (manager->placing_count >= PLACINGS_AT_ONCE) { /* a later plan knows of the earlier ones */
        wait_for_pass(manager, track);
        return;
    }
    struct placing *placing = make_placing(manager, deployment);
    struct schedule_ask ask = deployment_ask(deployment, count);
    ask.seed = hash_text(deployment->record.uid) ^ (uint64_t)deployment->revision;
    ask.only = only;
    track->busy = true;
    if (!BUGGIFY("no-scheduler") &&
        scheduler_place(manager->config.scheduler, &ask, placed, placing, &error))
        return;
    free_placing(placing);
    track->busy = false;
    deployment_set_unplaced(manager, track, true);
    snprintf(track->why, sizeof track->why, "%.200s", error.message);
}
