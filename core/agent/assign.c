/* Taking an assignment: the wanted set changes, is kept on disk, and then acted on. */
#include "agent/impl.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

static void change(struct unit *unit, const struct assigned_container *assigned, uint64_t saved_by)
{
    if (unit->wanted_incarnation < assigned->incarnation || unit->phase == UNIT_UNKNOWN)
        unit->saved_by = saved_by;
    unit->intent = assigned->intent;
    if (assigned->incarnation > unit->wanted_incarnation)
        unit->wanted_incarnation = assigned->incarnation;
    if (assigned->restarts > unit->restarts)
        unit->restarts = assigned->restarts;
}

static void take_container(struct agent *agent, const struct assigned_container *assigned,
                           uint64_t saved_by)
{
    struct unit *unit = agent_unit(agent, assigned->id);
    struct template *template = template_find(agent, assigned->template_id);
    if (unit) {
        change(unit, assigned, saved_by);
        return;
    }
    if (!template) {
        LOG_ERROR("an assigned container has no template", LOG_STR("container", assigned->id));
        return;
    }
    unit = unit_create(agent, assigned);
    unit->template = template;
    unit->saved_by = saved_by;
    template->users++;
    if (assigned->failed)
        unit->phase = UNIT_FAILED;
    else if (agent->listed && assigned->incarnation <= 1)
        unit->phase = UNIT_NEW; /* the engine can't have it yet */
    else if (agent->listed)
        observe_want_list(agent); /* it may be there */
    report_unit(unit);
}

static bool names(const struct assignment *assignment, const char *id)
{
    for (uint32_t i = 0; i < assignment->containers.count; i++)
        if (strcmp(LIST_AT(assignment->containers, struct assigned_container, i)->id, id) == 0)
            return true;
    return false;
}

/* No record wants it any more: what is left of it is found by the next list and removed. One newer
 * than the state (a restored backup) is left as it is; the next list raises the alarm. */
static void forget(struct agent *agent, struct unit *unit)
{
    if (unit->seq > agent->store_seq && !unit->call) {
        unit_destroy(unit);
        return;
    }
    if (unit->call || unit->phase == UNIT_MAKING || unit->phase == UNIT_RUNNING) {
        unit->intent = ASSIGNED_STOP;
        return;
    }
    /* A start whose answer was lost may have left one that runs: it is owed its signal. */
    if (unit->runtime_id[0])
        stray_remove(agent, unit->runtime_id, unit->phase == UNIT_NEW);
    if (unit->previous_id[0])
        stray_remove(agent, unit->previous_id, false);
    unit_destroy(unit);
}

static void forget_absent(struct agent *agent, const struct assignment *assignment)
{
    struct unit *unit, *next;
    HASH_ITER(hh, agent->units, unit, next)
    {
        if (assignment->full && !names(assignment, unit->id))
            forget(agent, unit);
    }
    for (uint32_t i = 0; i < assignment->removed.count; i++) {
        unit = agent_unit(agent, *LIST_AT(assignment->removed, const char *, i));
        if (unit)
            forget(agent, unit);
    }
}

static void change_cluster(struct agent *agent, const char *cluster)
{
    struct unit *unit, *next;
    HASH_ITER(hh, agent->units, unit, next)
    {
        unit_destroy(unit); /* another cluster's containers are never touched */
    }
    observe_stop(agent);
    snprintf(agent->cluster, sizeof agent->cluster, "%s", cluster);
    agent->fence = 0;
    agent->listed = agent->full_assignment = false;
}

/* Removed behind our back, and no server can have heard of it: this one wants that very record. */
static void revive(struct agent *agent)
{
    struct unit *unit, *next;
    HASH_ITER(hh, agent->units, unit, next)
    {
        if (unit->phase == UNIT_VANISHED && unit->intent == ASSIGNED_RUN && !unit->gone_said)
            unit_revive(unit);
    }
}

void assign_take(struct agent *agent, const struct assignment *assignment)
{
    if (!assignment->cluster)
        return; /* every server tells */
    bool other = strcmp(agent->cluster, assignment->cluster) != 0;
    if (!other && assignment->fence < agent->fence) {
        LOG_WARN("an assignment of a server that has been replaced is ignored",
                 LOG_INT("fence", assignment->fence));
        return;
    }
    if (other)
        change_cluster(agent, assignment->cluster);
    agent->fence = assignment->fence;
    agent->assignment_version = assignment->version;
    agent->store_seq = assignment->store_seq; /* lower than before: a restored backup */
    uint64_t saved_by = keep_save(agent);     /* of what follows, at the end of this turn */
    for (uint32_t i = 0; i < assignment->templates.count; i++)
        template_put(agent, LIST_AT(assignment->templates, struct assigned_template, i));
    for (uint32_t i = 0; i < assignment->containers.count; i++)
        take_container(agent, LIST_AT(assignment->containers, struct assigned_container, i),
                       saved_by);
    for (uint32_t i = 0; i < assignment->images.count; i++)
        template_hold(agent, LIST_AT(assignment->images, struct assigned_template, i));
    forget_absent(agent, assignment);
    if (assignment->full)
        revive(agent);
    bool first = assignment->full && !agent->full_assignment;
    agent->full_assignment = agent->full_assignment || assignment->full;
    if (first) {
        observe_start(agent);
        observe_want_list(agent); /* the first that strays are judged by */
    }
    agent_look_all(agent);
}
