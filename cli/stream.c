/* A long answer over curl's multi interface, so that waiting for it has a time limit. */
#include "client_impl.h"

#include <string.h>

struct stream {
    struct cli *cli;
    CURL *easy;
    CURLM *multi;
    struct curl_slist *headers;
    stream_take *take;
    void *user;
    struct text refusal; /* the body of any other status than 200 */
    CURLcode code;
};

static size_t take_bytes(char *bytes, size_t size, size_t count, void *user)
{
    enum { REFUSAL_BYTES = 1 << 20 };
    struct stream *stream = user;
    if (stream_status(stream) == 200)
        stream->take(stream->user, bytes, size * count);
    else if (stream->refusal.length < REFUSAL_BYTES)
        text_append(&stream->refusal, bytes, size * count);
    return size * count;
}

struct stream *stream_open(struct cli *cli, const char *path, const char *last_event,
                           stream_take *take, void *user)
{
    if (!client_of(cli))
        return NULL;
    struct stream *stream = memory_alloc(sizeof *stream);
    *stream = (struct stream){.cli = cli,
                              .take = take,
                              .user = user,
                              .easy = curl_easy_init(),
                              .multi = curl_multi_init(),
                              .headers = client_headers(cli, false, last_event)};
    client_prepare(cli, stream->easy, path);
    curl_easy_setopt(stream->easy, CURLOPT_HTTPHEADER, stream->headers);
    curl_easy_setopt(stream->easy, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(stream->easy, CURLOPT_WRITEDATA, stream);
    curl_multi_add_handle(stream->multi, stream->easy);
    return stream;
}

enum stream_state stream_step(struct stream *stream, int milliseconds)
{
    int running = 0, left;
    CURLMsg *message;
    curl_multi_perform(stream->multi, &running);
    if (running) {
        curl_multi_poll(stream->multi, NULL, 0, milliseconds, NULL);
        curl_multi_perform(stream->multi, &running);
    }
    while ((message = curl_multi_info_read(stream->multi, &left)))
        if (message->msg == CURLMSG_DONE)
            stream->code = message->data.result;
    if (running)
        return STREAM_OPEN;
    if (stream->code == CURLE_OK)
        return STREAM_ENDED;
    return STREAM_BROKEN;
}

void stream_complain(const struct stream *stream)
{
    client_complain_transport(stream->cli, stream->code);
}

int stream_status(const struct stream *stream)
{
    long status = 0;
    curl_easy_getinfo(stream->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

void stream_reply(const struct stream *stream, struct reply *reply)
{
    *reply = (struct reply){.status = stream_status(stream)};
    if (stream->refusal.length)
        reply->body = json_loadb(stream->refusal.data, stream->refusal.length, 0, NULL);
}

void stream_close(struct stream *stream)
{
    if (!stream)
        return;
    curl_multi_remove_handle(stream->multi, stream->easy);
    curl_easy_cleanup(stream->easy);
    curl_multi_cleanup(stream->multi);
    curl_slist_free_all(stream->headers);
    text_finish(&stream->refusal);
    free(stream);
}
