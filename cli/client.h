/* Talking to one server: calls that are answered whole, and streams. Connects at the first call; a
 * failure is said at once, with what to do next. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "cli.h"
#include "contexts.h"

struct reply {
    int status;   /* HTTP's */
    json_t *body; /* owned; NULL: none, or no JSON */
    struct text raw;
};
void reply_finish(struct reply *reply);

/* Paths are below /api/v1 unless they begin with "//". `body` NULL: none. False when there was no
 * answer at all, which has been complained about (client_status says how to end). */
bool client_call(struct cli *cli, const char *method, const char *path, const json_t *body,
                 struct reply *reply);
/* The same, and every status but 2xx is complained about: "cannot DOING: why". `doing` as printf.
 * Returns the body (null where there is none), owned by the caller; NULL: failed. */
json_t *client_ask(struct cli *cli, const char *method, const char *path, const json_t *body,
                   const char *doing, ...) __attribute__((format(printf, 5, 6)));
/* All pages of a list: one JSON array, owned by the caller. */
json_t *client_list(struct cli *cli, const char *path, const char *doing);
/* How a command ends after its call failed. */
int client_status(const struct cli *cli);
/* Says why that reply is a failure and what to do next; returns the status to end with. */
int client_complain(struct cli *cli, const struct reply *reply, const char *path,
                    const char *doing);
/* One segment of a path, escaped; in the arena. */
const char *client_escape(struct cli *cli, const char *segment);
const char *client_url(struct cli *cli); /* for messages */
const struct server_address *client_address(struct cli *cli);
void client_finish(struct cli *cli);

/* A long answer, taken as it comes. */
enum stream_state { STREAM_OPEN = 1, STREAM_ENDED, STREAM_BROKEN };
struct stream;
typedef void stream_take(void *user, const char *bytes, size_t length);
/* `last_event` NULL: none. NULL when it has complained. */
struct stream *stream_open(struct cli *cli, const char *path, const char *last_event,
                           stream_take *take, void *user);
/* Waits at most so long; `take` is called from here, for replies with status 200 only. */
enum stream_state stream_step(struct stream *stream, int milliseconds);
int stream_status(const struct stream *stream); /* HTTP's; 0: not yet */
/* Why there was never an answer. */
void stream_complain(const struct stream *stream);
/* What was answered in place of a stream; for client_complain. */
void stream_reply(const struct stream *stream, struct reply *reply);
void stream_close(struct stream *stream);

#endif
