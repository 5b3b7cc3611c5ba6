/* Which requests a service of protocol http means besides its hosts and path, whom it believes and
 * how many it has: settings. */
#ifndef SERVICE_HTTP_H
#define SERVICE_HTTP_H

#include "schema/schema.h"

struct http_header_match {
    const char *name, *value; /* value NULL: any */
};
struct service_http {
    int64_t weight;                     /* NUMBER_NULL: it shares its requests with nobody */
    struct list headers;                /* struct http_header_match: all of them */
    struct list trusted_proxies;        /* of const char *: networks */
    int64_t max_connections_per_client; /* NUMBER_NULL: no limit */
};
extern const struct type service_http_type;
/* Do the same requests have these headers? */
bool service_http_same_headers(const struct service_http *a, const struct service_http *b);
/* The name of a setting that is of any effect; NULL: none is. */
const char *service_http_given(const struct service_http *http);

#endif
