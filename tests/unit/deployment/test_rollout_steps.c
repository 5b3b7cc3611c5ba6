/* Canary, blue-green and pauseAfter; what proxies see; receipts. */
#include "store/event.h"
#include "unit/deployment/rollouts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(rollout_steps, .init = rollout_begin, .fini = rig_end, .timeout = 60);

/* -- steps: canary, blue-green, pauseAfter -- */

static const struct rig_endpoint *endpoint_of_revision(int64_t revision)
{
    for (unsigned i = 0; i < rig.nodes[0].endpoint_count; i++) {
        const struct container *container =
            container_manager_find(rig.server->containers, rig.nodes[0].endpoints[i].container);
        if (container && container->revision == revision)
            return &rig.nodes[0].endpoints[i];
    }
    return NULL;
}

static enum error_code promote(void)
{
    return rig_answer(deployment_manager_promote(rig.server->deployments, "web", &rig_request,
                                                 rig_done, NULL, &rig.error));
}

static struct deployment *gated(uint8_t strategy, const char *image, bool automatic)
{
    struct deployment *wanted = impatient(image, 4);
    wanted->rollout.strategy = strategy;
    wanted->rollout.promotion = (struct promotion){automatic, 20 * NS_PER_SECOND};
    wanted->rollout.canary.traffic = (struct amount){10, true};
    return wanted;
}

Test(rollout_steps, by_canary_stops_at_its_step_and_is_weighed)
{
    rig_write_service(rig_service("web", "web", "127.0.0.1:8080"));
    complete(gated(STRATEGY_CANARY, "app:1", false));
    cr_expect_eq(promote(), ERROR_INVALID_STATE, "no rollout is under way");
    rig_write(gated(STRATEGY_CANARY, "app:2", false));
    rig_run_ms(60000);
    cr_assert_eq(rig_status("web").updated, 1);
    cr_assert_eq(rig_status("web").available, 4);
    cr_assert_str_eq(rig_status("web").reason, "AwaitingPromotion");
    /* one of 10 %, three of 30 % each */
    cr_assert_eq(endpoint_of_revision(1)->weight, 1000);
    cr_assert_eq(endpoint_of_revision(2)->weight, 333);
    cr_assert_eq(promote(), ERROR_NONE, "%s", rig.error.message);
    rig_run_ms(15000);
    expect_phase(PHASE_COMPLETE);
    cr_assert_eq(rig_status("web").updated, 4);
    cr_assert_eq(endpoint_of_revision(2)->weight, 1);
}

Test(rollout_steps, by_canary_goes_on_by_itself_or_is_aborted)
{
    complete(gated(STRATEGY_CANARY, "app:1", true));
    rig_write(gated(STRATEGY_CANARY, "app:2", true));
    rig_run_ms(15000);
    cr_assert_eq(rig_status("web").updated, 1);
    rig_run_ms(20000);
    expect_phase(PHASE_COMPLETE);
    cr_assert_not_null(rig_event("Promoted"));
    rig_write(gated(STRATEGY_CANARY, "app:3", true));
    rig_run_ms(5000);
    cr_assert_eq(abort_rollout(), ERROR_NONE);
    rig_run_ms(10000);
    expect_phase(PHASE_COMPLETE);
    cr_assert_str_eq(rig_find("web")->template.image, "app:2");
    cr_assert(!exists_of(3));
}

Test(rollout_steps, by_canary_replaces_what_is_lost_while_it_waits)
{
    complete(gated(STRATEGY_CANARY, "app:1", false));
    rig_write(gated(STRATEGY_CANARY, "app:2", false));
    rig_run_ms(15000);
    rig.nodes[0].silent = true;
    rig_run_ms(30000);
    cr_assert_eq(rig_status("web").available, 4);
    rig.nodes[0].silent = false;
    rig_disconnect(&rig.nodes[0]);
    rig_connect(&rig.nodes[0]);
    rig_run_ms(20000);
    cr_assert_eq(rig_status("web").current, 4, "its surge goes");
    cr_assert_str_eq(rig_status("web").reason, "AwaitingPromotion");
    cr_assert_eq(promote(), ERROR_NONE);
    rig_run_ms(30000);
    cr_assert_eq(rig_status("web").updated, 4);
}

