/* Watching: the present, then every change in order; who falls behind starts anew. */
#include "rig.h"
#include "api/watch.h"
#include "base/clock.h"
#include "store/event.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(watch, .fini = rig_stop, .timeout = 60);

struct viewer {
    int fd;
    struct text in;
    size_t at;
};
struct heard {
    char event[32], id[32], type[16];
    json_t *data;
};

static struct viewer view(const char *query, const char *headers)
{
    char request[512];
    struct viewer viewer = {.fd = client_open()};
    snprintf(request, sizeof request,
             "GET /api/v1/watch%s HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER "%s\r\n", query,
             headers ? headers : "");
    client_text(viewer.fd, request);
    return viewer;
}

static void end_view(struct viewer *viewer)
{
    close(viewer->fd);
    text_finish(&viewer->in);
}

static bool more(struct viewer *viewer, int patience_ms)
{
    char block[65536];
    struct pollfd ready = {.fd = viewer->fd, .events = POLLIN};
    if (poll(&ready, 1, patience_ms) != 1)
        return false;
    ssize_t got = recv(viewer->fd, block, sizeof block, 0);
    if (got <= 0)
        return false;
    /* Chunk sizes stand on lines of their own: they are no part of a message. */
    text_append(&viewer->in, block, (size_t)got);
    return true;
}

/* The chunked text from the last reading point, decoded up to the first blank line. */
static bool take_block(struct viewer *viewer, struct text *out)
{
    if (!viewer->at) {
        char *head = viewer->in.length ? strstr(viewer->in.data, "\r\n\r\n") : NULL;
        if (!head)
            return false;
        viewer->at = (size_t)(head - viewer->in.data) + 4;
    }
    struct text plain = {0};
    size_t at = viewer->at;
    for (;;) {
        char *line = at < viewer->in.length ? strstr(viewer->in.data + at, "\r\n") : NULL;
        if (!line)
            break;
        size_t size = strtoul(viewer->in.data + at, NULL, 16);
        size_t begin = (size_t)(line - viewer->in.data) + 2;
        if (size == 0 || begin + size + 2 > viewer->in.length)
            break;
        text_append(&plain, viewer->in.data + begin, size);
        at = begin + size + 2;
    }
    /* Whole again as one chunk, so that the next call begins there. */
    char *end = plain.length ? strstr(plain.data, "\n\n") : NULL;
    if (!end) {
        text_finish(&plain);
        return false;
    }
    size_t used = (size_t)(end - plain.data) + 2;
    text_append(out, plain.data, used);
    struct text rest = {0};
    text_append_string(&rest, "\r\n\r\n");
    if (plain.length > used) {
        text_append_format(&rest, "%zx\r\n", plain.length - used);
        text_append(&rest, plain.data + used, plain.length - used);
        text_append_string(&rest, "\r\n");
    }
    text_append(&rest, viewer->in.data + at, viewer->in.length - at);
    text_finish(&viewer->in);
    viewer->in = rest;
    viewer->at = 4;
    text_finish(&plain);
    return true;
}

static void field(const char *block, const char *name, char *out, size_t bytes)
{
    char *found = strstr(block, name);
    out[0] = 0;
    if (found && (found == block || found[-1] == '\n'))
        snprintf(out, bytes, "%.*s", (int)strcspn(found + strlen(name), "\n"),
                 found + strlen(name));
}

