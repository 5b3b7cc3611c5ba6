/* What the log writes is read back from a pipe and, as JSON, by a parser of its own. */
#include "base/log.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

static int ends[2];
static char line[3 * LOG_LINE_BYTES];

static void setup(void)
{
    cr_assert_eq(pipe(ends), 0);
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON, ends[1]);
}

static void teardown(void)
{
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON, STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
}

TestSuite(log, .init = setup, .fini = teardown);

static const char *take_line(void)
{
    ssize_t length = read(ends[0], line, sizeof line - 1);
    cr_assert_gt(length, 0);
    line[length] = 0;
    cr_assert_eq(line[length - 1], '\n');
    cr_assert_eq(strchr(line, '\n'), line + length - 1, "one line: %s", line);
    return line;
}

Test(log, a_line_is_one_json_object)
{
    json_error_t error;
    LOG_WARN("it \"works\"", LOG_STR("name", "web"), LOG_INT("count", -3), LOG_BOOL("ready", true),
             LOG_STR("nothing", NULL));
    json_t *object = json_loads(take_line(), 0, &error);
    cr_assert_not_null(object, "%s in %s", error.text, line);
    cr_assert_str_eq(json_string_value(json_object_get(object, "level")), "warn");
    cr_assert_str_eq(json_string_value(json_object_get(object, "message")), "it \"works\"");
    cr_assert_str_eq(json_string_value(json_object_get(object, "name")), "web");
    cr_assert_eq(json_integer_value(json_object_get(object, "count")), -3);
    cr_assert(json_is_true(json_object_get(object, "ready")));
    cr_assert(json_is_null(json_object_get(object, "nothing")));
    json_decref(object);
}

Test(log, no_control_byte_of_a_value_reaches_it)
{
    static const char *const hostile[] = {"a\nb\r{\"level\":\"error\"}",
                                          "\x1b[31mred\x1b[0m",
                                          "\x80\xff not UTF-8 \xc3",
                                          "\302\23331m C1",
                                          "\xe2\x80\xae turned \xe2\x81\xa6",
                                          "\xe2\x80\xa8 line separator",
                                          "tab\tbell\a delete\x7f"};
    for (int format = LOG_FORMAT_JSON; format <= LOG_FORMAT_TEXT; format++) {
        log_configure(LOG_LEVEL_INFO, (enum log_format)format, ends[1]);
        for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
            LOG_INFO(hostile[i], LOG_STR("value", hostile[i]));
            const char *written = take_line();
            for (const char *byte = written; byte[1]; byte++)
                cr_assert_geq(*byte, 0x20, "byte %d in %s", *byte, written);
            cr_assert_null(strstr(written, "\x7f"));
        }
    }
}

Test(log, a_line_that_is_too_long_is_cut_and_says_so)
{
    char value[2 * LOG_LINE_BYTES];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = 0;
    LOG_INFO("long", LOG_STR("a", value), LOG_STR("b", value), LOG_STR("c", value),
             LOG_STR("d", value));
    json_t *object = json_loads(take_line(), 0, NULL);
    cr_assert_not_null(object);
    cr_assert(json_is_true(json_object_get(object, "cut")));
    cr_assert_null(json_object_get(object, "d"));
    cr_assert_leq(strlen(line), 2 * LOG_LINE_BYTES);
    json_decref(object);
}

Test(log, what_is_below_the_level_is_not_written)
{
    LOG_DEBUG("quiet");
    LOG_ERROR("loud");
    cr_assert_not_null(strstr(take_line(), "loud"));
    log_configure(LOG_LEVEL_DEBUG, LOG_FORMAT_JSON, ends[1]);
    LOG_DEBUG("quiet");
    cr_assert_not_null(strstr(take_line(), "\"level\":\"debug\""));
}

Test(log, text_is_for_people)
{
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, ends[1]);
    LOG_INFO("started", LOG_STR("name", "web"), LOG_INT("count", 3));
    cr_assert_not_null(strstr(take_line(), "Z info  \"started\" name=\"web\" count=3\n"), "%s",
                       line);
}

Test(log, to_no_terminal_is_json_by_itself)
{
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_AUTO, ends[1]);
    LOG_INFO("hello");
    cr_assert_eq(take_line()[0], '{');
}
