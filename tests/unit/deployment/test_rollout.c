/* A rollout keeps its bounds, whatever strategy and ports make of it. */
#include "store/event.h"
#include "unit/deployment/rollouts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(rollout, .init = rollout_begin, .fini = rig_end, .timeout = 60);

static const struct {
    const char *what;
    int64_t replicas;
    struct amount surge, unavailable;
    int64_t most, least; /* of current, and of available, during the rollout */
} bounds[] = {
    {"one more at a time", 4, {1, false}, {0, false}, 5, 4},
    {"one less at a time", 4, {0, false}, {1, false}, 4, 3},
    {"surge rounds up", 5, {25, true}, {0, false}, 7, 5},
    {"unavailable rounds down", 5, {0, false}, {50, true}, 5, 3},
    {"all at once", 4, {100, true}, {0, false}, 8, 4},
    {"both", 6, {50, true}, {34, true}, 9, 4},
    {"percents of nothing", 2, {1, true}, {1, true}, 3, 2},
};

Test(rollout, keeps_within_its_bounds)
{
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        int64_t most = 0, least = INT64_MAX;
        if (i) {
            rig_end();
            rollout_begin();
        }
        struct deployment *wanted = rig_deployment("web", "app:1", bounds[i].replicas);
        wanted->rollout.max_surge = bounds[i].surge;
        wanted->rollout.max_unavailable = bounds[i].unavailable;
        complete(wanted);
        wanted->template.image = "app:2";
        cr_assert_eq(rig_write(wanted), ERROR_NONE);
        for (int ms = 0; ms < 10000; ms++) {
            rig_run_ms(1);
            struct deployment_status status = rig_status("web");
            most = status.current > most ? status.current : most;
            least = status.available < least ? status.available : least;
        }
        expect_phase(PHASE_COMPLETE);
        cr_expect_leq(most, bounds[i].most, "%s: %lld", bounds[i].what, (long long)most);
        cr_expect_geq(least, bounds[i].least, "%s: %lld", bounds[i].what, (long long)least);
        cr_expect_eq(rig_status("web").updated, bounds[i].replicas);
    }
}

Test(rollout, of_those_not_yet_available_one_that_is_ready_goes_last)
{
    struct deployment *wanted = rig_deployment("web", "app:1", 1);
    wanted->rollout.min_ready_ns = 60 * NS_PER_SECOND;
    rig.nodes[0].never_ready = rig.nodes[1].never_ready = true;
    cr_assert_eq(rig_write(wanted), ERROR_NONE);
    rig_run_ms(1000);
    rig.nodes[0].never_ready = rig.nodes[1].never_ready = false;
    cr_assert_eq(rig_scale("web", 2), ERROR_NONE);
    rig_run_ms(2000);
    cr_assert_eq(rig_status("web").ready, 1);
    cr_assert_eq(rig_scale("web", 1), ERROR_NONE);
    rig_run_ms(2000);
    cr_assert_eq(rig_status("web").current, 1);
    cr_assert_eq(rig_status("web").ready, 1);
}

Test(rollout, with_a_fixed_host_port_the_old_one_goes_first)
{
    struct deployment *wanted = rig_deployment("web", "app:1", 2);
    struct container_port *port = (struct container_port *)wanted->template.ports.items;
    port->host_port = 8080;
    complete(wanted);
    wanted->template.image = "app:2";
    rig_write(wanted);
    for (int ms = 0; ms < 10000; ms++) {
        rig_run_ms(1);
        cr_assert_leq(rig_status("web").current, 2);
        cr_assert_geq(rig_status("web").available, 1);
    }
    expect_phase(PHASE_COMPLETE);
}

static struct deployment *with_host_port(const char *image, int64_t replicas, int64_t host_port)
{
    struct deployment *wanted = rig_deployment("web", image, replicas);
    ((struct container_port *)wanted->template.ports.items)->host_port = host_port;
    return wanted;
}

Test(rollout, with_a_fixed_host_port_and_a_node_to_spare_the_new_one_comes_first)
{
    rig_add_node("node-3", 8000, "c");
    complete(with_host_port("app:1", 2, 8080));
    rig_write(with_host_port("app:2", 2, 8080));
    for (int ms = 0; ms < 10000; ms++) {
        rig_run_ms(1);
        cr_assert_geq(rig_status("web").available, 2);
    }
    expect_phase(PHASE_COMPLETE);
    cr_assert_null(rig_event("StopFirst"));
}

