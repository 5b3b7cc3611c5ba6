#include "plan/survival.h"
#include "base/hash.h"
#include "base/log.h"
#include "plan/impl.h"

#include <stdlib.h>
#include <string.h>

enum { LOOKS = 200, REST = 3 }; /* rest: so many times as long as a node took */

/* What one deployment has on the node. */
struct stake {
    const struct deployment *deployment; /* counted */
    uint32_t count;
};
struct survival {
    struct plan_parts parts;
    struct state_subscriber subscriber;
    struct loop_slice slice;
    struct loop_timer timer; /* the next round, or the next node */
    struct survival_answer *latest, *next;
    bool started, outdated, ended;
    enum { SURVIVAL_RESTS, SURVIVAL_NEXT_NODE, SURVIVAL_LOOKS, SURVIVAL_PLACES } stage;
    uint64_t round_ns, node_ns; /* when they began */
    /* Of the node that is looked at: */
    char node[64];
    bool losing, waiting;
    const struct container *seen; /* counted: where the walk goes on */
    struct schedule_assumed *assumed;
    struct stake *stakes; /* by name */
    uint32_t stake_count, stake_room, at;
};

static void destroy_answer(struct survival_answer *answer)
{
    if (!answer)
        return;
    arena_finish(&answer->arena);
    free(answer);
}

static void forget_node(struct survival *survival)
{
    for (uint32_t i = 0; i < survival->stake_count; i++)
        record_release(&survival->stakes[i].deployment->record);
    record_release(survival->seen ? &survival->seen->record : NULL);
    schedule_assumed_destroy(survival->assumed);
    survival->stake_count = survival->at = 0;
    survival->seen = NULL;
    survival->assumed = NULL;
    survival->losing = false;
}

/* -- what the node has -- */

static struct stake *stake_of(struct survival *survival, const char *name)
{
    uint32_t low = 0, high = survival->stake_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(survival->stakes[middle].deployment->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < survival->stake_count && strcmp(survival->stakes[low].deployment->name, name) == 0)
        return &survival->stakes[low];
    const struct deployment *deployment =
        deployment_manager_find(survival->parts.deployments, name);
    if (!deployment)
        return NULL;
    survival->stakes = plan_grow(survival->stakes, survival->stake_count, &survival->stake_room,
                                 sizeof *survival->stakes);
    memmove(survival->stakes + low + 1, survival->stakes + low,
            (survival->stake_count - low) * sizeof *survival->stakes);
    survival->stake_count++;
    record_take_reference(&deployment->record);
    survival->stakes[low] = (struct stake){.deployment = deployment};
    return &survival->stakes[low];
}

static void look_at(struct survival *survival, const struct container *container)
{
    struct stake *stake = stake_of(survival, container->deployment);
    if (!stake || container->intent != INTENT_RUN || container->failed)
        return;
    const struct scheduler_share share = {.node = container->node,
                                          .deployment = container->deployment};
    schedule_assumed_share(survival->assumed, &share, -1); /* it is no replica of its group */
    stake->count += stake->deployment->mode == MODE_REPLICATED && !stake->deployment->deleting;
}

/* False: all were looked at. */
static bool look_at_some(struct survival *survival)
{
    for (int looks = 0; looks < LOOKS; looks++) {
        const struct container *next =
            container_manager_next_on(survival->parts.containers, survival->node, survival->seen);
        record_release(survival->seen ? &survival->seen->record : NULL);
        survival->seen =
            next ? (const struct container *)record_take_reference(&next->record) : NULL;
        if (!next)
            return false;
        look_at(survival, next);
    }
    return true;
}

/* -- where its replacements would go -- */

/* Fewer than it has, while there are more than are wanted. */
static uint32_t missing_without(const struct survival *survival, const struct stake *stake)
{
    struct deployment_status status;
    const struct deployment *deployment = stake->deployment;
    if (!stake->count)
        return 0;
    deployment_manager_status(survival->parts.deployments, deployment, &status);
    int64_t missing = deployment->replicas - (status.current - stake->count);
    return missing <= 0 ? 0 : missing < stake->count ? (uint32_t)missing : stake->count;
}

