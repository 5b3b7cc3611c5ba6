/* v1 Service. Its selector must name the containers of one deployment among the same files; each of
 * its ports becomes a service. */
#include "kubernetes_impl.h"

#include "output.h"

#include <string.h>

/* -- whom it selects -- */

static bool selects(const json_t *selector, const json_t *labels)
{
    const char *key;
    json_t *wanted;
    json_object_foreach((json_t *)selector, key, wanted)
    {
        if (!json_equal(json_object_get(labels, key), wanted))
            return false;
    }
    return json_object_size(selector) > 0;
}

static const char *selected(struct conversion *conversion, const json_t *selector, size_t *count)
{
    const char *name, *found = NULL;
    *count = 0;
    for (size_t i = 0; i < conversion->document_count; i++) {
        const json_t *labels = kubernetes_labels(&conversion->documents[i], &name);
        if (!labels || !selects(selector, labels))
            continue;
        (*count)++;
        found = name;
    }
    return found;
}

static void to_deployment(struct conversion *conversion, const char *path, json_t *value)
{
    size_t count;
    if (!want_object(conversion, path, value))
        return;
    const char *name = selected(conversion, value, &count);
    if (count == 1)
        put(conversion, "deployment", json_string(name), path);
    else if (count)
        wrong(conversion, path, "selects the containers of %zu deployments; here it is one", count);
    else
        wrong(conversion, path,
              "no Deployment in these files has containers with these labels: give "
              "its file as well");
}

/* -- where it listens -- */

static const char *type_of(const struct conversion *conversion)
{
    const char *type = member_text(conversion->document->value, "spec.type");
    return *type ? type : "ClusterIP";
}

static void to_listen(struct conversion *conversion, const char *path, const json_t *port)
{
    const char *type = type_of(conversion);
    long long number = member_int(port, "port"), node_port = member_int(port, "nodePort");
    if (!number) {
        wrong(conversion, path, "port is missing");
    } else if (strcmp(type, "NodePort") == 0) {
        if (node_port)
            put(conversion, "listen", json_sprintf("0.0.0.0:%lld", node_port), path);
        else
            wrong(conversion, path, "give nodePort: ports are not chosen by themselves here");
    } else if (strcmp(type, "LoadBalancer") == 0) {
        put(conversion, "listen", json_sprintf("0.0.0.0:%lld", number), path);
    } else {
        put(conversion, "listen", json_sprintf("127.0.0.1:%lld", number), path);
        note(conversion, path,
             "a ClusterIP becomes 127.0.0.1:%lld on every node; there is no name for it inside "
             "containers",
             number);
    }
}

static void to_target(struct conversion *conversion, const char *path, const json_t *port)
{
    const json_t *target = json_object_get(port, "targetPort");
    if (!target || json_is_null(target))
        target = json_object_get(port, "port");
    put(conversion, "targetPort", json_incref((json_t *)target),
        json_object_get(port, "targetPort") ? path_join(conversion, path, "targetPort") : path);
}

static void to_protocol(struct conversion *conversion, const char *path, const json_t *port)
{
    const char *protocol = member_text(port, "protocol");
    const char *at = path_join(conversion, path, "protocol");
    put(conversion, "protocol", json_string(strcmp(protocol, "UDP") == 0 ? "udp" : "tcp"), at);
    if (*protocol && strcmp(protocol, "TCP") != 0 && strcmp(protocol, "UDP") != 0)
        refuse(conversion, at, "only TCP and UDP are known");
}

static void convert_port(struct conversion *conversion, const char *path, json_t *port)
{
    static const struct rule rules[] = {
        {"name", NULL, NULL, ""},
        {"port", NULL, NULL, ""},
        {"targetPort", NULL, NULL, ""},
        {"nodePort", NULL, NULL, ""},
        {"protocol", NULL, NULL, ""},
        {"appProtocol", NULL, NULL, "set protocol: http after converting, where that is meant"}};
    convert_object(conversion, path, port, RULES(rules));
    if (!json_is_object(port))
        return;
    to_listen(conversion, path, port);
    to_target(conversion, path, port);
    to_protocol(conversion, path, port);
}

/* -- the service -- */

