/* A container's output, framed unless it has a terminal. */
#include "fakes/docker/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool send_output(struct exchange *exchange, const struct fake_output *output, bool tty,
                        bool timestamps)
{
    char stamp[48] = "";
    if (timestamps) {
        struct tm parts;
        time_t seconds = (time_t)(output->ms / 1000);
        gmtime_r(&seconds, &parts);
        size_t at = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &parts);
        snprintf(stamp + at, sizeof stamp - at, ".%03d000000Z ", (int)(output->ms % 1000));
    }
    size_t length = strlen(stamp) + output->length;
    const unsigned char header[8] = {(unsigned char)output->channel,
                                     0,
                                     0,
                                     0,
                                     (unsigned char)(length >> 24),
                                     (unsigned char)(length >> 16),
                                     (unsigned char)(length >> 8),
                                     (unsigned char)length};
    return (tty || http_chunk(exchange, header, sizeof header)) &&
           http_chunk(exchange, stamp, strlen(stamp)) &&
           http_chunk(exchange, output->bytes, output->length);
}

static const struct fake_output *first_wanted(const struct fake_container *container, long tail,
                                              int64_t since_ms)
{
    long count = 0;
    for (const struct fake_output *output = container->first; output; output = output->next)
        count++;
    const struct fake_output *output = container->first;
    for (; output && ((tail >= 0 && count > tail) || output->ms < since_ms); count--)
        output = output->next;
    return output;
}

/* The lock is free while bytes are sent: a container that is dropped meanwhile ends the stream. */
static void follow(struct exchange *exchange, const char *id, long tail, int64_t since_ms,
                   bool follows, bool timestamps)
{
    struct fake_docker *fake = exchange->fake;
    struct fake_container *container = container_find(fake, id);
    const struct fake_output *output = container ? first_wanted(container, tail, since_ms) : NULL;
    size_t skipped = 0, sent = 0;
    for (const struct fake_output *at = container ? container->first : NULL; at && at != output;
         at = at->next)
        skipped++;
    while (!fake->stopping && (container = container_find(fake, id))) {
        const struct fake_output *next = container->first;
        for (size_t i = 0; next && i < skipped + sent; i++)
            next = next->next;
        if (next) {
            struct fake_output *copy = malloc(sizeof *copy + next->length);
            memcpy(copy, next, sizeof *copy + next->length);
            bool tty = container->tty;
            pthread_mutex_unlock(&fake->lock);
            bool whole = send_output(exchange, copy, tty, timestamps);
            free(copy);
            pthread_mutex_lock(&fake->lock);
            sent++;
            if (!whole)
                return;
        } else if (!follows || container->state != FAKE_RUNNING ||
                   fake_client_is_gone(exchange->fd)) {
            break;
        } else {
            (void)fake_wait(fake, fake_now_ms() + 100);
        }
    }
    http_end_chunked(exchange);
}

void handle_logs(struct exchange *exchange, struct fake_container *container)
{
    struct fake_docker *fake = exchange->fake;
    char *tail = query_value(exchange, "tail"), *since = query_value(exchange, "since"), id[65];
    memcpy(id, container->id, sizeof id);
    unsigned minor = 41;
    (void)sscanf(fake->version ? fake->version : "", "1.%u", &minor);
    const char *type = minor < 42 || container->tty ? "application/vnd.docker.raw-stream"
                                                    : "application/vnd.docker.multiplexed-stream";
    pthread_mutex_unlock(&fake->lock);
    bool done = fault_stream(exchange, type) || !http_begin_chunked(exchange, type);
    pthread_mutex_lock(&fake->lock);
    if (!done)
        follow(exchange, id, tail && *tail != 'a' ? atol(tail) : -1,
               since ? (int64_t)(strtod(since, NULL) * 1000) : 0, query_is_true(exchange, "follow"),
               query_is_true(exchange, "timestamps"));
    free(tail);
    free(since);
}

void fake_docker_log(struct fake_docker *fake, const char *word, int channel, const char *text,
                     size_t length)
{
    struct fake_output *output = malloc(sizeof *output + length);
    if (!output)
        abort();
    *output = (struct fake_output){.channel = channel, .length = length, .ms = fake_now_ms()};
    memcpy(output->bytes, text, length);
    pthread_mutex_lock(&fake->lock);
    struct fake_container *container = container_find(fake, word);
    if (!container) {
        free(output);
    } else {
        if (container->last)
            container->last->next = output;
        else
            container->first = output;
        container->last = output;
    }
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}
