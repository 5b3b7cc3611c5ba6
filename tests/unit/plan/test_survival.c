/* The standing answer to the loss of any one node. */
#include "plan/survival.h"
#include "unit/server/rig.h"

#include <criterion/criterion.h>
#include <string.h>

static struct survival *survival;

static void begin_survival(void)
{
    survival = survival_create(&(struct plan_parts){.loop = rig.loop,
                                                    .state = rig.server->state,
                                                    .containers = rig.server->containers,
                                                    .deployments = rig.server->deployments,
                                                    .nodes = rig.server->nodes,
                                                    .scheduler = rig.server->scheduler,
                                                    .services = rig.server->services});
    survival_start(survival);
}

static void setup(void)
{
    rig_begin();
    rig_add_node("node-1", 4000, "a");
    rig_add_node("node-2", 4000, "b");
    rig_add_node("node-3", 4000, "c");
    begin_survival();
}

static void teardown(void)
{
    survival_destroy(survival);
    rig_end();
}

TestSuite(survival, .init = setup, .fini = teardown, .timeout = 60);

static struct deployment *sized(const char *name, int64_t replicas, int64_t cpu_millis)
{
    struct deployment *wanted = rig_deployment(name, "app:1", replicas);
    wanted->template.resources.cpu_millis = cpu_millis;
    return wanted;
}

static void declare(const struct deployment *wanted)
{
    cr_assert_eq(rig_write(wanted), ERROR_NONE, "%s", rig.error.message);
    rig_run_ms(5000);
}

static const struct survival_answer *answer(void)
{
    rig_run_ms(5000);
    const struct survival_answer *latest = survival_latest(survival);
    cr_assert_not_null(latest);
    cr_assert_not(survival_is_outdated(survival));
    return latest;
}

Test(survival, is_not_known_before_the_first_round)
{
    cr_assert_null(survival_latest(survival));
    cr_assert(survival_is_outdated(survival));
    cr_assert_eq(answer()->nodes, 3);
    cr_assert_eq(answer()->losing, 0);
}

Test(survival, is_given_while_the_others_have_room)
{
    declare(sized("web", 3, 2000));
    cr_assert_eq(rig_status("web").ready, 3);
    cr_assert_eq(answer()->losing, 0);
    cr_assert_eq(answer()->since_ms, 0);
}

/* 10 of 12 cores: any other two have one core each at most. */
Test(survival, names_what_would_fit_nowhere_and_by_how_much)
{
    declare(sized("api", 2, 1000));
    declare(sized("db", 3, 3000));
    const struct survival_answer *latest = answer();
    cr_assert_eq(latest->losing, 3);
    cr_assert_eq(latest->row_count, 3);
    for (int i = 0; i < 3; i++) {
        cr_assert_str_eq(latest->rows[i].node, rig.nodes[i].name);
        cr_assert_str_eq(latest->rows[i].deployment, "db");
        cr_assert_eq(latest->rows[i].replicas, 1);
        cr_assert(strstr(latest->rows[i].why, "refused by cpu"), "%s", latest->rows[i].why);
        cr_assert(strstr(latest->rows[i].nearest, "cpu short by"), "%s", latest->rows[i].nearest);
    }
    cr_assert_gt(latest->since_ms, 0);
}

/* Each alone would fit in what is left; both do not. */
Test(survival, adds_up_what_the_replacements_of_one_node_take)
{
    declare(sized("fill", 3, 1000));
    declare(sized("more", 3, 2000));
    const struct survival_answer *latest = answer();
    cr_assert_eq(latest->losing, 3, "3 cores are taken on each of 4: 3 more go nowhere");
    cr_assert_str_eq(latest->rows[0].deployment, "more", "fill's replica took the place");
}

Test(survival, comes_back_with_a_node_that_has_room)
{
    declare(sized("db", 3, 3000));
    int64_t since_ms = answer()->since_ms;
    uint64_t seq = answer()->seq;
    cr_assert_gt(since_ms, 0);
    declare(sized("other", 1, 100));
    cr_assert_eq(answer()->since_ms, since_ms, "it is no news");
    cr_assert_gt(answer()->seq, seq);
    rig_add_node("node-4", 4000, "d");
    cr_assert_eq(answer()->nodes, 4);
    cr_assert_eq(answer()->losing, 0);
    cr_assert_eq(answer()->since_ms, 0);
}

Test(survival, asks_for_no_replica_of_what_runs_on_each_node)
{
    struct deployment *wanted = sized("agent", 1, 3900);
    wanted->mode = MODE_GLOBAL;
    declare(wanted);
    cr_assert_eq(rig_count("agent"), 3);
    cr_assert_eq(answer()->losing, 0);
}

Test(survival, looks_past_nodes_that_are_lost_already)
{
    declare(sized("web", 2, 100));
    rig.nodes[2].silent = true;
    rig_run_ms(30000);
    cr_assert_eq(answer()->nodes, 2);
}

Test(survival, costs_nothing_while_nothing_changes)
{
    declare(sized("web", 3, 100));
    const struct survival_answer *latest = answer();
    int64_t at_ms = latest->at_ms;
    rig_run_ms(60000);
    cr_assert_eq(survival_latest(survival)->at_ms, at_ms);
}

/* Under a sanitizer: whatever it holds is given back, also while a pass is under way. */
Test(survival, ends_in_the_middle_of_a_round)
{
    declare(sized("web", 30, 100));
    for (uint64_t us = 0; us < 3000; us += 50) {
        survival_destroy(survival);
        begin_survival();
        (void)loop_run_until(rig.loop, loop_now_ns(rig.loop) + SURVIVAL_SETTLE_NS + us * NS_PER_US);
    }
}
