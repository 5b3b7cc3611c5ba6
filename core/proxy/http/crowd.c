/* How many connections each address has on a worker, for services that limit them. IPv6 clients
 * have whole networks: their first 64 bits count. */
#include "proxy/http/engine.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

struct http_crowd {
    UT_hash_handle hh;
    uint8_t address[16];
    uint32_t count;
};

static void key_of(const union socket_address *source, uint8_t key[16])
{
    memset(key, 0, 16);
    if (source->any.sa_family != AF_INET6)
        memcpy(key + 12, &source->ip4.sin_addr, 4);
    else if (IN6_IS_ADDR_V4MAPPED(&source->ip6.sin6_addr))
        memcpy(key + 12, source->ip6.sin6_addr.s6_addr + 12, 4);
    else
        memcpy(key, &source->ip6.sin6_addr, 8);
}

bool http_crowd_join(struct http_client *client, uint32_t limit)
{
    struct http_engine *engine = client->worker->http;
    struct http_crowd *crowd = NULL;
    uint8_t key[16];
    if (!limit)
        return true;
    key_of(&client->source, key);
    HASH_FIND(hh, engine->crowds, key, sizeof key, crowd);
    if (crowd && crowd->count >= limit)
        return false;
    if (!crowd) {
        crowd = memory_alloc(sizeof *crowd);
        memcpy(crowd->address, key, sizeof key);
        HASH_ADD(hh, engine->crowds, address, sizeof crowd->address, crowd);
    }
    crowd->count++;
    client->crowd = crowd;
    return true;
}

void http_crowd_leave(struct http_client *client)
{
    struct http_engine *engine = client->worker->http;
    struct http_crowd *crowd = client->crowd;
    client->crowd = NULL;
    if (!crowd || --crowd->count)
        return;
    HASH_DEL(engine->crowds, crowd);
    free(crowd);
}
