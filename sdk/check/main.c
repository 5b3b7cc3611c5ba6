/* orchestrator-plugin-check FILE [CONFIG]: what the daemon would say about a plugin, and how it
 * behaves. Exit status 0: fine, 1: it has faults, 2: usage. */
#include "base/log.h"
#include "base/text.h"
#include "check.h"
#include "plugin/http_client.h"
#include "plugin/ops.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

bool check_that(struct check *check, bool holds, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("  %s ", holds ? "ok  " : "FAIL");
    (void)vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    *(holds ? &check->passed : &check->failed) += 1;
    return holds;
}

bool check_ok(struct check *check, orch_status status, const struct orch_error *error,
              const char *what)
{
    struct error ours = {0};
    if (status == ORCH_OK)
        return check_that(check, true, "%s", what);
    plugin_error_take(&ours, status, error);
    return check_that(check, false, "%s: %s: %s", what, plugin_status_word(status), ours.message);
}

static const struct plugin_service *const services[] = {
    &host_log_service,  &host_thread_service,  &host_loop_service, &host_ops_service,
    &host_http_service, &host_metrics_service, &host_net_service,  &host_process_service};

static enum plugin_kind kind_of(const char *interface_id)
{
#define X(name, word, id)                                                                          \
    if (strcmp(interface_id, id) == 0)                                                             \
        return name;
    PLUGIN_KINDS(X)
#undef X
    return PLUGIN_KIND_NONE;
}

static void print_fault(void *argument, const char *path, const char *message)
{
    (void)argument;
    printf("  FAIL %s: %s\n", path, message);
}

static void exercise(struct check *check, enum plugin_kind kind)
{
    uint64_t faults = plugin_get_host(check->plugin)->faults;
    switch (kind) {
    case PLUGIN_SCHEDULER:
        check_scheduler(check);
        break;
    case PLUGIN_BALANCER:
        check_balancer(check);
        break;
    case PLUGIN_STORE:
        check_store(check);
        break;
    case PLUGIN_RUNTIME:
        check_runtime(check);
        break;
    case PLUGIN_KIND_NONE:
        return;
    }
    check_that(check, plugin_get_host(check->plugin)->faults == faults,
               "breaks no rule of the host's services");
}

static void remove_folder(const char *folder)
{
    pid_t child = fork();
    if (child == 0) {
        (void)execl("/bin/rm", "rm", "-rf", "--", folder, (char *)NULL);
        _exit(127);
    }
    if (child > 0)
        (void)waitpid(child, NULL, 0); /* a folder too many in /tmp is no fault of the plugin */
}

/* In a process of its own: what crashes there is a fault of the plugin like others. */
static int exercise_child(const char *path, const char *interface_id, const char *name,
                          const json_t *config)
{
    struct error error = {0};
    char folder[] = "/tmp/orchestrator-check-XXXXXX";
    struct loop *loop = loop_create_real(&error);
    struct http_client *http = loop ? http_client_create(loop, &error) : NULL;
    if (!http || !mkdtemp(folder)) {
        printf("  FAIL %s\n", http ? strerror(errno) : error.message);
        return 1;
    }
    struct plugin_environment environment = {.product = "orchestrator",
                                             .version = ORCHESTRATOR_VERSION,
                                             .loop = loop,
                                             .ops = op_table_create(loop),
                                             .http = http,
                                             .services = services,
                                             .service_count = sizeof services / sizeof services[0]};
    struct plugin_registry *registry =
        plugin_registry_create(&(struct plugin_registry_settings){.environment = &environment});
    struct check check = {.environment = &environment, .folder = folder};
    char *completed = NULL;
    check.plugin = plugin_registry_load_file(registry, path, kind_of(interface_id), name, &error);
    if (!check_that(&check, check.plugin != NULL, "loads %s", error.message)) {
        /* said above */
    } else if (!plugin_check_config(check.plugin, config, "config", print_fault, NULL,
                                    &completed)) {
        check.failed++;
    } else {
        check.config = completed;
        exercise(&check, kind_of(interface_id));
    }
    free(completed);
    plugin_registry_destroy(registry);
    remove_folder(folder);
    return check.failed != 0;
}

static bool exercised(const char *path, const struct plugin_offer *offer, const json_t *config)
{
    int state = 0;
    printf("%s \"%s\"\n", offer->interface_id, offer->name);
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        (void)alarm(120); /* what hangs is a fault as well */
        int failed = exercise_child(path, offer->interface_id, offer->name, config);
        (void)fflush(stdout);
        _exit(failed);
    }
    if (child < 0 || waitpid(child, &state, 0) < 0)
        return false;
    if (WIFSIGNALED(state))
        printf("  FAIL it ended the process (SIG%s)\n", sigabbrev_np(WTERMSIG(state)));
    return WIFEXITED(state) && WEXITSTATUS(state) == 0;
}

static bool check_file(const char *path, const json_t *config)
{
    const struct plugin_environment environment = {.product = "orchestrator",
                                                   .version = ORCHESTRATOR_VERSION,
                                                   .services = services,
                                                   .service_count =
                                                       sizeof services / sizeof services[0]};
    struct plugin_registry *registry =
        plugin_registry_create(&(struct plugin_registry_settings){.environment = &environment});
    struct plugin_description description;
    plugin_describe(registry, path, &description);
    bool sound = description.accepted;
    if (description.id[0])
        printf("%s %s, SDK %u.%u.%u\n", description.id, description.version,
               description.sdk_version >> 16, description.sdk_version >> 8 & 0xff,
               description.sdk_version & 0xff);
    if (!sound)
        printf("refused: %s: %s\n", path, description.reasons);
    if (description.warnings[0])
        printf("warning: %s\n", description.warnings);
    for (size_t i = 0; sound && i < description.offer_count; i++)
        if (kind_of(description.offers[i].interface_id) != PLUGIN_KIND_NONE)
            sound &= exercised(path, &description.offers[i], config);
    plugin_description_finish(&description);
    plugin_registry_destroy(registry);
    return sound;
}

int main(int count, char **arguments)
{
    json_error_t fault;
    json_t *config = NULL;
    if (count < 2 || count > 3 || arguments[1][0] == '-') {
        (void)fprintf(stderr, "usage: orchestrator-plugin-check FILE.so [CONFIG.json]\n");
        return 2;
    }
    if (count == 3 && !(config = json_load_file(arguments[2], 0, &fault))) {
        (void)fprintf(stderr, "%s:%d:%d: %s\n", arguments[2], fault.line, fault.column, fault.text);
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    log_configure(LOG_LEVEL_WARN, LOG_FORMAT_AUTO, STDERR_FILENO);
    bool sound = check_file(arguments[1], config);
    printf("%s\n", sound ? "fine" : "faults were found");
    json_decref(config);
    return sound ? 0 : 1;
}
