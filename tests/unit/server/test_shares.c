/* What containers take of their nodes, as the nodes show it. */
#include "rig.h"

#include <criterion/criterion.h>
#include <string.h>

static void setup(void)
{
    rig_begin();
    rig_add_node("node-1", 4000, "a");
    rig_add_node("node-2", 4000, "b");
}

TestSuite(shares, .init = setup, .fini = rig_end, .timeout = 60);

static void expect_allocated(const char *node, int64_t containers, int64_t cpu_millis)
{
    int64_t count;
    struct node_amounts amounts = scheduler_allocated(rig.server->scheduler, node, &count);
    cr_assert_eq(count, containers, "%s has %lld", node, (long long)count);
    cr_assert_eq(amounts.cpu_millis, cpu_millis, "%s: %lld", node, (long long)amounts.cpu_millis);
    cr_assert_eq(amounts.memory_bytes, containers * (64 << 20));
}

static struct deployment *sized(const char *image, int64_t replicas, int64_t cpu_millis)
{
    struct deployment *wanted = rig_deployment("web", image, replicas);
    wanted->template.resources.cpu_millis = cpu_millis;
    wanted->template.resources.memory_bytes = 64 << 20;
    return wanted;
}

Test(shares, follow_scaling_and_deleting)
{
    cr_assert_eq(rig_write(sized("app:1", 4, 250)), ERROR_NONE);
    rig_run_ms(1000);
    expect_allocated("node-1", 2, 500);
    expect_allocated("node-2", 2, 500);
    rig_scale("web", 1);
    rig_run_ms(3000);
    cr_assert_eq(rig_count("web"), 1);
    int64_t one, two;
    scheduler_allocated(rig.server->scheduler, "node-1", &one);
    scheduler_allocated(rig.server->scheduler, "node-2", &two);
    cr_assert_eq(one + two, 1);
    cr_assert_eq(rig_delete("web"), ERROR_NONE);
    rig_run_ms(3000);
    cr_assert_null(rig_find("web"));
    expect_allocated("node-1", 0, 0);
    expect_allocated("node-2", 0, 0);
}

Test(shares, are_those_of_the_revision_that_a_container_runs)
{
    rig_write(sized("app:1", 2, 250));
    rig_run_ms(1000);
    rig_write(sized("app:2", 2, 700));
    rig_run_ms(5000);
    cr_assert_eq(rig_status("web").phase, PHASE_COMPLETE);
    expect_allocated("node-1", 1, 700);
    expect_allocated("node-2", 1, 700);
}

Test(shares, are_counted_anew_after_a_start)
{
    rig_write(sized("app:1", 4, 250));
    rig_run_ms(1000);
    rig_restart_server();
    rig_run_ms(1000);
    expect_allocated("node-1", 2, 500);
    expect_allocated("node-2", 2, 500);
}

Test(shares, of_a_container_that_failed_for_good_come_free)
{
    struct rig_node *node = &rig.nodes[0];
    rig_write(sized("app:1", 2, 250));
    rig_run_ms(1000);
    rig_report(node, &(struct reported_container){.id = rig_container_of(node, "web")->id,
                                                  .incarnation = 1,
                                                  .state = CONTAINER_FAILED,
                                                  .exit_code = 1});
    expect_allocated("node-1", 0, 0);
    rig_delete("web");
    rig_run_ms(3000);
    expect_allocated("node-1", 0, 0);
    expect_allocated("node-2", 0, 0);
}

Test(shares, of_a_node_that_comes_back_after_it_was_deleted_are_none)
{
    struct rig_node *node = &rig.nodes[1];
    rig_write(sized("app:1", 2, 250));
    rig_run_ms(1000);
    rig_disconnect(node);
    rig_run_ms(20000);
    cr_assert_eq(rig_answer(node_registry_delete(rig.server->nodes, "node-2", &rig_request,
                                                 rig_done, NULL, &rig.error)),
                 ERROR_NONE, "%s", rig.error.message);
    rig_run_ms(3000);
    expect_allocated("node-1", 2, 500);
    rig_connect(node);
    rig_run_ms(3000);
    expect_allocated("node-2", 0, 0);
    rig_scale("web", 4);
    rig_run_ms(3000);
    expect_allocated("node-2", 2, 500);
}
