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
    uint64_t begun_ns;
    atomic_bool begun; /* by a thread of the pool */
    bool seen_begun;
    bool given_up; /* its plugin hangs; another pass has taken over */
    char fault[240];
    /* scratch */
    struct orch_sched_view view;
    struct orch_sched_ask question;
    struct orch_resource_column resources[RESOURCE_COUNT];
    struct orch_ask_amount amounts[RESOURCE_COUNT];
    struct orch_label_column *labels;
    uint8_t *refusals; /* enum filter by node; 0: it takes part */
    uint32_t refused[FILTER_COUNT];
    int64_t *scores; /* by node */
    uint32_t *asked, *reasons;
    int64_t *answers;   /* of `asked` */
    const char **names; /* in the plan, by node; NULL: not placed on yet */
    struct list ports;  /* of each replica */
    struct ranking ranking;
    struct groups {
        uint32_t *codes, *of_nodes; /* what plugins call them; by node */
        uint32_t *replicas;
        int64_t *parts; /* NULL: the plugin scores nodes as a whole */
    } groups;
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

static bool fails(struct pass *pass, const char *what, const struct orch_error *fault)
{
    snprintf(pass->fault, sizeof pass->fault, "%s failed: %s", what, fault->message);
    return false;
}

static bool scores_groups(const struct pass *pass)
{
    return pass->groups.parts != NULL;
}

static void make_question(struct pass *pass)
{
    static const struct orch_str names[RESOURCE_COUNT] = {
        {"cpu", 3}, {"memory", 6}, {"containers", 10}};
    struct snapshot *snapshot = &pass->snapshot;
    const struct orch_array wanted = pass->plugin->wants.labels;
    pass->labels = arena_alloc(&snapshot->arena, (wanted.count + 1) * sizeof *pass->labels);
    for (uint32_t i = 0; i < wanted.count; i++) {
        struct orch_str key = *ORCH_AT(struct orch_str, wanted, i);
        const struct label_codes *label = frozen_label(snapshot->frozen, key);
        pass->labels[i] = (struct orch_label_column){.key = key,
                                                     .codes = label->codes,
                                                     .words = label->words,
                                                     .word_count = label->word_count};
    }
    for (uint32_t r = 0; r < RESOURCE_COUNT; r++) {
        pass->resources[r] = (struct orch_resource_column){
            .name = names[r], .free = snapshot->free[r], .capacity = snapshot->frozen->capacity[r]};
        pass->amounts[r] = (struct orch_ask_amount){.resource = r, .amount = pass->ask.amounts[r]};
    }
    pass->view = (struct orch_sched_view){
        .size = sizeof pass->view,
        .node_count = snapshot->frozen->count,
        .revision = snapshot->revision,
        .resources = {pass->resources, RESOURCE_COUNT, sizeof pass->resources[0]},
        .labels = {pass->labels, wanted.count, sizeof *pass->labels},
        .node_hashes = snapshot->frozen->hashes};
    pass->question =
        (struct orch_sched_ask){.size = sizeof pass->question,
                                .deployment = {pass->ask.deployment, strlen(pass->ask.deployment)},
                                .seed = pass->ask.seed,
                                .amounts = {pass->amounts, RESOURCE_COUNT, sizeof pass->amounts[0]},
                                .replicas = snapshot->replicas};
}

static void refuse(struct pass *pass, uint32_t node, enum filter filter)
{
    pass->refused[pass->refusals[node]]--;
    pass->refusals[node] = (uint8_t)filter;
    pass->refused[filter]++;
}

/* Scores pass->asked anew; a veto takes a node out. */
static bool score(struct pass *pass, uint32_t count)
{
    struct orch_error fault = {.size = sizeof fault};
    if (count && pass->plugin->table->score(pass->plugin->instance, &pass->view, &pass->question,
                                            pass->asked, count, 0, pass->answers, pass->reasons,
                                            &fault) != ORCH_OK)
        return fails(pass, "score", &fault);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t node = pass->asked[i];
        pass->scores[node] = pass->answers[i];
        refuse(pass, node, pass->answers[i] == ORCH_SCORE_VETO ? FILTER_PLUGIN : (enum filter)0);
    }
    return true;
}

