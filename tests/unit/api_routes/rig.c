#include "unit/api_routes/rig.h"
#include "unit/api_routes/rig_api.h"
#include "agent/agent.h"
#include "api/exec_ticket.h"
#include "api/routes/impl.h"
#include "api/stream.h"
#include "config/config.h"
#include "plugin/host.h"
#include "plugin/ops.h"
#include "plugin/registry.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

extern const struct orch_manifest memory_manifest, spread_manifest;

struct rig rig;
static struct op_table *ops;
static struct api *server_api;
static struct plugin_environment environment;
static struct plugin_host store_host, scheduler_host;
static struct config *config;
static struct plugin_registry *registry;

/* -- the stand-in server -- */

struct exchange {
    struct request request; /* first */
    char *query;
    bool answered;
};

const char *request_query(const struct request *request, const char *name)
{
    const struct exchange *exchange = (const struct exchange *)(const void *)request;
    static char value[256];
    const char *at = exchange->query;
    while (at && *at) {
        size_t length = strcspn(at, "&"), equal = strcspn(at, "=");
        if (equal == strlen(name) && strncmp(at, name, equal) == 0) {
            snprintf(value, sizeof value, "%.*s", (int)(length - equal - 1), at + equal + 1);
            return value;
        }
        at += length + (at[length] == '&');
    }
    return NULL;
}

bool request_query_int(struct request *request, const char *name, int64_t initial, int64_t min,
                       int64_t max, int64_t *out)
{
    const char *given = request_query(request, name);
    *out = given ? strtoll(given, NULL, 10) : initial;
    return *out >= min && *out <= max;
}

bool request_query_bool(struct request *request, const char *name, bool *out)
{
    *out = text_equal(request_query(request, name), "true");
    return true;
}

static void run_step(struct loop_task *task)
{
    struct request *request = CONTAINER_OF(task, struct request, task);
    request->next(request);
}

void request_to_loop(struct request *request, request_step *step)
{
    request->next = step;
    request->task = (struct loop_task){.run = run_step, .name = "to loop"};
    loop_post(rig.loop, &request->task);
}

void request_to_api(struct request *request, request_step *step)
{
    if (rig.meanwhile)
        rig.meanwhile();
    request_to_loop(request, step);
}

void request_reply(struct request *request, int status)
{
    struct exchange *exchange = (struct exchange *)(void *)request;
    cr_assert_not(exchange->answered, "answered twice");
    exchange->answered = true;
    request->status = status;
}

void request_reply_stream(struct request *request, struct stream *take_stream)
{
    (void)take_stream;
    request_reply(request, 200);
}

static void fail(struct request *request, const struct error *error,
                 const struct schema_faults *faults)
{
    struct error copy = *error;
    text_clear(&request->out);
    text_append_string(&request->out, "{\"error\":");
    text_append_json(&request->out, copy.message, strlen(copy.message));
    text_append_format(&request->out, ",\"code\":\"%s\",\"details\":[", error_code_word(copy.code));
    for (size_t i = 0; faults && i < faults->count; i++) {
        text_append_string(&request->out, i ? ",{\"field\":" : "{\"field\":");
        text_append_json(&request->out, faults->items[i].path, strlen(faults->items[i].path));
        text_append_char(&request->out, '}');
    }
    text_append_string(&request->out, "]}");
    request_reply(request, error_code_http(copy.code));
}

void request_fail(struct request *request, const struct error *error)
{
    fail(request, error, NULL);
}

void request_fail_faults(struct request *request, const struct schema_faults *faults)
{
    struct error error;
    schema_faults_to_error(faults, &error);
    fail(request, &error, faults);
}

static void fail_step(struct request *request)
{
    request_fail(request, &request->error);
}

void request_fail_from_loop(struct request *request)
{
    request_to_api(request, fail_step);
}

