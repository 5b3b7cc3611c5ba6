/* The real program, started by a feed in a folder of its own, before small origins. Clients block;
 * the proxy runs by itself meanwhile. The feed is heard while rig_wait runs its loop. */
#ifndef TESTS_PROXY_RIG_H
#define TESTS_PROXY_RIG_H

#include "base/clock.h"
#include "loop/loop.h"
#include "proxy/feed.h"

#include <stdatomic.h>
#include <stdint.h>

/* -- origins: a thread a connection -- */
enum origin_kind {
    ORIGIN_NAME = 1, /* answers each line with its name */
    ORIGIN_ECHO,     /* what it gets, until the end */
    ORIGIN_COUNT,    /* reads to the end, then answers the number of bytes */
    ORIGIN_FIRST,    /* says "hello" and ends its side; then reads to the end */
    ORIGIN_RESET,    /* takes a connection and resets it at its first byte */
    ORIGIN_SOURCE,   /* sends ORIGIN_BYTES of a pattern, then ends */
};
enum { ORIGIN_BYTES = 50 << 20 };
struct origin {
    enum origin_kind kind;
    const char *name;
    uint16_t port;
    int fd;
    atomic_ullong bytes; /* read so far */
    atomic_uint ended;   /* connections that were read to the end */
    atomic_uint resets;  /* of these, by force */
};
struct origin *origin_start(enum origin_kind kind, const char *name);
uint8_t pattern_at(uint64_t offset);

/* -- clients -- */
int bind_any(uint16_t *port);
uint16_t free_port(void);
int client_connect(uint16_t port);                          /* -1: refused */
bool client_ask(int fd, char *answer, size_t bytes);        /* a line for a line; false: closed */
bool client_is_closed(int fd);                              /* waits for it, some seconds */
bool wait_until(bool (*condition)(void *), void *argument); /* without the feed */

/* -- the feed -- */
struct heard_drain {
    char endpoint[64];
    uint64_t cut;
};
struct rig {
    struct loop *loop;
    struct proxy_feed *feed;
    char folder[64], listen[64];
    uint16_t port;
    uint32_t workers;
    uint64_t linger_ns, version;
    const char *balancer, *config;
    uint64_t drain_ns, idle_ns, connect_ns;
    uint8_t protocol;
    struct feed_ejection ejection;
    uint64_t slow_start_ns;
    uint32_t max_connections;
    const char *host, *prefix; /* NULL: any */
    const char *sticky;        /* NULL: none */
    struct feed_hold hold;
    struct feed_page page;
    struct feed_redirect redirect;
    struct feed_http http;
    const char *certificate; /* NULL: without TLS */

    uint64_t acknowledged;
    struct heard_drain drains[16];
    uint32_t drain_count, connects, disconnects, older_disconnects;
    char *feed_argument; /* tells the feeds of a test apart */
    bool listening, listener_known;
    char listener_message[200];
    uint64_t in_flight, served, failed; /* of endpoint "a" */
    struct traffic traffic, own;        /* of it; of the service by itself */
    uint64_t source;
    bool resumed;
    bool out;           /* what was told last of an ejection */
    uint32_t ejections; /* so often */
    char ejected[64], ejected_why[96];
};
extern struct rig rig;
void rig_prepare(void); /* defaults; call before changing them */
void rig_feed(void);    /* starts or adopts */
void rig_finish(void);  /* ends feed and proxy */
struct rig_endpoint {
    const char *id;
    uint16_t port;
    bool draining;
};
void rig_put(const struct rig_endpoint *endpoints, uint32_t count);
void rig_put_as(const char *service, const char *listen, const struct rig_endpoint *endpoints,
                uint32_t count);
void rig_publish(void); /* until acknowledged */
bool rig_wait(bool (*condition)(void));
void rig_loop(uint64_t ns);
bool rig_drained(const char *endpoint, uint64_t *cut);

#endif
