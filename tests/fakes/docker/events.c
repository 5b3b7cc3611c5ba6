/* Events: the last 256 are kept; each stream is a cursor into them. */
#include "fakes/docker/impl.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

void event_tell(struct fake_docker *fake, const struct fake_container *container,
                const char *action)
{
    struct fake_event *event = &fake->events[fake->event_count % EVENTS_KEPT];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    json_decref(event->json);
    json_decref(event->labels);
    const json_t *labels = container_labels(container);
    json_t *attributes = json_is_object(labels) ? json_copy((json_t *)labels) : json_object();
    json_object_set_new(attributes, "name", json_string(container->name));
    if (strcmp(action, "die") == 0)
        json_object_set_new(attributes, "exitCode", json_sprintf("%d", container->exit_code));
    event->labels = json_incref(attributes);
    event->ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    event->json = json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:o}, s:s, s:I, s:I}", "status", action,
                            "id", container->id, "Type", "container", "Action", action, "Actor",
                            "ID", container->id, "Attributes", attributes, "scope", "local", "time",
                            (json_int_t)now.tv_sec, "timeNano",
                            (json_int_t)now.tv_sec * 1000000000 + now.tv_nsec);
    fake->event_count++;
    pthread_cond_broadcast(&fake->changed);
}

static bool is_nth(uint64_t number, unsigned every)
{
    return every && (number + 1) % every == 0;
}

/* With the lock held; it is free while bytes are sent. False: the stream is over. */
static bool send_event(struct exchange *exchange, uint64_t number, const json_t *filters)
{
    struct fake_docker *fake = exchange->fake;
    const struct fake_event *event = &fake->events[number % EVENTS_KEPT];
    if (!labels_match(event->labels, filters) || is_nth(number, fake->lose_every))
        return true;
    bool twice = is_nth(number, fake->repeat_every);
    char *line = json_dumps(event->json, JSON_COMPACT);
    line = realloc(line, strlen(line) + 2);
    strcat(line, "\n");
    pthread_mutex_unlock(&fake->lock);
    bool sent = http_chunk(exchange, line, strlen(line)) &&
                (!twice || http_chunk(exchange, line, strlen(line)));
    free(line);
    pthread_mutex_lock(&fake->lock);
    return sent;
}

static uint64_t first_since(const struct fake_docker *fake, int64_t since_ms)
{
    uint64_t first = fake->event_count > EVENTS_KEPT ? fake->event_count - EVENTS_KEPT : 0;
    while (first < fake->event_count && fake->events[first % EVENTS_KEPT].ms < since_ms)
        first++;
    return first;
}

static void follow(struct exchange *exchange, int64_t since_ms, const json_t *filters)
{
    struct fake_docker *fake = exchange->fake;
    uint64_t next = since_ms ? first_since(fake, since_ms) : fake->event_count;
    while (!fake->stopping && exchange->event_cuts == fake->event_cuts &&
           !fake_client_is_gone(exchange->fd)) {
        if (next < fake->event_count && fake->event_count - next > EVENTS_KEPT)
            next = fake->event_count - EVENTS_KEPT;
        if (next == fake->event_count)
            (void)fake_wait(fake, fake_now_ms() + 100);
        else if (!send_event(exchange, next++, filters))
            break;
    }
    exchange->closes = true;
}

void handle_events(struct exchange *exchange)
{
    struct fake_docker *fake = exchange->fake;
    json_t *filters = query_filters(exchange);
    char *since = query_value(exchange, "since");
    pthread_mutex_unlock(&fake->lock);
    bool done = fault_stream(exchange, "application/json") ||
                !http_begin_chunked(exchange, "application/json");
    pthread_mutex_lock(&fake->lock);
    if (!done)
        follow(exchange, since ? atoll(since) * 1000 : 0, filters);
    free(since);
    json_decref(filters);
}

void fake_docker_events_lose(struct fake_docker *fake, unsigned every)
{
    pthread_mutex_lock(&fake->lock);
    fake->lose_every = every;
    pthread_mutex_unlock(&fake->lock);
}

void fake_docker_events_repeat(struct fake_docker *fake, unsigned every)
{
    pthread_mutex_lock(&fake->lock);
    fake->repeat_every = every;
    pthread_mutex_unlock(&fake->lock);
}

void fake_docker_events_cut(struct fake_docker *fake)
{
    pthread_mutex_lock(&fake->lock);
    fake->event_cuts++;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}
