/* list and stats: the truth, whole or not at all, and with few calls. */
#include "unit/docker/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(docker_lists, .init = rig_open, .fini = rig_close, .timeout = 60);

#define OURS "{\"test.cluster\":\"c1\"}"
enum { BURST = 20, IN_FLIGHT = 8 };

/* -- how many calls -- */

struct making {
    char name[32], id[72];
    struct seen created, started;
    bool start_sent;
};

/* As the agent does it: so many at a time, each created, then started. */
static bool go_on(void *argument)
{
    struct making *all = argument;
    unsigned begun = 0, ended = 0;
    for (unsigned i = 0; i < BURST; i++) {
        struct making *one = &all[i];
        ended += one->started.ends > 0;
        if (one->created.ends && !one->start_sent) {
            cr_assert_eq(one->created.status, ORCH_OK, "%s", one->created.message);
            snprintf(one->id, sizeof one->id, "%s", one->created.text);
            one->start_sent = true;
            begin_start(&one->started, one->id);
        }
        if (!one->name[0] && begun - ended < IN_FLIGHT) {
            snprintf(one->name, sizeof one->name, "web-%u", i);
            const struct orch_task task = rig_task(one->name);
            begin_create(&one->created, &task);
        }
        begun += one->name[0] != 0;
    }
    return ended == BURST;
}

Test(docker_lists, a_burst_of_20_costs_a_create_and_a_start_each_and_one_list)
{
    static struct making all[BURST];
    struct seen events = {0};
    begin_events(&events);
    cr_assert_eq(do_list(), ORCH_OK);
    cr_assert(fake_docker_await(fake, "GET /events", 1, 5000));
    fake_docker_calls_clear(fake);
    cr_assert(rig_until(go_on, all, 20000));
    rig_run(200); /* what events there are have come */
    cr_assert_eq(events.changes + events.all_changed, 0, "what we do ourselves is no news");
    cr_assert_eq(do_list(), ORCH_OK, "%s", last.message);
    cr_assert_eq(last.count, BURST);
    for (unsigned i = 0; i < BURST; i++) {
        cr_assert_eq(last.views[i].state, ORCH_CONTAINER_RUNNING);
        cr_assert_neq(last.views[i].started_at_ms, 0);
        cr_assert(last.views[i].address[0]);
    }
    cr_assert_eq(fake_docker_calls(fake, "POST /containers/create"), BURST);
    cr_assert_eq(fake_docker_calls(fake, "POST /containers/*/start"), BURST);
    cr_assert_eq(fake_docker_calls(fake, "GET /containers/json"), 1);
    cr_assert_eq(fake_docker_calls(fake, "*"), 2 * BURST + 1, "and not one call more");
    cr_assert_eq(do_list(), ORCH_OK);
    cr_assert_eq(fake_docker_calls(fake, "*"), 2 * BURST + 2);
    seen_finish(&events);
}

Test(docker_lists, an_end_is_inspected_once)
{
    char ids[5][72];
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "web-%d", i);
        rig_running(name, ids[i]);
        fake_docker_exit(fake, ids[i], 10 + i, i == 4);
    }
    fake_docker_calls_clear(fake);
    cr_assert_eq(do_list(), ORCH_OK, "%s", last.message);
    cr_assert_eq(fake_docker_calls(fake, "GET /containers/*/json"), 5);
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(last.views[i].state, ORCH_CONTAINER_EXITED);
        cr_assert_eq(last.views[i].exit_code, 10 + i);
        cr_assert(last.views[i].flags & ORCH_CONTAINER_HAS_EXIT_CODE);
        cr_assert_eq((last.views[i].flags & ORCH_CONTAINER_OOM) != 0, i == 4);
        cr_assert_neq(last.views[i].finished_at_ms, 0);
        cr_assert_geq(last.views[i].finished_at_ms, last.views[i].started_at_ms);
    }
    cr_assert_eq(do_list(), ORCH_OK);
    cr_assert_eq(last.views[0].exit_code, 10);
    cr_assert_eq(fake_docker_calls(fake, "GET /containers/*/json"), 5);
}

