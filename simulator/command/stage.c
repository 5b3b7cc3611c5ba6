#include "stage.h"
#include "schedulers.h"
#include "sim.h"
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 100, START_S = 60, FOREVER_DAYS = 3650 };

struct command { /* its answer comes later */
    struct outcome *outcome;
    struct outcome_step *step;
    const char *what;
};

/* -- the world -- */

static struct pace always(uint64_t ns)
{
    return (struct pace){.unit_ns = 1, .low = ns, .high = ns};
}

static void set_options(const struct scenario *scenario)
{
    struct options *options = &world.options;
    world_seed((uint64_t)scenario->seed);
    options_usual_paces(options);
    options->paces[PACE_PULL] = always(scenario->model.pull_ns);
    options->paces[PACE_CALL] = always(scenario->model.call_ns);
    options->paces[PACE_READY] = always(scenario->model.ready_ns);
    options->paces[PACE_TERM] = always(scenario->model.stop_ns);
    options->suspect_after_ns = scenario->clocks.suspect_after_ns;
    options->lost_after_ns = scenario->clocks.lost_after_ns;
    options->default_scheduler = options->fallback_scheduler = scenario->schedulers.standard;
    options->event_limit = 1000;
    world.phase = PHASE_QUIET;
    world.add_schedulers = schedulers_add;
}

static void set_hosts(const struct scenario *scenario)
{
    world_hosts(scenario->node_count);
    for (uint32_t i = 0; i < scenario->node_count; i++) {
        struct host *host = &world.hosts[i];
        const struct scenario_node *node = &scenario->nodes[i];
        snprintf(host->name, sizeof host->name, "%s", node->name);
        host->capacity = node->capacity;
        host->reserved = node->reserved;
        host->labels = node->labels;
    }
}

static struct server *server(void)
{
    return server_leader()->server;
}

static bool is_there(uint32_t index)
{
    const char *name = world.hosts[index].name;
    return server_serves(server_leader()) && node_registry_find(server()->nodes, name) &&
           node_registry_status(server()->nodes, name)->state == NODE_READY;
}

static bool all_there(const struct scenario *scenario)
{
    for (uint32_t i = 0; i < scenario->node_count; i++)
        if (!scenario->nodes[i].late && !is_there(i))
            return false;
    return true;
}

static bool begin(const struct scenario *scenario, struct error *error)
{
    world_build();
    server_start(server_leader());
    watch_server(server_leader());
    for (uint32_t i = 0; i < scenario->node_count; i++)
        if (!scenario->nodes[i].late)
            agent_start(&world.hosts[i]);
    for (int i = 0; i < START_S * 1000 / LOOK_MS && !all_there(scenario); i++)
        world_run_until(now_ns() + LOOK_MS * NS_PER_MS);
    return all_there(scenario) ||
           error_set(error, ERROR_INTERNAL, "not every node is ready after %d s", START_S);
}

/* -- commands, as the API would give them -- */

static void refuse(struct command *command, const char *why)
{
    struct outcome_step *step = command->step;
    enum { MOST = 32 };
    if (!step->refused)
        step->refused = arena_alloc(&command->outcome->arena, MOST * sizeof *step->refused);
    if (step->refused_count < MOST)
        step->refused[step->refused_count++] =
            arena_format(&command->outcome->arena, "%s: %s", command->what, why);
}

static void answered(void *argument, const struct error *error, const struct write_result *result)
{
    (void)result;
    if (error)
        refuse(argument, error->message);
}

static struct command *make_command(struct outcome *outcome, struct outcome_step *step,
                                    const char *verb, const char *name)
{
    struct command *command = arena_alloc(&outcome->arena, sizeof *command);
    command->outcome = outcome;
    command->step = step;
    command->what = arena_format(&outcome->arena, "%s %s", verb, name);
    return command;
}

/* Probes become commands that the model of applications understands. */
static const struct probe *modelled(const struct probe *probe, const char *word,
                                    struct arena *arena)
{
    if (!probe)
        return NULL;
    struct probe *copy = arena_alloc(arena, sizeof *copy);
    struct probe_exec *exec = arena_alloc(arena, sizeof *exec);
    const char **words = arena_alloc(arena, sizeof *words);
    *words = word;
    exec->command = (struct list){.items = words, .count = 1};
    *copy = *probe;
    copy->http = NULL;
    copy->tcp = NULL;
    copy->exec = exec;
    return copy;
}

static void deploy(struct outcome *outcome, struct outcome_step *step,
                   const struct deployment *wanted)
{
    struct command *command = make_command(outcome, step, "deploy", wanted->name);
    struct deployment copy = *wanted;
    struct container_template *template = &copy.template;
    struct error error = {0};
    const struct write_request request = {.origin = {.by = "simulate"}};
    template->startup_probe = modelled(template->startup_probe, "started", &outcome->arena);
    template->readiness_probe = modelled(template->readiness_probe, "ready", &outcome->arena);
    template->liveness_probe = modelled(template->liveness_probe, "live", &outcome->arena);
    if (!deployment_manager_write(server()->deployments, WRITE_REPLACE, &copy, true, &request,
                                  answered, command, &error))
        refuse(command, error.message);
}

