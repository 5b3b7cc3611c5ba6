#include "bench.h"

#include <criterion/criterion.h>
#include <orchestrator/runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench bench;

static void fell_back(void *argument, const char *scheduler, const char *why)
{
    (void)argument;
    bench.fell_back++;
    snprintf(bench.why, sizeof bench.why, "%s: %s", scheduler, why);
}

void bench_begin(struct loop *take_loop, uint64_t budget_ns)
{
    struct error error;
    bench = (struct bench){.loop = take_loop};
    bench.scheduler = scheduler_create(&(struct scheduler_config){.loop = take_loop,
                                                                  .default_name = "spread",
                                                                  .fallback_name = "spread",
                                                                  .budget_ns = budget_ns,
                                                                  .fell_back = fell_back});
    cr_assert(scheduler_add_plugin(bench.scheduler, "spread", spread_manifest.provides[0].table,
                                   NULL, NULL, "{}", &error));
    cr_assert(scheduler_add_plugin(bench.scheduler, "binpack", binpack_manifest.provides[0].table,
                                   NULL, NULL, "{}", &error));
    struct deployment deployment = {0};
    schema_defaults(&deployment_type, &bench.arena, &deployment);
    bench.placement = deployment.placement;
    bench.template = deployment.template;
    bench.ask = (struct schedule_ask){.deployment = "web",
                                      .deployment_uid = "0123456789abcdef0123456789abcdef",
                                      .placement = &bench.placement,
                                      .template = &bench.template,
                                      .seed = 7};
}

void bench_end(void)
{
    schedule_plan_free(bench.plan);
    scheduler_destroy(bench.scheduler);
    loop_destroy(bench.loop);
    arena_finish(&bench.arena);
}

void bench_node(struct bench_node from)
{
    uint32_t labels = 0;
    while (labels < 3 && from.labels[labels].key)
        labels++;
    struct node node = {.name = from.name,
                        .labels = {from.labels, labels},
                        .schedulable = !from.cordoned,
                        .draining = from.draining,
                        .capacity = {from.cpu_millis ? from.cpu_millis : 4000,
                                     from.memory_bytes ? from.memory_bytes : INT64_C(8) << 30},
                        .reserved = {from.reserved_cpu, from.reserved_memory},
                        .features = from.bare
                                        ? 0
                                        : ORCH_RUNTIME_CPU_LIMIT | ORCH_RUNTIME_READ_ONLY_ROOT |
                                              ORCH_RUNTIME_HOST_PORTS};
    struct record *record = record_create(&node_kind, &node);
    const struct node_status status = {.state = from.state ? from.state : NODE_READY};
    scheduler_node_put(bench.scheduler, (const struct node *)record, &status);
    record_release(record);
}

void bench_load(const char *node, const char *deployment, int count, int64_t cpu_millis,
                int64_t memory_bytes)
{
    const struct scheduler_share share = {.node = node,
                                          .deployment = deployment,
                                          .cpu_millis = cpu_millis,
                                          .memory_bytes = memory_bytes};
    while (count--)
        scheduler_share_add(bench.scheduler, &share);
}

void bench_constrain(const char *label, enum constraint_op op, const char *values)
{
    const char **words = arena_alloc(&bench.arena, 8 * sizeof *words);
    uint32_t count = 0;
    char *rest = NULL, *copy = arena_strdup(&bench.arena, values);
    for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest))
        words[count++] = word;
    struct list *constraints = &bench.placement.constraints;
    struct constraint *all = arena_alloc(&bench.arena, (constraints->count + 1) * sizeof *all);
    if (constraints->count)
        memcpy(all, constraints->items, constraints->count * sizeof *all);
    all[constraints->count] =
        (struct constraint){.label = label, .op = (uint8_t)op, .values = {words, count}};
    *constraints = (struct list){all, constraints->count + 1};
}

void bench_port(int64_t number, int64_t host_port)
{
    struct list *ports = &bench.template.ports;
    struct container_port *all = arena_alloc(&bench.arena, (ports->count + 1) * sizeof *all);
    if (ports->count)
        memcpy(all, ports->items, ports->count * sizeof *all);
    all[ports->count] =
        (struct container_port){.number = number, .host_port = host_port, .protocol = PROTOCOL_TCP};
    *ports = (struct list){all, ports->count + 1};
}

static void take_plan(void *argument, struct schedule_plan *plan)
{
    (void)argument;
    schedule_plan_free(bench.plan);
    bench.plan = plan;
    bench.plans++;
}

const struct schedule_plan *bench_place(uint32_t count)
{
    struct error error;
    bench.ask.count = count;
    unsigned before = bench.plans;
    cr_assert(scheduler_place(bench.scheduler, &bench.ask, take_plan, NULL, &error), "%s",
              error.message);
    cr_assert_eq(bench.plans, before, "never inside the call");
    (void)loop_run_until(bench.loop, loop_now_ns(bench.loop) + 60 * NS_PER_SECOND);
    cr_assert_eq(bench.plans, before + 1, "exactly once");
    cr_assert_eq(bench.plan->count, count);
    return bench.plan;
}

const char *bench_nodes(void)
{
    static char text[1024];
    text[0] = 0;
    for (uint32_t i = 0; i < bench.plan->count; i++) {
        const char *node = bench.plan->placements[i].node;
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "",
                 node ? node : "-");
    }
    return text;
}