Test(docker_lists, an_end_after_another_start_is_inspected_anew)
{
    char id[72];
    rig_running("web-1", id);
    fake_docker_exit(fake, id, 1, false);
    cr_assert_eq(do_list(), ORCH_OK);
    cr_assert_eq(last.views[0].exit_code, 1);
    cr_assert_eq(do_start(id), ORCH_OK);
    fake_docker_exit(fake, id, 2, false);
    cr_assert_eq(do_list(), ORCH_OK);
    cr_assert_eq(last.views[0].exit_code, 2);
    fake_docker_start_container(fake, id); /* behind our back */
    cr_assert_eq(do_list(), ORCH_OK);
    cr_assert_eq(last.views[0].state, ORCH_CONTAINER_RUNNING);
    fake_docker_exit(fake, id, 3, false);
    cr_assert_eq(do_list(), ORCH_OK);
    cr_assert_eq(last.views[0].exit_code, 3);
}

Test(docker_lists, since_when_one_runs_that_others_started_is_asked_once)
{
    char id[65];
    fake_docker_container(fake, "old-1", OURS, id);
    fake_docker_start_container(fake, id);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(do_list(), ORCH_OK);
        cr_assert_neq(last.views[0].started_at_ms, 0);
    }
    cr_assert_eq(fake_docker_calls(fake, "GET /containers/*/json"), 1);
}

Test(docker_lists, since_when_one_runs_is_known_from_its_start_event)
{
    struct seen events = {0};
    char id[65];
    begin_events(&events);
    cr_assert_eq(do_info(), ORCH_OK);
    cr_assert(fake_docker_await(fake, "GET /events", 1, 5000));
    fake_docker_container(fake, "old-1", OURS, id);
    fake_docker_start_container(fake, id);
    rig_run(300);
    cr_assert_eq(events.changes, 1, "somebody else started it: that is news");
    cr_assert_str_eq(events.changed, id);
    cr_assert_eq(do_list(), ORCH_OK);
    cr_assert_neq(last.views[0].started_at_ms, 0);
    cr_assert_eq(fake_docker_calls(fake, "GET /containers/*/json"), 0);
    seen_finish(&events);
}

/* -- what a list tells -- */

Test(docker_lists, only_what_carries_the_labels_is_told)
{
    char id[72];
    fake_docker_container(fake, "theirs", "{\"test.cluster\":\"c2\"}", NULL);
    fake_docker_container(fake, "nobodys", "{}", NULL);
    rig_running("web-1", id);
    cr_assert_eq(do_list(), ORCH_OK);
    cr_assert_eq(last.count, 1);
    cr_assert_str_eq(last.views[0].id, id);
    cr_assert_str_eq(last.views[0].name, "web-1");
    cr_assert_neq(last.views[0].created_at_ms, 0);
}

Test(docker_lists, by_ids_only_those_are_told)
{
    char one[72], two[72];
    rig_running("web-1", one);
    rig_running("web-2", two);
    const char *const ids[] = {two, "00000000000000000000"};
    cr_assert_eq(do_list_ids(ids, 2), ORCH_OK);
    cr_assert_eq(last.count, 1);
    cr_assert_str_eq(last.views[0].id, two);
    const char *many[200];
    for (int i = 0; i < 200; i++)
        many[i] = one; /* too many for a filter: all are asked for, and the rest left out */
    cr_assert_eq(do_list_ids(many, 200), ORCH_OK);
    cr_assert_eq(last.count, 1);
    cr_assert_str_eq(last.views[0].id, one);
}

#define ID "\"Id\":\"aaaaaaaaaaaaaaaaaaaaaaaa\""

Test(docker_lists, states_and_addresses_are_translated)
{
    static const struct {
        const char *item, *address;
        uint32_t state;
    } rows[] = {
        {"\"State\":\"created\"", "", ORCH_CONTAINER_CREATED},
        {"\"State\":\"removing\"", "", ORCH_CONTAINER_REMOVING},
        {"\"State\":\"on holiday\"", "", ORCH_CONTAINER_UNKNOWN},
        {"\"State\":\"paused\",\"NetworkSettings\":{\"Networks\":{\"bridge\":{\"IPAddress\":"
         "\"172.17.0.2\"}}}",
         "172.17.0.2", ORCH_CONTAINER_RUNNING},
        {"\"State\":\"running\",\"NetworkSettings\":{\"Networks\":{\"other\":{\"IPAddress\":"
         "\"10.0.0.1\"},\"bridge\":{\"IPAddress\":\"172.17.0.2\"}}}",
         "172.17.0.2", ORCH_CONTAINER_RUNNING},
        {"\"State\":\"running\",\"NetworkSettings\":{\"Networks\":{\"other\":{\"IPAddress\":"
         "\"\",\"GlobalIPv6Address\":\"fd00::2\"}}}",
         "fd00::2", ORCH_CONTAINER_RUNNING},
        {"\"State\":\"running\",\"NetworkSettings\":null,\"Labels\":null,\"Names\":null", "",
         ORCH_CONTAINER_RUNNING}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char body[400];
        snprintf(body, sizeof body, "[{" ID ",%s}]", rows[i].item);
        fake_docker_fault(
            fake,
            &(struct fake_fault){.call = "GET /containers/json", .how = FAKE_REPLY, .body = body});
        fake_docker_fault(fake, &(struct fake_fault){.call = "GET /containers/*/json",
                                                     .how = FAKE_REPLY,
                                                     .status = 500});
        cr_expect_eq(do_list(), ORCH_OK, "%s: %s", rows[i].item, last.message);
        cr_expect_eq(last.views[0].state, rows[i].state, "%s", rows[i].item);
        cr_expect_str_eq(last.views[0].address, rows[i].address, "%s", rows[i].item);
        fake_docker_faults_clear(fake);
    }
}

