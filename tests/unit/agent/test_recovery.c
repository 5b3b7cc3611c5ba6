#include "rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(recovery, .init = rig_setup, .fini = rig_teardown, .timeout = 60);

#define ID "web-0-aaaaaa"

static void assign(int64_t incarnation)
{
    rig_want(ID, incarnation, ASSIGNED_RUN);
    rig_send(true);
    rig_run_ms(400);
}

static void begin(void)
{
    rig_start();
    assign(1);
    cr_assert(rig_seen(ID)->ready);
    rig_run_ms(100);
}

Test(recovery, a_restart_of_the_daemon_disturbs_no_container)
{
    begin();
    char before[80];
    snprintf(before, sizeof before, "%s", rig_seen(ID)->runtime_id);
    rig_stop();
    memset(rig.seen, 0, sizeof rig.seen);
    rig.seen_count = 0;
    rig_start();
    assign(1);
    cr_assert_str_eq(rig_seen(ID)->runtime_id, before);
    cr_assert(rig_seen(ID)->ready);
    cr_assert_eq(engine.creates, 1);
    cr_assert_eq(engine.stops + engine.removes, 0);
    cr_assert_eq(rig_seen(ID)->restarts, 0);
}

Test(recovery, an_adopted_container_is_ready_until_a_probe_says_otherwise)
{
    static const struct probe_exec command = {0};
    struct probe probe = {.exec = &command,
                          .interval_ns = 1000000000,
                          .timeout_ns = 1000000000,
                          .failure_threshold = 3,
                          .success_threshold = 1};
    rig.template.readiness_probe = &probe;
    begin();
    rig_stop();
    engine.exec_exit_code = 1;
    rig.full_reports = 0;
    rig_start();
    assign(1);
    cr_assert_eq(rig.full_reports, 1);
    cr_assert(rig_seen(ID)->ready);
    rig_run_ms(4000);
    cr_assert_not(rig_seen(ID)->ready);
}

Test(recovery, an_agent_alone_keeps_its_containers_running)
{
    begin();
    rig_stop();
    rig_start(); /* no assignment comes: the server is away */
    rig_run_ms(2000);
    engine_exit(engine_find("web-0"), 1, 0);
    rig_run_ms(2000);
    cr_assert_eq(engine_alive(), 1);
    cr_assert_eq(engine.creates, 2);
}

Test(recovery, an_agent_alone_takes_the_address_out_of_a_table_that_it_does_not_know)
{
    rig.has_feed = true;
    begin();
    rig_stop();
    rig_start(); /* no table comes: the proxy has that of before */
    rig_run_ms(2000);
    rig.hold_feed = true;
    engine_exit(engine_find("web-0"), 1, 0);
    rig_run_ms(1000);
    cr_assert_str_eq(rig.withdrawn, ID);
    cr_assert_eq(engine.creates, 1, "not before the proxy said so");
    rig_feed_acknowledge();
    rig_run_ms(100);
    cr_assert_eq(engine.creates, 2);
}

Test(recovery, a_later_incarnation_is_adopted_when_the_file_is_lost)
{
    char path[96];
    begin();
    rig_run_ms(2000);
    engine_exit(engine_find("web-0"), 1, 0);
    rig_run_ms(500);
    rig_stop();
    snprintf(path, sizeof path, "%s/agent.json", rig.directory);
    cr_assert_eq(unlink(path), 0);
    unsigned creates = engine.creates;
    rig_start();
    assign(1);
    rig_run_ms(2000);
    cr_assert_eq(engine.creates, creates);
    cr_assert_eq(engine.stops, 0);
    cr_assert_eq(rig_seen(ID)->incarnation, 2);
}

Test(recovery, a_damaged_file_is_survived)
{
    char path[96];
    begin();
    rig_stop();
    snprintf(path, sizeof path, "%s/agent.json", rig.directory);
    cr_assert_eq(truncate(path, 50), 0);
    rig_start();
    assign(1);
    cr_assert(rig_seen(ID)->ready);
    cr_assert_eq(engine.creates, 1);
}

Test(recovery, the_wait_of_a_crash_loop_goes_on_after_a_restart_of_the_daemon)
{
    begin();
    rig_run_ms(2000);
    for (int i = 0; i < 7; i++) {
        engine_exit(engine_find("web-0"), 1, 0);
        rig_run_ms(i < 6 ? 40000 : 100);
    }
    cr_assert_eq(rig_seen(ID)->state, CONTAINER_EXITED);
    unsigned starts = engine.starts, ends = rig_seen(ID)->ends;
    rig_stop();
    rig_start();
    assign(1);
    rig_run_ms(2000);
    cr_assert_eq(engine.starts, starts, "not at once");
    cr_assert_eq(rig_seen(ID)->ends, ends, "one end is told once");
    rig_run_ms(40000);
    cr_assert_eq(engine.starts, starts + 1);
}

