/* Containers: made, begun, ended, dropped. */
#include "fakes/docker/impl.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void make_id(struct fake_docker *fake, char id[65])
{
    uint64_t value = fake->next_id++ * UINT64_C(0x9e3779b97f4a7c15);
    for (int part = 0; part < 4; part++) {
        value ^= value >> 29;
        value *= UINT64_C(0xbf58476d1ce4e5b9);
        snprintf(id + part * 16, 17, "%016llx", (unsigned long long)value);
    }
}

struct fake_container *container_find(struct fake_docker *fake, const char *word)
{
    size_t length = strlen(word);
    struct fake_container *container = fake->containers;
    while (container && strcmp(container->name, word) != 0 &&
           (length < 12 || strncmp(container->id, word, length) != 0))
        container = container->next;
    return container;
}

const char *container_state(const struct fake_container *container)
{
    static const char *const words[] = {"", "created", "running", "exited", "removing"};
    return words[container->state];
}

const json_t *container_labels(const struct fake_container *container)
{
    return json_object_get(container->config, "Labels");
}

static bool has_env(const json_t *config, const char *line)
{
    size_t index;
    json_t *item;
    json_array_foreach(json_object_get(config, "Env"), index, item)
    {
        if (json_is_string(item) && strcmp(json_string_value(item), line) == 0)
            return true;
    }
    return false;
}

struct fake_container *container_make(struct fake_docker *fake, const char *name, json_t *config)
{
    struct fake_container *container = calloc(1, sizeof *container), **last = &fake->containers;
    if (!container)
        abort();
    make_id(fake, container->id);
    unsigned number = (unsigned)fake->next_id;
    snprintf(container->address, sizeof container->address, "127.77.%u.%u", number / 250 % 250,
             number % 250 + 1);
    container->name = strdup(name);
    container->config = json_incref(config);
    container->state = FAKE_CREATED;
    container->created_ms = fake_now_ms();
    container->ignores_term = has_env(config, "FAKE_IGNORE_TERM=1");
    while (*last)
        last = &(*last)->next;
    *last = container;
    event_tell(fake, container, "create");
    return container;
}

void container_begin(struct fake_docker *fake, struct fake_container *container)
{
    const json_t *command = json_object_get(container->config, "Cmd");
    container->state = FAKE_RUNNING;
    container->started_ms = fake_now_ms();
    container->exit_code = 0;
    container->oom = false;
    event_tell(fake, container, "start");
    const char *first = json_string_value(json_array_get(command, 0));
    const char *second = json_string_value(json_array_get(command, 1));
    if (first && second && strcmp(first, "exit") == 0)
        container_end(fake, container, atoi(second), false);
}

void container_end(struct fake_docker *fake, struct fake_container *container, int code, bool oom)
{
    if (container->state != FAKE_RUNNING)
        return;
    container->state = FAKE_EXITED;
    container->exit_code = code;
    container->oom = oom;
    container->finished_ms = fake_now_ms();
    if (oom)
        event_tell(fake, container, "oom");
    event_tell(fake, container, "die");
    pthread_cond_broadcast(&fake->changed);
}

void container_drop(struct fake_docker *fake, struct fake_container *container)
{
    struct fake_container **link = &fake->containers;
    container_end(fake, container, 137, false);
    event_tell(fake, container, "destroy");
    while (*link != container)
        link = &(*link)->next;
    *link = container->next;
    while (container->first) {
        struct fake_output *next = container->first->next;
        free(container->first);
        container->first = next;
    }
    json_decref(container->config);
    free(container->name);
    free(container);
    pthread_cond_broadcast(&fake->changed);
}

/* -- what the API does to them -- */

void handle_create(struct exchange *exchange)
{
    struct fake_docker *fake = exchange->fake;
    char *name = query_value(exchange, "name");
    json_t *config = json_loads(exchange->body ? exchange->body : "", 0, NULL);
    const char *image = json_string_value(json_object_get(config, "Image"));
    const struct fake_container *other = name ? container_find(fake, name) : NULL;
    if (!name || !json_is_object(config) || !image)
        reply_error(exchange, 400, "invalid JSON: no image or no name");
    else if (other)
        reply_error(exchange, 409,
                    "Conflict. The container name \"/%s\" is already in use by container \"%s\". "
                    "You have to remove (or rename) that container to be able to reuse that name.",
                    name, other->id);
    else if (!image_find(fake, image))
        reply_error(exchange, 404, "No such image: %s", image);
    else
        reply_json(
            exchange, 201,
            json_pack("{s:s, s:[]}", "Id", container_make(fake, name, config)->id, "Warnings"));
    free(name);
    json_decref(config);
}

