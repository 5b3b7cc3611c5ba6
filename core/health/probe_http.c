#include "health/impl.h"
#include "plugin/http_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct attempt {
    struct prober *prober;
    uint64_t id;
};

static bool status_passes(const struct probe_http *http, int status)
{
    return http->status ? status == http->status : status >= 200 && status < 400;
}

static void answered(void *argument, const struct http_reply *reply, const struct error *error)
{
    struct attempt *attempt = argument;
    struct prober *prober = attempt->prober;
    char message[PROBE_MESSAGE_BYTES];
    free(attempt);
    if (error) {
        snprintf(message, sizeof message, "%s", error->message);
    } else if (!status_passes(prober->probe->http, reply->status)) {
        snprintf(message, sizeof message, "answered %d: %.80s", reply->status, reply->body);
    } else {
        prober_result(prober, NULL);
        return;
    }
    prober_result(prober, message);
}

struct attempt *probe_http_start(struct prober *prober)
{
    const struct probe_http *http = prober->probe->http;
    const struct list *wanted = &http->headers;
    struct http_header headers[32];
    struct error error;
    char url[1200];
    const char *address = prober->health->address;
    snprintf(url, sizeof url, strchr(address, ':') ? "http://[%s]:%u%s" : "http://%s:%u%s", address,
             prober_port(prober, &http->port), http->path);
    for (uint32_t i = 0; i < wanted->count && i < 32; i++) {
        const struct map_entry *entry = LIST_AT(*wanted, struct map_entry, i);
        headers[i] = (struct http_header){.name = entry->key, .value = entry->value};
    }
    struct http_request request = {.url = url,
                                   .headers = headers,
                                   .header_count = wanted->count < 32 ? wanted->count : 32,
                                   .connect_timeout_ns = prober->probe->timeout_ns,
                                   .total_timeout_ns = prober->probe->timeout_ns,
                                   .max_body_bytes = PROBE_BODY_BYTES,
                                   .fresh_connection = true};
    struct attempt *attempt = memory_alloc(sizeof *attempt);
    attempt->prober = prober;
    attempt->id =
        http_client_fetch(prober->health->config.http, &request, answered, attempt, &error);
    if (attempt->id)
        return attempt;
    free(attempt);
    prober_result(prober, error.message);
    return NULL;
}

void probe_http_stop(struct attempt *attempt)
{
    http_client_cancel(attempt->prober->health->config.http, attempt->id);
    free(attempt);
}
