/* Frames of RFC 6455, whatever the pieces in which they come. */
#include "api/websocket.h"

#include <criterion/criterion.h>
#include <string.h>

static struct text heard;

static unsigned take(void *argument, enum websocket_opcode opcode, const char *bytes, size_t length)
{
    (void)argument;
    text_append_format(&heard, "%d:%.*s;", opcode, (int)length, bytes);
    return opcode == WEBSOCKET_CLOSE ? websocket_close_code(bytes, length) : 0;
}

/* Fed `step` bytes at a time; what was heard, and the code it ended with. */
static const char *read_all(const char *bytes, size_t length, size_t step, unsigned *code)
{
    struct websocket_reader reader = {.take = take};
    text_clear(&heard);
    *code = 0;
    for (size_t at = 0; at < length && !*code; at += step)
        *code = websocket_read(&reader, bytes + at, length - at < step ? length - at : step);
    text_finish(&reader.message);
    return text_string(&heard);
}

Test(websocket, the_rfcs_own_handshake)
{
    char accept[WEBSOCKET_ACCEPT_BYTES];
    cr_assert(websocket_accept("dGhlIHNhbXBsZSBub25jZQ==", accept));
    cr_assert_str_eq(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    cr_assert_not(websocket_accept("dGhlIHNhbXBsZQ==", accept), "13 bytes");
    cr_assert_not(websocket_accept("dGhlIHNhbXBsZSBub25jZSE=", accept), "17 bytes");
    cr_assert_not(websocket_accept("!!!!!!!!!!!!!!!!!!!!!!!=", accept));
    cr_assert_not(websocket_accept(NULL, accept));
}

Test(websocket, tokens_of_a_header)
{
    cr_assert(websocket_lists("keep-alive, UPGRADE", "upgrade"));
    cr_assert(websocket_lists("upgrade", "upgrade"));
    cr_assert_not(websocket_lists("upgrades, an-upgrade", "upgrade"));
    cr_assert_not(websocket_lists(NULL, "upgrade"));
}

/* "Hello" masked (section 5.7), in two fragments with a ping between them, then a close. */
Test(websocket, pieces_of_any_size_are_the_same_messages)
{
    static const char frames[] = "\x82\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
                                 "\x02\x83\x37\xfa\x21\x3d\x7f\x9f\x4d"
                                 "\x89\x82\0\0\0\0hi"
                                 "\x80\x82\0\0\0\0lo"
                                 "\x88\x82\0\0\0\0\x03\xe8";
    for (size_t step = 1; step < sizeof frames; step++) {
        unsigned code;
        const char *got = read_all(frames, sizeof frames - 1, step, &code);
        cr_assert_str_eq(got, "2:Hello;9:hi;2:Hello;8:\x03\xe8;", "step %zu: %s", step, got);
        cr_assert_eq(code, WEBSOCKET_NORMAL);
    }
}

Test(websocket, lengths_are_written_in_their_shortest_form)
{
    static const struct {
        uint64_t length;
        size_t head;
        const char *bytes;
    } cases[] = {{0, 2, "\x82\0"},
                 {125, 2, "\x82\x7d"},
                 {126, 4, "\x82\x7e\0\x7e"},
                 {65535, 4, "\x82\x7e\xff\xff"},
                 {65536, 10, "\x82\x7f\0\0\0\0\0\1\0\0"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text out = {0};
        websocket_write_head(&out, WEBSOCKET_BINARY, cases[i].length);
        cr_assert_eq(out.length, cases[i].head);
        cr_assert_arr_eq(out.data, cases[i].bytes, cases[i].head);
        text_finish(&out);
    }
}

Test(websocket, a_length_beyond_63_bits_is_refused_before_anything_is_kept)
{
    unsigned code;
    read_all("\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14, 14, &code);
    cr_assert_eq(code, WEBSOCKET_PROTOCOL_ERROR);
    read_all("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14, 14, &code);
    cr_assert_eq(code, WEBSOCKET_TOO_BIG);
}