static void start(struct exchange *exchange, struct fake_container *container)
{
    if (container->state == FAKE_RUNNING) {
        reply_json(exchange, 304, NULL);
        return;
    }
    container_begin(exchange->fake, container);
    reply_json(exchange, 204, NULL);
}

static int number_of(const char *signal_name)
{
    if (!signal_name || strcasecmp(signal_name, "SIGKILL") == 0 ||
        strcasecmp(signal_name, "KILL") == 0)
        return SIGKILL;
    if (strcasecmp(signal_name, "SIGINT") == 0)
        return SIGINT;
    return strcasecmp(signal_name, "SIGQUIT") == 0 ? SIGQUIT : SIGTERM;
}

/* By id: the wait frees the lock, and others may drop it meanwhile. */
static void stop(struct exchange *exchange, struct fake_container *container)
{
    struct fake_docker *fake = exchange->fake;
    char id[65], *seconds = query_value(exchange, "t");
    char *given = query_value(exchange, "signal");
    const char *own = json_string_value(json_object_get(container->config, "StopSignal"));
    int number = number_of(given ? given : own ? own : "SIGTERM");
    int64_t until = fake_now_ms() + (seconds ? atoi(seconds) : 10) * 1000;
    memcpy(id, container->id, sizeof id);
    bool was_running = container->state == FAKE_RUNNING;
    if (was_running) {
        event_tell(fake, container, "kill");
        if (!container->ignores_term || number == SIGKILL)
            container_end(fake, container, 128 + number, false);
    }
    while ((container = container_find(fake, id)) && container->state == FAKE_RUNNING &&
           !fake->stopping && fake_now_ms() < until)
        (void)fake_wait(fake, until);
    if (container && !fake->stopping) {
        container_end(fake, container, 128 + SIGKILL, false);
        event_tell(fake, container, "stop");
    }
    free(seconds);
    free(given);
    reply_json(exchange, was_running ? 204 : 304, NULL);
}

static void kill_it(struct exchange *exchange, struct fake_container *container)
{
    char *name = query_value(exchange, "signal");
    int number = number_of(name);
    free(name);
    if (container->state != FAKE_RUNNING) {
        reply_error(exchange, 409, "Cannot kill container: %s: Container %s is not running",
                    container->name, container->id);
        return;
    }
    event_tell(exchange->fake, container, "kill");
    if (number == SIGKILL || !container->ignores_term)
        container_end(exchange->fake, container, 128 + number, false);
    reply_json(exchange, 204, NULL);
}

static void wait_for(struct exchange *exchange, struct fake_container *container)
{
    struct fake_docker *fake = exchange->fake;
    char id[65];
    memcpy(id, container->id, sizeof id);
    int code = 0;
    while (!fake->stopping && (container = container_find(fake, id)) &&
           container->state == FAKE_RUNNING && !fake_client_is_gone(exchange->fd))
        (void)fake_wait(fake, fake_now_ms() + 100);
    if (container)
        code = container->exit_code;
    reply_json(exchange, 200, json_pack("{s:i}", "StatusCode", code));
}

static void drop(struct exchange *exchange, struct fake_container *container)
{
    if (container->state == FAKE_RUNNING && !query_is_true(exchange, "force")) {
        reply_error(exchange, 409, "You cannot remove a running container %s.", container->id);
        return;
    }
    container_drop(exchange->fake, container);
    reply_json(exchange, 204, NULL);
}

void handle_container(struct exchange *exchange, const char *word, const char *action)
{
    static const struct {
        const char *method, *action;
        void (*handle)(struct exchange *exchange, struct fake_container *container);
    } actions[] = {{"POST", "start", start},
                   {"POST", "stop", stop},
                   {"POST", "kill", kill_it},
                   {"POST", "wait", wait_for},
                   {"DELETE", "", drop},
                   {"GET", "json", handle_inspect},
                   {"GET", "stats", handle_stats},
                   {"GET", "logs", handle_logs},
                   {"POST", "exec", handle_exec_create}};
    struct fake_container *container = container_find(exchange->fake, word);
    if (!container) {
        reply_error(exchange, 404, "No such container: %s", word);
        return;
    }
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(actions[i].method, exchange->method) == 0 &&
            strcmp(actions[i].action, action) == 0) {
            actions[i].handle(exchange, container);
            return;
        }
    reply_error(exchange, 404, "page not found");
}
