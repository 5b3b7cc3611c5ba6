/* The docker runtime's parts: one job per operation of the host, one call per HTTP request to the
 * engine. A job owns its calls; ending it ends them. Everything is [loop] unless tagged. */
#ifndef DOCKER_H
#define DOCKER_H

#include <orchestrator/runtime.h>

#include <jansson.h>
#include <stdbool.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

enum {
    ID_BYTES = 72,                 /* a container's or exec's id, terminated */
    NAME_BYTES = 160,              /* a container's name: the record's id has 79 at most */
    LINE_LIMIT = 256 * 1024,       /* of one JSON object of a stream */
    REPLY_LIMIT = 4 * 1024 * 1024, /* of a reply about one thing */
    LIST_LIMIT = 64 * 1024 * 1024, /* of a list of containers */
    UNIX_PATH_LIMIT = 107
};
/* What the plugin was written for; within it the engine's own version is spoken. */
enum { API_MAJOR = 1, API_MINOR_MIN = 40, API_MINOR_MAX = 47 };

/* -- text.c: a growing string, terminated; memory that is out ends the process -- */
struct text {
    char *data;
    size_t length, capacity;
};
void *memory_new(size_t size); /* zeroed */
char *string_copy(struct orch_str string);
void text_add(struct text *text, const char *bytes, size_t length);
void text_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_query(struct text *text, const char *bytes, size_t length); /* percent-encoded */
void text_query_json(struct text *text, const json_t *value);         /* likewise, as JSON */
const char *text_string(const struct text *text);
void text_clear(struct text *text);
void text_finish(struct text *text);
/* Copies without control characters, cut to the room. The engine's words are not trusted. */
void defuse(char *to, size_t room, const char *from, size_t length);
struct orch_str str(const char *string); /* NULL: {NULL, 0} */
bool str_is(struct orch_str string, const char *word);
bool id_valid(struct orch_str id);     /* fit for a URL's path */
bool name_valid(struct orch_str name); /* likewise: a container's name */
int64_t time_ms(const char *rfc3339);  /* 0: not a time, or before 1970 */

/* -- config.c -- */
struct settings {
    char *unix_socket; /* NULL: host and port */
    char *host, *authority, *network;
    uint32_t port;
};
orch_status settings_read(struct settings *settings, struct orch_str config,
                          struct orch_error *error);
void settings_finish(struct settings *settings);

struct runtime {
    const struct orch_host *host;
    const struct orch_host_loop_v1 *loop;
    const struct orch_host_ops_v1 *ops;
    const struct orch_host_http_v1 *http;
    const struct orch_host_net_v1 *net;
    const struct orch_host_log_v1 *log;
    struct settings settings;
    struct job *jobs;
    struct call *calls;
    struct known *known;
    uint64_t list_number; /* of lists begun; what they did not see is forgotten */
    uint64_t cpu_millis;  /* as the engine told; 0: not yet */
    json_t *owner;        /* the labels that the host lists by: what carries them is the host's */
    /* version.c */
    enum { VERSION_UNKNOWN = 1, VERSION_ASKED, VERSION_KNOWN } version;
    uint64_t ping_id;
    unsigned api_minor, told_minor; /* spoken; what the engine told */
    char told_version[16];
};

