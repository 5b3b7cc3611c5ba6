/* A shape through the whole server: deployments declared, placed, durable, running. */
#include "scale.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct rig {
    const struct shape *shape;
    struct figures *out;
    struct loop *loop;
    struct server *server;
    struct fleet *fleet;
    struct turns *turns;
    struct state_subscriber subscriber;
    struct loop_timer poll;
    bool (*reached)(struct rig *rig);
    uint64_t deadline_ns, last_placed_ns;
    uint64_t placed; /* durable containers of the load, without those of churn */
    int64_t busy;    /* questions without an answer */
    bool opened, closed;
    char directory[256];
};
enum { DEADLINE_SECONDS = 600, CHURNING = 5, BACKLOG = 100 };

static const struct write_request request = {.origin = {.by = "key:bench"}};

void bench_fail(struct figures *out, const char *format, ...)
{
    va_list arguments;
    if (out->fault[0])
        return;
    va_start(arguments, format);
    vsnprintf(out->fault, sizeof out->fault, format, arguments);
    va_end(arguments);
}

static void look(void *argument)
{
    struct rig *rig = argument;
    bool late = bench_now_ns() > rig->deadline_ns;
    if (late)
        bench_fail(rig->out, "not done in %d s: %llu containers are durable", DEADLINE_SECONDS,
                   (unsigned long long)rig->placed);
    if (late || rig->reached(rig))
        loop_stop(rig->loop);
    else
        loop_timer_start(&rig->poll, NS_PER_MS);
}

static void wait_for(struct rig *rig, bool (*reached)(struct rig *rig))
{
    rig->reached = reached;
    rig->deadline_ns = bench_now_ns() + DEADLINE_SECONDS * NS_PER_SECOND;
    loop_timer_start(&rig->poll, 0);
    loop_run(rig->loop);
}

static void record_changed(void *argument, const struct record *before, const struct record *after)
{
    struct rig *rig = argument;
    if (before || after->kind->id != KIND_CONTAINER ||
        !text_starts_with(((const struct container *)after)->deployment, "load-"))
        return;
    rig->placed++;
    rig->last_placed_ns = bench_now_ns();
}

static bool is_open(struct rig *rig)
{
    return rig->opened;
}

static bool is_closed(struct rig *rig)
{
    return rig->closed;
}

static bool all_nodes_ready(struct rig *rig)
{
    const struct node *node = NULL;
    uint32_t ready = 0;
    if (state_count(rig->server->state, KIND_NODE) < rig->shape->nodes)
        return false;
    while ((node = node_registry_next(rig->server->nodes, node ? node->name : NULL)))
        ready += node_registry_status(rig->server->nodes, node->name)->state == NODE_READY;
    return ready == rig->shape->nodes;
}

static uint64_t wanted(const struct shape *shape)
{
    return (uint64_t)shape->deployments * shape->replicas;
}

static bool all_placed(struct rig *rig)
{
    return rig->placed >= wanted(rig->shape);
}

static bool all_running(struct rig *rig)
{
    int64_t by_state[16];
    container_manager_count(rig->server->containers, by_state);
    return (uint64_t)by_state[CONTAINER_RUNNING] >= state_count(rig->server->state, KIND_CONTAINER);
}

/* Each has had its pass, which found no room. */
static bool backlog_waits(struct rig *rig)
{
    char name[32];
    for (uint32_t i = 0; rig->shape->backlog && i < BACKLOG; i++) {
        struct deployment_status status;
        snprintf(name, sizeof name, "waits-%u", i);
        const struct deployment *waits = deployment_manager_find(rig->server->deployments, name);
        if (!waits)
            return false;
        deployment_manager_status(rig->server->deployments, waits, &status);
        if (!text_equal(status.reason, "Unschedulable"))
            return false;
    }
    return true;
}

static bool all_answered(struct rig *rig)
{
    return rig->busy == 0;
}

static void opened(void *argument, const struct error *error)
{
    struct rig *rig = argument;
    rig->opened = true;
    if (error)
        bench_fail(rig->out, "%s", error->message);
}

