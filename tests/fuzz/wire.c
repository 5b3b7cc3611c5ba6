/* Packets to the proxy: a byte for the length, one more for 256 times as much, the packet. The
 * table takes what it can, and everything it keeps is freed. */
#include "fuzz.h"
#include "proxy/impl.h"

static void take(struct proxy *proxy, struct wire_reader *reader)
{
    switch (wire_get_u32(reader)) {
    case WIRE_FULL:
        table_full(proxy);
        return;
    case WIRE_SERVICE:
        table_service(proxy, reader);
        return;
    case WIRE_ENDPOINTS:
        table_endpoints(proxy, reader);
        return;
    case WIRE_REMOVE:
        table_remove(proxy, wire_get_text(reader));
        return;
    case WIRE_PUBLISH:
        (void)wire_get_u64(reader);
        table_remove_stale(proxy);
        return;
    case WIRE_LISTENER:
        table_listener(proxy, wire_get_text(reader), (int[]){-1}, 1);
        return;
    default:
        while (!reader->failed && reader->at < reader->end)
            PROMISE(wire_get_text(reader), "no text");
    }
}

static void check(const struct proxy *proxy)
{
    for (struct service *service = proxy->services; service; service = service->hh.next)
        for (uint32_t i = 0; i < service->endpoint_count; i++) {
            const struct endpoint *endpoint = service->endpoints[i];
            PROMISE(endpoint->weight >= 1 && endpoint->weight <= 1000, "weight %u",
                    endpoint->weight);
            PROMISE(!i || strcmp(service->endpoints[i - 1]->id, endpoint->id) <= 0, "no order");
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy proxy = {.loop = loop_create_virtual(1, 0), .worker_count = 1};
    while (size > 2) {
        size_t length = data[0] + 256u * data[1];
        data += 2;
        size -= 2;
        length = length < size ? length : size;
        uint8_t *packet = memory_alloc(length); /* its own block, so that reading on is seen */
        memcpy(packet, data, length);
        take(&proxy, &(struct wire_reader){.at = packet, .end = packet + length});
        free(packet);
        check(&proxy);
        data += length;
        size -= length;
    }
    table_finish(&proxy);
    loop_destroy(proxy.loop);
    return 0;
}
