/* Command line: one seed with its trace, or many seeds with a report. */
#include "base/log.h"
#include "options.h"

#include <stdio.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct arguments {
    uint64_t seed, seeds, first, steps, jobs;
    const char *without, *only, *with;
    uint32_t hosts; /* 0: as drawn */
    bool one, verbose, hashes, report, shrink, until_failure;
};
/* What a child tells of its run. */
struct result {
    uint64_t seed, trace, simulated_ns, steps;
    uint64_t checked[INVARIANT_COUNT], hits[FAULT_COUNT];
    struct site sites[SITE_LIMIT];
    char words[900];
};

static const char usage[] =
    "usage: sim [--seed S [--verbose] [--from SECONDS] [--shrink]]\n"
    "           [--seeds N [--first S] [--jobs J] [--hashes] [--report] [--until-failure]]\n"
    "           [--steps SECONDS] [--hosts N] [--without FAULTS] [--only FAULTS] [--with "
    "FAULT=RATE,...]\n"
    "           [--skip FROM:TO]\n";

static int result_pipe = -1;

static void tell(const char *words)
{
    struct result result = {.seed = world.seed,
                            .trace = world.trace,
                            .simulated_ns = world.loop ? now_ns() : 0,
                            .steps = world.steps};
    memcpy(result.checked, run.checked, sizeof result.checked);
    memcpy(result.hits, world.hits, sizeof result.hits);
    memcpy(result.sites, world.sites, sizeof result.sites);
    snprintf(result.words, sizeof result.words, "%s", words);
    if (result_pipe >= 0 && write(result_pipe, &result, sizeof result) != sizeof result)
        _exit(EXIT_CRASH);
}

static void remove_files(void)
{
    char path[96];
    for (uint32_t i = 0; i < HOST_LIMIT; i++) {
        snprintf(path, sizeof path, "%s/%u/agent.json", world.directory, i + 1);
        unlink(path);
        snprintf(path, sizeof path, "%s/%u/agent.json.new", world.directory, i + 1);
        unlink(path);
        snprintf(path, sizeof path, "%s/%u", world.directory, i + 1);
        rmdir(path);
    }
    rmdir(world.directory);
}

static void fail(int code, const char *words)
{
    fprintf(stderr, "seed %llu at %.3f s: %s\n", (unsigned long long)world.seed,
            (double)now_ns() / 1e9, words);
    tell(words);
    remove_files();
    _exit(code);
}

static const char *const invariant_names[INVARIANT_COUNT] = {
#define X(id, text) #id,
    SIM_INVARIANTS(X)
#undef X
};
static const char *const invariant_texts[INVARIANT_COUNT] = {
#define X(id, text) text,
    SIM_INVARIANTS(X)
#undef X
};

void check_failed(enum invariant invariant, const char *format, ...)
{
    char words[400], all[640];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    snprintf(all, sizeof all, "%s (%s): %s", invariant_names[invariant], invariant_texts[invariant],
             words);
    fail(EXIT_INVARIANT, all);
    abort();
}

void liveness_failed(const char *format, ...)
{
    char words[700], all[740];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    snprintf(all, sizeof all, "liveness: %s", words);
    fail(EXIT_LIVENESS, all);
    abort();
}

static void make_files(void)
{
    char path[96];
    snprintf(world.directory, sizeof world.directory, "/dev/shm/sim-XXXXXX");
    if (!mkdtemp(world.directory)) {
        snprintf(world.directory, sizeof world.directory, "/tmp/sim-XXXXXX");
        if (!mkdtemp(world.directory))
            _exit(EXIT_CRASH);
    }
    for (uint32_t i = 0; i < HOST_LIMIT; i++) {
        snprintf(path, sizeof path, "%s/%u", world.directory, i + 1);
        if (mkdir(path, 0700))
            _exit(EXIT_CRASH);
    }
}

