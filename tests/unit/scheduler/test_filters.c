/* Every filter's verdict and numbers, and what an explanation says. */
#include "bench.h"
#include "scheduler/impl.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static void setup(void)
{
    bench_begin(loop_create_virtual(1, 0), 0);
}

TestSuite(filters, .init = setup, .fini = bench_end, .timeout = 30);

static struct filter_verdict verdict_of(const char *node, enum filter filter)
{
    struct filter_verdict verdicts[FILTER_COUNT];
    size_t count = scheduler_explain(bench.scheduler, &bench.ask, node, verdicts);
    for (size_t i = 0; i < count; i++)
        if (verdicts[i].filter == filter)
            return verdicts[i];
    cr_assert_fail("no verdict of filter %s", filter_name(filter));
    return (struct filter_verdict){0};
}

/* One node and one ask after another. */
static const struct {
    const char *name;
    enum filter refuses; /* 0: it fits */
    struct bench_node node;
    int64_t cpu_millis, memory_bytes, cpu_limit, max_per_node;
    bool read_only_root;
    int replicas_there;
    const char *message;
} cases[] = {
    {.name = "fits", .cpu_millis = 4000, .memory_bytes = INT64_C(8) << 30},
    {.name = "suspect",
     .refuses = FILTER_READY,
     .node.state = NODE_SUSPECT,
     .message = "the node is not ready"},
    {.name = "lost",
     .refuses = FILTER_READY,
     .node.state = NODE_LOST,
     .message = "the node is not ready"},
    {.name = "cordoned",
     .refuses = FILTER_SCHEDULABLE,
     .node.cordoned = true,
     .message = "the node is cordoned"},
    {.name = "draining",
     .refuses = FILTER_SCHEDULABLE,
     .node.draining = true,
     .message = "the node is draining"},
    {.name = "no cpu limits",
     .refuses = FILTER_FEATURES,
     .node.bare = true,
     .cpu_limit = 500,
     .message = "its runtime does not honour a setting that is asked for"},
    {.name = "no read-only root",
     .refuses = FILTER_FEATURES,
     .node.bare = true,
     .read_only_root = true,
     .message = "its runtime does not honour a setting that is asked for"},
    {.name = "bare and nothing asked", .node.bare = true, .cpu_limit = NUMBER_NULL},
    {.name = "as many as may be",
     .refuses = FILTER_MAX_PER_NODE,
     .max_per_node = 2,
     .replicas_there = 2,
     .message = "2 replicas are there, maxPerNode is 2"},
    {.name = "one more may be", .max_per_node = 3, .replicas_there = 2},
    {.name = "no cpu left",
     .refuses = FILTER_CPU,
     .cpu_millis = 4001,
     .message = "cpu short by 1m: 4001m asked, 4 free"},
    {.name = "the host's cpu",
     .refuses = FILTER_CPU,
     .node.reserved_cpu = 500,
     .cpu_millis = 4000,
     .message = "cpu short by 500m: 4 asked, 3500m free"},
    {.name = "no memory left",
     .refuses = FILTER_MEMORY,
     .memory_bytes = INT64_C(9) << 30,
     .message = "memory short by 1Gi: 9Gi asked, 8Gi free"},
    {.name = "the host's memory",
     .refuses = FILTER_MEMORY,
     .node.reserved_memory = INT64_C(1) << 30,
     .memory_bytes = INT64_C(8) << 30,
     .message = "memory short by 1Gi: 8Gi asked, 7Gi free"},
    {.name = "nothing asked of a full node", .node.cpu_millis = 100, .node.reserved_cpu = 100},
};