Test(docker_lists, nonsense_is_an_error_and_no_crash)
{
    static const char *const bodies[] = {"{}",
                                         "null",
                                         "[",
                                         "",
                                         "[7]",
                                         "[{}]",
                                         "[{\"Id\":7,\"State\":\"running\"}]",
                                         "[{\"Id\":\"../x\",\"State\":\"running\"}]",
                                         "[{" ID "}]",
                                         "[{" ID ",\"State\":7}]",
                                         "[{" ID ",\"State\":\"created\",\"Labels\":[]}]",
                                         "[{" ID ",\"State\":\"created\",\"Labels\":{\"a\":1}}]",
                                         "[{" ID ",\"State\":\"created\",\"Names\":\"x\"}]",
                                         "[{" ID ",\"State\":\"created\",\"Created\":\"x\"}]"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        fake_docker_fault(fake, &(struct fake_fault){.call = "GET /containers/json",
                                                     .how = FAKE_REPLY,
                                                     .body = bodies[i]});
        cr_expect_eq(do_list(), ORCH_E_IO, "%s: %d", bodies[i], last.status);
    }
}

static const struct row {
    const char *name;
    struct fake_fault fault; /* of the list, or of the inspect of one that ended */
    orch_status status;
} rows[] = {
    {"list 500",
     {.call = "GET /containers/json", .how = FAKE_REPLY, .status = 500},
     ORCH_E_INTERNAL},
    {"list 503",
     {.call = "GET /containers/json", .how = FAKE_REPLY, .status = 503},
     ORCH_E_UNAVAILABLE},
    {"list closed", {.call = "GET /containers/json", .how = FAKE_CLOSE}, ORCH_E_UNAVAILABLE},
    {"list cut", {.call = "GET /containers/json", .how = FAKE_TRUNCATE}, ORCH_E_UNAVAILABLE},
    {"inspect 500",
     {.call = "GET /containers/*/json", .how = FAKE_REPLY, .status = 500},
     ORCH_E_INTERNAL},
    {"inspect closed", {.call = "GET /containers/*/json", .how = FAKE_CLOSE}, ORCH_E_UNAVAILABLE},
    {"inspect cut", {.call = "GET /containers/*/json", .how = FAKE_TRUNCATE}, ORCH_E_UNAVAILABLE},
    {"inspect no JSON",
     {.call = "GET /containers/*/json", .how = FAKE_REPLY, .body = "}"},
     ORCH_E_IO},
    {"inspect of another",
     {.call = "GET /containers/*/json",
      .how = FAKE_REPLY,
      .body = "{\"Id\":\"b\",\"Name\":\"/x\",\"State\":{\"Status\":\"exited\"}}"},
     ORCH_E_IO},
    {"inspect wrong types",
     {.call = "GET /containers/*/json",
      .how = FAKE_REPLY,
      .body =
          "{\"Id\":\"b\",\"Name\":\"/x\",\"State\":{\"Status\":\"exited\",\"ExitCode\":\"0\"}}"},
     ORCH_E_IO}};

Test(docker_lists, a_list_that_is_not_whole_is_none)
{
    char id[72];
    rig_running("web-1", id);
    fake_docker_exit(fake, id, 1, false);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake_docker_fault(fake, &rows[i].fault);
        cr_expect_eq(do_list(), rows[i].status, "%s: %d %s", rows[i].name, last.status,
                     last.message);
    }
    cr_assert_eq(do_list(), ORCH_OK);
    cr_assert_eq(last.views[0].exit_code, 1);
}

