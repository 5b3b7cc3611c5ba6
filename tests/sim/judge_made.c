/* What holds when a container's record becomes durable. */
#include "truth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void judge_slot(const struct true_container *fresh)
{
    struct true_container *other, *next;
    HASH_ITER(hh, run.truth.containers, other, next)
    {
        bool same = other != fresh && strcmp(other->deployment, fresh->deployment) == 0 &&
                    other->slot == fresh->slot && other->revision == fresh->revision;
        CHECK(I2, !same || !truth_counts(other) || truth_node_was_draining(other->node),
              "%s is made beside %s, which is wanted and not lost", fresh->id, other->id);
    }
}

static void judge_surge(const struct true_container *fresh)
{
    struct true_deployment *deployment = true_deployment(fresh->deployment);
    struct true_container *other, *next;
    int64_t current = 0;
    if (!deployment || deployment->global)
        return;
    HASH_ITER(hh, run.truth.containers, other, next)
    {
        current += truth_counts(other) && strcmp(other->deployment, fresh->deployment) == 0;
    }
    int64_t desired = truth_most_desired(deployment);
    int64_t surge = amount_of(deployment->surge, desired, true);
    CHECK(I12_SURGE, current <= desired + surge, "%s: %lld current, %lld desired, surge %lld",
          deployment->name, (long long)current, (long long)desired, (long long)surge);
}

static void judge_room(const struct true_container *fresh)
{
    struct true_container *other, *next;
    int64_t cpu = 0, memory = 0;
    HASH_ITER(hh, run.truth.containers, other, next)
    {
        if (other->gone || other->failed || strcmp(other->node, fresh->node) != 0)
            continue;
        cpu += other->cpu_millis;
        memory += other->memory_bytes;
        for (uint32_t i = 0; other != fresh && i < other->port_count; i++)
            for (uint32_t j = 0; j < fresh->port_count; j++)
                CHECK(I11_PORT, other->ports[i] != fresh->ports[j], "port %lld of %s and %s",
                      (long long)fresh->ports[j], other->id, fresh->id);
    }
    CHECK(I10, cpu <= 4000 && memory <= INT64_C(8) << 30, "%s has %lld mCPU and %lld bytes",
          fresh->node, (long long)cpu, (long long)memory);
}

static bool is_of(const struct true_container *container, const struct true_deployment *deployment)
{
    return strcmp(container->deployment, deployment->name) == 0;
}

/* Those that are given up with their nodes are not waited for. */
static void judge_recreate(const struct true_container *fresh)
{
    struct true_deployment *deployment = true_deployment(fresh->deployment);
    struct true_container *other, *next;
    if (!deployment || deployment->strategy != STRATEGY_RECREATE ||
        deployment->complete_revision == deployment->revision ||
        fresh->revision != deployment->revision || truth_strategy_changed(deployment))
        return;
    HASH_ITER(hh, run.truth.containers, other, next)
    {
        bool there = !other->gone && !truth_node_was_lost(other->node) &&
                     (other->stopping || truth_counts(other));
        CHECK(I12_RECREATE, !is_of(other, deployment) || !there || !truth_is_old(deployment, other),
              "%s is made beside %s of revision %lld", fresh->id, other->id,
              (long long)other->revision);
    }
}

/* A canary's step is so many new ones, and more only in place of what is lost meanwhile. */
static void judge_step_made(const struct true_container *fresh)
{
    struct true_deployment *deployment = true_deployment(fresh->deployment);
    struct true_container *other, *next;
    int64_t current = 0, updated = 0;
    if (!deployment || deployment->global || deployment->hidden ||
        !truth_awaits_promotion(deployment) || fresh->revision != deployment->revision ||
        truth_strategy_changed(deployment))
        return;
    HASH_ITER(hh, run.truth.containers, other, next)
    {
        if (!is_of(other, deployment) || !truth_counts(other))
            continue;
        current++;
        /* One whose node is to be left is replaced beside the step. */
        updated += !truth_is_old(deployment, other) && !truth_node_was_draining(other->node);
    }
    int64_t desired = truth_most_desired(deployment);
    int64_t step = amount_of(deployment->canary, desired, true);
    CHECK(I12_STEP, updated <= (step > 1 ? step : 1) || current <= desired,
          "%s: %lld new ones of %lld, a step is %lld, %lld desired", deployment->name,
          (long long)updated, (long long)current, (long long)step, (long long)desired);
}

