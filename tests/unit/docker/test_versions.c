/* Which version of the API is spoken. */
#include "unit/docker/rig.h"

#include <stdlib.h>
#include <string.h>

TestSuite(docker_versions, .init = rig_open, .fini = rig_close, .timeout = 30);

static const struct {
    const char *told;
    orch_status status;
    const char *says; /* the prefix of the request, or what the error must hold */
} rows[] = {{"1.41", ORCH_OK, "GET /v1.41/info"},
            {"1.40", ORCH_OK, "GET /v1.40/info"},
            {"1.44", ORCH_OK, "GET /v1.44/info"},
            {"1.99", ORCH_OK, "GET /v1.47/info"},
            {"1.24", ORCH_E_UNSUPPORTED, "speaks API 1.24; this plugin speaks 1.40 to 1.47"},
            {"2.0", ORCH_E_UNSUPPORTED, "speaks API 2.0; this plugin speaks 1.40 to 1.47"},
            {"one", ORCH_E_UNSUPPORTED, "speaks API one; this plugin speaks 1.40 to 1.47"},
            {NULL, ORCH_E_UNSUPPORTED, "a version it does not tell; this plugin speaks 1.40"}};

Test(docker_versions, the_older_of_both_is_spoken_or_refused_with_both_named)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake_docker_go_away(fake); /* so that it is asked again */
        cr_assert_lt(do_info(), 0);
        fake_docker_come_back(fake);
        fake_docker_set_version(fake, rows[i].told);
        fake_docker_calls_clear(fake);
        cr_expect_eq(do_info(), rows[i].status, "%s: %s", rows[i].told, last.message);
        char *request = fake_docker_last(fake, "GET /info", NULL);
        const char *says = rows[i].status == ORCH_OK ? request : last.message;
        cr_expect(says && strstr(says, rows[i].says), "%s: %s", rows[i].told, says);
        free(request);
    }
}

Test(docker_versions, a_refusal_of_the_version_names_both)
{
    fake_docker_set_version(fake, "1.99");
    fake_docker_fault(
        fake, &(struct fake_fault){.call = "GET /info",
                                   .how = FAKE_REPLY,
                                   .status = 400,
                                   .body = "{\"message\":\"client version 1.47 is too old. Minimum "
                                           "supported API version is 1.50\"}"});
    cr_assert_eq(do_info(), ORCH_E_UNSUPPORTED);
    cr_assert(strstr(last.message, "told API 1.99, refuses 1.47"), "%s", last.message);
    cr_assert(strstr(last.message, "Minimum supported API version is 1.50"), "%s", last.message);
}

Test(docker_versions, it_is_asked_once_and_again_after_the_engine_was_away)
{
    cr_assert_eq(do_info(), ORCH_OK);
    cr_assert_eq(do_info(), ORCH_OK);
    cr_assert_eq(fake_docker_calls(fake, "GET /_ping"), 1);
    fake_docker_go_away(fake);
    cr_assert_eq(do_info(), ORCH_E_UNAVAILABLE);
    fake_docker_set_version(fake, "1.43"); /* upgraded meanwhile */
    fake_docker_come_back(fake);
    cr_assert_eq(do_info(), ORCH_OK, "%s", last.message);
    char *request = fake_docker_last(fake, "GET /info", NULL);
    cr_assert_str_eq(request, "GET /v1.43/info");
    free(request);
}

Test(docker_versions, calls_that_come_together_wait_for_one_answer)
{
    struct seen seen[4] = {0};
    for (int i = 0; i < 4; i++)
        begin_list(&seen[i]);
    for (int i = 0; i < 4; i++) {
        cr_assert(rig_ended(&seen[i], 5000));
        cr_assert_eq(seen[i].status, ORCH_OK);
    }
    cr_assert_eq(fake_docker_calls(fake, "GET /_ping"), 1);
}

Test(docker_versions, a_ping_that_fails_is_the_engine_being_away)
{
    fake_docker_fault(fake,
                      &(struct fake_fault){.call = "GET /_ping", .how = FAKE_REPLY, .status = 500});
    cr_assert_eq(do_info(), ORCH_E_UNAVAILABLE);
    cr_assert(strstr(last.message, "answers its ping with 500"), "%s", last.message);
    cr_assert_eq(do_info(), ORCH_OK);
}
