#include "unit/docker/rig.h"

#include "base/log.h"
#include "plugin/host.h"
#include "plugin/http_client.h"
#include "plugin/ops.h"
#include "plugin/registry.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_docker *fake;
struct runtime *runtime;
struct loop *loop;
struct seen last;
unsigned rig_deadline_ms;

static char state[64];
static struct op_table *ops;
static struct plugin_environment environment;
static struct plugin_registry *registry;
static struct plugin *plugin;

static void load(void)
{
    static const struct plugin_service *const services[] = {&host_log_service, &host_loop_service,
                                                            &host_ops_service, &host_http_service,
                                                            &host_net_service};
    static const char *const paths[] = {PLUGIN_DIR};
    struct error error = {0};
    signal(SIGPIPE, SIG_IGN);
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_JSON, 2);
    snprintf(state, sizeof state, "/tmp/orch-docker-XXXXXX");
    cr_assert(mkdtemp(state));
    loop = loop_create_real(&error);
    ops = op_table_create(loop);
    environment = (struct plugin_environment){.product = "orchestrator",
                                              .version = "0.1.0",
                                              .loop = loop,
                                              .ops = ops,
                                              .http = http_client_create(loop, &error),
                                              .services = services,
                                              .service_count = 5};
    const struct plugin_registry_settings settings = {
        .environment = &environment, .paths = paths, .path_count = 1, .state_directory = state};
    registry = plugin_registry_create(&settings);
    plugin = plugin_registry_load(registry, PLUGIN_RUNTIME, "docker", &error);
    cr_assert(plugin, "%s", error.message);
}

static void make_runtime(const char *config)
{
    struct error error = {0};
    json_t *given = json_loads(config, 0, NULL);
    char *completed = NULL;
    cr_assert(plugin_check_config(plugin, given, "runtime.config", NULL, NULL, &completed));
    json_decref(given);
    runtime = runtime_create(plugin, ops, completed, &error);
    cr_assert(runtime, "%s", error.message);
    free(completed);
}

void rig_open_at(const char *endpoint)
{
    char config[400];
    load();
    snprintf(config, sizeof config, "{\"endpoint\":\"%s\"}", endpoint);
    make_runtime(config);
}

void rig_restart(void)
{
    char config[400];
    runtime_destroy(runtime);
    snprintf(config, sizeof config, "{\"endpoint\":\"unix://%s\"}", fake_docker_path(fake));
    make_runtime(config);
}

void rig_open(void)
{
    char endpoint[200];
    fake = fake_docker_start(NULL);
    cr_assert(fake);
    fake_docker_image(fake, "example/app:1", false);
    snprintf(endpoint, sizeof endpoint, "unix://%s", fake_docker_path(fake));
    rig_open_at(endpoint);
}

orch_status rig_refused(const char *config, char message[600])
{
    struct error error = {0};
    struct runtime *made = runtime_create(plugin, ops, config, &error);
    snprintf(message, 600, "%s", error.message);
    runtime_destroy(made);
    return made ? ORCH_OK : ORCH_E_INVALID;
}

void rig_close(void)
{
    char command[96];
    runtime_destroy(runtime);
    plugin_registry_destroy(registry);
    op_table_destroy(ops);
    http_client_destroy(environment.http);
    loop_destroy(loop);
    fake_docker_stop(fake);
    seen_finish(&last);
    snprintf(command, sizeof command, "rm -rf %s", state);
    cr_assert_eq(system(command), 0);
}

/* -- running the loop -- */

struct until {
    bool (*done)(void *argument);
    void *argument;
    bool late, fulfilled;
    struct loop_timer look, guard;
};

static void look(void *context)
{
    struct until *until = context;
    until->fulfilled = until->done && until->done(until->argument);
    if (until->fulfilled)
        loop_stop(loop);
    else
        loop_timer_start(&until->look, NS_PER_MS);
}

static void guard(void *context)
{
    ((struct until *)context)->late = true;
    loop_stop(loop);
}

bool rig_until(bool (*done)(void *argument), void *argument, unsigned ms)
{
    struct until until = {.done = done, .argument = argument};
    if (done && done(argument))
        return true;
    loop_timer_init(&until.look, loop, "look", look, &until);
    loop_timer_init(&until.guard, loop, "guard", guard, &until);
    if (done)
        loop_timer_start(&until.look, 0);
    loop_timer_start(&until.guard, ms * NS_PER_MS);
    loop_run(loop);
    loop_timer_stop(&until.look);
    loop_timer_stop(&until.guard);
    return until.fulfilled;
}

