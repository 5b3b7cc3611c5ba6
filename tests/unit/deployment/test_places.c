/* What goes away drains first; scaling, places and lost nodes; who watches. */
#include "store/event.h"
#include "unit/deployment/rollouts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(places, .init = rollout_begin, .fini = rig_end, .timeout = 60);

/* -- whatever takes a container away waits for its drain -- */

static void go_by_rollout(void)
{
    rig_write(rig_deployment("web", "app:2", 4));
}

static void go_by_scale(void)
{
    rig_scale("web", 1);
}

static void go_by_delete(void)
{
    rig_delete("web");
}

static void go_by_container(void)
{
    rig_answer(container_manager_delete(rig.server->containers, rig_first("web")->id, &rig_request,
                                        rig_done, NULL, &rig.error));
}

static void go_by_node_drain(void)
{
    rig_answer(node_registry_drain(rig.server->nodes, "node-1", 600 * NS_PER_SECOND, &rig_request,
                                   rig_done, NULL, &rig.error));
}

static const struct {
    const char *what;
    void (*go)(void);
} departures[] = {{"rollout", go_by_rollout},
                  {"scale-down", go_by_scale},
                  {"delete", go_by_delete},
                  {"a container deleted", go_by_container},
                  {"a node drained", go_by_node_drain}};

static unsigned stops(void)
{
    return rig.nodes[0].stops + rig.nodes[1].stops;
}

static void hold(bool acknowledge, bool drain)
{
    for (unsigned i = 0; i < rig.node_count; i++) {
        rig.nodes[i].acknowledges_nothing = !acknowledge;
        rig.nodes[i].drains_nothing = !drain;
        loop_timer_start(&rig.nodes[i].turn, NS_PER_MS);
    }
}

Test(places, and_whatever_else_takes_a_container_away_drains_it_first)
{
    for (size_t i = 0; i < sizeof departures / sizeof departures[0]; i++) {
        rig_write_service(rig_service("web", "web", "127.0.0.1:8080"));
        complete(rig_deployment("web", "app:1", 4));
        hold(true, false);
        departures[i].go();
        rig_run_ms(5000);
        cr_expect_gt(rig_status("web").stopping, 0, "%s", departures[i].what);
        cr_expect_eq(stops(), 0, "%s: stopped before its work had ended", departures[i].what);
        hold(true, true);
        rig_run_ms(2000);
        cr_expect_gt(stops(), 0, "%s", departures[i].what);
        rig_end();
        rollout_begin();
    }
}

Test(places, whose_first_wave_drains_goes_on_with_the_next_within_max_draining)
{
    struct deployment *wanted = rig_deployment("web", "app:1", 8);
    wanted->rollout.max_surge = (struct amount){2, false};
    wanted->rollout.max_draining = (struct amount){4, false};
    rig_write_service(rig_service("web", "web", "127.0.0.1:8080"));
    complete(wanted);
    hold(true, false);
    wanted->template.image = "app:2";
    rig_write(wanted);
    rig_run_ms(8000);
    cr_assert_eq(rig_status("web").stopping, 4, "the second wave did not wait for the first");
    cr_assert_eq(stops(), 0);
    hold(true, true);
    rig_run_ms(15000);
    expect_phase(PHASE_COMPLETE);
}

/* -- pause -- */

Test(places, stands_still_while_it_is_paused_and_goes_on_when_it_is_resumed)
{
    complete(impatient("app:1", 4));
    rig_write(impatient("app:2", 4));
    rig_run_ms(5);
    set_paused(true);
    set_paused(true);
    rig_run_ms(30000);
    expect_phase(PHASE_PAUSED);
    cr_assert_eq(rig_find("web")->revision, 2, "no deadline runs meanwhile");
    cr_assert_lt(rig_status("web").updated, 4);
    rig_scale("web", 6);
    rig_run_ms(2000);
    cr_assert_eq(rig_status("web").current, 6, "scaling works in every phase");
    set_paused(false);
    rig_run_ms(15000);
    expect_phase(PHASE_COMPLETE);
    cr_assert_eq(rig_status("web").updated, 6);
}

/* -- scaling, places -- */

Test(places, scaling_down_takes_those_that_serve_nobody_then_the_highest_slots)
{
    complete(rig_deployment("web", "app:1", 5));
    rig_scale("web", 2);
    rig_run_ms(3000);
    cr_assert_eq(rig_count("web"), 2);
    cr_assert_eq(rig_first("web")->slot, 0);
    cr_assert_eq(container_manager_next(rig.server->containers, "web", rig_first("web"))->slot, 1);
    expect_phase(PHASE_COMPLETE);
}

