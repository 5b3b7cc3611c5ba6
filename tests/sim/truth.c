/* What became durable and what was reported, kept beside the server's own state, and what can be
 * said of it at an instant. */
#include "node/messages.h"
#include "truth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void truth_init(void)
{
    memset(&run.truth, 0, sizeof run.truth);
}

struct true_container *true_container(const char *id)
{
    struct true_container *container = NULL;
    HASH_FIND_STR(run.truth.containers, id, container);
    return container;
}

struct true_deployment *true_deployment(const char *name)
{
    struct true_deployment *deployment = NULL;
    HASH_FIND_STR(run.truth.deployments, name, deployment);
    return deployment;
}

int64_t truth_most_desired(const struct true_deployment *deployment)
{
    int64_t most = deployment->replicas;
    for (uint32_t i = 0; i < deployment->desired_count; i++)
        if (deployment->desired[i].until_ns + DECISION_NS > now_ns() &&
            deployment->desired[i].value > most)
            most = deployment->desired[i].value;
    return most;
}

int64_t truth_least_desired(const struct true_deployment *deployment)
{
    int64_t least = deployment->replicas;
    for (uint32_t i = 0; i < deployment->desired_count; i++)
        if (deployment->desired[i].until_ns + DECISION_NS > now_ns() &&
            deployment->desired[i].value < least)
            least = deployment->desired[i].value;
    return least;
}

bool truth_one_decides(void)
{
    return run.truth.writer == server_leader() && server_leader()->opened;
}

bool truth_is_lost(const struct true_container *container)
{
    return container->lost_seen_ns && container->lost_seen_ns + DECISION_NS > now_ns();
}

bool truth_node_is_away(const char *name)
{
    for (uint32_t i = 0; i < world.options.hosts; i++)
        if (strcmp(world.hosts[i].name, name) == 0)
            return now_ns() - world.hosts[i].heard_ns >= (LOST_MS - 2000) * NS_PER_MS;
    return true;
}

bool truth_node_was_draining(const char *name)
{
    for (uint32_t i = 0; i < world.options.hosts; i++)
        if (strcmp(world.hosts[i].name, name) == 0 && world.hosts[i].draining_seen_ns)
            return world.hosts[i].draining_seen_ns + DECISION_NS > now_ns();
    return false;
}

bool truth_counts(const struct true_container *container)
{
    /* Its node's word that it failed for good ends it, also while the store takes nothing. */
    bool failed = container->failed || container->said_failed;
    return !container->gone && !container->stopping && !failed && !truth_is_lost(container) &&
           !truth_node_is_away(container->node);
}

static void set_ready(struct true_container *container, bool ready)
{
    if (container->ready == ready)
        return;
    if (!ready)
        container->ceased_ns = now_ns();
    container->ready = ready;
    container->ready_changed_ns = now_ns();
}

static bool names(const struct report *report, const char *id)
{
    for (uint32_t i = 0; i < report->containers.count; i++)
        if (strcmp(LIST_AT(report->containers, struct reported_container, i)->id, id) == 0)
            return true;
    return false;
}

void truth_report(const char *node, const struct report *report)
{
    for (uint32_t i = 0; report->full && i < world.options.hosts; i++)
        if (strcmp(world.hosts[i].name, node) == 0)
            run.truth.told_ns[i] = now_ns();
    struct true_container *container, *next;
    for (uint32_t i = 0; i < report->containers.count; i++) {
        const struct reported_container *said =
            LIST_AT(report->containers, struct reported_container, i);
        container = true_container(said->id);
        if (!container || strcmp(container->node, node) != 0)
            continue;
        set_ready(container, said->ready);
        container->said_failed = said->state == CONTAINER_FAILED;
    }
    for (uint32_t i = 0; i < report->gone.count; i++) {
        container = true_container(*LIST_AT(report->gone, const char *, i));
        if (container && strcmp(container->node, node) == 0)
            set_ready(container, false);
    }
    HASH_ITER(hh, run.truth.containers, container, next)
    {
        if (report->full && strcmp(container->node, node) == 0 && !names(report, container->id))
            set_ready(container, false);
    }
}

