#include "agent/usage.h"
#include "agent/impl.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 32 };
#define STEP_NS (USAGE_STEP_SECONDS * NS_PER_SECOND)
#define PASS_NS NS_PER_SECOND
#define ANSWER_NS (30 * NS_PER_SECOND)

struct usage {
    struct loop *loop;
    struct agent *agent;
    struct runtime *runtime;
    struct usage_series *series;
    char node[96];
    struct loop_timer timer;
    uint64_t op, step, finished; /* of the pass under way, and of the latest that ended */
    struct agent_running *running;
    uint32_t count, at, batch;
};

/* -- points -- */

static void put(struct usage_series *series, uint64_t step, const struct usage_point *point)
{
    for (uint64_t skipped = series->last + 1; skipped < step; skipped++) {
        if (skipped + USAGE_POINTS < step)
            skipped = step - USAGE_POINTS;
        series->points[skipped % USAGE_POINTS].cpu_millis = USAGE_NONE;
    }
    series->last = step;
    series->points[step % USAGE_POINTS] = *point;
}

static uint32_t sum(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - 1 - b ? UINT32_MAX - 1 : a + b;
}

static void add(struct usage_series *series, uint64_t step, const struct usage_point *more)
{
    struct usage_point *point = &series->points[step % USAGE_POINTS];
    if (series->last != step) {
        put(series, step, more);
        return;
    }
    point->cpu_millis = sum(point->cpu_millis, more->cpu_millis);
    point->memory_kib = sum(point->memory_kib, more->memory_kib);
    point->in_bytes = sum(point->in_bytes, more->in_bytes);
    point->out_bytes = sum(point->out_bytes, more->out_bytes);
}

bool usage_at(const struct usage_series *series, uint64_t step, struct usage_point *out)
{
    if (step > series->last || step + USAGE_POINTS <= series->last)
        return false;
    *out = series->points[step % USAGE_POINTS];
    return out->cpu_millis != USAGE_NONE;
}

/* -- series -- */

const struct usage_series *usage_find(const struct usage *usage, const char *object)
{
    struct usage_series *found;
    HASH_FIND_STR(usage->series, object, found);
    return found;
}

const struct usage_series *usage_next(const struct usage *usage, const struct usage_series *after)
{
    return after ? after->hh.next : usage->series;
}

/* NULL: there are too many. */
static struct usage_series *series_of(struct usage *usage, const char *kind, const char *name)
{
    char object[96];
    struct usage_series *series;
    snprintf(object, sizeof object, "%s/%s", kind, name);
    HASH_FIND_STR(usage->series, object, series);
    if (series || HASH_COUNT(usage->series) >= USAGE_SERIES)
        return series;
    series = memory_alloc(sizeof *series);
    memcpy(series->object, object, sizeof object);
    for (int i = 0; i < USAGE_POINTS; i++)
        series->points[i].cpu_millis = USAGE_NONE;
    series->last = usage->step - 1;
    HASH_ADD_STR(usage->series, object, series);
    return series;
}

static void drop(struct usage *usage, struct usage_series *series)
{
    HASH_DEL(usage->series, series);
    free(series);
}

static void drop_old(struct usage *usage)
{
    struct usage_series *series, *next;
    HASH_ITER(hh, usage->series, series, next)
    {
        if (series->last + USAGE_POINTS <= usage->step)
            drop(usage, series);
    }
}

/* -- from the runtime -- */

static uint32_t within(uint64_t value)
{
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX - 1;
}

static uint32_t rate(uint64_t now, uint64_t before, uint64_t took_ns)
{
    return now > before ? within((uint64_t)((__int128)(now - before) * NS_PER_SECOND / took_ns))
                        : 0;
}

/* What it used since it was last asked. False: it was not asked before, or was started anew. */
static bool measure(struct usage *usage, struct usage_series *series,
                    const struct agent_running *container, const struct orch_stats_view *view,
                    struct usage_point *out)
{
    uint64_t now_ns = loop_now_ns(usage->loop), took_ns = now_ns - series->at_ns;
    bool same = series->at_ns && took_ns && view->cpu_ns >= series->cpu_ns &&
                strcmp(series->runtime_id, container->runtime_id) == 0;
    if (same)
        *out = (struct usage_point){
            .cpu_millis = rate(view->cpu_ns / 1000, series->cpu_ns / 1000, took_ns) / 1000,
            .memory_kib = within(view->memory_bytes / 1024),
            .in_bytes = rate(view->network_in_bytes, series->in_bytes, took_ns),
            .out_bytes = rate(view->network_out_bytes, series->out_bytes, took_ns)};
    series->at_ns = now_ns;
    series->cpu_ns = view->cpu_ns;
    series->in_bytes = view->network_in_bytes;
    series->out_bytes = view->network_out_bytes;
    memcpy(series->runtime_id, container->runtime_id, sizeof series->runtime_id);
    return same;
}

