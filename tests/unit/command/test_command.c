#include "command.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char file[64];
static char *out, *faults;
static int served;

static int serve(const struct config *config, struct error *error)
{
    (void)error;
    cr_assert_not_null(config);
    served++;
    return 7;
}

static void write_config(const char *yaml)
{
    snprintf(file, sizeof file, "/tmp/orch-command-XXXXXX");
    int fd = mkstemp(file);
    cr_assert(fd >= 0 && write(fd, yaml, strlen(yaml)) == (ssize_t)strlen(yaml));
    close(fd);
}

static int run(const char *const *arguments, const char *const *environment)
{
    char *argv[8] = {(char *)"orchestrator"};
    int argc = 1;
    size_t unused;
    free(out); /* of the run before */
    free(faults);
    for (; arguments[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)arguments[argc - 1];
    FILE *first = open_memstream(&out, &unused), *second = open_memstream(&faults, &unused);
    int status = command_run(argc, argv, environment, serve, first, second);
    fclose(first);
    fclose(second);
    return status;
}

static void teardown(void)
{
    free(out);
    free(faults);
    if (*file)
        unlink(file);
}
TestSuite(command, .fini = teardown, .timeout = 60);

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

Test(command, tells_its_version_and_its_use)
{
    cr_assert_eq(run(ARGUMENTS("--version"), NULL), 0);
    cr_assert_str_eq(out, "orchestrator " ORCHESTRATOR_VERSION "\n");
    cr_assert_eq(run(ARGUMENTS("--help"), NULL), 0);
    cr_assert(text_starts_with(out, "usage: orchestrator "));
}

Test(command, refuses_what_it_does_not_know)
{
    cr_assert_eq(run(ARGUMENTS("--chek-config"), NULL), COMMAND_USAGE);
    cr_assert_eq(run(ARGUMENTS("serve"), NULL), COMMAND_USAGE);
    cr_assert_eq(run(ARGUMENTS("--config"), NULL), COMMAND_USAGE);
    cr_assert(strstr(faults, "usage: "));
    cr_assert_eq(served, 0);
}

Test(command, a_bad_configuration_ends_with_2_and_every_fault)
{
    write_config("api:\n  lisen: x\nproxy: {workers: a}\n");
    cr_assert_eq(run(ARGUMENTS("--config", file), NULL), COMMAND_USAGE);
    char wanted[160];
    snprintf(wanted, sizeof wanted, "%s:2:3: api.lisen: is not known", file);
    cr_assert(strstr(faults, wanted), "%s", faults);
    snprintf(wanted, sizeof wanted, "%s:3:18: proxy.workers: ", file);
    cr_assert(strstr(faults, wanted), "%s", faults);
    cr_assert_str_eq(out, "");
    cr_assert_eq(served, 0);
    cr_assert_eq(run(ARGUMENTS("--config", file, "--print-config"), NULL), COMMAND_USAGE);
    cr_assert_str_eq(out, "");
}

Test(command, printing_needs_no_plugin)
{
    write_config("runtime: {plugin: nowhere}\n");
    cr_assert_eq(run(ARGUMENTS("--config", file, "--print-config"), NULL), 0);
    cr_assert(strstr(out, "plugin: \"nowhere\" # "), "%s", out);
    cr_assert_eq(run(ARGUMENTS("--config", file, "--check-config"), NULL), COMMAND_USAGE);
    cr_assert(strstr(faults, "runtime.plugin: "), "%s", faults);
}

Test(command, serves_only_what_was_checked)
{
    write_config("plugins: {path: [" PLUGIN_DIR ", " TEST_PLUGIN_DIR "]}\n"
                 "balancer: {default: example, fallback: example}\n"
                 "stateDir: /tmp/orch-command-never-made\nstore: {plugin: memory}\n"
                 "runtime: {plugin: simulated}\n");
    cr_assert_eq(run(ARGUMENTS("--config", file, "--check-config"), NULL), 0, "%s", faults);
    cr_assert_str_eq(faults, "");
    cr_assert_eq(served, 0);
    cr_assert_neq(access("/tmp/orch-command-never-made", F_OK), 0);
    cr_assert_eq(run(ARGUMENTS("--config", file), NULL), 7);
    cr_assert_eq(served, 1);
    cr_assert_eq(run(ARGUMENTS("--config", file, "--check-config"),
                     (const char *const[]){"ORCHD_LOG_LEVL=info", NULL}),
                 COMMAND_USAGE);
    cr_assert(strstr(faults, "ORCHD_LOG_LEVEL?"), "%s", faults);
}
