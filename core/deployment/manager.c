#include "base/buggify.h"
#include "deployment/impl.h"
#include "base/clock.h"
#include "store/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct origin deployment_origin(const struct track *track)
{
    return (struct origin){.by = "controller/deployment", .cause_event = track->cause_event};
}

static void look_again(void *argument)
{
    struct track *track = argument;
    deployment_queue(track->manager, track);
}

struct track *deployment_track(struct deployment_manager *manager, const char *name)
{
    struct track *track = NULL;
    HASH_FIND_STR(manager->tracks, name, track);
    return track;
}

/* A deployment's mode never changes. */
static void list_global(struct track *track)
{
    track->global = true;
    track->next_global = track->manager->globals;
    track->manager->globals = track;
    homes_look_through(&track->homes);
}

static struct track *make_track(struct deployment_manager *manager,
                                const struct deployment *deployment)
{
    struct track *track = memory_alloc(sizeof *track);
    track->manager = manager;
    snprintf(track->name, sizeof track->name, "%s", deployment->name);
    snprintf(track->uid, sizeof track->uid, "%s", deployment->record.uid);
    track->progressed_at_ms = track->phase_since_ms = loop_wall_ms(manager->loop);
    track->progressed_ns = loop_now_ns(manager->loop);
    if (deployment->complete_revision == deployment->revision)
        track->settled_desired = INT64_MAX; /* before a restart of ours: as it is declared now */
    loop_timer_init(&track->timer, manager->loop, "deployment timer", look_again, track);
    counts_look_through(track);
    HASH_ADD_STR(manager->tracks, name, track);
    if (deployment->mode == MODE_GLOBAL)
        list_global(track);
    return track;
}

void track_wake(struct track *track, uint64_t at_ns)
{
    uint64_t now = loop_now_ns(track->manager->loop);
    if (!loop_timer_armed(&track->timer) || track->timer.deadline_ns > at_ns)
        loop_timer_start(&track->timer, at_ns > now ? at_ns - now : NS_PER_MS);
}

static void unqueue(struct deployment_manager *manager, struct track *track)
{
    struct track **link = &manager->queue, *last = NULL;
    while (*link && *link != track) {
        last = *link;
        link = &(*link)->next;
    }
    if (!*link)
        return;
    *link = track->next;
    if (manager->queue_last == track)
        manager->queue_last = last;
    track->queued = false;
    manager->figures.queued--;
}

static void leave_lists(struct deployment_manager *manager, struct track *track)
{
    struct track **link = &manager->unplaced, *last = NULL;
    while (*link && *link != track)
        link = &(*link)->next_unplaced;
    if (*link)
        *link = track->next_unplaced;
    for (link = &manager->globals; *link && *link != track;)
        link = &(*link)->next_global;
    if (*link)
        *link = track->next_global;
    for (link = &manager->for_pass; *link && *link != track; link = &(*link)->next_for_pass)
        last = *link;
    if (!*link)
        return;
    *link = track->next_for_pass;
    if (manager->for_pass_last == track)
        manager->for_pass_last = last;
}

static void remove_track(struct deployment_manager *manager, struct track *track)
{
    unqueue(manager, track);
    leave_lists(manager, track);
    images_forget(track);
    histogram_finish(&track->old_latency_before);
    free(track->slots.taken);
    loop_timer_stop(&track->timer);
    HASH_DEL(manager->tracks, track);
    homes_finish(&track->homes);
    free(track);
}

void deployment_queue(struct deployment_manager *manager, struct track *track)
{
    if (track->queued)
        return;
    track->queued = true;
    manager->figures.queued++;
    track->next = NULL;
    if (manager->queue_last)
        manager->queue_last->next = track;
    else
        manager->queue = track;
    manager->queue_last = track;
    loop_slice_start(&manager->slice);
}

static void state_is_ready(struct loop_task *task)
{
    struct deployment_manager *manager = CONTAINER_OF(task, struct deployment_manager, ready);
    manager->waits_for_state = false;
    deployment_resume_placings(manager);
    if (manager->queue)
        loop_slice_start(&manager->slice);
}

