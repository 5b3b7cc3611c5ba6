/* What every request goes through: host, path, key, kind of body. */
#include "rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void setup(void)
{
    rig_start(NULL);
}

TestSuite(requests, .init = setup, .fini = rig_stop, .timeout = 60);

Test(requests, the_open_routes_need_no_key)
{
    static const char *const paths[] = {"/healthz", "/readyz", "/openapi.json", "/metrics"};
    for (size_t i = 0; i < 4; i++) {
        struct reply reply = ask_plain("GET", paths[i], NULL, NULL);
        cr_expect_eq(reply.status, 200, "%s: %d", paths[i], reply.status);
        reply_free(&reply);
    }
}

Test(requests, all_below_the_api_is_denied_without_a_key_known_or_not)
{
    static const char *const paths[] = {"/api/v1/deployments", "/api/v1/nosuch",   "/api",
                                        "/api/v2/x",           "/k8s/api/v1/pods", "/api/v1/watch"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct reply reply = ask_plain("GET", paths[i], NULL, NULL);
        char scratch[256];
        cr_expect_eq(reply.status, 401, "%s: %d", paths[i], reply.status);
        cr_expect_str_eq(reply_header(&reply, "WWW-Authenticate", scratch), "Bearer");
        reply_free(&reply);
    }
    expect_refusal("GET", "/api/v1/nosuch", NULL, NULL, 404, "NOT_FOUND");
    expect_refusal("GET", "/nosuch", NULL, NULL, 404, "NOT_FOUND");
}

Test(requests, metrics_want_a_key_from_who_was_forwarded)
{
    struct reply reply = ask_plain("GET", "/metrics", "X-Forwarded-For: 10.0.0.1\r\n", NULL);
    cr_expect_eq(reply.status, 401);
    reply_free(&reply);
    reply = ask_plain("GET", "/metrics", "Forwarded: for=10.0.0.1\r\n" KEY_HEADER, NULL);
    cr_expect_eq(reply.status, 200);
    reply_free(&reply);
}

Test(requests, a_bearer_key_is_as_good)
{
    struct reply reply =
        ask_plain("GET", "/api/v1/deployments", "Authorization: Bearer " RIG_KEY "\r\n", NULL);
    cr_expect_eq(reply.status, 200, "%s", reply.body);
    reply_free(&reply);
}

Test(requests, every_answer_carries_what_the_contract_promises)
{
    char scratch[256];
    struct reply reply = ask("GET", "/api/v1/deployments", "X-Request-Id: my-id.1\r\n", NULL);
    cr_expect_str_eq(reply_header(&reply, "X-Request-Id", scratch), "my-id.1");
    cr_expect_str_eq(reply_header(&reply, "Cache-Control", scratch), "no-store");
    cr_expect_str_eq(reply_header(&reply, "X-Content-Type-Options", scratch), "nosniff");
    cr_expect(atoi(reply_header(&reply, "X-Seq", scratch)) > 0);
    reply_free(&reply);
    reply = ask("GET", "/api/v1/deployments", "X-Request-Id: not\"sane\r\n", NULL);
    cr_expect_eq(strlen(reply_header(&reply, "X-Request-Id", scratch)), 16);
    reply_free(&reply);
}

Test(requests, methods_that_a_path_has_not_are_named)
{
    static const char *const methods[] = {"PUT", "OPTIONS", "TRACE", "BREW", "PATCH"};
    char scratch[256];
    for (size_t i = 0; i < 5; i++) {
        struct reply reply = ask(methods[i], "/api/v1/deployments", NULL, NULL);
        cr_expect_eq(reply.status, 405, "%s: %d", methods[i], reply.status);
        cr_expect_str_eq(reply_header(&reply, "Allow", scratch), "GET, HEAD, POST");
        reply_free(&reply);
    }
}

