/* SPDX-License-Identifier: Apache-2.0
 *
 * What the host does for plugins. Each service is a table asked for by its id:
 *
 *   const struct orch_host_log_v1 *log = host->get(host, ORCH_HOST_LOG_1);
 *
 * The `host` pointer is the plugin's identity (log prefix, ownership of operations, metrics); it
 * lives as long as the plugin. Declare what you use in the manifest's `needs`. */
#ifndef ORCHESTRATOR_HOST_H
#define ORCHESTRATOR_HOST_H

#include <orchestrator/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

struct orch_host {
    uint32_t size, reserved;
    const char *product; /* "orchestrator" */
    const char *version; /* of the host: "0.1.0" */
    /* [any] The table, alive as long as the process, or NULL when the host lacks it. */
    const void *(*get)(const struct orch_host *host, const char *interface_id);
};

/* ---- log ------------------------------------------------------------------------------------- */
#define ORCH_HOST_LOG_1 "orch.host.log/1"
enum { ORCH_LOG_DEBUG = 1, ORCH_LOG_INFO = 2, ORCH_LOG_WARN = 3, ORCH_LOG_ERROR = 4 };
struct orch_host_log_v1 {
    uint32_t size, reserved;
    /* [any] One line; `fields` is an array of struct orch_pair, may be empty. Copied, escaped. */
    void (*write)(const struct orch_host *host, int32_t level, struct orch_str message,
                  struct orch_array fields);
    /* [any] 1 when a line of that level would be written. */
    int32_t (*enabled)(const struct orch_host *host, int32_t level);
};

/* ---- thread check ---------------------------------------------------------------------------- */
#define ORCH_HOST_THREAD_1 "orch.host.thread/1"
enum {
    ORCH_THREAD_INIT = 1,
    ORCH_THREAD_LOOP = 2,
    ORCH_THREAD_PROXY = 3,
    ORCH_THREAD_WORKER = 4,
    ORCH_THREAD_POOL = 5,
    ORCH_THREAD_STORE = 6,
    ORCH_THREAD_OTHER = 7
};
struct orch_host_thread_v1 {
    uint32_t size, reserved;
    /* [any] Which thread is this? [init] functions run where ORCH_THREAD_LOOP is answered too. */
    int32_t (*current)(const struct orch_host *host);
};

/* ---- loop: timers, descriptors, work on other threads ---------------------------------------- */
#define ORCH_HOST_LOOP_1 "orch.host.loop/1"
enum { ORCH_IO_READ = 1, ORCH_IO_WRITE = 2 };
struct orch_host_loop_v1 {
    uint32_t size, reserved;
    /* [loop] Nanoseconds of a clock that never jumps, as of the start of this turn. */
    uint64_t (*now_ns)(const struct orch_host *host);
    /* [loop] Milliseconds since 1970, for display only. */
    int64_t (*wall_ms)(const struct orch_host *host);
    /* [loop] The only source of chance a plugin may use on the loop: a simulation seeds it. */
    uint64_t (*random)(const struct orch_host *host);
    /* [any] Runs `run` on the loop, in order, never inside this call. ORCH_E_FULL at the bound. */
    orch_status (*post)(const struct orch_host *host, void (*run)(void *context), void *context);
    /* [loop] One shot after `delay_ns`. The id is never 0 and ends when it fired. */
    orch_status (*timer_start)(const struct orch_host *host, uint64_t delay_ns,
                               void (*fire)(void *context), void *context, uint64_t *timer);
    /* [loop] Unknown and ended ids are ignored. After this call `fire` does not run. */
    void (*timer_stop)(const struct orch_host *host, uint64_t timer);
    /* [loop] Level-triggered. The descriptor stays the plugin's; unwatch before closing it. */
    orch_status (*watch)(const struct orch_host *host, int32_t fd, uint32_t events,
                         void (*ready)(void *context, int32_t fd, uint32_t events), void *context,
                         uint64_t *watch);
    /* [loop] Other events; 0 pauses. */
    orch_status (*watch_change)(const struct orch_host *host, uint64_t watch, uint32_t events);
    /* [loop] */
    void (*unwatch)(const struct orch_host *host, uint64_t watch);
    /* [loop] `work` on a pool thread, then `done` on the loop. ORCH_E_FULL at the bound. */
    orch_status (*offload)(const struct orch_host *host, void (*work)(void *context),
                           void (*done)(void *context), void *context);
};

