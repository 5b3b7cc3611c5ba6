#include "base/text.h"
#include "node/messages.h"

#include <criterion/criterion.h>
#include <string.h>

static struct arena arena;
static struct text text;

static void teardown(void)
{
    arena_finish(&arena);
    text_finish(&text);
}

TestSuite(node_messages, .fini = teardown);

static const struct message *again(const struct message *message)
{
    struct message *out = arena_alloc(&arena, sizeof *out);
    struct error error;
    schema_write(&message_type, message, SCHEMA_STORED, &text);
    cr_assert(schema_read_stored(&message_type, text.data, text.length, &arena, out, &error), "%s",
              error.message);
    return out;
}

Test(node_messages, an_assignment_comes_out_as_it_went_in)
{
    const struct container_port port = {.name = "http",
                                        .number = 80,
                                        .host_port = 8080,
                                        .host_address = "127.0.0.1",
                                        .protocol = PROTOCOL_TCP};
    struct assigned_template template = {.id = "u/1",
                                         .deployment = "web",
                                         .revision = 1,
                                         .image_pinned = "app@sha256:1",
                                         .hash = "abc"};
    schema_defaults(&container_template_type, &arena, &template.template);
    template.template.image = "app:1";
    const struct assigned_container container = {.id = "web-0-aaaaaa",
                                                 .template_id = "u/1",
                                                 .slot = 3,
                                                 .revision = 1,
                                                 .ports = {.items = &port, .count = 1},
                                                 .incarnation = 4,
                                                 .restarts = 2,
                                                 .seq = INT64_C(1) << 52,
                                                 .intent = ASSIGNED_DRAIN,
                                                 .failed = true};
    const char *const gone[] = {"web-1-bbbbbb", "web-2-cccccc"};
    const struct assignment assignment = {.cluster = "uid",
                                          .fence = 7,
                                          .version = 9,
                                          .store_seq = 100,
                                          .full = true,
                                          .templates = {.items = &template, .count = 1},
                                          .containers = {.items = &container, .count = 1},
                                          .removed = {.items = gone, .count = 2}};
    const struct message *read = again(&(struct message){.assignment = &assignment});
    cr_assert_null(read->report);
    cr_assert_null(read->table);
    const struct assignment *out = read->assignment;
    cr_assert_str_eq(out->cluster, "uid");
    cr_assert(out->full);
    cr_assert_eq(out->fence, 7);
    cr_assert_eq(out->version, 9);
    cr_assert_eq(out->store_seq, 100);
    cr_assert_eq(out->removed.count, 2);
    cr_assert_str_eq(*LIST_AT(out->removed, const char *, 1), "web-2-cccccc");
    const struct assigned_template *made = LIST_AT(out->templates, struct assigned_template, 0);
    cr_assert(schema_equal(&container_template_type, &made->template, &template.template));
    cr_assert_str_eq(made->image_pinned, "app@sha256:1");
    const struct assigned_container *one = LIST_AT(out->containers, struct assigned_container, 0);
    cr_assert_eq(one->intent, ASSIGNED_DRAIN);
    cr_assert_eq(one->seq, INT64_C(1) << 52);
    cr_assert_eq(one->incarnation, 4);
    cr_assert(one->failed);
    cr_assert_eq(LIST_AT(one->ports, struct container_port, 0)->host_port, 8080);
}