static void add_row(struct survival *survival, const struct survival_row *row)
{
    struct survival_answer *next = survival->next;
    struct arena *arena = &next->arena;
    next->losing += !survival->losing;
    survival->losing = true;
    if (next->rows_total++ >= SURVIVAL_ROWS)
        return;
    next->rows[next->row_count++] =
        (struct survival_row){.node = arena_strdup(arena, row->node),
                              .deployment = arena_strdup(arena, row->deployment),
                              .why = arena_strdup(arena, row->why),
                              .nearest_node = arena_strdup(arena, row->nearest_node),
                              .nearest = arena_strdup(arena, row->nearest),
                              .replicas = row->replicas};
}

static void take_places(struct survival *survival, const struct schedule_plan *places)
{
    const struct deployment *deployment = survival->stakes[survival->at].deployment;
    const struct resources *asked = &deployment->template.resources;
    uint32_t placed = 0;
    for (; placed < places->count && places->placements[placed].node; placed++) {
        const struct scheduler_share share = {.node = places->placements[placed].node,
                                              .deployment = deployment->name,
                                              .cpu_millis = asked->cpu_millis,
                                              .memory_bytes = asked->memory_bytes,
                                              .ports = places->placements[placed].ports};
        schedule_assumed_share(survival->assumed, &share, 1);
    }
    if (placed == places->count)
        return;
    char why[256];
    const struct schedule_placement *miss = &places->placements[placed];
    schedule_refusals_text(miss, (uint32_t)state_count(survival->parts.state, KIND_NODE), why,
                           sizeof why);
    add_row(survival, &(struct survival_row){.node = survival->node,
                                             .deployment = deployment->name,
                                             .why = why,
                                             .nearest_node = miss->nearest_node,
                                             .nearest = miss->nearest_message,
                                             .replicas = places->count - placed});
}

static void free_survival(struct survival *survival)
{
    forget_node(survival);
    destroy_answer(survival->latest);
    destroy_answer(survival->next);
    free(survival->stakes);
    free(survival);
}

static void placed(void *argument, struct schedule_plan *places)
{
    struct survival *survival = argument;
    survival->waiting = false;
    if (survival->ended) {
        schedule_plan_free(places);
        free_survival(survival);
        return;
    }
    if (!places) /* the scheduler is gone */
        return;
    take_places(survival, places);
    schedule_plan_free(places);
    survival->at++;
    loop_slice_start(&survival->slice);
}

/* False: it is on its way. */
static bool place_next(struct survival *survival)
{
    const struct stake *stake = &survival->stakes[survival->at];
    const struct deployment *deployment = stake->deployment;
    uint32_t count = missing_without(survival, stake);
    struct error error;
    if (!count) {
        survival->at++;
        return true;
    }
    const struct schedule_ask ask = {.deployment = deployment->name,
                                     .deployment_uid = deployment->record.uid,
                                     .placement = &deployment->placement,
                                     .template = &deployment->template,
                                     .count = count,
                                     .seed = hash_text(deployment->record.uid) ^
                                             (uint64_t)deployment->revision,
                                     .assumed = survival->assumed};
    survival->waiting = true;
    if (scheduler_place(survival->parts.scheduler, &ask, placed, survival, &error))
        return false;
    survival->waiting = false;
    add_row(survival, &(struct survival_row){.node = survival->node,
                                             .deployment = deployment->name,
                                             .why = error.message,
                                             .replicas = count});
    survival->at++;
    return true;
}

/* -- rounds -- */

static void begin_round(struct survival *survival)
{
    struct survival_answer *next = memory_alloc(sizeof *next);
    next->seq = state_settled_seq(survival->parts.state);
    next->at_ms = loop_wall_ms(survival->parts.loop);
    next->rows = arena_alloc(&next->arena, SURVIVAL_ROWS * sizeof *next->rows);
    survival->next = next;
    survival->outdated = false;
    survival->round_ns = loop_now_ns(survival->parts.loop);
    survival->node[0] = 0;
    survival->stage = SURVIVAL_NEXT_NODE;
}

