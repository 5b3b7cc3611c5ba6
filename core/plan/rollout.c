/* One deployment on its way from what is there to what would be declared, in the controller's
 * steps: as many new ones as maxSurge allows are placed, then as many old ones go as maxUnavailable
 * allows, and so on. Very long rollouts are planned in larger steps after PLAN_STEPS. */
#include "plan/impl.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOKS = 200, AT_ONCE = 500, LARGE_STEPS = 16 }; /* the first two: in one turn */

struct plan_rollout {
    struct planner *planner;
    struct plan_job *job;
    const struct container *seen;  /* counted: where the walk goes on */
    struct deployment_victim *all; /* live ones, in the order in which they may go; counted */
    uint32_t all_count, all_room, sorted_out;
    int64_t surplus;                      /* of `all`, those first */
    const struct deployment_victim **old; /* of the others, those that are to be replaced */
    uint32_t old_count, gone;             /* gone: of `old`, those first */
    uint8_t *slots;                       /* taken, below `slot_room` */
    int64_t slot_room, next_slot, held;   /* held: by failed ones, which are not made anew */
    int64_t desired, surge, unavailable, available, updated;
    uint32_t step, asked, larger;
    bool recreates;
    struct schedule_plan *places;
    enum { ROLLOUT_LOOKS, ROLLOUT_SORTS_OUT, ROLLOUT_PLACES, ROLLOUT_STOPS } stage;
};

void plan_rollout_destroy(struct plan_rollout *rollout)
{
    if (!rollout)
        return;
    for (uint32_t i = 0; i < rollout->all_count; i++)
        record_release(&rollout->all[i].container->record);
    record_release(rollout->seen ? &rollout->seen->record : NULL);
    schedule_plan_free(rollout->places);
    free(rollout->all);
    free(rollout->old);
    free(rollout->slots);
    free(rollout);
}

/* -- what is there -- */

static void assume(struct plan_rollout *rollout, const struct container *container, int by)
{
    struct planner *planner = rollout->planner;
    const struct deployment *deployment = rollout->job->after;
    const struct deployment *of =
        deployment_manager_find(planner->parts.deployments, deployment->name);
    const struct revision *revision =
        of ? deployment_manager_revision(planner->parts.deployments, of, container->revision)
           : NULL;
    const struct resources *asked =
        revision ? &revision->template.resources : &deployment->template.resources;
    const struct scheduler_share share = {.node = container->node,
                                          .deployment = deployment->name,
                                          .cpu_millis = asked->cpu_millis,
                                          .memory_bytes = asked->memory_bytes,
                                          .ports = container->ports};
    schedule_assumed_share(planner->assumed, &share, by);
}

static void take_slot(struct plan_rollout *rollout, int64_t slot)
{
    int64_t room = rollout->slot_room;
    if (slot < 0)
        return;
    while (room <= slot)
        room = room ? room * 2 : 64;
    if (room > rollout->slot_room) {
        rollout->slots = memory_resize(rollout->slots, (size_t)room);
        memset(rollout->slots + rollout->slot_room, 0, (size_t)(room - rollout->slot_room));
        rollout->slot_room = room;
    }
    rollout->slots[slot] = 1;
}

static int64_t free_slot(struct plan_rollout *rollout)
{
    while (rollout->next_slot < rollout->slot_room && rollout->slots[rollout->next_slot])
        rollout->next_slot++;
    return rollout->next_slot++;
}

static void stop(struct plan_rollout *rollout, const struct container *container,
                 const char *reason)
{
    const struct plan_stop row = {.container = container->id,
                                  .deployment = rollout->job->after->name,
                                  .node = container->node,
                                  .reason = reason,
                                  .step = rollout->step};
    plan_add_stop(rollout->planner, &row);
    assume(rollout, container, -1);
}

static void look_at(struct plan_rollout *rollout, const struct container *container)
{
    struct planner *planner = rollout->planner;
    const struct deployment *after = rollout->job->after;
    struct container_brief brief = container_manager_brief(planner->parts.containers, container);
    bool wanted = deployment_wants(after, container);
    if (container->intent != INTENT_RUN || brief.state == CONTAINER_LOST)
        return;
    if (container->failed || brief.state == CONTAINER_FAILED) {
        rollout->held += wanted;
        if (wanted)
            take_slot(rollout, container->slot);
        return;
    }
    rollout->job->ready += brief.ready;
    if (plan_node_is_lost(planner, container->node)) {
        rollout->step = 1;
        stop(rollout, container, "NodeLost");
        return;
    }
    const struct plan_change *change = plan_change_of(planner, KIND_CONTAINER, container->id);
    if (change && ((const struct container *)change->after)->intent == INTENT_STOP) {
        rollout->step = 1;
        stop(rollout, container, "Deleted");
        return;
    }
    rollout->available += brief.ready;
    bool outdated = !(wanted || after->paused) || plan_node_is_left(planner, container->node);
    rollout->all =
        plan_grow(rollout->all, rollout->all_count, &rollout->all_room, sizeof *rollout->all);
    record_take_reference(&container->record);
    rollout->all[rollout->all_count++] = (struct deployment_victim){.container = container,
                                                                    .available = brief.ready,
                                                                    .ready = brief.ready,
                                                                    .outdated = outdated};
}

