/* What client.c, refusal.c, stream.c and exec.c share. Private to the client. */
#ifndef CLI_CLIENT_IMPL_H
#define CLI_CLIENT_IMPL_H

#include "client.h"

#include <curl/curl.h>
#include <stdlib.h>

struct client {
    struct server_address address;
    CURL *easy; /* of calls; NULL until the first */
    char fault[CURL_ERROR_SIZE];
    int status; /* how the command ends after the last failure */
};
/* Made at the first call; NULL when it has complained. */
struct client *client_of(struct cli *cli);
struct curl_slist *client_headers(struct cli *cli, bool body, const char *last_event);
/* URL, TLS and time limits that every request has. */
void client_prepare(struct cli *cli, CURL *easy, const char *path);
void client_complain_transport(struct cli *cli, CURLcode code);

#endif