Test(requests, head_is_get_without_a_body)
{
    struct reply reply = ask("HEAD", "/api/v1/deployments", NULL, NULL);
    char scratch[256];
    cr_expect_eq(reply.status, 200);
    cr_expect_eq(reply.length, 0);
    cr_expect(atoi(reply_header(&reply, "Content-Length", scratch)) > 0);
    reply_free(&reply);
}

Test(requests, hosts_that_are_names_of_strangers_are_refused)
{
    static const struct {
        const char *host;
        int status;
    } cases[] = {{"localhost", 200},
                 {"LOCALHOST:7070", 200},
                 {"127.0.0.1:1", 200},
                 {"[::1]:7070", 200},
                 {"10.1.2.3", 200},
                 {"node-1", 200},
                 {"evil.example.org", 403},
                 {"localhost.evil", 403},
                 {"[::1", 403},
                 {"127.0.0.1.evil.org", 403},
                 {"", 403},
                 {"[evil]:80", 403}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char request[256];
        int fd = client_open();
        snprintf(request, sizeof request, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n",
                 cases[i].host);
        client_text(fd, request);
        struct reply reply = client_read(fd);
        cr_expect_eq(reply.status, cases[i].status, "Host: %s: %d", cases[i].host, reply.status);
        reply_free(&reply);
        close(fd);
    }
}

Test(requests, paths_that_are_not_plain_are_refused)
{
    static const struct {
        const char *path;
        int status;
    } cases[] = {{"/api/v1/deployments/../nodes", 400},
                 {"/api/v1/deployments/%2e%2e/nodes", 400},
                 {"/api/v1/./deployments", 400},
                 {"/api/v1/deployments/a%00b", 400},
                 {"/api/v1/deployments/a%2fb", 400},
                 {"/api/v1/deployments/a%5cb", 400},
                 {"/api/v1/deployments/%c0%ae", 400},
                 {"/api/v1/deployments/%ff", 400},
                 {"/api/v1/deployments/%zz", 400},
                 {"/api/v1/deployments/%4", 400},
                 {"/api/v1/deployments/a%0ab", 400},
                 {"/api/v1/deployments/a\\b", 400},
                 {"/api/v1/deployments/\xc3\xa4", 400},
                 {"/api/v1/deployments/%E2%80%A4%E2%80%A4", 404},
                 {"/api/v1/deployments/Web", 404},
                 {"/api/v1/deployments/-web", 404},
                 {"/api/v1/deployments/web_1", 404},
                 {"/api/v1/deployments/a/b/c/d", 404},
                 {"/api/v1/deployments/", 404},
                 {"//api/v1/deployments", 404},
                 {"/api/v1//deployments", 404},
                 {"/api/v1/deployments#x", 400},
                 {"/api/v1/deployments?limit=%zz", 400},
                 {"/api/v1/deployments?limit=1&limit=2", 400},
                 {"/api/v1/a/b/c/d/e/f/g/h/i/j/k/l/m", 400},
                 {"*", 400},
                 {"api/v1/deployments", 400},
                 {"http://localhost/api/v1/deployments", 200},
                 {"/api/v1/%64eployments", 200}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reply reply = ask("GET", cases[i].path, NULL, NULL);
        cr_expect_eq(reply.status, cases[i].status, "%s: %d %s", cases[i].path, reply.status,
                     reply.body);
        reply_free(&reply);
    }
}

Test(requests, names_too_long_name_nothing)
{
    char path[200] = "/api/v1/deployments/";
    memset(path + strlen(path), 'a', 100);
    expect_refusal("GET", path, NULL, NULL, 404, "NOT_FOUND");
}

