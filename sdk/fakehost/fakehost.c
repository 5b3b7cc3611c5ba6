/* The host itself: tables, log, thread check, metrics, and the plugin under test. */
#include "impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buffer_add(struct buffer *buffer, const char *bytes, size_t length)
{
    char *data = realloc(buffer->data, buffer->length + length + 1);
    if (!data)
        abort();
    if (length)
        memcpy(data + buffer->length, bytes, length);
    buffer->data = data;
    buffer->length += length;
    data[buffer->length] = 0;
}

void buffer_add_string(struct buffer *buffer, const char *string)
{
    buffer_add(buffer, string, strlen(string));
}

const char *buffer_text(const struct buffer *buffer)
{
    return buffer->data ? buffer->data : "";
}

struct fakehost *fakehost_from(const struct orch_host *host)
{
    return (struct fakehost *)(uintptr_t)host; /* its first member */
}

void fakehost_fault(struct fakehost *fake, const char *sentence)
{
    fake->faults++;
    (void)snprintf(fake->fault, sizeof fake->fault, "%s", sentence);
}

int fakehost_on_loop(struct fakehost *fake, const char *function)
{
    char sentence[128];
    if (pthread_equal(fake->thread, pthread_self()))
        return 1;
    (void)snprintf(sentence, sizeof sentence, "called %s from another thread", function);
    fakehost_fault(fake, sentence);
    return 0;
}

unsigned fakehost_faults(const struct fakehost *fake)
{
    return fake->faults;
}

