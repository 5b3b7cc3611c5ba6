/* Making containers: a scheduling pass on the pool, its plan checked against the present, then one
 * transaction with all records. */
#include "deployment/impl.h"
#include "base/buggify.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct placing {
    struct deployment_manager *manager;
    char name[64], uid[ID_UID_BYTES];
    int64_t revision;
};

enum { REFUSED_PAUSE_MS = 1000 };

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

/* What is under way counts against the nodes until its records do. */
struct submitted {
    struct deployment_manager *manager;
    struct arena arena;
    struct scheduler_share *shares;
    uint32_t share_count;
    char name[64];
};

static void submitted_done(void *argument, const struct error *error)
{
    struct submitted *submitted = argument;
    FAILPOINT(reconcile_after);
    for (uint32_t i = 0; i < submitted->share_count; i++)
        scheduler_share_remove(submitted->manager->config.scheduler, &submitted->shares[i]);
    arena_finish(&submitted->arena);
    if (error)
        release_refused(submitted->manager, submitted->name);
    else
        release(submitted->manager, submitted->name, true);
    free(submitted);
}

static struct submitted *make_submitted(struct deployment_manager *manager, struct track *track)
{
    struct submitted *submitted = memory_alloc(sizeof *submitted);
    submitted->manager = manager;
    snprintf(submitted->name, sizeof submitted->name, "%s", track->name);
    return submitted;
}

void deployment_submit(struct deployment_manager *manager, struct track *track, struct txn *txn)
{
    FAILPOINT(reconcile_before);
    track->busy = true;
    txn_submit(txn, submitted_done, make_submitted(manager, track));
}

static void reserve(struct submitted *submitted, const struct deployment *deployment,
                    const struct schedule_placement *placement)
{
    struct scheduler_share *share = &submitted->shares[submitted->share_count++];
    struct container holder = {.ports = placement->ports}, copy;
    schema_copy(&container_type, &holder, &submitted->arena, &copy);
    *share = (struct scheduler_share){.node = arena_strdup(&submitted->arena, placement->node),
                                      .deployment = submitted->name,
                                      .cpu_millis = deployment->template.resources.cpu_millis,
                                      .memory_bytes = deployment->template.resources.memory_bytes,
                                      .ports = copy.ports};
    scheduler_share_add(submitted->manager->config.scheduler, share);
}

static bool slot_taken(struct deployment_manager *manager, const struct deployment *deployment,
                       int64_t slot, const int64_t *chosen, uint32_t chosen_count)
{
    const struct container *container = NULL;
    for (uint32_t i = 0; i < chosen_count; i++)
        if (chosen[i] == slot)
            return true;
    while ((container =
                container_manager_next(manager->config.containers, deployment->name, container)))
        if (container->slot == slot && container->intent == INTENT_RUN &&
            !census_is_outdated(manager, deployment, container) &&
            (container->failed || census_is_live(manager, container)))
            return true;
    return false;
}

/* The ends of a slot go along with it. */
static struct list slot_ends(struct deployment_manager *manager,
                             const struct deployment *deployment, int64_t slot)
{
    const struct container *container = NULL, *newest = NULL;
    while ((container =
                container_manager_next(manager->config.containers, deployment->name, container)))
        if (container->slot == slot &&
            (!newest || container->record.created_at_ms > newest->record.created_at_ms))
            newest = container;
    return newest ? newest->ends : (struct list){0};
}

static void make_container(struct deployment_manager *manager, struct txn *txn,
                           const struct deployment *deployment, int64_t slot,
                           const struct schedule_placement *placement)
{
    char id[80], suffix[ID_SUFFIX_BYTES], object[96];
    id_make_suffix(loop_random_source(manager->loop), suffix);
    snprintf(id, sizeof id, "%s-%lld-%s", deployment->name, (long long)slot, suffix);
    struct container container = {.record.created_at_ms = loop_wall_ms(manager->loop),
                                  .id = id,
                                  .deployment = deployment->name,
                                  .deployment_uid = deployment->record.uid,
                                  .node = placement->node,
                                  .slot = slot,
                                  .revision = deployment->revision,
                                  .ports = placement->ports,
                                  .incarnation = 1,
                                  .intent = INTENT_RUN,
                                  .ends = slot_ends(manager, deployment, slot)};
    txn_put(txn, record_create(&container_kind, &container));
    snprintf(object, sizeof object, "containers/%s", id);
    txn_event(txn, EVENT_NORMAL, "Scheduled", object, "placed on %s for revision %lld",
              placement->node, (long long)deployment->revision);
}

