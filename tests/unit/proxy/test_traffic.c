#include "rig.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(proxy_traffic, .init = rig_prepare, .fini = rig_finish, .timeout = 60);

static void ask_new(char *answer, size_t bytes)
{
    int fd = client_connect(rig.port);
    cr_assert(fd >= 0);
    cr_assert(client_ask(fd, answer, bytes));
    close(fd);
}

Test(proxy_traffic, goes_to_every_endpoint_in_turn)
{
    struct origin *a = origin_start(ORIGIN_NAME, "a"), *b = origin_start(ORIGIN_NAME, "b");
    unsigned of_a = 0;
    char answer[64];
    rig.workers = 1;
    rig_feed();
    rig_put((struct rig_endpoint[]){{"a", a->port, false}, {"b", b->port, false}}, 2);
    rig_publish();
    for (int i = 0; i < 20; i++) {
        ask_new(answer, sizeof answer);
        of_a += strcmp(answer, "a") == 0;
    }
    cr_assert_eq(of_a, 10);
}

static bool is_listening(void)
{
    return rig.listener_known && rig.listening;
}

static bool has_counted(void)
{
    return rig.served == 5 && rig.in_flight == 1;
}

Test(proxy_traffic, is_counted_and_its_listener_reported)
{
    struct origin *a = origin_start(ORIGIN_NAME, "a");
    char answer[64];
    rig_feed();
    rig_put((struct rig_endpoint[]){{"a", a->port, false}}, 1);
    rig_publish();
    cr_assert(rig_wait(is_listening));
    for (int i = 0; i < 5; i++)
        ask_new(answer, sizeof answer);
    int open = client_connect(rig.port);
    cr_assert(client_ask(open, answer, sizeof answer));
    cr_assert(rig_wait(has_counted), "served %lu in flight %lu", rig.served, rig.in_flight);
    cr_assert_eq(rig.failed, 0);
    cr_assert_eq(rig.own.counts[TRAFFIC_CONNECTIONS], 6);
    cr_assert_eq(rig.traffic.counts[TRAFFIC_CONNECTIONS], 6);
    cr_assert_eq(histogram_total(&rig.traffic.latency), 6);
    cr_assert_eq(rig.traffic.counts[TRAFFIC_BYTES_OUT], 6 * 2, "each a name and a line's end");
    close(open);
}

Test(proxy_traffic, carries_the_end_of_the_clients_side_after_its_bytes)
{
    struct origin *a = origin_start(ORIGIN_COUNT, "a");
    static char bytes[1 << 20];
    char answer[32] = {0};
    rig_feed();
    rig_put((struct rig_endpoint[]){{"a", a->port, false}}, 1);
    rig_publish();
    int fd = client_connect(rig.port);
    for (size_t at = 0; at < sizeof bytes;) {
        ssize_t sent = send(fd, bytes + at, sizeof bytes - at, 0);
        cr_assert(sent > 0);
        at += (size_t)sent;
    }
    shutdown(fd, SHUT_WR);
    cr_assert(recv(fd, answer, sizeof answer - 1, MSG_WAITALL) > 0);
    cr_assert_str_eq(answer, "1048576\n");
    close(fd);
}

static bool has_ended_one(void *origin)
{
    return atomic_load(&((struct origin *)origin)->ended) == 1;
}

Test(proxy_traffic, goes_on_towards_an_endpoint_that_ended_its_side)
{
    struct origin *a = origin_start(ORIGIN_FIRST, "a");
    char line[16] = {0};
    rig_feed();
    rig_put((struct rig_endpoint[]){{"a", a->port, false}}, 1);
    rig_publish();
    int fd = client_connect(rig.port);
    cr_assert_eq(recv(fd, line, sizeof line, MSG_WAITALL), 6);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(send(fd, line, 6, MSG_NOSIGNAL), 6);
    close(fd);
    cr_assert(wait_until(has_ended_one, a));
    cr_assert_eq(atomic_load(&a->bytes), 60);
}

/* In KiB. */
static unsigned long resident(int pid)
{
    char path[64], line[256];
    unsigned long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "re");
    while (fgets(line, sizeof line, file))
        sscanf(line, "VmRSS: %lu", &kib);
    fclose(file);
    return kib;
}

