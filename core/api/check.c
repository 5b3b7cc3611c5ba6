/* All that is judged about a request before its body is read: framing, limits, host, route, key and
 * the kind of body. */
#include "api/impl.h"
#include "base/clock.h"
#include "config/config.h"

#include <assert.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* -- headers as a whole -- */

struct header_census {
    size_t count, bytes;
    unsigned content_lengths, transfer_encodings, hosts, keys, authorizations;
    bool bad_name, bad_value;
    struct head_walk walk;
};

static bool is_token(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)name[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    (c && strchr("!#$%&'*+-.^_`|~", c));
        if (!fits)
            return false;
    }
    return length > 0;
}

static bool is_field_value(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static enum MHD_Result look_at_header(void *argument, enum MHD_ValueKind kind, const char *name,
                                      size_t name_length, const char *value, size_t value_length)
{
    struct header_census *census = argument;
    (void)kind;
    census->count++;
    census->bytes += name_length + value_length + 4;
    census->bad_name |= !is_token(name, name_length);
    census->bad_value |= value && !is_field_value(value, value_length);
    census->content_lengths += strcasecmp(name, "Content-Length") == 0;
    census->transfer_encodings += strcasecmp(name, "Transfer-Encoding") == 0;
    census->hosts += strcasecmp(name, "Host") == 0;
    census->keys += strcasecmp(name, "X-API-Key") == 0;
    census->authorizations += strcasecmp(name, "Authorization") == 0;
    head_walk_over(&census->walk, name, name_length, HEAD_LINE_END);
    head_walk_over(&census->walk, value ? value : name + name_length, value_length, HEAD_COLON);
    return MHD_YES;
}

/* What leaves it open where this request ends, or whose it is: answered once, then closed. */
static bool check_framing(struct exchange *exchange, const struct header_census *census,
                          const char *version)
{
    struct error *error = &exchange->request.error;
    const char *encoding = exchange_header(exchange, "Transfer-Encoding");
    bool http_1_1 = strcmp(version, "HTTP/1.1") == 0;
    const char *fault = NULL;
    if (census->content_lengths > 1)
        fault = "Content-Length is given more than once";
    else if (census->transfer_encodings && census->content_lengths)
        fault = "both Content-Length and Transfer-Encoding are given";
    else if (census->transfer_encodings > 1 || (encoding && strcasecmp(encoding, "chunked") != 0))
        fault = "the only Transfer-Encoding understood is \"chunked\"";
    else if (encoding && !http_1_1)
        fault = "Transfer-Encoding needs HTTP/1.1";
    else if (census->hosts > 1 || (http_1_1 && census->hosts == 0))
        fault = "there must be one Host header";
    else if (census->bad_name)
        fault = "a header's name has a character that does not belong there";
    else if (census->bad_value)
        fault = "a header's value has a control character";
    else if (census->walk.hidden)
        fault = "its head has a zero byte, a folded header or one without a name";
    else if (census->keys > 1 || census->authorizations > 1)
        fault = "more than one key is given";
    if (!fault)
        return true;
    exchange->close_after = true;
    return error_set(error, ERROR_VALIDATION, "the request is malformed: %s", fault);
}

static bool check_sizes(struct exchange *exchange, const struct header_census *census)
{
    const struct api_limits *limits = &exchange->api->limits;
    struct error *error = &exchange->request.error;
    if (strlen(exchange->raw_uri) > limits->uri_bytes)
        return error_set(error, ERROR_URI_TOO_LONG, "the request's target is longer than %zu bytes",
                         limits->uri_bytes);
    if (census->count > limits->header_count || census->bytes > limits->header_bytes)
        return error_set(error, ERROR_HEADERS_TOO_LARGE,
                         "the headers are more than %zu, or longer than %zu bytes",
                         limits->header_count, limits->header_bytes);
    const char *given = exchange_header(exchange, "Content-Length");
    exchange->content_length = given               ? strtoull(given, NULL, 10)
                               : exchange->chunked ? UINT64_MAX
                                                   : 0;
    if (given && exchange->content_length > limits->body_bytes)
        return error_set(error, ERROR_PAYLOAD_TOO_LARGE, "the body is larger than %zu bytes",
                         limits->body_bytes);
    return true;
}

/* -- the host: a page that a browser was lured to must not reach us by a name of its own -- */

static bool is_literal(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

/* Nothing, or a colon and digits. */
static bool is_port(const char *text)
{
    return !*text || (*text == ':' && !text[1 + strspn(text + 1, "0123456789")]);
}

static bool check_host(const struct api *api, const char *host)
{
    char name[256];
    const char *end = *host == '[' ? strchr(host, ']') : strrchr(host, ':');
    const char *begin = host;
    if (*host == '[') {
        if (!end)
            return false;
        begin++;
    }
    if (end && !is_port(*host == '[' ? end + 1 : end))
        return false;
    size_t length = end ? (size_t)(end - begin) : strlen(begin);
    if (length == 0 || length >= sizeof name)
        return false;
    memcpy(name, begin, length);
    name[length] = 0;
    if (*host == '[' || is_literal(name))
        return is_literal(name); /* no name, so nothing that could be pointed at us */
    const struct config *config = api->parts.config;
    return strcasecmp(name, "localhost") == 0 ||
           (api->parts.node_name && strcasecmp(name, api->parts.node_name) == 0) ||
           (config->node.address && strcasecmp(name, config->node.address) == 0);
}

/* -- the key -- */

static const char *given_key(const struct exchange *exchange)
{
    const char *key = exchange_header(exchange, "X-API-Key");
    const char *authorization = exchange_header(exchange, "Authorization");
    if (!key && authorization && strncasecmp(authorization, "Bearer ", 7) == 0) {
        key = authorization + 7;
        key += strspn(key, " ");
    }
    return key;
}

static bool check_key(struct exchange *exchange)
{
    struct api *api = exchange->api;
    struct error *error = &exchange->request.error;
    const char *key = given_key(exchange);
    if (!key)
        return error_set(error, ERROR_UNAUTHORIZED,
                         "a key is needed: send it as X-API-Key, or as Authorization: Bearer");
    switch (auth_check(&api->auth, key, exchange->connection->address, loop_now_ns(api->loop),
                       &exchange->retry_after)) {
    case AUTH_RIGHT:
        exchange->request.by = "key:admin";
        return true;
    case AUTH_WRONG:
        break;
    case AUTH_BACK_OFF:
        api->figures.wrong_keys++;
        return error_set(error, ERROR_RATE_LIMITED,
                         "too many wrong keys from this address; try again in %u seconds",
                         exchange->retry_after);
    }
    api->figures.wrong_keys++;
    return error_set(error, ERROR_UNAUTHORIZED, "the key is not right");
}

static bool is_guarded(const struct uri *uri)
{
    return uri->segment_count > 0 &&
           (strcmp(uri->segments[0], "api") == 0 || strcmp(uri->segments[0], "k8s") == 0);
}

static bool is_forwarded(const struct exchange *exchange)
{
    return exchange_header(exchange, "Forwarded") || exchange_header(exchange, "X-Forwarded-For");
}

static bool check_access(struct exchange *exchange, const struct route_match *match)
{
    const struct route *route = match->found ? match->found->route : NULL;
    if (route && route->role == ROLE_NONE)
        return true;
    if (route && route->loopback_open && exchange->connection->loopback && !is_forwarded(exchange))
        return true;
    return (!route && !is_guarded(&exchange->uri)) || check_key(exchange);
}

/* -- the route and its body -- */

static bool check_route(struct exchange *exchange, const struct route_match *match,
                        const char *method)
{
    struct error *error = &exchange->request.error;
    if (match->found)
        return true;
    exchange->is_file = !match->path_known && exchange->api->dashboard &&
                        !is_guarded(&exchange->uri) &&
                        (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0);
    if (exchange->is_file)
        return true;
    if (!match->path_known)
        return error_set(error, ERROR_NOT_FOUND, "there is nothing at this path");
    snprintf(exchange->allow, sizeof exchange->allow, "%s", match->allow);
    return error_set(error, ERROR_METHOD_NOT_ALLOWED, "%.16s is not possible here; possible: %s",
                     method, match->allow);
}

static bool is_media_type(const char *given, const char *wanted)
{
    size_t length = strlen(wanted);
    return strncasecmp(given, wanted, length) == 0 &&
           (given[length] == 0 || given[length] == ';' || given[length] == ' ');
}

static bool check_media_type(struct exchange *exchange)
{
    const char *type = exchange_header(exchange, "Content-Type");
    bool patch = strcmp(exchange->request.route->method, "PATCH") == 0;
    if (exchange->content_length == 0 ||
        (type && (is_media_type(type, "application/json") ||
                  (patch && is_media_type(type, "application/merge-patch+json")))))
        return true;
    return error_set(&exchange->request.error, ERROR_UNSUPPORTED_MEDIA_TYPE,
                     "a body is sent as Content-Type: application/json%s",
                     patch ? ", or application/merge-patch+json" : "");
}

static bool check_encoding(struct exchange *exchange)
{
    const char *encoding = exchange_header(exchange, "Content-Encoding");
    if (!encoding || strcasecmp(encoding, "identity") == 0)
        return true;
    return error_set(&exchange->request.error, ERROR_UNSUPPORTED_MEDIA_TYPE,
                     "a body is sent without Content-Encoding");
}

static bool needs_serving(const struct exchange *exchange)
{
    return exchange->uri.segment_count > 0 && strcmp(exchange->uri.segments[0], "api") == 0;
}

bool check_request(struct exchange *exchange, const char *method, const char *version)
{
    struct api *api = exchange->api;
    struct error *error = &exchange->request.error;
    struct MHD_Connection *mhd = exchange->connection->mhd;
    struct header_census census = {0};
    head_walk_begin(&census.walk, mhd, method);
    head_walk_over(&census.walk, exchange->uri_came_at, strlen(exchange->raw_uri), HEAD_SPACE);
    head_walk_over(&census.walk, version, strlen(version), HEAD_SPACE);
    MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, look_at_header, &census);
    head_walk_end(&census.walk);
    exchange->chunked = census.transfer_encodings > 0;
    const char *host = exchange_header(exchange, "Host");
    if (!check_framing(exchange, &census, version) || !check_sizes(exchange, &census))
        return false;
    if (host && !check_host(api, host))
        return error_set(error, ERROR_FORBIDDEN,
                         "this server is not known by the host name \"%.80s\": use its address, or "
                         "localhost",
                         host);
    if (exchange->uri_bad) {
        *error = exchange->uri_error;
        return false;
    }
    struct route_match match;
    router_match(&api->router, method, &exchange->uri, &match);
    if (match.found)
        exchange->route_index = match.found->index;
    if (!check_access(exchange, &match) || !check_route(exchange, &match, method))
        return false;
    if (exchange->is_file)
        return true;
    assert(match.found); /* else check_route has refused it */
    exchange->request.route = match.found->route;
    memcpy(exchange->request.params, match.params, sizeof match.params);
    if (needs_serving(exchange) && !atomic_load(&api->serving))
        return error_set(error, ERROR_UNAVAILABLE, "the daemon is starting; try again");
    return check_media_type(exchange) && check_encoding(exchange);
}
