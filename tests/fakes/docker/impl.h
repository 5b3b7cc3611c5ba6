/* The fake engine's parts. Functions with `fake` want its lock held unless tagged [free]. */
#ifndef TESTS_FAKE_DOCKER_IMPL_H
#define TESTS_FAKE_DOCKER_IMPL_H

#include "fakes/docker/fake_docker.h"

#include <pthread.h>
#include <stdint.h>

struct fake_image {
    struct fake_image *next;
    char *reference, id[72], digest[72];
    bool local;
};
enum fake_state { FAKE_CREATED = 1, FAKE_RUNNING, FAKE_EXITED, FAKE_REMOVING };
struct fake_output {
    struct fake_output *next;
    int channel;
    size_t length;
    int64_t ms;
    char bytes[];
};
struct fake_container {
    struct fake_container *next;
    char id[65], address[24], *name;
    json_t *config; /* as created */
    enum fake_state state;
    int exit_code;
    bool oom, tty, ignores_term;
    int64_t created_ms, started_ms, finished_ms;
    struct fake_output *first, *last;
};
struct fake_exec {
    struct fake_exec *next;
    char id[65], container[65];
    json_t *config;
    bool running, ended;
    int code, rows, columns;
};
struct fake_event {
    json_t *json, *labels;
    int64_t ms;
};
struct fake_call {
    char *call, *whole, *body;
};
struct fault {
    struct fault *next;
    struct fake_fault fault; /* strings ours */
};
enum { EVENTS_KEPT = 256, CALLS_KEPT = 65536 };

struct connection {
    struct connection *next;
    struct fake_docker *fake;
    int fd;
};
struct fake_docker {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* anything */
    pthread_t acceptor;
    int listener;
    bool stopping, temporary;
    char directory[64], path[108], *version;
    struct connection *connections;
    struct fake_image *images;
    struct fake_container *containers;
    struct fake_exec *execs;
    struct fake_event events[EVENTS_KEPT]; /* ring */
    uint64_t event_count, event_cuts, next_id;
    unsigned lose_every, repeat_every;
    struct fake_call *calls;
    size_t call_count;
    struct fault *faults;
};

/* One request and its reply. */
struct exchange {
    struct fake_docker *fake;
    int fd;
    char method[16], *path, *query; /* path without the version */
    char *body;
    size_t body_length;
    struct fake_fault fault; /* how 0: none; strings ours */
    uint64_t event_cuts; /* of the engine when the call was noted: those after it end its stream */
    int status;
    char *reply; /* NULL: none */
    bool taken;  /* the handler has written to the connection itself */
    bool closes; /* the connection ends with this exchange */
    bool wants_upgrade, wants_close;
};

/* server.c [free] */
int64_t fake_now_ms(void);
/* Until the client hangs up or the engine goes. */
void fake_await_hangup(struct exchange *exchange);
/* Sleeps, with the lock free, until something changes or the instant passes; false: it has. */
bool fake_wait(struct fake_docker *fake, int64_t until_ms);
bool fake_client_is_gone(int fd); /* [free] */

/* http.c [free] */
bool http_serve(struct connection *connection); /* one exchange; false: close */
bool http_send(int fd, const void *bytes, size_t length);
bool http_begin_chunked(struct exchange *exchange, const char *content_type);
bool http_chunk(struct exchange *exchange, const void *bytes, size_t length);
void http_end_chunked(struct exchange *exchange);
void reply_json(struct exchange *exchange, int status, json_t *body); /* takes it */
void reply_error(struct exchange *exchange, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A query's value, decoded; the caller frees. NULL: not given. */
char *query_value(const struct exchange *exchange, const char *name);
bool query_is_true(const struct exchange *exchange, const char *name);
json_t *query_filters(const struct exchange *exchange); /* {} when there is none */
bool labels_match(const json_t *labels, const json_t *filters);

/* faults.c */
void call_note(struct fake_docker *fake, const struct exchange *exchange, const char *target);
void fault_take(struct fake_docker *fake, struct exchange *exchange);
void fault_finish(struct fake_fault *fault);
/* A stream's fault; true: the handler has nothing left to do. [free] */
bool fault_stream(struct exchange *exchange, const char *content_type);

/* routes.c [free] */
void route(struct exchange *exchange);
bool control_route(struct exchange *exchange); /* control.c */

/* containers.c */
struct fake_container *container_find(struct fake_docker *fake, const char *word);
struct fake_container *container_make(struct fake_docker *fake, const char *name, json_t *config);
void container_begin(struct fake_docker *fake, struct fake_container *container);
void container_end(struct fake_docker *fake, struct fake_container *container, int code, bool oom);
void container_drop(struct fake_docker *fake, struct fake_container *container);
const char *container_state(const struct fake_container *container);
const json_t *container_labels(const struct fake_container *container);
void make_id(struct fake_docker *fake, char id[65]);

/* The routes' handlers, with the lock held on entry and return. */
void handle_create(struct exchange *exchange);
void handle_container(struct exchange *exchange, const char *word, const char *action);
void handle_list(struct exchange *exchange);
void handle_inspect(struct exchange *exchange, struct fake_container *container);
void handle_stats(struct exchange *exchange, struct fake_container *container);
void handle_logs(struct exchange *exchange, struct fake_container *container);
void handle_events(struct exchange *exchange);
void handle_pull(struct exchange *exchange);
void handle_image(struct exchange *exchange, const char *reference);
struct fake_image *image_find(struct fake_docker *fake, const char *reference);
void handle_exec_create(struct exchange *exchange, struct fake_container *container);
void handle_exec(struct exchange *exchange, const char *id, const char *action);
void event_tell(struct fake_docker *fake, const struct fake_container *container,
                const char *action);

#endif
