/* Rollouts that fail, and what they go back to. */
#include "store/event.h"
#include "unit/deployment/rollouts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(rollout_back, .init = rollout_begin, .fini = rig_end, .timeout = 60);

/* -- deadlines and rollback -- */

Test(rollout_back, that_makes_no_progress_puts_the_last_complete_template_back)
{
    complete(impatient("app:1", 3));
    uint64_t version = rig_find("web")->record.version;
    spoil("app:2");
    rig_write(impatient("app:2", 3));
    rig.nodes[0].pulls_nothing = rig.nodes[1].pulls_nothing = true;
    rig_run_ms(9000);
    expect_phase(PHASE_PENDING);
    cr_assert_str_eq(rig_status("web").reason, "ImagePullFailed");
    cr_assert_eq(rig_status("web").available, 3);
    rig_run_ms(15000);
    expect_phase(PHASE_ROLLED_BACK);
    const struct deployment *web = rig_find("web");
    cr_assert_str_eq(web->template.image, "app:1");
    cr_assert_eq(web->revision, 3);
    cr_assert_eq(web->record.version, version + 2);
    struct deployment_status status = rig_status("web");
    rig.nodes[0].pulls_nothing = rig.nodes[1].pulls_nothing = false;
    cr_assert_not_null(status.rolled_back_from);
    cr_assert_eq(status.rolled_back_from->revision, 2);
    cr_assert_str_eq(status.rolled_back_from->reason, "ImagePullFailed");
    cr_assert_eq(status.available, 3);
    cr_assert_eq(rig_count("web"), 3);
    cr_assert_eq(rig_event("RolledBack")->severity, EVENT_WARNING);
    complete(impatient("app:3", 3));
    cr_assert_null(rig_status("web").rolled_back_from, "until the next write of the spec");
}

/* -- images come first -- */

Test(rollout_back, touches_no_old_replica_before_the_nodes_have_its_image)
{
    static const uint8_t strategies[] = {STRATEGY_ROLLING, STRATEGY_RECREATE};
    for (size_t i = 0; i < sizeof strategies; i++) {
        struct deployment *wanted = rig_deployment("web", "app:1", 4);
        wanted->rollout.strategy = strategies[i];
        wanted->rollout.max_unavailable = (struct amount){2, false};
        complete(wanted);
        rig.nodes[1].pulls_nothing = true;
        wanted->template.image = "app:2";
        rig_write(wanted);
        rig_run_ms(20000);
        cr_assert_eq(rig_status("web").stopping, 0);
        cr_assert_geq(rig_status("web").available, 4);
        cr_assert_eq(deployment_manager_revision(rig.server->deployments, rig_find("web"), 2)
                             ->image_pinned != NULL,
                     true, "one node is asked before the others");
        rig.nodes[1].pulls_nothing = false;
        rig_run_ms(15000);
        expect_phase(PHASE_COMPLETE);
        rig_end();
        rollout_begin();
    }
}

Test(rollout_back, whose_image_one_node_cannot_pull_goes_back_without_losing_a_replica)
{
    struct deployment *wanted = rig_deployment("web", "app:1", 4);
    wanted->rollout.strategy = STRATEGY_RECREATE;
    complete(wanted);
    rig.nodes[1].bad_image = "app:2";
    wanted->template.image = "app:2";
    rig_write(wanted);
    for (int ms = 0; ms < 15000; ms++) {
        rig_run_ms(1);
        cr_assert_eq(rig_status("web").available, 4);
    }
    expect_phase(PHASE_ROLLED_BACK);
    cr_assert_eq(rig_event("ImagePullFailed")->severity, EVENT_WARNING);
    cr_assert_not_null(strstr(rig_event("ImagePullFailed")->message, "node-2 could not pull"));
    cr_assert_str_eq(rig_find("web")->rolled_back_from->reason, "ImagePullFailed");
}

Test(rollout_back, waits_for_no_image_on_a_node_that_is_silent)
{
    complete(rig_deployment("web", "app:1", 4));
    rig.nodes[1].silent = true;
    rig_run_ms(4000);
    rig_write(rig_deployment("web", "app:2", 4));
    rig_run_ms(2000);
    cr_assert_gt(rig_status("web").updated, 0);
}

/* -- new replicas that fail -- */

static void report_of_revision(int64_t revision, struct reported_container report)
{
    const struct container *container = NULL;
    while ((container = container_manager_next(rig.server->containers, "web", container))) {
        if (container->revision != revision)
            continue;
        for (unsigned i = 0; i < rig.node_count; i++)
            if (strcmp(rig.nodes[i].name, container->node) == 0) {
                report.id = container->id;
                rig_report(&rig.nodes[i], &report);
            }
        return;
    }
    cr_assert(false, "there is none of revision %lld", (long long)revision);
}

