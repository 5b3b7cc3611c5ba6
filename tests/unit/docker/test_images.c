/* pull: what counts as pulled, and what its failures mean. */
#include "unit/docker/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(docker_images, .init = rig_open, .fini = rig_close, .timeout = 60);

Test(docker_images, one_that_is_there_is_not_pulled)
{
    cr_assert_eq(do_pull("example/app:1", ORCH_PULL_MISSING), ORCH_OK);
    cr_assert_eq(strncmp(last.text, "example/app@sha256:", 19), 0, "%s", last.text);
    cr_assert_str_eq(last.digest, last.text + 12);
    cr_assert_eq(fake_docker_calls(fake, "POST /images/create"), 0);
    cr_assert_eq(fake_docker_calls(fake, "GET /images/*"), 1);
}

Test(docker_images, one_that_is_missing_is_pulled_and_pinned)
{
    cr_assert_eq(do_pull("example.org:5000/a/b:2", ORCH_PULL_MISSING), ORCH_OK, "%s", last.message);
    cr_assert_eq(strncmp(last.text, "example.org:5000/a/b@sha256:", 28), 0, "%s", last.text);
    char pinned[200];
    snprintf(pinned, sizeof pinned, "%s", last.text);
    char *request = fake_docker_last(fake, "POST /images/create", NULL);
    cr_assert_str_eq(request,
                     "POST /v1.41/images/create?fromImage=example.org%3A5000%2Fa%2Fb&tag=2");
    free(request);
    cr_assert_eq(do_pull(pinned, ORCH_PULL_MISSING), ORCH_OK);
    cr_assert_str_eq(last.text, pinned, "what was pinned stays");
    cr_assert_eq(fake_docker_calls(fake, "POST /images/create"), 1);
}

Test(docker_images, progress_is_told)
{
    cr_assert_eq(do_pull("example/new:1", ORCH_PULL_ALWAYS), ORCH_OK);
    cr_assert(strstr(text_string(&last.progress), "0123456789ab: Pull complete\n"), "%s",
              text_string(&last.progress));
    cr_assert(strstr(text_string(&last.progress), "Status: Downloaded newer image\n"));
}

Test(docker_images, always_asks_the_registry_and_never_does_not)
{
    cr_assert_eq(do_pull("example/app:1", ORCH_PULL_ALWAYS), ORCH_OK);
    cr_assert_eq(fake_docker_calls(fake, "POST /images/create"), 1);
    cr_assert_eq(do_pull("example/app:1", ORCH_PULL_NEVER), ORCH_OK);
    cr_assert_eq(do_pull("example/other:1", ORCH_PULL_NEVER), ORCH_E_NOT_FOUND);
    cr_assert_eq(fake_docker_calls(fake, "POST /images/create"), 1);
}

Test(docker_images, a_digest_is_pulled_by_its_digest)
{
    const char *image = "example/app:9@sha256:"
                        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    (void)do_pull(image, ORCH_PULL_ALWAYS);
    char *request = fake_docker_last(fake, "POST /images/create", NULL);
    cr_assert(strstr(request, "tag=sha256%3A0011"), "%s", request);
    free(request);
}

Test(docker_images, one_without_a_repository_digest_is_pinned_by_its_id)
{
    char id[100];
    fake_docker_image(fake, "local/tool:dev", true);
    cr_assert_eq(do_pull("local/tool:dev", ORCH_PULL_MISSING), ORCH_OK, "%s", last.message);
    cr_assert_eq(strncmp(last.text, "sha256:", 7), 0, "%s", last.text);
    cr_assert_str_eq(last.text, last.digest);
    snprintf(id, sizeof id, "%s", last.text);
    cr_assert_eq(do_pull(id, ORCH_PULL_MISSING), ORCH_OK, "by its id it is found again");
    cr_assert_str_eq(last.text, id);
    id[10] = id[10] == '0' ? '1' : '0';
    cr_assert_eq(do_pull(id, ORCH_PULL_MISSING), ORCH_E_NOT_FOUND, "an id can't be pulled");
    cr_assert_eq(do_pull(id, ORCH_PULL_ALWAYS), ORCH_E_NOT_FOUND);
    cr_assert_eq(fake_docker_calls(fake, "POST /images/create"), 0);
}

