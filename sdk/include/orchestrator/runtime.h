/* SPDX-License-Identifier: Apache-2.0
 *
 * orch.runtime/1: what runs containers on a node.
 *
 * Every verb returns at once: an error, ORCH_OK (done, nothing to hand back) or ORCH_PENDING; then
 * exactly one `complete` of the host's ops table. Verbs are idempotent on the container's id: what
 * is already so is ORCH_OK. After a restart of the host nothing is handed back to the runtime: it
 * finds its containers by `list` with labels. */
#ifndef ORCHESTRATOR_RUNTIME_H
#define ORCHESTRATOR_RUNTIME_H

#include <orchestrator/host.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ORCH_RUNTIME_1 "orch.runtime/1"

/* Features of a task that a runtime honours: a bit each. The host places only what is honoured. */
#define ORCH_RUNTIME_CPU_LIMIT (UINT64_C(1) << 0)
#define ORCH_RUNTIME_MEMORY_LIMIT (UINT64_C(1) << 1)
#define ORCH_RUNTIME_PIDS_LIMIT (UINT64_C(1) << 2)
#define ORCH_RUNTIME_HOST_PORTS (UINT64_C(1) << 3)
#define ORCH_RUNTIME_CAPABILITIES (UINT64_C(1) << 4)
#define ORCH_RUNTIME_READ_ONLY_ROOT (UINT64_C(1) << 5)
#define ORCH_RUNTIME_EXEC (UINT64_C(1) << 6)
#define ORCH_RUNTIME_LOGS (UINT64_C(1) << 7)
#define ORCH_RUNTIME_STATS (UINT64_C(1) << 8)
#define ORCH_RUNTIME_MOUNTS (UINT64_C(1) << 9)
#define ORCH_RUNTIME_FILES (UINT64_C(1) << 10)
#define ORCH_RUNTIME_DEVICES (UINT64_C(1) << 11)

enum { ORCH_PROTOCOL_TCP = 1, ORCH_PROTOCOL_UDP = 2 };
/* leaf */
struct orch_port {
    uint32_t container_port, protocol;
    uint32_t host_port; /* 0: not published */
    uint32_t reserved;
    struct orch_str host_address; /* where host_port is bound */
};

enum { ORCH_TASK_READ_ONLY_ROOT = 1 };
/* One container to make. Filled by the host. */
struct orch_task {
    uint32_t size, flags;
    struct orch_str id;                /* the record's id, unique for ever, [a-z0-9-], at most 79 */
    struct orch_str name;              /* for the engine: a function of record and incarnation */
    struct orch_str hostname;          /* at most 63 */
    struct orch_str image;             /* as `pull` answered it: pinned */
    struct orch_array command, args;   /* struct orch_str; empty: the image's */
    struct orch_array env;             /* struct orch_pair */
    struct orch_array labels;          /* struct orch_pair; `list` finds the container by them */
    struct orch_array ports;           /* struct orch_port */
    struct orch_array capabilities;    /* struct orch_str: exactly these, "CHOWN" */
    struct orch_array annotations;     /* struct orch_pair */
    struct orch_str working_dir, user; /* {NULL,0}: the image's */
    struct orch_str stop_signal;       /* "SIGTERM" */
    uint64_t cpu_millis;               /* weight under contention; never a cap */
    uint64_t cpu_limit_millis;         /* 0: none */
    uint64_t memory_bytes;             /* reservation; 0: none */
    uint64_t memory_limit_bytes;       /* 0: none */
    uint64_t pids_limit;               /* 0: none */
    struct orch_str private_directory; /* exists, 0700, the container's alone, removed after it */
    /* Empty in v1 hosts; element types come with the feature bits. */
    struct orch_array mounts, devices, files, resources;
};

struct orch_pull {
    uint32_t size;
    uint32_t policy; /* ORCH_PULL_* */
    struct orch_str image;
};
enum { ORCH_PULL_MISSING = 1, ORCH_PULL_ALWAYS = 2, ORCH_PULL_NEVER = 3 };

struct orch_stop {
    uint32_t size, reserved;
    struct orch_str runtime_id;
    struct orch_str signal; /* "SIGTERM"; {NULL,0}: the container's own */
    uint64_t grace_ns;      /* then it is killed; 0: at once */
};
struct orch_list {
    uint32_t size, reserved;
    struct orch_array labels;      /* struct orch_pair: all must match */
    struct orch_array runtime_ids; /* struct orch_str; empty: all */
};
struct orch_logs {
    uint32_t size;
    uint32_t follow; /* 1: until cancelled or the container ends */
    struct orch_str runtime_id;
    int64_t tail;     /* lines; negative: all */
    int64_t since_ms; /* wall clock; 0: from the start */
    uint32_t timestamps, reserved;
};
struct orch_exec {
    uint32_t size;
    uint32_t tty;
    struct orch_str runtime_id;
    struct orch_array command; /* struct orch_str */
    uint32_t want_stdin, reserved;
};

