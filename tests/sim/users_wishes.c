/* What users ask for: specifications of deployments and services, drawn. */
#include "users.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const users_deployments[] = {"web", "db", "queue"};
const char *const users_services[] = {"front", "back", "side"};

struct probes {
    struct probe probes[3];
    struct probe_exec commands[3];
    const char *words[3];
};

static const struct probe *make_probe(struct probes *probes, int at, const char *word)
{
    probes->words[at] = word;
    probes->commands[at].command = (struct list){.items = &probes->words[at], .count = 1};
    probes->probes[at] =
        (struct probe){.exec = &probes->commands[at],
                       .interval_ns = NS_PER_MS * draw_between(STREAM_USERS, 500, 3000),
                       .timeout_ns = NS_PER_SECOND,
                       .failure_threshold = (int64_t)draw_between(STREAM_USERS, 1, 4),
                       .success_threshold = 1};
    if (strcmp(word, "started") == 0)
        probes->probes[at].failure_threshold = 60;
    return &probes->probes[at];
}

static void draw_template(struct container_template *template, struct probes *probes,
                          struct container_port *port, bool last)
{
    static const char *const images[] = {"app:1", "app:2", "app:3", "bad:1"};
    template->image = images[draw(STREAM_USERS, last || draw(STREAM_USERS, 3) ? 3 : 4)];
    template->resources.cpu_millis = (int64_t)draw(STREAM_USERS, last ? 150 : 500);
    template->resources.memory_bytes = (int64_t)draw(STREAM_USERS, 300) << 20;
    template->stop_grace_period_ns = NS_PER_SECOND *draw_between(STREAM_USERS, 1, 8);
    template->restart_policy.condition = RESTART_ALWAYS;
    if (draw(STREAM_USERS, 10) == 0 && !last)
        template->restart_policy.condition =
            draw(STREAM_USERS, 2) ? RESTART_NEVER : RESTART_ON_FAILURE;
    if (draw(STREAM_USERS, 10) < 6)
        template->readiness_probe = make_probe(probes, 0, "ready");
    if (draw(STREAM_USERS, 10) < 3)
        template->liveness_probe = make_probe(probes, 1, "live");
    if (draw(STREAM_USERS, 10) < 2)
        template->startup_probe = make_probe(probes, 2, "started");
    *port = (struct container_port){
        .name = "http", .number = 80, .host_port = NUMBER_NULL, .protocol = PROTOCOL_TCP};
    if (draw(STREAM_USERS, 8) == 0 && !last)
        port->host_port = (int64_t)draw_between(STREAM_USERS, 8080, 8083);
    template->ports = (struct list){.items = port, .count = 1};
}

static void draw_rollout(struct rollout *rollout, bool last)
{
    rollout->max_surge.value = (int32_t)draw(STREAM_USERS, 3);
    rollout->max_unavailable.value = (int32_t)draw(STREAM_USERS, 2);
    rollout->max_surge.percent = rollout->max_unavailable.percent = false;
    if (!rollout->max_surge.value && !rollout->max_unavailable.value)
        rollout->max_surge.value = 1;
    rollout->max_draining.value = (int32_t)draw_between(STREAM_USERS, 1, 4);
    rollout->max_draining.percent = false;
    rollout->min_ready_ns = draw(STREAM_USERS, 3) ? 0 : NS_PER_SECOND * draw(STREAM_USERS, 4);
    rollout->progress_deadline_ns = NS_PER_SECOND * draw_between(STREAM_USERS, 30, 120);
    rollout->strategy = draw(STREAM_USERS, 3)
                            ? STRATEGY_ROLLING
                            : (uint8_t)(STRATEGY_RECREATE + draw(STREAM_USERS, 3));
    rollout->canary.replicas = (struct amount){(int32_t)draw_between(STREAM_USERS, 1, 3), false};
    rollout->canary.traffic = (struct amount){(int32_t)draw(STREAM_USERS, 60), true};
    rollout->promotion.automatic = last || draw(STREAM_USERS, 2);
    rollout->promotion.after_ns = NS_PER_SECOND * draw(STREAM_USERS, 20);
    rollout->pause_after.value = last || draw(STREAM_USERS, 6) ? 0 : 1;
    rollout->auto_rollback = !last && draw(STREAM_USERS, 10) < 7;
}

enum { MANY_HOSTS = 8 }; /* each is to have one */

bool users_deploy(struct operation *operation, const char *name, bool last)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    struct server *server = server_leader()->server;
    struct deployment wanted = {0};
    struct probes probes;
    struct container_port port;
    struct error error = {0};
    struct write_request request = users_request(operation);
    struct map_entry label = {"operation", operation->by};
    schema_defaults(&deployment_type, &arena, &wanted);
    wanted.name = name;
    wanted.labels = (struct list){.items = &label, .count = 1};
    draw_template(&wanted.template, &probes, &port, last);
    draw_rollout(&wanted.rollout, last);
    const struct deployment *existing = deployment_manager_find(server->deployments, name);
    bool global = draw(STREAM_USERS, 7) == 0;
    wanted.mode = existing ? existing->mode : global ? MODE_GLOBAL : MODE_REPLICATED;
    wanted.replicas = (int64_t)draw(STREAM_USERS, 6) + (last ? 1 : 0);
    if (world.options.hosts > MANY_HOSTS)
        wanted.replicas += world.options.hosts;
    if (last)
        wanted.rollout.max_unavailable.value = 1; /* a full cluster must be able to move, too */
    if (existing && !last && draw(STREAM_USERS, 4) == 0) {
        request.has_if_match = true;
        request.if_match = existing->record.version - (draw(STREAM_USERS, 4) == 0);
    }
    bool given = last || draw(STREAM_USERS, 2);
    return users_taken(operation,
                       deployment_manager_write(server->deployments, WRITE_REPLACE, &wanted, given,
                                                &request, users_done, operation, &error),
                       &error);
}

bool users_put_service(struct operation *operation, uint64_t which)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    struct server *server = server_leader()->server;
    struct service wanted = {0};
    struct error error = {0};
    struct write_request request = users_request(operation);
    char listen[32];
    schema_defaults(&service_type, &arena, &wanted);
    snprintf(listen, sizeof listen, "127.0.0.1:%llu", (unsigned long long)(9000 + which));
    wanted.name = users_services[which];
    wanted.deployment = users_deployments[draw(STREAM_USERS, run.deployments)];
    wanted.listen = listen;
    wanted.drain_timeout_ns = NS_PER_SECOND * draw_between(STREAM_USERS, 1, 30);
    return users_taken(operation,
                       service_manager_write(server->services, WRITE_REPLACE, &wanted, &request,
                                             users_done, operation, &error),
                       &error);
}
