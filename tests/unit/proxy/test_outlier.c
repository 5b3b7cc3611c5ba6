/* Ejection and slow start on the main thread's side, in simulated time: what workers see is said by
 * the test, and nothing is sent anywhere. */
#include "proxy/outlier.h"
#include "proxy/slow_start.h"
#include "proxy/worker.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct proxy proxy;
static struct worker worker;
static struct service *service;
static const char *const ids[] = {"a", "b", "c", "d"};

static void nothing(struct loop_task *task)
{
    (void)task;
}

static void nudged(struct loop_task *task)
{
    (void)task;
    atomic_store(&worker.nudged, false);
    if (outlier_look(&proxy))
        publish_now(&proxy);
}

static void setup(void)
{
    proxy = (struct proxy){.loop = loop_create_virtual(1, 0), .worker_count = 1};
    worker = (struct worker){.proxy = &proxy, .loop = proxy.loop};
    worker.wake_task = (struct loop_task){.run = nothing, .name = "woken"};
    worker.nudge_task = (struct loop_task){.run = nudged, .name = "nudged"};
    proxy.workers = &worker;
    outlier_init(&proxy);
    slow_start_init(&proxy);
    balancer_init(&proxy);
    service = calloc(1, sizeof *service);
    service->name = strdup("web");
    service->tally = tally_hold(NULL);
    service->meter = meter_create(1);
    service->http = calloc(1, sizeof *service->http);
    service->http->references = 1;
    service->balancer = strdup("turns");
    service->balancer_config = strdup("{}");
    service->listen = strdup("");
    service->certificate = strdup("");
    service->route.prefix = strdup("/");
    service->route.sticky = strdup("");
    service->protocol = FEED_UDP; /* comes back without a connect of ours */
    service->ejection = (struct feed_ejection){.failures = 5,
                                               .share_percent = 50,
                                               .interval_ns = 10 * NS_PER_SECOND,
                                               .time_ns = 10 * NS_PER_SECOND,
                                               .max_time_ns = 25 * NS_PER_SECOND};
    HASH_ADD_KEYPTR(hh, proxy.services, service->name, strlen(service->name), service);
}

static void use(uint32_t count)
{
    service->endpoints = calloc(count, sizeof(struct endpoint *));
    service->endpoint_count = count;
    for (uint32_t i = 0; i < count; i++) {
        service->endpoints[i] = endpoint_create(ids[i], "127.0.0.1", 1, 1);
        service->endpoints[i]->state = FEED_ACTIVE;
        service->endpoints[i]->weight = 1;
    }
    service->changed = true;
    outlier_service_changed(&proxy, service);
    publish_now(&proxy);
}

static void teardown(void)
{
    outlier_finish(&proxy);
    slow_start_finish(&proxy);
    publish_finish(&proxy);
    table_finish(&proxy);
    balancer_finish(&proxy);
    loop_destroy(proxy.loop);
}

TestSuite(outlier, .init = setup, .fini = teardown, .timeout = 20);

static void run_s(uint64_t seconds)
{
    (void)loop_run_until(proxy.loop, loop_now_ns(proxy.loop) + seconds * NS_PER_SECOND);
}

static void see(uint32_t endpoint, enum outlier_sight sight, int times)
{
    for (int i = 0; i < times; i++)
        outlier_note(&worker, service->endpoints[endpoint], sight);
    run_s(0);
}

/* The ids that may be picked, as the newest snapshot has them. */
static const char *picked(void)
{
    static char text[8];
    memset(text, 0, sizeof text);
    for (uint32_t i = 0; i < service->view->endpoints.items.count; i++)
        text[i] = service->view->picked[i]->id[0];
    return text;
}

Test(outlier, failures_in_a_row_leave_an_endpoint_out)
{
    use(2);
    see(0, SIGHT_NO_CONNECT, 4);
    cr_assert_str_eq(picked(), "ab");
    see(0, SIGHT_NO_CONNECT, 1);
    cr_assert_str_eq(picked(), "b");
    cr_assert_str_eq(service->endpoints[0]->outlier.why, "5 connects failed in a row");
}

Test(outlier, a_success_in_between_forgives)
{
    use(2);
    for (int i = 0; i < 5; i++) {
        see(0, SIGHT_NO_CONNECT, 4);
        see(0, SIGHT_CONNECTED, 1);
    }
    for (int i = 0; i < 5; i++) {
        see(0, SIGHT_FAULT, 4);
        see(0, SIGHT_ANSWERED, 1);
    }
    cr_assert_str_eq(picked(), "ab");
}

Test(outlier, a_connect_is_no_answer)
{
    use(2);
    for (int i = 0; i < 5; i++) {
        see(0, SIGHT_CONNECTED, 1);
        see(0, SIGHT_FAULT, 1);
    }
    cr_assert_str_eq(picked(), "b");
    cr_assert_str_eq(service->endpoints[0]->outlier.why,
                     "5 answers were cut, late or errors in a row");
}

