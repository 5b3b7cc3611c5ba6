#include "base/clock.h"
#include "base/log.h"
#include "deployment/deployment.h"
#include "node/registry.h"
#include "plugin/host.h"
#include "store/event.h"

#include <criterion/criterion.h>
#include <orchestrator/store.h>
#include <stdio.h>
#include <string.h>

/* The registry on a virtual loop with the memory store; this test is its agents. */
extern const struct orch_manifest orch_plugin_manifest_1; /* of the memory store */

static struct loop *loop;
static struct state *state;
static struct node_registry *registry, *before;
static struct plugin_environment environment;
static struct plugin_host host;

struct node_end {
    struct link_end *link;
    const char *name;
    unsigned assignments, tables, fulls, containers, templates, removed, closings;
    int64_t table_version, services;
};
static struct node_end one, two, five[5];
static unsigned reports, losts, backs, changes, released;
static bool has_container;
static unsigned services;

/* -- what the managers would say -- */

static void on_report(void *argument, const char *node, const struct report *report)
{
    (void)argument, (void)node, (void)report;
    reports++;
}

static void on_changed(void *argument, const struct node *node)
{
    (void)argument, (void)node;
    changes++;
}

static void on_lost(void *argument, const char *node, bool lost)
{
    (void)argument, (void)node;
    lost ? losts++ : backs++;
}

static void on_released(void *argument, const char *node)
{
    (void)argument;
    cr_assert_not(node_registry_holds(registry, node));
    released++;
}

static bool fill_container(void *argument, const char *node, const char *id,
                           struct assigned_container *out, struct assigned_template *template,
                           struct arena *arena)
{
    (void)argument, (void)node;
    if (strncmp(id, "gone", 4) == 0)
        return false;
    *out = (struct assigned_container){.id = id, .incarnation = 1, .intent = ASSIGNED_RUN};
    *template = (struct assigned_template){.id = "u/1", .deployment = "web", .hash = "h"};
    schema_defaults(&container_template_type, arena, &template->template);
    template->template.image = "app:1";
    return true;
}

static const char *next_container(void *argument, const char *node, const char *after)
{
    (void)argument, (void)node;
    return has_container && !after ? "web-0-aaaaaa" : NULL;
}

static bool fill_service(void *argument, const char *service, struct arena *arena,
                         struct published_service *out)
{
    (void)argument, (void)arena;
    *out = (struct published_service){.name = service, .listen = "127.0.0.1:80", .protocol = 1};
    return strcmp(service, "gone") != 0;
}

static const char *next_service(void *argument, const char *after)
{
    (void)argument;
    return services && !after ? "web" : NULL;
}

/* -- life -- */

static void run_ms(uint64_t ms)
{
    (void)loop_run_until(loop, loop_now_ns(loop) + ms * NS_PER_MS);
}

static void opened(void *argument, const struct error *error)
{
    cr_assert_null(error);
    *(bool *)argument = true;
}

static void on_settled(void *argument)
{
    (void)argument;
}

static struct node_registry *make_registry(void)
{
    struct node_registry *made =
        node_registry_create(&(struct node_registry_config){.loop = loop,
                                                            .state = state,
                                                            .suspect_after_ns = 3 * NS_PER_SECOND,
                                                            .lost_after_ns = 15 * NS_PER_SECOND});
    node_registry_set_events(made, &(struct node_events){.report = on_report,
                                                         .changed = on_changed,
                                                         .lost = on_lost,
                                                         .released = on_released,
                                                         .settled = on_settled,
                                                         .fill_container = fill_container,
                                                         .next_container = next_container,
                                                         .fill_service = fill_service,
                                                         .next_service = next_service});
    return made;
}

