/* The users' last commands: what is to hold in the end, in steps, each until it is done. */
#include "users.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct final { /* steps in order, each until it is done */
    uint64_t step;
    struct operation *under_way;
    uint64_t deletions, given_up_at;
} final;

static uint64_t final_steps(void)
{
    return world.options.hosts + 2 * run.deployments + run.services;
}

static bool is_deleting(const char *name)
{
    const struct deployment *existing =
        deployment_manager_find(server_leader()->server->deployments, name);
    return existing && existing->deleting;
}

/* NULL: nothing is to be done for that step. */
static struct operation *take_step(uint64_t step)
{
    struct server *server = server_leader()->server;
    struct error error = {0};
    struct operation *operation;
    struct write_request request;
    if (step < world.options.hosts) {
        const char *name = world.hosts[step].name;
        operation = users_begin("uncordon %s", name);
        request = users_request(operation);
        (void)users_taken(operation,
                          node_registry_set_schedulable(server->nodes, name, true, &request,
                                                        users_done, operation, &error),
                          &error);
        return operation;
    }
    step -= world.options.hosts;
    if (step < 2 * run.deployments) {
        const char *name = users_deployments[step / 2];
        bool exists = deployment_manager_find(server->deployments, name);
        if (!(final.deletions >> (step / 2) & 1)) {
            operation = users_begin(step % 2 ? "resume %s" : "deploy %s", name);
            request = users_request(operation);
            if (step % 2 == 0)
                (void)users_deploy(operation, name, true);
            else
                (void)users_taken(operation,
                                  deployment_manager_set_paused(server->deployments, name, false,
                                                                &request, users_done, operation,
                                                                &error),
                                  &error);
            return operation;
        }
        if (step % 2 || !exists || is_deleting(name))
            return NULL;
        operation = users_begin("delete %s", name);
        request = users_request(operation);
        (void)users_taken(operation,
                          deployment_manager_delete(server->deployments, name, &request, users_done,
                                                    operation, &error),
                          &error);
        return operation;
    }
    step -= 2 * run.deployments;
    operation = users_begin("put service %s", users_services[step]);
    (void)users_put_service(operation, step);
    return operation;
}

void users_last_go_on(void)
{
    if (final.under_way && final.under_way->outcome == OUTCOME_OPEN)
        return;
    if (final.under_way && final.under_way->outcome == OUTCOME_DONE)
        final.step++;
    final.under_way = NULL;
    if (final.step >= final_steps() || !server_serves(server_leader()))
        return;
    final.under_way = take_step(final.step);
    final.step += !final.under_way;
}

bool users_settled(void)
{
    return final.step >= final_steps() && !users_wait();
}

void users_heal(void)
{
    final.deletions = draw(STREAM_USERS, 8);
    final.deletions &= draw(STREAM_USERS, 8);
}
