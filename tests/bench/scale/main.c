/* bench_scale: how large and how fast the core is. `make bench-scale` builds and runs it.
 *
 * One process holds the server (core/server.h, wired as the daemon wires it), the plugins that ship
 * (loaded from their .so files), the real loop, the SQLite store on a directory of the disk, and
 * one thin simulated agent per node (agents.c), which speaks the node link's messages: what is
 * assigned runs and is ready at once. Every node is scored for every pass, exactly; none is
 * sampled.
 *
 * Each workload runs in a process of its own, so that memory is its own. Per workload:
 *   decisions/s   the scheduler alone: from scheduler_place to the plan on the loop, and the shares
 *                 of what was placed taken, pass after pass, 4,096 replicas a pass at most
 *   p99           of 1,000 passes of one replica each on the cluster filled by that, loop to loop
 *   durable/s     the whole server: from the declaration of the deployments to the commit of the
 *                 last container's record (fsync done), agents answering meanwhile
 *   durable p99   from a scale by one to its record's commit, one after another
 *   running       until every container has been reported running and ready
 *   passes        of the scheduler while placing; unschedulable's backlog has had its own before,
 *                 and retries none: its figure is plain's
 *   bytes         resident set, less what the agents hold: at its peak, and per container and node
 *   longest turn  of the loop while placing, by its own account; a callback of the agents is named
 *                 "link to agent" or "agents". Wall clock: a busy machine lengthens it
 *   callbacks     of the loop by name, the ten longest, by the thread's CPU time beside the wall's;
 *                 from the process's start until all runs, so the loading and start are in them
 *   restart       a second process on the same directory: until it serves (state loaded, managers
 *                 started), with the CPU time of all its threads, and of the one that had the most:
 *                 on an idle machine of two cores the wall's is near the larger of half of all and
 *                 the busiest; then until all nodes have reported all their containers
 * churn: other deployments are scaled up and down every 100 ms; unschedulable: 100 deployments that
 * fit nowhere wait beside the load. Both figures are the load's.
 *
 * `--help` names the options. Exit 1 when a result is wrong, 2 for a wrong command line.
 */
#include "scale.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHAPE(shape_name, node_count, deployment_count, replica_count, ...)                        \
    {                                                                                              \
        .name = (shape_name), .nodes = (node_count), .deployments = (deployment_count),            \
        .replicas = (replica_count), .cpu_millis = 250, .memory_bytes = INT64_C(512) << 20,        \
        ##__VA_ARGS__                                                                              \
    }
static const struct shape shapes[] = {
    SHAPE("c2m", 6100, 100, 20000, .restart = true),
    SHAPE("plain", 5000, 10, 10000),
    SHAPE("anti-affinity", 5000, 20, 4500, .max_per_node = 1),
    SHAPE("zone-spread", 5000, 10, 10000, .scheduler = "spread-zones", .even_zones = true),
    SHAPE("constraints", 5000, 10, 10000, .in_two_zones = true),
    SHAPE("churn", 5000, 10, 10000, .churn = true),
    SHAPE("unschedulable", 5000, 10, 10000, .backlog = true),
    SHAPE("growth-100", 100, 10, 200),
    SHAPE("growth-300", 300, 10, 600),
    SHAPE("growth-1000", 1000, 10, 2000),
    SHAPE("growth-3000", 3000, 10, 6000),
    SHAPE("growth-10000", 10000, 10, 20000),
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

int bench_compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

double bench_cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

double bench_busiest_seconds(void)
{
    unsigned long long most = 0, spent;
    DIR *threads = opendir("/proc/self/task");
    const struct dirent *thread;
    while (threads && (thread = readdir(threads))) {
        char path[300];
        snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", thread->d_name);
        FILE *file = fopen(path, "r");
        if (file && fscanf(file, "%llu", &spent) == 1 && spent > most)
            most = spent;
        if (file)
            fclose(file);
    }
    if (threads)
        closedir(threads);
    return (double)most / 1e9;
}

uint64_t bench_bytes(const char *field)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    unsigned long long kib = 0;
    size_t length = strlen(field);
    while (status && fgets(line, sizeof line, status))
        if (strncmp(line, field, length) == 0 && line[length] == ':')
            kib = strtoull(line + length + 1, NULL, 10);
    if (status)
        fclose(status);
    return kib * 1024;
}