static int compare_counts(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* How many lost nodes the brake may have let go since so many are silent, at the most. */
static uint64_t most_released(void)
{
    enum { FEW = 16, FEW_PERCENT = 10, HALF = 1, HALF_PERCENT = 1 };
    uint64_t spans =
        (now_ns() - run.truth.brake.since_ns + NS_PER_SECOND / 2) / (10 * NS_PER_SECOND) +
        (run.truth.brake.fresh || run.truth.brake.silence == SILENCE_HALF ? 1 : 2);
    uint64_t hundredth = world.options.hosts / 100;
    uint64_t few = hundredth * FEW_PERCENT > FEW ? hundredth * FEW_PERCENT : FEW;
    uint64_t half = hundredth * HALF_PERCENT > HALF ? hundredth * HALF_PERCENT : HALF;
    return spans * (run.truth.brake.silence == SILENCE_FEW ? few : half);
}

/* Whichever nodes were let go: those that can't have been stand for what would replace them. */
static void judge_brake(const struct true_container *fresh)
{
    struct true_deployment *deployment = true_deployment(fresh->deployment);
    struct true_container *other, *next;
    int64_t lost[HOST_LIMIT] = {0}, current = 0, held = 0;
    if (!deployment || deployment->global || run.truth.brake.silence == SILENCE_NONE ||
        run.truth.brake.silence == SILENCE_ALL)
        return;
    HASH_ITER(hh, run.truth.containers, other, next)
    {
        uint32_t host = 0;
        if (!is_of(other, deployment))
            continue;
        while (host < world.options.hosts && strcmp(world.hosts[host].name, other->node) != 0)
            host++;
        bool is_held = host < world.options.hosts && run.truth.lost_ns[host] &&
                       run.truth.lost_ns[host] >= run.truth.brake.since_ns;
        if (!is_held)
            current += truth_counts(other);
        else if (!other->gone && !other->stopping && !other->failed && !other->said_failed)
            lost[host]++;
    }
    qsort(lost, world.options.hosts, sizeof lost[0], compare_counts);
    for (uint64_t i = most_released(); i < world.options.hosts; i++)
        held += lost[i];
    int64_t desired = truth_most_desired(deployment);
    int64_t surge = amount_of(deployment->surge, desired, true);
    CHECK(I8_BRAKE, current + held <= desired + surge,
          "%s: %lld current, %lld on lost nodes that are to wait, %lld desired, surge %lld",
          deployment->name, (long long)current, (long long)held, (long long)desired,
          (long long)surge);
}

/* A node that says its engine is away gets nothing new. */
static void judge_engine(const struct true_container *fresh)
{
    for (uint32_t i = 0; i < world.options.hosts; i++) {
        const struct host *host = &world.hosts[i];
        if (strcmp(host->name, fresh->node) != 0)
            continue;
        bool told = host->engine.down && host->steady_since_ns &&
                    now_ns() - host->engine.down_since_ns > DECISION_NS &&
                    now_ns() - host->steady_since_ns > DECISION_NS;
        CHECK(I9, !told, "%s is placed on %s, whose engine is away", fresh->id, host->name);
    }
}

void judge_new(const struct true_container *fresh)
{
    struct true_deployment *deployment = true_deployment(fresh->deployment);
    CHECK(I13_DELETED, deployment && !deployment->gone && !deployment->deleting,
          "%s is made for a deployment that is going", fresh->id);
    judge_slot(fresh);
    judge_surge(fresh);
    judge_room(fresh);
    judge_step_made(fresh);
    if (!truth_one_decides())
        return;
    judge_engine(fresh);
    judge_recreate(fresh);
    judge_brake(fresh);
    uint32_t silent = 0;
    for (uint32_t i = 0; i < world.options.hosts; i++)
        silent += host_silence_ns(&world.hosts[i]) >= (LOST_MS - 2000) * NS_PER_MS;
    CHECK(I8, silent < world.options.hosts || !silent, "%s is made while no node is heard of",
          fresh->id);
}
