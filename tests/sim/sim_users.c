/* Users: commands as the API would give them, and a ledger of what was answered. */
#include "judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum outcome { OUTCOME_OPEN = 1, OUTCOME_DONE, OUTCOME_REFUSED, OUTCOME_UNKNOWN, OUTCOME_LOST };
struct operation {
    uint64_t number;
    enum outcome outcome;
    uint64_t process_generation;
    struct process *process;
    bool appeared;   /* its content became durable */
    uint32_t audits; /* durable ones in its name */
    bool last;       /* one of those that are to hold in the end */
    char by[24], object[96];
};
enum { OPERATION_LIMIT = 4096, DEPLOYMENTS = 3, SERVICES = 3 };
static struct operation operations[OPERATION_LIMIT];
static uint64_t operation_count, open_operations;
static struct loop_timer turn;
static const char *const deployment_names[DEPLOYMENTS] = {"web", "db", "queue"};
static const char *const service_names[SERVICES] = {"front", "back", "side"};

/* -- the ledger -- */

static struct operation *begin(const char *format, const char *name)
{
    struct operation *operation = &operations[operation_count % OPERATION_LIMIT];
    struct process *process = &server_leader()->process;
    *operation = (struct operation){.number = operation_count++,
                                    .outcome = OUTCOME_OPEN,
                                    .process = process,
                                    .process_generation = process->generation};
    snprintf(operation->by, sizeof operation->by, "user-%llu",
             (unsigned long long)operation->number);
    snprintf(operation->object, sizeof operation->object, format, name);
    trace('U', "%s %s", operation->by, operation->object);
    open_operations++;
    return operation;
}

static struct operation *find(const char *by)
{
    if (!by || strncmp(by, "user-", 5) != 0)
        return NULL;
    uint64_t number = strtoull(by + 5, NULL, 10);
    struct operation *operation = &operations[number % OPERATION_LIMIT];
    return operation->number == number ? operation : NULL;
}

void users_audit(const char *by, const char *verb, const char *object)
{
    struct operation *operation = find(by);
    if (!operation)
        return;
    operation->audits++;
    CHECK(I23, operation->audits == 1, "%s has a second audit entry: %s %s", by, verb, object);
    CHECK(I3_REFUSED, operation->outcome != OUTCOME_REFUSED, "%s was refused and is durable", by);
}

void users_check_content(const char *by)
{
    struct operation *operation = find(by);
    if (!operation)
        return;
    CHECK(I3_REFUSED, operation->outcome != OUTCOME_REFUSED || operation->appeared,
          "%s was refused and is durable", by);
    operation->appeared = true;
}

static void judge_done(struct operation *operation, const struct write_result *result)
{
    CHECK(I23, operation->audits == (result->changed ? 1 : 0),
          "%s (%s): changed %d, %u audit entries", operation->by, operation->object,
          result->changed, operation->audits);
    if (!result->record || result->record->kind->id != KIND_DEPLOYMENT)
        return;
    const struct deployment *deployment = (const struct deployment *)result->record;
    struct true_deployment *seen = true_deployment(deployment->name);
    CHECK(I3_ACKNOWLEDGED,
          seen && (seen->gone || strcmp(seen->uid, deployment->record.uid) != 0 ||
                   seen->version >= deployment->record.version),
          "%s is acknowledged as version %llu and not durable", operation->by,
          (unsigned long long)deployment->record.version);
    if (!seen->gone && strcmp(seen->uid, deployment->record.uid) == 0)
        seen->acknowledged_version = deployment->record.version;
}

static void done(void *argument, const struct error *error, const struct write_result *result)
{
    struct operation *operation = argument;
    if (operation->outcome != OUTCOME_OPEN || operation->process->dying ||
        operation->process->generation != operation->process_generation)
        return; /* its server has died: nobody hears it */
    open_operations--;
    operation->outcome = !error                                 ? OUTCOME_DONE
                         : error->code == ERROR_UNKNOWN_OUTCOME ? OUTCOME_UNKNOWN
                                                                : OUTCOME_REFUSED;
    trace('U', "%s answered: %s", operation->by, error ? error->message : "done");
    if (!error)
        judge_done(operation, result);
    CHECK(I3_REFUSED, operation->outcome != OUTCOME_REFUSED || !operation->audits,
          "%s is refused after it became durable: %s", operation->by, error ? error->message : "");
}

