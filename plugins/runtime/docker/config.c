#include "docker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static orch_status bad(struct orch_error *error, const char *what, const char *endpoint)
{
    char shown[160];
    defuse(shown, sizeof shown, endpoint, strlen(endpoint));
    (void)orch_fail(error, ORCH_E_INVALID, "endpoint \"");
    orch_error_append(error, shown);
    orch_error_append(error, "\" ");
    orch_error_append(error, what);
    return ORCH_E_INVALID;
}

static orch_status read_unix(struct settings *settings, const char *endpoint,
                             struct orch_error *error)
{
    const char *path = endpoint + strlen("unix://");
    if (path[0] != '/')
        return bad(error, "is no absolute path: write unix:///path", endpoint);
    if (strlen(path) > UNIX_PATH_LIMIT)
        return bad(error, "is too long: a unix socket's path has at most 107 bytes", endpoint);
    settings->unix_socket = string_copy(str(path));
    settings->authority = string_copy(str("docker"));
    return ORCH_OK;
}

static orch_status read_tcp(struct settings *settings, const char *endpoint,
                            struct orch_error *error)
{
    const char *authority = endpoint + strlen("tcp://"), *colon = strrchr(authority, ':');
    size_t host = colon ? (size_t)(colon - authority) : 0;
    char *end = NULL;
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
    bool bracketed = host > 2 && authority[0] == '[' && authority[host - 1] == ']';
    if (!host || !port || port > 65535 || *end || colon[1] < '0' || colon[1] > '9' ||
        strspn(authority, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                          "-.:[]") != strlen(authority) ||
        (!bracketed && memchr(authority, ':', host)))
        return bad(error, "is no tcp://host:port", endpoint);
    settings->authority = string_copy(str(authority));
    settings->host = bracketed ? string_copy((struct orch_str){authority + 1, host - 2})
                               : string_copy((struct orch_str){authority, host});
    settings->port = (uint32_t)port;
    return ORCH_OK;
}

static orch_status read_endpoint(struct settings *settings, const char *endpoint,
                                 struct orch_error *error)
{
    if (strncmp(endpoint, "unix://", 7) == 0)
        return read_unix(settings, endpoint, error);
    if (strncmp(endpoint, "tcp://", 6) == 0)
        return read_tcp(settings, endpoint, error);
    return bad(error, "begins with neither unix:// nor tcp://", endpoint);
}

/* Networks that would give a container the host's, or another container's, are refused. */
static orch_status read_network(struct settings *settings, const char *network,
                                struct orch_error *error)
{
    if (strcmp(network, "host") == 0 || strcmp(network, "none") == 0 || strchr(network, ':'))
        return orch_fail(error, ORCH_E_INVALID,
                         "network: containers need a network of the engine's of their own, as in "
                         "\"bridge\"");
    settings->network = string_copy(str(network));
    return ORCH_OK;
}

orch_status settings_read(struct settings *settings, struct orch_str config,
                          struct orch_error *error)
{
    json_t *object = config.len ? json_loadb(config.ptr, config.len, 0, NULL) : json_object();
    const char *endpoint = json_string_value(json_object_get(object, "endpoint"));
    const char *network = json_string_value(json_object_get(object, "network"));
    orch_status status =
        read_endpoint(settings, endpoint ? endpoint : "unix:///var/run/docker.sock", error);
    if (status == ORCH_OK)
        status = read_network(settings, network ? network : "bridge", error);
    json_decref(object);
    return status;
}

void settings_finish(struct settings *settings)
{
    free(settings->unix_socket);
    free(settings->host);
    free(settings->authority);
    free(settings->network);
}
