#include "base/clock.h"
#include "base/text.h"
#include "http_peer.h"
#include "loop/loop.h"
#include "plugin/http_client.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct http_peer peer;
static struct loop *loop;
static struct http_client *client;
static struct loop_timer guard;

/* What one request's callbacks saw, in order. */
struct seen {
    struct text log;
    int status;
    uint64_t id;
    size_t body_bytes, ends;
    struct error error;
    bool failed;
    struct loop_timer timer;
};

static void too_long(void *argument)
{
    (void)argument;
    cr_log_error("the test took over 20 s");
    loop_stop(loop);
}

static void setup(void)
{
    struct error error = {0};
    http_peer_start(&peer);
    loop = loop_create_real(&error);
    client = http_client_create(loop, &error);
    cr_assert(loop && client, "%s", error.message);
    loop_timer_init(&guard, loop, "guard", too_long, NULL);
    loop_timer_start(&guard, 20 * NS_PER_SECOND);
}

static void teardown(void)
{
    loop_timer_stop(&guard);
    http_client_destroy(client);
    loop_destroy(loop);
    http_peer_stop(&peer);
}

TestSuite(http_client, .init = setup, .fini = teardown, .timeout = 30);

static void on_head(void *argument, int status, const struct http_header *headers, size_t count)
{
    struct seen *seen = argument;
    text_append_format(&seen->log, "head %d", status);
    for (size_t i = 0; i < count; i++)
        if (strncmp(headers[i].name, "x-", 2) == 0)
            text_append_format(&seen->log, " %s=[%s]", headers[i].name, headers[i].value);
    text_append_string(&seen->log, ";");
}

static bool on_body(void *argument, const void *bytes, size_t length)
{
    struct seen *seen = argument;
    seen->body_bytes += length;
    if (length < 100)
        text_append_format(&seen->log, "body %.*s;", (int)length, (const char *)bytes);
    return true;
}

static void on_trailers(void *argument, const struct http_header *headers, size_t count)
{
    struct seen *seen = argument;
    for (size_t i = 0; i < count; i++)
        text_append_format(&seen->log, "trailer %s=%s;", headers[i].name, headers[i].value);
}

static void on_done(void *argument, int status, const struct error *error)
{
    struct seen *seen = argument;
    seen->status = status;
    seen->ends++;
    seen->failed = error != NULL;
    if (error)
        seen->error = *error;
    loop_stop(loop);
}

static const struct http_handler handler = {
    .head = on_head, .body = on_body, .trailers = on_trailers, .done = on_done};

static void run_to(struct seen *seen, const char *path, struct http_request request)
{
    struct error error = {0};
    struct text url CLEANUP(text_finish) = {0};
    text_append_format(&url, "http://localhost%s", path);
    request.url = text_string(&url);
    request.unix_socket = peer.path;
    seen->id = http_client_start(client, &request, &handler, seen, &error);
    cr_assert_neq(seen->id, 0, "%s", error.message);
    cr_assert_eq(seen->ends, 0, "no callback inside start");
    loop_run(loop);
    cr_assert_eq(seen->ends, 1);
}

Test(http_client, hands_over_head_and_body_in_order)
{
    struct seen seen = {0};
    run_to(&seen, "/hello", (struct http_request){0});
    cr_assert_str_eq(text_string(&seen.log), "head 200 x-case=[Kept Value];body hello;");
    cr_assert_not(seen.failed);
    text_finish(&seen.log);
}

Test(http_client, skips_interim_heads_and_tells_trailers)
{
    struct seen seen = {0};
    run_to(&seen, "/chunked", (struct http_request){0});
    cr_assert(strstr(text_string(&seen.log), "head 200;"));
    cr_assert(strstr(text_string(&seen.log), "trailer x-sum=42;"));
    cr_assert_eq(seen.body_bytes, 6);
    cr_assert_not(strstr(text_string(&seen.log), "head 100"));
    text_finish(&seen.log);
}

Test(http_client, takes_any_status_as_a_whole_reply)
{
    struct seen seen = {0};
    run_to(&seen, "/missing", (struct http_request){0});
    cr_assert_eq(seen.status, 404);
    cr_assert_not(seen.failed);
    text_finish(&seen.log);
}

Test(http_client, follows_no_redirect)
{
    struct seen seen = {0};
    run_to(&seen, "/moved", (struct http_request){0});
    cr_assert_eq(seen.status, 302);
    cr_assert_not(seen.failed);
    text_finish(&seen.log);
}

