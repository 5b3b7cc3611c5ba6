/* Services with the same host and path: by headers and by weight; whom a service believes, and how
 * many connections of one client it has. */
#include "http_talk.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(proxy_http_shares, .init = http_talk_prepare, .fini = rig_finish, .timeout = 60);

static void put_share(struct http_origin *origin, uint32_t weight,
                      const struct feed_header *headers, uint32_t header_count, bool ready)
{
    rig.http =
        (struct feed_http){.weight = weight, .headers = headers, .header_count = header_count};
    rig_put_as(origin->name, rig.listen,
               (struct rig_endpoint[]){{origin->name, origin->port, !ready}}, 1);
}

/* Whose replies to so many requests in a row, as a word. */
static const char *ask_often(int fd, const char *request, int count)
{
    static char names[64];
    for (int i = 0; i < count; i++)
        names[i] = ask_name(fd, request);
    names[count] = 0;
    return names;
}

Test(proxy_http_shares, requests_are_shared_smoothly_by_weight)
{
    rig_feed();
    a = http_origin_start("a");
    b = http_origin_start("b");
    struct http_origin *c = http_origin_start("c");
    put_share(c, 1, NULL, 0, true);
    put_share(b, 1, NULL, 0, true);
    put_share(a, 5, NULL, 0, true);
    rig_publish();
    int fd = client_connect(rig.port);
    cr_expect_str_eq(ask_often(fd, GET("/name"), 14), "aabacaaaabacaa");

    put_share(a, 1, NULL, 0, true); /* under the open connection */
    put_share(c, 1, NULL, 0, false);
    rig_publish();
    cr_expect_str_eq(ask_often(fd, GET("/name"), 6), "ababab", "c has none that is ready");
    close(fd);
}

Test(proxy_http_shares, more_headers_go_before_fewer)
{
    static const struct feed_header canary[] = {{"X-Canary", "yes"}};
    static const struct feed_header both[] = {{"x-canary", NULL}, {"X-User", "7"}};
    rig_feed();
    a = http_origin_start("a");
    b = http_origin_start("b");
    struct http_origin *c = http_origin_start("c");
    put_share(a, 0, NULL, 0, true);
    put_share(b, 0, canary, 1, true);
    put_share(c, 0, both, 2, true);
    rig_publish();
    int fd = client_connect(rig.port);
    cr_expect_eq(ask_name(fd, GET("/name")), 'a');
    cr_expect_eq(ask_name(fd, "GET /name HTTP/1.1\r\n" HOST "x-CANARY: yes\r\n\r\n"), 'b');
    cr_expect_eq(ask_name(fd, "GET /name HTTP/1.1\r\n" HOST "X-Canary: Yes\r\n\r\n"), 'a');
    cr_expect_eq(ask_name(fd, "GET /name HTTP/1.1\r\n" HOST "X-Canary: yes\r\nX-User: 7\r\n\r\n"),
                 'c');
    cr_expect_eq(ask_name(fd, "GET /name HTTP/1.1\r\n" HOST "X-User: 7\r\n\r\n"), 'a');
    close(fd);
}

static const char forwarded[] = "GET /echo HTTP/1.1\r\n" HOST "X-Forwarded-For: 6.6.6.6\r\n"
                                "X-Forwarded-Proto: https\r\nX-Forwarded-For: 7.7.7.7\r\n"
                                "Forwarded: for=6.6.6.6\r\nX-Forwarded-Host: b.example\r\n\r\n";

static void trust(const char *network)
{
    rig.http = (struct feed_http){.trusted_proxies = &network, .trusted_count = 1};
    put_origins(true, false);
    rig_publish();
}

Test(proxy_http_shares, trusted_proxies_are_believed_and_added_to)
{
    start_one();
    trust("127.0.0.0/8");
    int fd = client_connect(rig.port);
    ask(fd, forwarded, "proto=http\r\n\r\n");
    cr_expect(got_has("\r\nX-Forwarded-For: 6.6.6.6, 7.7.7.7, 127.0.0.1\r\n"
                      "X-Forwarded-Proto: https\r\nX-Forwarded-Host: b.example\r\n"
                      "Forwarded: for=6.6.6.6, for=127.0.0.1;host=\"a.example\";proto=http\r\n"),
              "%s", got);
    static const char *const others[] = {"127.0.0.128/25", "10.0.0.0/8", "::/0"};
    for (int i = 0; i < 3; i++) {
        trust(others[i]);
        ask(fd, forwarded, "proto=http\r\n\r\n");
        cr_expect(got_has("\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
                          "X-Forwarded-Host: a.example\r\nForwarded: for=127.0.0.1;"),
                  "%s: %s", others[i], got);
    }
    close(fd);
}

Test(proxy_http_shares, a_client_has_so_many_connections)
{
    rig.http = (struct feed_http){.max_per_client = 2};
    start_one();
    int first = client_connect(rig.port), second = client_connect(rig.port);
    cr_expect_eq(ask_name(first, GET("/name")), 'a');
    cr_expect_eq(ask_name(second, GET("/name")), 'a');
    int third = client_connect(rig.port);
    cr_expect(client_is_closed(third));
    cr_expect_eq(ask_name(first, GET("/name")), 'a', "nothing happens to those that are there");
    close(third);
    ask(second, "GET /name HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "\r\n\r\na");
    cr_expect(client_is_closed(second));
    third = client_connect(rig.port);
    cr_expect_eq(ask_name(third, GET("/name")), 'a', "the place of one that has gone");
    close(first);
    close(second);
    close(third);
}
