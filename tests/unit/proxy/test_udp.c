/* Services of protocol udp by the real program. */
#include "rig.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void prepare(void)
{
    rig_prepare();
    rig.protocol = FEED_UDP;
    rig.workers = 1;
}

TestSuite(proxy_udp, .init = prepare, .fini = rig_finish, .timeout = 60);

/* -- origins: each says its name and what it got -- */

struct echo {
    const char *name;
    int fd;
    uint16_t port;
};

static int bind_udp(const char *address, uint16_t *port)
{
    struct sockaddr_in bound = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t bytes = sizeof bound;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), large = 4 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &large, sizeof large);
    cr_assert_eq(inet_pton(AF_INET, address, &bound.sin_addr), 1);
    if (bind(fd, (struct sockaddr *)&bound, sizeof bound) != 0) {
        close(fd);
        return -1;
    }
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&bound, &bytes), 0);
    *port = ntohs(bound.sin_port);
    return fd;
}

static void *serve(void *argument)
{
    struct echo *echo = argument;
    static _Thread_local char bytes[65536];
    for (;;) {
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        size_t name = strlen(echo->name);
        memcpy(bytes, echo->name, name);
        ssize_t count = recvfrom(echo->fd, bytes + name, sizeof bytes - name, 0,
                                 (struct sockaddr *)&from, &size);
        if (count >= 0)
            (void)sendto(echo->fd, bytes, (size_t)count + name, 0, (struct sockaddr *)&from, size);
    }
    return NULL;
}

static struct echo *echo_start(const char *name)
{
    pthread_t thread;
    struct echo *echo = calloc(1, sizeof *echo);
    echo->name = name;
    echo->fd = bind_udp("127.0.0.1", &echo->port);
    cr_assert_eq(pthread_create(&thread, NULL, serve, echo), 0);
    pthread_detach(thread);
    return echo;
}

/* A port where nobody is. */
static uint16_t nobody(void)
{
    uint16_t port = 0;
    close(bind_udp("127.0.0.1", &port));
    return port;
}

/* -- clients -- */

static int client(const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(rig.port)};
    struct timeval limit = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), large = 4 << 20;
    cr_assert_eq(inet_pton(AF_INET, address, &to.sin_addr), 1);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &large, sizeof large);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* The first letter of the answer: who gave it. 0: none came. */
static char ask(int fd)
{
    char bytes[64] = {0};
    if (send(fd, "?", 1, 0) != 1 || recv(fd, bytes, sizeof bytes, 0) < 2)
        return 0;
    return bytes[1] == '?' ? bytes[0] : 0;
}

static struct rig_endpoint two[2];

static void serve_two(uint16_t a, uint16_t b)
{
    two[0] = (struct rig_endpoint){"a", a, false};
    two[1] = (struct rig_endpoint){"b", b, false};
    rig_feed();
    rig_put(two, 2);
    rig_publish();
}

Test(proxy_udp, a_client_stays_at_its_endpoint_and_clients_take_turns)
{
    int clients[10];
    char first[10];
    int of_a = 0;
    serve_two(echo_start("a")->port, echo_start("b")->port);
    for (int i = 0; i < 10; i++) {
        clients[i] = client("127.0.0.1");
        first[i] = ask(clients[i]);
        of_a += first[i] == 'a';
    }
    cr_assert_eq(of_a, 5);
    for (int turn = 0; turn < 5; turn++)
        for (int i = 0; i < 10; i++)
            cr_assert_eq(ask(clients[i]), first[i]);
}

static bool is_out(void)
{
    return rig.out;
}

Test(proxy_udp, what_a_dead_endpoint_refuses_is_sent_to_another)
{
    rig.ejection = (struct feed_ejection){.failures = 3,
                                          .share_percent = 50,
                                          .time_ns = 60 * NS_PER_SECOND,
                                          .max_time_ns = 60 * NS_PER_SECOND};
    serve_two(nobody(), echo_start("b")->port);
    for (int i = 0; i < 20; i++) {
        int fd = client("127.0.0.1");
        cr_assert_eq(ask(fd), 'b', "the first datagram is not lost");
        close(fd);
    }
    cr_assert(rig_wait(is_out));
    cr_assert_str_eq(rig.ejected, "a");
}

static bool has_drained(void)
{
    return rig_drained("a", NULL);
}

Test(proxy_udp, sessions_that_had_their_answer_leave_a_draining_endpoint_early)
{
    uint64_t cut = 1;
    struct echo *a = echo_start("a");
    serve_two(a->port, echo_start("b")->port);
    rig_put(two, 1);
    rig_publish();
    int fd = client("127.0.0.1");
    cr_assert_eq(ask(fd), 'a');
    two[0].draining = true;
    rig_put(two, 2);
    rig_publish();
    cr_assert(rig_wait(has_drained), "long before its 30 s");
    (void)rig_drained("a", &cut);
    cr_assert_eq(cut, 0);
    cr_assert_eq(ask(fd), 'b');
}