bool request_write(struct request *request, struct write_request *out)
{
    *out = (struct write_request){.origin = {.by = "key:test", .request_id = "r-1"}};
    if (request->if_match) {
        out->has_if_match = true;
        out->if_match_any = strcmp(request->if_match, "*") == 0;
        out->if_match = strtoull(request->if_match, NULL, 10);
    }
    out->if_none_match_any = request->if_none_match != NULL;
    return true;
}

bool request_read(struct request *request, const struct type *type, void *out)
{
    CLEANUP(schema_faults_finish) struct schema_faults faults = {0};
    if (schema_read_input(type, request->body, "", NULL, &request->arena, out, &faults))
        return true;
    request_fail_faults(request, &faults);
    return false;
}

static const struct shown_kind *kind_of(const struct record *record)
{
    static const struct shown_kind *const kinds[] = {&shown_deployments, &shown_containers,
                                                     &shown_nodes, &shown_services};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i]->id == record->kind->id)
            return kinds[i];
    return NULL;
}

static void write_shown(struct request *request, const struct shown_kind *kind,
                        const struct record *record)
{
    void *soft = memory_alloc(kind->soft_bytes + 1);
    kind->fill(&rig.parts, record, soft);
    kind->write(record, soft, &request->out);
    if (kind->drop)
        kind->drop(soft);
    free(soft);
}

void show_written(void *argument, const struct error *error, const struct write_result *result)
{
    struct request *request = argument;
    char scratch[SHOWN_KEY_BYTES];
    if (rig_api_takes(request, error, result))
        return;
    if (error) {
        request->error = *error;
        request_fail_from_loop(request);
        return;
    }
    const struct shown_kind *kind = kind_of(result->record);
    write_shown(request, kind, result->record);
    request->etag = result->record->version;
    if (result->created)
        request->location = arena_format(&request->arena, "/api/v1/%s/%s", kind->name,
                                         kind->key(result->record, scratch));
    int status = request->route->status;
    request_reply(request, result->created ? 201 : status && status != 201 ? status : 200);
}

void show_reply(struct request *request, const struct shown_kind *kind)
{
    const struct record *record = kind->find(&rig.parts, request->params[0]);
    if (!record) {
        request_reply(request, 404);
        return;
    }
    write_shown(request, kind, record);
    request_reply(request, 200);
}

void list_reply(struct request *request, const struct shown_kind *kind, list_filter *filter,
                const void *filter_data)
{
    char scratch[SHOWN_KEY_BYTES], at[SHOWN_KEY_BYTES] = "";
    const struct record *record = NULL;
    const char *separator = "";
    text_append_string(&request->out, "{\"items\":[");
    while ((record = kind->next(&rig.parts, *at ? at : NULL))) {
        void *soft = memory_alloc(kind->soft_bytes + 1);
        kind->fill(&rig.parts, record, soft);
        if (!filter || filter(record, soft, filter_data)) {
            text_append_string(&request->out, separator);
            kind->write(record, soft, &request->out);
            separator = ",";
        }
        if (kind->drop)
            kind->drop(soft);
        free(soft);
        snprintf(at, sizeof at, "%s", kind->key(record, scratch));
    }
    text_append_string(&request->out, "]}");
    request_reply(request, 200);
}

struct stream *stream_create(struct api *api, const struct stream_events *events)
{
    (void)api, (void)events;
    cr_assert_fail("no logs here");
    return NULL;
}

size_t stream_write(struct stream *stream, const void *bytes, size_t length)
{
    (void)stream, (void)bytes;
    return length;
}

void stream_end(struct stream *stream, bool complete)
{
    (void)stream, (void)complete;
}

void stream_drop(struct stream *take_stream)
{
    (void)take_stream;
}

/* No server, so no sessions. */
bool exec_ticket_make(struct api *api, const struct exec_order *order, struct exec_ticket *out,
                      struct error *error)
{
    (void)api, (void)order, (void)out;
    return error_set(error, ERROR_UNAVAILABLE, "there is no server");
}

/* There is no agent on this host. */
uint32_t agent_running(const struct agent *agent, struct agent_running *out, uint32_t room)
{
    (void)agent, (void)out, (void)room;
    return 0;
}

