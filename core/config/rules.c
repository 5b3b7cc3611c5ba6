/* What no field table can say: rules over several settings, and files that hold secrets. */
#include "base/key_pair.h"
#include "config/impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const capabilities[] = {"AUDIT_CONTROL",   "AUDIT_READ",   "AUDIT_WRITE",
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
enum { CAPABILITY_COUNT = sizeof capabilities / sizeof capabilities[0] };

static bool is_capability(const char *word)
{
    for (size_t i = 0; i < CAPABILITY_COUNT; i++)
        if (strcmp(capabilities[i], word) == 0)
            return true;
    return false;
}

static void check_capabilities(struct config *config)
{
    const struct list *allowed = &config->runtime.allow_capabilities;
    for (uint32_t i = 0; i < allowed->count; i++) {
        const char *word = *LIST_AT(*allowed, const char *, i);
        char path[64];
        if (is_capability(word))
            continue;
        const char *bare = text_starts_with(word, "CAP_") ? word + 4 : word;
        const char *near =
            is_capability(bare) ? bare : text_nearest(bare, capabilities, CAPABILITY_COUNT);
        snprintf(path, sizeof path, "runtime.allowCapabilities[%u]", i);
        config_add_fault(config, path, "\"%.40s\" is no capability%s%s%s", word,
                         near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    }
}

/* 127.0.0.0/8 or ::1. The address was checked before; on a fault the default stands here. */
static bool is_loopback(const char *listen)
{
    return text_starts_with(listen, "127.") || text_starts_with(listen, "[::1]:");
}

/* Only to be read or written by its owner, who is root or us. */
static void check_secret_file(struct config *config, const char *path, const char *file,
                              const char *what)
{
    struct stat status;
    if (stat(file, &status) != 0)
        config_add_fault(config, path, "%s can't be read: %s", file, strerror(errno));
    else if (!S_ISREG(status.st_mode))
        config_add_fault(config, path, "%s is no regular file", file);
    else if (status.st_uid != 0 && status.st_uid != geteuid())
        config_add_fault(config, path,
                         "%s holds %s and belongs to another user (uid %u); it must be owned by "
                         "root or the user the daemon runs as",
                         file, what, status.st_uid);
    else if (status.st_mode & 077)
        config_add_fault(config, path,
                         "%s holds %s and others may read it (mode %04o); chmod 600 %s", file, what,
                         status.st_mode & 07777, file);
}

static void check_api(struct config *config)
{
    struct schema_position key;
    const struct config_api *api = &config->api;
    char unused[160];
    if (schema_check_listen(&api->listen, unused, sizeof unused) && !api->tls &&
        !is_loopback(api->listen) && !json_is_object(config_plugin_settings(config, "api.tls")))
        config_add_fault(config, "api.listen",
                         "\"%s\" is not a loopback address: set api.tls (certFile, keyFile), or "
                         "listen on 127.0.0.1",
                         api->listen);
    if (api->tls && api->tls->cert_file && access(api->tls->cert_file, R_OK) != 0)
        config_add_fault(config, "api.tls.certFile", "%s can't be read: %s", api->tls->cert_file,
                         strerror(errno));
    if (api->tls && api->tls->key_file)
        check_secret_file(config, "api.tls.keyFile", api->tls->key_file, "a private key");
    bool key_in_file =
        schema_positions_at(config->origins->positions, "api.key", &key, NULL) && key.line > 0;
    if (*api->key && key_in_file && config->origins->on_disk)
        check_secret_file(config, "api.key", config->origins->file, "api.key");
}

static void check_node(struct config *config)
{
    const struct config_node *node = &config->node;
    if (node->lost_after_ns <= node->suspect_after_ns)
        config_add_fault(config, "node.lostAfter", "must be longer than node.suspectAfter");
}

static void check_unique(struct config *config, uint32_t index)
{
    const struct list *list = &config->proxy.certificates;
    const struct config_certificate *mine = LIST_AT(*list, struct config_certificate, index);
    char path[64];
    for (uint32_t i = 0; i < index; i++)
        if (text_equal(LIST_AT(*list, struct config_certificate, i)->name, mine->name)) {
            snprintf(path, sizeof path, "proxy.certificates[%u].name", index);
            config_add_fault(config, path, "\"%.63s\" is the name of two", mine->name);
            return;
        }
}

/* `now_ms` INT64_MIN: at no time in particular. */
static void check_pair(struct config *config, uint32_t index, int64_t now_ms)
{
    const struct config_certificate *certificate =
        LIST_AT(config->proxy.certificates, struct config_certificate, index);
    CLEANUP(key_pair_finish) struct key_pair pair = {0};
    struct error error = {0};
    char path[64];
    if (!certificate->cert_file || !certificate->key_file)
        return; /* has a fault already */
    bool fine = key_pair_read(&pair, certificate->cert_file, certificate->key_file, &error);
    if (now_ms != INT64_MIN)
        fine = !fine || key_pair_check_time(&pair, certificate->cert_file, now_ms, &error);
    if (fine)
        return;
    snprintf(path, sizeof path, "proxy.certificates[%u].%s", index,
             pair.key_is_at_fault ? "keyFile" : "certFile");
    config_add_fault(config, path, "%s", error.message);
}

static void check_certificates(struct config *config)
{
    for (uint32_t i = 0; i < config->proxy.certificates.count; i++) {
        check_unique(config, i);
        check_pair(config, i, INT64_MIN);
    }
}

void config_check_expiry(struct config *config, int64_t now_ms)
{
    for (uint32_t i = 0; i < config->proxy.certificates.count; i++)
        check_pair(config, i, now_ms);
}

/* Settings by plugin name must be objects. */
static void check_choice(struct config *config, const char *path)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)config_plugin_settings(config, path), name, value)
    {
        char inner[192];
        snprintf(inner, sizeof inner, "%s.%s", path, name);
        if (!json_is_object(value) && !json_is_null(value))
            config_add_fault(config, inner, "must be an object: the plugin's settings");
    }
}

void config_check_rules(struct config *config)
{
    check_api(config);
    check_capabilities(config);
    check_node(config);
    check_certificates(config);
    check_choice(config, "scheduler.config");
    check_choice(config, "balancer.config");
}