static bool score_groups(struct pass *pass, uint32_t first, uint32_t count)
{
    struct orch_error fault = {.size = sizeof fault};
    struct groups *groups = &pass->groups;
    if (pass->plugin->table->score_groups(pass->plugin->instance, &pass->view, &pass->question,
                                          groups->codes + first, groups->replicas + first, count, 0,
                                          groups->parts + first, &fault) == ORCH_OK)
        return true;
    return fails(pass, "score_groups", &fault);
}

static void filter_all(struct pass *pass)
{
    uint32_t count = pass->snapshot.frozen->count;
    pass->refused[0] = count;
    for (uint32_t i = 0; i < count; i++) {
        struct filter_row row = snapshot_row(&pass->snapshot, i);
        refuse(pass, i, filter_first(&row, &pass->ask));
    }
}

/* Those that pass the built-in filters, of one group (RANKING_NONE: of all). */
static uint32_t gather(struct pass *pass, uint32_t group)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < pass->snapshot.frozen->count; i++)
        if ((!pass->refusals[i] || pass->refusals[i] == FILTER_PLUGIN) &&
            (group == RANKING_NONE || pass->groups.of_nodes[i] == group))
            pass->asked[count++] = i;
    return count;
}

/* Nodes without the label are a group as well, the last. */
static void make_groups(struct pass *pass)
{
    struct groups *groups = &pass->groups;
    struct snapshot *snapshot = &pass->snapshot;
    uint32_t count = snapshot->frozen->count;
    const struct label_codes *label =
        frozen_label(snapshot->frozen, pass->plugin->wants.group_label);
    pass->ranking.group_count = label->word_count + 1;
    groups->codes =
        arena_alloc(&snapshot->arena, pass->ranking.group_count * sizeof *groups->codes);
    groups->replicas =
        arena_alloc(&snapshot->arena, pass->ranking.group_count * sizeof *groups->replicas);
    groups->of_nodes =
        arena_alloc(&snapshot->arena, ((size_t)count + 1) * sizeof *groups->of_nodes);
    for (uint32_t group = 0; group < pass->ranking.group_count; group++)
        groups->codes[group] = group < label->word_count ? group : UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        groups->of_nodes[i] = label->codes[i] == UINT32_MAX ? label->word_count : label->codes[i];
        groups->replicas[groups->of_nodes[i]] += snapshot->replicas[i];
    }
    if (ORCH_HAS(struct orch_scheduler_v1, pass->plugin->table, score_groups))
        groups->parts =
            arena_alloc(&snapshot->arena, pass->ranking.group_count * sizeof *groups->parts);
}

static void make_ranking(struct pass *pass, uint32_t count)
{
    struct snapshot *snapshot = &pass->snapshot;
    struct ranking *ranking = &pass->ranking;
    uint32_t nodes = snapshot->frozen->count;
    uint64_t seed = hash_mix(pass->ask.seed);
    uint64_t *ties = arena_alloc(&snapshot->arena, ((size_t)nodes + 1) * sizeof *ties);
    for (uint32_t i = 0; i < nodes; i++)
        ties[i] = hash_mix(seed ^ snapshot->frozen->hashes[i]);
    ranking->scores = pass->scores;
    ranking->ties = ties;
    ranking->groups = pass->groups.of_nodes;
    ranking->parts = pass->groups.parts;
    ranking_init(ranking, pass->asked, count, nodes, &snapshot->arena);
    for (uint32_t i = 0; i < count; i++)
        if (pass->refusals[pass->asked[i]])
            ranking_update(ranking, pass->asked[i], false);
}

static bool filter_and_rank(struct pass *pass)
{
    filter_all(pass);
    pass->ranking.group_count = 1;
    if (pass->plugin->wants.score_scope == ORCH_SCORE_GROUP)
        make_groups(pass);
    if (scores_groups(pass) && !score_groups(pass, 0, pass->ranking.group_count))
        return false;
    uint32_t count = gather(pass, RANKING_NONE);
    if (!score(pass, count))
        return false;
    make_ranking(pass, count);
    return true;
}

static bool rescore_node(struct pass *pass, uint32_t node)
{
    pass->asked[0] = node;
    if (!pass->refusals[node] && !score(pass, 1))
        return false;
    ranking_update(&pass->ranking, node, !pass->refusals[node]);
    return true;
}