static void change_node(struct outcome *outcome, struct outcome_step *step, enum happening what,
                        const char *verb, uint32_t index)
{
    const char *name = world.hosts[index].name;
    struct command *command = make_command(outcome, step, verb, name);
    struct error error = {0};
    const struct write_request request = {.origin = {.by = "simulate"}};
    struct node_registry *nodes = server()->nodes;
    bool taken = what == EVENT_CORDON || what == EVENT_UNCORDON
                     ? node_registry_set_schedulable(nodes, name, what == EVENT_UNCORDON, &request,
                                                     answered, command, &error)
                     : node_registry_drain(nodes, name, 0, &request, answered, command, &error);
    if (!taken)
        refuse(command, error.message);
}

static void change_power(struct outcome *outcome, struct outcome_step *step, enum happening what,
                         uint32_t index)
{
    struct host *host = &world.hosts[index];
    bool kill = what == EVENT_KILL, runs = host->process.loop != NULL;
    if (kill == runs) {
        if (kill)
            host_crash(host, FOREVER_DAYS * 86400 * NS_PER_SECOND);
        else
            host_boot(host);
        return;
    }
    refuse(make_command(outcome, step, kill ? "kill" : "restore", host->name),
           kill ? "it has no power already" : "it has power already");
}

static void change_deployment(struct outcome *outcome, struct outcome_step *step,
                              const struct scenario_step *from)
{
    static const char *const verbs[] = {
        [EVENT_SCALE] = "scale", [EVENT_RESTART] = "restart", [EVENT_DELETE] = "delete"};
    struct command *command = make_command(outcome, step, verbs[from->what], from->name);
    struct deployment_manager *manager = server()->deployments;
    struct error error = {0};
    const struct write_request request = {.origin = {.by = "simulate"}};
    bool taken =
        from->what == EVENT_SCALE ? deployment_manager_scale(manager, from->name, from->replicas,
                                                             &request, answered, command, &error)
        : from->what == EVENT_RESTART
            ? deployment_manager_restart(manager, from->name, &request, answered, command, &error)
            : deployment_manager_delete(manager, from->name, &request, answered, command, &error);
    if (!taken)
        refuse(command, error.message);
}

/* The daemon is ended and started with another default, as its configuration would say. */
static void change_scheduler(const char *name)
{
    struct server_process *process = server_leader();
    world.options.default_scheduler = world.options.fallback_scheduler = name;
    server_kill(process);
    server_start(process);
    watch_server(process);
}

/* -- machines that are taken away: drained, then off, then forgotten -- */

static bool *leaving;

static void forgotten(void *argument, const struct error *error, const struct write_result *result)
{
    (void)argument, (void)error, (void)result; /* the node's record tells */
}

static void look_at_leaving(const struct scenario *scenario)
{
    if (!leaving || !server_serves(server_leader()))
        return;
    for (uint32_t i = 0; i < scenario->node_count; i++) {
        struct host *host = &world.hosts[i];
        const struct node *node =
            leaving[i] ? node_registry_find(server()->nodes, host->name) : NULL;
        if (!node || !node->draining)
            continue;
        bool lost = node_registry_status(server()->nodes, host->name)->state == NODE_LOST;
        if (!lost && container_manager_next_on(server()->containers, host->name, NULL))
            continue;
        const struct write_request request = {.origin = {.by = "simulate"}};
        struct error error = {0};
        if (host->process.loop)
            host_crash(host, FOREVER_DAYS * 86400 * NS_PER_SECOND);
        if (node_registry_delete(server()->nodes, host->name, &request, forgotten, NULL, &error))
            leaving[i] = false;
    }
}

/* -- steps -- */

static void apply_to_nodes(const struct scenario *scenario, struct outcome *outcome,
                           struct outcome_step *step, const struct scenario_step *from)
{
    for (uint32_t i = 0; i < from->node_count; i++) {
        uint32_t index = from->nodes[i];
        if (from->what == EVENT_ADD)
            agent_start(&world.hosts[index]);
        else if (from->what == EVENT_KILL || from->what == EVENT_RESTORE)
            change_power(outcome, step, from->what, index);
        else
            change_node(outcome, step, from->what,
                        from->what == EVENT_CORDON     ? "cordon"
                        : from->what == EVENT_UNCORDON ? "uncordon"
                        : from->what == EVENT_REMOVE   ? "remove"
                                                       : "drain",
                        index);
        if (from->what != EVENT_REMOVE)
            continue;
        if (!leaving)
            leaving = arena_alloc(&outcome->arena, scenario->node_count * sizeof *leaving);
        leaving[index] = true;
    }
}

