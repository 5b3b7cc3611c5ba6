/* A server that learns that another one leads. */
#include "rig.h"
#include "unit/store/scripted_store.h"

#include <criterion/criterion.h>

static struct rig_node *node;

static void setup(void)
{
    rig_begin();
    node = rig_add_node("node-1", 4000, "a");
    cr_assert_eq(rig_write(rig_deployment("web", "app:1", 2)), ERROR_NONE);
    rig_run_ms(1000);
    scripted.fence += 1;
    cr_assert_eq(rig_scale("web", 3), ERROR_UNAVAILABLE);
    rig_run_ms(100);
}

TestSuite(fence, .init = setup, .fini = rig_end, .timeout = 60);

Test(fence, lets_its_nodes_go_at_once)
{
    cr_assert_null(node->link);
}

static void ignored(void *argument, const char *json, size_t length)
{
    (void)argument, (void)json, (void)length;
}

static void closed(void *argument)
{
    *(bool *)argument = true;
}

Test(fence, takes_no_node_any_more)
{
    struct link_end *server_end, *node_end;
    bool is_closed = false;
    link_pair_create(rig.loop, &server_end, &node_end);
    link_set_receiver(node_end, (struct link_receiver){
                                    .message = ignored, .closed = closed, .argument = &is_closed});
    node_registry_attach(rig.server->nodes, server_end);
    rig_run_ms(100);
    cr_assert(is_closed);
    link_close(node_end);
}

Test(fence, gives_no_node_up_and_asks_the_store_for_nothing_more)
{
    unsigned applies = scripted.applies;
    rig_run_ms(60000);
    cr_assert_neq(node_registry_status(rig.server->nodes, "node-1")->state, NODE_LOST);
    cr_assert_eq(rig_count("web"), 2);
    cr_assert_leq(scripted.applies, applies + 1);
}
