/* Reconciling one deployment: what is declared against what is there. Level-triggered and
 * idempotent: it looks at committed records and soft states only, and a look at a settled
 * deployment yields nothing. */
#include "deployment/impl.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int deployment_compare_victims(const void *a, const void *b)
{
    const struct deployment_victim *x = a, *y = b;
    if (x->available != y->available)
        return x->available ? 1 : -1;
    if (x->ready != y->ready) /* after a start of ours none has been so for minReady */
        return x->ready ? 1 : -1;
    if (x->outdated != y->outdated)
        return x->outdated ? -1 : 1;
    if (x->container->slot != y->container->slot)
        return x->container->slot > y->container->slot ? -1 : 1;
    return strcmp(x->container->id, y->container->id);
}

/* Live containers, all or outdated ones only, in the order in which they may go. */
static size_t pick_victims(struct deployment_manager *manager, const struct census *census,
                           bool outdated_only, struct arena *arena, struct deployment_victim **out)
{
    size_t count = 0;
    struct deployment_victim *victims =
        arena_alloc(arena, ((size_t)census->live_count + 1) * sizeof *victims);
    for (int64_t i = 0; i < census->live_count; i++) {
        bool outdated = census_is_outdated(manager, census->deployment, census->live[i]);
        if (outdated_only && !outdated)
            continue;
        victims[count++] = (struct deployment_victim){
            .container = census->live[i],
            .available = census_is_available(manager, census->deployment, census->live[i]),
            .ready = container_manager_brief(manager->config.containers, census->live[i]).ready,
            .outdated = outdated};
    }
    qsort(victims, count, sizeof *victims, deployment_compare_victims);
    *out = victims;
    return count;
}

/* False: enough for one transaction; the next look goes on. */
static bool stop(struct deployment_manager *manager, struct txn *txn, struct census *census,
                 const struct container *container, const char *reason)
{
    if (census->stopped == state_changes_at_once(manager->state))
        return false;
    if (!container_manager_stop(manager->config.containers, txn, container, reason))
        return true;
    if (census->stopped < SINGLE_EVENTS)
        census->first_stopped[census->stopped] =
            (struct stopped){.container = container, .reason = reason};
    census->stopped++;
    return true;
}

static void tell_stopped(struct txn *txn, const struct census *census)
{
    char object[96];
    for (uint32_t i = 0; i < census->stopped && census->stopped <= SINGLE_EVENTS; i++) {
        snprintf(object, sizeof object, "containers/%s", census->first_stopped[i].container->id);
        txn_event(txn, EVENT_NORMAL, "Stopping", object, "%s: it drains, then stops",
                  census->first_stopped[i].reason);
    }
    if (census->stopped <= SINGLE_EVENTS)
        return;
    snprintf(object, sizeof object, "deployments/%s", census->deployment->name);
    txn_event(txn, EVENT_NORMAL, "Stopping", object, "%s: %u containers drain, then stop",
              census->first_stopped[0].reason, census->stopped);
}

/* Old ones go as far as enough others are available, in waves of maxDraining. */
static void stop_outdated(struct deployment_manager *manager, struct track *track, struct txn *txn,
                          struct census *census, struct arena *arena)
{
    const struct bounds *bounds = &census->bounds;
    struct container_manager *containers = manager->config.containers;
    struct deployment_victim *victims;
    size_t count = pick_victims(manager, census, true, arena, &victims);
    int64_t spare = census->active - (census->desired - bounds->unavailable);
    int64_t room = bounds->draining - census->counts.stopping;
    if (room > (int64_t)count - bounds->outdated)
        room = (int64_t)count - bounds->outdated;
    bool pulled =
        !deployment_is_rolling(census->deployment) || images_are_there(manager, track, census);
    bool full = census->counts.current >= census->desired + bounds->surge;
    for (size_t i = 0; i < count && room > 0; i++) {
        /* One that serves nobody goes once its place is taken, or to make one. After a start of
         * ours what is ready has yet to be so for minReady. */
        bool useless = !container_manager_brief(containers, victims[i].container).ready &&
                       container_manager_is_known(containers, victims[i].container) &&
                       (census->counts.updated > 0 || bounds->surge == 0 || full);
        if (!useless && (spare <= 0 || !pulled))
            continue;
        if (victims[i].available)
            spare--;
        room--;
        if (!stop(manager, txn, census, victims[i].container, "Replaced"))
            return;
    }
}

