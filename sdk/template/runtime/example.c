/* A runtime plugin whose containers are entries of a list: a beginning for a real one. Each verb
 * answers later, through the loop, as a real engine would. */
#include <orchestrator/runtime.h>
#include <stdlib.h>
#include <string.h>

struct container {
    struct container *next;
    char id[80];
    uint32_t state; /* ORCH_CONTAINER_* */
    uint32_t label_count;
    struct orch_pair *labels; /* their bytes lie behind the array */
};
struct example {
    const struct orch_host *host;
    const struct orch_host_loop_v1 *loop;
    const struct orch_host_ops_v1 *ops;
    struct container *containers;
    struct orch_op events; /* id 0: nobody listens */
};

/* An answer on its way. */
struct answer {
    struct example *example;
    struct orch_op op;
    char runtime_id[80];
    void (*send)(const struct answer *answer);
};

static struct orch_str string_of(const char *text)
{
    return (struct orch_str){text, strlen(text)};
}

static void complete(const struct answer *answer, const void *value)
{
    const struct orch_result result = {.size = sizeof result, .status = ORCH_OK, .value = value};
    (void)answer->example->ops->complete(answer->example->host, answer->op, &result);
}

static void send_later(void *context)
{
    struct answer *answer = context;
    answer->send(answer);
    free(answer);
}

static orch_status later(struct example *example, struct orch_op op, const char *runtime_id,
                         void (*send)(const struct answer *answer), struct orch_error *error)
{
    struct answer *answer = calloc(1, sizeof *answer);
    if (!answer)
        return orch_fail(error, ORCH_E_NO_MEMORY, "no memory");
    answer->example = example;
    answer->op = op;
    answer->send = send;
    if (runtime_id)
        memcpy(answer->runtime_id, runtime_id, strlen(runtime_id) + 1);
    if (example->loop->post(example->host, send_later, answer) == ORCH_OK)
        return ORCH_PENDING;
    free(answer);
    return orch_fail(error, ORCH_E_FULL, "the loop takes no more");
}

static void send_nothing(const struct answer *answer)
{
    complete(answer, NULL);
}

static void send_info(const struct answer *answer)
{
    const struct orch_runtime_info info = {.size = sizeof info,
                                           .engine = {"example", 7},
                                           .version = {"1.0.0", 5},
                                           .cpu_millis = 4000,
                                           .memory_bytes = UINT64_C(8) << 30};
    complete(answer, &info);
}

static void send_image(const struct answer *answer)
{
    const struct orch_image image = {.size = sizeof image, .image = string_of(answer->runtime_id)};
    complete(answer, &image);
}

static void send_created(const struct answer *answer)
{
    const struct orch_created created = {.size = sizeof created,
                                         .runtime_id = string_of(answer->runtime_id)};
    complete(answer, &created);
}

static void send_started(const struct answer *answer)
{
    const struct orch_started started = {.size = sizeof started, .address = {"127.0.0.1", 9}};
    complete(answer, &started);
}

/* ---- containers ------------------------------------------------------------------------------ */

static struct container *find(struct example *example, struct orch_str id)
{
    struct container *container = example->containers;
    while (container && (strlen(container->id) != id.len || memcmp(container->id, id.ptr, id.len)))
        container = container->next;
    return container;
}

static int keep_labels(struct container *container, struct orch_array labels)
{
    size_t bytes = labels.count * sizeof *container->labels;
    uint32_t i;
    char *at;
    for (i = 0; i < labels.count; i++)
        bytes += ORCH_AT(struct orch_pair, labels, i)->key.len +
                 ORCH_AT(struct orch_pair, labels, i)->value.len;
    container->labels = malloc(bytes + 1);
    if (!container->labels)
        return 0;
    at = (char *)(container->labels + labels.count);
    for (i = 0; i < labels.count; i++) {
        const struct orch_pair *pair = ORCH_AT(struct orch_pair, labels, i);
        memcpy(at, pair->key.ptr, pair->key.len);
        container->labels[i].key = (struct orch_str){at, pair->key.len};
        at += pair->key.len;
        memcpy(at, pair->value.ptr, pair->value.len);
        container->labels[i].value = (struct orch_str){at, pair->value.len};
        at += pair->value.len;
    }
    container->label_count = labels.count;
    return 1;
}

