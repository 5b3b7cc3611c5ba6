/* Which endpoint a request goes to: cookies, hosts and paths, and endpoints that leave. */
#include "http_talk.h"
#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(proxy_http_routes, .init = http_talk_prepare, .fini = rig_finish, .timeout = 60);

/* -- clients that stay -- */

Test(proxy_http_routes, a_cookie_keeps_a_client_at_its_endpoint)
{
    char request[256], value[32];
    rig.sticky = "seat";
    start_two();
    int fd = client_connect(rig.port);
    char first = ask_name(fd, GET("/name"));
    const char *line = strstr(got, "\r\nSet-Cookie: seat=");
    cr_assert(line, "%s", got);
    cr_assert_eq(
        sscanf(line, "\r\nSet-Cookie: seat=%31[0-9a-f]; Path=/; HttpOnly; SameSite=Lax\r\n", value),
        1);
    snprintf(request, sizeof request,
             "GET /name HTTP/1.1\r\n" HOST "Cookie: a=b; seat=%s; seater=x\r\n\r\n", value);
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(ask_name(fd, request), first);
        cr_assert_not(got_has("Set-Cookie"), "it has it already");
    }
    rig_put((struct rig_endpoint[]){{"a", a->port, first == 'a'}, {"b", b->port, first == 'b'}}, 2);
    rig_publish();
    cr_assert_neq(ask_name(fd, request), first);
    cr_assert(got_has("\r\nSet-Cookie: seat="));
    snprintf(request, sizeof request,
             "GET /name HTTP/1.1\r\n" HOST "Cookie: seat=nonsense\r\n\r\n");
    cr_assert_neq(ask_name(fd, request), first);
    close(fd);
}

/* -- services that share a listener -- */

static void put_route(const char *service, const char *host, const char *prefix,
                      const struct http_origin *origin)
{
    rig.host = host;
    rig.prefix = prefix;
    rig_put_as(service, rig.listen, (struct rig_endpoint[]){{origin->name, origin->port, false}},
               1);
}

static char ask_for(int fd, const char *host, const char *target)
{
    char request[256];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, host);
    return ask_name(fd, request);
}

Test(proxy_http_routes, requests_find_their_service_by_host_and_path)
{
    static const struct {
        const char *host, *target;
        char name;
    } cases[] = {
        {"shop.example", "/name", 'e'},
        {"SHOP.example:80", "/name?x", 'e'},
        {"a.example", "/name", 'w'},
        {"b.a.example", "/name", 'd'},
        {"other.test", "/name", 'x'},
        {"example", "/name", 'x'},
        {"shop.example", "/api/name", 'p'},
        {"shop.example", "/api", 'p'},
        {"shop.example", "/apis/name", 'e'},
        {"shop.example", "/api?/x", 'p'},
        {"[::1]:80", "/name", 'x'},
        {"shop.example.", "/name", 'e'},
        {"shop.example.:80", "/api", 'p'},
        {"shop.example", "/api/../name", 'e'},
        {"shop.example", "/api/..", 'e'},
        {"shop.example", "/api/%2E%2e/name", 'e'},
        {"shop.example", "/api/./name", 'e'},
        {"shop.example", "/api/x%2F..%5cname", 'e'},
        {"shop.example", "/api/..;x/name", 'e'},
        {"shop.example", "/api/.../name", 'p'},
        {"shop.example", "/api/.well", 'p'},
        {"shop.example", "/api/x..?/../", 'p'},
        {"shop.example", "//api/name", 'e'},
        {"shop.example", "/%61pi/name", 'e'},
    };
    static const char *const names[] = {"e", "w", "d", "x", "p"};
    struct http_origin *origins[5];
    rig_feed();
    for (int i = 0; i < 5; i++)
        origins[i] = http_origin_start(names[i]);
    put_route("exact", "shop.example", "/", origins[0]);
    put_route("wild", "*.example", "/", origins[1]);
    put_route("deep", "*.a.example", "/", origins[2]);
    put_route("any", NULL, "/", origins[3]);
    put_route("api", "shop.example", "/api", origins[4]);
    rig_publish();
    int fd = client_connect(rig.port);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void)ask_for(fd, cases[i].host, cases[i].target);
        unsigned served = 0;
        for (int j = 0; j < 5; j++)
            if (atomic_exchange(&origins[j]->requests, 0)) {
                cr_expect_eq(names[j][0], cases[i].name, "%s%s went to %s", cases[i].host,
                             cases[i].target, names[j]);
                served++;
            }
        cr_expect_eq(served, 1);
    }
    close(fd);
}

