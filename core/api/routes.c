/* From method and path to a route, by the tables alone. */
#include "api/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void compile(struct router *router, const struct route *route, size_t index)
{
    struct compiled_route *compiled = &router->routes[index];
    *compiled = (struct compiled_route){.route = route, .index = index};
    char *rest = arena_strdup(&router->arena, route->path + 1), *segment;
    while ((segment = strsep(&rest, "/")))
        compiled->segments[compiled->segment_count++] = *segment == '{' ? NULL : segment;
}

void router_init(struct router *router, const struct route_table *const *tables, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += tables[i]->count;
    router->routes = memory_alloc(total * sizeof *router->routes);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < tables[i]->count; j++)
            compile(router, &tables[i]->routes[j], router->count++);
}

void router_finish(struct router *router)
{
    free(router->routes);
    arena_finish(&router->arena);
}

/* What may stand for a name in a path: names, ids of containers, tokens and numbers. Whatever
 * breaks the rule names nothing. */
static bool is_parameter(const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || length > 79 || text[0] == '-' || text[length - 1] == '-')
        return false;
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

static bool fits(const struct compiled_route *route, const struct uri *uri, const char *params[3])
{
    size_t count = 0;
    if (route->segment_count != uri->segment_count)
        return false;
    for (size_t i = 0; i < route->segment_count; i++) {
        const char *wanted = route->segments[i], *given = uri->segments[i];
        if (wanted ? strcmp(wanted, given) != 0 : !is_parameter(given))
            return false;
        if (!wanted && count < 3)
            params[count++] = given;
    }
    return true;
}

static void allow(struct route_match *out, const char *method)
{
    size_t used = strlen(out->allow);
    snprintf(out->allow + used, sizeof out->allow - used, "%s%s%s", used ? ", " : "", method,
             strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

void router_match(const struct router *router, const char *method, const struct uri *uri,
                  struct route_match *out)
{
    *out = (struct route_match){0};
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < router->count; i++) {
        const struct compiled_route *route = &router->routes[i];
        const char *params[3] = {NULL};
        if (!fits(route, uri, params))
            continue;
        out->path_known = true;
        allow(out, route->route->method);
        if (out->found || strcmp(route->route->method, method) != 0)
            continue;
        out->found = route;
        memcpy(out->params, params, sizeof params);
    }
}