Test(rollout, that_must_stop_first_says_so)
{
    complete(with_host_port("app:1", 2, 8080));
    rig.nodes[0].drains_nothing = rig.nodes[1].drains_nothing = true;
    rig_write_service(rig_service("web", "web", "127.0.0.1:8080"));
    rig_run_ms(100);
    rig_write(with_host_port("app:2", 2, 8080));
    rig_run_ms(500);
    cr_assert_str_eq(rig_status("web").reason, "StopFirst");
    cr_assert_eq(rig_status("web").stopping, 1);
    const struct event *event = rig_event("StopFirst");
    cr_assert_not_null(event);
    cr_assert_not_null(strstr(event->message, "host port 8080"), "%s", event->message);
    rig.nodes[0].drains_nothing = rig.nodes[1].drains_nothing = false;
    rig_run_ms(60000);
    expect_phase(PHASE_COMPLETE);
    cr_assert_str_eq(rig_status("web").reason, "");
}

Test(rollout, whose_host_port_a_stranger_holds_stops_nothing)
{
    struct deployment *other = with_host_port("app:1", 2, 8080);
    other->name = "other";
    rig_write(other);
    rig_run_ms(1000);
    complete(rig_deployment("web", "app:1", 2));
    rig_write(with_host_port("app:2", 2, 8080));
    rig_run_ms(5000);
    expect_phase(PHASE_PENDING);
    cr_assert_eq(rig_status("web").available, 2);
}

Test(rollout, of_a_global_deployment_with_a_fixed_host_port_goes_node_by_node)
{
    struct deployment *wanted = with_host_port("app:1", 1, 8080);
    wanted->mode = MODE_GLOBAL;
    rig_add_node("node-3", 8000, "c");
    complete(wanted);
    wanted->template.image = "app:2";
    rig_write(wanted);
    for (int ms = 0; ms < 10000; ms++) {
        rig_run_ms(1);
        cr_assert_geq(rig_status("web").available, 2);
    }
    expect_phase(PHASE_COMPLETE);
    cr_assert_eq(rig_status("web").updated, 3);
}

Test(rollout, by_recreating_starts_none_before_the_last_old_one_is_gone)
{
    struct deployment *wanted = rig_deployment("web", "app:1", 6);
    int64_t most_stopping = 0;
    wanted->rollout.strategy = STRATEGY_RECREATE;
    complete(wanted);
    wanted->template.image = "app:2";
    rig_write(wanted);
    for (int ms = 0; ms < 5000; ms++) {
        rig_run_ms(1);
        cr_assert(!exists_of(1) || !exists_of(2), "never both");
        int64_t stopping = rig_status("web").stopping;
        most_stopping = stopping > most_stopping ? stopping : most_stopping;
    }
    expect_phase(PHASE_COMPLETE);
    cr_assert_eq(most_stopping, 6, "all at once");
    rig_scale("web", 3);
    rig_run_ms(1000);
    rig_scale("web", 5);
    rig_run_ms(1000);
    expect_phase(PHASE_COMPLETE);
}

Test(rollout, by_recreating_does_not_wait_for_what_a_lost_node_had)
{
    struct deployment *wanted = rig_deployment("web", "app:1", 4);
    wanted->rollout.strategy = STRATEGY_RECREATE;
    complete(wanted);
    rig.nodes[0].silent = true;
    wanted->template.image = "app:2";
    rig_write(wanted);
    rig_run_ms(5000);
    cr_assert(!exists_of(2), "silent is not gone");
    rig_run_ms(25000);
    cr_assert_eq(rig_status("web").available, 4);
}

Test(rollout, no_more_drain_at_once_than_max_draining)
{
    struct deployment *wanted = rig_deployment("web", "app:1", 8);
    wanted->rollout.max_surge = (struct amount){100, true};
    wanted->rollout.max_draining = (struct amount){25, true};
    complete(wanted);
    wanted->template.image = "app:2";
    rig_write(wanted);
    for (int ms = 0; ms < 5000; ms++) {
        rig_run_ms(1);
        cr_assert_leq(rig_status("web").stopping, 2);
    }
    expect_phase(PHASE_COMPLETE);
}

Test(rollout, waits_for_min_ready)
{
    struct deployment *wanted = rig_deployment("web", "app:1", 1);
    wanted->rollout.min_ready_ns = 20 * NS_PER_SECOND;
    rig_write(wanted);
    rig_run_ms(19000);
    cr_assert_eq(rig_status("web").ready, 1);
    cr_assert_eq(rig_status("web").available, 0);
    expect_phase(PHASE_PROGRESSING);
    rig_run_ms(2000);
    expect_phase(PHASE_COMPLETE);
    cr_assert_not_null(rig_event("RolloutComplete"));
    wanted->template.image = "app:2";
    rig_write(wanted);
    rig_run_ms(19000);
    cr_assert_eq(rig_count("web"), 2, "the old one stays as long as the new one is not available");
    rig_run_ms(3000);
    expect_phase(PHASE_COMPLETE);
    cr_assert_eq(rig_count("web"), 1);
}
