/* fake-docker SOCKET: until SIGTERM or SIGINT. */
#include "fakes/docker/fake_docker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

int main(int count, char **arguments)
{
    sigset_t ends;
    int number;
    if (count != 2) {
        fprintf(stderr, "usage: fake-docker SOCKET\n");
        return 2;
    }
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL); /* also in the threads to come */
    struct fake_docker *fake = fake_docker_start(arguments[1]);
    if (!fake) {
        fprintf(stderr, "fake-docker: %s: %s\n", arguments[1], strerror(errno));
        return 1;
    }
    printf("listening on %s\n", fake_docker_path(fake));
    fflush(stdout);
    sigwait(&ends, &number);
    fake_docker_stop(fake);
    return 0;
}
