#include "rig.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(proxy_drain, .init = rig_prepare, .fini = rig_finish, .timeout = 60);

static struct origin *a, *b;
static char answer[64];

static void start_two(void)
{
    a = origin_start(ORIGIN_NAME, "a");
    b = origin_start(ORIGIN_NAME, "b");
    rig_feed();
}

static void put(bool with_a, bool draining_a)
{
    const struct rig_endpoint both[] = {{"a", a->port, draining_a}, {"b", b->port, false}};
    rig_put(with_a ? both : both + 1, with_a ? 2 : 1);
    rig_publish();
}

static int connect_to(const char *name)
{
    for (int i = 0; i < 50; i++) {
        int fd = client_connect(rig.port);
        cr_assert(fd >= 0 && client_ask(fd, answer, sizeof answer));
        if (strcmp(answer, name) == 0)
            return fd;
        close(fd);
    }
    cr_assert_fail("no connection reached %s", name);
    return -1;
}

static bool a_is_drained(void)
{
    return rig_drained("a", NULL);
}

static bool a_is_drained_twice(void)
{
    return rig.drain_count == 2;
}

Test(proxy_drain, is_told_at_once_of_one_without_connections)
{
    uint64_t cut = 99;
    start_two();
    put(true, true);
    cr_assert(rig_wait(a_is_drained));
    cr_assert(rig_drained("a", &cut));
    cr_assert_eq(cut, 0);
}

Test(proxy_drain, gives_no_new_connection_and_waits_for_those_there_are)
{
    uint64_t cut = 99;
    start_two();
    put(true, false);
    int kept = connect_to("a");
    put(true, true);
    for (int i = 0; i < 20; i++) {
        int fd = client_connect(rig.port);
        cr_assert(client_ask(fd, answer, sizeof answer));
        cr_assert_str_eq(answer, "b");
        close(fd);
    }
    rig_loop(200 * NS_PER_MS);
    cr_assert_not(a_is_drained());
    cr_assert(client_ask(kept, answer, sizeof answer));
    cr_assert_str_eq(answer, "a");
    close(kept);
    cr_assert(rig_wait(a_is_drained));
    cr_assert(rig_drained("a", &cut));
    cr_assert_eq(cut, 0);
}

Test(proxy_drain, closes_the_rest_at_its_deadline_and_counts_them)
{
    uint64_t cut = 0;
    rig.drain_ns = 300 * NS_PER_MS;
    start_two();
    put(true, false);
    int first = connect_to("a"), second = connect_to("a");
    put(true, true);
    cr_assert(rig_wait(a_is_drained));
    cr_assert(rig_drained("a", &cut));
    cr_assert_eq(cut, 2);
    cr_assert(client_is_closed(first));
    cr_assert(client_is_closed(second));
    close(first);
    close(second);
}

/* The busy one is left for as long as there is time. */
Test(proxy_drain, closes_quiet_connections_before_busy_ones)
{
    rig.drain_ns = 20 * NS_PER_SECOND;
    start_two();
    put(true, false);
    int quiet = connect_to("a");
    int busy = connect_to("a");
    rig.drain_ns = 4 * NS_PER_SECOND; /* quiet ones go in the last 400 ms */
    put(true, true);
    char byte;
    bool quiet_closed = false;
    for (int i = 0; i < 500 && !quiet_closed; i++) {
        cr_assert(client_ask(busy, answer, sizeof answer));
        quiet_closed = recv(quiet, &byte, 1, MSG_DONTWAIT) == 0;
        usleep(10000);
    }
    cr_assert(quiet_closed);
    cr_assert(client_ask(busy, answer, sizeof answer));
    close(quiet);
    close(busy);
}

/* It is reset at the end of the time, not closed as if it were at rest. */
Test(proxy_drain, closes_one_that_waits_for_an_answer_last)
{
    struct rig_endpoint only = {"a", origin_start(ORIGIN_COUNT, "a")->port, false};
    char byte;
    rig.drain_ns = 1500 * NS_PER_MS; /* quiet ones go in the last 150 ms */
    rig_feed();
    rig_put(&only, 1);
    rig_publish();
    int waits = client_connect(rig.port), silent = client_connect(rig.port);
    cr_assert_eq(send(waits, "?", 1, MSG_NOSIGNAL), 1);
    only.draining = true;
    rig_put(&only, 1);
    rig_publish();
    cr_assert(rig_wait(a_is_drained));
    cr_assert_eq(recv(silent, &byte, 1, 0), 0);
    cr_assert_eq(recv(waits, &byte, 1, 0), -1);
    cr_assert_eq(errno, ECONNRESET);
    close(waits);
    close(silent);
}

Test(proxy_drain, is_told_again_when_it_begins_again)
{
    start_two();
    put(true, true);
    cr_assert(rig_wait(a_is_drained));
    put(true, false);
    close(connect_to("a"));
    put(true, true);
    cr_assert(rig_wait(a_is_drained_twice));
}

Test(proxy_drain, does_not_apply_to_an_endpoint_left_out)
{
    start_two();
    put(true, false);
    int fd = connect_to("a");
    put(false, false);
    cr_assert(client_is_closed(fd));
    rig_loop(100 * NS_PER_MS);
    cr_assert_eq(rig.drain_count, 0);
    close(fd);
}

Test(proxy_drain, of_a_removed_service_lets_its_connections_end)
{
    start_two();
    put(true, false);
    int fd = connect_to("a");
    proxy_feed_service_remove(rig.feed, "web");
    rig_publish();
    cr_assert_eq(client_connect(rig.port), -1);
    cr_assert(client_ask(fd, answer, sizeof answer));
    close(fd);
    cr_assert_eq(rig.drain_count, 0);
}

Test(proxy_drain, of_a_removed_service_ends_with_its_timeout)
{
    rig.drain_ns = 200 * NS_PER_MS;
    start_two();
    put(true, false);
    int fd = connect_to("a");
    proxy_feed_service_remove(rig.feed, "web");
    rig_publish();
    cr_assert(client_is_closed(fd));
    close(fd);
}

Test(proxy_drain, is_not_needed_for_another_address)
{
    start_two();
    put(true, false);
    int fd = connect_to("a");
    uint16_t before = rig.port;
    rig.port = free_port();
    snprintf(rig.listen, sizeof rig.listen, "127.0.0.1:%u", rig.port);
    put(true, false);
    cr_assert(client_ask(fd, answer, sizeof answer));
    close(fd);
    close(connect_to("b"));
    cr_assert_eq(client_connect(before), -1);
}
