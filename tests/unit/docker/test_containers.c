/* create, start, stop, remove: the whole matrix of what the engine may answer, each reply also
 * lost, late, cut or garbled after it was acted upon. */
#include "unit/docker/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(docker_containers, .init = rig_open, .fini = rig_close, .timeout = 60);

#define OURS "{\"test.cluster\":\"c1\",\"test.incarnation\":\"1\",\"more\":\"of the image\"}"

/* -- create -- */

static const struct create_row {
    const char *name;
    struct fake_fault fault; /* of the create; how 0: none */
    orch_status status;
    unsigned containers; /* then; the fault's `act` made it or not */
    const char *says;
} create_rows[] = {
    {"201", {0}, ORCH_OK, 1, ""},
    {"closed before it acted", {.how = FAKE_CLOSE}, ORCH_E_UNKNOWN, 0, ""},
    {"closed after it acted", {.how = FAKE_CLOSE, .act = true}, ORCH_OK, 1, ""},
    {"500 before it acted",
     {.how = FAKE_REPLY, .status = 500, .body = "{\"message\":\"disk on fire\"}"},
     ORCH_E_INTERNAL,
     0,
     "disk on fire"},
    {"500 after it acted", {.how = FAKE_REPLY, .status = 500, .act = true}, ORCH_OK, 1, ""},
    {"503", {.how = FAKE_REPLY, .status = 503}, ORCH_E_UNAVAILABLE, 0, ""},
    {"a cut reply", {.how = FAKE_TRUNCATE}, ORCH_OK, 1, ""},
    {"no JSON", {.how = FAKE_REPLY, .body = "}{", .act = true}, ORCH_OK, 1, ""},
    {"wrong types", {.how = FAKE_REPLY, .body = "{\"Id\":7}", .act = true}, ORCH_OK, 1, ""},
    {"an id that is none",
     {.how = FAKE_REPLY, .body = "{\"Id\":\"../x\"}", .act = true},
     ORCH_OK,
     1,
     ""},
    {"a flood", {.how = FAKE_FLOOD, .bytes = 8 << 20, .act = true}, ORCH_OK, 1, ""},
    {"late", {.how = FAKE_DELAY, .ms = 5, .act = true}, ORCH_OK, 1, ""},
    {"400",
     {.how = FAKE_REPLY, .status = 400, .body = "{\"message\":\"bad capability\"}"},
     ORCH_E_INVALID,
     0,
     "bad capability"},
    {"403", {.how = FAKE_REPLY, .status = 403}, ORCH_E_DENIED, 0, ""},
    {"404",
     {.how = FAKE_REPLY, .status = 404, .body = "{\"message\":\"No such image: x\"}"},
     ORCH_E_NOT_FOUND,
     0,
     "No such image"},
    {"409, and nobody has the name", {.how = FAKE_REPLY, .status = 409}, ORCH_E_BUSY, 0, ""}};

enum { ROUNDS = 100, ROWS = sizeof create_rows / sizeof create_rows[0] };

Test(docker_containers, create_is_sent_once_and_found_again_whatever_becomes_of_the_reply)
{
    for (size_t i = 0; i < (size_t)ROUNDS * ROWS; i++) {
        const struct create_row *row = &create_rows[i % ROWS];
        struct fake_fault fault = row->fault;
        fault.call = "POST /containers/create";
        fake_docker_calls_clear(fake);
        if (fault.how)
            fake_docker_fault(fake, &fault);
        cr_expect_eq(do_create("web-1"), row->status, "%s: %d %s", row->name, last.status,
                     last.message);
        cr_expect(strstr(last.message, row->says), "%s: %s", row->name, last.message);
        cr_expect_eq(fake_docker_count(fake), row->containers, "%s", row->name);
        cr_expect_eq(fake_docker_calls(fake, "POST /containers/create"), 1, "%s", row->name);
        cr_expect(row->status != ORCH_OK || strlen(last.text) == 64, "%s", row->name);
        fake_docker_destroy(fake, "web-1");
    }
}

