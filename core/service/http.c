#include "service/http.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TOKEN "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* -- headers -- */

static bool check_header_name(const void *value, char *message, size_t bytes)
{
    const char *name = *(const char *const *)value;
    if (*name && !name[strspn(name, TOKEN)])
        return true;
    snprintf(message, bytes, "must be a name of a header, such as X-Canary");
    return false;
}

static bool check_header_value(const void *value, char *message, size_t bytes)
{
    const char *text = *(const char *const *)value;
    size_t length = strlen(text);
    bool fits = length && text[0] != ' ' && text[length - 1] != ' ';
    for (const char *at = text; *at; at++)
        fits &= *at >= ' ' && *at < 0x7f;
    if (!fits)
        snprintf(message, bytes, "must be visible ASCII without spaces around it; null: any value");
    return fits;
}

static const struct field header_fields[] = {
    {.name = "name",
     .kind = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct http_header_match, name),
     .max = 64,
     .check = check_header_name,
     .doc = "In any case of letters."},
    {.name = "value",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = offsetof(struct http_header_match, value),
     .max = 256,
     .check = check_header_value,
     .doc = "The whole of it, in that case; null: any."},
};
static const struct type header_type = {.name = "HeaderMatch",
                                        .size = sizeof(struct http_header_match),
                                        TYPE_FIELDS(header_fields),
                                        .doc = "A header that a request must have."};

static bool check_headers(const void *value, char *message, size_t bytes)
{
    const struct list *headers = value;
    for (uint32_t i = 0; i < headers->count; i++)
        for (uint32_t j = 0; j < i; j++) {
            const char *name = LIST_AT(*headers, struct http_header_match, i)->name;
            const char *before = LIST_AT(*headers, struct http_header_match, j)->name;
            if (!name || !before || strcasecmp(name, before) != 0)
                continue;
            snprintf(message, bytes, "names %s twice", name);
            return false;
        }
    return true;
}

/* -- clients -- */

static bool is_network(const char *text)
{
    char address[INET6_ADDRSTRLEN], *end;
    unsigned char parsed[16];
    const char *slash = strchr(text, '/');
    size_t length = slash ? (size_t)(slash - text) : strlen(text);
    if (length >= sizeof address)
        return false;
    memcpy(address, text, length);
    address[length] = 0;
    long most = strchr(address, ':') ? 128 : 32;
    if (inet_pton(most == 128 ? AF_INET6 : AF_INET, address, parsed) != 1)
        return false;
    if (!slash)
        return true;
    long bits = slash[1] >= '0' && slash[1] <= '9' ? strtol(slash + 1, &end, 10) : -1;
    return bits >= 0 && bits <= most && !*end;
}

static bool check_networks(const void *value, char *message, size_t bytes)
{
    const struct list *networks = value;
    for (uint32_t i = 0; i < networks->count; i++)
        if (!is_network(*LIST_AT(*networks, const char *, i))) {
            snprintf(message, bytes, "must be networks, such as 10.0.0.0/8 or fd00::/8");
            return false;
        }
    return true;
}

#define AT(member) offsetof(struct service_http, member)
static const struct field http_fields[] = {
    {.name = "weight",
     .kind = FIELD_INT,
     .flags = FIELD_NULLABLE,
     .offset = AT(weight),
     .initial = "null",
     .min = 1,
     .max = 1000,
     .doc = "http: its share of requests among the services with the same host, path and headers, "
            "which "
            "all need one; null: none may have the same."},
    {.name = "headers",
     .kind = FIELD_OBJECTS,
     .offset = AT(headers),
     .object = &header_type,
     .max = 8,
     .check = check_headers,
     .doc =
         "That its requests have, all of them; with the same host and path more go before fewer."},
    {.name = "trustedProxies",
     .kind = FIELD_STRINGS,
     .offset = AT(trusted_proxies),
     .max = 64,
     .check = check_networks,
     .doc =
         "Networks of clients whose X-Forwarded-For, -Proto, -Host and Forwarded are believed and "
         "added to; others' are dropped."},
    {.name = "maxConnectionsPerClient",
     .kind = FIELD_INT,
     .flags = FIELD_NULLABLE,
     .offset = AT(max_connections_per_client),
     .initial = "null",
     .min = 1,
     .max = 1000000,
     .doc =
         "Of one address (IPv6: /64) on one worker of a proxy; more are closed at once. null: no "
         "limit. Of services that share a listen the lowest counts."},
};
#undef AT
const struct type service_http_type = {.name = "ServiceHttp",
                                       .size = sizeof(struct service_http),
                                       TYPE_FIELDS(http_fields),
                                       .doc = "What is done for requests, with protocol http."};

static bool has_header(const struct list *headers, const struct http_header_match *wanted)
{
    for (uint32_t i = 0; i < headers->count; i++) {
        const struct http_header_match *header = LIST_AT(*headers, struct http_header_match, i);
        if (strcasecmp(header->name, wanted->name) == 0 && text_equal(header->value, wanted->value))
            return true;
    }
    return false;
}

bool service_http_same_headers(const struct service_http *a, const struct service_http *b)
{
    for (uint32_t i = 0; i < a->headers.count; i++)
        if (!has_header(&b->headers, LIST_AT(a->headers, struct http_header_match, i)))
            return false;
    return a->headers.count == b->headers.count;
}

const char *service_http_given(const struct service_http *http)
{
    if (http->weight != NUMBER_NULL)
        return "weight";
    if (http->headers.count)
        return "headers";
    if (http->trusted_proxies.count)
        return "trustedProxies";
    return http->max_connections_per_client != NUMBER_NULL ? "maxConnectionsPerClient" : NULL;
}
