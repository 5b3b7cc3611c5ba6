/* Watchers: each is a cursor into the ring, and before that a walk over the present objects, page
 * by page as its client reads. What a client doesn't read costs one page and one block of text;
 * when the ring has moved on too far it is told to start anew, on the same connection.
 *
 * Numbers in `id:` begin with a 0 until `synced`: who reconnects with such a Last-Event-ID has seen
 * only a part of the objects, and starts anew as well. */
#include "api/watch.h"
#include "base/clock.h"
#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 64, PAGE_BUDGET_NS = 500 * 1000, BLOCK_BYTES = 8 * 1024 };

struct watcher {
    struct watch_server *server;
    struct exchange *exchange; /* NULL until it is first read from */
    struct watcher *next, *previous;
    struct watch_filter filter;
    bool live; /* at the ring; else among the present objects */
    bool resync_due, farewell, ended;
    uint64_t position;           /* in the ring */
    uint64_t skip_seq;           /* up to here all has been shown */
    size_t kind;                 /* of the walk */
    struct page *page;           /* asked for, or being shown */
    size_t shown;                /* of its items */
    char after[SHOWN_KEY_BYTES]; /* where the next page begins */
    struct text out;
    size_t sent;
    uint64_t comment_at_ns;
};
/* A stretch of the present objects, fetched from the loop. */
struct page {
    struct loop_task task;
    struct api *api;
    struct watcher *watcher; /* [api] NULL: gone meanwhile */
    const struct shown_kind *kind;
    bool arrived, last; /* last: of its kind */
    uint64_t seq;
    size_t count;
    char after[SHOWN_KEY_BYTES];
    struct shown items[PAGE];
};
struct watch_server {
    struct api *api;
    struct ring ring;
    struct watcher *watchers;
    size_t count;
    struct loop_timer tick;
};

static const struct shown_kind *const walk[] = {&shown_nodes, &shown_deployments, &shown_containers,
                                                &shown_services, &shown_events};
enum { WALK = sizeof walk / sizeof walk[0] };

/* -- pages -- */

static void free_page(struct page *page)
{
    for (size_t i = 0; page && i < page->count; i++)
        shown_release(&page->items[i]);
    free(page);
}

static void page_arrived(struct loop_task *task)
{
    struct page *page = CONTAINER_OF(task, struct page, task);
    struct watcher *watcher = page->watcher;
    if (!watcher) {
        free_page(page);
        return;
    }
    page->arrived = true;
    if (watcher->kind == 0 && !page->after[0]) { /* the walk begins here */
        watcher->position = watcher->server->ring.next;
        watcher->skip_seq = page->seq;
    }
    if (watcher->exchange)
        exchange_resume(watcher->exchange);
}

static void fetch_page(struct loop_task *task)
{
    struct page *page = CONTAINER_OF(task, struct page, task);
    const struct api_parts *parts = &page->api->parts;
    const struct shown_kind *kind = page->kind;
    char scratch[SHOWN_KEY_BYTES];
    loop_refresh_now(parts->loop);
    uint64_t until = loop_now_ns(parts->loop) + PAGE_BUDGET_NS;
    page->seq = state_settled_seq(parts->state);
    const struct record *record = kind->next(parts, page->after[0] ? page->after : NULL);
    while (record && page->count < PAGE && loop_now_ns(parts->loop) < until) {
        page->items[page->count++] = shown_take(parts, kind, record);
        record = kind->next(parts, kind->key(record, scratch));
        loop_refresh_now(parts->loop);
    }
    page->last = !record;
    page->task = (struct loop_task){.run = page_arrived, .name = "watch page"};
    loop_post(page->api->loop, &page->task);
}

static void ask_page(struct watcher *watcher)
{
    struct page *page = memory_alloc(sizeof *page);
    page->api = watcher->server->api;
    page->watcher = watcher;
    page->kind = walk[watcher->kind];
    memcpy(page->after, watcher->after, sizeof page->after);
    page->task = (struct loop_task){.run = fetch_page, .name = "watch page"};
    if (lanes_push(&page->api->lanes, LANE_CONTROLLERS, &page->task))
        watcher->page = page;
    else
        free_page(page); /* asked for again with the next tick */
    watcher->shown = 0;
}

/* -- messages -- */

static void write_message(struct text *out, const struct shown_kind *kind, enum note_type type,
                          uint64_t seq, bool partial)
{
    static const char *const words[] = {
        [NOTE_ADDED] = "added", [NOTE_CHANGED] = "changed", [NOTE_REMOVED] = "removed"};
    text_append_format(out, "event: %s\nid: %s%llu\ndata: {\"type\":\"%s\",\"object\":", kind->name,
                       partial ? "0" : "", (unsigned long long)seq, words[type]);
}

static void write_note(struct watcher *watcher, struct note *note, enum note_type type)
{
    const struct shown_kind *kind = note->now.kind;
    if (!note->json.length)
        kind->write(note->now.record, note->now.soft, &note->json);
    write_message(&watcher->out, kind, type, note->seq, false);
    text_append(&watcher->out, note->json.data, note->json.length);
    text_append_string(&watcher->out, "}\n\n");
}