static void setup(void)
{
    static const struct record_kind *const kinds[KIND_COUNT] = {
        [KIND_META] = &meta_kind,         [KIND_DEPLOYMENT] = &deployment_kind,
        [KIND_REVISION] = &revision_kind, [KIND_CONTAINER] = &container_kind,
        [KIND_NODE] = &node_kind,         [KIND_SERVICE] = &service_kind,
        [KIND_EVENT] = &event_kind,       [KIND_AUDIT] = &audit_kind};
    bool done = false;
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_JSON, 2);
    loop = loop_create_virtual(5, 1000000);
    environment = (struct plugin_environment){.product = "test", .version = "1", .loop = loop};
    plugin_host_init(&host, &environment, "store-memory");
    const struct state_config config = {.loop = loop,
                                        .kinds = kinds,
                                        .store = orch_plugin_manifest_1.provides[0].table,
                                        .host = &host.orch,
                                        .config_json = "{}",
                                        .state_directory = "/nonexistent"};
    state = state_create(&config);
    registry = make_registry();
    state_open(state, opened, &done);
    run_ms(100);
    cr_assert(done);
    node_registry_start(registry);
    one = (struct node_end){.name = "node-1"};
    two = (struct node_end){.name = "node-2"};
    memset(five, 0, sizeof five);
    reports = losts = backs = changes = services = released = 0;
    has_container = false;
}

static void closed_state(void *argument)
{
    (void)argument;
}

static void teardown(void)
{
    node_registry_destroy(registry);
    node_registry_destroy(before);
    if (one.link)
        link_close(one.link);
    if (two.link)
        link_close(two.link);
    for (int i = 0; i < 5; i++)
        if (five[i].link)
            link_close(five[i].link);
    state_close(state, closed_state, NULL);
    run_ms(1000);
    state_destroy(state);
    plugin_host_finish(&host);
    loop_destroy(loop);
}

TestSuite(registry, .init = setup, .fini = teardown, .timeout = 60);

/* -- the agents -- */

static void received(void *argument, const char *json, size_t length)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    struct message message = {0};
    struct node_end *end = argument;
    struct error error;
    cr_assert(schema_read_stored(&message_type, json, length, &arena, &message, &error), "%s",
              error.message);
    if (message.assignment) {
        end->assignments++;
        end->fulls += message.assignment->full;
        end->containers = message.assignment->containers.count;
        end->templates = message.assignment->templates.count;
        end->removed = message.assignment->removed.count;
    }
    if (message.table) {
        end->tables++;
        end->table_version = message.table->version;
        end->services = message.table->services.count;
    }
}

static void closed(void *argument)
{
    struct node_end *end = argument;
    end->closings++;
    link_close(end->link);
    end->link = NULL;
}

static void send(struct node_end *end, const struct report *report)
{
    CLEANUP(text_finish) struct text text = {0};
    struct report named = *report;
    named.node = end->name;
    schema_write(&message_type, &(struct message){.report = &named}, SCHEMA_STORED, &text);
    if (end->link)
        cr_assert(link_send(end->link, text.data, text.length));
}

static void introduce(struct node_end *end, int64_t cpu_millis)
{
    const struct map_entry label = {.key = "zone", .value = "a"};
    const struct node node = {.name = end->name,
                              .address = "10.0.0.1",
                              .labels = {.items = &label, .count = 1},
                              .schedulable = true,
                              .capacity = {cpu_millis, 1 << 30},
                              .runtime = {"scripted", "1"}};
    send(end, &(struct report){.heartbeat = true, .node_record = {.items = &node, .count = 1}});
}

static void connect_node(struct node_end *end)
{
    struct link_end *server_end;
    link_pair_create(loop, &server_end, &end->link);
    link_set_receiver(end->link, (struct link_receiver){received, closed, end});
    node_registry_attach(registry, server_end);
    introduce(end, 4000);
    run_ms(50);
}

static void heartbeats(struct node_end *end, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        send(end, &(struct report){.heartbeat = true, .table_version = end->table_version});
        run_ms(1000);
    }
}

static uint8_t state_of(const char *name)
{
    return node_registry_status(registry, name)->state;
}

static void done(void *argument, const struct error *error, const struct write_result *result)
{
    (void)error;
    *(unsigned *)argument += result != NULL && result->record != NULL;
}

static const struct write_request request = {.origin = {.by = "key:test"}};

