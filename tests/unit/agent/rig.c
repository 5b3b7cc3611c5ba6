#include "rig.h"
#include "base/clock.h"
#include "base/log.h"
#include "plugin/host.h"
#include "plugin/http_client.h"
#include "plugin/ops.h"
#include "proxy/feed.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rig rig;
static struct op_table *table;
static struct plugin_environment environment;
static struct plugin_host host;
static struct runtime *runtime;
static struct assigned_container wanted[600];
static char wanted_ids[600][80];
static uint32_t wanted_count;
static const char *removed[600];
static uint32_t removed_count;
static struct feed_callbacks callbacks;

/* -- the scripted proxy: core/proxy's functions, in this program's own words -- */

void proxy_feed_set_callbacks(struct proxy_feed *feed, const struct feed_callbacks *given)
{
    (void)feed;
    callbacks = *given;
}

void proxy_feed_service_put(struct proxy_feed *feed, const struct feed_service *service)
{
    char *at = rig.fed;
    (void)feed;
    rig.puts++;
    rig.fed[0] = 0;
    for (uint32_t i = 0; i < service->endpoint_count; i++)
        at += snprintf(at, sizeof rig.fed - (size_t)(at - rig.fed), "%s%s:%s", i ? " " : "",
                       service->endpoints[i].id,
                       service->endpoints[i].state == FEED_ACTIVE ? "active" : "draining");
}

void proxy_feed_service_remove(struct proxy_feed *feed, const char *name)
{
    (void)feed, (void)name;
    rig.fed[0] = 0;
}

static void acknowledge(void *argument)
{
    (void)argument;
    if (callbacks.acknowledged)
        callbacks.acknowledged(callbacks.argument, rig.published);
}

static struct loop_timer feed_timer;

void rig_feed_acknowledge(void)
{
    loop_timer_start(&feed_timer, NS_PER_MS);
}

void proxy_feed_publish(struct proxy_feed *feed, uint64_t version)
{
    (void)feed;
    rig.published = version;
    if (!rig.hold_feed)
        rig_feed_acknowledge();
}

void proxy_feed_withdraw(struct proxy_feed *feed, const char *endpoint, uint64_t version)
{
    snprintf(rig.withdrawn, sizeof rig.withdrawn, "%s", endpoint);
    proxy_feed_publish(feed, version);
}

void rig_feed_drained(const char *id)
{
    callbacks.drained(callbacks.argument, "web", id, 0);
}

/* -- the server -- */

static struct seen *seen_of(const char *id)
{
    for (unsigned i = 0; i < rig.seen_count; i++)
        if (strcmp(rig.seen[i].id, id) == 0)
            return &rig.seen[i];
    cr_assert(rig.seen_count < 600);
    struct seen *seen = &rig.seen[rig.seen_count++];
    snprintf(seen->id, sizeof seen->id, "%s", id);
    return seen;
}

struct seen *rig_seen(const char *id)
{
    return seen_of(id);
}