Test(proxy_traffic, waits_for_a_slow_reader_and_keeps_little_of_it)
{
    struct origin *a = origin_start(ORIGIN_SOURCE, "a");
    static uint8_t bytes[65536];
    uint64_t at = 0;
    rig_feed();
    rig_put((struct rig_endpoint[]){{"a", a->port, false}}, 1);
    rig_publish();
    unsigned long before = resident(proxy_feed_pid(rig.feed));
    int fd = client_connect(rig.port);
    int small =
        262144; /* far less, and loopback's large segments wait for the window, not for us */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    rig_loop(300 * NS_PER_MS); /* all buffers on the way fill */
    for (ssize_t count; (count = recv(fd, bytes, sizeof bytes, 0)) > 0; at += (uint64_t)count)
        for (ssize_t i = 0; i < count; i++)
            if (bytes[i] != pattern_at(at + (uint64_t)i))
                cr_assert_fail("byte %lu differs", at + (uint64_t)i);
    cr_assert_eq(at, ORIGIN_BYTES);
    unsigned long after = resident(proxy_feed_pid(rig.feed));
    cr_assert(after < before + 8192, "%lu KiB before, %lu after", before, after);
    close(fd);
}

static void *send_much(void *argument)
{
    static uint8_t bytes[65536];
    int fd = *(int *)argument;
    for (uint64_t at = 0; at < ORIGIN_BYTES; at += sizeof bytes) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = pattern_at(at + i);
        for (size_t sent = 0; sent < sizeof bytes;) {
            ssize_t count = send(fd, bytes + sent, sizeof bytes - sent, MSG_NOSIGNAL);
            if (count <= 0)
                return NULL; /* too little will come back */
            sent += (size_t)count;
        }
    }
    shutdown(fd, SHUT_WR);
    return NULL;
}

Test(proxy_traffic, moves_much_both_ways_at_once)
{
    struct origin *a = origin_start(ORIGIN_ECHO, "a");
    static uint8_t bytes[65536];
    uint64_t at = 0;
    pthread_t sender;
    rig_feed();
    rig_put((struct rig_endpoint[]){{"a", a->port, false}}, 1);
    rig_publish();
    int fd = client_connect(rig.port);
    cr_assert_eq(pthread_create(&sender, NULL, send_much, &fd), 0);
    for (ssize_t count; (count = recv(fd, bytes, sizeof bytes, 0)) > 0; at += (uint64_t)count)
        for (ssize_t i = 0; i < count; i++)
            if (bytes[i] != pattern_at(at + (uint64_t)i))
                cr_assert_fail("byte %lu differs", at + (uint64_t)i);
    cr_assert_eq(at, ORIGIN_BYTES);
    pthread_join(sender, NULL);
    close(fd);
}

Test(proxy_traffic, tries_another_endpoint_when_one_is_dead)
{
    struct origin *b = origin_start(ORIGIN_NAME, "b");
    char answer[64];
    rig_feed();
    rig_put((struct rig_endpoint[]){{"a", free_port(), false}, {"b", b->port, false}}, 2);
    rig_publish();
    for (int i = 0; i < 20; i++) {
        ask_new(answer, sizeof answer);
        cr_assert_str_eq(answer, "b");
    }
}

Test(proxy_traffic, is_closed_at_once_when_nothing_is_ready)
{
    rig_feed();
    rig_put(NULL, 0);
    rig_publish();
    int fd = client_connect(rig.port);
    cr_assert(fd >= 0);
    cr_assert(client_is_closed(fd));
    close(fd);
}

Test(proxy_traffic, ends_after_the_idle_timeout)
{
    struct origin *a = origin_start(ORIGIN_NAME, "a");
    char answer[64];
    rig.idle_ns = 200 * NS_PER_MS;
    rig_feed();
    rig_put((struct rig_endpoint[]){{"a", a->port, false}}, 1);
    rig_publish();
    int fd = client_connect(rig.port);
    cr_assert(client_ask(fd, answer, sizeof answer));
    cr_assert(client_is_closed(fd));
    close(fd);
}

static bool has_told_problem(void)
{
    return rig.listener_known && !rig.listening;
}

