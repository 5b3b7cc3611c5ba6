/* What tests do to the engine behind its API's back: by functions, and by paths that begin with an
 * underscore. */
#include "fakes/docker/impl.h"

#include <stdlib.h>
#include <string.h>

void fake_docker_container(struct fake_docker *fake, const char *name, const char *labels, char *id)
{
    json_t *config = json_pack("{s:s, s:o}", "Image", "example/other:1", "Labels",
                               json_loads(labels ? labels : "{}", 0, NULL));
    pthread_mutex_lock(&fake->lock);
    const struct fake_container *container = container_make(fake, name, config);
    if (id)
        memcpy(id, container->id, sizeof container->id);
    pthread_mutex_unlock(&fake->lock);
    json_decref(config);
}

void fake_docker_start_container(struct fake_docker *fake, const char *word)
{
    pthread_mutex_lock(&fake->lock);
    struct fake_container *container = container_find(fake, word);
    if (container)
        container_begin(fake, container);
    pthread_mutex_unlock(&fake->lock);
}

void fake_docker_exit(struct fake_docker *fake, const char *word, int code, bool oom)
{
    pthread_mutex_lock(&fake->lock);
    struct fake_container *container = container_find(fake, word);
    if (container)
        container_end(fake, container, code, oom);
    pthread_mutex_unlock(&fake->lock);
}

void fake_docker_destroy(struct fake_docker *fake, const char *word)
{
    pthread_mutex_lock(&fake->lock);
    struct fake_container *container = container_find(fake, word);
    if (container)
        container_drop(fake, container);
    pthread_mutex_unlock(&fake->lock);
}

unsigned fake_docker_count(struct fake_docker *fake)
{
    unsigned count = 0;
    pthread_mutex_lock(&fake->lock);
    for (const struct fake_container *container = fake->containers; container;
         container = container->next)
        count++;
    pthread_mutex_unlock(&fake->lock);
    return count;
}

const char *fake_docker_state(struct fake_docker *fake, const char *word)
{
    pthread_mutex_lock(&fake->lock);
    const struct fake_container *container = container_find(fake, word);
    const char *state = container ? container_state(container) : "";
    pthread_mutex_unlock(&fake->lock);
    return state;
}

json_t *fake_docker_config(struct fake_docker *fake, const char *word)
{
    pthread_mutex_lock(&fake->lock);
    const struct fake_container *container = container_find(fake, word);
    json_t *config = container ? json_deep_copy(container->config) : NULL;
    pthread_mutex_unlock(&fake->lock);
    return config;
}

void fake_docker_set_tty(struct fake_docker *fake, const char *word)
{
    pthread_mutex_lock(&fake->lock);
    struct fake_container *container = container_find(fake, word);
    if (container)
        container->tty = true;
    pthread_mutex_unlock(&fake->lock);
}

/* -- paths -- */

static const char *text(const json_t *body, const char *name)
{
    const char *value = json_string_value(json_object_get(body, name));
    return value ? value : "";
}

static unsigned number(const json_t *body, const char *name)
{
    return (unsigned)json_integer_value(json_object_get(body, name));
}

static bool truth(const json_t *body, const char *name)
{
    return json_is_true(json_object_get(body, name));
}

static enum fake_how how_of(const char *word)
{
    static const char *const words[] = {"", "close", "hang", "delay", "reply", "truncate", "flood"};
    for (unsigned i = 1; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i], word) == 0)
            return (enum fake_how)i;
    return 0;
}

static void post_fault(struct exchange *exchange, const json_t *body)
{
    const struct fake_fault fault = {.call = text(body, "call"),
                                     .how = how_of(text(body, "how")),
                                     .act = truth(body, "act"),
                                     .after = number(body, "after"),
                                     .times = number(body, "times"),
                                     .status = (int)number(body, "status"),
                                     .body = json_string_value(json_object_get(body, "body")),
                                     .ms = number(body, "ms"),
                                     .bytes = number(body, "bytes"),
                                     .cut = truth(body, "cut"),
                                     .stall = truth(body, "stall")};
    if (!fault.how || !fault.call[0]) {
        reply_error(exchange, 400,
                    "a fault needs a call and one of close, hang, delay, reply, "
                    "truncate, flood");
        return;
    }
    fake_docker_fault(exchange->fake, &fault);
    reply_json(exchange, 204, NULL);
}

static void get_calls(struct exchange *exchange)
{
    struct fake_docker *fake = exchange->fake;
    json_t *counts = json_object();
    pthread_mutex_lock(&fake->lock);
    for (size_t i = 0; i < fake->call_count; i++) {
        const char *call = fake->calls[i].call;
        json_int_t count = json_integer_value(json_object_get(counts, call));
        json_object_set_new(counts, call, json_integer(count + 1));
    }
    pthread_mutex_unlock(&fake->lock);
    reply_json(exchange, 200, counts);
}

static void post_events(struct exchange *exchange, const json_t *body)
{
    fake_docker_events_lose(exchange->fake, number(body, "loseEvery"));
    fake_docker_events_repeat(exchange->fake, number(body, "repeatEvery"));
    if (truth(body, "cut"))
        fake_docker_events_cut(exchange->fake);
    reply_json(exchange, 204, NULL);
}

static void post_exit(struct exchange *exchange, const json_t *body)
{
    fake_docker_exit(exchange->fake, text(body, "container"), (int)number(body, "code"),
                     truth(body, "oom"));
    reply_json(exchange, 204, NULL);
}

static void post_destroy(struct exchange *exchange, const json_t *body)
{
    fake_docker_destroy(exchange->fake, text(body, "container"));
    reply_json(exchange, 204, NULL);
}

static void post_log(struct exchange *exchange, const json_t *body)
{
    unsigned channel = number(body, "channel");
    fake_docker_log(exchange->fake, text(body, "container"), channel ? (int)channel : 1,
                    text(body, "text"), strlen(text(body, "text")));
    reply_json(exchange, 204, NULL);
}

static void post_image(struct exchange *exchange, const json_t *body)
{
    fake_docker_image(exchange->fake, text(body, "image"), truth(body, "local"));
    reply_json(exchange, 204, NULL);
}

static void post_version(struct exchange *exchange, const json_t *body)
{
    fake_docker_set_version(exchange->fake, json_string_value(json_object_get(body, "version")));
    reply_json(exchange, 204, NULL);
}

static void post_clear(struct exchange *exchange, const json_t *body)
{
    (void)body;
    fake_docker_faults_clear(exchange->fake);
    fake_docker_calls_clear(exchange->fake);
    reply_json(exchange, 204, NULL);
}

bool control_route(struct exchange *exchange)
{
    static const struct {
        const char *path;
        void (*post)(struct exchange *exchange, const json_t *body);
    } posts[] = {{"/_fault", post_fault},     {"/_events", post_events}, {"/_exit", post_exit},
                 {"/_destroy", post_destroy}, {"/_log", post_log},       {"/_image", post_image},
                 {"/_version", post_version}, {"/_clear", post_clear}};
    if (strcmp(exchange->path, "/_calls") == 0) {
        get_calls(exchange);
        return true;
    }
    for (size_t i = 0; i < sizeof posts / sizeof posts[0]; i++) {
        if (strcmp(posts[i].path, exchange->path) != 0)
            continue;
        json_t *body = json_loads(exchange->body ? exchange->body : "", 0, NULL);
        posts[i].post(exchange, body);
        json_decref(body);
        return true;
    }
    return false;
}