static void take_ends(struct seen *seen, const struct list *ends)
{
    seen->ends += ends->count;
    if (!ends->count)
        return;
    const struct container_end *end = LIST_AT(*ends, struct container_end, 0);
    seen->end_exit_code = end->exit_code;
    snprintf(seen->end_reason, sizeof seen->end_reason, "%s", end->reason ? end->reason : "");
    snprintf(seen->end_signal, sizeof seen->end_signal, "%s", end->signal ? end->signal : "");
    if (end->log.count)
        snprintf(seen->end_last_line, sizeof seen->end_last_line, "%s",
                 *LIST_AT(end->log, const char *, end->log.count - 1));
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static void take_images(const struct list *images)
{
    for (uint32_t i = 0; i < images->count; i++) {
        const struct reported_image *image = LIST_AT(*images, struct reported_image, i);
        if (strcmp(image->template_id, "t/2") != 0)
            continue;
        rig.image_answers++;
        rig.image_refused = image->refused;
        snprintf(rig.image_failure, sizeof rig.image_failure, "%s", or_empty(image->failure));
        snprintf(rig.image_pinned, sizeof rig.image_pinned, "%s", or_empty(image->image_pinned));
    }
}

static void take_report(const struct report *report)
{
    take_images(&report->images);
    rig.reports += !report->heartbeat;
    rig.full_reports += report->full;
    rig.introductions += report->node_record.count;
    rig.runtime_down = report->runtime_down;
    rig.table_acknowledged = report->table_version;
    for (uint32_t i = 0; i < report->containers.count; i++) {
        const struct reported_container *from =
            LIST_AT(report->containers, struct reported_container, i);
        struct seen *seen = seen_of(from->id);
        seen->incarnation = from->incarnation;
        seen->restarts = from->restarts;
        seen->state = from->state;
        seen->ready = from->ready;
        seen->exit_code = from->exit_code;
        seen->next_start_at_ms = from->next_start_at_ms;
        snprintf(seen->reason, sizeof seen->reason, "%s", or_empty(from->reason));
        snprintf(seen->message, sizeof seen->message, "%s", or_empty(from->message));
        snprintf(seen->address, sizeof seen->address, "%s", or_empty(from->address));
        snprintf(seen->runtime_id, sizeof seen->runtime_id, "%s", or_empty(from->runtime_id));
        take_ends(seen, &from->ends);
    }
    rig.drains += report->drained.count;
    if (report->drained.count)
        rig.drained_table =
            LIST_AT(report->drained, struct reported_drain, report->drained.count - 1)
                ->table_version;
    for (uint32_t i = 0; i < report->gone.count; i++)
        seen_of(*LIST_AT(report->gone, const char *, i))->gone = true;
}

static void received(void *argument, const char *json, size_t length)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    struct message message = {0};
    struct error error;
    (void)argument;
    rig.messages++;
    cr_assert(schema_read_stored(&message_type, json, length, &arena, &message, &error), "%s",
              error.message);
    cr_assert_not_null(message.report);
    take_report(message.report);
}

static void closed(void *argument)
{
    (void)argument;
    link_close(rig.server);
    rig.server = NULL;
    rig.closed = true;
}

static bool wants_image;

void rig_want(const char *id, int64_t incarnation, enum assigned_intent intent)
{
    snprintf(wanted_ids[wanted_count], 80, "%s", id);
    wanted[wanted_count] = (struct assigned_container){.id = wanted_ids[wanted_count],
                                                       .template_id = "t/1",
                                                       .revision = 1,
                                                       .incarnation = incarnation,
                                                       .seq = 10,
                                                       .intent = (uint8_t)intent};
    wanted_count++;
}

void rig_want_image(void)
{
    wants_image = true;
}

void rig_remove(const char *id)
{
    removed[removed_count++] = id;
}

static void send(const struct message *message)
{
    CLEANUP(text_finish) struct text text = {0};
    schema_write(&message_type, message, SCHEMA_STORED, &text);
    cr_assert(link_send(rig.server, text.data, text.length));
}

void rig_send(bool full)
{
    const struct assigned_template template = {
        .id = "t/1", .deployment = "web", .revision = 1, .template = rig.template, .hash = "h"};
    struct assigned_template image = template;
    image.id = "t/2";
    image.template.image = "app:2";
    const struct assignment assignment = {.cluster = CLUSTER,
                                          .fence = rig.fence,
                                          .version = ++rig.version,
                                          .store_seq = rig.store_seq,
                                          .full = full,
                                          .templates = {.items = &template, .count = 1},
                                          .containers = {.items = wanted, .count = wanted_count},
                                          .removed = {.items = removed, .count = removed_count},
                                          .images = {.items = &image, .count = wants_image}};
    send(&(struct message){.assignment = &assignment});
    wanted_count = removed_count = 0;
    wants_image = false;
}

