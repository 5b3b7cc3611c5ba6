/* Users: commands as the API would give them, at random while faults are on. */
#include "users.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct loop_timer turn;

static const char *any_deployment(void)
{
    return users_deployments[draw(STREAM_USERS, run.deployments)];
}

static const char *any_node(void)
{
    return world.hosts[draw(STREAM_USERS, world.options.hosts)].name;
}

static void change_deployment(uint64_t what)
{
    struct server *server = server_leader()->server;
    struct deployment_manager *manager = server->deployments;
    const char *name = any_deployment();
    struct error error = {0};
    struct operation *operation;
    struct write_request request;
    bool accepted = false;
    static const char *const words[] = {"scale %s",    "restart %s", "pause %s",   "resume %s",
                                        "rollback %s", "abort %s",   "promote %s", "delete %s"};
    operation = users_begin(words[what], name);
    request = users_request(operation);
    switch (what) {
    case 0:
        accepted = deployment_manager_scale(manager, name, (int64_t)draw(STREAM_USERS, 7), &request,
                                            users_done, operation, &error);
        break;
    case 1:
        accepted =
            deployment_manager_restart(manager, name, &request, users_done, operation, &error);
        break;
    case 2:
    case 3:
        accepted = deployment_manager_set_paused(manager, name, what == 2, &request, users_done,
                                                 operation, &error);
        break;
    case 4:
        accepted = deployment_manager_rollback(manager, name, (int64_t)draw(STREAM_USERS, 4),
                                               &request, users_done, operation, &error);
        break;
    case 5:
        accepted = deployment_manager_abort(manager, name, &request, users_done, operation, &error);
        break;
    case 6:
        accepted =
            deployment_manager_promote(manager, name, &request, users_done, operation, &error);
        break;
    default:
        accepted =
            deployment_manager_delete(manager, name, &request, users_done, operation, &error);
        break;
    }
    (void)users_taken(operation, accepted, &error);
}

static void change_container(bool restart)
{
    struct server *server = server_leader()->server;
    const struct container *container = NULL, *picked = NULL;
    struct error error = {0};
    uint64_t count = 0;
    while ((container = container_manager_next(server->containers, NULL, container)))
        if (draw(STREAM_USERS, ++count) == 0)
            picked = container;
    if (!picked)
        return;
    struct operation *operation = users_begin(restart ? "restart %s" : "delete %s", picked->id);
    struct write_request request = users_request(operation);
    bool accepted = restart ? container_manager_restart(server->containers, picked->id, &request,
                                                        users_done, operation, &error)
                            : container_manager_delete(server->containers, picked->id, &request,
                                                       users_done, operation, &error);
    (void)users_taken(operation, accepted, &error);
}

static void change_node(uint64_t what)
{
    struct node_registry *nodes = server_leader()->server->nodes;
    const char *name = any_node();
    struct error error = {0};
    static const char *const words[] = {"uncordon %s", "cordon %s", "drain %s", "delete %s"};
    struct operation *operation = users_begin(words[what], name);
    struct write_request request = users_request(operation);
    bool accepted;
    if (what < 2)
        accepted = node_registry_set_schedulable(nodes, name, what == 0, &request, users_done,
                                                 operation, &error);
    else if (what == 2)
        accepted = node_registry_drain(nodes, name, 60 * NS_PER_SECOND, &request, users_done,
                                       operation, &error);
    else
        accepted = node_registry_delete(nodes, name, &request, users_done, operation, &error);
    (void)users_taken(operation, accepted, &error);
}

static void change_service(bool put)
{
    struct error error = {0};
    uint64_t which = draw(STREAM_USERS, run.services);
    if (!run.services)
        return;
    struct operation *operation =
        users_begin(put ? "put service %s" : "delete service %s", users_services[which]);
    if (put) {
        (void)users_put_service(operation, which);
        return;
    }
    struct write_request request = users_request(operation);
    (void)users_taken(operation,
                      service_manager_delete(server_leader()->server->services,
                                             users_services[which], &request, users_done, operation,
                                             &error),
                      &error);
}

static void act(uint64_t what)
{
    const char *name;
    if (what < 24) {
        name = any_deployment();
        (void)users_deploy(users_begin("deploy %s", name), name, false);
    } else if (what < 38)
        change_deployment(0);
    else if (what < 43)
        change_deployment(1);
    else if (what < 46)
        change_deployment(2);
    else if (what < 51)
        change_deployment(3);
    else if (what < 54)
        change_deployment(4);
    else if (what < 56)
        change_deployment(5);
    else if (what < 58)
        change_deployment(6);
    else if (what < 61)
        change_deployment(7);
    else if (what < 70)
        change_container(false);
    else if (what < 76)
        change_container(true);
    else if (what < 82)
        change_node(0);
    else if (what < 85)
        change_node(1);
    else if (what < 88)
        change_node(2);
    else if (what < 89)
        change_node(3);
    else
        change_service(what < 98);
}

static void take_turn(void *argument)
{
    uint64_t pause = NS_PER_SECOND / 2;
    (void)argument;
    if (faults_on()) {
        uint64_t what = draw(STREAM_USERS, 100);
        uint64_t number = users_next_number();
        bool skipped = number >= run.skip_from && number < run.skip_to;
        pause = NS_PER_MS * draw_between(STREAM_USERS, 1, 100) +
                draw_around(STREAM_USERS, run.user_pause_ns);
        if (skipped)
            users_skip();
        else if (server_serves(server_leader()))
            act(what);
    } else if (world.phase == PHASE_HEALING) {
        users_last_go_on();
    }
    if (world.phase != PHASE_QUIET)
        loop_timer_start(&turn, pause);
}

void users_init(void)
{
    loop_timer_init(&turn, world.loop, "users", take_turn, NULL);
    loop_timer_start(&turn, 2 * NS_PER_SECOND);
}
