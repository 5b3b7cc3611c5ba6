/* Requests to services that share a listener, by host and path. The host counts first: a name
 * itself before "*.name", the longer name before the shorter, any host last; then the longer
 * prefix, then the more headers, then the service whose name is the least. Services with all of
 * these in common share the requests by weight, smoothly: each is as far behind its share as the
 * others allow, never more than one round. Those without a ready endpoint get none while another
 * has one. */
#include "proxy/http/engine.h"
#include "proxy/http/http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct http_route {
    const char *host, *prefix; /* host NULL: any */
    size_t host_length, prefix_length;
    struct worker_service *service;
};
struct http_routes {
    uint32_t references, count, room;
    bool closed;
    uint32_t limit; /* connections of a client; 0: none */
    struct http_route *items;
};
enum { ANY_HOST = 1, WILDCARD_HOST = 2, EXACT_HOST = 1 << 16 }; /* ranks; a wildcard's grows */

struct http_routes *http_routes_create(void)
{
    struct http_routes *routes = memory_alloc(sizeof *routes);
    routes->references = 1;
    return routes;
}

struct http_routes *http_routes_hold(struct http_routes *routes)
{
    routes->references++;
    return routes;
}

void http_routes_release(struct http_routes *routes)
{
    if (--routes->references)
        return;
    free(routes->items);
    free(routes);
}

void http_routes_clear(struct http_routes *routes)
{
    routes->count = routes->limit = 0;
}

void http_routes_close(struct http_routes *routes)
{
    routes->count = 0;
    routes->closed = true;
    http_routes_release(routes);
}

bool http_routes_are_closed(const struct http_routes *routes)
{
    return routes->closed;
}

uint32_t http_routes_limit(const struct http_routes *routes)
{
    return routes->limit;
}

static void add(struct http_routes *routes, const char *host, struct worker_service *service)
{
    if (routes->count == routes->room) {
        routes->room = routes->room * 2 + 4;
        routes->items = memory_resize(routes->items, routes->room * sizeof *routes->items);
    }
    const char *prefix = service->view->route.prefix;
    routes->items[routes->count++] = (struct http_route){.host = host,
                                                         .host_length = host ? strlen(host) : 0,
                                                         .prefix = prefix,
                                                         .prefix_length = strlen(prefix),
                                                         .service = service};
}

void http_routes_add(struct http_routes *routes, struct worker_service *service)
{
    const struct route *route = &service->view->route;
    uint32_t limit = service->view->http->max_per_client;
    if (limit && (!routes->limit || limit < routes->limit))
        routes->limit = limit;
    for (uint32_t i = 0; i < route->host_count; i++)
        add(routes, route->hosts[i], service);
    if (!route->host_count)
        add(routes, NULL, service);
}

struct text_part {
    const char *at;
    size_t length;
};

/* Without its port, and without the dot of an absolute name. */
static struct text_part host_of(const struct http_head *head, const uint8_t *bytes)
{
    struct http_span span = head->authority.length ? head->authority : head->host;
    struct text_part host = {(const char *)bytes + span.at, span.length};
    const char *end = memrchr(host.at, ']', host.length);
    const char *from = end ? end : host.at;
    const char *colon = memchr(from, ':', host.length - (size_t)(from - host.at));
    if (colon)
        host.length = (size_t)(colon - host.at);
    if (host.length && host.at[host.length - 1] == '.')
        host.length--;
    return host;
}

static struct text_part path_of(const struct http_head *head, const uint8_t *bytes)
{
    struct text_part path = {(const char *)bytes + head->target.at, head->target.length};
    const char *query = memchr(path.at, '?', path.length);
    if (query)
        path.length = (size_t)(query - path.at);
    return path.length ? path : (struct text_part){"/", 1};
}

/* The length of what stands for `plain` at that place, itself or percent-encoded; 0: nothing. */
static size_t encodes(struct text_part path, size_t at, char plain, const char *encoded)
{
    if (at < path.length && path.at[at] == plain)
        return 1;
    return path.length - at >= 3 && strncasecmp(path.at + at, encoded, 3) == 0 ? 3 : 0;
}

static size_t separator(struct text_part path, size_t at)
{
    size_t slash = encodes(path, at, '/', "%2f");
    return slash ? slash : encodes(path, at, '\\', "%5c");
}

/* Would a server that resolves "." and ".." (RFC 3986, 5.2.4), or decodes before it does so, take
 * the path for another one? Parameters (";") of a segment are left out by some. */
static bool climbs(struct text_part path)
{
    for (size_t at = 0, length; at < path.length; at += length) {
        length = separator(path, at);
        if (!length) {
            length = 1;
            continue;
        }
        size_t end = at + length, dots = 0;
        for (size_t dot; (dot = encodes(path, end, '.', "%2e")); end += dot)
            dots++;
        if ((dots == 1 || dots == 2) &&
            (end == path.length || separator(path, end) || encodes(path, end, ';', "%3b")))
            return true;
    }
    return false;
}

/* 0: it is another one's. */
static size_t rank(const struct http_route *route, struct text_part host)
{
    if (!route->host)
        return ANY_HOST;
    if (route->host[0] != '*')
        return host.length == route->host_length &&
                       strncasecmp(host.at, route->host, host.length) == 0
                   ? EXACT_HOST
                   : 0;
    size_t end = route->host_length - 1; /* ".name" */
    return host.length > end && strncasecmp(host.at + host.length - end, route->host + 1, end) == 0
               ? WILDCARD_HOST + end
               : 0;
}

