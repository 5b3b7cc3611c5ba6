/* An origin that speaks HTTP/1.1, a thread a connection, and does what the target's first word
 * says:
 *
 * /echo (or anything else): the request as it came, as the body
 * /name       its name
 * /chunked    two chunks, one with an extension, and a trailer
 * /until-end  a body that ends with the connection
 * /bytes      HTTP_ORIGIN_BYTES of a pattern
 * /pieces     a reply whose head comes in pieces
 * /none       204
 * /continue   100, then the body as it came
 * /early      413 before the body is read
 * /error      500
 * /wait       its name once http_origin_go was called
 * /last       its name, then the end of the connection, without a word about it
 * /drop       the end of the connection in place of a reply
 * /drop-once  the same, the first time
 * /cut        half a body, then the end
 * /garbage    no HTTP
 * /upgrade    101, then echo
 */
#ifndef TESTS_PROXY_HTTP_ORIGIN_H
#define TESTS_PROXY_HTTP_ORIGIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { HTTP_ORIGIN_BYTES = 30 << 20 };
struct http_origin {
    const char *name;
    uint16_t port;
    int fd;
    atomic_uint connections, open, requests;
    atomic_ullong body_bytes;
    atomic_bool goes, dropped;
};
struct http_origin *http_origin_start(const char *name);
void http_origin_go(struct http_origin *origin);

#endif