static void take(struct usage *usage, const struct agent_running *container,
                 const struct orch_stats_view *view)
{
    struct usage_series *series = series_of(usage, "containers", container->id);
    struct usage_point point;
    int64_t slot;
    if (!series)
        return;
    if (!series->deployment[0] && !container_id_parse(container->id, series->deployment, &slot))
        series->deployment[0] = 0;
    if (!measure(usage, series, container, view, &point))
        return;
    put(series, usage->step, &point);
    series->has_points = true;
    struct usage_series *whole[] = {series_of(usage, "deployments", series->deployment),
                                    series_of(usage, "nodes", usage->node)};
    for (int i = 0; i < 2; i++)
        if (whole[i])
            add(whole[i], usage->step, &point);
}

static void ask(struct usage *usage);

static void answered(void *argument, orch_status status, const struct error *error,
                     const struct orch_stats_view *stats, uint32_t count)
{
    struct usage *usage = argument;
    const struct agent_running *batch = usage->running + usage->at;
    (void)error; /* an engine that does not answer is told of elsewhere; here points are missing */
    usage->op = 0;
    for (uint32_t i = 0; status == ORCH_OK && i < count; i++)
        for (uint32_t j = 0; j < usage->batch; j++)
            if (strcmp(batch[j].runtime_id, stats[i].runtime_id.ptr) == 0) {
                take(usage, &batch[j], &stats[i]);
                break;
            }
    usage->at += usage->batch;
    ask(usage);
}

static void end_pass(struct usage *usage)
{
    usage->finished = usage->step;
    loop_timer_start(&usage->timer, PASS_NS);
}

static void ask(struct usage *usage)
{
    const char *ids[BATCH];
    uint32_t left = usage->count - usage->at;
    usage->batch = left < BATCH ? left : BATCH;
    if (!usage->batch) {
        end_pass(usage);
        return;
    }
    for (uint32_t i = 0; i < usage->batch; i++)
        ids[i] = usage->running[usage->at + i].runtime_id;
    usage->op = runtime_stats(usage->runtime, ids, usage->batch,
                              loop_now_ns(usage->loop) + ANSWER_NS, answered, usage);
}

static bool is_new(const struct usage *usage, const struct agent_running *container)
{
    char object[96];
    snprintf(object, sizeof object, "containers/%s", container->id);
    const struct usage_series *series = usage_find(usage, object);
    return !series || !series->has_points;
}

/* The first of a step asks for all containers, those between only for such as have no point yet. */
static void begin_pass(void *argument)
{
    struct usage *usage = argument;
    uint64_t step = loop_now_ns(usage->loop) / STEP_NS;
    bool all = step != usage->step;
    uint32_t count = agent_running(usage->agent, usage->running, USAGE_SERIES);
    usage->step = step;
    usage->count = usage->at = 0;
    if (all)
        drop_old(usage);
    for (uint32_t i = 0; i < count; i++)
        if (all || is_new(usage, &usage->running[i]))
            usage->running[usage->count++] = usage->running[i];
    ask(usage);
}

/* -- life -- */

struct usage *usage_create(struct loop *loop, struct agent *agent, struct runtime *runtime,
                           const char *node)
{
    struct usage *usage = memory_alloc(sizeof *usage);
    usage->loop = loop;
    usage->agent = agent;
    usage->runtime = runtime;
    usage->running = memory_alloc(USAGE_SERIES * sizeof *usage->running);
    snprintf(usage->node, sizeof usage->node, "%s", node);
    loop_timer_init(&usage->timer, loop, "usage", begin_pass, usage);
    if (runtime_offers_stats(runtime))
        loop_timer_start(&usage->timer, PASS_NS);
    return usage;
}

void usage_destroy(struct usage *usage)
{
    if (!usage)
        return;
    if (usage->op)
        runtime_abandon(usage->runtime, usage->op);
    loop_timer_stop(&usage->timer);
    while (usage->series)
        drop(usage, usage->series);
    free(usage->running);
    free(usage);
}

uint64_t usage_step(const struct usage *usage)
{
    return usage->finished;
}

int64_t usage_step_wall_ms(const struct usage *usage, uint64_t step)
{
    int64_t ago_ns = (int64_t)(loop_now_ns(usage->loop) - step * STEP_NS);
    return loop_wall_ms(usage->loop) - ago_ns / (int64_t)NS_PER_MS;
}
