/* One pass: the replicas of one deployment, placed one after another on a private copy of the
 * columns, on the pool. */
#include "scheduler/impl.h"
#include "base/hash.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pass {
    struct loop_job job;
    struct scheduler *scheduler; /* NULL: destroyed meanwhile */
    struct pass *next;           /* of those under way */
    struct plugin *plugin;       /* counted */
    struct snapshot snapshot;
    struct ask ask;
    struct schedule_plan *plan;
    void (*done)(void *argument, struct schedule_plan *take_plan);
    void *argument;
    struct loop_timer budget;
    atomic_bool begun; /* by a thread of the pool */
    bool seen_begun;
    bool given_up; /* its plugin hangs; another pass has taken over */
    char fault[240];
    /* scratch */
    int64_t *scores;
    uint32_t *candidates, *reasons;
    uint8_t *refusals; /* enum filter by node; 0: a candidate */
    struct orch_label_column *labels;
};
struct plan_memory {
    struct schedule_plan plan;
    struct arena arena;
};

void schedule_plan_free(struct schedule_plan *plan)
{
    if (!plan)
        return;
    struct plan_memory *memory = CONTAINER_OF(plan, struct plan_memory, plan);
    arena_finish(&memory->arena);
    free(memory);
}

/* -- on the pool -- */

/* A label of all nodes as codes of a dictionary. */
static void code_label(struct pass *pass, struct orch_str key, struct orch_label_column *out)
{
    struct snapshot *snapshot = &pass->snapshot;
    uint32_t *codes = arena_alloc(&snapshot->arena, (snapshot->node_count + 1) * sizeof *codes);
    struct orch_str *words =
        arena_alloc(&snapshot->arena, (snapshot->node_count + 1) * sizeof *words);
    char *name = arena_strndup(&snapshot->arena, key.ptr, key.len);
    uint32_t count = 0;
    for (uint32_t i = 0; i < snapshot->node_count; i++) {
        const char *value = map_get(&snapshot->nodes[i].record->labels, name);
        codes[i] = UINT32_MAX;
        for (uint32_t j = 0; value && j < count && codes[i] == UINT32_MAX; j++)
            if (strcmp(words[j].ptr, value) == 0)
                codes[i] = j;
        if (value && codes[i] == UINT32_MAX) {
            codes[i] = count;
            words[count++] = (struct orch_str){value, strlen(value)};
        }
    }
    *out =
        (struct orch_label_column){.key = key, .codes = codes, .words = words, .word_count = count};
}

static bool score(struct pass *pass, const uint32_t *candidates, uint32_t count, int64_t *scores,
                  uint32_t *reasons)
{
    static const struct orch_str names[RESOURCE_COUNT] = {
        {"cpu", 3}, {"memory", 6}, {"containers", 10}};
    struct orch_resource_column columns[RESOURCE_COUNT];
    struct orch_ask_amount amounts[RESOURCE_COUNT];
    struct orch_error fault = {.size = sizeof fault};
    for (uint32_t r = 0; r < RESOURCE_COUNT; r++) {
        columns[r] = (struct orch_resource_column){.name = names[r],
                                                   .free = pass->snapshot.free[r],
                                                   .capacity = pass->snapshot.capacity[r]};
        amounts[r] = (struct orch_ask_amount){.resource = r, .amount = pass->ask.amounts[r]};
    }
    struct orch_sched_view view = {
        .size = sizeof view,
        .node_count = pass->snapshot.node_count,
        .revision = pass->snapshot.revision,
        .resources = {columns, RESOURCE_COUNT, sizeof columns[0]},
        .labels = {pass->labels, pass->plugin->wants.labels.count, sizeof *pass->labels},
        .node_hashes = pass->snapshot.hashes};
    struct orch_sched_ask ask = {.size = sizeof ask,
                                 .deployment = {pass->ask.deployment, strlen(pass->ask.deployment)},
                                 .seed = pass->ask.seed,
                                 .amounts = {amounts, RESOURCE_COUNT, sizeof amounts[0]},
                                 .replicas = pass->snapshot.replicas};
    if (!count || pass->plugin->table->score(pass->plugin->instance, &view, &ask, candidates, count,
                                             0, scores, reasons, &fault) == ORCH_OK)
        return true;
    snprintf(pass->fault, sizeof pass->fault, "score failed: %s", fault.message);
    return false;
}

