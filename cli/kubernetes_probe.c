/* Probes of a container. */
#include "kubernetes_impl.h"

#include "output.h"

#include <string.h>

static json_t *headers_of(struct conversion *conversion, const char *path, const json_t *list)
{
    size_t i;
    json_t *header, *headers = json_object();
    json_array_foreach(list, i, header)
    {
        const char *name = member_text(header, "name");
        if (!*name || json_object_get(headers, name))
            refuse(conversion, path_item(conversion, path, i),
                   "a header is given once, with a name");
        else
            json_object_set_new(headers, name, json_string(member_text(header, "value")));
    }
    return headers;
}

static void refuse_host(struct conversion *conversion, const char *path, const json_t *action)
{
    if (*member_text(action, "host"))
        refuse(conversion, path_join(conversion, path, "host"),
               "a probe goes to the container's own address");
}

static void set_if_given(json_t *to, const char *name, const json_t *from)
{
    if (json_object_get(from, name))
        json_object_set(to, name, json_object_get(from, name));
}

static json_t *http_of(struct conversion *conversion, const char *path, json_t *action)
{
    static const struct rule rules[] = {{"port", NULL, NULL, ""},
                                        {"path", NULL, NULL, ""},
                                        {"host", NULL, NULL, ""},
                                        {"httpHeaders", NULL, NULL, ""},
                                        {"scheme", NULL, "\"HTTP\"", "probes speak plain HTTP"}};
    json_t *made = json_object();
    convert_object(conversion, path, action, RULES(rules));
    refuse_host(conversion, path, action);
    set_if_given(made, "port", action);
    set_if_given(made, "path", action);
    if (json_array_size(json_object_get(action, "httpHeaders")))
        json_object_set_new(made, "headers",
                            headers_of(conversion, path_join(conversion, path, "httpHeaders"),
                                       json_object_get(action, "httpHeaders")));
    return made;
}

static json_t *tcp_of(struct conversion *conversion, const char *path, json_t *action)
{
    static const struct rule rules[] = {{"port", NULL, NULL, ""}, {"host", NULL, NULL, ""}};
    json_t *made = json_object();
    convert_object(conversion, path, action, RULES(rules));
    refuse_host(conversion, path, action);
    set_if_given(made, "port", action);
    return made;
}

static json_t *exec_of(struct conversion *conversion, const char *path, json_t *action)
{
    static const struct rule rules[] = {{"command", NULL, NULL, ""}};
    json_t *made = json_object();
    convert_object(conversion, path, action, RULES(rules));
    set_if_given(made, "command", action);
    return made;
}

static void set_seconds(struct conversion *conversion, json_t *made, const char *ours,
                        const char *path, const json_t *probe, const char *theirs)
{
    const json_t *value = json_object_get(probe, theirs);
    /* 0 is their default, as left out */
    if (value && want_integer(conversion, path_join(conversion, path, theirs), value) &&
        json_integer_value(value))
        json_object_set_new(made, ours, seconds(json_integer_value(value)));
}

void convert_probe(struct conversion *conversion, const char *ours, const char *path, json_t *value)
{
    static const struct rule rules[] = {
        {"httpGet", NULL, NULL, ""},
        {"tcpSocket", NULL, NULL, ""},
        {"exec", NULL, NULL, ""},
        {"initialDelaySeconds", NULL, NULL, ""},
        {"periodSeconds", NULL, NULL, ""},
        {"timeoutSeconds", NULL, NULL, ""},
        {"successThreshold", NULL, NULL, ""},
        {"failureThreshold", NULL, NULL, ""},
        {"grpc", NULL, NULL, "gRPC probes are not built yet"},
        {"terminationGracePeriodSeconds", NULL, NULL, "stopGracePeriod is one for all"}};
    static const struct {
        const char *theirs, *ours;
        json_t *(*make)(struct conversion *conversion, const char *path, json_t *action);
    } actions[] = {
        {"httpGet", "http", http_of}, {"tcpSocket", "tcp", tcp_of}, {"exec", "exec", exec_of}};
    json_t *made = json_object();
    convert_object(conversion, path, value, RULES(rules));
    for (size_t i = 0; i < 3; i++) {
        json_t *action = json_object_get(value, actions[i].theirs);
        if (action && !json_is_null(action))
            json_object_set_new(made, actions[i].ours,
                                actions[i].make(conversion,
                                                path_join(conversion, path, actions[i].theirs),
                                                action));
    }
    bool acts = json_object_size(made) > 0;
    set_seconds(conversion, made, "initialDelay", path, value, "initialDelaySeconds");
    set_seconds(conversion, made, "interval", path, value, "periodSeconds");
    set_seconds(conversion, made, "timeout", path, value, "timeoutSeconds");
    set_if_given(made, "successThreshold", value);
    set_if_given(made, "failureThreshold", value);
    if (acts)
        put(conversion, ours, made, path);
    else
        json_decref(made); /* its action was refused */
}