/* What the manager answered on the spot. */
static bool taken(struct operation *operation, bool accepted, const struct error *error)
{
    if (accepted)
        return true;
    open_operations--;
    operation->outcome = OUTCOME_REFUSED;
    trace('U', "%s refused: %s", operation->by, error->message);
    return false;
}

void users_server_died(struct process *process)
{
    for (uint64_t i = 0; i < OPERATION_LIMIT; i++)
        if (operations[i].outcome == OUTCOME_OPEN && operations[i].process == process) {
            operations[i].outcome = OUTCOME_LOST;
            open_operations--;
        }
}

static struct write_request request_of(const struct operation *operation)
{
    return (struct write_request){.origin = {.by = operation->by}};
}

/* -- specifications -- */

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

static bool deploy(struct operation *operation, const char *name, bool last)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    struct server *server = server_leader()->server;
    struct deployment wanted = {0};
    struct probes probes;
    struct container_port port;
    struct error error = {0};
    struct write_request request = request_of(operation);
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
    if (last)
        wanted.rollout.max_unavailable.value = 1; /* a full cluster must be able to move, too */
    if (existing && !last && draw(STREAM_USERS, 4) == 0) {
        request.has_if_match = true;
        request.if_match = existing->record.version - (draw(STREAM_USERS, 4) == 0);
    }
    bool given = last || draw(STREAM_USERS, 2);
    return taken(operation,
                 deployment_manager_write(server->deployments, WRITE_REPLACE, &wanted, given,
                                          &request, done, operation, &error),
                 &error);
}

static bool put_service(struct operation *operation, uint64_t which)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    struct server *server = server_leader()->server;
    struct service wanted = {0};
    struct error error = {0};
    struct write_request request = request_of(operation);
    char listen[32];
    schema_defaults(&service_type, &arena, &wanted);
    snprintf(listen, sizeof listen, "127.0.0.1:%llu", (unsigned long long)(9000 + which));
    wanted.name = service_names[which];
    wanted.deployment = deployment_names[draw(STREAM_USERS, run.deployments)];
    wanted.listen = listen;
    wanted.drain_timeout_ns = NS_PER_SECOND * draw_between(STREAM_USERS, 1, 30);
    return taken(operation,
                 service_manager_write(server->services, WRITE_REPLACE, &wanted, &request, done,
                                       operation, &error),
                 &error);
}

/* -- commands -- */

static const char *any_deployment(void)
{
    return deployment_names[draw(STREAM_USERS, run.deployments)];
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
    operation = begin(words[what], name);
    request = request_of(operation);
    switch (what) {
    case 0:
        accepted = deployment_manager_scale(manager, name, (int64_t)draw(STREAM_USERS, 7), &request,
                                            done, operation, &error);
        break;
    case 1:
        accepted = deployment_manager_restart(manager, name, &request, done, operation, &error);
        break;
    case 2:
    case 3:
        accepted = deployment_manager_set_paused(manager, name, what == 2, &request, done,
                                                 operation, &error);
        break;
    case 4:
        accepted = deployment_manager_rollback(manager, name, (int64_t)draw(STREAM_USERS, 4),
                                               &request, done, operation, &error);
        break;
    case 5:
        accepted = deployment_manager_abort(manager, name, &request, done, operation, &error);
        break;
    case 6:
        accepted = deployment_manager_promote(manager, name, &request, done, operation, &error);
        break;
    default:
        accepted = deployment_manager_delete(manager, name, &request, done, operation, &error);
        break;
    }
    (void)taken(operation, accepted, &error);
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
    struct operation *operation = begin(restart ? "restart %s" : "delete %s", picked->id);
    struct write_request request = request_of(operation);
    bool accepted = restart ? container_manager_restart(server->containers, picked->id, &request,
                                                        done, operation, &error)
                            : container_manager_delete(server->containers, picked->id, &request,
                                                       done, operation, &error);
    (void)taken(operation, accepted, &error);
}