static bool rescore_group(struct pass *pass, uint32_t node)
{
    uint32_t group = pass->groups.of_nodes[node];
    pass->groups.replicas[group]++;
    if (scores_groups(pass)) {
        if (!score_groups(pass, group, 1) || !rescore_node(pass, node))
            return false;
        ranking_part_changed(&pass->ranking, group);
        return true;
    }
    uint32_t count = gather(pass, group);
    if (!score(pass, count))
        return false;
    for (uint32_t i = 0; i < count; i++)
        ranking_set(&pass->ranking, pass->asked[i], !pass->refusals[pass->asked[i]]);
    if (pass->refusals[node])
        ranking_set(&pass->ranking, node, false);
    ranking_rebuild(&pass->ranking, group);
    return true;
}

static bool rescore_all(struct pass *pass, uint32_t node)
{
    uint32_t count = gather(pass, RANKING_NONE);
    if (!score(pass, count))
        return false;
    for (uint32_t i = 0; i < count; i++)
        ranking_set(&pass->ranking, pass->asked[i], !pass->refusals[pass->asked[i]]);
    ranking_set(&pass->ranking, node, !pass->refusals[node]);
    ranking_rebuild(&pass->ranking, 0);
    return true;
}

static void take_node(struct pass *pass, uint32_t node)
{
    struct snapshot *snapshot = &pass->snapshot;
    for (int r = 0; r < RESOURCE_COUNT; r++)
        snapshot->free[r][node] -= pass->ask.amounts[r];
    snapshot->replicas[node]++;
    const struct list *ports = &pass->ask.template.ports;
    for (uint32_t i = 0; snapshot->taken_port && i < ports->count; i++) {
        const struct container_port *port = LIST_AT(*ports, struct container_port, i);
        if (port->host_port > 0)
            snapshot->taken_port[node] = port->host_port;
    }
    if (pass->ask.only)
        snapshot->closed[node] = FILTER_CONSTRAINTS;
    struct filter_row row = snapshot_row(snapshot, node);
    refuse(pass, node, filter_first(&row, &pass->ask));
}

/* Only what the placement changed is scored again, as far as the plugin's scores allow. */
static bool rescore(struct pass *pass, uint32_t node)
{
    switch (pass->plugin->wants.score_scope) {
    case ORCH_SCORE_NODE:
        return rescore_node(pass, node);
    case ORCH_SCORE_GROUP:
        return rescore_group(pass, node);
    default:
        return rescore_all(pass, node);
    }
}

static const char *name_of(struct pass *pass, uint32_t node, struct arena *arena)
{
    if (!pass->names[node])
        pass->names[node] = arena_strdup(arena, pass->snapshot.frozen->records[node]->name);
    return pass->names[node];
}

/* By how much of what it asks for the node is short, in thousandths; 0: something else refuses. */
static int64_t short_permille(const struct pass *pass, const struct filter_row *row)
{
    int64_t most = 0;
    for (enum filter filter = FILTER_READY; filter < FILTER_PLUGIN; filter++) {
        struct filter_verdict verdict = {0};
        if (filter_passes(row, &pass->ask, filter, &verdict))
            continue;
        if (!verdict.short_by)
            return 0;
        int64_t permille = verdict.short_by / (verdict.asked / 1000 + 1) + 1;
        most = permille > most ? permille : most;
    }
    return most;
}

static const char *words_of_miss(const struct pass *pass, uint32_t node, struct arena *arena)
{
    struct filter_verdict cpu = {0}, memory = {0};
    struct filter_row row = snapshot_row(&pass->snapshot, node);
    filter_passes(&row, &pass->ask, FILTER_CPU, &cpu);
    filter_passes(&row, &pass->ask, FILTER_MEMORY, &memory);
    return arena_format(arena, "%s%s%s", cpu.message, *cpu.message && *memory.message ? "; " : "",
                        memory.message);
}