void rig_publish(const char *id, const char *address, uint8_t state)
{
    const struct published_endpoint endpoint = {.container = id,
                                                .node = "node-1",
                                                .address = address,
                                                .port = 80,
                                                .weight = 1,
                                                .state = state};
    const struct published_service service = {
        .name = "web",
        .listen = "127.0.0.1:80",
        .balancer = "round-robin",
        .endpoints = {.items = &endpoint, .count = address ? 1 : 0}};
    const struct endpoint_table tables = {
        .fence = rig.fence, .version = ++rig.version, .services = {.items = &service, .count = 1}};
    send(&(struct message){.table = &tables});
}

/* -- life -- */

void rig_link(void)
{
    struct link_end *agent_end;
    if (rig.server)
        link_close(rig.server);
    link_pair_create(rig.loop, &rig.server, &agent_end);
    link_set_receiver(rig.server, (struct link_receiver){.message = received, .closed = closed});
    agent_attach(rig.agent, agent_end);
}

void rig_start(void)
{
    const struct agent_config config = {.loop = rig.loop,
                                        .node_name = "node-1",
                                        .address = "127.0.0.1",
                                        .state_directory = rig.directory,
                                        .runtime = runtime,
                                        .feed = rig.has_feed ? (struct proxy_feed *)&rig : NULL,
                                        .runtime_name = "scripted"};
    struct error error;
    rig.agent = agent_create(&config, &error);
    cr_assert_not_null(rig.agent);
    rig_link();
}

void rig_stop(void)
{
    agent_destroy(rig.agent);
    rig.agent = NULL;
    rig_run_ms(0);
}

void rig_setup(void)
{
    static const struct plugin_service *const services[] = {&host_ops_service};
    struct error error;
    memset(&rig, 0, sizeof rig);
    engine_reset();
    log_configure(getenv("TEST_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_JSON, 2);
    strcpy(rig.directory, "/tmp/agent-test-XXXXXX");
    cr_assert_not_null(mkdtemp(rig.directory));
    rig.loop = loop_create_virtual(11, 1000000);
    loop_timer_init(&feed_timer, rig.loop, "feed", acknowledge, NULL);
    table = op_table_create(rig.loop);
    environment = (struct plugin_environment){.product = "test",
                                              .version = "1",
                                              .loop = rig.loop,
                                              .ops = table,
                                              .services = services,
                                              .service_count = 1};
    plugin_host_init(&host, &environment, "runtime-scripted");
    runtime = runtime_create_table(&host, &engine_table, NULL, table, "{}", &error);
    cr_assert_not_null(runtime);
    rig.fence = 1;
    rig.store_seq = 100;
    CLEANUP(arena_finish) struct arena arena = {0};
    schema_defaults(&container_template_type, &arena, &rig.template);
    rig.template.image = "app:1";
    rig.template.stop_signal = "SIGTERM";
    rig.template.stop_grace_period_ns = 10 * NS_PER_SECOND;
    rig.template.env = rig.template.ports = (struct list){0};
    rig.template.restart_policy = (struct restart_policy){.condition = RESTART_ALWAYS,
                                                          .backoff_ns = 500 * NS_PER_MS,
                                                          .max_backoff_ns = 60 * NS_PER_SECOND,
                                                          .reset_after_ns = 600 * NS_PER_SECOND};
}

void rig_teardown(void)
{
    char path[96];
    if (rig.agent)
        rig_stop();
    if (rig.server)
        link_close(rig.server);
    rig_run_ms(10);
    runtime_destroy(runtime);
    plugin_host_finish(&host);
    op_table_destroy(table);
    (void)loop_run_until(rig.loop, loop_now_ns(rig.loop) + NS_PER_SECOND);
    loop_destroy(rig.loop);
    snprintf(path, sizeof path, "%s/agent.json", rig.directory);
    unlink(path);
    rmdir(rig.directory);
}

void rig_run_ms(uint64_t ms)
{
    (void)loop_run_until(rig.loop, loop_now_ns(rig.loop) + ms * NS_PER_MS);
    engine.now_ms = loop_wall_ms(rig.loop);
}
