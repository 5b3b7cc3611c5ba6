#include "container/template.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const image_pull_words[] = {"missing", "always", "never", NULL};
static const char *const protocol_words[] = {"tcp", "udp", NULL};
static const char *const restart_words[] = {"always", "on-failure", "never", NULL};

#define AT(member) offsetof(struct container_port, member)
static const struct field port_fields[] = {
    {.name = "name",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = AT(name),
     .check = schema_check_name,
     .doc = "How probes and services refer to it; unique within the deployment."},
    {.name = "containerPort",
     .kind = FIELD_INT,
     .flags = FIELD_REQUIRED,
     .offset = AT(number),
     .min = 1,
     .max = 65535,
     .doc = "The port that the process listens on."},
    {.name = "protocol",
     .kind = FIELD_ENUM,
     .offset = AT(protocol),
     .words = protocol_words,
     .initial = "\"tcp\"",
     .doc = "tcp or udp."},
    {.name = "hostPort",
     .kind = FIELD_INT,
     .flags = FIELD_NULLABLE,
     .offset = AT(host_port),
     .min = 1,
     .max = 65535,
     .initial = "null",
     .doc = "Published on the node under this number; one container a node."},
    {.name = "hostAddress",
     .kind = FIELD_STRING,
     .offset = AT(host_address),
     .initial = "\"127.0.0.1\"",
     .max = 45,
     .doc = "The node's address that hostPort is bound to."},
};
#undef AT
const struct type container_port_type = {.name = "ContainerPort",
                                         .size = sizeof(struct container_port),
                                         TYPE_FIELDS(port_fields),
                                         .doc = "A port of a container."};

#define AT(member) offsetof(struct resources, member)
static const struct field resources_fields[] = {
    {.name = "cpu",
     .kind = FIELD_CPU,
     .offset = AT(cpu_millis),
     .min = 0,
     .max = 1000000000,
     .doc = "Reserved on the node, and the weight under contention; never a cap."},
    {.name = "memory",
     .kind = FIELD_MEMORY,
     .offset = AT(memory_bytes),
     .min = 0,
     .max = INT64_C(1) << 52,
     .doc = "Reserved on the node."},
    {.name = "cpuLimit",
     .kind = FIELD_CPU,
     .flags = FIELD_NULLABLE,
     .offset = AT(cpu_limit_millis),
     .min = 10,
     .max = 1000000000,
     .initial = "null",
     .doc = "The cap; null: none."},
    {.name = "memoryLimit",
     .kind = FIELD_MEMORY,
     .flags = FIELD_NULLABLE | FIELD_ALLOW_NONE,
     .offset = AT(memory_limit_bytes),
     .min = 6 * 1024 * 1024,
     .max = INT64_C(1) << 52,
     .initial = "null",
     .doc = "Hard limit; null: as memory, none where that is left out; \"none\": none."},
    {.name = "pidsLimit",
     .kind = FIELD_INT,
     .offset = AT(pids_limit),
     .min = 1,
     .max = 4194304,
     .initial = "512",
     .doc = "The most processes and threads."},
};
#undef AT
const struct type resources_type = {.name = "Resources",
                                    .size = sizeof(struct resources),
                                    TYPE_FIELDS(resources_fields),
                                    .doc = "What a container reserves and may use."};

/* capabilities(7), without the prefix. */
static const char *const known_capabilities[] = {
    "AUDIT_CONTROL",   "AUDIT_READ",   "AUDIT_WRITE",
    "BLOCK_SUSPEND",   "BPF",          "CHECKPOINT_RESTORE",
    "CHOWN",           "DAC_OVERRIDE", "DAC_READ_SEARCH",
    "FOWNER",          "FSETID",       "IPC_LOCK",
    "IPC_OWNER",       "KILL",         "LEASE",
    "LINUX_IMMUTABLE", "MAC_ADMIN",    "MAC_OVERRIDE",
    "MKNOD",           "NET_ADMIN",    "NET_BIND_SERVICE",
    "NET_BROADCAST",   "NET_RAW",      "PERFMON",
    "SETFCAP",         "SETGID",       "SETPCAP",
    "SETUID",          "SYSLOG",       "SYS_ADMIN",
    "SYS_BOOT",        "SYS_CHROOT",   "SYS_MODULE",
    "SYS_NICE",        "SYS_PACCT",    "SYS_PTRACE",
    "SYS_RAWIO",       "SYS_RESOURCE", "SYS_TIME",
    "SYS_TTY_CONFIG",  "WAKE_ALARM"};
