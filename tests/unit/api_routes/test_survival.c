/* What the cluster says of the loss of a node, and the problem it is. */
#include "node/link.h"
#include "plan/survival.h"
#include "unit/api_routes/rig.h"

#include <criterion/criterion.h>
#include <string.h>

static struct link_end *links[2];

static void hear(void *argument, const char *bytes, size_t length)
{
    (void)argument, (void)bytes, (void)length;
}

static void close_link(void *argument)
{
    (void)argument;
}

/* Ready for as long as a node may be silent, which is longer than these tests take. */
static void add_node(int at, const char *name)
{
    CLEANUP(text_finish) struct text text = {0};
    struct link_end *server_end;
    const struct node record = {.name = name,
                                .address = "10.0.0.1",
                                .schedulable = true,
                                .capacity = {4000, INT64_C(8) << 30},
                                .runtime = {"acted", "1"}};
    const struct report report = {.node = name, .full = true, .node_record = {&record, 1}};
    link_pair_create(rig.loop, &server_end, &links[at]);
    link_set_receiver(links[at], (struct link_receiver){hear, close_link, NULL});
    node_registry_attach(rig.server->nodes, server_end);
    schema_write(&message_type, &(struct message){.report = &report}, SCHEMA_STORED, &text);
    cr_assert(link_send(links[at], text.data, text.length));
    rig_run_ms(20);
}

static void setup(void)
{
    rig_setup();
    rig.parts.survival =
        survival_create(&(struct plan_parts){.loop = rig.loop,
                                             .state = rig.server->state,
                                             .containers = rig.server->containers,
                                             .deployments = rig.server->deployments,
                                             .nodes = rig.server->nodes,
                                             .scheduler = rig.server->scheduler,
                                             .services = rig.server->services});
}

static void teardown(void)
{
    for (int i = 0; i < 2; i++)
        if (links[i])
            link_close(links[i]);
    survival_destroy(rig.parts.survival);
    rig_teardown();
}

TestSuite(told_survival, .init = setup, .fini = teardown, .timeout = 60);

static void deploy(void)
{
    struct answer answer = rig_call(&(struct call){
        .method = "POST",
        .path = "/deployments",
        .body = "{\"name\":\"db\",\"image\":\"db:1\",\"replicas\":2,\"resources\":{\"cpu\":3}}"});
    cr_assert_eq(answer.status, 201, "%s", answer.text);
    answer_finish(&answer);
    survival_start(rig.parts.survival);
    rig_run_ms(1500);
}

static struct answer get(const char *path)
{
    return rig_call(&(struct call){.method = "GET", .path = path});
}

Test(told_survival, is_null_before_it_is_known)
{
    struct answer answer = get("/cluster");
    cr_assert_str_eq(answer_at(&answer, "survives.anyNode"), "null", "%s", answer.text);
    cr_assert_str_eq(answer_at(&answer, "survives.outdated"), "true");
    answer_finish(&answer);
}

Test(told_survival, of_two_nodes_without_room_is_a_problem_with_a_fix)
{
    add_node(0, "node-1");
    add_node(1, "node-2");
    deploy();
    struct answer answer = get("/cluster");
    cr_assert_str_eq(answer_at(&answer, "survives.anyNode"), "false", "%s", answer.text);
    cr_assert_str_eq(answer_at(&answer, "survives.nodesNotSurvived"), "2");
    cr_assert_str_eq(answer_at(&answer, "survives.unplaced.0.nearest.node"), "node-2");
    answer_finish(&answer);
    answer = get("/problems");
    const json_t *problem, *items = json_object_get(answer.body, "items");
    size_t i, found = 0;
    json_array_foreach(items, i, problem)
    {
        if (strcmp(json_string_value(json_object_get(problem, "reason")), "NodeLossNotSurvived"))
            continue;
        const char *fix = json_string_value(json_object_get(problem, "fix"));
        cr_assert(strstr(fix, "cpu short by") && strstr(fix, "node-2"), "%s", fix);
        cr_assert(json_is_string(json_object_get(problem, "since")));
        found++;
    }
    cr_assert_eq(found, 1, "%s", answer.text);
    answer_finish(&answer);
}

Test(told_survival, of_one_node_alone_is_no_problem)
{
    add_node(0, "node-1");
    deploy();
    struct answer answer = get("/cluster");
    cr_assert_str_eq(answer_at(&answer, "survives.anyNode"), "false", "%s", answer.text);
    answer_finish(&answer);
    answer = get("/problems");
    cr_assert_null(strstr(answer.text, "NodeLossNotSurvived"), "%s", answer.text);
    answer_finish(&answer);
}