void deployment_wait_for_state(struct deployment_manager *manager)
{
    if (manager->waits_for_state)
        return;
    manager->waits_for_state = true;
    state_notify_ready(manager->state, &manager->ready);
}

void deployment_manager_read_figures(const struct deployment_manager *manager,
                                     struct deployment_figures *out)
{
    *out = manager->figures;
}

static bool work_off(void *argument)
{
    struct deployment_manager *manager = argument;
    struct track *track = manager->queue;
    if (!track)
        return false;
    if (!state_ready(manager->state, NULL)) {
        deployment_wait_for_state(manager);
        return false;
    }
    unqueue(manager, track);
    loop_refresh_now(manager->loop);
    uint64_t begun_ns = loop_now_ns(manager->loop);
    deployment_reconcile(manager, track);
    loop_refresh_now(manager->loop);
    durations_note(&manager->figures.looks, loop_now_ns(manager->loop) - begun_ns);
    if (BUGGIFY("reconcile-again")) /* it must be of no consequence */
        deployment_queue(manager, track);
    return manager->queue != NULL;
}

/* Everything is looked at; of the containers so many are counted again, the others in later passes.
 */
static void full_pass(void *argument)
{
    enum { VERIFIED_AT_ONCE = 20000 };
    struct deployment_manager *manager = argument;
    struct track *track, *next;
    int64_t left = VERIFIED_AT_ONCE;
    HASH_ITER(hh, manager->tracks, track, next)
    {
        if (left > 0 && track->verified <= manager->round && !track->outdated_counts) {
            counts_look_through(track);
            track->verifying = true;
            track->verified = manager->round + 1;
            left -= track->counts.current + 1;
        }
        deployment_queue(manager, track);
    }
    if (left > 0)
        manager->round++;
    uint64_t interval = manager->config.full_pass_ns;
    loop_timer_start(&manager->full_pass, interval ? interval : 30 * NS_PER_SECOND);
}

/* What a user asked for is what the controller acts upon from now on. */
static void take_cause(struct deployment_manager *manager, const struct event *event)
{
    static const char kind[] = "deployments/";
    if (!event->cause_request || !text_starts_with(event->object, kind))
        return;
    struct track *track = deployment_track(manager, event->object + sizeof kind - 1);
    if (track)
        track->cause_event = event->record.seq;
}

static void record_changed(void *argument, const struct record *before, const struct record *after)
{
    struct deployment_manager *manager = argument;
    const struct record *any = after ? after : before;
    if (any->kind->id == KIND_EVENT && after)
        take_cause(manager, (const struct event *)after);
    if (any->kind->id == KIND_REVISION) {
        deployment_manager_look(manager, ((const struct revision *)any)->deployment);
        return;
    }
    if (any->kind->id != KIND_DEPLOYMENT)
        return;
    const struct deployment *deployment = (const struct deployment *)any;
    struct track *track = deployment_track(manager, deployment->name);
    if (!after) {
        if (track)
            remove_track(manager, track);
    } else {
        const struct deployment *old = (const struct deployment *)before;
        if (!track)
            track = make_track(manager, deployment);
        else if (!old || old->revision != deployment->revision ||
                 old->rollout.min_ready_ns != deployment->rollout.min_ready_ns)
            counts_look_through(track);
        if (old && old->paused && !deployment->paused)
            track->progressed_ns = loop_now_ns(manager->loop); /* no deadline ran meanwhile */
        if (track->global)
            homes_look_through(&track->homes); /* its placement may be another */
        track->unplaced = false;
        deployment_queue(manager, track);
    }
    service_manager_deployment_changed(manager->config.services, deployment->name);
}

static bool retry_some(void *argument);

