#include "proxy/http/engine.h"

void http_body_none(struct http_body *body)
{
    *body = (struct http_body){.kind = BODY_NONE, .done = true};
}

void http_body_begin(struct http_body *body, const struct http_head *head)
{
    http_body_none(body);
    if (head->chunked)
        *body = (struct http_body){.kind = BODY_CHUNKED};
    else if (head->content_length)
        *body = (struct http_body){.kind = BODY_LENGTH, .left = head->content_length};
}

bool http_body_take(struct http_body *body, uint8_t *bytes, size_t length, size_t *consumed,
                    size_t *produced)
{
    *consumed = *produced = 0;
    if (body->done)
        return true;
    switch ((enum http_body_kind)body->kind) {
    case BODY_NONE:
        return true;
    case BODY_LENGTH:
        *consumed = *produced = body->left < length ? (size_t)body->left : length;
        body->left -= *consumed;
        body->done = !body->left;
        return true;
    case BODY_UNTIL_CLOSE:
        *consumed = *produced = length;
        return true;
    case BODY_CHUNKED:
        break;
    }
    enum http_chunks_answer answer =
        http_chunks_feed(&body->chunks, bytes, length, consumed, produced);
    body->done = answer == HTTP_CHUNKS_DONE;
    return answer != HTTP_CHUNKS_BAD;
}

size_t http_last_chunk(struct worker *worker, uint8_t *out, const struct http_body *body)
{
    const struct http_chunks *chunks = &body->chunks;
    struct http_head *head = &worker->http->head;
    if (!chunks->trailers)
        return http_write_last_chunk(out, NULL, NULL);
    http_head_reset(head);
    if (http_read_trailers(head, chunks->trailers, chunks->trailer_bytes) != HTTP_DONE)
        return 0;
    return http_write_last_chunk(out, head, chunks->trailers);
}
