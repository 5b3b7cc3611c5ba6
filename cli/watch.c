#include "watch.h"

#include "client.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { TICK_MS = 250, AGAIN_AFTER_MS = 1000, LOST_LIMIT_MS = 60000 };

long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* -- server-sent events (WHATWG HTML, 9.2.6) -- */

static void take_field(struct sse *sse, const char *name, const char *value)
{
    if (strcmp(name, "event") == 0) {
        snprintf(sse->event, sizeof sse->event, "%s", value);
    } else if (strcmp(name, "id") == 0) {
        snprintf(sse->id, sizeof sse->id, "%s", value);
    } else if (strcmp(name, "data") == 0) {
        if (sse->data.length)
            text_append_char(&sse->data, '\n');
        text_append_string(&sse->data, value);
    }
}

static void take_line(struct sse *sse)
{
    char *line = sse->line.data ? sse->line.data : (char[]){""};
    char *colon = strchr(line, ':');
    if (!*line) {
        if (sse->data.length)
            sse->take(sse->user, sse);
        text_clear(&sse->data);
        *sse->event = 0;
    } else if (colon && colon != line) {
        *colon = 0;
        take_field(sse, line, colon + 1 + (colon[1] == ' '));
    }
}

void sse_feed(struct sse *sse, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\n') {
            take_line(sse);
            text_clear(&sse->line);
        } else if (bytes[i] != '\r') {
            text_append_char(&sse->line, bytes[i]);
        }
    }
}

void sse_finish(struct sse *sse)
{
    text_finish(&sse->line);
    text_finish(&sse->data);
}

/* -- the watch -- */

struct run {
    const struct watch *watch;
    struct sse sse;
    char last_id[32];
    bool done;
};

static void take_event(void *user, struct sse *sse)
{
    struct run *run = user;
    if (run->done)
        return;
    json_t *data = json_loadb(sse->data.data, sse->data.length, 0, NULL);
    const char *type = json_string_value(json_object_get(data, "type"));
    run->done = run->watch->change(run->watch->user, sse->event, type ? type : "",
                                   json_object_get(data, "object")) == WATCH_DONE;
    memcpy(run->last_id, sse->id, sizeof run->last_id);
    json_decref(data);
}

static void take_bytes(void *user, const char *bytes, size_t length)
{
    sse_feed(&((struct run *)user)->sse, bytes, length);
}

static bool is_late(const struct watch *watch)
{
    return watch->deadline_ms && now_ms() >= watch->deadline_ms;
}

/* One connection, to its end. */
static enum stream_state follow(struct run *run, struct stream *stream)
{
    enum stream_state state = STREAM_OPEN;
    while (state == STREAM_OPEN && !run->done && !is_late(run->watch)) {
        state = stream_step(stream, TICK_MS);
        if (!run->done && run->watch->tick)
            run->done = run->watch->tick(run->watch->user) == WATCH_DONE;
    }
    return state;
}

static int refused(struct cli *cli, const struct watch *watch, const struct stream *stream)
{
    struct reply reply;
    stream_reply(stream, &reply);
    int status = client_complain(cli, &reply, "/watch", watch->doing);
    reply_finish(&reply);
    return status;
}

static int never_reached(struct cli *cli, const struct stream *stream)
{
    stream_complain(stream);
    return client_status(cli);
}

/* A server that restarts comes back within seconds; the watch goes on from where it was. */
static bool wait_to_try_again(struct cli *cli, struct run *run, long long lost_since)
{
    if (now_ms() - lost_since > LOST_LIMIT_MS)
        return complain(0, NULL, "cannot %s: the connection to %s was lost", run->watch->doing,
                        client_url(cli));
    long long until = now_ms() + AGAIN_AFTER_MS;
    while (now_ms() < until && !is_late(run->watch) && !run->done) {
        /* Nothing tells when a server that is away is back: it is asked again after this pause. */
        nanosleep(&(struct timespec){.tv_nsec = TICK_MS * 1000000L}, NULL);
        if (run->watch->tick)
            run->done = run->watch->tick(run->watch->user) == WATCH_DONE;
    }
    return true;
}

int watch_run(struct cli *cli, const struct watch *watch)
{
    struct run run = {.watch = watch, .sse = {.take = take_event, .user = &run}};
    const char *path = arena_format(&cli->arena, "/watch?%s", watch->query);
    int status = STATUS_FINE;
    long long lost_since = 0;
    while (!run.done && status == STATUS_FINE) {
        struct stream *stream =
            stream_open(cli, path, *run.last_id ? run.last_id : NULL, take_bytes, &run);
        if (!stream)
            return client_status(cli);
        enum stream_state state = follow(&run, stream);
        int answered = stream_status(stream);
        if (!run.done && is_late(watch))
            status = STATUS_TIMEOUT;
        else if (!run.done && answered && answered != 200 && answered != 503)
            status = refused(cli, watch, stream);
        else if (!run.done && state != STREAM_OPEN && !answered && !*run.last_id)
            status = never_reached(cli, stream);
        stream_close(stream);
        sse_finish(&run.sse);
        if (answered == 200 && !run.done && status == STATUS_FINE)
            remark("the connection to %s was lost; trying again", client_url(cli));
        lost_since = answered == 200 || !lost_since ? now_ms() : lost_since;
        if (!run.done && status == STATUS_FINE && !wait_to_try_again(cli, &run, lost_since))
            status = STATUS_FAILED;
    }
    sse_finish(&run.sse);
    return status;
}