/* False: all were looked at. */
static bool look_at_some(struct plan_rollout *rollout)
{
    struct planner *planner = rollout->planner;
    for (int looks = 0; looks < LOOKS; looks++) {
        const struct container *next = container_manager_next(
            planner->parts.containers, rollout->job->after->name, rollout->seen);
        record_release(rollout->seen ? &rollout->seen->record : NULL);
        rollout->seen =
            next ? (const struct container *)record_take_reference(&next->record) : NULL;
        if (!next)
            return false;
        if (planner->looked_at++ >= PLAN_CONTAINERS) {
            planner->cut = true;
            return false;
        }
        look_at(rollout, next);
    }
    return true;
}

/* -- what is wanted -- */

static int64_t desired_of(const struct planner *planner, const struct deployment *deployment)
{
    const struct node *node = NULL;
    int64_t count = 0;
    if (deployment->deleting)
        return 0;
    if (deployment->mode == MODE_REPLICATED)
        return deployment->replicas;
    while ((node = node_registry_next(planner->parts.nodes, node ? node->name : NULL)))
        count += deployment_manager_may_run_on(planner->parts.deployments, deployment, node) &&
                 !plan_node_is_closed(planner, node->name);
    return count;
}

static void note_least(struct plan_rollout *rollout)
{
    if (rollout->available < rollout->job->least)
        rollout->job->least = rollout->available;
}

static void warn_of_image(struct planner *planner, const struct plan_job *job)
{
    const char *before = job->before ? job->before->template.image : NULL;
    const char *after = job->after->template.image;
    const char *colon = strrchr(after, ':');
    if (!before || !colon || strchr(after, '@') || strchr(before, '@') ||
        strcmp(before, after) == 0 || strncmp(before, after, (size_t)(colon + 1 - after)) != 0)
        return;
    plan_warn(planner,
              "deployment %s: only the image's tag changes, from %.60s to %.60s; what it means is "
              "decided by the registry when nodes pull it",
              job->after->name, before + (colon + 1 - after), colon + 1);
}

static void warn_of_waiting(struct planner *planner, const struct plan_job *job)
{
    const struct deployment *after = job->after;
    uint8_t strategy = after->rollout.strategy;
    if (after->paused && job->before && job->before->revision != after->revision)
        plan_warn(planner, "deployment %s is paused: nothing is replaced until it is resumed",
                  after->name);
    if (after->complete_revision && deployment_is_rolling(after) && !after->promoted &&
        (strategy == STRATEGY_CANARY || strategy == STRATEGY_BLUE_GREEN))
        plan_warn(planner,
                  "deployment %s: its rollout waits for a promotion on the way; planned is what "
                  "comes of it when it is promoted",
                  after->name);
}

/* The first to go are those that the controller would choose; false: all are sorted out. */
static bool sort_out_some(struct plan_rollout *rollout)
{
    for (int looks = 0; looks < AT_ONCE; looks++) {
        if (rollout->sorted_out == rollout->all_count)
            return false;
        const struct deployment_victim *victim = &rollout->all[rollout->sorted_out];
        if (rollout->sorted_out++ < rollout->surplus) {
            rollout->available -= victim->available;
            stop(rollout, victim->container,
                 rollout->job->after->deleting ? "Deleted" : "ScaledDown");
            note_least(rollout);
        } else if (victim->outdated) {
            rollout->old[rollout->old_count++] = victim;
        } else {
            take_slot(rollout, victim->container->slot);
            rollout->updated++;
        }
    }
    return true;
}

static int64_t surplus_of(const struct plan_rollout *rollout)
{
    int64_t old = 0;
    for (uint32_t i = 0; i < rollout->all_count; i++)
        old += rollout->all[i].outdated;
    int64_t most = rollout->desired + (old ? rollout->surge : 0);
    return rollout->all_count > most ? rollout->all_count - most : 0;
}