/* -- strategies -- */

bool truth_is_old(const struct true_deployment *deployment, const struct true_container *container)
{
    return container->revision != deployment->revision &&
           !(container->content && container->content == deployment->content);
}

bool truth_hides(const struct true_deployment *deployment, const struct true_container *container)
{
    return deployment->hidden && container->revision >= deployment->hidden &&
           !(deployment->promoted && !truth_is_old(deployment, container));
}

bool truth_strategy_changed(const struct true_deployment *deployment)
{
    return deployment->strategy_ns && now_ns() - deployment->strategy_ns < DECISION_NS;
}

bool truth_awaits_promotion(const struct true_deployment *deployment)
{
    bool rolling =
        deployment->complete_revision && deployment->complete_revision != deployment->revision;
    return rolling && !deployment->promoted &&
           (deployment->hidden || deployment->strategy == STRATEGY_CANARY);
}

/* -- nodes -- */

bool truth_node_was_lost(const char *name)
{
    for (uint32_t i = 0; i < world.options.hosts; i++)
        if (strcmp(world.hosts[i].name, name) == 0)
            return run.truth.lost_until_ns[i] &&
                   now_ns() - run.truth.lost_until_ns[i] < DECISION_NS;
    return true;
}

bool truth_node_has_told(const char *name)
{
    const struct server_process *leader = server_leader();
    for (uint32_t i = 0; i < world.options.hosts; i++)
        if (strcmp(world.hosts[i].name, name) == 0)
            return run.truth.told_ns[i] > leader->opened_at_ns &&
                   now_ns() - run.truth.told_ns[i] > DECISION_NS;
    return false;
}

static void note_lost(struct node_registry *nodes)
{
    for (uint32_t i = 0; i < world.options.hosts; i++) {
        const char *name = world.hosts[i].name;
        bool known = node_registry_find(nodes, name) != NULL;
        bool lost = known && node_registry_status(nodes, name)->state == NODE_LOST;
        if (lost || !known)
            run.truth.lost_until_ns[i] = now_ns();
        if (lost)
            run.truth.brake.last_lost_ns = now_ns();
        if (!lost)
            run.truth.lost_ns[i] = 0;
        else if (!run.truth.lost_ns[i])
            run.truth.lost_ns[i] = now_ns();
    }
}

static enum silence how_silent(struct node_registry *nodes)
{
    const struct node *node = NULL;
    uint32_t count = 0, silent = 0;
    while ((node = node_registry_next(nodes, node ? node->name : NULL))) {
        count++;
        silent += node_registry_status(nodes, node->name)->state != NODE_READY;
    }
    return !silent              ? SILENCE_NONE
           : silent == count    ? SILENCE_ALL
           : 2 * silent < count ? SILENCE_FEW
                                : SILENCE_HALF;
}

void truth_nodes(void)
{
    struct server_process *leader = server_leader();
    if (!leader->server || !leader->opened)
        return;
    enum silence silence = how_silent(leader->server->nodes);
    if (run.truth.brake.generation != leader->process.generation) /* what it lost is lost anew */
        memset(run.truth.lost_ns, 0, sizeof run.truth.lost_ns);
    if (run.truth.brake.silence != silence ||
        run.truth.brake.generation != leader->process.generation) {
        run.truth.brake.silence = silence;
        run.truth.brake.generation = leader->process.generation;
        run.truth.brake.since_ns = now_ns();
        run.truth.brake.fresh = !run.truth.brake.last_lost_ns ||
                                now_ns() - run.truth.brake.last_lost_ns > 11 * NS_PER_SECOND;
    }
    note_lost(leader->server->nodes);
}