static int carries(const struct container *container, const struct orch_pair *wanted)
{
    uint32_t i;
    for (i = 0; i < container->label_count; i++) {
        const struct orch_pair *label = &container->labels[i];
        if (label->key.len == wanted->key.len && label->value.len == wanted->value.len &&
            memcmp(label->key.ptr, wanted->key.ptr, wanted->key.len) == 0 &&
            memcmp(label->value.ptr, wanted->value.ptr, wanted->value.len) == 0)
            return 1;
    }
    return 0;
}

static int matches(const struct container *container, struct orch_array labels)
{
    uint32_t i;
    for (i = 0; i < labels.count; i++)
        if (!carries(container, ORCH_AT(struct orch_pair, labels, i)))
            return 0;
    return 1;
}

/* A hint for the host to list. */
static void changed(struct example *example, const char *id)
{
    if (example->events.id)
        (void)example->ops->emit(example->host, example->events, ORCH_CHANNEL_EVENT, 0,
                                 string_of(id));
}

/* ---- verbs ----------------------------------------------------------------------------------- */

static orch_status create_runtime(void *module, const struct orch_host *host,
                                  struct orch_str config, void **runtime, struct orch_error *error)
{
    struct example *example = calloc(1, sizeof *example);
    (void)module, (void)config;
    if (!example)
        return orch_fail(error, ORCH_E_NO_MEMORY, "no memory");
    example->host = host;
    example->loop = host->get(host, ORCH_HOST_LOOP_1); /* in `needs`: never NULL */
    example->ops = host->get(host, ORCH_HOST_OPS_1);
    *runtime = example;
    return ORCH_OK;
}

static void free_container(struct container *container)
{
    free(container->labels);
    free(container);
}

static void destroy_runtime(void *runtime)
{
    struct example *example = runtime;
    while (example->containers) {
        struct container *container = example->containers;
        example->containers = container->next;
        free_container(container);
    }
    free(example);
}

static orch_status info(void *runtime, struct orch_op op, struct orch_error *error)
{
    return later(runtime, op, NULL, send_info, error);
}

