#include "base/traffic.h"

#include <criterion/criterion.h>

Test(histogram, a_bucket_tells_a_duration_to_within_a_thirtieth)
{
    for (uint64_t us = 1; us < 100u * 1000 * 1000; us += 1 + us / 7) {
        uint32_t index = histogram_index(us);
        uint64_t floor = histogram_floor(index), next = histogram_floor(index + 1);
        cr_assert(floor <= us && us < next, "%lu in [%lu, %lu)", us, floor, next);
        cr_assert(next - floor == 1 || (next - floor) * 16 <= floor, "%lu", us);
    }
    cr_assert_eq(histogram_index(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

Test(histogram, quantiles_are_those_of_what_was_added)
{
    struct histogram histogram = {0};
    cr_assert_eq(histogram_quantile_us(&histogram, 500), -1);
    for (uint64_t us = 1; us <= 10000; us++)
        histogram_add(&histogram, histogram_index(us), 1);
    cr_assert_eq(histogram_total(&histogram), 10000);
    int64_t p50 = histogram_quantile_us(&histogram, 500);
    int64_t p99 = histogram_quantile_us(&histogram, 990);
    cr_assert(p50 > 4840 && p50 < 5160, "%ld", p50);
    cr_assert(p99 > 9590 && p99 < 10210, "%ld", p99);
    cr_assert_eq(histogram_quantile_us(&histogram, 0), 1);
    static const uint64_t bounds[] = {0, 5000, 20000};
    uint64_t counts[3] = {0};
    histogram_add_at_most(&histogram, bounds, 3, counts);
    cr_assert_eq(counts[0], 0);
    cr_assert(counts[1] > 4840 && counts[1] < 5160, "%lu", counts[1]);
    cr_assert_eq(counts[2], 10000);
    histogram_finish(&histogram);
}

Test(histogram, sums_and_differences_are_exact)
{
    struct histogram a = {0}, b = {0}, sum = {0}, since = {0};
    for (uint64_t us = 3; us < 5000000; us *= 3)
        histogram_add(&a, histogram_index(us), us % 7);
    for (uint64_t us = 90; us < 900; us += 11)
        histogram_add(&b, histogram_index(us), 2);
    histogram_merge(&sum, &a);
    histogram_merge(&sum, &b);
    histogram_merge_since(&since, &sum, &a);
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        cr_assert_eq(histogram_get(&sum, i), histogram_get(&a, i) + histogram_get(&b, i));
        cr_assert_eq(histogram_get(&since, i), histogram_get(&b, i));
    }
    histogram_finish(&a);
    histogram_finish(&b);
    histogram_finish(&sum);
    histogram_finish(&since);
}

Test(histogram, is_read_as_it_was_written)
{
    CLEANUP(text_finish) struct text text = {0};
    struct histogram histogram = {0}, read = {0};
    histogram_add(&histogram, 7, 1);
    histogram_add(&histogram, 383, 1ull << 50);
    histogram_write(&histogram, &text);
    cr_assert_str_eq(text_string(&text), "7:1 383:1125899906842624");
    cr_assert(histogram_read(&read, text_string(&text)));
    cr_assert_eq(histogram_get(&read, 7), 1);
    cr_assert_eq(histogram_get(&read, 383), 1ull << 50);
    static const char *const bad[] = {"384:1", "1", "x:1", "1:", "1:2,3:4"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_not(histogram_read(&read, bad[i]), "%s", bad[i]);
    histogram_finish(&histogram);
    histogram_finish(&read);
}

Test(traffic, totals_that_are_told_again_add_nothing)
{
    struct traffic last = {0}, sum = {0};
    struct traffic said = {.counts = {[TRAFFIC_SERVED] = 5, [TRAFFIC_ANSWERED_2XX] = 4}};
    histogram_add(&said.latency, 100, 4);
    for (int i = 0; i < 3; i++) {
        traffic_add_since(&sum, &said, &last);
        traffic_renew(&last, &said);
    }
    histogram_set(&said.latency, 100, 6);
    said.counts[TRAFFIC_ANSWERED_2XX] = 6;
    traffic_add_since(&sum, &said, &last);
    cr_assert_eq(sum.counts[TRAFFIC_SERVED], 5);
    cr_assert_eq(traffic_requests(&sum), 6);
    cr_assert_eq(histogram_get(&sum.latency, 100), 6);
    traffic_finish(&said);
    traffic_finish(&last);
    traffic_finish(&sum);
}
