/* What runs in containers: starts slowly, fails probes, gets stuck, crashes, ignores SIGTERM. */
#include "sim.h"

#include <string.h>

/* One that can't work where it is, as long as faults are on: it ends at once, each time. */
static bool always_crashes(const struct cell *cell)
{
    return world.options.rates[FAULT_APP_CRASH] && faults_on() &&
           (hash_text(cell->record) ^ world.seed) % 8 == 0;
}

/* Foreign containers are no applications of ours. */
void app_start(struct cell *cell)
{
    struct app *app = &cell->app;
    uint64_t now = now_ns();
    bool slow = strikes(FAULT_APP_SLOW, STREAM_APPS);
    bool flaps = strikes(FAULT_APP_FLAP, STREAM_APPS);
    bool stuck = strikes(FAULT_APP_STUCK, STREAM_APPS);
    bool oom = strikes(FAULT_APP_OOM, STREAM_APPS);
    bool crash = strikes(FAULT_APP_CRASH, STREAM_APPS);
    bool exits = strikes(FAULT_APP_EXIT, STREAM_APPS);
    *app = (struct app){.ready_at_ns = now + draw_pace(STREAM_APPS, PACE_READY),
                        .term_ns = draw_pace(STREAM_APPS, PACE_TERM)};
    if (slow)
        app->ready_at_ns += draw_around(STREAM_APPS, 8 * NS_PER_SECOND);
    app->flap_ns = flaps ? NS_PER_SECOND + draw_around(STREAM_APPS, 5 * NS_PER_SECOND) : 0;
    app->stuck_at_ns = stuck ? now + draw_around(STREAM_APPS, 40 * NS_PER_SECOND) : 0;
    app->ignores_term = strikes(FAULT_APP_IGNORES_TERM, STREAM_APPS);
    cell->end_way = oom     ? APP_ENDS_OOM
                    : crash ? APP_ENDS_CRASH
                    : exits ? APP_ENDS_EXIT
                            : APP_ENDS_NEVER;
    uint64_t after = draw_around(STREAM_APPS, 30 * NS_PER_SECOND);
    if (always_crashes(cell)) {
        cell->end_way = APP_ENDS_CRASH;
        after = NS_PER_MS * draw_between(STREAM_APPS, 5, 300);
    }
    loop_timer_stop(&cell->end);
    if (cell->end_way != APP_ENDS_NEVER)
        loop_timer_start(&cell->end, after);
}

void app_heal(struct cell *cell)
{
    struct app *app = &cell->app;
    app->flap_ns = app->stuck_at_ns = 0;
    if (cell->end_way != APP_ENDS_NEVER && !cell->term_ns)
        loop_timer_stop(&cell->end);
    cell->end_way = APP_ENDS_NEVER;
}

static bool is_stuck(const struct cell *cell)
{
    return cell->app.stuck_at_ns && now_ns() >= cell->app.stuck_at_ns;
}

bool app_ready(const struct cell *cell)
{
    const struct app *app = &cell->app;
    uint64_t now = now_ns();
    if (cell->state != ORCH_CONTAINER_RUNNING || now < app->ready_at_ns || is_stuck(cell))
        return false;
    return !app->flap_ns || ((now - app->ready_at_ns) / app->flap_ns) % 3 != 2;
}

/* "started", "ready", "live": the commands that the users' probes run. */
int32_t app_exec(struct cell *cell, const char *what)
{
    bool good = strcmp(what, "live") == 0      ? !is_stuck(cell)
                : strcmp(what, "started") == 0 ? now_ns() >= cell->app.ready_at_ns
                                               : app_ready(cell);
    cell->app.ever_ready = cell->app.ever_ready || (good && strcmp(what, "live") != 0);
    return good ? 0 : 1;
}

void app_signal(struct cell *cell, uint64_t grace_ns)
{
    uint64_t now = now_ns();
    bool heeds = !cell->app.ignores_term && cell->app.term_ns < grace_ns;
    if (!cell->term_ns)
        cell->term_ns = now;
    uint64_t kill_at = now + grace_ns;
    if (!cell->kill_at_ns || kill_at < cell->kill_at_ns)
        cell->kill_at_ns = kill_at;
    uint64_t ends = heeds ? cell->term_ns + cell->app.term_ns : cell->kill_at_ns;
    loop_timer_start(&cell->end, ends > now ? ends - now : 0);
}