static bool better(const struct pass *pass, uint64_t seed, uint32_t a, uint32_t b)
{
    if (pass->scores[a] != pass->scores[b])
        return pass->scores[a] > pass->scores[b];
    uint64_t x = hash_mix(seed ^ pass->snapshot.hashes[a]);
    uint64_t y = hash_mix(seed ^ pass->snapshot.hashes[b]);
    return x != y ? x > y : a < b; /* nodes are ordered by name */
}

static void keep_best(const struct pass *pass, uint64_t seed, struct schedule_placement *out,
                      uint32_t best[SCHEDULE_BEST], uint32_t node)
{
    uint32_t at = out->best_count < SCHEDULE_BEST ? out->best_count++ : SCHEDULE_BEST;
    if (at == SCHEDULE_BEST && !better(pass, seed, node, best[SCHEDULE_BEST - 1]))
        return;
    if (at == SCHEDULE_BEST)
        at--;
    for (; at && better(pass, seed, node, best[at - 1]); at--)
        best[at] = best[at - 1];
    best[at] = node;
}

static void filter_and_score(struct pass *pass)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < pass->snapshot.node_count; i++) {
        pass->refusals[i] = (uint8_t)filter_first(&pass->snapshot, &pass->ask, i);
        if (!pass->refusals[i])
            pass->candidates[count++] = i;
    }
    int64_t *scores = arena_alloc(&pass->snapshot.arena, (count + 1) * sizeof *scores);
    uint32_t *reasons = arena_alloc(&pass->snapshot.arena, (count + 1) * sizeof *reasons);
    if (!score(pass, pass->candidates, count, scores, reasons))
        return;
    for (uint32_t i = 0; i < count; i++) {
        pass->scores[pass->candidates[i]] = scores[i];
        if (scores[i] == ORCH_SCORE_VETO)
            pass->refusals[pass->candidates[i]] = FILTER_PLUGIN;
    }
}

/* Only what the placement changed is looked at again, as far as the plugin's scores allow. */
static void rescore(struct pass *pass, uint32_t node)
{
    if (pass->plugin->wants.score_scope != ORCH_SCORE_NODE) {
        filter_and_score(pass);
        return;
    }
    pass->refusals[node] = (uint8_t)filter_first(&pass->snapshot, &pass->ask, node);
    if (!pass->refusals[node] && score(pass, &node, 1, &pass->scores[node], &pass->reasons[node]) &&
        pass->scores[node] == ORCH_SCORE_VETO)
        pass->refusals[node] = FILTER_PLUGIN;
}

static void take_node(struct pass *pass, uint32_t node)
{
    for (int r = 0; r < RESOURCE_COUNT; r++)
        pass->snapshot.free[r][node] -= pass->ask.amounts[r];
    pass->snapshot.replicas[node]++;
    struct view_node *view = &pass->snapshot.nodes[node];
    const struct list *ports = &pass->ask.template.ports;
    struct used_port *more =
        arena_alloc(&pass->snapshot.arena, (view->port_count + ports->count + 1) * sizeof *more);
    if (view->port_count)
        memcpy(more, view->ports, view->port_count * sizeof *more);
    for (uint32_t i = 0; i < ports->count; i++) {
        const struct container_port *port = LIST_AT(*ports, struct container_port, i);
        if (port->host_port > 0)
            more[view->port_count++] =
                (struct used_port){.port = port->host_port, .protocol = port->protocol};
    }
    view->ports = more;
}

