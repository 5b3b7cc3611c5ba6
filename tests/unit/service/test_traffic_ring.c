#include "service/traffic_ring.h"

#include <criterion/criterion.h>

enum { BEGIN_MS = 1000 * RING_SLOT_MS };
static struct ring_budget budget;
static struct traffic_ring *ring;

static void set_up(void)
{
    budget = (struct ring_budget){.limit = 1 << 20};
    ring = traffic_ring_create(&budget, BEGIN_MS);
    cr_assert_not_null(ring);
}

static void tear_down(void)
{
    traffic_ring_destroy(ring, &budget);
    cr_assert_eq(budget.bytes, 0);
}

TestSuite(traffic_ring, .init = set_up, .fini = tear_down);

static void add(int64_t slot, int64_t requests, int64_t in_flight, uint32_t bucket)
{
    struct histogram latency = {0};
    histogram_add(&latency, bucket, (uint64_t)requests);
    traffic_ring_add(ring, &budget, BEGIN_MS + slot * RING_SLOT_MS, requests, requests / 10,
                     in_flight, &latency);
    histogram_finish(&latency);
}

static struct ring_sum sum_of(int64_t from, int64_t to)
{
    struct ring_sum sum = {0};
    traffic_ring_sum(ring, 1000 + from, 1000 + to, &sum);
    return sum;
}

Test(traffic_ring, sums_slots_with_their_latencies)
{
    add(0, 100, 3, 200);
    add(1, 50, 2, 40);
    add(1, 50, 4, 41);
    add(3, 10, 0, 383);
    struct ring_sum all = sum_of(0, 4), second = sum_of(1, 2);
    cr_assert_eq(all.requests, 210);
    cr_assert_eq(all.errors, 21);
    cr_assert_eq(histogram_total(&all.latency), 210);
    cr_assert_eq(histogram_get(&all.latency, 383), 10, "what is not packed yet");
    cr_assert_eq(second.requests, 100);
    cr_assert_eq(histogram_get(&second.latency, 40), 50);
    cr_assert_eq(histogram_get(&second.latency, 41), 50);
    histogram_finish(&all.latency);
    histogram_finish(&second.latency);
}

Test(traffic_ring, what_is_in_flight_stays_so_until_something_else_is_said)
{
    add(0, 0, 7, 0);
    add(5, 0, 1, 0);
    cr_assert_eq(sum_of(2, 4).in_flight, 7);
    cr_assert_eq(sum_of(2, 6).in_flight, 1);
    cr_assert_eq(sum_of(8, 9).in_flight, 1);
}

Test(traffic_ring, forgets_after_fifteen_minutes)
{
    for (int64_t slot = 0; slot < 400; slot++)
        add(slot, 10, 0, 100);
    struct ring_sum all = sum_of(0, 400);
    cr_assert_eq(all.requests, 10 * RING_SLOTS);
    cr_assert_eq(histogram_total(&all.latency), 10 * RING_SLOTS);
    histogram_finish(&all.latency);
    add(5000, 1, 0, 100);
    all = sum_of(0, 5001);
    cr_assert_eq(all.requests, 1);
    histogram_finish(&all.latency);
}

Test(traffic_ring, keeps_counts_only_once_its_budget_is_spent)
{
    budget.limit = budget.bytes;
    add(0, 10, 0, 100);
    add(1, 10, 0, 100);
    struct ring_sum all = sum_of(0, 2);
    cr_assert_eq(all.requests, 20);
    cr_assert_eq(histogram_total(&all.latency), 10, "of the open slot");
    cr_assert_null(traffic_ring_create(&budget, BEGIN_MS));
    histogram_finish(&all.latency);
}
