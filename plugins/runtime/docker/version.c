/* Which version of the API is spoken: the older of ours and the engine's, asked before the first
 * call and again whenever the engine has been away. */
#include "docker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_head(void *context, int32_t http, struct orch_array headers)
{
    struct runtime *runtime = context;
    (void)http;
    runtime->told_version[0] = 0;
    for (uint32_t i = 0; i < headers.count; i++) {
        const struct orch_pair *header = ORCH_AT(struct orch_pair, headers, i);
        if (str_is(header->key, "api-version"))
            defuse(runtime->told_version, sizeof runtime->told_version, header->value.ptr,
                   header->value.len);
    }
}

static void give_up(struct runtime *runtime, orch_status status, const char *message)
{
    runtime->version = VERSION_UNKNOWN;
    calls_version_failed(runtime, status, message);
}

static bool read_version(struct runtime *runtime)
{
    char rest;
    unsigned major;
    return sscanf(runtime->told_version, "%3u.%3u%c", &major, &runtime->told_minor, &rest) == 2 &&
           major == API_MAJOR;
}

static void take_version(struct runtime *runtime)
{
    char message[200];
    if (!read_version(runtime) || runtime->told_minor < API_MINOR_MIN) {
        snprintf(message, sizeof message,
                 "the engine speaks API %s; this plugin speaks %d.%d to %d.%d",
                 runtime->told_version[0] ? runtime->told_version : "of a version it does not tell",
                 API_MAJOR, API_MINOR_MIN, API_MAJOR, API_MINOR_MAX);
        give_up(runtime, ORCH_E_UNSUPPORTED, message);
        return;
    }
    unsigned minor = runtime->told_minor < API_MINOR_MAX ? runtime->told_minor : API_MINOR_MAX;
    if (minor != runtime->api_minor)
        log_line(runtime, ORCH_LOG_INFO, "speaking API %d.%u with the engine, which told %s",
                 API_MAJOR, minor, runtime->told_version);
    runtime->api_minor = minor;
    runtime->version = VERSION_KNOWN;
    calls_version_known(runtime);
}

static void on_done(void *context, orch_status status, int32_t http, const struct orch_error *error)
{
    struct runtime *runtime = context;
    char message[200];
    runtime->ping_id = 0;
    if (status == ORCH_OK && http == 200) {
        take_version(runtime);
        return;
    }
    if (status == ORCH_OK)
        snprintf(message, sizeof message, "the engine answers its ping with %d", http);
    else
        snprintf(message, sizeof message, "the engine at %s does not answer: %s",
                 runtime->settings.unix_socket ? runtime->settings.unix_socket
                                               : runtime->settings.authority,
                 error ? error->message : "");
    give_up(runtime, status == ORCH_E_TIMEOUT ? ORCH_E_TIMEOUT : ORCH_E_UNAVAILABLE, message);
}

void version_ask(struct runtime *runtime)
{
    static const struct orch_http_callbacks callbacks = {
        .size = sizeof callbacks, .head = on_head, .done = on_done};
    static const struct orch_pair close_it = {{"connection", 10}, {"close", 5}};
    struct orch_error error = {.size = sizeof error};
    struct text url = {0};
    text_format(&url, "http://%s/_ping", runtime->settings.authority);
    const struct orch_http_request request = {.size = sizeof request,
                                              .method = "GET",
                                              .url = text_string(&url),
                                              .unix_socket = runtime->settings.unix_socket,
                                              .headers = {&close_it, 1, sizeof close_it},
                                              .connect_timeout_ns = 2 * NS_PER_S,
                                              .first_byte_timeout_ns = 2 * NS_PER_S,
                                              .total_timeout_ns = 2 * NS_PER_S,
                                              .max_body_bytes = 65536};
    runtime->version = VERSION_ASKED;
    orch_status status = runtime->http->start(runtime->host, &request, &callbacks, runtime,
                                              &runtime->ping_id, &error);
    text_finish(&url);
    if (status != ORCH_OK)
        give_up(runtime, status, error.message);
}

void version_forget(struct runtime *runtime)
{
    if (runtime->version == VERSION_KNOWN)
        runtime->version = VERSION_UNKNOWN;
}

/* A 400 about the version in the path becomes a failure that names both sides'. */
bool version_refused(const struct runtime *runtime, struct reply *reply)
{
    char said[sizeof reply->message];
    if (!reply_is(reply, 400) || !strstr(reply->message, "client version"))
        return false;
    memcpy(said, reply->message, sizeof said);
    reply->status = ORCH_E_UNSUPPORTED;
    reply->reached = false; /* it was not looked at any further */
    snprintf(reply->message, sizeof reply->message,
             "the engine, which told API %s, refuses %d.%u; this plugin speaks %d.%d to %d.%d: "
             "%.200s",
             runtime->told_version, API_MAJOR, runtime->api_minor, API_MAJOR, API_MINOR_MIN,
             API_MAJOR, API_MINOR_MAX, said);
    return true;
}

void version_finish(struct runtime *runtime)
{
    if (runtime->ping_id)
        runtime->http->cancel(runtime->host, runtime->ping_id);
}
