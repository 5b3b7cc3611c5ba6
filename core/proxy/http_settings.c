#include "proxy/http_settings.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_LIMIT = 64, NETWORK_LIMIT = 1024 };

static void free_settings(struct http_settings *settings)
{
    for (uint32_t i = 0; i < settings->header_count; i++) {
        free(settings->headers[i].name);
        free(settings->headers[i].value);
    }
    free(settings->headers);
    free(settings->trusted);
    free(settings);
}

struct http_settings *http_settings_hold(struct http_settings *settings)
{
    settings->references++;
    return settings;
}

void http_settings_release(struct http_settings *settings)
{
    if (settings && --settings->references == 0)
        free_settings(settings);
}

static char *read_text(struct wire_reader *reader)
{
    return memory_strdup(wire_get_text(reader));
}

static void read_headers(struct http_settings *settings, struct wire_reader *reader)
{
    uint32_t count = wire_get_u32(reader);
    if (count > HEADER_LIMIT)
        reader->failed = true;
    if (reader->failed)
        return;
    settings->headers = memory_alloc((count + 1) * sizeof *settings->headers);
    for (; settings->header_count < count; settings->header_count++) {
        struct http_header_wanted *header = &settings->headers[settings->header_count];
        header->name = read_text(reader);
        header->value = read_text(reader);
        header->name_length = strlen(header->name);
        header->value_length = strlen(header->value);
    }
}

/* One that can't be read trusts nobody. */
static struct http_network read_network(const char *text)
{
    struct http_network network = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};
    char address[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t length = slash ? (size_t)(slash - text) : strlen(text);
    long most = network.family == AF_INET6 ? 128 : 32;
    long bits = slash ? strtol(slash + 1, NULL, 10) : most;
    if (length >= sizeof address || bits < 0 || bits > most)
        return (struct http_network){.family = AF_UNSPEC};
    memcpy(address, text, length);
    address[length] = 0;
    if (inet_pton(network.family, address, network.address) != 1)
        return (struct http_network){.family = AF_UNSPEC};
    network.bits = (uint8_t)bits;
    return network;
}

static void read_trusted(struct http_settings *settings, struct wire_reader *reader)
{
    uint32_t count = wire_get_u32(reader);
    if (count > NETWORK_LIMIT)
        reader->failed = true;
    if (reader->failed)
        return;
    settings->trusted = memory_alloc((count + 1) * sizeof *settings->trusted);
    for (; settings->trusted_count < count; settings->trusted_count++)
        settings->trusted[settings->trusted_count] = read_network(wire_get_text(reader));
}

struct http_settings *http_settings_read(struct wire_reader *reader)
{
    struct http_settings *settings = memory_alloc(sizeof *settings);
    settings->references = 1;
    settings->weight = wire_get_u32(reader);
    read_headers(settings, reader);
    read_trusted(settings, reader);
    settings->max_per_client = wire_get_u32(reader);
    if (!reader->failed)
        return settings;
    free_settings(settings);
    return NULL;
}

static bool contains(const struct http_network *network, const uint8_t *address)
{
    size_t whole = network->bits / 8;
    unsigned rest = network->bits % 8;
    return memcmp(network->address, address, whole) == 0 &&
           (!rest || (network->address[whole] ^ address[whole]) >> (8 - rest) == 0);
}

bool http_settings_trust(const struct http_settings *settings, const struct sockaddr *source)
{
    const struct sockaddr_in6 *ip6 = (const struct sockaddr_in6 *)(const void *)source;
    const struct sockaddr_in *ip4 = (const struct sockaddr_in *)(const void *)source;
    const uint8_t *address = source->sa_family == AF_INET6 ? ip6->sin6_addr.s6_addr
                                                           : (const uint8_t *)&ip4->sin_addr.s_addr;
    uint8_t family = (uint8_t)source->sa_family;
    if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&ip6->sin6_addr)) {
        family = AF_INET;
        address += 12;
    }
    for (uint32_t i = 0; i < settings->trusted_count; i++)
        if (settings->trusted[i].family == family && contains(&settings->trusted[i], address))
            return true;
    return false;
}