static void apply(const struct scenario *scenario, struct outcome *outcome,
                  struct outcome_step *step, const struct scenario_step *from)
{
    process_sync(&server_leader()->process);
    if (from->node_count)
        apply_to_nodes(scenario, outcome, step, from);
    else if (from->what == EVENT_DEPLOY || from->what == EVENT_PATCH)
        deploy(outcome, step, from->wanted);
    else if (from->what == EVENT_SCHEDULER)
        change_scheduler(from->name);
    else
        change_deployment(outcome, step, from);
}

/* So long must it be silent before it counts as at rest: a dead node is replaced only after its
 * time, and nothing tells of a pull under way. */
static uint64_t silence_ns(const struct scenario *scenario)
{
    const struct scenario_model *model = &scenario->model;
    return scenario->clocks.lost_after_ns + scenario->clocks.suspect_after_ns + model->pull_ns +
           model->ready_ns + model->stop_ns + 4 * model->call_ns;
}

static void play_until(const struct scenario *scenario, struct outcome_step *step,
                       uint64_t begun_ns, uint64_t until_ns)
{
    uint64_t silence = silence_ns(scenario);
    for (uint64_t now = now_ns(); now < until_ns; now = now_ns()) {
        uint64_t next = now + LOOK_MS * NS_PER_MS;
        world_run_until(next < until_ns ? next : until_ns);
        look_at_leaving(scenario);
        watch_look();
        step->at_rest = watch_is_calm() && now_ns() - watch_last_change_ns() >= silence;
        if (step->at_rest)
            break;
    }
    step->watched_ns = now_ns() - begun_ns;
}

static void measure(struct outcome *outcome, struct outcome_step *step)
{
    watch_end(step);
    if (!server_serves(server_leader()))
        return;
    packing_measure(&step->packing);
    if (step->packing.largest)
        step->packing.largest = arena_strdup(&outcome->arena, step->packing.largest);
    unfit_measure(outcome, step);
}

/* One that was just started again loads its state first. */
static void await_server(void)
{
    for (int i = 0; i < START_S * 1000 / LOOK_MS && !server_serves(server_leader()); i++)
        world_run_until(now_ns() + LOOK_MS * NS_PER_MS);
}

static uint64_t until(const struct scenario *scenario, uint64_t zero_ns, uint32_t next)
{
    uint64_t settled = now_ns() + scenario->settle_ns;
    if (next >= scenario->step_count)
        return settled;
    uint64_t at = zero_ns + scenario->steps[next].at_ns;
    return at < settled ? at : settled;
}

static void play_start(const struct scenario *scenario, struct outcome *outcome)
{
    struct outcome_step *step = &outcome->steps[outcome->step_count++];
    uint64_t zero_ns = now_ns();
    step->title = "start";
    watch_begin();
    process_sync(&server_leader()->process);
    for (uint32_t i = 0; i < scenario->deployments.count; i++)
        deploy(outcome, step, LIST_AT(scenario->deployments, struct deployment, i));
    play_until(scenario, step, zero_ns, until(scenario, zero_ns, 0));
    measure(outcome, step);
}

/* All that happens at the same instant is one step. */
static uint32_t play_step(const struct scenario *scenario, struct outcome *outcome,
                          uint64_t zero_ns, uint32_t index)
{
    struct outcome_step *step = &outcome->steps[outcome->step_count++];
    const struct scenario_step *from = &scenario->steps[index];
    uint64_t at_ns = zero_ns + from->at_ns;
    if (at_ns > now_ns())
        world_run_until(at_ns);
    watch_begin();
    uint64_t begun_ns = now_ns();
    step->at_ns = begun_ns - zero_ns;
    step->title = from->title;
    for (;;) {
        await_server();
        apply(scenario, outcome, step, from);
        if (++index == scenario->step_count || scenario->steps[index].at_ns != from->at_ns)
            break;
        from = &scenario->steps[index];
        step->title = arena_format(&outcome->arena, "%s; %s", step->title, from->title);
    }
    play_until(scenario, step, begun_ns, until(scenario, zero_ns, index));
    measure(outcome, step);
    return index;
}

static void end(struct outcome *outcome)
{
    for (uint32_t i = 0; i < world.options.hosts; i++)
        agent_kill(&world.hosts[i]);
    outcome->scheduler = world.options.default_scheduler;
    outcome->containers_made = watch_containers_made();
    server_kill(server_leader());
    watch_finish();
}

bool stage_play(const struct scenario *scenario, struct outcome *outcome, struct error *error)
{
    set_options(scenario);
    set_hosts(scenario);
    watch_init(&outcome->arena);
    outcome->steps =
        arena_alloc(&outcome->arena, (scenario->step_count + 1) * sizeof *outcome->steps);
    if (!begin(scenario, error))
        return false;
    uint64_t zero_ns = now_ns();
    play_start(scenario, outcome);
    for (uint32_t i = 0; i < scenario->step_count;)
        i = play_step(scenario, outcome, zero_ns, i);
    outcome->simulated_ns = now_ns() - zero_ns;
    packing_nodes(outcome);
    end(outcome);
    return true;
}
