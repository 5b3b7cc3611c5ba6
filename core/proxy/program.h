/* What a program finds when it is started as orchestrator-proxy. */
#ifndef PROXY_PROGRAM_H
#define PROXY_PROGRAM_H

enum {
    PROXY_SOCKET_FD = 3, /* bound to <stateDir>/proxy.sock, not listening yet */
    PROXY_FEED_FD = 4,   /* connected to the feed that started it */
};

#endif
