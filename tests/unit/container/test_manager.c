/* From agents' reports to records and soft state. */
#include "store/event.h"
#include "unit/server/rig.h"
#include "unit/store/scripted_store.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct rig_node *node;
static char id[80];

static const struct container *find(void)
{
    return container_manager_find(rig.server->containers, id);
}

static const struct container_status *status(void)
{
    cr_assert_not_null(find());
    return container_manager_status(rig.server->containers, find());
}

/* One container that runs on the first of two nodes. */
static void setup(void)
{
    rig_begin();
    node = rig_add_node("node-1", 4000, "a");
    cr_assert_eq(rig_write(rig_deployment("web", "app:1", 1)), ERROR_NONE);
    rig_run_ms(500);
    snprintf(id, sizeof id, "%s", rig_first("web")->id);
    rig_add_node("node-2", 4000, "b");
}

TestSuite(container_manager, .init = setup, .fini = rig_end, .timeout = 60);

Test(container_manager, what_an_agent_says_is_shown)
{
    cr_assert_eq(status()->state, CONTAINER_RUNNING);
    cr_assert(status()->ready);
    cr_assert_gt(status()->ready_since_ns, 0);
    uint64_t seq = status()->seq, record_seq = find()->record.seq;
    rig_report(node, &(struct reported_container){.id = id,
                                                  .incarnation = 1,
                                                  .state = CONTAINER_EXITED,
                                                  .reason = "CrashLoop",
                                                  .message = "it ends all the time",
                                                  .exit_code = 3,
                                                  .finished_at_ms = 77,
                                                  .next_start_at_ms = 99});
    cr_assert_eq(status()->state, CONTAINER_EXITED);
    cr_assert_not(status()->ready);
    cr_assert_eq(status()->ready_since_ns, 0);
    cr_assert_str_eq(status()->reason, "CrashLoop");
    cr_assert_str_eq(status()->message, "it ends all the time");
    cr_assert_eq(status()->exit_code, 3);
    cr_assert_eq(status()->next_start_at_ms, 99);
    cr_assert_gt(status()->seq, seq);
    cr_assert_eq(find()->record.seq, record_seq, "nothing durable has changed");
}

Test(container_manager, the_last_ten_ends_are_kept_latest_first)
{
    for (int64_t i = 1; i <= 13; i++) {
        const struct container_end end = {.at_ms = i, .exit_code = i, .reason = "ContainerExited"};
        rig_report(node, &(struct reported_container){.id = id,
                                                      .incarnation = i + 1,
                                                      .restarts = i,
                                                      .state = CONTAINER_RUNNING,
                                                      .ready = true,
                                                      .address = "10.0.0.1",
                                                      .exit_code = NUMBER_NULL,
                                                      .ends = {&end, 1}});
    }
    cr_assert_eq(find()->ends.count, CONTAINER_ENDS);
    for (uint32_t i = 0; i < CONTAINER_ENDS; i++)
        cr_assert_eq(LIST_AT(find()->ends, struct container_end, i)->exit_code, 13 - (int64_t)i);
    cr_assert_eq(find()->restarts, 13);
    cr_assert_eq(find()->incarnation, 14);
    cr_assert_eq(rig_status("web").restarts, 13);
    cr_assert_not_null(strstr(rig_event("ContainerExited")->message, "exit code 13"));
}

Test(container_manager, counts_never_go_back)
{
    const struct reported_container high = {.id = id,
                                            .incarnation = 5,
                                            .restarts = 4,
                                            .state = CONTAINER_RUNNING,
                                            .exit_code = NUMBER_NULL};
    struct reported_container low = high;
    rig_report(node, &high);
    low.incarnation = low.restarts = 2;
    rig_report(node, &low);
    cr_assert_eq(find()->incarnation, 5);
    cr_assert_eq(find()->restarts, 4);
}

Test(container_manager, an_end_by_a_signal_is_put_into_words)
{
    const struct container_end end = {
        .exit_code = NUMBER_NULL, .signal = "SIGKILL", .oom = true, .reason = "OOMKilled"};
    rig_report(node, &(struct reported_container){.id = id,
                                                  .incarnation = 1,
                                                  .state = CONTAINER_FAILED,
                                                  .exit_code = NUMBER_NULL,
                                                  .ends = {&end, 1}});
    cr_assert(find()->failed);
    const struct event *event = rig_event("OOMKilled");
    cr_assert_not_null(event);
    cr_assert_not_null(strstr(event->message, "by SIGKILL"), "%s", event->message);
    cr_assert_not_null(strstr(event->message, "makes no other"), "%s", event->message);
    cr_assert_eq(rig_status("web").failed, 1);
    cr_assert_eq(rig_count("web"), 1, "it keeps its slot");
}

