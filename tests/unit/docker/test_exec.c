/* exec: over an upgraded connection, both ways. */
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

TestSuite(docker_exec, .init = open_with_container, .fini = rig_close, .timeout = 30);

#define COMMAND(...)                                                                               \
    (const char *const[]){__VA_ARGS__},                                                            \
        sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)

Test(docker_exec, output_and_code_come_back)
{
    cr_assert_eq(do_exec(id, COMMAND("echo", "a", "b")), ORCH_OK, "%s", last.message);
    cr_assert_str_eq(text_string(&last.output), "a b\n");
    cr_assert_eq(last.code, 0);
    cr_assert_eq(do_exec(id, COMMAND("err", "oh")), ORCH_OK);
    cr_assert_str_eq(text_string(&last.errors), "oh\n");
    cr_assert_eq(do_exec(id, COMMAND("exit", "42")), ORCH_OK);
    cr_assert_eq(last.code, 42);
}

static bool has_output(void *argument)
{
    return ((const struct seen *)argument)->output.length >= 5;
}

static bool send_all(void *argument)
{
    static const char text[] = "hello";
    return runtime_input(runtime, *(uint64_t *)argument, ORCH_CHANNEL_STDIN, text, 5) == 5;
}

Test(docker_exec, input_goes_in_until_its_end)
{
    struct seen seen = {0};
    uint64_t call = begin_exec(&seen, id, COMMAND("cat"), false);
    cr_assert_eq(runtime_input(runtime, call, ORCH_CHANNEL_STDIN, "x", 1), 0, "not yet");
    cr_assert(rig_until(send_all, &call, 5000));
    cr_assert(rig_until(has_output, &seen, 5000));
    cr_assert_str_eq(text_string(&seen.output), "hello");
    cr_assert_eq(seen.ends, 0);
    cr_assert_eq(runtime_input(runtime, call, ORCH_CHANNEL_EOF, NULL, 0), 0);
    cr_assert(rig_ended(&seen, 5000));
    cr_assert_eq(seen.status, ORCH_OK, "%s", seen.message);
    cr_assert_eq(seen.code, 0);
    seen_finish(&seen);
}

Test(docker_exec, an_end_of_input_that_comes_early_is_kept)
{
    struct seen seen = {0};
    uint64_t call = begin_exec(&seen, id, COMMAND("cat"), false);
    (void)runtime_input(runtime, call, ORCH_CHANNEL_EOF, NULL, 0);
    cr_assert(rig_ended(&seen, 5000));
    cr_assert_eq(seen.status, ORCH_OK);
    seen_finish(&seen);
}

Test(docker_exec, a_terminal_is_sized_and_not_framed)
{
    struct seen seen = {0};
    const uint16_t size[2] = {24, 80};
    uint64_t call = begin_exec(&seen, id, COMMAND("size"), true);
    cr_assert_eq(runtime_input(runtime, call, ORCH_CHANNEL_RESIZE, size, sizeof size), sizeof size);
    cr_assert_eq(runtime_input(runtime, call, ORCH_CHANNEL_RESIZE, size, 3), ORCH_E_INVALID);
    cr_assert(rig_ended(&seen, 5000));
    cr_assert_str_eq(text_string(&seen.output), "24 80\n");
    seen_finish(&seen);
}

Test(docker_exec, a_terminal_is_interrupted_by_its_key)
{
    struct seen seen = {0};
    uint64_t call = begin_exec(&seen, id, COMMAND("cat"), true);
    cr_assert(rig_until(send_all, &call, 5000));
    cr_assert_eq(runtime_input(runtime, call, ORCH_CHANNEL_SIGNAL, "SIGINT", 6), 6);
    cr_assert_eq(runtime_input(runtime, call, ORCH_CHANNEL_SIGNAL, "SIGHUP", 6), ORCH_E_UNSUPPORTED,
                 "the engine can't");
    (void)runtime_input(runtime, call, ORCH_CHANNEL_EOF, NULL, 0);
    cr_assert(rig_ended(&seen, 5000));
    cr_assert_str_eq(text_string(&seen.output), "hello\x03");
    seen_finish(&seen);
}

static bool is_owed(void *argument)
{
    return ((const struct seen *)argument)->owed >= 256 * 1024;
}

