/* A scripted HTTP peer on a unix socket: one thread, one connection at a time. The path of the
 * request says how it behaves; see http_peer.c. */
#ifndef TESTS_HTTP_PEER_H
#define TESTS_HTTP_PEER_H

#include <pthread.h>

struct http_peer {
    char directory[64], path[96];
    int listener;
    pthread_t thread;
    char last_request[8192];
};
void http_peer_start(struct http_peer *peer);
void http_peer_stop(struct http_peer *peer);

#endif
