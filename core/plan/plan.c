#include "plan/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOKS = 200 };

/* -- the plan -- */

void plan_destroy(struct plan *plan)
{
    if (!plan)
        return;
    for (uint32_t i = 0; i < plan->change_count; i++) {
        record_release(plan->changes[i].before);
        record_release(plan->changes[i].after);
    }
    arena_finish(&plan->arena);
    free(plan);
}

void plan_warn(struct planner *planner, const char *format, ...)
{
    struct plan *plan = planner->plan;
    char message[320];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    for (uint32_t i = 0; i < plan->warning_count; i++)
        if (strcmp(plan->warnings[i], message) == 0)
            return;
    if (plan->warning_count < PLAN_WARNINGS)
        plan->warnings[plan->warning_count++] = arena_strdup(&plan->arena, message);
}

void plan_add_start(struct planner *planner, const struct plan_start *start)
{
    struct plan *plan = planner->plan;
    if (plan->starts_total++ < PLAN_ROWS)
        plan->starts[plan->start_count++] =
            (struct plan_start){.deployment = arena_strdup(&plan->arena, start->deployment),
                                .node = arena_strdup(&plan->arena, start->node),
                                .slot = start->slot,
                                .step = start->step};
}

void plan_add_stop(struct planner *planner, const struct plan_stop *stop)
{
    struct plan *plan = planner->plan;
    if (plan->stops_total++ < PLAN_ROWS)
        plan->stops[plan->stop_count++] =
            (struct plan_stop){.container = arena_strdup(&plan->arena, stop->container),
                               .deployment = arena_strdup(&plan->arena, stop->deployment),
                               .node = arena_strdup(&plan->arena, stop->node),
                               .reason = stop->reason,
                               .step = stop->step};
}

void plan_add_unplaced(struct planner *planner, const struct plan_unplaced *unplaced)
{
    struct plan *plan = planner->plan;
    struct arena *arena = &plan->arena;
    if (plan->unplaced_total++ < PLAN_ROWS)
        plan->unplaced[plan->unplaced_count++] =
            (struct plan_unplaced){.deployment = arena_strdup(arena, unplaced->deployment),
                                   .why = arena_strdup(arena, unplaced->why),
                                   .nearest_node = arena_strdup(arena, unplaced->nearest_node),
                                   .nearest = arena_strdup(arena, unplaced->nearest),
                                   .slot = unplaced->slot};
}

void *plan_grow(void *items, uint32_t count, uint32_t *room, size_t size)
{
    if (count < *room)
        return items;
    *room = *room ? *room * 2 : 16;
    return memory_resize(items, *room * size);
}

/* -- what changes of nodes -- */

static const struct record *any_of(const struct plan_change *change)
{
    return change->after ? change->after : change->before;
}

static const char *name_of(const struct record *record)
{
    switch (record->kind->id) {
    case KIND_DEPLOYMENT:
        return ((const struct deployment *)record)->name;
    case KIND_SERVICE:
        return ((const struct service *)record)->name;
    case KIND_NODE:
        return ((const struct node *)record)->name;
    case KIND_CONTAINER:
        return ((const struct container *)record)->id;
    default:
        return "";
    }
}

const struct plan_change *plan_change_of(const struct planner *planner, enum record_kind_id kind,
                                         const char *name)
{
    for (uint32_t i = 0; i < planner->plan->change_count; i++) {
        const struct plan_change *change = &planner->plan->changes[i];
        if (any_of(change)->kind->id == kind && strcmp(name_of(any_of(change)), name) == 0)
            return change;
    }
    return NULL;
}

bool plan_node_is_lost(const struct planner *planner, const char *node)
{
    const struct plan_change *change = plan_change_of(planner, KIND_NODE, node);
    return change && (change->lost || !change->after);
}

static const struct node *node_after(const struct planner *planner, const char *name)
{
    const struct plan_change *change = plan_change_of(planner, KIND_NODE, name);
    return change ? (const struct node *)change->after
                  : node_registry_find(planner->parts.nodes, name);
}

bool plan_node_is_left(const struct planner *planner, const char *name)
{
    const struct node *node = node_after(planner, name);
    return plan_node_is_lost(planner, name) || !node || node->draining;
}

bool plan_node_is_closed(const struct planner *planner, const char *name)
{
    const struct node *node = node_after(planner, name);
    return plan_node_is_left(planner, name) || !node->schedulable;
}

/* -- which deployments -- */

