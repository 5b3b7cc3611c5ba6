/* Who asks, what the cluster is, its plugins and its configuration. */
#include "api/routes/impl.h"
#include "api/routes/survival.h"
#include "base/clock.h"
#include "config/config.h"
#include "plugin/registry.h"

#include <stdio.h>
#include <string.h>

/* -- GET /whoami -- */

static void whoami(struct request *request)
{
    const char *key = text_starts_with(request->by, "key:") ? request->by + 4 : request->by;
    text_append_string(&request->out, "{\"key\":");
    text_append_json(&request->out, key, strlen(key));
    text_append_string(&request->out, ",\"role\":\"admin\"}");
    request_reply(request, 200);
}

/* -- GET /cluster -- */

enum { STATES = 16 };
struct cluster {
    struct survey survey;
    int64_t phases[STATES], containers[STATES], nodes[STATES];
    int64_t desired, ready, started_at_ms, uptime_seconds;
    char uid[ID_UID_BYTES];
    struct text survives; /* JSON */
};

static void count_deployment(struct request *request, const struct record *record)
{
    struct cluster *cluster = request->data;
    struct deployment_status status;
    deployment_manager_status(request->parts->deployments, (const struct deployment *)record,
                              &status);
    cluster->phases[status.phase]++;
    cluster->desired += status.desired;
    cluster->ready += status.ready;
}

static void count_node(struct request *request, const struct record *record)
{
    struct cluster *cluster = request->data;
    const char *name = ((const struct node *)record)->name;
    cluster->nodes[node_registry_status(request->parts->nodes, name)->state]++;
}

/* Every word, also those counted 0, so that readers need not guess. */
static void write_counts(struct text *out, const char *name, const char *const *words,
                         const int64_t counts[STATES])
{
    text_append_format(out, "\"%s\":{", name);
    for (int i = 0; words[i]; i++)
        text_append_format(out, "%s\"%s\":%lld", i ? "," : "", words[i], (long long)counts[i + 1]);
    text_append_string(out, "},");
}

static void write_cluster(struct request *request)
{
    const struct cluster *cluster = request->data;
    struct text *out = &request->out;
    char started[CLOCK_TEXT_BYTES];
    clock_format_wall_ms(cluster->started_at_ms, started);
    text_append_format(out, "{\"version\":\"%s\",\"uid\":\"%s\",\"startedAt\":\"%s\",",
                       ORCHESTRATOR_VERSION, cluster->uid, started);
    text_append_format(out,
                       "\"uptimeSeconds\":%lld,\"leader\":", (long long)cluster->uptime_seconds);
    text_append_json(out, request->parts->node_name, strlen(request->parts->node_name));
    text_append_format(out, ",\"seq\":%llu,\"summary\":{", (unsigned long long)request->seq);
    write_counts(out, "deployments", type_words(&deployment_status_type, "phase"), cluster->phases);
    write_counts(out, "containers", container_state_words, cluster->containers);
    write_counts(out, "nodes", node_state_words, cluster->nodes);
    text_append_format(out, "\"desired\":%lld,\"ready\":%lld},\"survives\":",
                       (long long)cluster->desired, (long long)cluster->ready);
    text_append(out, cluster->survives.data, cluster->survives.length);
    text_append_char(out, '}');
    request_reply(request, 200);
}

static void counted(struct request *request)
{
    const struct api_parts *parts = request->parts;
    struct cluster *cluster = request->data;
    container_manager_count(parts->containers, cluster->containers);
    snprintf(cluster->uid, sizeof cluster->uid, "%s", state_cluster_uid(parts->state));
    cluster->started_at_ms = parts->started_at_ms;
    cluster->uptime_seconds = (loop_wall_ms(parts->loop) - parts->started_at_ms) / 1000;
    survival_write(parts->survival, &cluster->survives);
    request->seq = state_settled_seq(parts->state);
    request_to_api(request, write_cluster);
}

static void count_nodes(struct request *request)
{
    struct cluster *cluster = request->data;
    survey_start(&cluster->survey, request, &shown_nodes, count_node, counted);
}

static void count(struct request *request)
{
    struct cluster *cluster = request->data;
    survey_start(&cluster->survey, request, &shown_deployments, count_deployment, count_nodes);
}

static void drop_cluster(struct request *request)
{
    text_finish(&((struct cluster *)request->data)->survives);
}

static void show_cluster(struct request *request)
{
    request->data = arena_alloc(&request->arena, sizeof(struct cluster));
    request->drop = drop_cluster;
    request_to_loop(request, count);
}

/* -- GET /plugins -- */

struct plugin_shown {
    const char *id, *name, *interface_id, *version, *path, *state, *message;
};
#define AT(member) offsetof(struct plugin_shown, member)
#define WORD(word, member, flag, text)                                                             \
    {                                                                                              \
        .name = (word), .kind = FIELD_STRING, .flags = (flag), .offset = AT(member), .doc = (text) \
    }
