#include "base/clock.h"

#include <criterion/criterion.h>

static const struct {
    int64_t wall_ms;
    const char *text;
} instants[] = {{0, "1970-01-01T00:00:00.000Z"},
                {1, "1970-01-01T00:00:00.001Z"},
                {-1, "1969-12-31T23:59:59.999Z"},
                {951782400000, "2000-02-29T00:00:00.000Z"},
                {1795600800123, "2026-11-25T10:00:00.123Z"},
                {253402300799999, "9999-12-31T23:59:59.999Z"}};

Test(clock, instants_are_written_and_read_alike)
{
    for (size_t i = 0; i < sizeof instants / sizeof instants[0]; i++) {
        char text[CLOCK_TEXT_BYTES];
        int64_t back = 42;
        cr_expect_str_eq(clock_format_wall_ms(instants[i].wall_ms, text), instants[i].text);
        cr_expect(clock_parse_wall_ms(instants[i].text, &back));
        cr_expect_eq(back, instants[i].wall_ms, "%s", instants[i].text);
    }
}

Test(clock, other_forms_of_rfc_3339_are_read)
{
    static const struct {
        const char *text;
        int64_t wall_ms;
    } cases[] = {{"1970-01-01T00:00:01Z", 1000},   {"1970-01-01T00:00:01z", 1000},
                 {"1970-01-01T00:00:00.5Z", 500},  {"1970-01-01T00:00:00.123456789Z", 123},
                 {"1970-01-01T02:00:00+02:00", 0}, {"1969-12-31T22:30:00-01:30", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t wall_ms = 42;
        cr_expect(clock_parse_wall_ms(cases[i].text, &wall_ms), "%s", cases[i].text);
        cr_expect_eq(wall_ms, cases[i].wall_ms, "%s", cases[i].text);
    }
}

Test(clock, what_is_no_instant_is_refused)
{
    static const char *const bad[] = {"",
                                      "now",
                                      "2026-11-25",
                                      "2026-11-25T10:00:00",
                                      "2026-11-25T10:00:00.Z",
                                      "2026-13-01T00:00:00Z",
                                      "2026-02-30T00:00:00Z",
                                      "2026-11-25T24:00:00Z",
                                      "2026-11-25T10:61:00Z",
                                      "2026-11-25T10:00:00Z ",
                                      " 2026-11-25T10:00:00Z",
                                      "26-11-25T10:00:00Z",
                                      "2026-11-25 10:00:00Z",
                                      "1900-02-29T00:00:00Z",
                                      "2026-11-25T10:00:00+2:00",
                                      "2026-11-25T10:00:00+24:00",
                                      "2026-11-25T10:00:00+02:60",
                                      "2026-11-25T10:00:00 +02:00"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t wall_ms;
        cr_expect_not(clock_parse_wall_ms(bad[i], &wall_ms), "\"%s\"", bad[i]);
    }
}

static const struct {
    uint64_t ns;
    const char *text;
} durations[] = {{0, "0s"},
                 {1, "1ns"},
                 {1500, "1us500ns"},
                 {500 * NS_PER_MS, "500ms"},
                 {NS_PER_SECOND, "1s"},
                 {1500 * NS_PER_MS, "1s500ms"},
                 {90 * NS_PER_SECOND, "1m30s"},
                 {86400 * NS_PER_SECOND, "24h"},
                 {3661 * NS_PER_SECOND, "1h1m1s"}};

Test(clock, durations_are_written_and_read_alike)
{
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        char text[CLOCK_TEXT_BYTES];
        uint64_t back = 42;
        cr_expect_str_eq(clock_format_duration_ns(durations[i].ns, text), durations[i].text);
        cr_expect(clock_parse_duration_ns(durations[i].text, &back));
        cr_expect_eq(back, durations[i].ns, "%s", durations[i].text);
    }
}

Test(clock, the_longest_duration_fits_its_text)
{
    char text[CLOCK_TEXT_BYTES];
    uint64_t back = 0;
    cr_assert(clock_parse_duration_ns(clock_format_duration_ns(UINT64_MAX, text), &back), "%s",
              text);
    cr_assert_eq(back, UINT64_MAX, "%s", text);
}

Test(clock, durations_may_have_days_and_decimals)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } cases[] = {{"0", 0},          {"2d", 2 * 86400 * NS_PER_SECOND}, {"1.5s", 1500 * NS_PER_MS},
                 {"0.001ms", 1000}, {"1h0.5m", 3630 * NS_PER_SECOND},  {"0.0000000001s", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t ns = 42;
        cr_expect(clock_parse_duration_ns(cases[i].text, &ns), "%s", cases[i].text);
        cr_expect_eq(ns, cases[i].ns, "%s", cases[i].text);
    }
}

Test(clock, what_is_no_duration_is_refused)
{
    static const char *const bad[] = {"",
                                      "5",
                                      "s",
                                      "-1s",
                                      "1 s",
                                      "1S",
                                      "1s1m",
                                      "1s2s",
                                      "1.s",
                                      ".5s",
                                      "1sec",
                                      "1ms2s",
                                      "1e3s",
                                      "0x1s",
                                      "1s ",
                                      "18446744073709551616ns",
                                      "99999999999999999999s",
                                      "600000000h"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t ns;
        cr_expect_not(clock_parse_duration_ns(bad[i], &ns), "\"%s\"", bad[i]);
    }
}

/* Found by fuzzing: years below 1000 were written without their zeros. */
Test(clock, every_year_is_written_with_four_digits_and_read_again)
{
    static const char *const same[] = {"0999-12-31T22:30:00.999Z", "0000-01-01T00:00:00.000Z",
                                       "9999-12-31T23:59:59.999Z"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        int64_t ms;
        char out[CLOCK_TEXT_BYTES];
        cr_expect(clock_parse_wall_ms(same[i], &ms), "%s", same[i]);
        cr_expect_str_eq(clock_format_wall_ms(ms, out), same[i]);
    }
}

Test(clock, an_offset_that_leads_out_of_the_four_digits_is_refused)
{
    int64_t ms;
    cr_expect_not(clock_parse_wall_ms("0000-01-01T00:00:00+00:01", &ms));
    cr_expect_not(clock_parse_wall_ms("9999-12-31T23:59:59-00:01", &ms));
}

Test(clock, any_number_can_be_written)
{
    char out[CLOCK_TEXT_BYTES];
    cr_expect_str_eq(clock_format_wall_ms(INT64_MAX, out), "292278994-08-17T07:12:55.807Z");
    cr_expect_str_eq(clock_format_wall_ms(INT64_MIN, out), "-292275055-05-16T16:47:04.192Z");
}
