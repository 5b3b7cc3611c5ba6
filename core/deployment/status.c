/* Counting a deployment's containers, and what follows from the counts. */
#include "deployment/impl.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

bool census_is_live(struct deployment_manager *manager, const struct container *container)
{
    struct container_brief brief = container_manager_brief(manager->config.containers, container);
    return container->intent == INTENT_RUN && !container->failed && brief.state != CONTAINER_LOST &&
           brief.state != CONTAINER_FAILED;
}

bool census_is_outdated(struct deployment_manager *manager, const struct deployment *deployment,
                        const struct container *container)
{
    const struct node *node = node_registry_find(manager->config.nodes, container->node);
    return !deployment_wants(deployment, container) || !node || node->draining;
}

int64_t census_drain_left_ms(struct deployment_manager *manager, const struct container *container)
{
    const struct node *node = node_registry_find(manager->config.nodes, container->node);
    if (!node || !node->draining || !node->drain_deadline_ms)
        return INT64_MAX;
    return node->drain_deadline_ms - loop_wall_ms(manager->loop);
}

bool census_is_available(struct deployment_manager *manager, const struct deployment *deployment,
                         const struct container *container)
{
    struct container_brief brief = container_manager_brief(manager->config.containers, container);
    return brief.ready &&
           loop_now_ns(manager->loop) - brief.ready_since_ns >= deployment->rollout.min_ready_ns;
}

bool deployment_manager_may_run_on(struct deployment_manager *manager,
                                   const struct deployment *deployment, const struct node *node)
{
    const struct schedule_ask ask = deployment_ask(deployment, 1);
    return scheduler_may_run(manager->config.scheduler, &ask, node->name);
}

static int64_t desired_count(struct deployment_manager *manager, const struct track *track,
                             const struct deployment *deployment)
{
    const struct node *node = NULL;
    int64_t count = 0;
    if (deployment->deleting)
        return 0;
    if (deployment->mode == MODE_REPLICATED)
        return deployment->replicas;
    if (track->global && !track->homes.outdated)
        return track->homes.eligible;
    while ((node = node_registry_next(manager->config.nodes, node ? node->name : NULL)))
        count += deployment_manager_may_run_on(manager, deployment, node);
    return count;
}

void census_gather(struct deployment_manager *manager, struct census *census, struct arena *arena)
{
    const struct deployment *deployment = census->deployment;
    const struct container *container = NULL;
    if (census->live)
        return;
    census->live = arena_alloc(arena, ((size_t)census->counts.current + 1) * sizeof *census->live);
    while ((container =
                container_manager_next(manager->config.containers, deployment->name, container))) {
        if (!census_is_live(manager, container) || census->live_count == census->counts.current)
            continue;
        census->live[census->live_count++] = container;
        census->active += census_is_available(manager, deployment, container) &&
                          counts_is_proven(manager, deployment, container) &&
                          service_manager_is_active(manager->config.services, container);
    }
}

/* One of those that are not ready says why, if any does. */
static void take_words(struct deployment_manager *manager, struct track *track,
                       struct census *census)
{
    struct container_manager *containers = manager->config.containers;
    const struct container *container = container_manager_find(containers, track->waiting_id);
    if (container && (strcmp(container->deployment, census->deployment->name) != 0 ||
                      !counts_is_waiting(container_manager_brief(containers, container).mark)))
        container = NULL;
    const struct container *next = NULL;
    while (!container && (next = container_manager_next(containers, track->name, next)))
        if (counts_is_waiting(container_manager_brief(containers, next).mark))
            container = next;
    if (!container)
        return;
    const struct container_status *status = container_manager_status(containers, container);
    snprintf(track->waiting_id, sizeof track->waiting_id, "%s", container->id);
    snprintf(census->waiting_reason, sizeof census->waiting_reason, "%s", status->reason);
    snprintf(census->waiting_message, sizeof census->waiting_message, "%s: %s", container->id,
             status->message);
}

void census_take(struct deployment_manager *manager, const struct deployment *deployment,
                 struct track *track, struct census *out)
{
    *out = (struct census){.deployment = deployment,
                           .desired = desired_count(manager, track, deployment),
                           .counts = track->counts};
    if (deployment->record.seq > out->counts.seq)
        out->counts.seq = deployment->record.seq;
    out->bounds = strategy_bounds(manager, track, out);
    if (out->counts.waiting)
        take_words(manager, track, out);
}

uint8_t census_phase(const struct census *census, const struct track *track)
{
    const struct deployment *deployment = census->deployment;
    bool complete = census->desired == census->counts.current &&
                    census->desired == census->counts.updated &&
                    census->desired == census->counts.available;
    if (deployment->deleting)
        return PHASE_DELETING;
    if (deployment->paused)
        return PHASE_PAUSED;
    if (complete)
        return deployment->rolled_back_in_force ? PHASE_ROLLED_BACK : PHASE_COMPLETE;
    if (deployment->rolled_back_in_force && deployment->complete_revision != deployment->revision)
        return PHASE_ROLLING_BACK;
    /* More wanted than it ever had is progress; what time said of another spec says nothing now. */
    bool fell = deployment->complete_revision == deployment->revision &&
                census->counts.available < census->desired &&
                census->desired <= track->settled_desired;
    bool late = track->deadline_passed && track->seen_revision == deployment->revision &&
                track->seen_desired == census->desired;
    if (fell || late)
        return PHASE_DEGRADED;
    if ((track->unplaced && !track->waits_for_port) ||
        (census->counts.pulling_failed &&
         census->counts.pulling_failed >= census->counts.current - census->counts.available))
        return PHASE_PENDING;
    return PHASE_PROGRESSING;
}

