/* The OpenAPI document, from the route tables and the types they name. */
#include "api/impl.h"

#include <string.h>
#include <strings.h>

static void write_string(struct text *out, const char *string)
{
    text_append_json(out, string, strlen(string));
}

static const char *parameter_type(const char *name)
{
    static const char *const integers[] = {"limit", "tail"};
    static const char *const booleans[] = {"follow", "timestamps", "previous", "dryRun"};
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++)
        if (strcmp(integers[i], name) == 0)
            return "integer";
    for (size_t i = 0; i < sizeof booleans / sizeof booleans[0]; i++)
        if (strcmp(booleans[i], name) == 0)
            return "boolean";
    return "string";
}

static void write_parameter(struct text *out, const char *name, size_t length, const char *where,
                            const char *type, bool *first)
{
    text_append_format(
        out, "%s{\"name\":\"%.*s\",\"in\":\"%s\",\"required\":%s,\"schema\":{\"type\":\"%s\"}}",
        *first ? "" : ",", (int)length, name, where, strcmp(where, "path") == 0 ? "true" : "false",
        type);
    *first = false;
}

static bool writes(const struct route *route)
{
    return strcmp(route->method, "GET") != 0;
}

static void write_parameters(struct text *out, const struct route *route)
{
    bool first = true;
    text_append_string(out, "\"parameters\":[");
    for (const char *open = route->path; (open = strchr(open, '{')); open++)
        write_parameter(out, open + 1, strcspn(open + 1, "}"), "path", "string", &first);
    for (size_t i = 0; route->query && route->query[i]; i++)
        write_parameter(out, route->query[i], strlen(route->query[i]), "query",
                        parameter_type(route->query[i]), &first);
    if (writes(route) && !route->no_dry_run)
        write_parameter(out, "dryRun", 6, "query", "boolean", &first);
    if (writes(route)) {
        write_parameter(out, "If-Match", 8, "header", "string", &first);
        if (strcmp(route->method, "PUT") == 0)
            write_parameter(out, "If-None-Match", 13, "header", "string", &first);
        if (strcmp(route->method, "POST") == 0)
            write_parameter(out, "Idempotency-Key", 15, "header", "string", &first);
    }
    text_append_char(out, ']');
}

static void write_answer_schema(struct text *out, const struct route *route)
{
    if (route->answers_list)
        text_append_string(out,
                           "{\"type\":\"object\",\"required\":[\"items\",\"next\",\"total\","
                           "\"seq\"],\"properties\":{\"items\":{\"type\":\"array\",\"items\":");
    if (route->answers)
        text_append_format(out, "{\"$ref\":\"#/components/schemas/%s\"}", route->answers->name);
    else
        text_append_string(out, route->answers_schema ? route->answers_schema : "{}");
    if (route->answers_list)
        text_append_string(out, "},\"next\":{\"type\":[\"string\",\"null\"]},\"total\":{\"type\":"
                                "\"integer\"},\"seq\":{\"type\":\"integer\"}}}");
}

static const char *answer_media(const struct route *route)
{
    if (strstr(route->path, "/watch"))
        return "text/event-stream";
    if (strcmp(route->path, "/metrics") == 0 || strstr(route->path, "/logs"))
        return "text/plain";
    return "application/json";
}

static const char *method_of(const struct route *route)
{
    static const char *const words[][2] = {
        {"GET", "get"}, {"POST", "post"}, {"PUT", "put"}, {"PATCH", "patch"}, {"DELETE", "delete"}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(route->method, words[i][0]) == 0)
            return words[i][1];
    return "trace";
}

static void write_success(struct text *out, const struct route *route, int status)
{
    text_append_format(out, "\"%d\":{\"description\":\"%s\"", status,
                       status == 101 ? "The connection is a WebSocket now." : "Done.");
    if (status != 204 && status != 101) {
        text_append_format(out, ",\"content\":{\"%s\":{\"schema\":", answer_media(route));
        write_answer_schema(out, route);
        text_append_string(out, "}}");
    }
    text_append_string(out, "},");
}

static void write_responses(struct text *out, const struct route *route)
{
    static const char *const read_refs[] = {"400", "401", "403", "404", "429", "500", "503"};
    static const char *const write_refs[] = {"409", "412", "413", "415"};
    int status = route->status ? route->status : 200;
    text_append_string(out, "\"responses\":{");
    write_success(out, route, status);
    if (strcmp(route->method, "PUT") == 0)
        write_success(out, route, 201);
    for (size_t i = 0; i < sizeof read_refs / sizeof read_refs[0]; i++)
        text_append_format(out, "%s\"%s\":{\"$ref\":\"#/components/responses/Error\"}",
                           i ? "," : "", read_refs[i]);
    for (size_t i = 0; writes(route) && i < sizeof write_refs / sizeof write_refs[0]; i++)
        text_append_format(out, ",\"%s\":{\"$ref\":\"#/components/responses/Error\"}",
                           write_refs[i]);
    text_append_char(out, '}');
}

static void write_media(struct text *out, const char *schema, const char *example)
{
    text_append_format(out, "{\"schema\":%s,\"example\":%s}", schema, example ? example : "{}");
}