Test(node_messages, a_report_comes_out_as_it_went_in)
{
    const char *const lines[] = {"one", "two"};
    const struct container_end end = {.at_ms = 5,
                                      .exit_code = 137,
                                      .signal = "SIGKILL",
                                      .oom = true,
                                      .reason = "OOMKilled",
                                      .log = {.items = lines, .count = 2}};
    const struct reported_container container = {.id = "web-0-aaaaaa",
                                                 .incarnation = 2,
                                                 .restarts = 1,
                                                 .state = CONTAINER_EXITED,
                                                 .reason = "CrashLoop",
                                                 .exit_code = NUMBER_NULL,
                                                 .next_start_at_ms = 77,
                                                 .ends = {.items = &end, .count = 1}};
    const struct report report = {.node = "n",
                                  .full = true,
                                  .runtime_down = true,
                                  .runtime_message = "why",
                                  .table_version = 3,
                                  .containers = {.items = &container, .count = 1}};
    const struct report *out = again(&(struct message){.report = &report})->report;
    cr_assert(out->full && out->runtime_down && !out->heartbeat);
    cr_assert_str_eq(out->runtime_message, "why");
    const struct reported_container *one = LIST_AT(out->containers, struct reported_container, 0);
    cr_assert_eq(one->exit_code, NUMBER_NULL, "no exit code is not exit code 0");
    cr_assert_eq(one->state, CONTAINER_EXITED);
    cr_assert_eq(one->next_start_at_ms, 77);
    const struct container_end *last = LIST_AT(one->ends, struct container_end, 0);
    cr_assert_eq(last->exit_code, 137);
    cr_assert(last->oom);
    cr_assert_str_eq(*LIST_AT(last->log, const char *, 1), "two");
}

Test(node_messages, exit_code_zero_is_kept)
{
    const struct reported_container container = {.id = "a", .exit_code = 0};
    const struct report report = {.node = "n", .containers = {.items = &container, .count = 1}};
    const struct report *out = again(&(struct message){.report = &report})->report;
    cr_assert_eq(LIST_AT(out->containers, struct reported_container, 0)->exit_code, 0);
}

Test(node_messages, a_table_comes_out_as_it_went_in)
{
    const struct published_endpoint endpoint = {.container = "web-0-aaaaaa",
                                                .node = "n",
                                                .address = "172.17.0.2",
                                                .port = 80,
                                                .weight = 1,
                                                .state = ENDPOINT_DRAINING};
    const struct published_service service = {.name = "web",
                                              .listen = "127.0.0.1:80",
                                              .balancer = "round-robin",
                                              .protocol = SERVICE_HTTP,
                                              .policy_seed = INT64_MAX,
                                              .drain_timeout_ns = 30,
                                              .endpoints = {.items = &endpoint, .count = 1}};
    const struct endpoint_table table = {
        .fence = 1, .version = 2, .services = {.items = &service, .count = 1}};
    const struct endpoint_table *out = again(&(struct message){.table = &table})->table;
    const struct published_service *one = LIST_AT(out->services, struct published_service, 0);
    cr_assert_eq(one->policy_seed, INT64_MAX);
    cr_assert_eq(one->protocol, SERVICE_HTTP);
    cr_assert_eq(one->drain_timeout_ns, 30);
    cr_assert_eq(LIST_AT(one->endpoints, struct published_endpoint, 0)->state, ENDPOINT_DRAINING);
}

Test(node_messages, garbage_is_refused)
{
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "null",
                                        "\"text\"",
                                        "{\"report\":5}",
                                        "{\"report\":{\"containers\":{}}}",
                                        "{\"report\":{\"containers\":[{\"state\":\"flying\"}]}}",
                                        "{\"assignment\":{\"fence\":\"high\"}}",
                                        "{\"assignment\":{\"removed\":[1]}}",
                                        "{\"assignment\":{\"templates\":[{\"id\":\"u/1\"}]}}",
                                        "{\"report\":{}} {}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct message out = {0};
        struct error error;
        cr_assert_not(
            schema_read_stored(&message_type, texts[i], strlen(texts[i]), &arena, &out, &error),
            "taken: %s", texts[i]);
    }
}

Test(node_messages, what_a_newer_one_adds_is_ignored)
{
    static const char json[] = "{\"report\":{\"node\":\"n\",\"mood\":{\"a\":[1,2]}},\"extra\":1}";
    struct message out = {0};
    struct error error;
    cr_assert(schema_read_stored(&message_type, json, sizeof json - 1, &arena, &out, &error));
    cr_assert_str_eq(out.report->node, "n");
}
