/* What the proxy answers by itself, and hostile peers on either side. */
#include "http_talk.h"
#include "base/id.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(proxy_http_refused, .init = http_talk_prepare, .fini = rig_finish, .timeout = 60);

static void expect_refused(const char *request, const char *answer)
{
    int fd = client_connect(rig.port);
    put_bytes(fd, request);
    cr_expect_str_eq(receive_all(fd), answer);
    close(fd);
}

Test(proxy_http_refused, refuses_with_a_reason_and_closes)
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

Test(proxy_http_refused, answers_in_place_of_an_endpoint)
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

Test(proxy_http_refused, tells_that_an_endpoint_does_not_speak_http)
{
    start_one();
    expect_answer(GET("/garbage"),
                  ANSWER("502 Bad Gateway", "37", "", "The endpoint's reply is not HTTP/1.1"));
}

Test(proxy_http_refused, passes_no_endless_row_of_interim_replies)
{
    start_one();
    int fd = client_connect(rig.port);
    ask(fd, GET("/interims"), "point\n");
    cr_assert(got_has("HTTP/1.1 502 Bad Gateway\r\n"));
    ask(fd, GET("/name"), "\r\n\r\na");
    close(fd);
}

/* Its body may follow, and would be read as the next reply. */
Test(proxy_http_refused, keeps_no_connection_whose_204_says_that_it_has_a_body)
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
Test(proxy_http_refused, endpoint_and_proxy_never_disagree_on_how_many_requests_there_are)
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