Test(rollout_steps, blue_green_publishes_the_new_ones_at_once_and_not_before)
{
    rig_write_service(rig_service("web", "web", "127.0.0.1:8080"));
    complete(gated(STRATEGY_BLUE_GREEN, "app:1", false));
    rig_write(gated(STRATEGY_BLUE_GREEN, "app:2", false));
    rig_run_ms(30000);
    struct deployment_status status = rig_status("web");
    cr_assert_eq(status.current, 8);
    cr_assert_eq(status.updated, 4);
    cr_assert_eq(rig_active(&rig.nodes[0]), 4);
    cr_assert_null(endpoint_of_revision(2), "no traffic before it is promoted");
    rig_scale("web", 2);
    rig_run_ms(5000);
    cr_assert_eq(rig_status("web").current, 4);
    cr_assert_eq(rig_active(&rig.nodes[0]), 2, "both sets shrink");
    cr_assert_eq(promote(), ERROR_NONE);
    for (int ms = 0; ms < 5000; ms++) {
        rig_run_ms(1);
        cr_assert_geq(rig_active(&rig.nodes[0]), 2);
    }
    expect_phase(PHASE_COMPLETE);
    cr_assert(!exists_of(1));
    cr_assert_eq(rig_active(&rig.nodes[0]), 2);
}

Test(rollout_steps, blue_green_that_is_aborted_never_gets_traffic)
{
    const char *ids[3];
    rig_write_service(rig_service("web", "web", "127.0.0.1:8080"));
    complete(gated(STRATEGY_BLUE_GREEN, "app:1", false));
    note_containers(ids);
    rig_write(gated(STRATEGY_BLUE_GREEN, "app:2", false));
    rig_run_ms(10000);
    cr_assert_eq(abort_rollout(), ERROR_NONE);
    for (int ms = 0; ms < 5000; ms++) {
        rig_run_ms(1);
        cr_assert_null(endpoint_of_revision(2));
        cr_assert_eq(rig_active(&rig.nodes[0]), 4);
    }
    expect_phase(PHASE_COMPLETE);
    cr_assert_eq(rig_count("web"), 4);
    expect_the_same_containers(ids);
}

Test(rollout_steps, blue_green_that_is_replaced_shows_none_of_what_was_not_promoted)
{
    rig_write_service(rig_service("web", "web", "127.0.0.1:8080"));
    complete(gated(STRATEGY_BLUE_GREEN, "app:1", false));
    rig_write(gated(STRATEGY_BLUE_GREEN, "app:2", false));
    rig_run_ms(10000);
    rig_write(gated(STRATEGY_BLUE_GREEN, "app:3", false));
    for (int ms = 0; ms < 5000; ms++) {
        rig_run_ms(1);
        cr_assert_null(endpoint_of_revision(2));
        cr_assert_null(endpoint_of_revision(3));
    }
    cr_assert_eq(promote(), ERROR_NONE);
    rig_run_ms(10000);
    expect_phase(PHASE_COMPLETE);
    cr_assert_eq(rig_active(&rig.nodes[0]), 4);
    cr_assert_eq(rig_count("web"), 4);
}

Test(rollout_steps, blue_green_that_fails_after_its_promotion_drains)
{
    rig_write_service(rig_service("web", "web", "127.0.0.1:8080"));
    complete(gated(STRATEGY_BLUE_GREEN, "app:1", false));
    rig_write(gated(STRATEGY_BLUE_GREEN, "app:2", false));
    rig_run_ms(10000);
    rig.nodes[0].drains_nothing = rig.nodes[1].drains_nothing = true;
    rig.nodes[0].acknowledges_nothing = true; /* so the old ones stay until it does */
    cr_assert_eq(promote(), ERROR_NONE);
    rig_run_ms(1000);
    cr_assert_eq(endpoint_of_revision(2)->state, ENDPOINT_ACTIVE);
    cr_assert_eq(abort_rollout(), ERROR_NONE);
    rig_run_ms(500);
    cr_assert_not_null(endpoint_of_revision(2), "what it has is not cut");
    rig.nodes[0].drains_nothing = rig.nodes[1].drains_nothing = false;
    rig.nodes[0].acknowledges_nothing = false;
    loop_timer_start(&rig.nodes[0].turn, NS_PER_MS);
    rig_run_ms(60000);
    expect_phase(PHASE_COMPLETE);
    cr_assert_eq(rig_active(&rig.nodes[0]), 4);
}

