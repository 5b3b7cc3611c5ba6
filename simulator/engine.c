/* The engine of a host as a model: it does what a Docker daemon does, and fails as one does. */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cell_end_by_itself(void *argument)
{
    struct cell *cell = argument;
    if (cell->kill_at_ns && now_ns() >= cell->kill_at_ns)
        cell_exit(cell, 137, 0);
    else if (cell->term_ns)
        cell_exit(cell, 143, 0);
    else
        cell_exit(cell,
                  cell->end_way == APP_ENDS_EXIT  ? 0
                  : cell->end_way == APP_ENDS_OOM ? 137
                                                  : 1,
                  cell->end_way == APP_ENDS_OOM ? ORCH_CONTAINER_OOM : 0);
}

void engine_process_died(struct host *host)
{
    host->engine.host = NULL;
    host->engine.events = (struct orch_op){0};
    host->engine.operations = 0;
}

static void cut_events(struct host *host)
{
    struct orch_op op = host->engine.events;
    host->engine.events = (struct orch_op){0};
    if (!op.id || !host->engine.host)
        return;
    process_sync(&host->process);
    engine_complete_aside(host, op, ORCH_E_UNAVAILABLE);
}

static void come_up(void *argument);

static void fail_calls(struct host *host)
{
    while (host->engine.calls)
        call_answer(host->engine.calls, ORCH_E_UNAVAILABLE, NULL, (struct orch_array){0});
}

static void end_all(struct host *host)
{
    for (struct cell *cell = host->engine.cells; cell; cell = cell->next)
        cell_exit(cell, 137, 0);
}

static void go_down(struct host *host, uint64_t away_ns)
{
    trace('A', "the engine of %s goes down", host->name);
    cut_events(host);
    host->engine.down = true;
    host->engine.down_since_ns = now_ns();
    fail_calls(host);
    if (!host->engine.live_restore)
        end_all(host);
    loop_timer_stop(&host->engine.trouble);
    loop_timer_init(&host->engine.trouble, world.loop, "engine up", come_up, host);
    loop_timer_start(&host->engine.trouble, away_ns);
}

static struct cell *any_cell(struct host *host)
{
    uint64_t count = 0;
    for (struct cell *cell = host->engine.cells; cell; cell = cell->next)
        count += !cell->foreign;
    uint64_t at = draw(STREAM_ENGINE, count);
    for (struct cell *cell = host->engine.cells; cell; cell = cell->next)
        if (!cell->foreign && !at--)
            return cell;
    return NULL;
}

static void make_trouble(void *argument);

static void arm_trouble(struct host *host)
{
    uint64_t rate = world.options.rates[FAULT_ENGINE_RESTART];
    uint64_t other = world.options.rates[FAULT_ENGINE_VANISH];
    uint64_t mean = !rate || (other && other < rate) ? other : rate;
    loop_timer_init(&host->engine.trouble, world.loop, "engine trouble", make_trouble, host);
    if (mean && faults_on())
        loop_timer_start(&host->engine.trouble,
                         NS_PER_SECOND + draw_around(STREAM_ENGINE, mean * NS_PER_SECOND));
}

static void come_up(void *argument)
{
    struct host *host = argument;
    trace('A', "the engine of %s is up", host->name);
    host->engine.down = false;
    arm_trouble(host);
}

static void make_trouble(void *argument)
{
    struct host *host = argument;
    bool restart = world.options.rates[FAULT_ENGINE_RESTART] != 0;
    bool vanish = world.options.rates[FAULT_ENGINE_VANISH] != 0;
    if (restart && vanish)
        restart = draw(STREAM_ENGINE, 3) == 0;
    if (restart && !host->boot_at_ns) {
        world.hits[FAULT_ENGINE_RESTART]++;
        host->engine.live_restore = draw(STREAM_ENGINE, 2) != 0;
        go_down(host, draw_around(STREAM_ENGINE, 10 * NS_PER_SECOND) + 1);
        return;
    }
    struct cell *cell = any_cell(host);
    if (cell) {
        world.hits[FAULT_ENGINE_VANISH]++;
        trace('A', "somebody removes %s", cell->name);
        cell_erase(cell);
    }
    arm_trouble(host);
}

void engine_add_foreign(struct host *host, const char *name, const char *cluster)
{
    struct cell *cell = cell_make(host);
    snprintf(cell->name, sizeof cell->name, "%s", name);
    snprintf(cell->id, sizeof cell->id, "%s-%s", host->name, name);
    cell->foreign = true;
    cell->state = ORCH_CONTAINER_RUNNING;
    snprintf(cell->address, sizeof cell->address, "10.%u.1.1", host->index + 1);
    if (cluster) {
        snprintf(cell->keys[0], sizeof cell->keys[0], "orchestrator.cluster");
        snprintf(cell->values[0], sizeof cell->values[0], "%s", cluster);
        snprintf(cell->keys[1], sizeof cell->keys[1], "orchestrator.container");
        snprintf(cell->values[1], sizeof cell->values[1], "web-0-other");
        snprintf(cell->keys[2], sizeof cell->keys[2], "orchestrator.incarnation");
        snprintf(cell->values[2], sizeof cell->values[2], "1");
        snprintf(cell->keys[3], sizeof cell->keys[3], "orchestrator.seq");
        snprintf(cell->values[3], sizeof cell->values[3], "1");
        cell->label_count = 4;
    }
    cell->next = host->engine.cells;
    host->engine.cells = cell;
}

void engine_init(struct host *host)
{
    arm_trouble(host);
}

void engine_boot(struct host *host)
{
    if (host->engine.down)
        loop_timer_start(&host->engine.trouble, 0);
}

/* Calls that hang end now, as they would when somebody restarts the engine. */
void engine_heal(struct host *host)
{
    if (!host->engine.down) /* else it comes up by itself */
        loop_timer_stop(&host->engine.trouble);
    for (struct sim_call *call = host->engine.calls, *next; call; call = next) {
        next = call->next;
        if (call->fate == FATE_HANGS) {
            call_answer(call, ORCH_E_UNAVAILABLE, NULL, (struct orch_array){0});
            next = host->engine.calls;
        }
    }
    for (struct cell *cell = host->engine.cells; cell; cell = cell->next)
        if (cell->state == ORCH_CONTAINER_RUNNING && !cell->foreign)
            app_heal(cell);
}

void engine_host_died(struct host *host)
{
    while (host->engine.calls)
        call_free(host->engine.calls);
    host->engine.live_restore = false;
    host->engine.down = true;
    host->engine.down_since_ns = now_ns();
    end_all(host);
    loop_timer_stop(&host->engine.trouble);
    loop_timer_init(&host->engine.trouble, world.loop, "engine up", come_up, host);
    loop_timer_start(&host->engine.trouble,
                     host->boot_at_ns - now_ns() + NS_PER_MS * draw(STREAM_ENGINE, 3000));
}
