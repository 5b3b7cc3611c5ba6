/* What plugins do wrong at run time, and what the host makes of it. */
#include "base/clock.h"
#include "plugin/runtime.h"
#include "registry_fixture.h"

#include <string.h>

static struct fixture fixture;
static struct runtime *runtime;
static struct plugin *plugin;
static unsigned ends;
static orch_status last_status;
static char last_message[ERROR_MESSAGE_BYTES], engine[32];

static void setup(void)
{
    fixture_open(&fixture);
}

static void teardown(void)
{
    runtime_destroy(runtime);
    fixture_close(&fixture);
}

TestSuite(misbehaviour, .init = setup, .fini = teardown, .timeout = 30);

static void on_info(void *argument, orch_status status, const struct error *error,
                    const struct orch_runtime_info *info)
{
    (void)argument;
    ends++;
    last_status = status;
    snprintf(last_message, sizeof last_message, "%s", error ? error->message : "");
    snprintf(engine, sizeof engine, "%s", info && info->engine.ptr ? info->engine.ptr : "");
}

static struct op_counts ask(const char *name)
{
    struct error error = {0};
    struct op_counts counts;
    plugin = plugin_registry_load(fixture.registry, PLUGIN_RUNTIME, name, &error);
    cr_assert_not_null(plugin, "%s", error.message);
    runtime = runtime_create(plugin, fixture.environment.ops, "{}", &error);
    cr_assert_not_null(runtime, "%s", error.message);
    runtime_info(runtime, loop_now_ns(fixture.loop) + NS_PER_SECOND, on_info, NULL);
    cr_assert_eq(ends, 0, "never inside the call");
    (void)loop_run_until(fixture.loop, loop_now_ns(fixture.loop) + 10 * NS_PER_SECOND);
    cr_assert_eq(ends, 1, "exactly one end");
    op_table_counts(fixture.environment.ops, &counts);
    return counts;
}

static uint64_t plugin_faults(void)
{
    return plugin_get_host(plugin)->faults;
}

Test(misbehaviour, completing_inside_the_verb_is_none)
{
    ask("completes-inside");
    cr_assert_eq(last_status, ORCH_OK);
    cr_assert_str_eq(engine, "test");
    cr_assert_eq(plugin_faults(), 0);
}

Test(misbehaviour, completing_twice_counts_once_and_is_a_fault)
{
    struct op_counts counts = ask("completes-twice");
    cr_assert_eq(last_status, ORCH_OK);
    cr_assert_eq(counts.twice, 1);
    cr_assert_eq(plugin_faults(), 1);
}

Test(misbehaviour, completing_and_answering_counts_the_completion)
{
    ask("completes-and-answers");
    cr_assert_eq(last_status, ORCH_OK);
    cr_assert_str_eq(engine, "test");
    cr_assert_eq(plugin_faults(), 1);
}

Test(misbehaviour, completing_never_ends_at_the_deadline)
{
    struct op_counts counts = ask("completes-never");
    cr_assert_eq(last_status, ORCH_E_TIMEOUT);
    cr_assert_str_eq(last_message, "info did not end in time");
    cr_assert_eq(counts.never_ended, 1);
}

Test(misbehaviour, owing_the_value_is_an_error)
{
    ask("completes-without-value");
    cr_assert_eq(last_status, ORCH_E_INTERNAL);
    cr_assert_str_eq(last_message, "runtime-completes-without-value answered OK without its info");
    cr_assert_eq(plugin_faults(), 1);
}

Test(misbehaviour, calling_a_loop_service_from_another_thread_is_refused)
{
    ask("wrong-thread");
    cr_assert_eq(last_status, ORCH_E_WRONG_THREAD);
    cr_assert_str_eq(last_message, "a service refused the thread");
    cr_assert_eq(plugin_faults(), 1);
}
