/* What a deployment's containers are, counted as each changes: a container's mark says what it was
 * counted as. What concerns all of them at once (another revision, a node that drains, time that
 * passed) has them looked through again, some at a time. */
#include "deployment/impl.h"
#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MARK_LIVE = 1 << 0,
    MARK_UPDATED = 1 << 1,
    MARK_READY = 1 << 2,
    MARK_AVAILABLE = 1 << 3,
    MARK_STOPPING = 1 << 4,
    MARK_LOST = 1 << 5,
    MARK_FAILED = 1 << 6,
    MARK_PULLING_FAILED = 1 << 7,
    MARK_WAITING = 1 << 8,
    MARK_ORPHAN = 1 << 9,
    MARK_OVERDUE = 1 << 10,
    MARK_SLOT = 1 << 11,
    MARK_HELD = 1 << 12,
    MARK_FAILING = 1 << 13,
    MARK_UNPROVEN = 1 << 14
};
enum { LOOKED_THROUGH_AT_ONCE = 250, SLOTS_LIMIT = 1 << 24 };

/* -- slots -- */

void slots_change(struct slots *slots, int64_t slot, int by)
{
    if (slot < 0 || slot >= SLOTS_LIMIT)
        return;
    if (slot >= slots->room) {
        int64_t room = slots->room ? slots->room : 16;
        while (room <= slot)
            room *= 2;
        slots->taken = memory_resize(slots->taken, (size_t)room);
        memset(slots->taken + slots->room, 0, (size_t)(room - slots->room));
        slots->room = room;
    }
    assert(by > 0 ? slots->taken[slot] < UINT8_MAX : slots->taken[slot] > 0);
    slots->taken[slot] = (uint8_t)(slots->taken[slot] + by);
    if (!slots->taken[slot] && slot < slots->none_below)
        slots->none_below = slot;
}

int64_t slots_first_free(struct slots *slots)
{
    while (slots->none_below < slots->room && slots->taken[slots->none_below])
        slots->none_below++;
    return slots->none_below;
}

/* -- one container -- */

/* How long a replica must be ready before it takes an old one's place: one without a probe is ready
 * as soon as it runs, and one that ended before may do so again. */
static uint64_t proof_ns(const struct deployment *deployment, const struct container *container)
{
    enum { AFTER_AN_END_S = 10 };
    const struct container_template *template = &deployment->template;
    if (!deployment->complete_revision || !deployment_is_rolling(deployment) ||
        container->revision != deployment->revision)
        return 0;
    if (container->restarts)
        return AFTER_AN_END_S * NS_PER_SECOND;
    return template->readiness_probe || template->startup_probe
               ? 0
               : template->restart_policy.backoff_ns;
}

bool counts_is_proven(struct deployment_manager *manager, const struct deployment *deployment,
                      const struct container *container)
{
    struct container_brief brief = container_manager_brief(manager->config.containers, container);
    return brief.ready &&
           loop_now_ns(manager->loop) >= brief.ready_since_ns + proof_ns(deployment, container);
}

static uint16_t live_flags(struct deployment_manager *manager, struct track *track,
                           const struct deployment *deployment, const struct container *container,
                           const struct container_brief *brief)
{
    uint64_t now = loop_now_ns(manager->loop);
    uint64_t available_ns = brief->ready_since_ns + deployment->rollout.min_ready_ns;
    int64_t left_ms = census_drain_left_ms(manager, container);
    unsigned flags = MARK_LIVE;
    if (!census_is_outdated(manager, deployment, container))
        flags |= MARK_UPDATED;
    if (brief->ready)
        flags |= now >= available_ns ? MARK_READY | MARK_AVAILABLE : MARK_READY;
    else if (brief->reason[0])
        flags |= MARK_WAITING;
    if (flags & MARK_WAITING && strcmp(brief->reason, "ImagePullFailed") == 0)
        flags |= MARK_PULLING_FAILED;
    bool tried = container->restarts >= ROLLOUT_TRIES || brief->start_failures >= ROLLOUT_TRIES;
    bool proven = counts_is_proven(manager, deployment, container);
    if (flags & MARK_UPDATED && !proven)
        flags |= MARK_UNPROVEN;
    if (tried && flags & MARK_UPDATED && !(flags & MARK_AVAILABLE && proven))
        flags |= MARK_FAILING;
    if (brief->ready && !proven)
        track_expect(track, brief->ready_since_ns + proof_ns(deployment, container));
    if (left_ms <= 0)
        flags |= MARK_OVERDUE;
    else if (left_ms != INT64_MAX)
        track_expect(track, now + (uint64_t)left_ms * NS_PER_MS);
    if (brief->ready && now < available_ns)
        track_expect(track, available_ns);
    return (uint16_t)flags;
}

/* For good, and not because its work was done. */
static bool has_failed(const struct deployment *deployment, const struct container *container)
{
    return container->failed && deployment_wants(deployment, container) && container->ends.count &&
           LIST_AT(container->ends, struct container_end, 0)->exit_code;
}

