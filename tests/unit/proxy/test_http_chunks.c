#include "proxy/http/chunks.h"
#include "proxy/http/head.h"
#include "proxy/http/write.h"

#include <criterion/criterion.h>
#include <string.h>

static char passed[512], trailers[128];
static size_t used;

/* In pieces of `step` bytes. */
static enum http_chunks_answer feed(const char *text, bool unframe, size_t step)
{
    struct http_chunks chunks = {.unframe = unframe};
    enum http_chunks_answer answer = HTTP_CHUNKS_MORE;
    uint8_t bytes[512];
    size_t length = strlen(text), out = 0;
    memcpy(bytes, text, length);
    used = 0;
    while (used < length && answer == HTTP_CHUNKS_MORE) {
        size_t consumed, produced, count = length - used < step ? length - used : step;
        answer = http_chunks_feed(&chunks, bytes + used, count, &consumed, &produced);
        cr_assert_leq(produced, consumed);
        memcpy(passed + out, bytes + used, produced);
        out += produced;
        used += consumed;
    }
    passed[out] = 0;
    memcpy(trailers, chunks.trailers ? chunks.trailers : (uint8_t *)"", chunks.trailer_bytes);
    trailers[chunks.trailer_bytes] = 0;
    http_chunks_finish(&chunks);
    return answer;
}

Test(http_chunks, pass_without_extensions_and_trailers)
{
    static const char text[] = "5;a=b;c;d=\"x\\\"\"\r\nhello\r\n00B\r\n world\r\n123\r\n0;z\r\n"
                               "X-A: 1\r\n\r\nnext";
    for (size_t step = 1; step < sizeof text; step++) {
        cr_assert_eq(feed(text, false, step), HTTP_CHUNKS_DONE);
        cr_assert_str_eq(passed, "5\r\nhello\r\nB\r\n world\r\n123\r\n");
        cr_assert_str_eq(trailers, "X-A: 1\r\n\r\n");
        cr_assert_eq(used, sizeof text - sizeof "next");
        cr_assert_eq(feed("3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", true, step), HTTP_CHUNKS_DONE);
        cr_assert_str_eq(passed, "abcd");
    }
}

Test(http_chunks, are_strict)
{
    static const char *const bad[] = {
        "\r\n",
        "x\r\n",
        " 5\r\nhello",
        "5 \r\nhello",
        "5\nhello",
        "0x5\r\nhello",
        "+5\r\nhello",
        "-5\r\nhello",
        "5\r\nhelloX",
        "5\r\nhello\n",
        "5\r\nhello\rX",
        "5\rXhello",
        "5;\r\nhello",
        "5;a=\r\nhello",
        "5;a\nhello",
        "5;a b\r\nhello",
        "5;a=\"x\r\nhello",
        "5;\x01=a\r\nhello",
        "5,5\r\nhello",
        "5_0\r\n",
        "8000000000000000\r\n",
        "FFFFFFFFFFFFFFFF\r\n",
        "00000000000000005\r\n",
        "0\r\nX: a\n\r\n",
        "0\r\n\rX",
        "0\n\n",
        "1\r\nab\r\n",
        "5;a=\"x\"y\r\nhello",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        for (size_t step = 1; step < 30; step += 28)
            cr_expect_eq(feed(bad[i], false, step), HTTP_CHUNKS_BAD, "%s", bad[i]);
}

Test(http_chunks, bound_what_they_leave_out)
{
    struct http_chunks chunks = {0};
    uint8_t bytes[HTTP_EXTENSION_BYTES + 16];
    size_t consumed, produced;
    memset(bytes, 'a', sizeof bytes);
    memcpy(bytes, "5;", 2);
    cr_expect_eq(http_chunks_feed(&chunks, bytes, sizeof bytes, &consumed, &produced),
                 HTTP_CHUNKS_BAD);
    chunks = (struct http_chunks){0};
    memset(bytes, 'a', sizeof bytes);
    memcpy(bytes, "0\r\n", 3);
    cr_expect_eq(http_chunks_feed(&chunks, bytes, sizeof bytes, &consumed, &produced),
                 HTTP_CHUNKS_BAD);
    http_chunks_finish(&chunks);
}

Test(http_chunks, trailers_that_would_change_the_message_do_not_pass)
{
    static const char text[] =
        "Content-Length: 5\r\nHost: b\r\nX-Sum: 7\r\nX-Request-Id: 1\r\nAuthorization: a\r\n"
        "SET-Cookie: a\r\nContent-Type: a\r\nIf-Match: a\r\nX-Real-IP: a\r\n\r\n";
    static struct http_head head;
    char out[256];
    cr_assert_eq(http_read_trailers(&head, (const uint8_t *)text, sizeof text - 1), HTTP_DONE);
    out[http_write_last_chunk((uint8_t *)out, &head, (const uint8_t *)text)] = 0;
    cr_assert_str_eq(out, "0\r\nX-Sum: 7\r\n\r\n");
    http_head_reset(&head);
    cr_assert_eq(http_read_trailers(&head, (const uint8_t *)"X : 7\r\n\r\n", 9), 400);
}