static void write_body(struct text *out, const struct route *route)
{
    if (!route->takes)
        return;
    bool patch = strcmp(route->method, "PATCH") == 0;
    text_append_format(out, "\"requestBody\":{\"required\":%s,\"content\":{\"application/json\":",
                       route->body == BODY_REQUIRED ? "true" : "false");
    if (patch) { /* any part of the object */
        write_media(out, "{\"type\":\"object\"}", route->example);
        text_append_string(out, ",\"application/merge-patch+json\":");
        write_media(out, "{\"type\":\"object\"}", route->example);
    } else {
        CLEANUP(text_finish) struct text schema = {0};
        text_append_format(&schema, "{\"$ref\":\"#/components/schemas/%s\"}", route->takes->name);
        write_media(out, text_string(&schema), route->example);
    }
    text_append_string(out, "}},");
}

/* "getDeploymentsNameScale": made of what is unique, method and path. */
static void write_operation_id(struct text *out, const struct route *route)
{
    bool upper = true;
    const char *path = strncmp(route->path, "/api/v1", 7) == 0 ? route->path + 7 : route->path;
    text_append_format(out, "\"operationId\":\"%s", method_of(route));
    for (; *path; path++) {
        bool letter = (*path >= 'a' && *path <= 'z') || (*path >= 'A' && *path <= 'Z');
        if (letter)
            text_append_char(out, upper && *path >= 'a' ? (char)(*path - 'a' + 'A') : *path);
        upper = !letter;
    }
    text_append_string(out, "\",");
}

static void write_operation(struct text *out, const struct route *route)
{
    text_append_format(out, "\"%s\":{", method_of(route));
    write_operation_id(out, route);
    text_append_string(out, "\"summary\":");
    write_string(out, route->summary ? route->summary : route->path);
    text_append_char(out, ',');
    if (route->role == ROLE_NONE)
        text_append_string(out, "\"security\":[],");
    write_parameters(out, route);
    text_append_char(out, ',');
    write_body(out, route);
    write_responses(out, route);
    text_append_char(out, '}');
}

static bool is_first_of_path(const struct router *router, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(router->routes[i].route->path, router->routes[index].route->path) == 0)
            return false;
    return true;
}

static void write_paths(struct text *out, const struct router *router)
{
    bool first = true;
    text_append_string(out, "\"paths\":{");
    for (size_t i = 0; i < router->count; i++) {
        if (!is_first_of_path(router, i))
            continue;
        const char *path = router->routes[i].route->path;
        text_append_format(out, "%s\"%s\":{", first ? "" : ",", path);
        first = false;
        for (size_t j = i, count = 0; j < router->count; j++) {
            if (strcmp(router->routes[j].route->path, path) != 0)
                continue;
            if (count++)
                text_append_char(out, ',');
            write_operation(out, router->routes[j].route);
        }
        text_append_char(out, '}');
    }
    text_append_string(out, "},");
}

enum { TYPES = 128 };
struct types {
    const struct type *items[TYPES];
    size_t count;
};

static void add_type(struct types *types, const struct type *type)
{
    for (size_t i = 0; i < types->count; i++)
        if (strcmp(types->items[i]->name, type->name) == 0)
            return;
    if (types->count < TYPES)
        types->items[types->count++] = type;
}

static const char error_schema[] =
    "\"Error\":{\"type\":\"object\",\"required\":[\"error\",\"code\"],\"properties\":{\"error\":{"
    "\"type\":\"string\",\"description\":\"A sentence one can act on.\"},\"code\":{\"type\":"
    "\"string\"},\"details\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"field\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"}}}},\"outcome\":{\"type\":"
    "\"string\",\"description\":\"unknown: the change may or may not have been made.\"}}}";

static void write_components(struct text *out, const struct router *router)
{
    struct types types = {0};
    for (size_t i = 0; i < router->count; i++) {
        const struct route *route = router->routes[i].route;
        if (route->takes)
            add_type(&types, route->takes);
        if (route->answers)
            add_type(&types, route->answers);
    }
    text_append_string(out, "\"components\":{\"schemas\":{");
    text_append_string(out, error_schema);
    for (size_t i = 0; i < types.count; i++) {
        text_append_format(out, ",\"%s\":", types.items[i]->name);
        schema_describe(types.items[i], out);
    }
    text_append_string(
        out, "},\"responses\":{\"Error\":{\"description\":\"What is wrong.\",\"content\":{"
             "\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/Error\"}}}}},"
             "\"securitySchemes\":{\"key\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":"
             "\"X-API-Key\"},\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"}}}");
}

void openapi_write(const struct router *router, struct text *out)
{
    text_append_string(out, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"orchestrator\","
                            "\"version\":\"" ORCHESTRATOR_VERSION "\",\"license\":{\"name\":"
                            "\"Apache License 2.0\",\"identifier\":\"Apache-2.0\"}},"
                            "\"servers\":[{\"url\":\"/\",\"description\":\"The daemon that "
                            "answers this.\"}],"
                            "\"security\":[{\"key\":[]},{\"bearer\":[]}],");
    write_paths(out, router);
    write_components(out, router);
    text_append_char(out, '}');
}
