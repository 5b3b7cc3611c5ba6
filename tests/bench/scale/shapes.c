/* The deployments of a shape, and the scheduler measured alone. */
#include "scale.h"
#include "base/hash.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

const void *plugin_table(const char *file)
{
    char path[512];
    snprintf(path, sizeof path, BENCH_PLUGIN_DIR "/%s.so", file);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct orch_manifest *manifest =
        library ? dlsym(library, "orch_plugin_manifest_1") : NULL;
    if (!manifest) {
        fprintf(stderr, "%s: %s\n", path, dlerror());
        exit(1);
    }
    return manifest->provides[0].table;
}

bool plugins_add_schedulers(struct scheduler *scheduler, struct error *error)
{
    static const struct orch_host host = {.size = sizeof host};
    return scheduler_add_plugin(scheduler, "spread", plugin_table("scheduler-spread"), NULL, &host,
                                "{}", error) &&
           scheduler_add_plugin(scheduler, "spread-zones", plugin_table("scheduler-spread"), NULL,
                                &host, "{\"label\":\"zone\"}", error) &&
           scheduler_add_plugin(scheduler, "binpack", plugin_table("scheduler-binpack"), NULL,
                                &host, "{}", error);
}

const struct deployment *shape_deployment(const struct shape *shape, uint32_t index, bool backlog,
                                          struct arena *arena)
{
    struct deployment *out = arena_alloc(arena, sizeof *out);
    schema_defaults(&deployment_type, arena, out);
    out->name = arena_format(arena, backlog ? "waits-%u" : "load-%u", index);
    out->mode = MODE_REPLICATED;
    out->replicas = shape->replicas;
    out->template.image = "registry.example/team/application:1.4.2";
    out->template.resources.cpu_millis = backlog ? 2 * NODE_CPU_MILLIS : shape->cpu_millis;
    out->template.resources.memory_bytes = shape->memory_bytes;
    out->placement.scheduler = shape->scheduler;
    out->placement.max_per_node = shape->max_per_node;
    if (shape->in_two_zones) {
        static const char *const zones[] = {"zone-0", "zone-1"};
        static const struct constraint constraint = {
            .label = "zone", .op = CONSTRAINT_IN, .values = {.items = zones, .count = 2}};
        out->placement.constraints = (struct list){.items = &constraint, .count = 1};
    }
    return out;
}

/* -- the scheduler alone -- */

struct alone {
    struct loop *loop;
    struct scheduler *scheduler;
    struct schedule_plan *plan;
};

static void put_nodes(struct scheduler *scheduler, uint32_t count)
{
    const struct node_status status = {.state = NODE_READY};
    for (uint32_t i = 0; i < count; i++) {
        char name[32], zone[32];
        struct map_entry label = {.key = "zone", .value = zone};
        fleet_name(i, name);
        fleet_zone(i, zone);
        struct node node = {
            .name = name,
            .address = "10.0.0.1",
            .labels = {.items = &label, .count = 1},
            .schedulable = true,
            .capacity = {.cpu_millis = NODE_CPU_MILLIS, .memory_bytes = NODE_MEMORY_BYTES},
            .features = 255};
        struct record *record = record_create(&node_kind, &node);
        scheduler_node_put(scheduler, (const struct node *)record, &status);
        record_release(record);
    }
}

static void planned(void *argument, struct schedule_plan *take_plan)
{
    struct alone *alone = argument;
    alone->plan = take_plan;
    loop_stop(alone->loop);
}

/* One pass; what it placed takes its share, as the deployment manager does it. */
static uint32_t place(struct alone *alone, const struct deployment *deployment, uint32_t count,
                      struct figures *out)
{
    struct error error;
    struct schedule_ask ask = {.deployment = deployment->name,
                               .deployment_uid = deployment->name,
                               .placement = &deployment->placement,
                               .template = &deployment->template,
                               .count = count,
                               .seed = hash_text(deployment->name)};
    struct scheduler_share share = {.deployment = deployment->name,
                                    .cpu_millis = deployment->template.resources.cpu_millis,
                                    .memory_bytes = deployment->template.resources.memory_bytes};
    if (!scheduler_place(alone->scheduler, &ask, planned, alone, &error)) {
        bench_fail(out, "%s", error.message);
        return 0;
    }
    loop_run(alone->loop);
    uint32_t placed = 0;
    for (; placed < alone->plan->count && alone->plan->placements[placed].node; placed++) {
        share.node = alone->plan->placements[placed].node;
        scheduler_share_add(alone->scheduler, &share);
    }
    schedule_plan_free(alone->plan);
    return placed;
}

/* As many in one pass as the deployment manager asks for. */
enum { PASS_REPLICAS = 4096, SINGLES = 1000 };

static void place_all(struct alone *alone, const struct shape *shape, struct figures *out)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    for (uint32_t i = 0; i < shape->deployments; i++) {
        const struct deployment *deployment = shape_deployment(shape, i, false, &arena);
        for (uint32_t left = shape->replicas; left;) {
            uint32_t count = left < PASS_REPLICAS ? left : PASS_REPLICAS;
            uint32_t placed = place(alone, deployment, count, out);
            out->decisions += placed;
            left -= placed;
            if (placed < count) {
                bench_fail(out, "the scheduler alone placed %u of %u", placed, count);
                return;
            }
        }
    }
}

static void place_singles(struct alone *alone, const struct shape *shape, struct figures *out)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    uint64_t *took = arena_alloc(&arena, SINGLES * sizeof *took);
    for (uint32_t i = 0; i < SINGLES; i++) {
        const struct deployment *deployment =
            shape_deployment(shape, shape->deployments + i % 10, false, &arena);
        uint64_t begun = bench_now_ns();
        place(alone, deployment, 1, out);
        took[i] = bench_now_ns() - begun;
    }
    qsort(took, SINGLES, sizeof *took, bench_compare_u64);
    out->p99_ns = took[SINGLES * 99 / 100];
}

void measure_decisions(const struct shape *shape, struct figures *out)
{
    struct error error;
    struct alone alone = {.loop = loop_create_real(&error)};
    alone.scheduler = scheduler_create(&(struct scheduler_config){
        .loop = alone.loop, .default_name = "spread", .fallback_name = "spread"});
    if (!plugins_add_schedulers(alone.scheduler, &error)) {
        bench_fail(out, "%s", error.message);
        return;
    }
    put_nodes(alone.scheduler, shape->nodes);
    uint64_t begun = bench_now_ns();
    place_all(&alone, shape, out);
    out->decision_seconds = (double)(bench_now_ns() - begun) / 1e9;
    place_singles(&alone, shape, out);
    scheduler_destroy(alone.scheduler);
    loop_destroy(alone.loop);
}