static const char *const default_capabilities[] = {"CHOWN",  "DAC_OVERRIDE", "FOWNER",
                                                   "FSETID", "KILL",         "SETGID",
                                                   "SETUID", "SETPCAP",      "NET_BIND_SERVICE"};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char every_capability[] = "ALL"; /* of those to be dropped */

static const char *capability_known(const char *name)
{
    for (size_t i = 0; i < COUNT(known_capabilities); i++)
        if (strcmp(known_capabilities[i], name) == 0)
            return known_capabilities[i];
    return NULL;
}

static bool judge_capabilities(const struct list *names, bool all, char *message, size_t bytes)
{
    for (uint32_t i = 0; i < names->count; i++) {
        const char *name = *LIST_AT(*names, const char *, i);
        if (capability_known(name) || (all && strcmp(name, every_capability) == 0))
            continue;
        const char *near = text_nearest(name, known_capabilities, COUNT(known_capabilities));
        snprintf(message, bytes,
                 "\"%.40s\" is no capability (written without CAP_, upper case)%s%s%s", name,
                 near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
        return false;
    }
    return true;
}

static bool check_capabilities(const void *value, char *message, size_t bytes)
{
    return judge_capabilities(value, false, message, bytes);
}

static bool check_dropped(const void *value, char *message, size_t bytes)
{
    return judge_capabilities(value, true, message, bytes);
}

static const struct field capabilities_fields[] = {
    {.name = "add",
     .kind = FIELD_STRINGS,
     .offset = offsetof(struct capabilities, add),
     .max = 48,
     .check = check_capabilities,
     .doc = "Beyond the default set; only what runtime.allowCapabilities names."},
    {.name = "drop",
     .kind = FIELD_STRINGS,
     .offset = offsetof(struct capabilities, drop),
     .max = 48,
     .check = check_dropped,
     .doc = "Taken from the default set; ALL takes all of them."},
};
static const struct type capabilities_type = {.name = "Capabilities",
                                              .size = sizeof(struct capabilities),
                                              TYPE_FIELDS(capabilities_fields),
                                              .doc = "Linux capabilities."};
static const struct field security_fields[] = {
    {.name = "user",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = offsetof(struct security, user),
     .max = 128,
     .doc = "user[:group], names or numbers; null: the image's."},
    {.name = "readOnlyRoot",
     .kind = FIELD_BOOL,
     .offset = offsetof(struct security, read_only_root),
     .doc = "Mount the root filesystem read-only."},
    {.name = "capabilities",
     .kind = FIELD_OBJECT,
     .offset = offsetof(struct security, capabilities),
     .object = &capabilities_type,
     .doc = "Changes to the default set of capabilities."},
};
static const struct type security_type = {.name = "Security",
                                          .size = sizeof(struct security),
                                          TYPE_FIELDS(security_fields),
                                          .doc = "What a container may do."};

static const struct field probe_http_fields[] = {
    {.name = "port",
     .kind = FIELD_PORT_REF,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct probe_http, port),
     .doc = "A number, or the name of one of the ports."},
    {.name = "path",
     .kind = FIELD_STRING,
     .offset = offsetof(struct probe_http, path),
     .max = 1024,
     .initial = "\"/\"",
     .check = schema_check_path,
     .doc = "Path and query, from the slash on."},
    {.name = "headers",
     .kind = FIELD_MAP,
     .offset = offsetof(struct probe_http, headers),
     .max = 32,
     .doc = "Request headers."},
    {.name = "status",
     .kind = FIELD_INT,
     .offset = offsetof(struct probe_http, status),
     .min = 0,
     .max = 599,
     .doc = "The one status that passes; 0: any of 200 to 399."},
};
static const struct type probe_http_type = {
    .name = "HttpProbe",
    .size = sizeof(struct probe_http),
    TYPE_FIELDS(probe_http_fields),
    .doc = "Passes when a GET is answered; redirects are not followed."};
static const struct field probe_tcp_fields[] = {
    {.name = "port",
     .kind = FIELD_PORT_REF,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct probe_tcp, port),
     .doc = "A number, or the name of one of the ports."},
};
static const struct type probe_tcp_type = {.name = "TcpProbe",
                                           .size = sizeof(struct probe_tcp),
                                           TYPE_FIELDS(probe_tcp_fields),
                                           .doc = "Passes when a connection opens."};
