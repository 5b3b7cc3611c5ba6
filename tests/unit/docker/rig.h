/* runtime-docker.so, loaded as the daemon loads it, over a real loop and the host's real http and
 * net services, against the fake engine (or a real one). Each verb here runs the loop until it has
 * ended, and answers its status; `last` tells the rest. */
#ifndef TESTS_DOCKER_RIG_H
#define TESTS_DOCKER_RIG_H

#include "base/clock.h"
#include "base/text.h"
#include "fakes/docker/fake_docker.h"
#include "loop/loop.h"
#include "plugin/runtime.h"

#include <criterion/criterion.h>
#include <stdbool.h>

struct rig_view {
    char id[72], name[128], address[48], message[200];
    uint32_t state, flags;
    int32_t exit_code;
    int64_t created_at_ms, started_at_ms, finished_at_ms;
};
struct seen {
    int ends;
    orch_status status;
    char message[600]; /* of the error */
    char text[512];    /* pull: the image; create: the runtime id; info: engine and version */
    char digest[100];
    int32_t code;
    int64_t started_at_ms;
    uint32_t count; /* of views or figures */
    struct rig_view views[64];
    struct orch_stats_view stats[8];
    uint64_t cpu_millis, memory_bytes, features;
    uint32_t max_operations;
    struct text output, errors, progress;
    size_t keep_back; /* output: so many bytes are not done with until they are credited */
    size_t owed;
    unsigned changes, all_changed; /* events: of one; of any */
    char changed[72];
};
extern struct fake_docker *fake;
extern struct runtime *runtime;
extern struct loop *loop;
extern struct seen last;

void rig_open(void);                    /* a fake engine, and the runtime on it */
void rig_open_at(const char *endpoint); /* the runtime only */
orch_status rig_refused(const char *config, char message[600]); /* create_runtime's answer */
void rig_restart(void); /* another runtime on the same engine: it knows nothing */
void rig_close(void);

/* Runs the loop until `done` says so; false after `ms`. */
bool rig_until(bool (*done)(void *argument), void *argument, unsigned ms);
bool rig_ended(struct seen *seen, unsigned ms);
void rig_run(unsigned ms);
void seen_finish(struct seen *seen);

/* What a call's `deadline` is for the next ones, in ms from now; 0: none. */
extern unsigned rig_deadline_ms;

orch_status do_info(void);
orch_status do_pull(const char *image, uint32_t policy);
struct orch_task
rig_task(const char *name); /* image example/app:1, labels cluster and incarnation */
orch_status do_create_task(const struct orch_task *task);
orch_status do_create(const char *name); /* the image is there */
orch_status do_start(const char *id);
orch_status do_stop(const char *id, const char *signal, unsigned grace_ms);
orch_status do_remove(const char *id);
orch_status do_list(void); /* by the cluster's label */
orch_status do_list_ids(const char *const *ids, uint32_t count);
orch_status do_stats(const char *const *ids, uint32_t count);
orch_status do_logs(const char *id, bool follow, long tail);
orch_status do_exec(const char *id, const char *const *command, uint32_t count);
/* Made and running; its id is in `id`. */
void rig_running(const char *name, char id[72]);

/* For calls that are not awaited. */
uint64_t begin_events(struct seen *seen);
uint64_t begin_logs(struct seen *seen, const char *id, bool follow);
uint64_t begin_exec(struct seen *seen, const char *id, const char *const *command, uint32_t count,
                    bool tty);
void begin_create(struct seen *seen, const struct orch_task *task);
void begin_start(struct seen *seen, const char *id);
void begin_list(struct seen *seen);

struct orch_str str(const char *string);

#endif