static bool has_ended(void *argument)
{
    return ((const struct seen *)argument)->ends > 0;
}

bool rig_ended(struct seen *seen, unsigned ms)
{
    return rig_until(has_ended, seen, ms);
}

void rig_run(unsigned ms)
{
    (void)rig_until(NULL, NULL, ms);
}

void seen_finish(struct seen *seen)
{
    text_finish(&seen->output);
    text_finish(&seen->errors);
    text_finish(&seen->progress);
    *seen = (struct seen){0};
}

static orch_status await(void)
{
    cr_assert(rig_ended(&last, 28000), "no end came");
    cr_assert_eq(last.ends, 1);
    return last.status;
}

static struct seen *anew(void)
{
    seen_finish(&last);
    return &last;
}

static uint64_t deadline(void)
{
    loop_refresh_now(loop);
    return rig_deadline_ms ? loop_now_ns(loop) + rig_deadline_ms * NS_PER_MS : 0;
}

/* -- ends -- */

static void note(struct seen *seen, orch_status status, const struct error *error)
{
    seen->ends++;
    seen->status = status;
    snprintf(seen->message, sizeof seen->message, "%s", error ? error->message : "");
}

static void on_done(void *argument, orch_status status, const struct error *error)
{
    note(argument, status, error);
}

static void on_info(void *argument, orch_status status, const struct error *error,
                    const struct orch_runtime_info *info)
{
    struct seen *seen = argument;
    note(seen, status, error);
    if (status != ORCH_OK)
        return;
    snprintf(seen->text, sizeof seen->text, "%s %s", info->engine.ptr, info->version.ptr);
    seen->cpu_millis = info->cpu_millis;
    seen->memory_bytes = info->memory_bytes;
    seen->features = info->features;
    seen->max_operations = info->max_operations;
}

static void on_pull(void *argument, orch_status status, const struct error *error,
                    const struct orch_image *image)
{
    struct seen *seen = argument;
    note(seen, status, error);
    if (status != ORCH_OK)
        return;
    snprintf(seen->text, sizeof seen->text, "%s", image->image.ptr);
    snprintf(seen->digest, sizeof seen->digest, "%s", image->digest.ptr);
}

static void on_progress(void *argument, const char *line)
{
    text_append_format(&((struct seen *)argument)->progress, "%s\n", line);
}

static void on_create(void *argument, orch_status status, const struct error *error,
                      const char *runtime_id)
{
    struct seen *seen = argument;
    note(seen, status, error);
    snprintf(seen->text, sizeof seen->text, "%s", runtime_id ? runtime_id : "");
}

static void on_start(void *argument, orch_status status, const struct error *error,
                     const struct orch_started *started)
{
    struct seen *seen = argument;
    note(seen, status, error);
    seen->started_at_ms = started ? started->started_at_ms : 0;
}

static void on_list(void *argument, orch_status status, const struct error *error,
                    const struct orch_container_view *containers, uint32_t count)
{
    struct seen *seen = argument;
    note(seen, status, error);
    seen->count = count;
    for (uint32_t i = 0; i < count && i < 64; i++) {
        const struct orch_container_view *from = &containers[i];
        struct rig_view *to = &seen->views[i];
        *to = (struct rig_view){.state = from->state,
                                .flags = from->flags,
                                .exit_code = from->exit_code,
                                .created_at_ms = from->created_at_ms,
                                .started_at_ms = from->started_at_ms,
                                .finished_at_ms = from->finished_at_ms};
        snprintf(to->id, sizeof to->id, "%s", from->runtime_id.ptr);
        snprintf(to->name, sizeof to->name, "%s", from->name.ptr);
        snprintf(to->address, sizeof to->address, "%s", from->address.len ? from->address.ptr : "");
        snprintf(to->message, sizeof to->message, "%s", from->message.len ? from->message.ptr : "");
    }
}

static void on_stats(void *argument, orch_status status, const struct error *error,
                     const struct orch_stats_view *stats, uint32_t count)
{
    struct seen *seen = argument;
    note(seen, status, error);
    seen->count = count;
    for (uint32_t i = 0; i < count && i < 8; i++)
        seen->stats[i] = stats[i];
}

static void on_exec(void *argument, orch_status status, const struct error *error, int32_t code)
{
    struct seen *seen = argument;
    note(seen, status, error);
    seen->code = code;
}

