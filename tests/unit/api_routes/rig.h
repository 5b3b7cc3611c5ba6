/* Managers on a virtual loop with the memory store, and a stand-in for the HTTP server that runs
 * handlers' chains on that one thread. */
#ifndef API_ROUTES_RIG_H
#define API_ROUTES_RIG_H

#include "api/list.h"
#include "api/request.h"
#include "server.h"

struct rig {
    struct loop *loop;
    struct server *server;
    struct api_parts parts;
    /* Runs on the loop before each step of the API thread; NULL: nothing. */
    void (*meanwhile)(void);
};
extern struct rig rig;
void rig_setup(void);
void rig_teardown(void);
void rig_run_ms(uint64_t ms);
/* A node "node-1" of 4 cores and 16Gi, never heard of. */
void rig_put_node(void);

/* What the client is told. */
struct answer {
    int status;
    json_t *body; /* NULL: none. Owned */
    char *location, *etag, *text;
};
struct call {
    const char *method, *path; /* "/deployments/web?limit=1" */
    const char *body;          /* JSON; NULL: none */
    const char *if_match, *if_none_match;
};
/* Runs the request until it is answered (5 simulated seconds at most). */
struct answer rig_call(const struct call *call);
void answer_finish(struct answer *answer);
/* A number, string or the like at "status.phase" as text; NULL: there is none. Static buffer. */
const char *answer_at(const struct answer *answer, const char *path);
/* details[].field of a refused body, joined by spaces, in order. Static buffer. */
const char *answer_faults(const struct answer *answer);

#endif
