/* The settings: one table gives reading, checking, defaults, variables, printing and docs. */
#include "config/impl.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define SECOND INT64_C(1000000000)
#define HOUR (3600 * SECOND)

static const char *const level_words[] = {"debug", "info", "warn", "error", NULL};
static const char *const format_words[] = {"auto", "json", "text", NULL};

/* Long enough not to be guessed, and fit for a header. */
static bool check_key(const void *value, char *message, size_t bytes)
{
    const char *key = *(const char *const *)value;
    if (!*key)
        return true;
    bool fine = strlen(key) >= 16;
    for (const char *p = key; *p; p++)
        fine &= *p > ' ' && *p < 127;
    if (!fine)
        snprintf(message, bytes,
                 "must be empty or at least 16 visible ASCII characters without spaces");
    return fine;
}

static bool check_absolute(const void *value, char *message, size_t bytes)
{
    const char *path = *(const char *const *)value;
    if (!path || !*path || *path == '/')
        return true;
    snprintf(message, bytes, "must be an absolute path");
    return false;
}

enum { STATE_DIR_LENGTH = 400 }; /* plugins and files below it have room left */

static bool check_state_dir(const void *value, char *message, size_t bytes)
{
    const char *path = *(const char *const *)value;
    if (!check_absolute(value, message, bytes))
        return false;
    if (*path && strlen(path) <= STATE_DIR_LENGTH)
        return true;
    snprintf(message, bytes, "must be an absolute path of at most %d bytes", STATE_DIR_LENGTH);
    return false;
}

static bool check_absolute_list(const void *value, char *message, size_t bytes)
{
    const struct list *paths = value;
    for (uint32_t i = 0; i < paths->count; i++)
        if (**LIST_AT(*paths, const char *, i) != '/') {
            snprintf(message, bytes, "must hold absolute paths, not \"%.80s\"",
                     *LIST_AT(*paths, const char *, i));
            return false;
        }
    return true;
}

static bool check_optional_name(const void *value, char *message, size_t bytes)
{
    return !**(const char *const *)value || schema_check_name(value, message, bytes);
}

static bool check_user(const void *value, char *message, size_t bytes)
{
    const char *user = *(const char *const *)value;
    bool fine = *user != 0 && *user != '-';
    for (const char *p = user; *p; p++)
        fine &= isalnum((unsigned char)*p) || strchr("_-.$", *p);
    if (!fine)
        snprintf(message, bytes, "must be the name of a user");
    return fine;
}

#define FIELD(struct_name, member_name, field_name, field_kind, ...)                               \
    {                                                                                              \
        .name = (field_name), .kind = (field_kind),                                                \
        .offset = offsetof(struct struct_name, member_name), __VA_ARGS__                           \
    }

static const struct field log_fields[] = {
    FIELD(config_log, level, "level", FIELD_ENUM, .words = level_words, .initial = "\"info\"",
          .doc = "The least that is logged: debug, info, warn or error."),
    FIELD(config_log, format, "format", FIELD_ENUM, .words = format_words, .initial = "\"auto\"",
          .doc = "json, text, or auto: text on a terminal, else JSON lines."),
};
static const struct type log_type = {
    .name = "Log", .size = sizeof(struct config_log), TYPE_FIELDS(log_fields)};

static const struct field tls_fields[] = {
    FIELD(config_tls, cert_file, "certFile", FIELD_STRING, .flags = FIELD_REQUIRED, .min = 1,
          .max = 4095, .check = check_absolute,
          .doc = "PEM file of the certificate and its chain."),
    FIELD(config_tls, key_file, "keyFile", FIELD_STRING, .flags = FIELD_REQUIRED, .min = 1,
          .max = 4095, .check = check_absolute,
          .doc = "PEM file of the private key; mode 0600, owned by root or the daemon's user."),
};
static const struct type tls_type = {
    .name = "Tls", .size = sizeof(struct config_tls), TYPE_FIELDS(tls_fields)};