struct deployment_manager *deployment_manager_create(const struct deployment_manager_config *config)
{
    struct deployment_manager *manager = memory_alloc(sizeof *manager);
    manager->config = *config;
    manager->loop = config->loop;
    manager->state = config->state;
    manager->subscriber = (struct state_subscriber){.changed = record_changed, .argument = manager};
    manager->ready = (struct loop_task){.run = state_is_ready, .name = "state ready"};
    loop_slice_init(&manager->slice, config->loop, "reconcile", work_off, manager);
    loop_slice_init(&manager->retry, config->loop, "retry unplaced", retry_some, manager);
    loop_timer_init(&manager->full_pass, config->loop, "full pass", full_pass, manager);
    state_subscribe(config->state, &manager->subscriber);
    return manager;
}

void deployment_manager_destroy(struct deployment_manager *manager)
{
    struct track *track, *next;
    if (!manager)
        return;
    loop_slice_stop(&manager->slice);
    loop_slice_stop(&manager->retry);
    loop_timer_stop(&manager->full_pass);
    deployment_placings_finish(manager);
    struct freed_node *node, *after;
    HASH_ITER(hh, manager->freed, node, after)
    {
        HASH_DEL(manager->freed, node);
        free(node);
    }
    HASH_ITER(hh, manager->tracks, track, next)
    {
        remove_track(manager, track);
    }
    free(manager);
}

void deployment_manager_start(struct deployment_manager *manager)
{
    const struct deployment *deployment = NULL;
    while ((deployment = deployment_manager_next(manager, deployment ? deployment->name : NULL)))
        make_track(manager, deployment);
    full_pass(manager);
}

const struct deployment *deployment_head(struct deployment_manager *manager, const char *name)
{
    struct deployment probe = {.record.kind = &deployment_kind, .name = name};
    return (const struct deployment *)state_find(manager->state, STATE_HEAD, &probe.record);
}

const struct deployment *deployment_manager_find(struct deployment_manager *manager,
                                                 const char *name)
{
    struct deployment probe = {.record.kind = &deployment_kind, .name = name};
    return (const struct deployment *)state_find(manager->state, STATE_COMMITTED, &probe.record);
}

const struct deployment *deployment_manager_next(struct deployment_manager *manager,
                                                 const char *after)
{
    struct state_cursor cursor;
    struct deployment probe = {.record.kind = &deployment_kind, .name = after ? after : ""};
    state_seek(manager->state, STATE_COMMITTED, KIND_DEPLOYMENT, &probe.record, &cursor);
    const struct deployment *next = (const struct deployment *)state_next(&cursor);
    if (next && after && strcmp(next->name, after) == 0)
        next = (const struct deployment *)state_next(&cursor);
    return next;
}

const struct revision *deployment_manager_revision(struct deployment_manager *manager,
                                                   const struct deployment *deployment,
                                                   int64_t number)
{
    struct revision probe = {
        .record.kind = &revision_kind, .deployment = deployment->name, .number = number};
    return (const struct revision *)state_find(manager->state, STATE_COMMITTED, &probe.record);
}

const struct revision *deployment_manager_next_revision(struct deployment_manager *manager,
                                                        const struct deployment *deployment,
                                                        int64_t after)
{
    struct state_cursor cursor;
    struct revision probe = {
        .record.kind = &revision_kind, .deployment = deployment->name, .number = after + 1};
    state_seek(manager->state, STATE_COMMITTED, KIND_REVISION, &probe.record, &cursor);
    const struct revision *next = (const struct revision *)state_next(&cursor);
    return next && strcmp(next->deployment, deployment->name) == 0 ? next : NULL;
}

const struct revision *deployment_manager_revision_before(struct deployment_manager *manager,
                                                          const struct deployment *deployment,
                                                          int64_t number)
{
    const struct revision *revision = NULL, *found = NULL;
    while ((revision = deployment_manager_next_revision(manager, deployment,
                                                        revision ? revision->number : 0)) &&
           revision->number < number)
        found = revision;
    return found;
}