static struct plan_job *find_job(struct planner *planner, const char *name, uint32_t *at)
{
    uint32_t low = 0, high = planner->job_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(planner->jobs[middle].after->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *at = low;
    bool found = low < planner->job_count && strcmp(planner->jobs[low].after->name, name) == 0;
    return found ? &planner->jobs[low] : NULL;
}

static const struct deployment *take(const struct deployment *deployment)
{
    return deployment ? (const struct deployment *)record_take_reference(&deployment->record)
                      : NULL;
}

static struct plan_job *add_job(struct planner *planner, const char *name,
                                const struct plan_change *change)
{
    uint32_t at;
    struct plan_job *job = find_job(planner, name, &at);
    const struct deployment *now = deployment_manager_find(planner->parts.deployments, name);
    if (job || (!change && !now))
        return job;
    planner->jobs =
        plan_grow(planner->jobs, planner->job_count, &planner->job_room, sizeof *planner->jobs);
    memmove(planner->jobs + at + 1, planner->jobs + at,
            (planner->job_count - at) * sizeof *planner->jobs);
    planner->job_count++;
    planner->jobs[at] =
        (struct plan_job){.before = take(change ? (const struct deployment *)change->before : now),
                          .after = take(change ? (const struct deployment *)change->after : now)};
    return &planner->jobs[at];
}

/* The containers of a node that would be left; false: all were looked at. */
static bool look_at_node(struct planner *planner, const char *name)
{
    for (int looks = 0; looks < LOOKS; looks++) {
        const struct container *next =
            container_manager_next_on(planner->parts.containers, name, planner->after);
        record_release(planner->after ? &planner->after->record : NULL);
        planner->after =
            next ? (const struct container *)record_take_reference(&next->record) : NULL;
        if (!next)
            return false;
        add_job(planner, next->deployment, NULL);
    }
    return true;
}

static void close_node(struct planner *planner, const char *name)
{
    if (plan_node_is_lost(planner, name))
        schedule_assumed_close(planner->assumed, name, FILTER_READY);
    else if (plan_node_is_closed(planner, name))
        schedule_assumed_close(planner->assumed, name, FILTER_SCHEDULABLE);
}

/* True: there is more to be looked at of it. */
static bool look_at_change(struct planner *planner, const struct plan_change *change)
{
    const struct record *any = any_of(change);
    if (any->kind->id == KIND_DEPLOYMENT) {
        add_job(planner, name_of(any), plan_change_of(planner, KIND_DEPLOYMENT, name_of(any)));
    } else if (any->kind->id == KIND_CONTAINER) {
        const char *deployment = ((const struct container *)any)->deployment;
        add_job(planner, deployment, plan_change_of(planner, KIND_DEPLOYMENT, deployment));
    } else if (any->kind->id == KIND_NODE) {
        close_node(planner, name_of(any));
        return plan_node_is_left(planner, name_of(any)) && look_at_node(planner, name_of(any));
    }
    return false;
}

/* -- services -- */

static void look_at_service(struct planner *planner, const struct service *service)
{
    struct plan *plan = planner->plan;
    uint32_t at;
    const struct plan_change *change = plan_change_of(planner, KIND_SERVICE, service->name);
    const struct plan_job *job = find_job(planner, service->deployment, &at);
    bool gone = change && !change->after;
    if ((!job && !change) || plan->services_total++ >= PLAN_ROWS)
        return;
    struct plan_service *row = &plan->services[plan->service_count++];
    *row = (struct plan_service){.name = arena_strdup(&plan->arena, service->name),
                                 .deployment = arena_strdup(&plan->arena, service->deployment)};
    struct service_status status = {0};
    const struct service *now = service_manager_find(planner->parts.services, service->name);
    if (now)
        service_manager_status(planner->parts.services, now, &status);
    row->ready = job ? job->ready : status.ready;
    row->ready_at_least = gone ? 0 : job ? job->least : status.ready;
    if (row->ready_at_least < row->ready)
        plan_warn(planner, "service %s has %lld ready endpoints now and %lld at the worst moment",
                  service->name, (long long)row->ready, (long long)row->ready_at_least);
    if (gone)
        return;
    const struct plan_change *of = plan_change_of(planner, KIND_DEPLOYMENT, service->deployment);
    if (!of && !deployment_manager_find(planner->parts.deployments, service->deployment))
        plan_warn(planner, "service %s publishes deployment %s, which there is not", service->name,
                  service->deployment);
}

/* False: all were looked at. */
static bool look_at_services(struct planner *planner)
{
    for (int looks = 0; looks < LOOKS; looks++) {
        const struct service *service = service_manager_next(
            planner->parts.services, planner->after_service[0] ? planner->after_service : NULL);
        if (!service)
            return false;
        snprintf(planner->after_service, sizeof planner->after_service, "%s", service->name);
        const struct plan_change *change = plan_change_of(planner, KIND_SERVICE, service->name);
        look_at_service(planner,
                        change && change->after ? (const struct service *)change->after : service);
    }
    return true;
}

static void look_at_new_services(struct planner *planner)
{
    for (uint32_t i = 0; i < planner->plan->change_count; i++) {
        const struct plan_change *change = &planner->plan->changes[i];
        if (any_of(change)->kind->id == KIND_SERVICE && !change->before)
            look_at_service(planner, (const struct service *)change->after);
    }
}

/* -- the work -- */

void planner_destroy(struct planner *planner)
{
    for (uint32_t i = 0; i < planner->job_count; i++) {
        record_release(planner->jobs[i].before ? &planner->jobs[i].before->record : NULL);
        record_release(&planner->jobs[i].after->record);
    }
    free(planner->jobs);
    record_release(planner->after ? &planner->after->record : NULL);
    plan_rollout_destroy(planner->rollout);
    schedule_assumed_destroy(planner->assumed);
    plan_destroy(planner->plan);
    free(planner);
}

void plan_give_up(struct planner *planner)
{
    if (!planner)
        return;
    loop_slice_stop(&planner->slice);
    planner->given_up = true;
    if (!planner->waiting)
        planner_destroy(planner);
}

static void finish(struct planner *planner)
{
    struct plan *plan = planner->plan;
    look_at_new_services(planner);
    if (planner->cut)
        plan_warn(planner, "only the first %d replicas were planned", PLAN_CONTAINERS);
    if (plan->starts_total > PLAN_ROWS || plan->stops_total > PLAN_ROWS ||
        plan->unplaced_total > PLAN_ROWS || plan->services_total > PLAN_ROWS)
        plan_warn(planner, "each list ends after %d: %u starts, %u stops, %u without a place",
                  PLAN_ROWS, plan->starts_total, plan->stops_total, plan->unplaced_total);
    plan_done *done = planner->done;
    void *argument = planner->argument;
    planner->plan = NULL;
    planner_destroy(planner);
    done(argument, plan);
}

static bool work(void *argument)
{
    struct planner *planner = argument;
    switch (planner->stage) {
    case PLAN_NODES:
        if (planner->at == planner->plan->change_count) {
            planner->at = 0;
            planner->stage = PLAN_DEPLOYMENTS;
        } else if (!look_at_change(planner, &planner->plan->changes[planner->at])) {
            planner->at++;
        }
        return true;
    case PLAN_DEPLOYMENTS:
        if (planner->at == planner->job_count) {
            planner->stage = PLAN_SERVICES;
            return true;
        }
        switch (plan_rollout_step(planner, &planner->jobs[planner->at])) {
        case PLAN_GOES_ON:
            return true;
        case PLAN_WAITS:
            return false;
        case PLAN_OVER:
            plan_rollout_destroy(planner->rollout);
            planner->rollout = NULL;
            planner->at++;
            return true;
        }
        return true;
    case PLAN_SERVICES:
        if (look_at_services(planner))
            return true;
        finish(planner);
        return false;
    }
    return false;
}

struct planner *plan_make(const struct plan_parts *parts, struct plan_change *changes,
                          uint32_t count, plan_done *done, void *argument)
{
    struct planner *planner = memory_alloc(sizeof *planner);
    struct plan *plan = memory_alloc(sizeof *plan);
    struct arena *arena = &plan->arena;
    *planner = (struct planner){.parts = *parts,
                                .plan = plan,
                                .assumed = schedule_assumed_create(),
                                .done = done,
                                .argument = argument};
    plan->seq = state_settled_seq(parts->state);
    plan->changes = arena_alloc(arena, (count + 1) * sizeof *plan->changes);
    if (count)
        memcpy(plan->changes, changes, count * sizeof *changes);
    plan->change_count = count;
    plan->starts = arena_alloc(arena, PLAN_ROWS * sizeof *plan->starts);
    plan->stops = arena_alloc(arena, PLAN_ROWS * sizeof *plan->stops);
    plan->unplaced = arena_alloc(arena, PLAN_ROWS * sizeof *plan->unplaced);
    plan->services = arena_alloc(arena, PLAN_ROWS * sizeof *plan->services);
    plan->warnings = arena_alloc(arena, PLAN_WARNINGS * sizeof *plan->warnings);
    loop_slice_init(&planner->slice, parts->loop, "plan", work, planner);
    loop_slice_start(&planner->slice);
    return planner;
}