static void note_unplaced(struct deployment_manager *manager, struct track *track, struct txn *txn,
                          const struct schedule_placement *placement)
{
    char why[sizeof track->why], object[96];
    const struct node *node = NULL;
    uint32_t nodes = 0;
    while ((node = node_registry_next(manager->config.nodes, node ? node->name : NULL)))
        nodes++;
    schedule_refusals_text(placement, nodes, why, sizeof why);
    track->unplaced = true;
    if (strcmp(why, track->why) != 0) {
        snprintf(object, sizeof object, "deployments/%s", track->name);
        txn_event(txn, EVENT_WARNING, "Unschedulable", object, "no node takes the next replica: %s",
                  why);
    }
    memcpy(track->why, why, sizeof why);
}

static void take_plan(struct placing *placing, struct schedule_plan *plan,
                      const struct deployment *deployment, struct track *track)
{
    struct deployment_manager *manager = placing->manager;
    struct schedule_ask ask = {.deployment = deployment->name,
                               .deployment_uid = deployment->record.uid,
                               .placement = &deployment->placement,
                               .template = &deployment->template,
                               .count = 1};
    struct txn *txn = txn_begin(manager->state, deployment_origin(track));
    int64_t *chosen = memory_alloc(plan->count * sizeof *chosen), slot = 0;
    CLEANUP(arena_finish) struct arena arena = {0};
    struct census census;
    uint32_t made = 0;
    struct submitted *submitted = make_submitted(manager, track);
    submitted->shares =
        arena_alloc(&submitted->arena, (plan->count + 1) * sizeof *submitted->shares);
    census_take(manager, deployment, &arena, &census); /* the world may have moved */
    int64_t most = deployment_missing(&census);
    for (uint32_t i = 0; i < plan->count && made < most; i++) {
        const struct schedule_placement *placement = &plan->placements[i];
        if (!placement->node) {
            note_unplaced(manager, track, txn, placement);
            continue;
        }
        if (BUGGIFY("plan-is-outdated") ||
            !scheduler_still_fits(manager->config.scheduler, &ask, placement->node,
                                  &placement->ports))
            continue; /* the world moved: the next look plans again */
        while (slot_taken(manager, deployment, slot, chosen, made))
            slot++;
        make_container(manager, txn, deployment, slot, placement);
        reserve(submitted, deployment, placement);
        chosen[made++] = slot;
    }
    free(chosen);
    if (!txn_is_empty(txn)) {
        FAILPOINT(place_before_submit);
        txn_submit(txn, submitted_done, submitted);
        FAILPOINT(place_after_submit);
        return;
    }
    txn_abort(txn);
    arena_finish(&submitted->arena);
    free(submitted);
    release(manager, placing->name, !track->unplaced);
}

static void placed(void *argument, struct schedule_plan *plan)
{
    struct placing *placing = argument;
    if (!plan) { /* all is ending, the manager gone already */
        free(placing);
        return;
    }
    struct deployment_manager *manager = placing->manager;
    const struct deployment *deployment = deployment_manager_find(manager, placing->name);
    const struct deployment *head = deployment_head(manager, placing->name);
    struct track *track = deployment_track(manager, placing->name);
    /* Nothing is made after a change that does not want it, also one still on its way. */
    if (deployment && track && strcmp(track->uid, placing->uid) == 0 &&
        deployment->revision == placing->revision && head && !head->deleting &&
        head->revision == placing->revision)
        take_plan(placing, plan, deployment, track);
    else
        release(manager, placing->name, true);
    schedule_plan_free(plan);
    free(placing);
}

void deployment_place(struct deployment_manager *manager, struct track *track,
                      const struct deployment *deployment, uint32_t count, const char *only_node)
{
    struct error error = {0};
    struct placing *placing = memory_alloc(sizeof *placing);
    placing->manager = manager;
    placing->revision = deployment->revision;
    snprintf(placing->name, sizeof placing->name, "%s", deployment->name);
    snprintf(placing->uid, sizeof placing->uid, "%s", deployment->record.uid);
    struct schedule_ask ask = {.deployment = deployment->name,
                               .deployment_uid = deployment->record.uid,
                               .placement = &deployment->placement,
                               .template = &deployment->template,
                               .count = count,
                               .seed = hash_text(deployment->record.uid) ^
                                       (uint64_t)deployment->revision,
                               .only_node = only_node};
    track->busy = true;
    if (!BUGGIFY("no-scheduler") &&
        scheduler_place(manager->config.scheduler, &ask, placed, placing, &error))
        return;
    free(placing);
    track->busy = false;
    track->unplaced = true;
    snprintf(track->why, sizeof track->why, "%.200s", error.message);
}
