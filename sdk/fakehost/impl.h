/* What the files of the fake host share. */
#ifndef FAKEHOST_IMPL_H
#define FAKEHOST_IMPL_H

#include <orchestrator/fakehost.h>
#include <pthread.h>

struct buffer {
    char *data; /* terminated */
    size_t length;
};
void buffer_add(struct buffer *buffer, const char *bytes, size_t length);
void buffer_add_string(struct buffer *buffer, const char *string);
const char *buffer_text(const struct buffer *buffer);

/* Something that will be called: posted work (due at once, in order) or a timer. */
struct event {
    struct event *next;
    uint64_t id, due_ns, order;
    void (*run)(void *context);
    void *context;
};
struct watcher {
    struct watcher *next;
    uint64_t id;
    int32_t fd;
    uint32_t events;
    void (*ready)(void *context, int32_t fd, uint32_t events);
    void *context;
};
struct operation {
    struct operation *next;
    uint64_t id;
    orch_status status;
    int given_up;
    int64_t credit;
    char message[sizeof((struct orch_error *)0)->message];
    struct buffer output[9]; /* by channel */
    void (*inspect)(void *context, const struct orch_result *result);
    void *context;
};
struct script {
    struct script *next;
    struct fakehost_reply reply;
};
struct exchange {
    struct exchange *next;
    struct fakehost *fake;
    uint64_t id;
    struct fakehost_reply reply;
    struct orch_http_callbacks callbacks;
    void *context;
    size_t sent;
    int head_told, paused, waiting, cancelled;
};
struct metric {
    char name[100];
    int32_t kind;
    int64_t value;
};
enum { SERVICE_COUNT = 6, METRIC_LIMIT = 64, REQUEST_LIMIT = 256 };

struct fakehost {
    struct orch_host host; /* first */
    pthread_t thread;
    pthread_mutex_t lock; /* of what [any] functions touch */
    uint64_t now_ns, next_id, random;
    struct event *events;
    struct watcher *watchers;
    struct operation *operations;
    struct script *scripts;
    struct exchange *exchanges;
    struct buffer requests[REQUEST_LIMIT];
    unsigned request_count, faults;
    char fault[160];
    struct buffer log;
    struct metric metrics[METRIC_LIMIT];
    unsigned metric_count;
    struct {
        const char *id;
        const void *table;
        void *resized; /* NULL: as it is */
        int lacking;
    } services[SERVICE_COUNT];
};
struct fakehost *fakehost_from(const struct orch_host *host);
void fakehost_fault(struct fakehost *fake, const char *sentence);
uint64_t fakehost_schedule(struct fakehost *fake, uint64_t delay_ns, void (*run)(void *context),
                           void *context);
/* A fault and 0 on another thread than the one that made the host. */
int fakehost_on_loop(struct fakehost *fake, const char *function);

extern const struct orch_host_log_v1 fakehost_log_table;
extern const struct orch_host_thread_v1 fakehost_thread_table;
extern const struct orch_host_loop_v1 fakehost_loop_table;
extern const struct orch_host_ops_v1 fakehost_ops_table;
extern const struct orch_host_http_v1 fakehost_http_table;
extern const struct orch_host_metrics_v1 fakehost_metrics_table;

void fakehost_ops_finish(struct fakehost *fake);
void fakehost_http_finish(struct fakehost *fake);

#endif
