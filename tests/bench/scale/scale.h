/* The scale benchmark: the core and the plugins that ship, in this process, against simulated
 * agents. main.c says what each figure means and how it is taken. */
#ifndef BENCH_SCALE_H
#define BENCH_SCALE_H

#include "server.h"

#include <stdio.h>

/* One workload: `deployments` of `replicas` each, on `nodes`. */
struct shape {
    const char *name;
    uint32_t nodes, deployments, replicas;
    const char *scheduler; /* NULL: spread */
    int64_t cpu_millis, memory_bytes, max_per_node;
    bool in_two_zones; /* a constraint: zone in (zone-0, zone-1) */
    bool even_zones;   /* promised by the scheduler: no two zones differ by more than one */
    bool churn;        /* other deployments come and go meanwhile */
    bool backlog;      /* deployments that fit nowhere wait beside it */
    bool restart;      /* and a second process starts on what the first left */
};
enum { ZONES = 3, NODE_CPU_MILLIS = 128000 };
#define NODE_MEMORY_BYTES (INT64_C(512) << 30)

/* The loop's callbacks of one name. */
struct turn_figures {
    char name[32];
    uint64_t calls, cpu_total_ns;
    uint64_t cpu_longest_ns, wall_longest_ns;
    uint64_t cpu_over, wall_over; /* how many took over 2 ms */
};
enum { TURNS_SHOWN = 10 };

struct figures {
    uint64_t nodes, containers, decisions;
    double decision_seconds, durable_seconds, running_seconds;
    uint64_t p99_ns, durable_p99_ns;
    uint64_t peak_bytes, bytes_per_container, bytes_per_node; /* of the server's process */
    uint64_t agent_bytes, turns_over_2ms, longest_turn_ns, turns;
    double agent_seconds;
    uint64_t passes;  /* of the scheduler, while placing */
    uint64_t returns; /* of nodes that the server had closed the link to */
    struct turn_figures turns_by_name[TURNS_SHOWN], restart_turns_by_name[TURNS_SHOWN];
    double restart_seconds, restart_running_seconds;
    double restart_cpu_seconds, restart_busiest_seconds; /* of the first; by its busiest thread */
    uint64_t restart_peak_bytes, restart_turns_over_2ms, restart_longest_turn_ns;
    char longest_name[48], restart_longest_name[48], fault[240]; /* fault: what was wrong */
};

/* -- plugins, as they ship -- */
const void *plugin_table(const char *file);
bool plugins_add_schedulers(struct scheduler *scheduler, struct error *error);

/* -- the agents -- */
struct fleet;
/* Nodes node-00000 ... with a zone each. `remembered`: a file of "node id" lines, what runs there
 * already; NULL: nothing. */
struct fleet *fleet_create(struct loop *loop, uint32_t nodes, const char *remembered);
void fleet_attach(struct fleet *fleet, struct node_registry *registry);
void fleet_name(uint32_t node, char out[32]);
void fleet_zone(uint32_t node, char out[32]);
double fleet_seconds(const struct fleet *fleet);   /* in their code, of the loop's thread */
uint32_t fleet_returns(const struct fleet *fleet); /* how often one lost its link and came back */
uint64_t fleet_bytes(const struct fleet *fleet);   /* what they hold */
void fleet_save(const struct fleet *fleet, const char *file);
void fleet_destroy(struct fleet *fleet);

/* -- workloads -- */
/* The shape's deployment number `index`, in the arena. */
const struct deployment *shape_deployment(const struct shape *shape, uint32_t index, bool backlog,
                                          struct arena *arena);
/* The scheduler alone: decision_seconds, decisions, p99_ns. */
void measure_decisions(const struct shape *shape, struct figures *out);
/* Everything else. */
void measure_cluster(const struct shape *shape, const char *directory, struct figures *out);
/* A start on what measure_cluster left. */
void measure_restart(const struct shape *shape, const char *directory, struct figures *out);

/* -- turns.c: from turns_watch to turns_finish -- */
struct turns;
struct turns *turns_watch(struct loop *loop);
void turns_finish(struct turns *turns, struct loop *loop, struct turn_figures worst[TURNS_SHOWN]);
uint64_t turns_cpu_over(const struct turn_figures worst[TURNS_SHOWN]);
void turns_print(const char *when, const struct turn_figures worst[TURNS_SHOWN]);

uint64_t bench_now_ns(void);
double bench_cpu_seconds(void);          /* of this process so far */
double bench_busiest_seconds(void);      /* of that thread of it that has had the most */
uint64_t bench_bytes(const char *field); /* of /proc/self/status: "VmRSS", "VmHWM" */
int bench_compare_u64(const void *a, const void *b);
void bench_fail(struct figures *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