void deployment_manager_touch(struct deployment_manager *manager, const char *name)
{
    struct track *track = deployment_track(manager, name);
    if (!track)
        return;
    track->seq = state_next_seq(manager->state); /* its own, so that watches can go on from it */
    deployment_queue(manager, track);
}

void deployment_manager_look(struct deployment_manager *manager, const char *name)
{
    struct track *track = deployment_track(manager, name);
    if (track)
        deployment_queue(manager, track);
}

void deployment_manager_container_changed(struct deployment_manager *manager,
                                          const struct container *container)
{
    struct track *track = deployment_track(manager, container->deployment);
    if (!track)
        return;
    counts_change(manager, track, container);
    track->seq = state_next_seq(manager->state);
    deployment_queue(manager, track);
}

void deployment_manager_container_removed(struct deployment_manager *manager,
                                          const struct container *container,
                                          const struct container_mark *mark)
{
    struct track *track = deployment_track(manager, container->deployment);
    if (!track)
        return;
    counts_remove(track, container, mark);
    track->seq = state_next_seq(manager->state);
    deployment_queue(manager, track);
}

void deployment_manager_node_changed(struct deployment_manager *manager, const char *node)
{
    const struct container *container = NULL;
    while ((container = container_manager_next_on(manager->config.containers, node, container))) {
        struct track *track = deployment_track(manager, container->deployment);
        if (!track)
            continue;
        counts_change(manager, track, container);
        if (!track->queued)
            deployment_manager_touch(manager, track->name);
    }
}

/* -- those that found no room -- */

void deployment_set_unplaced(struct deployment_manager *manager, struct track *track,
                             bool any_change_helps)
{
    track->unplaced = true;
    track->any_change_helps = any_change_helps;
    if (track->listed_unplaced)
        return;
    track->listed_unplaced = true;
    track->next_unplaced = manager->unplaced;
    manager->unplaced = track;
}

static bool may_fit(struct deployment_manager *manager, const struct track *track,
                    const struct deployment *deployment, const char *node)
{
    const struct schedule_ask ask = deployment_ask(deployment, 1);
    if (track->global && !homes_lacks(&track->homes, node))
        return false;
    return track->any_change_helps ||
           scheduler_still_fits(manager->config.scheduler, &ask, node, &(struct list){0});
}

static void retry_on(struct deployment_manager *manager, const char *node)
{
    struct track **link = &manager->unplaced;
    while (*link) {
        struct track *track = *link;
        const struct deployment *deployment = deployment_manager_find(manager, track->name);
        if (track->unplaced && deployment && !may_fit(manager, track, deployment, node)) {
            link = &track->next_unplaced;
            continue;
        }
        *link = track->next_unplaced;
        track->listed_unplaced = track->unplaced = false;
        deployment_queue(manager, track);
    }
}

static bool retry_some(void *argument)
{
    struct deployment_manager *manager = argument;
    struct freed_node *node = manager->freed;
    if (!node)
        return false;
    deployment_node_freed(manager, node->name);
    retry_on(manager, node->name);
    HASH_DEL(manager->freed, node);
    free(node);
    return manager->freed != NULL;
}

static void judge_for_globals(struct deployment_manager *manager, const char *node)
{
    for (struct track *track = manager->globals; track; track = track->next_global) {
        const struct deployment *deployment = deployment_manager_find(manager, track->name);
        if (deployment && homes_judge(manager, track, deployment, node))
            deployment_queue(manager, track);
    }
}

/* Judged later in this turn, when all that changes with it has. */
void deployment_manager_capacity_changed(struct deployment_manager *manager, const char *name)
{
    struct freed_node *node = NULL;
    judge_for_globals(manager, name);
    if (!manager->unplaced && !manager->placings)
        return;
    HASH_FIND_STR(manager->freed, name, node);
    if (node)
        return;
    node = memory_alloc(sizeof *node);
    snprintf(node->name, sizeof node->name, "%s", name);
    HASH_ADD_STR(manager->freed, name, node);
    loop_slice_start(&manager->retry);
}