/* Values of completions. All advisory. */
struct orch_runtime_info { /* info */
    uint32_t size, reserved;
    struct orch_str engine, version; /* "docker", "20.10.24" */
    uint64_t cpu_millis, memory_bytes;
    uint64_t features;                  /* ORCH_RUNTIME_* */
    uint32_t max_operations, reserved1; /* wise number of operations at a time; 0: 8 */
};
struct orch_image { /* pull */
    uint32_t size, reserved;
    struct orch_str image;  /* what create is to be given: "name@sha256:..." or the image's id */
    struct orch_str digest; /* "sha256:...": repository digest, else the image's id */
};
struct orch_created { /* create */
    uint32_t size, reserved;
    struct orch_str runtime_id;
};
struct orch_started { /* start */
    uint32_t size, reserved;
    int64_t started_at_ms;   /* 0: not told; `list` will */
    struct orch_str address; /* {NULL,0}: not told; `list` will */
};
struct orch_exec_end { /* exec */
    uint32_t size;
    int32_t exit_code;
};
enum {
    ORCH_CONTAINER_CREATED = 1,
    ORCH_CONTAINER_RUNNING = 2,
    ORCH_CONTAINER_EXITED = 3,
    ORCH_CONTAINER_REMOVING = 4,
    ORCH_CONTAINER_UNKNOWN = 5
};
enum { ORCH_CONTAINER_OOM = 1, ORCH_CONTAINER_HAS_EXIT_CODE = 2 };
struct orch_container_view { /* list: items */
    uint32_t size, state;
    struct orch_str runtime_id, name, image, address;
    struct orch_array labels;                             /* struct orch_pair */
    int64_t created_at_ms, started_at_ms, finished_at_ms; /* 0: not known */
    int32_t exit_code;
    uint32_t flags;
    struct orch_str message;
};
struct orch_stats_view { /* stats: items */
    uint32_t size, reserved;
    struct orch_str runtime_id;
    uint64_t cpu_ns, memory_bytes, memory_limit_bytes, network_in_bytes, network_out_bytes, pids;
};

struct orch_runtime_v1 {
    uint32_t size, reserved;
    /* [loop] `config` is JSON text checked against the schema. Opens nothing that can block. */
    orch_status (*create_runtime)(void *module, const struct orch_host *host,
                                  struct orch_str config, void **runtime, struct orch_error *error);
    /* [loop] No operation is under way any more, or their completions will be STALE. */
    void (*destroy_runtime)(void *runtime);

    /* [loop] -> struct orch_runtime_info. Also how the host asks whether the engine answers. */
    orch_status (*info)(void *runtime, struct orch_op op, struct orch_error *error);
    /* [loop] -> struct orch_image. May emit ORCH_CHANNEL_PROGRESS. NOT_FOUND, DENIED and
     * UNAVAILABLE tell why not. */
    orch_status (*pull)(void *runtime, struct orch_op op, const struct orch_pull *pull,
                        struct orch_error *error);
    /* [loop] -> struct orch_created. A container of that name that carries the same labels is
     * adopted; one of a stranger is ORCH_E_EXISTS and left alone. */
    orch_status (*create)(void *runtime, struct orch_op op, const struct orch_task *task,
                          struct orch_error *error);
    /* [loop] -> struct orch_started. Running already is ORCH_OK. */
    orch_status (*start)(void *runtime, struct orch_op op, struct orch_str runtime_id,
                         struct orch_error *error);
    /* [loop] Completes when it has stopped. Not running, or gone, is ORCH_OK. */
    orch_status (*stop)(void *runtime, struct orch_op op, const struct orch_stop *stop,
                        struct orch_error *error);
    /* [loop] Completes when it is gone; a running one is killed. Gone already is ORCH_OK. */
    orch_status (*remove)(void *runtime, struct orch_op op, struct orch_str runtime_id,
                          struct orch_error *error);
    /* [loop] -> items of struct orch_container_view, also of ended ones. The truth. */
    orch_status (*list)(void *runtime, struct orch_op op, const struct orch_list *list,
                        struct orch_error *error);
    /* [loop] Source that never ends by itself while the engine answers. Each emission on
     * ORCH_CHANNEL_EVENT holds the runtime id of one container that changed, or nothing when
     * anything may have: a hint to list, never the truth. A completion means the stream was cut;
     * the host opens another. `labels`: only containers that carry them. */
    orch_status (*events)(void *runtime, struct orch_op op, struct orch_array labels,
                          struct orch_error *error);
    /* [loop] Source of ORCH_CHANNEL_STDOUT and _STDERR. Optional: ORCH_RUNTIME_LOGS. */
    orch_status (*logs)(void *runtime, struct orch_op op, const struct orch_logs *logs,
                        struct orch_error *error);
    /* [loop] -> items of struct orch_stats_view. Optional: ORCH_RUNTIME_STATS. */
    orch_status (*stats)(void *runtime, struct orch_op op, struct orch_array runtime_ids,
                         struct orch_error *error);
    /* [loop] Duplex -> struct orch_exec_end. Optional: ORCH_RUNTIME_EXEC. */
    orch_status (*exec)(void *runtime, struct orch_op op, const struct orch_exec *exec,
                        struct orch_error *error);
    /* [loop] Bytes for a duplex operation; answers what was taken (then `input_ready` is not told:
     * the host tries again within 10 ms), or an error. */
    int64_t (*input)(void *runtime, struct orch_op op, uint32_t channel, uint32_t reserved,
                     struct orch_str bytes);
    /* [loop] There is credit again for a source or duplex operation. */
    void (*resume)(void *runtime, struct orch_op op);
    /* [loop] The host wants no more of it. Its one completion is still owed (CANCELLED). */
    void (*cancel)(void *runtime, struct orch_op op);
};

#ifdef __cplusplus
}
#endif
#endif