static void closed(void *argument)
{
    ((struct rig *)argument)->closed = true;
}

static void start(struct rig *rig, const struct shape *shape, const char *directory,
                  struct figures *out)
{
    static const struct orch_host host = {.size = sizeof host};
    struct error error;
    *rig = (struct rig){.shape = shape, .out = out, .loop = loop_create_real(&error)};
    snprintf(rig->directory, sizeof rig->directory, "%s", directory);
    loop_timer_init(&rig->poll, rig->loop, "bench", look, rig);
    rig->turns = turns_watch(rig->loop);
    rig->server = server_create(&(struct server_config){.loop = rig->loop,
                                                        .store = plugin_table("store-sqlite"),
                                                        .store_host = &host,
                                                        .store_config = "{}",
                                                        .state_directory = rig->directory,
                                                        .suspect_after_ns = 3 * NS_PER_SECOND,
                                                        .lost_after_ns = 15 * NS_PER_SECOND,
                                                        .default_scheduler = "spread",
                                                        .fallback_scheduler = "spread",
                                                        .default_balancer = "round-robin"});
    if (!plugins_add_schedulers(rig->server->scheduler, &error))
        bench_fail(out, "%s", error.message);
    server_open(rig->server, opened, rig);
    wait_for(rig, is_open);
    rig->subscriber = (struct state_subscriber){.changed = record_changed, .argument = rig};
    state_subscribe(rig->server->state, &rig->subscriber);
}

static void stop(struct rig *rig)
{
    fleet_destroy(rig->fleet);
    server_close(rig->server, closed, rig);
    wait_for(rig, is_closed);
    server_destroy(rig->server);
    loop_destroy(rig->loop);
}

static void written(void *argument, const struct error *error, const struct write_result *result)
{
    struct rig *rig = argument;
    (void)result;
    rig->busy--;
    if (error)
        bench_fail(rig->out, "%s", error->message);
}

static void declare(struct rig *rig, const struct deployment *deployment)
{
    struct error error;
    rig->busy++;
    if (!deployment_manager_write(rig->server->deployments, WRITE_CREATE, deployment, true,
                                  &request, written, rig, &error)) {
        rig->busy--;
        bench_fail(rig->out, "%s: %s", deployment->name, error.message);
    }
}

/* -- churn: its replicas come and go for as long as the load is placed -- */

struct churn {
    struct rig *rig;
    struct loop_timer timer;
    uint64_t rounds;
    uint32_t replicas;
};

static void swing(void *argument)
{
    struct churn *churn = argument;
    struct rig *rig = churn->rig;
    struct error error;
    char name[32];
    for (uint32_t i = 0; i < CHURNING; i++) {
        snprintf(name, sizeof name, "comes-and-goes-%u", i);
        rig->busy++;
        if (!deployment_manager_scale(rig->server->deployments, name,
                                      churn->rounds % 2 ? churn->replicas : 0, &request, written,
                                      rig, &error))
            rig->busy--; /* too many changes are under way: the next round asks again */
    }
    churn->rounds++;
    loop_timer_start(&churn->timer, 100 * NS_PER_MS);
}

static void begin_churn(struct rig *rig, struct churn *churn, struct arena *arena)
{
    struct shape shape = *rig->shape;
    shape.replicas = churn->replicas = rig->shape->nodes / 5 + 1;
    *churn = (struct churn){.rig = rig, .replicas = shape.replicas};
    for (uint32_t i = 0; i < CHURNING; i++) {
        struct deployment deployment = *shape_deployment(&shape, i, false, arena);
        deployment.name = arena_format(arena, "comes-and-goes-%u", i);
        declare(rig, &deployment);
    }
    loop_timer_init(&churn->timer, rig->loop, "churn", swing, churn);
    loop_timer_start(&churn->timer, 100 * NS_PER_MS);
}

/* -- what must hold of the result -- */

struct node_sum {
    int64_t cpu, memory;
};