/* ---- operations ------------------------------------------------------------------------------ */
/* A handle of one asynchronous operation; never reused. leaf */
struct orch_op {
    uint64_t id;
};
/* How an operation ended. What `value` points to is named at each verb; the host copies it inside
 * `complete`. advisory */
struct orch_result {
    uint32_t size;
    orch_status status;             /* ORCH_OK or an error */
    const struct orch_error *error; /* with an error status; may be NULL */
    const void *value;              /* NULL: none */
    struct orch_array items;        /* of verbs that answer many */
};
/* Channels of emit and input. */
enum {
    ORCH_CHANNEL_STDIN = 1,
    ORCH_CHANNEL_STDOUT = 2,
    ORCH_CHANNEL_STDERR = 3,
    ORCH_CHANNEL_EOF = 4,      /* input: the end of stdin; no bytes */
    ORCH_CHANNEL_RESIZE = 5,   /* input: two uint16_t, rows and columns */
    ORCH_CHANNEL_SIGNAL = 6,   /* input: the signal's name */
    ORCH_CHANNEL_PROGRESS = 7, /* emit: a line of text about how far a pull is */
    ORCH_CHANNEL_EVENT = 8     /* emit: what changed; see orch_runtime_v1.events */
};
#define ORCH_HOST_OPS_1 "orch.host.ops/1"
struct orch_host_ops_v1 {
    uint32_t size, reserved;
    /* [any] Exactly once for each operation that answered ORCH_PENDING. Copies and queues: the
     * continuation runs later on the loop, never inside this call, so completing from within the
     * verb is fine. ORCH_E_STALE: the host has given up on it; nothing was done. */
    orch_status (*complete)(const struct orch_host *host, struct orch_op op,
                            const struct orch_result *result);
    /* [any] Bytes of a source or duplex operation (of any: ORCH_CHANNEL_PROGRESS), copied. Answers
     * the credit left in bytes: at 0 wait for `resume` of your table; what was given is kept.
     * Negative: not taken; ORCH_E_STALE when the host wants no more, ORCH_E_FULL when a plugin
     * goes far on without credit, ORCH_E_TOO_LARGE beyond 1 MiB in one call. */
    int64_t (*emit)(const struct orch_host *host, struct orch_op op, uint32_t channel,
                    uint32_t reserved, struct orch_str bytes);
};

/* ---- process --------------------------------------------------------------------------------- */
#define ORCH_HOST_PROCESS_1 "orch.host.process/1"
/* The host owns SIGCHLD: plugins never fork or wait. */
struct orch_process {
    uint32_t size, reserved;
    const char *const *argv;                /* NULL-terminated; argv[0] an absolute path */
    const char *const *envp;                /* NULL-terminated; NULL: an empty environment */
    int32_t stdin_fd, stdout_fd, stderr_fd; /* -1: /dev/null. Duplicated; stay the caller's */
    uint32_t reserved1;
};
struct orch_host_process_v1 {
    uint32_t size, reserved;
    /* [loop] `ended` runs on the loop with the exit code, or 128 + the signal's number. */
    orch_status (*spawn)(const struct orch_host *host, const struct orch_process *process,
                         void (*ended)(void *context, int32_t code), void *context, uint64_t *pid,
                         struct orch_error *error);
    /* [loop] Only to processes that spawn made and that have not ended. */
    orch_status (*signal)(const struct orch_host *host, uint64_t pid, int32_t signal_number);
};

