#include "base/clock.h"
#include "rig.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(restarts, .init = rig_setup, .fini = rig_teardown, .timeout = 60);

#define ID "web-0-aaaaaa"

static void begin(void)
{
    rig_start();
    rig_want(ID, 1, ASSIGNED_RUN);
    rig_send(true);
    rig_run_ms(400);
    cr_assert(rig_seen(ID)->ready);
}

static const struct probe_exec probe_command = {0};
static struct probe exec_probe(void)
{
    return (struct probe){.exec = &probe_command,
                          .interval_ns = NS_PER_SECOND,
                          .timeout_ns = NS_PER_SECOND,
                          .failure_threshold = 3,
                          .success_threshold = 1};
}

Test(restarts, the_first_one_is_at_once)
{
    begin();
    rig_run_ms(2000);
    engine_exit(engine_find("web-0"), 1, 0);
    rig_run_ms(20);
    struct seen *seen = rig_seen(ID);
    cr_assert_eq(engine.starts, 2, "within milliseconds");
    rig_run_ms(200);
    cr_assert_eq(seen->restarts, 1);
    cr_assert_eq(seen->incarnation, 2);
    cr_assert(seen->ready);
    cr_assert_eq(seen->ends, 1);
    cr_assert_eq(seen->end_exit_code, 1);
    cr_assert_str_eq(seen->end_last_line, "last words");
}

Test(restarts, then_they_wait_double_each_time_up_to_the_maximum)
{
    uint64_t expected_ms = 500;
    begin();
    rig_run_ms(2000);
    engine_exit(engine_find("web-0"), 1, 0);
    rig_run_ms(100);
    for (int i = 0; i < 9; i++) {
        unsigned starts = engine.starts;
        engine_exit(engine_find("web-0"), 1, 0);
        rig_run_ms(50);
        cr_assert_eq(rig_seen(ID)->state, CONTAINER_EXITED);
        cr_assert_str_eq(rig_seen(ID)->reason, "CrashLoop");
        cr_assert_gt(rig_seen(ID)->next_start_at_ms, 0);
        rig_run_ms(expected_ms * 3 / 4 - 60);
        cr_assert_eq(engine.starts, starts, "round %d: too early", i);
        rig_run_ms(expected_ms / 4 + 100);
        cr_assert_eq(engine.starts, starts + 1, "round %d: too late", i);
        expected_ms = expected_ms * 2 < 60000 ? expected_ms * 2 : 60000;
    }
    cr_assert_eq(rig_seen(ID)->restarts, 10);
    rig_run_ms(601000); /* resetAfter */
    unsigned starts = engine.starts;
    engine_exit(engine_find("web-0"), 1, 0);
    rig_run_ms(50);
    cr_assert_eq(engine.starts, starts + 1, "forgotten");
}

Test(restarts, one_removed_behind_our_back_while_it_waits_is_told_at_once)
{
    begin();
    rig_run_ms(2000);
    for (int i = 0; i < 2; i++) {
        engine_exit(engine_find("web-0"), 1, 0);
        rig_run_ms(100);
    }
    cr_assert_str_eq(rig_seen(ID)->reason, "CrashLoop");
    unsigned starts = engine.starts;
    engine_erase(engine_find("web-0"));
    rig_run_ms(50);
    cr_assert(rig_seen(ID)->gone, "so that the server makes another");
    rig_run_ms(2000);
    cr_assert_eq(engine.starts, starts, "and this one is over");
}

Test(restarts, one_that_never_was_ready_waits_from_the_first)
{
    struct probe probe = exec_probe();
    rig.template.readiness_probe = &probe;
    engine.exec_exit_code = 1;
    rig_start();
    rig_want(ID, 1, ASSIGNED_RUN);
    rig_send(true);
    rig_run_ms(3000);
    cr_assert_not(rig_seen(ID)->ready);
    engine_exit(engine_find("web-0"), 1, 0);
    rig_run_ms(300);
    cr_assert_eq(engine.starts, 1);
    rig_run_ms(400);
    cr_assert_eq(engine.starts, 2);
}

