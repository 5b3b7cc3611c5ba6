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

static uint32_t random_state = 2463534242u;
static uint32_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

/* Some bytes become others, and at times the end is missing. */
static void mutate(char *body)
{
    static const char bytes[] = "{}[]\",:0123456789-eE.ntf\\/ \x01\xff";
    size_t length = strlen(body);
    for (uint32_t i = next_random() % 4 + 1; i > 0; i--)
        body[next_random() % length] = bytes[next_random() % (sizeof bytes - 1)];
    if (next_random() % 8 == 0)
        body[next_random() % length] = 0;
}

#define ID "aaaaaaaaaaaaaaaaaaaaaaaa"

Test(docker_engine, mutated_replies_are_answered_or_refused_and_never_crash_it)
{
    static const struct {
        const char *call, *body;
    } replies[] = {
        {"GET /containers/json",
         "[{\"Id\":\"" ID "\",\"Names\":[\"/web-1\"],\"Image\":\"a:1\",\"Created\":1700000000,"
         "\"State\":\"exited\",\"Labels\":{\"test.cluster\":\"c1\"},\"NetworkSettings\":{"
         "\"Networks\":{\"bridge\":{\"IPAddress\":\"172.17.0.2\"}}}}]"},
        {"GET /containers/*/json",
         "{\"Id\":\"" ID "\",\"Name\":\"/web-1\",\"State\":{\"Status\":\"exited\",\"Running\":"
         "false,\"OOMKilled\":true,\"ExitCode\":137,\"Error\":\"x\",\"StartedAt\":"
         "\"2023-11-14T22:13:20.123456789Z\",\"FinishedAt\":\"2023-11-14T22:13:21+01:00\"},"
         "\"Config\":{\"Labels\":{\"test.cluster\":\"c1\"}}}"},
        {"GET /info", "{\"NCPU\":4,\"MemTotal\":17179869184,\"ServerVersion\":\"20.10.24\"}"},
        {"GET /images/*",
         "{\"Id\":\"sha256:1111111111111111111111111111111111111111111111111111111111111111\","
         "\"RepoDigests\":[\"example/app@sha256:"
         "2222222222222222222222222222222222222222222222222222222222222222\"]}"},
        {"GET /containers/*/stats",
         "{\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":5}},\"memory_stats\":{\"usage\":7,"
         "\"stats\":{\"inactive_file\":3},\"limit\":9},\"networks\":{\"eth0\":{\"rx_bytes\":1}},"
         "\"pids_stats\":{\"current\":2}}"}};
    enum { KINDS = sizeof replies / sizeof replies[0], TRIES = 500 };
    const char *const ids[] = {ID};
    unsigned answered = 0;
    for (int i = 0; i < TRIES; i++) {
        char bodies[KINDS][700];
        for (int k = 0; k < KINDS; k++) {
            snprintf(bodies[k], sizeof bodies[k], "%s", replies[k].body);
            if ((int)(next_random() % KINDS) == k)
                mutate(bodies[k]);
            fake_docker_fault(fake, &(struct fake_fault){.call = replies[k].call,
                                                         .how = FAKE_REPLY,
                                                         .status = 200,
                                                         .body = bodies[k]});
        }
        answered += do_list() == ORCH_OK;
        answered += do_info() == ORCH_OK;
        answered += do_pull("example/app:1", ORCH_PULL_NEVER) == ORCH_OK;
        answered += do_stats(ids, 1) == ORCH_OK;
        fake_docker_faults_clear(fake);
    }
    cr_assert_gt(answered, TRIES, "most are whole");
    cr_assert_lt(answered, 4 * TRIES, "and some are not");
}