Test(docker_containers, create_whose_look_up_fails_too_is_unknown)
{
    fake_docker_fault(fake, &(struct fake_fault){
                                .call = "POST /containers/create", .how = FAKE_CLOSE, .act = true});
    fake_docker_fault(
        fake, &(struct fake_fault){.call = "GET /containers/web-1/json", .how = FAKE_TRUNCATE});
    cr_assert_eq(do_create("web-1"), ORCH_E_UNKNOWN, "%s", last.message);
    cr_assert_eq(do_create("web-1"), ORCH_OK);
    cr_assert_eq(fake_docker_count(fake), 1);
}

static const struct taken_row {
    const char *name, *labels;
    orch_status status;
} taken_rows[] = {
    {"ours", OURS, ORCH_OK},
    {"ours of another incarnation", "{\"test.cluster\":\"c1\",\"test.incarnation\":\"0\"}",
     ORCH_E_CONFLICT},
    {"another cluster's", "{\"test.cluster\":\"c2\",\"test.incarnation\":\"1\"}", ORCH_E_EXISTS},
    {"a stranger's", "{}", ORCH_E_EXISTS}};

Test(docker_containers, create_adopts_what_is_ours_and_leaves_alone_what_is_not)
{
    cr_assert_eq(do_list(), ORCH_OK); /* now it is known by which labels the host knows its own */
    for (size_t i = 0; i < sizeof taken_rows / sizeof taken_rows[0]; i++) {
        char id[65];
        fake_docker_container(fake, "web-1", taken_rows[i].labels, id);
        fake_docker_calls_clear(fake);
        cr_expect_eq(do_create("web-1"), taken_rows[i].status, "%s: %s", taken_rows[i].name,
                     last.message);
        cr_expect(taken_rows[i].status != ORCH_OK || strcmp(last.text, id) == 0);
        char shown[13];
        snprintf(shown, sizeof shown, "%.12s", id);
        cr_expect(taken_rows[i].status == ORCH_OK || strstr(last.message, shown),
                  "%s: who holds the name? %s", taken_rows[i].name, last.message);
        cr_expect_eq(fake_docker_calls(fake, "DELETE *"), 0);
        cr_expect_eq(fake_docker_calls(fake, "POST *"), 1);
        cr_expect_str_eq(fake_docker_state(fake, id), "created");
        fake_docker_destroy(fake, id);
    }
}

Test(docker_containers, create_waits_for_a_namesake_that_is_being_removed)
{
    char body[400];
    snprintf(body, sizeof body,
             "{\"Id\":\"%064d\",\"Name\":\"/web-1\",\"State\":{\"Status\":\"removing\"},"
             "\"Config\":{\"Labels\":" OURS "}}",
             7);
    fake_docker_fault(
        fake,
        &(struct fake_fault){.call = "POST /containers/create", .how = FAKE_REPLY, .status = 409});
    fake_docker_fault(fake, &(struct fake_fault){.call = "GET /containers/web-1/json",
                                                 .how = FAKE_REPLY,
                                                 .status = 200,
                                                 .body = body});
    cr_assert_eq(do_create("web-1"), ORCH_E_BUSY, "%s", last.message);
}

Test(docker_containers, create_without_its_image_says_so)
{
    struct orch_task task = rig_task("web-1");
    task.image = str("example/none:1");
    cr_assert_eq(do_create_task(&task), ORCH_E_NOT_FOUND);
}

Test(docker_containers, create_takes_the_longest_name_that_the_host_makes)
{
    char name[128];
    snprintf(name, sizeof name, "orch-01234567-%063d-1000000-abcdef-i1000", 0);
    cr_assert_eq(do_create(name), ORCH_OK);
}