Test(container_manager, who_holds_a_name_is_told_once)
{
    struct reported_container waiting = {.id = id,
                                         .incarnation = 1,
                                         .state = CONTAINER_SCHEDULED,
                                         .reason = "NameTaken",
                                         .message = "container 0123 has the name",
                                         .exit_code = NUMBER_NULL};
    rig_report(node, &waiting);
    const struct event *event = rig_event("NameTaken");
    cr_assert_not_null(event);
    cr_assert_str_eq(event->message, "container 0123 has the name");
    uint64_t told = event->record.seq;
    waiting.state = CONTAINER_CREATING;
    rig_report(node, &waiting);
    cr_assert_eq(rig_event("NameTaken")->record.seq, told);
}

Test(container_manager, what_nobody_wants_is_told_so_again)
{
    rig_report(node, &(struct reported_container){
                         .id = "web-7-zzzzzz", .incarnation = 1, .state = CONTAINER_RUNNING});
    rig_report(node, &(struct reported_container){.id = "no id at all", .state = 1});
    cr_assert_null(container_manager_find(rig.server->containers, "web-7-zzzzzz"));
    cr_assert_null(container_manager_find(rig.server->containers, "no id at all"));
}

Test(container_manager, another_nodes_word_does_not_count)
{
    rig_report(&rig.nodes[1],
               &(struct reported_container){.id = id, .incarnation = 9, .state = CONTAINER_FAILED});
    cr_assert_eq(status()->state, CONTAINER_RUNNING);
    cr_assert_eq(find()->incarnation, 1);
    cr_assert_not(find()->failed);
    rig_report_gone(&rig.nodes[1], id);
    rig_run_ms(100);
    cr_assert_not_null(find());
    cr_assert(status()->ready);
}

Test(container_manager, one_removed_behind_our_back_is_made_anew_at_once)
{
    rig_report_gone(node, id);
    rig_run_ms(500);
    cr_assert_null(find());
    cr_assert_eq(rig_count("web"), 1);
    cr_assert_eq(rig_first("web")->slot, 0);
    cr_assert_str_neq(rig_first("web")->id, id);
    cr_assert_eq(rig_event("ContainerRemoved")->severity, EVENT_WARNING);
    rig_report_gone(node, "web-0-nobody"); /* and what never was is no news */
}

Test(container_manager, one_removed_behind_our_back_serves_no_more_while_the_store_is_full)
{
    cr_assert_eq(rig_write_service(rig_service("front", "web", "127.0.0.1:9000")), ERROR_NONE);
    rig_run_ms(100);
    cr_assert_eq(rig_active(node), 1);
    scripted.status = ORCH_E_FULL;
    scripted.prefix = 0;
    rig_report_gone(node, id);
    rig_run_ms(100);
    cr_assert_not_null(find(), "the store refused its end");
    cr_assert_not(status()->ready);
    cr_assert_str_eq(status()->reason, "ContainerRemoved");
    cr_assert_eq(rig_status("web").available, 0);
    cr_assert_eq(rig_active(node), 0, "nobody is sent there any more");
    rig_run_ms(2000);
    cr_assert_null(find(), "it is tried again");
    cr_assert_eq(rig_status("web").available, 1);
}

/* The deletion that waits for the store must find nothing that runs. */
Test(container_manager, one_said_to_be_gone_is_not_wanted_again_while_the_store_is_full)
{
    scripted.status = ORCH_E_FULL;
    scripted.prefix = 0;
    rig_report_gone(node, id);
    rig_disconnect(node);
    rig_connect(node);
    rig_run_ms(500);
    cr_assert_not_null(find(), "the store refused its end");
    rig_report(node, &(struct reported_container){
                         .id = id, .incarnation = 2, .state = CONTAINER_SCHEDULED});
    struct assigned_container assigned;
    container_manager_fill_assigned(rig.server->containers, find(), &assigned);
    cr_assert_eq(assigned.intent, ASSIGNED_DRAIN);
    cr_assert_str_eq(status()->reason, "ContainerRemoved");
    rig_run_ms(2000);
    cr_assert_null(find(), "it is tried again");
    cr_assert_eq(rig_status("web").available, 1);
}

Test(container_manager, the_ends_of_a_slot_go_along_with_it)
{
    const struct container_end end = {.exit_code = 5, .reason = "ContainerExited"};
    rig_report(node, &(struct reported_container){.id = id,
                                                  .incarnation = 2,
                                                  .restarts = 1,
                                                  .state = CONTAINER_RUNNING,
                                                  .ready = true,
                                                  .address = "10.0.0.1",
                                                  .exit_code = NUMBER_NULL,
                                                  .ends = {&end, 1}});
    cr_assert_eq(rig_write(rig_deployment("web", "app:2", 1)), ERROR_NONE);
    rig_run_ms(5000);
    cr_assert_str_neq(rig_first("web")->id, id);
    cr_assert_eq(rig_first("web")->ends.count, 1);
}

