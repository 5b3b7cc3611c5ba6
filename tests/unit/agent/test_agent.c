#include "rig.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(agent, .init = rig_setup, .fini = rig_teardown, .timeout = 60);

static void begin(unsigned count)
{
    rig_start();
    for (unsigned i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof id, "web-%u-aaaaaa", i);
        rig_want(id, 1, ASSIGNED_RUN);
    }
    rig_send(true);
    rig_run_ms(400);
}

Test(agent, introduces_its_node_before_anything_else)
{
    rig_start();
    rig_run_ms(100);
    cr_assert_eq(rig.introductions, 1);
    cr_assert_eq(rig.full_reports, 0, "nothing is told before the engine has been listed");
}

Test(agent, makes_each_container_once_and_lists_once)
{
    rig_start();
    rig_send(true);
    rig_run_ms(400);
    unsigned lists = engine.lists;
    for (unsigned i = 0; i < 100; i++) {
        char id[32];
        snprintf(id, sizeof id, "web-%u-aaaaaa", i);
        rig_want(id, 1, ASSIGNED_RUN);
    }
    rig_send(false);
    rig_run_ms(400);
    cr_assert_eq(engine.creates, 100);
    cr_assert_eq(engine.starts, 100);
    cr_assert_eq(engine.pulls, 1);
    cr_assert_eq(engine.lists, lists + 1, "%u lists", engine.lists - lists);
    cr_assert_eq(engine.asks, 0);
    for (unsigned i = 0; i < 100; i++) {
        char id[32];
        snprintf(id, sizeof id, "web-%u-aaaaaa", i);
        cr_assert(rig_seen(id)->ready);
        cr_assert_eq(rig_seen(id)->state, CONTAINER_RUNNING);
        cr_assert_gt(strlen(rig_seen(id)->address), 0);
    }
}

Test(agent, keeps_to_the_bound_of_operations)
{
    engine.hold_starts = true;
    begin(20);
    cr_assert_eq(engine.creates, 4, "info said four at a time, %u begun", engine.creates);
    engine_release_starts();
    rig_run_ms(400);
    cr_assert_eq(engine.creates, 20);
    cr_assert_leq(engine.most_in_flight, 4);
}

Test(agent, does_nothing_more_once_all_is_as_wanted)
{
    begin(5);
    unsigned reports = rig.reports;
    rig_run_ms(60000);
    cr_assert_eq(engine.creates, 5);
    cr_assert_eq(engine.stops + engine.removes, 0);
    cr_assert_leq(engine.lists, 9, "a list every ten seconds");
    cr_assert_leq(rig.reports, reports + 6);
}

Test(agent, names_and_labels_say_whose_a_container_is)
{
    begin(1);
    struct engine_container *made = engine_find("web-0");
    cr_assert_str_eq(made->name, "orch-01234567-web-0-aaaaaa-i1");
    cr_assert_str_eq(engine_label(made, "orchestrator.cluster"), CLUSTER);
    cr_assert_str_eq(engine_label(made, "orchestrator.container"), "web-0-aaaaaa");
    cr_assert_str_eq(engine_label(made, "orchestrator.incarnation"), "1");
    cr_assert_str_eq(engine_label(made, "orchestrator.seq"), "10");
    cr_assert_str_eq(engine_label(made, "orchestrator.spec"), "h");
}

Test(agent, stops_with_signal_and_grace_then_removes_and_says_gone)
{
    rig.template.stop_signal = "SIGQUIT";
    begin(1);
    rig_want("web-0-aaaaaa", 1, ASSIGNED_STOP);
    rig_send(false);
    rig_run_ms(100);
    cr_assert_eq(engine.stops, 1);
    cr_assert_str_eq(engine.last_stop_signal, "SIGQUIT");
    cr_assert_eq(engine.last_grace_ns, UINT64_C(10000000000));
    cr_assert_eq(engine.removes, 1);
    cr_assert(rig_seen("web-0-aaaaaa")->gone);
    cr_assert_null(engine_find("web-0"));
}

Test(agent, a_stop_told_twice_is_one_stop)
{
    begin(1);
    rig_want("web-0-aaaaaa", 1, ASSIGNED_STOP);
    rig_send(false);
    rig_want("web-0-aaaaaa", 1, ASSIGNED_STOP);
    rig_send(false);
    rig_run_ms(100);
    cr_assert_eq(engine.stops, 1);
    cr_assert_eq(engine.removes, 1);
}

Test(agent, stop_while_it_is_being_made_leaves_nothing)
{
    engine.hold_starts = true;
    begin(1);
    rig_want("web-0-aaaaaa", 1, ASSIGNED_STOP);
    rig_send(false);
    rig_run_ms(100);
    engine_release_starts();
    rig_run_ms(1000);
    cr_assert_eq(engine_alive(), 0);
    cr_assert(rig_seen("web-0-aaaaaa")->gone);
}