static void set_words(const struct census *census, const struct track *track,
                      struct deployment_status *out)
{
    bool done = out->phase == PHASE_COMPLETE || out->phase == PHASE_ROLLED_BACK;
    if (done || out->phase == PHASE_DELETING || out->phase == PHASE_PAUSED) {
        snprintf(out->message, sizeof out->message, "%lld of %lld available, %lld stopping",
                 (long long)census->counts.available, (long long)census->desired,
                 (long long)census->counts.stopping);
        return;
    }
    if (track->gate_since_ns && strategy_awaits_promotion(census->deployment)) {
        snprintf(out->reason, sizeof out->reason, "AwaitingPromotion");
        snprintf(out->message, sizeof out->message,
                 census->deployment->rollout.promotion.automatic
                     ? "%lld new replicas are available and watched; then it goes on by itself"
                     : "%lld new replicas are available; POST /promote goes on, /abort goes back",
                 (long long)census->counts.updated_available);
    } else if (track->unplaced && track->waits_for_port) {
        snprintf(out->reason, sizeof out->reason, "%s", track->stop_first ? "StopFirst" : "");
        snprintf(out->message, sizeof out->message,
                 "the next replica waits for the host port of one that is stopping");
    } else if (track->unplaced) {
        snprintf(out->reason, sizeof out->reason, "Unschedulable");
        snprintf(out->message, sizeof out->message, "no node takes the next replica: %s",
                 track->why);
    } else if (census->counts.held) {
        snprintf(out->reason, sizeof out->reason, "NodesLost");
        snprintf(out->message, sizeof out->message,
                 "%lld replicas of lost nodes wait: many nodes are silent, and are replaced one "
                 "after another",
                 (long long)census->counts.held);
    } else if (census->waiting_reason[0]) {
        snprintf(out->reason, sizeof out->reason, "%s", census->waiting_reason);
        snprintf(out->message, sizeof out->message, "%s", census->waiting_message);
    } else if (track->stop_first && census->counts.current - census->counts.updated > 0) {
        snprintf(out->reason, sizeof out->reason, "StopFirst");
        snprintf(out->message, sizeof out->message,
                 "old replicas go first: no other node takes the next one, by its host port");
    } else if (track->deadline_passed) {
        snprintf(out->reason, sizeof out->reason, "ProgressDeadlineExceeded");
        snprintf(out->message, sizeof out->message,
                 "no further replica became available within progressDeadline");
    } else {
        snprintf(out->message, sizeof out->message,
                 "%lld of %lld available, %lld of them of revision %lld",
                 (long long)census->counts.available, (long long)census->desired,
                 (long long)census->counts.updated_available,
                 (long long)census->deployment->revision);
    }
}

void deployment_note_phase(struct deployment_manager *manager, struct track *track, uint8_t phase)
{
    if (track->phase == phase)
        return;
    track->phase = phase;
    track->phase_since_ms = loop_wall_ms(manager->loop);
    track->seq = state_next_seq(manager->state);
    if (manager->config.phase_changed)
        manager->config.phase_changed(manager->config.argument, track->name);
}

void deployment_manager_status(struct deployment_manager *manager,
                               const struct deployment *deployment, struct deployment_status *out)
{
    struct track none = {0}, *known = deployment_track(manager, deployment->name);
    struct track *track = known ? known : &none;
    struct census census;
    while (!counts_refresh(manager, track, deployment))
        continue; /* whoever asks sees what is */
    census_take(manager, deployment, track, &census);
    uint8_t phase = census_phase(&census, track);
    bool seen_first = known && phase != known->phase;
    if (seen_first) /* reconciling notes it, with a number of its own, and tells those who watch */
        deployment_queue(manager, known);
    *out = (struct deployment_status){.phase = phase,
                                      .revision = deployment->revision,
                                      .observed_version = (int64_t)deployment->record.version,
                                      .desired = census.desired,
                                      .current = census.counts.current,
                                      .updated = census.counts.updated,
                                      .ready = census.counts.ready,
                                      .available = census.counts.available,
                                      .stopping = census.counts.stopping,
                                      .restarts = census.counts.restarts,
                                      .failed = census.counts.failed,
                                      .progressed_at_ms = track->progressed_at_ms,
                                      .rolled_back_from = deployment->rolled_back_from,
                                      .seq = census.counts.seq > track->seq ? census.counts.seq
                                                                            : track->seq};
    out->phase_since_ms = seen_first ? loop_wall_ms(manager->loop) : track->phase_since_ms;
    set_words(&census, track, out);
}