static bool has_prefix(const struct http_route *route, struct text_part path)
{
    size_t length = route->prefix_length;
    return length <= 1 || (path.length >= length && memcmp(path.at, route->prefix, length) == 0 &&
                           (path.length == length || path.at[length] == '/') && !climbs(path));
}

/* -- headers -- */

static bool has_header(const struct http_header_wanted *wanted, const struct http_head *head,
                       const uint8_t *bytes)
{
    for (uint8_t i = 0; i < head->count; i++) {
        const struct http_field *field = &head->fields[i];
        if (field->name.length == wanted->name_length &&
            strncasecmp((const char *)bytes + field->name.at, wanted->name, wanted->name_length) ==
                0 &&
            (!wanted->value_length ||
             (field->value.length == wanted->value_length &&
              memcmp(bytes + field->value.at, wanted->value, wanted->value_length) == 0)))
            return true;
    }
    return false;
}

static bool has_headers(const struct http_settings *settings, const struct http_head *head,
                        const uint8_t *bytes)
{
    for (uint32_t i = 0; i < settings->header_count; i++)
        if (!has_header(&settings->headers[i], head, bytes))
            return false;
    return true;
}

static const struct http_settings *settings_of(const struct http_route *route)
{
    return route->service->view->http;
}

static bool has_wanted(const struct http_settings *settings,
                       const struct http_header_wanted *wanted)
{
    for (uint32_t i = 0; i < settings->header_count; i++)
        if (strcasecmp(settings->headers[i].name, wanted->name) == 0 &&
            strcmp(settings->headers[i].value, wanted->value) == 0)
            return true;
    return false;
}

/* -- shares -- */

static bool has_same_requests(const struct http_route *a, const struct http_route *b)
{
    const struct http_settings *of_a = settings_of(a), *of_b = settings_of(b);
    if (!of_a->weight || !of_b->weight || !text_equal(a->host, b->host) ||
        strcmp(a->prefix, b->prefix) != 0 || of_a->header_count != of_b->header_count)
        return false;
    for (uint32_t i = 0; i < of_a->header_count; i++)
        if (!has_wanted(of_b, &of_a->headers[i]))
            return false;
    return true;
}

static bool can_serve(const struct http_route *route)
{
    return route->service->view->endpoints.items.count > 0 ||
           route->service->view->route.redirect_status;
}

static struct worker_service *share(const struct http_routes *routes, const struct http_route *like)
{
    struct worker_service *next = NULL;
    int64_t whole = 0;
    bool some = false;
    for (uint32_t i = 0; i < routes->count && !some; i++)
        some = has_same_requests(&routes->items[i], like) && can_serve(&routes->items[i]);
    for (uint32_t i = 0; i < routes->count; i++) {
        const struct http_route *route = &routes->items[i];
        struct worker_service *service = route->service;
        if (!has_same_requests(route, like) || (some && !can_serve(route)))
            continue;
        service->share += settings_of(route)->weight;
        whole += settings_of(route)->weight;
        if (!next || service->share > next->share ||
            (service->share == next->share && strcmp(service->view->name, next->view->name) < 0))
            next = service;
    }
    if (!next) /* `like` has no weight: it shares with nobody */
        return like->service;
    next->share -= whole;
    return next;
}

/* -- which one -- */

/* Of two that both have the request, with the same rank of host. */
static bool goes_before(const struct http_route *a, const struct http_route *b)
{
    if (a->prefix_length != b->prefix_length)
        return a->prefix_length > b->prefix_length;
    uint32_t of_a = settings_of(a)->header_count, of_b = settings_of(b)->header_count;
    if (of_a != of_b)
        return of_a > of_b;
    return strcmp(a->service->view->name, b->service->view->name) < 0;
}

static const struct http_route *find(const struct http_routes *routes, const struct http_head *head,
                                     const uint8_t *bytes)
{
    const struct http_route *best = NULL;
    size_t best_rank = 0;
    if (routes->count == 1 && !routes->items[0].host && routes->items[0].prefix_length <= 1 &&
        !settings_of(&routes->items[0])->header_count)
        return &routes->items[0];
    struct text_part host = host_of(head, bytes), path = path_of(head, bytes);
    for (uint32_t i = 0; i < routes->count; i++) {
        const struct http_route *route = &routes->items[i];
        size_t of_host = rank(route, host);
        if (of_host < best_rank || !of_host || !has_prefix(route, path) ||
            !has_headers(settings_of(route), head, bytes))
            continue;
        if (of_host > best_rank || goes_before(route, best)) {
            best = route;
            best_rank = of_host;
        }
    }
    return best;
}

struct worker_service *http_routes_find(const struct http_routes *routes,
                                        const struct http_head *head, const uint8_t *bytes)
{
    const struct http_route *best = find(routes, head, bytes);
    if (!best)
        return NULL;
    return settings_of(best)->weight ? share(routes, best) : best->service;
}

bool http_routes_mean(const struct http_routes *routes, const struct http_head *head,
                      const uint8_t *bytes, const struct worker_service *service)
{
    const struct http_route *best = find(routes, head, bytes);
    for (uint32_t i = 0; best && i < routes->count; i++)
        if (routes->items[i].service == service &&
            (best->service == service || has_same_requests(&routes->items[i], best)))
            return true;
    return false;
}
