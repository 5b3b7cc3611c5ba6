#include "base/hash.h"
#include "proxy/impl.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { FULL_WEIGHT = 256 };

static void parse(struct endpoint *endpoint, const char *address, uint16_t port)
{
    if (inet_pton(AF_INET, address, &endpoint->address.ip4.sin_addr) == 1) {
        endpoint->address.ip4.sin_family = AF_INET;
        endpoint->address.ip4.sin_port = htons(port);
        endpoint->address_bytes = sizeof endpoint->address.ip4;
    } else if (inet_pton(AF_INET6, address, &endpoint->address.ip6.sin6_addr) == 1) {
        endpoint->address.ip6.sin6_family = AF_INET6;
        endpoint->address.ip6.sin6_port = htons(port);
        endpoint->address_bytes = sizeof endpoint->address.ip6;
    }
}

struct endpoint *endpoint_create(const char *id, const char *address, uint16_t port,
                                 uint32_t workers)
{
    size_t bytes = sizeof(struct endpoint) + workers * sizeof(struct endpoint_lane);
    struct endpoint *endpoint = aligned_alloc(_Alignof(struct endpoint), bytes);
    if (!endpoint)
        abort(); /* as base does when memory is out */
    memset(endpoint, 0, bytes);
    endpoint->cell.effective_weight = FULL_WEIGHT;
    atomic_init(&endpoint->references, 1);
    endpoint->meter = meter_create(workers);
    endpoint->id = memory_strdup(id);
    endpoint->id_hash = hash_text(id);
    endpoint->address_text = memory_strdup(address);
    endpoint->port = port;
    parse(endpoint, address, port);
    return endpoint;
}

struct tally *tally_hold(struct tally *tally)
{
    if (!tally)
        tally = memory_alloc(sizeof *tally);
    atomic_fetch_add_explicit(&tally->references, 1, memory_order_relaxed);
    return tally;
}

void tally_release(struct tally *tally)
{
    if (atomic_fetch_sub_explicit(&tally->references, 1, memory_order_acq_rel) == 1)
        free(tally);
}

struct endpoint *endpoint_hold(struct endpoint *endpoint)
{
    atomic_fetch_add_explicit(&endpoint->references, 1, memory_order_relaxed);
    return endpoint;
}

void endpoint_release(struct endpoint *endpoint)
{
    if (atomic_fetch_sub_explicit(&endpoint->references, 1, memory_order_acq_rel) != 1)
        return;
    meter_release(endpoint->meter);
    free(endpoint->id);
    free(endpoint->address_text);
    free(endpoint);
}
