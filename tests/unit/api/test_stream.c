/* Byte streams from the main loop to a client. */
#include "rig.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(stream, .fini = rig_stop, .timeout = 60);

static int begin(size_t limit, bool complete, bool stays)
{
    rig_start(NULL);
    rig_stream.written = 0;
    rig_stream.gone = false;
    rig_stream.stays = stays;
    rig_stream.limit = limit;
    rig_stream.complete = complete;
    int fd = client_open();
    client_text(fd, "GET /api/v1/test/stream HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER "\r\n");
    return fd;
}

static bool hears_gone(void)
{
    for (int i = 0; i < 5000; i++) {
        pthread_mutex_lock(&rig_stream.lock);
        bool gone = rig_stream.gone;
        pthread_mutex_unlock(&rig_stream.lock);
        if (gone)
            return true;
        usleep(1000);
    }
    return false;
}

Test(stream, all_bytes_arrive_in_order)
{
    int fd = begin(3 * STREAM_BYTES + 12345, true, false);
    struct reply reply = client_read(fd);
    cr_expect_eq(reply.status, 200);
    cr_expect(reply.ended);
    cr_assert_eq(reply.length, 3 * STREAM_BYTES + 12345);
    for (size_t i = 0; i < reply.length; i++)
        cr_assert_eq(reply.body[i], (char)('0' + i % 10), "at %zu", i);
    reply_free(&reply);
    close(fd);
}

Test(stream, an_incomplete_one_is_cut)
{
    int fd = begin(1000, false, false);
    struct reply reply = client_read(fd);
    cr_expect_eq(reply.status, 200);
    cr_expect_not(reply.ended);
    cr_expect_eq(reply.length, 1000);
    reply_free(&reply);
    close(fd);
}

static void read_written(void *argument)
{
    *(size_t *)argument = rig_stream.written;
}

Test(stream, a_client_that_does_not_read_stops_the_producer)
{
    int fd = begin(200 * 1024 * 1024, true, false);
    size_t before = 0, after = 1;
    for (int i = 0; i < 100 && before != after; i++) {
        rig_call(read_written, &before);
        usleep(50000);
        rig_call(read_written, &after);
    }
    cr_expect_eq(before, after);
    cr_assert_lt(after, 20 * 1024 * 1024);
    close(fd);
    cr_expect(hears_gone());
}

static void read_first(int fd)
{
    char block[512];
    cr_assert(recv(fd, block, sizeof block, 0) > 0);
}

static void end_stream(void *argument)
{
    (void)argument;
    stream_end(rig_stream.stream, true);
}

Test(stream, a_client_that_goes_away_is_heard_of_in_silence)
{
    int fd = begin(100, true, true);
    read_first(fd);
    cr_expect_not(rig_stream.gone);
    close(fd);
    cr_expect(hears_gone());
}

Test(stream, what_ends_after_a_silence_ends_well)
{
    int fd = begin(100, true, true);
    char block[1024];
    size_t length = 0;
    while (!memmem(block, length, "6789\r\n", 6)) {
        ssize_t got = recv(fd, block + length, sizeof block - length, 0);
        cr_assert(got > 0);
        length += (size_t)got;
    }
    rig_call(end_stream, NULL);
    ssize_t got = recv(fd, block, sizeof block, 0);
    cr_expect(got >= 5 && memcmp(block, "0\r\n\r\n", 5) == 0);
    close(fd);
}

Test(stream, the_end_of_the_server_ends_it)
{
    int fd = begin(200 * 1024 * 1024, true, false);
    read_first(fd);
    rig_stop();
    cr_expect(rig_stream.gone);
    close(fd);
}
