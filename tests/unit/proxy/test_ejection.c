/* Ejection by the real program: what clients and the feed see of it. */
#include "rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void prepare(void)
{
    rig_prepare();
    rig.ejection = (struct feed_ejection){.failures = 3,
                                          .share_percent = 50,
                                          .interval_ns = 10 * NS_PER_SECOND,
                                          .time_ns = 100 * NS_PER_MS,
                                          .max_time_ns = 300 * NS_PER_MS};
}

TestSuite(proxy_ejection, .init = prepare, .fini = rig_finish, .timeout = 60);

static bool is_out(void)
{
    return rig.out;
}

static bool is_back(void)
{
    return rig.ejections > 0 && !rig.out;
}

static void ask_b(int times)
{
    char answer[64];
    for (int i = 0; i < times; i++) {
        int fd = client_connect(rig.port);
        cr_assert(client_ask(fd, answer, sizeof answer));
        cr_assert_str_eq(answer, "b");
        close(fd);
    }
}

Test(proxy_ejection, a_dead_endpoint_is_left_out_and_comes_back_when_it_listens)
{
    struct origin *b = origin_start(ORIGIN_NAME, "b");
    uint16_t dead;
    int fd = bind_any(&dead); /* bound, so that nobody else gets it: it refuses */
    rig.workers = 1;
    rig_feed();
    rig_put((struct rig_endpoint[]){{"a", dead, false}, {"b", b->port, false}}, 2);
    rig_publish();
    ask_b(10); /* each connect that fails is made at b instead: no client sees it */
    cr_assert(rig_wait(is_out));
    cr_assert_str_eq(rig.ejected, "a");
    cr_assert(strstr(rig.ejected_why, " connects failed in a row"), "%s", rig.ejected_why);
    cr_assert_eq(listen(fd, 16), 0);
    cr_assert(rig_wait(is_back));
    close(fd);
}

Test(proxy_ejection, one_that_resets_before_it_answers_is_left_out)
{
    struct origin *a = origin_start(ORIGIN_RESET, "a"), *b = origin_start(ORIGIN_NAME, "b");
    char answer[64];
    unsigned cut = 0;
    rig.workers = 1;
    rig.ejection.time_ns = rig.ejection.max_time_ns = 60 * NS_PER_SECOND;
    rig_feed();
    rig_put((struct rig_endpoint[]){{"a", a->port, false}, {"b", b->port, false}}, 2);
    rig_publish();
    for (int i = 0; i < 6; i++) {
        int fd = client_connect(rig.port);
        cut += !client_ask(fd, answer, sizeof answer);
        close(fd);
    }
    cr_assert_eq(cut, 3);
    cr_assert(rig_wait(is_out));
    cr_assert_str_eq(rig.ejected_why, "3 answers were cut, late or errors in a row");
    rig_publish(); /* by then every worker leaves it out */
    ask_b(10);
}

Test(proxy_ejection, a_feed_that_is_new_is_told_what_is_out)
{
    struct origin *b = origin_start(ORIGIN_NAME, "b");
    struct rig_endpoint endpoints[] = {{"a", free_port(), false}, {"b", b->port, false}};
    rig.workers = 1;
    rig.linger_ns = 60 * NS_PER_SECOND;
    rig.ejection.time_ns = rig.ejection.max_time_ns = 60 * NS_PER_SECOND;
    rig_feed();
    rig_put(endpoints, 2);
    rig_publish();
    ask_b(10);
    cr_assert(rig_wait(is_out));
    proxy_feed_destroy(rig.feed, false);
    rig.out = false;
    rig.acknowledged = 0;
    rig.linger_ns = 0;
    rig_feed();
    rig_put(endpoints, 2);
    rig_publish();
    cr_assert(rig_wait(is_out));
    rig_put(&endpoints[1], 1);
    rig_publish();
    cr_assert(rig_wait(is_back), "it has gone");
}

static bool is_full(void)
{
    return rig.in_flight == 2;
}

Test(proxy_ejection, more_connections_than_a_service_may_have_are_closed_at_once)
{
    struct origin *a = origin_start(ORIGIN_NAME, "a");
    char answer[64];
    rig.max_connections = 2;
    rig_feed();
    rig_put((struct rig_endpoint[]){{"a", a->port, false}}, 1);
    rig_publish();
    int one = client_connect(rig.port), two = client_connect(rig.port);
    cr_assert(client_ask(one, answer, sizeof answer));
    cr_assert(client_ask(two, answer, sizeof answer));
    int three = client_connect(rig.port);
    cr_assert(client_is_closed(three));
    close(three);
    cr_assert(rig_wait(is_full));
    close(one);
    for (bool served = false; !served;) {
        int fd = client_connect(rig.port);
        served = client_ask(fd, answer, sizeof answer);
        close(fd);
    }
    close(two);
}

Test(proxy_ejection, a_new_endpoint_gets_a_tenth_of_a_share_at_first)
{
    struct origin *a = origin_start(ORIGIN_NAME, "a"), *b = origin_start(ORIGIN_NAME, "b");
    const struct rig_endpoint both[] = {{"a", a->port, false}, {"b", b->port, false}};
    char answer[64];
    unsigned of_b = 0;
    rig.workers = 1;
    rig.slow_start_ns = 3600 * NS_PER_SECOND;
    rig_feed();
    rig_put(both, 1);
    rig_publish();
    rig_put(both, 2);
    rig_publish();
    for (int i = 0; i < 110; i++) {
        int fd = client_connect(rig.port);
        cr_assert(client_ask(fd, answer, sizeof answer));
        of_b += strcmp(answer, "b") == 0;
        close(fd);
    }
    cr_assert(of_b >= 8 && of_b <= 12, "%u of 110", of_b);
}
