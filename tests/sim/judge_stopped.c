/* What holds when a record that serves is to stop. */
#include "truth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the tables of all proxies that must count; else the name of a host without it. */
static const char *missing_on(const struct true_container *container)
{
    for (uint32_t i = 0; i < world.options.hosts; i++) {
        struct host *host = &world.hosts[i];
        if (host_is_steady_since(host, now_ns() - 2 * NS_PER_SECOND) &&
            !proxy_endpoint(host, NULL, container->id))
            return host->name;
    }
    return NULL;
}

static bool has_service(const char *deployment)
{
    struct service_manager *services = run.truth.writer->server->services;
    const struct service *service = NULL;
    while ((service = service_manager_next(services, service ? service->name : NULL)))
        if (strcmp(service->deployment, deployment) == 0)
            return true;
    return false;
}

/* A service that was given to another deployment leaves endpoints of this one in tables that have
 * yet to be replaced: nobody waits for those. */
static bool is_served(const char *deployment)
{
    if (!has_service(deployment))
        return false;
    for (uint32_t i = 0; i < world.options.hosts; i++)
        for (uint32_t s = 0; s < world.hosts[i].proxy.now.count; s++) {
            const struct proxy_table_service *service = &world.hosts[i].proxy.now.services[s];
            for (uint32_t e = 0; e < service->count; e++) {
                struct true_container *container = true_container(service->endpoints[e].id);
                if (container && strcmp(container->deployment, deployment) == 0)
                    return true;
            }
        }
    return false;
}

static bool is_published(const struct true_container *container)
{
    for (uint32_t i = 0; i < world.options.hosts; i++)
        if (proxy_endpoint(&world.hosts[i], NULL, container->id))
            return true;
    return false;
}

/* Has its readiness been known long enough to be what was decided on? */
static bool was_ready(const struct true_container *container)
{
    return container->ready && now_ns() - container->ready_changed_ns > DECISION_NS / 2;
}

static bool may_have_been_ready(const struct true_container *container)
{
    return container->ready ||
           (container->ready_changed_ns && now_ns() - container->ready_changed_ns < DECISION_NS);
}

/* Nobody is sent to a node whose connection is gone: what it had is worth nothing to a rollout. */
static bool is_suspect(const char *node)
{
    return node_registry_status(run.truth.writer->server->nodes, node)->state != NODE_READY;
}

/* An old one that serves may go in a rollout only when enough others serve: said to be ready, and
 * in the tables of all proxies that count. */
void judge_replaced(const struct true_container *victim)
{
    struct true_deployment *deployment = true_deployment(victim->deployment);
    struct true_container *other, *next;
    int64_t serving = 0;
    char missing[120] = "";
    if (!deployment || deployment->global || deployment->fixed_port || !was_ready(victim) ||
        truth_is_lost(victim) || truth_node_is_away(victim->node) || is_suspect(victim->node))
        return;
    bool served = is_served(victim->deployment);
    if (served && !is_published(victim))
        return; /* nobody is sent to one that waited for its promotion */
    HASH_ITER(hh, run.truth.containers, other, next)
    {
        if (other == victim || other->gone || other->stopping || other->failed ||
            strcmp(other->deployment, victim->deployment) != 0)
            continue;
        /* One that has just left the tables may have been in them when this was decided. */
        bool left = other->ceased_ns && now_ns() - other->ceased_ns < DECISION_NS;
        const char *without = served && !left ? missing_on(other) : NULL;
        bool good = may_have_been_ready(other) && !without;
        serving += good;
        if (!good)
            snprintf(missing, sizeof missing, "not %s (%s%s)", other->id,
                     without ? "not in the table of " : "not ready", without ? without : "");
    }
    int64_t desired = truth_least_desired(deployment);
    int64_t least = desired - amount_of(deployment->unavailable, desired, false);
    CHECK(I12_UNAVAILABLE, serving >= least, "%s goes: %lld others serve, %lld must; %s",
          victim->id, (long long)serving, (long long)least, missing);
}

/* Old ones stay: all of them beside a set that nobody is sent to, else so many as make up for the
 * step. */
void judge_step_kept(const struct true_container *victim)
{
    struct true_deployment *deployment = true_deployment(victim->deployment);
    struct true_container *other, *next;
    int64_t old = 0, updated = 0;
    if (!deployment || deployment->global || !truth_awaits_promotion(deployment) ||
        !truth_is_old(deployment, victim) || truth_strategy_changed(deployment) ||
        truth_node_was_lost(victim->node))
        return;
    HASH_ITER(hh, run.truth.containers, other, next)
    {
        if (other == victim || strcmp(other->deployment, victim->deployment) != 0)
            continue;
        bool lately = other->stopping && now_ns() - other->stopping_ns < DECISION_NS &&
                      strcmp(other->stop_reason, "Replaced") != 0;
        if (!truth_is_old(deployment, other) && !truth_node_was_draining(other->node))
            updated += !other->gone;
        else
            old += (!other->gone && !other->stopping) || lately;
    }
    int64_t desired = truth_least_desired(deployment);
    int64_t step = amount_of(deployment->canary, desired, true);
    step = step > 1 ? step : 1;
    int64_t kept = deployment->hidden ? desired : desired - (updated > step ? updated : step);
    CHECK(I12_STEP, old >= kept, "%s goes before the promotion: %lld old ones stay, %lld must",
          victim->id, (long long)old, (long long)kept);
}

/* What is not available goes first; known for long enough to have been decided upon. */
void judge_scaled_down(const struct true_container *victim)
{
    struct true_deployment *deployment = true_deployment(victim->deployment);
    struct true_container *other, *next;
    bool serves = victim->ready && now_ns() - victim->ready_changed_ns > DECISION_NS;
    if (!deployment || deployment->global || !serves || is_suspect(victim->node) ||
        !truth_node_has_told(victim->node) || truth_is_lost(victim) ||
        truth_node_is_away(victim->node) || truth_awaits_promotion(deployment))
        return;
    HASH_ITER(hh, run.truth.containers, other, next)
    {
        bool idle = other != victim && strcmp(other->deployment, victim->deployment) == 0 &&
                    truth_counts(other) && !other->ready &&
                    now_ns() - other->created_ns > DECISION_NS &&
                    now_ns() - other->ready_changed_ns > DECISION_NS &&
                    !truth_node_was_lost(other->node) && truth_node_has_told(other->node);
        CHECK(I12_ORDER, !idle, "%s serves and goes, %s does not and stays", victim->id, other->id);
    }
}