/* Their node's drain has lasted as long as it may. */
static void stop_overdue(struct deployment_manager *manager, struct txn *txn, struct census *census)
{
    for (int64_t i = 0; i < census->live_count; i++)
        if (census_drain_left_ms(manager, census->live[i]) <= 0 &&
            !stop(manager, txn, census, census->live[i], "Drained"))
            return;
}

static void stop_surplus(struct deployment_manager *manager, struct txn *txn, struct census *census,
                         int64_t surplus, struct arena *arena)
{
    struct deployment_victim *victims;
    size_t count = pick_victims(manager, census, false, arena, &victims);
    int64_t old = census->counts.current - census->counts.updated;
    for (size_t i = 0; i < count && surplus > 0; i++) {
        if (victims[i].outdated && old-- <= census->bounds.outdated)
            continue;
        surplus--;
        if (!stop(manager, txn, census, victims[i].container, "ScaledDown"))
            return;
    }
}

/* Records that hold nothing any more: failed ones of old revisions, lost ones that were replaced.
 */
static void stop_leftovers(struct deployment_manager *manager, struct txn *txn,
                           struct census *census)
{
    const struct deployment *deployment = census->deployment;
    const struct container *container = NULL;
    uint32_t forgotten = 0;
    while ((container =
                container_manager_next(manager->config.containers, deployment->name, container))) {
        if (!node_registry_find(manager->config.nodes, container->node)) {
            if (forgotten++ < state_changes_at_once(
                                  manager->state)) /* its node was deleted: nobody will end it */
                txn_delete(txn, &container->record);
            continue;
        }
        if (container->intent == INTENT_STOP || census_is_live(manager, container))
            continue;
        bool old = !deployment_wants(deployment, container);
        if (deployment->deleting ||
            (container->failed && (old || container->slot >= census->desired)))
            (void)stop(manager, txn, census, container,
                       deployment->deleting ? "Deleted" : "Replaced");
    }
}

static void delete_all(struct deployment_manager *manager, struct txn *txn, struct census *census)
{
    const struct deployment *deployment = census->deployment;
    const struct container *container = NULL;
    const struct revision *revision = NULL;
    char object[96];
    for (int64_t i = 0; i < census->live_count; i++)
        (void)stop(manager, txn, census, census->live[i], "Deleted");
    if (census->counts.failed || census->counts.orphans || census->counts.lost)
        stop_leftovers(manager, txn, census);
    container = container_manager_next(manager->config.containers, deployment->name, NULL);
    if (container)
        return;
    while ((revision = deployment_manager_next_revision(manager, deployment,
                                                        revision ? revision->number : 0)))
        txn_delete(txn, &revision->record);
    snprintf(object, sizeof object, "deployments/%s", deployment->name);
    txn_delete(txn, &deployment->record);
    txn_event(txn, EVENT_NORMAL, "Deleted", object, "its last container is gone");
}

/* How many may be made now. Failed ones hold their slots: their policy makes no other. Lost ones
 * that the brake holds stand for those that would take their place. */
int64_t deployment_missing(const struct census *census)
{
    const struct bounds *bounds = &census->bounds;
    const struct counts *counts = &census->counts;
    int64_t short_of = census->desired - counts->current - counts->failed;
    int64_t wanted = bounds->updated - counts->updated - counts->failed;
    int64_t room = census->desired + bounds->surge - counts->current;
    if (!bounds->may_make)
        return 0;
    if (census->deployment->paused || counts->current == counts->updated)
        room = short_of;
    if (wanted < short_of) /* what is lost meanwhile is made anew, if of the next revision */
        wanted = short_of;
    room -= counts->held;
    return wanted < room ? wanted : room;
}

static void make_missing(struct deployment_manager *manager, struct track *track,
                         struct census *census, struct arena *arena)
{
    int64_t count = deployment_missing(census);
    struct list only = {0};
    if (count <= 0 || track->unplaced)
        return;
    if (track->global) {
        only = homes_lacking(manager, &track->homes, arena);
        count = count < only.count ? count : only.count;
    }
    if (count > 0)
        deployment_place(manager, track, census->deployment,
                         (uint32_t)(count < 4096 ? count : 4096), track->global ? &only : NULL);
}

