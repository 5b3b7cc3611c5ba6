/* A scheduler whose call does not come back, on the real loop: given up after its budget, and
 * named; the fallback places, for this pass and for all that follow. */
#include "base/log.h"
#include "bench.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static orch_status create(void *module, const struct orch_host *host, struct orch_str config,
                          void **scheduler, struct orch_sched_wants *wants,
                          struct orch_error *error)
{
    (void)module, (void)host, (void)config, (void)error;
    wants->score_scope = ORCH_SCORE_NODE;
    *scheduler = &gate;
    return ORCH_OK;
}

static void destroy(void *scheduler)
{
    (void)scheduler;
}

static orch_status hang(void *scheduler, const struct orch_sched_view *view,
                        const struct orch_sched_ask *ask, const uint32_t *candidates,
                        uint32_t count, uint32_t reserved, int64_t *scores, uint32_t *reasons,
                        struct orch_error *error)
{
    (void)scheduler, (void)view, (void)ask, (void)candidates, (void)reserved, (void)reasons,
        (void)error;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    memset(scores, 0, count * sizeof *scores);
    return ORCH_OK;
}

static const struct orch_scheduler_v1 table = {
    .size = sizeof table, .create = create, .destroy = destroy, .score = hang};

static struct loop_timer guard;
static unsigned plans, wanted;

static void too_late(void *argument)
{
    (void)argument;
    cr_assert_fail("%u of %u plans came", plans, wanted);
}

static void setup(void)
{
    struct error error;
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_JSON, 2);
    bench_begin(loop_create_real(&error), 20 * NS_PER_MS);
    cr_assert(scheduler_add_plugin(bench.scheduler, "hanging", &table, NULL, NULL, "{}", &error));
    bench_node((struct bench_node){.name = "a"});
    bench.placement.scheduler = "hanging";
    bench.ask.count = 1;
    plans = 0;
    loop_timer_init(&guard, bench.loop, "guard", too_late, NULL);
    loop_timer_start(&guard, 30 * NS_PER_SECOND);
}

static void teardown(void)
{
    loop_timer_stop(&guard);
    bench_end();
}

TestSuite(hanging_scheduler, .init = setup, .fini = teardown, .timeout = 60);

static void take_plan(void *argument, struct schedule_plan *plan)
{
    (void)argument;
    cr_assert_str_eq(plan->scheduler, "spread");
    cr_assert_str_eq(plan->placements[0].node, "a");
    schedule_plan_free(plan);
    if (++plans == wanted)
        loop_stop(bench.loop);
}

static void place(unsigned passes)
{
    struct error error;
    wanted = plans + passes;
    while (passes--)
        cr_assert(scheduler_place(bench.scheduler, &bench.ask, take_plan, NULL, &error));
    loop_run(bench.loop);
}

Test(hanging_scheduler, is_given_up_and_the_fallback_places)
{
    pthread_mutex_lock(&gate);
    place(1);
    cr_assert_eq(bench.fell_back, 1);
    cr_assert_not_null(strstr(bench.why, "hanging: a call took longer than its budget"), "%s",
                       bench.why);
    place(1); /* it is not asked again */
    cr_assert_eq(bench.fell_back, 1);
    pthread_mutex_unlock(&gate);
}

/* More calls that hang than the pool has threads: each takes its thread with it. */
Test(hanging_scheduler, does_not_take_the_pool_with_it)
{
    pthread_mutex_lock(&gate);
    place(5);
    cr_assert_geq(bench.fell_back, 1);
    place(3);
    pthread_mutex_unlock(&gate);
}