static const struct field api_fields[] = {
    FIELD(config_api, listen, "listen", FIELD_STRING, .initial = "\"127.0.0.1:7070\"",
          .check = schema_check_listen,
          .doc = "Address and port of REST and dashboard; off loopback only with api.tls."),
    FIELD(config_api, key, "key", FIELD_STRING, .flags = FIELD_SECRET, .initial = "\"\"",
          .max = 512, .check = check_key,
          .doc = "The administrator's key; empty: made once into <stateDir>/api-key, mode 0600."),
    FIELD(config_api, tls, "tls", FIELD_POINTER, .flags = FIELD_NULLABLE, .object = &tls_type,
          .doc = "Certificate and key: {certFile, keyFile}; null: plain HTTP, loopback only."),
    FIELD(config_api, max_connections, "maxConnections", FIELD_INT, .min = 16, .max = 65536,
          .initial = "4096", .doc = "Connections at a time."),
    FIELD(config_api, max_connections_per_address, "maxConnectionsPerAddress", FIELD_INT, .min = 1,
          .max = 65536, .initial = "256",
          .doc = "Of these, from one address; loopback is not counted."),
    FIELD(config_api, max_watches, "maxWatches", FIELD_INT, .min = 1, .max = 65536,
          .initial = "2000", .doc = "Open event streams at a time."),
    FIELD(config_api, dashboard, "dashboard", FIELD_STRING, .initial = "\"\"", .max = 4095,
          .check = check_absolute,
          .doc = "Folder of the dashboard's files; empty: ../share/orchestrator/dashboard."),
};
static const struct type api_type = {
    .name = "Api", .size = sizeof(struct config_api), TYPE_FIELDS(api_fields)};

static const struct field plugins_fields[] = {
    {.name = "path",
     .kind = FIELD_STRINGS,
     .offset = 0,
     .max = 32,
     .check = check_absolute_list,
     .doc = "Folders searched before ../lib/orchestrator (from the program's real place)."},
};
static const struct type plugins_type = {
    .name = "Plugins", .size = sizeof(struct list), TYPE_FIELDS(plugins_fields)};

#define PLUGIN_FIELDS(struct_name, prefix, standard)                                               \
    FIELD(struct_name, prefix plugin, "plugin", FIELD_STRING, .initial = "\"" standard "\"",       \
          .check = schema_check_name, .doc = "Which plugin."),                                     \
        FIELD(struct_name, prefix config, "config", FIELD_JSON,                                    \
              .doc = "The plugin's own settings, checked against its schema.")

static const struct field store_fields[] = {PLUGIN_FIELDS(config_plugin, , "sqlite")};
static const struct type store_type = {
    .name = "Store", .size = sizeof(struct config_plugin), TYPE_FIELDS(store_fields)};

static const struct field runtime_fields[] = {
    PLUGIN_FIELDS(config_runtime, use., "docker"),
    FIELD(config_runtime, allow_capabilities, "allowCapabilities", FIELD_STRINGS, .max = 64,
          .doc = "What deployments may add by security.capabilities.add, as in [NET_RAW]."),
    FIELD(config_runtime, max_operations, "maxOperations", FIELD_INT, .min = 0, .max = 1024,
          .initial = "0", .doc = "Operations under way at the engine; 0: as its plugin advises."),
};
static const struct type runtime_type = {
    .name = "Runtime", .size = sizeof(struct config_runtime), TYPE_FIELDS(runtime_fields)};

#define CHOICE_FIELDS(word)                                                                        \
    FIELD(config_choice, standard, "default", FIELD_STRING, .initial = "\"" word "\"",             \
          .check = schema_check_name, .doc = "Used where an object names none."),                  \
        FIELD(config_choice, fallback, "fallback", FIELD_STRING, .initial = "\"" word "\"",        \
              .check = schema_check_name, .doc = "Takes over from one that hangs or fails."),      \
        FIELD(config_choice, config, "config", FIELD_JSON,                                         \
              .doc = "Settings by plugin name: {NAME: {...}}.")

static const struct field scheduler_fields[] = {CHOICE_FIELDS("spread")};
static const struct type scheduler_type = {
    .name = "Scheduler", .size = sizeof(struct config_choice), TYPE_FIELDS(scheduler_fields)};
static const struct field balancer_fields[] = {CHOICE_FIELDS("round-robin")};
static const struct type balancer_type = {
    .name = "Balancer", .size = sizeof(struct config_choice), TYPE_FIELDS(balancer_fields)};

static const struct field certificate_fields[] = {
    FIELD(config_certificate, name, "name", FIELD_STRING, .flags = FIELD_REQUIRED,
          .check = schema_check_name, .doc = "What services call it in tls.certificate."),
    FIELD(config_certificate, cert_file, "certFile", FIELD_STRING, .flags = FIELD_REQUIRED,
          .min = 1, .max = 4095, .check = check_absolute,
          .doc = "PEM file of the certificate and those that signed it."),
    FIELD(config_certificate, key_file, "keyFile", FIELD_STRING, .flags = FIELD_REQUIRED, .min = 1,
          .max = 4095, .check = check_absolute,
          .doc = "PEM file of its private key; mode 0600, owned by root or the daemon's user."),
};
static const struct type certificate_type = {.name = "Certificate",
                                             .size = sizeof(struct config_certificate),
                                             TYPE_FIELDS(certificate_fields)};

