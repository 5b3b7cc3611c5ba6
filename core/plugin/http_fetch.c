/* Replies that are wanted whole. */
#include "base/text.h"
#include "plugin/http_client.h"

#include <stdlib.h>
#include <string.h>

struct fetch {
    void (*done)(void *argument, const struct http_reply *reply, const struct error *error);
    void *argument;
    struct arena head;
    struct http_header *headers;
    size_t header_count;
    struct text body;
};

static void fetch_head(void *argument, int status, const struct http_header *headers, size_t count)
{
    struct fetch *fetch = argument;
    (void)status;
    fetch->headers = arena_alloc(&fetch->head, count * sizeof *headers);
    fetch->header_count = count;
    for (size_t i = 0; i < count; i++)
        fetch->headers[i] = (struct http_header){arena_strdup(&fetch->head, headers[i].name),
                                                 arena_strdup(&fetch->head, headers[i].value)};
}

static bool fetch_body(void *argument, const void *bytes, size_t length)
{
    struct fetch *fetch = argument;
    text_append(&fetch->body, bytes, length); /* bounded by max_body_bytes */
    return true;
}

static void fetch_free(struct fetch *fetch)
{
    arena_finish(&fetch->head);
    text_finish(&fetch->body);
    free(fetch);
}

static void fetch_done(void *argument, int status, const struct error *error)
{
    struct fetch *fetch = argument;
    const struct http_reply reply = {.status = status,
                                     .headers = fetch->headers,
                                     .header_count = fetch->header_count,
                                     .body = text_string(&fetch->body),
                                     .body_bytes = fetch->body.length};
    fetch->done(fetch->argument, error ? NULL : &reply, error);
    fetch_free(fetch);
}

static void fetch_dropped(void *argument)
{
    fetch_free(argument);
}

uint64_t http_client_fetch(struct http_client *client, const struct http_request *request,
                           void (*done)(void *argument, const struct http_reply *reply,
                                        const struct error *error),
                           void *argument, struct error *error)
{
    static const struct http_handler handler = {
        .head = fetch_head, .body = fetch_body, .done = fetch_done, .dropped = fetch_dropped};
    struct fetch *fetch = memory_alloc(sizeof *fetch);
    fetch->done = done;
    fetch->argument = argument;
    uint64_t id = http_client_start(client, request, &handler, fetch, error);
    if (!id)
        fetch_free(fetch);
    return id;
}

const char *http_reply_header(const struct http_reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->header_count; i++)
        if (strcmp(reply->headers[i].name, name) == 0)
            return reply->headers[i].value;
    return NULL;
}