const char *fakehost_last_fault(const struct fakehost *fake)
{
    return fake->fault;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static const void *get(const struct orch_host *host, const char *interface_id)
{
    const struct fakehost *fake = fakehost_from(host);
    int i;
    for (i = 0; i < SERVICE_COUNT; i++)
        if (strcmp(fake->services[i].id, interface_id) == 0 && !fake->services[i].lacking)
            return fake->services[i].resized ? fake->services[i].resized : fake->services[i].table;
    return NULL;
}

void fakehost_resize(struct fakehost *fake, const char *interface_id, uint32_t size)
{
    int i;
    for (i = 0; i < SERVICE_COUNT; i++) {
        uint32_t whole;
        if (strcmp(fake->services[i].id, interface_id) != 0)
            continue;
        whole = *(const uint32_t *)fake->services[i].table;
        free(fake->services[i].resized);
        fake->services[i].resized = NULL;
        fake->services[i].lacking = size == 0;
        if (!size)
            return;
        /* Room for the whole table in any case: a plugin that reads on must meet zeros there. */
        fake->services[i].resized = calloc(1, size > whole ? size : whole);
        if (!fake->services[i].resized)
            abort();
        memcpy(fake->services[i].resized, fake->services[i].table, size < whole ? size : whole);
        memcpy(fake->services[i].resized, &size, sizeof size);
        return;
    }
    (void)fprintf(stderr, "fakehost_resize: there is no %s\n", interface_id);
    abort();
}

struct fakehost *fakehost_create(void)
{
    static const struct {
        const char *id;
        const void *table;
    } services[SERVICE_COUNT] = {
        {ORCH_HOST_LOG_1, &fakehost_log_table},   {ORCH_HOST_THREAD_1, &fakehost_thread_table},
        {ORCH_HOST_LOOP_1, &fakehost_loop_table}, {ORCH_HOST_OPS_1, &fakehost_ops_table},
        {ORCH_HOST_HTTP_1, &fakehost_http_table}, {ORCH_HOST_METRICS_1, &fakehost_metrics_table}};
    struct fakehost *fake = calloc(1, sizeof *fake);
    int i;
    if (!fake)
        abort();
    fake->host.size = sizeof fake->host;
    fake->host.product = "fakehost";
    fake->host.version = "1.0.0";
    fake->host.get = get;
    fake->thread = pthread_self();
    fake->random = 1;
    pthread_mutex_init(&fake->lock, NULL);
    for (i = 0; i < SERVICE_COUNT; i++) {
        fake->services[i].id = services[i].id;
        fake->services[i].table = services[i].table;
    }
    return fake;
}

void fakehost_destroy(struct fakehost *fake)
{
    int i;
    if (!fake)
        return;
    fakehost_ops_finish(fake);
    fakehost_http_finish(fake);
    while (fake->events) {
        struct event *event = fake->events;
        fake->events = event->next;
        free(event);
    }
    while (fake->watchers) {
        struct watcher *watcher = fake->watchers;
        fake->watchers = watcher->next;
        free(watcher);
    }
    for (i = 0; i < SERVICE_COUNT; i++)
        free(fake->services[i].resized);
    free(fake->log.data);
    pthread_mutex_destroy(&fake->lock);
    free(fake);
}

const struct orch_host *fakehost_host(struct fakehost *fake)
{
    return &fake->host;
}

/* ---- the plugin under test ------------------------------------------------------------------- */

static int needs_met(struct fakehost *fake, const struct orch_manifest *manifest)
{
    const struct orch_array needs = {manifest->needs, manifest->need_count, manifest->need_stride};
    uint32_t i;
    for (i = 0; i < needs.count; i++) {
        const struct orch_need *need = ORCH_AT(struct orch_need, needs, i);
        const uint32_t *table = (const uint32_t *)get(&fake->host, need->interface_id);
        if (!need->optional && (!table || *table < need->min_size))
            return 0;
    }
    return 1;
}

const void *fakehost_table(struct fakehost *fake, const struct orch_manifest *manifest,
                           const char *interface_id, const char *name)
{
    const struct orch_array provides = {manifest->provides, manifest->provide_count,
                                        manifest->provide_stride};
    uint32_t i;
    if (!needs_met(fake, manifest))
        return NULL;
    for (i = 0; i < provides.count; i++) {
        const struct orch_provide *provide = ORCH_AT(struct orch_provide, provides, i);
        if (strcmp(provide->interface_id, interface_id) == 0 &&
            (!name || strcmp(provide->name, name) == 0))
            return provide->table;
    }
    return NULL;
}

/* ---- log ------------------------------------------------------------------------------------- */

static void log_line(const struct orch_host *host, int32_t level, struct orch_str message,
                     struct orch_array fields)
{
    static const char *const names[] = {"?", "debug", "info", "warn", "error"};
    struct fakehost *fake = fakehost_from(host);
    uint32_t i;
    pthread_mutex_lock(&fake->lock);
    buffer_add_string(&fake->log, names[level >= 1 && level <= 4 ? level : 0]);
    buffer_add_string(&fake->log, " ");
    buffer_add(&fake->log, message.ptr, message.len);
    for (i = 0; i < fields.count; i++) {
        const struct orch_pair *pair = ORCH_AT(struct orch_pair, fields, i);
        buffer_add_string(&fake->log, " ");
        buffer_add(&fake->log, pair->key.ptr, pair->key.len);
        buffer_add_string(&fake->log, "=");
        buffer_add(&fake->log, pair->value.ptr, pair->value.len);
    }
    buffer_add_string(&fake->log, "\n");
    pthread_mutex_unlock(&fake->lock);
}

static int32_t log_enabled(const struct orch_host *host, int32_t level)
{
    (void)host, (void)level;
    return 1;
}

const struct orch_host_log_v1 fakehost_log_table = {
    .size = sizeof fakehost_log_table, .write = log_line, .enabled = log_enabled};

const char *fakehost_log(const struct fakehost *fake)
{
    return buffer_text(&fake->log);
}

/* ---- thread check ---------------------------------------------------------------------------- */

static int32_t thread_current(const struct orch_host *host)
{
    return pthread_equal(fakehost_from(host)->thread, pthread_self()) ? ORCH_THREAD_LOOP
                                                                      : ORCH_THREAD_OTHER;
}

const struct orch_host_thread_v1 fakehost_thread_table = {.size = sizeof fakehost_thread_table,
                                                          .current = thread_current};

/* ---- metrics --------------------------------------------------------------------------------- */

static orch_status metric_define(const struct orch_host *host, int32_t kind, const char *name,
                                 const char *help, uint64_t *id)
{
    struct fakehost *fake = fakehost_from(host);
    unsigned i;
    (void)help;
    for (i = 0; i < fake->metric_count; i++)
        if (strcmp(fake->metrics[i].name, name) == 0) {
            *id = i + 1;
            return fake->metrics[i].kind == kind ? ORCH_OK : ORCH_E_CONFLICT;
        }
    if (fake->metric_count == METRIC_LIMIT)
        return ORCH_E_FULL;
    (void)snprintf(fake->metrics[i].name, sizeof fake->metrics[i].name, "%s", name);
    fake->metrics[i].kind = kind;
    *id = ++fake->metric_count;
    return ORCH_OK;
}

static void metric_change(const struct orch_host *host, uint64_t id, int64_t value, int set)
{
    struct fakehost *fake = fakehost_from(host);
    pthread_mutex_lock(&fake->lock);
    if (!id || id > fake->metric_count)
        fakehost_fault(fake, "changed a metric that it did not define");
    else if (set && fake->metrics[id - 1].kind != ORCH_METRIC_GAUGE)
        fakehost_fault(fake, "set a counter");
    else if (set)
        fake->metrics[id - 1].value = value;
    else
        fake->metrics[id - 1].value += value;
    pthread_mutex_unlock(&fake->lock);
}

static void metric_add(const struct orch_host *host, uint64_t id, int64_t amount)
{
    metric_change(host, id, amount, 0);
}

static void metric_set(const struct orch_host *host, uint64_t id, int64_t value)
{
    metric_change(host, id, value, 1);
}

const struct orch_host_metrics_v1 fakehost_metrics_table = {.size = sizeof fakehost_metrics_table,
                                                            .define = metric_define,
                                                            .add = metric_add,
                                                            .set = metric_set};

int64_t fakehost_metric(const struct fakehost *fake, const char *name)
{
    unsigned i;
    for (i = 0; i < fake->metric_count; i++)
        if (strcmp(fake->metrics[i].name, name) == 0)
            return fake->metrics[i].value;
    return INT64_MIN;
}