static void check_deployment(struct rig *rig, const char *name, struct node_sum *sums)
{
    const struct shape *shape = rig->shape;
    const struct container *container = NULL;
    uint32_t *on_node = memory_alloc(shape->nodes * sizeof *on_node);
    uint64_t zones[ZONES] = {0}, count = 0, most = 0;
    while ((container = container_manager_next(rig->server->containers, name, container))) {
        unsigned node = (unsigned)strtoul(container->node + strlen("node-"), NULL, 10);
        sums[node].cpu += shape->cpu_millis;
        sums[node].memory += shape->memory_bytes;
        zones[node % ZONES]++;
        count++;
        if (++on_node[node] > most)
            most = on_node[node];
    }
    free(on_node);
    if (count != shape->replicas)
        bench_fail(rig->out, "%s has %llu of %u", name, (unsigned long long)count, shape->replicas);
    if (shape->max_per_node && most > (uint64_t)shape->max_per_node)
        bench_fail(rig->out, "%s: %llu on one node", name, (unsigned long long)most);
    if (shape->in_two_zones && zones[2])
        bench_fail(rig->out, "%s: a constraint is broken", name);
    for (int i = 0; shape->even_zones && i < ZONES; i++)
        if (zones[i] > zones[(i + 1) % ZONES] + 1)
            bench_fail(rig->out, "%s: zones are uneven", name);
}

static void check(struct rig *rig)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    struct node_sum *sums = memory_alloc(rig->shape->nodes * sizeof *sums);
    for (uint32_t i = 0; i < rig->shape->deployments; i++)
        check_deployment(rig, shape_deployment(rig->shape, i, false, &arena)->name, sums);
    for (uint32_t i = 0; i < rig->shape->nodes; i++)
        if (sums[i].cpu > NODE_CPU_MILLIS || sums[i].memory > NODE_MEMORY_BYTES)
            bench_fail(rig->out, "node %u is full beyond its room", i);
    free(sums);
    for (uint32_t i = 0; rig->shape->backlog && i < BACKLOG; i++) {
        struct deployment_status status;
        const struct deployment *waits =
            deployment_manager_find(rig->server->deployments, arena_format(&arena, "waits-%u", i));
        deployment_manager_status(rig->server->deployments, waits, &status);
        if (status.current || status.phase != PHASE_PENDING)
            bench_fail(rig->out, "%s does not wait", waits->name);
    }
}

/* -- one placement after another, each durable before the next is asked for -- */

static void measure_singles(struct rig *rig)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    uint32_t singles = rig->shape->nodes < 300 ? rig->shape->nodes : 300;
    uint64_t *took = arena_alloc(&arena, singles * sizeof *took);
    struct shape one = *rig->shape;
    struct error error;
    one.replicas = 0;
    const struct deployment *deployment = shape_deployment(&one, one.deployments, false, &arena);
    one.deployments = 1; /* from here on the load is this one */
    rig->shape = &one;
    declare(rig, deployment);
    wait_for(rig, all_answered);
    for (uint32_t i = 0; i < singles && !rig->out->fault[0]; i++) {
        one.replicas = i + 1;
        rig->placed = i;
        uint64_t begun = bench_now_ns();
        rig->busy++;
        if (!deployment_manager_scale(rig->server->deployments, deployment->name, i + 1, &request,
                                      written, rig, &error))
            bench_fail(rig->out, "%s", error.message);
        wait_for(rig, all_placed);
        took[i] = rig->last_placed_ns - begun;
    }
    qsort(took, singles, sizeof *took, bench_compare_u64);
    rig->out->durable_p99_ns = took[singles * 99 / 100];
}

static void read_turns(struct rig *rig, uint64_t over_before, uint64_t *over, uint64_t *longest,
                       char name[48])
{
    struct loop_lag lag;
    loop_read_lag(rig->loop, &lag);
    *over = lag.over_2ms - over_before;
    *longest = lag.longest_ns;
    memcpy(name, lag.longest_name, sizeof lag.longest_name);
}