static void begin(struct plan_rollout *rollout)
{
    struct planner *planner = rollout->planner;
    struct plan_job *job = rollout->job;
    const struct deployment *after = job->after;
    job->least = rollout->available;
    rollout->desired = desired_of(planner, after);
    deployment_rolling_bounds(&after->rollout, rollout->desired, &rollout->surge,
                              &rollout->unavailable);
    bool rolling = after->complete_revision && deployment_is_rolling(after);
    rollout->recreates = rolling && after->rollout.strategy == STRATEGY_RECREATE;
    if (rolling && after->rollout.strategy == STRATEGY_BLUE_GREEN)
        rollout->surge = rollout->desired;
    if (after->mode == MODE_GLOBAL || rollout->recreates) { /* in its place: it must go first */
        rollout->surge = 0;
        if (rollout->unavailable < 1)
            rollout->unavailable = 1;
    }
    if (rollout->recreates)
        rollout->unavailable = rollout->desired;
    warn_of_image(planner, job);
    warn_of_waiting(planner, job);
    if (rollout->all_count)
        qsort(rollout->all, rollout->all_count, sizeof *rollout->all, deployment_compare_victims);
    rollout->old = memory_alloc(((size_t)rollout->all_count + 1) * sizeof(void *));
    rollout->updated = rollout->held;
    rollout->surplus = surplus_of(rollout);
    rollout->step += rollout->surplus > 0;
}

/* -- steps -- */

static void placed(void *argument, struct schedule_plan *places)
{
    struct plan_rollout *rollout = argument;
    rollout->places = places;
    rollout->planner->waiting = false;
    if (rollout->planner->given_up)
        planner_destroy(rollout->planner);
    else
        loop_slice_start(&rollout->planner->slice);
}

static bool ask(struct plan_rollout *rollout, uint32_t count)
{
    struct planner *planner = rollout->planner;
    const struct deployment *after = rollout->job->after;
    struct placement placement = after->placement;
    struct error error;
    if (after->mode == MODE_GLOBAL)
        placement.max_per_node = 1;
    /* A new one has no uid yet that ties could go by. */
    const char *uid = rollout->job->before ? after->record.uid : after->name;
    const struct schedule_ask ask = {.deployment = after->name,
                                     .deployment_uid = uid,
                                     .placement = &placement,
                                     .template = &after->template,
                                     .count = count,
                                     .seed = hash_text(uid) ^ (uint64_t)after->revision,
                                     .assumed = planner->assumed};
    rollout->asked = count;
    planner->waiting = true;
    if (scheduler_place(planner->parts.scheduler, &ask, placed, rollout, &error))
        return true;
    planner->waiting = false;
    plan_warn(planner, "deployment %s: %s", after->name, error.message);
    return false;
}

static uint32_t old_left(const struct plan_rollout *rollout)
{
    return rollout->old_count - rollout->gone;
}

/* How many more may be made now. */
static uint32_t room(struct plan_rollout *rollout)
{
    int64_t missing = rollout->desired - rollout->updated;
    int64_t most = rollout->desired + rollout->surge - rollout->updated - old_left(rollout);
    int64_t limit = (int64_t)PLAN_CONTAINERS - rollout->planner->placed;
    int64_t count = missing < most ? missing : most;
    if (count > limit) {
        rollout->planner->cut = true;
        count = limit;
    }
    return count <= 0 ? 0 : (uint32_t)(count < AT_ONCE ? count : AT_ONCE);
}

static void take_place(struct plan_rollout *rollout, const char *node, const struct list *ports)
{
    const struct deployment *after = rollout->job->after;
    const struct plan_start row = {
        .deployment = after->name, .node = node, .slot = free_slot(rollout), .step = rollout->step};
    const struct scheduler_share share = {.node = node,
                                          .deployment = after->name,
                                          .cpu_millis = after->template.resources.cpu_millis,
                                          .memory_bytes = after->template.resources.memory_bytes,
                                          .ports = *ports};
    plan_add_start(rollout->planner, &row);
    schedule_assumed_share(rollout->planner->assumed, &share, 1);
    rollout->available++;
    rollout->updated++;
    rollout->planner->placed++;
}