/* The next message that is no comment; false: none within the time. */
static bool next(struct viewer *viewer, struct heard *out, int patience_ms)
{
    for (;;) {
        struct text block = {0};
        while (!take_block(viewer, &block))
            if (!more(viewer, patience_ms))
                return false;
        if (block.data[0] == ':') {
            text_finish(&block);
            continue;
        }
        *out = (struct heard){0};
        field(block.data, "event: ", out->event, sizeof out->event);
        field(block.data, "id: ", out->id, sizeof out->id);
        char *data = strstr(block.data, "data: ");
        out->data = data ? json_loads(data + 6, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
        cr_assert_not_null(out->data, "%s", block.data);
        const char *type = json_string_value(json_object_get(out->data, "type"));
        snprintf(out->type, sizeof out->type, "%s", type ? type : "");
        text_finish(&block);
        return true;
    }
}

static const char *name_in(const struct heard *message)
{
    const char *name =
        json_string_value(json_object_get(json_object_get(message->data, "object"), "name"));
    return name ? name : "";
}

static void expect(struct viewer *viewer, const char *event, const char *type, const char *name)
{
    struct heard message;
    cr_assert(next(viewer, &message, 5000), "no %s %s %s", event, type, name);
    cr_expect_str_eq(message.event, event);
    cr_expect_str_eq(message.type, type);
    cr_expect_str_eq(name_in(&message), name);
    json_decref(message.data);
}

/* The same, after any changes of the status, which come when the controllers come to it. */
static void expect_among_changes(struct viewer *viewer, const char *type, const char *name)
{
    struct heard message;
    for (;;) {
        cr_assert(next(viewer, &message, 5000), "no %s %s", type, name);
        bool found = strcmp(message.type, type) == 0 && strcmp(name_in(&message), name) == 0;
        cr_assert(found || strcmp(message.type, "changed") == 0, "%s %s before %s %s", message.type,
                  name_in(&message), type, name);
        json_decref(message.data);
        if (found)
            return;
    }
}

static void expect_image(struct viewer *viewer, const char *image)
{
    struct heard message;
    for (bool found = false; !found;) {
        cr_assert(next(viewer, &message, 5000), "no change to %s", image);
        cr_assert_str_eq(message.type, "changed");
        json_t *object = json_object_get(message.data, "object");
        found = strcmp(json_string_value(json_object_get(object, "image")), image) == 0;
        json_decref(message.data);
    }
}

Test(watch, shows_the_present_then_changes)
{
    rig_start(NULL);
    declare("one", NULL);
    struct viewer viewer = view("?kinds=deployments", NULL);
    expect(&viewer, "deployments", "added", "one");
    expect(&viewer, "synced", "", "");
    declare("two", NULL);
    expect_among_changes(&viewer, "added", "two");
    json_decref(ask_json("PUT", "/api/v1/deployments/one", "{\"image\":\"app:2\"}", 200));
    expect_image(&viewer, "app:2");
    json_decref(ask_json("DELETE", "/api/v1/deployments/two", NULL, 202));
    expect_among_changes(&viewer, "removed", "two");
    end_view(&viewer);
}

Test(watch, ids_are_the_objects_seq_and_never_fall)
{
    rig_start(NULL);
    struct viewer viewer = view("", NULL);
    expect(&viewer, "synced", "", "");
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "d%02d", i);
        declare(name, NULL);
    }
    long long last = 0;
    for (int seen = 0; seen < 20;) {
        struct heard message;
        cr_assert(next(&viewer, &message, 5000), "after %d", seen);
        long long id = atoll(message.id);
        cr_assert_geq(id, last, "%lld after %lld", id, last);
        cr_assert_leq(
            json_integer_value(json_object_get(json_object_get(message.data, "object"), "seq")),
            id);
        last = id;
        seen += strcmp(message.event, "deployments") == 0 && strcmp(message.type, "added") == 0;
        json_decref(message.data);
    }
    end_view(&viewer);
}

/* Its first appearance, whatever else happens before. */
static void expect_added(struct viewer *viewer, const char *name)
{
    for (bool seen = false; !seen;) {
        struct heard message;
        cr_assert(next(viewer, &message, 5000), "%s is not added", name);
        cr_assert_str_neq(message.event, "synced");
        seen = strcmp(message.type, "added") == 0 && strcmp(name_in(&message), name) == 0;
        json_decref(message.data);
    }
}

Test(watch, resumes_after_a_number_without_the_present)
{
    rig_start(NULL);
    declare("one", NULL);
    json_t *list = ask_json("GET", "/api/v1/deployments", NULL, 200);
    char query[80], header[80];
    snprintf(query, sizeof query, "?kinds=deployments&since=%lld",
             json_integer_value(json_object_get(list, "seq")));
    snprintf(header, sizeof header, "Last-Event-ID: %lld\r\n",
             json_integer_value(json_object_get(list, "seq")));
    json_decref(list);
    declare("two", NULL);
    struct viewer viewer = view(query, NULL);
    expect_added(&viewer, "two");
    end_view(&viewer);
    viewer = view("?kinds=deployments", header);
    expect_added(&viewer, "two");
    end_view(&viewer);
}