/* Looking through a thousand takes about a tenth of a millisecond. */
static uint64_t scan_pause_ns(const struct census *census)
{
    return census->counts.current < 1000 ? 0 : (uint64_t)census->counts.current * 5 * NS_PER_US;
}

/* When time alone will change something, look again then; at many containers not too often. */
static void arm_timer(struct deployment_manager *manager, struct track *track,
                      const struct census *census)
{
    uint64_t now = loop_now_ns(manager->loop), next = track->next_change_ns;
    uint64_t soonest = now + scan_pause_ns(census);
    bool waiting = census->counts.updated_available < census->desired ||
                   census->counts.current != census->counts.updated;
    if (next && next < soonest)
        next = soonest;
    if (waiting && !track->deadline_passed && !census->deployment->paused) {
        uint64_t deadline = track->progressed_ns + census->deployment->rollout.progress_deadline_ns;
        if (!next || deadline < next)
            next = deadline;
    }
    loop_timer_stop(&track->timer);
    if (next)
        loop_timer_start(&track->timer, next > now ? next - now : NS_PER_MS);
}

/* A rollout of many looks through all of them now and then, not at each one's every step. */
static bool may_scan(struct deployment_manager *manager, struct track *track,
                     const struct census *census)
{
    uint64_t now = loop_now_ns(manager->loop);
    if (now >= track->next_scan_ns) {
        track->next_scan_ns = now + scan_pause_ns(census);
        return true;
    }
    track_wake(track, track->next_scan_ns);
    return false;
}

static void stop_what_may_go(struct deployment_manager *manager, struct track *track,
                             struct txn *txn, struct census *census, struct arena *arena)
{
    const struct deployment *deployment = census->deployment;
    bool mixed = census->counts.updated < census->counts.current;
    bool rolling = mixed && !deployment->paused;
    int64_t most =
        census->desired + (mixed ? census->bounds.surge : 0); /* paused: it stands still */
    if (census->counts.overdue) {
        census_gather(manager, census, arena);
        stop_overdue(manager, txn, census);
    } else if (census->counts.current > most) {
        census_gather(manager, census, arena);
        stop_surplus(manager, txn, census, census->counts.current - most, arena);
    } else if (rolling && may_scan(manager, track, census)) {
        census_gather(manager, census, arena);
        stop_outdated(manager, track, txn, census, arena);
    }
}

static void act(struct deployment_manager *manager, struct track *track, struct census *census,
                struct arena *arena)
{
    const struct deployment *deployment = census->deployment;
    struct txn *txn = txn_begin(manager->state, deployment_origin(track));
    if (deployment->deleting) {
        census_gather(manager, census, arena);
        delete_all(manager, txn, census);
    } else if (!rollout_roll_back(manager, track, txn, census) &&
               !rollout_step(manager, track, txn, census)) {
        rollout_note_complete(manager, txn, census);
        if (census->counts.failed || census->counts.orphans)
            stop_leftovers(manager, txn, census);
        /* After a start what serves is not known before the nodes have told: nothing goes yet. */
        if (node_registry_settled(manager->config.nodes))
            stop_what_may_go(manager, track, txn, census, arena);
    }
    tell_stopped(txn, census);
    if (!txn_is_empty(txn)) {
        deployment_submit(manager, track, txn);
        return;
    }
    txn_abort(txn);
    if (!deployment->deleting)
        make_missing(manager, track, census, arena);
}

void deployment_reconcile(struct deployment_manager *manager, struct track *track)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    struct census census;
    if (track->busy) {
        track->again = true;
        return;
    }
    const struct deployment *deployment = deployment_manager_find(manager, track->name);
    if (!deployment)
        return;
    if (track->next_change_ns && loop_now_ns(manager->loop) >= track->next_change_ns)
        counts_look_through(track);
    if (!counts_refresh(manager, track, deployment) ||
        (track->global && !homes_refresh(manager, track, deployment))) {
        deployment_queue(manager, track);
        return;
    }
    census_take(manager, deployment, track, &census);
    rollout_follow(manager, track, &census);
    arm_timer(manager, track, &census);
    act(manager, track, &census, &arena);
    uint8_t phase = census_phase(&census, track);
    if (phase == PHASE_COMPLETE)
        track->cause_event = 0;
    deployment_note_phase(manager, track, phase);
}