Test(requests, bodies_are_strict_json_of_the_right_type)
{
    static const struct {
        const char *type, *body;
        int status;
    } cases[] = {{"application/json", "{}", 200},
                 {"application/json; charset=utf-8", "{\"a\":1}", 200},
                 {"Application/JSON", "{}", 200},
                 {"text/plain", "{}", 415},
                 {"application/jsonx", "{}", 415},
                 {"application/merge-patch+json", "{}", 415},
                 {NULL, "{}", 415},
                 {"application/json", "", 400},
                 {"application/json", "[]", 400},
                 {"application/json", "{", 400},
                 {"application/json", "{\"a\":1,\"a\":2}", 400},
                 {"application/json", "{\"a\":1} x", 400},
                 {"application/json", "\xef\xbb\xbf{}", 400},
                 {"application/json", "{\"a\":\"\xff\"}", 400},
                 {"application/json", "{\"a\":\"\\u0000\"}", 400},
                 {"application/json", "{\"a\":1e309}", 400},
                 {"application/json", "{\"a\":99999999999999999999}", 400},
                 {"application/json", "{\"a\":NaN}", 400}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char headers[200];
        snprintf(headers, sizeof headers, KEY_HEADER "%s%s%s",
                 cases[i].type ? "Content-Type: " : "", cases[i].type ? cases[i].type : "",
                 cases[i].type ? "\r\n" : "");
        struct reply reply = ask_plain("POST", "/api/v1/test/echo", headers, cases[i].body);
        cr_expect_eq(reply.status, cases[i].status, "%s %s: %d %s", cases[i].type, cases[i].body,
                     reply.status, reply.body);
        reply_free(&reply);
    }
}

Test(requests, bodies_are_nested_32_deep_and_no_deeper)
{
    char body[4200];
    for (int depth = 31; depth <= 2049; depth = depth == 31 ? 32 : 2049 + (depth > 32)) {
        size_t at = 0;
        at += (size_t)sprintf(body, "{\"a\":");
        memset(body + at, '[', (size_t)depth);
        memset(body + at + depth, ']', (size_t)depth);
        strcpy(body + at + 2 * depth, "}");
        struct reply reply = ask("POST", "/api/v1/test/echo", NULL, body);
        cr_expect_eq(reply.status, depth < 32 ? 200 : 400, "%d: %d", depth, reply.status);
        reply_free(&reply);
    }
}

Test(requests, a_body_where_none_belongs_is_refused)
{
    expect_refusal("POST", "/api/v1/test/hold", NULL, "{}", 400, "VALIDATION_FAILED");
}

Test(requests, unknown_query_parameters_are_named_with_the_nearest)
{
    struct reply reply = ask("GET", "/api/v1/deployments?limt=5", NULL, NULL);
    cr_expect_eq(reply.status, 400);
    cr_expect(strstr(reply.body, "\"field\":\"limt\""), "%s", reply.body);
    cr_expect(strstr(reply.body, "did you mean \\\"limit\\\""), "%s", reply.body);
    reply_free(&reply);
}

Test(requests, a_dry_run_changes_nothing_and_answers_with_the_plan)
{
    const char *body = "{\"name\":\"web\",\"image\":\"app:1\"}";
    expect_refusal("POST", "/api/v1/deployments?dryRun=perhaps", NULL, body, 400,
                   "VALIDATION_FAILED");
    json_t *plan = ask_json("POST", "/api/v1/deployments?dryRun=true", body, 200);
    cr_assert_eq(json_integer_value(json_object_get(plan, "newRevision")), 1);
    json_decref(plan);
    expect_refusal("GET", "/api/v1/deployments/web", NULL, NULL, 404, "NOT_FOUND");
    json_decref(ask_json("POST", "/api/v1/deployments?dryRun=false", body, 201));
}