Test(proxy_traffic, waits_for_an_address_that_a_stranger_has)
{
    struct origin *a = origin_start(ORIGIN_NAME, "a");
    char answer[64];
    int stranger = bind_any(&rig.port);
    cr_assert_eq(listen(stranger, 1), 0);
    rig_feed();
    snprintf(rig.listen, sizeof rig.listen, "127.0.0.1:%u", rig.port);
    rig_put((struct rig_endpoint[]){{"a", a->port, false}}, 1);
    rig_publish();
    cr_assert(rig_wait(has_told_problem));
    cr_assert(strstr(rig.listener_message, "in use by another program"), "%s",
              rig.listener_message);
    close(stranger);
    cr_assert(rig_wait(is_listening));
    ask_new(answer, sizeof answer);
    cr_assert_str_eq(answer, "a");
}

Test(proxy_traffic, survives_five_thousand_endpoints)
{
    struct origin *a = origin_start(ORIGIN_NAME, "a");
    static struct rig_endpoint endpoints[5000];
    static char ids[5000][80];
    char answer[64];
    for (int i = 0; i < 5000; i++) {
        snprintf(ids[i], sizeof ids[i], "a-container-of-a-deployment-with-a-rather-long-name-%05d",
                 i);
        endpoints[i] = (struct rig_endpoint){ids[i], a->port, false};
    }
    rig_feed();
    rig_put(endpoints, 5000);
    rig_publish();
    for (int i = 0; i < 100; i++)
        ask_new(answer, sizeof answer);
    rig_put(endpoints, 2500);
    rig_publish();
    ask_new(answer, sizeof answer);
}

Test(proxy_traffic, is_served_by_the_fallback_when_a_balancer_is_refused)
{
    struct origin *a = origin_start(ORIGIN_NAME, "a");
    char answer[64];
    rig.balancer = "faulty";
    rig_feed();
    rig_put((struct rig_endpoint[]){{"a", a->port, false}}, 1);
    rig_publish();
    ask_new(answer, sizeof answer);
}

Test(proxy_traffic, over_its_limit_waits_its_turn)
{
    struct origin *a = origin_start(ORIGIN_NAME, "a");
    int fds[300];
    char answer[64];
    const struct rlimit low = {.rlim_cur = 700, .rlim_max = 700}; /* 222 connections */
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    rig_feed();
    rig_put((struct rig_endpoint[]){{"a", a->port, false}}, 1);
    rig_publish();
    for (int i = 0; i < 300; i++) {
        fds[i] = client_connect(rig.port);
        cr_assert(fds[i] >= 0);
    }
    for (int i = 0; i < 300; i++) { /* each makes room for another, in any order */
        cr_assert(client_ask(fds[i], answer, sizeof answer), "connection %d", i);
        close(fds[i]);
    }
}

Test(proxy_traffic, is_taken_on_an_ip6_address)
{
    struct origin *a = origin_start(ORIGIN_NAME, "a");
    char answer[64];
    struct sockaddr_in6 address = {
        .sin6_family = AF_INET6, .sin6_port = htons(rig.port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    rig_feed();
    snprintf(rig.listen, sizeof rig.listen, "[::1]:%u", rig.port);
    rig_put((struct rig_endpoint[]){{"a", a->port, false}}, 1);
    rig_publish();
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert(client_ask(fd, answer, sizeof answer));
    close(fd);
}

Test(proxy_traffic, follows_services_that_swap_their_addresses)
{
    struct origin *a = origin_start(ORIGIN_NAME, "a"), *b = origin_start(ORIGIN_NAME, "b");
    const struct rig_endpoint at_a = {"a", a->port, false}, at_b = {"b", b->port, false};
    uint16_t first = rig.port, second = free_port();
    char answer[64], other[64];
    snprintf(other, sizeof other, "127.0.0.1:%u", second);
    rig_feed();
    rig_put_as("one", rig.listen, &at_a, 1);
    rig_put_as("two", other, &at_b, 1);
    rig_publish();
    ask_new(answer, sizeof answer);
    cr_assert_str_eq(answer, "a");
    rig_put_as("one", other, &at_a, 1);
    rig_put_as("two", rig.listen, &at_b, 1);
    rig_publish();
    ask_new(answer, sizeof answer);
    cr_assert_str_eq(answer, "b");
    rig.port = second;
    ask_new(answer, sizeof answer);
    cr_assert_str_eq(answer, "a");
    cr_assert_neq(first, second);
}