Test(outlier, when_all_fail_all_are_used)
{
    use(2);
    see(0, SIGHT_FAULT, 5);
    cr_assert_str_eq(picked(), "b");
    see(1, SIGHT_FAULT, 5);
    cr_assert_str_eq(picked(), "ab");
    see(1, SIGHT_ANSWERED, 1);
    run_s(2);
    cr_assert_str_eq(picked(), "b", "it has recovered: the other one is left out again");
}

Test(outlier, the_only_one_is_never_left_out)
{
    use(1);
    see(0, SIGHT_FAULT, 50);
    cr_assert_str_eq(picked(), "a");
}

Test(outlier, no_more_than_the_share_are_out)
{
    use(4);
    see(2, SIGHT_FAULT, 5);
    see(1, SIGHT_FAULT, 5);
    see(0, SIGHT_FAULT, 5);
    cr_assert_str_eq(picked(), "ad", "the first two that failed");
}

Test(outlier, comes_back_on_trial_and_stays_out_longer_each_time)
{
    use(2);
    see(0, SIGHT_FAULT, 5);
    run_s(9);
    cr_assert_str_eq(picked(), "b");
    run_s(2);
    cr_assert_str_eq(picked(), "ab");
    see(0, SIGHT_FAULT, 1);
    cr_assert_str_eq(picked(), "b", "one is enough");
    run_s(19);
    cr_assert_str_eq(picked(), "b");
    run_s(2);
    cr_assert_str_eq(picked(), "ab");
    see(0, SIGHT_FAULT, 1);
    run_s(24);
    cr_assert_str_eq(picked(), "b");
    run_s(2);
    cr_assert_str_eq(picked(), "ab", "at most so long");
}

Test(outlier, is_as_good_as_new_after_as_long_as_it_was_out)
{
    use(2);
    see(0, SIGHT_FAULT, 5);
    run_s(11);
    see(0, SIGHT_ANSWERED, 1);
    see(0, SIGHT_FAULT, 4);
    cr_assert_str_eq(picked(), "ab", "the trial is over");
    run_s(11);
    see(0, SIGHT_FAULT, 1);
    cr_assert_str_eq(picked(), "b");
    run_s(11);
    cr_assert_str_eq(picked(), "ab");
}

Test(outlier, a_share_of_failures_within_an_interval_counts_from_twenty)
{
    service->ejection.failures = 0;
    service->ejection.failure_percent = 50;
    use(2);
    see(0, SIGHT_ANSWERED, 9);
    see(0, SIGHT_FAULT, 10);
    run_s(11);
    cr_assert_str_eq(picked(), "ab", "too few");
    see(0, SIGHT_ANSWERED, 11);
    see(0, SIGHT_FAULT, 9);
    run_s(11);
    cr_assert_str_eq(picked(), "ab", "less than half");
    see(0, SIGHT_ANSWERED, 10);
    see(0, SIGHT_FAULT, 10);
    run_s(9);
    cr_assert_str_eq(picked(), "b");
    cr_assert_str_eq(service->endpoints[0]->outlier.why, "10 of 20 failed within 10 s");
}

Test(outlier, is_given_back_when_nothing_is_looked_at_any_more)
{
    use(2);
    see(0, SIGHT_FAULT, 5);
    service->ejection.failures = 0;
    outlier_service_changed(&proxy, service);
    publish_now(&proxy);
    cr_assert_str_eq(picked(), "ab");
    see(0, SIGHT_FAULT, 50);
    cr_assert_str_eq(picked(), "ab");
}

static uint32_t weight(uint32_t endpoint)
{
    return orch_cell_weight(&service->endpoints[endpoint]->cell);
}

Test(outlier, one_that_is_back_starts_slowly)
{
    service->slow_start_ns = 100 * NS_PER_SECOND;
    use(2);
    cr_assert_eq(weight(0), 256, "the first have nobody to spare them");
    see(0, SIGHT_FAULT, 5);
    run_s(10);
    cr_assert_str_eq(picked(), "ab");
    cr_assert_eq(weight(0), 26);
    run_s(50);
    cr_assert_eq(weight(0), 128);
    run_s(25);
    cr_assert_eq(weight(0), 192);
    run_s(26);
    cr_assert_eq(weight(0), 256);
    cr_assert_not(loop_timer_armed(&proxy.slow_timer));
    cr_assert_eq(weight(1), 256);
}

Test(slow_start, grows_in_proportion_from_a_tenth)
{
    static const struct {
        uint64_t elapsed_s;
        uint32_t weight;
    } cases[] = {{0, 26}, {1, 26}, {6, 26}, {7, 29}, {30, 128}, {59, 251}, {60, 256}, {600, 256}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_assert_eq(slow_start_weight(cases[i].elapsed_s * NS_PER_SECOND, 60 * NS_PER_SECOND),
                     cases[i].weight, "after %lu s", cases[i].elapsed_s);
}