/* -- docker.c: jobs -- */
struct job {
    struct job *next, **link;
    struct runtime *runtime;
    struct orch_op op;
    uint64_t timer; /* of the host's; 0: none. See job_wait */
    void (*waited)(struct job *job);
    void (*finish)(struct job *job);  /* optional: frees what its verb keeps */
    void (*resumed)(struct job *job); /* optional: there is credit again */
    int64_t (*take_input)(struct job *job, uint32_t channel, struct orch_str bytes); /* optional */
};
void *job_new(struct runtime *runtime, struct orch_op op, size_t size);
/* These complete the operation and free the job with its calls. */
void job_end(struct job *job, const void *value);
void job_end_items(struct job *job, const void *items, uint32_t count, uint32_t stride);
void job_fail(struct job *job, orch_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* `waited` after the delay; one at a time. */
void job_wait(struct job *job, uint64_t delay_ns, void (*waited)(struct job *job));
void job_wait_no_more(struct job *job);
/* The credit left, as emit answers it. */
int64_t job_emit(struct job *job, uint32_t channel, const char *bytes, size_t length);
void log_line(struct runtime *runtime, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* -- engine.c: calls -- */
struct reply {
    orch_status status; /* ORCH_OK: a whole HTTP reply; else why none came */
    bool reached;       /* false: the engine never saw the request */
    int32_t http;
    const char *body; /* terminated */
    size_t length;
    char message[400]; /* why not, or what the engine says */
};
struct call_request {
    const char *method;
    const char *path; /* after the version: "/containers/json?all=1" */
    const json_t *body;
    uint64_t timeout_ns;    /* of the whole; 0: none */
    uint64_t first_byte_ns; /* 0: as timeout_ns */
    uint64_t stall_ns;
    size_t reply_limit; /* 0: REPLY_LIMIT */
    uint64_t number;    /* the caller's, handed to `done` */
    /* Streams: bytes of a 2xx reply go here instead of into `reply.body`. The job may end in it. */
    void (*data)(struct job *job, struct orch_str bytes);
    void (*head)(struct job *job, const struct orch_array *headers); /* of a 2xx */
    void (*done)(struct job *job, uint64_t number, const struct reply *reply);
};
/* `done` comes exactly once, later, unless the job ends before. */
void call_start(struct job *job, const struct call_request *request);
void calls_pause(struct job *job, bool paused);
void calls_cancel(struct job *job);
bool reply_is(const struct reply *reply, int32_t http);
/* The reply as a JSON object or array; NULL: not 2xx or no JSON. The caller's reference. */
json_t *reply_json(const struct reply *reply);
/* What a failed call means to the host, 2xx (malformed) included. */
orch_status reply_status(const struct reply *reply);
/* The job fails by what the reply says: "<what>: <message>". */
void job_fail_reply(struct job *job, const struct reply *reply, const char *what);
/* The engine's own words in a reply's body. */
void engine_message(char *to, size_t room, const char *body, size_t length);

/* -- version.c -- */
void version_ask(struct runtime *runtime); /* ends in calls_version_known or calls_version_failed */
void version_forget(struct runtime *runtime);
bool version_refused(const struct runtime *runtime, struct reply *reply);
void version_finish(struct runtime *runtime);
void calls_version_known(struct runtime *runtime);
void calls_version_failed(struct runtime *runtime, orch_status status, const char *message);

/* -- create.c -- */
/* The host lists, or watches, by these labels. */
void owner_set(struct runtime *runtime, struct orch_array labels);

/* -- known.c: what lists need and the engine tells only by an inspect -- */
struct known *known_get(struct runtime *runtime, const char *id); /* NULL: nothing */
struct known *known_put(struct runtime *runtime, const char *id);
void known_drop(struct runtime *runtime, const char *id);
/* After a complete list of that number: what it did not see goes. */
void known_sweep(struct runtime *runtime, uint64_t number);

/* -- inspect.c -- */
struct inspected {
    const char *id, *name;                      /* into the JSON */
    const json_t *labels;                       /* may be NULL */
    const char *status, *message, *stop_signal; /* the latter two may be NULL */
    bool running, oom;
    int32_t exit_code;
    int64_t started_at_ms, finished_at_ms;
};
bool inspect_parse(const json_t *root, struct inspected *out);
bool labels_valid(const json_t *labels); /* [any] none, or strings */
/* GET /containers/NAME/json */
void inspect_start(struct job *job, struct orch_str name, uint64_t timeout_ns, uint64_t number,
                   void (*done)(struct job *job, uint64_t number, const struct reply *reply));
uint32_t state_of(const char *word); /* ORCH_CONTAINER_* */

/* The part of `struct known` that lists fill in. */
#include <uthash.h>
struct known {
    UT_hash_handle hh;
    uint64_t seen; /* the latest list that must keep it */
    int64_t started_at_ms, finished_at_ms;
    uint64_t retry_ns; /* an inspect failed: none before */
    int32_t exit_code;
    bool ended, oom;      /* `ended`: the two above and `message` are true */
    bool started_by_us;   /* its start event is no news */
    char stop_signal[16]; /* what it was created with */
    char message[200];
    char id[ID_BYTES];
};

/* -- list.c -- */
json_t *label_filters(struct orch_array labels); /* {"label": ["key=value", ...]} */

/* -- lines.c: JSON objects in a stream, one a line -- */
struct lines {
    struct text line;
};
enum lines_fault { LINES_FINE = 0, LINES_TOO_LONG, LINES_NO_JSON, LINES_STOPPED };
/* `object` answers false to stop (its context may be gone then). */
enum lines_fault lines_feed(struct lines *lines, struct orch_str bytes,
                            bool (*object)(void *context, const json_t *object), void *context);
bool lines_are_whole(const struct lines *lines); /* nothing is left of an unfinished one */
void lines_finish(struct lines *lines);

/* -- frames.c: the engine's stdout and stderr in one stream -- */
struct frames {
    enum { FRAMES_UNKNOWN = 0, FRAMES_FRAMED, FRAMES_RAW } kind;
    unsigned char header[8];
    uint32_t have, left, channel;
};
/* The credit left, or a negative status: STALE, or IO when the frames make no sense. */
int64_t frames_feed(struct frames *frames, struct job *job, struct orch_str bytes);

/* -- reference.c -- */
struct reference {
    char *name;   /* "nginx", "example.org:5000/a/b" */
    char *tag;    /* NULL: none */
    char *digest; /* "sha256:..."; NULL: none */
    bool is_id;   /* the image's id: `digest` */
};
bool reference_parse(struct reference *reference, struct orch_str image, struct orch_error *error);
void reference_finish(struct reference *reference);
bool reference_same_name(const char *one, const char *other); /* "docker.io/library/a" is "a" */

/* -- task.c -- */
bool task_is_text(const struct orch_task *task); /* UTF-8 without zero bytes, all of it */
json_t *task_body(const struct runtime *runtime, const struct orch_task *task);
bool labels_carried(const json_t *labels, struct orch_array wanted);

/* -- the table's verbs -- */
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

#endif