static void write_present(struct watcher *watcher, const struct shown *shown)
{
    if (!watch_filter_fits(&watcher->filter, shown->kind, shown->record, shown->soft))
        return;
    write_message(&watcher->out, shown->kind, NOTE_ADDED,
                  shown->kind->seq(shown->record, shown->soft), true);
    shown->kind->write(shown->record, shown->soft, &watcher->out);
    text_append_string(&watcher->out, "}\n\n");
}

static void begin_walk(struct watcher *watcher, bool resync)
{
    watcher->live = false;
    watcher->resync_due = resync;
    watcher->kind = 0;
    watcher->after[0] = 0;
    ask_page(watcher);
}

static void end_walk(struct watcher *watcher)
{
    text_append_format(&watcher->out, "event: synced\nid: %llu\ndata: {\"seq\":%llu}\n\n",
                       (unsigned long long)watcher->skip_seq,
                       (unsigned long long)watcher->skip_seq);
    watcher->live = true;
}

static void next_page(struct watcher *watcher, struct page *take_page)
{
    char scratch[SHOWN_KEY_BYTES];
    bool last = take_page->last;
    if (!last && take_page->count) {
        const struct shown *item = &take_page->items[take_page->count - 1];
        snprintf(watcher->after, sizeof watcher->after, "%s",
                 take_page->kind->key(item->record, scratch));
    }
    free_page(take_page);
    watcher->page = NULL;
    if (last) {
        watcher->kind++;
        watcher->after[0] = 0;
    }
    if (watcher->kind == WALK)
        end_walk(watcher);
    else
        ask_page(watcher);
}

/* False: nothing can be said for the time being. */
static bool write_walk(struct watcher *watcher)
{
    struct page *page = watcher->page;
    if (watcher->resync_due) {
        watcher->resync_due = false;
        text_append_string(&watcher->out, "event: resync\ndata: {}\n\n");
        return true;
    }
    if (!page || !page->arrived)
        return false;
    if (watcher->shown < page->count)
        write_present(watcher, &page->items[watcher->shown++]);
    else
        next_page(watcher, page);
    return true;
}

/* What was there when the walk began has been shown as added: it is that no second time. */
static enum note_type judge(const struct watcher *watcher, const struct note *note)
{
    enum note_type type = watch_filter_judge(&watcher->filter, note);
    bool shown = note->born_seq && note->born_seq <= watcher->skip_seq;
    return type == NOTE_ADDED && note->type == NOTE_ADDED && shown ? NOTE_CHANGED : type;
}

/* The next note this watcher wants; the cursor stands on it. */
static struct note *find_note(struct watcher *watcher, enum note_type *type)
{
    struct ring *ring = &watcher->server->ring;
    for (; watcher->position < ring->next; watcher->position++) {
        struct note *note = ring_at(ring, watcher->position);
        if (note->seq > watcher->skip_seq && (*type = judge(watcher, note)))
            return note;
    }
    return NULL;
}

static bool write_live(struct watcher *watcher)
{
    if (watcher->position < watcher->server->ring.first) {
        begin_walk(watcher, true);
        return true;
    }
    enum note_type type;
    struct note *note = find_note(watcher, &type);
    if (!note)
        return false;
    write_note(watcher, note, type);
    watcher->position++;
    return true;
}

static void write_more(struct watcher *watcher)
{
    while (watcher->out.length < BLOCK_BYTES)
        if (!(watcher->live ? write_live(watcher) : write_walk(watcher)))
            return;
}

ssize_t watcher_read(struct watcher *watcher, struct exchange *exchange, char *buffer, size_t room)
{
    watcher->exchange = exchange;
    if (watcher->sent == watcher->out.length) {
        text_clear(&watcher->out);
        watcher->sent = 0;
        if (watcher->ended)
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (watcher->farewell) {
            text_append_string(&watcher->out, ": the daemon is ending\n\n");
            watcher->ended = true;
        } else {
            write_more(watcher);
        }
    }
    size_t length = watcher->out.length - watcher->sent;
    if (length == 0) {
        text_finish(&watcher->out);
        exchange_suspend(exchange);
        return 0;
    }
    if (length > room)
        length = room;
    memcpy(buffer, watcher->out.data + watcher->sent, length);
    watcher->sent += length;
    watcher->comment_at_ns =
        loop_now_ns(exchange->api->loop) + exchange->api->limits.watch_comment_ns;
    return (ssize_t)length;
}

/* -- all of them -- */

static void tick(void *argument)
{
    struct watch_server *server = argument;
    uint64_t now_ns = loop_now_ns(server->api->loop);
    uint64_t pause_ns = server->api->limits.watch_comment_ns / 4;
    for (struct watcher *watcher = server->watchers; watcher; watcher = watcher->next) {
        if (!watcher->live && !watcher->page) /* its lane was full */
            ask_page(watcher);
        if (!watcher->exchange || !watcher->exchange->suspended || watcher->out.length ||
            now_ns < watcher->comment_at_ns)
            continue;
        text_append_string(&watcher->out, ": still here\n\n");
        exchange_resume(watcher->exchange);
    }
    loop_timer_start(&server->tick, pause_ns < NS_PER_SECOND ? pause_ns : NS_PER_SECOND);
}

