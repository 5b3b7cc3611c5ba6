/* Which server, and with which key: the command line, the environment, the file of contexts, the
 * local daemon's key file. Keys are never printed. */
#ifndef CLI_CONTEXTS_H
#define CLI_CONTEXTS_H

#include "cli.h"

struct server_address {
    const char *url;     /* "http://127.0.0.1:7070", without a slash at its end */
    const char *socket;  /* path of a unix socket, NULL */
    const char *key;     /* NULL: none was found */
    const char *ca_file; /* NULL: the system's */
    const char *origin;  /* of the URL, for messages: "--server", "context \"prod\"" */
};
/* Strings live in the arena. False when it has complained. */
bool contexts_resolve(struct cli *cli, struct server_address *address);

/* The file as a JSON object {"current", "contexts": {NAME: {"server", "key", "caFile"}}}; an empty
 * one where there is none. NULL when it has complained. The caller owns it. */
json_t *contexts_read(struct cli *cli);
/* Replaces the file at once, mode 0600. False when it has complained. */
bool contexts_write(struct cli *cli, const json_t *contexts);

#endif