static const struct rule spec_rules[] = {
    {"selector", to_deployment, NULL, NULL},
    {"ports", NULL, NULL, ""}, /* one service each, see convert_service */
    {"type", NULL, NULL, ""},
    {"clusterIP", NULL, "\"\"", "there are no cluster addresses here; remove it"},
    {"clusterIPs", NULL, "[]", "there are no cluster addresses here; remove it"},
    {"externalIPs", NULL, "[]", NULL},
    {"externalName", NULL, NULL, NULL},
    {"externalTrafficPolicy", NULL, "\"Cluster\"",
     "every listener sends to every node's containers"},
    {"internalTrafficPolicy", NULL, "\"Cluster\"",
     "every listener sends to every node's containers"},
    {"ipFamilies", NULL, "[\"IPv4\"]", NULL},
    {"ipFamilyPolicy", NULL, "\"SingleStack\"", NULL},
    {"sessionAffinity", NULL, "\"None\"", "a balancer by source address is a plugin: set balancer"},
    {"sessionAffinityConfig", NULL, NULL, NULL},
    {"allocateLoadBalancerNodePorts", NULL, "false", NULL},
    {"loadBalancerClass", NULL, NULL, NULL},
    {"loadBalancerIP", NULL, NULL, NULL},
    {"loadBalancerSourceRanges", NULL, "[]", "who may connect is the firewall's business"},
    {"publishNotReadyAddresses", NULL, "false", "only ready containers get traffic"},
    {"healthCheckNodePort", NULL, NULL, NULL},
};

static void convert_spec(struct conversion *conversion, const char *path, json_t *value)
{
    static const char *const types[] = {"ClusterIP", "NodePort", "LoadBalancer"};
    const char *type = type_of(conversion);
    bool known = false;
    for (size_t i = 0; i < 3; i++)
        known = known || strcmp(types[i], type) == 0;
    convert_object(conversion, path, value, RULES(spec_rules));
    if (!known)
        wrong(conversion, path_join(conversion, path, "type"),
              "%.40s has no counterpart here: ClusterIP, NodePort and LoadBalancer have", type);
    if (!json_object_get(value, "selector"))
        wrong(conversion, path, "has no selector: here a service belongs to a deployment");
}

static void name_it(struct conversion *conversion, const char *path, json_t *value)
{
    put(conversion, "name", json_incref(value), path);
}

static const struct rule metadata_rules[] = {
    {"name", name_it, NULL, NULL},
    {"namespace", NULL, "\"default\"", "there is one namespace"},
    {"labels", NULL, "{}", "services have no labels here"},
    {"annotations", NULL, "{}", "services have no annotations here"},
    {"creationTimestamp", NULL, NULL, ""},
    {"managedFields", NULL, NULL, ""},
    {"resourceVersion", NULL, NULL, ""},
    {"uid", NULL, NULL, ""},
};

static void convert_metadata(struct conversion *conversion, const char *path, json_t *value)
{
    convert_object(conversion, path, value, RULES(metadata_rules));
}

static const struct rule root_rules[] = {
    {"apiVersion", NULL, NULL, ""},
    {"kind", NULL, NULL, ""},
    {"metadata", convert_metadata, NULL, NULL},
    {"spec", convert_spec, NULL, NULL},
    {"status", NULL, NULL, ""},
};

/* Several ports have names in Kubernetes; the services are told apart by them. */
static void convert_one(struct conversion *conversion, const char *name, const char *path,
                        json_t *port, bool alone)
{
    const char *of_port = member_text(port, "name");
    if (!alone && !*of_port)
        wrong(conversion, path, "needs a name, since there are several ports");
    if (!alone)
        put(conversion, "name", json_sprintf("%s-%s", name, of_port), path);
    convert_port(conversion, path, port);
}

void convert_service(struct conversion *conversion,
                     void (*take)(struct conversion *conversion, void *user), void *user)
{
    const struct document *document = conversion->document;
    json_t *root = document->value, *spec = json_object_get(root, "spec");
    const json_t *ports = json_object_get(spec, "ports");
    size_t i;
    json_t *port;
    const char *path =
        path_join(conversion, path_join(conversion, document->path, "spec"), "ports");
    convert_object(conversion, document->path, root, RULES(root_rules));
    const char *name = arena_strdup(conversion->arena, member_text(conversion->out, "name"));
    if (!json_array_size(ports))
        wrong(conversion, path, "is missing: a service needs a port");
    json_array_foreach(ports, i, port)
    {
        convert_one(conversion, name, path_item(conversion, path, i), port,
                    json_array_size(ports) == 1);
        if (!document->faults.count)
            take(conversion, user);
    }
}
