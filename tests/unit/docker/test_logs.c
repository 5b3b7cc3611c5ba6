/* logs: both channels apart, at the reader's pace. */
#include "unit/docker/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char id[72];

static void open_with_container(void)
{
    rig_open();
    rig_running("web-1", id);
}

TestSuite(docker_logs, .init = open_with_container, .fini = rig_close, .timeout = 30);

static void say(int channel, const char *text)
{
    fake_docker_log(fake, id, channel, text, strlen(text));
}

Test(docker_logs, both_channels_come_apart)
{
    say(1, "one\n");
    say(2, "bad\n");
    say(1, "two\n");
    cr_assert_eq(do_logs(id, false, -1), ORCH_OK, "%s", last.message);
    cr_assert_str_eq(text_string(&last.output), "one\ntwo\n");
    cr_assert_str_eq(text_string(&last.errors), "bad\n");
}

Test(docker_logs, an_engine_from_1_42_on_is_read_as_well)
{
    fake_docker_go_away(fake);
    cr_assert_lt(do_info(), 0);
    fake_docker_set_version(fake, "1.43");
    fake_docker_come_back(fake);
    say(1, "one\n");
    cr_assert_eq(do_logs(id, false, -1), ORCH_OK, "%s", last.message);
    cr_assert_str_eq(text_string(&last.output), "one\n");
}

Test(docker_logs, a_terminals_output_is_not_framed)
{
    fake_docker_set_tty(fake, id);
    say(1, "one\r\n");
    cr_assert_eq(do_logs(id, false, -1), ORCH_OK, "%s", last.message);
    cr_assert_str_eq(text_string(&last.output), "one\r\n");
}

Test(docker_logs, nothing_is_nothing)
{
    cr_assert_eq(do_logs(id, false, -1), ORCH_OK);
    cr_assert_eq(last.output.length, 0);
}

Test(docker_logs, only_the_tail_is_asked_for)
{
    say(1, "one\n");
    say(1, "two\n");
    cr_assert_eq(do_logs(id, false, 1), ORCH_OK);
    cr_assert_str_eq(text_string(&last.output), "two\n");
    char *request = fake_docker_last(fake, "GET /containers/*/logs", NULL);
    cr_assert(strstr(request, "/logs?stdout=1&stderr=1&follow=0&timestamps=0&tail=1"), "%s",
              request);
    free(request);
}

static bool has_output(void *argument)
{
    return ((const struct seen *)argument)->output.length >= 4;
}

Test(docker_logs, following_ends_with_the_container)
{
    struct seen seen = {0};
    begin_logs(&seen, id, true);
    say(1, "one\n");
    cr_assert(rig_until(has_output, &seen, 5000));
    cr_assert_eq(seen.ends, 0);
    say(1, "two\n");
    fake_docker_exit(fake, id, 0, false);
    cr_assert(rig_ended(&seen, 5000));
    cr_assert_eq(seen.status, ORCH_OK);
    cr_assert_str_eq(text_string(&seen.output), "one\ntwo\n");
    seen_finish(&seen);
}

Test(docker_logs, following_is_cancelled)
{
    struct seen seen = {0};
    uint64_t call = begin_logs(&seen, id, true);
    say(1, "one\n");
    cr_assert(rig_until(has_output, &seen, 5000));
    runtime_cancel(runtime, call);
    cr_assert(rig_ended(&seen, 5000));
    cr_assert_eq(seen.status, ORCH_E_CANCELLED);
    seen_finish(&seen);
}

static bool is_owed(void *argument)
{
    return ((const struct seen *)argument)->owed >= 256 * 1024;
}

Test(docker_logs, a_slow_reader_slows_the_engine_down_and_loses_nothing)
{
    enum { LINES = 400, LINE = 10000 };
    struct seen seen = {.keep_back = 1};
    char *line = malloc(LINE);
    memset(line, 'x', LINE);
    for (int i = 0; i < LINES; i++)
        fake_docker_log(fake, id, 1, line, LINE);
    uint64_t call = begin_logs(&seen, id, false);
    cr_assert(rig_until(is_owed, &seen, 5000));
    rig_run(300);
    cr_assert_lt(seen.output.length, 512 * 1024, "%zu bytes without credit", seen.output.length);
    cr_assert_eq(seen.ends, 0);
    while (!seen.ends) {
        size_t owed = seen.owed;
        seen.owed = 0;
        runtime_credit(runtime, call, owed);
        rig_run(2);
    }
    cr_assert_eq(seen.status, ORCH_OK, "%s", seen.message);
    cr_assert_eq(seen.output.length, (size_t)LINES * LINE);
    cr_assert_eq(strspn(text_string(&seen.output), "x"), seen.output.length, "no header in it");
    free(line);
    seen_finish(&seen);
}

Test(docker_logs, what_makes_no_sense_is_an_error)
{
    cr_assert_eq(do_logs("0123456789abcdef", false, -1), ORCH_E_NOT_FOUND);
    static const struct {
        struct fake_fault fault;
        orch_status status;
    } rows[] = {{{.how = FAKE_REPLY, .body = "\x01zzzzzzzzzzzz"}, ORCH_E_IO},
                {{.how = FAKE_REPLY, .body = "\x01", .cut = true}, ORCH_E_UNAVAILABLE},
                {{.how = FAKE_REPLY, .body = "\x01"}, ORCH_E_UNAVAILABLE},
                {{.how = FAKE_CLOSE}, ORCH_E_UNAVAILABLE},
                {{.how = FAKE_REPLY, .status = 500}, ORCH_E_INTERNAL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_fault fault = rows[i].fault;
        fault.call = "GET /containers/*/logs";
        fake_docker_fault(fake, &fault);
        cr_expect_eq(do_logs(id, false, -1), rows[i].status, "row %zu: %d %s", i, last.status,
                     last.message);
    }
}
