/* Counting a deployment's containers, and what follows from the counts. */
#include "deployment/impl.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

bool census_is_live(struct deployment_manager *manager, const struct container *container)
{
    const struct container_status *status =
        container_manager_status(manager->config.containers, container);
    return container->intent == INTENT_RUN && !container->failed &&
           status->state != CONTAINER_LOST && status->state != CONTAINER_FAILED;
}

bool census_is_outdated(struct deployment_manager *manager, const struct deployment *deployment,
                        const struct container *container)
{
    const struct node *node = node_registry_find(manager->config.nodes, container->node);
    return container->revision != deployment->revision || !node || node->draining;
}

int64_t census_drain_left_ms(struct deployment_manager *manager, const struct container *container)
{
    const struct node *node = node_registry_find(manager->config.nodes, container->node);
    if (!node || !node->draining || !node->drain_deadline_ms)
        return INT64_MAX;
    return node->drain_deadline_ms - loop_wall_ms(manager->loop);
}

/* Time alone will change something then. */
static void expect_change(struct census *census, uint64_t at_ns)
{
    if (!census->next_change_ns || at_ns < census->next_change_ns)
        census->next_change_ns = at_ns;
}

static void count_overdue(struct deployment_manager *manager, struct census *census,
                          const struct container *container)
{
    int64_t left_ms = census_drain_left_ms(manager, container);
    if (left_ms <= 0)
        census->overdue++;
    else if (left_ms != INT64_MAX)
        expect_change(census, loop_now_ns(manager->loop) + (uint64_t)left_ms * NS_PER_MS);
}

bool census_is_available(struct deployment_manager *manager, const struct deployment *deployment,
                         const struct container *container)
{
    const struct container_status *status =
        container_manager_status(manager->config.containers, container);
    return status->ready &&
           loop_now_ns(manager->loop) - status->ready_since_ns >= deployment->rollout.min_ready_ns;
}

bool deployment_node_eligible(struct deployment_manager *manager,
                              const struct deployment *deployment, const struct node *node)
{
    struct filter_verdict verdicts[FILTER_COUNT];
    struct schedule_ask ask = {.deployment = deployment->name,
                               .deployment_uid = deployment->record.uid,
                               .placement = &deployment->placement,
                               .template = &deployment->template,
                               .count = 1};
    size_t count = scheduler_explain(manager->config.scheduler, &ask, node->name, verdicts);
    for (size_t i = 0; i < count; i++)
        if ((verdicts[i].filter == FILTER_SCHEDULABLE || verdicts[i].filter == FILTER_CONSTRAINTS ||
             verdicts[i].filter == FILTER_FEATURES) &&
            !verdicts[i].ok)
            return false;
    return true;
}

static int64_t desired_count(struct deployment_manager *manager,
                             const struct deployment *deployment)
{
    const struct node *node = NULL;
    int64_t count = 0;
    if (deployment->deleting)
        return 0;
    if (deployment->mode == MODE_REPLICATED)
        return deployment->replicas;
    while ((node = node_registry_next(manager->config.nodes, node ? node->name : NULL)))
        count += deployment_node_eligible(manager, deployment, node);
    return count;
}

static void count_live(struct deployment_manager *manager, struct census *census,
                       const struct container *container, const struct container_status *status)
{
    const struct deployment *deployment = census->deployment;
    bool updated = !census_is_outdated(manager, deployment, container);
    bool available = census_is_available(manager, deployment, container);
    census->live[census->current++] = container;
    census->updated += updated;
    census->restarts += container->restarts;
    census->ready += status->ready;
    census->available += available;
    census->updated_available += updated && available;
    census->active += available && service_manager_is_active(manager->config.services, container);
    count_overdue(manager, census, container);
    if (status->ready && !available)
        expect_change(census, status->ready_since_ns + deployment->rollout.min_ready_ns);
    if (!status->ready && status->reason[0]) {
        snprintf(census->waiting_reason, sizeof census->waiting_reason, "%s", status->reason);
        snprintf(census->waiting_message, sizeof census->waiting_message, "%s: %s", container->id,
                 status->message);
        census->pulling_failed += strcmp(status->reason, "ImagePullFailed") == 0;
    }
}

