/* What balancers want to know of a request. */
#include "proxy/http/http.h"
#include "proxy/http/head.h"

#include <strings.h>

typedef bool (*finder)(const uint8_t *value, size_t length, struct orch_str name,
                       struct orch_str *out);

static bool take_whole(const uint8_t *value, size_t length, struct orch_str name,
                       struct orch_str *out)
{
    (void)name;
    *out = (struct orch_str){(const char *)value, length};
    return true;
}

/* "a=1; b=2" (RFC 6265, 4.2.1). */
static bool take_cookie(const uint8_t *value, size_t length, struct orch_str name,
                        struct orch_str *out)
{
    const uint8_t *at = value, *end = value + length;
    while (at < end) {
        const uint8_t *next = memchr(at, ';', (size_t)(end - at));
        const uint8_t *stop = next ? next : end;
        while (at < stop && *at == ' ')
            at++;
        if ((size_t)(stop - at) > name.len && at[name.len] == '=' &&
            memcmp(at, name.ptr, name.len) == 0)
            return take_whole(at + name.len + 1, (size_t)(stop - at) - name.len - 1, name, out);
        at = next ? next + 1 : end;
    }
    return false;
}

static bool find_in_fields(const struct http_head *head, const uint8_t *bytes, const char *field,
                           size_t field_length, finder find, struct orch_str name,
                           struct orch_str *out)
{
    for (uint8_t i = 0; i < head->count; i++) {
        struct http_span own = head->fields[i].name, value = head->fields[i].value;
        if (own.length == field_length &&
            strncasecmp((const char *)bytes + own.at, field, field_length) == 0 &&
            find(bytes + value.at, value.length, name, out))
            return true;
    }
    return false;
}

bool http_find_key(const struct http_head *head, const uint8_t *bytes,
                   const struct orch_balancer_key *key, struct orch_str *out)
{
    const uint8_t *target = bytes + head->target.at, *query;
    switch (key->kind) {
    case ORCH_KEY_HEADER:
        return find_in_fields(head, bytes, key->name.ptr, key->name.len, take_whole, key->name,
                              out);
    case ORCH_KEY_COOKIE:
        return find_in_fields(head, bytes, "cookie", 6, take_cookie, key->name, out);
    case ORCH_KEY_PATH:
        query = memchr(target, '?', head->target.length);
        return take_whole(target, query ? (size_t)(query - target) : head->target.length, key->name,
                          out);
    default:
        return false;
    }
}