Test(http_client, sends_method_headers_and_body_without_expect)
{
    struct seen seen = {0};
    const struct http_header headers[] = {{"X-One", "1"}, {"X-Empty", ""}};
    run_to(
        &seen, "/hello",
        (struct http_request){
            .method = "PUT", .headers = headers, .header_count = 2, .body = "{}", .body_bytes = 2});
    cr_assert(strstr(peer.last_request, "PUT /hello HTTP/1.1\r\n"));
    cr_assert(strstr(peer.last_request, "X-One: 1\r\n"));
    cr_assert(strstr(peer.last_request, "X-Empty:\r\n"), "%s", peer.last_request);
    cr_assert(strstr(peer.last_request, "Content-Length: 2\r\n"));
    cr_assert_not(strstr(peer.last_request, "Expect"));
    cr_assert_not(strstr(peer.last_request, "form-urlencoded"));
    text_finish(&seen.log);
}

Test(http_client, tells_a_reply_that_was_cut)
{
    struct seen seen = {0};
    run_to(&seen, "/cut", (struct http_request){0});
    cr_assert(seen.failed);
    cr_assert_eq(seen.error.code, ERROR_IO, "%s", seen.error.message);
    cr_assert_eq(seen.status, 200);
    text_finish(&seen.log);
}

Test(http_client, tells_that_it_was_no_http)
{
    struct seen seen = {0};
    run_to(&seen, "/garbage", (struct http_request){0});
    cr_assert(seen.failed);
    cr_assert_eq(seen.error.code, ERROR_IO, "%d %s", seen.error.code, seen.error.message);
    text_finish(&seen.log);
}

Test(http_client, ends_at_the_deadline_of_the_first_byte)
{
    struct seen seen = {0};
    uint64_t begun = loop_now_ns(loop);
    run_to(&seen, "/silent", (struct http_request){.first_byte_timeout_ns = 50 * NS_PER_MS});
    cr_assert_eq(seen.error.code, ERROR_TIMEOUT);
    cr_assert_str_eq(seen.error.message, "timed out waiting for the reply's head");
    cr_assert_lt(loop_now_ns(loop) - begun, 2 * NS_PER_SECOND);
}

Test(http_client, ends_when_the_reply_stalls)
{
    struct seen seen = {0};
    run_to(&seen, "/stall", (struct http_request){.stall_timeout_ns = 50 * NS_PER_MS});
    cr_assert_str_eq(seen.error.message, "timed out waiting for more of the reply");
    cr_assert_eq(seen.body_bytes, 5);
    text_finish(&seen.log);
}

Test(http_client, ends_at_the_total_deadline)
{
    struct seen seen = {0};
    run_to(&seen, "/stall", (struct http_request){.total_timeout_ns = 60 * NS_PER_MS});
    cr_assert_str_eq(seen.error.message, "timed out waiting for the whole reply");
    text_finish(&seen.log);
}

Test(http_client, refuses_a_body_over_the_limit)
{
    struct seen seen = {0};
    run_to(&seen, "/big", (struct http_request){.max_body_bytes = 100000});
    cr_assert_eq(seen.error.code, ERROR_PAYLOAD_TOO_LARGE);
    cr_assert_str_eq(seen.error.message, "the reply's body is over 100000 bytes");
    cr_assert_leq(seen.body_bytes, 100000);
    text_finish(&seen.log);
}

Test(http_client, says_unavailable_when_nobody_listens)
{
    struct seen seen = {0};
    struct error error = {0};
    const struct http_request request = {.url = "http://localhost/x",
                                         .unix_socket = "/nonexistent/socket"};
    cr_assert_neq(http_client_start(client, &request, &handler, &seen, &error), 0);
    loop_run(loop);
    cr_assert_eq(seen.error.code, ERROR_UNAVAILABLE, "%s", seen.error.message);
}

/* A listener whose queue is full drops further connections without a word. */
static int deaf_listener(char *url, size_t room)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(fd, 0), 0);
    getsockname(fd, (struct sockaddr *)&address, &length);
    for (int i = 0; i < 4; i++) {
        int filler = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(filler, (const struct sockaddr *)&address, sizeof address);
    }
    snprintf(url, room, "http://127.0.0.1:%u/", ntohs(address.sin_port));
    return fd;
}

Test(http_client, ends_at_the_deadline_of_the_connection)
{
    struct seen seen = {0};
    struct error error = {0};
    char url[64];
    int fd = deaf_listener(url, sizeof url);
    const struct http_request request = {.url = url, .connect_timeout_ns = 100 * NS_PER_MS};
    cr_assert_neq(http_client_start(client, &request, &handler, &seen, &error), 0);
    loop_run(loop);
    cr_assert_eq(seen.error.code, ERROR_TIMEOUT, "%s", seen.error.message);
    cr_assert_str_eq(seen.error.message, "timed out waiting for a connection");
    close(fd);
}