static orch_status pull(void *runtime, struct orch_op op, const struct orch_pull *theirs,
                        struct orch_error *error)
{
    struct orch_pull asked;
    char image[80] = "";
    if (ORCH_TAKE(struct orch_pull, &asked, theirs, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    if (!asked.image.len || asked.image.len >= sizeof image)
        return orch_fail(error, ORCH_E_NOT_FOUND, "no such image");
    memcpy(image, asked.image.ptr, asked.image.len);
    return later(runtime, op, image, send_image, error);
}

static orch_status create(void *runtime, struct orch_op op, const struct orch_task *theirs,
                          struct orch_error *error)
{
    struct example *example = runtime;
    struct orch_task task;
    struct container *container;
    if (ORCH_TAKE(struct orch_task, &task, theirs, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    if (!task.id.len || task.id.len >= sizeof container->id)
        return orch_fail(error, ORCH_E_INVALID, "the id is empty or too long");
    container = find(example, task.id);
    if (!container) { /* else it is there already, and adopted */
        container = calloc(1, sizeof *container);
        if (!container || !keep_labels(container, task.labels)) {
            free(container);
            return orch_fail(error, ORCH_E_NO_MEMORY, "no memory");
        }
        memcpy(container->id, task.id.ptr, task.id.len);
        container->state = ORCH_CONTAINER_CREATED;
        container->next = example->containers;
        example->containers = container;
    }
    return later(example, op, container->id, send_created, error);
}

static orch_status start(void *runtime, struct orch_op op, struct orch_str runtime_id,
                         struct orch_error *error)
{
    struct container *container = find(runtime, runtime_id);
    if (!container)
        return orch_fail(error, ORCH_E_NOT_FOUND, "no such container");
    container->state = ORCH_CONTAINER_RUNNING;
    changed(runtime, container->id);
    return later(runtime, op, container->id, send_started, error);
}

static orch_status stop(void *runtime, struct orch_op op, const struct orch_stop *theirs,
                        struct orch_error *error)
{
    struct orch_stop asked;
    struct container *container;
    if (ORCH_TAKE(struct orch_stop, &asked, theirs, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    container = find(runtime, asked.runtime_id);
    if (!container || container->state != ORCH_CONTAINER_RUNNING)
        return ORCH_OK; /* what is already so */
    container->state = ORCH_CONTAINER_EXITED;
    changed(runtime, container->id);
    return later(runtime, op, NULL, send_nothing, error);
}

static orch_status remove_container(void *runtime, struct orch_op op, struct orch_str runtime_id,
                                    struct orch_error *error)
{
    struct example *example = runtime;
    struct container *container = find(example, runtime_id), **link = &example->containers;
    char id[sizeof container->id];
    if (!container)
        return ORCH_OK;
    while (*link != container)
        link = &(*link)->next;
    *link = container->next;
    memcpy(id, container->id, sizeof id);
    free_container(container);
    changed(example, id);
    return later(example, op, NULL, send_nothing, error);
}

/* Answers at once: completing inside the verb is fine, the host copies and queues. */
static orch_status list(void *runtime, struct orch_op op, const struct orch_list *theirs,
                        struct orch_error *error)
{
    struct example *example = runtime;
    struct orch_list asked;
    struct orch_container_view *views;
    const struct container *container;
    uint32_t count = 0;
    if (ORCH_TAKE(struct orch_list, &asked, theirs, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    for (container = example->containers; container; container = container->next)
        count++;
    views = calloc(count + 1, sizeof *views);
    if (!views)
        return orch_fail(error, ORCH_E_NO_MEMORY, "no memory");
    count = 0;
    for (container = example->containers; container; container = container->next)
        if (matches(container, asked.labels))
            views[count++] = (struct orch_container_view){
                .size = sizeof *views,
                .state = container->state,
                .runtime_id = string_of(container->id),
                .name = string_of(container->id),
                .labels = {container->labels, container->label_count, sizeof(struct orch_pair)}};
    const struct orch_result result = {
        .size = sizeof result, .status = ORCH_OK, .items = {views, count, sizeof *views}};
    (void)example->ops->complete(example->host, op, &result);
    free(views);
    return ORCH_PENDING;
}

static orch_status events(void *runtime, struct orch_op op, struct orch_array labels,
                          struct orch_error *error)
{
    (void)labels, (void)error;
    ((struct example *)runtime)->events = op;
    return ORCH_PENDING; /* until it is cancelled */
}

static void cancel(void *runtime, struct orch_op op)
{
    struct example *example = runtime;
    const struct orch_result result = {.size = sizeof result, .status = ORCH_E_CANCELLED};
    if (op.id != example->events.id)
        return; /* its answer is on its way already */
    example->events.id = 0;
    (void)example->ops->complete(example->host, op, &result);
}

static const struct orch_runtime_v1 table = {.size = sizeof table,
                                             .create_runtime = create_runtime,
                                             .destroy_runtime = destroy_runtime,
                                             .info = info,
                                             .pull = pull,
                                             .create = create,
                                             .start = start,
                                             .stop = stop,
                                             .remove = remove_container,
                                             .list = list,
                                             .events = events,
                                             .cancel = cancel};
static const struct orch_provide provides[] = {{ORCH_RUNTIME_1, "example", &table, NULL}};
static const struct orch_need needs[] = {
    {ORCH_HOST_LOOP_1, ORCH_SIZE_UPTO(struct orch_host_loop_v1, post), 0},
    {ORCH_HOST_OPS_1, ORCH_SIZE_UPTO(struct orch_host_ops_v1, emit), 0}};

const struct orch_manifest orch_plugin_manifest_1 = {ORCH_MANIFEST_HEAD,
                                                     .id = "org.example.runtime-example",
                                                     .version = "1.0.0",
                                                     .license = "Apache-2.0",
                                                     .provides = provides,
                                                     .provide_count = 1,
                                                     .provide_stride = sizeof provides[0],
                                                     .needs = needs,
                                                     .need_count = sizeof needs / sizeof needs[0],
                                                     .need_stride = sizeof needs[0]};