Test(docker_containers, create_refuses_names_that_would_be_paths)
{
    static const char *const names[] = {"../x", "a/b", "", "a b", "-a", "a?b", "a%2fb"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        cr_expect_eq(do_create(names[i]), ORCH_E_INVALID, "%s", names[i]);
    cr_assert_eq(fake_docker_calls(fake, "POST *"), 0);
}

static void expect_json(const json_t *root, const char *path, const char *wanted)
{
    char part[64];
    const json_t *at = root;
    for (const char *from = path; *from; from += strcspn(from, ".") + (strchr(from, '.') != NULL)) {
        snprintf(part, sizeof part, "%.*s", (int)strcspn(from, "."), from);
        at = json_object_get(at, part);
        if (!strchr(from, '.'))
            break;
    }
    char *dumped = at ? json_dumps(at, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;
    cr_expect(dumped && strcmp(dumped, wanted) == 0, "%s: %s, not %s", path,
              dumped ? dumped : "nothing", wanted);
    free(dumped);
}

Test(docker_containers, create_asks_for_what_the_task_says_and_for_nothing_more)
{
    const struct orch_str command[] = {str("serve"), str("--fast")},
                          args[] = {str("-p"), str("80")};
    const struct orch_str capabilities[] = {str("CHOWN"), str("NET_BIND_SERVICE")};
    const struct orch_pair env[] = {{str("TZ"), str("UTC")}, {str("EMPTY"), str("")}};
    const struct orch_pair annotations[] = {{str("note"), str("a")},
                                            {str("test.cluster"), str("label wins")}};
    const struct orch_port ports[] = {
        {.container_port = 80, .protocol = ORCH_PROTOCOL_TCP},
        {.container_port = 53,
         .protocol = ORCH_PROTOCOL_UDP,
         .host_port = 5353,
         .host_address = str("10.0.0.1")},
        {.container_port = 81, .protocol = ORCH_PROTOCOL_TCP, .host_port = 8081}};
    struct orch_task task = rig_task("web-1");
    task.flags = ORCH_TASK_READ_ONLY_ROOT;
    task.command = (struct orch_array){command, 2, sizeof command[0]};
    task.args = (struct orch_array){args, 2, sizeof args[0]};
    task.capabilities = (struct orch_array){capabilities, 2, sizeof capabilities[0]};
    task.env = (struct orch_array){env, 2, sizeof env[0]};
    task.annotations = (struct orch_array){annotations, 2, sizeof annotations[0]};
    task.ports = (struct orch_array){ports, 3, sizeof ports[0]};
    task.user = str("1000:1000");
    task.working_dir = str("/srv");
    task.stop_signal = str("SIGQUIT");
    task.cpu_millis = 250;
    task.cpu_limit_millis = 1500;
    task.memory_bytes = 64 << 20;
    task.memory_limit_bytes = 128 << 20;
    task.pids_limit = 512;
    cr_assert_eq(do_create_task(&task), ORCH_OK, "%s", last.message);
    json_t *body = fake_docker_config(fake, "web-1");
    static const struct {
        const char *path, *wanted;
    } rows[] = {{"Image", "\"example/app:1\""},
                {"Hostname", "\"web-1\""},
                {"Entrypoint", "[\"serve\",\"--fast\"]"},
                {"Cmd", "[\"-p\",\"80\"]"},
                {"Env", "[\"TZ=UTC\",\"EMPTY=\"]"},
                {"User", "\"1000:1000\""},
                {"WorkingDir", "\"/srv\""},
                {"StopSignal", "\"SIGQUIT\""},
                {"ExposedPorts", "{\"53/udp\":{},\"80/tcp\":{},\"81/tcp\":{}}"},
                {"HostConfig.PortBindings",
                 "{\"53/udp\":[{\"HostIp\":\"10.0.0.1\",\"HostPort\":\"5353\"}],"
                 "\"81/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"8081\"}]}"},
                {"HostConfig.RestartPolicy", "{\"Name\":\"no\"}"},
                {"HostConfig.SecurityOpt", "[\"no-new-privileges\"]"},
                {"HostConfig.CapDrop", "[\"ALL\"]"},
                {"HostConfig.CapAdd", "[\"CHOWN\",\"NET_BIND_SERVICE\"]"},
                {"HostConfig.Privileged", "false"},
                {"HostConfig.ReadonlyRootfs", "true"},
                {"HostConfig.PidsLimit", "512"},
                {"HostConfig.CpuShares", "256"},
                {"HostConfig.NanoCpus", "1500000000"},
                {"HostConfig.MemoryReservation", "67108864"},
                {"HostConfig.Memory", "134217728"},
                {"HostConfig.MemorySwap", "134217728"},
                {"HostConfig.NetworkMode", "\"bridge\""},
                {"HostConfig.LogConfig",
                 "{\"Config\":{\"max-file\":\"3\",\"max-size\":\"10m\"},\"Type\":\"json-file\"}"},
                {"Labels", "{\"note\":\"a\",\"test.cluster\":\"c1\",\"test.incarnation\":\"1\"}"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect_json(body, rows[i].path, rows[i].wanted);
    cr_expect_eq(json_object_size(body), 11, "and nothing more");
    cr_expect_eq(json_object_size(json_object_get(body, "HostConfig")), 15, "and nothing more");
    json_decref(body);
}

Test(docker_containers, create_leaves_to_the_image_what_is_not_given)
{
    const struct orch_str word[] = {str("serve")};
    struct orch_task task = rig_task("plain");
    cr_assert_eq(do_create_task(&task), ORCH_OK);
    json_t *body = fake_docker_config(fake, "plain");
    static const char *const absent[] = {"Entrypoint", "Cmd", "User", "WorkingDir"};
    static const char *const unlimited[] = {"NanoCpus", "Memory", "MemorySwap", "MemoryReservation",
                                            "PidsLimit"};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        cr_expect_null(json_object_get(body, absent[i]), "%s", absent[i]);
    for (size_t i = 0; i < sizeof unlimited / sizeof unlimited[0]; i++)
        cr_expect_null(json_object_get(json_object_get(body, "HostConfig"), unlimited[i]), "%s",
                       unlimited[i]);
    expect_json(body, "HostConfig.CpuShares", "2");
    json_decref(body);
    task = rig_task("command");
    task.command = (struct orch_array){word, 1, sizeof word[0]};
    cr_assert_eq(do_create_task(&task), ORCH_OK);
    body = fake_docker_config(fake, "command");
    expect_json(body, "Cmd", "[]"); /* the image's arguments go with its entrypoint */
    json_decref(body);
    task = rig_task("args");
    task.args = (struct orch_array){word, 1, sizeof word[0]};
    cr_assert_eq(do_create_task(&task), ORCH_OK);
    body = fake_docker_config(fake, "args");
    cr_expect_null(json_object_get(body, "Entrypoint"));
    expect_json(body, "Cmd", "[\"serve\"]");
    json_decref(body);
}

Test(docker_containers, create_caps_no_higher_than_the_host_goes)
{
    struct orch_task task = rig_task("web-1");
    task.cpu_limit_millis = 64000;
    cr_assert_eq(do_info(), ORCH_OK); /* 4 CPUs */
    cr_assert_eq(do_create_task(&task), ORCH_OK);
    json_t *body = fake_docker_config(fake, "web-1");
    expect_json(body, "HostConfig.NanoCpus", "4000000000");
    json_decref(body);
}

/* -- start -- */

static const struct verb_row {
    const char *name;
    struct fake_fault fault;
    orch_status status;
    const char *state; /* then */
} start_rows[] = {
    {"204", {0}, ORCH_OK, "running"},
    {"304", {.how = FAKE_REPLY, .status = 304, .act = true}, ORCH_OK, "running"},
    {"404", {.how = FAKE_REPLY, .status = 404}, ORCH_E_NOT_FOUND, "created"},
    {"400", {.how = FAKE_REPLY, .status = 400}, ORCH_E_INVALID, "created"},
    {"409", {.how = FAKE_REPLY, .status = 409}, ORCH_E_CONFLICT, "created"},
    {"500, not started", {.how = FAKE_REPLY, .status = 500}, ORCH_E_INTERNAL, "created"},
    {"500, started", {.how = FAKE_REPLY, .status = 500, .act = true}, ORCH_OK, "running"},
    {"closed, not started", {.how = FAKE_CLOSE}, ORCH_E_UNKNOWN, "created"},
    {"closed, started", {.how = FAKE_CLOSE, .act = true}, ORCH_OK, "running"},
    {"late", {.how = FAKE_DELAY, .ms = 50}, ORCH_OK, "running"}};

Test(docker_containers, start_is_looked_up_when_it_is_in_doubt)
{
    for (size_t i = 0; i < sizeof start_rows / sizeof start_rows[0]; i++) {
        const struct verb_row *row = &start_rows[i];
        struct fake_fault fault = row->fault;
        char id[72];
        cr_assert_eq(do_create("web-1"), ORCH_OK);
        snprintf(id, sizeof id, "%s", last.text);
        fault.call = "POST /containers/*/start";
        if (fault.how)
            fake_docker_fault(fake, &fault);
        fake_docker_calls_clear(fake);
        cr_expect_eq(do_start(id), row->status, "%s: %d %s", row->name, last.status, last.message);
        cr_expect_str_eq(fake_docker_state(fake, id), row->state, "%s", row->name);
        cr_expect_eq(fake_docker_calls(fake, "POST /containers/*/start"), 1, "%s", row->name);
        fake_docker_destroy(fake, id);
    }
}

Test(docker_containers, start_of_one_that_has_run_and_ended_meanwhile_is_a_start)
{
    char id[72];
    cr_assert_eq(do_create("web-1"), ORCH_OK);
    snprintf(id, sizeof id, "%s", last.text);
    fake_docker_start_container(fake, id);
    fake_docker_exit(fake, id, 3, false);
    fake_docker_fault(fake,
                      &(struct fake_fault){.call = "POST /containers/*/start", .how = FAKE_CLOSE});
    cr_assert_eq(do_start(id), ORCH_OK, "%s", last.message);
    cr_assert_neq(last.started_at_ms, 0);
}

Test(docker_containers, start_of_one_that_runs_is_done)
{
    char id[72];
    rig_running("web-1", id);
    cr_assert_eq(do_start(id), ORCH_OK); /* a real 304 */
}

/* -- stop -- */

static const struct verb_row stop_rows[] = {
    {"204", {0}, ORCH_OK, "exited"},
    {"304", {.how = FAKE_REPLY, .status = 304, .act = true}, ORCH_OK, "exited"},
    {"404", {.how = FAKE_REPLY, .status = 404}, ORCH_OK, "running"},
    {"400", {.how = FAKE_REPLY, .status = 400}, ORCH_E_INVALID, "running"},
    {"500, not stopped", {.how = FAKE_REPLY, .status = 500}, ORCH_E_INTERNAL, "running"},
    {"500, stopped", {.how = FAKE_REPLY, .status = 500, .act = true}, ORCH_OK, "exited"},
    {"closed, not stopped", {.how = FAKE_CLOSE}, ORCH_E_UNKNOWN, "running"},
    {"closed, stopped", {.how = FAKE_CLOSE, .act = true}, ORCH_OK, "exited"}};

Test(docker_containers, stop_is_looked_up_when_it_is_in_doubt)
{
    for (size_t i = 0; i < sizeof stop_rows / sizeof stop_rows[0]; i++) {
        const struct verb_row *row = &stop_rows[i];
        struct fake_fault fault = row->fault;
        char id[72];
        rig_running("web-1", id);
        fault.call = "POST /containers/*/stop";
        if (fault.how)
            fake_docker_fault(fake, &fault);
        cr_expect_eq(do_stop(id, NULL, 1000), row->status, "%s: %d %s", row->name, last.status,
                     last.message);
        cr_expect_str_eq(fake_docker_state(fake, id), row->state, "%s", row->name);
        fake_docker_destroy(fake, id);
    }
}

static void expect_request(const char *call, const char *wanted)
{
    char *request = fake_docker_last(fake, call, NULL);
    cr_expect(request && strstr(request, wanted), "%s: %s has no %s", call,
              request ? request : "no request", wanted);
    free(request);
}

Test(docker_containers, stop_never_cuts_the_grace_short)
{
    char id[72];
    rig_running("web-1", id);
    cr_assert_eq(do_stop(id, NULL, 1200), ORCH_OK);
    expect_request("POST /containers/*/stop", "?t=2");
    cr_assert_eq(do_stop(id, NULL, 0), ORCH_OK); /* not running: 304 */
    expect_request("POST /containers/*/stop", "?t=0");
}

Test(docker_containers, stop_by_the_containers_own_signal_is_one_call)
{
    char id[72];
    rig_running("web-1", id); /* made with SIGTERM */
    cr_assert_eq(do_stop(id, "SIGTERM", 1000), ORCH_OK);
    cr_assert_eq(fake_docker_calls(fake, "POST /containers/*/stop"), 1);
    cr_assert_eq(fake_docker_calls(fake, "POST /containers/*/kill"), 0);
    cr_assert_eq(do_start(id), ORCH_OK);
    rig_restart();
    cr_assert_eq(do_list(), ORCH_OK); /* asks since when it runs, and learns its signal */
    cr_assert_eq(do_stop(id, "SIGTERM", 1000), ORCH_OK);
    cr_assert_eq(fake_docker_calls(fake, "POST /containers/*/stop"), 2);
    cr_assert_eq(fake_docker_calls(fake, "POST /containers/*/kill"), 0);
}

Test(docker_containers, stop_by_another_signal_is_the_engines_from_1_42_on)
{
    char id[72];
    fake_docker_set_version(fake, "1.43");
    rig_running("web-1", id);
    cr_assert_eq(do_stop(id, "SIGINT", 1000), ORCH_OK);
    expect_request("POST /containers/*/stop", "/v1.43/");
    expect_request("POST /containers/*/stop", "t=1&signal=SIGINT");
    cr_assert_eq(fake_docker_calls(fake, "POST /containers/*/kill"), 0);
}

Test(docker_containers, stop_by_another_signal_is_by_hand_before)
{
    char id[72];
    rig_running("web-1", id);
    cr_assert_eq(do_stop(id, "SIGINT", 1000), ORCH_OK, "%s", last.message);
    expect_request("POST /containers/*/kill", "signal=SIGINT");
    expect_request("POST /containers/*/wait", "condition=not-running");
    cr_assert_eq(fake_docker_calls(fake, "POST /containers/*/stop"), 0);
    cr_assert_str_eq(fake_docker_state(fake, id), "exited");
    cr_assert_eq(do_stop(id, "SIGINT", 1000), ORCH_OK, "409: it does not run");
    fake_docker_destroy(fake, id);
    cr_assert_eq(do_stop(id, "SIGINT", 1000), ORCH_OK, "404: it is gone");
}

Test(docker_containers, stop_by_hand_kills_what_outlives_its_grace)
{
    const struct orch_pair env = {str("FAKE_IGNORE_TERM"), str("1")};
    struct orch_task task = rig_task("web-1");
    char id[72];
    task.env = (struct orch_array){&env, 1, sizeof env};
    cr_assert_eq(do_create_task(&task), ORCH_OK);
    snprintf(id, sizeof id, "%s", last.text);
    cr_assert_eq(do_start(id), ORCH_OK);
    uint64_t begun = loop_now_ns(loop);
    cr_assert_eq(do_stop(id, "SIGINT", 300), ORCH_OK, "%s", last.message);
    cr_assert_geq(loop_now_ns(loop) - begun, 300 * NS_PER_MS);
    expect_request("POST /containers/*/kill", "signal=SIGKILL");
    cr_assert_str_eq(fake_docker_state(fake, id), "exited");
}

/* -- remove -- */

static const struct verb_row remove_rows[] = {
    {"204", {0}, ORCH_OK, ""},
    {"404", {.how = FAKE_REPLY, .status = 404, .act = true}, ORCH_OK, ""},
    {"409, and then gone", {.how = FAKE_REPLY, .status = 409, .act = true}, ORCH_OK, ""},
    {"409, and it fails", {.how = FAKE_REPLY, .status = 409, .times = 2}, ORCH_OK, ""},
    {"500 device busy, twice", {.how = FAKE_REPLY, .status = 500, .times = 2}, ORCH_OK, ""},
    {"500, and gone", {.how = FAKE_REPLY, .status = 500, .act = true}, ORCH_OK, ""},
    {"closed before it acted", {.how = FAKE_CLOSE}, ORCH_OK, ""},
    {"closed after it acted", {.how = FAKE_CLOSE, .act = true}, ORCH_OK, ""},
    {"400", {.how = FAKE_REPLY, .status = 400}, ORCH_E_INVALID, "running"}};

Test(docker_containers, remove_is_done_when_it_is_gone)
{
    for (size_t i = 0; i < sizeof remove_rows / sizeof remove_rows[0]; i++) {
        const struct verb_row *row = &remove_rows[i];
        struct fake_fault fault = row->fault;
        char id[72];
        rig_running("web-1", id);
        fault.call = "DELETE /containers/*";
        if (fault.how)
            fake_docker_fault(fake, &fault);
        cr_expect_eq(do_remove(id), row->status, "%s: %d %s", row->name, last.status, last.message);
        cr_expect_str_eq(fake_docker_state(fake, id), row->state, "%s", row->name);
        fake_docker_destroy(fake, id);
    }
    expect_request("DELETE /containers/*", "?force=1&v=1");
}

Test(docker_containers, remove_only_looks_while_the_engine_is_at_it)
{
    char id[72], body[300];
    rig_running("web-1", id);
    snprintf(body, sizeof body,
             "{\"Id\":\"%s\",\"Name\":\"/web-1\",\"State\":{\"Status\":\"removing\"}}", id);
    fake_docker_fault(fake, &(struct fake_fault){
                                .call = "DELETE /containers/*", .how = FAKE_REPLY, .status = 409});
    fake_docker_fault(fake, &(struct fake_fault){.call = "GET /containers/*/json",
                                                 .how = FAKE_REPLY,
                                                 .times = 3,
                                                 .status = 200,
                                                 .body = body});
    fake_docker_fault(
        fake,
        &(struct fake_fault){.call = "GET /containers/*/json", .how = FAKE_REPLY, .status = 404});
    cr_assert_eq(do_remove(id), ORCH_OK, "%s", last.message);
    cr_assert_eq(fake_docker_calls(fake, "DELETE /containers/*"), 1);
    cr_assert_eq(fake_docker_calls(fake, "GET /containers/*/json"), 4);
}

Test(docker_containers, remove_of_one_that_is_gone_is_done)
{
    cr_assert_eq(do_remove("0123456789abcdef"), ORCH_OK);
}

Test(docker_containers, ids_that_would_be_paths_are_refused)
{
    static const char *const ids[] = {"", "..", "../../images/prune", "a/b", "a?b", "a b", "%2e"};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        cr_expect_eq(do_start(ids[i]), ORCH_E_INVALID, "%s", ids[i]);
        cr_expect_eq(do_stop(ids[i], NULL, 0), ORCH_E_INVALID, "%s", ids[i]);
        cr_expect_eq(do_remove(ids[i]), ORCH_E_INVALID, "%s", ids[i]);
        cr_expect_eq(do_stats(&ids[i], 1), ORCH_E_INVALID, "%s", ids[i]);
        cr_expect_eq(do_logs(ids[i], false, -1), ORCH_E_INVALID, "%s", ids[i]);
        cr_expect_eq(do_list_ids(&ids[i], 1), ORCH_E_INVALID, "%s", ids[i]);
    }
    cr_assert_eq(do_stop("0123456789abcdef", "SIG&x=1", 0), ORCH_E_INVALID);
    cr_assert_eq(fake_docker_calls(fake, "*"), 0);
}