static const struct field probe_exec_fields[] = {
    {.name = "command",
     .kind = FIELD_STRINGS,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct probe_exec, command),
     .min = 1,
     .max = 64,
     .doc = "Run in the container, no shell."},
};
static const struct type probe_exec_type = {.name = "ExecProbe",
                                            .size = sizeof(struct probe_exec),
                                            TYPE_FIELDS(probe_exec_fields),
                                            .doc = "Passes when it ends with 0."};

static bool check_probe(const void *value, char *message, size_t bytes)
{
    const struct probe *probe = value;
    int kinds = (probe->http != NULL) + (probe->tcp != NULL) + (probe->exec != NULL);
    if (kinds != 1)
        snprintf(message, bytes, "a probe is exactly one of http, tcp and exec, not %s",
                 kinds ? "several" : "none of them");
    return kinds == 1;
}

#define AT(member) offsetof(struct probe, member)
static const struct field probe_fields[] = {
    {.name = "http",
     .kind = FIELD_POINTER,
     .flags = FIELD_NULLABLE,
     .offset = AT(http),
     .object = &probe_http_type,
     .doc = "An HTTP GET."},
    {.name = "tcp",
     .kind = FIELD_POINTER,
     .flags = FIELD_NULLABLE,
     .offset = AT(tcp),
     .object = &probe_tcp_type,
     .doc = "A TCP connect."},
    {.name = "exec",
     .kind = FIELD_POINTER,
     .flags = FIELD_NULLABLE,
     .offset = AT(exec),
     .object = &probe_exec_type,
     .doc = "A command in the container."},
    {.name = "interval",
     .kind = FIELD_DURATION,
     .offset = AT(interval_ns),
     .min = 100000000,
     .max = INT64_C(86400000000000),
     .initial = "\"10s\"",
     .doc = "From one try to the next."},
    {.name = "timeout",
     .kind = FIELD_DURATION,
     .offset = AT(timeout_ns),
     .min = 10000000,
     .max = INT64_C(3600000000000),
     .initial = "\"1s\"",
     .doc = "A try without an answer by then has failed."},
    {.name = "failureThreshold",
     .kind = FIELD_INT,
     .offset = AT(failure_threshold),
     .min = 1,
     .max = 1000,
     .initial = "3",
     .doc = "So many failures in a row and it has failed."},
    {.name = "successThreshold",
     .kind = FIELD_INT,
     .offset = AT(success_threshold),
     .min = 1,
     .max = 1000,
     .initial = "1",
     .doc = "So many successes in a row and it has passed."},
    {.name = "initialDelay",
     .kind = FIELD_DURATION,
     .offset = AT(initial_delay_ns),
     .min = 0,
     .max = INT64_C(86400000000000),
     .initial = "\"0s\"",
     .doc = "From the start to the first try."},
};
#undef AT
const struct type probe_type = {.name = "Probe",
                                .size = sizeof(struct probe),
                                TYPE_FIELDS(probe_fields),
                                .check = check_probe,
                                .doc = "How a container's health is found out."};

#define AT(member) offsetof(struct restart_policy, member)
static const struct field restart_fields[] = {
    {.name = "condition",
     .kind = FIELD_ENUM,
     .offset = AT(condition),
     .words = restart_words,
     .initial = "\"always\"",
     .doc = "When a process that ended is started again."},
    {.name = "backoff",
     .kind = FIELD_DURATION,
     .offset = AT(backoff_ns),
     .min = 1000000,
     .max = INT64_C(3600000000000),
     .initial = "\"500ms\"",
     .doc = "The first wait; it doubles, with jitter."},
    {.name = "maxBackoff",
     .kind = FIELD_DURATION,
     .offset = AT(max_backoff_ns),
     .min = 1000000,
     .max = INT64_C(86400000000000),
     .initial = "\"60s\"",
     .doc = "The longest wait."},
    {.name = "resetAfter",
     .kind = FIELD_DURATION,
     .offset = AT(reset_after_ns),
     .min = 1000000,
     .max = INT64_C(604800000000000),
     .initial = "\"10m\"",
     .doc = "After running so long the wait is forgotten."},
};
#undef AT
static bool check_restart(const void *value, char *message, size_t bytes)
{
    const struct restart_policy *policy = value;
    if (policy->backoff_ns <= policy->max_backoff_ns)
        return true;
    snprintf(message, bytes, "backoff is longer than maxBackoff");
    return false;
}
static const struct type restart_type = {.name = "RestartPolicy",
                                         .size = sizeof(struct restart_policy),
                                         TYPE_FIELDS(restart_fields),
                                         .check = check_restart,
                                         .doc = "What happens when a container's process ends."};

