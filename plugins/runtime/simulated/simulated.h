/* The simulated runtime's parts. Everything is [loop]. */
#ifndef SIMULATED_H
#define SIMULATED_H

#include <orchestrator/runtime.h>

#include <stdbool.h>
#include <uthash.h>

#define NS_PER_MS UINT64_C(1000000)
enum { LOG_LINES = 256, LOG_LINE_BYTES = 160, ADDRESS_BYTES = 16, RULES_LIMIT = 64 };

/* What images of a name do. */
struct rule {
    char *image; /* glob */
    orch_status pull;
    uint64_t pull_ns, start_ns;
    int64_t exit_after_ms; /* negative: never */
    int32_t exit_code;
};
struct settings {
    uint64_t cpu_millis, memory_bytes;
    uint64_t pull_ns, create_ns, start_ns, stop_ns;
    bool http;
    struct rule rules[RULES_LIMIT];
    size_t rule_count;
};
orch_status settings_read(struct settings *settings, struct orch_str config,
                          struct orch_error *error);
void settings_finish(struct settings *settings);
/* The first that fits, or one that changes nothing. */
const struct rule *settings_rule(const struct settings *settings, const char *image);

struct pair {
    char *key, *value;
};
struct log_line {
    int64_t wall_ms;
    uint32_t length;
    char text[LOG_LINE_BYTES];
};

struct runtime;
struct container {
    struct runtime *runtime;
    char runtime_id[24], address[ADDRESS_BYTES];
    char *id, *name, *image;
    struct pair *labels, *env;
    uint32_t label_count, env_count;
    uint32_t *ports;
    uint32_t port_count;
    uint64_t memory_bytes;
    uint32_t state; /* ORCH_CONTAINER_* */
    int32_t exit_code;
    bool oom, unhealthy, stopping;
    int64_t created_at_ms, started_at_ms, finished_at_ms;
    uint64_t started_ns;
    uint64_t exit_timer, kill_timer; /* of the host's; 0: none */
    struct log_line *lines;          /* ring of LOG_LINES */
    uint64_t line_count;             /* ever written */
    struct listener *listeners;
    struct container *next, *previous; /* in order of creation */
    UT_hash_handle by_name, by_id;
};

/* An operation that waits for time or for a container. */
struct job {
    struct runtime *runtime;
    struct orch_op op;
    enum job_kind {
        JOB_PULL = 1,
        JOB_CREATE,
        JOB_START,
        JOB_STOP,
        JOB_EVENTS,
        JOB_LOGS,
        JOB_EXEC
    } kind;
    uint64_t timer;
    char runtime_id[24];
    char *image;         /* pull */
    struct pair *labels; /* events */
    uint32_t label_count;
    uint64_t next_line; /* logs */
    bool timestamps, follow;
    bool full; /* exec: there is no credit */
    struct job *next, *previous;
};

struct runtime {
    const struct orch_host *host;
    const struct orch_host_loop_v1 *loop;
    const struct orch_host_ops_v1 *ops;
    struct settings settings;
    struct container *first, *last, *names, *ids;
    struct job *jobs;
    struct connection *connections;
    uint32_t connection_count;
    uint64_t next_number, next_address;
    uint32_t network; /* second octet of the addresses */
};

/* container.c */
struct container *container_find(struct runtime *runtime, struct orch_str runtime_id);
struct container *container_create(struct runtime *runtime, const struct orch_task *task);
void container_destroy(struct container *container);
/* Sets it going; false with a message when an address can't be had. */
bool container_start(struct container *container, struct orch_error *error);
/* It ends: timers, listeners and waiting stops end with it. */
void container_exit(struct container *container, int32_t code);
const char *container_env(const struct container *container, const char *key);
bool labels_match(const struct container *container, const struct pair *labels, uint32_t count);
void pairs_free(struct pair *pairs, uint32_t count);
struct pair *pairs_copy(struct orch_array pairs);
char *string_copy(struct orch_str string);
uint64_t duration_ns(const char *text); /* "500ms", "2s", "1m"; 0 for none and nonsense */

/* verbs.c, lists.c, exec.c, logs.c: the table's functions and what they share */
struct job *job_create(struct runtime *runtime, struct orch_op op, enum job_kind kind);
void job_destroy(struct job *job);
void complete(struct runtime *runtime, struct orch_op op, orch_status status, const char *message,
              const void *value);
orch_status runtime_info(void *instance, struct orch_op op, struct orch_error *error);
orch_status runtime_pull(void *instance, struct orch_op op, const struct orch_pull *pull,
                         struct orch_error *error);
orch_status runtime_create(void *instance, struct orch_op op, const struct orch_task *task,
                           struct orch_error *error);
orch_status runtime_start(void *instance, struct orch_op op, struct orch_str runtime_id,
                          struct orch_error *error);
orch_status runtime_stop(void *instance, struct orch_op op, const struct orch_stop *stop,
                         struct orch_error *error);
orch_status runtime_remove(void *instance, struct orch_op op, struct orch_str runtime_id,
                           struct orch_error *error);
orch_status runtime_list(void *instance, struct orch_op op, const struct orch_list *list,
                         struct orch_error *error);
orch_status runtime_events(void *instance, struct orch_op op, struct orch_array labels,
                           struct orch_error *error);
orch_status runtime_logs(void *instance, struct orch_op op, const struct orch_logs *logs,
                         struct orch_error *error);
orch_status runtime_stats(void *instance, struct orch_op op, struct orch_array runtime_ids,
                          struct orch_error *error);
orch_status runtime_exec(void *instance, struct orch_op op, const struct orch_exec *exec,
                         struct orch_error *error);
int64_t runtime_input(void *instance, struct orch_op op, uint32_t channel, uint32_t reserved,
                      struct orch_str bytes);
/* Tells those who watch. */
void events_tell(struct container *container);
/* A line of its output, and to who follows it. */
void logs_write(struct container *container, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void logs_pump(struct job *job);
/* Ends who follows: it has ended or is gone. */
void logs_end(struct container *container);
/* Its exec sessions die with it. */
void execs_end(struct container *container);
/* The stops that wait for this container are done. */
void stops_end(struct container *container);

/* http.c */
bool http_listen(struct container *container, struct orch_error *error);
void http_close(struct container *container); /* listeners and connections */

#endif