Test(agent, a_failed_stop_is_tried_again_and_the_others_go_on)
{
    begin(1);
    engine.stop_status = ORCH_E_INTERNAL;
    rig_want("web-0-aaaaaa", 1, ASSIGNED_STOP);
    rig_want("web-1-aaaaaa", 1, ASSIGNED_RUN);
    rig_send(false);
    rig_run_ms(500);
    cr_assert_eq(engine.stops, 1);
    cr_assert(rig_seen("web-1-aaaaaa")->ready);
    cr_assert_not(rig.runtime_down, "one container's trouble is not the engine's");
    engine.stop_status = ORCH_OK;
    rig_run_ms(2000);
    cr_assert(rig_seen("web-0-aaaaaa")->gone);
}

Test(agent, a_restart_asked_for_is_a_new_incarnation)
{
    begin(1);
    rig_want("web-0-aaaaaa", 2, ASSIGNED_RUN);
    rig_send(false);
    rig_run_ms(500);
    struct seen *seen = rig_seen("web-0-aaaaaa");
    cr_assert_eq(engine.stops, 1);
    cr_assert_eq(seen->incarnation, 2);
    cr_assert_eq(seen->restarts, 0, "asked for, so it is no restart by policy");
    cr_assert(seen->ready);
    cr_assert_str_eq(engine_find("web-0")->name, "orch-01234567-web-0-aaaaaa-i2");
    cr_assert_eq(engine_alive(), 1);
}

Test(agent, a_draining_container_is_left_running_and_not_restarted)
{
    begin(1);
    rig_want("web-0-aaaaaa", 1, ASSIGNED_DRAIN);
    rig_send(false);
    rig_run_ms(1000);
    cr_assert_eq(engine_alive(), 1);
    engine_exit(engine_find("web-0"), 0, 0);
    rig_run_ms(20000);
    cr_assert_eq(engine.creates, 1);
    cr_assert_eq(rig_seen("web-0-aaaaaa")->state, CONTAINER_EXITED);
}

Test(agent, an_image_that_can_not_be_pulled_is_named_and_tried_again)
{
    engine.pull_status = ORCH_E_NOT_FOUND;
    begin(3);
    struct seen *seen = rig_seen("web-0-aaaaaa");
    cr_assert_str_eq(seen->reason, "ImagePullFailed");
    cr_assert_not_null(strstr(seen->message, "app:1"), "%s", seen->message);
    cr_assert_eq(engine.pulls, 1, "one pull for three containers");
    engine.pull_status = ORCH_OK;
    rig_run_ms(2000);
    cr_assert(seen->ready);
    cr_assert_str_eq(seen->reason, "");
    cr_assert_eq(engine.pulls, 2);
}

Test(agent, an_image_that_is_to_be_there_is_pulled_once_and_answered_for)
{
    begin(1);
    rig_want_image();
    rig_send(false);
    rig_run_ms(200);
    cr_assert_eq(engine.pulls, 2);
    cr_assert_eq(rig.image_answers, 1);
    cr_assert_str_eq(rig.image_failure, "");
    cr_assert_str_neq(rig.image_pinned, "");
    rig_run_ms(60000);
    cr_assert_eq(rig.image_answers, 1, "once");
    engine.pull_status = ORCH_E_NOT_FOUND;
    rig_want_image();
    rig_send(false);
    rig_run_ms(60000);
    cr_assert_eq(rig.image_answers, 2);
    cr_assert(rig.image_refused);
    cr_assert_not_null(strstr(rig.image_failure, "app:2"), "%s", rig.image_failure);
    cr_assert_eq(engine.pulls, 3, "whoever asked decides whether it is tried again");
    engine.pull_status = ORCH_E_TIMEOUT;
    rig_want_image();
    rig_send(false);
    rig_run_ms(1000);
    cr_assert_eq(rig.image_answers, 3);
    cr_assert_not(rig.image_refused, "nobody said no");
}

Test(agent, a_template_is_known_again_after_its_last_container_went)
{
    begin(1);
    rig_want("web-0-aaaaaa", 1, ASSIGNED_STOP);
    rig_send(false);
    rig_run_ms(100);
    rig_remove("web-0-aaaaaa");
    rig_send(false);
    rig_run_ms(100);
    rig_want("web-1-bbbbbb", 1, ASSIGNED_RUN);
    rig_send(false);
    rig_run_ms(500);
    cr_assert(rig_seen("web-1-bbbbbb")->ready);
}

Test(agent, an_older_fence_is_ignored)
{
    rig.fence = 5;
    begin(1);
    rig.fence = 4;
    rig_send(true);
    rig_run_ms(500);
    cr_assert_eq(engine_alive(), 1);
}

Test(agent, a_container_without_record_is_removed_when_told)
{
    begin(2);
    rig_remove("web-1-aaaaaa");
    rig_send(false);
    rig_run_ms(500);
    cr_assert_eq(engine_alive(), 1);
    cr_assert_null(engine_find("web-1"));
}

Test(agent, a_hundred_stops_no_longer_wanted_do_not_pile_up)
{
    engine.hold_starts = true;
    begin(500);
    for (unsigned i = 0; i < 500; i++) {
        char id[32];
        snprintf(id, sizeof id, "web-%u-aaaaaa", i);
        rig_want(id, 1, ASSIGNED_STOP);
    }
    rig_send(false);
    rig_run_ms(100);
    engine_release_starts();
    rig_run_ms(1000);
    cr_assert_eq(engine_alive(), 0);
    cr_assert_eq(engine.creates, 4);
    cr_assert(rig_seen("web-499-aaaaaa")->gone);
}
