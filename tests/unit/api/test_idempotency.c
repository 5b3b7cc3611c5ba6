/* Idempotency-Key: one change, one answer, however often it is asked for. */
#include "rig.h"
#include "store/idempotency.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void setup(void)
{
    rig_start(NULL);
}

TestSuite(idempotency, .init = setup, .fini = rig_stop, .timeout = 60);

#define WEB "{\"name\":\"web\",\"image\":\"app:1\",\"replicas\":0}"

static struct reply post(const char *path, const char *key, const char *body)
{
    char header[200];
    snprintf(header, sizeof header, "Idempotency-Key: %s\r\n", key);
    return ask("POST", path, header, body);
}

static long long events(void)
{
    json_t *list = ask_json("GET", "/api/v1/events?reason=Created", NULL, 200);
    long long total = json_integer_value(json_object_get(list, "total"));
    json_decref(list);
    return total;
}

Test(idempotency, a_repeated_request_gets_the_first_answer_and_changes_nothing)
{
    char scratch[256];
    struct reply first = post("/api/v1/deployments", "k-1", WEB);
    cr_assert_eq(first.status, 201, "%s", first.body);
    json_decref(ask_json("PUT", "/api/v1/deployments/web", "{\"image\":\"app:2\"}", 200));
    for (int i = 0; i < 3; i++) {
        struct reply again = post("/api/v1/deployments", "k-1", WEB);
        cr_expect_eq(again.status, 201);
        cr_expect_str_eq(again.body, first.body);
        cr_expect_str_eq(reply_header(&again, "Idempotent-Replayed", scratch), "true");
        cr_expect_str_eq(reply_header(&again, "Location", scratch), "/api/v1/deployments/web");
        cr_expect_str_eq(reply_header(&again, "ETag", scratch), "\"1\"");
        reply_free(&again);
    }
    cr_expect_eq(events(), 1);
    reply_free(&first);
}

Test(idempotency, another_body_or_path_under_the_same_key_is_a_conflict)
{
    struct reply reply = post("/api/v1/deployments", "k-1", WEB);
    reply_free(&reply);
    reply = post("/api/v1/deployments", "k-1", "{\"name\":\"web\",\"image\":\"app:2\"}");
    cr_expect_eq(reply.status, 409);
    cr_expect(strstr(reply.body, "CONFLICT"), "%s", reply.body);
    reply_free(&reply);
    reply = post("/api/v1/deployments/web/scale", "k-1", "{\"replicas\":0}");
    cr_expect_eq(reply.status, 409);
    reply_free(&reply);
}

Test(idempotency, a_refused_request_may_be_repeated)
{
    declare("web", NULL);
    struct reply reply = post("/api/v1/deployments", "k-1", WEB);
    cr_expect_eq(reply.status, 409);
    cr_expect(strstr(reply.body, "ALREADY_EXISTS"), "%s", reply.body);
    reply_free(&reply);
    reply = post("/api/v1/deployments", "k-1", "{\"name\":\"other\",\"image\":\"app:1\"}");
    cr_expect_eq(reply.status, 201, "%s", reply.body);
    reply_free(&reply);
}

Test(idempotency, one_that_is_under_way_is_not_begun_twice)
{
    int fd = client_open();
    client_text(fd, "POST /api/v1/test/hold HTTP/1.1\r\nHost: localhost\r\n" KEY_HEADER
                    "Idempotency-Key: k-1\r\nContent-Length: 0\r\n\r\n");
    rig_wait_held(1);
    struct reply reply = post("/api/v1/test/hold", "k-1", NULL);
    cr_expect_eq(reply.status, 409);
    cr_expect(strstr(reply.body, "under way"), "%s", reply.body);
    reply_free(&reply);
    rig_release_held();
    struct reply first = client_read(fd);
    cr_expect_eq(first.status, 200);
    reply = post("/api/v1/test/hold", "k-1", NULL);
    cr_expect_eq(reply.status, 200);
    cr_expect_str_eq(reply.body, first.body);
    reply_free(&first);
    reply_free(&reply);
    close(fd);
}

Test(idempotency, keys_are_short_and_plain)
{
    static const char *const bad[] = {
        "", "a b", "\x01", "0123456789012345678901234567890123456789012345678901234567890123X"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct reply reply = post("/api/v1/deployments", bad[i], WEB);
        cr_expect_eq(reply.status, 400, "\"%s\": %d", bad[i], reply.status);
        reply_free(&reply);
    }
    struct reply reply =
        post("/api/v1/deployments",
             "0123456789012345678901234567890123456789012345678901234567890123", WEB);
    cr_expect_eq(reply.status, 201, "%s", reply.body);
    reply_free(&reply);
}

/* As a daemon finds it that was killed between the change and its answer. */
static void forget_answer(void *argument)
{
    struct idempotency_record probe = {.record.kind = &idempotency_kind, .key = argument};
    const struct idempotency_record *kept =
        (const struct idempotency_record *)state_find(rig.server->state, STATE_HEAD, &probe.record);
    cr_assert_not_null(kept);
    struct idempotency_record marker = {
        .record.created_at_ms = kept->record.created_at_ms, .key = kept->key, .hash = kept->hash};
    struct txn *txn = txn_begin(rig.server->state, (struct origin){.by = "test"});
    txn_put(txn, record_create(&idempotency_kind, &marker));
    txn_submit(txn, NULL, NULL);
}

Test(idempotency, a_change_whose_answer_was_lost_is_answered_with_the_object)
{
    char scratch[256];
    struct reply first = post("/api/v1/deployments", "k-1", WEB);
    rig_call(forget_answer, "k-1");
    struct reply again = post("/api/v1/deployments", "k-1", WEB);
    cr_expect_eq(again.status, 201, "%s", again.body);
    cr_expect_str_eq(reply_header(&again, "Location", scratch), "/api/v1/deployments/web");
    cr_expect(strstr(again.body, "\"name\":\"web\""));
    cr_expect_eq(events(), 1);
    reply_free(&again);
    reply_free(&first);
    struct reply scaled = post("/api/v1/deployments/web/scale", "k-2", "{\"replicas\":1}");
    cr_expect_eq(scaled.status, 200, "%s", scaled.body);
    reply_free(&scaled);
    rig_call(forget_answer, "k-2");
    json_decref(ask_json("POST", "/api/v1/deployments/web/scale", "{\"replicas\":0}", 200));
    scaled = post("/api/v1/deployments/web/scale", "k-2", "{\"replicas\":1}");
    cr_expect_eq(scaled.status, 200);
    cr_expect(strstr(scaled.body, "\"replicas\":0"), "%s", scaled.body);
    reply_free(&scaled);
}