Test(registry, the_first_report_makes_a_node)
{
    connect_node(&one);
    const struct node *node = node_registry_find(registry, "node-1");
    cr_assert_not_null(node);
    cr_assert(node->schedulable);
    cr_assert_eq(node->capacity.cpu_millis, 4000);
    cr_assert_eq(node->labels.count, 1);
    cr_assert_eq(state_of("node-1"), NODE_READY);
    cr_assert_gt(changes, 0);
}

Test(registry, new_facts_are_kept_and_declared_labels_survive)
{
    const struct map_entry label = {.key = "zone", .value = "b"};
    const struct list labels = {.items = &label, .count = 1};
    struct error error;
    unsigned answered = 0;
    connect_node(&one);
    cr_assert(node_registry_patch(registry, "node-1", &labels, &request, done, &answered, &error));
    run_ms(50);
    cr_assert_eq(answered, 1);
    uint64_t version = node_registry_find(registry, "node-1")->record.version;
    introduce(&one, 8000);
    run_ms(50);
    const struct node *node = node_registry_find(registry, "node-1");
    cr_assert_eq(node->capacity.cpu_millis, 8000);
    cr_assert_str_eq(LIST_AT(node->labels, struct map_entry, 0)->value, "b");
    cr_assert_eq(node->record.version, version, "facts are not declared");
}

Test(registry, silence_makes_suspect_then_lost_and_a_word_makes_ready)
{
    connect_node(&one);
    run_ms(2800);
    cr_assert_eq(state_of("node-1"), NODE_READY);
    run_ms(300);
    cr_assert_eq(state_of("node-1"), NODE_SUSPECT);
    cr_assert_eq(losts, 0);
    run_ms(12100);
    cr_assert_eq(state_of("node-1"), NODE_LOST);
    cr_assert_eq(losts, 1);
    cr_assert_null(one.link, "a lost node begins anew by telling everything");
    connect_node(&one);
    cr_assert_eq(state_of("node-1"), NODE_READY);
    cr_assert_eq(backs, 1);
}

/* -- the brake -- */

static void connect_five(void)
{
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++) {
        five[i].name = names[i];
        connect_node(&five[i]);
        send(&five[i], &(struct report){.full = true});
    }
    run_ms(50);
}

/* Those from `first` on are heard of, the others silent. */
static void time_passes(int first, unsigned seconds)
{
    for (unsigned second = 0; second < seconds; second++) {
        for (int i = first; i < 5; i++)
            send(&five[i], &(struct report){.heartbeat = true});
        run_ms(1000);
    }
}

Test(registry, a_few_lost_at_once_are_replaced_at_once)
{
    connect_five();
    time_passes(2, 17);
    cr_assert_eq(losts, 2);
    cr_assert_eq(released, 2);
    cr_assert_not(node_registry_holds(registry, "a"));
    cr_assert_not(node_registry_holds(registry, "b"));
}

Test(registry, most_lost_at_once_are_replaced_slowly)
{
    connect_five();
    time_passes(1, 30);
    cr_assert_eq(released, 1, "one of five is an accident");
    time_passes(4, 17);
    cr_assert_eq(losts, 4);
    cr_assert_eq(released, 2, "four of five are not");
    time_passes(4, 10);
    cr_assert_eq(released, 3);
    time_passes(4, 10);
    cr_assert_eq(released, 4);
}

Test(registry, many_lost_at_once_are_replaced_in_parts)
{
    enum { MANY = 40, DEAD = 18 };
    static struct node_end many[MANY];
    static char names[MANY][8];
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "n%02d", i);
        many[i].name = names[i];
        connect_node(&many[i]);
        send(&many[i], &(struct report){.full = true});
    }
    for (unsigned second = 0; second < 27; second++) {
        for (int i = DEAD; i < MANY; i++)
            send(&many[i], &(struct report){.heartbeat = true});
        run_ms(1000);
        if (second == 17)
            cr_assert_eq(released, 16);
    }
    cr_assert_eq(losts, DEAD);
    cr_assert_eq(released, DEAD);
}