Test(docker_images, a_digest_of_another_repository_pins_nothing)
{
    static const char body[] =
        "{\"Id\":\"sha256:1111111111111111111111111111111111111111111111111111111111111111\","
        "\"RepoDigests\":[\"other/app@sha256:"
        "2222222222222222222222222222222222222222222222222222222222222222\",7,"
        "\"docker.io/library/nginx@sha256:"
        "3333333333333333333333333333333333333333333333333333333333333333\"]}";
    fake_docker_fault(
        fake,
        &(struct fake_fault){
            .call = "GET /images/*", .how = FAKE_REPLY, .status = 200, .times = 2, .body = body});
    cr_assert_eq(do_pull("example/app:1", ORCH_PULL_MISSING), ORCH_OK);
    cr_assert_eq(strncmp(last.text, "sha256:1111", 11), 0, "%s", last.text);
    cr_assert_eq(do_pull("nginx:1", ORCH_PULL_MISSING), ORCH_OK);
    cr_assert_eq(strncmp(last.text, "nginx@sha256:3333", 17), 0, "%s", last.text);
}

Test(docker_images, names_without_tag_and_names_that_would_be_paths_are_refused)
{
    static const char *const images[] = {
        "nginx",   "",           "a/../b:1", "../x:1",     "/a:1",    "a//b:1", "a:1?x=2", "a b:1",
        "a:tag@x", "a@sha256:1", "a:",       "a:1/../../", "a/./b:1", "a%2e:1", "-a:1",    "a:.."};
    for (size_t i = 0; i < sizeof images / sizeof images[0]; i++)
        cr_expect_eq(do_pull(images[i], ORCH_PULL_MISSING), ORCH_E_INVALID, "%s", images[i]);
    cr_assert_eq(fake_docker_calls(fake, "*"), 0);
}

/* What comes in the stream of a reply whose status is 200. */
#define STATUS "{\"status\":\"Pulling\"}\r\n"
#define IN_STREAM(message)                                                                         \
    STATUS "{\"errorDetail\":{\"message\":\"" message "\"},\"error\":\"" message "\"}\r\n"

