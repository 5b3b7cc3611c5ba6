/* Byte pipes: a ring of bytes under a lock, the producer on the main loop, the reader in
 * libmicrohttpd's hands. Freed when both ends have let go. */
#include "api/stream.h"
#include "api/impl.h"

#include <stdlib.h>
#include <string.h>

struct stream {
    struct api *api;
    struct stream_events events;
    struct exchange *exchange; /* [api] */
    pthread_mutex_t lock;
    char *bytes;
    size_t first, length;
    bool ended, incomplete; /* by the producer */
    bool reader_gone, producer_gone;
    bool wants_room; /* the producer's last write was cut short */
    bool reader_waits;
    bool wake_posted, tell_posted;
    struct loop_task wake_task; /* to the API thread */
    struct loop_task tell_task; /* to the loop */
};

static void destroy(struct stream *stream)
{
    pthread_mutex_destroy(&stream->lock);
    free(stream->bytes);
    free(stream);
}

/* Under the lock; true: the caller destroys. */
static bool is_over(const struct stream *stream)
{
    return stream->reader_gone && stream->producer_gone && !stream->wake_posted &&
           !stream->tell_posted;
}

static void unlock(struct stream *stream)
{
    bool over = is_over(stream);
    pthread_mutex_unlock(&stream->lock);
    if (over)
        destroy(stream);
}

/* -- on the loop -- */

static void tell_producer(struct loop_task *task)
{
    struct stream *stream = CONTAINER_OF(task, struct stream, tell_task);
    pthread_mutex_lock(&stream->lock);
    stream->tell_posted = false;
    struct stream_events events = stream->events;
    bool gone = stream->reader_gone && !stream->producer_gone;
    size_t room = STREAM_BYTES - stream->length;
    bool writable = !gone && !stream->producer_gone && stream->wants_room && room > 0;
    if (gone)
        stream->producer_gone = true;
    if (writable)
        stream->wants_room = false;
    unlock(stream);
    if (gone && events.gone)
        events.gone(events.argument);
    else if (writable && events.writable)
        events.writable(events.argument, room);
}

static void post_tell(struct stream *stream)
{
    if (stream->tell_posted)
        return;
    stream->tell_posted = true;
    stream->tell_task = (struct loop_task){.run = tell_producer, .name = "stream producer"};
    loop_post(stream->api->parts.loop, &stream->tell_task);
}

static void wake_reader(struct loop_task *task)
{
    struct stream *stream = CONTAINER_OF(task, struct stream, wake_task);
    pthread_mutex_lock(&stream->lock);
    stream->wake_posted = false;
    struct exchange *exchange = stream->reader_gone ? NULL : stream->exchange;
    unlock(stream);
    if (exchange)
        exchange_resume(exchange);
}

static void post_wake(struct stream *stream)
{
    if (!stream->reader_waits || stream->wake_posted || stream->reader_gone)
        return;
    stream->reader_waits = false;
    stream->wake_posted = true;
    stream->wake_task = (struct loop_task){.run = wake_reader, .name = "stream reader"};
    loop_post(stream->api->loop, &stream->wake_task);
}

struct stream *stream_create(struct api *api, const struct stream_events *events)
{
    struct stream *stream = memory_alloc(sizeof *stream);
    stream->api = api;
    stream->events = *events;
    stream->bytes = memory_alloc(STREAM_BYTES);
    pthread_mutex_init(&stream->lock, NULL);
    return stream;
}

static size_t put(struct stream *stream, const char *bytes, size_t length)
{
    size_t room = STREAM_BYTES - stream->length;
    if (length > room)
        length = room;
    size_t at = (stream->first + stream->length) % STREAM_BYTES;
    size_t part = STREAM_BYTES - at < length ? STREAM_BYTES - at : length;
    memcpy(stream->bytes + at, bytes, part);
    memcpy(stream->bytes, bytes + part, length - part);
    stream->length += length;
    return length;
}

size_t stream_write(struct stream *stream, const void *bytes, size_t length)
{
    pthread_mutex_lock(&stream->lock);
    size_t taken = put(stream, bytes, length);
    stream->wants_room = taken < length;
    if (taken)
        post_wake(stream);
    unlock(stream);
    return taken;
}

size_t stream_room(struct stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    size_t room = STREAM_BYTES - stream->length;
    pthread_mutex_unlock(&stream->lock);
    return room;
}

void stream_end(struct stream *stream, bool complete)
{
    pthread_mutex_lock(&stream->lock);
    stream->ended = true;
    stream->incomplete = !complete;
    stream->producer_gone = true;
    post_wake(stream);
    unlock(stream);
}

/* -- on the API thread -- */

void stream_drop(struct stream *stream)
{
    if (!stream)
        return;
    pthread_mutex_lock(&stream->lock);
    stream->reader_gone = true;
    stream->exchange = NULL;
    if (!stream->producer_gone)
        post_tell(stream);
    unlock(stream);
}

void stream_attach(struct stream *stream, struct exchange *exchange)
{
    pthread_mutex_lock(&stream->lock);
    stream->exchange = exchange;
    pthread_mutex_unlock(&stream->lock);
}

static size_t get(struct stream *stream, char *buffer, size_t room)
{
    size_t length = stream->length < room ? stream->length : room;
    size_t part = STREAM_BYTES - stream->first < length ? STREAM_BYTES - stream->first : length;
    memcpy(buffer, stream->bytes + stream->first, part);
    memcpy(buffer + part, stream->bytes, length - part);
    stream->first = (stream->first + length) % STREAM_BYTES;
    stream->length -= length;
    return length;
}

ssize_t stream_read(struct stream *stream, struct exchange *exchange, char *buffer, size_t room)
{
    pthread_mutex_lock(&stream->lock);
    size_t length = get(stream, buffer, room);
    bool ended = stream->ended, incomplete = stream->incomplete;
    if (length && stream->wants_room && stream->length <= STREAM_BYTES / 2 &&
        !stream->producer_gone)
        post_tell(stream);
    bool waits = !length && !ended && !exchange->api->stopping;
    stream->reader_waits = waits;
    unlock(stream);
    if (length)
        return (ssize_t)length;
    if (waits) {
        exchange_suspend(exchange);
        return 0;
    }
    return ended && !incomplete ? MHD_CONTENT_READER_END_OF_STREAM
                                : MHD_CONTENT_READER_END_WITH_ERROR;
}