static const struct field proxy_fields[] = {
    FIELD(config_proxy, workers, "workers", FIELD_INT, .min = 0, .max = 256, .initial = "0",
          .doc = "Threads that carry traffic; 0: one per core."),
    FIELD(config_proxy, linger_ns, "linger", FIELD_DURATION, .min = 0, .max = 168 * HOUR,
          .initial = "\"30m\"",
          .doc = "How long it serves on without a daemon; 0s: it ends with the daemon."),
    FIELD(config_proxy, user, "user", FIELD_STRING, .initial = "\"nobody\"", .min = 1, .max = 32,
          .check = check_user, .doc = "The user it runs as once it is set up, when begun as root."),
    FIELD(config_proxy, certificates, "certificates", FIELD_OBJECTS, .object = &certificate_type,
          .max = 1024,
          .doc = "For services with tls, as [{name, certFile, keyFile}]; read again when they "
                 "change, and on SIGHUP."),
};
static const struct type proxy_type = {
    .name = "Proxy", .size = sizeof(struct config_proxy), TYPE_FIELDS(proxy_fields)};

static const struct field amounts_fields[] = {
    FIELD(config_amounts, cpu_millis, "cpu", FIELD_CPU, .min = 0, .max = 1000000000,
          .initial = "\"100m\"", .doc = "Cores, as in \"500m\" or 2."),
    FIELD(config_amounts, memory_bytes, "memory", FIELD_MEMORY, .min = 0, .max = INT64_C(1) << 50,
          .initial = "\"256Mi\"", .doc = "Memory, as in \"256Mi\"."),
};
static const struct type amounts_type = {
    .name = "Reserved", .size = sizeof(struct config_amounts), TYPE_FIELDS(amounts_fields)};

static const struct field node_fields[] = {
    FIELD(config_node, name, "name", FIELD_STRING, .initial = "\"\"", .check = check_optional_name,
          .doc = "This node's name; empty: the host's name up to its first dot, lower case."),
    FIELD(config_node, address, "address", FIELD_STRING, .initial = "\"\"", .max = 253,
          .doc = "Where other nodes reach it; empty: 127.0.0.1."),
    FIELD(config_node, labels, "labels", FIELD_MAP, .max = 64, .check = schema_check_label_map,
          .doc = "Labels of a node that is new; later ones are set by PATCH."),
    FIELD(config_node, reserved, "reserved", FIELD_OBJECT, .object = &amounts_type,
          .doc = "Kept for the host: containers don't get it."),
    FIELD(config_node, suspect_after_ns, "suspectAfter", FIELD_DURATION, .min = SECOND / 10,
          .max = HOUR, .initial = "\"3s\"",
          .doc = "Without a heartbeat for so long: no new traffic, no placements."),
    FIELD(config_node, lost_after_ns, "lostAfter", FIELD_DURATION, .min = SECOND / 5,
          .max = 24 * HOUR, .initial = "\"15s\"",
          .doc =
              "Without a heartbeat for so long: its containers are replaced; when many nodes are "
              "lost, those of one node after another."),
};
static const struct type node_settings_type = {
    .name = "NodeSettings", .size = sizeof(struct config_node), TYPE_FIELDS(node_fields)};

static const struct field events_fields[] = {
    FIELD(config_events, limit, "limit", FIELD_INT, .min = 100, .max = 1000000, .initial = "10000",
          .doc = "Events kept, and ten times as many entries of the audit; the oldest go first."),
};
static const struct type events_type = {
    .name = "Events", .size = sizeof(struct config_events), TYPE_FIELDS(events_fields)};

#define GROUP(member_name, field_name, group_type, group_doc)                                      \
    FIELD(config, member_name, field_name, FIELD_OBJECT, .object = &group_type, .doc = (group_doc))

static const struct field fields[] = {
    FIELD(config, state_dir, "stateDir", FIELD_STRING, .initial = "\"/var/lib/orchestrator\"",
          .check = check_state_dir,
          .doc = "Everything kept on disk; made with mode 0700 when missing."),
    GROUP(log, "log", log_type, "The log, on stderr."),
    GROUP(api, "api", api_type, "REST and dashboard."),
    GROUP(plugin_path, "plugins", plugins_type, "Where plugins lie."),
    GROUP(store, "store", store_type, "Where the state is kept."),
    GROUP(runtime, "runtime", runtime_type, "What runs the containers."),
    GROUP(scheduler, "scheduler", scheduler_type, "What chooses nodes."),
    GROUP(balancer, "balancer", balancer_type, "What chooses endpoints."),
    GROUP(proxy, "proxy", proxy_type, "The data plane."),
    GROUP(node, "node", node_settings_type, "This node, and when nodes count as gone."),
    GROUP(events, "events", events_type, "The event log."),
};
const struct type config_type = {.name = "Config",
                                 .size = sizeof(struct config),
                                 TYPE_FIELDS(fields),
                                 .doc = "The daemon's configuration."};
