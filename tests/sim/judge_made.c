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
    if (!truth_one_decides())
        return;
    judge_engine(fresh);
    uint32_t silent = 0;
    for (uint32_t i = 0; i < world.options.hosts; i++)
        silent += host_silence_ns(&world.hosts[i]) >= (LOST_MS - 2000) * NS_PER_MS;
    CHECK(I8, silent < world.options.hosts || !silent, "%s is made while no node is heard of",
          fresh->id);
}
