/* The same against a real engine: with-dockerd starts one. */
#include "unit/docker/rig.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE "orch-test/busybox:1"
#define COMMAND(...)                                                                               \
    (const char *const[]){__VA_ARGS__},                                                            \
        sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)

static void open_real(void)
{
    const char *endpoint = getenv("DOCKER_ENDPOINT");
    if (!endpoint)
        cr_skip_test("DOCKER_ENDPOINT names no engine; run it by tests/unit/docker/with-dockerd");
    rig_open_at(endpoint);
}

static void close_real(void)
{
    if (loop)
        rig_close();
}

TestSuite(docker_real, .init = open_real, .fini = close_real, .timeout = 60);

static void make(const char *name, const char *script, char id[72])
{
    const struct orch_str command[] = {str("sh"), str("-c"), str(script)};
    static const struct orch_str capabilities[] = {{"CHOWN", 5}};
    static char pinned[200];
    struct orch_task task = rig_task(name);
    cr_assert_eq(do_pull(IMAGE, ORCH_PULL_MISSING), ORCH_OK, "%s", last.message);
    snprintf(pinned, sizeof pinned, "%s", last.text);
    task.image = str(pinned);
    task.command = (struct orch_array){command, 3, sizeof command[0]};
    task.capabilities = (struct orch_array){capabilities, 1, sizeof capabilities[0]};
    task.memory_limit_bytes = 32 << 20;
    task.memory_bytes = 16 << 20;
    task.cpu_millis = 100;
    task.cpu_limit_millis = 500;
    task.pids_limit = 64;
    cr_assert_eq(do_create_task(&task), ORCH_OK, "%s", last.message);
    snprintf(id, 72, "%s", last.text);
    cr_assert_eq(do_create_task(&task), ORCH_OK, "made again it is the same: %s", last.message);
    cr_assert_str_eq(last.text, id);
    cr_assert_eq(do_start(id), ORCH_OK, "%s", last.message);
}

static const struct rig_view *view_of(const char *id)
{
    cr_assert_eq(do_list(), ORCH_OK, "%s", last.message);
    for (uint32_t i = 0; i < last.count; i++)
        if (strcmp(last.views[i].id, id) == 0)
            return &last.views[i];
    return NULL;
}

static void await_end(const char *id)
{
    for (int i = 0; i < 200; i++) {
        const struct rig_view *view = view_of(id);
        if (view && view->state == ORCH_CONTAINER_EXITED)
            return;
        rig_run(50);
    }
    cr_assert(false, "it did not end");
}

Test(docker_real, a_container_lives_from_create_to_remove)
{
    char id[72];
    cr_assert_eq(do_info(), ORCH_OK, "%s", last.message);
    cr_assert(last.cpu_millis && last.memory_bytes);
    make("orch-real-1", "trap 'exit 7' TERM; echo hello; echo oh >&2; while :; do sleep 0.1; done",
         id);
    const struct rig_view *view = view_of(id);
    cr_assert(view && view->state == ORCH_CONTAINER_RUNNING);
    cr_assert(view->address[0]);
    cr_assert_neq(view->started_at_ms, 0);
    cr_assert_eq(do_start(id), ORCH_OK, "304");
    cr_assert_eq(do_exec(id, COMMAND("sh", "-c", "echo out; echo err >&2; exit 3")), ORCH_OK, "%s",
                 last.message);
    cr_assert_str_eq(text_string(&last.output), "out\n");
    cr_assert_str_eq(text_string(&last.errors), "err\n");
    cr_assert_eq(last.code, 3);
    cr_assert_eq(do_logs(id, false, -1), ORCH_OK, "%s", last.message);
    cr_assert_str_eq(text_string(&last.output), "hello\n");
    cr_assert_str_eq(text_string(&last.errors), "oh\n");
    const char *const ids[] = {id};
    cr_assert_eq(do_stats(ids, 1), ORCH_OK, "%s", last.message);
    cr_assert_eq(last.count, 1);
    cr_assert_eq(last.stats[0].memory_limit_bytes, 32 << 20);
    cr_assert_eq(do_stop(id, "SIGTERM", 5000), ORCH_OK, "%s", last.message);
    view = view_of(id);
    cr_assert(view && view->state == ORCH_CONTAINER_EXITED);
    cr_assert_eq(view->exit_code, 7);
    cr_assert_eq(do_stop(id, "SIGTERM", 5000), ORCH_OK, "again");
    cr_assert_eq(do_remove(id), ORCH_OK, "%s", last.message);
    cr_assert_eq(do_remove(id), ORCH_OK, "again");
    cr_assert_null(view_of(id));
}

