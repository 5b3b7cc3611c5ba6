/* Time and number: deadlines, slow peers, many connections, full lanes, the end. */
#include "rig.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(limits, .fini = rig_stop, .timeout = 60);

static void start_short(void)
{
    struct rig_options options = rig_defaults();
    options.limits.header_ns = 300 * NS_PER_MS;
    options.limits.body_ns = 300 * NS_PER_MS;
    options.limits.idle_ns = 700 * NS_PER_MS;
    rig_start(&options);
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A byte now and then, until the server has enough. Answers how long it took. */
static uint64_t drip(int fd, const char *text)
{
    uint64_t begun = now_ms();
    while (now_ms() - begun < 10000) {
        char byte;
        if (*text)
            client_send(fd, text++, 1);
        usleep(20000);
        if (recv(fd, &byte, 1, MSG_DONTWAIT) == 0)
            break;
    }
    return now_ms() - begun;
}

Test(limits, headers_have_a_total_deadline_however_busy)
{
    start_short();
    int fd = client_open();
    cr_assert_lt(drip(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: aaaaaaaaaaaaaaaaaa"
                          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
                 5000);
    close(fd);
}

Test(limits, the_first_line_has_that_deadline_too)
{
    start_short();
    int fd = client_open();
    cr_assert_lt(drip(fd,
                      "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
                 5000);
    close(fd);
}

Test(limits, bodies_have_a_total_deadline)
{
    start_short();
    int fd = client_open();
    client_text(fd, "POST /api/v1/test/echo HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
                    "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n");
    cr_assert_lt(
        drip(fd, "{\"a\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), 5000);
    close(fd);
}

Test(limits, idle_connections_end_after_a_while_and_not_before)
{
    start_short();
    int fd = client_open();
    client_text(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    struct reply reply = client_read(fd);
    cr_expect_eq(reply.status, 200);
    reply_free(&reply);
    usleep(400000); /* longer than headers may take */
    client_text(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    reply = client_read(fd);
    cr_expect_eq(reply.status, 200);
    reply_free(&reply);
    cr_expect(client_is_closed(fd));
    close(fd);
}

Test(limits, a_request_at_work_has_no_deadline)
{
    start_short();
    int fd = client_open();
    client_text(fd, "POST /api/v1/test/hold HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
                    "Content-Length: 0\r\n\r\n");
    rig_wait_held(1);
    usleep(1000000);
    rig_release_held();
    struct reply reply = client_read(fd);
    cr_expect_eq(reply.status, 200);
    reply_free(&reply);
    close(fd);
}

/* libmicrohttpd inside another loop hangs after a partial read unless it is asked for its timeout
 * after every run. */
Test(limits, a_big_body_in_small_pieces_arrives)
{
    enum { BYTES = 600 * 1000 };
    char *body = malloc(BYTES), head[300];
    memset(body, 'a', BYTES);
    memcpy(body, "{\"a\":\"", 6);
    memcpy(body + BYTES - 2, "\"}", 2);
    rig_start(NULL);
    int fd = client_open();
    snprintf(head, sizeof head,
             "POST /api/v1/test/echo HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
             "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n",
             BYTES);
    client_text(fd, head);
    for (size_t at = 0, size = 1; at < BYTES; at += size, size = size * 3 % 7001 + 1) {
        if (size > BYTES - at)
            size = BYTES - at;
        client_send(fd, body + at, size);
    }
    struct reply reply = client_read(fd);
    cr_expect_eq(reply.status, 200, "%s", reply.body);
    cr_expect(strstr(reply.body, "600000"), "%s", reply.body);
    reply_free(&reply);
    close(fd);
    free(body);
}

Test(limits, pipelined_requests_are_answered_in_order)
{
    struct text out = {0};
    rig_start(NULL);
    int fd = client_open();
    for (int i = 0; i < 50; i++)
        text_append_format(
            &out, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: r%d\r\n\r\n", i);
    text_append_string(&out, "GET /api/v1/nodes HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
                             "X-Request-Id: r50\r\nConnection: close\r\n\r\n");
    client_send(fd, out.data, out.length);
    text_clear(&out);
    char block[4096];
    ssize_t got;
    while ((got = recv(fd, block, sizeof block, 0)) > 0)
        text_append(&out, block, (size_t)got);
    const char *at = text_string(&out);
    for (int i = 0; i <= 50; i++) {
        char want[40];
        snprintf(want, sizeof want, "X-Request-Id: r%d\r\n", i);
        at = strstr(at, want);
        cr_assert_not_null(at, "%s is missing or too early", want);
    }
    text_finish(&out);
    close(fd);
}

Test(limits, five_hundred_connections_stay_alive)
{
    enum { COUNT = 500 };
    static int fds[COUNT];
    rig_start(NULL);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT; i++) {
            if (round == 0)
                fds[i] = client_open();
            client_text(fds[i], "GET /api/v1/deployments HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
                                "\r\n");
        }
        for (int i = 0; i < COUNT; i++) {
            struct reply reply = client_read(fds[i]);
            cr_assert_eq(reply.status, 200);
            reply_free(&reply);
        }
    }
    struct reply figures = ask_plain("GET", "/metrics", NULL, NULL);
    cr_expect(strstr(figures.body, "orchestrator_http_connections 501\n")); /* and this one */
    reply_free(&figures);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
}

Test(limits, connections_above_the_limit_wait_for_room)
{
    struct rig_options options = rig_defaults();
    options.yaml = "api: {listen: \"127.0.0.1:0\", maxConnections: 16}\n";
    rig_start(&options);
    int fds[17];
    for (int i = 0; i < 17; i++)
        fds[i] = client_open();
    client_text(fds[16], "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (int i = 0; i < 16; i++)
        close(fds[i]);
    struct reply reply = client_read(fds[16]);
    cr_expect_eq(reply.status, 200);
    reply_free(&reply);
    close(fds[16]);
}

/* A network of the test's own, in which `address` is this host's and no loopback address. */
static void enter_network(const char *address)
{
    struct ifreq alias = {.ifr_name = "lo:1"}, lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    struct sockaddr_in *wanted = (struct sockaddr_in *)(void *)&alias.ifr_addr;
    /* The limit does not hold on loopback, so another address is needed, and only a namespace
     * gives one without touching the host; some containers forbid them. */
    if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) != 0)
        cr_skip_test("no network namespaces here");
    wanted->sin_family = AF_INET;
    inet_pton(AF_INET, address, &wanted->sin_addr);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
    cr_assert_eq(ioctl(fd, SIOCSIFADDR, &alias), 0);
    close(fd);
}

static int open_from(const char *address)
{
    struct sockaddr_in ours = {.sin_family = AF_INET};
    struct sockaddr_in theirs = {.sin_family = AF_INET,
                                 .sin_port = htons(rig.port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    inet_pton(AF_INET, address, &ours.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&ours, sizeof ours), 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&theirs, sizeof theirs), 0);
    return fd;
}

static int status_of(int fd)
{
    client_text(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    struct reply reply = client_read(fd);
    int status = reply.status;
    reply_free(&reply);
    return status;
}

Test(limits, an_address_has_so_many_connections_and_loopback_any_number)
{
    struct rig_options options = rig_defaults();
    options.yaml = "api: {listen: \"127.0.0.1:0\", maxConnectionsPerAddress: 2}\n";
    enter_network("192.0.2.1");
    rig_start(&options);
    int first = open_from("192.0.2.1"), second = open_from("192.0.2.1");
    cr_expect_eq(status_of(first), 200);
    cr_expect_eq(status_of(second), 200);
    int third = open_from("192.0.2.1");
    cr_expect(client_is_closed(third), "a third connection is kept");
    for (int i = 0; i < 5; i++)
        cr_expect_eq(status_of(open_from("127.0.0.1")), 200);
    close(first);
    int status = 0;
    for (int i = 0; i < 1000 && status != 200; i++) { /* until the server has seen its end */
        int again = open_from("192.0.2.1");
        status = status_of(again);
        close(again);
    }
    cr_expect_eq(status, 200, "the room of one that has ended is not given again");
    close(second);
    close(third);
}

Test(limits, a_full_lane_refuses_at_once_and_agents_keep_theirs)
{
    struct rig_options options = rig_defaults();
    options.limits.lane_users = 2;
    rig_start(&options);
    struct lanes *lanes = &rig.api->lanes;
    struct loop_task tasks[4] = {0};
    /* Straight into the lanes while the loop is busy elsewhere. */
    atomic_store(&lanes->posted, true);
    cr_expect(lanes_push(lanes, LANE_USERS, &tasks[0]));
    cr_expect(lanes_push(lanes, LANE_USERS, &tasks[1]));
    cr_expect_not(lanes_push(lanes, LANE_USERS, &tasks[2]));
    cr_expect(lanes_push(lanes, LANE_AGENTS, &tasks[3]));
    struct reply reply = ask("GET", "/api/v1/deployments", NULL, NULL);
    char scratch[256];
    cr_expect_eq(reply.status, 429);
    cr_expect(strstr(reply.body, "RATE_LIMITED"));
    cr_expect_str_eq(reply_header(&reply, "Retry-After", scratch), "1");
    reply_free(&reply);
    while (queue_pop(&lanes->queues[LANE_USERS - 1]))
        ;
    while (queue_pop(&lanes->queues[LANE_AGENTS - 1]))
        ;
    atomic_store(&lanes->posted, false);
    json_decref(ask_json("GET", "/api/v1/deployments", NULL, 200));
}

Test(limits, until_the_state_is_loaded_it_lives_and_is_not_ready)
{
    struct rig_options options = rig_defaults();
    options.unserved = true;
    rig_start(&options);
    struct reply reply = ask("GET", "/healthz", NULL, NULL);
    cr_expect_eq(reply.status, 200);
    reply_free(&reply);
    reply = ask("GET", "/readyz", NULL, NULL);
    cr_expect_eq(reply.status, 503);
    cr_expect(strstr(reply.body, "being loaded"), "%s", reply.body);
    reply_free(&reply);
    reply = ask("GET", "/api/v1/deployments", NULL, NULL);
    cr_expect_eq(reply.status, 503);
    reply_free(&reply);
    reply = ask("GET", "/metrics", NULL, NULL);
    cr_expect_eq(reply.status, 200);
    reply_free(&reply);
}

Test(limits, the_end_waits_for_what_is_under_way)
{
    rig_start(NULL);
    int fd = client_open(), idle = client_open();
    client_text(fd, "POST /api/v1/test/hold HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
                    "Content-Length: 0\r\n\r\n");
    rig_wait_held(1);
    pthread_t releaser;
    pthread_create(&releaser, NULL, (void *(*)(void *))(void *)rig_stop, NULL);
    cr_expect(client_is_closed(idle));
    rig_release_held();
    struct reply reply = client_read(fd);
    char scratch[256];
    cr_expect_eq(reply.status, 200);
    cr_expect_str_eq(reply_header(&reply, "Connection", scratch), "close");
    pthread_join(releaser, NULL);
    reply_free(&reply);
    close(fd);
    close(idle);
}

Test(limits, the_end_does_not_wait_for_ever)
{
    rig_start(NULL);
    int fd = client_open();
    client_text(fd, "POST /api/v1/test/hold HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
                    "Content-Length: 0\r\n\r\n");
    rig_wait_held(1);
    rig_stop(); /* the request is at the loop to the last */
    struct reply reply = client_read(fd);
    cr_expect_eq(reply.status, 503);
    cr_expect(strstr(reply.body, "\"outcome\":\"unknown\""), "%s", reply.body);
    reply_free(&reply);
    close(fd);
}
