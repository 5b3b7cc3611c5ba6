/* Where requests end: framing in doubt is refused, and so is what is too large. */
#include "rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void setup(void)
{
    rig_start(NULL);
}

TestSuite(framing, .init = setup, .fini = rig_stop, .timeout = 60);

/* Raw requests whose end, or owner, is in doubt: one answer (or none), then the connection closes.
 */
Test(framing, malformed_framing_is_refused_and_the_connection_closed)
{
    static const struct {
        const char *name, *request;
        int status;
    } cases[] = {
        {"two lengths",
         "POST /api/v1/test/echo HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
         "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
         400},
        {"length and chunks",
         "POST /api/v1/test/echo HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
         "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
         400},
        {"unknown coding",
         "POST /api/v1/test/echo HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
         "Transfer-Encoding: gzip, chunked\r\n\r\n{}",
         400},
        {"chunks twice",
         "POST /api/v1/test/echo HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
         "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         400},
        {"negative length",
         "POST /api/v1/test/echo HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
         "Content-Length: -1\r\n\r\n",
         400},
        {"signed length",
         "POST /api/v1/test/echo HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
         "Content-Length: +2\r\n\r\n{}",
         400},
        {"length in words",
         "POST /api/v1/test/echo HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
         "Content-Length: 2 2\r\n\r\n{}",
         400},
        {"no host", "GET /healthz HTTP/1.1\r\n\r\n", 400},
        {"two hosts", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400},
        {"space before the colon", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nA : b\r\n\r\n",
         400},
        {"control in a value", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: b\x01\r\n\r\n", 400},
        {"two keys",
         "GET /api/v1/nodes HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER KEY_HEADER "\r\n", 400},
        {"space in the target", "GET /health z HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
        {"version of the future", "GET /healthz HTTP/2.0\r\nHost: localhost\r\n\r\n", 505},
        {"no version", "GET /healthz\r\nHost: localhost\r\n\r\n", 400},
        {"bad version", "GET /healthz HTPP/1.1\r\nHost: localhost\r\n\r\n", 400},
        {"no colon", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nnonsense\r\n\r\n", 400},
        {"bad chunk size",
         "POST /api/v1/test/echo HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
         "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
         "zz\r\n{}\r\n0\r\n\r\n",
         400},
        {"length beyond all",
         "POST /api/v1/test/echo HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
         "Content-Length: 9223372036854775808\r\n\r\n",
         413},
        {"length beyond 64 bits",
         "POST /api/v1/test/echo HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
         "Content-Length: 99999999999999999999\r\n\r\n",
         413}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = client_open();
        client_text(fd, cases[i].request);
        struct reply reply = client_read(fd);
        cr_expect_eq(reply.status, cases[i].status, "%s: %d %s", cases[i].name, reply.status,
                     reply.body);
        if (strcmp(cases[i].name, "space in the target") != 0)
            cr_expect(client_is_closed(fd), "%s: the connection stays", cases[i].name);
        reply_free(&reply);
        close(fd);
    }
}

Test(framing, what_is_too_large_is_refused_before_it_is_kept)
{
    struct text big = {0};
    for (int i = 0; i < 101; i++)
        text_append_format(&big, "X-H%d: v\r\n", i);
    int fd = client_open();
    client_text(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n");
    client_send(fd, big.data, big.length);
    client_text(fd, "\r\n");
    struct reply reply = client_read(fd);
    cr_expect_eq(reply.status, 431);
    cr_expect(strstr(reply.body, "HEADERS_TOO_LARGE"), "%s", reply.body);
    reply_free(&reply);
    close(fd);

    text_clear(&big);
    text_append_string(&big, "X-Big: ");
    for (int i = 0; i < 16 * 1024; i++)
        text_append_char(&big, 'a');
    text_append_string(&big, "\r\n\r\n");
    fd = client_open();
    client_text(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n");
    client_send(fd, big.data, big.length);
    reply = client_read(fd);
    cr_expect_eq(reply.status, 431);
    cr_expect(strstr(reply.body, "HEADERS_TOO_LARGE"), "%s", reply.body);
    reply_free(&reply);
    close(fd);

    text_clear(&big);
    text_append_string(&big, "GET /healthz?");
    for (int i = 0; i < 8 * 1024; i++)
        text_append_char(&big, 'a');
    text_append_string(&big, " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    fd = client_open();
    client_send(fd, big.data, big.length);
    reply = client_read(fd);
    cr_expect_eq(reply.status, 414);
    cr_expect(strstr(reply.body, "URI_TOO_LONG"), "%s", reply.body);
    reply_free(&reply);
    close(fd);

    for (int kib = 64; kib <= 1024; kib *= 16) { /* by the library itself */
        text_clear(&big);
        text_append_string(&big, "GET /");
        for (int i = 0; i < kib * 1024; i++)
            text_append_char(&big, 'a');
        fd = client_open();
        client_send(fd, big.data, big.length);
        reply = client_read(fd);
        cr_expect(reply.status == 414 || reply.status == 0, "%d", reply.status);
        reply_free(&reply);
        close(fd);
    }
    text_finish(&big);
}

Test(framing, a_whole_target_and_whole_headers_fit_together)
{
    struct text big = {0};
    text_append_string(&big, "GET /healthz?");
    while (big.length < 8 * 1024)
        text_append_char(&big, 'a');
    text_append_string(&big, " HTTP/1.1\r\nHost: localhost\r\n");
    for (int i = 0; i < 98; i++)
        text_append_format(&big, "X-Header-%02d: %0*d\r\n", i, 150, 0);
    text_append_string(&big, "\r\n");
    int fd = client_open();
    client_send(fd, big.data, big.length);
    struct reply reply = client_read(fd);
    cr_expect_eq(reply.status, 400, "%d", reply.status); /* the parameter, not the size */
    cr_expect(strstr(reply.body, "no query parameter"), "%s", reply.body);
    reply_free(&reply);
    text_finish(&big);
    close(fd);
}

static char *body_of(size_t bytes)
{
    char *body = malloc(bytes + 1);
    memset(body, 'a', bytes);
    memcpy(body, "{\"a\":\"", 6);
    memcpy(body + bytes - 2, "\"}", 3);
    return body;
}

Test(framing, a_body_of_one_mebibyte_passes_and_one_byte_more_does_not)
{
    char *body = body_of(1024 * 1024);
    struct reply reply = ask("POST", "/api/v1/test/echo", NULL, body);
    cr_expect_eq(reply.status, 200, "%s", reply.body);
    cr_expect_str_eq(reply.body, "{\"bytes\":1048576,\"by\":\"key:admin\"}");
    reply_free(&reply);
    free(body);
    body = body_of(1024 * 1024 + 1);
    expect_refusal("POST", "/api/v1/test/echo", NULL, body, 413, "PAYLOAD_TOO_LARGE");
    free(body);
}

Test(framing, chunks_are_counted_and_cut_when_they_never_end)
{
    static char block[65536];
    memset(block, 'a', sizeof block);
    int fd = client_open();
    client_text(fd, "POST /api/v1/test/echo HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
                    "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 200; i++) {
        client_text(fd, "10000\r\n");
        client_send(fd, block, sizeof block);
        client_text(fd, "\r\n");
    }
    struct reply reply = client_read(fd);
    cr_expect(reply.status == 413 || reply.status == 0, "%d", reply.status);
    cr_expect(client_is_closed(fd));
    reply_free(&reply);
    close(fd);
    fd = client_open();
    client_text(fd, "POST /api/v1/test/echo HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
                    "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 17; i++) {
        client_text(fd, "10000\r\n");
        client_send(fd, block, sizeof block);
        client_text(fd, "\r\n");
    }
    client_text(fd, "0\r\n\r\n");
    reply = client_read(fd);
    cr_expect_eq(reply.status, 413);
    cr_expect(strstr(reply.body, "PAYLOAD_TOO_LARGE"));
    reply_free(&reply);
    close(fd);
}

Test(framing, who_asks_first_hears_of_the_refusal_before_sending)
{
    int fd = client_open();
    client_text(fd, "POST /api/v1/test/echo HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
                    "Content-Type: application/json\r\nContent-Length: 2000000\r\n"
                    "Expect: 100-continue\r\n\r\n");
    struct reply reply = client_read(fd);
    cr_expect_eq(reply.status, 413);
    reply_free(&reply);
    close(fd);
    fd = client_open();
    client_text(fd, "POST /api/v1/test/echo HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
                    "Content-Type: application/json\r\nContent-Length: 2\r\n"
                    "Expect: 100-continue\r\n\r\n");
    reply = client_read(fd);
    cr_expect_eq(reply.status, 100);
    reply_free(&reply);
    client_text(fd, "{}");
    reply = client_read(fd);
    cr_expect_eq(reply.status, 200);
    reply_free(&reply);
    close(fd);
}

Test(framing, a_refused_body_leaves_the_connection_usable)
{
    int fd = client_open();
    client_text(fd,
                "POST /api/v1/test/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"
                "12345");
    struct reply reply = client_read(fd);
    cr_expect_eq(reply.status, 401);
    reply_free(&reply);
    client_text(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    reply = client_read(fd);
    cr_expect_eq(reply.status, 200);
    reply_free(&reply);
    close(fd);
}
