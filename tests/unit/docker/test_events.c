/* events: hints, and never more than that. */
#include "unit/docker/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct seen events;
static uint64_t stream;

static void watch(void)
{
    stream = begin_events(&events);
    cr_assert_eq(do_info(), ORCH_OK);
    cr_assert(fake_docker_await(fake, "GET /events", 1, 5000));
}

static void close_events(void)
{
    seen_finish(&events);
    rig_close();
}

TestSuite(docker_events, .init = rig_open, .fini = close_events, .timeout = 30);

static unsigned wanted;
static bool enough(void *argument)
{
    (void)argument;
    return events.changes + events.all_changed >= wanted || events.ends;
}

static void await_changes(unsigned count)
{
    wanted = count;
    cr_assert(rig_until(enough, NULL, 5000), "%u changes", events.changes);
}

#define OURS "{\"test.cluster\":\"c1\"}"

Test(docker_events, what_others_do_to_our_containers_is_told)
{
    char id[72];
    rig_running("web-1", id);
    watch();
    fake_docker_exit(fake, id, 1, false);
    await_changes(1);
    cr_assert_str_eq(events.changed, id);
    fake_docker_start_container(fake, id); /* by hand */
    await_changes(2);
    fake_docker_exit(fake, id, 1, false);
    fake_docker_destroy(fake, id);
    await_changes(4);
    cr_assert_eq(events.changes, 4);
    cr_assert_eq(events.all_changed, 0);
    cr_assert_eq(events.ends, 0);
}

Test(docker_events, what_happens_to_others_containers_is_not)
{
    char id[65], ours[65];
    watch();
    fake_docker_container(fake, "theirs", "{\"test.cluster\":\"c2\"}", id);
    fake_docker_start_container(fake, id);
    fake_docker_exit(fake, id, 1, false);
    fake_docker_container(fake, "ours", OURS, ours);
    fake_docker_start_container(fake, ours);
    await_changes(1);
    cr_assert_str_eq(events.changed, ours);
    cr_assert_eq(events.changes, 1);
}

Test(docker_events, subscribing_goes_back_a_second_and_by_label)
{
    watch();
    long long since = 0;
    char *request = fake_docker_last(fake, "GET /events", NULL);
    cr_assert_eq(sscanf(request, "GET /v1.41/events?since=%lld", &since), 1, "%s", request);
    cr_assert_leq(since, (long long)time(NULL) - 1);
    cr_assert_geq(since, (long long)time(NULL) - 10);
    cr_assert(strstr(request, "test.cluster%3Dc1"), "%s", request);
    cr_assert(strstr(request, "%22container%22"), "%s", request);
    free(request);
}

Test(docker_events, a_repetition_is_told_once)
{
    char id[65];
    fake_docker_events_repeat(fake, 1);
    watch();
    fake_docker_container(fake, "ours", OURS, id);
    fake_docker_start_container(fake, id);
    fake_docker_exit(fake, id, 1, false);
    await_changes(2);
    rig_run(100);
    cr_assert_eq(events.changes, 2);
}

Test(docker_events, a_cut_stream_ends_it_and_another_can_be_opened)
{
    watch();
    fake_docker_events_cut(fake);
    cr_assert(rig_ended(&events, 5000));
    cr_assert_eq(events.status, ORCH_E_UNAVAILABLE);
    seen_finish(&events);
    fake_docker_calls_clear(fake);
    watch();
    cr_assert_eq(fake_docker_calls(fake, "GET /_ping"), 1, "the engine may be another version now");
    cr_assert_eq(events.ends, 0);
}

Test(docker_events, an_engine_that_goes_ends_it)
{
    watch();
    fake_docker_go_away(fake);
    cr_assert(rig_ended(&events, 5000));
    cr_assert_eq(events.status, ORCH_E_UNAVAILABLE);
    seen_finish(&events);
    begin_events(&events);
    cr_assert(rig_ended(&events, 5000));
    cr_assert_eq(events.status, ORCH_E_UNAVAILABLE);
    fake_docker_come_back(fake);
}

Test(docker_events, silence_is_no_end)
{
    watch();
    rig_run(1000);
    cr_assert_eq(events.ends, 0);
}

static const struct row {
    struct fake_fault fault;
    orch_status status;
} rows[] = {{{.how = FAKE_REPLY, .body = "nonsense\n"}, ORCH_E_IO},
            {{.how = FAKE_REPLY, .body = "[]\n"}, ORCH_E_IO},
            {{.how = FAKE_FLOOD, .bytes = 10 << 20}, ORCH_E_IO},
            {{.how = FAKE_REPLY, .body = ""}, ORCH_E_UNAVAILABLE},
            {{.how = FAKE_REPLY, .body = "{\"Type\":", .cut = true}, ORCH_E_UNAVAILABLE},
            {{.how = FAKE_REPLY, .status = 500}, ORCH_E_INTERNAL},
            {{.how = FAKE_CLOSE}, ORCH_E_UNAVAILABLE}};

Test(docker_events, a_stream_that_makes_no_sense_is_ended)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_fault fault = rows[i].fault;
        fault.call = "GET /events";
        fake_docker_fault(fake, &fault);
        begin_events(&events);
        cr_expect(rig_ended(&events, 5000), "row %zu", i);
        cr_expect_eq(events.status, rows[i].status, "row %zu: %d %s", i, events.status,
                     events.message);
        seen_finish(&events);
    }
}

Test(docker_events, one_that_is_not_understood_means_that_anything_may_have_changed)
{
    fake_docker_fault(fake, &(struct fake_fault){.call = "GET /events",
                                                 .how = FAKE_REPLY,
                                                 .body = "{\"Action\":7}\n{}\n",
                                                 .stall = true});
    watch();
    await_changes(1);
    cr_assert_eq(events.changes, 0);
    cr_assert_geq(events.all_changed, 1);
    cr_assert_eq(events.ends, 0);
}

Test(docker_events, a_subscription_that_came_late_asks_for_a_list)
{
    fake_docker_fault(fake,
                      &(struct fake_fault){.call = "GET /events", .how = FAKE_DELAY, .ms = 700});
    watch();
    await_changes(1);
    cr_assert_eq(events.all_changed, 1);
}

Test(docker_events, it_is_cancelled)
{
    watch();
    runtime_cancel(runtime, stream);
    cr_assert(rig_ended(&events, 5000));
    cr_assert_eq(events.status, ORCH_E_CANCELLED);
}
