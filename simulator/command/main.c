/* The program `orchestrator-simulate`, which `orchestrator simulate` becomes. */
#include "base/log.h"
#include "outcome.h"
#include "plugin/registry.h"
#include "schedulers.h"
#include "stage.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FINE = 0, FAILED = 1, USAGE = 2 };

struct command {
    const char *file;
    bool json, nodes, check, log, help;
};

static const char usage[] =
    "usage: orchestrator simulate [-o text|json] [--nodes] [--check] [--log] FILE\n"
    "\n"
    "Plays a cluster from FILE in simulated time: its nodes, its deployments, and what happens to\n"
    "them. The same file gives the same output, byte for byte. See docs/simulate.md.\n"
    "\n"
    "  -o, --output FORM  text (default) or json\n"
    "      --nodes        every node at the end, however many\n"
    "      --check        name every fault of the file and end\n"
    "      --log          with the orchestrator's own log, on stderr\n"
    "  -h, --help         this\n";

static bool take_output(struct command *command, const char *form)
{
    command->json = strcmp(form, "json") == 0;
    return command->json || strcmp(form, "text") == 0;
}

static bool parse(int argc, char **argv, struct command *command)
{
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'}, {"nodes", no_argument, NULL, 'n'},
        {"check", no_argument, NULL, 'k'},        {"log", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
        switch (option) {
        case 'o':
            if (!take_output(command, optarg))
                return false;
            break;
        case 'n':
            command->nodes = true;
            break;
        case 'k':
            command->check = true;
            break;
        case 'l':
            command->log = true;
            break;
        case 'h':
            command->help = true;
            break;
        default:
            return false;
        }
    }
    command->file = optind + 1 == argc ? argv[optind] : NULL;
    return command->help || command->file;
}

static int write_out(const struct text *text, FILE *to)
{
    return fwrite(text_string(text), 1, text->length, to) == text->length && !fflush(to) ? FINE
                                                                                         : FAILED;
}

static int play(const struct command *command, const struct scenario *scenario)
{
    CLEANUP(text_finish) struct text text = {0};
    struct outcome outcome = {0};
    struct error error = {0};
    int status = FAILED;
    if (!stage_play(scenario, &outcome, &error)) {
        fprintf(stderr, "orchestrator simulate: %s\n", error.message);
    } else {
        if (command->json)
            report_json(&outcome, &text);
        else
            report_text(&outcome, command->nodes, &text);
        status = write_out(&text, stdout);
    }
    arena_finish(&outcome.arena);
    return status;
}

static int run(const struct command *command, struct scenario *scenario)
{
    CLEANUP(text_finish) struct text faults = {0};
    struct error error = {0};
    char folder[PATH_MAX];
    if (!plugin_default_path(folder, sizeof folder, &error)) {
        fprintf(stderr, "orchestrator simulate: %s\n", error.message);
        return FAILED;
    }
    if (!scenario->faults.count)
        (void)schedulers_load(scenario, folder);
    if (scenario->faults.count) {
        scenario_write_faults(scenario, &faults);
        (void)write_out(&faults, stderr);
        return USAGE;
    }
    if (!command->check)
        return play(command, scenario);
    puts("the scenario is fine");
    return FINE;
}

int main(int argc, char **argv)
{
    struct command command = {0};
    struct scenario *scenario = NULL;
    struct error error = {0};
    if (!parse(argc, argv, &command)) {
        fprintf(stderr, "orchestrator simulate: that is no known use of it\n%s", usage);
        return USAGE;
    }
    if (command.help) {
        fputs(usage, stdout);
        return FINE;
    }
    log_configure(command.log ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, LOG_FORMAT_AUTO,
                  command.log ? STDERR_FILENO : -1);
    if (!scenario_read_file(command.file, &scenario, &error)) {
        fprintf(stderr, "%s\n", error.message);
        return USAGE;
    }
    int status = run(&command, scenario);
    schedulers_finish();
    scenario_destroy(scenario);
    return status;
}
