/* What `protocol: http` does with requests and replies, byte for byte. */
#include "http_origin.h"
#include "rig.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void prepare(void)
{
    rig_prepare();
    rig.protocol = FEED_HTTP;
    rig.workers = 1;
}

TestSuite(proxy_http, .init = prepare, .fini = rig_finish, .timeout = 60);

#define HOST "Host: a.example\r\n"
#define GET(target) "GET " target " HTTP/1.1\r\n" HOST "\r\n"

static struct http_origin *a, *b;
static char got[1 << 17];

static void put(bool with_a, bool draining_a)
{
    struct rig_endpoint both[] = {{"a", a->port, draining_a}, {"b", b ? b->port : 0, false}};
    if (b)
        rig_put(with_a ? both : both + 1, with_a ? 2 : 1);
    else
        rig_put(both, with_a ? 1 : 0);
    rig_publish();
}

static void start_one(void)
{
    a = http_origin_start("a");
    b = NULL;
    rig_feed();
    put(true, false);
}

static void start_two(void)
{
    a = http_origin_start("a");
    b = http_origin_start("b");
    rig_feed();
    put(true, false);
}

static void put_bytes(int fd, const char *text)
{
    cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Reads until what came ends in `end`. */
static const char *receive(int fd, const char *end)
{
    size_t length = 0;
    do {
        ssize_t count = recv(fd, got + length, sizeof got - 1 - length, 0);
        cr_assert(count > 0, "after \"%.*s\", waiting for \"%s\"", (int)length, got, end);
        length += (size_t)count;
        got[length] = 0;
    } while (length < strlen(end) || strcmp(got + length - strlen(end), end) != 0);
    return got;
}

/* Whose reply it is: a name is one letter. */
static char ask_name(int fd, const char *request)
{
    const char *end = NULL;
    put_bytes(fd, request);
    for (size_t length = 0; !end || !end[4];) {
        ssize_t count = recv(fd, got + length, sizeof got - 1 - length, 0);
        cr_assert(count > 0, "after \"%.*s\"", (int)length, got);
        length += (size_t)count;
        got[length] = 0;
        end = strstr(got, "\r\n\r\n");
    }
    return end[4];
}

static const char *receive_all(int fd)
{
    size_t length = 0;
    for (ssize_t count; (count = recv(fd, got + length, sizeof got - 1 - length, 0)) > 0;)
        length += (size_t)count;
    got[length] = 0;
    return got;
}

static const char *ask(int fd, const char *request, const char *end)
{
    put_bytes(fd, request);
    return receive(fd, end);
}

static void expect_answer(const char *request, const char *answer)
{
    int fd = client_connect(rig.port);
    put_bytes(fd, request);
    cr_expect_str_eq(receive(fd, answer), answer);
    close(fd);
}

static bool has(const char *text)
{
    return strstr(got, text);
}

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
    while (!has("Forwarded: for="))
        receive(fd, "\r\n\r\n");
    cr_expect(has("GET /echo?x HTTP/1.1\r\nHost: a.example\r\n"));
    cr_expect(has("\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
                  "X-Forwarded-Host: a.example\r\n"
                  "Forwarded: for=127.0.0.1;host=\"a.example\";proto=http\r\n"));
    cr_expect(has("\r\nX-Request-Id: "));
    cr_expect(has("\r\ntraceparent: 00-"));
    cr_expect(!has("X-Mine") && !has("6.6.6.6"));
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
    cr_assert(has("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
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
        while (!has("Forwarded: for="))
            receive(fd, "\r\n\r\n");
        cr_assert(!has("pgrade") && !has("HTTP2"), "%s", names[i]);
        close(fd);
    }
}

/* -- refused -- */

#define ANSWER(status, length, more, text)                                                         \
    "HTTP/1.1 " status "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " length    \
    "\r\n" more "\r\n" text "\n"

static void expect_refused(const char *request, const char *answer)
{
    int fd = client_connect(rig.port);
    put_bytes(fd, request);
    cr_expect_str_eq(receive_all(fd), answer);
    close(fd);
}

Test(proxy_http, refuses_with_a_reason_and_closes)
{
    start_one();
    expect_refused("GET / HTTP/1.1\r\n\r\n" GET("/name"),
                   ANSWER("400 Bad Request", "8", "Connection: close\r\n", "no Host"));
    expect_refused("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"
                   "\r\n0\r\n\r\n" GET("/name"),
                   ANSWER("400 Bad Request", "40", "Connection: close\r\n",
                          "Content-Length beside Transfer-Encoding"));
    expect_refused("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0x\r\n\r\n",
                   ANSWER("400 Bad Request", "34", "Connection: close\r\n",
                          "The body is not framed as it says"));
    cr_expect_eq(atomic_load(&a->requests), 0);
    expect_refused("GET / HTTP/3.0\r\n" HOST "\r\n", ANSWER("505 HTTP Version Not Supported", "11",
                                                            "Connection: close\r\n", "not HTTP/1"));
}

Test(proxy_http, answers_in_place_of_an_endpoint)
{
    char request[] = GET("/");
    a = b = NULL;
    rig_feed();
    rig_put((struct rig_endpoint[]){{"a", 1, false}}, 0);
    rig_publish();
    const char *none = ANSWER("503 Service Unavailable", "37", "Retry-After: 1\r\n",
                              "No endpoint of this service is ready");
    int fd = client_connect(rig.port);
    for (int i = 0; i < 3; i++)
        cr_expect_str_eq(ask(fd, request, "ready\n"), none);
    rig_put((struct rig_endpoint[]){{"a", free_port(), false}}, 1);
    rig_publish();
    cr_expect_str_eq(
        ask(fd, request, "reached\n"),
        ANSWER("502 Bad Gateway", "45", "", "No endpoint of this service could be reached"));
    close(fd);
}

Test(proxy_http, tells_that_an_endpoint_does_not_speak_http)
{
    start_one();
    expect_answer(GET("/garbage"),
                  ANSWER("502 Bad Gateway", "37", "", "The endpoint's reply is not HTTP/1.1"));
}

Test(proxy_http, passes_no_endless_row_of_interim_replies)
{
    start_one();
    int fd = client_connect(rig.port);
    ask(fd, GET("/interims"), "point\n");
    cr_assert(has("HTTP/1.1 502 Bad Gateway\r\n"));
    ask(fd, GET("/name"), "\r\n\r\na");
    close(fd);
}

/* Its body may follow, and would be read as the next reply. */
Test(proxy_http, keeps_no_connection_whose_204_says_that_it_has_a_body)
{
    start_one();
    int fd = client_connect(rig.port);
    cr_assert_str_eq(ask(fd, GET("/204-with-body"), "\r\n\r\n"), "HTTP/1.1 204 None\r\n\r\n");
    ask(fd, GET("/name"), "\r\n\r\na");
    cr_assert_eq(atomic_load(&a->connections), 2);
    close(fd);
}

/* -- hostile -- */

/* Requests whose bodies hold requests, with a few bytes changed, doubled or left out each time. */
static size_t mutate(char *out, size_t room, unsigned number, struct random_source *random)
{
    static const char *const seeds[] = {
        "POST /name HTTP/1.1\r\n" HOST "Content-Length: 42\r\n\r\nGET /name HTTP/1.1\r\n" HOST
        "X: \r\n\r\n",
        "POST /name HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
        "2a;x=y\r\nGET /name HTTP/1.1\r\n" HOST "X: \r\n\r\n\r\n0\r\n\r\n",
        "POST /name HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: identity\r\n\r\n"
        "0\r\n\r\n" GET("/name"),
        "GET /name HTTP/1.1\r\n" HOST "Content-Length: 0\r\nX: y\r\n\r\n" GET("/name") GET("/name"),
    };
    static const char tokens[] = "\r\n\t\v ,;:=0179afxX\"\0\x80_-";
    const char *seed = seeds[number % (sizeof seeds / sizeof seeds[0])];
    size_t length = strlen(seed), edits = 1 + random->next(random->context) % 3;
    cr_assert(length + 64 < room);
    memcpy(out, seed, length);
    while (edits--) {
        uint64_t draw = random->next(random->context);
        size_t at = (draw >> 8) % length, span = 1 + (draw >> 40) % 16;
        switch (draw % 3) {
        case 0:
            out[at] = tokens[(draw >> 24) % (sizeof tokens - 1)];
            break;
        case 1: /* left out */
            span = span < length - at ? span : length - at - 1;
            memmove(out + at, out + at + span, length - at - span);
            length -= span;
            break;
        default: /* doubled */
            span = span < length - at ? span : length - at;
            memmove(out + at + span, out + at, length - at);
            length += span;
        }
    }
    return length;
}

static unsigned count(const char *bytes, size_t length, const char *what)
{
    unsigned found = 0;
    for (const char *at = bytes;
         (at = memmem(at, length - (size_t)(at - bytes), what, strlen(what))); at++)
        found++;
    return found;
}

static bool only_the_pool_is_open(void *origin)
{
    return atomic_load(&((struct http_origin *)origin)->open) <= 1;
}

/* What was cut may reach the endpoint later. Connections are accepted in order, so that one of our
 * own tells when all before it have been. */
static void wait_for_stragglers(void)
{
    int fd = client_connect(a->port);
    ask(fd, GET("/none"), "\r\n\r\n");
    close(fd);
    cr_assert(wait_until(only_the_pool_is_open, a));
}

/* The endpoint reads by other rules than the proxy, and has no other say. */
Test(proxy_http, endpoint_and_proxy_never_disagree_on_how_many_requests_there_are)
{
    struct random_seeded generator;
    struct random_source random = random_seeded_source(&generator);
    char request[1024];
    const char *wanted = getenv("HTTP_MUTATIONS"); /* more than in every run */
    unsigned mutations = wanted ? (unsigned)atoi(wanted) : 600;
    random_seeded_init(&generator, 1);
    start_one();
    for (unsigned number = 0; number < mutations; number++) {
        size_t length = mutate(request, sizeof request, number, &random), received = 0;
        atomic_store(&a->requests, 0);
        int fd = client_connect(rig.port);
        cr_assert_eq(send(fd, request, length, MSG_NOSIGNAL), (ssize_t)length);
        shutdown(fd, SHUT_WR);
        ssize_t last;
        while ((last = recv(fd, got + received, sizeof got - received, 0)) > 0)
            received += (size_t)last;
        close(fd);
        unsigned served = count(got, received, "HTTP/1.1 200 OK\r\n");
        unsigned seen = atomic_load(&a->requests);
        bool cut = last < 0; /* the body did not come whole: the endpoint may have seen its head */
        unsigned refused = count(got, received, "HTTP/1.1 4") + count(got, received, "HTTP/1.1 50");
        if (cut || refused)
            wait_for_stragglers();
        cr_assert(seen >= served && seen <= served + (cut || refused),
                  "%u: %u replies, %u requests seen, last %zd: %.*s\n---\n%.*s", number, served,
                  seen, last, (int)length, request, (int)received, got);
    }
}

/* -- failing endpoints -- */

Test(proxy_http, sends_an_idempotent_request_once_more)
{
    start_two();
    atomic_store(&b->dropped, true);
    int fd = client_connect(rig.port);
    cr_expect_eq(ask_name(fd, GET("/drop-once")), 'b');
    cr_expect(ask_name(fd, GET("/drop-once")));
    cr_expect(atomic_load(&a->dropped));
    close(fd);
}

Test(proxy_http, sends_no_other_request_twice)
{
    start_two();
    const char *cut = ANSWER("502 Bad Gateway", "62", "",
                             "The endpoint closed the connection before its reply was whole");
    expect_answer("POST /drop-once HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", cut);
    cr_assert_eq(atomic_load(&a->requests) + atomic_load(&b->requests), 1);
}

Test(proxy_http, goes_to_another_endpoint_when_one_is_not_there)
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
Test(proxy_http, does_not_trip_over_a_connection_that_has_ended)
{
    start_one();
    int fd = client_connect(rig.port);
    for (int i = 0; i < 50; i++) {
        ask(fd, GET("/last"), "\r\n\r\na");
        ask(fd, "POST /last HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbody", "\r\n\r\na");
    }
    close(fd);
}

Test(proxy_http, resets_a_client_whose_reply_was_cut)
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

Test(proxy_http, waits_for_a_reply_so_long_as_the_idle_timeout)
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

Test(proxy_http, bounds_the_time_for_a_head_however_it_drips)
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
Test(proxy_http, waits_for_the_reply_to_a_body_that_came_later_as_for_any)
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
    cr_assert(has("HTTP/1.1 200 OK\r\n"));
    close(watched.fd);
}