void watch_server_take(struct watch_server *server, struct note *take_notes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ring_add(&server->ring, &take_notes[i]);
    for (struct watcher *watcher = server->watchers; count && watcher; watcher = watcher->next) {
        enum note_type type;
        if (watcher->live && watcher->exchange && watcher->exchange->suspended &&
            (watcher->position < server->ring.first || find_note(watcher, &type)))
            exchange_resume(watcher->exchange);
    }
}

void watch_server_begin(struct watch_server *server, uint64_t floor_seq)
{
    server->ring.floor_seq = floor_seq;
    loop_timer_start(&server->tick, 0);
}

void watch_server_end(struct watch_server *server)
{
    loop_timer_stop(&server->tick);
    for (struct watcher *watcher = server->watchers; watcher; watcher = watcher->next) {
        watcher->farewell = true;
        if (watcher->exchange)
            exchange_resume(watcher->exchange);
    }
}

struct watch_server *watch_server_create(struct api *api)
{
    struct watch_server *server = memory_alloc(sizeof *server);
    server->api = api;
    ring_init(&server->ring, api->limits.ring_entries, api->limits.ring_bytes);
    loop_timer_init(&server->tick, api->loop, "watch comments", tick, server);
    return server;
}

void watch_server_destroy(struct watch_server *server)
{
    if (!server)
        return;
    ring_finish(&server->ring);
    free(server);
}

size_t watch_count(const struct watch_server *server)
{
    return server->count;
}

/* -- one of them -- */

void watcher_destroy(struct watcher *watcher)
{
    if (!watcher)
        return;
    struct watch_server *server = watcher->server;
    if (watcher->previous)
        watcher->previous->next = watcher->next;
    else
        server->watchers = watcher->next;
    if (watcher->next)
        watcher->next->previous = watcher->previous;
    server->count--;
    if (watcher->page && !watcher->page->arrived)
        watcher->page->watcher = NULL;
    else
        free_page(watcher->page);
    text_finish(&watcher->out);
    free(watcher);
}

static struct watcher *create_watcher(struct watch_server *server,
                                      const struct watch_filter *filter)
{
    struct watcher *watcher = memory_alloc(sizeof *watcher);
    watcher->server = server;
    watcher->filter = *filter;
    watcher->next = server->watchers;
    if (server->watchers)
        server->watchers->previous = watcher;
    server->watchers = watcher;
    server->count++;
    watcher->comment_at_ns = loop_now_ns(server->api->loop) + server->api->limits.watch_comment_ns;
    return watcher;
}

struct watch_job {
    struct watch_filter filter;
    bool resumes; /* since or Last-Event-ID */
    bool partial; /* of a walk that was cut short */
    uint64_t since, known_seq;
};

/* [api] The loop has said how far the state is. */
static void start_watching(struct request *request)
{
    struct watch_job *job = request->data;
    struct watch_server *server = request->api->watches;
    struct watcher *watcher = create_watcher(server, &job->filter);
    bool reaches = job->resumes && !job->partial && job->since >= server->ring.floor_seq &&
                   job->since <= job->known_seq;
    if (reaches) {
        watcher->live = true;
        watcher->position = ring_seek(&server->ring, job->since);
    } else {
        begin_walk(watcher, job->resumes);
    }
    request_reply_watch(request, watcher);
}

static void ask_seq(struct request *request)
{
    struct watch_job *job = request->data;
    job->known_seq = state_seq(request->parts->state);
    request->seq = state_settled_seq(request->parts->state);
    request_to_api(request, start_watching);
}

static bool read_since(struct request *request, struct watch_job *job)
{
    const char *given = exchange_header(exchange_of(request), "Last-Event-ID");
    if (!given)
        given = request_query(request, "since");
    if (!given || !*given)
        return true;
    char *end;
    errno = 0;
    job->resumes = true;
    job->partial = given[0] == '0' && given[1];
    job->since = strtoull(given, &end, 10);
    if (*given >= '0' && *given <= '9' && !*end && !errno)
        return true;
    struct error error;
    error_set(&error, ERROR_VALIDATION, "since (or Last-Event-ID) must be a seq");
    request_fail(request, &error);
    return false;
}

void server_begin_watch(struct request *request)
{
    struct watch_job *job = arena_alloc(&request->arena, sizeof *job);
    struct api *api = request->api;
    int64_t limit = api->parts.config->api.max_watches;
    if (!watch_filter_read(request, &job->filter) || !read_since(request, job))
        return;
    if (limit > 0 && api->watches->count >= (size_t)limit) {
        struct error error;
        exchange_of(request)->retry_after = 5;
        error_set(&error, ERROR_RATE_LIMITED, "there are %zu watchers already; try again",
                  api->watches->count);
        request_fail(request, &error);
        return;
    }
    request->data = job;
    request_to_loop(request, ask_seq);
}
