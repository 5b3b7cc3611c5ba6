/* Scheduler plugins that fail, veto, or want more than the least. */
#include "bench.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct script {
    orch_status create, score;
    unsigned failing_after, scores, destroyed; /* fail from that call on */
    bool veto;
    uint32_t scope;
    struct orch_str label;
    uint32_t codes[4], word_count;
    char words[64];
} script;

static orch_status create(void *module, const struct orch_host *host, struct orch_str config,
                          void **scheduler, struct orch_sched_wants *wants,
                          struct orch_error *error)
{
    (void)module, (void)host, (void)config;
    if (script.create != ORCH_OK)
        return orch_fail(error, script.create, "scripted refusal");
    wants->score_scope = script.scope;
    if (script.label.ptr)
        wants->labels = (struct orch_array){&script.label, 1, sizeof script.label};
    *scheduler = &script;
    return ORCH_OK;
}

static void destroy(void *scheduler)
{
    (void)scheduler;
    script.destroyed++;
}

static void look_at_labels(const struct orch_sched_view *view)
{
    const struct orch_label_column *column = ORCH_AT(struct orch_label_column, view->labels, 0);
    script.word_count = column->word_count;
    script.words[0] = 0;
    for (uint32_t i = 0; i < view->node_count && i < 4; i++)
        script.codes[i] = column->codes[i];
    for (uint32_t i = 0; i < column->word_count; i++)
        strncat(script.words, column->words[i].ptr, column->words[i].len);
}

/* The later in the alphabet, the better; the last is vetoed where that is scripted. */
static orch_status score(void *scheduler, const struct orch_sched_view *view,
                         const struct orch_sched_ask *ask, const uint32_t *candidates,
                         uint32_t count, uint32_t reserved, int64_t *scores, uint32_t *reasons,
                         struct orch_error *error)
{
    (void)scheduler, (void)ask, (void)reserved;
    if (view->labels.count)
        look_at_labels(view);
    if (++script.scores > script.failing_after)
        return orch_fail(error, script.score, "scripted refusal");
    for (uint32_t i = 0; i < count; i++) {
        bool vetoed = script.veto && candidates[i] + 1 == view->node_count;
        scores[i] = vetoed ? ORCH_SCORE_VETO : candidates[i];
        reasons[i] = vetoed;
    }
    return ORCH_OK;
}

static const struct orch_scheduler_v1 table = {
    .size = sizeof table, .create = create, .destroy = destroy, .score = score};

static void setup(void)
{
    script = (struct script){.create = ORCH_OK,
                             .score = ORCH_E_INVALID,
                             .failing_after = UINT32_MAX,
                             .scope = ORCH_SCORE_NODE};
    bench_begin(loop_create_virtual(1, 0), 0);
    bench_node((struct bench_node){.name = "a", .labels = {{"zone", "x"}}});
    bench_node((struct bench_node){.name = "b"});
    bench_node((struct bench_node){.name = "c", .labels = {{"zone", "y"}}});
    bench_node((struct bench_node){.name = "d", .labels = {{"zone", "x"}}});
}

TestSuite(fallback, .init = setup, .fini = bench_end, .timeout = 30);

static void add_scripted(void)
{
    struct error error;
    cr_assert(scheduler_add_plugin(bench.scheduler, "scripted", &table, NULL, NULL, "{}", &error));
    cr_assert(scheduler_has(bench.scheduler, "scripted"));
    bench.placement.scheduler = "scripted";
}

Test(fallback, a_plugin_that_cannot_be_made_is_told)
{
    struct error error;
    script.create = ORCH_E_INVALID;
    cr_assert_not(
        scheduler_add_plugin(bench.scheduler, "scripted", &table, NULL, NULL, "{}", &error));
    cr_assert_str_eq(error.message, "scheduler \"scripted\" could not be made: scripted refusal");
    cr_assert_not(scheduler_has(bench.scheduler, "scripted"));
}

Test(fallback, the_plugin_ranks)
{
    add_scripted();
    const struct schedule_plan *plan = bench_place(2);
    cr_assert_str_eq(bench_nodes(), "d d");
    cr_assert_str_eq(plan->scheduler, "scripted");
    cr_assert_eq(plan->placements[0].best[0].score, 3);
}

