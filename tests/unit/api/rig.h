/* An API over a real server (memory store, no node), its main loop in a thread, and a small HTTP
 * client on raw sockets. One rig a test; Criterion gives each its own process. */
#ifndef TESTS_API_RIG_H
#define TESTS_API_RIG_H

#include "api/impl.h"
#include "server.h"

#define RIG_KEY "a-key-for-the-tests"
#define KEY_HEADER "X-API-Key: " RIG_KEY "\r\n"

struct rig_options {
    struct api_limits limits;
    const char *yaml; /* of the configuration, beside listen and store */
    bool unserved;    /* the state is never loaded */
};
struct rig {
    struct loop *loop;
    struct config *config;
    struct server *server;
    struct api *api;
    uint16_t port;
    bool opened, ended;
};
extern struct rig rig;
struct rig_options rig_defaults(void);
void rig_start(const struct rig_options *options);
void rig_stop(void); /* as the daemon ends */
/* Runs `call` on the main loop and waits for it. */
void rig_call(void (*call)(void *argument), void *argument);

/* -- the client -- */
struct reply {
    int status; /* 0: the connection was closed without one */
    char *head; /* status line and headers */
    char *body;
    size_t length;
    bool ended; /* whole, by its length or by the last chunk */
};
int client_open(void);
void client_send(int fd, const char *bytes, size_t length);
void client_text(int fd, const char *text);
struct reply client_read(int fd);
bool client_is_closed(int fd); /* by the server, within 10 s */
void reply_free(struct reply *reply);
/* The value of a header in `scratch`, "" when it is not there. */
const char *reply_header(const struct reply *reply, const char *name, char scratch[256]);

/* One request on a connection of its own; `headers` are lines with \r\n, or NULL. */
struct reply ask_plain(const char *method, const char *path, const char *headers, const char *body);
/* The same with the key, and JSON's type where there is a body. */
struct reply ask(const char *method, const char *path, const char *headers, const char *body);
/* ask, expecting a status; answers the body as JSON (NULL: none). */
json_t *ask_json(const char *method, const char *path, const char *body, int status);
/* ask, expecting an error's status and code. */
void expect_refusal(const char *method, const char *path, const char *headers, const char *body,
                    int status, const char *code);
void declare(const char *name, const char *labels); /* a deployment */

/* -- the tests' own routes -- */
extern const struct route_table rig_routes;
extern struct rig_held { /* POST /api/v1/test/hold: requests that the loop keeps */
    pthread_mutex_t lock;
    struct request *items[64];
    size_t count;
} rig_held;
void rig_wait_held(size_t count);
void rig_release_held(void);
extern struct rig_stream { /* GET /api/v1/test/stream */
    pthread_mutex_t lock;
    struct stream *stream;
    size_t written, limit;      /* bytes; limit: then it ends */
    bool complete, gone, stays; /* stays: it is silent then, and does not end */
} rig_stream;

#endif