static const struct field plugin_fields[] = {
    WORD("id", id, FIELD_NULLABLE, "Of its manifest; null: it could not be read."),
    WORD("name", name, 0, "As the configuration and objects write it."),
    WORD("interface", interface_id, 0, "What it is asked for."),
    WORD("version", version, FIELD_NULLABLE, "Of its manifest."),
    WORD("path", path, FIELD_NULLABLE, "Its file."),
    WORD("state", state, 0, "loaded, refused or missing."),
    WORD("message", message, 0, "Why not, every reason."),
};
#undef AT
static const struct type plugin_type = {.name = "Plugin",
                                        .size = sizeof(struct plugin_shown),
                                        TYPE_FIELDS(plugin_fields),
                                        .doc = "A plugin that was asked for."};

struct plugins {
    struct plugin_shown *items;
    size_t count;
};

static void write_plugins(struct request *request)
{
    const struct plugins *plugins = request->data;
    text_append_string(&request->out, "{\"items\":[");
    for (size_t i = 0; i < plugins->count; i++) {
        if (i)
            text_append_char(&request->out, ',');
        schema_write(&plugin_type, &plugins->items[i], SCHEMA_SHOWN, &request->out);
    }
    list_close(request, plugins->count);
    request_reply(request, 200);
}

/* The infos' strings live as long as the registry. */
static void collect_plugins(struct request *request)
{
    const struct plugin_registry *registry = request->parts->plugins;
    struct plugins *plugins = request->data;
    plugins->count = plugin_registry_count(registry);
    plugins->items = arena_alloc(&request->arena, (plugins->count + 1) * sizeof *plugins->items);
    for (size_t i = 0; i < plugins->count; i++) {
        const struct plugin_info *info = plugin_registry_info(registry, i);
        plugins->items[i] = (struct plugin_shown){.id = info->id,
                                                  .name = info->name,
                                                  .interface_id = info->interface_id,
                                                  .version = info->version,
                                                  .path = info->path,
                                                  .state = plugin_state_word(info->state),
                                                  .message = info->message ? info->message : ""};
    }
    request->seq = state_settled_seq(request->parts->state);
    request_to_api(request, write_plugins);
}

static void list_plugins(struct request *request)
{
    request->data = arena_alloc(&request->arena, sizeof(struct plugins));
    request_to_loop(request, collect_plugins);
}

/* -- GET /config -- */

static void show_config(struct request *request)
{
    CLEANUP(text_finish) struct text items = {0};
    const char *file = request->parts->config_file;
    config_describe(request->parts->config, &items);
    text_append_string(&request->out, "{\"file\":");
    if (file)
        text_append_json(&request->out, file, strlen(file));
    else
        text_append_string(&request->out, "null");
    text_append_char(&request->out, ',');
    text_append(&request->out, items.data + 1, items.length - 1); /* without its brace */
    request_reply(request, 200);
}

#define COUNTS "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}"
static const char whoami_schema[] =
    "{\"type\":\"object\",\"properties\":{\"key\":{\"type\":\"string\"},\"role\":{\"enum\":"
    "[\"viewer\",\"deployer\",\"operator\",\"admin\"]}}}";
static const char cluster_schema[] =
    "{\"type\":\"object\",\"properties\":{\"version\":{\"type\":\"string\"},\"uid\":{\"type\":"
    "\"string\"},\"startedAt\":{\"type\":\"string\",\"format\":\"date-time\"},\"uptimeSeconds\":"
    "{\"type\":\"integer\"},\"leader\":{\"type\":\"string\"},\"seq\":{\"type\":\"integer\"},"
    "\"summary\":{\"type\":\"object\",\"properties\":{\"deployments\":" COUNTS
    ",\"containers\":" COUNTS ",\"nodes\":" COUNTS
    ",\"desired\":{\"type\":\"integer\"},\"ready\":{\"type\":"
    "\"integer\"}}},\"survives\":" SURVIVES_SCHEMA "}}";
static const char config_schema[] =
    "{\"type\":\"object\",\"properties\":{\"file\":{\"type\":[\"string\",\"null\"]},\"items\":"
    "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"path\":{\"type\":"
    "\"string\"},\"value\":{},\"origin\":{\"type\":\"string\"}}}}}}";
static const struct route routes[] = {
    ROUTE("GET", "/whoami", whoami, ROLE_VIEWER, .answers_schema = whoami_schema,
          .summary = "Whose key it is and what it may do"),
    ROUTE("GET", "/cluster", show_cluster, ROLE_VIEWER, .answers_schema = cluster_schema,
          .summary = "The cluster in numbers"),
    ROUTE("GET", "/problems", list_problems, ROLE_VIEWER, .answers = &problem_type,
          .answers_list = true, .summary = "What is not well, and what to do about it"),
    ROUTE("GET", "/plugins", list_plugins, ROLE_VIEWER, .answers = &plugin_type,
          .answers_list = true, .summary = "Plugins that were asked for"),
    ROUTE("GET", "/config", show_config, ROLE_OPERATOR, .answers_schema = config_schema,
          .summary = "The effective configuration with the origin of each value"),
};
const struct route_table routes_cluster = ROUTE_TABLE(routes);