Test(registry, with_all_silent_nothing_is_replaced_and_who_is_back_is_held_until_it_has_told_all)
{
    connect_five();
    time_passes(5, 600);
    cr_assert_eq(losts, 5);
    cr_assert_eq(released, 0);
    connect_node(&five[0]);
    connect_node(&five[1]);
    cr_assert_eq(released, 1, "of the others, not all at once");
    cr_assert_eq(state_of("a"), NODE_READY);
    cr_assert(node_registry_holds(registry, "a"), "what it has is not known yet");
    send(&five[0], &(struct report){.full = true});
    run_ms(50);
    cr_assert_not(node_registry_holds(registry, "a"));
}

Test(registry, heartbeats_keep_it_ready)
{
    connect_node(&one);
    heartbeats(&one, 60);
    cr_assert_eq(state_of("node-1"), NODE_READY);
    cr_assert_eq(losts, 0);
    cr_assert_eq(reports, 0, "a bare heartbeat is no report");
}

Test(registry, a_closed_link_is_suspect_at_once_and_counts_for_the_suspect_time)
{
    connect_node(&one);
    link_close(one.link);
    one.link = NULL;
    run_ms(10);
    cr_assert_eq(state_of("node-1"), NODE_SUSPECT);
    cr_assert(node_registry_counts(registry, "node-1"));
    unsigned told = changes;
    run_ms(3000);
    cr_assert_not(node_registry_counts(registry, "node-1"));
    cr_assert_gt(changes, told, "who waits for its proxy must hear of it");
}

Test(registry, a_connection_begins_full_and_goes_on_with_what_changed)
{
    has_container = true;
    connect_node(&one);
    cr_assert_eq(one.assignments, 1);
    cr_assert_eq(one.fulls, 1);
    cr_assert_eq(one.containers, 1);
    cr_assert_eq(one.templates, 1);
    for (int i = 0; i < 100; i++) { /* one message for a turn */
        char id[32];
        snprintf(id, sizeof id, "web-%d-bbbbbb", i);
        node_registry_assign(registry, "node-1", id);
        node_registry_assign(registry, "node-1", id);
    }
    node_registry_assign(registry, "node-1", "gone-1-aaaaaa");
    run_ms(10);
    cr_assert_eq(one.assignments, 2);
    cr_assert_eq(one.fulls, 1);
    cr_assert_eq(one.containers, 100);
    cr_assert_eq(one.removed, 1);
    cr_assert_eq(one.templates, 1, "once in each message");
}

Test(registry, a_template_goes_along_in_every_message_that_needs_it)
{
    has_container = true;
    connect_node(&one);
    node_registry_assign(registry, "node-1", "web-1-bbbbbb");
    run_ms(10);
    cr_assert_eq(one.templates, 1, "the agent may have let it go meanwhile");
}

Test(registry, a_second_connection_takes_over_and_begins_anew)
{
    has_container = true;
    connect_node(&one);
    struct node_end again = {.name = "node-1"};
    connect_node(&again);
    cr_assert_eq(one.closings, 1);
    cr_assert_eq(again.fulls, 1);
    cr_assert_eq(state_of("node-1"), NODE_READY);
    link_close(again.link);
}

Test(registry, tables_are_acknowledged_by_all_who_count)
{
    services = 1;
    connect_node(&one);
    connect_node(&two);
    int64_t version = node_registry_publish(registry, "web");
    run_ms(10);
    cr_assert_eq(one.table_version, version);
    cr_assert_eq(one.services, 1);
    cr_assert_not(node_registry_table_acknowledged(registry, version));
    heartbeats(&one, 1);
    cr_assert_not(node_registry_table_acknowledged(registry, version));
    heartbeats(&two, 1);
    cr_assert(node_registry_table_acknowledged(registry, version));
}

Test(registry, a_silent_proxy_no_longer_counts)
{
    connect_node(&one);
    connect_node(&two);
    int64_t version = node_registry_publish(registry, "web");
    heartbeats(&one, 2);
    cr_assert_not(node_registry_table_acknowledged(registry, version));
    heartbeats(&one, 2);
    cr_assert(node_registry_table_acknowledged(registry, version));
}