Test(recovery, one_that_ended_while_we_were_away_is_restarted)
{
    begin();
    rig_run_ms(2000);
    rig_stop();
    engine_exit(engine_find("web-0"), 2, 0);
    rig_start();
    assign(1);
    rig_run_ms(1000);
    cr_assert(rig_seen(ID)->ready);
    cr_assert_eq(rig_seen(ID)->restarts, 1);
    cr_assert_eq(rig_seen(ID)->end_exit_code, 2);
}

Test(recovery, one_that_was_removed_while_we_were_away_is_made_again)
{
    begin();
    rig_stop();
    engine_erase(engine_find("web-0"));
    rig_start();
    assign(1);
    cr_assert(rig_seen(ID)->ready);
    cr_assert_eq(engine_alive(), 1);
}

Test(recovery, removed_behind_our_back_is_told_at_once)
{
    begin();
    engine_erase(engine_find("web-0"));
    rig_run_ms(20);
    cr_assert(rig_seen(ID)->gone);
    rig_remove(ID);
    rig_want("web-0-bbbbbb", 1, ASSIGNED_RUN); /* the server's answer: another record */
    rig_send(false);
    rig_run_ms(400);
    cr_assert(rig_seen("web-0-bbbbbb")->ready);
    cr_assert_eq(engine_alive(), 1);
}

/* Its record may be on its way out, however late: made again, it would run without one. */
Test(recovery, what_was_said_to_be_gone_waits_for_the_servers_answer)
{
    begin();
    engine_erase(engine_find("web-0"));
    rig_run_ms(20);
    cr_assert(rig_seen(ID)->gone);
    rig_seen(ID)->gone = false;
    rig_stop();
    rig_start();
    rig_run_ms(2000);
    cr_assert_eq(engine_alive(), 0, "not by an agent started anew");
    assign(1); /* by a server that has not heard of it, or could not keep it yet */
    cr_assert_eq(engine_alive(), 0);
    cr_assert(rig_seen(ID)->gone, "it is told so again");
    rig_link();
    assign(1);
    cr_assert_eq(engine_alive(), 0);
    rig_remove(ID);
    rig_want("web-0-bbbbbb", 1, ASSIGNED_RUN);
    rig_send(false);
    rig_run_ms(400);
    cr_assert_eq(engine_alive(), 1);
}

/* As long as it exists the agent's file can't be written. */
static void block_file(bool block)
{
    char path[96];
    snprintf(path, sizeof path, "%s/agent.json.new", rig.directory);
    unlink(path);
    cr_assert_eq(block ? mkdir(path, 0700) : rmdir(path), 0);
}

Test(recovery, removed_behind_our_back_is_said_only_once_it_is_kept)
{
    begin();
    block_file(true);
    engine_erase(engine_find("web-0"));
    rig_run_ms(500);
    cr_assert_not(rig_seen(ID)->gone);
    cr_assert_eq(rig_seen(ID)->state, CONTAINER_EXITED, "nobody is sent there meanwhile");
    cr_assert_not(rig_seen(ID)->ready);
    block_file(false);
    rig_run_ms(2000);
    cr_assert(rig_seen(ID)->gone);
}

Test(recovery, stopped_and_removed_is_said_only_once_it_is_kept)
{
    begin();
    block_file(true);
    rig_want(ID, 1, ASSIGNED_STOP);
    rig_send(false);
    rig_run_ms(500);
    cr_assert_null(engine_find("web-0"));
    cr_assert_not(rig_seen(ID)->gone, "a restart of the agent would make it again");
    block_file(false);
    rig_run_ms(2000);
    cr_assert(rig_seen(ID)->gone);
}

/* Nobody can have heard of it: the record is still to be had. */
Test(recovery, removed_behind_our_back_and_never_said_it_is_made_anew)
{
    begin();
    block_file(true);
    engine_erase(engine_find("web-0"));
    rig_run_ms(20);
    assign(1);
    block_file(false);
    rig_run_ms(2000);
    cr_assert_not(rig_seen(ID)->gone);
    cr_assert(rig_seen(ID)->ready);
}

/* A server that died before it made it durable must not leave the next one waiting for ever. */
Test(recovery, removed_behind_our_back_is_told_to_the_next_server_too)
{
    begin();
    engine_erase(engine_find("web-0"));
    rig_run_ms(20);
    cr_assert(rig_seen(ID)->gone);
    rig_seen(ID)->gone = false;
    rig_link();
    rig_run_ms(20);
    cr_assert(rig_seen(ID)->gone, "the first report comes before what is wanted is known");
}

