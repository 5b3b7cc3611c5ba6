/* The daemon: puts the parts together, runs until told to end. Used by main.c and by tests. */
#ifndef DAEMON_H
#define DAEMON_H

#include "base/error.h"

struct config;
/* Serves until SIGTERM or SIGINT (a second one ends at once). Returns the exit status; `error` is
 * filled when it could not start. Containers and the proxy are left running. */
int daemon_run(const struct config *config, struct error *error);

#endif
