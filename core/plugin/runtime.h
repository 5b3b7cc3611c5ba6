/* A runtime plugin as the core uses it: typed calls over orch.runtime/1, without its plumbing.
 *
 * Every call returns at once with the operation's id (never 0) and ends in exactly one callback on
 * the loop, never inside the call: also when the verb failed on the spot, is not offered by the
 * plugin (UNSUPPORTED), or the plugin never answers (TIMEOUT at `deadline_ns`, an instant of the
 * loop's clock; 0: none). Parameters are copied. Results are copies, valid during the callback;
 * each `orch_str` in them is terminated by a NUL; arrays have the stride of the SDK's own struct,
 * so plain indexing works: ((const struct orch_container_view *)items)[i].
 *
 * `error` is NULL with ORCH_OK. `status` tells what to do (NOT_FOUND: pull again; UNAVAILABLE: the
 * engine is away; UNKNOWN and TIMEOUT: list before anything else), `error->message` what to show.
 * Callbacks may be NULL. Everything is [loop]. */
#ifndef PLUGIN_RUNTIME_H
#define PLUGIN_RUNTIME_H

#include "base/error.h"

#include <orchestrator/runtime.h>

#include <stdbool.h>
#include <stdint.h>

struct op_table;
struct plugin;
struct plugin_host;
struct runtime;

/* `plugin` provides orch.runtime/1 and has been loaded; `config_json` was checked (and completed)
 * by plugin_check_config. NULL when the plugin refuses it. */
struct runtime *runtime_create(struct plugin *plugin, struct op_table *ops, const char *config_json,
                               struct error *error);
/* The same over a bare table: for tests, and runtimes that are linked in. `host`, `table` and
 * `module` outlive the runtime. */
struct runtime *runtime_create_table(struct plugin_host *host, const struct orch_runtime_v1 *table,
                                     void *module, struct op_table *ops, const char *config_json,
                                     struct error *error);
/* Operations still open end without callbacks. NULL is fine. */
void runtime_destroy(struct runtime *runtime);

bool runtime_offers_logs(const struct runtime *runtime);
bool runtime_offers_stats(const struct runtime *runtime);
bool runtime_offers_exec(const struct runtime *runtime);

typedef void runtime_done(void *argument, orch_status status, const struct error *error);
typedef void runtime_info_done(void *argument, orch_status status, const struct error *error,
                               const struct orch_runtime_info *info);
typedef void runtime_pull_done(void *argument, orch_status status, const struct error *error,
                               const struct orch_image *image);
typedef void runtime_create_done(void *argument, orch_status status, const struct error *error,
                                 const char *runtime_id);
typedef void runtime_start_done(void *argument, orch_status status, const struct error *error,
                                const struct orch_started *started);
typedef void runtime_list_done(void *argument, orch_status status, const struct error *error,
                               const struct orch_container_view *containers, uint32_t count);
typedef void runtime_stats_done(void *argument, orch_status status, const struct error *error,
                                const struct orch_stats_view *stats, uint32_t count);
typedef void runtime_exec_done(void *argument, orch_status status, const struct error *error,
                               int32_t exit_code);
/* With ORCH_OK `info`, `image`, `runtime_id` and `started` are never NULL (a plugin that answers
 * OK without the value it owes yields INTERNAL; start's may be all zeros). */

uint64_t runtime_info(struct runtime *runtime, uint64_t deadline_ns, runtime_info_done *done,
                      void *argument);
/* `progress` (may be NULL): a line about how far it is, terminated. */
uint64_t runtime_pull(struct runtime *runtime, const char *image, uint32_t policy,
                      uint64_t deadline_ns, void (*progress)(void *argument, const char *line),
                      runtime_pull_done *done, void *argument);
uint64_t runtime_create_container(struct runtime *runtime, const struct orch_task *task,
                                  uint64_t deadline_ns, runtime_create_done *done, void *argument);
uint64_t runtime_start(struct runtime *runtime, const char *runtime_id, uint64_t deadline_ns,
                       runtime_start_done *done, void *argument);
/* `signal` NULL: the container's own. The deadline should leave room after the grace. */
uint64_t runtime_stop(struct runtime *runtime, const char *runtime_id, const char *signal,
                      uint64_t grace_ns, uint64_t deadline_ns, runtime_done *done, void *argument);
uint64_t runtime_remove(struct runtime *runtime, const char *runtime_id, uint64_t deadline_ns,
                        runtime_done *done, void *argument);
/* All labels must match; ids may be NULL: all. */
uint64_t runtime_list(struct runtime *runtime, const struct orch_pair *labels, uint32_t label_count,
                      const char *const *runtime_ids, uint32_t id_count, uint64_t deadline_ns,
                      runtime_list_done *done, void *argument);
uint64_t runtime_stats(struct runtime *runtime, const char *const *runtime_ids, uint32_t id_count,
                       uint64_t deadline_ns, runtime_stats_done *done, void *argument);
/* `changed` gets the id of a container that may have changed, NULL: any may have. `ended` says
 * that the stream was cut: list, and open another after a pause. */
uint64_t runtime_events(struct runtime *runtime, const struct orch_pair *labels,
                        uint32_t label_count,
                        void (*changed)(void *argument, const char *runtime_id),
                        runtime_done *ended, void *argument);

/* Output of logs and exec: `channel` is ORCH_CHANNEL_STDOUT or _STDERR. Returns how many bytes are
 * done with; the rest is owed by runtime_credit, and the plugin waits when 256 KiB are owed. The
 * bytes themselves are valid during the call only. */
typedef size_t runtime_output(void *argument, uint32_t channel, const char *bytes, size_t length);

struct runtime_logs_request {
    const char *runtime_id;
    bool follow, timestamps;
    int64_t tail;     /* lines; negative: all */
    int64_t since_ms; /* wall clock; 0: from the start */
};
uint64_t runtime_logs(struct runtime *runtime, const struct runtime_logs_request *request,
                      uint64_t deadline_ns, runtime_output *output, runtime_done *done,
                      void *argument);

struct runtime_exec_request {
    const char *runtime_id;
    const char *const *command;
    uint32_t command_count;
    bool tty, want_stdin;
};
uint64_t runtime_exec(struct runtime *runtime, const struct runtime_exec_request *request,
                      uint64_t deadline_ns, runtime_output *output, runtime_exec_done *done,
                      void *argument);
/* To an exec's ORCH_CHANNEL_STDIN, _EOF, _RESIZE, _SIGNAL. What was taken (try the rest within
 * 10 ms), or a negative orch_status. */
int64_t runtime_input(struct runtime *runtime, uint64_t id, uint32_t channel, const void *bytes,
                      size_t length);

void runtime_credit(struct runtime *runtime, uint64_t id, size_t bytes);
/* The callback still comes: CANCELLED, or how it ended after all. */
void runtime_cancel(struct runtime *runtime, uint64_t id);
/* No callback comes after this. */
void runtime_abandon(struct runtime *runtime, uint64_t id);

#endif