Test(recovery, removed_behind_our_back_without_a_server_is_made_anew)
{
    begin();
    link_close(rig.server);
    rig.server = NULL;
    rig_run_ms(10);
    engine_erase(engine_find("web-0"));
    rig_run_ms(1000);
    cr_assert_eq(engine_alive(), 1);
}

Test(recovery, left_overs_of_ours_are_removed_after_the_first_full_list)
{
    static const char *const labels[] = {"orchestrator.cluster",
                                         CLUSTER,
                                         "orchestrator.container",
                                         "old-1-cccccc",
                                         "orchestrator.incarnation",
                                         "1",
                                         "orchestrator.seq",
                                         "50",
                                         NULL};
    for (int i = 0; i < 30; i++)
        engine_put("orch-01234567-old", ORCH_CONTAINER_RUNNING, labels);
    rig_start();
    rig_run_ms(3000);
    cr_assert_eq(engine_alive(), 30, "nothing goes before the server has spoken");
    assign(1);
    rig_run_ms(3000);
    cr_assert_eq(engine_alive(), 1);
}

Test(recovery, what_is_newer_than_the_state_is_left_alone)
{
    static const char *const labels[] = {"orchestrator.cluster",
                                         CLUSTER,
                                         "orchestrator.container",
                                         "new-1-cccccc",
                                         "orchestrator.incarnation",
                                         "1",
                                         "orchestrator.seq",
                                         "101",
                                         NULL};
    engine_put("orch-01234567-new", ORCH_CONTAINER_RUNNING, labels);
    begin();
    rig_run_ms(30000);
    cr_assert_eq(engine_alive(), 2);
}

Test(recovery, a_restored_backup_does_not_kill_what_it_does_not_know)
{
    begin();
    rig_stop();
    rig.store_seq = 5; /* the record's seq was 10 */
    rig.fence++;
    rig_start();
    rig_send(true);
    rig_run_ms(30000);
    cr_assert_eq(engine_alive(), 1);
    cr_assert_eq(engine.stops + engine.removes, 0);
}

Test(recovery, strangers_and_other_clusters_are_never_touched)
{
    static const char *const labels[] = {"orchestrator.cluster",
                                         OTHER_CLUSTER,
                                         "orchestrator.container",
                                         ID,
                                         "orchestrator.incarnation",
                                         "1",
                                         "orchestrator.seq",
                                         "1",
                                         NULL};
    engine_put("orch-fedcba98-web-0", ORCH_CONTAINER_RUNNING, labels);
    engine_put("postgres", ORCH_CONTAINER_RUNNING, NULL);
    begin();
    rig_run_ms(30000);
    cr_assert_eq(engine_alive(), 3);
    cr_assert_eq(engine.stops + engine.removes, 0);
}

Test(recovery, a_lost_answer_to_create_doubles_nothing)
{
    engine.silent_create = true;
    rig_start();
    assign(1);
    rig_run_ms(3000);
    cr_assert_eq(engine_alive(), 1);
    cr_assert_eq(engine.count, 1);
    cr_assert(rig_seen(ID)->ready);
}

Test(recovery, one_that_may_run_unknown_to_us_is_signalled_before_it_is_removed)
{
    engine.start_status = ORCH_E_TIMEOUT; /* it may come late, and has */
    rig_start();
    assign(1);
    engine_find("web-0")->state = ORCH_CONTAINER_RUNNING;
    unsigned stops = engine.stops;
    rig_remove(ID);
    rig_send(false);
    rig_run_ms(100);
    cr_assert_eq(engine.stops, stops + 1);
    rig_run_ms(1000);
    cr_assert_eq(engine_alive(), 0);
}

/* A name that is taken by one of this record and incarnation, in state created. */
static void put_namesake(const char *cluster, const char *spec, const char *seq)
{
    const char *const labels[] = {"orchestrator.cluster",
                                  cluster,
                                  "orchestrator.container",
                                  ID,
                                  "orchestrator.incarnation",
                                  "1",
                                  "orchestrator.spec",
                                  spec,
                                  "orchestrator.seq",
                                  seq,
                                  NULL};
    engine_put("orch-01234567-" ID "-i1", ORCH_CONTAINER_CREATED, labels);
}

Test(recovery, one_made_for_an_older_state_of_its_record_is_adopted)
{
    put_namesake(CLUSTER, "h", "9");
    rig_start();
    assign(1);
    rig_run_ms(3000);
    cr_assert(rig_seen(ID)->ready);
    cr_assert_eq(engine.count, 1, "nothing else was made");
    cr_assert_eq(engine.removes, 0);
}

