/* Endpoints that fail, and what is waited for no longer. */
#include "http_talk.h"
#include "base/clock.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(proxy_http_faults, .init = http_talk_prepare, .fini = rig_finish, .timeout = 60);

/* -- failing endpoints -- */

Test(proxy_http_faults, sends_an_idempotent_request_once_more)
{
    start_two();
    atomic_store(&b->dropped, true);
    int fd = client_connect(rig.port);
    cr_expect_eq(ask_name(fd, GET("/drop-once")), 'b');
    cr_expect(ask_name(fd, GET("/drop-once")));
    cr_expect(atomic_load(&a->dropped));
    close(fd);
}

Test(proxy_http_faults, sends_no_other_request_twice)
{
    start_two();
    const char *cut = ANSWER("502 Bad Gateway", "62", "",
                             "The endpoint closed the connection before its reply was whole");
    expect_answer("POST /drop-once HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", cut);
    cr_assert_eq(atomic_load(&a->requests) + atomic_load(&b->requests), 1);
}

Test(proxy_http_faults, goes_to_another_endpoint_when_one_is_not_there)
{
    a = http_origin_start("a");
    b = NULL;
    rig_feed();
    rig_put((struct rig_endpoint[]){{"a", a->port, false}, {"x", free_port(), false}}, 2);
    rig_publish();
    int fd = client_connect(rig.port);
    for (int i = 0; i < 10; i++)
        ask(fd, "POST /name HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbody", "\r\n\r\na");
    cr_assert_eq(atomic_load(&a->requests), 10);
    close(fd);
}

/* The server's end of a connection comes when it is in the pool, or with the next request. */
Test(proxy_http_faults, does_not_trip_over_a_connection_that_has_ended)
{
    start_one();
    int fd = client_connect(rig.port);
    for (int i = 0; i < 50; i++) {
        ask(fd, GET("/last"), "\r\n\r\na");
        ask(fd, "POST /last HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbody", "\r\n\r\na");
    }
    close(fd);
}

Test(proxy_http_faults, resets_a_client_whose_reply_was_cut)
{
    start_one();
    int fd = client_connect(rig.port);
    put_bytes(fd, GET("/cut"));
    size_t length = 0;
    ssize_t count;
    while ((count = recv(fd, got + length, sizeof got - length, 0)) > 0)
        length += (size_t)count;
    cr_assert_eq(count, -1, "nobody takes a part for the whole");
    close(fd);
}

/* -- time -- */

Test(proxy_http_faults, waits_for_a_reply_so_long_as_the_idle_timeout)
{
    rig.idle_ns = 200 * NS_PER_MS;
    start_one();
    expect_answer(GET("/wait"),
                  ANSWER("504 Gateway Timeout", "35", "", "The endpoint did not reply in time"));
    int fd = client_connect(rig.port);
    ask(fd, GET("/name"), "\r\n\r\na");
    cr_assert(client_is_closed(fd));
    close(fd);
    fd = client_connect(rig.port);
    put_bytes(fd, "POST /name HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nhalf");
    cr_assert_str_eq(receive_all(fd), ANSWER("408 Request Timeout", "30", "Connection: close\r\n",
                                             "The body did not come in time"));
    close(fd);
}

Test(proxy_http_faults, bounds_the_time_for_a_head_however_it_drips)
{
    start_one();
    struct pollfd watched = {.fd = client_connect(rig.port), .events = POLLIN};
    const char request[] = "GET / HTTP/1.1\r\nX: ";
    put_bytes(watched.fd, request);
    int drips = 0;
    while (poll(&watched, 1, 500) == 0 && drips++ < 40)
        put_bytes(watched.fd, "x");
    cr_assert(drips < 40);
    cr_assert_str_eq(receive_all(watched.fd),
                     ANSWER("408 Request Timeout", "30", "Connection: close\r\n",
                            "The head did not come in time"));
    close(watched.fd);
}

static bool has_one_request(void *origin)
{
    return atomic_load(&((struct http_origin *)origin)->requests) == 1;
}

static bool has_read_the_body(void *origin)
{
    return atomic_load(&((struct http_origin *)origin)->body_bytes) == 4;
}

/* The time that a body may take is none of the endpoint's. */
Test(proxy_http_faults, waits_for_the_reply_to_a_body_that_came_later_as_for_any)
{
    start_one();
    struct pollfd watched = {.fd = client_connect(rig.port), .events = POLLIN};
    put_bytes(watched.fd, "POST /wait HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\n");
    cr_assert(wait_until(has_one_request, a));
    put_bytes(watched.fd, "body");
    cr_assert(wait_until(has_read_the_body, a));
    cr_assert_eq(poll(&watched, 1, 21000), 0, "answered before the endpoint's time is up");
    http_origin_go(a);
    receive(watched.fd, "\r\n\r\na");
    cr_assert(got_has("HTTP/1.1 200 OK\r\n"));
    close(watched.fd);
}

/* -- what follows from it -- */

static bool is_out(void)
{
    return rig.out;
}

Test(proxy_http_faults, an_endpoint_whose_replies_fail_is_left_out)
{
    struct origin *other = origin_start(ORIGIN_NAME, "x"); /* knows no HTTP */
    unsigned failed = 0;
    rig.ejection = (struct feed_ejection){.failures = 3,
                                          .share_percent = 50,
                                          .time_ns = 60 * NS_PER_SECOND,
                                          .max_time_ns = 60 * NS_PER_SECOND};
    a = http_origin_start("a");
    b = NULL;
    rig_feed();
    rig_put((struct rig_endpoint[]){{"a", a->port, false}, {"x", other->port, false}}, 2);
    rig_publish();
    for (int i = 0; i < 6; i++) {
        int fd = client_connect(rig.port);
        put_bytes(fd, "POST /name HTTP/1.1\r\n" HOST "Connection: close\r\n"
                      "Content-Length: 0\r\n\r\n");
        receive_all(fd);
        failed += got_has("HTTP/1.1 502 ");
        close(fd);
    }
    cr_assert_eq(failed, 3);
    cr_assert(rig_wait(is_out));
    cr_assert_str_eq(rig.ejected, "x");
    rig_publish(); /* by then the worker leaves it out */
    int fd = client_connect(rig.port);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(ask_name(fd, GET("/name")), 'a');
    close(fd);
}

Test(proxy_http_faults, more_requests_than_a_service_may_have_are_told_to_come_again)
{
    rig.max_connections = 1;
    start_one();
    int waits = client_connect(rig.port);
    put_bytes(waits, GET("/wait"));
    cr_assert(wait_until(has_one_request, a));
    expect_answer(GET("/name"), ANSWER("503 Service Unavailable", "49", "Retry-After: 1\r\n",
                                       "This service has as many requests as it may have"));
    http_origin_go(a);
    cr_assert_eq(receive(waits, "\r\n\r\na")[0], 'H');
    cr_assert_eq(ask_name(waits, GET("/name")), 'a');
    close(waits);
}