Test(http_client, refuses_what_would_break_the_request_apart)
{
    struct seen seen = {0};
    struct error error = {0};
    const struct http_header split = {"X-A", "1\r\nX-B: 2"};
    const struct http_request bad[] = {
        {.url = "http://localhost/\r\nX: y"},
        {.url = NULL},
        {.url = "file:///etc/passwd"},
        {.url = "http://localhost/", .method = "GET /x HTTP/1.1"},
        {.url = "http://localhost/", .headers = &split, .header_count = 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(http_client_start(client, &bad[i], &handler, &seen, &error), 0);
        cr_assert_eq(error.code, ERROR_VALIDATION);
    }
}

static void unpause(void *argument)
{
    struct seen *seen = argument;
    size_t before = seen->body_bytes;
    cr_assert_lt(before, 1024 * 1024, "paused in the first block, and stayed so");
    http_client_pause(client, seen->id, false);
}

static bool pause_at_first(void *argument, const void *bytes, size_t length)
{
    struct seen *seen = argument;
    (void)bytes;
    if (!seen->body_bytes) {
        http_client_pause(client, seen->id, true);
        loop_timer_init(&seen->timer, loop, "unpause", unpause, seen);
        loop_timer_start(&seen->timer, 700 * NS_PER_MS);
    }
    seen->body_bytes += length;
    return true;
}

Test(http_client, holds_the_reply_back_while_paused_without_calling_it_a_stall)
{
    static const struct http_handler pausing = {.body = pause_at_first, .done = on_done};
    struct seen seen = {0};
    struct error error = {0};
    const struct http_request request = {.url = "http://localhost/big",
                                         .unix_socket = peer.path,
                                         .max_body_bytes = UINT64_MAX,
                                         .stall_timeout_ns = 500 * NS_PER_MS};
    seen.id = http_client_start(client, &request, &pausing, &seen, &error);
    loop_run(loop);
    cr_assert_not(seen.failed, "%s", seen.error.message);
    cr_assert_eq(seen.body_bytes, 4 * 1024 * 1024);
}

static void cancel_in_head(void *argument, int status, const struct http_header *headers,
                           size_t count)
{
    struct seen *seen = argument;
    (void)status, (void)headers, (void)count;
    http_client_cancel(client, seen->id);
}

static void on_dropped(void *argument)
{
    struct seen *seen = argument;
    text_append_string(&seen->log, "dropped;");
    loop_stop(loop);
}

Test(http_client, can_be_cancelled_from_its_own_callback)
{
    static const struct http_handler cancelling = {
        .head = cancel_in_head, .body = on_body, .done = on_done, .dropped = on_dropped};
    struct seen seen = {0};
    struct error error = {0};
    const struct http_request request = {.url = "http://localhost/hello", .unix_socket = peer.path};
    seen.id = http_client_start(client, &request, &cancelling, &seen, &error);
    loop_run(loop);
    cr_assert_eq(seen.ends, 0);
    cr_assert_str_eq(text_string(&seen.log), "dropped;");
    text_finish(&seen.log);
}

static struct seen chained;
static bool start_another(void *argument, const void *bytes, size_t length)
{
    struct error error = {0};
    const struct http_request request = {.url = "http://localhost/hello", .unix_socket = peer.path};
    (void)argument, (void)bytes, (void)length;
    chained.id = http_client_start(client, &request, &handler, &chained, &error);
    return true;
}

static void ignore_done(void *argument, int status, const struct error *error)
{
    (void)argument, (void)status, (void)error;
}

Test(http_client, can_start_another_from_a_callback)
{
    static const struct http_handler starting = {.body = start_another, .done = ignore_done};
    struct error error = {0};
    const struct http_request request = {.url = "http://localhost/hello", .unix_socket = peer.path};
    http_client_start(client, &request, &starting, NULL, &error);
    loop_run(loop);
    cr_assert_str_eq(text_string(&chained.log), "head 200 x-case=[Kept Value];body hello;");
    text_finish(&chained.log);
}

static void fetched(void *argument, const struct http_reply *reply, const struct error *error)
{
    struct seen *seen = argument;
    cr_assert_null(error);
    seen->ends++;
    cr_assert_eq(reply->status, 200);
    cr_assert_str_eq(reply->body, "hello");
    cr_assert_str_eq(http_reply_header(reply, "x-case"), "Kept Value");
    loop_stop(loop);
}

Test(http_client, fetches_a_whole_reply)
{
    struct seen seen = {0};
    struct error error = {0};
    const struct http_request request = {
        .url = "http://localhost/hello", .unix_socket = peer.path, .fresh_connection = true};
    cr_assert_neq(http_client_fetch(client, &request, fetched, &seen, &error), 0);
    loop_run(loop);
    cr_assert_eq(seen.ends, 1);
}