static const char *const signals[] = {"SIGTERM", "SIGINT",  "SIGQUIT", "SIGHUP",
                                      "SIGUSR1", "SIGUSR2", "SIGKILL", "SIGWINCH"};
static bool check_signal(const void *value, char *message, size_t bytes)
{
    const char *name = *(const char *const *)value;
    for (size_t i = 0; name && i < COUNT(signals); i++)
        if (strcmp(signals[i], name) == 0)
            return true;
    snprintf(
        message, bytes,
        "must be one of SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGKILL");
    return false;
}

#define AT(member) offsetof(struct container_template, member)
#define RESERVED(word)                                                                             \
    {                                                                                              \
        .name = (word), .kind = FIELD_JSON, .flags = FIELD_RESERVED, .doc = "Reserved."            \
    }
static const struct field template_fields[] = {
    {.name = "image",
     .kind = FIELD_STRING,
     .flags = FIELD_REQUIRED | FIELD_NEEDED,
     .offset = AT(image),
     .min = 1,
     .max = 512,
     .check = schema_check_image,
     .doc = "With a tag or a digest."},
    {.name = "imagePull",
     .kind = FIELD_ENUM,
     .offset = AT(image_pull),
     .words = image_pull_words,
     .initial = "\"missing\"",
     .doc = "When the image is pulled."},
    {.name = "command",
     .kind = FIELD_STRINGS,
     .offset = AT(command),
     .max = 1000,
     .doc = "In place of the image's entry point."},
    {.name = "args", .kind = FIELD_STRINGS, .offset = AT(args), .max = 1000, .doc = "Arguments."},
    {.name = "workingDir",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = AT(working_dir),
     .max = 4095,
     .check = schema_check_path,
     .doc = "null: the image's."},
    {.name = "env",
     .kind = FIELD_MAP,
     .offset = AT(env),
     .max = 1000,
     .check = schema_check_env_map,
     .doc = "Environment."},
    {.name = "ports",
     .kind = FIELD_OBJECTS,
     .offset = AT(ports),
     .object = &container_port_type,
     .max = 100,
     .doc = "Ports of the container."},
    {.name = "resources",
     .kind = FIELD_OBJECT,
     .offset = AT(resources),
     .object = &resources_type,
     .doc = "What it reserves and may use."},
    {.name = "security",
     .kind = FIELD_OBJECT,
     .offset = AT(security),
     .object = &security_type,
     .doc = "What it may do."},
    {.name = "startupProbe",
     .kind = FIELD_POINTER,
     .flags = FIELD_NULLABLE,
     .offset = AT(startup_probe),
     .object = &probe_type,
     .doc = "The other probes wait until it has passed; failed: restarted."},
    {.name = "livenessProbe",
     .kind = FIELD_POINTER,
     .flags = FIELD_NULLABLE,
     .offset = AT(liveness_probe),
     .object = &probe_type,
     .doc = "Failed: restarted."},
    {.name = "readinessProbe",
     .kind = FIELD_POINTER,
     .flags = FIELD_NULLABLE,
     .offset = AT(readiness_probe),
     .object = &probe_type,
     .doc = "Gets traffic while it passes."},
    {.name = "restartPolicy",
     .kind = FIELD_OBJECT,
     .offset = AT(restart_policy),
     .object = &restart_type,
     .doc = "What happens when the process ends."},
    {.name = "stopSignal",
     .kind = FIELD_STRING,
     .offset = AT(stop_signal),
     .initial = "\"SIGTERM\"",
     .check = check_signal,
     .doc = "Asks the process to end."},
    {.name = "stopGracePeriod",
     .kind = FIELD_DURATION,
     .offset = AT(stop_grace_period_ns),
     .min = 0,
     .max = INT64_C(86400000000000),
     .initial = "\"10s\"",
     .doc = "From the stop signal to the kill."},
    {.name = "containerLabels",
     .kind = FIELD_MAP,
     .offset = AT(container_labels),
     .max = 256,
     .check = schema_check_label_map,
     .doc = "Labels of its containers."},
    {.name = "containerAnnotations",
     .kind = FIELD_MAP,
     .offset = AT(container_annotations),
     .max = 256,
     .doc = "Notes on its containers."},
    RESERVED("mounts"),
    RESERVED("files"),
    RESERVED("sidecars"),
    RESERVED("init"),
    RESERVED("dependsOn"),
};
#undef AT
const struct type container_template_type = {.name = "ContainerTemplate",
                                             .size = sizeof(struct container_template),
                                             TYPE_FIELDS(template_fields),
                                             .doc = "What a container is made from."};

