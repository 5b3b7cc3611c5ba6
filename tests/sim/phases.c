/* The two phases of a run. */
#include "judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONVERGE_S = 600, QUIET_S = 600, BACK_S = 120 };

static void run_for(uint64_t seconds)
{
    world_run_until(now_ns() + seconds * NS_PER_SECOND);
}

/* The agents' files, engines with what is not ours in them, users. */
static void build(void)
{
    judge_init();
    sim_plugins_init();
    truth_init();
    world_hosts(world.options.hosts);
    world_build();
    for (uint32_t i = 0; i < world.options.hosts; i++) {
        engine_add_foreign(&world.hosts[i], "stranger", NULL);
        engine_add_foreign(&world.hosts[i], "other", "0123456789abcdef0123456789abcdef");
    }
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
        run.checked[INVARIANT_I22]++;
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
    run.checked[invariant]++;
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

void run_phases(void)
{
    world.phase = PHASE_SAFETY;
    build();
    world_run_until(now_ns() + run.safety_ns);
    heal();
    converge();
    run_for(240); /* what the engines were asked long ago comes, and goes again */
    world.phase = PHASE_QUIET;
    check_settled();
    stay_quiet("after convergence", INVARIANT_I21, QUIET_S);
    come_back();
}