Test(watch, who_was_cut_before_synced_or_comes_from_elsewhere_starts_anew)
{
    static const char *const ids[] = {"Last-Event-ID: 05\r\n", "Last-Event-ID: 999999999\r\n",
                                      "Last-Event-ID: 0\r\n"};
    rig_start(NULL);
    declare("one", NULL);
    for (size_t i = 0; i < 3; i++) {
        struct viewer viewer = view("?kinds=deployments", ids[i]);
        expect(&viewer, "resync", "", "");
        expect(&viewer, "deployments", "added", "one");
        expect(&viewer, "synced", "", "");
        end_view(&viewer);
    }
}

Test(watch, filters_by_deployment_and_selector)
{
    rig_start(NULL);
    struct viewer one = view("?deployment=one", NULL);
    struct viewer front = view("?selector=tier%3Dfront", NULL);
    expect(&one, "synced", "", "");
    expect(&front, "synced", "", "");
    declare("two", "{\"tier\":\"front\"}");
    declare("one", NULL);
    struct heard message;
    for (bool seen = false; !seen;) {
        cr_assert(next(&one, &message, 5000));
        json_t *object = json_object_get(message.data, "object");
        if (strcmp(message.event, "deployments") == 0)
            cr_expect_str_eq(name_in(&message), "one");
        else
            cr_expect_str_eq(json_string_value(json_object_get(object, "object")),
                             "deployments/one");
        seen = strcmp(message.event, "deployments") == 0;
        json_decref(message.data);
    }
    expect(&front, "deployments", "added", "two");
    /* It comes into sight by a change, and goes out of it. */
    const char *patch = "{\"labels\":{\"tier\":\"front\"}}",
               *back = "{\"labels\":{\"tier\":\"back\"}}";
    json_decref(ask_json("PATCH", "/api/v1/deployments/one", patch, 200));
    expect(&front, "deployments", "added", "one");
    json_decref(ask_json("PATCH", "/api/v1/deployments/one", back, 200));
    expect(&front, "deployments", "removed", "one");
    end_view(&one);
    end_view(&front);
}

Test(watch, bad_questions_are_refused)
{
    rig_start(NULL);
    json_decref(ask_json("GET", "/api/v1/watch?kinds=pods", NULL, 400));
    json_decref(ask_json("GET", "/api/v1/watch?since=x", NULL, 400));
    json_decref(ask_json("GET", "/api/v1/watch?selector=%3D%3D", NULL, 400));
    json_decref(ask_json("GET", "/api/v1/watch?kind=nodes", NULL, 400));
}

Test(watch, has_a_limit)
{
    struct rig_options options = rig_defaults();
    options.yaml = "api: {listen: \"127.0.0.1:0\", maxWatches: 2}\n";
    rig_start(&options);
    struct viewer one = view("", NULL), two = view("", NULL);
    expect(&one, "synced", "", "");
    expect(&two, "synced", "", "");
    json_decref(ask_json("GET", "/api/v1/watch", NULL, 429));
    end_view(&one);
    for (int i = 0; i < 5000; i++) { /* the end of the first is heard of */
        struct reply reply = ask("HEAD", "/api/v1/watch", NULL, NULL);
        int status = reply.status;
        reply_free(&reply);
        if (status == 200)
            break;
        cr_assert_lt(i, 4999);
        usleep(1000);
    }
    end_view(&two);
}

Test(watch, comments_say_that_it_is_still_there)
{
    struct rig_options options = rig_defaults();
    options.limits.watch_comment_ns = 50 * NS_PER_MS;
    rig_start(&options);
    struct viewer viewer = view("?kinds=nodes", NULL);
    expect(&viewer, "synced", "", "");
    struct text block = {0};
    while (!take_block(&viewer, &block))
        cr_assert(more(&viewer, 5000));
    cr_expect_str_eq(block.data, ": still here\n\n");
    text_finish(&block);
    end_view(&viewer);
}