Test(rollout_steps, pauses_after_as_many_as_it_is_told)
{
    struct deployment *wanted = impatient("app:1", 4);
    wanted->rollout.pause_after = (struct amount){50, true};
    complete(wanted);
    wanted->template.image = "app:2";
    rig_write(wanted);
    rig_run_ms(30000);
    expect_phase(PHASE_PAUSED);
    cr_assert_eq(rig_status("web").updated, 2);
    cr_assert_eq(rig_status("web").available, 4);
    cr_assert_not_null(rig_event("PausedAfter"));
    set_paused(false);
    rig_run_ms(15000);
    expect_phase(PHASE_COMPLETE);
}

/* -- what proxies see, and receipts -- */

static const char *latency; /* of each endpoint, so far */

static void report_requests(int64_t revision, int64_t served, int64_t failed)
{
    const struct container *container = NULL;
    struct reported_endpoint endpoints[RIG_CONTAINERS];
    struct report report = {.endpoints.items = endpoints};
    while ((container = container_manager_next(rig.server->containers, "web", container)))
        if (container->revision == revision)
            endpoints[report.endpoints.count++] = (struct reported_endpoint){
                .service = "web",
                .container = container->id,
                .counts = {[TRAFFIC_SERVED] = served, [TRAFFIC_FAILED] = failed},
                .latency = latency};
    service_manager_report(rig.server->services, "node-1", &report);
}

static const struct receipt *receipt_of(int64_t revision)
{
    return deployment_manager_revision(rig.server->deployments, rig_find("web"), revision)->receipt;
}

Test(rollout_steps, whose_new_replicas_fail_more_requests_is_rolled_back)
{
    rig_write_service(rig_service("web", "web", "127.0.0.1:8080"));
    complete(gated(STRATEGY_CANARY, "app:1", false));
    cr_assert_eq(receipt_of(1)->outcome, OUTCOME_COMPLETED);
    latency = "200:1000";
    report_requests(1, 1000, 0);
    rig_write(gated(STRATEGY_CANARY, "app:2", false));
    rig_run_ms(15000);
    latency = "200:1000 128:98 160:2";
    report_requests(1, 1100, 0);
    latency = "112:19";
    report_requests(2, 9, 10);
    rig_run_ms(3000);
    cr_assert_eq(rig_find("web")->revision, 2, "too few to judge by");
    report_requests(2, 90, 10);
    rig_run_ms(3000);
    cr_assert_eq(rig_find("web")->revision, 2, "ten in a hundred is the margin");
    report_requests(2, 90, 12);
    rig_run_ms(5000);
    expect_phase(PHASE_ROLLED_BACK);
    cr_assert_str_eq(rig_find("web")->rolled_back_from->reason, "ErrorRate");
    const struct receipt *receipt = receipt_of(2);
    cr_assert_eq(receipt->outcome, OUTCOME_ROLLED_BACK);
    cr_assert_eq(receipt->from, 1);
    cr_assert_str_eq(receipt->reason, "ErrorRate");
    cr_assert_eq(receipt->new_served, 90);
    cr_assert_eq(receipt->new_failed, 12);
    cr_assert_gt(receipt->old_served, 0, "what the old ones got since it began");
    cr_assert_leq(receipt->old_served, 400);
    cr_assert_eq(histogram_index((uint64_t)receipt->old_p50_us), 128, "and not before");
    cr_assert_eq(histogram_index((uint64_t)receipt->old_p99_us), 160);
    cr_assert_eq(histogram_index((uint64_t)receipt->new_p50_us), 112);
    cr_assert_eq(receipt_of(3)->outcome, OUTCOME_COMPLETED);
}

Test(rollout_steps, leaves_a_receipt_however_it_ends)
{
    complete(impatient("app:1", 2));
    cr_assert_eq(receipt_of(1)->new_served, NUMBER_NULL, "no service");
    spoil("app:2");
    rig_write(impatient("app:2", 2));
    rig_run_ms(500);
    cr_assert_null(receipt_of(2));
    rig_write(impatient("app:3", 2));
    cr_assert_eq(receipt_of(2)->outcome, OUTCOME_REPLACED);
    cr_assert_eq(abort_rollout(), ERROR_NONE);
    cr_assert_eq(receipt_of(3)->outcome, OUTCOME_ABORTED);
    rig_run_ms(5000);
    cr_assert_eq(receipt_of(4)->outcome, OUTCOME_COMPLETED);
    cr_assert_eq(receipt_of(4)->from, 1);
    rig_restart_server();
    cr_assert_eq(receipt_of(3)->outcome, OUTCOME_ABORTED, "it is durable");
}
