#include "command.h"
#include "plugins.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct command {
    const char *file; /* NULL: the default place */
    bool check_config, print_config, version, help;
};

static const char usage[] =
    "usage: orchestrator [--config FILE] [--check-config] [--print-config] [--version] [--help]\n"
    "       orchestrator simulate [-o text|json] FILE\n"
    "\n"
    "  --config FILE    the configuration (default: " CONFIG_DEFAULT_FILE ", where it is there)\n"
    "  --check-config   name every fault of the configuration and end\n"
    "  --print-config   print the effective configuration with the origin of each value and end\n"
    "  --version        print the version and end\n"
    "  simulate         play a cluster in simulated time: orchestrator simulate --help\n"
    "\n"
    "ORCHD_<PATH> in the environment overrides a setting: ORCHD_API_LISTEN for api.listen.\n";

static bool parse(int argc, char **argv, struct command *command)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"check-config", no_argument, NULL, 'k'},
        {"print-config", no_argument, NULL, 'p'}, {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    int option;
    optind = 0; /* getopt's own way to begin anew */
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            command->file = optarg;
            break;
        case 'k':
            command->check_config = true;
            break;
        case 'p':
            command->print_config = true;
            break;
        case 'v':
            command->version = true;
            break;
        case 'h':
            command->help = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc;
}

static int report_faults(const struct config *config, FILE *faults)
{
    CLEANUP(text_finish) struct text text = {0};
    config_write_faults(config, &text);
    fputs(text_string(&text), faults);
    return COMMAND_USAGE;
}

static bool check_plugins(struct config *config, FILE *faults)
{
    const struct plugin_environment environment = {.product = "orchestrator",
                                                   .version = ORCHESTRATOR_VERSION,
                                                   .services = plugins_services,
                                                   .service_count = plugins_service_count};
    struct error error = {0};
    struct plugin_registry *registry = plugins_open(config, &environment, NULL, &error);
    if (!registry) {
        fprintf(faults, "%s\n", error.message);
        return false;
    }
    config_check_plugins(config, registry);
    plugin_registry_destroy(registry);
    return true;
}

static int serve_checked(const struct config *config, command_serve *serve)
{
    struct error error = {0};
    log_configure(config->log.level, config->log.format, STDERR_FILENO);
    int status = serve(config, &error);
    if (error.code)
        LOG_ERROR("the daemon could not start", LOG_STR("error", error.message));
    return error.code && !status ? COMMAND_FAILED : status;
}

static int print(const struct config *config, FILE *out)
{
    CLEANUP(text_finish) struct text text = {0};
    config_print(config, &text);
    return fputs(text_string(&text), out) < 0 || fflush(out) ? COMMAND_FAILED : COMMAND_FINE;
}

static int run_with(const struct command *command, struct config *config, command_serve *serve,
                    FILE *out, FILE *faults)
{
    bool print_only = command->print_config && !command->check_config;
    if (!print_only && !check_plugins(config, faults))
        return COMMAND_FAILED;
    if (command->check_config)
        config_check_expiry(config, (int64_t)time(NULL) * 1000);
    if (config_fault_count(config))
        return report_faults(config, faults);
    if (command->print_config)
        return print(config, out);
    if (command->check_config) {
        fputs("the configuration is fine\n", out);
        return COMMAND_FINE;
    }
    return serve_checked(config, serve);
}

bool command_find_program(const char *name, char *out, size_t bytes, struct error *error)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0)
        return error_set_errno(error, ERROR_IO, errno, "/proc/self/exe can't be read");
    self[length] = 0;
    *strrchr(self, '/') = 0;
    if (snprintf(out, bytes, "%s/%s", self, name) >= (int)bytes || access(out, X_OK) != 0)
        return error_set(error, ERROR_NOT_FOUND, "%s is not beside this program (%s)", name, self);
    return true;
}

/* A program of its own: the daemon carries none of it. Comes back only when it can't be run. */
static int simulate(char **argv, FILE *faults)
{
    char program[PATH_MAX];
    struct error error = {0};
    if (command_find_program("orchestrator-simulate", program, sizeof program, &error)) {
        (void)execv(program, argv);
        (void)error_set_errno(&error, ERROR_IO, errno, "%s", program);
    }
    fprintf(faults, "orchestrator simulate: %s\n", error.message);
    return COMMAND_FAILED;
}

int command_run(int argc, char **argv, const char *const *environment, command_serve *serve,
                FILE *out, FILE *faults)
{
    struct command command = {0};
    if (argc > 1 && strcmp(argv[1], "simulate") == 0)
        return simulate(argv + 1, faults);
    if (!parse(argc, argv, &command)) {
        fprintf(faults, "orchestrator: that is no known use of it\n%s", usage);
        return COMMAND_USAGE;
    }
    if (command.help || command.version) {
        fputs(command.help ? usage : "orchestrator " ORCHESTRATOR_VERSION "\n", out);
        return COMMAND_FINE;
    }
    struct config *config = config_load(command.file, environment);
    int status = run_with(&command, config, serve, out, faults);
    config_destroy(config);
    return status;
}
