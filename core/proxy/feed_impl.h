/* What the agent's end is made of. Private to this folder; all [loop]. */
#ifndef PROXY_FEED_IMPL_H
#define PROXY_FEED_IMPL_H

#include "base/text.h"
#include "proxy/channel.h"
#include "proxy/feed.h"

#include <sys/types.h>
#include <uthash.h>

struct feed_listener {
    struct feed_listener *next;
    char *address;
    struct feed_entry *owner; /* NULL: free to be taken, else closed */
    uint32_t fd_count;
    int fds[WIRE_FD_LIMIT];
    bool known; /* the proxy has it */
};
struct feed_entry {
    UT_hash_handle hh;
    struct arena arena;
    struct feed_service service;    /* in the arena */
    struct feed_listener *listener; /* what it is served on; another than wanted while that fails */
    bool dirty;                     /* to be sent */
    uint64_t retry_ns, backoff_ns;  /* of opening the wanted listener */
    char problem[200];
    bool report_due, told_listening;
    uint64_t listening_sequence; /* once this is acknowledged the listener serves; 0: not asked */
};
struct feed_certificate {
    struct feed_certificate *next;
    char *name;
    int fd;     /* of memory that is sealed */
    bool dirty; /* to be sent */
};
struct feed_child { /* a process that we started */
    struct feed_child *next;
    struct proxy_feed *feed;
    struct loop_io io;
    pid_t pid;
    int pidfd;
};
/* What PUBLISH carried: numbers of the wire's own, since one version may be sent again. */
struct feed_sent {
    uint64_t sequence, version;
};
enum { FEED_SENT_LIMIT = 64, FEED_BALANCER_LIMIT = 64 };

struct proxy_feed {
    struct loop *loop;
    struct feed_callbacks callbacks;
    char *state_directory, *program, *user, *fallback;
    uint32_t workers;
    uint64_t linger_ns;
    struct feed_balancer balancers[FEED_BALANCER_LIMIT];
    uint32_t balancer_count;

    struct feed_entry *entries;
    struct feed_listener *listeners;
    struct feed_certificate *certificates;
    struct text removed, withdrawn; /* names, each with its end */
    uint64_t version;               /* what the agent published last; 0: nothing yet */
    bool publish_due;
    bool has_table; /* it has published one; else the proxy's is the feed's before us */

    struct channel *channel;
    pid_t pid;
    bool ready;      /* greeted, and its listeners are known */
    bool mismatched; /* it is another program: to be replaced */
    bool synced;     /* it has had the full table */
    uint64_t sequence;
    struct feed_sent sent[FEED_SENT_LIMIT];
    uint32_t sent_count;

    struct feed_child *children;
    uint64_t started_ns, start_backoff_ns;
    struct loop_timer start, greeting, retry, tell;
};

/* feed_link.c: the conversation */
void feed_link_attach(struct proxy_feed *feed, int take_fd, pid_t pid);
void feed_link_pump(struct proxy_feed *feed); /* sends what is due, as far as it can */
void feed_link_bye(struct proxy_feed *feed, enum wire_bye how);
void feed_link_drop(struct proxy_feed *feed);

/* feed_listen.c: the listeners */
/* "udp/" before an address of datagrams: it is another than the same of connections. */
const char *feed_listen_key(struct arena *arena, const struct feed_service *service);
void feed_listen_settle(struct proxy_feed *feed); /* opens, passes on and closes what is due */
void feed_listen_leave(struct proxy_feed *feed, struct feed_entry *entry);
void feed_listen_adopt(struct proxy_feed *feed, const char *address, int *fds, size_t count);
void feed_listen_published(struct proxy_feed *feed, uint64_t sequence);
void feed_listen_acknowledged(struct proxy_feed *feed, uint64_t sequence);
void feed_listen_init(struct proxy_feed *feed);
void feed_listen_finish(struct proxy_feed *feed);

/* feed_certificates.c */
struct feed_certificate *feed_certificates_find(const struct proxy_feed *feed, const char *name);
void feed_certificates_send(struct proxy_feed *feed, bool all); /* else: those that are new */
void feed_certificates_finish(struct proxy_feed *feed);

/* feed_start.c: the process */
bool feed_start_adopt(struct proxy_feed *feed); /* one that runs */
bool feed_start_new(struct proxy_feed *feed, struct error *error);
void feed_start_again(struct proxy_feed *feed); /* at once, or after a back-off */
void feed_start_init(struct proxy_feed *feed);
void feed_start_finish(struct proxy_feed *feed);

#endif