/* -- each in a process of its own -- */

static void check_end(int status, struct figures *out)
{
    if (WIFSIGNALED(status))
        bench_fail(out, "the measuring process was ended by signal %d (%s)", WTERMSIG(status),
                   strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        bench_fail(out, "the measuring process ended with exit code %d", WEXITSTATUS(status));
}

/* `out` is shared with the child: what it measured before it ended badly is kept. */
static void in_child(void (*measure)(const struct shape *, const char *, struct figures *),
                     const struct shape *shape, const char *directory, struct figures *out)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        measure(shape, directory, out);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        bench_fail(out, "no measuring process: %s", strerror(errno));
    else
        check_end(status, out);
}

static void alone(const struct shape *shape, const char *directory, struct figures *out)
{
    (void)directory;
    measure_decisions(shape, out);
}

struct options {
    const char *json, *directory;
    const char *restart; /* only the restart, of what `keep` left there */
    uint32_t part;
    bool smoke, keep;
};

static void run(const struct shape *shape, const struct options *options, struct figures *out)
{
    char directory[200], command[256];
    *out = (struct figures){.nodes = shape->nodes};
    if (options->restart) {
        in_child(measure_restart, shape, options->restart, out);
        return;
    }
    snprintf(directory, sizeof directory, "%s/scale-XXXXXX", options->directory);
    if (!mkdtemp(directory)) {
        bench_fail(out, "%s cannot be made", directory);
        return;
    }
    in_child(alone, shape, directory, out);
    in_child(measure_cluster, shape, directory, out);
    if (shape->restart && !out->fault[0])
        in_child(measure_restart, shape, directory, out);
    if (options->keep) {
        printf("kept: %s\n", directory);
        return;
    }
    snprintf(command, sizeof command, "rm -r '%s'", directory);
    if (system(command) != 0)
        fprintf(stderr, "%s is left behind\n", directory);
}

/* -- the table and the file -- */

static double rate(uint64_t count, double seconds)
{
    return seconds > 0 ? (double)count / seconds : 0;
}

static void print_head(void)
{
    printf("%-14s %6s %9s %12s %9s %11s %11s %9s %10s %7s %8s  %s\n", "workload", "nodes",
           "replicas", "decisions/s", "p99 us", "durable/s", "durable s", "p99 ms", "running s",
           "MiB", "B/cont.", "longest turn, over 2 ms");
}

static void print_row(const struct shape *shape, const struct figures *f)
{
    printf(
        "%-14s %6u %9llu %12.0f %9.1f %11.0f %11.2f %9.2f %10.2f %7.0f %8llu  %.2f ms (%s), %llu\n",
        shape->name, shape->nodes, (unsigned long long)f->containers,
        rate(f->decisions, f->decision_seconds), (double)f->p99_ns / 1e3,
        rate(f->containers, f->durable_seconds), f->durable_seconds,
        (double)f->durable_p99_ns / 1e6, f->running_seconds, (double)f->peak_bytes / 1048576,
        (unsigned long long)f->bytes_per_container, (double)f->longest_turn_ns / 1e6,
        f->longest_name, (unsigned long long)f->turns_over_2ms);
    printf("%14s agents apart: %.2f s of the loop's thread, %.0f MiB; server: %llu bytes per node, "
           "%llu passes\n",
           "", f->agent_seconds, (double)f->agent_bytes / 1048576,
           (unsigned long long)f->bytes_per_node, (unsigned long long)f->passes);
    if (f->returns)
        printf("%14s nodes that the server gave up and that came back: %llu\n", "",
               (unsigned long long)f->returns);
    if (shape->restart)
        printf(
            "%14s restart: serving after %.2f s (%.2f s of CPU, %.2f of its busiest thread), all "
            "reported %.2f s later; peak %.0f MiB; longest turn %.2f ms (%s), %llu over 2 ms\n",
            "", f->restart_seconds, f->restart_cpu_seconds, f->restart_busiest_seconds,
            f->restart_running_seconds, (double)f->restart_peak_bytes / 1048576,
            (double)f->restart_longest_turn_ns / 1e6, f->restart_longest_name,
            (unsigned long long)f->restart_turns_over_2ms);
    if (shape->restart || turns_cpu_over(f->turns_by_name))
        turns_print("loop's callbacks", f->turns_by_name);
    if (shape->restart)
        turns_print("of the restart", f->restart_turns_by_name);
    if (f->fault[0])
        printf("%14s WRONG: %s\n", "", f->fault);
    fflush(stdout);
}

