/* The program `orchestrator`. Globals that libraries force: curl_global_init, gnutls's own. */
#include "command.h"
#include "daemon.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    umask(077);
    signal(SIGPIPE, SIG_IGN); /* every write looks at its own result */
    return command_run(argc, argv, (const char *const *)environ, daemon_run, stdout, stderr);
}
