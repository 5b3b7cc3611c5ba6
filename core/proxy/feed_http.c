#include "proxy/feed_http.h"

void feed_http_copy(struct arena *arena, const struct feed_http *from, struct feed_http *to)
{
    struct feed_header *headers = arena_alloc(arena, (from->header_count + 1) * sizeof *headers);
    const char **trusted = arena_alloc(arena, (from->trusted_count + 1) * sizeof *trusted);
    for (uint32_t i = 0; i < from->header_count; i++)
        headers[i] = (struct feed_header){arena_strdup(arena, from->headers[i].name),
                                          arena_strdup(arena, from->headers[i].value)};
    for (uint32_t i = 0; i < from->trusted_count; i++)
        trusted[i] = arena_strdup(arena, from->trusted_proxies[i]);
    *to = *from;
    to->headers = headers;
    to->trusted_proxies = trusted;
}

void feed_http_put(struct wire_writer *packet, const struct feed_http *http)
{
    wire_put_u32(packet, http->weight);
    wire_put_u32(packet, http->header_count);
    for (uint32_t i = 0; i < http->header_count; i++) {
        wire_put_text(packet, http->headers[i].name);
        wire_put_text(packet, http->headers[i].value);
    }
    wire_put_u32(packet, http->trusted_count);
    for (uint32_t i = 0; i < http->trusted_count; i++)
        wire_put_text(packet, http->trusted_proxies[i]);
    wire_put_u32(packet, http->max_per_client);
}
