/* The one container of a pod: image, process, ports, resources, probes, security. */
#include "kubernetes_impl.h"

#include "container/template.h"
#include "output.h"

#include <stdio.h>
#include <string.h>

/* -- image -- */

static bool has_tag(const char *image)
{
    const char *slash = strrchr(image, '/');
    return strpbrk(slash ? slash : image, ":@") != NULL;
}

/* No tag means latest, which is pulled always; any other only where it is missing. */
static void to_image(struct conversion *conversion, const char *path, json_t *value)
{
    if (!want_string(conversion, path, value))
        return;
    const char *image = json_string_value(value), *colon = strrchr(image, ':');
    bool latest = !has_tag(image) || (text_equal(colon, ":latest") && !strchr(image, '@'));
    put(conversion, "image", json_sprintf("%s%s", image, has_tag(image) ? "" : ":latest"), path);
    if (!member(conversion->out, "imagePull"))
        put(conversion, "imagePull", json_string(latest ? "always" : "missing"), path);
}

static void to_image_pull(struct conversion *conversion, const char *path, json_t *value)
{
    static const char *const words[][2] = {
        {"Always", "always"}, {"IfNotPresent", "missing"}, {"Never", "never"}};
    for (size_t i = 0; i < 3; i++)
        if (text_equal(json_string_value(value), words[i][0])) {
            put(conversion, "imagePull", json_string(words[i][1]), path);
            return;
        }
    wrong(conversion, path, "must be Always, IfNotPresent or Never");
}

/* -- command, args, env: $(NAME) is put in by Kubernetes, and so here -- */

/* "$(NAME)" becomes the variable's value where it is known and stays where it is not; "$$" is "$".
 */
static json_t *expand(const json_t *env, const char *text)
{
    CLEANUP(text_finish) struct text out = {0};
    while (*text) {
        const char *end = text[0] == '$' && text[1] == '(' ? strchr(text, ')') : NULL;
        if (text[0] == '$' && text[1] == '$') {
            text_append_char(&out, '$');
            text += 2;
        } else if (end) {
            char *name = memory_strdup(text + 2);
            name[end - text - 2] = 0;
            const char *value = json_string_value(json_object_get(env, name));
            if (value)
                text_append_string(&out, value);
            else
                text_append(&out, text, (size_t)(end - text) + 1);
            free(name);
            text = end + 1;
        } else {
            text_append_char(&out, *text++);
        }
    }
    return json_string(text_string(&out));
}

static void to_words(struct conversion *conversion, const char *ours, const char *path,
                     const json_t *value)
{
    size_t i;
    json_t *word, *words = json_array();
    if (want_list(conversion, path, value))
        json_array_foreach(value, i,
                           word) if (want_string(conversion, path_item(conversion, path, i), word))
            json_array_append_new(words, expand(conversion->env, json_string_value(word)));
    put(conversion, ours, words, path);
}

static void to_command(struct conversion *conversion, const char *path, json_t *value)
{
    to_words(conversion, "command", path, value);
}

static void to_args(struct conversion *conversion, const char *path, json_t *value)
{
    to_words(conversion, "args", path, value);
}

static const struct rule variable_rules[] = {
    {"name", NULL, NULL, ""}, /* read by to_env */
    {"value", NULL, NULL, ""},
    {"valueFrom", NULL, NULL, "secrets, config maps and fields cannot be values yet"},
};

static void to_env(struct conversion *conversion, const char *path, json_t *value)
{
    size_t i;
    json_t *variable, *env = json_object();
    if (!want_list(conversion, path, value)) {
        json_decref(env);
        return;
    }
    json_array_foreach(value, i, variable)
    {
        const char *inner = path_item(conversion, path, i);
        const char *name = member_text(variable, "name");
        convert_object(conversion, inner, variable, RULES(variable_rules));
        const json_t *given = json_object_get(variable, "value");
        if (given && !json_is_null(given) &&
            !want_string(conversion, path_join(conversion, inner, "value"), given))
            continue;
        if (!*name)
            wrong(conversion, inner, "name is missing");
        else if (!json_object_get(variable, "valueFrom"))
            json_object_set_new(env, name, expand(env, member_text(variable, "value")));
    }
    put(conversion, "env", env, path);
    conversion->env = env;
}

static void to_working_dir(struct conversion *conversion, const char *path, json_t *value)
{
    put(conversion, "workingDir", json_incref(value), path);
}

/* -- ports -- */