static bool has_counted(void)
{
    return rig.served == 3 && rig.failed == 1 && rig.in_flight == 1;
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
    close(fd);
    close(waiting);
}

/* -- clients that stay -- */

Test(proxy_http, a_cookie_keeps_a_client_at_its_endpoint)
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
        cr_assert_not(has("Set-Cookie"), "it has it already");
    }
    rig_put((struct rig_endpoint[]){{"a", a->port, first == 'a'}, {"b", b->port, first == 'b'}}, 2);
    rig_publish();
    cr_assert_neq(ask_name(fd, request), first);
    cr_assert(has("\r\nSet-Cookie: seat="));
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

Test(proxy_http, requests_find_their_service_by_host_and_path)
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

Test(proxy_http, routes_change_under_an_open_connection)
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
    put_bytes(fd, "GET / HTTP/1.1\r\nHost: three.test\r\n\r\n");
    cr_expect_str_eq(receive_all(fd), ANSWER("404 Not Found", "34", "Connection: close\r\n",
                                             "No service has this host and path"));
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

Test(proxy_http, draining_closes_no_client_and_leaves_no_connection_idle)
{
    uint64_t cut = 99;
    char line[64];
    start_two();
    int fd = client_connect(rig.port);
    for (int i = 0; i < 4; i++)
        ask(fd, GET("/none"), "\r\n\r\n");
    put(true, true);
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

Test(proxy_http, draining_lets_requests_end)
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
        put(true, true);
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

Test(proxy_http, draining_cuts_at_its_deadline_what_has_no_reply_yet)
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
    put(true, true);
    cr_assert(rig_wait(a_is_drained));
    cr_assert(rig_drained("a", &cut));
    cr_assert_eq(cut, 2);
    receive(waiting, "replied\n");
    cr_assert(has("HTTP/1.1 504 Gateway Timeout\r\n"));
    cr_assert(client_is_closed(upgraded));
    close(waiting);
    close(upgraded);
}

Test(proxy_http, the_last_reply_of_a_removed_service_says_so)
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
    cr_assert(has("HTTP/1.1 503 Service Unavailable\r\n") && has("Connection: close\r\n"));
    close(fd);
    close(idle);
}
