/* What the proxy does by itself with requests: holds them, shows a page, sends them elsewhere. */
#include "http_talk.h"
#include "base/clock.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(proxy_http_own, .init = http_talk_prepare, .fini = rig_finish, .timeout = 60);

static const char page[] = "<h1>back soon</h1>";

static void start_without_endpoints(void)
{
    a = http_origin_start("a");
    b = NULL;
    rig_feed();
    put_origins(false, false);
}

static bool is_silent(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    return poll(&ready, 1, 100) == 0;
}

Test(proxy_http_own, requests_are_held_until_an_endpoint_is_ready)
{
    int fds[3];
    rig.hold = (struct feed_hold){60 * NS_PER_SECOND, 100};
    start_without_endpoints();
    for (int i = 0; i < 3; i++) {
        fds[i] = client_connect(rig.port);
        put_bytes(fds[i],
                  i ? GET("/name") : "POST /name HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbo");
        cr_expect(is_silent(fds[i]), "%d", i);
    }
    put_bytes(fds[0], "dy");
    put_origins(true, false);
    for (int i = 0; i < 3; i++) {
        receive(fds[i], "\r\n\r\na");
        close(fds[i]);
    }
}

Test(proxy_http_own, so_many_are_held_and_no_more)
{
    rig.hold = (struct feed_hold){60 * NS_PER_SECOND, 2};
    rig.page = (struct feed_page){"text/html", page};
    start_without_endpoints();
    int first = client_connect(rig.port), second = client_connect(rig.port);
    put_bytes(first, GET("/name"));
    put_bytes(second, GET("/name"));
    cr_expect(is_silent(first) && is_silent(second));
    expect_answer(GET("/name"), "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\n"
                                "Content-Length: 18\r\nRetry-After: 1\r\n\r\n<h1>back soon</h1>");
    close(first); /* leaves its place to another */
    put_origins(true, false);
    receive(second, "\r\n\r\na");
    close(second);
}

Test(proxy_http_own, after_its_time_a_held_request_is_answered_with_the_page)
{
    rig.hold = (struct feed_hold){NS_PER_SECOND / 5, 100};
    rig.page = (struct feed_page){"text/html", page};
    start_without_endpoints();
    int fd = client_connect(rig.port);
    ask(fd, GET("/name"), page);
    cr_expect(got_has("HTTP/1.1 503 ") && got_has("\r\nRetry-After: 1\r\n"));
    ask(fd, "HEAD / HTTP/1.1\r\n" HOST "\r\n", "Retry-After: 1\r\n\r\n");
    put_origins(true, false);
    ask(fd, GET("/name"), "\r\n\r\na");
    close(fd);
}

Test(proxy_http_own, held_requests_of_a_service_that_goes_are_answered)
{
    rig.hold = (struct feed_hold){60 * NS_PER_SECOND, 100};
    start_without_endpoints();
    int fd = client_connect(rig.port);
    put_bytes(fd, GET("/name"));
    cr_expect(is_silent(fd));
    proxy_feed_service_remove(rig.feed, "web");
    rig_publish();
    receive_all(fd);
    cr_expect(got_has("HTTP/1.1 503 "), "%s", got);
    close(fd);
}

Test(proxy_http_own, redirects_lead_where_they_say)
{
    static const struct {
        struct feed_redirect redirect;
        const char *request, *status, *location;
    } cases[] = {
        {{308, "https", NULL, NULL},
         GET("/a?b=c"),
         "308 Permanent Redirect",
         "https://a.example/a?b=c"},
        {{308, "https", NULL, NULL},
         "GET /a HTTP/1.1\r\nHost: x.test:8080\r\n\r\n",
         "308 Permanent Redirect",
         "https://x.test/a"},
        {{301, NULL, "new.test:81", NULL},
         GET("/a?b"),
         "301 Moved Permanently",
         "http://new.test:81/a?b"},
        {{302, NULL, NULL, "/new"},
         "GET /a?b HTTP/1.1\r\nHost: x.test:8080\r\n\r\n",
         "302 Found",
         "http://x.test:8080/new"},
        {{307, "https", "b.test", "/c?d"},
         "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi",
         "307 Temporary Redirect",
         "https://b.test/c?d"},
        {{303, "https", NULL, NULL},
         "GET http://[::1]:8080 HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
         "303 See Other",
         "https://[::1]/"},
    };
    char line[128];
    start_one();
    int fd = client_connect(rig.port);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rig.redirect = cases[i].redirect;
        put_origins(true, false);
        ask(fd, cases[i].request, "It is elsewhere\n");
        snprintf(line, sizeof line, "HTTP/1.1 %s\r\n", cases[i].status);
        cr_expect(got_has(line), "%zu: %s", i, got);
        snprintf(line, sizeof line, "\r\nLocation: %s\r\n", cases[i].location);
        cr_expect(got_has(line), "%zu: %s", i, got);
    }
    rig.redirect = (struct feed_redirect){0};
    put_origins(true, false);
    ask(fd, GET("/name"), "\r\n\r\na");
    cr_expect_eq(atomic_load(&a->requests), 1);
    close(fd);
}