Test(docker_lists, one_that_goes_while_it_is_asked_about_is_left_out)
{
    char id[72], other[72];
    rig_running("web-1", id);
    rig_running("web-2", other);
    fake_docker_exit(fake, id, 1, false);
    fake_docker_fault(
        fake,
        &(struct fake_fault){.call = "GET /containers/*/json", .how = FAKE_REPLY, .status = 404});
    cr_assert_eq(do_list(), ORCH_OK);
    cr_assert_eq(last.count, 1);
    cr_assert_str_eq(last.views[0].id, other);
}

Test(docker_lists, a_running_one_that_can_not_be_inspected_does_not_hold_up_the_rest)
{
    char id[65];
    fake_docker_container(fake, "old-1", OURS, id);
    fake_docker_start_container(fake, id);
    fake_docker_fault(fake, &(struct fake_fault){
                                .call = "GET /containers/*/json", .how = FAKE_HANG, .times = 100});
    uint64_t begun = loop_now_ns(loop);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(do_list(), ORCH_OK, "%s", last.message);
        cr_assert_eq(last.views[0].state, ORCH_CONTAINER_RUNNING);
        cr_assert_eq(last.views[0].started_at_ms, 0, "not known");
    }
    cr_assert_lt(loop_now_ns(loop) - begun, 5 * NS_PER_SECOND, "it is tried once a minute");
}

Test(docker_lists, a_long_one_is_read_aside)
{
    for (int i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof name, "web-%d", i);
        fake_docker_container(fake, name, OURS, NULL);
    }
    cr_assert_eq(do_list(), ORCH_OK, "%s", last.message);
    cr_assert_eq(last.count, 300);
    cr_assert_str_eq(last.views[63].name, "web-63");
    rig_deadline_ms = 1; /* it is given up while it is read, or before */
    for (int i = 0; i < 10; i++)
        (void)do_list();
    rig_deadline_ms = 0;
    cr_assert_eq(do_list(), ORCH_OK);
    cr_assert_eq(last.count, 300);
}

/* -- stats -- */

Test(docker_lists, stats_leave_out_what_does_not_run)
{
    char one[72], two[72], three[72];
    rig_running("web-1", one);
    rig_running("web-2", two);
    rig_running("web-3", three);
    fake_docker_exit(fake, two, 0, false);
    fake_docker_destroy(fake, three);
    const char *const ids[] = {two, three, one};
    cr_assert_eq(do_stats(ids, 3), ORCH_OK, "%s", last.message);
    cr_assert_eq(last.count, 1);
    cr_assert_eq(last.stats[0].cpu_ns, 1234567890);
    cr_assert_eq(last.stats[0].memory_bytes, 2000000);
    cr_assert_eq(last.stats[0].memory_limit_bytes, 64 << 20);
    cr_assert_eq(last.stats[0].network_in_bytes, 100);
    cr_assert_eq(last.stats[0].network_out_bytes, 200);
    cr_assert_eq(last.stats[0].pids, 3);
    char *request = fake_docker_last(fake, "GET /containers/*/stats", NULL);
    cr_assert(strstr(request, "?stream=0&one-shot=1"), "%s", request);
    free(request);
    cr_assert_eq(do_stats(NULL, 0), ORCH_OK);
    cr_assert_eq(last.count, 0);
}

Test(docker_lists, stats_bear_figures_beyond_63_bits_and_wrong_types)
{
    char id[72];
    rig_running("web-1", id);
    const char *const ids[] = {id};
    fake_docker_fault(
        fake, &(struct fake_fault){
                  .call = "GET /containers/*/stats",
                  .how = FAKE_REPLY,
                  .body = "{\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":5}},\"memory_stats\":{"
                          "\"usage\":7,\"limit\":18446744073709551615},\"networks\":[],"
                          "\"pids_stats\":{\"current\":\"many\"}}"});
    cr_assert_eq(do_stats(ids, 1), ORCH_OK, "%s", last.message);
    cr_assert_eq(last.count, 1);
    cr_assert_eq(last.stats[0].cpu_ns, 5);
    cr_assert_eq(last.stats[0].pids, 0);
    fake_docker_fault(fake, &(struct fake_fault){
                                .call = "GET /containers/*/stats", .how = FAKE_REPLY, .body = "["});
    cr_assert_eq(do_stats(ids, 1), ORCH_E_IO);
    fake_docker_fault(fake,
                      &(struct fake_fault){.call = "GET /containers/*/stats", .how = FAKE_CLOSE});
    cr_assert_eq(do_stats(ids, 1), ORCH_E_UNAVAILABLE);
}