static uint16_t flags_of(struct deployment_manager *manager, struct track *track,
                         const struct deployment *deployment, const struct container *container,
                         const struct container_brief *brief)
{
    unsigned flags;
    bool run = container->intent == INTENT_RUN;
    bool live = run && !container->failed && brief->state != CONTAINER_LOST &&
                brief->state != CONTAINER_FAILED;
    if (live)
        flags = live_flags(manager, track, deployment, container, brief);
    else
        flags = !run ? MARK_STOPPING : brief->state == CONTAINER_LOST ? MARK_LOST : MARK_FAILED;
    if (flags & MARK_LOST && node_registry_holds(manager->config.nodes, container->node))
        flags |= MARK_HELD;
    if (run && has_failed(deployment, container))
        flags |= MARK_FAILING;
    if (!node_registry_find(manager->config.nodes, container->node))
        flags |= MARK_ORPHAN;
    if (run && (live || container->failed) && !census_is_outdated(manager, deployment, container))
        flags |= MARK_SLOT;
    return (uint16_t)flags;
}

static void count(struct track *track, const struct container_mark *mark,
                  const struct container *container, int by)
{
    struct counts *counts = &track->counts;
    unsigned flags = mark->flags;
    bool both = (flags & MARK_UPDATED) && (flags & MARK_AVAILABLE);
    counts->current += flags & MARK_LIVE ? by : 0;
    counts->updated += flags & MARK_UPDATED ? by : 0;
    counts->ready += flags & MARK_READY ? by : 0;
    counts->available += flags & MARK_AVAILABLE ? by : 0;
    counts->updated_available += both ? by : 0;
    counts->stopping += flags & MARK_STOPPING ? by : 0;
    counts->lost += flags & MARK_LOST ? by : 0;
    counts->held += flags & MARK_HELD ? by : 0;
    counts->failed += flags & MARK_FAILED ? by : 0;
    counts->pulling_failed += flags & MARK_PULLING_FAILED ? by : 0;
    counts->waiting += flags & MARK_WAITING ? by : 0;
    counts->unproven += flags & MARK_UNPROVEN ? by : 0;
    counts->failing += flags & MARK_FAILING ? by : 0;
    counts->orphans += flags & MARK_ORPHAN ? by : 0;
    counts->overdue += flags & MARK_OVERDUE ? by : 0;
    counts->restarts += by * (int64_t)mark->restarts;
    if (flags & MARK_SLOT)
        slots_change(&track->slots, container->slot, by);
    if (flags & MARK_SLOT && track->global)
        homes_change(&track->homes, container->node, by);
}

/* As what it was counted otherwise before. */
static unsigned count_anew(struct deployment_manager *manager, struct track *track,
                           const struct deployment *deployment, const struct container *container)
{
    struct container_brief brief = container_manager_brief(manager->config.containers, container);
    if (!brief.mark)
        return 0;
    struct container_mark mark = {.flags = flags_of(manager, track, deployment, container, &brief)};
    if (mark.flags & MARK_LIVE)
        mark.restarts = (uint32_t)container->restarts;
    if (brief.seq > track->counts.seq)
        track->counts.seq = brief.seq;
    if (container->record.seq > track->counts.seq)
        track->counts.seq = container->record.seq;
    if (mark.flags & MARK_WAITING)
        snprintf(track->waiting_id, sizeof track->waiting_id, "%s", container->id);
    if (mark.flags & MARK_FAILING)
        snprintf(track->failing_id, sizeof track->failing_id, "%s", container->id);
    unsigned differs = mark.flags ^ brief.mark->flags;
    if (!differs && mark.restarts == brief.mark->restarts)
        return 0;
    count(track, brief.mark, container, -1);
    count(track, &mark, container, 1);
    *brief.mark = mark;
    return differs;
}

void counts_change(struct deployment_manager *manager, struct track *track,
                   const struct container *container)
{
    const struct deployment *deployment = deployment_manager_find(manager, track->name);
    if (deployment)
        (void)count_anew(manager, track, deployment, container);
}

void counts_remove(struct track *track, const struct container *container,
                   const struct container_mark *mark)
{
    if (container->record.seq > track->counts.seq)
        track->counts.seq = container->record.seq;
    count(track, mark, container, -1);
}

bool counts_is_waiting(const struct container_mark *mark)
{
    return mark && mark->flags & MARK_WAITING;
}

/* -- all of them -- */

void counts_look_through(struct track *track)
{
    track->outdated_counts = true;
    track->verifying = false;
    track->counted_up_to[0] = 0;
}

static void note_drift(struct track *track)
{
    LOG_ERROR("a container had changed unseen", LOG_STR("deployment", track->name));
#ifdef ORCHESTRATOR_CHECKED
    assert(false && "counts are kept as containers change");
#endif
}

bool counts_refresh(struct deployment_manager *manager, struct track *track,
                    const struct deployment *deployment)
{
    struct container after = {
        .record.kind = &container_kind, .deployment = deployment->name, .id = track->counted_up_to};
    const struct container *container = track->counted_up_to[0] ? &after : NULL;
    if (!track->outdated_counts)
        return true;
    if (!container)
        track->next_change_ns = 0;
    for (int i = 0; i < LOOKED_THROUGH_AT_ONCE; i++) {
        container = container_manager_next(manager->config.containers, deployment->name, container);
        if (!container) {
            track->outdated_counts = track->verifying = false;
            return true;
        }
        unsigned differs = count_anew(manager, track, deployment, container);
        if (track->verifying &&
            (differs & ~(unsigned)(MARK_AVAILABLE | MARK_OVERDUE | MARK_FAILING | MARK_UNPROVEN)))
            note_drift(track); /* those come with time */
    }
    snprintf(track->counted_up_to, sizeof track->counted_up_to, "%s", container->id);
    return false;
}