Test(requests, objects_come_with_their_version_and_place)
{
    char scratch[256];
    struct reply reply =
        ask("POST", "/api/v1/deployments", NULL, "{\"name\":\"web\",\"image\":\"app:1\"}");
    cr_expect_eq(reply.status, 201, "%s", reply.body);
    cr_expect_str_eq(reply_header(&reply, "Location", scratch), "/api/v1/deployments/web");
    cr_expect_str_eq(reply_header(&reply, "ETag", scratch), "\"1\"");
    reply_free(&reply);
    reply = ask("GET", "/api/v1/deployments/web", NULL, NULL);
    cr_expect_str_eq(reply_header(&reply, "ETag", scratch), "\"1\"");
    reply_free(&reply);
    expect_refusal("POST", "/api/v1/deployments", NULL, "{\"name\":\"web\",\"image\":\"app:1\"}",
                   409, "ALREADY_EXISTS");
    expect_refusal("PUT", "/api/v1/deployments/web", "If-Match: \"7\"\r\n", "{\"image\":\"app:2\"}",
                   412, "PRECONDITION_FAILED");
    expect_refusal("PUT", "/api/v1/deployments/web", "If-Match: \"x\"\r\n", "{\"image\":\"app:2\"}",
                   400, "VALIDATION_FAILED");
    expect_refusal("PUT", "/api/v1/deployments/web", "If-None-Match: *\r\n",
                   "{\"image\":\"app:2\"}", 412, "PRECONDITION_FAILED");
    expect_refusal("PUT", "/api/v1/deployments/web", "If-None-Match: \"1\"\r\n",
                   "{\"image\":\"app:2\"}", 400, "VALIDATION_FAILED");
    reply = ask("PUT", "/api/v1/deployments/web", "If-Match: \"1\"\r\n", "{\"image\":\"app:2\"}");
    cr_expect_eq(reply.status, 200, "%s", reply.body);
    cr_expect_str_eq(reply_header(&reply, "ETag", scratch), "\"2\"");
    reply_free(&reply);
    reply = ask("DELETE", "/api/v1/deployments/web", NULL, NULL);
    cr_expect_eq(reply.status, 202, "%s", reply.body);
    reply_free(&reply);
}

Test(requests, long_answers_are_compressed_for_who_takes_them)
{
    char scratch[256];
    struct reply plain = ask("GET", "/openapi.json", NULL, NULL);
    struct reply packed = ask("GET", "/openapi.json", "Accept-Encoding: br, gzip\r\n", NULL);
    cr_expect_str_eq(reply_header(&packed, "Content-Encoding", scratch), "gzip");
    cr_assert_lt(packed.length, plain.length / 2);
    cr_expect_eq((unsigned char)packed.body[0], 0x1f);
    reply_free(&packed);
    packed = ask("GET", "/openapi.json", "Accept-Encoding: gzip;q=0\r\n", NULL);
    cr_expect_eq(packed.length, plain.length);
    reply_free(&packed);
    reply_free(&plain);
}

Test(requests, the_document_lists_every_route)
{
    json_t *document = ask_json("GET", "/openapi.json", NULL, 200);
    json_t *paths = json_object_get(document, "paths");
    for (size_t i = 0; i < rig.api->router.count; i++) {
        const struct route *route = rig.api->router.routes[i].route;
        char method[16];
        snprintf(method, sizeof method, "%s", route->method);
        for (char *c = method; *c; c++)
            *c = (char)(*c | 0x20);
        cr_assert_not_null(json_object_get(json_object_get(paths, route->path), method), "%s %s",
                           method, route->path);
    }
    cr_expect_str_eq(json_string_value(json_object_get(document, "openapi")), "3.1.0");
    json_decref(document);
}

Test(requests, figures_count_what_was_answered)
{
    json_decref(ask_json("GET", "/api/v1/deployments", NULL, 200));
    struct reply reply = ask_plain("GET", "/metrics", NULL, NULL);
    static const char *const wanted[] = {
        "orchestrator_http_requests_total{method=\"GET\",route=\"/api/v1/deployments\",code="
        "\"200\"} 1\n",
        "orchestrator_http_request_duration_seconds_bucket{method=\"GET\",route=\"/api/v1/"
        "deployments\",le=\"+Inf\"} 1\n",
        "orchestrator_lane_depth{lane=\"users\"} 0\n",
        "orchestrator_loop_longest_seconds{loop=\"main\"",
        "orchestrator_containers{state=\"running\"} 0\n",
        "orchestrator_objects{kind=\"deployments\"} 0\n",
        "process_resident_memory_bytes "};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        cr_expect(strstr(reply.body, wanted[i]), "%s is missing", wanted[i]);
    reply_free(&reply);
}