static void convert_port(struct conversion *conversion, const char *path, const json_t *port,
                         json_t *ports)
{
    static const struct rule rules[] = {{"name", NULL, NULL, ""},
                                        {"containerPort", NULL, NULL, ""},
                                        {"protocol", NULL, NULL, ""},
                                        {"hostPort", NULL, NULL, ""},
                                        {"hostIP", NULL, NULL, ""}};
    const char *protocol = member_text(port, "protocol"), *address = member_text(port, "hostIP");
    json_t *made = json_object();
    convert_object(conversion, path, (json_t *)port, RULES(rules));
    if (json_object_get(port, "name"))
        json_object_set(made, "name", json_object_get(port, "name"));
    json_object_set(made, "containerPort", json_object_get(port, "containerPort"));
    if (strcmp(protocol, "UDP") == 0)
        json_object_set_new(made, "protocol", json_string("udp"));
    else if (*protocol && strcmp(protocol, "TCP") != 0)
        refuse(conversion, path_join(conversion, path, "protocol"), "only TCP and UDP are known");
    if (json_integer_value(json_object_get(port, "hostPort"))) {
        json_object_set(made, "hostPort", json_object_get(port, "hostPort"));
        json_object_set_new(made, "hostAddress", json_string(*address ? address : "0.0.0.0"));
    }
    json_array_append_new(ports, made);
}

static void to_ports(struct conversion *conversion, const char *path, json_t *value)
{
    size_t i;
    json_t *port, *ports = json_array();
    if (want_list(conversion, path, value))
        json_array_foreach(value, i, port)
        {
            const char *inner = path_item(conversion, path, i);
            if (want_object(conversion, inner, port))
                convert_port(conversion, inner, port, ports);
            place(conversion, arena_format(conversion->arena, "ports[%zu]", i), inner);
        }
    put(conversion, "ports", ports, path);
}

/* -- resources -- */

/* In thousandths of a core, or bytes; -1: not given. Wrong ones are told. */
static long long quantity(struct conversion *conversion, const char *path, const json_t *of,
                          const char *name)
{
    long long number;
    const json_t *value = json_object_get(of, name);
    if (!value || json_is_null(value))
        return -1;
    char *dump = json_is_string(value)
                     ? memory_strdup(json_string_value(value))
                     : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
    bool fine = quantity_parse(dump, strcmp(name, "cpu") == 0 ? 3 : 0, &number);
    if (!fine)
        wrong(conversion, path_join(conversion, path, name), "\"%.40s\" is no quantity", dump);
    free(dump);
    return fine ? number : -1;
}

static void refuse_other_resources(struct conversion *conversion, const char *path,
                                   const json_t *of)
{
    static const struct rule rules[] = {
        {"cpu", NULL, NULL, ""},
        {"memory", NULL, NULL, ""},
        {"ephemeral-storage", NULL, NULL, "disk space is neither reserved nor limited here"}};
    if (of)
        convert_object(conversion, path, (json_t *)of, RULES(rules));
}

/* A limit alone is the request as well; a request alone is no limit. */
static void to_resources(struct conversion *conversion, const char *path, json_t *value)
{
    static const struct rule rules[] = {{"requests", NULL, NULL, ""},
                                        {"limits", NULL, NULL, ""},
                                        {"claims", NULL, "[]", "devices cannot be claimed here"}};
    convert_object(conversion, path, value, RULES(rules));
    const json_t *requests = json_object_get(value, "requests");
    const json_t *limits = json_object_get(value, "limits");
    const char *of_requests = path_join(conversion, path, "requests");
    const char *of_limits = path_join(conversion, path, "limits");
    refuse_other_resources(conversion, of_requests, requests);
    refuse_other_resources(conversion, of_limits, limits);
    long long cpu = quantity(conversion, of_requests, requests, "cpu");
    long long cpu_limit = quantity(conversion, of_limits, limits, "cpu");
    long long memory = quantity(conversion, of_requests, requests, "memory");
    long long memory_limit = quantity(conversion, of_limits, limits, "memory");
    cpu = cpu < 0 ? cpu_limit : cpu;
    memory = memory < 0 ? memory_limit : memory;
    if (cpu >= 0)
        put(conversion, "resources.cpu", json_sprintf("%lldm", cpu), of_requests);
    if (cpu_limit >= 0)
        put(conversion, "resources.cpuLimit", json_sprintf("%lldm", cpu_limit), of_limits);
    if (memory >= 0)
        put(conversion, "resources.memory", json_integer(memory), of_requests);
    if (memory_limit >= 0)
        put(conversion, "resources.memoryLimit", json_integer(memory_limit), of_limits);
    else if (memory >= 0)
        put(conversion, "resources.memoryLimit", json_string("none"), of_requests);
}

/* -- probes -- */

static void to_startup(struct conversion *conversion, const char *path, json_t *value)
{
    convert_probe(conversion, "startupProbe", path, value);
}

static void to_liveness(struct conversion *conversion, const char *path, json_t *value)
{
    convert_probe(conversion, "livenessProbe", path, value);
}

static void to_readiness(struct conversion *conversion, const char *path, json_t *value)
{
    convert_probe(conversion, "readinessProbe", path, value);
}

/* -- security -- */

