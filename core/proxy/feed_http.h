/* What a service of FEED_HTTP does with requests besides passing them on. */
#ifndef PROXY_FEED_HTTP_H
#define PROXY_FEED_HTTP_H

#include "base/text.h"
#include "proxy/wire.h"

struct feed_header {
    const char *name, *value; /* value NULL: any */
};
struct feed_http {
    uint32_t weight; /* among services with the same requests; 0: there is no other */
    const struct feed_header *headers;
    uint32_t header_count;
    const char *const *trusted_proxies; /* networks: "10.0.0.0/8" */
    uint32_t trusted_count;
    uint32_t max_per_client; /* connections of an address, a worker; 0: no limit */
};
/* A deep copy. */
void feed_http_copy(struct arena *arena, const struct feed_http *from, struct feed_http *to);
void feed_http_put(struct wire_writer *packet, const struct feed_http *http);

#endif
