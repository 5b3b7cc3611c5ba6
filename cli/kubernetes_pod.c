/* spec.template.spec: what is around the one container. */
#include "kubernetes_impl.h"

#include "output.h"

#include <string.h>

static void convert_containers(struct conversion *conversion, const char *path, json_t *value)
{
    if (!want_list(conversion, path, value))
        return;
    if (json_array_size(value) != 1) {
        wrong(conversion, path, "has %zu containers; here a replica is exactly one",
              json_array_size(value));
        return;
    }
    convert_container(conversion, path_item(conversion, path, 0), json_array_get(value, 0));
}

static void to_grace(struct conversion *conversion, const char *path, json_t *value)
{
    if (want_integer(conversion, path, value))
        put(conversion, "stopGracePeriod", seconds(json_integer_value(value)), path);
}

/* Every pair a constraint; that a node is Linux is so anyway. */
static void to_constraints(struct conversion *conversion, const char *path, json_t *value)
{
    const char *key;
    json_t *wanted, *constraints = json_array();
    if (!want_object(conversion, path, value)) {
        json_decref(constraints);
        return;
    }
    json_object_foreach(value, key, wanted)
    {
        bool linux_label =
            strcmp(key, "kubernetes.io/os") == 0 && text_equal(json_string_value(wanted), "linux");
        if (!linux_label)
            json_array_append_new(constraints, json_pack("{s:s, s:s, s:[O]}", "label", key, "op",
                                                         "in", "values", wanted));
    }
    if (json_array_size(constraints))
        put(conversion, "placement.constraints", constraints, path);
    else
        json_decref(constraints);
}

static const struct rule pod_security_rules[] = {
    {"runAsUser", NULL, NULL, ""}, /* both are read by convert_user */
    {"runAsGroup", NULL, NULL, ""},
    {"runAsNonRoot", NULL, "false", "give runAsUser: who runs is not checked when it starts"},
    {"seccompProfile", NULL, "{\"type\": \"RuntimeDefault\"}",
     "only the engine's own profile (RuntimeDefault) is used here"},
    {"fsGroup", NULL, NULL, "there are no volumes to own"},
    {"supplementalGroups", NULL, NULL, "only one group can be given"},
};

/* With a user that is not root, runAsNonRoot holds. */
static json_t *without_kept_promise(json_t *context)
{
    json_t *kept = json_copy(context);
    if (json_integer_value(json_object_get(context, "runAsUser")) > 0)
        json_object_del(kept, "runAsNonRoot");
    return kept;
}

static void convert_pod_security(struct conversion *conversion, const char *path, json_t *value)
{
    if (!want_object(conversion, path, value))
        return;
    json_t *kept = without_kept_promise(value);
    convert_object(conversion, path, kept, RULES(pod_security_rules));
    json_decref(kept);
    if (!member(conversion->out, "security.user"))
        convert_user(conversion, path, value);
}

#define VOLUMES "volumes and mounts are not built yet"
#define HOST "a container never shares the host's namespaces"
static const struct rule pod_rules[] = {
    {"containers", convert_containers, NULL, NULL},
    {"terminationGracePeriodSeconds", to_grace, NULL, NULL},
    {"nodeSelector", to_constraints, NULL, NULL},
    {"securityContext", convert_pod_security, NULL, NULL},
    {"restartPolicy", NULL, "\"Always\"", "only Always fits a deployment"},
    {"dnsPolicy", NULL, "\"ClusterFirst\"", "containers take the engine's resolver"},
    {"schedulerName", NULL, "\"default-scheduler\"", "set placement.scheduler after converting"},
    {"serviceAccountName", NULL, "\"default\"", "containers get no credentials of the cluster"},
    {"serviceAccount", NULL, "\"default\"", "containers get no credentials of the cluster"},
    {"automountServiceAccountToken", NULL, "false", "containers get no credentials of the cluster"},
    {"enableServiceLinks", NULL, "false", "no variables are made from services here"},
    {"hostNetwork", NULL, "false", HOST},
    {"hostPID", NULL, "false", HOST},
    {"hostIPC", NULL, "false", HOST},
    {"shareProcessNamespace", NULL, "false", "a replica is one container"},
    {"volumes", NULL, "[]", VOLUMES},
    {"initContainers", NULL, "[]", "init containers are not built yet"},
    {"ephemeralContainers", NULL, "[]", "a replica is one container"},
    {"affinity", NULL, "{}", "say it with placement.constraints and placement.maxPerNode"},
    {"tolerations", NULL, "[]", "nodes have no taints here"},
    {"topologySpreadConstraints", NULL, "[]", "say it with placement.maxPerNode"},
    {"imagePullSecrets", NULL, "[]", "registries' credentials are the server's business"},
    {"hostAliases", NULL, "[]", NULL},
    {"hostname", NULL, NULL, "a container's name is its id"},
    {"subdomain", NULL, NULL, NULL},
    {"nodeName", NULL, NULL, "say it with placement.constraints"},
    {"priorityClassName", NULL, NULL, "there are no priorities yet"},
    {"priority", NULL, NULL, "there are no priorities yet"},
    {"preemptionPolicy", NULL, NULL, "there are no priorities yet"},
    {"runtimeClassName", NULL, NULL, "the runtime is the node's"},
    {"activeDeadlineSeconds", NULL, NULL, NULL},
    {"dnsConfig", NULL, NULL, "containers take the engine's resolver"},
    {"overhead", NULL, NULL, NULL},
    {"readinessGates", NULL, "[]", NULL},
};

void convert_pod(struct conversion *conversion, const char *path, json_t *value)
{
    put(conversion, "stopGracePeriod", seconds(30), path);
    convert_object(conversion, path, value, RULES(pod_rules));
}
