/* Runtimes: what can be asked without making containers. Whether an engine is there is a note. */
#include "base/clock.h"
#include "check.h"
#include "plugin/ops.h"
#include "plugin/runtime.h"

#include <stdio.h>
#include <string.h>

enum { DEADLINE_S = 10 };

struct bench {
    struct check *check;
    struct runtime *runtime;
    unsigned awaited;
    orch_status info, list, stop, removal;
};

static void arrived(struct bench *bench)
{
    if (--bench->awaited == 0)
        loop_stop(bench->check->environment->loop);
}

static void on_info(void *argument, orch_status status, const struct error *error,
                    const struct orch_runtime_info *info)
{
    struct bench *bench = argument;
    bench->info = status;
    if (status == ORCH_OK)
        printf("  note engine %s %s, features %llx\n", info->engine.ptr ? info->engine.ptr : "?",
               info->version.ptr ? info->version.ptr : "?", (unsigned long long)info->features);
    else
        printf("  note info: %s: %s\n", plugin_status_word(status), error->message);
    arrived(bench);
}

static void on_list(void *argument, orch_status status, const struct error *error,
                    const struct orch_container_view *containers, uint32_t count)
{
    struct bench *bench = argument;
    (void)error, (void)containers;
    bench->list = status;
    check_that(bench->check, status != ORCH_OK || count == 0,
               "list: labels that nothing carries find nothing (found %u)", count);
    arrived(bench);
}

static void on_stop(void *argument, orch_status status, const struct error *error)
{
    struct bench *bench = argument;
    (void)error;
    bench->stop = status;
    arrived(bench);
}

static void on_remove(void *argument, orch_status status, const struct error *error)
{
    struct bench *bench = argument;
    (void)error;
    bench->removal = status;
    arrived(bench);
}

static void check_verbs(struct bench *bench)
{
    static const char missing[] = "orchestrator-plugin-check-no-such-container";
    const struct orch_pair label = {{"orchestrator.check", 18}, {"nobody", 6}};
    struct loop *loop = bench->check->environment->loop;
    uint64_t deadline = loop_now_ns(loop) + DEADLINE_S * NS_PER_SECOND;
    struct op_counts counts;
    bench->awaited = 4;
    runtime_info(bench->runtime, deadline, on_info, bench);
    runtime_list(bench->runtime, &label, 1, NULL, 0, deadline, on_list, bench);
    runtime_stop(bench->runtime, missing, NULL, 0, deadline, on_stop, bench);
    runtime_remove(bench->runtime, missing, deadline, on_remove, bench);
    loop_run(loop);
    op_table_counts(bench->check->environment->ops, &counts);
    check_that(bench->check, counts.timed_out == 0, "every verb ends within %d s", DEADLINE_S);
    if (bench->info != ORCH_OK)
        return;
    check_that(bench->check, bench->list == ORCH_OK, "list: answers");
    check_that(bench->check, bench->stop == ORCH_OK, "stop: of what is gone is OK (got %s)",
               plugin_status_word(bench->stop));
    check_that(bench->check, bench->removal == ORCH_OK, "remove: of what is gone is OK (got %s)",
               plugin_status_word(bench->removal));
}

void check_runtime(struct check *check)
{
    struct error error = {0};
    struct bench bench = {.check = check};
    bench.runtime = runtime_create(check->plugin, check->environment->ops, check->config, &error);
    if (!check_that(check, bench.runtime != NULL, "create_runtime %s", error.message))
        return;
    check_verbs(&bench);
    runtime_destroy(bench.runtime);
}