Test(watch, one_that_does_not_read_costs_little_and_starts_anew_when_it_does)
{
    enum { DEAF = 50, CHANGES = 200 };
    struct rig_options options = rig_defaults();
    options.limits.ring_entries = 16;
    rig_start(&options);
    declare("one", NULL);
    struct viewer deaf[DEAF], hears = view("?kinds=deployments", NULL);
    expect(&hears, "deployments", "added", "one");
    expect(&hears, "synced", "", "");
    for (int i = 0; i < DEAF; i++)
        deaf[i] = view("?kinds=deployments", NULL);
    char body[2100], filler[1800];
    memset(filler, 'x', sizeof filler - 1);
    filler[sizeof filler - 1] = 0;
    for (int i = 0; i < CHANGES; i++) {
        snprintf(body, sizeof body, "{\"annotations\":{\"n\":\"%d\",\"filler\":\"%s\"}}", i,
                 filler);
        json_decref(ask_json("PATCH", "/api/v1/deployments/one", body, 200));
        if (i % 20 == 0)
            usleep(60000); /* beyond one flush */
    }
    /* The reader has the last state, whatever was folded. */
    char last[16] = "";
    while (strcmp(last, "199") != 0) {
        struct heard message;
        cr_assert(next(&hears, &message, 5000), "the last seen is %s", last);
        json_t *object = json_object_get(message.data, "object");
        const char *n =
            json_string_value(json_object_get(json_object_get(object, "annotations"), "n"));
        if (n)
            snprintf(last, sizeof last, "%s", n);
        json_decref(message.data);
    }
    /* So have those that begin to read late. */
    for (int i = 0; i < DEAF; i += 7) {
        strcpy(last, "");
        while (strcmp(last, "199") != 0) {
            struct heard message;
            cr_assert(next(&deaf[i], &message, 5000), "the last seen is %s", last);
            json_t *object = json_object_get(message.data, "object");
            const char *n =
                json_string_value(json_object_get(json_object_get(object, "annotations"), "n"));
            if (n)
                snprintf(last, sizeof last, "%s", n);
            json_decref(message.data);
        }
    }
    for (int i = 0; i < DEAF; i++)
        end_view(&deaf[i]);
    end_view(&hears);
}

Test(watch, who_falls_behind_the_ring_starts_anew_on_the_same_connection)
{
    enum { COUNT = 60 };
    struct rig_options options = rig_defaults();
    options.limits.ring_entries = 8;
    rig_start(&options);
    struct viewer viewer = view("?kinds=deployments", NULL);
    expect(&viewer, "synced", "", "");
    for (int i = 0; i < COUNT; i++) {
        char name[16];
        snprintf(name, sizeof name, "d%02d", i);
        declare(name, NULL);
    }
    bool known[COUNT] = {false};
    int count = 0, resyncs = 0;
    while (count < COUNT) {
        struct heard message;
        cr_assert(next(&viewer, &message, 5000), "%d are known", count);
        if (strcmp(message.event, "resync") == 0) {
            resyncs++;
            count = 0;
            memset(known, 0, sizeof known);
        } else if (*name_in(&message)) {
            int index = atoi(name_in(&message) + 1);
            count += !known[index];
            known[index] = true;
        }
        json_decref(message.data);
    }
    cr_assert_gt(resyncs, 0);
    end_view(&viewer);
}

Test(watch, ends_with_a_comment_when_the_daemon_ends)
{
    rig_start(NULL);
    struct viewer viewer = view("?kinds=nodes", NULL);
    expect(&viewer, "synced", "", "");
    rig_stop();
    struct text block = {0};
    while (!take_block(&viewer, &block))
        cr_assert(more(&viewer, 5000));
    cr_expect_str_eq(block.data, ": the daemon is ending\n\n");
    text_finish(&block);
    end_view(&viewer);
}

/* -- the ring by itself -- */

Test(watch, the_ring_forgets_the_oldest_and_knows_how_far_it_reaches, .fini = NULL)
{
    struct ring ring;
    ring_init(&ring, 4, 1 << 20);
    ring.floor_seq = 10;
    for (uint64_t seq = 11; seq <= 18; seq++) {
        struct event event = {.record = {.seq = seq}, .reason = "Test"};
        struct note note = {
            .seq = seq,
            .type = NOTE_ADDED,
            .now = {.kind = &shown_events, .record = record_create(&event_kind, &event)}};
        ring_add(&ring, &note);
    }
    cr_expect_eq(ring.next - ring.first, 4);
    cr_expect_eq(ring.floor_seq, 14);
    cr_expect_eq(ring_at(&ring, ring_seek(&ring, 14))->seq, 15);
    cr_expect_eq(ring_at(&ring, ring_seek(&ring, 16))->seq, 17);
    cr_expect_eq(ring_seek(&ring, 18), ring.next);
    ring_finish(&ring);
}
