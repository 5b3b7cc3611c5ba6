/* The world: whose turn it is, and the two phases. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONVERGE_S = 600, QUIET_S = 600, BACK_S = 120 };

/* The next thing that happens anywhere; ties go to the models, servers, then agents by number. */
static uint64_t next_ns(struct process **whose)
{
    uint64_t first = loop_virtual_next_ns(world.loop);
    *whose = NULL;
    for (int i = 0; i < SERVER_LIMIT + (int)world.options.hosts; i++) {
        struct process *process =
            i < SERVER_LIMIT ? &world.servers[i].process : &world.hosts[i - SERVER_LIMIT].process;
        uint64_t at = process_next_ns(process);
        if (at < first) {
            first = at;
            *whose = process;
        }
    }
    return first;
}

void world_run_until(uint64_t until_ns)
{
    struct process *whose;
    for (;;) {
        uint64_t at = next_ns(&whose);
        if (at > until_ns)
            break;
        if (whose) {
            loop_virtual_jump(world.loop, at);
            process_sync(whose);
        } else {
            (void)loop_run_until(world.loop, at);
        }
        processes_bury();
        world.steps++;
        check_instant();
    }
    loop_virtual_jump(world.loop, until_ns);
}

static void run_for(uint64_t seconds)
{
    world_run_until(now_ns() + seconds * NS_PER_SECOND);
}

static void build(void)
{
    world.loop = loop_create_virtual(world.seed, INT64_C(1700000000000));
    sim_plugins_init();
    store_init();
    truth_init();
    for (uint32_t i = 0; i < world.options.hosts; i++) {
        struct host *host = &world.hosts[i];
        host->index = i;
        snprintf(host->name, sizeof host->name, "node-%u", i + 1);
        snprintf(host->directory, sizeof host->directory, "%s/%u", world.directory, i + 1);
        engine_init(host);
        proxy_init(host);
    }
    processes_init();
    net_init();
    clock_init();
    users_init();
    server_start(server_leader());
    for (uint32_t i = 0; i < world.options.hosts; i++)
        agent_start(&world.hosts[i]);
}

static void heal(void)
{
    trace('X', "healing");
    world.phase = PHASE_HEALING;
    clock_heal();
    net_heal();
    for (uint32_t i = 0; i < world.options.hosts; i++) {
        engine_heal(&world.hosts[i]);
        proxy_heal(&world.hosts[i]);
    }
    processes_heal();
    users_heal();
}

static void converge(void)
{
    char why[600] = "";
    uint64_t until = now_ns() + CONVERGE_S * NS_PER_SECOND;
    while (now_ns() < until) {
        run_for(5);
        world.checked[INVARIANT_I22]++;
        if (users_settled() && converged(why, sizeof why))
            return;
    }
    liveness_failed("not settled after %d s: %s", CONVERGE_S,
                    users_settled() ? why : "a user's command is not answered");
}

static void stay_quiet(const char *what, enum invariant invariant, uint64_t seconds)
{
    uint64_t before = world.actions;
    char why[600] = "";
    run_for(seconds);
    world.checked[invariant]++;
    if (world.actions != before)
        check_failed(invariant, "%s: %llu actions in a settled cluster", what,
                     (unsigned long long)(world.actions - before));
    if (!converged(why, sizeof why))
        liveness_failed("%s: it fell apart again: %s", what, why);
}

/* Everything is started again from what is durable: it must want what it wanted before. */
static void come_back(void)
{
    char why[600] = "";
    server_kill(server_leader());
    run_for(1);
    server_start(server_leader());
    for (uint32_t i = 0; i < world.options.hosts; i += 2) {
        agent_kill(&world.hosts[i]);
        agent_start(&world.hosts[i]);
    }
    uint64_t until = now_ns() + BACK_S * NS_PER_SECOND;
    uint64_t calls = world.actions;
    while (!converged(why, sizeof why) && now_ns() < until)
        run_for(1);
    if (!converged(why, sizeof why))
        liveness_failed("not settled again after a restart: %s", why);
    run_for(30);
    check_settled();
    (void)calls;
}

void world_run(void)
{
    world.phase = PHASE_SAFETY;
    build();
    world_run_until(now_ns() + world.options.safety_ns);
    heal();
    converge();
    run_for(240); /* what the engines were asked long ago comes, and goes again */
    world.phase = PHASE_QUIET;
    check_settled();
    stay_quiet("after convergence", INVARIANT_I21, QUIET_S);
    come_back();
}
