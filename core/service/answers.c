/* What the proxy answers a service's requests by itself: the settings. */
#include "service/service.h"

#include <stdio.h>
#include <string.h>

enum { PAGE_BYTES = 8 * 1024, LOCATION_BYTES = 1024 };

static bool is_visible(const char *text, bool spaces)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' - spaces || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

static bool check_content_type(const void *value, char *message, size_t bytes)
{
    const char *text = *(const char *const *)value;
    if (*text && is_visible(text, true) && strchr(text, '/'))
        return true;
    snprintf(message, bytes, "must be a media type, as in \"text/html; charset=utf-8\"");
    return false;
}

static bool check_scheme(const void *value, char *message, size_t bytes)
{
    const char *text = *(const char *const *)value;
    if (!text || strcmp(text, "http") == 0 || strcmp(text, "https") == 0)
        return true;
    snprintf(message, bytes, "must be \"http\" or \"https\"");
    return false;
}

static bool check_authority(const void *value, char *message, size_t bytes)
{
    const char *text = *(const char *const *)value;
    if (!text || (*text && is_visible(text, false) && !strpbrk(text, "/?#@\\\"<>")))
        return true;
    snprintf(message, bytes, "must be a host, and a port where one is meant");
    return false;
}

static bool check_path(const void *value, char *message, size_t bytes)
{
    const char *text = *(const char *const *)value;
    if (!text ||
        (*text == '/' && text[1] != '/' && is_visible(text, false) && !strpbrk(text, "#\\\"<>")))
        return true;
    snprintf(message, bytes, "must begin with one \"/\" and be written as a URI is");
    return false;
}

static bool check_status(const void *value, char *message, size_t bytes)
{
    int64_t status = *(const int64_t *)value;
    if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308)
        return true;
    snprintf(message, bytes, "must be 301, 302, 303, 307 or 308");
    return false;
}

static bool check_redirect(const void *value, char *message, size_t bytes)
{
    const struct redirect *redirect = value;
    if (redirect->scheme || redirect->host || redirect->path)
        return true;
    snprintf(message, bytes, "needs one of scheme, host and path: else it leads to itself");
    return false;
}

#define AT(member) offsetof(struct hold, member)
static const struct field hold_fields[] = {
    {.name = "time",
     .kind = FIELD_DURATION,
     .offset = AT(time_ns),
     .min = 0,
     .max = INT64_C(600000000000),
     .initial = "\"0s\"",
     .doc = "How long a request waits for an endpoint to become ready; 0: not at all."},
    {.name = "requests",
     .kind = FIELD_INT,
     .offset = AT(requests),
     .min = 1,
     .max = 10000,
     .initial = "256",
     .doc = "At once on one worker of a node's proxy; more are answered at once."},
};
#undef AT
const struct type hold_type = {.name = "Hold",
                               .size = sizeof(struct hold),
                               TYPE_FIELDS(hold_fields),
                               .doc = "http: what becomes of requests while no endpoint is ready."};

#define AT(member) offsetof(struct maintenance_page, member)
static const struct field maintenance_page_fields[] = {
    {.name = "body",
     .kind = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .offset = AT(body),
     .max = PAGE_BYTES,
     .doc = "Its text."},
    {.name = "contentType",
     .kind = FIELD_STRING,
     .offset = AT(content_type),
     .initial = "\"text/html; charset=utf-8\"",
     .max = 128,
     .check = check_content_type,
     .doc = "What it is."},
};
#undef AT
const struct type maintenance_page_type = {.name = "MaintenancePage",
                                           .size = sizeof(struct maintenance_page),
                                           TYPE_FIELDS(maintenance_page_fields),
                                           .doc =
                                               "http: what 503 shows while no endpoint is ready."};

#define AT(member) offsetof(struct redirect, member)
static const struct field redirect_fields[] = {
    {.name = "scheme",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = AT(scheme),
     .check = check_scheme,
     .doc = "http or https; null: the request's."},
    {.name = "host",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = AT(host),
     .max = 260,
     .check = check_authority,
     .doc =
         "With a port where one is meant. null: the request's, without a port if scheme is given."},
    {.name = "path",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = AT(path),
     .max = LOCATION_BYTES,
     .check = check_path,
     .doc = "With a query where one is meant. null: the request's path and query."},
    {.name = "status",
     .kind = FIELD_INT,
     .offset = AT(status),
     .initial = "308",
     .check = check_status,
     .doc = "301, 302, 303, 307 or 308."},
};
#undef AT
const struct type redirect_type = {
    .name = "Redirect",
    .size = sizeof(struct redirect),
    TYPE_FIELDS(redirect_fields),
    .check = check_redirect,
    .doc = "http: requests are sent elsewhere in place of being served."};