/* ---- http: libcurl on the host's loop -------------------------------------------------------- */
#define ORCH_HOST_HTTP_1 "orch.host.http/1"
enum { ORCH_HTTP_H2_PRIOR_KNOWLEDGE = 1, ORCH_HTTP_INSECURE = 2 };
struct orch_http_request {
    uint32_t size, flags;
    const char *method;        /* "GET" */
    const char *url;           /* http:// or https:// */
    const char *unix_socket;   /* path, at most 107 bytes; NULL: by the URL's host */
    struct orch_array headers; /* struct orch_pair */
    struct orch_str body;      /* whole body, copied; {NULL,0}: none */
    const char *ca_file, *certificate_file, *key_file; /* https; may be NULL */
    uint64_t connect_timeout_ns;                       /* 0: 5 s */
    uint64_t first_byte_timeout_ns;                    /* from start to the status line; 0: 30 s */
    uint64_t stall_timeout_ns;                         /* no byte either way for so long; 0: none */
    uint64_t total_timeout_ns;                         /* 0: none */
    uint64_t max_body_bytes; /* of the reply; 0: 1 MiB; UINT64_MAX: no bound (streams) */
};
/* Called on the loop, in order: head once, body any number of times, then exactly one `done`. */
struct orch_http_callbacks {
    uint32_t size, reserved;
    /* [loop] Optional. `headers`: struct orch_pair, names in lower case. */
    void (*head)(void *context, int32_t http_status, struct orch_array headers);
    /* [loop] Optional. Not 0: enough, the request ends with ORCH_E_CANCELLED. */
    int32_t (*body)(void *context, struct orch_str bytes);
    /* [loop] ORCH_OK when the reply came whole, whatever its HTTP status. */
    void (*done)(void *context, orch_status status, int32_t http_status,
                 const struct orch_error *error);
};
struct orch_host_http_v1 {
    uint32_t size, reserved;
    /* [loop] No redirects, no proxies from the environment, no Expect. The id is never 0. */
    orch_status (*start)(const struct orch_host *host, const struct orch_http_request *request,
                         const struct orch_http_callbacks *callbacks, void *context, uint64_t *id,
                         struct orch_error *error);
    /* [loop] No callback comes after this, `done` neither. */
    void (*cancel)(const struct orch_host *host, uint64_t id);
    /* [loop] 1 stops reading the reply, 0 goes on: back-pressure. */
    void (*pause)(const struct orch_host *host, uint64_t id, int32_t paused);
};

/* ---- net: raw streams, for protocols that upgrade ---------------------------------------------
 */
#define ORCH_HOST_NET_1 "orch.host.net/1"
struct orch_net_connect {
    uint32_t size, reserved;
    const char *unix_socket; /* or host and port */
    const char *host;
    uint32_t port, tls; /* tls 1: verify against ca_file or the system's roots */
    const char *ca_file, *certificate_file, *key_file;
    uint64_t connect_timeout_ns; /* 0: 5 s */
};
struct orch_net_callbacks {
    uint32_t size, reserved;
    /* [loop] */ void (*connected)(void *context);
    /* [loop] Bytes came; what is not wanted yet: `read_pause`. */
    void (*received)(void *context, struct orch_str bytes);
    /* [loop] The peer will send no more. */
    void (*end)(void *context);
    /* [loop] There is room to write again. */
    void (*writable)(void *context);
    /* [loop] It is over; the id is dead. Not after `close`. */
    void (*failed)(void *context, const struct orch_error *error);
};
struct orch_host_net_v1 {
    uint32_t size, reserved;
    /* [loop] */
    orch_status (*connect)(const struct orch_host *host, const struct orch_net_connect *request,
                           const struct orch_net_callbacks *callbacks, void *context,
                           uint64_t *stream, struct orch_error *error);
    /* [loop] What was taken, up to 256 KiB under way; less than asked: wait for `writable`. */
    int64_t (*write)(const struct orch_host *host, uint64_t stream, struct orch_str bytes);
    /* [loop] Half-close once everything written has gone. */
    void (*finish)(const struct orch_host *host, uint64_t stream);
    /* [loop] */ void (*read_pause)(const struct orch_host *host, uint64_t stream, int32_t paused);
    /* [loop] */ void (*close)(const struct orch_host *host, uint64_t stream);
};

/* ---- metrics --------------------------------------------------------------------------------- */
#define ORCH_HOST_METRICS_1 "orch.host.metrics/1"
enum { ORCH_METRIC_COUNTER = 1, ORCH_METRIC_GAUGE = 2 };
struct orch_host_metrics_v1 {
    uint32_t size, reserved;
    /* [init] [loop] `name` after Prometheus's conventions without the prefix, which the host puts
     * in front: "orchestrator_plugin_". The same name gives the same handle. At most 64 a plugin.
     */
    orch_status (*define)(const struct orch_host *host, int32_t kind, const char *name,
                          const char *help, uint64_t *metric);
    /* [any] */ void (*add)(const struct orch_host *host, uint64_t metric, int64_t amount);
    /* [any] Gauges. */ void (*set)(const struct orch_host *host, uint64_t metric, int64_t value);
};

#ifdef __cplusplus
}
#endif
#endif