Test(restarts, policies_are_kept)
{
    static const struct {
        enum restart_condition condition;
        int code;
        bool again;
    } cases[] = {{RESTART_ALWAYS, 0, true},
                 {RESTART_ON_FAILURE, 0, false},
                 {RESTART_ON_FAILURE, 3, true},
                 {RESTART_NEVER, 3, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (i) {
            rig_teardown();
            rig_setup();
        }
        rig.template.restart_policy.condition = (uint8_t)cases[i].condition;
        begin();
        rig_run_ms(2000);
        engine_exit(engine_find("web-0"), cases[i].code, 0);
        rig_run_ms(5000);
        cr_assert_eq(engine.starts, cases[i].again ? 2 : 1, "case %zu", i);
        cr_assert_eq(rig_seen(ID)->state, cases[i].again ? CONTAINER_RUNNING : CONTAINER_FAILED);
    }
}

Test(restarts, out_of_memory_and_signals_are_named)
{
    begin();
    engine_exit(engine_find("web-0"), 137, ORCH_CONTAINER_OOM);
    rig_run_ms(100);
    cr_assert_str_eq(rig_seen(ID)->end_reason, "OOMKilled");
    cr_assert_str_eq(rig_seen(ID)->end_signal, "SIGKILL");
}

Test(restarts, a_restart_asked_for_ends_the_back_off)
{
    begin();
    rig_run_ms(2000);
    for (int i = 0; i < 6; i++) {
        engine_exit(engine_find("web-0"), 1, 0);
        rig_run_ms(i < 5 ? 20000 : 100);
    }
    cr_assert_eq(rig_seen(ID)->state, CONTAINER_EXITED);
    unsigned starts = engine.starts;
    rig_want(ID, rig_seen(ID)->incarnation + 1, ASSIGNED_RUN);
    rig_send(false);
    rig_run_ms(100);
    cr_assert_eq(engine.starts, starts + 1);
}

Test(restarts, an_exit_without_event_is_found_by_the_next_list)
{
    begin();
    struct orch_op events = engine.events;
    engine.events.id = 0;
    engine_exit(engine_find("web-0"), 1, 0);
    engine.events = events;
    rig_run_ms(11000);
    cr_assert_eq(rig_seen(ID)->restarts, 1);
    cr_assert(rig_seen(ID)->ready);
}

Test(restarts, an_exit_between_start_and_its_answer_is_not_missed)
{
    engine.addresses_at_start = engine.hold_starts = true;
    rig_start();
    rig_want(ID, 1, ASSIGNED_RUN);
    rig_send(true);
    rig_run_ms(400);
    struct engine_container *made = engine_find("web-0");
    engine_release_starts();
    engine_exit(made, 1, 0);
    rig_run_ms(1500);
    cr_assert_geq(engine.starts, 2);
    cr_assert_geq(rig_seen(ID)->ends, 1);
}

Test(restarts, the_address_leaves_the_proxy_before_anything_is_made)
{
    rig.has_feed = true;
    begin();
    rig_publish(ID, rig_seen(ID)->address, ENDPOINT_ACTIVE);
    rig_run_ms(50);
    cr_assert_str_eq(rig.fed, ID ":active");
    rig.hold_feed = true;
    engine_exit(engine_find("web-0"), 1, 0);
    rig_run_ms(500);
    cr_assert_str_eq(rig.fed, "");
    cr_assert_eq(engine.creates, 1, "not before the proxy said so");
    rig_feed_acknowledge();
    rig_run_ms(100);
    cr_assert_eq(engine.creates, 2);
}

Test(restarts, a_proxy_that_never_answers_is_not_waited_for_for_ever)
{
    rig.has_feed = true;
    begin();
    rig_publish(ID, rig_seen(ID)->address, ENDPOINT_ACTIVE);
    rig_run_ms(50);
    rig.hold_feed = true;
    engine_exit(engine_find("web-0"), 1, 0);
    rig_run_ms(2800);
    cr_assert_eq(engine.creates, 1);
    rig_run_ms(1500);
    cr_assert_eq(engine.creates, 2);
}

static void publish(uint8_t state)
{
    rig_publish(ID, rig_seen(ID)->address, state);
    rig_run_ms(50);
}

Test(restarts, a_drain_of_before_is_not_taken_for_the_one_under_way)
{
    rig.has_feed = true;
    begin();
    publish(ENDPOINT_DRAINING);
    publish(ENDPOINT_ACTIVE);
    rig.hold_feed = true;
    publish(ENDPOINT_DRAINING);
    rig_feed_drained(ID); /* said before it was active */
    rig_run_ms(50);
    cr_assert_eq(rig.drains, 0);
    rig_feed_acknowledge();
    rig_run_ms(50);
    rig_feed_drained(ID);
    rig_run_ms(50);
    cr_assert_eq(rig.drains, 1);
    cr_assert_eq(rig.drained_table, rig.version);
}

Test(restarts, what_has_drained_is_told_again_of_each_later_table_that_drains_it)
{
    rig.has_feed = true;
    begin();
    publish(ENDPOINT_DRAINING);
    rig_feed_drained(ID);
    rig_run_ms(50);
    cr_assert_eq(rig.drains, 1);
    publish(ENDPOINT_DRAINING);
    cr_assert_eq(rig.drains, 2);
    cr_assert_eq(rig.drained_table, rig.version);
    rig_link(); /* another server may count anew */
    publish(ENDPOINT_DRAINING);
    cr_assert_eq(rig.drains, 3);
    publish(ENDPOINT_ACTIVE);
    publish(ENDPOINT_DRAINING);
    cr_assert_eq(rig.drains, 3, "it has been active since");
}

Test(restarts, a_failed_liveness_probe_drains_then_stops_then_starts)
{
    struct probe probe = exec_probe();
    rig.template.liveness_probe = &probe;
    rig.has_feed = true;
    begin();
    rig_publish(ID, rig_seen(ID)->address, ENDPOINT_ACTIVE);
    rig_run_ms(2000);
    rig.hold_feed = true;
    engine.exec_exit_code = 1;
    rig_run_ms(5000);
    cr_assert_str_eq(rig.fed, ID ":draining");
    cr_assert_eq(engine.stops, 0, "the proxy has not let go");
    cr_assert_not(rig_seen(ID)->ready);
    engine.exec_exit_code = 0;
    rig.hold_feed = false;
    rig_feed_acknowledge();
    rig_run_ms(500);
    cr_assert_eq(engine.stops, 1);
    cr_assert_eq(engine.starts, 2);
    cr_assert_str_eq(rig_seen(ID)->end_reason, "LivenessFailed");
    cr_assert(rig_seen(ID)->ready);
    cr_assert_eq(rig_seen(ID)->restarts, 1);
}

Test(restarts, readiness_follows_its_probe)
{
    struct probe probe = exec_probe();
    rig.template.readiness_probe = &probe;
    begin();
    engine.exec_exit_code = 1;
    rig_run_ms(5000);
    cr_assert_not(rig_seen(ID)->ready);
    cr_assert_str_eq(rig_seen(ID)->reason, "NotReady");
    cr_assert_gt(strlen(rig_seen(ID)->message), 0);
    engine.exec_exit_code = 0;
    rig_run_ms(2000);
    cr_assert(rig_seen(ID)->ready);
    cr_assert_eq(engine.starts, 1);
}

Test(restarts, a_startup_probe_gates_the_others)
{
    struct probe startup = exec_probe(), liveness = exec_probe();
    startup.failure_threshold = 10;
    liveness.failure_threshold = 1;
    rig.template.startup_probe = &startup;
    rig.template.liveness_probe = &liveness;
    engine.exec_exit_code = 1;
    rig_start();
    rig_want(ID, 1, ASSIGNED_RUN);
    rig_send(true);
    rig_run_ms(6000);
    cr_assert_eq(engine.stops, 0, "liveness waits for startup");
    cr_assert_not(rig_seen(ID)->ready);
    rig_run_ms(6000);
    cr_assert_eq(engine.stops, 1, "startup itself has a limit");
    cr_assert_str_eq(rig_seen(ID)->end_reason, "StartupFailed");
}
