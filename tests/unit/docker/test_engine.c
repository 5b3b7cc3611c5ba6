/* An engine that is away, hangs, or talks nonsense; and what it is asked about itself. */
#include "unit/docker/rig.h"

#include <stdio.h>
#include <string.h>

TestSuite(docker_engine, .init = rig_open, .fini = rig_close, .timeout = 60);

Test(docker_engine, info_tells_its_host_and_what_it_honours)
{
    cr_assert_eq(do_info(), ORCH_OK);
    cr_assert_str_eq(last.text, "docker 20.10.24");
    cr_assert_eq(last.cpu_millis, 4000);
    cr_assert_eq(last.memory_bytes, UINT64_C(16) << 30);
    cr_assert_eq(last.max_operations, 8);
    uint64_t wanted = ORCH_RUNTIME_CPU_LIMIT | ORCH_RUNTIME_MEMORY_LIMIT | ORCH_RUNTIME_PIDS_LIMIT |
                      ORCH_RUNTIME_HOST_PORTS | ORCH_RUNTIME_CAPABILITIES |
                      ORCH_RUNTIME_READ_ONLY_ROOT | ORCH_RUNTIME_EXEC | ORCH_RUNTIME_LOGS |
                      ORCH_RUNTIME_STATS;
    cr_assert_eq(last.features, wanted);
}

Test(docker_engine, info_leaves_out_limits_that_the_kernel_can_not_keep)
{
    fake_docker_fault(fake, &(struct fake_fault){
                                .call = "GET /info",
                                .how = FAKE_REPLY,
                                .body = "{\"NCPU\":1,\"MemTotal\":1024,\"ServerVersion\":\"x\","
                                        "\"MemoryLimit\":false,\"PidsLimit\":true,\"New\":[1]}"});
    cr_assert_eq(do_info(), ORCH_OK);
    cr_assert_eq(last.features & (ORCH_RUNTIME_CPU_LIMIT | ORCH_RUNTIME_MEMORY_LIMIT), 0);
    cr_assert(last.features & ORCH_RUNTIME_PIDS_LIMIT);
    cr_assert_eq(last.max_operations, 4);
}

Test(docker_engine, nonsense_is_an_error_and_no_crash)
{
    static const char *const bodies[] = {
        "{",        "[]",
        "null",     "{\"NCPU\":\"four\",\"MemTotal\":1,\"ServerVersion\":\"x\"}",
        "\"text\"", "{\"NCPU\":-1,\"MemTotal\":1,\"ServerVersion\":\"x\"}",
        "",         "{\"NCPU\":99999999999999999999,\"MemTotal\":1,\"ServerVersion\":\"x\"}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        fake_docker_fault(
            fake, &(struct fake_fault){.call = "GET /info", .how = FAKE_REPLY, .body = bodies[i]});
        cr_expect_eq(do_info(), ORCH_E_IO, "%s: %d %s", bodies[i], last.status, last.message);
    }
}

Test(docker_engine, a_reply_beyond_its_bound_is_refused)
{
    fake_docker_fault(
        fake, &(struct fake_fault){.call = "GET /info", .how = FAKE_FLOOD, .bytes = 10 << 20});
    cr_assert_eq(do_info(), ORCH_E_TOO_LARGE);
}

Test(docker_engine, a_reply_that_is_cut_is_no_answer)
{
    fake_docker_fault(fake, &(struct fake_fault){.call = "GET /info", .how = FAKE_TRUNCATE});
    cr_assert_eq(do_info(), ORCH_E_UNAVAILABLE, "%d %s", last.status, last.message);
}

Test(docker_engine, its_words_are_defused)
{
    fake_docker_fault(fake, &(struct fake_fault){.call = "GET /info",
                                                 .how = FAKE_REPLY,
                                                 .status = 500,
                                                 .body = "{\"message\":\"a\\u001b[2Jb\\nc\"}"});
    cr_assert_eq(do_info(), ORCH_E_INTERNAL);
    for (const char *at = last.message; *at; at++)
        cr_assert_geq((unsigned char)*at, ' ');
    cr_assert(strstr(last.message, "500"));
}

Test(docker_engine, one_that_is_away_is_unavailable_at_once)
{
    fake_docker_go_away(fake);
    cr_assert_eq(do_list(), ORCH_E_UNAVAILABLE);
    cr_assert_eq(do_create("web-1"), ORCH_E_UNAVAILABLE);
    cr_assert_eq(do_start("0123456789abcdef"), ORCH_E_UNAVAILABLE);
    cr_assert_eq(do_stop("0123456789abcdef", NULL, 0), ORCH_E_UNAVAILABLE);
    cr_assert_eq(do_remove("0123456789abcdef"), ORCH_E_UNAVAILABLE);
    cr_assert_eq(do_pull("example/app:1", ORCH_PULL_MISSING), ORCH_E_UNAVAILABLE);
    cr_assert(strstr(last.message, fake_docker_path(fake)), "%s", last.message);
    fake_docker_come_back(fake);
}

Test(docker_engine, one_that_hangs_ends_each_call_by_its_deadline)
{
    fake_docker_fault(fake, &(struct fake_fault){.call = "*", .how = FAKE_HANG, .times = 100});
    uint64_t begun = loop_now_ns(loop);
    cr_assert_eq(do_list(), ORCH_E_TIMEOUT, "%d %s", last.status, last.message);
    cr_assert_eq(do_info(), ORCH_E_TIMEOUT);
    cr_assert_lt(loop_now_ns(loop) - begun, 15 * NS_PER_SECOND, "pings have 2 s");
}

Test(docker_engine, one_that_hangs_after_it_was_known_times_out_an_inspect)
{
    cr_assert_eq(do_info(), ORCH_OK);
    fake_docker_fault(
        fake, &(struct fake_fault){.call = "GET /images/*", .how = FAKE_HANG, .times = 100});
    cr_assert_eq(do_pull("example/app:1", ORCH_PULL_MISSING), ORCH_E_TIMEOUT);
    cr_assert_eq(do_info(), ORCH_OK, "only that call stalls");
}

Test(docker_engine, the_hosts_deadline_is_kept_and_leaves_nothing_behind)
{
    cr_assert_eq(do_info(), ORCH_OK);
    fake_docker_fault(fake, &(struct fake_fault){
                                .call = "POST /containers/create", .how = FAKE_HANG, .act = true});
    rig_deadline_ms = 200;
    cr_assert_eq(do_create("web-1"), ORCH_E_TIMEOUT);
    rig_deadline_ms = 0;
    cr_assert_eq(do_create("web-1"), ORCH_OK, "the next one finds it");
    cr_assert_eq(fake_docker_count(fake), 1);
}

Test(docker_engine, destroying_the_runtime_with_calls_under_way_is_clean)
{
    struct seen seen = {0}, more = {0};
    cr_assert_eq(do_info(), ORCH_OK);
    fake_docker_fault(fake, &(struct fake_fault){.call = "*", .how = FAKE_HANG, .times = 100});
    begin_list(&seen);
    begin_events(&more);
    rig_run(50);
    runtime_destroy(runtime);
    runtime = NULL;
    rig_run(50);
    cr_assert_eq(seen.ends + more.ends, 0);
}