Test(docker_real, its_rights_are_few)
{
    char id[72];
    make("orch-real-2", "sleep 60", id);
    cr_assert_eq(do_exec(id, COMMAND("cat", "/proc/1/status")), ORCH_OK, "%s", last.message);
    cr_assert(strstr(text_string(&last.output), "NoNewPrivs:\t1"));
    cr_assert(strstr(text_string(&last.output), "CapBnd:\t0000000000000001"), "CHOWN alone: %s",
              text_string(&last.output));
    cr_assert(strstr(text_string(&last.output), "Seccomp:\t2"));
    cr_assert_eq(do_remove(id), ORCH_OK, "a running one is killed: %s", last.message);
}

Test(docker_real, a_signal_that_is_not_its_own_and_a_grace_that_ends)
{
    char id[72];
    make("orch-real-3", "trap '' INT TERM; while :; do sleep 0.1; done", id);
    uint64_t begun = loop_now_ns(loop);
    cr_assert_eq(do_stop(id, "SIGINT", 500), ORCH_OK, "%s", last.message);
    loop_refresh_now(loop);
    cr_assert_geq(loop_now_ns(loop) - begun, 500 * NS_PER_MS);
    const struct rig_view *view = view_of(id);
    cr_assert(view && view->state == ORCH_CONTAINER_EXITED && view->exit_code == 137);
    cr_assert_eq(do_remove(id), ORCH_OK);
}

static struct seen events;
static bool changed(void *id)
{
    return strcmp(events.changed, id) == 0; /* of others', a second back, there may be more */
}

Test(docker_real, an_end_is_told_and_explained)
{
    static char id[72];
    begin_events(&events);
    cr_assert_eq(do_info(), ORCH_OK);
    rig_run(300); /* the engine has subscribed us, or a second back covers it */
    make("orch-real-4", "exit 9", id);
    cr_assert(rig_until(changed, id, 10000));
    await_end(id);
    cr_assert_eq(view_of(id)->exit_code, 9);
    cr_assert_neq(view_of(id)->finished_at_ms, 0);
    cr_assert_eq(do_remove(id), ORCH_OK);
    seen_finish(&events);
}

static bool typed(void *argument)
{
    return runtime_input(runtime, *(uint64_t *)argument, ORCH_CHANNEL_STDIN, "abc\n", 4) == 4;
}

Test(docker_real, a_command_reads_its_input_and_a_terminal_has_a_size)
{
    char id[72];
    struct seen seen = {0};
    const uint16_t size[2] = {33, 99};
    make("orch-real-5", "sleep 60", id);
    uint64_t call = begin_exec(&seen, id, COMMAND("cat"), false);
    cr_assert(rig_until(typed, &call, 5000));
    (void)runtime_input(runtime, call, ORCH_CHANNEL_EOF, NULL, 0);
    cr_assert(rig_ended(&seen, 10000));
    cr_assert_eq(seen.status, ORCH_OK, "%s", seen.message);
    cr_assert_str_eq(text_string(&seen.output), "abc\n");
    seen_finish(&seen);
    call = begin_exec(&seen, id, COMMAND("sh", "-c", "sleep 1; stty size"), true);
    (void)runtime_input(runtime, call, ORCH_CHANNEL_RESIZE, size, sizeof size);
    cr_assert(rig_ended(&seen, 10000));
    cr_assert_str_eq(text_string(&seen.output), "33 99\r\n");
    seen_finish(&seen);
    cr_assert_eq(do_remove(id), ORCH_OK);
}