Test(container_manager, those_of_a_lost_node_are_lost_and_known_again_when_it_is_back)
{
    node->silent = true;
    rig_run_ms(16000);
    cr_assert_eq(node_registry_status(rig.server->nodes, "node-1")->state, NODE_LOST);
    if (find()) {
        cr_assert_eq(status()->state, CONTAINER_LOST);
        cr_assert_str_eq(status()->reason, "NodeLost");
        cr_assert_not(status()->ready);
    }
    rig_run_ms(2000);
    cr_assert_eq(rig_status("web").available, 1, "another has taken its place");
    node->silent = false;
    rig_disconnect(node);
    rig_connect(node);
    rig_run_ms(10000);
    cr_assert_eq(rig_count("web"), 1);
    cr_assert_eq(rig_status("web").available, 1);
}

Test(container_manager, a_full_report_says_what_is_not_there)
{
    rig_container_of(node, "web")->here = false; /* its engine has lost it */
    rig_disconnect(node);
    rig_connect(node);
    rig_run_ms(500);
    cr_assert_not_null(find(), "absent is not deleted: it is made again");
    cr_assert_eq(status()->state, CONTAINER_RUNNING);
}

Test(container_manager, states_are_counted)
{
    int64_t by_state[16];
    container_manager_count(rig.server->containers, by_state);
    cr_assert_eq(by_state[CONTAINER_RUNNING], 1);
    rig_delete("web");
    rig_run_ms(3000);
    container_manager_count(rig.server->containers, by_state);
    for (int state = CONTAINER_PENDING; state <= CONTAINER_LOST; state++)
        cr_assert_eq(by_state[state], 0, "state %d", state);
}

/* -- commands -- */

static enum error_code delete_container(const char *which)
{
    return rig_answer(container_manager_delete(rig.server->containers, which, &rig_request,
                                               rig_done, NULL, &rig.error));
}

static enum error_code restart_container(const char *which)
{
    return rig_answer(container_manager_restart(rig.server->containers, which, &rig_request,
                                                rig_done, NULL, &rig.error));
}

Test(container_manager, a_deleted_one_drains_and_another_takes_its_place)
{
    node->silent = true;
    cr_assert_eq(delete_container(id), ERROR_NONE);
    cr_assert_eq(status()->state, CONTAINER_STOPPING);
    cr_assert_str_eq(find()->stop_reason, "Deleted");
    cr_assert_eq(delete_container(id), ERROR_NONE, "again is fine");
    cr_assert_eq(restart_container(id), ERROR_INVALID_STATE);
    node->silent = false;
    rig_disconnect(node);
    rig_connect(node);
    rig_run_ms(3000);
    cr_assert_null(find());
    cr_assert_eq(rig_status("web").available, 1);
    cr_assert_eq(node->stops, 1);
    cr_assert_eq(delete_container(id), ERROR_NOT_FOUND);
}

Test(container_manager, a_restarted_one_keeps_its_record)
{
    cr_assert_eq(restart_container(id), ERROR_NONE);
    rig_run_ms(500);
    cr_assert_eq(find()->incarnation, 2);
    cr_assert_eq(rig_container_of(node, "web")->incarnation, 2);
    cr_assert_eq(status()->state, CONTAINER_RUNNING);
    cr_assert_eq(find()->restarts, 0);
    cr_assert_eq(restart_container("web-9-bcdfgh"), ERROR_NOT_FOUND);
    cr_assert_eq(restart_container("nonsense"), ERROR_NOT_FOUND);
}

Test(container_manager, a_restart_wakes_one_that_had_failed_for_good)
{
    rig_report(node, &(struct reported_container){
                         .id = id, .incarnation = 1, .state = CONTAINER_FAILED, .exit_code = 1});
    cr_assert(find()->failed);
    cr_assert_eq(restart_container(id), ERROR_NONE);
    rig_run_ms(500);
    cr_assert_not(find()->failed);
    cr_assert_eq(status()->state, CONTAINER_RUNNING);
}

Test(container_manager, one_on_its_way_out_goes_on_after_a_restart_of_the_server)
{
    node->drains_nothing = true;
    rig_write_service(rig_service("web", "web", "127.0.0.1:80"));
    rig_run_ms(100);
    delete_container(id);
    rig_run_ms(100);
    rig_restart_server();
    cr_assert_eq(status()->state, CONTAINER_STOPPING);
    node->drains_nothing = false;
    rig_run_ms(60000);
    cr_assert_null(find());
    cr_assert_eq(rig_status("web").available, 1);
}

Test(container_manager, ids_have_parts)
{
    static const struct {
        const char *id, *deployment;
        int64_t slot;
    } cases[] = {{"web-1-k3x9q2", "web", 1},
                 {"my-web-12-bcdfgh", "my-web", 12},
                 {"web-bcdfgh", NULL, 0},
                 {"web-x-bcdfgh", NULL, 0},
                 {"-1-bcdfgh", NULL, 0},
                 {"", NULL, 0},
                 {"web", NULL, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char deployment[80] = "";
        int64_t slot = -1;
        bool good = container_id_parse(cases[i].id, deployment, &slot);
        cr_expect_eq(good, cases[i].deployment != NULL, "\"%s\"", cases[i].id);
        if (!good || !cases[i].deployment)
            continue;
        cr_expect_str_eq(deployment, cases[i].deployment);
        cr_expect_eq(slot, cases[i].slot);
    }
}