void census_take(struct deployment_manager *manager, const struct deployment *deployment,
                 struct arena *arena, struct census *out)
{
    const struct container *container = NULL;
    size_t room = 0;
    *out = (struct census){.deployment = deployment,
                           .desired = desired_count(manager, deployment),
                           .seq = deployment->record.seq};
    while ((container =
                container_manager_next(manager->config.containers, deployment->name, container)))
        room++;
    out->live = arena_alloc(arena, (room + 1) * sizeof *out->live);
    while ((container =
                container_manager_next(manager->config.containers, deployment->name, container))) {
        const struct container_status *status =
            container_manager_status(manager->config.containers, container);
        if (status->seq > out->seq)
            out->seq = status->seq;
        if (container->record.seq > out->seq)
            out->seq = container->record.seq;
        if (census_is_live(manager, container))
            count_live(manager, out, container, status);
        else if (container->intent == INTENT_STOP)
            out->stopping++;
        else if (status->state == CONTAINER_LOST)
            out->lost++;
        else
            out->failed++;
    }
}

uint8_t census_phase(const struct census *census, const struct track *track)
{
    const struct deployment *deployment = census->deployment;
    bool complete = census->desired == census->current && census->desired == census->updated &&
                    census->desired == census->available;
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
                census->available < census->desired && census->desired <= track->settled_desired;
    bool late = track->deadline_passed && track->seen_revision == deployment->revision &&
                track->seen_desired == census->desired;
    if (fell || late)
        return PHASE_DEGRADED;
    if (track->unplaced ||
        (census->pulling_failed && census->pulling_failed >= census->current - census->available))
        return PHASE_PENDING;
    return PHASE_PROGRESSING;
}

static void set_words(const struct census *census, const struct track *track,
                      struct deployment_status *out)
{
    bool done = out->phase == PHASE_COMPLETE || out->phase == PHASE_ROLLED_BACK;
    if (done || out->phase == PHASE_DELETING || out->phase == PHASE_PAUSED) {
        snprintf(out->message, sizeof out->message, "%lld of %lld available, %lld stopping",
                 (long long)census->available, (long long)census->desired,
                 (long long)census->stopping);
        return;
    }
    if (track->unplaced) {
        snprintf(out->reason, sizeof out->reason, "Unschedulable");
        snprintf(out->message, sizeof out->message, "no node takes the next replica: %s",
                 track->why);
    } else if (census->waiting_reason[0]) {
        snprintf(out->reason, sizeof out->reason, "%s", census->waiting_reason);
        snprintf(out->message, sizeof out->message, "%s", census->waiting_message);
    } else if (track->deadline_passed) {
        snprintf(out->reason, sizeof out->reason, "ProgressDeadlineExceeded");
        snprintf(out->message, sizeof out->message,
                 "no further replica became available within progressDeadline");
    } else {
        snprintf(out->message, sizeof out->message,
                 "%lld of %lld available, %lld of them of revision %lld",
                 (long long)census->available, (long long)census->desired,
                 (long long)census->updated_available, (long long)census->deployment->revision);
    }
}

void deployment_manager_status(struct deployment_manager *manager,
                               const struct deployment *deployment, struct deployment_status *out)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    struct track none = {0}, *track = deployment_track(manager, deployment->name);
    struct census census;
    if (!track)
        track = &none;
    census_take(manager, deployment, &arena, &census);
    *out = (struct deployment_status){.phase = census_phase(&census, track),
                                      .revision = deployment->revision,
                                      .observed_version = (int64_t)deployment->record.version,
                                      .desired = census.desired,
                                      .current = census.current,
                                      .updated = census.updated,
                                      .ready = census.ready,
                                      .available = census.available,
                                      .stopping = census.stopping,
                                      .restarts = census.restarts,
                                      .failed = census.failed,
                                      .progressed_at_ms = track->progressed_at_ms,
                                      .rolled_back_from = deployment->rolled_back_from,
                                      .seq = census.seq > track->seq ? census.seq : track->seq};
    if (out->phase != track->phase) {
        track->phase = out->phase;
        track->phase_since_ms = loop_wall_ms(manager->loop);
    }
    out->phase_since_ms = track->phase_since_ms;
    set_words(&census, track, out);
}