static uint64_t begin_turns(struct rig *rig)
{
    struct loop_lag lag;
    loop_read_lag(rig->loop, &lag);
    return lag.over_2ms;
}

void measure_cluster(const struct shape *shape, const char *directory, struct figures *out)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    struct rig rig;
    struct churn churn;
    char file[300];
    uint64_t empty_bytes = bench_bytes("VmRSS");
    start(&rig, shape, directory, out);
    rig.fleet = fleet_create(rig.loop, shape->nodes, NULL);
    fleet_attach(rig.fleet, rig.server->nodes);
    wait_for(&rig, all_nodes_ready);
    uint64_t node_bytes = bench_bytes("VmRSS") - fleet_bytes(rig.fleet);
    out->bytes_per_node = (node_bytes - empty_bytes) / shape->nodes;
    for (uint32_t i = 0; shape->backlog && i < BACKLOG; i++)
        declare(&rig, shape_deployment(shape, i, true, &arena));
    if (shape->churn)
        begin_churn(&rig, &churn, &arena);
    wait_for(&rig, all_answered);
    wait_for(&rig, backlog_waits);
    uint64_t passes = scheduler_passes(rig.server->scheduler);
    uint64_t over = begin_turns(&rig), begun = bench_now_ns();
    for (uint32_t i = 0; i < shape->deployments; i++)
        declare(&rig, shape_deployment(shape, i, false, &arena));
    wait_for(&rig, all_placed);
    out->containers = rig.placed;
    out->durable_seconds = (double)(rig.last_placed_ns - begun) / 1e9;
    if (shape->churn)
        loop_timer_stop(&churn.timer);
    wait_for(&rig, all_running);
    out->passes = scheduler_passes(rig.server->scheduler) - passes;
    out->running_seconds = (double)(bench_now_ns() - begun) / 1e9;
    read_turns(&rig, over, &out->turns_over_2ms, &out->longest_turn_ns, out->longest_name);
    turns_finish(rig.turns, rig.loop, out->turns_by_name);
    out->agent_bytes = fleet_bytes(rig.fleet);
    out->agent_seconds = fleet_seconds(rig.fleet);
    out->returns = fleet_returns(rig.fleet);
    out->peak_bytes = bench_bytes("VmHWM") - out->agent_bytes;
    out->bytes_per_container =
        (bench_bytes("VmRSS") - out->agent_bytes - node_bytes) / (out->containers + 1);
    check(&rig);
    snprintf(file, sizeof file, "%s/agents", directory);
    fleet_save(rig.fleet, file);
    if (!shape->restart)
        measure_singles(&rig);
    stop(&rig);
}

void measure_restart(const struct shape *shape, const char *directory, struct figures *out)
{
    struct rig rig;
    char file[300];
    uint64_t begun = bench_now_ns();
    start(&rig, shape, directory, out);
    out->restart_seconds = (double)(bench_now_ns() - begun) / 1e9;
    out->restart_cpu_seconds = bench_cpu_seconds();
    out->restart_busiest_seconds = bench_busiest_seconds();
    if (state_count(rig.server->state, KIND_CONTAINER) != wanted(shape))
        bench_fail(out, "%zu containers after the restart",
                   state_count(rig.server->state, KIND_CONTAINER));
    snprintf(file, sizeof file, "%s/agents", directory);
    rig.fleet = fleet_create(rig.loop, shape->nodes, file);
    uint64_t attached = bench_now_ns();
    fleet_attach(rig.fleet, rig.server->nodes);
    wait_for(&rig, all_running);
    out->returns += fleet_returns(rig.fleet);
    out->restart_running_seconds = (double)(bench_now_ns() - attached) / 1e9;
    out->restart_peak_bytes = bench_bytes("VmHWM") - fleet_bytes(rig.fleet);
    read_turns(&rig, 0, &out->restart_turns_over_2ms, &out->restart_longest_turn_ns,
               out->restart_longest_name);
    turns_finish(rig.turns, rig.loop, out->restart_turns_by_name);
    check(&rig);
    stop(&rig);
}
