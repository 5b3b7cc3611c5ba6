/* Following what changes (GET /watch): events parsed, dropped connections taken up again where they
 * ended. */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include "cli.h"

enum watch_verdict { WATCH_GO_ON = 0, WATCH_DONE };
/* One change: `kind` is the plural, `type` "added", "changed" or "removed". `synced` is said with
 * kind "synced", after what was there at first; "resync" when all comes anew. */
typedef enum watch_verdict watch_change(void *user, const char *kind, const char *type,
                                        const json_t *object);
/* At least every 250 ms, for what is drawn and for time limits. */
typedef enum watch_verdict watch_tick(void *user);

struct watch {
    const char *query; /* "kinds=deployments&deployment=web" */
    const char *doing; /* "watch deployments", for messages */
    watch_change *change;
    watch_tick *tick; /* NULL */
    void *user;
    long long deadline_ms; /* by now_ms(); 0: none */
};
/* Until a function says WATCH_DONE (STATUS_FINE), the deadline (STATUS_TIMEOUT, said by the
 * caller), or a failure, which has been complained about. */
int watch_run(struct cli *cli, const struct watch *watch);

long long now_ms(void); /* monotonic */

/* A reader of server-sent events. */
struct sse {
    struct text line, data;
    char event[32], id[32];
    void (*take)(void *user, struct sse *sse); /* one whole event */
    void *user;
};
void sse_feed(struct sse *sse, const char *bytes, size_t length);
void sse_finish(struct sse *sse);

#endif