int64_t resources_memory_limit(const struct resources *resources)
{
    if (resources->memory_limit_bytes == NUMBER_NULL)
        return resources->memory_bytes;
    return resources->memory_limit_bytes == NUMBER_NONE ? 0 : resources->memory_limit_bytes;
}

const struct container_port *template_port(const struct container_template *template,
                                           const struct port_ref *ref)
{
    for (uint32_t i = 0; i < template->ports.count; i++) {
        const struct container_port *port = LIST_AT(template->ports, struct container_port, i);
        if (ref->name ? text_equal(ref->name, port->name) : port->number == ref->number)
            return port;
    }
    return NULL;
}

static bool names_contain(const struct list *names, const char *name)
{
    for (uint32_t i = 0; i < names->count; i++) {
        const char *item = *LIST_AT(*names, const char *, i);
        if (strcmp(item, name) == 0 || strcmp(item, every_capability) == 0)
            return true;
    }
    return false;
}

size_t template_capabilities(const struct container_template *template, const char *names[48])
{
    const struct capabilities *wanted = &template->security.capabilities;
    size_t count = 0;
    for (size_t i = 0; i < COUNT(known_capabilities); i++) {
        const char *name = known_capabilities[i];
        bool has = false;
        for (size_t j = 0; j < COUNT(default_capabilities); j++)
            has = has || strcmp(default_capabilities[j], name) == 0;
        if ((has && !names_contain(&wanted->drop, name)) || names_contain(&wanted->add, name))
            names[count++] = name;
    }
    return count;
}

static bool check_probe_port(const struct container_template *template, const char *which,
                             const struct probe *probe, char *message, size_t bytes)
{
    const struct port_ref *ref = !probe        ? NULL
                                 : probe->http ? &probe->http->port
                                 : probe->tcp  ? &probe->tcp->port
                                               : NULL;
    if (!ref || !ref->name || template_port(template, ref))
        return true;
    snprintf(message, bytes, "%s refers to port \"%.63s\", but ports has none of that name", which,
             ref->name);
    return false;
}

static bool check_ports(const struct container_template *template, char *message, size_t bytes)
{
    for (uint32_t i = 0; i < template->ports.count; i++) {
        const struct container_port *a = LIST_AT(template->ports, struct container_port, i);
        for (uint32_t j = 0; j < i; j++) {
            const struct container_port *b = LIST_AT(template->ports, struct container_port, j);
            if (a->name && text_equal(a->name, b->name)) {
                snprintf(message, bytes, "ports[%u].name \"%.63s\" is taken by ports[%u]", i,
                         a->name, j);
                return false;
            }
            if (a->number == b->number && a->protocol == b->protocol) {
                snprintf(message, bytes, "ports[%u] repeats the containerPort of ports[%u]", i, j);
                return false;
            }
            if (a->host_port != NUMBER_NULL && a->host_port == b->host_port &&
                a->protocol == b->protocol) {
                snprintf(message, bytes, "ports[%u] repeats the hostPort of ports[%u]", i, j);
                return false;
            }
        }
    }
    return true;
}

bool template_check(const struct container_template *template, char *message, size_t message_bytes)
{
    return check_ports(template, message, message_bytes) &&
           check_probe_port(template, "startupProbe", template->startup_probe, message,
                            message_bytes) &&
           check_probe_port(template, "livenessProbe", template->liveness_probe, message,
                            message_bytes) &&
           check_probe_port(template, "readinessProbe", template->readiness_probe, message,
                            message_bytes);
}
