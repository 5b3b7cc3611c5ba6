/* A bounded pipe of bytes from the main loop to one API connection: container logs and the like.
 *
 * Two owners: the producer on the main loop, from stream_create until it calls stream_end or hears
 * `gone`; and the consumer on the API thread, which takes the stream with request_reply_stream (or
 * stream_drop where the request ends otherwise). Order of events, seen from the producer:
 *
 *     stream_create                          in a [loop] step; keep it in request->data
 *     stream_write ...                       may begin before the reply is on its way
 *     writable(room)                         only after a write that took less than it was offered
 *     stream_end             or             gone
 *
 * After either of the last two the producer must not touch the stream. A client that goes away, or
 * the API that stops, makes `gone` (once; never inside a call of the producer's). */
#ifndef API_STREAM_H
#define API_STREAM_H

#include <stdbool.h>
#include <stddef.h>

struct api;
struct stream;
enum { STREAM_BYTES = 256 * 1024 }; /* what waits for a slow client at most */

struct stream_events { /* [loop] */
    void (*writable)(void *argument, size_t room);
    void (*gone)(void *argument);
    void *argument;
};
struct stream *stream_create(struct api *api, const struct stream_events *events); /* [loop] */
/* Takes what there is room for and returns how much that was. [loop] */
size_t stream_write(struct stream *stream, const void *bytes, size_t length);
size_t stream_room(struct stream *stream); /* [loop] */
/* No more will come; what was written still reaches the client. `complete` false: the connection is
 * then cut without the final chunk, so that the client sees that something is missing. [loop] */
void stream_end(struct stream *stream, bool complete);
/* The consumer's end of a stream that is not replied with after all; NULL is fine. [api] */
void stream_drop(struct stream *take_stream);

#endif