/* The node that is short of the least, the first by name of several. */
static void find_nearest(struct pass *pass, struct schedule_placement *out, struct arena *arena)
{
    int64_t least = 0;
    uint32_t nearest = 0;
    for (uint32_t i = 0; i < pass->snapshot.frozen->count; i++) {
        if (pass->refusals[i] != FILTER_CPU && pass->refusals[i] != FILTER_MEMORY)
            continue;
        struct filter_row row = snapshot_row(&pass->snapshot, i);
        int64_t permille = short_permille(pass, &row);
        if (!permille || (least && permille >= least))
            continue;
        least = permille;
        nearest = i;
    }
    if (!least)
        return;
    out->nearest_node = name_of(pass, nearest, arena);
    out->nearest_message = words_of_miss(pass, nearest, arena);
}

/* False: it fits nowhere, or the plugin failed. */
static bool place_one(struct pass *pass, struct schedule_placement *out, struct arena *arena)
{
    uint32_t best[SCHEDULE_BEST];
    memcpy(out->refused, pass->refused, sizeof out->refused);
    out->refused[0] = 0;
    out->best_count = ranking_best(&pass->ranking, best, SCHEDULE_BEST);
    if (!out->best_count) {
        find_nearest(pass, out, arena);
        return false;
    }
    for (uint32_t i = 0; i < out->best_count; i++)
        out->best[i] = (struct schedule_score){.node = name_of(pass, best[i], arena),
                                               .score = ranking_score(&pass->ranking, best[i])};
    out->ports = pass->ports;
    out->node = out->best[0].node;
    take_node(pass, best[0]);
    return rescore(pass, best[0]);
}

static void run(struct loop_job *job)
{
    struct pass *pass = CONTAINER_OF(job, struct pass, job);
    struct arena *arena = &CONTAINER_OF(pass->plan, struct plan_memory, plan)->arena;
    struct snapshot *snapshot = &pass->snapshot;
    struct container holder = {.ports = pass->ask.template.ports}, copy;
    size_t room = (size_t)snapshot->frozen->count + 1;
    atomic_store(&pass->begun, true);
    if (pass->plugin->abandoned) {
        snprintf(pass->fault, sizeof pass->fault, "it is not used any more");
        return;
    }
    pass->scores = arena_alloc(&snapshot->arena, room * sizeof *pass->scores);
    pass->answers = arena_alloc(&snapshot->arena, room * sizeof *pass->answers);
    pass->asked = arena_alloc(&snapshot->arena, room * sizeof *pass->asked);
    pass->reasons = arena_alloc(&snapshot->arena, room * sizeof *pass->reasons);
    pass->refusals = arena_alloc(&snapshot->arena, room);
    pass->names = arena_alloc(&snapshot->arena, room * sizeof *pass->names);
    schema_copy(&container_type, &holder, arena, &copy);
    pass->ports = copy.ports;
    make_question(pass);
    if (!filter_and_rank(pass))
        return;
    uint32_t placed = 0;
    while (placed < pass->ask.count && place_one(pass, &pass->plan->placements[placed], arena))
        placed++;
    for (uint32_t i = placed + 1; i < pass->ask.count && !pass->fault[0]; i++)
        pass->plan->placements[i] = pass->plan->placements[placed];
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
    scheduler->figures.fell_back++;
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
                               .only = pass->ask.only,
                               .assumed = pass->ask.assumed};
    ask_init(&again->ask, &ask, &again->snapshot.arena);
    snapshot_fill(&again->snapshot, scheduler, &again->ask);
    again->plan = &make_plan(ask.count)->plan;
    start(again);
    return true;
}

static void count(struct pass *pass)
{
    struct schedule_figures *figures = &pass->scheduler->figures;
    durations_note(&figures->passes, loop_now_ns(pass->scheduler->loop) - pass->begun_ns);
    if (pass->ask.assumed) /* of a plan: nothing is placed */
        return;
    for (uint32_t i = 0; i < pass->plan->count; i++)
        *(pass->plan->placements[i].node ? &figures->placed : &figures->unplaced) += 1;
}

static void finished(struct loop_job *job)
{
    struct pass *pass = CONTAINER_OF(job, struct pass, job);
    loop_timer_stop(&pass->budget);
    if (pass->scheduler && !pass->given_up && (!pass->fault[0] || !fall_back(pass, pass->fault))) {
        struct schedule_plan *plan = pass->plan;
        count(pass);
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
        empty->plan.placements[i].refused[FILTER_PLUGIN] = pass->snapshot.frozen->count;
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
    pass->scheduler->started++;
    pass->begun_ns = loop_now_ns(pass->scheduler->loop);
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
