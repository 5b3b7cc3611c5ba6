/* orchctl. Globals that libraries force: curl_global_init's; that signals force: was it interrupted
 * (rollout.c), the terminal's ways (exec.c); and the state of the one terminal (terminal.c). */
#include "client.h"
#include "commands.h"
#include "terminal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int run(struct cli *cli)
{
    if (!cli->command && cli->word_count && command_is_group(cli->words[0])) {
        help_group(cli->words[0]);
        return option_given(cli, "help") ? STATUS_FINE : STATUS_FAILED;
    }
    if (!cli->command) {
        help_overview();
        return STATUS_FINE;
    }
    if (option_given(cli, "help")) {
        help_command(cli->command);
        return STATUS_FINE;
    }
    return cli->command->run(cli);
}

/* What the shell and the build ask, not people. */
static bool is_hidden(struct cli *cli, int argc, char **argv, int *status)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        *status = puts("orchctl " ORCHESTRATOR_VERSION) < 0;
    else if (argc > 2 && strcmp(argv[1], "__complete") == 0)
        *status = complete_words(cli, (const char *const *)argv + 2, (size_t)argc - 2);
    else if (argc == 3 && strcmp(argv[1], "__man") == 0)
        *status = man_write(argv[2]);
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    int status = STATUS_FAILED;
    signal(SIGPIPE, SIG_IGN); /* a reader that has seen enough ends us by the failed write */
    if (!is_hidden(&cli, argc, argv, &status) && arguments_parse(&cli, argc - 1, argv + 1))
        status = run(&cli);
    progress_clear();
    client_finish(&cli);
    if (fflush(stdout) != 0 || ferror(stdout))
        status = status ? status : STATUS_FAILED;
    arena_finish(&cli.arena);
    return status;
}