Test(filters, each_refuses_what_it_should_and_says_why)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench_node node = cases[i].node;
        node.name = "n";
        if (i) {
            bench_end();
            setup();
        }
        bench_node(node);
        bench_load("n", "web", cases[i].replicas_there, 0, 0);
        bench.template.resources.cpu_millis = cases[i].cpu_millis;
        bench.template.resources.memory_bytes = cases[i].memory_bytes;
        bench.template.resources.cpu_limit_millis = cases[i].cpu_limit;
        bench.template.security.read_only_root = cases[i].read_only_root;
        bench.placement.max_per_node = cases[i].max_per_node;
        const struct schedule_plan *plan = bench_place(1);
        cr_expect_eq(plan->placements[0].node == NULL, cases[i].refuses != 0, "%s", cases[i].name);
        cr_expect_eq(scheduler_still_fits(bench.scheduler, &bench.ask, "n", NULL),
                     cases[i].refuses == 0, "%s", cases[i].name);
        if (!cases[i].refuses)
            continue;
        cr_expect_eq(plan->placements[0].refused[cases[i].refuses], 1, "%s", cases[i].name);
        struct filter_verdict verdict = verdict_of("n", cases[i].refuses);
        cr_expect_not(verdict.ok, "%s", cases[i].name);
        cr_expect_str_eq(verdict.message, cases[i].message);
    }
}

Test(filters, an_explanation_has_numbers_also_where_it_fits)
{
    bench_node((struct bench_node){.name = "n", .reserved_cpu = 100});
    bench_load("n", "other", 2, 300, 1 << 20);
    bench.template.resources.cpu_millis = 1000;
    bench.template.resources.memory_bytes = INT64_C(9) << 30;
    struct filter_verdict cpu = verdict_of("n", FILTER_CPU);
    cr_assert(cpu.ok);
    cr_assert_eq(cpu.asked, 1000);
    cr_assert_eq(cpu.free, 4000 - 100 - 600);
    cr_assert_eq(cpu.short_by, 0);
    struct filter_verdict memory = verdict_of("n", FILTER_MEMORY);
    cr_assert_not(memory.ok);
    cr_assert_eq(memory.free, (INT64_C(8) << 30) - (2 << 20));
    cr_assert_eq(memory.short_by, (INT64_C(1) << 30) + (2 << 20));
}

Test(filters, of_an_unknown_node_there_is_nothing_to_say)
{
    struct filter_verdict verdicts[FILTER_COUNT];
    cr_assert_eq(scheduler_explain(bench.scheduler, &bench.ask, "nobody", verdicts), 0);
    cr_assert_not(scheduler_still_fits(bench.scheduler, &bench.ask, "nobody", NULL));
}

static const struct {
    enum constraint_op op;
    const char *values;
    const char *label; /* the node's; NULL: it has none */
    bool holds;
} constraints[] = {{CONSTRAINT_IN, "a,b", "b", true},       {CONSTRAINT_IN, "a,b", "c", false},
                   {CONSTRAINT_IN, "a,b", NULL, false},     {CONSTRAINT_NOT_IN, "a,b", "c", true},
                   {CONSTRAINT_NOT_IN, "a,b", "a", false},  {CONSTRAINT_NOT_IN, "a,b", NULL, true},
                   {CONSTRAINT_EXISTS, "", "", true},       {CONSTRAINT_EXISTS, "", NULL, false},
                   {CONSTRAINT_NOT_EXISTS, "", NULL, true}, {CONSTRAINT_NOT_EXISTS, "", "x", false},
                   {CONSTRAINT_GREATER, "3", "4", true},    {CONSTRAINT_GREATER, "3", "3", false},
                   {CONSTRAINT_GREATER, "3", "10", true}, /* as numbers, not as text */
                   {CONSTRAINT_GREATER, "3", "4x", false},  {CONSTRAINT_GREATER, "3", "", false},
                   {CONSTRAINT_GREATER, "-5", "-4", true},  {CONSTRAINT_GREATER, "3", NULL, false},
                   {CONSTRAINT_LESS, "3", "2", true},       {CONSTRAINT_LESS, "3", "3", false},
                   {CONSTRAINT_LESS, "3", NULL, false}};

Test(filters, constraints_on_labels)
{
    for (size_t i = 0; i < sizeof constraints / sizeof constraints[0]; i++) {
        bench.placement.constraints = (struct list){0};
        bench_constrain("zone", constraints[i].op, constraints[i].values);
        struct map_entry entry = {"zone", constraints[i].label};
        const struct list labels = {&entry, constraints[i].label ? 1 : 0};
        cr_expect_eq(constraint_holds(bench.placement.constraints.items, &labels),
                     constraints[i].holds, "case %zu", i);
    }
}