static void run_seed(const struct arguments *arguments, uint64_t seed)
{
    options_draw(seed);
    if (arguments->hosts)
        options_widen(arguments->hosts);
    if (arguments->steps)
        run.safety_ns = arguments->steps * NS_PER_SECOND;
    if (arguments->without)
        options_without(arguments->without);
    if (arguments->only)
        options_only(arguments->only);
    if (arguments->with)
        (void)options_with(arguments->with); /* it was understood before */
    world.verbose = arguments->verbose;
    log_configure(getenv("SIM_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT,
                  getenv("SIM_LOG") ? 2 : -1);
    make_files();
    run_phases();
    tell("");
    remove_files();
}

static bool read_whole(int fd, void *to, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        ssize_t got = read(fd, (char *)to + at, bytes - at);
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

/* In a child, so that an assertion ends one run only. Answers its exit status. */
static int run_child(const struct arguments *arguments, uint64_t seed, struct result *out)
{
    int ends[2], status;
    if (pipe(ends))
        return EXIT_CRASH;
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        close(ends[0]);
        result_pipe = ends[1];
        run_seed(arguments, seed);
        exit(0); /* what counts coverage writes at exits */
    }
    close(ends[1]);
    memset(out, 0, sizeof *out);
    out->seed = seed;
    if (!read_whole(ends[0], out, sizeof *out))
        snprintf(out->words, sizeof out->words, "crashed");
    close(ends[0]);
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_CRASH;
}

/* -- many -- */

struct totals {
    uint64_t seeds, failures, simulated_ns, steps;
    uint64_t checked[INVARIANT_COUNT], hits[FAULT_COUNT];
    struct site sites[SITE_LIMIT];
};

static void add_sites(struct totals *totals, const struct site *sites)
{
    for (; sites->name[0]; sites++) {
        struct site *to = totals->sites;
        while (to->name[0] && strcmp(to->name, sites->name) != 0)
            to++;
        memcpy(to->name, sites->name, sizeof to->name);
        to->asked += sites->asked;
        to->hits += sites->hits;
    }
}

static void add_result(struct totals *totals, const struct arguments *arguments,
                       const struct result *result, int code)
{
    totals->seeds++;
    totals->simulated_ns += result->simulated_ns;
    totals->steps += result->steps;
    for (int i = 0; i < INVARIANT_COUNT; i++)
        totals->checked[i] += result->checked[i];
    for (int i = 0; i < FAULT_COUNT; i++)
        totals->hits[i] += result->hits[i];
    add_sites(totals, result->sites);
    if (arguments->hashes)
        printf("%llu %016llx\n", (unsigned long long)result->seed,
               (unsigned long long)result->trace);
    if (!code)
        return;
    totals->failures++;
    printf("FAILED seed %llu exit %d: %s\n", (unsigned long long)result->seed, code, result->words);
}

static void print_report(const struct totals *totals)
{
    for (int i = 0; i < INVARIANT_COUNT; i++)
        printf("%12llu %-16s %s\n", (unsigned long long)totals->checked[i], invariant_names[i],
               invariant_texts[i]);
    for (int i = 0; i < FAULT_COUNT; i++)
        printf("%12llu fault %s\n", (unsigned long long)totals->hits[i], fault_names[i]);
    for (const struct site *site = totals->sites; site->name[0]; site++)
        printf("%12llu of %llu site %s\n", (unsigned long long)site->hits,
               (unsigned long long)site->asked, site->name);
    for (const struct site *site = totals->sites; site->name[0]; site++)
        if (!site->hits)
            printf("NEVER HIT: site %s\n", site->name);
    for (int i = 0; i < INVARIANT_COUNT; i++)
        if (!totals->checked[i])
            printf("NEVER CHECKED: %s\n", invariant_names[i]);
    for (int i = 0; i < FAULT_COUNT; i++)
        if (!totals->hits[i])
            printf("NEVER HIT: %s\n", fault_names[i]);
}

/* One worker: every `jobs`-th seed, results to the parent. */
static void work(const struct arguments *arguments, uint64_t job, int to)
{
    for (uint64_t i = job; i < arguments->seeds; i += arguments->jobs) {
        struct {
            struct result result;
            int code;
        } told = {0};
        told.code = run_child(arguments, arguments->first + i, &told.result);
        if (write(to, &told, sizeof told) != sizeof told)
            _exit(EXIT_CRASH);
    }
    _exit(0);
}

static int run_many(const struct arguments *arguments)
{
    struct totals totals = {0};
    int ends[64][2];
    struct timespec begun, ended;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    fflush(stdout);
    for (uint64_t job = 0; job < arguments->jobs; job++) {
        if (pipe(ends[job]))
            return 1;
        if (!fork()) {
            close(ends[job][0]);
            work(arguments, job, ends[job][1]);
        }
        close(ends[job][1]);
    }
    for (uint64_t i = 0; i < arguments->seeds; i++) { /* in the order of seeds */
        struct {
            struct result result;
            int code;
        } told = {0};
        if (!read_whole(ends[i % arguments->jobs][0], &told, sizeof told))
            return 1;
        add_result(&totals, arguments, &told.result, told.code);
        if (told.code && arguments->until_failure) {
            printf("failed after %llu seeds\n", (unsigned long long)totals.seeds);
            return 1; /* workers end with their next word */
        }
    }
    while (wait(NULL) > 0)
        continue;
    clock_gettime(CLOCK_MONOTONIC, &ended);
    if (arguments->report)
        print_report(&totals);
    double seconds =
        (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) / 1e9;
    printf("seeds %llu failures %llu hours %.2f seconds %.1f\n", (unsigned long long)totals.seeds,
           (unsigned long long)totals.failures, (double)totals.simulated_ns / 3.6e12, seconds);
    return totals.failures ? 1 : 0;
}

/* -- one -- */

static int run_one(const struct arguments *arguments)
{
    struct result result;
    options_draw(arguments->seed);
    if (arguments->hosts)
        options_widen(arguments->hosts);
    options_print();
    int code = run_child(arguments, arguments->seed, &result);
    if (code)
        printf("FAILED seed %llu exit %d: %s\n", (unsigned long long)arguments->seed, code,
               result.words);
    printf("trace %016llx\n", (unsigned long long)result.trace);
    return code;
}

/* -- shrinking: fewer faults, a shorter run, fewer commands, as long as it still fails -- */

static bool still_fails(const struct arguments *arguments)
{
    struct result result;
    return run_child(arguments, arguments->seed, &result) != 0;
}

static void shrink_faults(struct arguments *arguments, char *list, size_t bytes)
{
    for (int i = 0; i < FAULT_COUNT; i++) {
        char with[2048];
        if (!world.options.rates[i])
            continue;
        snprintf(with, sizeof with, "%s%s%s", list, list[0] ? "," : "", fault_names[i]);
        arguments->without = with;
        if (still_fails(arguments))
            snprintf(list, bytes, "%s", with);
    }
    arguments->without = list;
}

static void shrink_time(struct arguments *arguments)
{
    uint64_t high = run.safety_ns / NS_PER_SECOND, low = 1;
    while (low < high) {
        arguments->steps = (low + high) / 2;
        if (still_fails(arguments))
            high = arguments->steps;
        else
            low = arguments->steps + 1;
    }
    arguments->steps = high;
}

static void shrink_commands(struct arguments *arguments)
{
    (void)arguments;
    for (uint64_t width = 64; width; width /= 2)
        for (uint64_t from = 0; from < 256; from += width) {
            uint64_t old_from = run.skip_from, old_to = run.skip_to;
            if (old_to && (from != old_to && from + width != old_from))
                continue; /* one range is kept, and grows at its ends */
            run.skip_from = old_to && from > old_from ? old_from : from;
            run.skip_to = old_to > from + width ? old_to : from + width;
            if (!still_fails(arguments)) {
                run.skip_from = old_from;
                run.skip_to = old_to;
            }
        }
}

static int shrink(struct arguments *arguments)
{
    static char list[2048];
    options_draw(arguments->seed);
    fprintf(stderr, "shrinking seed %llu\n", (unsigned long long)arguments->seed);
    if (!freopen("/dev/null", "w", stderr) || !still_fails(arguments)) {
        printf("seed %llu does not fail\n", (unsigned long long)arguments->seed);
        return 0;
    }
    shrink_time(arguments);
    shrink_faults(arguments, list, sizeof list);
    shrink_time(arguments);
    shrink_commands(arguments);
    printf("sim --seed %llu --steps %llu --without %s --skip %llu:%llu%s%s\n",
           (unsigned long long)arguments->seed, (unsigned long long)arguments->steps,
           list[0] ? list : "none", (unsigned long long)run.skip_from,
           (unsigned long long)run.skip_to, arguments->with ? " --with " : "",
           arguments->with ? arguments->with : "");
    return 1;
}

static bool take_flag(struct arguments *arguments, const char *name)
{
    if (strcmp(name, "--verbose") == 0)
        arguments->verbose = true;
    else if (strcmp(name, "--hashes") == 0)
        arguments->hashes = true;
    else if (strcmp(name, "--report") == 0)
        arguments->report = true;
    else if (strcmp(name, "--until-failure") == 0)
        arguments->until_failure = true;
    else if (strcmp(name, "--shrink") == 0)
        arguments->shrink = true;
    else
        return false;
    return true;
}

static bool take_value(struct arguments *arguments, const char *name, const char *value)
{
    uint64_t number = strtoull(value, NULL, 10);
    const char *colon = strchr(value, ':');
    if (strcmp(name, "--seed") == 0) {
        arguments->seed = number;
        arguments->one = true;
    } else if (strcmp(name, "--seeds") == 0)
        arguments->seeds = number;
    else if (strcmp(name, "--first") == 0)
        arguments->first = number;
    else if (strcmp(name, "--jobs") == 0)
        arguments->jobs = number && number < 64 ? number : 1;
    else if (strcmp(name, "--hosts") == 0)
        arguments->hosts = (uint32_t)number;
    else if (strcmp(name, "--steps") == 0)
        arguments->steps = number;
    else if (strcmp(name, "--from") == 0)
        world.verbose_from_ns = number * NS_PER_SECOND;
    else if (strcmp(name, "--without") == 0)
        arguments->without = value;
    else if (strcmp(name, "--only") == 0)
        arguments->only = value;
    else if (strcmp(name, "--with") == 0 && options_with(value))
        arguments->with = value;
    else if (strcmp(name, "--skip") == 0 && colon) {
        run.skip_from = number;
        run.skip_to = strtoull(colon + 1, NULL, 10);
    } else
        return false;
    return true;
}

int main(int count, char **words)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct arguments arguments = {
        .seeds = 1, .first = 1, .jobs = cores > 0 && cores < 64 ? (uint64_t)cores : 1};
    for (int i = 1; i < count; i++) {
        if (take_flag(&arguments, words[i]))
            continue;
        if (i + 1 < count && take_value(&arguments, words[i], words[i + 1])) {
            i++;
            continue;
        }
        fputs(usage, stderr);
        return 2;
    }
    if (arguments.one && arguments.shrink)
        return shrink(&arguments);
    return arguments.one ? run_one(&arguments) : run_many(&arguments);
}
