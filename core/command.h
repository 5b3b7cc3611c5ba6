/* The command line of `orchestrator`: everything that main does, apart from serving. */
#ifndef COMMAND_H
#define COMMAND_H

#include "config/config.h"

#include <stdio.h>

enum { COMMAND_FINE = 0, COMMAND_FAILED = 1, COMMAND_USAGE = 2 };

typedef int command_serve(const struct config *config, struct error *error);
/* The exit status: 0 fine, 2 bad configuration or usage, 1 or what `serve` answers otherwise.
 * --check-config and --print-config open no socket, engine or database and write no file. */
int command_run(int argc, char **argv, const char *const *environment, command_serve *serve,
                FILE *out, FILE *faults);

/* The path of a program that lies beside this one; NOT_FOUND where it does not. */
bool command_find_program(const char *name, char *out, size_t bytes, struct error *error);

#endif
