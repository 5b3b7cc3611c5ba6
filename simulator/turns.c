/* Whose turn it is: the models', or the process's whose loop has the next thing due. Processes wait
 * in a heap; ties go to the models, then to servers and agents by number. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static struct process **heap;  /* the first due on top; all processes, running or not */
static struct process **stale; /* those whose place is out of date */
static uint32_t *slots;        /* where in the heap the process of that number is */
static uint32_t process_count, stale_count;

static bool before(const struct process *a, const struct process *b)
{
    return a->turn.at_ns != b->turn.at_ns ? a->turn.at_ns < b->turn.at_ns
                                          : a->turn.index < b->turn.index;
}

static void place(uint32_t at, struct process *process)
{
    heap[at] = process;
    slots[process->turn.index] = at;
}

static void sift(uint32_t at)
{
    struct process *process = heap[at];
    for (; at && before(process, heap[(at - 1) / 2]); at = (at - 1) / 2)
        place(at, heap[(at - 1) / 2]);
    for (uint32_t child; (child = 2 * at + 1) < process_count; at = child) {
        if (child + 1 < process_count && before(heap[child + 1], heap[child]))
            child++;
        if (!before(heap[child], process))
            break;
        place(at, heap[child]);
    }
    place(at, process);
}

void process_stale(struct process *process)
{
    if (process->turn.stale)
        return;
    process->turn.stale = true;
    stale[stale_count++] = process;
}

static struct process *process_at(uint32_t index)
{
    return index < SERVER_LIMIT ? &world.servers[index].process
                                : &world.hosts[index - SERVER_LIMIT].process;
}

static void wait_all(void)
{
    process_count = SERVER_LIMIT + world.options.hosts;
    heap = memory_alloc(process_count * sizeof(struct process *));
    stale = memory_alloc(process_count * sizeof(struct process *));
    slots = memory_alloc(process_count * sizeof *slots);
    for (uint32_t i = 0; i < process_count; i++) {
        process_at(i)->turn.index = i;
        process_at(i)->turn.at_ns = UINT64_MAX;
        place(i, process_at(i));
    }
}

/* The next thing that happens anywhere. */
static uint64_t next_ns(struct process **whose)
{
    for (int i = 0; i < SERVER_LIMIT; i++) /* users' commands arrange turns of theirs */
        process_stale(&world.servers[i].process);
    while (stale_count) {
        struct process *process = stale[--stale_count];
        process->turn.stale = false;
        process->turn.at_ns = process_next_ns(process);
        sift(slots[process->turn.index]);
    }
    uint64_t models_ns = loop_virtual_next_ns(world.loop);
    *whose = heap[0]->turn.at_ns < models_ns ? heap[0] : NULL;
    return *whose ? heap[0]->turn.at_ns : models_ns;
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
        JUDGE(stepped);
    }
    loop_virtual_jump(world.loop, until_ns);
}

void world_hosts(uint32_t count)
{
    world.options.hosts = count;
    world.hosts = memory_alloc(count * sizeof *world.hosts);
    for (uint32_t i = 0; i < count; i++) {
        struct host *host = &world.hosts[i];
        host->index = i;
        snprintf(host->name, sizeof host->name, "node-%u", i + 1);
        snprintf(host->directory, sizeof host->directory, "%s/%u", world.directory, i + 1);
        host->capacity =
            (struct node_amounts){.cpu_millis = 4000, .memory_bytes = INT64_C(8) << 30};
    }
}

void world_build(void)
{
    world.loop = loop_create_virtual(world.seed, INT64_C(1700000000000));
    wait_all();
    store_init();
    for (uint32_t i = 0; i < world.options.hosts; i++) {
        engine_init(&world.hosts[i]);
        if (world.options.proxies)
            proxy_init(&world.hosts[i]);
    }
    processes_init();
    net_init();
    clock_init();
}

void world_broken(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}