static void note_unplaced(struct plan_rollout *rollout, const struct schedule_placement *place)
{
    struct planner *planner = rollout->planner;
    const struct deployment *after = rollout->job->after;
    char why[256];
    uint32_t nodes = (uint32_t)state_count(planner->parts.state, KIND_NODE);
    schedule_refusals_text(place, nodes, why, sizeof why);
    if (place->nearest_node)
        snprintf(why + strlen(why), sizeof why - strlen(why), "; nearest is %s, %s",
                 place->nearest_node, place->nearest_message);
    for (int64_t missing = rollout->desired - rollout->updated; missing > 0; missing--) {
        const struct plan_unplaced row = {.deployment = after->name,
                                          .slot = free_slot(rollout),
                                          .why = why,
                                          .nearest_node = place->nearest_node,
                                          .nearest = place->nearest_message};
        plan_add_unplaced(planner, &row);
        if (planner->plan->unplaced_total >= PLAN_CONTAINERS)
            break;
    }
    if (old_left(rollout))
        plan_warn(planner,
                  "deployment %s: its rollout stands still with %u of %lld new replicas: the next "
                  "one fits nowhere",
                  after->name, rollout->updated > 0 ? (unsigned)rollout->updated : 0,
                  (long long)rollout->desired);
}

/* False: one fits nowhere. */
static bool take_places(struct plan_rollout *rollout)
{
    struct planner *planner = rollout->planner;
    struct schedule_plan *places = rollout->places;
    const char *wanted = rollout->job->after->placement.scheduler;
    bool all = true;
    rollout->places = NULL;
    rollout->step++;
    if (wanted && places->scheduler && strcmp(wanted, places->scheduler) != 0)
        plan_warn(planner, "deployment %s: scheduler %s does not work; %s placed it",
                  rollout->job->after->name, wanted, places->scheduler);
    for (uint32_t i = 0; i < places->count && all; i++) {
        all = places->placements[i].node != NULL;
        if (all)
            take_place(rollout, places->placements[i].node, &places->placements[i].ports);
        else
            note_unplaced(rollout, &places->placements[i]);
    }
    schedule_plan_free(places);
    return all;
}

/* Old ones go as far as enough others are available; answers how many went. */
static uint32_t stop_old(struct plan_rollout *rollout)
{
    int64_t spare = rollout->available - (rollout->desired - rollout->unavailable);
    uint32_t before = rollout->gone, at_once = old_left(rollout);
    bool counted = rollout->step < PLAN_STEPS || rollout->recreates;
    if (!counted) { /* as many at once as end it in a few steps; no fewer are ready for that */
        rollout->larger = rollout->larger ? rollout->larger : at_once / LARGE_STEPS + 1;
        spare = rollout->larger;
    }
    rollout->step++;
    while (rollout->gone < rollout->old_count && rollout->gone - before < AT_ONCE) {
        const struct deployment_victim *victim = rollout->old[rollout->gone];
        if (victim->available && spare <= 0)
            break;
        spare -= victim->available;
        rollout->available -= victim->available;
        stop(rollout, victim->container, "Replaced");
        rollout->gone++;
    }
    if (counted)
        note_least(rollout);
    else
        plan_warn(rollout->planner,
                  "deployment %s: after %d steps its rollout was planned in larger ones",
                  rollout->job->after->name, PLAN_STEPS);
    return rollout->gone - before;
}

static enum plan_progress next_step(struct plan_rollout *rollout)
{
    switch (rollout->stage) {
    case ROLLOUT_LOOKS:
        if (look_at_some(rollout))
            return PLAN_GOES_ON;
        begin(rollout);
        rollout->stage = ROLLOUT_SORTS_OUT;
        return PLAN_GOES_ON;
    case ROLLOUT_SORTS_OUT:
        if (!sort_out_some(rollout))
            rollout->stage =
                rollout->recreates && rollout->old_count ? ROLLOUT_STOPS : ROLLOUT_PLACES;
        return PLAN_GOES_ON;
    case ROLLOUT_PLACES:
        if (rollout->places) {
            rollout->asked = 0;
            if (!take_places(rollout))
                return PLAN_OVER;
            rollout->stage = old_left(rollout) ? ROLLOUT_STOPS : ROLLOUT_PLACES;
            return PLAN_GOES_ON;
        }
        if (rollout->asked) /* the scheduler is gone */
            return PLAN_OVER;
        if (room(rollout))
            return ask(rollout, room(rollout)) ? PLAN_WAITS : PLAN_OVER;
        if (!old_left(rollout))
            return PLAN_OVER;
        rollout->stage = ROLLOUT_STOPS;
        return PLAN_GOES_ON;
    case ROLLOUT_STOPS:
        rollout->stage = ROLLOUT_PLACES;
        return stop_old(rollout) ? PLAN_GOES_ON : PLAN_OVER;
    }
    return PLAN_OVER;
}

enum plan_progress plan_rollout_step(struct planner *planner, struct plan_job *job)
{
    if (!planner->rollout) {
        planner->rollout = memory_alloc(sizeof *planner->rollout);
        *planner->rollout = (struct plan_rollout){.planner = planner, .job = job};
    }
    return next_step(planner->rollout);
}