const char *agent_runtime_id(struct agent *agent, const char *container_id, bool previous)
{
    (void)agent, (void)container_id, (void)previous;
    return NULL;
}

/* -- calls -- */

static const struct route *find_route(const struct call *call, const char *path,
                                      struct request *request)
{
    static const struct route_table *const tables[] = {
        &routes_deployments, &routes_containers, &routes_nodes,   &routes_services,
        &routes_events,      &routes_audit,      &routes_cluster, &routes_plan};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        for (size_t j = 0; j < tables[i]->count; j++) {
            const struct route *route = &tables[i]->routes[j];
            const char *have = path, *want = route->path + strlen("/api/v1");
            request->params[0] = NULL;
            while (*have && *want) {
                if (*want != '{') {
                    if (*have++ != *want++)
                        break;
                    continue;
                }
                size_t length = strcspn(have, "/");
                request->params[0] = arena_strndup(&request->arena, have, length);
                have += length;
                want += strcspn(want, "}") + 1;
            }
            if (!*have && !*want && strcmp(route->method, call->method) == 0)
                return route;
        }
    return NULL;
}

struct answer rig_call(const struct call *call)
{
    struct exchange exchange = {0};
    struct request *request = &exchange.request;
    size_t length = strcspn(call->path, "?");
    char *path = arena_strndup(&request->arena, call->path, length);
    exchange.query =
        call->path[length] ? arena_strdup(&request->arena, call->path + length + 1) : NULL;
    request->parts = &rig.parts;
    request->api = server_api;
    request->by = "key:test";
    request->if_match = call->if_match;
    request->if_none_match = call->if_none_match;
    request->body = call->body ? json_loads(call->body, 0, NULL) : NULL;
    cr_assert(!call->body || request->body, "the test's body is no JSON: %s", call->body);
    request->route = find_route(call, path, request);
    cr_assert_not_null(request->route, "%s %s is no route", call->method, call->path);
    request->route->begin(request);
    for (int i = 0; i < 5000 && !exchange.answered; i++)
        rig_run_ms(1);
    cr_assert(exchange.answered, "%s %s was not answered", call->method, call->path);
    struct answer answer = {.status = request->status};
    if (request->out.length) {
        answer.body = json_loads(text_string(&request->out), 0, NULL);
        answer.text = text_take(&request->out);
        cr_assert_not_null(answer.body, "no JSON: %s", answer.text);
    }
    answer.location = memory_strdup(request->location);
    if (request->drop)
        request->drop(request);
    rig_api_forget(request);
    json_decref(request->body);
    text_finish(&request->out);
    arena_finish(&request->arena);
    return answer;
}

void answer_finish(struct answer *answer)
{
    json_decref(answer->body);
    free(answer->location);
    free(answer->text);
}

const char *answer_at(const struct answer *answer, const char *path)
{
    static char buffer[512];
    char copy[128], *rest = copy, *word;
    const json_t *value = answer->body;
    snprintf(copy, sizeof copy, "%s", path);
    while ((word = strsep(&rest, ".")))
        value = *word >= '0' && *word <= '9' ? json_array_get(value, strtoul(word, NULL, 10))
                                             : json_object_get(value, word);
    if (!value)
        return NULL;
    if (json_is_string(value))
        return json_string_value(value);
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    snprintf(buffer, sizeof buffer, "%s", text);
    free(text);
    return buffer;
}

const char *answer_faults(const struct answer *answer)
{
    static char buffer[512];
    size_t index, length = 0;
    json_t *detail;
    *buffer = 0;
    json_array_foreach(json_object_get(answer->body, "details"), index, detail)
    {
        length +=
            (size_t)snprintf(buffer + length, sizeof buffer - length, "%s%s", index ? " " : "",
                             json_string_value(json_object_get(detail, "field")));
    }
    return buffer;
}

/* -- life -- */

void rig_run_ms(uint64_t ms)
{
    (void)loop_run_until(rig.loop, loop_now_ns(rig.loop) + ms * 1000000);
}