static void write_memory(FILE *out, const struct figures *f)
{
    fprintf(out,
            "\"peakBytes\": %llu, \"bytesPerContainer\": %llu, \"bytesPerNode\": %llu, "
            "\"agentBytes\": %llu, \"agentSeconds\": %.3f, \"longestTurnMicros\": %.1f, "
            "\"turnsOver2ms\": %llu, \"turnsOver2msCpu\": %llu, \"passes\": %llu",
            (unsigned long long)f->peak_bytes, (unsigned long long)f->bytes_per_container,
            (unsigned long long)f->bytes_per_node, (unsigned long long)f->agent_bytes,
            f->agent_seconds, (double)f->longest_turn_ns / 1e3,
            (unsigned long long)f->turns_over_2ms,
            (unsigned long long)turns_cpu_over(f->turns_by_name), (unsigned long long)f->passes);
}

static void write_shape(FILE *out, const struct shape *shape, const struct figures *f)
{
    fprintf(out,
            "\"%s\": {\"nodes\": %u, \"decisionsPerSecond\": %.0f, \"durablePerSecond\": %.0f, "
            "\"p99Micros\": %.1f, \"durableP99Micros\": %.1f, \"runningSeconds\": %.3f, ",
            shape->name, shape->nodes, rate(f->decisions, f->decision_seconds),
            rate(f->containers, f->durable_seconds), (double)f->p99_ns / 1e3,
            (double)f->durable_p99_ns / 1e3, f->running_seconds);
    write_memory(out, f);
    fprintf(out, "}");
}

static void write_growth(FILE *out, const struct shape *shape, const struct figures *f)
{
    fprintf(out,
            "{\"nodes\": %u, \"containers\": %llu, \"decisionSeconds\": %.4f, "
            "\"durableSeconds\": %.4f, \"p99Micros\": %.1f}",
            shape->nodes, (unsigned long long)f->containers, f->decision_seconds,
            f->durable_seconds, (double)f->p99_ns / 1e3);
}

static void write_c2m(FILE *out, const struct figures *f)
{
    fprintf(out,
            "\"c2m\": {\"nodes\": %llu, \"containers\": %llu, \"decisionSeconds\": %.3f, "
            "\"durableSeconds\": %.3f, \"runningSeconds\": %.3f, \"restartSeconds\": %.3f, "
            "\"restartCpuSeconds\": %.3f, \"restartBusiestSeconds\": %.3f, "
            "\"restartRunningSeconds\": %.3f, \"restartPeakBytes\": %llu, "
            "\"restartLongestTurnMicros\": %.1f, \"p99Micros\": %.1f, ",
            (unsigned long long)f->nodes, (unsigned long long)f->containers, f->decision_seconds,
            f->durable_seconds, f->running_seconds, f->restart_seconds, f->restart_cpu_seconds,
            f->restart_busiest_seconds, f->restart_running_seconds,
            (unsigned long long)f->restart_peak_bytes, (double)f->restart_longest_turn_ns / 1e3,
            (double)f->p99_ns / 1e3);
    write_memory(out, f);
    fprintf(out, "}");
}

static bool is_growth(const struct shape *shape)
{
    return text_starts_with(shape->name, "growth-");
}

static void write_list(FILE *out, const struct figures *figures, bool growth)
{
    const char *separator = "";
    for (int i = 0; i < SHAPES; i++) {
        if (!figures[i].nodes || shapes[i].restart || is_growth(&shapes[i]) != growth)
            continue;
        fprintf(out, "%s\n    ", separator);
        (growth ? write_growth : write_shape)(out, &shapes[i], &figures[i]);
        separator = ",";
    }
}