Test(proxy_udp, sessions_of_many_datagrams_move_when_the_drain_ends)
{
    rig.drain_ns = 1500 * NS_PER_MS;
    serve_two(echo_start("a")->port, echo_start("b")->port);
    rig_put(two, 1);
    rig_publish();
    int fd = client("127.0.0.1");
    for (int i = 0; i < 5; i++)
        cr_assert_eq(ask(fd), 'a');
    two[0].draining = true;
    rig_put(two, 2);
    rig_publish();
    cr_assert_eq(ask(fd), 'a', "it goes on there for the time of the drain");
    cr_assert(rig_wait(has_drained));
    cr_assert_eq(ask(fd), 'b');
}

Test(proxy_udp, answers_leave_from_the_address_that_was_written_to)
{
    static const char *const addresses[] = {"127.0.0.1", "127.0.0.2", "127.9.9.9"};
    snprintf(rig.listen, sizeof rig.listen, "0.0.0.0:%u", rig.port);
    serve_two(echo_start("a")->port, echo_start("b")->port);
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        int fd = client(addresses[i]); /* connected: hears nobody else */
        cr_assert(ask(fd), "%s", addresses[i]);
        close(fd);
    }
}

static bool is_empty(void)
{
    return rig.served >= 1 && rig.in_flight == 0;
}

Test(proxy_udp, a_quiet_session_ends)
{
    rig.idle_ns = 100 * NS_PER_MS;
    serve_two(echo_start("a")->port, echo_start("a")->port);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(ask(client("127.0.0.1")), 'a');
    cr_assert(rig_wait(is_empty));
}

Test(proxy_udp, at_the_limit_the_quietest_makes_room)
{
    rig.max_connections = 3;
    serve_two(echo_start("a")->port, echo_start("b")->port);
    for (int i = 0; i < 50; i++)
        cr_assert(ask(client("127.0.0.1")));
    rig_loop(600 * NS_PER_MS); /* two tellings of counters */
    cr_assert_leq(rig.in_flight, 3);
    cr_assert_geq(rig.served, 20);
}

Test(proxy_udp, carries_trains_and_large_datagrams_whole)
{
    static char train[40 * 1000], large[60001], answer[65536];
    uint16_t segment = 1000;
    int fd, got = 0;
    serve_two(echo_start("a")->port, echo_start("a")->port);
    fd = client("127.0.0.1");
    cr_assert_eq(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &(int){segment}, sizeof(int)), 0);
    for (size_t i = 0; i < sizeof train; i++)
        train[i] = (char)(i / segment);
    cr_assert_eq(send(fd, train, sizeof train, 0), (ssize_t)sizeof train);
    for (int i = 0; i < 40; i++) {
        cr_assert_eq(recv(fd, answer, sizeof answer, 0), segment + 1);
        for (int j = 2; j <= segment; j++)
            cr_assert_eq(answer[j], answer[1]);
        got += answer[1];
    }
    cr_assert_eq(got, 39 * 40 / 2, "each of them once");
    cr_assert_eq(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &(int){0}, sizeof(int)), 0);
    cr_assert_eq(send(fd, large, sizeof large, 0), (ssize_t)sizeof large);
    cr_assert_eq(recv(fd, answer, sizeof answer, 0), (ssize_t)sizeof large + 1);
}

static bool is_started_again(void)
{
    return rig.connects == 2;
}

Test(proxy_udp, a_proxy_that_died_is_replaced_with_the_same_sockets)
{
    serve_two(echo_start("a")->port, echo_start("b")->port);
    int fd = client("127.0.0.1");
    cr_assert(ask(fd));
    kill(proxy_feed_pid(rig.feed), SIGKILL);
    cr_assert_eq(send(fd, "?", 1, 0), 1, "it waits in the queue");
    cr_assert(rig_wait(is_started_again));
    char answer[8];
    cr_assert_eq(recv(fd, answer, sizeof answer, 0), 2);
}

static bool is_free(void *unused)
{
    uint16_t port = rig.port;
    int fd = bind_udp("127.0.0.1", &port);
    (void)unused;
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

Test(proxy_udp, gives_its_address_up_with_the_service_and_shares_it_with_tcp)
{
    struct origin *tcp = origin_start(ORIGIN_NAME, "t");
    char answer[16];
    serve_two(echo_start("a")->port, echo_start("b")->port);
    rig.protocol = FEED_TCP;
    rig_put_as("tcp", rig.listen, (struct rig_endpoint[]){{"t", tcp->port, false}}, 1);
    rig_publish();
    int connection = client_connect(rig.port), fd = client("127.0.0.1");
    cr_assert(client_ask(connection, answer, sizeof answer));
    cr_assert_str_eq(answer, "t");
    cr_assert(ask(fd));
    cr_assert_not(is_free(NULL));
    proxy_feed_service_remove(rig.feed, "web");
    rig_publish();
    cr_assert(wait_until(is_free, NULL));
    cr_assert(client_ask(connection, answer, sizeof answer));
    close(connection);
}