Test(fallback, a_plugin_that_fails_is_replaced_for_this_pass_and_named)
{
    script.failing_after = 0;
    add_scripted();
    const struct schedule_plan *plan = bench_place(4);
    cr_assert_str_eq(plan->scheduler, "spread");
    cr_assert_eq(bench.fell_back, 1);
    cr_assert_str_eq(bench.why, "scripted: score failed: scripted refusal");
    for (uint32_t i = 0; i < 4; i++)
        cr_assert_not_null(plan->placements[i].node);
    script.failing_after = UINT32_MAX;
    bench_place(1);
    cr_assert_str_eq(bench_nodes(), "d", "it may try again");
}

Test(fallback, a_plugin_that_fails_in_the_middle_leaves_no_half_plan)
{
    script.failing_after = 2;
    add_scripted();
    const struct schedule_plan *plan = bench_place(4);
    cr_assert_str_eq(plan->scheduler, "spread");
    cr_assert_eq(bench.fell_back, 1);
    bool taken[4] = {0};
    for (uint32_t i = 0; i < 4; i++)
        taken[plan->placements[i].node[0] - 'a'] = true;
    cr_assert(taken[0] && taken[1] && taken[2] && taken[3], "%s", bench_nodes());
}

Test(fallback, a_fallback_that_fails_itself_places_nothing)
{
    struct error error;
    scheduler_destroy(bench.scheduler);
    bench.scheduler = scheduler_create(&(struct scheduler_config){
        .loop = bench.loop, .default_name = "scripted", .fallback_name = "scripted"});
    cr_assert(scheduler_add_plugin(bench.scheduler, "scripted", &table, NULL, NULL, "{}", &error));
    bench_node((struct bench_node){.name = "a"});
    script.failing_after = 0;
    bench_place(2);
    cr_assert_str_eq(bench_nodes(), "- -");
}

Test(fallback, an_unknown_scheduler_is_the_fallback)
{
    bench.placement.scheduler = "gone";
    cr_assert_str_eq(bench_place(1)->scheduler, "spread");
}

Test(fallback, without_any_scheduler_there_is_no_pass)
{
    struct error error;
    struct scheduler *empty = scheduler_create(&(struct scheduler_config){
        .loop = bench.loop, .default_name = "spread", .fallback_name = "spread"});
    cr_assert_not(scheduler_place(empty, &bench.ask, NULL, NULL, &error));
    cr_assert_eq(error.code, ERROR_UNAVAILABLE);
    scheduler_destroy(empty);
    scheduler_destroy(NULL);
}

Test(fallback, a_veto_rules_a_node_out_and_is_counted)
{
    script.veto = true;
    add_scripted();
    const struct schedule_plan *plan = bench_place(2);
    cr_assert_str_eq(bench_nodes(), "c c");
    cr_assert_eq(plan->placements[0].refused[FILTER_PLUGIN], 1);
}

Test(fallback, labels_wanted_arrive_as_codes_of_a_dictionary)
{
    script.label = (struct orch_str){"zone", 4};
    add_scripted();
    bench_place(1);
    cr_assert_eq(script.word_count, 2);
    cr_assert_str_eq(script.words, "xy");
    static const uint32_t codes[4] = {0, UINT32_MAX, 1, 0};
    for (int i = 0; i < 4; i++)
        cr_assert_eq(script.codes[i], codes[i], "node %d", i);
}

Test(fallback, what_a_score_depends_on_decides_how_much_is_scored_again)
{
    add_scripted();
    bench_place(3);
    cr_assert_eq(script.scores, 4, "all, then the one that was taken, each time");
    bench_end();
    setup();
    script.scope = ORCH_SCORE_ALL;
    add_scripted();
    bench_place(3);
    cr_assert_str_eq(bench_nodes(), "d d d");
    cr_assert_eq(script.scores, 4);
}

static void told_of_the_end(void *argument, struct schedule_plan *plan)
{
    cr_assert_null(plan);
    ++*(unsigned *)argument;
}

Test(fallback, a_pass_under_way_outlives_its_scheduler)
{
    struct error error;
    unsigned told = 0;
    add_scripted();
    bench.ask.count = 2;
    cr_assert(scheduler_place(bench.scheduler, &bench.ask, told_of_the_end, &told, &error));
    scheduler_destroy(bench.scheduler);
    bench.scheduler = NULL;
    cr_assert_eq(told, 1);
    cr_assert_eq(script.destroyed, 0, "the pass may be in it");
    (void)loop_run_until(bench.loop, loop_now_ns(bench.loop) + NS_PER_SECOND);
    cr_assert_eq(told, 1);
    cr_assert_eq(script.destroyed, 1);
}