Test(filters, all_constraints_must_hold_and_the_first_that_does_not_is_named)
{
    bench_node((struct bench_node){.name = "n", .labels = {{"disk", "hdd"}, {"zone", "a"}}});
    bench_node((struct bench_node){.name = "o", .labels = {{"disk", "ssd"}, {"zone", "a"}}});
    bench_constrain("zone", CONSTRAINT_IN, "a");
    bench_constrain("disk", CONSTRAINT_IN, "ssd");
    bench_constrain("gone", CONSTRAINT_NOT_EXISTS, "");
    bench_place(1);
    cr_assert_str_eq(bench_nodes(), "o");
    cr_assert_str_eq(verdict_of("n", FILTER_CONSTRAINTS).message, "label disk is hdd");
    bench_constrain("rack", CONSTRAINT_EXISTS, "");
    cr_assert_str_eq(verdict_of("o", FILTER_CONSTRAINTS).message, "label rack is missing");
}

Test(filters, one_each_on_some_of_the_nodes_may_be_asked_for)
{
    static const char *const all[] = {"a", "b", "c", "d"};
    static const char *const names[] = {"d", "b", "unheard-of"};
    const struct list only = {.items = names, .count = 3};
    for (int i = 0; i < 4; i++)
        bench_node((struct bench_node){.name = all[i]});
    bench.ask.only = &only;
    const struct schedule_plan *plan = bench_place(3);
    cr_assert(strcmp(bench_nodes(), "b d -") == 0 || strcmp(bench_nodes(), "d b -") == 0, "%s",
              bench_nodes());
    cr_assert_eq(plan->placements[0].refused[FILTER_CONSTRAINTS], 2);
    cr_assert_eq(plan->placements[2].refused[FILTER_CONSTRAINTS], 4, "none takes a second one");
}

Test(filters, a_fixed_host_port_is_taken_once_on_a_node)
{
    bench_node((struct bench_node){.name = "a"});
    bench_node((struct bench_node){.name = "b"});
    bench_port(80, 8080);
    const struct schedule_plan *plan = bench_place(3);
    cr_assert_not_null(plan->placements[1].node);
    cr_assert_str_neq(plan->placements[0].node, plan->placements[1].node);
    cr_assert_null(plan->placements[2].node);
    cr_assert_eq(plan->placements[2].refused[FILTER_PORTS], 2);
    cr_assert_eq(plan->placements[0].ports.count, 1);
    cr_assert_eq(LIST_AT(plan->placements[0].ports, struct container_port, 0)->host_port, 8080);
}

Test(filters, a_host_port_comes_free_with_its_container)
{
    struct container_port port = {.number = 80, .host_port = 8080, .protocol = PROTOCOL_TCP};
    struct scheduler_share share = {.node = "a", .deployment = "old", .ports = {&port, 1}};
    bench_node((struct bench_node){.name = "a"});
    bench_port(80, 8080);
    scheduler_share_add(bench.scheduler, &share);
    cr_assert_str_eq(verdict_of("a", FILTER_PORTS).message, "host port 8080 is taken");
    scheduler_share_remove(bench.scheduler, &share);
    cr_assert(verdict_of("a", FILTER_PORTS).ok);
    port.protocol = PROTOCOL_UDP;
    scheduler_share_add(bench.scheduler, &share);
    cr_assert(verdict_of("a", FILTER_PORTS).ok, "another protocol's port is another port");
}

Test(filters, a_host_port_that_the_engine_chooses_is_never_taken)
{
    bench_node((struct bench_node){.name = "a"});
    bench_port(80, 0);
    bench_place(3);
    cr_assert_str_eq(bench_nodes(), "a a a");
}

Test(filters, a_port_that_is_not_published_needs_no_feature)
{
    bench_node((struct bench_node){.name = "a", .bare = true});
    bench_port(80, NUMBER_NULL);
    bench_place(1);
    cr_assert_str_eq(bench_nodes(), "a");
    bench.template.ports = (struct list){0};
    bench_port(80, 8080);
    cr_assert_not(verdict_of("a", FILTER_FEATURES).ok);
}

Test(filters, have_names)
{
    for (int filter = FILTER_READY; filter < FILTER_COUNT; filter++)
        cr_expect_gt(strlen(filter_name((enum filter)filter)), 0);
    cr_assert_str_eq(filter_name(FILTER_MAX_PER_NODE), "maxPerNode");
}
