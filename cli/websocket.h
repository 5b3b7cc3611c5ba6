/* A WebSocket (RFC 6455) over curl's connection, TLS and unix sockets included: binary messages
 * both ways, pings answered. For exec. */
#ifndef CLI_WEBSOCKET_H
#define CLI_WEBSOCKET_H

#include "cli.h"

struct websocket;
/* `path` below /api/v1. NULL when it has complained. */
struct websocket *websocket_open(struct cli *cli, const char *path, const char *doing);
void websocket_close(struct websocket *websocket);
int websocket_descriptor(const struct websocket *websocket); /* readable: call websocket_read */
/* One message, whole, masked as a client must; what the connection does not take at once is kept.
 * False: the connection is gone. */
bool websocket_write(struct websocket *websocket, const void *bytes, size_t length);
bool websocket_pending(const struct websocket *websocket); /* something is kept: writable, flush */
bool websocket_flush(struct websocket *websocket);         /* false: the connection is gone */

enum websocket_got { WEBSOCKET_NOTHING = 0, WEBSOCKET_MESSAGE, WEBSOCKET_CLOSED };
/* The next whole message that has come; `bytes` live until the next call. Never waits. */
enum websocket_got websocket_read(struct websocket *websocket, const char **bytes, size_t *length);

#endif