static void opened(void *argument, const struct error *error)
{
    cr_assert_null(error);
    *(bool *)argument = true;
}

static bool check_balancer(void *argument, const char *name, const char *config_json,
                           struct error *error)
{
    (void)argument, (void)config_json;
    return strcmp(name, "round-robin") == 0 ||
           error_set(error, ERROR_VALIDATION, "balancer: no balancer \"%s\" is loaded", name);
}

void rig_setup(void)
{
    struct error error;
    bool done = false;
    static const char yaml[] = "runtime: {allowCapabilities: [NET_RAW]}\n"
                               "api: {key: sixteen-letters-or-more}\n";
    config = config_load_bytes("test.yaml", yaml, sizeof yaml - 1, NULL);
    cr_assert_eq(config_fault_count(config), 0);
    rig.loop = loop_create_virtual(1, INT64_C(1767225600000));
    ops = op_table_create(rig.loop);
    server_api = rig_api_create(rig.loop);
    environment = (struct plugin_environment){.loop = rig.loop, .ops = ops};
    plugin_host_init(&store_host, &environment, "store-memory");
    plugin_host_init(&scheduler_host, &environment, "scheduler-spread");
    rig.server = server_create(&(struct server_config){.loop = rig.loop,
                                                       .store = memory_manifest.provides[0].table,
                                                       .store_host = &store_host.orch,
                                                       .store_config = "{}",
                                                       .state_directory = "",
                                                       .suspect_after_ns = UINT64_C(3000000000),
                                                       .lost_after_ns = UINT64_C(15000000000),
                                                       .default_scheduler = "spread",
                                                       .fallback_scheduler = "spread",
                                                       .default_balancer = "round-robin",
                                                       .check_balancer = check_balancer});
    cr_assert(scheduler_add_plugin(rig.server->scheduler, "spread",
                                   spread_manifest.provides[0].table, NULL, &scheduler_host.orch,
                                   "{}", &error));
    server_open(rig.server, opened, &done);
    rig_run_ms(100);
    cr_assert(done);
    registry =
        plugin_registry_create(&(struct plugin_registry_settings){.environment = &environment});
    rig.parts = (struct api_parts){.loop = rig.loop,
                                   .config = config,
                                   .config_file = config_file(config),
                                   .state = rig.server->state,
                                   .deployments = rig.server->deployments,
                                   .containers = rig.server->containers,
                                   .nodes = rig.server->nodes,
                                   .services = rig.server->services,
                                   .scheduler = rig.server->scheduler,
                                   .plugins = registry,
                                   .node_name = "node-1",
                                   .started_at_ms = loop_wall_ms(rig.loop)};
}

void rig_put_node(void)
{
    struct map_entry zone = {"zone", "a"};
    struct node node = {.record = {.uid = "0123456789abcdef0123456789abcdef", .version = 1},
                        .name = "node-1",
                        .address = "10.0.0.5",
                        .labels = {.items = &zone, .count = 1},
                        .schedulable = true,
                        .capacity = {4000, INT64_C(16) << 30},
                        .reserved = {100, INT64_C(256) << 20},
                        .runtime = {"simulated", "1.0"}};
    struct txn *txn = txn_begin(rig.server->state, (struct origin){.by = "node"});
    txn_put(txn, record_create(&node_kind, &node));
    txn_submit(txn, NULL, NULL);
    rig_run_ms(50);
}

static void closed(void *argument)
{
    *(bool *)argument = true;
}

void rig_teardown(void)
{
    bool done = false;
    server_close(rig.server, closed, &done);
    rig_run_ms(100);
    cr_assert(done);
    server_destroy(rig.server);
    plugin_host_finish(&store_host);
    plugin_host_finish(&scheduler_host);
    op_table_destroy(ops);
    rig_api_destroy(server_api);
    rig_run_ms(1000);
    loop_destroy(rig.loop);
    plugin_registry_destroy(registry);
    config_destroy(config);
    rig = (struct rig){0};
}