Test(places, what_fits_nowhere_is_pending_and_says_why_until_there_is_room)
{
    struct deployment *wanted = rig_deployment("web", "app:1", 3);
    wanted->template.resources.cpu_millis = 6000;
    rig_write(wanted);
    rig_run_ms(2000);
    struct deployment_status status = rig_status("web");
    expect_phase(PHASE_PENDING);
    cr_assert_str_eq(status.reason, "Unschedulable");
    cr_assert_not_null(strstr(status.message, "2 refused by cpu"), "%s", status.message);
    cr_assert_eq(status.current, 2);
    cr_assert_not_null(rig_event("Unschedulable"));
    rig_add_node("node-3", 8000, "c");
    rig_run_ms(2000);
    expect_phase(PHASE_COMPLETE);
}

Test(places, a_global_deployment_runs_once_on_each_node_that_may)
{
    static const char *const zones[] = {"a", "b"};
    static const struct constraint constraint = {
        .label = "zone", .op = CONSTRAINT_IN, .values = {zones, 2}};
    struct deployment *wanted = rig_deployment("web", "app:1", 1);
    wanted->mode = MODE_GLOBAL;
    wanted->placement.constraints = (struct list){&constraint, 1};
    complete(wanted);
    cr_assert_eq(rig_status("web").desired, 2);
    rig_add_node("node-3", 8000, "c");
    rig_run_ms(2000);
    cr_assert_eq(rig_count("web"), 2, "its label does not fit");
    rig_add_node("node-4", 8000, "a");
    rig_run_ms(2000);
    cr_assert_eq(rig_count("web"), 3);
    expect_phase(PHASE_COMPLETE);
    wanted->template.image = "app:2";
    complete(wanted);
    cr_assert_eq(rig_status("web").updated, 3);
    cr_assert_eq(rig_count("web"), 3);
}

static uint64_t passes(void)
{
    return scheduler_passes(rig.server->scheduler);
}

/* The cost of a pass is that of the nodes, so one for each would be their square. */
Test(places, one_pass_finds_all_places_of_a_global_deployment)
{
    struct deployment *wanted = rig_deployment("web", "app:1", 1);
    rig_add_node("node-3", 50, "c"); /* has no room for it */
    rig_add_node("node-4", 8000, "d");
    rig_run_ms(100);
    uint64_t before = passes();
    wanted->mode = MODE_GLOBAL;
    wanted->template.resources.cpu_millis = 100;
    rig_write(wanted);
    rig_run_ms(2000);
    cr_assert_eq(rig_count("web"), 3);
    cr_assert_eq(rig_status("web").desired, 4);
    cr_assert_str_eq(rig_status("web").reason, "Unschedulable");
    for (int i = 0; i < 4; i++)
        cr_assert_eq(rig_container_of(&rig.nodes[i], "web") != NULL, i != 2, "one each");
    cr_assert_leq(passes() - before, 2, "the second for the one that found no room");
}

/* Its retry costs nothing until something that could help it has changed. */
Test(places, no_pass_is_run_for_what_fits_nowhere_until_something_helps)
{
    struct deployment *big = rig_deployment("big", "app:1", 2);
    struct deployment *everywhere = rig_deployment("everywhere", "app:1", 1);
    big->template.resources.cpu_millis = 64000;
    everywhere->mode = MODE_GLOBAL;
    everywhere->template.resources.cpu_millis = 7000;
    rig_add_node("node-3", 1000, "c"); /* too small for either */
    rig_write(big);
    rig_write(everywhere);
    complete(rig_deployment("web", "app:1", 6));
    cr_assert_str_eq(rig_status("big").reason, "Unschedulable");
    cr_assert_str_eq(rig_status("everywhere").reason, "Unschedulable");
    uint64_t before = passes();
    rig_scale("web", 2); /* frees room, and not enough of it */
    rig_run_ms(60000);   /* slow passes over all deployments, heartbeats */
    cr_assert_eq(rig_count("web"), 2);
    cr_assert_eq(passes(), before);
    rig_add_node("node-4", 160000, "d");
    rig_run_ms(5000);
    cr_assert_eq(rig_count("big"), 2);
    cr_assert_eq(rig_count("everywhere"), 3);
    cr_assert_leq(passes() - before, 4, "one that places, one that finds no more, of each");
}

Test(places, a_drained_node_is_left_and_others_take_over)
{
    complete(rig_deployment("web", "app:1", 4));
    cr_assert_eq(rig_answer(node_registry_drain(rig.server->nodes, "node-1", 600 * NS_PER_SECOND,
                                                &rig_request, rig_done, NULL, &rig.error)),
                 ERROR_NONE);
    for (int ms = 0; ms < 10000; ms++) {
        rig_run_ms(1);
        cr_assert_geq(rig_status("web").available, 4);
    }
    cr_assert_null(rig_container_of(&rig.nodes[0], "web"));
    expect_phase(PHASE_COMPLETE);
}

