/* The loop's callbacks over 2 ms, by name, by both clocks. */
#include "scale.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum { NAMES = 128, LONG_NS = 2 * NS_PER_MS };

struct turns {
    struct turn_figures names[NAMES]; /* in the order of their first call */
};

static struct turn_figures *find(struct turns *turns, const char *name)
{
    for (int i = 0; i < NAMES; i++) {
        struct turn_figures *at = &turns->names[i];
        if (at->calls == 0)
            snprintf(at->name, sizeof at->name, "%s", name);
        if (strncmp(at->name, name, sizeof at->name - 1) == 0)
            return at;
    }
    return &turns->names[NAMES - 1];
}

static void ran(void *argument, const char *name, uint64_t wall_ns, uint64_t cpu_ns)
{
    struct turn_figures *figures = find(argument, name);
    figures->calls++;
    figures->wall_over += wall_ns > LONG_NS;
    figures->cpu_over += cpu_ns > LONG_NS;
    if (wall_ns > figures->wall_longest_ns)
        figures->wall_longest_ns = wall_ns;
    if (cpu_ns > figures->cpu_longest_ns)
        figures->cpu_longest_ns = cpu_ns;
    figures->cpu_total_ns += cpu_ns;
}

struct turns *turns_watch(struct loop *loop)
{
    struct turns *turns = memory_alloc(sizeof *turns);
    loop_set_meter(loop, ran, turns);
    return turns;
}

static int longest_first(const void *a, const void *b)
{
    const struct turn_figures *x = a, *y = b;
    return x->cpu_longest_ns > y->cpu_longest_ns ? -1 : x->cpu_longest_ns < y->cpu_longest_ns;
}

void turns_finish(struct turns *turns, struct loop *loop, struct turn_figures worst[TURNS_SHOWN])
{
    loop_set_meter(loop, NULL, NULL);
    qsort(turns->names, NAMES, sizeof turns->names[0], longest_first);
    memcpy(worst, turns->names, TURNS_SHOWN * sizeof worst[0]);
    free(turns);
}

uint64_t turns_cpu_over(const struct turn_figures worst[TURNS_SHOWN])
{
    uint64_t over = 0;
    for (int i = 0; i < TURNS_SHOWN; i++)
        over += worst[i].cpu_over;
    return over;
}

void turns_print(const char *when, const struct turn_figures worst[TURNS_SHOWN])
{
    printf("%14s %-20s %10s %14s %14s %14s %14s %14s\n", "", when, "calls", "CPU s", "CPU max ms",
           "CPU over 2 ms", "wall max ms", "wall over 2 ms");
    for (int i = 0; i < TURNS_SHOWN && worst[i].calls; i++)
        printf("%14s %-20s %10llu %14.2f %14.2f %14llu %14.2f %14llu\n", "", worst[i].name,
               (unsigned long long)worst[i].calls, (double)worst[i].cpu_total_ns / 1e9,
               (double)worst[i].cpu_longest_ns / 1e6, (unsigned long long)worst[i].cpu_over,
               (double)worst[i].wall_longest_ns / 1e6, (unsigned long long)worst[i].wall_over);
}