static bool write_json(const char *file, const struct figures *figures)
{
    FILE *out = fopen(file, "w");
    if (!out) {
        perror(file);
        return false;
    }
    fprintf(out, "{\n  ");
    if (figures[0].nodes) {
        write_c2m(out, &figures[0]);
        fprintf(out, ",\n  ");
    }
    fprintf(out, "\"shapes\": {");
    write_list(out, figures, false);
    fprintf(out, "},\n  \"growth\": [");
    write_list(out, figures, true);
    fprintf(out, "]\n}\n");
    return fclose(out) == 0;
}

/* Small enough for every test run: only what is right counts there. */
static struct shape shrink(struct shape shape)
{
    shape.nodes = shape.nodes / 100 < 30 ? 30 : shape.nodes / 100;
    shape.deployments = shape.deployments < 4 ? shape.deployments : 4;
    shape.replicas = shape.replicas / 100 < 29 ? 29 : shape.replicas / 100;
    if (shape.max_per_node)
        shape.replicas = shape.nodes - 1;
    return shape;
}

static bool is_named(const struct shape *shape, char **names, int count)
{
    bool named = count == 0;
    for (int i = 0; i < count; i++)
        named |= strcmp(shape->name, names[i]) == 0 ||
                 (is_growth(shape) && strcmp(names[i], "growth") == 0);
    return named;
}

static const char usage[] =
    "usage: bench_scale [--smoke] [--json FILE] [--directory DIR] [--part N] [--keep]\n"
    "                   [--restart DIR] [NAME...]\n"
    "  --smoke    small workloads: only whether the results are right\n"
    "  --part     one Nth of each workload's deployments\n"
    "  --keep     leave each workload's directory, and say where it is\n"
    "  --restart  only the restart, on a directory that --keep left (with the same --part and "
    "NAME)\n"
    "names: growth, and";

static int show_usage(FILE *to)
{
    fputs(usage, to);
    for (int i = 0; i < SHAPES; i++)
        fprintf(to, " %s", shapes[i].name);
    fputs("\n", to);
    return to == stdout ? 0 : 2;
}

/* False: `status` is what the program ends with. */
static bool read_options(int argc, char **argv, struct options *out, int *status)
{
    static const struct option known[] = {{"smoke", no_argument, NULL, 's'},
                                          {"json", required_argument, NULL, 'j'},
                                          {"directory", required_argument, NULL, 'd'},
                                          {"part", required_argument, NULL, 'p'},
                                          {"keep", no_argument, NULL, 'k'},
                                          {"restart", required_argument, NULL, 'r'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    int option;
    while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        if (option == 's')
            out->smoke = true;
        else if (option == 'k')
            out->keep = true;
        else if (option == 'r')
            out->restart = optarg;
        else if (option == 'j')
            out->json = optarg;
        else if (option == 'd')
            out->directory = optarg;
        else if (option == 'p' && atoi(optarg) > 0)
            out->part = (uint32_t)atoi(optarg);
        else {
            *status = show_usage(option == 'h' ? stdout : stderr);
            return false;
        }
    }
    return true;
}

static struct shape sized(const struct options *options, const struct shape *whole)
{
    struct shape shape = options->smoke ? shrink(*whole) : *whole;
    if (shape.deployments > options->part)
        shape.deployments /= options->part;
    return shape;
}

int main(int argc, char **argv)
{
    struct options options = {.directory = ".", .part = 1};
    bool wrong = false;
    int status = 0;
    if (!read_options(argc, argv, &options, &status))
        return status;
    struct figures *figures = mmap(NULL, SHAPES * sizeof *figures, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (figures == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    log_configure(getenv("BENCH_LOG") ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT, 2);
    print_head();
    for (int i = 0; i < SHAPES; i++) {
        if (!is_named(&shapes[i], argv + optind, argc - optind) ||
            (options.smoke && is_growth(&shapes[i])))
            continue;
        struct shape shape = sized(&options, &shapes[i]);
        run(&shape, &options, &figures[i]);
        print_row(&shape, &figures[i]);
        wrong |= figures[i].fault[0] != 0;
    }
    return (options.json && !write_json(options.json, figures)) || wrong ? 1 : 0;
}
