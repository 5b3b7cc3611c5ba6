/* Durations, CPU, memory and times: what is read is printed as a text that is read the same. */
#include "base/clock.h"
#include "fuzz.h"
#include "schema/schema.h"

static void check_duration(const char *text)
{
    uint64_t ns, again;
    char out[CLOCK_TEXT_BYTES];
    if (!clock_parse_duration_ns(text, &ns))
        return;
    clock_format_duration_ns(ns, out);
    PROMISE(clock_parse_duration_ns(out, &again) && again == ns, "%s is printed as %s", text, out);
}

static void check_cpu(const char *text)
{
    int64_t millis, again;
    char out[SCHEMA_NUMBER_BYTES];
    if (!schema_parse_cpu(text, &millis))
        return;
    PROMISE(millis >= 0, "%s is less than nothing", text);
    schema_format_cpu(millis, out);
    if (millis <= INT64_MAX / 1000) /* far beyond what a field takes */
        PROMISE(schema_parse_cpu(out, &again) && again == millis, "%s is printed as %s", text, out);
}

static void check_memory(const char *text)
{
    int64_t bytes, again;
    char out[SCHEMA_NUMBER_BYTES];
    if (!schema_parse_memory(text, &bytes))
        return;
    PROMISE(bytes >= 0, "%s is less than nothing", text);
    schema_format_memory(bytes, out);
    if (bytes <= INT64_MAX / 1000)
        PROMISE(schema_parse_memory(out, &again) && again == bytes, "%s is printed as %s", text,
                out);
}

static void check_time(const char *text)
{
    int64_t ms, again;
    char out[CLOCK_TEXT_BYTES];
    if (!clock_parse_wall_ms(text, &ms))
        return;
    clock_format_wall_ms(ms, out);
    PROMISE(clock_parse_wall_ms(out, &again) && again == ms, "%s is printed as %s", text, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(data, size);
    check_duration(text);
    check_cpu(text);
    check_memory(text);
    check_time(text);
    (void)schema_is_name(text);
    (void)schema_is_label_key(text);
    text_defuse(text);
    PROMISE(!text_is_utf8(text, strlen(text)) || !strpbrk(text, "\x1b\r\n\a\b\x7f"), "not defused");
    free(text);
    return 0;
}