static void place_one(struct pass *pass, uint32_t replica, struct arena *arena)
{
    struct schedule_placement *out = &pass->plan->placements[replica];
    uint64_t seed = hash_mix(pass->ask.seed + replica);
    uint32_t best[SCHEDULE_BEST] = {0};
    for (uint32_t i = 0; i < pass->snapshot.node_count; i++) {
        if (pass->refusals[i])
            out->refused[pass->refusals[i]]++;
        else
            keep_best(pass, seed, out, best, i);
    }
    for (uint32_t i = 0; i < out->best_count; i++)
        out->best[i] = (struct schedule_score){
            .node = arena_strdup(arena, pass->snapshot.nodes[best[i]].record->name),
            .score = pass->scores[best[i]]};
    if (!out->best_count)
        return;
    struct container holder = {.ports = pass->ask.template.ports}, copy;
    schema_copy(&container_type, &holder, arena, &copy);
    out->ports = copy.ports;
    out->node = out->best[0].node;
    take_node(pass, best[0]);
    rescore(pass, best[0]);
}

static void run(struct loop_job *job)
{
    struct pass *pass = CONTAINER_OF(job, struct pass, job);
    struct arena *arena = &CONTAINER_OF(pass->plan, struct plan_memory, plan)->arena;
    struct snapshot *snapshot = &pass->snapshot;
    size_t room = snapshot->node_count + 1;
    uint32_t wanted = pass->plugin->wants.labels.count;
    atomic_store(&pass->begun, true);
    if (pass->plugin->abandoned) {
        snprintf(pass->fault, sizeof pass->fault, "it is not used any more");
        return;
    }
    pass->scores = arena_alloc(&snapshot->arena, room * sizeof *pass->scores);
    pass->candidates = arena_alloc(&snapshot->arena, room * sizeof *pass->candidates);
    pass->reasons = arena_alloc(&snapshot->arena, room * sizeof *pass->reasons);
    pass->refusals = arena_alloc(&snapshot->arena, room);
    pass->labels = arena_alloc(&snapshot->arena, (wanted + 1) * sizeof *pass->labels);
    for (uint32_t i = 0; i < wanted; i++)
        code_label(pass, *ORCH_AT(struct orch_str, pass->plugin->wants.labels, i),
                   &pass->labels[i]);
    filter_and_score(pass);
    for (uint32_t i = 0; i < pass->ask.count && !pass->fault[0]; i++)
        place_one(pass, i, arena);
}

/* -- on the loop -- */

static void start(struct pass *pass);

static struct plan_memory *make_plan(uint32_t count)
{
    struct plan_memory *memory = memory_alloc(sizeof *memory);
    memory->plan.count = count;
    memory->plan.placements =
        arena_alloc(&memory->arena, (count + 1) * sizeof *memory->plan.placements);
    return memory;
}

static void free_pass(struct pass *pass)
{
    struct pass **link = pass->scheduler ? &pass->scheduler->passes : NULL;
    while (link && *link != pass)
        link = &(*link)->next;
    if (link)
        *link = pass->next;
    loop_timer_stop(&pass->budget);
    scheduler_plugin_release(pass->plugin);
    schedule_plan_free(pass->plan);
    snapshot_finish(&pass->snapshot);
    free(pass);
}

static bool fall_back(struct pass *pass, const char *why)
{
    struct scheduler *scheduler = pass->scheduler;
    struct plugin *fallback = scheduler_plugin(scheduler, scheduler->config.fallback_name);
    LOG_WARN("a scheduler failed", LOG_STR("scheduler", pass->plugin->name), LOG_STR("why", why));
    if (scheduler->config.fell_back)
        scheduler->config.fell_back(scheduler->config.argument, pass->plugin->name, why);
    if (!fallback || fallback == pass->plugin || fallback->abandoned)
        return false;
    struct pass *again = memory_alloc(sizeof *again);
    *again = (struct pass){
        .scheduler = scheduler, .plugin = fallback, .done = pass->done, .argument = pass->argument};
    struct schedule_ask ask = {.deployment = pass->ask.deployment,
                               .deployment_uid = pass->ask.uid,
                               .placement = &pass->ask.placement,
                               .template = &pass->ask.template,
                               .count = pass->ask.count,
                               .seed = pass->ask.seed,
                               .only_node = pass->ask.only_node};
    ask_init(&again->ask, &ask, &again->snapshot.arena);
    snapshot_fill(&again->snapshot, scheduler, &again->ask);
    again->plan = &make_plan(ask.count)->plan;
    start(again);
    return true;
}