static void end_round(struct survival *survival)
{
    struct survival_answer *next = survival->next;
    const struct survival_answer *before = survival->latest;
    uint64_t took_ns = loop_now_ns(survival->parts.loop) - survival->round_ns;
    if (next->losing)
        next->since_ms = before && before->since_ms ? before->since_ms : next->at_ms;
    if (!before || !before->losing != !next->losing)
        LOG_INFO(next->losing ? "the loss of a node would leave replicas without a place"
                              : "the loss of any one node would leave no replica without a place",
                 LOG_INT("nodes", next->nodes), LOG_INT("notSurvived", next->losing));
    destroy_answer(survival->latest);
    survival->latest = next;
    survival->next = NULL;
    survival->stage = SURVIVAL_RESTS;
    if (survival->outdated)
        loop_timer_start(&survival->timer,
                         took_ns > SURVIVAL_SETTLE_NS ? took_ns : SURVIVAL_SETTLE_NS);
}

/* The next one that is heard of: the loss of another one has been seen to already. */
static bool begin_node(struct survival *survival)
{
    for (int looks = 0; looks < LOOKS; looks++) {
        const struct node *node =
            node_registry_next(survival->parts.nodes, *survival->node ? survival->node : NULL);
        if (!node) {
            end_round(survival);
            return false;
        }
        strcpy(survival->node, node->name);
        if (node_registry_status(survival->parts.nodes, node->name)->state != NODE_READY)
            continue;
        survival->next->nodes++;
        survival->node_ns = loop_now_ns(survival->parts.loop);
        survival->assumed = schedule_assumed_create();
        schedule_assumed_close(survival->assumed, node->name, FILTER_READY);
        survival->stage = SURVIVAL_LOOKS;
        return true;
    }
    return true;
}

/* False: the next node comes once the timer has fired. */
static bool end_node(struct survival *survival)
{
    uint64_t took_ns = loop_now_ns(survival->parts.loop) - survival->node_ns;
    forget_node(survival);
    survival->stage = SURVIVAL_NEXT_NODE;
    if (!took_ns)
        return true;
    loop_timer_start(&survival->timer, REST * took_ns);
    return false;
}

static bool work(void *argument)
{
    struct survival *survival = argument;
    switch (survival->stage) {
    case SURVIVAL_RESTS:
        begin_round(survival);
        return true;
    case SURVIVAL_NEXT_NODE:
        return begin_node(survival);
    case SURVIVAL_LOOKS:
        if (!look_at_some(survival))
            survival->stage = SURVIVAL_PLACES;
        return true;
    case SURVIVAL_PLACES:
        if (survival->at < survival->stake_count)
            return place_next(survival);
        return end_node(survival);
    }
    return false;
}

static void go_on(void *argument)
{
    struct survival *survival = argument;
    loop_slice_start(&survival->slice);
}

/* -- life -- */

void survival_touch(struct survival *survival)
{
    survival->outdated = true;
    if (survival->started && survival->stage == SURVIVAL_RESTS &&
        !loop_timer_armed(&survival->timer))
        loop_timer_start(&survival->timer, SURVIVAL_SETTLE_NS);
}

static void changed(void *argument, const struct record *before, const struct record *after)
{
    const struct record *any = after ? after : before;
    if (any->kind->id == KIND_NODE || any->kind->id == KIND_DEPLOYMENT ||
        any->kind->id == KIND_CONTAINER)
        survival_touch(argument);
}

struct survival *survival_create(const struct plan_parts *parts)
{
    struct survival *survival = memory_alloc(sizeof *survival);
    survival->parts = *parts;
    survival->subscriber = (struct state_subscriber){.changed = changed, .argument = survival};
    loop_slice_init(&survival->slice, parts->loop, "survival", work, survival);
    loop_timer_init(&survival->timer, parts->loop, "survival", go_on, survival);
    state_subscribe(parts->state, &survival->subscriber);
    return survival;
}

void survival_start(struct survival *survival)
{
    survival->started = true;
    survival_touch(survival);
}

void survival_destroy(struct survival *survival)
{
    if (!survival)
        return;
    state_unsubscribe(survival->parts.state, &survival->subscriber);
    loop_slice_stop(&survival->slice);
    loop_timer_stop(&survival->timer);
    survival->ended = true;
    if (!survival->waiting)
        free_survival(survival);
}

const struct survival_answer *survival_latest(const struct survival *survival)
{
    return survival->latest;
}

bool survival_is_outdated(const struct survival *survival)
{
    return survival->outdated;
}