Test(registry, a_node_without_proxy_does_not_count)
{
    connect_node(&one);
    int64_t version = node_registry_publish(registry, "web");
    send(&one, &(struct report){.heartbeat = true, .proxy_gone = true});
    run_ms(10);
    cr_assert(node_registry_table_acknowledged(registry, version));
}

Test(registry, after_a_start_tables_wait_for_what_known_nodes_have_to_tell)
{
    services = 1;
    connect_node(&one);
    link_close(one.link);
    run_ms(10);
    before = registry; /* another daemon finds the node in its state */
    one = (struct node_end){.name = "node-1"};
    registry = make_registry();
    node_registry_start(registry);
    cr_assert(node_registry_counts(registry, "node-1"), "its proxy may be serving");
    connect_node(&one);
    heartbeats(&one, 2);
    cr_assert_eq(one.assignments, 1);
    cr_assert_eq(one.tables, 0, "an empty table would cut every connection");
    send(&one, &(struct report){.full = true});
    run_ms(10);
    cr_assert_eq(one.tables, 1);
    cr_assert_eq(one.services, 1);
}

Test(registry, a_start_is_done_in_parts)
{
    connect_node(&one);
    connect_node(&two);
    before = registry;
    registry = make_registry();
    cr_assert_not(node_registry_counts(registry, "node-1"));
    cr_assert(node_registry_start_some(registry, 1));
    cr_assert(node_registry_counts(registry, "node-1"));
    cr_assert_not(node_registry_counts(registry, "node-2"));
    cr_assert(node_registry_start_some(registry, 1));
    cr_assert(node_registry_counts(registry, "node-2"));
    cr_assert_not(node_registry_start_some(registry, 1));
}

Test(registry, garbage_and_strangers_are_survived)
{
    connect_node(&one);
    cr_assert(link_send(one.link, "{\"report\":", 10));
    cr_assert(link_send(one.link, "{\"report\":{\"full\":7}}", 21));
    run_ms(10);
    heartbeats(&one, 1);
    cr_assert_eq(state_of("node-1"), NODE_READY);
    struct node_end odd = {.name = "Not A Name"};
    connect_node(&odd);
    cr_assert_null(node_registry_find(registry, "Not A Name"));
    link_close(odd.link);
    run_ms(10);
}

Test(registry, cordon_drain_and_uncordon_are_durable_words)
{
    struct error error;
    unsigned answered = 0;
    connect_node(&one);
    cr_assert(node_registry_set_schedulable(registry, "node-1", false, &request, done, &answered,
                                            &error));
    run_ms(20);
    cr_assert_not(node_registry_find(registry, "node-1")->schedulable);
    cr_assert(node_registry_drain(registry, "node-1", 60 * NS_PER_SECOND, &request, done, &answered,
                                  &error));
    run_ms(20);
    cr_assert(node_registry_find(registry, "node-1")->draining);
    cr_assert_gt(node_registry_find(registry, "node-1")->drain_deadline_ms, loop_wall_ms(loop));
    cr_assert(
        node_registry_set_schedulable(registry, "node-1", true, &request, done, &answered, &error));
    run_ms(20);
    cr_assert(node_registry_find(registry, "node-1")->schedulable);
    cr_assert_not(node_registry_find(registry, "node-1")->draining);
    cr_assert_eq(answered, 3);
}

Test(registry, only_lost_or_drained_nodes_are_deleted)
{
    struct error error;
    unsigned answered = 0;
    has_container = true;
    connect_node(&one);
    cr_assert_not(node_registry_delete(registry, "node-1", &request, done, &answered, &error));
    cr_assert_eq(error.code, ERROR_INVALID_STATE);
    cr_assert_not(node_registry_delete(registry, "node-9", &request, done, &answered, &error));
    cr_assert_eq(error.code, ERROR_NOT_FOUND);
    run_ms(16000);
    cr_assert_eq(state_of("node-1"), NODE_LOST);
    cr_assert(node_registry_delete(registry, "node-1", &request, done, &answered, &error));
    run_ms(20);
    cr_assert_eq(answered, 1);
    cr_assert_null(node_registry_find(registry, "node-1"));
}