static size_t on_output(void *argument, uint32_t channel, const char *bytes, size_t length)
{
    struct seen *seen = argument;
    text_append(channel == ORCH_CHANNEL_STDERR ? &seen->errors : &seen->output, bytes, length);
    if (!seen->keep_back)
        return length;
    seen->owed += length;
    return 0;
}

static void on_change(void *argument, const char *runtime_id)
{
    struct seen *seen = argument;
    if (runtime_id) {
        seen->changes++;
        snprintf(seen->changed, sizeof seen->changed, "%s", runtime_id);
    } else {
        seen->all_changed++;
    }
}

/* -- verbs -- */

struct orch_str str(const char *string)
{
    return (struct orch_str){string, strlen(string)};
}

static const struct orch_pair labels[] = {{{"test.cluster", 12}, {"c1", 2}},
                                          {{"test.incarnation", 16}, {"1", 1}}};

struct orch_task rig_task(const char *name)
{
    return (struct orch_task){.size = sizeof(struct orch_task),
                              .id = str(name),
                              .name = str(name),
                              .hostname = str(name),
                              .image = str("example/app:1"),
                              .labels = {labels, 2, sizeof labels[0]},
                              .stop_signal = str("SIGTERM")};
}

orch_status do_info(void)
{
    runtime_info(runtime, deadline(), on_info, anew());
    return await();
}

orch_status do_pull(const char *image, uint32_t policy)
{
    runtime_pull(runtime, image, policy, deadline(), on_progress, on_pull, anew());
    return await();
}

orch_status do_create_task(const struct orch_task *task)
{
    runtime_create_container(runtime, task, deadline(), on_create, anew());
    return await();
}

orch_status do_create(const char *name)
{
    const struct orch_task task = rig_task(name);
    return do_create_task(&task);
}

orch_status do_start(const char *id)
{
    runtime_start(runtime, id, deadline(), on_start, anew());
    return await();
}

orch_status do_stop(const char *id, const char *signal, unsigned grace_ms)
{
    runtime_stop(runtime, id, signal, grace_ms * NS_PER_MS, deadline(), on_done, anew());
    return await();
}

orch_status do_remove(const char *id)
{
    runtime_remove(runtime, id, deadline(), on_done, anew());
    return await();
}

orch_status do_list(void)
{
    begin_list(anew());
    return await();
}

orch_status do_list_ids(const char *const *ids, uint32_t count)
{
    runtime_list(runtime, labels, 1, ids, count, deadline(), on_list, anew());
    return await();
}

orch_status do_stats(const char *const *ids, uint32_t count)
{
    runtime_stats(runtime, ids, count, deadline(), on_stats, anew());
    return await();
}

orch_status do_logs(const char *id, bool follow, long tail)
{
    const struct runtime_logs_request request = {.runtime_id = id, .follow = follow, .tail = tail};
    runtime_logs(runtime, &request, deadline(), on_output, on_done, anew());
    return await();
}

orch_status do_exec(const char *id, const char *const *command, uint32_t count)
{
    begin_exec(anew(), id, command, count, false);
    return await();
}

void rig_running(const char *name, char id[72])
{
    char made[72];
    cr_assert_eq(do_create(name), ORCH_OK, "%s", last.message);
    snprintf(made, sizeof made, "%s", last.text);
    cr_assert_eq(do_start(made), ORCH_OK, "%s", last.message);
    memcpy(id, made, sizeof made);
}

uint64_t begin_events(struct seen *seen)
{
    return runtime_events(runtime, labels, 1, on_change, on_done, seen);
}

uint64_t begin_logs(struct seen *seen, const char *id, bool follow)
{
    const struct runtime_logs_request request = {.runtime_id = id, .follow = follow, .tail = -1};
    return runtime_logs(runtime, &request, 0, on_output, on_done, seen);
}

uint64_t begin_exec(struct seen *seen, const char *id, const char *const *command, uint32_t count,
                    bool tty)
{
    const struct runtime_exec_request request = {.runtime_id = id,
                                                 .command = command,
                                                 .command_count = count,
                                                 .tty = tty,
                                                 .want_stdin = true};
    return runtime_exec(runtime, &request, deadline(), on_output, on_exec, seen);
}

void begin_create(struct seen *seen, const struct orch_task *task)
{
    runtime_create_container(runtime, task, 0, on_create, seen);
}

void begin_start(struct seen *seen, const char *id)
{
    runtime_start(runtime, id, 0, on_start, seen);
}

void begin_list(struct seen *seen)
{
    runtime_list(runtime, labels, 1, NULL, 0, deadline(), on_list, seen);
}
