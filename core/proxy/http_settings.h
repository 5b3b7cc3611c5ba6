/* A service's settings for requests (feed_http.h), as the proxy has them: immutable, shared by the
 * service and its views. Counted by the main thread; workers read. */
#ifndef PROXY_HTTP_SETTINGS_H
#define PROXY_HTTP_SETTINGS_H

#include "proxy/wire.h"

#include <sys/socket.h>

struct http_header_wanted {
    char *name, *value; /* value "": any */
    size_t name_length, value_length;
};
struct http_network {
    uint8_t family, bits;
    uint8_t address[16];
};
struct http_settings {
    uint32_t references;
    uint32_t weight; /* 0: no other service has the same requests */
    struct http_header_wanted *headers;
    uint32_t header_count;
    struct http_network *trusted;
    uint32_t trusted_count, max_per_client;
};
/* NULL: the packet is bad. */
struct http_settings *http_settings_read(struct wire_reader *reader);
struct http_settings *http_settings_hold(struct http_settings *settings);
void http_settings_release(struct http_settings *settings); /* NULL is fine */
/* Is what that client says of others to be believed? [any thread] */
bool http_settings_trust(const struct http_settings *settings, const struct sockaddr *source);

#endif