void convert_user(struct conversion *conversion, const char *path, const json_t *context)
{
    const json_t *user = json_object_get(context, "runAsUser");
    const json_t *group = json_object_get(context, "runAsGroup");
    if (json_is_integer(user) && json_is_integer(group))
        put(conversion, "security.user",
            json_sprintf("%lld:%lld", (long long)json_integer_value(user),
                         (long long)json_integer_value(group)),
            path_join(conversion, path, "runAsUser"));
    else if (json_is_integer(user))
        put(conversion, "security.user", json_sprintf("%lld", (long long)json_integer_value(user)),
            path_join(conversion, path, "runAsUser"));
    else if (group)
        refuse(conversion, path_join(conversion, path, "runAsGroup"), "a group needs runAsUser");
}

static void to_read_only(struct conversion *conversion, const char *path, json_t *value)
{
    put(conversion, "security.readOnlyRoot", json_incref(value), path);
}

static void to_added(struct conversion *conversion, const char *path, json_t *value)
{
    put(conversion, "security.capabilities.add", json_incref(value), path);
}

/* ALL is every capability that a container has by default; others are never there. */
static void to_dropped(struct conversion *conversion, const char *path, json_t *value)
{
    const struct container_template plain = {0};
    const char *names[48];
    size_t i, count = template_capabilities(&plain, names);
    json_t *word, *dropped = json_array();
    json_array_foreach(value, i, word)
    {
        if (!text_equal(json_string_value(word), "ALL"))
            json_array_append(dropped, word);
        for (size_t j = 0; text_equal(json_string_value(word), "ALL") && j < count; j++)
            json_array_append_new(dropped, json_string(names[j]));
    }
    put(conversion, "security.capabilities.drop", dropped, path);
}

static void to_capabilities(struct conversion *conversion, const char *path, json_t *value)
{
    static const struct rule rules[] = {{"add", to_added, NULL, NULL},
                                        {"drop", to_dropped, NULL, NULL}};
    convert_object(conversion, path, value, RULES(rules));
}

static void to_security(struct conversion *conversion, const char *path, json_t *value)
{
    static const struct rule rules[] = {
        {"runAsUser", NULL, NULL, ""},
        {"runAsGroup", NULL, NULL, ""},
        {"runAsNonRoot", NULL, "false", "give runAsUser: who runs is not checked when it starts"},
        {"readOnlyRootFilesystem", to_read_only, NULL, NULL},
        {"capabilities", to_capabilities, NULL, NULL},
        {"allowPrivilegeEscalation", NULL, "false", "there are never new privileges here"},
        {"privileged", NULL, "false", "there is no privileged mode here"},
        {"seccompProfile", NULL, "{\"type\": \"RuntimeDefault\"}",
         "only the engine's own profile (RuntimeDefault) is used here"},
        {"procMount", NULL, "\"Default\"", NULL},
    };
    if (!want_object(conversion, path, value))
        return;
    json_t *kept = json_copy(value);
    if (json_integer_value(json_object_get(value, "runAsUser")) > 0)
        json_object_del(kept, "runAsNonRoot"); /* it holds */
    convert_object(conversion, path, kept, RULES(rules));
    json_decref(kept);
    convert_user(conversion, path, value);
}

/* -- the container -- */

#define VOLUMES "volumes and mounts are not built yet"
#define DRAINS                                                                                     \
    "a container has left every endpoint table and its connections have drained before it is "     \
    "asked to stop: no hook is needed for that"
static const struct rule container_rules[] = {
    {"name", NULL, NULL, ""}, /* only tells several apart */
    {"image", to_image, NULL, NULL},
    {"imagePullPolicy", to_image_pull, NULL, NULL},
    {"command", to_command, NULL, NULL},
    {"args", to_args, NULL, NULL},
    {"workingDir", to_working_dir, NULL, NULL},
    {"env", NULL, NULL, ""}, /* first of all, see convert_container */
    {"envFrom", NULL, "[]", "secrets and config maps are not built yet"},
    {"ports", to_ports, NULL, NULL},
    {"resources", to_resources, NULL, NULL},
    {"startupProbe", to_startup, NULL, NULL},
    {"livenessProbe", to_liveness, NULL, NULL},
    {"readinessProbe", to_readiness, NULL, NULL},
    {"securityContext", to_security, NULL, NULL},
    {"lifecycle", NULL, "{}", DRAINS},
    {"volumeMounts", NULL, "[]", VOLUMES},
    {"volumeDevices", NULL, "[]", VOLUMES},
    {"stdin", NULL, "false", "a replica has no standard input"},
    {"stdinOnce", NULL, "false", "a replica has no standard input"},
    {"tty", NULL, "false", "a replica has no terminal"},
    {"terminationMessagePath", NULL, "\"/dev/termination-log\"",
     "the last lines of its output are kept"},
    {"terminationMessagePolicy", NULL, "\"File\"", "the last lines of its output are kept"},
    {"resizePolicy", NULL, "[]", NULL},
    {"restartPolicy", NULL, NULL, "a replica is one container"},
};

void convert_container(struct conversion *conversion, const char *path, json_t *value)
{
    json_t *env = json_object_get(value, "env");
    if (env && !json_is_null(env))
        to_env(conversion, path_join(conversion, path, "env"), env);
    convert_object(conversion, path, value, RULES(container_rules));
}
