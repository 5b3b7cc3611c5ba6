#include "loop/loop.h"
#include "proxy/channel.h"
#include "proxy/wire.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct wire_writer packet;

static struct wire_reader reader_of(size_t length)
{
    return (struct wire_reader){.at = packet.bytes, .end = packet.bytes + length};
}

Test(proxy_wire, reads_what_was_written)
{
    wire_begin(&packet, WIRE_DRAINED);
    wire_put_text(&packet, "web");
    wire_put_text(&packet, NULL);
    wire_put_u64(&packet, UINT64_MAX);
    struct wire_reader reader = reader_of(packet.length);
    cr_assert_eq(wire_get_u32(&reader), WIRE_DRAINED);
    cr_assert_str_eq(wire_get_text(&reader), "web");
    cr_assert_str_eq(wire_get_text(&reader), "");
    cr_assert_eq(wire_get_u64(&reader), UINT64_MAX);
    cr_assert_not(reader.failed);
    cr_assert_eq(reader.at, reader.end);
}

/* Whatever is cut off, what is read before it stays whole and nothing beyond it is. */
Test(proxy_wire, fails_on_every_packet_that_is_cut)
{
    wire_begin(&packet, WIRE_DRAINED);
    wire_put_text(&packet, "service");
    wire_put_u64(&packet, 7);
    for (size_t length = 0; length < packet.length; length++) {
        struct wire_reader reader = reader_of(length);
        (void)wire_get_u32(&reader);
        (void)wire_get_text(&reader);
        (void)wire_get_u64(&reader);
        cr_assert(reader.failed, "cut at %zu", length);
        cr_assert_leq(reader.at, reader.end);
    }
}

Test(proxy_wire, refuses_texts_that_lie_about_their_length)
{
    wire_begin(&packet, WIRE_REMOVE);
    wire_put_text(&packet, "name");
    static const uint32_t lies[] = {0, 3, 5, 100, UINT32_MAX};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        memcpy(packet.bytes + sizeof(uint32_t), &lies[i], sizeof lies[i]);
        struct wire_reader reader = reader_of(packet.length);
        (void)wire_get_u32(&reader);
        cr_assert_str_eq(wire_get_text(&reader), "");
        cr_assert(reader.failed, "%u", lies[i]);
    }
}

Test(proxy_wire, says_when_a_packet_is_full)
{
    static char text[WIRE_PACKET_BYTES];
    memset(text, 'x', sizeof text - 1);
    wire_begin(&packet, WIRE_REMOVE);
    wire_put_text(&packet, text);
    cr_assert(packet.overflow);
    cr_assert_leq(packet.length, sizeof packet.bytes);
}

/* -- channels -- */

static struct {
    struct loop *loop;
    uint32_t count, fds;
    bool in_order, closed;
} heard;

static void message(void *argument, uint32_t type, struct wire_reader *reader, int *fds,
                    size_t fd_count)
{
    (void)argument, (void)fds;
    heard.in_order &= type == WIRE_PUBLISH && wire_get_u64(reader) == heard.count;
    heard.count++;
    heard.fds += (uint32_t)fd_count;
    if (heard.count == 2000)
        loop_stop(heard.loop);
}

static void closed(void *argument)
{
    (void)argument;
    heard.closed = true;
    loop_stop(heard.loop);
}

static struct channel *open_channel(int fd)
{
    return channel_create(heard.loop, fd,
                          &(struct channel_events){.message = message, .closed = closed});
}

/* Far more than the socket takes at once. */
Test(proxy_wire, queues_packets_and_descriptors_in_order, .timeout = 20)
{
    int ends[2];
    heard.loop = loop_create_real(NULL);
    heard.in_order = true;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    struct channel *from = open_channel(ends[0]), *to = open_channel(ends[1]);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (uint64_t i = 0; i < 2000; i++) {
        wire_begin(&packet, WIRE_PUBLISH);
        wire_put_u64(&packet, i);
        channel_send(from, &packet, &fd, i % 100 == 0);
    }
    cr_assert_not(channel_is_empty(from));
    loop_run(heard.loop);
    cr_assert_eq(heard.count, 2000);
    cr_assert_eq(heard.fds, 20);
    cr_assert(heard.in_order);
    channel_destroy(from);
    loop_run(heard.loop);
    cr_assert(heard.closed);
    channel_destroy(to);
    close(fd);
    loop_destroy(heard.loop);
}
