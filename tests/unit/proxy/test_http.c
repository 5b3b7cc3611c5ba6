/* What `protocol: http` does with requests and replies, byte for byte. */
#include "http_talk.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(proxy_http, .init = http_talk_prepare, .fini = rig_finish, .timeout = 60);

Test(proxy_http, keeps_connections_on_both_sides)
{
    start_one();
    int first = client_connect(rig.port), second = client_connect(rig.port);
    for (int i = 0; i < 20; i++) {
        ask(first, GET("/name"), "\r\n\r\na");
        cr_assert_str_eq(got, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
        ask(second, GET("/name"), "\r\n\r\na");
    }
    cr_assert_eq(atomic_load(&a->connections), 1);
    cr_assert_eq(atomic_load(&a->requests), 40);
    close(first);
    close(second);
}

Test(proxy_http, balances_by_request)
{
    unsigned of_a = 0;
    start_two();
    int fd = client_connect(rig.port);
    for (int i = 0; i < 20; i++)
        of_a += ask_name(fd, GET("/name")) == 'a';
    cr_assert_eq(of_a, 10);
    close(fd);
}

Test(proxy_http, tells_the_endpoint_whom_it_serves)
{
    start_one();
    int fd = client_connect(rig.port);
    ask(fd,
        "GET /echo?x HTTP/1.1\r\nHOST: a.example\r\nConnection: X-Mine\r\nX-Mine: 1\r\n"
        "X-Forwarded-For: 6.6.6.6\r\n\r\n",
        "\r\n\r\n");
    while (!got_has("Forwarded: for="))
        receive(fd, "\r\n\r\n");
    cr_expect(got_has("GET /echo?x HTTP/1.1\r\nHost: a.example\r\n"));
    cr_expect(got_has("\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
                      "X-Forwarded-Host: a.example\r\n"
                      "Forwarded: for=127.0.0.1;host=\"a.example\";proto=http\r\n"));
    cr_expect(got_has("\r\nX-Request-Id: "));
    cr_expect(got_has("\r\ntraceparent: 00-"));
    cr_expect(!got_has("X-Mine") && !got_has("6.6.6.6"));
    close(fd);
}

Test(proxy_http, answers_what_was_pipelined_in_order)
{
    start_two();
    int fd = client_connect(rig.port);
    put_bytes(fd,
              GET("/pieces") GET("/none") "HEAD /name HTTP/1.1\r\n" HOST "\r\n" GET("/chunked"));
    receive(fd, "X-Sum: 7\r\n\r\n");
    cr_assert_str_eq(got, "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
                          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok"
                          "HTTP/1.1 204 No Content\r\n\r\n"
                          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"
                          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 7\r\n\r\n");
    close(fd);
}

Test(proxy_http, answers_what_was_pipelined_before_the_clients_end)
{
    start_one();
    int fd = client_connect(rig.port);
    put_bytes(fd, GET("/none") GET("/name") GET("/none"));
    shutdown(fd, SHUT_WR);
    receive_all(fd);
    cr_assert_eq(atomic_load(&a->requests), 3);
    const char *second = strstr(got, "HTTP/1.1 200 OK\r\n");
    cr_assert(second && strncmp(got, "HTTP/1.1 204 ", 13) == 0 &&
              strstr(second, "\r\n\r\naHTTP/1.1 204 "));
    close(fd);
}

Test(proxy_http, serves_clients_of_http_1_0)
{
    start_one();
    expect_answer("GET /name HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                  "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\na");
    int fd = client_connect(rig.port);
    put_bytes(fd, "GET /chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    cr_expect_str_eq(receive_all(fd), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello world");
    close(fd);
    fd = client_connect(rig.port);
    put_bytes(fd, "GET /pieces HTTP/1.0\r\n\r\n");
    cr_expect_str_eq(receive_all(fd), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n"
                                      "Connection: close\r\n\r\nok");
    close(fd);
}

Test(proxy_http, frames_a_body_that_ends_with_its_connection)
{
    start_one();
    int fd = client_connect(rig.port);
    ask(fd, GET("/until-end"), "\r\n0\r\n\r\n");
    cr_assert_str_eq(got, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "d\r\nuntil the end\r\n0\r\n\r\n");
    ask(fd, GET("/name"), "\r\n\r\na");
    close(fd);
}

Test(proxy_http, passes_chunked_bodies_with_their_trailers)
{
    start_one();
    int fd = client_connect(rig.port);
    put_bytes(fd, "POST /continue HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n");
    cr_assert_str_eq(receive(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    const char body[] = "5;x=y\r\nhello\r\n0\r\nX-Sum: 7\r\nHost: b\r\n\r\n";
    for (size_t i = 0; i < sizeof body - 1; i++)
        cr_assert_eq(send(fd, body + i, 1, MSG_NOSIGNAL), 1);
    receive(fd, "\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n");
    ask(fd, GET("/name"), "\r\n\r\na");
    close(fd);
}

/* -- much of it -- */

static void *send_much(void *argument)
{
    static char bytes[1 << 20];
    char head[128];
    int fd = *(int *)argument;
    snprintf(head, sizeof head, "POST /name HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n",
             30 * sizeof bytes);
    put_bytes(fd, head);
    for (int i = 0; i < 30; i++)
        for (size_t at = 0; at < sizeof bytes;) {
            ssize_t sent = send(fd, bytes + at, sizeof bytes - at, MSG_NOSIGNAL);
            cr_assert(sent > 0);
            at += (size_t)sent;
        }
    return NULL;
}

Test(proxy_http, streams_large_bodies_either_way)
{
    static uint8_t bytes[1 << 20];
    pthread_t sender;
    start_one();
    int fd = client_connect(rig.port);
    put_bytes(fd, GET("/bytes"));
    size_t length = 0, head = 0;
    for (uint64_t at = 0; at < HTTP_ORIGIN_BYTES;) {
        ssize_t count = recv(fd, bytes, sizeof bytes, 0);
        cr_assert(count > 0, "after %lu", at);
        size_t skip = 0;
        if (!head) {
            uint8_t *end = memmem(bytes, (size_t)count, "\r\n\r\n", 4);
            cr_assert(end);
            head = skip = (size_t)(end + 4 - bytes);
        }
        for (size_t i = skip; i < (size_t)count; i++, at++)
            cr_assert_eq(bytes[i], pattern_at(at), "at %lu", at);
        length += (size_t)count;
    }
    cr_assert_eq(length, head + HTTP_ORIGIN_BYTES);
    cr_assert_eq(pthread_create(&sender, NULL, send_much, &fd), 0);
    receive(fd, "\r\n\r\na");
    pthread_join(sender, NULL);
    cr_assert_eq(atomic_load(&a->body_bytes), 30u << 20);
    cr_assert_eq(atomic_load(&a->connections), 1);
    close(fd);
}

Test(proxy_http, passes_a_reply_that_comes_before_its_requests_body)
{
    start_one();
    int fd = client_connect(rig.port);
    put_bytes(fd, "POST /early HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nsome");
    cr_assert_str_eq(receive(fd, "\r\n\r\n"), "HTTP/1.1 413 Too Much\r\nContent-Length: 0\r\n"
                                              "Connection: close\r\n\r\n");
    cr_assert_eq(recv(fd, got, 1, 0), 0);
    close(fd);
}

Test(proxy_http, carries_an_upgraded_connection)
{
    start_one();
    int fd = client_connect(rig.port);
    put_bytes(fd, "GET /upgrade HTTP/1.1\r\n" HOST "Connection: keep-alive, Upgrade\r\n"
                  "Upgrade: websocket\r\n\r\nearly");
    receive(fd, "\r\n\r\nhelloearly");
    cr_assert(got_has("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\n"));
    ask(fd, "\x01\x02 no HTTP", "\x01\x02 no HTTP");
    close(fd);
}

Test(proxy_http, does_not_upgrade_to_http_2)
{
    static const char *const names[] = {"h2c", "H2C", "websocket, H2c"};
    char request[256];
    start_one();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int fd = client_connect(rig.port);
        snprintf(request, sizeof request,
                 "GET /echo HTTP/1.1\r\n" HOST "Connection: Upgrade, HTTP2-Settings\r\n"
                 "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nUpgrade: %s\r\n\r\n",
                 names[i]);
        ask(fd, request, "\r\n\r\n");
        while (!got_has("Forwarded: for="))
            receive(fd, "\r\n\r\n");
        cr_assert(!got_has("pgrade") && !got_has("HTTP2"), "%s", names[i]);
        close(fd);
    }
}

static bool has_counted(void)
{
    return rig.served == 3 && rig.failed == 1 && rig.in_flight == 1;
}

static bool has_ended(void)
{
    return traffic_requests(&rig.traffic) == 5;
}

Test(proxy_http, counts_by_request)
{
    start_one();
    int fd = client_connect(rig.port), waiting = client_connect(rig.port);
    for (int i = 0; i < 3; i++)
        ask(fd, GET("/name"), "\r\n\r\na");
    ask(fd, GET("/error"), "\r\n\r\na");
    put_bytes(waiting, GET("/wait"));
    cr_assert(rig_wait(has_counted), "served %lu failed %lu in flight %lu", rig.served, rig.failed,
              rig.in_flight);
    http_origin_go(a);
    receive(waiting, "\r\n\r\na");
    cr_assert(rig_wait(has_ended), "requests %ld", traffic_requests(&rig.traffic));
    cr_assert_eq(rig.traffic.counts[TRAFFIC_ANSWERED_2XX], 4);
    cr_assert_eq(rig.traffic.counts[TRAFFIC_ANSWERED_5XX], 1);
    cr_assert_eq(rig.traffic.counts[TRAFFIC_LOST], 1);
    cr_assert_eq(rig.traffic.counts[TRAFFIC_CUT], 0);
    cr_assert_eq(histogram_total(&rig.traffic.latency), 5);
    cr_assert_eq(rig.own.counts[TRAFFIC_CONNECTIONS], 2);
    close(fd);
    close(waiting);
}