Test(docker_real, what_can_not_be_pulled_and_what_can_not_be_run)
{
    const struct orch_str command = str("/no/such/program");
    struct orch_task task = rig_task("orch-real-6");
    cr_assert_lt(do_pull("registry.invalid/none:1", ORCH_PULL_MISSING), 0);
    cr_assert_eq(last.status, ORCH_E_UNAVAILABLE, "%s", last.message);
    task.image = str("orch-test/none:1");
    cr_assert_eq(do_create_task(&task), ORCH_E_NOT_FOUND, "%s", last.message);
    task.image = str(IMAGE);
    task.command = (struct orch_array){&command, 1, sizeof command};
    cr_assert_eq(do_create_task(&task), ORCH_OK, "%s", last.message);
    char id[72];
    snprintf(id, sizeof id, "%s", last.text);
    cr_assert_lt(do_start(id), 0);
    cr_assert(strstr(last.message, "no such file"), "%s", last.message);
    cr_assert_eq(do_remove(id), ORCH_OK);
}

Test(docker_real, an_engine_that_hangs_is_given_up_and_found_again)
{
    const char *word = getenv("DOCKERD_PID");
    char id[72];
    if (!word)
        cr_skip_test("DOCKERD_PID is not set: nothing to stop");
    pid_t pid = (pid_t)atoi(word);
    make("orch-real-7", "sleep 60", id);
    cr_assert_eq(kill(pid, SIGSTOP), 0);
    rig_deadline_ms = 300;
    (void)do_start(id); /* may still have been quicker than the signal */
    orch_status listed = do_list();
    rig_deadline_ms = 0;
    orch_status asked = do_info(); /* by now a ping, which has 2 s */
    cr_assert_eq(kill(pid, SIGCONT), 0);
    cr_assert_eq(listed, ORCH_E_TIMEOUT, "%d", listed);
    cr_assert_eq(asked, ORCH_E_TIMEOUT, "%d", asked);
    const struct rig_view *view = view_of(id);
    cr_assert(view && view->state == ORCH_CONTAINER_RUNNING, "it never noticed");
    cr_assert_eq(do_remove(id), ORCH_OK, "%s", last.message);
}

static void print_stamp(const char *what, uint64_t begun)
{
    loop_refresh_now(loop);
    fprintf(stderr, "%s: %.1f ms\n", what, (double)(loop_now_ns(loop) - begun) / NS_PER_MS);
}

enum { BURST = 20 };
struct making {
    char name[32], id[72];
    struct seen created, started;
    bool create_sent, start_sent;
};
static struct making making[BURST];
static unsigned in_flight;

static bool go_on(void *argument)
{
    unsigned begun = 0, ended = 0;
    (void)argument;
    for (unsigned i = 0; i < BURST; i++) {
        struct making *one = &making[i];
        ended += one->started.ends > 0;
        if (one->created.ends && !one->start_sent) {
            memccpy(one->id, one->created.text, 0, sizeof one->id - 1);
            one->start_sent = true;
            begin_start(&one->started, one->id);
        }
        if (!one->create_sent && begun - ended < in_flight) {
            const struct orch_str command[] = {str("sleep"), str("60")};
            snprintf(one->name, sizeof one->name, "orch-burst-%u", i);
            struct orch_task task = rig_task(one->name);
            task.image = str(IMAGE);
            task.command = (struct orch_array){command, 2, sizeof command[0]};
            one->create_sent = true;
            begin_create(&one->created, &task);
        }
        begun += one->create_sent;
    }
    return ended == BURST;
}

/* How long a burst takes by how many are under way; figures to stderr, nothing is judged. */
Test(docker_real, a_burst_of_20_starts, .timeout = 300)
{
    static const unsigned sizes[] = {4, 8, 16};
    cr_assert_eq(do_list(), ORCH_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char what[40];
        memset(making, 0, sizeof making);
        in_flight = sizes[i];
        loop_refresh_now(loop);
        uint64_t begun = loop_now_ns(loop);
        cr_assert(rig_until(go_on, NULL, 90000));
        snprintf(what, sizeof what, "20 starts, %u under way", in_flight);
        print_stamp(what, begun);
        begun = loop_now_ns(loop);
        cr_assert_eq(do_list(), ORCH_OK);
        print_stamp("a list", begun);
        for (unsigned k = 0; k < BURST; k++) {
            cr_assert_eq(making[k].started.status, ORCH_OK, "%s", making[k].started.message);
            cr_assert_eq(do_remove(making[k].id), ORCH_OK, "%s", last.message);
        }
    }
}
