/* What a request was, once it is over. */
#include "proxy/http/engine.h"

void http_account_begin(struct http_client *client)
{
    client->counts = true;
    client->started_ns = loop_now_ns(client->worker->loop);
    client->bytes_in = client->bytes_out = 0;
}

void http_account(struct http_client *client, struct meter *meter, uint16_t status, bool lost)
{
    if (!client->counts)
        return;
    struct meter_lane *lane = meter_lane(meter, client->worker->index);
    client->counts = false;
    if (status && client->endpoint)
        meter_latency(lane, loop_now_ns(client->worker->loop) - client->started_ns);
    meter_count(lane, meter_class(status), 1);
    meter_count(lane, TRAFFIC_BYTES_IN, client->bytes_in);
    meter_count(lane, TRAFFIC_BYTES_OUT, client->bytes_out);
    if (lost)
        meter_count(lane, TRAFFIC_LOST, 1);
}
