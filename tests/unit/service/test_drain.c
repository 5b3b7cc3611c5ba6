/* Taking a container out: out of the tables, acknowledged, drained, and only then stopped. */
#include "unit/server/rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct rig_node *node, *other;
static char id[80];

/* Two containers on the first node; the second has a proxy only. */
static void setup(void)
{
    rig_begin();
    node = rig_add_node("node-1", 4000, "a");
    struct deployment *wanted = rig_deployment("web", "app:1", 2);
    wanted->template.resources.cpu_millis = 100;
    struct service *service = rig_service("web", "web", "127.0.0.1:80");
    service->drain_timeout_ns = 30 * NS_PER_SECOND;
    cr_assert_eq(rig_write_service(service), ERROR_NONE);
    cr_assert_eq(rig_write(wanted), ERROR_NONE);
    rig_run_ms(1000);
    other = rig_add_node("node-2", 10, "b");
    rig_run_ms(1000);
    snprintf(id, sizeof id, "%s", rig_first("web")->id);
    cr_assert_eq(rig_active(node), 2);
    cr_assert_eq(rig_active(other), 2);
}

TestSuite(drain, .init = setup, .fini = rig_end, .timeout = 60);

static void delete_it(void)
{
    cr_assert_eq(rig_answer(container_manager_delete(rig.server->containers, id, &rig_request,
                                                     rig_done, NULL, &rig.error)),
                 ERROR_NONE);
}

static bool is_there(void)
{
    return rig_container_of(node, id) != NULL;
}

static uint8_t intent(void)
{
    return rig_container_of(node, id)->intent;
}

static void go_on(struct rig_node *which)
{
    loop_timer_start(&which->turn, NS_PER_MS);
    rig_run_ms(500);
}

Test(drain, it_is_stopped_only_when_every_proxy_has_let_go)
{
    node->drains_nothing = other->acknowledges_nothing = other->drains_nothing = true;
    delete_it();
    rig_run_ms(1000);
    cr_assert_eq(rig_endpoint_state(node, id), ENDPOINT_DRAINING);
    cr_assert_eq(intent(), ASSIGNED_DRAIN);
    node->drains_nothing = false;
    go_on(node);
    cr_assert_eq(intent(), ASSIGNED_DRAIN, "the other one has not acknowledged");
    other->acknowledges_nothing = false;
    go_on(other);
    cr_assert_eq(intent(), ASSIGNED_DRAIN, "nor has its work ended");
    cr_assert_eq(node->stops, 0);
    other->drains_nothing = false;
    go_on(other);
    cr_assert_not(is_there());
    cr_assert_eq(node->stops, 1);
    cr_assert_eq(rig_endpoint_state(other, id), 0, "out of the tables altogether");
}

Test(drain, a_word_of_an_earlier_drain_does_not_count)
{
    other->drains_late = 100;
    delete_it();
    rig_run_ms(1000);
    cr_assert_eq(intent(), ASSIGNED_DRAIN);
    other->drains_late = 0;
    go_on(other);
    cr_assert_not(is_there());
}

Test(drain, one_that_ended_and_is_back_is_drained_too)
{
    other->acknowledges_nothing = other->drains_nothing = true;
    node->bad_image = "app:1"; /* it does not run any more */
    go_on(node);
    cr_assert_eq(rig_endpoint_state(other, id), 0);
    delete_it();
    rig_run_ms(100);
    cr_assert_eq(rig_endpoint_state(other, id), 0);
    node->bad_image = NULL;
    go_on(node);
    cr_assert_eq(rig_endpoint_state(other, id), ENDPOINT_DRAINING);
    other->acknowledges_nothing = false;
    go_on(other);
    cr_assert_eq(intent(), ASSIGNED_DRAIN, "the other one has connections to it");
    other->drains_nothing = false;
    go_on(other);
    cr_assert_not(is_there());
}

Test(drain, a_proxy_that_is_silent_for_too_long_does_not_count)
{
    other->silent = true;
    delete_it();
    rig_run_ms(1000);
    cr_assert(is_there());
    cr_assert_eq(intent(), ASSIGNED_DRAIN);
    rig_run_ms(5000);
    cr_assert_not(is_there(), "suspect: it stops by itself");
}

Test(drain, one_that_never_says_that_its_work_has_ended_is_not_waited_for_for_ever)
{
    other->drains_nothing = true;
    delete_it();
    rig_run_ms(38000);
    cr_assert(is_there());
    rig_run_ms(4000);
    cr_assert_not(is_there(), "drainTimeout and ten seconds");
}

Test(drain, a_longer_timeout_is_given_to_proxies_that_have_yet_to_hear_of_the_drain)
{
    struct service *service = rig_service("web", "web", "127.0.0.1:80");
    service->drain_timeout_ns = 60 * NS_PER_SECOND;
    other->acknowledges_nothing = other->drains_nothing = true;
    delete_it();
    rig_run_ms(1000);
    cr_assert_eq(rig_write_service(service), ERROR_NONE);
    other->acknowledges_nothing = false;
    go_on(other);
    rig_run_ms(66000);
    cr_assert(is_there(), "it was told of sixty seconds");
    rig_run_ms(4000);
    cr_assert_not(is_there());
}

Test(drain, what_no_table_has_goes_at_once)
{
    cr_assert_eq(rig_answer(service_manager_delete(rig.server->services, "web", &rig_request,
                                                   rig_done, NULL, &rig.error)),
                 ERROR_NONE);
    node->drains_nothing = other->drains_nothing = true;
    rig_run_ms(100);
    delete_it();
    rig_run_ms(100);
    cr_assert_not(is_there());
}

Test(drain, a_deleted_service_lets_its_containers_go)
{
    node->drains_nothing = other->drains_nothing = true;
    delete_it();
    rig_run_ms(100);
    cr_assert(is_there());
    cr_assert_eq(rig_answer(service_manager_delete(rig.server->services, "web", &rig_request,
                                                   rig_done, NULL, &rig.error)),
                 ERROR_NONE);
    rig_run_ms(45000);
    cr_assert_not(is_there());
}

Test(drain, no_request_may_find_nobody_while_another_takes_the_place)
{
    struct deployment *wanted = rig_deployment("web", "app:2", 2);
    wanted->template.resources.cpu_millis = 100;
    rig_write(wanted);
    for (int ms = 0; ms < 5000; ms++) {
        rig_run_ms(1);
        cr_assert_geq(rig_active(node), 2);
        cr_assert_geq(rig_active(other), 2);
    }
    cr_assert_eq(rig_status("web").phase, PHASE_COMPLETE);
    cr_assert_not(is_there());
}

Test(drain, begins_anew_after_a_restart_of_the_server)
{
    node->drains_nothing = other->drains_nothing = true;
    delete_it();
    rig_run_ms(1000);
    rig_restart_server();
    rig_run_ms(2000);
    cr_assert(is_there());
    cr_assert_eq(intent(), ASSIGNED_DRAIN);
    node->drains_nothing = other->drains_nothing = false;
    go_on(node);
    go_on(other);
    cr_assert_not(is_there());
    cr_assert_eq(rig_status("web").available, 2);
}
