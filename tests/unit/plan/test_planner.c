/* Plans over several nodes, and their end in the middle. */
#include "plan/plan.h"
#include "unit/server/rig.h"

#include <criterion/criterion.h>
#include <string.h>

static struct plan *planned;

static void setup(void)
{
    rig_begin();
    rig_add_node("node-1", 4000, "a");
    rig_add_node("node-2", 4000, "b");
    rig_add_node("node-3", 4000, "c");
    planned = NULL;
}

static void teardown(void)
{
    plan_destroy(planned);
    rig_end();
}

TestSuite(planner, .init = setup, .fini = teardown, .timeout = 60);

static void done(void *argument, struct plan *take_plan)
{
    (void)argument;
    planned = take_plan;
}

static struct planner *begin(struct plan_change *changes, uint32_t count)
{
    plan_destroy(planned);
    planned = NULL;
    return plan_make(&(struct plan_parts){.loop = rig.loop,
                                          .state = rig.server->state,
                                          .containers = rig.server->containers,
                                          .deployments = rig.server->deployments,
                                          .nodes = rig.server->nodes,
                                          .scheduler = rig.server->scheduler,
                                          .services = rig.server->services},
                     changes, count, done, NULL);
}

static void declare(const char *name, int64_t replicas, int64_t cpu_millis)
{
    struct deployment *wanted = rig_deployment(name, "app:1", replicas);
    wanted->template.resources.cpu_millis = cpu_millis;
    cr_assert_eq(rig_write(wanted), ERROR_NONE, "%s", rig.error.message);
    rig_run_ms(5000);
    cr_assert_eq(rig_status(name).phase, PHASE_COMPLETE);
}

enum fate { CORDONED, DRAINED, LOST };

static struct plan_change change_of(const char *name, enum fate fate)
{
    const struct node *before = node_registry_find(rig.server->nodes, name);
    struct node after;
    record_copy_fields(&before->record, &after, sizeof after);
    after.schedulable = fate == LOST;
    after.draining = fate == DRAINED;
    return (struct plan_change){.before = record_take_reference(&before->record),
                                .after = record_create(&node_kind, &after),
                                .lost = fate == LOST};
}

static const struct plan *plan_of(const char *name, enum fate fate)
{
    struct plan_change change = change_of(name, fate);
    begin(&change, 1);
    rig_run_ms(100);
    cr_assert_not_null(planned);
    return planned;
}

static unsigned count_on(const char *node)
{
    const struct container *container = NULL;
    unsigned count = 0;
    while ((container = container_manager_next_on(rig.server->containers, node, container)))
        count++;
    return count;
}

Test(planner, of_a_cordon_moves_nothing)
{
    declare("web", 6, 500);
    const struct plan *plan = plan_of("node-2", CORDONED);
    cr_assert_eq(plan->start_count + plan->stop_count + plan->unplaced_count, 0);
}

Test(planner, of_a_drain_moves_what_the_node_has_to_the_others_one_by_one)
{
    declare("web", 6, 500);
    cr_assert_eq(count_on("node-2"), 2);
    const struct plan *plan = plan_of("node-2", DRAINED);
    cr_assert_eq(plan->start_count, 2);
    cr_assert_eq(plan->stop_count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_str_neq(plan->starts[i].node, "node-2");
        cr_assert_str_eq(plan->stops[i].node, "node-2");
        cr_assert_lt(plan->starts[i].step, plan->stops[i].step, "first the new one");
    }
    cr_assert_eq(plan->unplaced_count, 0);
}

Test(planner, of_a_loss_ends_first_and_says_what_fits_nowhere)
{
    declare("db", 3, 3000);
    declare("web", 3, 500);
    const struct plan *plan = plan_of("node-3", LOST);
    cr_assert_eq(plan->stop_count, 2);
    for (uint32_t i = 0; i < plan->stop_count; i++) {
        cr_assert_str_eq(plan->stops[i].node, "node-3");
        cr_assert_str_eq(plan->stops[i].reason, "NodeLost");
    }
    cr_assert_eq(plan->unplaced_count, 1);
    cr_assert_str_eq(plan->unplaced[0].deployment, "db");
    cr_assert(strstr(plan->unplaced[0].nearest, "cpu short by"), "%s", plan->unplaced[0].nearest);
    cr_assert_eq(plan->start_count, 1);
    cr_assert_str_eq(plan->starts[0].deployment, "web");
}

/* What is planned is what comes. */
Test(planner, of_a_drain_comes_true)
{
    struct error error;
    declare("web", 4, 500);
    declare("api", 5, 300);
    const struct plan *plan = plan_of("node-1", DRAINED);
    unsigned on[4] = {0, 0, count_on("node-2"), count_on("node-3")};
    for (uint32_t i = 0; i < plan->start_count; i++)
        on[plan->starts[i].node[5] - '0']++;
    cr_assert_eq(rig_answer(node_registry_drain(rig.server->nodes, "node-1", 0, &rig_request,
                                                rig_done, NULL, &error)),
                 ERROR_NONE);
    rig_run_ms(20000);
    cr_assert_eq(count_on("node-1"), 0);
    cr_assert_eq(count_on("node-2"), on[2]);
    cr_assert_eq(count_on("node-3"), on[3]);
}

Test(planner, of_two_losses_knows_of_both)
{
    declare("web", 3, 2000);
    struct plan_change changes[] = {change_of("node-1", LOST), change_of("node-2", LOST)};
    begin(changes, 2);
    rig_run_ms(100);
    cr_assert_eq(planned->stop_count, 2);
    cr_assert_eq(planned->start_count, 1);
    cr_assert_eq(planned->unplaced_count, 1);
}

/* Under a sanitizer: whatever it holds is given back at each of its steps, and in each pass. */
Test(planner, may_be_given_up_at_any_moment)
{
    declare("web", 30, 100);
    declare("api", 9, 100);
    unsigned finished = 0;
    for (uint64_t us = 0; us < 4000; us += 50) {
        struct plan_change change = change_of("node-1", us / 50 % 2 ? DRAINED : LOST);
        struct planner *planner = begin(&change, 1);
        (void)loop_run_until(rig.loop, loop_now_ns(rig.loop) + us * NS_PER_US);
        finished += planned != NULL;
        if (!planned)
            plan_give_up(planner);
        rig_run_ms(20);
    }
    cr_assert_lt(finished, 80, "some were given up");
}