Test(proxy_http_routes, routes_change_under_an_open_connection)
{
    a = http_origin_start("a");
    b = http_origin_start("b");
    rig_feed();
    put_route("first", "one.test", NULL, a);
    put_route("second", "two.test", NULL, b);
    rig_publish();
    int fd = client_connect(rig.port);
    cr_expect_eq(ask_for(fd, "one.test", "/name"), 'a');
    cr_expect_eq(ask_for(fd, "two.test", "/name"), 'b');
    put_route("first", "three.test", NULL, a);
    rig_publish();
    cr_expect_eq(ask_for(fd, "three.test", "/name"), 'a');
    proxy_feed_service_remove(rig.feed, "first");
    rig_publish();
    cr_expect_eq(ask_for(fd, "two.test", "/name"), 'b', "the listener stays with the other");
    ask(fd, "POST / HTTP/1.1\r\nHost: three.test\r\nContent-Length: 4\r\n\r\nbody", "path\n");
    cr_expect_str_eq(got, ANSWER("404 Not Found", "34", "", "No service has this host and path"));
    cr_expect_eq(ask_for(fd, "two.test", "/name"), 'b', "the connection stays as well");
    close(fd);
}

/* -- endpoints that leave -- */

static bool a_is_drained(void)
{
    return rig_drained("a", NULL);
}

static bool has_no_connection(void *origin)
{
    return atomic_load(&((struct http_origin *)origin)->open) == 0;
}

Test(proxy_http_routes, draining_closes_no_client_and_leaves_no_connection_idle)
{
    uint64_t cut = 99;
    char line[64];
    start_two();
    int fd = client_connect(rig.port);
    for (int i = 0; i < 4; i++)
        ask(fd, GET("/none"), "\r\n\r\n");
    put_origins(true, true);
    cr_assert(wait_until(has_no_connection, a));
    cr_assert(rig_wait(a_is_drained));
    cr_assert(rig_drained("a", &cut));
    cr_assert_eq(cut, 0);
    for (int i = 0; i < 10; i++)
        ask(fd, GET("/name"), "\r\n\r\nb");
    snprintf(line, sizeof line, "%u", atomic_load(&a->requests));
    cr_assert_str_eq(line, "2");
    close(fd);
}

static bool one_was_asked(void *unused)
{
    (void)unused;
    return atomic_load(&a->requests) || atomic_load(&b->requests);
}

static bool has_two_requests(void *origin)
{
    return atomic_load(&((struct http_origin *)origin)->requests) >= 2;
}

Test(proxy_http_routes, draining_lets_requests_end)
{
    uint64_t cut = 99;
    start_two();
    int waiting = client_connect(rig.port), other = client_connect(rig.port);
    put_bytes(waiting, GET("/wait"));
    cr_assert(wait_until(one_was_asked, NULL));
    if (atomic_load(&b->requests)) { /* the one that has it is to leave */
        struct http_origin *swap = a;
        a = b;
        b = swap;
        rig_put((struct rig_endpoint[]){{"a", b->port, false}, {"b", a->port, true}}, 2);
        rig_publish();
    } else {
        put_origins(true, true);
    }
    const char *leaving = a->name;
    ask(other, GET("/none"), "\r\n\r\n");
    rig_loop(100 * NS_PER_MS);
    cr_assert_not(rig_drained(leaving, NULL));
    http_origin_go(a);
    receive(waiting, "\r\n\r\n");
    for (int i = 0; i < 200 && !rig_drained(leaving, &cut); i++)
        rig_loop(10 * NS_PER_MS);
    cr_assert_eq(cut, 0);
    close(waiting);
    close(other);
}

Test(proxy_http_routes, draining_cuts_at_its_deadline_what_has_no_reply_yet)
{
    uint64_t cut = 0;
    rig.drain_ns = 300 * NS_PER_MS;
    start_one();
    int waiting = client_connect(rig.port), upgraded = client_connect(rig.port);
    ask(upgraded,
        "GET /upgrade HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "hello");
    put_bytes(waiting, GET("/wait"));
    cr_assert(wait_until(has_two_requests, a));
    put_origins(true, true);
    cr_assert(rig_wait(a_is_drained));
    cr_assert(rig_drained("a", &cut));
    cr_assert_eq(cut, 2);
    receive(waiting, "replied\n");
    cr_assert(got_has("HTTP/1.1 504 Gateway Timeout\r\n"));
    cr_assert(client_is_closed(upgraded));
    close(waiting);
    close(upgraded);
}

Test(proxy_http_routes, the_last_reply_of_a_removed_service_says_so)
{
    start_one();
    int fd = client_connect(rig.port), idle = client_connect(rig.port);
    ask(idle, GET("/name"), "\r\n\r\na");
    put_bytes(fd, GET("/wait"));
    cr_assert(wait_until(has_two_requests, a));
    proxy_feed_service_remove(rig.feed, "web");
    rig_publish();
    http_origin_go(a);
    cr_assert_str_eq(receive_all(fd), "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
                                      "Connection: close\r\n\r\na");
    put_bytes(idle, GET("/name"));
    receive_all(idle);
    cr_assert(got_has("HTTP/1.1 503 Service Unavailable\r\n") && got_has("Connection: close\r\n"));
    close(fd);
    close(idle);
}
