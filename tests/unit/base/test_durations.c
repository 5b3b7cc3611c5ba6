#include "base/clock.h"
#include "base/durations.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *written(const struct durations *durations, const char *labels)
{
    static struct text out;
    text_clear(&out);
    durations_write(durations, "x_seconds", labels, &out);
    return text_string(&out);
}

static bool has(const char *text, const char *line)
{
    const char *at = strstr(text, line);
    return at && (at == text || at[-1] == '\n');
}

Test(durations, are_counted_in_all_buckets_from_theirs_on)
{
    struct durations durations = {0};
    durations_note(&durations, 100 * NS_PER_US);
    durations_note(&durations, 100 * NS_PER_US + 1);
    durations_note(&durations, 3 * NS_PER_MS);
    durations_note(&durations, 60 * NS_PER_SECOND);
    const char *text = written(&durations, "");
    cr_assert(has(text, "x_seconds_bucket{le=\"0.0001\"} 1\n"), "%s", text);
    cr_assert(has(text, "x_seconds_bucket{le=\"0.00025\"} 2\n"), "%s", text);
    cr_assert(has(text, "x_seconds_bucket{le=\"0.0025\"} 2\n"), "%s", text);
    cr_assert(has(text, "x_seconds_bucket{le=\"0.005\"} 3\n"), "%s", text);
    cr_assert(has(text, "x_seconds_bucket{le=\"10\"} 3\n"), "%s", text);
    cr_assert(has(text, "x_seconds_bucket{le=\"+Inf\"} 4\n"), "%s", text);
    cr_assert(has(text, "x_seconds_sum 60.003200\n"), "%s", text);
    cr_assert(has(text, "x_seconds_count 4\n"), "%s", text);
}

Test(durations, carry_their_labels)
{
    struct durations durations = {0};
    const char *text = written(&durations, "verb=\"pull\"");
    cr_assert(has(text, "x_seconds_bucket{verb=\"pull\",le=\"0.0001\"} 0\n"), "%s", text);
    cr_assert(has(text, "x_seconds_count{verb=\"pull\"} 0\n"), "%s", text);
}