Test(recovery, one_made_by_another_specification_gives_way)
{
    put_namesake(CLUSTER, "other", "9");
    rig_start();
    assign(1);
    rig_run_ms(3000);
    cr_assert(rig_seen(ID)->ready);
    cr_assert_eq(rig_seen(ID)->restarts, 0);
    cr_assert_eq(engine.removes, 1);
    cr_assert_eq(engine_alive(), 1);
}

Test(recovery, one_of_its_name_that_is_newer_than_the_state_is_left_alone)
{
    put_namesake(CLUSTER, "other", "101");
    rig_start();
    assign(1);
    rig_run_ms(60000);
    cr_assert_str_eq(rig_seen(ID)->reason, "NameTaken");
    cr_assert_eq(engine.removes, 0);
}

Test(recovery, a_name_that_a_stranger_has_is_waited_for_and_said)
{
    put_namesake(OTHER_CLUSTER, "h", "9");
    rig_start();
    assign(1);
    rig_run_ms(20000);
    cr_assert_str_eq(rig_seen(ID)->reason, "NameTaken");
    cr_assert_str_eq(rig_seen(ID)->message, "scripted failure");
    cr_assert_eq(engine.stops + engine.removes + engine.starts, 0);
    engine_erase(engine_find("web-0"));
    rig_run_ms(40000);
    cr_assert(rig_seen(ID)->ready);
    cr_assert_str_eq(rig_seen(ID)->reason, "");
}

Test(recovery, an_engine_that_went_away_changes_nothing)
{
    begin();
    engine.down = true;
    engine_cut_events();
    rig_run_ms(30000);
    cr_assert(rig.runtime_down);
    cr_assert(rig_seen(ID)->ready, "unknown is not dead");
    rig_want("web-1-aaaaaa", 1, ASSIGNED_RUN);
    rig_send(false);
    rig_run_ms(5000);
    engine.down = false;
    rig_run_ms(5000);
    cr_assert_not(rig.runtime_down);
    cr_assert(rig_seen("web-1-aaaaaa")->ready);
    cr_assert_eq(engine.creates, 2);
    cr_assert_eq(engine_alive(), 2);
    cr_assert_eq(engine.streams, 2, "its events are heard again");
}

Test(recovery, what_ended_with_the_engine_leaves_the_proxy_before_anything_starts)
{
    rig.has_feed = true;
    begin();
    rig_publish(ID, rig_seen(ID)->address, ENDPOINT_ACTIVE);
    rig_run_ms(50);
    cr_assert_str_eq(rig.fed, ID ":active");
    engine.down = true;
    engine_cut_events();
    engine_find("web-0")->state = ORCH_CONTAINER_EXITED;
    rig_want("web-1-aaaaaa", 1, ASSIGNED_RUN);
    rig_send(false);
    rig_run_ms(5000);
    rig.hold_feed = true;
    engine.down = false;
    rig_run_ms(2500);
    cr_assert_str_eq(rig.fed, "");
    cr_assert_eq(engine.starts, 1, "its address may be given to the next");
    rig_feed_acknowledge();
    rig_run_ms(2000);
    cr_assert_eq(engine.starts, 3);
}

Test(recovery, an_engine_that_is_down_at_the_start_is_waited_for)
{
    engine.down = true;
    rig_start();
    rig_run_ms(10000);
    engine.down = false;
    rig_run_ms(2000);
    assign(1);
    rig_run_ms(2000);
    cr_assert(rig_seen(ID)->ready);
}

Test(recovery, a_new_connection_begins_with_everything)
{
    begin();
    memset(rig.seen, 0, sizeof rig.seen);
    rig.seen_count = rig.full_reports = rig.introductions = 0;
    rig_link();
    rig_run_ms(200);
    cr_assert_eq(rig.introductions, 1);
    cr_assert_eq(rig.full_reports, 1);
    cr_assert(rig_seen(ID)->ready);
}

Test(recovery, killed_at_any_moment_it_neither_loses_nor_doubles)
{
    for (unsigned ms = 0; ms < 60; ms++) {
        if (ms) {
            rig_teardown();
            rig_setup();
        }
        rig_start();
        for (int i = 0; i < 6; i++) {
            char id[32];
            snprintf(id, sizeof id, "web-%d-aaaaaa", i);
            rig_want(id, 1, ASSIGNED_RUN);
        }
        rig_send(true);
        (void)loop_run_until(rig.loop, loop_now_ns(rig.loop) + ms * 150000);
        rig_stop();
        rig_start();
        for (int i = 0; i < 6; i++) {
            char id[32];
            snprintf(id, sizeof id, "web-%d-aaaaaa", i);
            rig_want(id, 1, ASSIGNED_RUN);
        }
        rig_send(true);
        rig_run_ms(3000);
        cr_assert_eq(engine_alive(), 6, "killed after %u x 150 us: %u alive", ms, engine_alive());
        cr_assert_eq(engine.count, 6);
    }
}