static void finished(struct loop_job *job)
{
    struct pass *pass = CONTAINER_OF(job, struct pass, job);
    loop_timer_stop(&pass->budget);
    if (pass->scheduler && !pass->given_up && (!pass->fault[0] || !fall_back(pass, pass->fault))) {
        struct schedule_plan *plan = pass->plan;
        plan->scheduler = pass->plugin->name;
        pass->plan = NULL;
        pass->done(pass->argument, plan);
    }
    free_pass(pass);
}

static void over_budget(void *argument)
{
    struct pass *pass = argument;
    if (!pass->seen_begun) { /* waiting for a thread is no fault of the plugin's */
        pass->seen_begun = atomic_load(&pass->begun);
        loop_timer_start(&pass->budget, pass->scheduler->config.budget_ns);
        return;
    }
    pass->given_up = true; /* its thread is lost with it; the pass is freed if it ever comes back */
    pass->plugin->abandoned = true;
    loop_abandon(pass->scheduler->loop, &pass->job);
    if (fall_back(pass, "a call took longer than its budget; it is not used any more"))
        return;
    struct plan_memory *empty = make_plan(pass->ask.count);
    for (uint32_t i = 0; i < empty->plan.count; i++)
        empty->plan.placements[i].refused[FILTER_PLUGIN] = pass->snapshot.node_count;
    empty->plan.scheduler = pass->plugin->name;
    pass->done(pass->argument, &empty->plan);
}

void scheduler_cancel_passes(struct scheduler *scheduler)
{
    for (struct pass *pass = scheduler->passes; pass; pass = pass->next) {
        loop_timer_stop(&pass->budget);
        pass->scheduler = NULL;
        if (!pass->given_up)
            pass->done(pass->argument, NULL);
    }
    scheduler->passes = NULL;
}

static void start(struct pass *pass)
{
    pass->plugin->uses++;
    pass->next = pass->scheduler->passes;
    pass->scheduler->passes = pass;
    pass->job = (struct loop_job){.work = run, .done = finished, .name = "schedule"};
    loop_timer_init(&pass->budget, pass->scheduler->loop, "scheduler budget", over_budget, pass);
    loop_timer_start(&pass->budget, pass->scheduler->config.budget_ns);
    if (loop_offload(pass->scheduler->loop, &pass->job))
        return;
    snprintf(pass->fault, sizeof pass->fault, "the pool is full");
    finished(&pass->job);
}

bool scheduler_place(struct scheduler *scheduler, const struct schedule_ask *ask,
                     void (*done)(void *argument, struct schedule_plan *take_plan), void *argument,
                     struct error *error)
{
    const char *name =
        ask->placement->scheduler ? ask->placement->scheduler : scheduler->config.default_name;
    struct plugin *plugin = scheduler_plugin(scheduler, name);
    if (!plugin || plugin->abandoned)
        plugin = scheduler_plugin(scheduler, scheduler->config.fallback_name);
    if (!plugin || plugin->abandoned)
        return error_set(error, ERROR_UNAVAILABLE,
                         "neither scheduler \"%s\" nor the fallback \"%s\" works", name,
                         scheduler->config.fallback_name);
    struct pass *pass = memory_alloc(sizeof *pass);
    *pass =
        (struct pass){.scheduler = scheduler, .plugin = plugin, .done = done, .argument = argument};
    ask_init(&pass->ask, ask, &pass->snapshot.arena);
    snapshot_fill(&pass->snapshot, scheduler, &pass->ask);
    pass->plan = &make_plan(ask->count)->plan;
    start(pass);
    return true;
}