static const struct {
    const char *what;
    struct reported_container report;
    const char *reason; /* NULL: it is not rolled back */
} failures[] = {
    {"ended twice",
     {.state = CONTAINER_EXITED, .restarts = 2, .reason = "CrashLoop", .exit_code = 1},
     NULL},
    {"ended three times",
     {.state = CONTAINER_EXITED, .restarts = 3, .reason = "CrashLoop", .exit_code = 1},
     "CrashLoop"},
    {"could not be started",
     {.state = CONTAINER_CREATING, .start_failures = 3, .reason = "StartFailed", .exit_code = -1},
     "StartFailed"},
};

Test(rollout_back, whose_replicas_fail_is_rolled_back_at_once)
{
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        struct reported_container report = failures[i].report;
        report.incarnation = 1;
        complete(rig_deployment("web", "app:1", 3));
        rig.nodes[0].never_ready = rig.nodes[1].never_ready = true;
        rig_write(rig_deployment("web", "app:2", 3));
        rig_run_ms(100);
        report_of_revision(2, report);
        const struct rolled_back *from = rig_find("web")->rolled_back_from;
        cr_expect_eq(from != NULL, failures[i].reason != NULL, "%s", failures[i].what);
        if (from)
            cr_expect_str_eq(from->reason, failures[i].reason, "%s: %s", failures[i].what,
                             from->message);
        cr_expect_geq(rig_status("web").available, 3);
        rig_end();
        rollout_begin();
    }
}

Test(rollout_back, without_automatic_rollback_is_degraded)
{
    struct deployment *wanted = impatient("app:1", 2);
    complete(wanted);
    spoil("app:2");
    wanted->template.image = "app:2";
    wanted->rollout.auto_rollback = false;
    rig_write(wanted);
    rig_run_ms(20000);
    expect_phase(PHASE_DEGRADED);
    cr_assert_eq(rig_find("web")->revision, 2);
    cr_assert_eq(rig_status("web").available, 2);
}

Test(rollout_back, that_never_was_complete_has_nothing_to_go_back_to)
{
    spoil("app:1");
    rig_write(impatient("app:1", 2));
    rig_run_ms(20000);
    expect_phase(PHASE_DEGRADED);
    cr_assert_eq(rig_find("web")->revision, 1);
    spoil(NULL);
    rig_write(impatient("app:2", 2));
    rig_run_ms(10000);
    expect_phase(PHASE_COMPLETE);
}

Test(rollout_back, a_change_in_the_middle_replaces_it)
{
    complete(impatient("app:1", 3));
    spoil("app:2");
    rig_write(impatient("app:2", 3));
    rig_run_ms(2000);
    complete(impatient("app:3", 3));
    cr_assert_eq(rig_status("web").revision, 3);
    cr_assert_eq(rig_count("web"), 3);
}

Test(rollout_back, that_is_paused_loses_no_replica_that_serves)
{
    complete(impatient("app:1", 3));
    spoil("app:2");
    rig_write(impatient("app:2", 3));
    rig_run_ms(500);
    set_paused(true);
    rig_run_ms(5000);
    cr_assert_eq(rig_status("web").available, 3);
    rig_scale("web", 2);
    rig_run_ms(5000);
    cr_assert_eq(rig_status("web").available, 3, "what serves nobody went first");
}

/* -- going back keeps what is there -- */

Test(rollout_back, going_back_keeps_the_containers_of_that_content)
{
    const char *ids[3];
    complete(impatient("app:1", 3));
    note_containers(ids);
    for (int round = 0; round < 2; round++) { /* also what a rollback put back before */
        spoil("app:2");
        rig_write(impatient("app:2", 3));
        rig_run_ms(30000);
        expect_phase(PHASE_ROLLED_BACK);
        cr_assert_eq(rig_status("web").updated, 3);
        cr_assert_eq(rig_count("web"), 3);
        expect_the_same_containers(ids);
    }
    spoil(NULL);
    complete(impatient("app:3", 3));
    cr_assert_null(container_manager_find(rig.server->containers, ids[0]));
}

Test(rollout_back, that_is_aborted_goes_and_leaves_the_old_ones)
{
    const char *ids[3];
    cr_expect_eq(abort_rollout(), ERROR_NOT_FOUND);
    complete(impatient("app:1", 3));
    note_containers(ids);
    cr_expect_eq(abort_rollout(), ERROR_INVALID_STATE, "no rollout is under way");
    spoil("app:2");
    rig_write(impatient("app:2", 3));
    set_paused(true);
    rig_run_ms(500);
    uint64_t version = rig_find("web")->record.version;
    cr_assert_eq(abort_rollout(), ERROR_NONE, "%s", rig.error.message);
    cr_assert_eq(rig_find("web")->record.version, version + 1);
    rig_run_ms(3000);
    expect_phase(PHASE_COMPLETE);
    cr_assert_str_eq(rig_find("web")->template.image, "app:1");
    cr_assert_eq(rig_find("web")->revision, 3);
    cr_assert_eq(rig_count("web"), 3);
    expect_the_same_containers(ids);
    cr_assert_not_null(rig_event("RolloutAborted"));
}

Test(rollout_back, that_has_nothing_to_go_back_to_is_not_aborted)
{
    spoil("app:1");
    rig_write(impatient("app:1", 1));
    cr_expect_eq(abort_rollout(), ERROR_INVALID_STATE);
}