Test(places, what_a_lost_node_had_is_made_elsewhere_and_nothing_is_doubled_when_it_is_back)
{
    complete(rig_deployment("web", "app:1", 4));
    rig.nodes[0].silent = true;
    rig_run_ms(25000);
    struct deployment_status status = rig_status("web");
    cr_assert_eq(status.available, 4);
    cr_assert_eq(status.current, 4);
    rig.nodes[0].silent = false;
    rig_disconnect(&rig.nodes[0]);
    rig_connect(&rig.nodes[0]);
    rig_run_ms(20000);
    expect_phase(PHASE_COMPLETE);
    cr_assert_eq(rig_count("web"), 4);
}

/* What the brake holds is missed, and not made elsewhere; nor does a rollout make up for it. */
Test(places, what_many_lost_nodes_had_is_made_elsewhere_one_node_at_a_time)
{
    rig_add_node("node-3", 8000, "c");
    rig_add_node("node-4", 8000, "d");
    rig_run_ms(100);
    complete(rig_deployment("web", "app:1", 4));
    for (int i = 0; i < 3; i++)
        rig.nodes[i].silent = true;
    rig_run_ms(22000);
    struct deployment_status status = rig_status("web");
    cr_assert_eq(status.available, 2, "its own, and that of one of the three");
    cr_assert_str_eq(status.reason, "NodesLost");
    cr_assert_eq(rig_count("web"), 5);
    for (int i = 0; i < 3; i++) {
        rig.nodes[i].silent = false;
        rig_disconnect(&rig.nodes[i]);
        rig_connect(&rig.nodes[i]);
    }
    rig_run_ms(20000);
    expect_phase(PHASE_COMPLETE);
    cr_assert_eq(rig_count("web"), 4);
    for (int i = 0; i < 3; i++)
        rig.nodes[i].silent = true;
    rig_run_ms(60000);
    cr_assert_eq(rig_status("web").available, 4, "in the end all are");
}

Test(places, deleting_ends_containers_then_revisions_then_the_deployment)
{
    complete(rig_deployment("web", "app:1", 3));
    complete(rig_deployment("web", "app:2", 3));
    rig.nodes[0].silent = true;
    rig_delete("web");
    rig_run_ms(2000);
    cr_assert_not_null(rig_find("web"), "as long as a container is there");
    cr_assert_gt(state_count(rig.server->state, KIND_REVISION), 0);
    rig.nodes[0].silent = false;
    rig_disconnect(&rig.nodes[0]);
    rig_connect(&rig.nodes[0]);
    rig_run_ms(15000);
    cr_assert_null(rig_find("web"));
    cr_assert_eq(state_count(rig.server->state, KIND_REVISION), 0);
    cr_assert_eq(state_count(rig.server->state, KIND_CONTAINER), 0);
    cr_assert_not_null(rig_event("Deleted"));
}

Test(places, goes_on_after_a_restart_of_the_server)
{
    complete(rig_deployment("web", "app:1", 4));
    rig_write(rig_deployment("web", "app:2", 4));
    rig_run_ms(7);
    rig_restart_server();
    rig_run_ms(20000);
    expect_phase(PHASE_COMPLETE);
    cr_assert_eq(rig_status("web").updated, 4);
    cr_assert_eq(rig_count("web"), 4);
}

/* -- who watches -- */

static bool pending_told;

static void look_when_told(void *argument, enum record_kind_id kind, const char *name)
{
    (void)argument;
    if (kind == KIND_DEPLOYMENT && strcmp(name, "web") == 0)
        pending_told |= rig_status(name).phase == PHASE_PENDING;
}

/* Looking at it does not keep from those who watch what the look found out first. */
Test(places, a_phase_that_a_reader_sees_first_is_told_as_well)
{
    struct deployment *web = rig_deployment("web", "app:1", 0);
    web->template.resources.memory_bytes = INT64_C(1) << 50;
    complete(web);
    server_set_listener(rig.server, &(struct server_listener){.touched = look_when_told});
    cr_assert(deployment_manager_scale(rig.server->deployments, "web", 1, &rig_request, rig_done,
                                       NULL, &rig.error));
    for (int ms = 0; ms < 2000 && rig_status("web").phase != PHASE_PENDING; ms++)
        rig_run_ms(1);
    rig_run_ms(100);
    expect_phase(PHASE_PENDING);
    cr_assert(pending_told);
}