static const struct row {
    const char *name;
    struct fake_fault fault;
    orch_status status;
    const char *says;
} rows[] = {
    {"an error object",
     {.how = FAKE_REPLY, .body = IN_STREAM("something odd")},
     ORCH_E_IO,
     "something odd"},
    {"an error object without a message",
     {.how = FAKE_REPLY, .body = "{\"errorDetail\":{}}\n"},
     ORCH_E_IO,
     "no reason told"},
    {"an error of a wrong type",
     {.how = FAKE_REPLY, .body = "{\"error\":7}\n"},
     ORCH_E_IO,
     "no reason told"},
    {"manifest unknown",
     {.how = FAKE_REPLY, .body = IN_STREAM("manifest for a:1 not found: manifest unknown")},
     ORCH_E_NOT_FOUND,
     "manifest unknown"},
    {"refused",
     {.how = FAKE_REPLY,
      .body = IN_STREAM("pull access denied for a, repository does not exist or may require "
                        "'docker login'")},
     ORCH_E_DENIED,
     "denied"},
    {"unauthorized",
     {.how = FAKE_REPLY, .body = IN_STREAM("unauthorized: authentication required")},
     ORCH_E_DENIED,
     "unauthorized"},
    {"no name server",
     {.how = FAKE_REPLY, .body = IN_STREAM("dial tcp: lookup x on 127.0.0.1:53: no such host")},
     ORCH_E_UNAVAILABLE,
     "no such host"},
    {"connection refused",
     {.how = FAKE_REPLY, .body = IN_STREAM("dial tcp 127.0.0.1:5000: connect: connection refused")},
     ORCH_E_UNAVAILABLE,
     "refused"},
    {"the registry is slow",
     {.how = FAKE_REPLY, .body = IN_STREAM("net/http: TLS handshake timeout")},
     ORCH_E_TIMEOUT,
     "timeout"},
    {"too many requests",
     {.how = FAKE_REPLY,
      .body = IN_STREAM("toomanyrequests: You have reached your pull rate limit")},
     ORCH_E_UNAVAILABLE,
     "toomanyrequests"},
    {"the disk is full",
     {.how = FAKE_REPLY, .body = IN_STREAM("write /x: no space left on device")},
     ORCH_E_FULL,
     "no space left"},
    {"the stream is cut", {.how = FAKE_REPLY, .body = STATUS, .cut = true}, ORCH_E_UNAVAILABLE, ""},
    {"the last line is cut",
     {.how = FAKE_REPLY, .body = STATUS "{\"status\":\"Do"},
     ORCH_E_IO,
     "cut"},
    {"no JSON", {.how = FAKE_REPLY, .body = STATUS "<html>\n"}, ORCH_E_IO, "no JSON"},
    {"no object", {.how = FAKE_REPLY, .body = "[1]\n"}, ORCH_E_IO, "no JSON"},
    {"a line of 10 MiB", {.how = FAKE_FLOOD, .bytes = 10 << 20}, ORCH_E_TOO_LARGE, "over"},
    {"done, and yet it is not there",
     {.how = FAKE_REPLY, .body = STATUS},
     ORCH_E_NOT_FOUND,
     "the engine does not have it"},
    {"nothing at all, and it is not there",
     {.how = FAKE_REPLY, .body = ""},
     ORCH_E_NOT_FOUND,
     "the engine does not have it"},
    {"closed", {.how = FAKE_CLOSE}, ORCH_E_UNAVAILABLE, ""},
    {"404 manifest unknown",
     {.how = FAKE_REPLY, .status = 404, .body = "{\"message\":\"manifest unknown\"}"},
     ORCH_E_NOT_FOUND,
     "manifest unknown"},
    {"404 refused",
     {.how = FAKE_REPLY, .status = 404, .body = "{\"message\":\"pull access denied\"}"},
     ORCH_E_DENIED,
     "denied"},
    {"500 network",
     {.how = FAKE_REPLY, .status = 500, .body = "{\"message\":\"dial tcp: no such host\"}"},
     ORCH_E_UNAVAILABLE,
     "no such host"},
    {"500",
     {.how = FAKE_REPLY, .status = 500, .body = "{\"message\":\"x\"}"},
     ORCH_E_INTERNAL,
     "x"}};

Test(docker_images, a_pull_that_failed_says_why_and_is_never_taken_for_one_that_did_not)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_fault fault = rows[i].fault;
        fault.call = "POST /images/create";
        fake_docker_fault(fake, &fault);
        cr_expect_eq(do_pull("example/new:1", ORCH_PULL_MISSING), rows[i].status, "%s: %d %s",
                     rows[i].name, last.status, last.message);
        cr_expect(strstr(last.message, rows[i].says), "%s: %s", rows[i].name, last.message);
    }
    cr_assert_eq(do_pull("missing/a:1", ORCH_PULL_MISSING), ORCH_E_NOT_FOUND);
    cr_assert_eq(do_pull("denied/a:1", ORCH_PULL_MISSING), ORCH_E_DENIED);
    cr_assert_eq(do_pull("offline/a:1", ORCH_PULL_MISSING), ORCH_E_UNAVAILABLE);
}

Test(docker_images, a_pull_that_stands_still_is_given_up_by_its_host)
{
    fake_docker_fault(
        fake, &(struct fake_fault){
                  .call = "POST /images/create", .how = FAKE_REPLY, .body = STATUS, .stall = true});
    rig_deadline_ms = 300;
    cr_assert_eq(do_pull("example/new:1", ORCH_PULL_MISSING), ORCH_E_TIMEOUT);
}

Test(docker_images, a_look_up_that_makes_no_sense_pins_nothing)
{
    static const char *const bodies[] = {"{}", "[]", "{\"Id\":7}", "{\"Id\":\"sha256:short\"}",
                                         "nonsense"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        fake_docker_fault(fake, &(struct fake_fault){
                                    .call = "GET /images/*", .how = FAKE_REPLY, .body = bodies[i]});
        cr_expect_eq(do_pull("example/app:1", ORCH_PULL_MISSING), ORCH_E_IO, "%s", bodies[i]);
    }
}
