/* One request on its way: parsed on the API thread, worked on by the main loop, encoded and
 * answered on the API thread. Private to core/api.
 *
 * A handler is a chain of steps. Each step runs on one thread and ends by naming the next one:
 *
 *     [api]  route->begin(request)      headers, query and body are complete and within limits
 *              -> request_to_loop(request, step)   a lane; full: 429 or 503 is answered for you
 *     [loop] step(request)              managers; may keep the request across turns (write_done)
 *              -> request_to_api(request, step)    any number of hops between the two
 *     [api]  step(request)              encodes into request->out
 *              -> request_reply(request, status)   or request_fail / request_fail_faults
 *
 * The request is owned by the thread whose step runs. Its arena, freed with it, may be used by that
 * thread only. A client that has gone away is noticed by the server; the chain still runs to its
 * end and the reply is dropped. */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include "api/api.h"
#include "loop/loop.h"
#include "schema/schema.h"
#include "store/write.h"

#include <jansson.h>

struct request;
struct route;
struct stream;
typedef void request_step(struct request *request);

enum api_lane { LANE_AGENTS = 1, LANE_CONTROLLERS, LANE_USERS };
enum api_role { ROLE_NONE = 1, ROLE_VIEWER, ROLE_DEPLOYER, ROLE_OPERATOR, ROLE_ADMIN };

/* Routes of one file; every method and path that is not in a table is refused before any handler.
 * One table gives dispatch, 405's Allow, authorisation, metrics labels and OpenAPI. */
struct route {
    const char *method; /* "GET"; HEAD is answered by GET's */
    const char *path;   /* "/api/v1/deployments/{name}/scale" */
    request_step *begin;
    enum api_role role; /* the least; ROLE_NONE: open without a key */
    uint8_t body;       /* enum route_body */
    const char *summary;
    const struct type *takes, *answers; /* for OpenAPI; NULL: none, or `answers_schema` */
    const char *example;                /* JSON text: a body that it takes; NULL: {} will do */
    const char *answers_schema;         /* JSON Schema text where no type says it */
    bool answers_list;                  /* {"items", "next", "total", "seq"} of `answers` */
    const char *const *query;           /* names of known query parameters, NULL-terminated;
                                           unknown ones are refused with 400 */
    int status;                         /* of success; 0: 200 */
    uint8_t lane;                       /* enum api_lane; 0: LANE_USERS */
    uint8_t audit;                      /* enum route_audit */
    bool no_dry_run;                    /* it is refused with dryRun=true */
    bool loopback_open;                 /* a loopback peer without Forwarded needs no key */
};
/* What is noted of requests that may change something: refusals, since changes are in transactions;
 * everything, where it is done without one; nothing, where there is nothing to it. */
enum route_audit { AUDIT_REFUSALS = 0, AUDIT_ALL, AUDIT_NOTHING };
enum route_body { BODY_NONE = 0, BODY_OPTIONAL, BODY_REQUIRED };
struct route_table {
    const struct route *routes;
    size_t count;
};
extern const struct route_table routes_deployments, routes_containers, routes_nodes,
    routes_services, routes_events, routes_audit, routes_cluster, routes_plan, routes_server;

struct request {
    struct api *api;
    const struct api_parts *parts;
    const struct route *route;
    struct arena arena;
    char id[65];           /* X-Request-Id */
    const char *by;        /* "key:admin" */
    const char *params[3]; /* path parameters, decoded and checked, in order of the path */
    json_t *body;          /* parsed; NULL: none. Owned */
    char body_hash[65];    /* SHA-256 of the bytes, when there is a body */
    const char *if_match, *if_none_match, *idempotency_key; /* NULL: not given */
    uint64_t seq; /* X-Seq: of the state that the reply was read from; set by [loop] steps */

    /* The reply, built by the last step. */
    struct text out; /* JSON, unless content_type says otherwise */
    const char *content_type;
    const char *location; /* in the arena; NULL: none */
    uint64_t etag;        /* version; 0: none */

    bool dry_run;              /* nothing may change: the answer is the plan */
    struct planning *planning; /* what is planned, or applied; NULL: nothing */

    void *data;                            /* the handler's own, usually in the arena */
    void (*drop)(struct request *request); /* [api] frees what `data` holds beyond the arena */

    struct error error; /* for steps that fail on the loop */
    /* Private to the server: */
    struct loop_task task; /* in a lane, or posted to the API's loop */
    request_step *next;
    int status;
    bool done; /* replied to */
    struct stream *stream;
};

/* The value of a query parameter, decoded; NULL: not given. [api] */
const char *request_query(const struct request *request, const char *name);
/* A whole number within bounds; false: answered with 400. [api] */
bool request_query_int(struct request *request, const char *name, int64_t initial, int64_t min,
                       int64_t max, int64_t *out);
bool request_query_bool(struct request *request, const char *name, bool *out);

void request_to_loop(struct request *request, request_step *step); /* [api] */
void request_to_api(struct request *request, request_step *step);  /* [loop] */
/* Ends the chain. [api] */
void request_reply(struct request *request, int status);
void request_fail(struct request *request, const struct error *error); /* {"error", "code", ...} */
/* VALIDATION_FAILED with "details"; all of them. */
void request_fail_faults(struct request *request, const struct schema_faults *faults);
/* Shortcut of the loop: ends with `request->error` as filled. [loop] */
void request_fail_from_loop(struct request *request);
/* Answers with a stream (logs, events): status 200 and the bytes that come. [api] */
void request_reply_stream(struct request *request, struct stream *take_stream);

/* Preconditions and origin for a manager's command. False: answered with 400. [api] */
bool request_write(struct request *request, struct write_request *out);
/* Reads request->body by a type into the arena, all faults at once. False: answered. `replaced`
 * names the path parameter that `name` must equal when given (NULL: none). [api] */
bool request_read(struct request *request, const struct type *type, void *out);

#endif