Test(docker_exec, a_slow_reader_slows_it_down_and_loses_nothing)
{
    struct seen seen = {.keep_back = 1};
    uint64_t call = begin_exec(&seen, id, COMMAND("flood", "4194304"), false);
    cr_assert(rig_until(is_owed, &seen, 5000));
    rig_run(300);
    cr_assert_lt(seen.output.length, 512 * 1024, "%zu bytes without credit", seen.output.length);
    while (!seen.ends) {
        size_t owed = seen.owed;
        seen.owed = 0;
        runtime_credit(runtime, call, owed);
        rig_run(2);
    }
    cr_assert_eq(seen.status, ORCH_OK, "%s", seen.message);
    cr_assert_eq(seen.output.length, 4194304);
    seen_finish(&seen);
}

static bool was_called(void *call)
{
    return fake_docker_calls(fake, call) > 0;
}

Test(docker_exec, it_is_cancelled_in_each_phase)
{
    static char create[] = "POST /containers/*/exec", start[] = "POST /exec/*/start";
    for (int i = 0; i < 3; i++) {
        struct seen seen = {0};
        if (i == 0)
            fake_docker_fault(
                fake, &(struct fake_fault){.call = "POST /containers/*/exec", .how = FAKE_HANG});
        if (i == 1)
            fake_docker_fault(fake,
                              &(struct fake_fault){.call = "POST /exec/*/start", .how = FAKE_HANG});
        fake_docker_calls_clear(fake);
        uint64_t call = begin_exec(&seen, id, COMMAND("hang"), false);
        cr_assert(rig_until(was_called, i > 0 ? start : create, 5000));
        rig_run(20);
        runtime_cancel(runtime, call);
        cr_assert(rig_ended(&seen, 5000));
        cr_assert_eq(seen.status, ORCH_E_CANCELLED, "phase %d", i);
        seen_finish(&seen);
    }
}

static const struct row {
    const char *name;
    struct fake_fault fault;
    orch_status status;
    const char *says;
} rows[] = {
    {"create closed",
     {.call = "POST /containers/*/exec", .how = FAKE_CLOSE},
     ORCH_E_UNAVAILABLE,
     ""},
    {"create garbled",
     {.call = "POST /containers/*/exec", .how = FAKE_REPLY, .body = "{\"Id\":\"../x\"}"},
     ORCH_E_IO,
     ""},
    {"create 409",
     {.call = "POST /containers/*/exec",
      .how = FAKE_REPLY,
      .status = 409,
      .body = "{\"message\":\"it is paused\"}"},
     ORCH_E_CONFLICT,
     "it is paused"},
    {"start closed", {.call = "POST /exec/*/start", .how = FAKE_CLOSE}, ORCH_E_UNAVAILABLE, ""},
    {"start 409",
     {.call = "POST /exec/*/start",
      .how = FAKE_REPLY,
      .status = 409,
      .body = "{\"message\":\"it has ended\"}"},
     ORCH_E_CONFLICT,
     "it has ended"},
    {"start 500, cut",
     {.call = "POST /exec/*/start",
      .how = FAKE_REPLY,
      .status = 500,
      .body = "{\"message\":\"boom\"}",
      .cut = true},
     ORCH_E_INTERNAL,
     "boom"},
    {"start with an endless refusal",
     {.call = "POST /exec/*/start", .how = FAKE_FLOOD, .status = 500, .bytes = 1 << 20},
     ORCH_E_TOO_LARGE,
     ""},
    {"the end is not told",
     {.call = "GET /exec/*/json", .how = FAKE_REPLY, .status = 500},
     ORCH_E_INTERNAL,
     ""},
    {"the end makes no sense",
     {.call = "GET /exec/*/json", .how = FAKE_REPLY, .body = "{\"ExitCode\":\"0\"}"},
     ORCH_E_IO,
     ""}};

Test(docker_exec, failures_say_why)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake_docker_fault(fake, &rows[i].fault);
        cr_expect_eq(do_exec(id, COMMAND("echo", "x")), rows[i].status, "%s: %d %s", rows[i].name,
                     last.status, last.message);
        cr_expect(strstr(last.message, rows[i].says), "%s: %s", rows[i].name, last.message);
        fake_docker_faults_clear(fake);
    }
    cr_expect_eq(do_exec("0123456789abcdef", COMMAND("x")), ORCH_E_NOT_FOUND);
    cr_expect_eq(do_exec(id, NULL, 0), ORCH_E_INVALID);
    fake_docker_exit(fake, id, 0, false);
    cr_expect_eq(do_exec(id, COMMAND("x")), ORCH_E_CONFLICT);
}