static void change_node(uint64_t what)
{
    struct node_registry *nodes = server_leader()->server->nodes;
    const char *name = any_node();
    struct error error = {0};
    static const char *const words[] = {"uncordon %s", "cordon %s", "drain %s", "delete %s"};
    struct operation *operation = begin(words[what], name);
    struct write_request request = request_of(operation);
    bool accepted;
    if (what < 2)
        accepted = node_registry_set_schedulable(nodes, name, what == 0, &request, done, operation,
                                                 &error);
    else if (what == 2)
        accepted =
            node_registry_drain(nodes, name, 60 * NS_PER_SECOND, &request, done, operation, &error);
    else
        accepted = node_registry_delete(nodes, name, &request, done, operation, &error);
    (void)taken(operation, accepted, &error);
}

static void change_service(bool put)
{
    struct error error = {0};
    uint64_t which = draw(STREAM_USERS, run.services);
    if (!run.services)
        return;
    struct operation *operation =
        begin(put ? "put service %s" : "delete service %s", service_names[which]);
    if (put) {
        (void)put_service(operation, which);
        return;
    }
    struct write_request request = request_of(operation);
    (void)taken(operation,
                service_manager_delete(server_leader()->server->services, service_names[which],
                                       &request, done, operation, &error),
                &error);
}

static void act(uint64_t what)
{
    const char *name;
    if (what < 24) {
        name = any_deployment();
        (void)deploy(begin("deploy %s", name), name, false);
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

/* -- the end: what is to hold -- */

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
        operation = begin("uncordon %s", name);
        request = request_of(operation);
        (void)taken(operation,
                    node_registry_set_schedulable(server->nodes, name, true, &request, done,
                                                  operation, &error),
                    &error);
        return operation;
    }
    step -= world.options.hosts;
    if (step < 2 * run.deployments) {
        const char *name = deployment_names[step / 2];
        bool exists = deployment_manager_find(server->deployments, name);
        if (!(final.deletions >> (step / 2) & 1)) {
            operation = begin(step % 2 ? "resume %s" : "deploy %s", name);
            request = request_of(operation);
            if (step % 2 == 0)
                (void)deploy(operation, name, true);
            else
                (void)taken(operation,
                            deployment_manager_set_paused(server->deployments, name, false,
                                                          &request, done, operation, &error),
                            &error);
            return operation;
        }
        if (step % 2 || !exists || is_deleting(name))
            return NULL;
        operation = begin("delete %s", name);
        request = request_of(operation);
        (void)taken(
            operation,
            deployment_manager_delete(server->deployments, name, &request, done, operation, &error),
            &error);
        return operation;
    }
    step -= 2 * run.deployments;
    operation = begin("put service %s", service_names[step]);
    (void)put_service(operation, step);
    return operation;
}

static void go_on(void)
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
    return final.step >= final_steps() && !open_operations;
}

/* -- */

static void take_turn(void *argument)
{
    uint64_t pause = NS_PER_SECOND / 2;
    (void)argument;
    if (faults_on()) {
        uint64_t what = draw(STREAM_USERS, 100);
        uint64_t number = operation_count;
        bool skipped = number >= run.skip_from && number < run.skip_to;
        pause = NS_PER_MS * draw_between(STREAM_USERS, 1, 100) +
                draw_around(STREAM_USERS, run.user_pause_ns);
        if (skipped)
            operation_count++;
        else if (server_serves(server_leader()))
            act(what);
    } else if (world.phase == PHASE_HEALING) {
        go_on();
    }
    if (world.phase != PHASE_QUIET)
        loop_timer_start(&turn, pause);
}

void users_init(void)
{
    loop_timer_init(&turn, world.loop, "users", take_turn, NULL);
    loop_timer_start(&turn, 2 * NS_PER_SECOND);
}

void users_heal(void)
{
    final.deletions = draw(STREAM_USERS, 8);
    final.deletions &= draw(STREAM_USERS, 8);
}
